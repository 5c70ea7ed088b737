import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { DATASET_METRICS, FIELD_METRICS, PAIR_METRICS, QUANTILE_METRIC } from "../../src/profiles/catalogue.ts";
import { type MetricEntry, STATES } from "../../src/profiles/metric-entry.ts";
import { LATE_SHARE_METRIC, RARE_PATTERN_SHARE, REFERENCE_METRICS } from "../../src/profiles/reference-metrics.ts";

const ROOT = new URL("../../", import.meta.url);
const SCRIPT = fileURLToPath(new URL("scripts/make-metric-docs.mjs", ROOT));
const PAGE = fileURLToPath(new URL("docs/metrics.md", ROOT));
const directory = mkdtempSync(join(tmpdir(), "streamgauge-docs-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const ENTRIES: readonly MetricEntry[] = [
  ...DATASET_METRICS,
  ...FIELD_METRICS,
  ...PAIR_METRICS,
  QUANTILE_METRIC,
  ...Object.values(REFERENCE_METRICS),
  RARE_PATTERN_SHARE,
  LATE_SHARE_METRIC,
];

function run(...args: readonly string[]) {
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], { encoding: "utf8" });
  return { status, stderr };
}

describe("docs/metrics.md", () => {
  test("is what the table says, and is found out when it is not", { timeout: 300_000 }, () => {
    expect(run("--check")).toEqual({ status: 0, stderr: "" });
    const other = join(directory, "other.md");
    writeFileSync(other, readFileSync(PAGE, "utf8").replace("null_rate", "nil_rate"));
    expect(run("--check", other)).toMatchObject({ status: 1, stderr: expect.stringContaining("npm run docs:metrics") });
  });

  test("has a line for every metric, with its formula and its error", () => {
    const lines = readFileSync(PAGE, "utf8").split("\n");
    for (const { name, formula, error, scored } of ENTRIES) {
      const line = lines.find((one) => one.startsWith(`| \`${name}(`));
      expect(line, name).toContain(` | ${formula} | `);
      expect(line, name).toContain(` | ${error} | ${scored ? "yes" : "no"} |`);
    }
  });

  test("tells what every state of a profile costs, as the benchmark has written it", () => {
    const { costs } = JSON.parse(readFileSync(new URL("bench/state-costs.json", ROOT), "utf8"));
    const ofProfile = Object.keys(STATES).filter((name) => !name.endsWith("Reference"));
    expect(Object.keys(costs).sort()).toEqual(ofProfile.sort());
    const lines = readFileSync(PAGE, "utf8").split("\n");
    for (const name of ofProfile) {
      const line = lines.find((one) => one.startsWith(`| ${name} |`));
      expect(line, name).toContain(` | ${costs[name].nsPerEvent}`);
      expect(costs[name].nsPerEvent, name).toBeGreaterThan(0);
    }
  });

  test("explains every state that a metric is read from, and no other", () => {
    expect([...new Set(ENTRIES.flatMap(({ from }) => from))].sort()).toEqual(Object.keys(STATES).sort());
  });
});
