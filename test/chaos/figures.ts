/**
 * The figures of one window as they must be by its events. Counts, rates, extremes, means and distinct counts do not depend
 * on how the events were cut into flushes, so those of a run without faults are the same, and are computed here; above 4,096
 * distinct values that is the estimate of the one possible set of HyperLogLog registers. Quantiles and frequent values
 * depend on the cuts: they must lie within the bounds of their sketches.
 */
import type { MetricsRecord } from "../../src/core/verdict.ts";
import { QUANTILES } from "../../src/profiles/catalogue.ts";
import type { FieldWindowSummary } from "../../src/profiles/window-summary.ts";
import { hashDoubles, hashText } from "../../src/sketches/hash.ts";
import { HllSketch } from "../../src/sketches/hll-sketch.ts";
import { ValueCounts } from "../../src/sketches/value-counts.ts";
import type { InputEvent } from "./reading.ts";

/** `kll-sketch.ts`: rank error in 99 of 100 cases, k = 200. */
export const RANK_ERROR = 0.0133;
/** Beyond it no chance leads: it is 7 standard deviations. */
const RANK_ERROR_NEVER = 3 * RANK_ERROR;
/** `frequent-items.ts`: error of a count in shares of the total weight. */
const FREQUENT_ERROR = 1 / 96.5;

type Values = NonNullable<InputEvent["values"]>;

/** Rank errors of all quantiles that were compared. */
export class RankErrors {
  count = 0;
  /** Those above `RANK_ERROR`. */
  beyond = 0;
  max = 0;

  add(error: number): void {
    this.count++;
    if (error > RANK_ERROR) this.beyond++;
    this.max = Math.max(this.max, error);
  }
}

/** What is wrong; empty: nothing. */
export function wrongFigures(
  metrics: MetricsRecord["metrics"],
  rows: readonly Values[],
  fields: readonly string[],
  errors: RankErrors,
): string[] {
  const wrong: string[] = [];
  const expect = (metric: string, value: number) => {
    const told = metrics[metric];
    // Means are merged: their last digits depend on the order.
    const isTold = typeof told === "number" && Math.abs(told - value) <= 1e-9 * Math.max(1, Math.abs(value));
    if (!isTold) wrong.push(`${metric} is ${told}, by the input ${value}`);
  };
  expect("row_count()", rows.length);
  if (rows.length === 0) return wrong;
  for (const field of fields) {
    const values = rows.map((row) => row[field] ?? null).filter((value) => value !== null);
    expect(`null_rate(${field})`, 1 - values.length / rows.length);
    expect(`missing_rate(${field})`, 0);
    if (values.length === 0) continue;
    expect(`distinct_count(${field})`, distinctCount(values));
    const numbers = Float64Array.from(values.filter((value) => typeof value === "number")).sort();
    if (numbers.length === 0) continue;
    expect(`min(${field})`, numbers[0]!);
    expect(`max(${field})`, numbers.at(-1)!);
    expect(`mean(${field})`, numbers.reduce((sum, value) => sum + value, 0) / numbers.length);
    for (const q of QUANTILES) {
      const told = metrics[`quantile(${field},${q})`];
      const error = typeof told === "number" ? rankError(numbers, told, q) : 1;
      errors.add(error);
      if (error > RANK_ERROR_NEVER) wrong.push(`quantile(${field},${q}) is ${told}: its rank is wrong by ${error}`);
    }
  }
  return wrong;
}

/** How far `q` is from the ranks that the value has among the sorted ones. */
function rankError(sorted: Float64Array, value: number, q: number): number {
  const least = firstFrom(sorted, (at) => at >= value) / sorted.length;
  const most = firstFrom(sorted, (at) => at > value) / sorted.length;
  return Math.max(0, least - q, q - most);
}

function firstFrom(sorted: Float64Array, isThere: (value: number) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isThere(sorted[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function distinctCount(values: readonly (number | string)[]): number {
  const distinct = new Set(values);
  if (distinct.size <= ValueCounts.LIMIT) return distinct.size;
  const sketch = new HllSketch();
  const lo = new Int32Array(1);
  const hi = new Int32Array(1);
  for (const value of distinct) {
    if (typeof value === "number") {
      hashDoubles(Float64Array.of(value), 1, lo, hi);
      sketch.updateHash(lo[0]!);
    } else {
      const hash = hashText(value);
      sketch.updateHash(hash.lo);
    }
  }
  return Math.round(sketch.estimate());
}

/** Of the most frequent values of a text field. */
export function wrongTop(top: FieldWindowSummary["top"], values: readonly (number | string)[]): string[] {
  const counts = new Map<number | string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const slack = counts.size <= ValueCounts.LIMIT ? 0 : values.length * FREQUENT_ERROR;
  const wrong: string[] = [];
  const listed = new Map(top ?? []);
  for (const [value, told] of listed) {
    const count = counts.get(value) ?? 0;
    if (Math.abs(told - count) > slack) wrong.push(`${value} stands ${told} times, by the input ${count}`);
  }
  const leastTold = Math.min(...listed.values(), Number.POSITIVE_INFINITY);
  // An empty list leaves out everything that is frequent.
  const limit = slack + (listed.size === 0 ? 0 : leastTold);
  for (const [value, count] of counts) {
    if (count > limit && !listed.has(value)) wrong.push(`${value} is not among the frequent values, has ${count}`);
  }
  return wrong;
}
