import { expect, test } from "vitest";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { DatasetConfig } from "../../src/core/config.ts";
import type { Log } from "../../src/core/log.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { startProfiler } from "../../src/stages/profiler.ts";

const DATASET: DatasetConfig = {
  topic: "trips",
  time: { latenessMs: 0, idleAfterMs: 60_000, unheardAfterMs: 300_000, maxAheadMs: 60_000 },
  windows: { sizesMs: [60_000], timezone: "UTC" },
  slices: [],
  fields: new Map(),
  valuesDefault: "show",
  detect: { season: 7, warmup: 20 },
  flushEveryMs: 5000,
};

/** The log in batches of ten, of which some are removed before they are delivered. */
function removing(log: Log, isRemoved: (fromOffset: number) => boolean): Log {
  return {
    createTopics: (topics) => log.createTopics(topics),
    append: (records) => log.append(records),
    subscribe: (options, handler) =>
      log.subscribe(
        { ...options, maxBatchRecords: 10 },
        {
          claimed: (claim) => handler.claimed?.(claim),
          batch: (claim, batch) => (isRemoved(batch.fromOffset) ? undefined : handler.batch(claim, batch)),
          ended: (claim) => handler.ended?.(claim),
          lost: (claim, reason) => handler.lost?.(claim, reason),
        },
      ),
  };
}

test.each([
  ["in the middle of a flush", [20], ["0-20 20", "30-60 30"]],
  ["twice", [10, 40], ["0-10 10", "20-40 20", "50-60 10"]],
  ["before the first record", [0], ["10-60 50"]],
  ["several batches in a row", [20, 30, 40], ["0-20 20", "50-60 10"]],
])(
  "startProfiler() leaves offsets that were never delivered out of its flushes: %s",
  async (_name, removed, expected) => {
    const clock = new ManualClock(1_700_000_000_000);
    const log = new MemoryLog({ clock });
    await log.createTopics([
      { name: "trips", partitions: 1 },
      { name: "profiles", partitions: 1 },
    ]);
    await log.append(Array.from({ length: 60 }, () => ({ topic: "trips", partition: 0, key: null, value: null })));
    log.seal("trips");
    const profiler = await startProfiler({
      log: removing(log, (fromOffset) => removed.includes(fromOffset)),
      readers: createReaderSource(new InProcessRegistry(), { clock }),
      clock,
      logger: { info() {}, warn() {}, error() {} },
      deployment: "test",
      group: "test.profiler",
      profilesTopic: "profiles",
      datasets: [DATASET],
      startFrom: "earliest",
      flushRecords: 1000,
      time: "records",
      hashLabel: (text) => text,
    });
    await profiler.done;
    await profiler.stop();
    const flushes = log.records("profiles", 0).flatMap(({ value }) => {
      const delta = decodeDelta(value!);
      return delta.kind === "ledger" ? [delta.entry] : [];
    });
    expect(flushes.map(({ fromOffset, toOffset, counts }) => `${fromOffset}-${toOffset} ${counts.tombstone}`)).toEqual(
      expected,
    );
  },
);
