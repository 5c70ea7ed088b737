import { expect, test } from "vitest";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { startProfiler } from "../../src/stages/profiler.ts";

test("a flush in the middle of a batch says neither that the partition has ended nor that it is caught up", async () => {
  const clock = new ManualClock(1_700_000_000_000);
  const log = new MemoryLog({ clock });
  await log.createTopics(["trips", "profiles"].map((name) => ({ name, partitions: 1 })));
  // Whatever they are: seven records of one batch, of which each third one ends a flush.
  await log.append(Array.from({ length: 7 }, () => ({ topic: "trips", key: null, value: null })));
  log.seal("trips");
  const profiler = await startProfiler({
    ...{ log, clock, deployment: "test", group: "g", profilesTopic: "profiles", startFrom: "earliest" },
    readers: createReaderSource(new InProcessRegistry(), { clock }),
    logger: { info() {}, warn() {}, error() {} },
    datasets: [
      {
        topic: "trips",
        time: { latenessMs: 0, idleAfterMs: 60_000, unheardAfterMs: 60_000, maxAheadMs: 60_000 },
        windows: { sizesMs: [60_000], timezone: "UTC" },
        slices: [],
        fields: new Map(),
        valuesDefault: "show",
        detect: { season: 7, warmup: 28 },
        flushEveryMs: 5000,
      },
    ],
    flushRecords: 3,
    time: "records",
    hashLabel: (text) => text,
  });
  await profiler.done;
  await profiler.stop();
  const entries = log
    .records("profiles", 0)
    .map(({ value }) => decodeDelta(value!))
    .flatMap((delta) => (delta.kind === "ledger" ? [delta.entry] : []));
  expect(entries.map(({ toOffset, caughtUp, ended }) => ({ toOffset, caughtUp, ended }))).toEqual([
    { toOffset: 3, caughtUp: false, ended: false },
    { toOffset: 6, caughtUp: false, ended: false },
    { toOffset: 7, caughtUp: true, ended: true },
  ]);
});
