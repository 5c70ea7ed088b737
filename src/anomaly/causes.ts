/** From blame per metric to the causes of a verdict: grouped by field before ranking, so that one bad field is one cause. */
import type { Cause } from "../core/verdict.ts";
import type { Observation } from "./metric-table.ts";
import { inverse } from "./transform.ts";

/** More than this nobody reads. */
const CAUSES_MAX = 10;

/** `blame` is aligned with the observations. Shares sum to at most 1; the strongest metric of each field comes first. */
export function causesOf(
  observations: readonly Observation[],
  blame: Float64Array,
  interval: (observation: Observation) => readonly [low: number, mid: number, high: number],
): Cause[] {
  let total = 0;
  for (const value of blame) total += value;
  if (!(total > 0)) return [];
  const groups = new Map<string, { total: number; members: number[] }>();
  for (let i = 0; i < observations.length; i++) {
    if (!(blame[i]! > 0)) continue;
    const key = JSON.stringify(observations[i]!.metric.fields);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { total: blame[i]!, members: [i] });
    else {
      group.total += blame[i]!;
      group.members.push(i);
    }
  }
  const strongestFirst = (a: number, b: number) => blame[b]! - blame[a]! || a - b;
  const ranked = [...groups.values()].sort((a, b) => b.total - a.total);
  const first: number[] = [];
  const rest: number[] = [];
  for (const { members } of ranked) {
    members.sort(strongestFirst);
    first.push(members[0]!);
    rest.push(...members.slice(1));
  }
  const chosen = [...first, ...rest.sort(strongestFirst)].slice(0, CAUSES_MAX);
  return chosen.map((i) => {
    const observation = observations[i]!;
    const [low, mid, high] = interval(observation);
    return {
      fields: observation.metric.fields,
      metric: observation.metric.id,
      share: blame[i]! / total,
      observed: typeof observation.metric.value === "number" ? observation.metric.value : null,
      expected: mid,
      low,
      high,
    };
  });
}

/** What the metric was expected to be, in its own unit: `width` transformed units to either side. */
export function intervalOf(observation: Observation, width: number): readonly [low: number, mid: number, high: number] {
  const { metric, expected } = observation;
  return [
    inverse(metric.kind, expected - width),
    inverse(metric.kind, expected),
    inverse(metric.kind, expected + width),
  ];
}
