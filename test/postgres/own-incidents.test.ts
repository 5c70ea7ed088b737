import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LedgerIncidents } from "../../src/alerts/ledger-incidents.ts";
import { alertAt, logRecords, openSink, rowsOf } from "./kit.ts";
import { type PostgresServer, postgresPresent, startPostgres } from "./server.ts";

const START = Date.UTC(2026, 4, 1);
const MINUTE = 60_000;

let server: PostgresServer;
let url = "";

beforeAll(async () => {
  if (!postgresPresent) return;
  server = await startPostgres();
  url = await server.createDatabase();
});
afterAll(async () => server?.remove());

describe.skipIf(!postgresPresent)("the view of incidents", () => {
  test("has those of streamgauge itself beside that of the data: a gap is over at once, a silence when it ends", async () => {
    const ledger = new LedgerIncidents("trips");
    const positions = new Map([[0, 5]]);
    const at = (minute: number, partition: number, unheard: ReadonlyMap<number, number>) => ({
      ...{ topic: "trips", partition, timeMs: START + minute * MINUTE, unheard, positions },
    });
    const touched = { startMs: START - 60 * MINUTE, endMs: START };
    const gap = { kind: "offset-gap", expected: 3, got: 5, touched } as const;
    const silent = new Map([
      [1, START],
      [2, START],
    ]);
    const alerts = [
      ...ledger.update({ ...at(0, 0, new Map()), break: gap }),
      alertAt({ dataset: "trips", slice: "all", hour: 0, revision: 0 }, "opened"),
      ...ledger.update(at(5, 0, silent)),
      ...ledger.update(at(9, 1, new Map([[2, START]]))),
    ];
    const sink = await openSink(url, { schema: "own" });
    await sink.write("alerts", logRecords(alerts));
    // What comes again changes nothing.
    await sink.write("alerts", logRecords(alerts));
    await sink.close();
    const rows = await rowsOf(
      url,
      `SELECT kind, state, severity, opened::text, resolved::text, timeend::text, tags, latest_sentence FROM own.incidents
       ORDER BY incident`,
    );
    expect(rows.map((row) => Object.values(row).join(" | "))).toEqual([
      "data | opened | P2 | 2024-03-30 22:00:00+00 |  | 2024-03-30 23:00:00+00 | P2,open,trips | opened at hour 0",
      "streamgauge | resolved | P1 | 2026-04-30 23:00:00+00 | 2026-05-01 00:00:00+00 | 2026-05-01 00:00:00+00 | P1,resolved,trips | trips/0: offsets 3–4 were never seen; the windows touched are partial",
      "streamgauge | resolved | P1 | 2026-05-01 00:00:00+00 | 2026-05-01 00:09:00+00 | 2026-05-01 00:09:00+00 | P1,resolved,trips | trips/1: nothing heard for 5 min; windows wait for it",
      "streamgauge | opened | P1 | 2026-05-01 00:00:00+00 |  | 2026-05-01 00:05:00+00 | P1,open,trips | trips/2: nothing heard for 5 min; windows wait for it",
    ]);
    expect(await rowsOf(url, "SELECT count(*)::int AS open FROM own.incidents WHERE state <> 'resolved'")).toEqual([
      { open: 2 },
    ]);
  });
});
