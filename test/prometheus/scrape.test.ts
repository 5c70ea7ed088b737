import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEMO_CONFIG, DEMO_PARTITIONS, DEMO_TOPIC, demoRecords } from "../../src/cli/demo-feed.ts";
import { runInMemory } from "../../src/cli/memory-pipeline.ts";
import { VERSION } from "../../src/config/version.ts";
import { openInput } from "../../src/consumers/file-input.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { Config } from "../../src/core/config.ts";
import type { OutputRecord } from "../../src/core/log.ts";
import { type MetricSpec, TELEMETRY } from "../../src/core/telemetry-table.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { startProcessTelemetry } from "../../src/sinks/process-telemetry.ts";
import { PrometheusRegistry } from "../../src/sinks/prometheus-registry.ts";
import { startPrometheusServer } from "../../src/sinks/prometheus-server.ts";
import { createPrometheusSink } from "../../src/sinks/prometheus-sink.ts";
import { CONTENT_TYPES, type ExpositionFormat, exposition } from "../../src/sinks/prometheus-text.ts";
import { everyMetric, LAG, partition, registryOf } from "../sinks/prometheus-kit.ts";
import { parseExposition } from "../sinks/prometheus-parser.ts";
import { HAS_PROMETHEUS, Prometheus, promtool } from "./programs.ts";

const FLIGHTS = fileURLToPath(new URL("../../data/flights.avro", import.meta.url));
const RULES = fileURLToPath(new URL("../../deploy/prometheus/streamgauge.rules.yml", import.meta.url));
/** After the blizzard of 8 and 9 February, which alarms. */
const UNTIL_MS = Date.UTC(2013, 1, 25);
/** Less than the flights have metrics, so that there is an overflow. */
const MAX_SERIES = 120;

const CONFIG: Config = { ...DEMO_CONFIG, deployment: "test" };

/** Flights until `UNTIL_MS` and one record that is none; goes on to the end when `released`. */
class HeldFeed {
  records = 0;
  readonly exhausted: Promise<void>;
  release = () => {};
  #exhaust = () => {};

  constructor() {
    this.exhausted = new Promise((resolve) => {
      this.#exhaust = resolve;
    });
  }

  async *blocks(source: AsyncIterable<readonly OutputRecord[]>): AsyncGenerator<readonly OutputRecord[]> {
    const junk = {
      topic: DEMO_TOPIC,
      partition: 0,
      key: null,
      value: Buffer.from("junk"),
      timestampMs: Date.UTC(2013, 0, 9),
    };
    this.records++;
    yield [junk];
    for await (const block of source) {
      const kept = block.filter(({ timestampMs }) => (timestampMs ?? 0) < UNTIL_MS);
      this.records += kept.length;
      if (kept.length > 0) yield kept;
      if (kept.length < block.length) break;
    }
    const released = new Promise<void>((resolve) => {
      this.release = resolve;
    });
    this.#exhaust();
    await released;
  }
}

describe.skipIf(!HAS_PROMETHEUS)("Prometheus over a run on the memory log", () => {
  const clock = systemClock();
  const registry = new PrometheusRegistry({ clock, maxSeries: MAX_SERIES });
  const feed = new HeldFeed();
  const closing: (() => Promise<void> | void)[] = [];
  let run: Promise<void>;
  let prometheus: Prometheus;
  let url = "";

  beforeAll(async () => {
    const telemetry = startProcessTelemetry(registry, VERSION);
    closing.push(() => telemetry.stop());
    registry.read("streamgauge_gc_seconds_total", { kind: "planted" }, () => {
      throw new Error("planted");
    });
    const server = await startPrometheusServer({ registry, port: 0, readiness: () => ({ ready: true, reasons: [] }) });
    closing.push(() => server.close());
    url = server.url;
    prometheus = await Prometheus.start({
      targets: { streamgauge: `127.0.0.1:${server.port}` },
      ruleFiles: [RULES],
    });
    closing.push(() => prometheus.stop());

    const input = await openInput(FLIGHTS, { timeField: "time_hour" });
    const schemas = new InProcessRegistry();
    const source = demoRecords(input, schemas.register(input.schemaText));
    run = runInMemory({
      config: CONFIG,
      partitions: DEMO_PARTITIONS,
      readers: createReaderSource(schemas, { clock }),
      clock,
      logger: { info() {}, warn() {}, error() {} },
      env: {},
      feed: feed.blocks(source),
      sinks: [createPrometheusSink({ telemetry: registry, datasets: CONFIG.datasets })],
      telemetry: registry,
    });
    await Promise.race([feed.exhausted, run]);
    // The judge and the sink are behind by a little.
    await prometheus.until("the sink has read an alert", async () => {
      const lag = await prometheus.query('sum(streamgauge_lag_records{stage=~"judge|sink.*"}) == 0');
      return lag.length === 1 && (await prometheus.query("sum(streamgauge_alerts_total) > 0")).length === 1;
    });
  });

  afterAll(async () => {
    feed.release();
    await run;
    for (const close of closing.reverse()) await close();
  });

  test.each(Object.entries(TELEMETRY) as [string, MetricSpec][])(
    "answers a query for %s",
    async (name, { type, labels }) => {
      const found = await prometheus.query(type === "histogram" ? `${name}_count` : name);
      expect(found.length).toBeGreaterThan(0);
      const own = labels.toSorted();
      const shared = new Set(["__name__", "instance", "job"]);
      for (const { labels: all } of found) {
        const names = Object.keys(all).filter((label) => !shared.has(label));
        expect(names.sort()).toEqual(all.overflow === "true" ? ["overflow"] : own);
      }
      const metadata = await prometheus.get<Record<string, { type: string; help: string; unit: string }[]>>(
        `/api/v1/metadata?metric=${type === "counter" ? name.replace(/_total$/, "") : name}`,
      );
      const { help, unit } = TELEMETRY[name as keyof typeof TELEMETRY];
      expect(Object.values(metadata)).toEqual([[{ type, help, unit }]]);
    },
  );

  test("has the figures of the run", async () => {
    const one = async (query: string) => Number((await prometheus.query(query))[0]?.value);
    expect(await one('sum(streamgauge_records_total{stage="profiler"})')).toBe(feed.records);
    expect(await one('streamgauge_refused_records_total{reason="short_header"}')).toBe(1);
    expect(await one("sum(streamgauge_refused_records_total)")).toBe(1);
    expect(await one('sum(streamgauge_claimed_partitions{stage="profiler"})')).toBe(DEMO_PARTITIONS);
    expect(await one("streamgauge_registry_loads_total{outcome='reader'}")).toBe(1);
    expect(await one("sum(streamgauge_ledger_breaks_total)")).toBe(0);
    expect(await one("streamgauge_ready")).toBe(1);
    // Told so far: the windows that the counters are of, and of those exactly what the judge closed.
    const told = await one('streamgauge_windows_closed_total{kind="closed"}');
    const slices = await prometheus.query("streamgauge_window_rows");
    expect(slices.map(({ labels }) => labels.slice).sort()).toEqual(["all", "origin=EWR", "origin=JFK", "origin=LGA"]);
    expect(told % slices.length).toBe(0);
    expect(told / slices.length).toBeGreaterThan(38);
    const alarms = await one('sum(streamgauge_alerts_total{state="opened"})');
    expect(alarms).toBeGreaterThan(0);
    expect(await one('streamgauge_alert_latency_seconds_count{state="opened"}')).toBe(alarms);
    expect(await one(`streamgauge_metric_value{overflow="true"}`)).not.toBeNaN();
    expect(await one('streamgauge_telemetry_overflow_total{metric="streamgauge_metric_value"}')).toBeGreaterThan(0);
    expect(await one("count(streamgauge_metric_value)")).toBe(MAX_SERIES + 1);
  });

  test("takes every rule without an error", async () => {
    type Groups = { groups: { rules: { name: string; health: string; lastError?: string }[] }[] };
    const rules = async () => (await prometheus.get<Groups>("/api/v1/rules")).groups.flatMap((group) => group.rules);
    await prometheus.until("all rules were tried", async () =>
      (await rules()).every(({ health }) => health !== "unknown"),
    );
    expect((await rules()).filter(({ health }) => health !== "ok")).toEqual([]);
  });

  test("promtool finds nothing to say about a scrape, nor does the parser of the tests", async () => {
    for (const [format, accept] of [
      ["text", "text/plain"],
      ["openmetrics", "application/openmetrics-text;version=1.0.0"],
    ] as const) {
      const text = await (await fetch(`${url}/metrics`, { headers: { Accept: accept } })).text();
      const names = new Set(parseExposition(text, format).keys());
      // Two scrapes may come between two beats of the event loop's watch.
      names.add("streamgauge_event_loop_delay_seconds");
      expect(names.size).toBe(Object.keys(TELEMETRY).length);
      if (format === "text") expect(promtool(["check", "metrics"], { input: text })).toEqual({ status: 0, output: "" });
    }
  });

  test("counts every event of the run once when it has ended", async () => {
    feed.release();
    await run;
    const samples = registry.scrape().find(({ name }) => name === "streamgauge_window_events_total")?.samples ?? [];
    const count = (kind: string) =>
      samples.find(({ labels }) => labels.includes('slice="all"') && labels.includes(`kind="${kind}"`))?.value ??
      Number.NaN;
    expect(count("consumed")).toBe(feed.records);
    expect(count("undecodable")).toBe(1);
    expect(count("consumed")).toBe(
      ["valid", "invalid", "undecodable", "tombstone", "future", "late", "filtered"].reduce(
        (sum, kind) => sum + count(kind),
        0,
      ),
    );
  });
});

describe.skipIf(!HAS_PROMETHEUS)("Prometheus and promtool over label values that are hard to write", () => {
  const VALUES = [
    "",
    "\\",
    '"',
    "\n",
    "\\n",
    '\\"',
    "a\rb",
    "\t",
    "\u0001",
    "é",
    "😀",
    "\u2028",
    "{}=,#",
    " x ",
    "\u0000",
    "\ufeff",
  ];

  test.each<ExpositionFormat>(["text", "openmetrics"])("come back as they were, from %s", async (format) => {
    const registry = registryOf();
    for (const [index, topic] of VALUES.entries()) registry.gauge(LAG, { ...partition(index), topic }).set(index);
    const body = exposition(registry.scrape(), format);
    const server = createServer((_, response) => {
      response.writeHead(200, { "Content-Type": CONTENT_TYPES[format] }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const prometheus = await Prometheus.start({ targets: { hard: `127.0.0.1:${port}` } });
    try {
      await prometheus.until("it was scraped", async () => (await prometheus.query("up")).length === 1);
      const targets = await prometheus.get<{ activeTargets: { lastError: string }[] }>("/api/v1/targets");
      expect(targets.activeTargets.map(({ lastError }) => lastError)).toEqual([""]);
      const found = await prometheus.query(LAG);
      const byPartition = new Map(found.map(({ labels }) => [Number(labels.partition), labels.topic ?? ""]));
      expect(VALUES.map((_, index) => byPartition.get(index))).toEqual(VALUES);
    } finally {
      await prometheus.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test("promtool takes every metric of the table", () => {
    const text = exposition(everyMetric().scrape(), "text");
    expect(promtool(["check", "metrics"], { input: text })).toEqual({ status: 0, output: "" });
    const damaged = text.replace(
      "# TYPE streamgauge_lag_records gauge\n",
      "# TYPE streamgauge_lag_records gauge\n#\n}\n",
    );
    expect(promtool(["check", "metrics"], { input: damaged }).status).not.toBe(0);
  });
});
