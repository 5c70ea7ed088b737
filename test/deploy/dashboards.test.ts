import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { TELEMETRY } from "../../src/core/telemetry-table.ts";
import { askingPanels, dashboards } from "./dashboard-files.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ALL = dashboards();

describe("deploy/grafana/dashboards", () => {
  test("is what scripts/make-dashboards.mjs writes", () => {
    const folder = mkdtempSync(join(tmpdir(), "sg-dashboards-"));
    mkdirSync(join(folder, "scripts"));
    cpSync(join(ROOT, "scripts/make-dashboards.mjs"), join(folder, "scripts/make-dashboards.mjs"));
    cpSync(join(ROOT, "scripts/dashboards"), join(folder, "scripts/dashboards"), { recursive: true });
    execFileSync(process.execPath, [join(folder, "scripts/make-dashboards.mjs")]);
    for (const { name, dashboard } of ALL) {
      const made = JSON.parse(readFileSync(join(folder, `deploy/grafana/dashboards/${name}.json`), "utf8"));
      expect(dashboard).toEqual(made);
    }
    rmSync(folder, { recursive: true });
  });

  test("has fixed uids, and no data source but by variable", () => {
    expect(ALL.map(({ dashboard }) => dashboard.uid).sort()).toEqual(
      ["streamgauge-dataset", "streamgauge-fleet", "streamgauge-health"].sort(),
    );
    for (const { dashboard, text } of ALL) {
      const variables = dashboard.templating.list
        .filter(({ type }) => type === "datasource")
        .map(({ name }) => `\${${name}}`);
      const used = [...text.matchAll(/"uid": "([^"]*)"/g)].map(([, uid]) => uid).filter((uid) => uid !== dashboard.uid);
      expect(used.length).toBeGreaterThan(5);
      for (const uid of used) expect(variables).toContain(uid);
    }
  });

  test.each(ALL)(
    "$name: every panel has a title, a description, a unit and a sentence for emptiness",
    ({ dashboard }) => {
      const panels = askingPanels(dashboard);
      expect(panels.length).toBeGreaterThan(10);
      for (const { title, description = "", fieldConfig } of panels) {
        expect(title.length).toBeGreaterThan(2);
        expect(description, title).toMatch(/^[A-Z].{10,}\.( .*)?$|^[A-Z].{10,}\w$/);
        expect(fieldConfig?.defaults.unit, title).toMatch(/\w/);
        expect(fieldConfig?.defaults.noValue, title).toMatch(/\S/);
      }
    },
  );

  test.each(ALL)("$name: panels do not overlap, fill every line, and have ids of their own", ({ dashboard }) => {
    const taken = new Set<string>();
    for (const { gridPos, title } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x},${y}`), title).toBe(false);
          taken.add(`${x},${y}`);
        }
      }
    }
    const height = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    expect(taken.size).toBe(24 * height);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });

  test.each(ALL)("$name: uses only variables that it has", ({ dashboard, text }) => {
    const known = new Set(dashboard.templating.list.map(({ name }) => name));
    const builtIn =
      /^__(all|interval|rate_interval|range|url_time_range|data|timeFilter|timeFrom|timeTo|timeGroupAlias)$/;
    for (const [, plain, braced] of text.matchAll(/\$(?:(\w+)|\{(\w+))/g)) {
      const name = plain ?? braced ?? "";
      expect(known.has(name) || builtIn.test(name), name).toBe(true);
    }
  });
});

describe("the queries of the health dashboard", () => {
  const health = ALL.find(({ name }) => name === "health");
  const expressions = health === undefined ? [] : askingPanels(health.dashboard).flatMap(({ targets }) => targets);

  test("name metrics and labels of the telemetry table only", () => {
    const used = new Set<string>();
    for (const { expr = "" } of expressions) {
      for (const [, full = "", selector = ""] of expr.matchAll(/(streamgauge_\w+)\{([^}]*)\}/g)) {
        const name = full.replace(/_bucket$/, "");
        const spec = Object.entries(TELEMETRY).find(([known]) => known === name)?.[1];
        expect(spec, full).toBeDefined();
        expect(spec?.type === "histogram").toBe(full.endsWith("_bucket"));
        used.add(name);
        const labels = [...selector.matchAll(/(\w+)=/g)].map(([, label]) => label ?? "");
        for (const label of labels) expect(["instance", ...(spec?.labels ?? [])], `${full} ${label}`).toContain(label);
        const by = /by \(([^)]*)\)/.exec(expr)?.[1]?.split(", ") ?? [];
        for (const label of by)
          expect(["instance", "le", ...(spec?.labels ?? [])], `${full} ${label}`).toContain(label);
      }
    }
    expect(used.size).toBeGreaterThan(25);
  });

  test("have legends of labels that they keep", () => {
    for (const { expr = "", legendFormat = "" } of expressions) {
      const by = /by \(([^)]*)\)/.exec(expr)?.[1]?.split(", ") ?? [];
      for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(by, expr).toContain(label);
    }
  });
});

test("the provisioning finds the dashboards where docker-compose.yml mounts them", () => {
  const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
  const { providers } = parse(read("deploy/grafana/provisioning/dashboards/streamgauge.yml"));
  const compose = parse(read("docker-compose.yml"), { merge: true });
  expect(compose.services.grafana.volumes).toContain(`./deploy/grafana/dashboards:${providers[0].options.path}:ro`);
  const { datasources } = parse(read("deploy/grafana/provisioning/datasources/streamgauge.yml"));
  const types = ALL.flatMap(({ dashboard }) =>
    dashboard.templating.list.flatMap(({ type, query }) => (type === "datasource" ? [query] : [])),
  );
  expect(new Set(types)).toEqual(new Set(datasources.map(({ type }: { type: string }) => type)));
});
