/**
 * Numbers about streamgauge itself, as the stages hand them over: what is counted stands in one table
 * (`telemetry-table.ts`), where it goes is somebody else's business.
 *
 * A series is bound once, outside of loops; a bound counter costs an addition and allocates nothing. A counter whose
 * labels are known beforehand is bound at the start, since readers see no increase in one that appears with its first
 * event. Counters say what this process did, work done again after a lost partition included; what became of the events is in the ledger.
 */
import { type Clock, ManualClock } from "./clock.ts";
import type { TELEMETRY } from "./telemetry-table.ts";

type Table = typeof TELEMETRY;
export type MetricName = keyof Table;
type NameOf<T extends string> = { [N in MetricName]: Table[N]["type"] extends T ? N : never }[MetricName];
export type CounterName = NameOf<"counter">;
export type GaugeName = NameOf<"gauge">;
export type HistogramName = NameOf<"histogram">;
/** One value per label of the metric. */
export type LabelsOf<N extends MetricName> = Readonly<Record<Table[N]["labels"][number], string>>;

export interface Counter {
  /** `amount` is finite and not negative. */
  add(amount: number): void;
  /** Ends the series; one that is bound later begins at 0, which readers of counters expect. */
  remove(): void;
}

export interface Gauge {
  /** `undefined`: there is nothing to show, which is not 0. */
  set(value: number | undefined): void;
  /** Ends the series; what is set afterwards is not shown. */
  remove(): void;
}

export interface Histogram {
  /** In the metric's unit. */
  observe(value: number): void;
}

/** A series that is read when somebody looks. */
export interface Reading {
  end(): void;
}

export interface Telemetry {
  /** Of durations and ages: the machine's, also where a stage takes its time from the records. */
  readonly clock: Clock;
  /** The same labels give the same series. */
  counter<N extends CounterName>(name: N, labels: LabelsOf<N>): Counter;
  gauge<N extends GaugeName>(name: N, labels: LabelsOf<N>): Gauge;
  histogram<N extends HistogramName>(name: N, labels: LabelsOf<N>): Histogram;
  /**
   * `value` is called when somebody looks, and must be quick; `undefined`: nothing to show. A newer reading of the same
   * labels takes the place of an older one, whose `end` then does nothing.
   */
  read<N extends CounterName | GaugeName>(name: N, labels: LabelsOf<N>, value: () => number | undefined): Reading;
}

const NOTHING = { add() {}, set() {}, remove() {}, observe() {}, end() {} };

/** Counts nothing: for replay and tests. */
export const noTelemetry: Telemetry = {
  clock: new ManualClock(),
  counter: () => NOTHING,
  gauge: () => NOTHING,
  histogram: () => NOTHING,
  read: () => NOTHING,
};
