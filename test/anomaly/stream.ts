/** A small synthetic stream of daily metrics for the tests of the detector. */
import type { DetectorInput } from "../../src/core/detector.ts";
import type { MetricKind, MetricValue } from "../../src/core/metric.ts";
import { SeededRandom } from "../../src/core/random.ts";

export const ROWS = 1_000;

export function metric(
  id: string,
  kind: MetricKind,
  value: number | undefined,
  fields: readonly string[] = [],
): MetricValue {
  return { id, kind, fields, value, n: ROWS, scored: true };
}

/** Sum of twelve uniforms less six: close to a standard normal. */
export function gaussian(random: SeededRandom): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random.next();
  return sum;
}

/**
 * A table with a weekly row count, fields `f0` … whose null rates move together (as in a storm), each with a mean of its
 * own, and shares that are always 0. The same index gives the same window.
 */
export function cleanWindow(index: number, fieldCount = 4): DetectorInput {
  const random = new SeededRandom(1_000 + index * 7_919);
  const storm = Math.abs(gaussian(random)) ** 3 * 0.01;
  const metrics = [
    metric("row_count()", "count", Math.round((index % 7 > 4 ? 700 : 1_000) * (1 + 0.02 * gaussian(random)))),
    metric("duplicate_share()", "share", 0),
  ];
  for (let i = 0; i < fieldCount; i++) {
    const field = `f${i}`;
    metrics.push(
      metric(`null_rate(${field})`, "share", Math.min(1, Math.max(0, 0.02 + storm + 0.0005 * gaussian(random))), [
        field,
      ]),
      metric(`mean(${field})`, "value", 100 * (i + 1) + (index % 7) + gaussian(random), [field]),
      metric(`unseen_share(${field})`, "share", 0, [field]),
    );
  }
  return { index, metrics };
}

/** The same window with some metrics replaced. */
export function withValues(input: DetectorInput, values: Readonly<Record<string, number | undefined>>): DetectorInput {
  const metrics = input.metrics.map((m) => (Object.hasOwn(values, m.id) ? { ...m, value: values[m.id] } : m));
  return { index: input.index, metrics };
}
