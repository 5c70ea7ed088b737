import fc from "fast-check";
import { max, mean, min, standardDeviation, sum, variance } from "simple-statistics";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import { Moments } from "../../src/sketches/moments.ts";

function momentsOf(values: readonly number[]): Moments {
  const moments = new Moments();
  moments.updateMany(Float64Array.from(values), 0, values.length);
  return moments;
}

function expectClose(actual: number | undefined, expected: number, relative: number): void {
  expect(actual).toBeDefined();
  expect(Math.abs(actual! - expected), `${actual} for ${expected}`).toBeLessThanOrEqual(relative * Math.abs(expected));
}

describe("Moments", () => {
  test("agrees with simple-statistics", () => {
    const reasonable = fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 3000 });
    fc.assert(
      fc.property(reasonable, (values) => {
        const moments = momentsOf(values);
        const spread = Math.max(...values.map(Math.abs));
        expect([moments.count, moments.min, moments.max]).toEqual([values.length, min(values) + 0, max(values) + 0]);
        expect(Math.abs(moments.mean! - mean(values))).toBeLessThanOrEqual(1e-13 * spread);
        expect(Math.abs(moments.sum! - sum(values))).toBeLessThanOrEqual(1e-13 * spread * values.length);
        expect(Math.abs(moments.variance! - variance(values))).toBeLessThanOrEqual(1e-12 * spread * spread);
      }),
      { seed: 8, numRuns: 200 },
    );
  });

  test("keeps the spread of timestamps around 1.7e12, whatever the runs and parts", () => {
    const random = new SeededRandom(1);
    const small = Array.from({ length: 50_000 }, () => random.below(1000) / 8);
    const values = Float64Array.from(small, (one) => 1.7e12 + one);
    const merged = new Moments();
    for (let from = 0; from < values.length; from += 777) {
      const part = new Moments();
      part.updateMany(values, from, Math.min(values.length, from + 777));
      merged.merge(part);
    }
    const whole = new Moments();
    whole.updateMany(values, 0, values.length);
    for (const moments of [whole, merged]) {
      expectClose(moments.stddev, standardDeviation(small), 1e-9);
      expectClose(moments.mean! - 1.7e12, mean(small), 1e-4);
      expect(moments.max! - moments.min!).toBe(max(small) - min(small));
    }
  });

  test("the timestamp test finds a naive sum of squares", () => {
    const values = Array.from({ length: 1000 }, (_, i) => 1.7e12 + i);
    const naive = sum(values.map((one) => one * one)) / 1000 - mean(values) ** 2;
    expect(Math.abs(naive / variance(values) - 1)).toBeGreaterThan(1e-9);
    expectClose(momentsOf(values).variance, variance(values), 1e-12);
  });

  test("a sentinel in front does not spoil the spread of its run", () => {
    const values = [-1, ...Array.from({ length: 2047 }, (_, i) => 1.7e12 + i)];
    expectClose(momentsOf(values).stddev, standardDeviation(values), 1e-10);
  });

  test("equal values have a variance of exactly 0 and themselves as mean", () => {
    const values = Array.from({ length: 5000 }, () => 0.1);
    const moments = momentsOf(values);
    moments.merge(momentsOf(values));
    expect([moments.variance, moments.stddev, moments.mean]).toEqual([0, 0, 0.1]);
  });

  test("the sum of integers is exact", () => {
    const values = Array.from({ length: 100_000 }, (_, i) => i * 1001);
    expect(momentsOf(values).sum).toBe(1001 * ((100_000 * 99_999) / 2));
  });

  test("updateMany() skips NaN and infinities, wherever they stand, and takes -0 as 0", () => {
    const moments = momentsOf([Number.NaN, Number.POSITIVE_INFINITY, 2, Number.NEGATIVE_INFINITY, 4, Number.NaN]);
    expect([moments.count, moments.mean, moments.variance, moments.min, moments.max, moments.sum]).toEqual([
      2, 3, 1, 2, 4, 6,
    ]);
    expect(momentsOf([Number.NaN]).count).toBe(0);
    const zeros = momentsOf([-0, 0, -0]);
    expect([zeros.min, zeros.max, zeros.mean, zeros.sum]).toEqual([0, 0, 0, 0]);
    const negativeZeroLast = momentsOf([1, -0]);
    expect(negativeZeroLast.min).toBe(0);
  });

  test("nothing is measured of no values", () => {
    const empty = new Moments();
    expect([empty.count, empty.mean, empty.variance, empty.stddev, empty.min, empty.max, empty.sum]).toEqual([
      0,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("what is beyond the range of a double is undefined, the rest stays right", () => {
    const moments = momentsOf([1e200, -1e200, 3e200]);
    expect([moments.count, moments.variance, moments.stddev]).toEqual([3, undefined, undefined]);
    expect([moments.min, moments.max]).toEqual([-1e200, 3e200]);
    expectClose(moments.mean, 1e200, 1e-12);
    const larger = momentsOf([Number.MAX_VALUE, Number.MAX_VALUE, -Number.MAX_VALUE]);
    expect([larger.min, larger.max, larger.count]).toEqual([-Number.MAX_VALUE, Number.MAX_VALUE, 3]);
    for (const figure of [larger.mean, larger.variance, larger.sum]) {
      expect(figure === undefined || Number.isFinite(figure)).toBe(true);
    }
  });
});
