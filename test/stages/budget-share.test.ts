import { expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import { budgetShare } from "../../src/stages/budget-share.ts";

test("budgetShare() of one series is all of it, of several between an equal part and the root of their number", () => {
  expect(budgetShare(1)).toBe(1);
  for (const series of [2, 4, 9, 100, 1000]) {
    expect(budgetShare(series)).toBeGreaterThan(1 / series);
    expect(budgetShare(series)).toBeLessThan(series ** -0.5);
  }
});

// With the root, series that have nothing in common would have three times the budget.
test.each([
  [0, 1, 1.8],
  [0.5, 0.75, 1.3],
  [0.8, 0.4, 1],
])("nine series of which %d is in common have %d to %d of the budget", (common, least, most) => {
  const PER_WINDOW = 1 / 30;
  const WINDOWS = 50_000;
  const random = new SeededRandom(1);
  let alarms = 0;
  for (let window = 0; window < WINDOWS; window++) {
    const together = random.next();
    let lowest = 1;
    for (let one = 0; one < 9; one++) lowest = Math.min(lowest, random.next() < common ? together : random.next());
    if (lowest < PER_WINDOW * budgetShare(9)) alarms++;
  }
  expect(alarms / WINDOWS / PER_WINDOW).toBeGreaterThan(least);
  expect(alarms / WINDOWS / PER_WINDOW).toBeLessThan(most);
});
