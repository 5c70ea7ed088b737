/**
 * What is known of the datasets, for Prometheus: the newest window of every series, what became of the events, alerts.
 *
 * Nothing is kept over a restart: gauges come back with the next window, counters start at 0, and windows that were told
 * before are not counted again. Prometheus has no past to be corrected, so a revision of an older window changes counters
 * only; for history there is the PostgreSQL sink.
 *
 * Delivery guarantee: what comes again is recognised by (window, revision), alerts by (incident, state, window, revision, reason).
 * Back-pressure: none, everything is done within the call.
 * Memory: `maxSeries` dataset × slice × window size, the one with the oldest window goes first; 1,000 alerts are known again.
 */
import type { Clock, Timer } from "../core/clock.ts";
import type { Sink, SinkTopic } from "../core/sink.ts";
import type { Gauge, Telemetry } from "../core/telemetry.ts";
import { textOf } from "../core/text.ts";
import {
  type AlertRecord,
  type IncidentState,
  isOwnIncident,
  type MetricsRecord,
  type Severity,
  type VerdictRecord,
} from "../core/verdict.ts";
import { WindowSeries } from "./prometheus-series.ts";

export interface PrometheusSinkOptions {
  readonly telemetry: Telemetry;
  /** Names and sizes of the windows of each dataset. */
  readonly datasets: readonly { readonly topic: string; readonly windows: { readonly sizesMs: readonly number[] } }[];
  /** Series of windows kept. @default 2000 */
  readonly maxSeries?: number;
}

const TOPICS = ["metrics", "verdicts", "alerts"] as const satisfies readonly SinkTopic[];
const DEFAULT_MAX_SERIES = 2000;
const STATES = ["opened", "updated", "resolved"] as const satisfies readonly IncidentState[];
const SEVERITIES = ["P0", "P1", "P2", "P3", "P4"] as const satisfies readonly Severity[];
const KNOWN_ALERTS = 1000;
/** A rebalance takes partitions away and gives them back; what has not come back after this belongs to another process. */
const KEEP_AFTER_LOSS_MS = 60_000;

export function createPrometheusSink(options: PrometheusSinkOptions): Sink {
  const { telemetry } = options;
  const windows = new WindowGauges(options);
  const alerts = new AlertGauges(telemetry);
  for (const { topic } of options.datasets) alerts.expect(topic);
  const holding = new Holding(telemetry.clock, (topic) => {
    if (topic === "alerts") alerts.hide();
    else if (topic !== "windows") windows.hide(topic);
  });
  return {
    name: "prometheus",
    topics: TOPICS,
    write(topic, records) {
      for (const record of records) {
        if (record.value === null) continue;
        if (topic === "metrics") windows.metrics(parse<MetricsRecord>(record.value));
        else if (topic === "verdicts") windows.verdict(parse<VerdictRecord>(record.value));
        else if (topic === "alerts") alerts.alert(parse<AlertRecord>(record.value));
      }
    },
    claimed: (topic) => holding.claimed(topic),
    lost: (topic) => holding.lost(topic),
    close: () => holding.close(),
  };
}

/** Says when the partitions of a topic were lost and have not come back. */
class Holding {
  readonly #clock: Clock;
  readonly #onGone: (topic: SinkTopic) => void;
  readonly #partitions = new Map<SinkTopic, number>();
  readonly #timers = new Map<SinkTopic, Timer>();

  constructor(clock: Clock, onGone: (topic: SinkTopic) => void) {
    this.#clock = clock;
    this.#onGone = onGone;
  }

  claimed(topic: SinkTopic): void {
    this.#partitions.set(topic, (this.#partitions.get(topic) ?? 0) + 1);
    this.#timers.get(topic)?.cancel();
  }

  lost(topic: SinkTopic): void {
    const left = (this.#partitions.get(topic) ?? 0) - 1;
    this.#partitions.set(topic, left);
    if (left <= 0)
      this.#timers.set(
        topic,
        this.#clock.after(KEEP_AFTER_LOSS_MS, () => this.#onGone(topic)),
      );
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
  }
}

class WindowGauges {
  readonly #options: PrometheusSinkOptions;
  readonly #maxSeries: number;
  readonly #sizesOf: ReadonlyMap<string, readonly number[]>;
  readonly #series = new Map<string, WindowSeries>();

  constructor(options: PrometheusSinkOptions) {
    this.#options = options;
    this.#maxSeries = options.maxSeries ?? DEFAULT_MAX_SERIES;
    this.#sizesOf = new Map(options.datasets.map(({ topic, windows }) => [topic, windows.sizesMs]));
  }

  metrics(record: MetricsRecord): void {
    this.#seriesOf(record).metrics(record);
  }

  verdict(record: VerdictRecord): void {
    // Lanes and checks are parts of what the fused line says.
    if (record.by === "detector") this.#seriesOf(record).verdict(record);
  }

  hide(topic: "metrics" | "verdicts"): void {
    for (const series of this.#series.values()) series.hide(topic);
  }

  #seriesOf({ dataset, slice, windowStart, windowEnd }: MetricsRecord | VerdictRecord): WindowSeries {
    const sizeMs = nearest(this.#sizesOf.get(dataset), Date.parse(windowEnd) - Date.parse(windowStart));
    const window = durationText(sizeMs);
    const key = JSON.stringify([dataset, slice, window]);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size >= this.#maxSeries) this.#forgetOldest();
    const series = new WindowSeries(this.#options.telemetry, { dataset, slice, window });
    this.#series.set(key, series);
    return series;
  }

  #forgetOldest(): void {
    let oldest: readonly [key: string, series: WindowSeries] | undefined;
    for (const entry of this.#series) if (oldest === undefined || entry[1].endMs < oldest[1].endMs) oldest = entry;
    if (oldest === undefined) return;
    oldest[1].remove();
    this.#series.delete(oldest[0]);
  }
}

class AlertGauges {
  readonly #telemetry: Telemetry;
  /** Severity gauges by dataset: each shows 1 or 0. */
  readonly #open = new Map<string, Map<Severity, Gauge>>();
  /** Incident that is shown as open, by dataset. */
  readonly #shown = new Map<string, string>();
  /** Alerts told, oldest first. */
  readonly #known = new Set<string>();

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  /** Alerts of the dataset count from 0 on. */
  expect(dataset: string): void {
    for (const state of STATES) {
      for (const severity of SEVERITIES) {
        this.#telemetry.counter("streamgauge_alerts_total", { dataset, state, severity });
      }
    }
  }

  alert(alert: AlertRecord): void {
    // Of a past that nobody was told of: it is neither open now, nor has it a latency.
    if (alert.backtest === true) return;
    const { dataset, state, severity, windowEnd, revision } = alert;
    const id = JSON.stringify([alert.incident, state, alert.windowStart, windowEnd, revision, alert.reason]);
    if (this.#known.has(id)) return;
    this.#known.add(id);
    if (this.#known.size > KNOWN_ALERTS) {
      const [oldest] = this.#known;
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    const telemetry = this.#telemetry;
    telemetry.counter("streamgauge_alerts_total", { dataset, state, severity }).add(1);
    // Of the watching itself: the ledger and the unheard partitions have series of their own, and no window ends here.
    if (isOwnIncident(alert)) return;
    const latencyMs = telemetry.clock.nowMs() - Date.parse(windowEnd);
    // A person takes their time.
    if (alert.reason !== "feedback") {
      const latency = telemetry.histogram("streamgauge_alert_latency_seconds", { dataset, state });
      latency.observe(Math.max(0, latencyMs / 1000));
    }
    // What is said of an incident that is over leaves alone the one that is open.
    const shown = this.#shown.get(dataset);
    if (state === "resolved" && shown !== undefined && shown !== alert.incident) return;
    if (state === "resolved") this.#shown.delete(dataset);
    else this.#shown.set(dataset, alert.incident);
    this.#show(dataset, state === "resolved" ? undefined : severity, severity);
  }

  hide(): void {
    for (const gauges of this.#open.values()) for (const gauge of gauges.values()) gauge.remove();
    this.#open.clear();
  }

  /** One incident per dataset: it is open with one severity, or not at all. */
  #show(dataset: string, open: Severity | undefined, seen: Severity): void {
    let gauges = this.#open.get(dataset);
    if (gauges === undefined) {
      gauges = new Map();
      this.#open.set(dataset, gauges);
    }
    if (!gauges.has(seen)) {
      gauges.set(seen, this.#telemetry.gauge("streamgauge_incident_open", { dataset, severity: seen }));
    }
    for (const [severity, gauge] of gauges) gauge.set(severity === open ? 1 : 0);
  }
}

function parse<T>(value: Uint8Array): T {
  return JSON.parse(textOf(value)) as T;
}

/** The configured size: a calendar day of 23 h is still a day. */
function nearest(sizesMs: readonly number[] | undefined, lengthMs: number): number {
  if (sizesMs === undefined || sizesMs.length === 0) return lengthMs;
  return sizesMs.reduce((best, size) => (Math.abs(size - lengthMs) < Math.abs(best - lengthMs) ? size : best));
}

/** As in the configuration: `5m`, `1h`, `1d`. */
function durationText(sizeMs: number): string {
  for (const [unit, unitMs] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
  ] as const) {
    if (sizeMs % unitMs === 0) return `${sizeMs / unitMs}${unit}`;
  }
  return `${sizeMs}ms`;
}
