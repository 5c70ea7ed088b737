/**
 * The fields that are absent in a null pattern. A pattern is a sum of words, one of each absent field (`profiles/null-patterns.ts`),
 * so it is undone by trying: the sums of one half of the candidates are looked up for each sum of the other half. At most
 * 24 candidates: 4,096 sums for a pattern; of more nothing is said. Two sets with the same sum, one in 2^64, are not told apart.
 */
import { absenceWord } from "../profiles/null-patterns.ts";

const CANDIDATES_MAX = 24;

interface Sum {
  readonly lo: number;
  readonly hi: number;
  /** Bit i: candidate i of its half is absent. */
  readonly set: number;
}

export interface Candidate {
  readonly key: string;
  readonly name: string;
}

/** Says of a pattern which of the candidates, the fields that are absent at all, are absent in it; `undefined`: it cannot be told. */
export function absenceOf(candidates: readonly Candidate[]): (lo: number, hi: number) => string[] | undefined {
  if (candidates.length > CANDIDATES_MAX) return () => undefined;
  const half = candidates.length >> 1;
  const [first, second] = [candidates.slice(0, half), candidates.slice(half)];
  const known = new Map(sumsOf(first).map((sum) => [keyOf(sum.lo, sum.hi), sum]));
  const others = sumsOf(second);
  return (lo, hi) => {
    for (const other of others) {
      const rest = known.get(keyOf((lo - other.lo) | 0, (hi - other.hi) | 0));
      if (rest !== undefined) return [...namesOf(first, rest.set), ...namesOf(second, other.set)];
    }
    return undefined;
  };
}

function sumsOf(candidates: readonly Candidate[]): Sum[] {
  const sums: Sum[] = [{ lo: 0, hi: 0, set: 0 }];
  for (const [i, { key }] of candidates.entries()) {
    const word = absenceWord(key);
    const { length } = sums;
    for (let at = 0; at < length; at++) {
      const { lo, hi, set } = sums[at]!;
      sums.push({ lo: (lo + word.lo) | 0, hi: (hi + word.hi) | 0, set: set | (1 << i) });
    }
  }
  return sums;
}

function namesOf(candidates: readonly Candidate[], set: number): string[] {
  return candidates.filter((_, i) => (set & (1 << i)) !== 0).map(({ name }) => name);
}

function keyOf(lo: number, hi: number): string {
  return `${lo},${hi}`;
}
