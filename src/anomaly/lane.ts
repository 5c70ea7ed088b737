/** What a lane says of one window, before the thresholds. */
import type { Observation } from "./metric-table.ts";

export interface LaneResult {
  /** In a unit of the lane's own, above 0; undefined while the lane cannot judge. */
  readonly score: number | undefined;
  /** Blame per observation, aligned with the observations; not negative. */
  readonly blame: Float64Array;
  /** What the lane expected of each metric; absent: what the metric's own past says. */
  readonly expectations?: readonly (Expectation | undefined)[];
}

/** In transformed units: the middle, and half the 99 % interval. */
export interface Expectation {
  readonly mid: number;
  readonly width: number;
}

/**
 * How much a tail score weighs: it grows by 1 per unit beyond the usual, and below falls towards 0 without reaching it, so
 * that ordinary windows still rank. Scores are this over its value at the threshold.
 */
export function weightOf(tailScore: number): number {
  return tailScore > 0 ? 1 + tailScore : Math.exp(tailScore);
}

/** Squared: one metric far out is to blame before many a little out. */
export function blameOf(tailScore: number): number {
  return weightOf(tailScore) ** 2;
}

export function noVerdict(observations: readonly Observation[]): LaneResult {
  return { score: undefined, blame: new Float64Array(observations.length) };
}
