/** What went wrong with a broker, in one sentence with what to do, and the code that the command line exits with. */
import { StreamgaugeError } from "../core/errors.ts";
import type { ClientErrors } from "./kafka-claim.ts";
import { refusalIn } from "./kafka-record-batches.ts";

/** The part of kafkajs' errors that tells them apart. */
interface KafkaJsErrorFields {
  readonly name: string;
  readonly message: string;
  /** Of the protocol, such as `TOPIC_AUTHORIZATION_FAILED`. */
  readonly type?: unknown;
  /** Of the socket, such as `ECONNREFUSED`. */
  readonly code?: unknown;
}

/** Refused for what they are: the same request will be refused again. */
const NOT_ALLOWED: ReadonlyMap<string, string> = new Map([
  ["TOPIC_AUTHORIZATION_FAILED", "the topic"],
  ["GROUP_AUTHORIZATION_FAILED", "the consumer group"],
  ["TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "the transactional id"],
  ["CLUSTER_AUTHORIZATION_FAILED", "the cluster"],
]);

const NOT_ACCEPTED: ReadonlySet<string> = new Set([
  "MESSAGE_TOO_LARGE",
  "RECORD_LIST_TOO_LARGE",
  "INVALID_TOPIC_EXCEPTION",
  "INVALID_CONFIG",
  "POLICY_VIOLATION",
  "INVALID_TRANSACTION_TIMEOUT",
  "INVALID_SESSION_TIMEOUT",
  "UNSUPPORTED_VERSION",
  // A record without a key for a compacted topic.
  "INVALID_RECORD",
]);

/**
 * An error of kafkajs as one of ours.
 * @param action what was tried, such as `read flights/3`
 */
export function kafkaError(action: string, error: unknown): StreamgaugeError {
  if (error instanceof StreamgaugeError) return error;
  const refusal = refusalIn(error);
  if (refusal !== undefined) return new StreamgaugeError(refusal.code, `Cannot ${action}: ${refusal.message}`);
  const causes = causesOf(error);
  const own = causes.find((cause) => cause instanceof StreamgaugeError);
  if (own instanceof StreamgaugeError) return own;
  const { code, reason } = explain(causes);
  return new StreamgaugeError(code, `Cannot ${action}: ${reason}`, { cause: error });
}

/** A newer holder has the transactional id, or the broker has ended our transaction for taking too long. */
export function isFencedError(error: unknown): boolean {
  return causesOf(error).some(
    // 90 is PRODUCER_FENCED, which kafkajs does not know.
    ({ type, message }) => type === "INVALID_PRODUCER_EPOCH" || message === "Unknown error code 90",
  );
}

/** Trying again would not help. */
export function isPermanent(error: unknown): boolean {
  return refusalIn(error) !== undefined || explain(causesOf(error)).code === "SG_CONFIG";
}

/** What the errors of kafkajs mean for a claim. */
export const KAFKAJS_ERRORS: ClientErrors = { isFenced: isFencedError, isPermanent, describe: kafkaError };

function explain(causes: readonly KafkaJsErrorFields[]): { code: "SG_CONFIG" | "SG_CONNECT"; reason: string } {
  for (const { name, type, message } of causes) {
    if (name === "KafkaJSSASLAuthenticationError" || type === "SASL_AUTHENTICATION_FAILED") {
      return { code: "SG_CONFIG", reason: `check kafka.sasl: the broker refuses this user (${message})` };
    }
    if (type === "UNSUPPORTED_SASL_MECHANISM") {
      return { code: "SG_CONFIG", reason: "check kafka.sasl: the broker does not offer this mechanism here" };
    }
    if (typeof type !== "string") continue;
    const resource = NOT_ALLOWED.get(type);
    if (resource !== undefined) {
      return { code: "SG_CONFIG", reason: `give this user the permission: it may not use ${resource} (${type})` };
    }
    if (NOT_ACCEPTED.has(type)) return { code: "SG_CONFIG", reason: `the broker does not accept it (${type})` };
  }
  for (const { code, message } of causes) {
    if (isTlsFailure(code, message)) {
      return { code: "SG_CONFIG", reason: `check kafka.tls: the encrypted connection fails (${sentenceOf(message)})` };
    }
  }
  for (const { code, message } of causes) {
    if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
      return { code: "SG_CONNECT", reason: `check kafka.brokers: the host name is unknown (${sentenceOf(message)})` };
    }
    if (code === "ECONNREFUSED") {
      return { code: "SG_CONNECT", reason: `check kafka.brokers: nobody listens there (${sentenceOf(message)})` };
    }
  }
  const last = causes.at(-1);
  return { code: "SG_CONNECT", reason: last === undefined ? "unknown error" : sentenceOf(last.message) };
}

/** Node and OpenSSL name these by many codes; all of them come before the first byte of Kafka's protocol. */
function isTlsFailure(code: unknown, message: string): boolean {
  if (typeof code === "string" && /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_OSSL)/.test(code)) {
    return true;
  }
  return /certificate|before secure TLS connection|SSL routines|alert (number|handshake)/i.test(message);
}

/** kafkajs puts its own words in front, OpenSSL its source files around. */
function sentenceOf(message: string): string {
  const openSsl = /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/.exec(message);
  return (openSsl?.[1] ?? message.replace(/^(Connection error|Failed to connect): /, "")).replace(/\s+/g, " ").trim();
}

/** kafkajs swallows why nobody told it the coordinator; `KafkaConnection.coordinatorError` asks again. */
export function isCoordinatorMissing(error: unknown): boolean {
  return causesOf(error).some(({ name }) => name === "KafkaJSGroupCoordinatorNotFound");
}

/** An error and its causes, outermost first; kafkajs wraps up to three deep. */
function causesOf(error: unknown): readonly (Error & KafkaJsErrorFields)[] {
  const causes: (Error & KafkaJsErrorFields)[] = [];
  for (let cause = error; cause instanceof Error && causes.length < 8; cause = cause.cause) causes.push(cause);
  const [outermost] = causes;
  if (outermost !== undefined && "errors" in outermost && Array.isArray(outermost.errors)) {
    for (const one of outermost.errors) if (one instanceof Error) causes.push(one);
  }
  return causes;
}
