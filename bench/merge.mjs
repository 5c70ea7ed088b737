// What the judge pays for one delta: reads its bytes and merges it into the profile of its window, 27 fields, 50 events in
// each delta as with many partitions and a short flush. The window's profile has seen 100,000 events, so its sketches are full.
// Prints milliseconds of CPU per delta for each of the two.
import { MemoryLog } from "../dist/consumers/memory-log.js";
import { AvroBinaryWriter } from "../dist/core/avro-binary.js";
import { systemClock } from "../dist/core/clock.js";
import { SeededRandom } from "../dist/core/random.js";
import { createReaderSource, InProcessRegistry } from "../dist/schemas/registry.js";
import { frame } from "../dist/schemas/wire-format.js";
import { DeltaAssembler } from "../dist/stages/delta-assembler.js";
import { startProfiler } from "../dist/stages/profiler.js";

const DENSE_EVENTS = 100_000;
const SPARSE_EVENTS = 50;
const DELTAS = 2000;
const FETCHED = 20;
const ROUNDS = 5;
const START_MS = Date.UTC(2026, 0, 1);
/** As of a trip: the event time, 13 numbers of which some are missing, 6 whole numbers, 4 of few texts, 3 of many. */
const KINDS = [
  ...Array(13).fill("double"),
  ...Array(6).fill("int"),
  ...Array(4).fill("code"),
  ...Array(3).fill("text"),
];

const clock = systemClock();
const random = new SeededRandom(1);
const registry = new InProcessRegistry();
const schemaId = registry.register(
  JSON.stringify({
    type: "record",
    name: "Trip",
    fields: [
      { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
      ...KINDS.map((kind, index) => ({
        name: `${kind}${index}`,
        type: ["null", kind === "double" || kind === "int" ? kind : "string"],
      })),
    ],
  }),
);

const [dense] = await deltasOf(DENSE_EVENTS, DENSE_EVENTS);
const sparse = await deltasOf(DELTAS * SPARSE_EVENTS, SPARSE_EVENTS);
const target = profileOf(dense);
const rounds = { read: [], merge: [] };
// The first round does not count: the code is compiled then, and the sketches fill.
for (let round = 0; round <= ROUNDS; round++) {
  const { read, merge } = measure();
  if (round === 0) continue;
  rounds.read.push(read);
  rounds.merge.push(merge);
}
console.log(JSON.stringify({ fields: KINDS.length + 1, msRead: median(rounds.read), msMerge: median(rounds.merge) }));
process.exit(0);

/** Milliseconds of CPU per delta; a few are read, then merged, as a judge does with what a fetch brings. */
function measure() {
  let read = 0;
  let merge = 0;
  for (let next = 0; next < sparse.length; next += FETCHED) {
    let start = process.cpuUsage();
    const profiles = sparse.slice(next, next + FETCHED).map(profileOf);
    read += msSince(start);
    start = process.cpuUsage();
    for (const profile of profiles) target.merge(profile);
    merge += msSince(start);
  }
  return { read: read / sparse.length, merge: merge / sparse.length };
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

function msSince(start) {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** Of the one pane of a flush. */
function profileOf(records) {
  const assembler = new DeltaAssembler();
  for (const record of records) {
    const flush = assembler.take(record, "profiles", 0);
    if (flush !== undefined) return flush.panes[0].profile;
  }
  throw new Error("the flush is not whole");
}

/** The records of each flush, one pane and its ledger entry. */
async function deltasOf(events, flushRecords) {
  const log = new MemoryLog({ clock });
  await log.createTopics([
    { name: "trips", partitions: 1 },
    { name: "profiles", partitions: 1 },
  ]);
  await log.append(Array.from({ length: events }, () => ({ topic: "trips", partition: 0, key: null, value: event() })));
  log.seal("trips");
  const profiler = await startProfiler({
    log,
    readers: createReaderSource(registry, { clock }),
    clock,
    logger: { info() {}, warn() {}, error() {} },
    deployment: "bench",
    group: "bench",
    profilesTopic: "profiles",
    datasets: [
      {
        topic: "trips",
        time: { field: "at", latenessMs: 0, idleAfterMs: 60_000, unheardAfterMs: 300_000, maxAheadMs: 3_600_000 },
        windows: { sizesMs: [3_600_000], timezone: "UTC" },
        slices: [],
        fields: new Map(),
        valuesDefault: "show",
        detect: { season: 7, warmup: "auto" },
        flushEveryMs: 5000,
      },
    ],
    startFrom: "earliest",
    flushRecords,
    time: "records",
    hashLabel: (text) => text,
  });
  await profiler.done;
  await profiler.stop();
  const flushes = [[]];
  // The beginning of the topic, which an assembler takes for whole, is offset 0 of each.
  for (const record of log.records("profiles", 0)) {
    const flush = flushes.at(-1);
    flush.push({ ...record, offset: flush.length });
    if (flush.length === 2) flushes.push([]);
  }
  return flushes.filter((flush) => flush.length === 2);
}

/** All in one hour, so that the deltas fall into one window. */
function event() {
  const writer = new AvroBinaryWriter();
  writer.long(START_MS + random.below(3_600_000));
  for (const kind of KINDS) {
    const isMissing = random.below(20) === 0;
    writer.long(isMissing ? 0 : 1);
    if (isMissing) continue;
    if (kind === "double") writer.double(Math.exp(4 * random.next()));
    else if (kind === "int") writer.long(random.below(300));
    else writer.string(kind === "code" ? `code-${random.below(12)}` : `text-${random.below(1e6)}`);
  }
  return frame(schemaId, writer.finish());
}
