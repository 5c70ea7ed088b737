/**
 * Population stability index of two sets of counts over the same groups: the sum of (a − e) ln(a / e) over the shares
 * a of now and e of the reference; 0 when they agree, by custom "moved" from 0.1 and "another population" from 0.25.
 *
 * A share below 1e-4 counts as 1e-4, the usual floor: a group that is empty on one side would make it infinite.
 * Nothing on either side: `undefined`.
 */

const SHARE_MIN = 1e-4;

export function populationStabilityIndex(reference: readonly number[], current: readonly number[]): number | undefined {
  const referenceTotal = sum(reference);
  const currentTotal = sum(current);
  if (referenceTotal <= 0 || currentTotal <= 0) return undefined;
  let index = 0;
  for (const [group, count] of reference.entries()) {
    const expected = Math.max(count / referenceTotal, SHARE_MIN);
    const actual = Math.max((current[group] ?? 0) / currentTotal, SHARE_MIN);
    index += (actual - expected) * Math.log(actual / expected);
  }
  return index;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
