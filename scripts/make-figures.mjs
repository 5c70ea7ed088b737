// Writes the tables of figures in README.md from bench/results.jsonl: of each benchmark its last run. With --check it only compares. Another
// page and another file of results may be given, in this order.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const BEGIN = "<!-- figures: made by npm run docs:figures from bench/results.jsonl -->";
const END = "<!-- end of figures -->";
/** npm scripts, and what stands above their tables. */
const BENCHMARKS = {
  bench: "prints the demo, the profiler and the hot path",
  "bench:kafka":
    "starts a broker (Java 17, `npm run setup:kafka`) and measures beside kafkajs and avsc in the same run",
  "bench:detect":
    "plants faults of 14 kinds in the raw rows of a year of flights (here: `--tables flights --seed 20261129`) and says what the detector finds",
  "bench:detect -- --calm":
    "counts incidents on streams in which nothing is planted, after 60 windows; holidays and storms of the flights are among them",
  "bench:sketches":
    "measures beside Apache DataSketches for Java on the same values (Java 17, `node scripts/setup-kafka.mjs datasketches`)",
  "bench:peers":
    "shows the scale beside other profilers, which begin with events that are decoded and in memory, and keep less",
};
const HEADER = ["What", "Measured", "Target"];

const args = process.argv.slice(2);
const [page = inRepository("README.md"), results = inRepository("bench/results.jsonl")] = args.filter(
  (argument) => !argument.startsWith("--"),
);
const before = readFileSync(page, "utf8");
const [from, to] = [before.indexOf(BEGIN), before.indexOf(END)];
if (from < 0 || to < from) throw new Error(`Cannot write figures: ${page} has no place for them`);
const after = `${before.slice(0, from)}${BEGIN}\n\n${tables()}\n${before.slice(to)}`;
if (!args.includes("--check")) writeFileSync(page, after);
else if (after !== before) {
  console.error(`${page} is not what the last runs measured: run npm run docs:figures`);
  process.exitCode = 1;
}

function tables() {
  const runs = readFileSync(results, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  return Object.entries(BENCHMARKS)
    .flatMap(([script, what]) => {
      const run = runs.findLast((candidate) => candidate.script === script);
      return run === undefined ? [] : [table(script, what, run)];
    })
    .join("\n");
}

function table(script, what, { at, node, cpu, results }) {
  const rows = results.map(({ name, value, unit, target, sense }) => [
    name,
    `${number(value)} ${unit}`.trimEnd(),
    target === undefined ? "" : `${sense === "at least" ? "≥" : "≤"} ${number(target)} ${unit}`.trimEnd(),
  ]);
  const widths = [0, 1, 2].map((i) => Math.max(...[HEADER, ...rows].map((row) => row[i].length)));
  const line = (row, fill = " ") => `| ${row.map((cell, i) => cell.padEnd(widths[i], fill)).join(" | ")} |`;
  const rule = line(["", "", ""], "-");
  const where = `${at.slice(0, 10)}, Node ${node.slice(1)}, ${cpu}`;
  return `\`npm run ${script}\` ${what} (${where}):\n\n${[line(HEADER), rule, ...rows.map((row) => line(row))].join("\n")}\n`;
}

function number(value) {
  return value.toLocaleString("en-US");
}

function inRepository(path) {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}
