/**
 * One field against the others: how far the field that is furthest out stands beyond the fourth. A storm or a holiday moves many fields at
 * once, a fault of the data one, or the two or three that follow from it. What moves all fields is for the `metrics` lane.
 */
import type { LaneResult } from "./lane.ts";
import type { Observation } from "./metric-table.ts";

/** Fields that a fault of one may move with it; the next one is the others' measure. */
const COMPANIONS = 2;
/** Least part of its own height that stands out, so that a score is never 0. */
const STANDS_OUT_LEAST = 0.05;

/** `metrics`: what the `metrics` lane said, whose blame is the weight of each metric squared. */
export function scoreContrastLane(observations: readonly Observation[], { blame }: LaneResult): LaneResult {
  const heights = heightsOf(observations, blame).sort((a, b) => b - a);
  const [highest] = heights;
  if (highest === undefined) return { score: undefined, blame };
  const others = heights[COMPANIONS + 1] ?? 0;
  return { score: Math.max(Math.sqrt(highest) - Math.sqrt(others), STANDS_OUT_LEAST * Math.sqrt(highest)), blame };
}

/** The most blame in each field; a metric of the dataset itself stands alone, that of a pair with the one of its fields that is higher. */
function heightsOf(observations: readonly Observation[], blame: Float64Array): number[] {
  const heights = new Map<string, number>();
  const raise = (key: string, height: number): void => {
    if (!(heights.get(key)! >= height)) heights.set(key, height);
  };
  for (let i = 0; i < observations.length; i++) {
    const { id, fields } = observations[i]!.metric;
    if (fields.length < 2) raise(fields[0] ?? id, blame[i]!);
  }
  for (let i = 0; i < observations.length; i++) {
    const { fields } = observations[i]!.metric;
    if (fields.length < 2) continue;
    raise(
      fields.reduce((a, b) => ((heights.get(b) ?? 0) > (heights.get(a) ?? 0) ? b : a)),
      blame[i]!,
    );
  }
  return [...heights.values()];
}
