import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogRecord } from "../../src/core/log.ts";
import { SeededRandom } from "../../src/core/random.ts";
import type { MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { alertAt, contents, logRecord, metricsAt, openSink, type Place, rowsOf, verdictAt } from "./kit.ts";
import { type PostgresServer, postgresPresent, startPostgres } from "./server.ts";

let server: PostgresServer;
let url = "";
let schemas = 0;

beforeAll(async () => {
  if (!postgresPresent) return;
  server = await startPostgres();
  url = await server.createDatabase();
});
afterAll(async () => server?.remove());

const place: fc.Arbitrary<Place> = fc.record({
  dataset: fc.constantFrom("trips", "it's; DROP TABLE alerts--"),
  slice: fc.constantFrom("all", 'origin="JFK"', "origin=🚕"),
  hour: fc.integer({ min: 0, max: 4 }),
  revision: fc.integer({ min: 0, max: 2 }),
});

type Item = { readonly topic: "metrics" | "verdicts" | "alerts"; readonly record: LogRecord };

/** Each place has a metrics record, two verdicts and an alert. */
function itemsOf(places: readonly Place[]): Item[] {
  const unique = [...new Map(places.map((each) => [JSON.stringify(each), each])).values()];
  return unique.flatMap((each, index): Item[] => [
    { topic: "metrics", record: logRecord(metricsAt(each), index) },
    { topic: "verdicts", record: logRecord(verdictAt(each), 2 * index) },
    { topic: "verdicts", record: logRecord(verdictAt(each, "lane:pca"), 2 * index + 1) },
    { topic: "alerts", record: logRecord(alertAt(each, each.hour > 2 ? "resolved" : "opened"), index) },
  ]);
}

/** The same records as they may be delivered: in any order, some of them again. */
function disordered(items: readonly Item[], seed: number): Item[] {
  const random = new SeededRandom(seed);
  const all = [...items, ...items.filter(() => random.bit() === 1)];
  for (let index = all.length - 1; index > 0; index--) {
    const other = random.below(index + 1);
    const [a, b] = [all[index], all[other]];
    if (a !== undefined && b !== undefined) [all[index], all[other]] = [b, a];
  }
  return all;
}

async function tablesAfter(items: readonly Item[], batchRecords: number) {
  const schema = `law_${schemas++}`;
  const sink = await openSink(url, { schema });
  for (const topic of ["verdicts", "metrics", "alerts"] as const) {
    const records = items.filter((item) => item.topic === topic).map(({ record }) => record);
    for (let from = 0; from < records.length; from += batchRecords) {
      await sink.write(topic, records.slice(from, from + batchRecords));
    }
  }
  await sink.close();
  expect(sink.lines).toEqual([]);
  return contents(url, schema);
}

describe.skipIf(!postgresPresent)("PostgresSink.write()", () => {
  test("leaves the same tables for any order, repetition and split of a stream", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(place, { minLength: 1, maxLength: 12 }),
        fc.integer(),
        fc.integer({ min: 1, max: 9 }),
        async (places, seed, batchRecords) => {
          const items = itemsOf(places);
          const once = await tablesAfter(items, items.length);
          expect(await tablesAfter(disordered(items, seed), batchRecords)).toEqual(once);
          expect(counted(once)).toEqual(model(items));
        },
      ),
      { numRuns: 25, seed: 41 },
    );
  });

  test("keeps no value of a lower revision, in whatever order they come", async () => {
    const at = (revision: number) => ({ dataset: "d", slice: "all", hour: 1, revision });
    for (const revisions of [
      [0, 1],
      [1, 0],
    ]) {
      const schema = `revisions_${revisions.join("_")}`;
      const sink = await openSink(url, { schema });
      for (const revision of revisions) await sink.write("metrics", [logRecord(metricsAt(at(revision)), revision)]);
      await sink.close();
      const rows = await rowsOf(
        url,
        `SELECT metric, value, revision FROM ${schema}.metric_values WHERE metric ~ 'only'`,
      );
      expect(rows).toEqual([{ metric: "only_in_revision(1)", value: -1, revision: 1 }]);
    }
  });

  test("does not touch a row when its record comes again", async () => {
    const sink = await openSink(url, { schema: "untouched" });
    const at = { dataset: "d", slice: "all", hour: 2, revision: 0 };
    const versions = () =>
      rowsOf(
        url,
        `SELECT 'w', ctid::text, xmin::text FROM untouched.window_data UNION ALL
         SELECT 'm', ctid::text, xmin::text FROM untouched.value_data UNION ALL
         SELECT 'v', ctid::text, xmin::text FROM untouched.verdict_data UNION ALL
         SELECT 'a', ctid::text, xmin::text FROM untouched.alerts`,
      );
    const write = async () => {
      await sink.write("metrics", [logRecord(metricsAt(at), 0)]);
      await sink.write("verdicts", [logRecord(verdictAt(at), 0)]);
      await sink.write("alerts", [logRecord(alertAt(at, "opened"), 0)]);
    };
    await write();
    const before = await versions();
    expect(before.length).toBe(1 + 5 + 1 + 1);
    await write();
    expect(await versions()).toEqual(before);
    await sink.close();
  });

  test("stores numbers exactly: doubles as they are, integers beyond 2^53 as text and as the nearest double", async () => {
    const sink = await openSink(url, { schema: "numbers" });
    const values = [0.1, 5e-324, 1.7976931348623157e308, -0.3333333333333333, 9007199254740991, 1e21];
    const metrics: Record<string, number | string | null> = { none: null, big: "-9223372036854775809" };
    for (const [index, value] of values.entries()) metrics[`v${index}`] = value;
    const record = { ...metricsAt({ dataset: "d", slice: "all", hour: 1, revision: 0 }), metrics, expected: {} };
    await sink.write("metrics", [logRecord(record, 0)]);
    await sink.close();
    const rows = await rowsOf<{ metric: string; value: number | null; value_text: string | null }>(
      url,
      "SELECT metric, value, value_text FROM numbers.metric_values ORDER BY metric",
    );
    expect(rows).toEqual([
      { metric: "big", value: -(2 ** 63), value_text: "-9223372036854775809" },
      { metric: "none", value: null, value_text: null },
      ...values.map((value, index) => ({ metric: `v${index}`, value, value_text: null })),
    ]);
  });

  test("counts a day of 23 or 25 hours among the days", async () => {
    const sink = await openSink(url, { schema: "days" });
    const base = metricsAt({ dataset: "d", slice: "all", hour: 1, revision: 0 });
    const days = ["2024-03-29T23:00", "2024-03-30T23:00", "2024-03-31T22:00", "2024-10-26T22:00", "2024-10-27T23:00"];
    const records = days
      .slice(1)
      .map((end, index) => ({ ...base, windowStart: `${days[index]}Z`, windowEnd: `${end}Z` }));
    await sink.write(
      "metrics",
      [0, 1, 3].map((index) => logRecord(records[index], index)),
    );
    await sink.close();
    const rows = await rowsOf(
      url,
      "SELECT size, size_seconds, extract(epoch FROM window_end - window_start)::int / 3600 AS hours FROM days.windows ORDER BY window_start",
    );
    expect(rows).toEqual([24, 23, 25].map((hours) => ({ size: "1d", size_seconds: 86_400, hours })));
  });
});

/** What a reader of the records would expect: of each window the highest revision. */
function model(items: readonly Item[]) {
  const windows = new Map<string, MetricsRecord>();
  const verdicts = new Map<string, VerdictRecord>();
  const alerts = new Set<string>();
  for (const { topic, record } of items) {
    const value = JSON.parse(new TextDecoder().decode(record.value ?? new Uint8Array()));
    if (topic === "alerts") alerts.add([value.dataset, value.windowStart, value.revision, ...value.slices].join("|"));
    const key = [value.dataset, value.slice, value.windowStart, value.by].join("|");
    if (topic === "metrics" && value.revision >= (windows.get(key)?.revision ?? 0)) windows.set(key, value);
    if (topic === "verdicts" && value.revision >= (verdicts.get(key)?.revision ?? 0)) verdicts.set(key, value);
  }
  return {
    windows: [...windows.values()].map(({ revision, counts }) => `${revision} ${counts.consumed}`).sort(),
    metrics: [...windows.values()].flatMap(({ metrics }) => Object.entries(metrics).map(String)).sort(),
    verdicts: [...verdicts.values()].map(({ by, score, alarm }) => `${by} ${score} ${alarm}`).sort(),
    alerts: alerts.size,
  };
}

function counted(tables: Record<string, string[]>) {
  const rows = (view: string) => (tables[view] ?? []).map((row) => JSON.parse(row));
  return {
    windows: rows("windows")
      .map(({ revision, consumed }) => `${revision} ${consumed}`)
      .sort(),
    metrics: rows("metric_values")
      .map(({ metric, value, value_text }) => String([metric, value_text ?? value]))
      .sort(),
    verdicts: rows("verdicts")
      .map(({ by, score, alarm }) => `${by} ${score} ${alarm}`)
      .sort(),
    alerts: rows("alerts").length,
  };
}
