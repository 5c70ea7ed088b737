// One variant per process. `avsc` decodes every flight to an object and drops it. The others run stage 1 from the memory log
// to its deltas (decoding, profiles of the whole and of each airport, encoding, transactions):
// `profiler` as on a busy topic, where a flush falls into one or two windows (of a month, so that the flights make busy ones);
// `profiler-daily` as the demo does, where each of the 5,856 profiles of a day, a partition and an airport sees 58 flights.
import { fileURLToPath } from "node:url";
import avsc from "avsc";
import { openInput } from "../dist/consumers/file-input.js";
import { MemoryLog } from "../dist/consumers/memory-log.js";
import { systemClock } from "../dist/core/clock.js";
import { createReaderSource, InProcessRegistry } from "../dist/schemas/registry.js";
import { frame } from "../dist/schemas/wire-format.js";
import { startProfiler } from "../dist/stages/profiler.js";

const PARTITIONS = 4;
const input = await openInput(fileURLToPath(new URL("../data/flights.avro", import.meta.url)), {
  timeField: "time_hour",
});
const clock = systemClock();
const registry = new InProcessRegistry();
const schemaId = registry.register(input.schemaText);
const records = [];
for await (const block of input.records()) {
  for (let index = 0; index < block.count; index++) {
    const value = frame(schemaId, block.bytes.subarray(block.starts[index], block.ends[index]));
    records.push({
      topic: "flights",
      partition: records.length % PARTITIONS,
      key: null,
      value,
      timestampMs: block.timesMs[index],
    });
  }
}

const DAY_MS = 86_400_000;
const VARIANTS = {
  avsc: decodeAll,
  profiler: (events) => profileAll(events, { sizeMs: 30 * DAY_MS, flushRecords: 20_000 }),
  "profiler-daily": (events) => profileAll(events, { sizeMs: DAY_MS, flushRecords: 2_000 }),
};
const run = VARIANTS[process.argv[2]];
if (run === undefined) throw new Error(`no such variant; there are ${Object.keys(VARIANTS).join(", ")}`);
await run(records.slice(0, 100_000));
globalThis.gc?.();
const before = process.cpuUsage();
await run(records);
const used = process.cpuUsage(before);
console.log(JSON.stringify({ nsPerEvent: ((used.user + used.system) * 1000) / records.length }));
process.exit(0);

async function decodeAll(events) {
  const type = avsc.Type.forSchema(JSON.parse(input.schemaText));
  for (const { value } of events) type.decode(Buffer.from(value.buffer, value.byteOffset, value.byteLength), 5);
}

async function profileAll(events, { sizeMs, flushRecords }) {
  const log = new MemoryLog({ clock });
  await log.createTopics([
    { name: "flights", partitions: PARTITIONS, forgetConsumed: true },
    { name: "profiles", partitions: 1 },
  ]);
  await log.append(events);
  log.seal("flights");
  const dataset = {
    topic: "flights",
    time: { field: "time_hour", latenessMs: 0, idleAfterMs: 60_000, unheardAfterMs: 300_000, maxAheadMs: 3_600_000 },
    windows: { sizesMs: [sizeMs], timezone: "UTC" },
    slices: [{ by: "route.origin", name: "origin", limit: 50 }],
    fields: new Map(),
    valuesDefault: "show",
    detect: { season: 7, warmup: "auto" },
    flushEveryMs: 5000,
  };
  const profiler = await startProfiler({
    log,
    readers: createReaderSource(registry, { clock }),
    clock,
    logger: { info() {}, warn() {}, error() {} },
    deployment: "bench",
    group: "bench",
    profilesTopic: "profiles",
    datasets: [dataset],
    startFrom: "earliest",
    flushRecords,
    time: "records",
    hashLabel: (text) => text,
  });
  await profiler.done;
  await profiler.stop();
}
