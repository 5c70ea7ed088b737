/**
 * Schemas by id, and the readers made of them. A flood of unknown ids costs at most one request per id and minute,
 * and evicts no reader.
 */
import type { Clock, Timer } from "../core/clock.ts";
import type { EventReader, ReaderSource, SchemaRefusal } from "../core/column-batch.ts";
import { type ErrorCode, StreamgaugeError } from "../core/errors.ts";
import type { RegisteredSchema, SchemaRegistry } from "../core/schema-registry.ts";
import { createAvroReader } from "./avro-reader.ts";

/** A registry in this process: for file replay, the demo and tests. Ids count from 1. */
export class InProcessRegistry implements SchemaRegistry {
  readonly #schemas: RegisteredSchema[] = [];
  readonly #ids = new Map<string, number>();

  /** Id of the schema text; the same text has the same id. */
  register(text: string): number {
    let id = this.#ids.get(text);
    if (id === undefined) {
      id = this.#schemas.length + 1;
      this.#schemas.push({ id, type: "AVRO", text });
      this.#ids.set(text, id);
    }
    return id;
  }

  async schema(id: number): Promise<RegisteredSchema | undefined> {
    return this.#schemas[id - 1];
  }
}

export interface ReaderSourceOptions {
  readonly clock: Clock;
  /**
   * Readers kept; the one unused for longest goes first. As many refusals are kept beside them, and as many requests
   * may be in flight.
   * @default 1000
   */
  readonly maxReaders?: number;
  /**
   * Milliseconds until an unanswered request fails. A registry has a deadline of its own, and says more when it
   * passes; this one is longer, and holds for any registry.
   * @default 10000
   */
  readonly deadlineMs?: number;
  /** Milliseconds for which an id that the registry does not know is not asked for again. @default 60000 */
  readonly unknownForMs?: number;
}

export function createReaderSource(registry: SchemaRegistry, options: ReaderSourceOptions): ReaderSource {
  return new CachedReaders(registry, options);
}

interface KeptRefusal {
  readonly refusal: SchemaRefusal;
  /** Clock time from which it no longer holds. */
  readonly untilMs: number;
}

class CachedReaders implements ReaderSource {
  readonly #registry: SchemaRegistry;
  readonly #clock: Clock;
  readonly #maxReaders: number;
  readonly #deadlineMs: number;
  readonly #unknownForMs: number;
  readonly #readers: LruMap<EventReader>;
  readonly #refusals: LruMap<KeptRefusal>;
  readonly #inFlight = new Map<number, Promise<EventReader | SchemaRefusal>>();

  constructor(registry: SchemaRegistry, options: ReaderSourceOptions) {
    this.#registry = registry;
    this.#clock = options.clock;
    this.#maxReaders = options.maxReaders ?? 1000;
    this.#deadlineMs = options.deadlineMs ?? 10_000;
    this.#unknownForMs = options.unknownForMs ?? 60_000;
    this.#readers = new LruMap(this.#maxReaders);
    this.#refusals = new LruMap(this.#maxReaders);
  }

  known(schemaId: number): EventReader | SchemaRefusal | undefined {
    const reader = this.#readers.find(schemaId);
    if (reader !== undefined) return reader;
    const kept = this.#refusals.find(schemaId);
    return kept !== undefined && this.#clock.monotonicMs() < kept.untilMs ? kept.refusal : undefined;
  }

  async load(schemaId: number): Promise<EventReader | SchemaRefusal> {
    const known = this.known(schemaId);
    if (known !== undefined) return known;
    let flight = this.#inFlight.get(schemaId);
    if (flight === undefined) {
      if (this.#inFlight.size >= this.#maxReaders) {
        throw new StreamgaugeError(
          "SG_CONNECT",
          `Cannot load schema ${schemaId}: ${this.#inFlight.size} requests are waiting for the registry`,
        );
      }
      flight = this.#request(schemaId).finally(() => this.#inFlight.delete(schemaId));
      this.#inFlight.set(schemaId, flight);
    }
    return flight;
  }

  async #request(schemaId: number): Promise<EventReader | SchemaRefusal> {
    let schema: RegisteredSchema | undefined;
    try {
      schema = await this.#answer(schemaId);
    } catch (error) {
      // What it refers to may be registered later.
      return this.#refuse(schemaId, "schema_refused", refusalMessage(error), this.#unknownUntil());
    }
    if (schema === undefined) {
      const message = `The registry does not know schema ${schemaId}`;
      return this.#refuse(schemaId, "schema_unknown", message, this.#unknownUntil());
    }
    try {
      const reader = createReader(schema);
      this.#readers.keep(schemaId, reader);
      return reader;
    } catch (error) {
      // The text behind an id never changes.
      return this.#refuse(schemaId, "schema_refused", refusalMessage(error), Number.POSITIVE_INFINITY);
    }
  }

  #unknownUntil(): number {
    return this.#clock.monotonicMs() + this.#unknownForMs;
  }

  #refuse(schemaId: number, reason: SchemaRefusal["reason"], message: string, untilMs: number): SchemaRefusal {
    const refusal: SchemaRefusal = { reason, message };
    this.#refusals.keep(schemaId, { refusal, untilMs });
    return refusal;
  }

  /** The registry's answer; `SG_CONNECT` when the deadline passes, or the registry throws what it ought not to. */
  async #answer(schemaId: number): Promise<RegisteredSchema | undefined> {
    let timer: Timer | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = this.#clock.after(this.#deadlineMs, () => {
        reject(
          new StreamgaugeError(
            "SG_CONNECT",
            `Cannot load schema ${schemaId}: the registry did not answer in ${this.#deadlineMs} ms`,
          ),
        );
      });
    });
    try {
      return await Promise.race([this.#registry.schema(schemaId), deadline]);
    } catch (error) {
      if (error instanceof StreamgaugeError && OF_REGISTRY.has(error.code)) throw error;
      throw new StreamgaugeError("SG_CONNECT", `Cannot load schema ${schemaId}: the registry failed`, { cause: error });
    } finally {
      timer?.cancel();
    }
  }
}

/** What `SchemaRegistry.schema` may reject with. */
const OF_REGISTRY: ReadonlySet<ErrorCode> = new Set(["SG_CONNECT", "SG_CONFIG", "SG_SCHEMA"]);

function createReader(schema: RegisteredSchema): EventReader {
  if (schema.type === "AVRO") return createAvroReader(schema.text, schema.references);
  const type = JSON.stringify(schema.type.slice(0, 40));
  throw new StreamgaugeError("SG_SCHEMA", `Cannot use schema ${schema.id}: its type is ${type}, expected "AVRO"`);
}

/** Of an error that is a verdict on the schema; any other is thrown. */
function refusalMessage(error: unknown): string {
  if (error instanceof StreamgaugeError && error.code === "SG_SCHEMA") return error.message;
  throw error;
}

/** Keeps the `limit` entries that were used last. */
class LruMap<V> {
  readonly #limit: number;
  readonly #entries = new Map<number, V>();
  /** A topic mostly has one schema: finding the same id again costs no reordering. */
  #newestId = -1;

  constructor(limit: number) {
    this.#limit = limit;
  }

  find(id: number): V | undefined {
    const value = this.#entries.get(id);
    if (value !== undefined && id !== this.#newestId) {
      this.#entries.delete(id);
      this.#entries.set(id, value);
      this.#newestId = id;
    }
    return value;
  }

  keep(id: number, value: V): void {
    this.#entries.delete(id);
    this.#entries.set(id, value);
    this.#newestId = id;
    if (this.#entries.size > this.#limit) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
  }
}
