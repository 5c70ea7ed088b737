/** From blame per metric to the causes of a verdict: grouped by field before ranking, so that one bad field is one cause. */
import type { MetricValue } from "../core/metric.ts";
import type { Cause } from "../core/verdict.ts";
import type { Expectation } from "./lane.ts";
import type { Observation } from "./metric-table.ts";
import { inverse } from "./transform.ts";

/** More than this nobody reads. */
const CAUSES_MAX = 10;
/** Fields that are named where there are as many, also those that a lane does not blame: with a share of 0. */
const FIELDS_MIN = 3;

/**
 * `blame` is aligned with the observations. Shares sum to at most 1. One metric of each field comes first: the strongest,
 * unless a share of nulls or of missing values is out too, which is what the others follow from.
 */
export function causesOf(
  observations: readonly Observation[],
  blame: Float64Array,
  expectation: (observation: Observation, index: number) => Expectation,
): Cause[] {
  let total = 0;
  for (const value of blame) total += value;
  if (!(total > 0)) return [];
  const groups = new Map<string, { total: number; members: number[] }>();
  const isAbsenceOut = observations.map(
    (observation, i) =>
      observation.metric.isPresence === true && isPresenceOut(observation, expectation(observation, i)),
  );
  const absent = new Set<string>();
  for (let i = 0; i < observations.length; i++) {
    if (!isAbsenceOut[i] || !(blame[i]! > 0)) continue;
    for (const field of observations[i]!.metric.fields) absent.add(field);
  }
  for (let i = 0; i < observations.length; i++) {
    const { fields } = observations[i]!.metric;
    // Of a pair that moves because one of its fields is absent, that field is to blame.
    const key = fields.length === 1 ? fields[0]! : (fields.find((field) => absent.has(field)) ?? fields.join("\n"));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { total: blame[i]!, members: [i] });
    else {
      group.total += blame[i]!;
      group.members.push(i);
    }
  }
  const strongestFirst = (a: number, b: number) => blame[b]! - blame[a]! || a - b;
  const ranked = [...groups.values()]
    .sort((a, b) => b.total - a.total)
    .filter((group, rank) => group.total > 0 || rank < FIELDS_MIN)
    .slice(0, CAUSES_MAX);
  const chosen = ranked.map(
    ({ members }) =>
      strongestOf(
        members.filter((i) => isAbsenceOut[i]),
        blame,
      ) ?? strongestOf(members, blame)!,
  );
  if (chosen.length < CAUSES_MAX) {
    const rest = ranked.flatMap(({ members }) => members.filter((i) => blame[i]! > 0 && !chosen.includes(i)));
    chosen.push(...rest.sort(strongestFirst).slice(0, CAUSES_MAX - chosen.length));
  }
  return chosen.map((i) => {
    const observation = observations[i]!;
    const [low, mid, high] = intervalOf(observation.metric, expectation(observation, i));
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

/** The first of those with the most blame, which stand in their order. */
function strongestOf(members: readonly number[], blame: Float64Array): number | undefined {
  let strongest: number | undefined;
  for (const i of members) if (strongest === undefined || blame[i]! > blame[strongest]!) strongest = i;
  return strongest;
}

function isPresenceOut({ value }: Observation, { mid, width }: Expectation): boolean {
  return Math.abs(value - mid) > width;
}

/** What the metric was expected to be, in its own unit. */
export function intervalOf(
  { kind, lowest }: Pick<MetricValue, "kind" | "lowest">,
  { mid, width }: Expectation,
): readonly [low: number, mid: number, high: number] {
  const inUnit = (transformed: number) => Math.max(lowest ?? Number.NEGATIVE_INFINITY, inverse(kind, transformed));
  return [inUnit(mid - width), inUnit(mid), inUnit(mid + width)];
}
