import { expect, test } from "vitest";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { AvroBinaryWriter } from "../../src/core/avro-binary.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { ColumnBatch, EventReader } from "../../src/core/column-batch.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { createAvroReader } from "../../src/schemas/avro-reader.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { startProfiler } from "../../src/stages/profiler.ts";

const EVENTS = 100;
const EVENT_BYTES = 1_000_000;

/** A reader, and the most memory that a batch of it had. */
function watchedReader() {
  const reader = createAvroReader('"string"');
  const watched = { bytesMax: 0 };
  const source: EventReader = {
    fields: reader.fields,
    get errorPosition() {
      return reader.errorPosition;
    },
    createBatch: (rows) => reader.createBatch(rows),
    read(batch: ColumnBatch, bytes, from, to) {
      const outcome = reader.read(batch, bytes, from, to);
      watched.bytesMax = Math.max(watched.bytesMax, batch.arena.buffer.byteLength);
      return outcome;
    },
  };
  return { source, watched };
}

test("startProfiler() takes large events into profiles before a batch has all its rows: memory is bounded, all are counted", async () => {
  const clock = new ManualClock(1_700_000_000_000);
  const log = new MemoryLog({ clock });
  await log.createTopics(["texts", "profiles"].map((name) => ({ name, partitions: 1 })));
  const writer = new AvroBinaryWriter(EVENT_BYTES + 10);
  writer.string("x".repeat(EVENT_BYTES));
  const value = frame(1, writer.finish());
  await log.append(Array.from({ length: EVENTS }, () => ({ topic: "texts", key: null, value })));
  log.seal("texts");
  const { source, watched } = watchedReader();
  const profiler = await startProfiler({
    ...{ log, clock, deployment: "test", group: "g", profilesTopic: "profiles", startFrom: "earliest" },
    readers: { known: () => source, load: async () => source },
    logger: { info() {}, warn() {}, error() {} },
    datasets: [
      {
        topic: "texts",
        time: { latenessMs: 0, idleAfterMs: 60_000, unheardAfterMs: 60_000, maxAheadMs: 60_000 },
        windows: { sizesMs: [60_000], timezone: "UTC" },
        slices: [],
        fields: new Map(),
        valuesDefault: "show",
        detect: { season: 7, warmup: 28 },
        flushEveryMs: 5000,
      },
    ],
    flushRecords: 1000,
    time: "records",
    hashLabel: (text) => text,
  });
  await profiler.done;
  await profiler.stop();
  const counts = log
    .records("profiles", 0)
    .map(({ value: bytes }) => decodeDelta(bytes!))
    .flatMap((delta) => (delta.kind === "ledger" ? [delta.entry.counts] : []));
  expect(counts.reduce((sum, { valid }) => sum + valid, 0)).toBe(EVENTS);
  expect(watched.bytesMax).toBeGreaterThan(16 * EVENT_BYTES);
  expect(watched.bytesMax).toBeLessThan(EVENTS * 0.5 * EVENT_BYTES);
});
