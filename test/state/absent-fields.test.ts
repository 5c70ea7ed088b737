import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { absenceWord } from "../../src/profiles/null-patterns.ts";
import { absenceOf } from "../../src/state/absent-fields.ts";

const candidates = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ key: `trip.f${i}#number`, name: `trip.f${i}` }));

describe("absenceOf()", () => {
  test("tells the fields of every sum of their words, and nothing of another sum", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 24 }).chain((size) => fc.tuple(fc.constant(size), fc.subarray(candidates(size)))),
        ([size, absent]) => {
          const words = absent.map(({ key }) => absenceWord(key));
          const lo = words.reduce((sum, word) => (sum + word.lo) | 0, 0);
          const hi = words.reduce((sum, word) => (sum + word.hi) | 0, 0);
          const absentIn = absenceOf(candidates(size));
          expect(absentIn(lo, hi)).toEqual(absent.map(({ name }) => name));
          expect(absentIn(lo ^ 1, hi)).toBeUndefined();
        },
      ),
      { seed: 20_261_128, numRuns: 60 },
    );
  });

  test("says nothing where too many fields could be absent", () => {
    expect(absenceOf(candidates(25))(0, 0)).toBeUndefined();
  });
});
