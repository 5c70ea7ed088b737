/**
 * Stage 1: events in, deltas out. What one input partition brought since its last flush is written in one
 * transaction with the new position; then the partition starts empty. The output is a function of the log alone.
 *
 * Delivery guarantee: a record is in exactly one committed flush. Back-pressure: a batch is taken from the log only
 * when the one before it has been handled, so a slow output holds the input.
 */
import type { Clock, Timer } from "../core/clock.ts";
import type { EventReader, ReaderSource, SchemaRefusal } from "../core/column-batch.ts";
import type { DatasetConfig } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { Claim, ClaimHandler, Log, RecordBatch, Subscription } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { ProfilePool } from "../profiles/profile-pool.ts";
import { readWireHeader } from "../schemas/wire-format.ts";
import { PartitionProfiler, type SchemaTable } from "./partition-profiler.ts";

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
}

const REGISTRY_RETRY_MS = 1000;

export async function startProfiler(options: ProfilerOptions): Promise<Subscription> {
  const datasets = new Map(options.datasets.map((dataset) => [dataset.topic, dataset]));
  const pool = new ProfilePool();
  const partitions = new Map<Claim, { profiler: PartitionProfiler; timer: Timer | undefined }>();

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
      enqueue(claim, () => held.profiler.flush(claim)).catch((error: unknown) => {
        options.logger.warn({ topic: claim.topic, partition: claim.partition, error: String(error) }, "flush failed");
      });
      held.timer = scheduleFlush(claim, everyMs);
    });

  const handler: ClaimHandler = {
    claimed(claim) {
      const dataset = datasets.get(claim.topic);
      if (dataset === undefined) throw new RangeError(`Cannot profile ${claim.topic}: no dataset has this topic`);
      const profiler = new PartitionProfiler({
        dataset,
        partition: claim.partition,
        position: claim.position,
        profilesTopic: options.profilesTopic,
        pool,
        hashLabel: options.hashLabel,
        futureLimitMs: futureLimit(options, dataset.time.maxAheadMs),
        wallTimeMs: options.time === "clock" ? () => options.clock.nowMs() : (brokerTimeMaxMs) => brokerTimeMaxMs,
      });
      const timer = options.time === "clock" ? scheduleFlush(claim, dataset.flushEveryMs) : undefined;
      partitions.set(claim, { profiler, timer });
    },
    async batch(claim, batch) {
      const held = partitions.get(claim);
      if (held === undefined) return;
      await enqueue(claim, () => consume(held.profiler, claim, batch, options));
      options.onBatch?.(batch);
    },
    async ended(claim) {
      const held = partitions.get(claim);
      if (held !== undefined) await enqueue(claim, () => held.profiler.flush(claim));
    },
    lost(claim, reason) {
      partitions.get(claim)?.timer?.cancel();
      partitions.delete(claim);
      inOrder.delete(claim);
      options.logger.info({ topic: claim.topic, partition: claim.partition, reason }, "partition lost");
    },
  };

  return options.log.subscribe(
    {
      group: options.group,
      topics: [...datasets.keys()],
      startFrom: options.startFrom,
      transactionalPrefix: options.deployment,
    },
    handler,
  );
}

async function consume(
  profiler: PartitionProfiler,
  claim: Claim,
  batch: RecordBatch,
  options: ProfilerOptions,
): Promise<void> {
  const schemas = await schemasOf(batch, options);
  let from = 0;
  while (from < batch.records.length) {
    // A flush falls on an exact count of records, so that the deltas do not depend on how the log cuts its batches.
    const room = options.flushRecords - profiler.recordsSinceFlush;
    const to = Math.min(batch.records.length, from + room);
    profiler.take(batch.records, from, to, schemas);
    from = to;
    if (profiler.recordsSinceFlush >= options.flushRecords) await profiler.flush(claim);
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

/** Readers of all schemas that the batch names; a registry that does not answer holds the partition. */
async function schemasOf(batch: RecordBatch, options: ProfilerOptions): Promise<SchemaTable> {
  const schemas = new Map<number, EventReader | SchemaRefusal>();
  let last = -1;
  for (const record of batch.records) {
    const schemaId = readWireHeader(record.value);
    if (schemaId < 0 || schemaId === last || schemas.has(schemaId)) continue;
    last = schemaId;
    schemas.set(schemaId, options.readers.known(schemaId) ?? (await loadSchema(schemaId, options)));
  }
  return schemas;
}

async function loadSchema(schemaId: number, options: ProfilerOptions): Promise<EventReader | SchemaRefusal> {
  for (;;) {
    try {
      return await options.readers.load(schemaId);
    } catch (error) {
      if (!(error instanceof StreamgaugeError) || error.code !== "SG_CONNECT") throw error;
      options.logger.warn({ schemaId, error: error.message }, "schema registry does not answer, waiting");
      await new Promise<void>((resolve) => {
        options.clock.after(REGISTRY_RETRY_MS, resolve);
      });
    }
  }
}
