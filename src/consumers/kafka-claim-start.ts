/** Where a claim begins: at the position that the group has committed, or as the options say where there is none. */
import { StreamgaugeError } from "../core/errors.ts";
import type { SubscribeOptions } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { CommittedPosition, KafkaAdmin, PartitionEnds } from "./kafka-admin.ts";
import type { ClaimStart } from "./kafka-claim.ts";
import type { KafkaTopicIds } from "./kafka-topic-ids.ts";

export interface StartContext {
  readonly admin: KafkaAdmin;
  readonly logger: Logger;
  readonly options: SubscribeOptions;
  /** Partitions of each topic when the subscription began: a later one is read from its start. */
  readonly knownPartitions: ReadonlyMap<string, number>;
  readonly topicIds: KafkaTopicIds;
  /** Id of each topic when the subscription began: another one of its name is read from its start. */
  readonly knownIds: ReadonlyMap<string, string>;
  /** What this subscription has committed last, by topic and partition. */
  readonly ownPositions: ReadonlyMap<string, CommittedPosition>;
}

/** The position of a group that kafkajs has set back to the earliest record, after an offset out of range. */
const EARLIEST = -2;

/**
 * @param found position of the group
 * @throws {StreamgaugeError} `SG_CONFIG` when the position lies beyond the end of the partition
 */
export async function claimStart(
  topic: string,
  partition: number,
  found: CommittedPosition | undefined,
  context: StartContext,
): Promise<Omit<ClaimStart, "writer">> {
  const { admin, logger, options, topicIds } = context;
  // Before the ends: where the topic is created anew meanwhile, the first commit finds it to be another one.
  const topicId = await topicIds.read(topic);
  const ends = await admin.partitionEnds(topic);
  const own = ends.find((one) => one.partition === partition);
  if (own === undefined) throw new Error("the topic's metadata is old");
  const start = { topicId, partitionCount: ends.length, endOffset: own.stable };
  const committed = found?.offset ?? -1;
  if (committed === EARLIEST) return { ...start, position: own.start };
  if (found === undefined || committed < 0) {
    return { ...start, position: await firstPosition(topic, topicId, own, context) };
  }
  if (isOfOldTopic(found, context.ownPositions.get(`${topic}/${partition}`), topicId, own)) {
    return { ...start, position: own.start };
  }
  if (committed > own.stable) {
    const state = `its position is ${committed}, beyond the end of the partition, ${own.stable}`;
    const advice = "was the topic created anew? Delete the group's offsets, or use another kafka.group";
    throw new StreamgaugeError(
      "SG_CONFIG",
      `Cannot read ${topic}/${partition} as group ${options.group}: ${state}; ${advice}`,
    );
  }
  if (committed < own.start) {
    logLostRange(logger, { topic, partition, fromOffset: committed, toOffset: own.start });
    return { ...start, position: own.start };
  }
  return { ...start, position: committed };
}

/**
 * A broker forgets the positions in a topic that was deleted, but not at once, and not if it exists again by then; one whose
 * transaction was open at that time is committed afterwards.
 */
function isOfOldTopic(
  found: CommittedPosition,
  last: CommittedPosition | undefined,
  topicId: string | undefined,
  { stable }: PartitionEnds,
): boolean {
  if (topicId === undefined) return false;
  if (found.topicId !== undefined) return found.topicId !== topicId;
  if (last?.topicId === undefined || last.topicId === topicId) return false;
  return found.offset === last.offset || found.offset > stable;
}

export function logLostRange(
  logger: Logger,
  range: { readonly topic: string; readonly partition: number; readonly fromOffset: number; readonly toOffset: number },
): void {
  logger.error({ ...range }, "records were removed by retention before they were read: the range is lost");
}

async function firstPosition(
  topic: string,
  topicId: string | undefined,
  own: PartitionEnds,
  context: StartContext,
): Promise<number> {
  const { startFrom } = context.options;
  const knownId = context.knownIds.get(topic);
  // Where no broker has told the id, it may be the same.
  const isNewTopic = topicId !== undefined && knownId !== undefined && topicId !== knownId;
  const isNewPartition = own.partition >= (context.knownPartitions.get(topic) ?? 0);
  // Nobody asked for the records of a new partition, or of a new topic, to be skipped.
  if (startFrom === "earliest" || isNewPartition || isNewTopic) return own.start;
  if (startFrom === "latest") return own.stable;
  return Math.max(own.start, await context.admin.offsetAtTime(topic, own.partition, startFrom));
}
