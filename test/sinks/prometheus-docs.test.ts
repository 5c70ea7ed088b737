import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type MetricSpec, TELEMETRY } from "../../src/core/telemetry-table.ts";

const ROOT = new URL("../../", import.meta.url);
const SCRIPT = fileURLToPath(new URL("scripts/make-telemetry-docs.mjs", ROOT));
const PAGE = fileURLToPath(new URL("docs/telemetry.md", ROOT));
const directory = mkdtempSync(join(tmpdir(), "streamgauge-docs-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function run(...args: readonly string[]) {
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], { encoding: "utf8" });
  return { status, stderr };
}

describe("docs/telemetry.md", () => {
  test("is what the table says, and is found out when it is not", () => {
    expect(run("--check")).toEqual({ status: 0, stderr: "" });
    const other = join(directory, "other.md");
    writeFileSync(other, readFileSync(PAGE, "utf8").replace("event loop", "event lop"));
    expect(run("--check", other)).toMatchObject({ status: 1, stderr: expect.stringContaining("run node scripts/") });
    expect(run(other).status).toBe(0);
    expect(readFileSync(other, "utf8")).toBe(readFileSync(PAGE, "utf8"));
  });

  test("names every metric with its labels", () => {
    const page = readFileSync(PAGE, "utf8");
    for (const [name, { type, labels, help }] of Object.entries(TELEMETRY) as [string, MetricSpec][]) {
      const names = labels.map((label) => `\`${label}\``).join(" ");
      expect(page).toContain(`| \`${name}\` | ${type} | ${names} | ${help} |`);
    }
  });
});

describe("deploy/prometheus/streamgauge.rules.yml", () => {
  test("asks only for metrics of the table, and for labels that they have", () => {
    const text = readFileSync(new URL("deploy/prometheus/streamgauge.rules.yml", ROOT), "utf8");
    const rules = (parse(text) as { groups: { rules: { expr: string }[] }[] }).groups.flatMap((group) => group.rules);
    const table: Readonly<Record<string, MetricSpec>> = TELEMETRY;
    let seen = 0;
    for (const { expr } of rules) {
      for (const [, name = "", selector = ""] of expr.matchAll(/\b(streamgauge_\w+)(?:\{([^}]*)\})?/g)) {
        const spec = table[name] ?? table[name.replace(/_bucket$/, "")];
        expect(spec, name).toBeDefined();
        for (const [, label = ""] of selector.matchAll(/(\w+)\s*=/g)) expect(spec?.labels, name).toContain(label);
        seen++;
      }
    }
    expect(seen).toBeGreaterThan(15);
  });
});
