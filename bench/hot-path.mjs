// What it costs to profile every field of an event, beside decoding it: trip events (trip-events.mjs) from bytes through the
// reader program and column batches to all the states of a profile. One variant per process, which takes turns with avsc's
// decoding of the same bytes to objects; medians of the CPU time of each, and of their ratio, once V8 has compiled both: that takes
// some 600,000 events of the whole path.
// `node bench/hot-path.mjs` prints the ladder: what each group of states adds. `--json` prints it for bench.mjs.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import avsc from "avsc";
import { BatchProfiler } from "../dist/profiles/batch-profiler.js";
import { KIND_STATES } from "../dist/profiles/field-kinds.js";
import { Profile } from "../dist/profiles/profile.js";
import { createAvroReader } from "../dist/schemas/avro-reader.js";
import { WIRE_HEADER_BYTES } from "../dist/schemas/wire-format.js";
import { TRIP_SCHEMA, tripEvents } from "./trip-events.mjs";

const EVENTS = 200_000;
const ROUNDS = 3;
const WARM_UP_RUNS = 3;
const RUNS = 9;
const BATCH_ROWS = 1024;
/** As many events are in a profile before it is written, as in a flush of a busy partition. */
const FLUSH_EVENTS = 5_000;

/** What `KIND_STATES` keeps, switched on one after the other. */
const STATES = {
  "+ row and value hashes, counters, row sample": {},
  "+ moments": { moments: true },
  "+ histogram": { moments: true, histogram: true },
  "+ quantiles": { moments: true, histogram: true, quantiles: true },
  "+ dictionary, distinct": { moments: true, histogram: true, quantiles: true, dictionary: true },
};
const VARIANTS = {
  "avsc decode": decodeWithAvsc,
  "reader program": (events) => read(events, () => {}),
  ...Object.fromEntries(
    Object.entries(STATES).map(([name, states]) => [
      name,
      (events) => {
        keepOnly(states);
        profile(events, EVENTS);
      },
    ]),
  ),
  everything: (events) => profile(events, EVENTS),
  [`… written every ${FLUSH_EVENTS} events`]: (events) => profile(events, FLUSH_EVENTS),
};

if (process.argv[2] === "--variant") measure(VARIANTS[process.argv[3]]);
else printLadder();

function printLadder() {
  const names = Object.keys(VARIANTS);
  const rounds = new Map(names.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) for (const name of names) rounds.get(name).push(inProcess(name));
  const ladder = names.map((name) => ({
    name,
    nsPerEvent: median(rounds.get(name).map((result) => result.nsPerEvent)),
    ratio: median(rounds.get(name).map((result) => result.ratio)),
  }));
  if (process.argv.includes("--json")) console.log(JSON.stringify(ladder));
  else
    for (const { name, nsPerEvent, ratio } of ladder)
      console.log(`${name.padEnd(48)} ${nsPerEvent.toFixed(0).padStart(6)} ns  ${ratio.toFixed(2)} × avsc`);
}

function inProcess(name) {
  const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), "--variant", name], { encoding: "utf8" });
  if (child.status !== 0) throw new Error(child.stderr);
  return JSON.parse(child.stdout);
}

function measure(run) {
  const events = tripEvents(EVENTS);
  const own = [];
  const ratios = [];
  for (let i = 0; i < WARM_UP_RUNS + RUNS; i++) {
    const base = nsPerEvent(decodeWithAvsc, events);
    const mine = nsPerEvent(run, events);
    if (i < WARM_UP_RUNS) continue;
    own.push(mine);
    ratios.push(mine / base);
  }
  console.log(JSON.stringify({ nsPerEvent: median(own), ratio: median(ratios) }));
}

function nsPerEvent(run, events) {
  const before = process.cpuUsage();
  run(events);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / events.length;
}

function decodeWithAvsc(events) {
  const type = avsc.Type.forSchema(TRIP_SCHEMA);
  for (const event of events) type.decode(event, WIRE_HEADER_BYTES);
}

/** Reads batch by batch. */
function read(events, use) {
  const reader = createAvroReader(JSON.stringify(TRIP_SCHEMA));
  const batch = reader.createBatch(BATCH_ROWS);
  for (const event of events) {
    if (reader.read(batch, event, WIRE_HEADER_BYTES, event.length) !== "ok") throw new Error("refused");
    if (batch.rowCount < BATCH_ROWS) continue;
    use(batch);
    batch.reset();
  }
  use(batch);
}

function profile(events, flushEvents) {
  const profiler = new BatchProfiler({ labels: { policyOf: () => "show", hashLabel: (text) => text } });
  const facts = {
    schemaId: 1,
    invalidReasons: new Uint8Array(BATCH_ROWS),
    eventTimesMs: new Float64Array(BATCH_ROWS).fill(1_000),
    brokerTimesMs: new Float64Array(BATCH_ROWS).fill(3_000),
  };
  const groupOfRow = new Int32Array(BATCH_ROWS);
  const target = Profile.empty(1);
  const groups = [target];
  read(events, (batch) => {
    profiler.begin(batch, facts);
    profiler.addGroups(groupOfRow, groups);
    profiler.end();
    if (target.rows < flushEvents && batch.rowCount === BATCH_ROWS) return;
    target.write();
    target.clear(1);
  });
}

function keepOnly(kept) {
  for (const states of Object.values(KIND_STATES)) {
    if (!kept.moments) states.moments = "none";
    for (const name of ["histogram", "quantiles", "dictionary"]) if (!kept[name]) states[name] = false;
    states.frequent = false;
    if (!kept.moments) states.range = false;
  }
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
