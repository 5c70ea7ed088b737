/** Holt-Winters per metric: the metric that is furthest out in its own tail speaks for the window. */
import { blameOf, type LaneResult, noVerdict, weightOf } from "./lane.ts";
import type { MetricTable, Observation } from "./metric-table.ts";
import { rareRowsScore } from "./rare-rows.ts";
import { tailScore } from "./tail.ts";

export function scoreMetricLane(table: MetricTable, observations: readonly Observation[]): LaneResult {
  if (observations.length === 0) return noVerdict(observations);
  const blame = new Float64Array(observations.length);
  let worst = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < observations.length; i++) {
    const observation = observations[i]!;
    const { slot, innovation, floor } = observation;
    const tail = table.tail(slot);
    // What never moved, and does not move now, says nothing of the window.
    if (innovation === 0 && tail.excess === 0) continue;
    const score = Math.max(
      tailScore(Math.abs(innovation), tail, floor),
      rareRowsScore(observation, tail) ?? Number.NEGATIVE_INFINITY,
    );
    blame[i] = blameOf(score);
    worst = Math.max(worst, score);
  }
  return { score: worst === Number.NEGATIVE_INFINITY ? undefined : weightOf(worst), blame };
}
