/**
 * Holds one assigned partition for one generation of the group: claims it, waits until the claim is lost, and claims it
 * anew as long as the partition is ours.
 *
 * The order of an opening is what exactly-once rests on: fence the transactional id, settle what the last claim left in
 * doubt, then read the committed position, then seek. Nobody can move the position after it was read, because nobody else holds the id any more; a zombie that
 * fences late takes the partition over, commits rightly, and loses it again, which costs time only.
 */

import type { Kafka } from "kafkajs";
import { StreamgaugeError } from "../core/errors.ts";
import type { OutputRecord, SubscribeOptions } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { KafkaAdmin, PartitionEnds } from "./kafka-admin.ts";
import { type ClaimHost, type ClaimStart, KafkaClaim, transactionalId } from "./kafka-claim.ts";
import { isCoordinatorMissing, isPermanent, kafkaError } from "./kafka-errors.ts";
import { TransactionalHolder } from "./kafka-transactions.ts";

export interface HolderContext {
  readonly host: ClaimHost;
  readonly admin: KafkaAdmin;
  readonly logger: Logger;
  readonly transactions: Kafka;
  /** Partitions of each topic when the subscription began: a later one is read from its start. */
  readonly knownPartitions: ReadonlyMap<string, number>;
  /** The partition is still assigned and the subscription goes on. */
  readonly stillHeld: () => boolean;
  /** Settles after the group has next confirmed our membership, or has taken the partition away. */
  readonly confirmed: () => Promise<void>;
  /** The claim is open: from here to its loss the handler's methods are called. */
  readonly serve: (claim: KafkaClaim) => Promise<void>;
  /** The current claim, for what is fetched. */
  readonly current: (claim: KafkaClaim) => void;
}

/** That often within that time another holder has taken a partition which the group gives to us. */
const MAX_FENCES = 3;
const FENCES_WITHIN_MS = 60_000;
const MAX_BACK_OFF_MS = 1000;
const FIRST_BACK_OFF_MS = 100;

/** @throws {StreamgaugeError} `SG_FENCED` on the third fence within a minute; `SG_CONFIG` for what trying again does not cure */
export async function holdPartition(topic: string, partition: number, context: HolderContext): Promise<void> {
  const { host, stillHeld } = context;
  const fencedAtMs: number[] = [];
  let doubtful: readonly OutputRecord[] = [];
  let failures = 0;
  while (stillHeld()) {
    const claim = new KafkaClaim(topic, partition, host);
    context.current(claim);
    const openedAtMs = host.clock.monotonicMs();
    if (!(await openClaim(claim, doubtful, context))) return;
    doubtful = [];
    await context.serve(claim);
    if (claim.lossReason === "fenced") {
      // A zombie is told by the group that it is one; if it is not, another process uses our id.
      await context.confirmed();
      if (!stillHeld()) return;
      const nowMs = host.clock.monotonicMs();
      fencedAtMs.push(nowMs);
      while (fencedAtMs[0]! < nowMs - FENCES_WITHIN_MS) fencedAtMs.shift();
      if (fencedAtMs.length >= MAX_FENCES) throw fencedTooOften(topic, partition, host.options);
    } else if (claim.lossReason === "unknown-outcome") {
      doubtful = claim.doubtful;
      failures = host.clock.monotonicMs() - openedAtMs > FENCES_WITHIN_MS ? 1 : failures + 1;
      await backOff(failures, context);
    }
  }
}

/** False when the partition was taken away meanwhile. */
async function openClaim(
  claim: KafkaClaim,
  doubtful: readonly OutputRecord[],
  context: HolderContext,
): Promise<boolean> {
  const { logger, stillHeld } = context;
  for (let failures = 1; ; failures += 1) {
    let holder: TransactionalHolder | undefined;
    try {
      const id = transactionalId(context.host.options, claim.topic, claim.partition);
      holder = await TransactionalHolder.fence(context.transactions, id);
      await holder.settle(doubtful, context.host.clock.nowMs());
      const start = await startOf(claim, holder, context);
      if (!claim.active || !stillHeld()) {
        holder.close();
        return false;
      }
      claim.open(start);
      return true;
    } catch (error) {
      holder?.close();
      if (!claim.active || !stillHeld()) return false;
      if (error instanceof StreamgaugeError && failures >= MAX_BEYOND_END) throw error;
      const cause = await causeOf(error, claim, context);
      const failure = kafkaError(`claim ${claim.name}`, cause);
      if (!(error instanceof StreamgaugeError) && isPermanent(cause)) throw failure;
      // With each doubling only: an outage of minutes must not fill the log.
      const tell = (failures & (failures - 1)) === 0;
      if (tell) logger.warn({ topic: claim.topic, partition: claim.partition, attempt: failures }, failure.message);
      await backOff(failures, context);
      if (!claim.active || !stillHeld()) return false;
    }
  }
}

/** What stands behind a coordinator that could not be found. */
async function causeOf(error: unknown, claim: KafkaClaim, { host }: HolderContext): Promise<unknown> {
  if (!isCoordinatorMissing(error)) return error;
  const { connection, options } = host;
  const id = transactionalId(options, claim.topic, claim.partition);
  return (
    (await connection.coordinatorError("transactional id", id)) ??
    (await connection.coordinatorError("group", options.group)) ??
    error
  );
}

async function startOf(claim: KafkaClaim, holder: TransactionalHolder, context: HolderContext): Promise<ClaimStart> {
  const { topic, partition } = claim;
  const { admin, host, logger } = context;
  const committed = (await admin.committedPositions(host.options.group, topic)).get(partition) ?? -1;
  const ends = await admin.partitionEnds(topic);
  const own = ends.find((one) => one.partition === partition);
  if (own === undefined) throw new Error("the topic's metadata is old");
  const start = { holder, partitionCount: ends.length, endOffset: own.stable };
  if (committed === EARLIEST) return { ...start, position: own.start };
  if (committed < 0) return { ...start, position: await firstPosition(claim, own, context) };
  if (committed > own.stable) {
    const found = `its position is ${committed}, beyond the end of the partition, ${own.stable}`;
    const advice = "was the topic created anew? Delete the group's offsets, or use another kafka.group";
    throw new StreamgaugeError(
      "SG_CONFIG",
      `Cannot read ${claim.name} as group ${host.options.group}: ${found}; ${advice}`,
    );
  }
  if (committed < own.start) {
    const fields = { topic, partition, fromOffset: committed, toOffset: own.start };
    logger.error(fields, "records were removed by retention before they were read: the range is lost");
    return { ...start, position: own.start };
  }
  return { ...start, position: committed };
}

/** A leader that has just come up may not know yet how far its replicas are; after so many looks the end is its end. */
const MAX_BEYOND_END = 12;

/** The answer for a group whose position kafkajs has set back to the earliest record, after an offset out of range. */
const EARLIEST = -2;

async function firstPosition(claim: KafkaClaim, own: PartitionEnds, context: HolderContext): Promise<number> {
  const { topic, partition } = claim;
  const { startFrom } = context.host.options;
  // Nobody asked for the records of a new partition to be skipped.
  if (startFrom === "earliest" || partition >= (context.knownPartitions.get(topic) ?? 0)) return own.start;
  if (startFrom === "latest") return own.stable;
  return Math.max(own.start, await context.admin.offsetAtTime(topic, partition, startFrom));
}

function fencedTooOften(topic: string, partition: number, options: SubscribeOptions): StreamgaugeError {
  const id = transactionalId(options, topic, partition);
  const state = `another process has taken its transactional id ${id} ${MAX_FENCES} times in ${FENCES_WITHIN_MS / 1000} s`;
  const advice = "give each deployment its own name";
  return new StreamgaugeError("SG_FENCED", `Cannot hold ${topic}/${partition}: ${state}; ${advice}`);
}

function backOff(failures: number, { host }: HolderContext): Promise<void> {
  const delayMs = Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (failures - 1));
  return new Promise((resolve) => {
    host.clock.after(delayMs, resolve);
  });
}
