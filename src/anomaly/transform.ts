/**
 * What a metric is turned into before it is modelled, and the least spread that is believed of it.
 *
 * `count` → log1p, `share` → arcsin √ (the variance of a binomial share becomes 1/(4n), whatever the share), `value` → as
 * it is, within ±1e30, `correlation` → arcsin (between as it is, where one event of two fields that nearly always go together is far out, and
 * Fisher's z, where a day without the few events that make a correlation small is). The floor keeps a metric that never moved from having a
 * spread of zero: without it one stray row outranks every fault. NaN and ±∞ never get here (the caller drops them); −0 equals 0; a share outside
 * [0, 1] and a correlation outside [−1, 1] are clamped.
 */
import type { MetricKind, MetricValue } from "../core/metric.ts";

/**
 * Damaged bytes read as a double are often beyond 1e38, where the 32-bit floats of the history end; below the limit
 * differences and their squares stay finite. A larger value is as far out.
 */
const VALUE_MAX = 1e30;
/** Its exponential is still a number. */
const LOG_MAX = Math.log(Number.MAX_VALUE);
/** A count has at least a spread of 1 %: below that nobody wants to be told. */
const COUNT_FLOOR = 0.01;
/** Half the Poisson standard error, 1/√N of N events after log1p, as with shares: a count that never moved is known better than one sample. */
const COUNT_ERROR = 0.5;
/** Half the largest standard error, 1/√n of fields that do not go together, as with shares. */
const CORRELATION_ERROR = 0.5;
/** A value has at least a spread of 0.1 % of its size. */
const VALUE_FLOOR = 0.001;
/** A share whose denominator is not known is taken as measured on this many rows. */
const SHARE_ROWS_UNKNOWN = 1_000;
/**
 * Half the binomial standard error 1/(2√n): a share that never moved is known better than one binomial sample, and five
 * rows where there never was one reach the alarm threshold. The whole standard error needs twenty and finds no fewer
 * false alarms.
 */
const SHARE_FLOOR = 0.25;
/** A share that moved by less than this is silent, however large the window: 1 row in 10,000. */
const SHARE_CHANGE_MIN = 1e-4;
/** So is one row more or less, however few they are. */
const ROWS_CHANGE_MIN = 1.5;

export function forward(kind: MetricKind, value: number): number {
  switch (kind) {
    case "count":
      return Math.log1p(Math.max(0, value));
    case "share":
      return Math.asin(Math.sqrt(Math.min(1, Math.max(0, value))));
    case "correlation":
      return Math.asin(Math.min(1, Math.max(-1, value)));
    case "value":
      return Math.min(VALUE_MAX, Math.max(-VALUE_MAX, value));
    default:
      return kind satisfies never;
  }
}

/** Back to the metric's own unit; what lies outside its range is moved to the edge. */
export function inverse(kind: MetricKind, transformed: number): number {
  switch (kind) {
    case "count":
      return Math.expm1(Math.min(LOG_MAX, Math.max(0, transformed)));
    case "share":
      return Math.sin(Math.min(Math.PI / 2, Math.max(0, transformed))) ** 2;
    case "correlation":
      return Math.sin(Math.max(-Math.PI / 2, Math.min(Math.PI / 2, transformed)));
    case "value":
      return transformed;
    default:
      return kind satisfies never;
  }
}

/**
 * The least standard deviation, in transformed units, that is believed of this metric. `observed` and `expected` are in
 * transformed units too.
 */
export function spreadFloor(kind: MetricKind, n: number, observed: number, expected: number): number {
  switch (kind) {
    case "count":
      return Math.max(COUNT_FLOOR, COUNT_ERROR * Math.exp(-Math.max(0, expected) / 2));
    case "share":
      return SHARE_FLOOR / Math.sqrt(n > 0 ? n : SHARE_ROWS_UNKNOWN);
    case "correlation":
      return CORRELATION_ERROR / Math.sqrt(n > 0 ? n : SHARE_ROWS_UNKNOWN);
    case "value":
      // Of a metric that was always 0 what it moves to has to do. Else not: the floor would grow with the fault, and the score fall.
      return VALUE_FLOOR * Math.abs(expected) || VALUE_FLOOR * Math.abs(observed);
    default:
      return kind satisfies never;
  }
}

/** Whether the metric moved by so little that no spread makes it worth a word. */
export function isTrivialChange(kind: MetricKind, n: number, observed: number, expected: number): boolean {
  if (kind !== "share") return false;
  const least = Math.max(SHARE_CHANGE_MIN, n > 0 ? ROWS_CHANGE_MIN / n : 0);
  return Math.abs(inverse(kind, observed) - inverse(kind, expected)) < least;
}

/** The number the detector works on, or undefined where there is nothing to work on. */
export function transformedValue(metric: MetricValue): number | undefined {
  if (!metric.scored || typeof metric.value !== "number" || !Number.isFinite(metric.value)) return undefined;
  return forward(metric.kind, metric.value);
}
