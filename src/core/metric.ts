/** A number read off a profile, and what the detector needs to know about it. */

/**
 * How a metric is spread, which decides its transform before modelling: `count` (log1p), `share` (arcsin of the
 * square root), `correlation` (arcsin), `value` (as it is).
 */
export type MetricKind = "count" | "share" | "correlation" | "value";

export interface MetricValue {
  /** Such as `null_rate(trip.fare)`; unique within a profile. */
  readonly id: string;
  readonly kind: MetricKind;
  /** Fields it speaks of: none for the dataset itself, two for a pair. */
  readonly fields: readonly string[];
  /** `undefined`: nothing to measure. Never NaN. */
  readonly value: number | string | undefined;
  /** Events (or elements) behind the value: the denominator of a share. */
  readonly n: number;
  /** Whether the detector looks at it; the others are published for people. */
  readonly scored: boolean;
  /** It says how many values there are at all: when it moves, the other metrics of its field move with it. */
  readonly isPresence?: boolean;
  /** It compares the window with the past: what lasts becomes part of that, and the metric comes back by itself. */
  readonly isAgainstPast?: boolean;
  /** The least that the metric can be, where that is not plain from its kind. */
  readonly lowest?: number;
}

/** `name(argument)` with backticks where the argument of a path needs them; see `quotePath`. */
export function metricId(name: string, ...args: readonly string[]): string {
  return `${name}(${args.join(",")})`;
}

/** What stands before the argument: `null_rate` of `null_rate(trip.fare)`. */
export function metricName(id: string): string {
  const open = id.indexOf("(");
  return open < 0 ? id : id.slice(0, open);
}

/** Whether the metric is a part of the events or values that there are. */
export function isShareMetric(id: string): boolean {
  const name = metricName(id);
  return name === "share" || name.endsWith("_share") || name.endsWith("_rate");
}

const PLAIN_NAME = /^[A-Za-z0-9_]+$/;

/** A field's name as a path segment: with other characters than letters, digits and `_` in backticks, doubled inside. */
export function quoteName(name: string): string {
  return PLAIN_NAME.test(name) ? name : `\`${name.replaceAll("`", "``")}\``;
}
