// One variant per process: `avsc` decodes every flight to an object and drops it, `profiler` runs stage 1 from the
// memory log to its deltas (decoding, profiles of the whole and of each airport, encoding, transactions).
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

const run = process.argv[2] === "avsc" ? decodeAll : profileAll;
await run(records.slice(0, 50_000));
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

async function profileAll(events) {
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
    windows: { sizesMs: [86_400_000], timezone: "UTC" },
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
    flushRecords: 50_000,
    time: "records",
    hashLabel: (text) => text,
  });
  await profiler.done;
  await profiler.stop();
}
