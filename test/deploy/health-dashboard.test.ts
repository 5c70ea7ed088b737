import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEMO_CONFIG, DEMO_PARTITIONS, demoRecords } from "../../src/cli/demo-feed.ts";
import { runInMemory } from "../../src/cli/memory-pipeline.ts";
import { openInput } from "../../src/consumers/file-input.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { Config } from "../../src/core/config.ts";
import type { OutputRecord } from "../../src/core/log.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { startProcessTelemetry } from "../../src/sinks/process-telemetry.ts";
import { PrometheusRegistry } from "../../src/sinks/prometheus-registry.ts";
import { startPrometheusServer } from "../../src/sinks/prometheus-server.ts";
import { createPrometheusSink } from "../../src/sinks/prometheus-sink.ts";
import { HAS_PROMETHEUS, Prometheus } from "../prometheus/programs.ts";
import { askingPanels, dashboards } from "./dashboard-files.ts";

const FLIGHTS = fileURLToPath(new URL("../../data/flights.avro", import.meta.url));
const RECORDS = 60_000;
const CONFIG: Config = {
  ...DEMO_CONFIG,
  deployment: "health",
  datasets: DEMO_CONFIG.datasets.map((dataset) => ({ ...dataset, slices: [] })),
};

const health = dashboards().find(({ name }) => name === "health");
const panels = health === undefined ? [] : askingPanels(health.dashboard);
/** What a run in memory without faults has no series of. */
const EMPTY = new Set(["Metrics beyond the limit A"]);

const clock = systemClock();
const startS = clock.nowMs() / 1000;
let prometheus: Prometheus;
const stops: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  if (!HAS_PROMETHEUS) return;
  const telemetry = new PrometheusRegistry({ clock });
  const server = await startPrometheusServer({
    registry: telemetry,
    port: 0,
    readiness: () => ({ ready: true, reasons: [] }),
  });
  const numbers = startProcessTelemetry(telemetry, "test");
  stops.push(
    () => server.close(),
    () => numbers.stop(),
  );
  prometheus = await Prometheus.start({ targets: { streamgauge: `127.0.0.1:${server.port}` } });
  stops.push(() => prometheus.stop());
  await scraped('streamgauge_build_info{version="test"}', (value) => value === 1);
  const input = await openInput(FLIGHTS, { timeField: "time_hour" });
  const registry = new InProcessRegistry();
  const schemaId = registry.register(input.schemaText);
  await runInMemory({
    config: CONFIG,
    partitions: DEMO_PARTITIONS,
    readers: createReaderSource(registry, { clock }),
    clock,
    logger: { info() {}, warn() {}, error() {} },
    env: {},
    feed: first(demoRecords(input, schemaId), RECORDS),
    sinks: [createPrometheusSink({ telemetry, datasets: CONFIG.datasets })],
    telemetry,
  });
  await scraped('sum(streamgauge_records_total{stage="profiler"})', (value) => value === RECORDS);
});
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

/** Stops before the last block until Prometheus has seen the stages at work: the blizzard's alert came before it. */
async function* first(feed: AsyncIterable<readonly OutputRecord[]>, count: number) {
  let left = count;
  for await (const block of feed) {
    if (left <= block.length) {
      await scraped("min(count_over_time(streamgauge_watermark_lag_seconds[5m]))", (scrapes) => scrapes >= 2);
      await scraped("min(count_over_time(streamgauge_alert_latency_seconds_count[5m]))", (scrapes) => scrapes >= 2);
    }
    yield block.slice(0, left);
    left -= block.length;
    if (left <= 0) return;
  }
}

interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Time in seconds, value. */
  readonly values: readonly (readonly [number, string])[];
}

/** Over the whole run, as a panel asks: gauges of stages that have ended are in the past. */
async function query(expression: string): Promise<readonly Series[]> {
  const range = { query: expression, start: String(startS), end: String(clock.nowMs() / 1000), step: "250ms" };
  return (await prometheus.get<{ result: Series[] }>(`/api/v1/query_range?${new URLSearchParams(range)}`)).result;
}

/** The newest value of the first series. */
async function newest(expression: string): Promise<number> {
  return Number((await query(expression))[0]?.values.at(-1)?.[1]);
}

/** Waits until Prometheus has seen it: scrapes happen in their own time. */
function scraped(expression: string, isThere: (value: number) => boolean): Promise<void> {
  return prometheus.until(expression, async () => isThere(await newest(expression)));
}

/** As Grafana sends it: all processes, and the whole run in every rate. */
function grafanaPromql(expression: string): string {
  return expression.replaceAll("$instance", ".*").replaceAll("$__rate_interval", "5m").replaceAll("$__range", "5m");
}

describe.skipIf(!HAS_PROMETHEUS)("the health dashboard over a real run, in a real Prometheus", () => {
  test.each(panels.map((panel) => ({ panel, title: panel.title })))("panel: $title", async ({ panel }) => {
    for (const { expr = "", legendFormat = "", refId } of panel.targets) {
      const series = await query(grafanaPromql(expr));
      if (EMPTY.has(`${panel.title} ${refId}`)) expect(series).toEqual([]);
      else expect(series.length, `${panel.title} ${refId}`).toBeGreaterThan(0);
      for (const { metric } of series) {
        for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(metric[label]).toMatch(/\S/);
      }
    }
  });

  test("shows the run: records, no breaks of the ledger, no failures", async () => {
    const value = async (title: string) => {
      const panel = panels.find((each) => each.title === title);
      return newest(grafanaPromql(panel?.targets[0]?.expr ?? ""));
    };
    expect(await value("Ready")).toBe(1);
    expect(await value("Processes")).toBe(1);
    expect(await value("Ledger breaks")).toBe(0);
    expect(await value("Failures")).toBe(0);
    expect(await value("Memory")).toBeGreaterThan(10_000_000);
  });
});
