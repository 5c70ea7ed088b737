/** A small size of `npm run prove`, and that it finds what is broken. */
import { describe, expect, test } from "vitest";
import { hllErrors, itemFaults, KLL_BOUND, kllErrors } from "./bounds.ts";
import { DISTRIBUTIONS, ITEM_STREAMS } from "./distributions.ts";

const SEEDS = 30;
const COUNT = 20_000;

describe("KllSketch", () => {
  test.each(Object.keys(DISTRIBUTIONS))(
    "keeps its bound on %s, in one pass and merged from 64 parts",
    (distribution) => {
      const { whole, merged } = kllErrors({ distribution, seeds: SEEDS, count: COUNT });
      for (const worst of [whole, merged]) {
        // With 99 of 100 inside, two of 30 are outside in 3 of 100 runs: the seeds are fixed, and `npm run prove` takes 1,000.
        expect(worst.filter((error) => error > KLL_BOUND).length).toBeLessThanOrEqual(1);
        expect(Math.max(...worst)).toBeLessThan(1.5 * KLL_BOUND);
      }
    },
  );

  test("of a third of the k misses it", () => {
    const { whole } = kllErrors({ distribution: "uniform", seeds: SEEDS, count: COUNT, k: 66 });
    expect(whole.filter((error) => error > KLL_BOUND).length).toBeGreaterThan(SEEDS / 2);
  });
});

describe("HllSketch", () => {
  test.each([1, 10, 100, 1000, 10_000, 100_000])(
    "has no bias and 1.6 %% standard error at %i distinct values",
    (distinct) => {
      const { whole, union } = hllErrors({ seeds: 100, distinct });
      expect(union).toEqual(whole);
      const bias = whole.reduce((sum, error) => sum + error, 0) / whole.length;
      const error = Math.sqrt(whole.reduce((sum, one) => sum + one * one, 0) / whole.length);
      expect(Math.abs(bias)).toBeLessThan(0.01625 * 0.3);
      expect(error).toBeLessThan(0.01625 * 1.25);
    },
  );
});

describe("FrequentItems", () => {
  test.each(Object.keys(ITEM_STREAMS))("misses nothing above its error in %s", (stream) => {
    const { sketches, missed, outside, tooLarge } = itemFaults({ stream, seeds: 5, count: COUNT });
    expect([sketches, missed, outside, tooLarge]).toEqual([10, 0, 0, 0]);
  });
});
