// The scale beside other profilers: what whylogs, DuckDB's SUMMARIZE and Polars need for every column of the same trip events, once these are
// decoded and in memory, and what we need from the bytes to all states of a profile. CPU time of all threads, a process each, in turns.
// Needs `npm run build` and a Python with the packages: python3 -m pip install whylogs duckdb polars "numpy<2" "pandas<3"
// ($STREAMGAUGE_PYTHON names another one than python3). They do not keep the same: it is a comparison of scale.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import avsc from "avsc";
import { WIRE_HEADER_BYTES } from "../dist/schemas/wire-format.js";
import { Results } from "./results.mjs";
import { TRIP_SCHEMA, tripEvents } from "./trip-events.mjs";

const EVENTS = 100_000;
const ROUNDS = 3;
const TOOLS = { whylogs: "whylogs", duckdb: "DuckDB SUMMARIZE", polars: "Polars describe" };
const PYTHON = process.env.STREAMGAUGE_PYTHON || "python3";
const HERE = fileURLToPath(new URL(".", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "streamgauge-bench-"));
try {
  const file = join(folder, "trips.ndjson");
  writeFileSync(file, rows());
  const own = [];
  const theirs = new Map(Object.keys(TOOLS).map((tool) => [tool, []]));
  for (let round = 0; round < ROUNDS; round++) {
    own.push(run(process.execPath, join(HERE, "hot-path.mjs"), "--variant", "everything"));
    for (const [tool, runs] of theirs) runs.push(run(PYTHON, join(HERE, "python/peers.py"), file, tool));
  }
  const results = new Results("bench:peers");
  const ns = median(own.map(({ nsPerEvent }) => nsPerEvent));
  results.add("streamgauge: trip event, from bytes to all states", ns, "ns");
  for (const [tool, runs] of theirs) {
    const cpuNs = median(runs.map((result) => result.cpuNs));
    results.add(`${TOOLS[tool]} ${runs[0].version}: decoded event`, cpuNs, "ns");
    results.add(`streamgauge with decoding ÷ ${TOOLS[tool]} without`, ns / cpuNs, "×");
  }
  results.save();
} finally {
  rmSync(folder, { recursive: true });
}

/** Flat: each field of a record is a column, of the array its length, as in our profile. */
function rows() {
  const type = avsc.Type.forSchema(TRIP_SCHEMA);
  const lines = tripEvents(EVENTS).map((event) => {
    const { pickup, dropoff, tags, ...rest } = type.decode(event, WIRE_HEADER_BYTES).value;
    return JSON.stringify({
      ...rest,
      ...prefixed("pickup", pickup),
      ...prefixed("dropoff", dropoff),
      tags: tags.length,
    });
  });
  return `${lines.join("\n")}\n`;
}

function prefixed(name, record) {
  return Object.fromEntries(Object.entries(record).map(([field, value]) => [`${name}_${field}`, value]));
}

function run(command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
  return JSON.parse(stdout);
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
