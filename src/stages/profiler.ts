/**
 * Stage 1: events in, deltas out. What one input partition brought since its last flush is written in one
 * transaction with the new position; then the partition starts empty. The output is a function of the log alone.
 *
 * Delivery guarantee: a record is in exactly one committed flush. Back-pressure: a batch is taken from the log only
 * when the one before it has been handled, so a slow output holds the input, as does a registry without a verdict.
 */
import type { Clock, Timer } from "../core/clock.ts";
import type { EventReader, ReaderSource, SchemaRefusal } from "../core/column-batch.ts";
import type { DatasetConfig } from "../core/config.ts";
import type { Claim, ClaimHandler, Log, RecordBatch, Subscription } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { noTelemetry, type Telemetry } from "../core/telemetry.ts";
import { ProfilePool } from "../profiles/profile-pool.ts";
import { readWireHeader } from "../schemas/wire-format.ts";
import { FlushCuts } from "./flush-cuts.ts";
import { observeLog } from "./observed-log.ts";
import { PairWatch } from "./pair-watch.ts";
import { PartitionProfiler, type SchemaTable } from "./partition-profiler.ts";
import { RegistryTelemetry, TopicTelemetry } from "./profiler-telemetry.ts";
import { SchemaLoader } from "./schema-loader.ts";

export interface ProfilerOptions {
  readonly log: Log;
  readonly readers: ReaderSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly deployment: string;
  /** Consumer group. */
  readonly group: string;
  readonly profilesTopic: string;
  readonly datasets: readonly DatasetConfig[];
  readonly startFrom: "earliest" | "latest" | number;
  /** A flush happens at the latest after this many records of a partition. */
  readonly flushRecords: number;
  /**
   * `clock`: flushes by `flushEvery`, entries carry the clock's time. `records`: no timer, entries carry the largest
   * broker timestamp of their partition, so that the same records give the same deltas.
   */
  readonly time: "clock" | "records";
  /** Text for a value whose policy is `hash`. */
  readonly hashLabel: (text: string) => string;
  /** After each handled batch; for progress and for feeders that wait. */
  readonly onBatch?: (batch: RecordBatch) => void;
  /** @default none */
  readonly telemetry?: Telemetry;
}

/** A partition of this process. */
interface Held {
  readonly profiler: PartitionProfiler;
  timer: Timer | undefined;
  /** A batch of it waits for the registry. */
  isWaiting: boolean;
}

export interface Profiler extends Subscription {
  /** Batches wait for the schema registry, which does not answer, or refuses us. */
  isHeldByRegistry(): boolean;
}

export async function startProfiler(options: ProfilerOptions): Promise<Profiler> {
  const pool = new ProfilePool();
  const telemetry = options.telemetry ?? noTelemetry;
  const registry = new RegistryTelemetry(telemetry);
  const datasets = new Map(
    options.datasets.map((dataset) => [
      dataset.topic,
      {
        dataset,
        telemetry: new TopicTelemetry(telemetry, dataset.topic),
        pairs: new PairWatch(dataset, options.logger),
      },
    ]),
  );
  const partitions = new Map<Claim, Held>();
  const readers: ReaderSource = {
    known: (schemaId) => options.readers.known(schemaId),
    load: (schemaId) => registry.load(options.readers, schemaId),
  };
  const loader = new SchemaLoader({ ...options, readers });
  const cuts = new FlushCuts();
  let isStopping = false;

  /** Timers flush between batches, never inside one: this chain keeps the order. */
  const inOrder = new Map<Claim, Promise<void>>();
  const enqueue = (claim: Claim, task: () => Promise<void>): Promise<void> => {
    const next = (inOrder.get(claim) ?? Promise.resolve()).then(task);
    inOrder.set(
      claim,
      next.catch(() => undefined),
    );
    return next;
  };

  const scheduleFlush = (claim: Claim, everyMs: number): Timer =>
    options.clock.after(everyMs, () => {
      const held = partitions.get(claim);
      if (held === undefined || !claim.active) return;
      enqueue(claim, () => held.profiler.flush(claim, held.isWaiting)).catch((error: unknown) => {
        options.logger.warn({ topic: claim.topic, partition: claim.partition, error: String(error) }, "flush failed");
      });
      held.timer = scheduleFlush(claim, everyMs);
    });

  /** What was taken in is written before the group is left: whoever comes next need not read it again. */
  const drain = async (): Promise<void> => {
    const flushes = [...partitions].map(async ([claim, held]) => {
      held.timer?.cancel();
      claim.pause();
      if (claim.active) await enqueue(claim, () => held.profiler.flush(claim, held.isWaiting));
    });
    for (const flush of await Promise.allSettled(flushes)) {
      if (flush.status === "rejected") options.logger.warn({ error: String(flush.reason) }, "last flush failed");
    }
  };

  const handler: ClaimHandler = {
    claimed(claim) {
      const entry = datasets.get(claim.topic);
      if (entry === undefined) throw new RangeError(`Cannot profile ${claim.topic}: no dataset has this topic`);
      const { dataset, telemetry } = entry;
      cuts.forget(claim, claim.position);
      const profiler = new PartitionProfiler({
        dataset,
        telemetry,
        onNothingDecoded: (records, reason) => {
          options.logger.warn(
            { topic: claim.topic, partition: claim.partition, reason },
            `none of the first ${records} records could be decoded: is this topic Avro in Confluent wire format?`,
          );
        },
        partition: claim.partition,
        position: claim.position,
        profilesTopic: options.profilesTopic,
        pool,
        hashLabel: options.hashLabel,
        futureLimitMs: futureLimit(options, dataset.time.maxAheadMs),
        wallTimeMs: options.time === "clock" ? () => options.clock.nowMs() : (brokerTimeMaxMs) => brokerTimeMaxMs,
      });
      const timer = options.time === "clock" ? scheduleFlush(claim, dataset.flushEveryMs) : undefined;
      partitions.set(claim, { profiler, timer, isWaiting: false });
    },
    async batch(claim, batch) {
      const held = partitions.get(claim);
      if (held === undefined) return;
      // Not in the chain: while the registry does not answer, flushes go on and say that the partition is owned.
      held.isWaiting = true;
      const schemas = await registry.wait(() => schemasOf(batch, readers, loader, () => claim.active && !isStopping));
      if (partitions.get(claim) !== held) return;
      if (schemas === undefined) {
        // What was not consumed here must not be followed by what comes after it.
        held.timer?.cancel();
        partitions.delete(claim);
        return;
      }
      datasets.get(claim.topic)?.pairs.look(schemas);
      await enqueue(claim, async () => {
        held.isWaiting = false;
        await passOver(held.profiler, claim, batch.fromOffset);
        for (const { part, endsFlush } of cuts.split(claim, batch)) {
          await consume(held.profiler, claim, part, schemas, options.flushRecords);
          if (!endsFlush) continue;
          await held.profiler.flush(claim);
          cuts.forget(claim, part.toOffset);
        }
      });
      options.onBatch?.(batch);
    },
    async ended(claim) {
      const held = partitions.get(claim);
      if (held !== undefined) await enqueue(claim, () => held.profiler.flush(claim));
    },
    lost(claim, reason) {
      const held = partitions.get(claim);
      held?.timer?.cancel();
      const end = held?.profiler.uncommittedEnd;
      if (end !== undefined && reason !== "recreated") cuts.add(claim, end);
      partitions.delete(claim);
      inOrder.delete(claim);
      loader.wake();
      options.logger.info({ topic: claim.topic, partition: claim.partition, reason }, "partition lost");
    },
  };

  const subscription = await observeLog(options.log, { telemetry, stage: "profiler" }).subscribe(
    {
      group: options.group,
      topics: [...datasets.keys()],
      startFrom: options.startFrom,
      transactionalPrefix: options.deployment,
    },
    handler,
  );
  return {
    done: subscription.done,
    ...(subscription.health === undefined ? {} : { health: subscription.health }),
    isHeldByRegistry: () => loader.isInTrouble && [...partitions.values()].some(({ isWaiting }) => isWaiting),
    async stop() {
      isStopping = true;
      loader.wake();
      if (options.time === "clock") await drain();
      await subscription.stop();
    },
  };
}

/** Offsets that the log could not deliver any more must lie in no flush: what was taken in before them ends one. */
async function passOver(profiler: PartitionProfiler, claim: Claim, fromOffset: number): Promise<void> {
  if (fromOffset <= profiler.position) return;
  if (profiler.position > profiler.fromOffset) await profiler.flush(claim, true);
  profiler.beginAt(fromOffset);
}

async function consume(
  profiler: PartitionProfiler,
  claim: Claim,
  batch: RecordBatch,
  schemas: SchemaTable,
  flushRecords: number,
): Promise<void> {
  let from = 0;
  while (from < batch.records.length) {
    // A flush falls on an exact count of records, so that the deltas do not depend on how the log cuts its batches.
    const room = flushRecords - profiler.recordsSinceFlush;
    from = profiler.take(batch.records, from, Math.min(batch.records.length, from + room), schemas);
    if (profiler.recordsSinceFlush >= flushRecords || profiler.isFull) await profiler.flush(claim);
  }
  profiler.advanceTo(batch.toOffset);
}

/**
 * Recorded files stand in for a broker: their records are stamped with event time, so the clock says what is future.
 */
function futureLimit(options: ProfilerOptions, maxAheadMs: number): (brokerTimeMs: number) => number {
  if (options.time === "clock") return (brokerTimeMs) => brokerTimeMs + maxAheadMs;
  const limitMs = options.clock.nowMs() + maxAheadMs;
  return () => limitMs;
}

/** Readers of all schemas that the batch names; waits for the registry, undefined when it need not any more. */
async function schemasOf(
  batch: RecordBatch,
  readers: ReaderSource,
  loader: SchemaLoader,
  isWanted: () => boolean,
): Promise<SchemaTable | undefined> {
  const schemas = new Map<number, EventReader | SchemaRefusal>();
  let last = -1;
  for (const record of batch.records) {
    const schemaId = readWireHeader(record.value);
    if (schemaId < 0 || schemaId === last || schemas.has(schemaId)) continue;
    last = schemaId;
    const schema = readers.known(schemaId) ?? (await loader.load(schemaId, isWanted));
    if (schema === undefined) return undefined;
    schemas.set(schemaId, schema);
  }
  return schemas;
}
