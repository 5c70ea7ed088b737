import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AlertRecord } from "../../src/core/verdict.ts";
import { dashboards } from "../deploy/dashboard-files.ts";
import { grafanaSql } from "./grafana-sql.ts";
import { alertAt, logRecords, metricsAt, openSink, rowsOf, verdictAt } from "./kit.ts";
import { type PostgresServer, postgresPresent, startPostgres } from "./server.ts";

let server: PostgresServer;
let url = "";

beforeAll(async () => {
  if (!postgresPresent) return;
  server = await startPostgres();
  url = await server.createDatabase();
});
afterAll(async () => server?.remove());

const at = (hour: number, dataset = "trips") => ({ dataset, slice: "all", hour, revision: 0 });
const alert = (hour: number, state: AlertRecord["state"], more: Partial<AlertRecord> = {}) => ({
  ...alertAt(at(hour), state),
  ...more,
});

/** What the panel of the fleet's dashboard shows. */
async function shown(title: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const fleet = dashboards().find(({ name }) => name === "fleet")!.dashboard;
  const panel = fleet.panels.find((one) => one.title === title)!;
  const variables = { schema: "streamgauge" };
  const context = { variables, from: new Date(0), to: new Date(Date.UTC(2030, 0, 1)), interval: "1h" };
  return rowsOf(url, grafanaSql(panel.targets![0]!.rawSql!, context));
}

describe.skipIf(!postgresPresent)("a backtest in PostgreSQL", () => {
  test("is shown as such, and neither open nor in alarm until somebody is told of it", async () => {
    const sink = await openSink(url);
    // Windows of hour 2 alarm.
    await sink.write("metrics", logRecords([metricsAt(at(2))]));
    await sink.write("verdicts", logRecords([{ ...verdictAt(at(2)), backtest: true }]));
    const past = { incident: "past", backtest: true } as const;
    const both = { incident: "both", backtest: true } as const;
    const before = [alert(0, "opened", past), alert(1, "resolved", past), alert(2, "opened", both)];
    await sink.write("alerts", logRecords(before));

    const incidents = () =>
      rowsOf(url, "SELECT incident, backtest, text, tags FROM streamgauge.incidents ORDER BY incident");
    expect(await incidents()).toEqual([
      { incident: "both", backtest: true, text: "backtest: opened at hour 2", tags: "P2,backtest,trips" },
      { incident: "past", backtest: true, text: "backtest: opened at hour 0", tags: "P2,resolved,backtest,trips" },
    ]);
    expect(await rowsOf(url, "SELECT outcome, alarm, backtest FROM streamgauge.verdicts")).toEqual([
      { outcome: "fail", alarm: true, backtest: true },
    ]);
    expect(await shown("Open incidents")).toEqual([{ incidents: "0" }]);
    expect(await shown("Worst open severity")).toEqual([{ severity: "none" }]);
    expect(await shown("In alarm now")).toEqual([{ datasets: "0" }]);
    expect(await shown("Datasets: state, last window, score")).toMatchObject([{ dataset: "trips", state: "backtest" }]);
    expect((await shown("Incidents")).map(({ state }) => state)).toEqual(["backtest", "backtest"]);

    // It goes on, and people are told.
    const goesOn = { incident: "both", reason: "continues" };
    await sink.write("alerts", logRecords([...before, alert(3, "updated", goesOn)]));
    await sink.write("verdicts", logRecords([verdictAt(at(2)), { ...verdictAt(at(3)), alarm: true, outcome: "fail" }]));
    await sink.write("metrics", logRecords([metricsAt(at(2)), metricsAt(at(3))]));
    await sink.close();
    expect((await incidents())[0]).toMatchObject({ incident: "both", backtest: false, tags: "P2,open,trips" });
    expect(await shown("Open incidents")).toEqual([{ incidents: "1" }]);
    expect(await shown("Worst open severity")).toEqual([{ severity: "P2" }]);
    expect(await shown("In alarm now")).toEqual([{ datasets: "1" }]);
    expect(await shown("Datasets: state, last window, score")).toMatchObject([{ dataset: "trips", state: "incident" }]);
  });
});
