/**
 * What part of a dataset's budget each of its series is judged by. All sizes and slices are one: whoever alarms in a window, it is one incident, so what
 * has to keep to the budget is the largest score of them all. How often that is too large depends on how much they have in common: of an airport's airlines
 * nearly as often as if they had nothing in common, of a country and its three regions half as often. Nobody knows beforehand, so the part follows
 * what came of it, as adaptive conformal inference does with a level (Gibbs, Candès 2021): each incident beyond the budget that nobody called a
 * fault lowers it, each that the budget would have allowed raises it.
 */
import type { BudgetFigures } from "../alerts/alarm-history.ts";

/** At first the part is the number of series to the power of minus this: nearer to an equal part for each than to the root. */
const FIRST_POWER = 0.8;
/** By how much the logarithm of the part follows one incident. */
const RATE = 0.25;

/** Above 0, at most 1; `series` that are judged together. At least an equal part, with which the budget is kept however little they have in common. */
export function budgetShare(series: number, { spent, called, tolerated }: BudgetFigures): number {
  const excess = spent - called.fault - tolerated;
  return Math.min(1, Math.max(1 / series, series ** -FIRST_POWER * Math.exp(-RATE * excess)));
}
