/**
 * What part of a dataset's budget each of its series is judged by. All sizes and slices are one: whoever alarms in a window, it is one incident, so what
 * has to keep to the budget is the largest score of them all. How often that is too large depends on how much they have in common: an equal part for each
 * would be right if they had nothing in common, all of the budget if they were one.
 */

/**
 * Measured on slices (`npm run bench:detect -- --calm`): for nine series, an airport and its airlines, the root is far too much; all flights and three
 * airports would bear it.
 */
const POWER = 0.8;

/** Above 0, at most 1; of `series` that are judged together. */
export function budgetShare(series: number): number {
  return Math.max(1, series) ** -POWER;
}
