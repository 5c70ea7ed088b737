import fc from "fast-check";
import { expect, test } from "vitest";
import type { BudgetFigures } from "../../src/alerts/alarm-history.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { budgetShare } from "../../src/stages/budget-share.ts";

test("budgetShare() is at least an equal part and at most all, less with each incident, and more with each that is called a fault", () => {
  const counts = fc.integer({ min: 0, max: 200 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), counts, counts, (series, spent, tolerated) => {
      const share = budgetShare(series, figures({ spent, tolerated }));
      expect(share).toBeGreaterThanOrEqual(1 / series);
      expect(share).toBeLessThanOrEqual(1);
      expect(budgetShare(series, figures({ spent: spent + 1, tolerated }))).toBeLessThanOrEqual(share);
      expect(budgetShare(series, figures({ spent: spent + 3, fault: 3, tolerated }))).toBe(share);
    }),
  );
  expect(budgetShare(1, figures({ spent: 50, tolerated: 1 }))).toBe(1);
});

// Of series whose scores are as like as `common` says; the root of their number, which is no answer to it, is off by a factor of up to 4.
test.each([
  ["nothing in common", 0, 16],
  ["half in common", 0.5, 16],
  ["everything in common", 1, 16],
  ["everything in common", 1, 3],
])("of series with %s (%d) %d keep to the budget together", (_name, common, series) => {
  const PER_WINDOW = 1 / 30;
  const WINDOWS = 900;
  let [spent, tolerated] = [0, 0];
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    let incidents = 0;
    for (let window = 0; window < WINDOWS; window++) {
      const share = budgetShare(series, figures({ spent: incidents, tolerated: window * PER_WINDOW }));
      const together = random.next();
      let least = 1;
      for (let one = 0; one < series; one++) {
        least = Math.min(least, random.next() < common ? together : random.next());
      }
      if (least < PER_WINDOW * share) incidents++;
    }
    spent += incidents;
    tolerated += WINDOWS * PER_WINDOW;
  }
  expect(spent / tolerated).toBeGreaterThan(0.6);
  expect(spent / tolerated).toBeLessThan(1.25);
});

function figures({ spent = 0, fault = 0, tolerated = 0 }): BudgetFigures {
  const called = { fault, expected: 0, "new-normal": 0 };
  return { intervalMs: 1, spent, backtest: 0, tolerated, called, realised: undefined };
}
