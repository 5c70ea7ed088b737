import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEMO_CONFIG, DEMO_PARTITIONS, demoRecords } from "../../src/cli/demo-feed.ts";
import { runInMemory } from "../../src/cli/memory-pipeline.ts";
import { openInput } from "../../src/consumers/file-input.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { Config, DatasetConfig } from "../../src/core/config.ts";
import type { OutputRecord } from "../../src/core/log.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { askingPanels, type Dashboard, dashboards, type Panel } from "../deploy/dashboard-files.ts";
import { grafanaSql, type QueryContext } from "./grafana-sql.ts";
import { openSink } from "./kit.ts";
import { type PostgresServer, postgresPresent, startPostgres } from "./server.ts";

const FLIGHTS = fileURLToPath(new URL("../../data/flights.avro", import.meta.url));
const DOCUMENT = readFileSync(new URL("../../docs/grafana.md", import.meta.url), "utf8");
const DAY_MS = 86_400_000;
/** Past the warm-up and the blizzard of 8 February. */
const END_MS = Date.UTC(2013, 1, 22);
const CONFIG: Config = {
  ...DEMO_CONFIG,
  deployment: "dashboards",
  datasets: DEMO_CONFIG.datasets.map((dataset) => ({
    ...dataset,
    windows: { sizesMs: [DAY_MS / 2, DAY_MS], timezone: "UTC" },
  })),
};

let server: PostgresServer;
let client: pg.Client;

beforeAll(async () => {
  if (!postgresPresent) return;
  server = await startPostgres();
  const url = await server.createDatabase();
  const sink = await openSink(url);
  const flights = await openInput(FLIGHTS, { timeField: "time_hour" });
  const registry = new InProcessRegistry();
  const schemaId = registry.register(flights.schemaText);
  const clock = systemClock();
  await runInMemory({
    config: { ...CONFIG, datasets: CONFIG.datasets.map(wary) },
    partitions: DEMO_PARTITIONS,
    readers: createReaderSource(registry, { clock }),
    clock,
    logger: { info() {}, warn() {}, error() {} },
    env: {},
    feed: until(demoRecords(flights, schemaId), END_MS),
    sinks: [sink],
  });
  expect(sink.lines).toEqual([]);
  client = new pg.Client({ connectionString: url });
  await client.connect();
  // As Grafana is let in: it may read, and nothing else.
  await client.query("CREATE ROLE grafana; GRANT USAGE ON SCHEMA streamgauge TO grafana");
  await client.query("GRANT SELECT ON ALL TABLES IN SCHEMA streamgauge TO grafana; SET ROLE grafana");
});
afterAll(async () => {
  await client?.end();
  await server?.remove();
});

/** With a budget that makes alarms of the first days that are judged, the blizzard. */
function wary(dataset: DatasetConfig): DatasetConfig {
  return { ...dataset, detect: { ...dataset.detect, falseAlarms: { count: 4, perMs: 30 * 86_400_000 } } };
}

async function* until(feed: AsyncIterable<readonly OutputRecord[]>, endMs: number) {
  for await (const block of feed) {
    const part = block.filter(({ timestampMs = 0 }) => timestampMs < endMs);
    if (part.length > 0) yield part;
    if (part.length < block.length) return;
  }
}

interface Answer {
  readonly columns: readonly { readonly name: string; readonly isNumber: boolean; readonly isTime: boolean }[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

const { builtins } = pg.types;
const NUMBERS: readonly number[] = [
  builtins.INT2,
  builtins.INT4,
  builtins.INT8,
  builtins.FLOAT4,
  builtins.FLOAT8,
  builtins.NUMERIC,
];

async function ask(rawSql: string, context: QueryContext): Promise<Answer> {
  const result = await client.query(grafanaSql(rawSql, context));
  return {
    columns: result.fields.map(({ name, dataTypeID }) => ({
      name,
      isNumber: NUMBERS.includes(dataTypeID),
      isTime: dataTypeID === builtins.TIMESTAMPTZ,
    })),
    rows: result.rows,
  };
}

/** What the dashboard shows when it is opened: the first value of every variable, in order. */
async function contextOf(
  dashboard: Dashboard,
  overrides: Readonly<Record<string, string>> = {},
): Promise<QueryContext> {
  const variables: Record<string, string> = {};
  const context = { variables, from: new Date(Date.UTC(2013, 0, 1)), to: new Date(END_MS), interval: "1h" };
  for (const variable of dashboard.templating.list) {
    const override = overrides[variable.name];
    if (override !== undefined) variables[variable.name] = override;
    else if (variable.type === "constant" && typeof variable.query === "string")
      variables[variable.name] = variable.query;
    else if (variable.type === "query" && typeof variable.query === "string") {
      const { columns, rows } = await ask(variable.query, context);
      expect(columns.length, `variable ${variable.name} has one column`).toBe(1);
      expect(rows.length, `variable ${variable.name} has values`).toBeGreaterThan(0);
      variables[variable.name] = String(rows[0]?.[columns[0]?.name ?? ""]);
    }
  }
  return context;
}

const OVER_POSTGRES = dashboards().filter(({ dashboard }) =>
  dashboard.templating.list.some(({ name }) => name === "postgres"),
);

describe.skipIf(!postgresPresent).each(OVER_POSTGRES)("dashboard $name over a real run", ({ dashboard }) => {
  test.each(askingPanels(dashboard).map((panel) => ({ panel, title: panel.title })))(
    "panel: $title",
    async ({ panel }) => {
      const context = await contextOf(dashboard);
      for (const target of panel.targets) {
        const answer = await ask(target.rawSql ?? "", context);
        expect(answer.rows.length).toBeGreaterThan(0);
        if (target.format === "time_series") expectTimeSeries(answer);
        if (panel.type === "stat") expect([answer.rows.length, answer.columns.length]).toEqual([1, 1]);
        expectOverridesToMatch(panel, answer);
      }
    },
  );

  test("annotations have time, timeend, text and tags, and overlap the range", async () => {
    const context = await contextOf(dashboard);
    expect(dashboard.annotations.list.length).toBeGreaterThan(0);
    for (const { target } of dashboard.annotations.list) {
      const { columns, rows } = await ask(target.rawSql ?? "", context);
      expect(columns.map(({ name }) => name)).toEqual(["time", "timeend", "text", "tags"]);
      expect(columns.slice(0, 2).every(({ isTime }) => isTime)).toBe(true);
      expect(rows.length).toBeGreaterThan(0);
      for (const { time, timeend, text, tags } of rows) {
        expect(Number(timeend)).toBeGreaterThan(Number(time));
        expect(String(text).length).toBeGreaterThan(10);
        expect(String(tags)).toMatch(/^P[0-4],(open|resolved),flights$/);
      }
      const before = { ...context, from: new Date(Date.UTC(2012, 0, 1)), to: new Date(Date.UTC(2012, 1, 1)) };
      expect((await ask(target.rawSql ?? "", before)).rows).toEqual([]);
    }
  });

  test("nothing breaks where there is nothing: another dataset, another time", async () => {
    const strange = { dataset: "it's; DROP TABLE x--", slice: "none", size: "7h", metric: "none('x')" };
    const context = await contextOf(dashboard, strange);
    for (const panel of askingPanels(dashboard)) {
      for (const { rawSql = "" } of panel.targets) await ask(rawSql, { ...context, from: context.to });
    }
  });
});

describe.skipIf(!postgresPresent)("docs/grafana.md", () => {
  const blocks = [...DOCUMENT.matchAll(/^```sql\n(.*?)^```/gms)].map(([, sql = ""]) => ({
    sql,
    from: sql.split("\n", 1)[0],
  }));

  test.each(blocks)("its SQL runs: $from", async ({ sql }) => {
    const range = { from: new Date(Date.UTC(2013, 0, 1)), to: new Date(END_MS), interval: "1h", variables: {} };
    expect((await ask(sql, range)).rows.length).toBeGreaterThan(0);
  });

  test("names exactly the columns that the views have", async () => {
    const tables = [...DOCUMENT.matchAll(/^\| `(\w+)` +\|[^|]*\|(.*)\|$/gm)];
    expect(tables.length).toBe(8);
    for (const [, name = "", text = ""] of tables) {
      const { rows } = await client.query<{ column: string }>(
        "SELECT column_name AS column FROM information_schema.columns WHERE table_schema = 'streamgauge' AND table_name = $1",
        [name],
      );
      const told = [...text.matchAll(/`([^`]+)`/g)].flatMap(([, words = ""]) => words.split(" "));
      const inherited = text.includes("those of `windows`") ? columnsOf("windows") : columnsOf("metric_values");
      const all = text.includes("those of") ? [...inherited, ...told] : told;
      const known = rows.map(({ column }) => column).filter((column) => column !== "id");
      expect([...new Set(all)].filter((word) => word !== "windows" && word !== "metric_values").sort()).toEqual(
        known.sort(),
      );
    }
  });
});

/** Columns that the document gives a view. */
function columnsOf(view: string): string[] {
  const row = new RegExp(`^\\| \`${view}\` +\\|[^|]*\\|(.*)\\|$`, "m").exec(DOCUMENT)?.[1] ?? "";
  return [...row.matchAll(/`([^`]+)`/g)].flatMap(([, words = ""]) => words.split(" "));
}

describe.skipIf(!postgresPresent)("what the dashboards show of the flights", () => {
  const shown = async (name: string, title: string, variables = {}) => {
    const found = OVER_POSTGRES.find((each) => each.name === name);
    const panel = found?.dashboard.panels.find((each) => each.title === title);
    if (found === undefined || panel === undefined) throw new Error(`no panel ${title} in ${name}`);
    return (await ask(panel.targets?.[0]?.rawSql ?? "", await contextOf(found.dashboard, variables))).rows;
  };

  test("the blizzard is an incident of the fleet that blames the null rates", async () => {
    const rows = await shown("fleet", "Incidents");
    const blizzard = rows.find(({ opened }) => opened instanceof Date && opened.toISOString().startsWith("2013-02-08"));
    expect(blizzard).toMatchObject({ dataset: "flights", state: "resolved" });
    expect(blizzard?.["what was wrong"]).toMatch(/is null, expected/);
  });

  test("the band of a metric stands around its expectation, and the blizzard outside of it", async () => {
    const rows = await shown("dataset", "$metric with its expected band", {
      slice: "all",
      size: "1d",
      metric: "null_rate(dep_time)",
    });
    expect(rows.length).toBe(52);
    const banded = rows.filter(({ expected }) => expected !== null);
    expect(banded.length).toBeGreaterThan(10);
    for (const { low, expected, high } of banded) {
      expect(Number(low)).toBeLessThanOrEqual(Number(expected));
      expect(Number(high)).toBeGreaterThanOrEqual(Number(expected));
    }
    const blizzard = rows.find(({ time }) => time instanceof Date && time.toISOString() === "2013-02-09T00:00:00.000Z");
    expect(Number(blizzard?.value)).toBeGreaterThan(Number(blizzard?.high));
  });

  test("verdicts come alarms first, with causes in words", async () => {
    const rows = await shown("dataset", "Verdicts with their causes", { slice: "all", size: "1d" });
    expect(rows[0]).toMatchObject({ outcome: "fail" });
    expect(String(rows[0]?.causes)).toMatch(/^[\w()., ]+ [\d.]+ \([\d.]+–[\d.]+\) · /);
  });

  test("the ledger of a day adds up to what was consumed", async () => {
    const rows = await shown("dataset", "Ledger: what became of the events", { slice: "all", size: "1d" });
    const { rows: consumed } = await client.query<{ sum: string }>(
      "SELECT sum(consumed) FROM streamgauge.windows WHERE slice = 'all' AND size = '1d'",
    );
    const parts = rows.flatMap(({ time, ...counts }) => Object.values(counts).map(Number));
    expect(String(parts.reduce((sum, count) => sum + count, 0))).toBe(consumed[0]?.sum);
  });
});

/** A column `time`, numbers, at most one column of text for the name of the series; in order of time. */
function expectTimeSeries({ columns, rows }: Answer): void {
  const time = columns.find(({ name }) => name === "time");
  expect(time?.isTime === true || time?.isNumber === true).toBe(true);
  const others = columns.filter(({ name }) => name !== "time");
  expect(others.filter(({ isNumber }) => !isNumber).map(({ name }) => name)).toEqual(
    others.some(({ name }) => name === "metric") ? ["metric"] : [],
  );
  expect(others.some(({ isNumber }) => isNumber)).toBe(true);
  const times = rows.map((row) => Number(row.time));
  expect(times).toEqual([...times].sort((a, b) => a - b));
}

/** An override for a column or series that is not there is a typing error. */
function expectOverridesToMatch(panel: Panel, { columns, rows }: Answer): void {
  const names = new Set([...columns.map(({ name }) => name), ...rows.map((row) => String(row.metric))]);
  for (const { matcher } of panel.fieldConfig?.overrides ?? []) {
    const matches = (name: string) =>
      matcher.id === "byName" ? name === matcher.options : new RegExp(matcher.options.slice(1, -1)).test(name);
    expect([...names].some(matches), `override ${matcher.options} matches a column or series`).toBe(true);
  }
}
