/** What a lane says of one window, before the thresholds. */
import type { Observation } from "./metric-table.ts";

export interface LaneResult {
  /** In units of the lane's own threshold; undefined while the lane cannot judge. */
  readonly score: number | undefined;
  /** Blame per observation, aligned with the observations; not negative. */
  readonly blame: Float64Array;
}

/** The excess of a metric over what is usual, squared: one metric far out outweighs many a little out. */
export function blameOf(tailScore: number): number {
  // A little blame for the ordinary, so that a window that is not out still names what is nearest to it.
  return tailScore > 0 ? (1 + tailScore) ** 2 : Math.exp(tailScore);
}

export function noVerdict(observations: readonly Observation[]): LaneResult {
  return { score: undefined, blame: new Float64Array(observations.length) };
}

/** Level 0–4 of a score: 0 up to the threshold, then one level per half threshold beyond it. */
export function levelOf(score: number): 0 | 1 | 2 | 3 | 4 {
  if (!(score >= 1)) return 0;
  return Math.min(4, 1 + Math.floor((score - 1) * 2)) as 1 | 2 | 3 | 4;
}
