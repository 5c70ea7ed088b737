import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogRecord } from "../../src/core/log.ts";
import { storedName } from "../../src/sinks/postgres-records.ts";
import { alertAt, contents, logRecord, metricsAt, openSink, rowsOf, verdictAt } from "./kit.ts";
import { type PostgresServer, postgresPresent, startPostgres } from "./server.ts";

const PLACE = { dataset: "d", slice: "all", hour: 1, revision: 0 };
/** Stored as they are. */
const HARMLESS = [
  "'; DROP TABLE streamgauge.alerts; --",
  '"quoted"',
  "back\\slash",
  "{braces,NULL}",
  "NULL",
  "",
  " ",
  "new\nline\ttab\r",
  "$1 %s $(url)",
  "emoji 🚕 and ü",
  "__proto__",
  "constructor",
  "\u202eright to left",
  "\u0001\u001b[31m",
  `${"x".repeat(511)}y`,
];
/** Changed on the way, and still told apart. */
const CHANGED = [
  "nul\0",
  "nul\ufffd\0",
  "half \ud800",
  "half \udc00",
  "x".repeat(64 * 1024),
  `${"x".repeat(64 * 1024)}y`,
  "🚕".repeat(20_000),
  `${"ü".repeat(255)}🚕🚕`,
];

let server: PostgresServer;
let url = "";
beforeAll(async () => {
  if (!postgresPresent) return;
  server = await startPostgres();
  url = await server.createDatabase();
});
afterAll(async () => server?.remove());

describe("storedName()", () => {
  test("leaves a name that can be stored as it is", () => {
    for (const name of HARMLESS) expect(storedName(name)).toBe(name);
  });

  test("keeps names apart that it has to change, within 512 bytes and without what PostgreSQL refuses", () => {
    const stored = CHANGED.map(storedName);
    expect(new Set([...stored, ...HARMLESS]).size).toBe(CHANGED.length + HARMLESS.length);
    for (const name of stored) {
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(512);
      expect(Buffer.from(name).toString()).toBe(name);
      expect(name).not.toContain("\0");
      expect(storedName(name)).toBe(name);
    }
  });
});

describe.skipIf(!postgresPresent)("PostgresSink.write() with hostile names", () => {
  test("stores every name as dataset, slice, metric, field and text, each once", async () => {
    const names = [...HARMLESS, ...CHANGED];
    const sink = await openSink(url, { schema: "names" });
    const metrics = Object.fromEntries(names.map((name, index) => [name, index]));
    Object.defineProperty(metrics, "__proto__", { value: 10, enumerable: true });
    const records = (make: (name: string) => unknown) => names.map((name, index) => logRecord(make(name), index));
    await sink.write(
      "metrics",
      records((name) => ({ ...metricsAt({ ...PLACE, dataset: name, slice: name }), metrics })),
    );
    await sink.write(
      "verdicts",
      records((name) => {
        const verdict = verdictAt({ ...PLACE, dataset: name, slice: name });
        return { ...verdict, causes: [{ ...verdict.causes[0], fields: [name, name], metric: name }] };
      }),
    );
    await sink.write(
      "alerts",
      records((name) => ({
        ...alertAt({ ...PLACE, dataset: name }, "opened"),
        incident: name,
        slices: [name],
        sentence: name,
        reason: name,
      })),
    );
    await sink.close();
    expect(sink.lines).toEqual([]);
    const stored = names.map(storedName).sort();
    const column = async (sql: string) => (await rowsOf<{ name: string }>(url, sql)).map(({ name }) => name).sort();
    expect(await column("SELECT dataset AS name FROM names.windows")).toEqual(stored);
    expect(await column("SELECT slice AS name FROM names.verdicts")).toEqual(stored);
    expect(await column("SELECT causes->0->'fields'->>1 AS name FROM names.verdicts")).toEqual(stored);
    expect(await column("SELECT DISTINCT metric AS name FROM names.metric_values")).toEqual(stored);
    expect(await column("SELECT slices[1] AS name FROM names.incidents")).toEqual(stored);
    const [nul] = await rowsOf<{ sentence: string }>(
      url,
      "SELECT sentence FROM names.alerts WHERE sentence ~ '^nul' ORDER BY 1",
    );
    expect(nul?.sentence).toBe("nul\ufffd");
  });

  test("leaves out what is not of our shape, says so, and stores the rest", async () => {
    const sink = await openSink(url, { schema: "shapes" });
    const good = metricsAt(PLACE);
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const bad: unknown[] = [
      "not json",
      "",
      "null",
      "[]",
      "{}",
      { ...good, dataset: 7 },
      { ...good, windowStart: "yesterday" },
      { ...good, windowStart: "-100000-01-01T00:00:00.000Z" },
      { ...good, windowEnd: good.windowStart },
      { ...good, revision: -1 },
      { ...good, revision: 2 ** 40 },
      { ...good, counts: { consumed: 1.5 } },
      { ...good, counts: [] },
      { ...good, metrics: null },
    ];
    const harmless: unknown[] = [
      { ...good, metrics: { a: {}, b: [1], c: true, d: "1e5", e: 1 }, expected: { a: 7, e: ["x", null] } },
      `${JSON.stringify(good).slice(0, -1)},"more":${deep}}`,
    ];
    const records: LogRecord[] = [...bad, ...harmless, good].map(logRecord);
    records.push({ ...logRecord("", 99), value: null });
    await sink.write("metrics", records);
    const verdict = verdictAt(PLACE);
    const causes = `${JSON.stringify(verdict).slice(0, -1)},"causes":${deep}}`;
    await sink.write("verdicts", [verdict, causes, { ...verdict, by: null }].map(logRecord));
    await sink.write("alerts", [alertAt(PLACE, "opened"), { ...alertAt(PLACE, "opened"), sentence: 1 }].map(logRecord));
    await sink.close();
    const message = "records left out because they are not of our shape; the first is named";
    const line = (topic: string, count: number, offset: number, reason: string) => ({
      level: "warn",
      message,
      fields: { sink: "postgres", topic, count, offset, reason },
    });
    expect(sink.lines).toEqual([
      line("metrics", bad.length, 0, "it is not JSON"),
      line("verdicts", 2, 1, "causes is not an object"),
      line("alerts", 1, 1, "sentence is not a text"),
    ]);
    const tables = await contents(url, "shapes");
    expect([tables.windows?.length, tables.verdicts?.length, tables.alerts?.length]).toEqual([1, 1, 1]);
  });

  test("finds the one record that PostgreSQL will not take, and stores its neighbours", async () => {
    const sink = await openSink(url, { schema: "poison" });
    await rowsOf(url, "ALTER TABLE poison.window_data ADD CHECK (consumed <> 1050)");
    const hours = Array.from({ length: 9 }, (_, hour) => logRecord(metricsAt({ ...PLACE, hour }), hour));
    await sink.write("metrics", hours);
    await sink.close();
    expect(sink.lines.map(({ fields }) => fields.offset)).toEqual([5]);
    expect(await rowsOf(url, "SELECT count(*)::int FROM poison.windows")).toEqual([{ count: 8 }]);
  });
});
