import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("../../scripts/make-figures.mjs", import.meta.url));
const PLACE = "<!-- figures: made by npm run docs:figures from bench/results.jsonl -->\n<!-- end of figures -->\n";
const folder = mkdtempSync(join(tmpdir(), "streamgauge-figures-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (script: string, at: string, value: number) =>
  JSON.stringify({
    script,
    at: `${at}T08:00:00.000Z`,
    commit: "abc1234",
    node: "v20.20.2",
    cpu: "2 × EPYC",
    results: [
      { name: "profiler ÷ avsc", value, unit: "×", target: 1, sense: "at most", met: value <= 1 },
      { name: "flights", value: 170_100, unit: "flights/s", target: 150_000, sense: "at least", met: true },
      { name: "no target", value: 2, unit: "" },
    ],
  });

function make(page: string, results: string, ...flags: readonly string[]) {
  const [pagePath, resultsPath] = [join(folder, "page.md"), join(folder, "results.jsonl")];
  writeFileSync(pagePath, page);
  writeFileSync(resultsPath, results);
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, pagePath, resultsPath, ...flags], {
    encoding: "utf8",
  });
  return { status, stderr, page: readFileSync(pagePath, "utf8") };
}

describe("scripts/make-figures.mjs", () => {
  const results = `${run("bench", "2026-11-01", 1.8)}\n${run("bench", "2026-11-02", 0.9)}\n${run("other", "2026-11-03", 7)}\n`;

  test("writes the last run of each benchmark between the marks, and nothing else", { timeout: 60_000 }, () => {
    const { status, page } = make(`before\n\n${PLACE}after\n`, results);
    expect(status).toBe(0);
    expect(page).toMatch(/^before\n\n<!-- figures.*-->\n\n`npm run bench` .*2026-11-02, Node 20\.20\.2, 2 × EPYC/);
    expect(page).toContain("| profiler ÷ avsc | 0.9 ×             | ≤ 1 ×               |\n");
    expect(page).toContain("| flights         | 170,100 flights/s | ≥ 150,000 flights/s |\n");
    expect(page).toContain("| no target       | 2                 |                     |\n");
    expect(page).toMatch(/\n<!-- end of figures -->\nafter\n$/);
    expect(page).not.toContain("1.8");
  });

  test("--check finds a page that is not what was measured, and changes none", { timeout: 60_000 }, () => {
    const { page } = make(PLACE, results);
    expect(make(page, results, "--check").status).toBe(0);
    const newer = `${results}${run("bench", "2026-11-04", 0.8)}\n`;
    expect(make(page, newer, "--check")).toEqual({
      status: 1,
      stderr: expect.stringContaining("npm run docs:figures"),
      page,
    });
  });

  test("a page without the marks is refused", { timeout: 60_000 }, () => {
    expect(make("nothing\n", results)).toMatchObject({ status: 1, stderr: expect.stringContaining("has no place") });
  });
});
