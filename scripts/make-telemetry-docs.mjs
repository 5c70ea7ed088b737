// Writes docs/telemetry.md from the table in src/core/telemetry-table.ts; with --check it only compares.
// Another path may be given. The table imports nothing, so its types are stripped and it is loaded as it stands.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = new URL("..", import.meta.url);
const args = process.argv.slice(2);
const path = args.find((argument) => !argument.startsWith("--")) ?? fileURLToPath(new URL("docs/telemetry.md", root));

const source = readFileSync(new URL("src/core/telemetry-table.ts", root), "utf8");
const { outputText } = ts.transpileModule(source, { compilerOptions: { module: "esnext", target: "es2022" } });
const { TELEMETRY } = await import(`data:text/javascript;base64,${Buffer.from(outputText).toString("base64")}`);

const page = render(Object.entries(TELEMETRY));
if (!args.includes("--check")) {
  writeFileSync(path, page);
} else if (readFileSync(path, "utf8") !== page) {
  console.error(`${path} is not what the table says: run node scripts/make-telemetry-docs.mjs`);
  process.exitCode = 1;
}

function render(metrics) {
  return `# Telemetry

<!-- Made by scripts/make-telemetry-docs.mjs from src/core/telemetry-table.ts: change it there. -->

With \`sinks: [{ prometheus: { port: 9464 } }]\`, \`streamgauge run\` answers \`/metrics\` (Prometheus text format 0.0.4, or
OpenMetrics 1.0.0 when asked for), \`/livez\` and \`/readyz\` on 127.0.0.1, or on the \`host\` that is set.

- Each metric has at most \`maxSeries\` series (default 2,000). What is beyond shares one with the label
  \`overflow="true"\`, and \`streamgauge_telemetry_overflow_total\` counts it.
- Counters begin at 0 with each process. Metrics of datasets come back with the next window or alert.
- Several processes: each shows the partitions and topics that it holds; \`max by\` or \`sum by\` over \`instance\`.
- Recording and alerting rules: \`deploy/prometheus/streamgauge.rules.yml\`.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
${metrics.map(row).join("\n")}

## Buckets

${metrics
  .filter(([, spec]) => spec.buckets)
  .map(buckets)
  .join("\n")}
`;
}

function row([name, { type, labels, help }]) {
  const cells = [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(" "), help.replaceAll("|", "\\|")];
  return `| ${cells.join(" | ")} |`;
}

function buckets([name, { unit, buckets: bounds }]) {
  return `- \`${name}\` (${unit}): ${bounds.join(", ")}`;
}
