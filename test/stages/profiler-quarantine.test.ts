import { expect, test } from "vitest";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { startProfiler } from "../../src/stages/profiler.ts";

const MEGABYTE = 1_000_000;
const COUNT = 50;

test.each([1, 7, 50])(
  "startProfiler() flushes before refused records take more than 16 MB, wherever batches of %i end",
  async (maxBatchRecords) => {
    const clock = new ManualClock(Date.UTC(2026, 0, 1));
    const log = new MemoryLog({ clock });
    await log.createTopics([
      { name: "trips", partitions: 1 },
      { name: "profiles", partitions: 1 },
      { name: "refused", partitions: 1 },
    ]);
    // No magic byte: each is undecodable.
    const value = new Uint8Array(MEGABYTE).fill(7);
    const timestampMs = clock.nowMs();
    await log.append(
      Array.from({ length: COUNT }, () => ({ topic: "trips", partition: 0, key: null, value, timestampMs })),
    );
    log.seal("trips");
    const profiler = await startProfiler({
      log: {
        ...log,
        subscribe: (options, handler) => log.subscribe({ ...options, maxBatchRecords }, handler),
      } as MemoryLog,
      readers: createReaderSource(new InProcessRegistry(), { clock }),
      clock,
      logger: { info() {}, warn() {}, error() {} },
      deployment: "test",
      group: "test.profiler",
      profilesTopic: "profiles",
      datasets: [
        {
          topic: "trips",
          time: {
            latenessMs: 0,
            idleAfterMs: 60_000,
            unheardAfterMs: 300_000,
            maxAheadMs: 60_000,
            reviseForMs: 60_000,
          },
          windows: { sizesMs: [60_000], timezone: "UTC" },
          slices: [],
          fields: new Map(),
          valuesDefault: "show",
          detect: { season: 7, warmup: 20 },
          quarantine: { topic: "refused" },
          flushEveryMs: 5000,
        },
      ],
      startFrom: "earliest",
      flushRecords: 1_000_000,
      time: "records",
      hashLabel: (text) => text,
    });
    await profiler.done;
    await profiler.stop();
    const ranges = log.records("profiles", 0).flatMap((record) => {
      const delta = decodeDelta(record.value!);
      return delta.kind === "ledger" ? [[delta.entry.fromOffset, delta.entry.toOffset]] : [];
    });
    expect(ranges.filter(([from, to]) => from !== to)).toEqual([
      [0, 16],
      [16, 32],
      [32, 48],
      [48, 50],
    ]);
    expect(log.records("refused", 0)).toHaveLength(COUNT);
  },
);
