import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../../src/core/clock.ts";
import type { LogRecord } from "../../src/core/log.ts";
import type { SinkTopic } from "../../src/core/sink.ts";
import { isoTime, utf8 } from "../../src/core/text.ts";
import type { AlertRecord, MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { emptyCounts, type LedgerCounts } from "../../src/core/window.ts";
import { PrometheusRegistry } from "../../src/sinks/prometheus-registry.ts";
import { createPrometheusSink } from "../../src/sinks/prometheus-sink.ts";
import { countedOf, samplesOf } from "./prometheus-kit.ts";

const SEED = 20_261_122;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1);
const EVENTS = "streamgauge_window_events_total";

class Bench {
  readonly clock = new ManualClock(START);
  readonly registry: PrometheusRegistry;
  readonly sink;

  constructor(options: { readonly maxSeries?: number; readonly maxMetricSeries?: number } = {}) {
    const { maxSeries, maxMetricSeries } = options;
    this.registry = new PrometheusRegistry({
      clock: this.clock,
      ...(maxMetricSeries === undefined ? {} : { maxSeries: maxMetricSeries }),
    });
    this.sink = createPrometheusSink({
      telemetry: this.registry,
      datasets: [{ topic: "trips", windows: { sizesMs: [HOUR, DAY] } }],
      ...(maxSeries === undefined ? {} : { maxSeries }),
    });
  }

  write(topic: SinkTopic, ...values: readonly unknown[]): void {
    const records = values.map((value, offset): LogRecord => {
      return { offset, timestampMs: START, key: null, value: utf8(JSON.stringify(value)), headers: [] };
    });
    this.sink.write(topic, records);
  }

  samples(name: string): Record<string, number> {
    return samplesOf(this.registry, name);
  }
}

function window(hour: number, sizeMs = HOUR) {
  const startMs = START + hour * HOUR;
  return { dataset: "trips", slice: "all", windowStart: isoTime(startMs), windowEnd: isoTime(startMs + sizeMs) };
}

function metrics(hour: number, changes: Partial<MetricsRecord> & { readonly rows?: number } = {}): MetricsRecord {
  const { rows = 10, ...rest } = changes;
  const counts = { ...emptyCounts(), consumed: rows, valid: rows };
  return { ...window(hour), revision: 0, partial: false, counts, metrics: {}, expected: {}, ...rest };
}

function verdict(hour: number, changes: Partial<VerdictRecord> = {}): VerdictRecord {
  const judged = { by: "detector", outcome: "pass", score: 0.5, pValue: 0.5, alarm: false, severity: null } as const;
  return { ...window(hour), revision: 0, ...judged, kind: null, causes: [], ...changes };
}

function alert(hour: number, changes: Partial<AlertRecord> = {}): AlertRecord {
  const { slice: _, ...place } = window(hour);
  const incident = { incident: "trips/1", state: "opened", severity: "P1", reason: "alarm", sentence: "" } as const;
  return { ...place, revision: 0, ...incident, kind: "content", slices: ["all"], causes: [], evidence: [], ...changes };
}

describe("createPrometheusSink(): windows", () => {
  test("shows end, rows, score and alarm of the newest window by size and slice", () => {
    const bench = new Bench();
    bench.write("metrics", metrics(0), metrics(1, { rows: 20 }), metrics(0, { ...window(0, DAY), rows: 99 }));
    bench.write("metrics", metrics(1, { slice: "origin=JFK", rows: 5 }));
    bench.write("verdicts", verdict(0), verdict(1, { outcome: "fail", score: 3.5, alarm: true, severity: "P1" }));
    expect(bench.samples("streamgauge_window_end_timestamp_seconds")).toEqual({
      "trips all 1h": (START + 2 * HOUR) / 1000,
      "trips all 1d": (START + DAY) / 1000,
      "trips origin=JFK 1h": (START + 2 * HOUR) / 1000,
    });
    expect(bench.samples("streamgauge_window_rows")).toEqual({
      "trips all 1h": 20,
      "trips all 1d": 99,
      "trips origin=JFK 1h": 5,
    });
    expect(bench.samples("streamgauge_score")).toEqual({ "trips all 1h": 3.5 });
    expect(bench.samples("streamgauge_alarm")["trips all 1h"]).toBe(1);
  });

  test("does not go back for a revision of an older window, nor for what comes again", () => {
    const bench = new Bench();
    bench.write("metrics", metrics(0), metrics(1, { rows: 20 }), metrics(0, { rows: 11, revision: 1 }));
    bench.write("verdicts", verdict(1, { score: 2 }), verdict(0, { score: 9, revision: 1 }), verdict(1, { score: 8 }));
    expect(bench.samples("streamgauge_window_rows")).toEqual({ "trips all 1h": 20 });
    expect(bench.samples("streamgauge_score")).toEqual({ "trips all 1h": 2 });
    bench.write("metrics", metrics(1, { rows: 21, revision: 1 }));
    bench.write("verdicts", verdict(1, { score: 2.5, revision: 1 }));
    expect(bench.samples("streamgauge_window_rows")).toEqual({ "trips all 1h": 21 });
    expect(bench.samples("streamgauge_score")).toEqual({ "trips all 1h": 2.5 });
  });

  test("shows no score of a window that is not judged, and leaves lanes to the fused line", () => {
    const bench = new Bench();
    bench.write("verdicts", verdict(0), verdict(1, { outcome: "unknown", score: null }));
    bench.write("verdicts", verdict(2, { by: "lane:own", score: 7 }));
    expect(bench.samples("streamgauge_score")).toEqual({});
    expect(bench.samples("streamgauge_alarm")).toEqual({ "trips all 1h": 0 });
  });

  test("names a calendar day of 23 hours 1d, and a window of an unknown dataset by its length", () => {
    const bench = new Bench();
    bench.write(
      "metrics",
      metrics(0, window(0, 23 * HOUR)),
      metrics(0, { ...window(0, 5 * 60_000), dataset: "other" }),
    );
    expect(Object.keys(bench.samples("streamgauge_window_rows"))).toEqual(["trips all 1d", "other all 5m"]);
  });

  test("shows the metrics with an expectation, their bounds, and no metric of an older window", () => {
    const bench = new Bench();
    const values = { "mean(fare)": 12.5, "null_rate(fare)": 0.01, "max(fare)": 99, "gone(fare)": 1 };
    const expected = { "mean(fare)": [10, 12, 14], "null_rate(fare)": [0, 0.01, 0.02] } as const;
    bench.write("metrics", metrics(0, { metrics: values, expected: { ...expected, "gone(fare)": [0, 1, 2] } }));
    bench.write("metrics", metrics(1, { metrics: { ...values, "null_rate(fare)": null }, expected }));
    expect(bench.samples("streamgauge_metric_value")).toEqual({ "trips all 1h mean(fare)": 12.5 });
    expect(bench.samples("streamgauge_metric_expected")).toEqual({
      "trips all 1h mean(fare) low": 10,
      "trips all 1h mean(fare) high": 14,
      "trips all 1h null_rate(fare) low": 0,
      "trips all 1h null_rate(fare) high": 0.02,
    });
  });

  test("keeps to maxSeries of metrics and says how many were refused", () => {
    const bench = new Bench({ maxMetricSeries: 20 });
    const names = Array.from({ length: 30 }, (_, index) => `mean(f${index})`);
    bench.write(
      "metrics",
      metrics(0, {
        metrics: Object.fromEntries(names.map((name) => [name, 1])),
        expected: Object.fromEntries(names.map((name) => [name, [0, 1, 2] as const])),
      }),
    );
    expect(Object.keys(bench.samples("streamgauge_metric_value")).length).toBe(21);
    expect(bench.samples("streamgauge_telemetry_overflow_total").streamgauge_metric_value).toBe(10);
  });

  test("gives up the series with the oldest window for a new one", () => {
    const bench = new Bench({ maxSeries: 2 });
    for (const [hour, slice] of ["a", "b", "c"].entries()) {
      bench.write("metrics", metrics(hour, { slice }));
      bench.write("verdicts", verdict(hour, { slice }));
    }
    for (const name of ["streamgauge_window_rows", "streamgauge_alarm", "streamgauge_score"]) {
      expect(Object.keys(bench.samples(name)), name).toEqual(["trips b 1h", "trips c 1h"]);
    }
    expect(Object.keys(bench.samples(EVENTS))).toEqual(
      ["b", "c"].flatMap((s) => [`trips ${s} 1h consumed`, `trips ${s} 1h valid`]),
    );
  });
});

describe("createPrometheusSink(): counters of events", () => {
  test("counts a window once, of a revision only what is new", () => {
    const bench = new Bench();
    const counts: LedgerCounts = { ...emptyCounts(), consumed: 12, valid: 9, invalid: 1, undecodable: 2 };
    bench.write("metrics", metrics(0, { counts }), metrics(1));
    bench.write("metrics", metrics(0, { revision: 1, counts: { ...counts, consumed: 15, valid: 12 } }));
    expect(bench.samples(EVENTS)).toEqual({
      "trips all 1h consumed": 25,
      "trips all 1h valid": 22,
      "trips all 1h invalid": 1,
      "trips all 1h undecodable": 2,
      "trips all 1h tombstone": 0,
      "trips all 1h future": 0,
      "trips all 1h late": 0,
      "trips all 1h filtered": 0,
    });
  });

  test("does not count what another process counted before the start", () => {
    const bench = new Bench();
    bench.write("metrics", metrics(0, { revision: 3, rows: 1000 }), metrics(0, { revision: 4, rows: 1007 }));
    expect(bench.samples(EVENTS)["trips all 1h consumed"]).toBe(7);
  });

  test("does not count a window again that it has forgotten", () => {
    const bench = new Bench();
    const hours = Array.from({ length: 300 }, (_, hour) => hour);
    bench.write("metrics", ...hours.map((hour) => metrics(hour)));
    bench.write("metrics", metrics(0), metrics(0, { revision: 1, rows: 50 }), metrics(150));
    expect(bench.samples(EVENTS)["trips all 1h consumed"]).toBe(3000);
  });

  test("is the sum over the windows of the most any revision had, however often and in whatever order they come", () => {
    const amounts = fc.array(fc.nat(50), { minLength: 1, maxLength: 4 });
    const script = fc.record({
      /** Per window the rows of its revisions; they may go back. */
      windows: fc.array(amounts, { minLength: 1, maxLength: 8 }),
      /** After so many records the last so many come again. */
      repeats: fc.array(fc.tuple(fc.nat(30), fc.nat(30)), { maxLength: 6 }),
      order: fc.array(fc.nat(1000), { minLength: 40, maxLength: 40 }),
    });
    fc.assert(
      fc.property(script, ({ windows, repeats, order }) => {
        const bench = new Bench();
        // Revisions of one window stand in order; windows are interleaved in any way.
        const next = windows.map(() => 0);
        const stream: MetricsRecord[] = [];
        for (const choice of order) {
          const open = [...windows.keys()].filter((hour) => next[hour]! < windows[hour]!.length);
          const hour = open[choice % Math.max(1, open.length)];
          if (hour === undefined) break;
          stream.push(metrics(hour, { revision: next[hour]!, rows: windows[hour]![next[hour]!]! }));
          next[hour]!++;
        }
        for (const [at, back] of repeats) stream.splice(at, 0, ...stream.slice(Math.max(0, at - back), at));
        bench.write("metrics", ...stream);
        const expected = windows.reduce((sum, rows) => sum + Math.max(...rows), 0);
        expect(bench.samples(EVENTS)["trips all 1h consumed"]).toBe(expected);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});

describe("createPrometheusSink(): alerts", () => {
  test("shows the open incident by severity, counts alerts and how late they came", () => {
    const bench = new Bench();
    bench.clock.moveTo(START + HOUR + 90_000);
    bench.write("alerts", alert(0, { severity: "P2" }));
    expect(bench.samples("streamgauge_incident_open")).toEqual({ "trips P2": 1 });
    bench.write("alerts", alert(1, { state: "updated", severity: "P1" }));
    expect(bench.samples("streamgauge_incident_open")).toEqual({ "trips P2": 0, "trips P1": 1 });
    bench.write("alerts", alert(2, { state: "resolved", severity: "P1" }));
    expect(bench.samples("streamgauge_incident_open")).toEqual({ "trips P2": 0, "trips P1": 0 });
    expect(countedOf(bench.registry, "streamgauge_alerts_total")).toEqual({
      "trips opened P2": 1,
      "trips updated P1": 1,
      "trips resolved P1": 1,
    });
    const text = bench.registry.scrape().find(({ name }) => name === "streamgauge_alert_latency_seconds")?.histograms;
    expect(text?.map(({ labels, sum }) => [labels, sum])).toEqual([
      ['dataset="trips",state="opened"', 90],
      ['dataset="trips",state="updated"', 0],
      ['dataset="trips",state="resolved"', 0],
    ]);
  });

  test("what a person says of an incident that is over leaves the open one alone, and has no latency", () => {
    const bench = new Bench();
    bench.write("alerts", alert(0), alert(1, { state: "resolved", reason: "clean" }));
    bench.write("alerts", alert(2, { incident: "trips/2", severity: "P2" }));
    bench.write("alerts", alert(0, { state: "resolved", reason: "feedback", revision: 1 }));
    expect(samplesOf(bench.registry, "streamgauge_incident_open")).toEqual({ "trips P1": 0, "trips P2": 1 });
    // That one is ended by a word, too.
    bench.write("alerts", alert(2, { incident: "trips/2", severity: "P2", state: "resolved", reason: "feedback" }));
    expect(samplesOf(bench.registry, "streamgauge_incident_open")).toEqual({ "trips P1": 0, "trips P2": 0 });
    expect(countedOf(bench.registry, "streamgauge_alerts_total")).toMatchObject({ "trips resolved P1": 2 });
    const latencies = bench.registry.scrape().find(({ name }) => name === "streamgauge_alert_latency_seconds");
    const count = latencies?.histograms.reduce((sum, { counts }) => sum + counts.reduce((a, b) => a + b), 0);
    expect(count).toBe(3);
  });

  test("shows nothing of a backtest: no incident that is open, no alarm, no alert; and what goes on from when it is told", () => {
    const bench = new Bench();
    bench.write("verdicts", verdict(0, { outcome: "fail", alarm: true, score: 2, backtest: true }));
    bench.write("alerts", alert(0, { backtest: true }), alert(1, { state: "updated", backtest: true }));
    expect(bench.samples("streamgauge_alarm")).toEqual({ "trips all 1h": 0 });
    expect(bench.samples("streamgauge_incident_open")).toEqual({});
    expect(countedOf(bench.registry, "streamgauge_alerts_total")).toEqual({});
    bench.write("verdicts", verdict(2, { outcome: "fail", alarm: true, score: 2 }));
    bench.write("alerts", alert(2, { state: "updated", reason: "continues" }));
    expect(bench.samples("streamgauge_alarm")).toEqual({ "trips all 1h": 1 });
    expect(bench.samples("streamgauge_incident_open")).toEqual({ "trips P1": 1 });
    // One of the past that ends meanwhile ends nothing else.
    bench.write("alerts", alert(1, { incident: "trips/past", state: "resolved", backtest: true }));
    expect(bench.samples("streamgauge_incident_open")).toEqual({ "trips P1": 1 });
    expect(countedOf(bench.registry, "streamgauge_alerts_total")).toEqual({ "trips updated P1": 1 });
  });

  test("counts an incident of streamgauge itself, and neither opens nor ends that of the data by it", () => {
    const bench = new Bench();
    bench.write("alerts", alert(0, { severity: "P2" }));
    const own = { incident: "trips/streamgauge/unheard/trips/0/2026-05-01T00:00:00.000Z", severity: "P1" } as const;
    bench.write("alerts", alert(1, { ...own, reason: "unheard" }));
    bench.write("alerts", alert(1, { ...own, reason: "heard", state: "resolved" }));
    expect(samplesOf(bench.registry, "streamgauge_incident_open")).toEqual({ "trips P2": 1 });
    expect(countedOf(bench.registry, "streamgauge_alerts_total")).toEqual({
      "trips opened P1": 1,
      "trips opened P2": 1,
      "trips resolved P1": 1,
    });
  });

  test("takes an alert that comes again once", () => {
    const bench = new Bench();
    const told = [alert(0), alert(1, { state: "resolved" })];
    bench.write("alerts", ...told, ...told, alert(1, { state: "resolved", revision: 1 }));
    expect(countedOf(bench.registry, "streamgauge_alerts_total")).toEqual({
      "trips opened P1": 1,
      "trips resolved P1": 2,
    });
    expect(bench.samples("streamgauge_incident_open")).toEqual({ "trips P1": 0 });
  });
});

describe("createPrometheusSink(): partitions that go to another process", () => {
  const GAUGES = [
    "streamgauge_window_rows",
    "streamgauge_metric_value",
    "streamgauge_score",
    "streamgauge_incident_open",
  ];
  const shown = (bench: Bench) => GAUGES.filter((name) => Object.keys(bench.samples(name)).length > 0);

  function filled(): Bench {
    const bench = new Bench();
    for (const topic of ["metrics", "verdicts", "alerts"] as const) bench.sink.claimed?.(topic);
    bench.write("metrics", metrics(0, { metrics: { "mean(a)": 1 }, expected: { "mean(a)": [0, 1, 2] } }));
    bench.write("verdicts", verdict(0));
    bench.write("alerts", alert(0));
    expect(shown(bench)).toEqual(GAUGES);
    return bench;
  }

  test("are not shown any more after a minute, their counters are", () => {
    const bench = filled();
    for (const topic of ["metrics", "verdicts", "alerts"] as const) bench.sink.lost?.(topic);
    bench.clock.moveTo(START + 59_999);
    expect(shown(bench)).toEqual(GAUGES);
    bench.clock.moveTo(START + 60_000);
    expect(shown(bench)).toEqual([]);
    expect(bench.samples(EVENTS)["trips all 1h consumed"]).toBe(10);
    // And again with the next window, should the partition come back.
    bench.sink.claimed?.("metrics");
    bench.write("metrics", metrics(0), metrics(1, { metrics: { "mean(a)": 1 }, expected: { "mean(a)": [0, 1, 2] } }));
    expect(shown(bench)).toEqual(["streamgauge_window_rows", "streamgauge_metric_value"]);
    expect(bench.samples(EVENTS)["trips all 1h consumed"]).toBe(20);
  });

  test("stay when they come back within a minute, or when others of the topic were kept", () => {
    const bench = filled();
    bench.sink.claimed?.("verdicts");
    for (const topic of ["metrics", "verdicts", "alerts"] as const) bench.sink.lost?.(topic);
    bench.clock.moveTo(START + 30_000);
    for (const topic of ["metrics", "alerts"] as const) bench.sink.claimed?.(topic);
    bench.clock.moveTo(START + HOUR);
    expect(shown(bench)).toEqual(GAUGES);
    bench.sink.lost?.("metrics");
    bench.sink.close?.();
    bench.clock.moveTo(START + 2 * HOUR);
    expect(shown(bench)).toEqual(GAUGES);
  });
});
