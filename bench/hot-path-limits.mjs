// What grows with the number of fields, of states and of events: one figure per process, printed as JSON.
//   fields 16 | fields 512     CPU per field and event of a record of so many fields, half of them numbers
//   states 1 | states 1000     CPU per event, the events spread at random over so many profiles (panes and slices)
//   open                       memory of 10,000 open profiles of 27 columns and 50 events each, and the pause of a full GC
//   collections                major collections in 10^6 events of the steady state
//   delta                      bytes of a delta of 27 columns and 5,000 events; milliseconds to write, and to read and merge it
import { constants, PerformanceObserver } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { AvroBinaryWriter } from "../dist/core/avro-binary.js";
import { SeededRandom } from "../dist/core/random.js";
import { BatchProfiler } from "../dist/profiles/batch-profiler.js";
import { Profile } from "../dist/profiles/profile.js";
import { createAvroReader } from "../dist/schemas/avro-reader.js";
import { WIRE_HEADER_BYTES } from "../dist/schemas/wire-format.js";
import { TRIP_SCHEMA, tripEvents } from "./trip-events.mjs";

const BATCH_ROWS = 1024;
const ROUNDS = 5;
const FIELD_EVENTS = { 16: 64_000, 512: 4_000 };
const STATE_EVENTS = 100_000;
const OPEN_PROFILES = 10_000;
const OPEN_EVENTS = 50;
const COLLECTION_EVENTS = 1_000_000;
const WARM_UP_EVENTS = 600_000;
const DELTA_EVENTS = 5_000;
const DELTA_ROUNDS = 120;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
const random = new SeededRandom(7);
const [what, size] = process.argv.slice(2);
const MEASURES = { fields: perField, states: perEvent, open: openProfiles, collections, delta };
console.log(JSON.stringify(await MEASURES[what](Number(size))));
process.exit(0);

/** Nanoseconds of CPU per field and event. */
function perField(fields) {
  const schema = {
    type: "record",
    name: "Wide",
    fields: Array.from({ length: fields }, (_, i) => ({ name: `f${i}`, type: i % 2 ? "string" : "double" })),
  };
  const events = Array.from({ length: FIELD_EVENTS[fields] }, () => {
    const writer = new AvroBinaryWriter(fields * 12);
    writer.raw(new Uint8Array(WIRE_HEADER_BYTES));
    for (let i = 0; i < fields; i++) {
      if (i % 2) writer.string(`code-${random.below(50)}`);
      else writer.double(random.below(400) / 4);
    }
    return Buffer.from(writer.finish());
  });
  const feed = feeder(schema);
  const profile = Profile.empty(1);
  return { ns: medianNs(() => feed(events, () => profile)) / events.length / fields };
}

/** Nanoseconds of CPU per event, over all rounds, with what waits in the profiles at the end. */
function perEvent(states) {
  const events = tripEvents(STATE_EVENTS);
  const feed = feeder(TRIP_SCHEMA);
  const profiles = Array.from({ length: states }, () => Profile.empty(1));
  const run = () => feed(events, () => profiles[random.below(states)]);
  run();
  const start = process.cpuUsage();
  for (let round = 0; round < ROUNDS; round++) run();
  for (const profile of profiles) profile.takePending();
  return { ns: (msSince(start) * 1e6) / ROUNDS / events.length };
}

function openProfiles() {
  const events = tripEvents(OPEN_PROFILES * 10);
  const feed = feeder(TRIP_SCHEMA);
  collect();
  const before = process.memoryUsage();
  const profiles = [];
  for (let i = 0; i < OPEN_PROFILES; i++) {
    const profile = Profile.empty(i);
    const from = random.below(events.length - OPEN_EVENTS);
    feed(events.slice(from, from + OPEN_EVENTS), () => profile);
    profiles.push(profile);
  }
  collect();
  const start = performance.now();
  collect();
  const gcMs = performance.now() - start;
  const after = process.memoryUsage();
  const bytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  return { profiles: profiles.length, megabytes: bytes / 1e6, gcMs };
}

async function collections() {
  const events = tripEvents(100_000);
  const feed = feeder(TRIP_SCHEMA);
  const profile = Profile.empty(1);
  // The heap has its size when V8 has compiled.
  for (let fed = 0; fed < WARM_UP_EVENTS; fed += events.length) feed(events, () => profile);
  let major = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) major++;
  });
  observer.observe({ entryTypes: ["gc"] });
  for (let fed = 0; fed < COLLECTION_EVENTS; fed += events.length) feed(events, () => profile);
  await new Promise((resolve) => setTimeout(resolve, 50));
  return { major };
}

function delta() {
  const feed = feeder(TRIP_SCHEMA);
  const events = tripEvents(DELTA_EVENTS * 2);
  const halves = [events.slice(0, DELTA_EVENTS), events.slice(DELTA_EVENTS)];
  const bytes = halves.map((half) => filled(feed, half).write());
  let writeMs = 0;
  let mergeMs = 0;
  const writes = [];
  const merges = [];
  for (let round = 0; round < DELTA_ROUNDS; round++) {
    const profile = filled(feed, halves[round % 2]);
    const window = Profile.read(bytes[0]);
    const start = process.cpuUsage();
    profile.write();
    writeMs = msSince(start);
    const next = process.cpuUsage();
    window.merge(Profile.read(bytes[1]));
    mergeMs = msSince(next);
    // As in a process that has run for a minute: the code is compiled.
    if (round < DELTA_ROUNDS / 2) continue;
    writes.push(writeMs);
    merges.push(mergeMs);
  }
  return { kilobytes: bytes[0].length / 1000, msWrite: median(writes), msMerge: median(merges) };
}

function filled(feed, events) {
  const profile = Profile.empty(1);
  feed(events, () => profile);
  return profile;
}

/** Takes events into the profile that `choose()` gives for each. */
function feeder(schema) {
  const reader = createAvroReader(JSON.stringify(schema));
  const batch = reader.createBatch(BATCH_ROWS);
  const profiler = new BatchProfiler({ labels: { policyOf: () => "show", hashLabel: (text) => text } });
  const facts = {
    schemaId: 1,
    invalidReasons: new Uint8Array(BATCH_ROWS),
    eventTimesMs: new Float64Array(BATCH_ROWS).fill(1_000),
    brokerTimesMs: new Float64Array(BATCH_ROWS).fill(3_000),
  };
  const groupOfRow = new Int32Array(BATCH_ROWS);
  return (events, choose) => {
    for (let from = 0; from < events.length; from += BATCH_ROWS) {
      const groups = new Map();
      const to = Math.min(events.length, from + BATCH_ROWS);
      for (let i = from; i < to; i++) {
        const profile = choose();
        if (!groups.has(profile)) groups.set(profile, groups.size);
        groupOfRow[i - from] = groups.get(profile);
        if (reader.read(batch, events[i], WIRE_HEADER_BYTES, events[i].length) !== "ok") throw new Error("refused");
      }
      profiler.begin(batch, facts);
      profiler.addGroups(groupOfRow, [...groups.keys()]);
      profiler.end();
      batch.reset();
    }
  };
}

function medianNs(run) {
  run();
  const runs = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.cpuUsage();
    run();
    runs.push(msSince(start) * 1e6);
  }
  return median(runs);
}

function msSince(start) {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
