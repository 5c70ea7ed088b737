import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import { sortRange } from "../../src/sketches/sort.ts";

const SHAPES: Readonly<Record<string, (random: SeededRandom, index: number) => number>> = {
  uniform: (random) => random.next(),
  twoSigns: (random) => random.next() - 0.5,
  heavyTail: (random) => 1 / (random.next() + 1e-9) ** 5,
  heavyTwoSigns: (random) => (random.bit() === 0 ? -1 : 1) / (random.next() + 1e-9) ** 5,
  timestampsAndSentinel: (random, index) => (index === 60 ? -1 : 1.7e12 + random.below(100_000)),
  few: (random) => random.below(3),
  infinities: (random, index) =>
    index % 50 === 1 ? Number.NEGATIVE_INFINITY : index % 50 === 2 ? Number.POSITIVE_INFINITY : random.next(),
  extremes: (random, index) => (index % 2 === 0 ? -Number.MAX_VALUE : Number.MAX_VALUE) * random.next(),
  subnormals: (random) => random.below(1000) * Number.MIN_VALUE,
  ascending: (_, index) => index,
  descending: (_, index) => -index,
  equal: () => 7,
};

describe("sortRange()", () => {
  test.each(Object.keys(SHAPES))("sorts %s of every size", (name) => {
    const random = new SeededRandom(1);
    for (const size of [0, 1, 2, 31, 32, 33, 64, 200, 1024, 1025, 3000]) {
      const values = Float64Array.from({ length: size }, (_, i) => SHAPES[name]!(random, i) + 0);
      const expected = values.slice().sort();
      sortRange(values, 0, size);
      expect(values).toEqual(expected);
    }
  });

  test("sorts any doubles, and only those of its range", () => {
    const doubles = fc.array(fc.double({ noNaN: true }), { minLength: 2, maxLength: 300 });
    fc.assert(
      fc.property(doubles, fc.double({ min: 0, max: 1, noNaN: true }), (list, share) => {
        const values = Float64Array.from(list, (one) => one + 0);
        const from = Math.floor(share * 2);
        const expected = values.slice();
        expected.subarray(from, values.length - 1).sort();
        sortRange(values, from, values.length - 1);
        expect(values).toEqual(expected);
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
