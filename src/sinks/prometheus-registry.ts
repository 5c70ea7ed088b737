/**
 * Telemetry kept in this process for Prometheus to scrape.
 *
 * Memory: per metric at most `maxSeries` series (default 2,000). A series beyond is refused: what it would have counted
 * goes into one shared series with `overflow="true"` (of a gauge: the value set last, true of one of those refused), and
 * `streamgauge_telemetry_overflow_total` counts the refusal. A series that ends makes room for a new one.
 */
import type { Clock } from "../core/clock.ts";
import type {
  Counter,
  CounterName,
  Gauge,
  GaugeName,
  Histogram,
  HistogramName,
  LabelsOf,
  MetricName,
  Reading,
  Telemetry,
} from "../core/telemetry.ts";
import { type MetricSpec, TELEMETRY } from "../core/telemetry-table.ts";
import { type FamilyView, type HistogramView, labelText, plainText } from "./prometheus-text.ts";

export interface PrometheusRegistryOptions {
  readonly clock: Clock;
  /** Series per metric. @default 2000 */
  readonly maxSeries?: number;
}

const DEFAULT_MAX_SERIES = 2000;
const OVERFLOW = labelText(["overflow"], ["true"]);

export class PrometheusRegistry implements Telemetry {
  readonly clock: Clock;
  readonly #families = new Map<string, Family>();
  readonly #beforeScrape = new Set<() => void>();

  /** Throws RangeError when `maxSeries` is not a positive integer. */
  constructor({ clock, maxSeries = DEFAULT_MAX_SERIES }: PrometheusRegistryOptions) {
    if (!Number.isInteger(maxSeries) || maxSeries < 1) {
      throw new RangeError(`Cannot keep telemetry: maxSeries is ${maxSeries}, expected at least 1`);
    }
    this.clock = clock;
    for (const [name, spec] of Object.entries(TELEMETRY)) {
      this.#families.set(name, new Family(name, spec, maxSeries, () => this.#refused(name)));
    }
  }

  counter<N extends CounterName>(name: N, labels: LabelsOf<N>): Counter {
    return this.#family(name).bind(labels, CounterSeries);
  }

  gauge<N extends GaugeName>(name: N, labels: LabelsOf<N>): Gauge {
    return this.#family(name).bind(labels, GaugeSeries);
  }

  histogram<N extends HistogramName>(name: N, labels: LabelsOf<N>): Histogram {
    return this.#family(name).bind(labels, HistogramSeries);
  }

  read<N extends CounterName | GaugeName>(name: N, labels: LabelsOf<N>, value: () => number | undefined): Reading {
    return this.#family(name).read(labels, value);
  }

  /** `task` runs before each scrape, for values that are taken together. */
  beforeScrape(task: () => void): Reading {
    this.#beforeScrape.add(task);
    return { end: () => void this.#beforeScrape.delete(task) };
  }

  /** The metrics that have a series now, in the order of the table. */
  scrape(): FamilyView[] {
    for (const task of this.#beforeScrape) task();
    const views: FamilyView[] = [];
    for (const family of this.#families.values()) {
      // Counted in a metric that stands later in the table, so that this scrape shows it.
      const view = family.view(() =>
        this.counter("streamgauge_telemetry_read_errors_total", { metric: family.name }).add(1),
      );
      if (view.samples.length + view.histograms.length > 0) views.push(view);
    }
    return views;
  }

  #family(name: MetricName): Family {
    return this.#families.get(name)!;
  }

  #refused(metric: string): void {
    this.counter("streamgauge_telemetry_overflow_total", { metric }).add(1);
  }
}

/** Metrics with one series per metric of the table cannot overflow for the reason that they count. */
const UNLIMITED: ReadonlySet<string> = new Set([
  "streamgauge_telemetry_overflow_total",
  "streamgauge_telemetry_read_errors_total",
]);

class Family {
  readonly name: string;
  readonly spec: MetricSpec;
  readonly #maxSeries: number;
  readonly #onRefused: () => void;
  readonly #series = new Map<string, Series>();
  #overflow: Series | undefined;

  constructor(name: string, spec: MetricSpec, maxSeries: number, onRefused: () => void) {
    this.name = name;
    this.spec = spec;
    this.#maxSeries = UNLIMITED.has(name) ? Number.POSITIVE_INFINITY : maxSeries;
    this.#onRefused = onRefused;
  }

  bind<S extends Series>(labels: Readonly<Record<string, string>>, kind: SeriesClass<S>): S {
    const values = this.#values(labels);
    const key = keyOf(values);
    const known = this.#series.get(key);
    if (known instanceof kind) return known;
    if (known !== undefined) throw new TypeError(`Cannot bind ${this.name}: a series of these labels is read`);
    if (this.#series.size < this.#maxSeries) {
      const series = new kind(labelText(this.spec.labels, values), this.spec, () => this.#drop(key, series));
      this.#series.set(key, series);
      return series;
    }
    this.#onRefused();
    if (this.#overflow instanceof kind) return this.#overflow;
    const shared = new kind(OVERFLOW, this.spec, () => {});
    this.#overflow = shared;
    return shared;
  }

  read(labels: Readonly<Record<string, string>>, value: () => number | undefined): Reading {
    const values = this.#values(labels);
    const key = keyOf(values);
    if (this.#series.has(key) || this.#series.size < this.#maxSeries) {
      const series = new ReadSeries(labelText(this.spec.labels, values), value, () => this.#drop(key, series));
      this.#series.set(key, series);
      return series;
    }
    this.#onRefused();
    const shared = new ReadSeries(OVERFLOW, value, () => {
      if (this.#overflow === shared) this.#overflow = undefined;
    });
    this.#overflow = shared;
    return shared;
  }

  view(onError: () => void): FamilyView {
    const samples: { labels: string; value: number }[] = [];
    const histograms: HistogramView[] = [];
    const all = this.#overflow === undefined ? this.#series.values() : [...this.#series.values(), this.#overflow];
    for (const series of all) {
      if (series instanceof HistogramSeries) {
        histograms.push(series);
        continue;
      }
      const value = series instanceof ReadSeries ? valueOrNothing(series, onError) : series.value;
      if (value !== undefined) samples.push({ labels: series.labels, value });
    }
    return { name: this.name, spec: this.spec, samples, histograms };
  }

  #values(labels: Readonly<Record<string, string>>): string[] {
    return this.spec.labels.map((name) => plainText(labels[name] ?? ""));
  }

  #drop(key: string, series: Series): void {
    if (this.#series.get(key) === series) this.#series.delete(key);
  }
}

type Series = CounterSeries | GaugeSeries | HistogramSeries | ReadSeries;
type SeriesClass<S> = new (labels: string, spec: MetricSpec, drop: () => void) => S;

function keyOf(values: readonly string[]): string {
  return JSON.stringify(values);
}

/** A value that cannot be read is left out: the others must not fail with it. */
function valueOrNothing(series: ReadSeries, onError: () => void): number | undefined {
  try {
    return series.value();
  } catch {
    onError();
    return undefined;
  }
}

class CounterSeries implements Counter {
  readonly labels: string;
  readonly #drop: () => void;
  value = 0;

  constructor(labels: string, _spec: MetricSpec, drop: () => void) {
    this.labels = labels;
    this.#drop = drop;
  }

  add(amount: number): void {
    if (!(amount >= 0)) throw new RangeError(`Cannot count ${amount}: a counter only grows`);
    this.value += amount;
  }

  remove(): void {
    this.#drop();
  }
}

class GaugeSeries implements Gauge {
  readonly labels: string;
  readonly #drop: () => void;
  value: number | undefined;

  constructor(labels: string, _spec: MetricSpec, drop: () => void) {
    this.labels = labels;
    this.#drop = drop;
  }

  set(value: number | undefined): void {
    this.value = value;
  }

  remove(): void {
    this.#drop();
  }
}

class HistogramSeries implements Histogram {
  readonly labels: string;
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  sum = 0;

  constructor(labels: string, spec: MetricSpec) {
    this.labels = labels;
    this.bounds = spec.buckets ?? [];
    this.counts = new Float64Array(this.bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let bucket = 0;
    while (bucket < bounds.length && !(value <= bounds[bucket]!)) bucket++;
    this.counts[bucket]! += 1;
    this.sum += value;
  }
}

class ReadSeries implements Reading {
  readonly labels: string;
  readonly value: () => number | undefined;
  readonly #drop: () => void;

  constructor(labels: string, value: () => number | undefined, drop: () => void) {
    this.labels = labels;
    this.value = value;
    this.#drop = drop;
  }

  end(): void {
    this.#drop();
  }
}
