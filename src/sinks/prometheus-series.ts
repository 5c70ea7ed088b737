/**
 * One series of windows (dataset × slice × size) as Prometheus sees it: the newest window as gauges, what became of the
 * events of all windows as counters.
 *
 * 1. A counter is the sum, over the windows told since the start, of the most that any revision of the window had.
 * 2. A window of which the first revision came before the start was counted then, and is not counted here.
 * 3. Gauges show the window with the latest end, in its latest revision.
 */
import type { Counter, Gauge, Telemetry } from "../core/telemetry.ts";
import type { MetricsRecord, VerdictRecord } from "../core/verdict.ts";
import { ALL_SLICE, emptyCounts, type LedgerCounts } from "../core/window.ts";

interface SeriesLabels {
  readonly dataset: string;
  readonly slice: string;
  /** Size, such as `1h`. */
  readonly window: string;
}

type CountKind = keyof LedgerCounts;
const KINDS = Object.keys(emptyCounts()) as readonly CountKind[];
/**
 * Windows whose counts are kept for the difference to their next revision; by default ten windows can be revised. Of
 * older ones a revision is not counted.
 */
const KEPT_WINDOWS = 100;

interface KeptWindow {
  readonly endMs: number;
  readonly counted: LedgerCounts;
}

interface MetricGauges {
  readonly value: Gauge;
  readonly low: Gauge;
  readonly high: Gauge;
}

export class WindowSeries {
  readonly #telemetry: Telemetry;
  readonly #labels: SeriesLabels;
  readonly #end: Gauge;
  readonly #rows: Gauge;
  readonly #score: Gauge;
  readonly #alarm: Gauge;
  readonly #events = new Map<CountKind, Counter>();
  /** By metric id, those of the newest window. */
  #metrics = new Map<string, MetricGauges>();
  /** By start. */
  readonly #kept = new Map<number, KeptWindow>();
  /** Windows that end at or before it are kept no more. */
  #forgottenMs = Number.NEGATIVE_INFINITY;
  /** Position (end, revision) of what the gauges show, separately since the two topics are read apart. */
  readonly #shown = { metrics: new Position(), verdict: new Position() };

  constructor(telemetry: Telemetry, labels: SeriesLabels) {
    this.#telemetry = telemetry;
    this.#labels = labels;
    this.#end = telemetry.gauge("streamgauge_window_end_timestamp_seconds", labels);
    this.#rows = telemetry.gauge("streamgauge_window_rows", labels);
    this.#score = telemetry.gauge("streamgauge_score", labels);
    this.#alarm = telemetry.gauge("streamgauge_alarm", labels);
    // From 0 on, so that the first refused event shows as an increase; parts of the whole begin with their first event,
    // since most kinds never come up in them and there may be many.
    if (labels.slice === ALL_SLICE) for (const kind of KINDS) this.#eventsOf(kind);
  }

  /** End of the newest window, epoch milliseconds. */
  get endMs(): number {
    return Math.max(this.#shown.metrics.endMs, this.#shown.verdict.endMs);
  }

  metrics(record: MetricsRecord): void {
    this.#count(record);
    if (!this.#shown.metrics.advance(record)) return;
    this.#end.set(Date.parse(record.windowEnd) / 1000);
    this.#rows.set(record.counts.valid + record.counts.invalid);
    this.#showMetrics(record);
  }

  verdict(record: VerdictRecord): void {
    if (!this.#shown.verdict.advance(record)) return;
    this.#score.set(record.score ?? undefined);
    // Of a past that nobody is told of.
    this.#alarm.set(record.alarm && record.backtest !== true ? 1 : 0);
  }

  /** Shows nothing until the next window: what came last is another process's business by now. */
  hide(topic: "metrics" | "verdicts"): void {
    if (topic === "verdicts") {
      for (const gauge of [this.#score, this.#alarm]) gauge.set(undefined);
      return;
    }
    for (const gauge of [this.#end, this.#rows]) gauge.set(undefined);
    for (const gauges of this.#metrics.values()) removeAll(gauges);
    this.#metrics.clear();
  }

  remove(): void {
    this.hide("metrics");
    for (const series of [this.#end, this.#rows, this.#score, this.#alarm, ...this.#events.values()]) series.remove();
  }

  #count({ windowStart, windowEnd, revision, counts }: MetricsRecord): void {
    const [startMs, endMs] = [Date.parse(windowStart), Date.parse(windowEnd)];
    if (endMs <= this.#forgottenMs) return;
    let kept = this.#kept.get(startMs);
    if (kept === undefined) {
      // Without revision 0 the window was counted before the start: only what comes on top from now on is new.
      kept = { endMs, counted: revision === 0 ? emptyCounts() : { ...counts } };
      this.#kept.set(startMs, kept);
      if (this.#kept.size > KEPT_WINDOWS) this.#forgetOldest();
    }
    for (const kind of KINDS) {
      const more = counts[kind] - kept.counted[kind];
      if (!(more > 0)) continue;
      kept.counted[kind] = counts[kind];
      this.#eventsOf(kind).add(more);
    }
  }

  #eventsOf(kind: CountKind): Counter {
    let counter = this.#events.get(kind);
    if (counter === undefined) {
      counter = this.#telemetry.counter("streamgauge_window_events_total", { ...this.#labels, kind });
      this.#events.set(kind, counter);
    }
    return counter;
  }

  #forgetOldest(): void {
    const oldest = Math.min(...this.#kept.keys());
    this.#forgottenMs = Math.max(this.#forgottenMs, this.#kept.get(oldest)?.endMs ?? oldest);
    this.#kept.delete(oldest);
  }

  #showMetrics({ metrics, expected }: MetricsRecord): void {
    const shown = new Map<string, MetricGauges>();
    for (const [metric, [low, , high]] of Object.entries(expected)) {
      const gauges = this.#metrics.get(metric) ?? this.#bind(metric);
      const value = metrics[metric];
      gauges.value.set(typeof value === "number" ? value : undefined);
      gauges.low.set(low);
      gauges.high.set(high);
      shown.set(metric, gauges);
    }
    for (const [metric, gauges] of this.#metrics) if (!shown.has(metric)) removeAll(gauges);
    this.#metrics = shown;
  }

  #bind(metric: string): MetricGauges {
    const labels = { ...this.#labels, metric };
    const expected = (bound: string) => this.#telemetry.gauge("streamgauge_metric_expected", { ...labels, bound });
    return {
      value: this.#telemetry.gauge("streamgauge_metric_value", labels),
      low: expected("low"),
      high: expected("high"),
    };
  }
}

/** The latest (end, revision) seen; what comes again moves nothing. */
class Position {
  endMs = Number.NEGATIVE_INFINITY;
  #revision = -1;

  advance({ windowEnd, revision }: { readonly windowEnd: string; readonly revision: number }): boolean {
    const endMs = Date.parse(windowEnd);
    if (endMs < this.endMs || (endMs === this.endMs && revision <= this.#revision)) return false;
    this.endMs = endMs;
    this.#revision = revision;
    return true;
  }
}

function removeAll({ value, low, high }: MetricGauges): void {
  for (const gauge of [value, low, high]) gauge.remove();
}
