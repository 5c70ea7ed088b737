import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LogLinearHistogram } from "../../src/sketches/log-linear-histogram.ts";

function histogramOf(...values: number[]): LogLinearHistogram {
  const histogram = new LogLinearHistogram();
  histogram.updateMany(Float64Array.from(values), 0, values.length);
  return histogram;
}

describe("LogLinearHistogram", () => {
  test("binOf() gives the bin whose bounds hold the value, and its mirror image for -value", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (value) => {
        const key = LogLinearHistogram.binOf(value);
        const [lower, upper] = LogLinearHistogram.boundsOf(key);
        if (value === 0) expect([key, lower, upper]).toEqual([0, 0, 0]);
        else if (value > 0) expect(lower <= value && (value < upper || upper === Number.POSITIVE_INFINITY)).toBe(true);
        else expect(lower <= value && value <= upper).toBe(true);
        expect(LogLinearHistogram.binOf(-value) + key).toBe(0);
      }),
      { seed: 3, numRuns: 2000 },
    );
  });

  test("bins join without gap, ascend, and are at most an eighth of their lower edge wide", () => {
    let previous = LogLinearHistogram.boundsOf(1)[1];
    for (let key = 2; key < 826; key++) {
      const [lower, upper] = LogLinearHistogram.boundsOf(key);
      expect(lower).toBe(previous);
      expect(upper > lower && (upper - lower) / lower <= 0.125).toBe(true);
      expect(LogLinearHistogram.binOf(lower)).toBe(key);
      previous = upper;
    }
    expect(previous).toBe(2 ** 63);
  });

  test("edges: zero, subnormals, 2^-40, 2^63, infinities", () => {
    const keys = [0, -0, Number.MIN_VALUE, 2 ** -41, 2 ** -40, 1, 2 ** 63 - 1024, 2 ** 63, Number.MAX_VALUE].map(
      (value) => LogLinearHistogram.binOf(value),
    );
    expect(keys).toEqual([0, 0, 1, 1, 2, 322, 825, 826, 826]);
    expect(LogLinearHistogram.binOf(Number.NEGATIVE_INFINITY)).toBe(-826);
    expect(LogLinearHistogram.boundsOf(826)).toEqual([2 ** 63, Number.POSITIVE_INFINITY]);
    expect(LogLinearHistogram.boundsOf(-1)).toEqual([-(2 ** -40), 0]);
    expect(() => LogLinearHistogram.binOf(Number.NaN)).toThrow(RangeError);
    expect(() => LogLinearHistogram.boundsOf(827)).toThrow(RangeError);
  });

  test("counts each value in its bin, ascending, and skips what is not finite", () => {
    const histogram = histogramOf(5, -5, 0, -0, 5.1, Number.NaN, Number.POSITIVE_INFINITY, 1e300, -1e-300, 1e-9);
    expect(histogram.totalCount).toBe(8);
    expect(histogram.bins().map(({ lower, upper, count }) => [lower, upper, count])).toEqual([
      [-5.5, -5, 1],
      [-(2 ** -40), 0, 1],
      [0, 0, 2],
      [2 ** -30, 1.125 * 2 ** -30, 1],
      [5, 5.5, 2],
      [2 ** 63, Number.POSITIVE_INFINITY, 1],
    ]);
  });

  test("counts agree with binOf() over all values", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.double(), fc.integer())), (values) => {
        const histogram = histogramOf(...values);
        const truth = new Map<number, number>();
        for (const value of values.filter(Number.isFinite)) {
          const key = LogLinearHistogram.binOf(value);
          truth.set(key, (truth.get(key) ?? 0) + 1);
        }
        const bins = histogram.bins();
        expect(new Map(bins.map((bin) => [bin.key, bin.count]))).toEqual(truth);
        expect(bins.map((bin) => bin.key)).toEqual([...truth.keys()].sort((a, b) => a - b));
        expect(histogram.countOf(-826) + histogram.countOf(400)).toBe((truth.get(-826) ?? 0) + (truth.get(400) ?? 0));
      }),
      { seed: 4, numRuns: 300 },
    );
  });
});
