/** Holt-Winters per metric: the metric that is furthest out in its own tail speaks for the window. */
import { blameOf, type LaneResult, noVerdict, weightOf } from "./lane.ts";
import type { MetricTable, Observation } from "./metric-table.ts";
import { tailScore } from "./tail.ts";

/**
 * Tail score that raises the alarm. With exponential tails and about 60 metrics that move on their own it would be passed
 * by chance once in 27,000 windows; what passes it in real data are days that are unlike others (public holidays, storms).
 * Set on the flights of 2013 cut into days: about one alarm per 40 windows of a slice, true incidents included.
 */
const METRIC_LANE_THRESHOLD = 12;

export function scoreMetricLane(table: MetricTable, observations: readonly Observation[]): LaneResult {
  if (observations.length === 0) return noVerdict(observations);
  const blame = new Float64Array(observations.length);
  let worst = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < observations.length; i++) {
    const { slot, innovation, floor } = observations[i]!;
    const score = tailScore(Math.abs(innovation), table.tail(slot), floor);
    blame[i] = blameOf(score);
    worst = Math.max(worst, score);
  }
  return { score: weightOf(worst) / weightOf(METRIC_LANE_THRESHOLD), blame };
}
