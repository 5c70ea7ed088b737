import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fieldKey } from "../../src/profiles/field-kinds.ts";
import { absenceWord } from "../../src/profiles/null-patterns.ts";
import { fieldOf, profileOf, type Row } from "./column-batches.ts";
import { EVERY_KIND, rowOfEveryKind } from "./generators.ts";

const SEED = 20_261_128;
const FIELDS = [fieldOf("a", "int"), fieldOf("b", "string"), fieldOf("c", "double")];

/** By their definition: the words of what is absent, and how many rows have them. */
function patternsOf(fields: typeof EVERY_KIND | typeof FIELDS, rows: readonly Row[]): string[] {
  const counts = new Map<string, number>();
  for (const row of rows) {
    let lo = 0;
    let hi = 0;
    for (const [i, { path, kind, level }] of fields.entries()) {
      const isThere = row[i]!.some((value) => value !== null);
      if (level >= 0 || isThere) continue;
      const word = absenceWord(fieldKey(path, kind));
      lo = (lo + word.lo) | 0;
      hi = (hi + word.hi) | 0;
    }
    counts.set(`${lo},${hi}`, (counts.get(`${lo},${hi}`) ?? 0) + 1);
  }
  return [...counts].map(([pattern, count]) => `${pattern}: ${count}`).sort();
}

function kept(fields: typeof EVERY_KIND | typeof FIELDS, rows: readonly Row[]): string[] {
  const { patterns } = profileOf(fields, rows);
  return patterns
    .entries()
    .map(({ lo, hi, count }) => `${lo},${hi}: ${count}`)
    .sort();
}

describe("Profile.patterns", () => {
  test("count the rows by what is null or missing in them, NaN being a value", () => {
    fc.assert(
      fc.property(fc.array(rowOfEveryKind, { maxLength: 50 }), (rows) => {
        expect(kept(EVERY_KIND, rows)).toEqual(patternsOf(EVERY_KIND, rows));
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  test("depend neither on the order of the fields nor on a field that is always there", () => {
    const rows: Row[] = [
      [[1], [null], [2]],
      [[null], [], [3]],
      [[null], ["x"], [Number.NaN]],
      [[4], ["y"], [5]],
    ];
    const turned = rows.map(([a, b, c]): Row => [c!, b!, a!]);
    const { patterns } = profileOf(FIELDS, rows);
    expect(profileOf([...FIELDS].reverse(), turned).patterns.entries()).toEqual(patterns.entries());
    const without = rows.map(([a, b]): Row => [a!, b!]);
    expect(profileOf(FIELDS.slice(0, 2), without).patterns.entries()).toEqual(patterns.entries());
    expect(patterns.entries()).toHaveLength(4);
  });
});
