// How long a judge takes to go on where another one stopped, without the log: the flights of a year are judged in hours,
// sliced by airport, airline and destination, and the state that this leaves is restored from memory. Prints its size (unpacked),
// and the seconds of CPU.
import { fileURLToPath } from "node:url";
import { openInput } from "../dist/consumers/file-input.js";
import { MemoryLog } from "../dist/consumers/memory-log.js";
import { systemClock } from "../dist/core/clock.js";
import { topicNames } from "../dist/core/topics.js";
import { createReaderSource, InProcessRegistry } from "../dist/schemas/registry.js";
import { frame } from "../dist/schemas/wire-format.js";
import { startJudge } from "../dist/stages/judge.js";
import { startProfiler } from "../dist/stages/profiler.js";
import { StateStore } from "../dist/state/state-records.js";

const PARTITIONS = 4;
const HOUR_MS = 3_600_000;
const UNTIL_MS = Date.UTC(2013, Number(process.argv[2] ?? 1), 1);
const clock = systemClock();
const topics = topicNames("sg.");
const log = new MemoryLog({ clock });
const dataset = {
  topic: "flights",
  time: { field: "time_hour", latenessMs: HOUR_MS, idleAfterMs: 60_000, unheardAfterMs: 300_000, maxAheadMs: HOUR_MS },
  windows: { sizesMs: [HOUR_MS], timezone: "UTC" },
  slices: [
    { by: "route.origin", name: "origin", limit: 50 },
    { by: "carrier", name: "carrier", limit: 50 },
  ],
  fields: new Map(),
  valuesDefault: "show",
  detect: { season: 24, warmup: 48 },
  flushEveryMs: 5000,
};
const registry = new InProcessRegistry();
await log.createTopics([
  { name: "flights", partitions: PARTITIONS },
  { name: topics.profiles, partitions: 1 },
  { name: topics.state, partitions: 1, compacted: true },
  ...[topics.metrics, topics.verdicts, topics.windows, topics.alerts].map((name) => ({ name, partitions: 1 })),
]);
await fill();
const logger = { info() {}, warn() {}, error() {} };
const profiler = await startProfiler({
  log,
  readers: createReaderSource(registry, { clock }),
  clock,
  logger,
  deployment: "bench",
  group: "bench.profiler",
  profilesTopic: topics.profiles,
  datasets: [dataset],
  startFrom: "earliest",
  flushRecords: 2000,
  time: "records",
  hashLabel: (text) => text,
});
await profiler.done;
await profiler.stop();
log.seal(topics.profiles);
const judge = await judgeOf(logger);
await judge.done;
await judge.stop();
log.compact(topics.state);

const state = log.records(topics.state, 0);
const entries = [...new StateStore({ topic: topics.state, partition: 0 }).read(state)];
const unpacked = entries.reduce((sum, { value }) => sum + value.length, 0);
globalThis.gc?.();
const before = process.cpuUsage();
const startMs = performance.now();
await new Promise((resolve, reject) => {
  judgeOf({ ...logger, info: (_, message) => message === "state restored" && resolve() }).catch(reject);
});
const { user, system } = process.cpuUsage(before);
console.log(
  JSON.stringify({
    entries: entries.length,
    stateMB: unpacked / 1e6,
    packedMB: state.reduce((sum, { value }) => sum + value.length, 0) / 1e6,
    cpuSeconds: (user + system) / 1e6,
    seconds: (performance.now() - startMs) / 1000,
  }),
);
process.exit(0);

function judgeOf(to) {
  return startJudge({
    log,
    logger: to,
    deployment: "bench",
    group: "bench.judge",
    topics,
    datasets: [dataset],
    resolveAfter: 1,
    checkpoints: { clock, everyMs: 30_000 },
  });
}

async function fill() {
  const input = await openInput(fileURLToPath(new URL("../data/flights.avro", import.meta.url)), {
    timeField: "time_hour",
  });
  const schemaId = registry.register(input.schemaText);
  let count = 0;
  for await (const block of input.records()) {
    const records = [];
    for (let index = 0; index < block.count; index++) {
      if (block.timesMs[index] >= UNTIL_MS) continue;
      const value = frame(schemaId, block.bytes.subarray(block.starts[index], block.ends[index]));
      const timestampMs = block.timesMs[index];
      records.push({ topic: "flights", partition: count++ % PARTITIONS, key: null, value, timestampMs });
    }
    await log.append(records);
  }
  log.seal("flights");
}
