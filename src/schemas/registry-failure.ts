/** What can go wrong between us and a schema registry, in words that say what to do; never with a secret in them. */
import { type ErrorCode, StreamgaugeError } from "../core/errors.ts";
import { DeadlineError, type HttpAnswer } from "./http-get.ts";

/** An attempt that gave no verdict on a schema. */
export interface RegistryFailure {
  readonly code: Extract<ErrorCode, "SG_CONNECT" | "SG_CONFIG">;
  /** Continues "the schema registry at http://…": `does not answer (ECONNREFUSED)`. */
  readonly state: string;
  /** Whether the same request may go well a moment later. */
  readonly isPassing: boolean;
  /** What the registry asked for by `Retry-After`. */
  readonly waitMs?: number;
  readonly cause?: unknown;
}

export function failureError(subject: string, shownUrl: string, failure: RegistryFailure): StreamgaugeError {
  const message = `Cannot ${subject}: the schema registry at ${shownUrl} ${failure.state}`;
  return new StreamgaugeError(failure.code, message, failure.cause === undefined ? {} : { cause: failure.cause });
}

/** Of an answer that carries no verdict. `hasLogin`: whether we sent one; `nowMs`: wall time, for dates. */
export function failureOfAnswer(answer: HttpAnswer, hasLogin: boolean, nowMs: number): RegistryFailure {
  const { status } = answer;
  if (status === 401) {
    const state = hasLogin
      ? "refuses the login (401) — check registry.auth"
      : "asks for a login (401) — add registry.auth";
    return { code: "SG_CONFIG", state, isPassing: false };
  }
  if (status === 403) {
    const state = "forbids reading schemas (403) — grant it to the user of registry.auth";
    return { code: "SG_CONFIG", state, isPassing: false };
  }
  if (status === 408 || status === 429 || status >= 500) {
    const waitMs = retryAfterMs(answer.retryAfter, nowMs);
    const busy = status === 429 ? "has too many requests" : "has a failure of its own";
    return {
      code: "SG_CONNECT",
      state: `${busy} (${status})`,
      isPassing: true,
      ...(waitMs === undefined ? {} : { waitMs }),
    };
  }
  return noRegistry(answer);
}

/** Something else listens there, or the path is wrong. */
function noRegistry(answer: HttpAnswer): RegistryFailure {
  const begin = answer.text === "" ? "nothing" : `"${firstCharacters(answer.text)}"`;
  const state = `does not look like a schema registry: it answers ${answer.status} with ${begin} — check registry.url and its path`;
  return { code: "SG_CONNECT", state, isPassing: false };
}

export function redirectFailure(target: string): RegistryFailure {
  const state = `sends us to ${target} — if that is right, write it into registry.url`;
  return { code: "SG_CONFIG", state, isPassing: false };
}

/** Certificates that we do not take, by the codes of Node. */
const UNTRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** Of an error that Node gave instead of an answer. */
export function failureOfError(error: unknown): RegistryFailure {
  if (error instanceof DeadlineError) {
    return { code: "SG_CONNECT", state: `does not answer: ${error.message}`, isPassing: true };
  }
  const code = codeOf(error);
  if (UNTRUSTED.has(code)) {
    const state = `has a certificate of an authority that is not trusted (${code}) — put it into registry.tls.ca`;
    return { code: "SG_CONFIG", state, isPassing: false, cause: error };
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const state = `has a certificate for another name (${code}) — check registry.url, or set registry.tls.serverName`;
    return { code: "SG_CONFIG", state, isPassing: false, cause: error };
  }
  if (
    code.includes("CERTIFICATE_REQUIRED") ||
    code.endsWith("_ALERT_HANDSHAKE_FAILURE") ||
    code.includes("ALERT_BAD_CERTIFICATE") ||
    code.includes("ALERT_UNKNOWN_CA")
  ) {
    const state = `does not take our certificate, or misses one (${code}) — check registry.tls.cert and key`;
    return { code: "SG_CONFIG", state, isPassing: false, cause: error };
  }
  if (code === "EPROTO" || code === "ERR_SSL_WRONG_VERSION_NUMBER" || code.startsWith("ERR_SSL_PACKET_LENGTH")) {
    const state = `does not speak TLS (${code}) — if so, registry.url begins with http://`;
    return { code: "SG_CONFIG", state, isPassing: false, cause: error };
  }
  if (code.startsWith("HPE_")) {
    const state = `does not speak HTTP (${code}) — check registry.url, and whether it begins with https://`;
    return { code: "SG_CONNECT", state, isPassing: false, cause: error };
  }
  return { code: "SG_CONNECT", state: `does not answer (${code})`, isPassing: true, cause: error };
}

function codeOf(error: unknown): string {
  // Several addresses tried, all in vain: Node gives one error with all of them in it.
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const code: unknown = inner instanceof Error && "code" in inner ? inner.code : undefined;
  return typeof code === "string" ? code : firstCharacters(inner instanceof Error ? inner.message : String(inner));
}

/** Milliseconds from `nowMs`; seconds or a date, as RFC 9110 §10.2.3 has it. */
function retryAfterMs(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const waitMs = /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs);
}

const CHARACTERS_SHOWN_MAX = 80;

/** In one line, without characters that a terminal would act on. */
function firstCharacters(text: string): string {
  const line = text
    .slice(0, 4 * CHARACTERS_SHOWN_MAX)
    .replaceAll(/\s+/g, " ")
    .trim();
  const printable = line.replaceAll(/[^\x20-\x7e]/g, "?");
  return printable.length > CHARACTERS_SHOWN_MAX ? `${printable.slice(0, CHARACTERS_SHOWN_MAX)}…` : printable;
}
