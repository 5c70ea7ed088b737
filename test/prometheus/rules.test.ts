import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { HAS_PROMETHEUS, promtool } from "./programs.ts";

const DEPLOY = fileURLToPath(new URL("../../deploy/prometheus", import.meta.url));
const RULES = "streamgauge.rules.yml";
const directory = mkdtempSync(join(tmpdir(), "streamgauge-rules-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface RuleFile {
  groups: { rules: { alert?: string; record?: string; expr: string }[] }[];
}

function rules(): RuleFile {
  return parse(readFileSync(join(DEPLOY, RULES), "utf8")) as RuleFile;
}

describe.skipIf(!HAS_PROMETHEUS)("deploy/prometheus with promtool", () => {
  test("has a configuration and rules that Prometheus takes", () => {
    for (const args of [
      ["check", "config", "prometheus.yml"],
      ["check", "rules", "--lint-fatal", RULES],
    ]) {
      expect(promtool(args, { cwd: DEPLOY })).toMatchObject({ status: 0 });
    }
  });

  test("has rules that do what their tests say", () => {
    expect(promtool(["test", "rules", "streamgauge.rules.test.yml"], { cwd: DEPLOY })).toMatchObject({ status: 0 });
  });

  test("has for every rule a test that fails when the rule finds nothing", () => {
    cpSync(DEPLOY, directory, { recursive: true });
    const broken = rules();
    const all = broken.groups.flatMap((group) => group.rules);
    for (const rule of all) rule.expr = "vector(1) > 2";
    writeFileSync(join(directory, RULES), stringify(broken));
    const { status, output } = promtool(["test", "rules", "streamgauge.rules.test.yml"], { cwd: directory });
    expect(status).toBe(1);
    const missed = all
      .map(({ alert, record = "" }) => (alert === undefined ? `expr: "${record}` : `alertname: ${alert},`))
      .filter((name) => !output.includes(name));
    expect(missed).toEqual([]);
  });
});
