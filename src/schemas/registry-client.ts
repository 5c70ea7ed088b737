/** Requests to a registry until there is a verdict: attempts, pauses, redirects, login, and what an answer means. */
import type { Agent as PlainAgent } from "node:http";
import type { Agent as TlsAgent } from "node:https";
import type { Clock } from "../core/clock.ts";
import type { RegistryConfig } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { SeededRandom } from "../core/random.ts";
import { BODY_BYTES_MAX, DeadlineError, type HttpAnswer, httpGet } from "./http-get.ts";
import { RegistryCircuit } from "./registry-circuit.ts";
import {
  failureError,
  failureOfAnswer,
  failureOfError,
  type RegistryFailure,
  redirectFailure,
} from "./registry-failure.ts";

export interface RegistryClientOptions {
  readonly baseUrl: URL;
  readonly agent: PlainAgent | TlsAgent;
  readonly login: RegistryConfig["auth"];
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly logger: Logger;
}

/** One thing that somebody waits for, in as many requests as it takes. */
export interface Task {
  /** Continues "Cannot": `load schema 5`. */
  readonly subject: string;
  /** Clock time at which it is over. */
  readonly deadlineMs: number;
  readonly withinMs: number;
  /** The error that is a verdict on the schema. */
  refusal(reason: string): StreamgaugeError;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Besides the first attempt. */
const RETRIES_MAX = 3;
/** Pauses are drawn from [0, 200), [0, 400), [0, 800) ms ("full jitter"): many clients do not come back together. */
const PAUSE_MS = 200;
const REDIRECTS_MAX = 3;
/** `404xx` is the registry's own word on ids, subjects and versions; a bare 404 may be that of a wrong path. */
const UNKNOWN_CODES = { min: 40_400, max: 40_499 } as const;

export class RegistryClient {
  readonly #options: RegistryClientOptions;
  readonly #circuit: RegistryCircuit;
  readonly #headers: Readonly<Record<string, string>>;
  /** What no message may repeat, even when the server does. */
  readonly #secrets: readonly string[];
  readonly #shownUrl: string;
  /** Whether something has been answered that only a registry answers. */
  #isRegistry = false;

  constructor(options: RegistryClientOptions) {
    this.#options = options;
    this.#circuit = new RegistryCircuit(options.clock);
    const { origin, pathname } = options.baseUrl;
    this.#shownUrl = origin + pathname.replace(/\/+$/, "");
    const { authorization, secrets } = loginHeader(options.login);
    this.#headers = {
      accept: "application/vnd.schemaregistry.v1+json, application/json;q=0.9",
      "user-agent": "streamgauge",
      ...(authorization === undefined ? {} : { authorization }),
    };
    this.#secrets = secrets;
  }

  /** Runs `body` with a deadline; the process does not end while it waits. */
  async run<T>(subject: string, withinMs: number, body: (task: Task) => Promise<T>): Promise<T> {
    const hold = setInterval(() => {}, 0x7fffffff);
    const deadlineMs = this.#options.clock.monotonicMs() + withinMs;
    const refusal = (reason: string) => new StreamgaugeError("SG_SCHEMA", `Cannot ${subject}: ${reason}`);
    try {
      return await body({ subject, deadlineMs, withinMs, refusal });
    } finally {
      clearInterval(hold);
    }
  }

  /** The JSON object with a `schema` at `path`; undefined when the registry does not know what the path names. */
  async get(path: string, task: Task): Promise<JsonObject | undefined> {
    const answer = await this.#ask(path, task, (found) => {
      if (found.status === 404) return unknownCode(found) !== undefined;
      return found.status === 200 && (found.isCut ? isJson(found) : typeof jsonObject(found)?.schema === "string");
    });
    if (answer.status === 200) {
      this.#isRegistry = true;
      if (answer.isCut) throw task.refusal(`its text is larger than ${BODY_BYTES_MAX >> 20} MB`);
      return jsonObject(answer);
    }
    const code = unknownCode(answer);
    if (code !== undefined && code >= UNKNOWN_CODES.min && code <= UNKNOWN_CODES.max) this.#isRegistry = true;
    // Any other server may have said this: before an id is called unknown, it has to prove itself.
    if (!this.#isRegistry) await this.confirm(task);
    return undefined;
  }

  /** Whether a registry answers at all: the list of schema types needs no rights on any subject. */
  async confirm(task: Task): Promise<void> {
    await this.#ask("schemas/types", task, (found) => found.status === 200 && Array.isArray(jsonOf(found)));
    this.#isRegistry = true;
  }

  /** The first answer that `isVerdict`, after as many attempts as the deadline and the circuit allow. */
  async #ask(path: string, task: Task, isVerdict: (answer: HttpAnswer) => boolean): Promise<HttpAnswer> {
    const { clock, logger, random } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const refusal = this.#circuit.refusal();
      if (refusal !== undefined)
        throw this.#error(task, { ...refusal, state: `${refusal.state}; it is asked once a second` });
      const result = await this.#attempt(path, task, isVerdict);
      if ("status" in result) {
        if (this.#circuit.succeeded()) logger.info({ registry: this.#shownUrl }, "schema registry answers again");
        return result;
      }
      if (this.#circuit.failed(result)) {
        logger.warn(
          { registry: this.#shownUrl, state: result.state },
          "schema registry is asked once a second from now on",
        );
      }
      const pauseMs = Math.max(random.next() * PAUSE_MS * 2 ** attempt, result.waitMs ?? 0);
      const isLate = clock.monotonicMs() + pauseMs >= task.deadlineMs;
      if (!result.isPassing || attempt === RETRIES_MAX || isLate) throw this.#error(task, result);
      await new Promise<void>((resolve) => {
        clock.after(pauseMs, resolve);
      });
    }
  }

  async #attempt(
    path: string,
    task: Task,
    isVerdict: (answer: HttpAnswer) => boolean,
  ): Promise<HttpAnswer | RegistryFailure> {
    const { agent, clock, login, baseUrl } = this.#options;
    let url = new URL(`${this.#shownUrl}/${path}`);
    for (let redirects = 0; ; redirects++) {
      const withinMs = task.deadlineMs - clock.monotonicMs();
      if (withinMs <= 0) return failureOfError(new DeadlineError(task.withinMs));
      let answer: HttpAnswer;
      try {
        answer = await httpGet(url, { agent, headers: this.#headers, clock, withinMs });
      } catch (error) {
        return failureOfError(error instanceof DeadlineError ? new DeadlineError(task.withinMs) : error);
      }
      if (isVerdict(answer)) return answer;
      const target = redirectTarget(answer, url);
      if (target === undefined) {
        return failureOfAnswer(this.#withoutSecrets(answer), login !== undefined, clock.nowMs());
      }
      // Another server must not see our login, and is not the one that was meant.
      if (target.origin !== baseUrl.origin) return redirectFailure(target.origin + target.pathname);
      if (redirects === REDIRECTS_MAX) return redirectFailure(`${target.pathname}, and on and on`);
      url = target;
    }
  }

  #error(task: Task, failure: RegistryFailure): StreamgaugeError {
    return failureError(task.subject, this.#shownUrl, failure);
  }

  /** For messages: a server may repeat what it was sent. */
  #withoutSecrets(answer: HttpAnswer): HttpAnswer {
    const begin = answer.text.slice(0, 10_000);
    return { ...answer, text: this.#secrets.reduce((text, secret) => text.replaceAll(secret, "***"), begin) };
  }
}

function loginHeader(login: RegistryConfig["auth"]): { authorization?: string; secrets: string[] } {
  if (login === undefined) return { secrets: [] };
  if (login.kind === "bearer") return { authorization: `Bearer ${login.token}`, secrets: [login.token] };
  const encoded = Buffer.from(`${login.username}:${login.password}`, "utf8").toString("base64");
  return { authorization: `Basic ${encoded}`, secrets: [encoded, login.password].filter((secret) => secret !== "") };
}

function redirectTarget(answer: HttpAnswer, from: URL): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(answer.status) || answer.location === undefined) return undefined;
  return URL.canParse(answer.location, from.href) ? new URL(answer.location, from) : undefined;
}

function isJson(answer: HttpAnswer): boolean {
  return /json/i.test(answer.contentType);
}

function jsonOf(answer: HttpAnswer): unknown {
  try {
    return JSON.parse(answer.text);
  } catch {
    return undefined;
  }
}

function jsonObject(answer: HttpAnswer): JsonObject | undefined {
  const json = jsonOf(answer);
  return typeof json === "object" && json !== null && !Array.isArray(json) ? (json as JsonObject) : undefined;
}

/** `error_code` of a 404; 0 when it is JSON without one; undefined when it is not JSON. */
function unknownCode(answer: HttpAnswer): number | undefined {
  const json = jsonObject(answer);
  if (json === undefined) return undefined;
  return typeof json.error_code === "number" ? json.error_code : 0;
}
