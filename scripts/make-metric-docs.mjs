// Writes docs/metrics.md from the table in src/profiles/catalogue.ts and reference-metrics.ts; with --check it only compares.
// Another path may be given. The table is loaded with its types stripped, and with it what it imports.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";

const root = new URL("..", import.meta.url);
const args = process.argv.slice(2);
const path = args.find((argument) => !argument.startsWith("--")) ?? fileURLToPath(new URL("docs/metrics.md", root));

const { DATASET_METRICS, FIELD_METRICS, PAIR_METRICS, QUANTILE_METRIC, QUANTILES, SCHEMA_ROWS, VIOLATION_COUNT } =
  await load("catalogue.ts");
const { LATE_SHARE_METRIC, RARE_PATTERN_SHARE, REFERENCE_METRICS } = await load("reference-metrics.ts");
const { STATES } = await load("metric-entry.ts");

const { node, cpu, costs } = JSON.parse(readFileSync(new URL("bench/state-costs.json", root), "utf8"));

const page = render();
if (!args.includes("--check")) {
  writeFileSync(path, page);
} else if (readFileSync(path, "utf8") !== page) {
  console.error(`${path} is not what the table says: run npm run docs:metrics`);
  process.exitCode = 1;
}

async function load(name) {
  const folder = mkdtempSync(join(tmpdir(), "streamgauge-metrics-"));
  try {
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    strip(name, folder, new Set());
    return await import(pathToFileURL(join(folder, name.replace(/\.ts$/, ".js"))).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function strip(name, folder, done) {
  if (done.has(name)) return;
  done.add(name);
  const source = readFileSync(new URL(`src/profiles/${name}`, root), "utf8");
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: "esnext", target: "es2022", verbatimModuleSyntax: true },
  });
  for (const [, imported] of outputText.matchAll(/from "\.\/([^"]+\.ts)"/g)) strip(imported, folder, done);
  const text = outputText.replaceAll(/from "(\.\/[^"]+)\.ts"/g, 'from "$1.js"');
  writeFileSync(join(folder, basename(name).replace(/\.ts$/, ".js")), text);
}

function render() {
  const ofFields = [...FIELD_METRICS, { ...QUANTILE_METRIC, name: "quantile", argument: "f,q" }];
  const ofReference = Object.values(REFERENCE_METRICS).map((metric) =>
    metric.name === "share" ? { ...metric, argument: "f=value" } : metric,
  );
  return `# Metrics

<!-- Made by scripts/make-metric-docs.mjs from src/profiles/catalogue.ts and reference-metrics.ts: change it there. -->

What is read off every closed window of a dataset, of each of its slices and sizes. \`f\` is the path of a field. A metric without anything
to measure is \`null\`, never 0. A share or rate travels with its denominator, and the detector believes of it no spread below a
quarter of 1/√n, however still it was. "Scored": the detector looks at it; the others are for people. Of times, mean and spread are not
scored; of the event time, only \`null_rate\`. Where values are hidden there is no \`min\`, \`max\` and \`quantile\`.

## Of the dataset

| metric | formula | kind | read from | error | scored |
| --- | --- | --- | --- | --- | --- |
${[
  ...DATASET_METRICS,
  { ...VIOLATION_COUNT, argument: "reason" },
  { ...SCHEMA_ROWS, argument: "id" },
  RARE_PATTERN_SHARE,
  LATE_SHARE_METRIC,
]
  .map((metric) => row(metric, metric.argument ?? ""))
  .join("\n")}

## Of a field

| metric | formula | kinds of field | kind | read from | error | scored |
| --- | --- | --- | --- | --- | --- | --- |
${ofFields.map((metric) => row(metric, metric.argument ?? "f")).join("\n")}

Quantiles: ${QUANTILES.join(", ")}.

## Of two fields

Of pairs of numbers, or of times of one kind, in the same event: those of \`pairs:\` of the dataset, at most 64; without it, those whose names
end in the same word (\`dep_delay\` and \`arr_delay\`), at most 16, the first in the order of the writer's schema. \`first\` is then the
one whose name comes first in the alphabet. The detector looks at pairs that were configured, never at those that were chosen by
name; where the values of either field are hidden there is no \`gap_min\` and \`gap_max\`.

| metric | formula | classes of field | kind | read from | error | scored |
| --- | --- | --- | --- | --- | --- | --- |
${PAIR_METRICS.map((metric) => row({ ...metric, kinds: metric.classes }, "first,second")).join("\n")}

## Of a field, against the past

The reference is the last 28 windows that were neither empty, nor partial, nor alarming; more, up to 336, until they hold 5,000 events.
Nothing is said until there are 28, and until each of them has known the field. A window that is revised is compared with the same reference as before.

| metric | formula | kinds of field | kind | read from | error | scored |
| --- | --- | --- | --- | --- | --- | --- |
${ofReference.map((metric) => row(metric, metric.argument ?? "f")).join("\n")}

## States

What a profile holds for one field of one open window, unless it says otherwise, and what it costs: nanoseconds of CPU for a trip event
of 27 columns, with the number of columns that keep the state, and the ratio to decoding the event with avsc. Each state is measured by
itself, counters and histogram with the moments, which the same pass gives; a field of up to 4,096 values pays for its dictionary and its repeats alone, and what follows from that is read off once a flush. References
belong to the judge and cost nothing per event. The figures are those of \`node bench/states.mjs --write\` (Node ${node.slice(1)}, ${cpu}),
which anyone can run: nanoseconds differ from machine to machine, ratios little.

| state | keeps | bytes | ns an event | × avsc |
| --- | --- | --- | --- | --- |
${Object.entries(STATES)
  .map(([name, { keeps, bytes }]) => `| ${[name, keeps, bytes, ...costOf(costs[name])].join(" | ")} |`)
  .join("\n")}
`;
}

function costOf(cost) {
  if (cost === undefined) return ["none", ""];
  const of = cost.columns === undefined ? "" : `, ${cost.columns} column${cost.columns === 1 ? "" : "s"}`;
  return [`${cost.nsPerEvent}${of}`, cost.ratio.toFixed(3)];
}

function row({ name, formula, kinds, kind, from, error, scored }, argument) {
  const ofKinds = kinds === undefined ? [] : [[...kinds].join(", ")];
  const cells = [`\`${name}(${argument})\``, formula, ...ofKinds, kind, from.join(", "), error, scored ? "yes" : "no"];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
