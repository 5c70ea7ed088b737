// What each state of a profile costs for an event, by itself: trip events (trip-events.mjs) are decoded and hashed first, then
// the state alone takes in all columns that keep it, started anew every 5,000 events as in a flush. One state per process, which
// takes turns with avsc's decoding of the same bytes to objects; CPU time, medians of the runs and of their ratios.
// `node bench/states.mjs` prints a line for each state; with --write they go to bench/state-costs.json, from which
// `npm run docs:metrics` makes the column of docs/metrics.md. Needs `npm run build` first.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import avsc from "avsc";
import { ColumnRun } from "../dist/profiles/column-run.js";
import { KIND_STATES } from "../dist/profiles/field-kinds.js";
import { FieldProfile } from "../dist/profiles/field-profile.js";
import { feedFrequent } from "../dist/profiles/frequent-feed.js";
import { HashedRows } from "../dist/profiles/hashed-rows.js";
import { NullPatterns, PATTERNS_MAX } from "../dist/profiles/null-patterns.js";
import { NumberPairs, PairPlan } from "../dist/profiles/number-pairs.js";
import { PreparedColumn } from "../dist/profiles/prepared-column.js";
import { createAvroReader } from "../dist/schemas/avro-reader.js";
import { WIRE_HEADER_BYTES } from "../dist/schemas/wire-format.js";
import { FrequentItems } from "../dist/sketches/frequent-items.js";
import { HashSample } from "../dist/sketches/hash-sample.js";
import { HllSketch } from "../dist/sketches/hll-sketch.js";
import { KllSketch } from "../dist/sketches/kll-sketch.js";
import { LogLinearHistogram } from "../dist/sketches/log-linear-histogram.js";
import { LongRange } from "../dist/sketches/long-range.js";
import { Moments } from "../dist/sketches/moments.js";
import { Repeats } from "../dist/sketches/repeats.js";
import { TextShapes } from "../dist/sketches/text-shapes.js";
import { ValueCounts } from "../dist/sketches/value-counts.js";
import { TRIP_SCHEMA, tripEvents } from "./trip-events.mjs";

const EVENTS = 20_000;
const BATCH_ROWS = 1_000;
const FLUSH_BATCHES = 5;
const RUNS = 7;
const ROUNDS = 2;
const VALUES_SAMPLED = 512;
const ROWS_SAMPLED = 1_024;
const RUN = new ColumnRun((text) => text);
const ORDER = Int32Array.from({ length: BATCH_ROWS }, (_, row) => row);

/** Each makes the state of one column, or of all, and a function that takes in a batch of them. */
const STATES = {
  // Counters of values are counted beside the moments; what those cost alone is the line below.
  counters: ofColumns(
    ({ states }) => states.moments === "value",
    ({ field, level }) => {
      const profile = new FieldProfile({ path: field.path, kind: field.kind, level, seed: 1 });
      return (column) => profile.update(whole(column), column.field.kind);
    },
    () => keepMomentsOnly(),
  ),
  moments: ofColumns(
    ({ states }) => states.moments === "value",
    () => {
      const moments = new Moments();
      return ({ numbers, count, placed }) => {
        if (placed === undefined) moments.updateMany(numbers, 0, count);
        else moments.updateDescribed(placed.describe(false));
      };
    },
  ),
  range: ofColumns(
    ({ states }) => states.range,
    () => {
      const range = new LongRange();
      return ({ lo, hi, count }) => range.updateMany(lo, hi, 0, count);
    },
  ),
  dictionary: ofColumns(
    ({ states }) => states.dictionary,
    () => {
      const counts = new ValueCounts();
      let isFull = false;
      return (column) => {
        if (isFull) return;
        const { hashLo, hashHi, count, placed } = column;
        isFull = counts.addMany(hashLo, hashHi, 0, count, whole(column), placed?.distinct()) < count;
      };
    },
  ),
  hll: ofColumns(
    ({ states }) => states.dictionary,
    () => {
      const sketch = new HllSketch();
      return ({ hashLo, count }) => sketch.updateHashes(hashLo, 0, count);
    },
  ),
  kll: ofColumns(
    ({ states }) => states.quantiles,
    () => {
      const sketch = new KllSketch({ seed: 1 });
      return ({ numbers, count, bounds }) => {
        if (bounds === undefined) sketch.updateMany(numbers, 0, count);
        else sketch.updateWithin(numbers, 0, count, bounds);
      };
    },
  ),
  frequentItems: ofColumns(
    ({ states }) => states.frequent,
    () => {
      const items = new FrequentItems();
      return (column) => {
        const { hashLo, hashHi, count, placed } = column;
        feedFrequent(items, hashLo, hashHi, 0, count, whole(column), placed?.distinct());
      };
    },
  ),
  // Bins, too, are counted in the pass that gives the moments.
  histogram: ofColumns(
    ({ states }) => states.histogram,
    () => {
      const histogram = new LogLinearHistogram();
      return ({ numbers, count, placed }) => {
        if (placed === undefined) return histogram.updateMany(numbers, 0, count);
        const { bins, lowestBin } = placed.describe(true);
        return histogram.updateBins(bins, lowestBin);
      };
    },
  ),
  valueSample: ofColumns(
    ({ states }) => states.frequent,
    () => {
      const sample = new HashSample({ capacity: VALUES_SAMPLED });
      return ({ hashLo, hashHi, count, placed }) => sample.addMany(hashLo, hashHi, 0, count, placed);
    },
  ),
  shapes: ofColumns(
    ({ field }) => field.kind === "string",
    () => {
      const shapes = new TextShapes();
      return (column) => shapes.updateMany(column.placed?.measures() ?? whole(column).sizes(), 0, column.count);
    },
  ),
  repeats: ofColumns(
    ({ states, level }) => states.dictionary && level === undefined,
    () => {
      const repeats = new Repeats();
      return ({ hashLo, count, placed }) => repeats.update(1, hashLo, 0, count, placed?.changes());
    },
  ),
  rowSample: () => {
    const sample = new HashSample({ capacity: ROWS_SAMPLED });
    const lo = new Int32Array(BATCH_ROWS);
    const hi = new Int32Array(BATCH_ROWS);
    return (columns) => {
      lo.fill(0);
      hi.fill(0);
      for (const column of columns) column.addToRowHashes(lo, hi, BATCH_ROWS);
      sample.addMany(lo, hi, 0, BATCH_ROWS);
    };
  },
  nullPatterns: () => {
    const sample = new HashSample({ capacity: PATTERNS_MAX });
    const patterns = new NullPatterns();
    return (columns) => {
      patterns.begin(BATCH_ROWS);
      for (const column of columns) patterns.add(column, BATCH_ROWS, column.absence);
      patterns.countInto(sample, ORDER, 0, BATCH_ROWS);
    };
  },
  pairs: () => {
    const pairs = new NumberPairs();
    return (_columns, plan) => {
      plan.prepare(BATCH_ROWS);
      plan.add(pairs, ORDER, 0, BATCH_ROWS);
    };
  },
};

if (process.argv[2] === "--state") measure(STATES[process.argv[3]]);
else printCosts(process.argv.includes("--write"));

function printCosts(isWritten) {
  const names = Object.keys(STATES);
  const rounds = new Map(names.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) for (const name of names) rounds.get(name).push(inProcess(name));
  const costs = {};
  for (const name of names) {
    const ns = median(rounds.get(name).map((result) => result.nsPerEvent));
    const ratio = median(rounds.get(name).map((result) => result.ratio));
    const [{ columns }] = rounds.get(name);
    costs[name] = { nsPerEvent: Number(ns.toPrecision(2)), ratio: Number(ratio.toPrecision(2)), columns };
    const of = columns === undefined ? "the event" : `${columns} columns`;
    console.log(`${name.padEnd(16)} ${of.padEnd(12)} ${ns.toFixed(1).padStart(6)} ns  ${ratio.toFixed(3)} × avsc`);
  }
  if (!isWritten) return;
  const path = fileURLToPath(new URL("state-costs.json", import.meta.url));
  const run = { node: process.version, cpu: cpus()[0]?.model, costs };
  writeFileSync(path, `${JSON.stringify(run, undefined, 2)}\n`);
}

function inProcess(name) {
  const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), "--state", name], { encoding: "utf8" });
  if (child.status !== 0) throw new Error(child.stderr);
  return JSON.parse(child.stdout);
}

function measure(state) {
  state.begin?.();
  const events = tripEvents(EVENTS);
  const type = avsc.Type.forSchema(TRIP_SCHEMA);
  const batches = preparedBatches(events);
  const own = [];
  const ratios = [];
  for (let run = 0; run <= RUNS; run++) {
    const base = nsPerEvent(() => {
      for (const event of events) type.decode(event, WIRE_HEADER_BYTES);
    });
    const mine = nsPerEvent(() => {
      let take;
      for (const [index, { columns, plan }] of batches.entries()) {
        if (index % FLUSH_BATCHES === 0) take = state(columns);
        take(columns, plan);
      }
    });
    // The first run compiles the code.
    if (run === 0) continue;
    own.push(mine);
    ratios.push(mine / base);
  }
  const columns = state.kept === undefined ? undefined : batches[0].columns.filter(state.kept).length;
  console.log(JSON.stringify({ nsPerEvent: median(own), ratio: median(ratios), columns }));
}

/** What the profile does to a batch before its states take it. */
function preparedBatches(events) {
  const reader = createAvroReader(JSON.stringify(TRIP_SCHEMA));
  const batches = [];
  for (let start = 0; start < events.length; start += BATCH_ROWS) {
    const batch = reader.createBatch(BATCH_ROWS);
    for (const event of events.slice(start, start + BATCH_ROWS)) {
      if (reader.read(batch, event, WIRE_HEADER_BYTES, event.length) !== "ok") throw new Error("refused");
    }
    const fields = batch.columns.map(({ field }) => field);
    const columns = fields.map((field) => new PreparedColumn(field, fields, "show", false));
    new HashedRows().hash(batch, columns);
    for (const column of columns) {
      column.separateNonFinite();
      if (column.states.moments === "value") column.bounds = column.placed?.describe(false);
    }
    batches.push({ columns, plan: new PairPlan(columns, fields, undefined) });
  }
  return batches;
}

function ofColumns(kept, create, begin) {
  const state = (columns) => {
    const places = columns.flatMap((column, index) => (kept(column) ? [index] : []));
    const takes = places.map((index) => create(columns[index]));
    return (batch) => {
      for (let i = 0; i < places.length; i++) takes[i](batch[places[i]]);
    };
  };
  return Object.assign(state, { kept, begin });
}

function whole(column) {
  RUN.useWhole(column);
  RUN.select(0, column.count);
  return RUN;
}

function keepMomentsOnly() {
  for (const states of Object.values(KIND_STATES)) {
    for (const name of ["range", "histogram", "quantiles", "dictionary", "frequent"]) states[name] = false;
  }
}

function nsPerEvent(run) {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / EVENTS;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
