import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import { FrequentItems } from "../../src/sketches/frequent-items.ts";
import { hashText } from "../../src/sketches/hash.ts";
import { RankErrors, wrongFigures, wrongTop } from "./figures.ts";

const COUNT = 10_000;

describe("wrongFigures()", () => {
  const rows = Array.from({ length: COUNT }, (_, index) => ({ distance: index / 7 }));
  const metrics = {
    "row_count()": COUNT,
    "null_rate(distance)": 0,
    "missing_rate(distance)": 0,
    "min(distance)": 0,
    "max(distance)": (COUNT - 1) / 7,
    "mean(distance)": (COUNT - 1) / 14,
    ...Object.fromEntries(
      [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99].map((q) => [`quantile(distance,${q})`, (q * COUNT) / 7]),
    ),
  };

  test("expects of more than 4,096 distinct values what the registers of all of them tell", () => {
    const wrong = wrongFigures({ ...metrics, "distinct_count(distance)": COUNT }, rows, ["distance"], new RankErrors());
    expect(wrong).toHaveLength(1);
    const estimate = Number(/by the input (\d+)/.exec(wrong[0]!)?.[1]);
    expect(Math.abs(estimate - COUNT)).toBeLessThan(0.05 * COUNT);
    const told = { ...metrics, "distinct_count(distance)": estimate };
    expect(wrongFigures(told, rows, ["distance"], new RankErrors())).toEqual([]);
  });

  test("takes the error of a quantile by its rank", () => {
    const errors = new RankErrors();
    const told = { ...metrics, "quantile(distance,0.5)": (0.52 * COUNT) / 7 };
    wrongFigures(told, rows, ["distance"], errors);
    expect(errors.max).toBeCloseTo(0.02, 3);
    expect(errors.beyond).toBe(1);
  });
});

describe("wrongTop()", () => {
  const random = new SeededRandom(5);
  const values = Array.from({ length: COUNT }, () =>
    random.below(4) === 0 ? `often-${random.below(5)}` : `rare-${random.below(1e6)}`,
  );
  const sketch = new FrequentItems();
  for (const value of values) {
    const { lo, hi } = hashText(value);
    sketch.updateHash(lo, hi, 1, () => value);
  }
  const top = sketch.top(20).map(({ label, estimate }) => [label!, estimate] as const);

  test("is content with what the sketch tells", () => {
    expect(top[0]?.[0]).toMatch(/^often/);
    expect(wrongTop(top, values)).toEqual([]);
  });

  test("finds a count out of bounds, and a frequent value that is missing", () => {
    const [first, ...rest] = top;
    expect(wrongTop([[first![0], first![1] + 150], ...rest], values)).toHaveLength(1);
    expect(wrongTop(rest.toReversed(), values)).toEqual([
      `${first![0]} is not among the frequent values, has ${values.filter((value) => value === first![0]).length}`,
    ]);
  });
});
