import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AlertRecord, Concentration } from "../../src/core/verdict.ts";
import { alertAt, logRecords, openSink, rowsOf } from "./kit.ts";
import { type PostgresServer, postgresPresent, startPostgres } from "./server.ts";

let server: PostgresServer;
let url = "";

beforeAll(async () => {
  if (!postgresPresent) return;
  server = await startPostgres();
  url = await server.createDatabase();
});
afterAll(async () => server?.remove());

const HELD: Concentration = {
  metric: "null_rate(fare)",
  dimension: "schema",
  value: "42",
  share: 0.96,
  observed: 0.9,
  usual: null,
  elsewhere: 0.02,
  isNew: true,
};

describe.skipIf(!postgresPresent)("alerts in PostgreSQL", () => {
  test("have where the change concentrates, and nothing where it does not", async () => {
    const sink = await openSink(url);
    const alert = (hour: number, more: Partial<AlertRecord>) => ({
      ...alertAt({ dataset: "trips", slice: "all", hour, revision: 0 }, "opened"),
      ...more,
    });
    const hostile = { ...HELD, value: "a\0b", share: "x", more: { deep: [] } } as unknown as Concentration;
    await sink.write("alerts", logRecords([alert(0, { concentration: [HELD] }), alert(1, {})]));
    await sink.write("alerts", logRecords([alert(2, { concentration: [hostile] })]));
    await sink.close();
    const rows = await rowsOf<{ concentration: readonly unknown[] }>(
      url,
      "SELECT concentration FROM streamgauge.alerts ORDER BY window_start",
    );
    expect(rows.map(({ concentration }) => concentration)).toEqual([
      [HELD],
      [],
      [{ ...HELD, value: expect.stringMatching(/^a\ufffdb/), share: null }],
    ]);
  });
});
