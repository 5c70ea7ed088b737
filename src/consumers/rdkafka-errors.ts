/** What went wrong with librdkafka, in one sentence with what to do, and the code that the command line exits with. */
import { StreamgaugeError } from "../core/errors.ts";
import type { ClientErrors } from "./kafka-claim.ts";
import { KAFKAJS_ERRORS } from "./kafka-errors.ts";

/** Codes of librdkafka (negative) and of Kafka's protocol. */
export const CODES = {
  assignPartitions: -175,
  revokePartitions: -174,
  queueFull: -184,
  timedOut: -185,
  state: -172,
  fatal: -150,
  fenced: -144,
  unknownTopic: 3,
  illegalGeneration: 22,
  inconsistentGroupProtocol: 23,
  unknownMember: 25,
  rebalanceInProgress: 27,
  invalidProducerEpoch: 47,
  producerFenced: 90,
} as const;

/** Another producer has our transactional id, or the broker has ended our transaction for taking too long. */
const ID_TAKEN: ReadonlySet<number> = new Set([CODES.fenced, CODES.invalidProducerEpoch, CODES.producerFenced]);
/** The group does not know us as what the consumer says that we are: it has moved on, or is moving on. */
const STALE_MEMBER: ReadonlySet<number> = new Set([
  CODES.illegalGeneration,
  CODES.unknownMember,
  CODES.rebalanceInProgress,
]);

/** Refused for what they are: the same request will be refused again. */
const PERMANENT: ReadonlyMap<number, string> = new Map([
  [-169, "check kafka.sasl: the broker refuses this user"],
  [-181, "check kafka.tls: the encrypted connection fails"],
  [-193, "check kafka.brokers: the host name is unknown"],
  [10, "the broker does not accept it (MESSAGE_TOO_LARGE)"],
  [17, "the broker does not accept it (INVALID_TOPIC_EXCEPTION)"],
  [18, "the broker does not accept it (RECORD_LIST_TOO_LARGE)"],
  [
    CODES.inconsistentGroupProtocol,
    "stop every process of the deployment before kafka.client is changed: the group has members of another client",
  ],
  [26, "the broker does not accept it (INVALID_SESSION_TIMEOUT)"],
  [29, "give this user the permission: it may not use the topic (TOPIC_AUTHORIZATION_FAILED)"],
  [30, "give this user the permission: it may not use the consumer group (GROUP_AUTHORIZATION_FAILED)"],
  [31, "give this user the permission: it may not use the cluster (CLUSTER_AUTHORIZATION_FAILED)"],
  [50, "the broker does not accept it (INVALID_TRANSACTION_TIMEOUT)"],
  [53, "give this user the permission: it may not use the transactional id (TRANSACTIONAL_ID_AUTHORIZATION_FAILED)"],
  [87, "the broker does not accept it (INVALID_RECORD)"],
]);

/** librdkafka's own codes for a bad message, for bad compression, and for a codec that it was built without. */
const UNREADABLE: ReadonlySet<number> = new Set([-199, -198, -170]);

/** A host name that cannot be resolved now may be so later. */
const PASSING: ReadonlySet<number> = new Set([-193, -181]);

/** A claim has ended before its commit was sent, or the group has given its partition away. */
export class StaleClaimError extends Error {}

export const RDKAFKA_ERRORS: ClientErrors = {
  isFenced: (error) => error instanceof StaleClaimError || isOneOf(error, ID_TAKEN) || isOneOf(error, STALE_MEMBER),
  isPermanent,
  describe(action, error) {
    const code = codeOf(error);
    if (code === undefined) return KAFKAJS_ERRORS.describe(action, error);
    const message = `Cannot ${action}: ${PERMANENT.get(code) ?? (error as Error).message}`;
    return new StreamgaugeError(isPermanent(error) ? "SG_CONFIG" : "SG_CONNECT", message, { cause: error });
  },
};

/** Absent: it is none of librdkafka. kafkajs, whose admin is asked here too, has errors of its own. */
export function codeOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("code" in error) || typeof error.code !== "number")
    return undefined;
  return error instanceof Error && error.name.startsWith("KafkaJS") ? undefined : error.code;
}

/** A record batch is damaged, or packed in a way that librdkafka cannot unpack. */
export function isUnreadable(error: unknown): boolean {
  return isOneOf(error, UNREADABLE);
}

/** The transaction was refused because of the group, not of the producer: it can be made again in the new generation. */
export function isStaleMember(error: unknown): boolean {
  return isOneOf(error, STALE_MEMBER);
}

function isPermanent(error: unknown): boolean {
  const code = codeOf(error);
  if (code === undefined) return KAFKAJS_ERRORS.isPermanent(error);
  return PERMANENT.has(code) && !PASSING.has(code);
}

function isOneOf(error: unknown, codes: ReadonlySet<number>): boolean {
  const code = codeOf(error);
  return code !== undefined && codes.has(code);
}
