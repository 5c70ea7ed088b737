/**
 * A schema registry with the Confluent API (also Apicurio's `apis/ccompat/v7`, Karapace, Redpanda) over HTTP.
 *
 * Back-pressure and failure: one deadline holds for everything that one schema takes (attempts, redirects, the schemas
 * it refers to); at most eight connections; a registry that is down is asked once a second, whoever asks. Only two
 * answers are a verdict on data: the schema, and that the id is unknown. Everything else rejects, so that no record is
 * called bad because of a proxy, an outage or a rotated password. Asking once per id, and remembering unknown ids, is
 * the business of `createReaderSource`.
 */
import { Agent as PlainAgent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { Clock } from "../core/clock.ts";
import type { RegistryConfig } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { SeededRandom } from "../core/random.ts";
import type { RegisteredSchema, SchemaRegistry } from "../core/schema-registry.ts";
import { RegistryClient, type Task } from "./registry-client.ts";

export interface HttpRegistryOptions {
  readonly clock: Clock;
  /** For the pauses between attempts. */
  readonly random: SeededRandom;
  readonly logger: Logger;
  /** Milliseconds for one schema with all that it takes. @default 5000 */
  readonly deadlineMs?: number;
}

export interface HttpRegistry extends SchemaRegistry {
  /**
   * Asks something that every registry answers, for the start of a command. Rejects as `schema` does: `SG_CONFIG` is
   * then a reason not to begin, `SG_CONNECT` may be an outage that the disk cache bridges.
   */
  check(): Promise<void>;
}

/** @throws {StreamgaugeError} `SG_CONFIG` when the TLS options cannot be used. */
export function createHttpRegistry(config: RegistryConfig, options: HttpRegistryOptions): HttpRegistry {
  const url = new URL(config.url);
  const isTls = url.protocol === "https:";
  const agentOptions = { keepAlive: true, maxSockets: CONNECTIONS_MAX };
  const tls = isTls ? tlsOptions(config) : {};
  const client = new RegistryClient({
    baseUrl: url,
    agent: isTls ? new TlsAgent({ ...agentOptions, ...tls }) : new PlainAgent(agentOptions),
    login: config.auth,
    clock: options.clock,
    random: options.random,
    logger: options.logger,
  });
  return new ConfluentRegistry(client, options.deadlineMs ?? 5_000);
}

const CONNECTIONS_MAX = 8;

function tlsOptions({ tls = {} }: RegistryConfig): SecureContextOptions & { servername?: string } {
  const { serverName, ...context } = tls;
  try {
    createSecureContext(context);
  } catch (error) {
    const message = "Cannot use registry.tls: a certificate or key is damaged, or they do not belong together";
    throw new StreamgaugeError("SG_CONFIG", message, { cause: error });
  }
  return serverName === undefined ? context : { ...context, servername: serverName };
}

/** Registries count ids with 32 bits and a sign: a larger one stands for no schema anywhere. */
const ID_MAX = 0x7fffffff;
/** Schemas that one schema refers to, directly or not; each is a request. */
const REFERENCES_MAX = 100;

interface Reference {
  readonly subject: string;
  readonly version: number;
}

class ConfluentRegistry implements HttpRegistry {
  readonly #client: RegistryClient;
  readonly #deadlineMs: number;

  constructor(client: RegistryClient, deadlineMs: number) {
    this.#client = client;
    this.#deadlineMs = deadlineMs;
  }

  async check(): Promise<void> {
    await this.#client.run("use the schema registry", this.#deadlineMs, (task) => this.#client.confirm(task));
  }

  async schema(id: number): Promise<RegisteredSchema | undefined> {
    if (!Number.isInteger(id) || id < 0 || id > ID_MAX) return undefined;
    return this.#client.run(`load schema ${id}`, this.#deadlineMs, async (task) => {
      const answer = await this.#client.get(`schemas/ids/${id}`, task);
      if (answer === undefined) return undefined;
      const { text, type, references } = readSchema(answer, task);
      if (references.length === 0 || type !== "AVRO") return { id, type, text };
      const texts = new Map<string, string>();
      await this.#collect(references, texts, new Set(), task);
      return { id, type, text, references: [...texts.values()] };
    });
  }

  /** Adds the texts of all references, each after those that it refers to itself. */
  async #collect(
    references: readonly Reference[],
    texts: Map<string, string>,
    seen: Set<string>,
    task: Task,
  ): Promise<void> {
    for (const { subject, version } of references) {
      const path = `subjects/${encodeURIComponent(subject)}/versions/${version}`;
      if (seen.has(path)) continue;
      seen.add(path);
      if (seen.size > REFERENCES_MAX) throw task.refusal(`it refers to more than ${REFERENCES_MAX} schemas`);
      const named = `version ${version} of subject ${JSON.stringify(subject.slice(0, 100))}, to which it refers,`;
      const answer = await this.#client.get(path, task);
      if (answer === undefined) throw task.refusal(`${named} is not in the registry`);
      const { text, type, references: inner } = readSchema(answer, task);
      if (type !== "AVRO") throw task.refusal(`${named} is of type ${JSON.stringify(type.slice(0, 40))}`);
      await this.#collect(inner, texts, seen, task);
      texts.set(path, text);
    }
  }
}

/** The parts of an answer that `RegistryClient.get` has found to hold a schema. */
function readSchema(answer: Readonly<Record<string, unknown>>, task: Task) {
  const { schema, schemaType, references = [] } = answer;
  const type = typeof schemaType === "string" ? schemaType : "AVRO";
  if (!Array.isArray(references)) throw task.refusal("what it refers to is not a list");
  return {
    text: String(schema),
    type,
    references: references.map((item: unknown): Reference => {
      const { subject, version } = typeof item === "object" && item !== null ? (item as Partial<Reference>) : {};
      if (typeof subject === "string" && Number.isInteger(version)) return { subject, version: version as number };
      throw task.refusal("a reference in it has no subject and version");
    }),
  };
}
