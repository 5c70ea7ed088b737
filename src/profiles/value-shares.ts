/**
 * What the counts of a field's values say, whichever tier they are in. Beyond the exact dictionary: the most frequent value by the
 * lower bound of the frequent items, at most 1.04 % of the values too low; values that came once by the coordinated sample
 * of 512 values; the entropy not at all.
 */
import type { FieldProfile } from "./field-profile.ts";
import type { Measured } from "./metric-entry.ts";

const NOTHING: Measured = { value: undefined, n: 0 };

/** Share of the most frequent value. */
export function modeShare({ dictionary, frequent }: FieldProfile): Measured {
  if (dictionary !== undefined) {
    let most = 0;
    for (let i = 0; i < dictionary.size; i++) most = Math.max(most, dictionary.counts[i]!);
    return shareOf(most, dictionary.totalCount);
  }
  return frequent === undefined ? NOTHING : shareOf(frequent.top(1)[0]?.lowerBound ?? 0, frequent.totalWeight);
}

/** Share of the values that came once, among all values; in the sample, among those of the sampled values. */
export function singletonShare({ dictionary, sample }: FieldProfile): Measured {
  if (dictionary !== undefined) {
    let once = 0;
    for (let i = 0; i < dictionary.size; i++) if (dictionary.counts[i] === 1) once++;
    return shareOf(once, dictionary.totalCount);
  }
  return sample === undefined
    ? NOTHING
    : shareOf(sample.entries().filter(({ count }) => count === 1).length, sample.keptCount);
}

/** Shannon entropy of the values, in bits: log2 of as many equally frequent values. */
export function entropy({ dictionary }: FieldProfile): Measured {
  if (dictionary === undefined || dictionary.totalCount === 0) return NOTHING;
  const { size, totalCount } = dictionary;
  // In the order of the hashes: the sum must not depend on which value came first.
  const { counts } = dictionary.inOrder("hash");
  let bits = 0;
  for (let i = 0; i < size; i++) {
    const share = counts[i]! / totalCount;
    // Exactly 0 for a single value.
    if (share < 1) bits -= share * Math.log2(share);
  }
  return { value: bits, n: totalCount };
}

function shareOf(part: number, whole: number): Measured {
  return { value: whole > 0 ? part / whole : undefined, n: whole };
}
