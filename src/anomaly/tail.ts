/**
 * How far into its own tail a value lies: a = (|u| − q90) / mean excess, in units in which an exponential tail falls by a
 * factor e per unit. Heavy-tailed metrics (shares of nulls in storms) have a large mean excess and so need a larger
 * deviation than quiet ones. The mean excess of few exceedances is poorly known: it is shrunk to a typical one.
 */
export interface Tail {
  readonly q90: number;
  readonly excess: number;
}

/** q90 of |u| for normal innovations of unit scale. */
const NORMAL_Q90 = 1.645;
/** Mean excess over q90 in units of the rms: 0.42 for normal, 0.71 for Laplace innovations; metrics lie between. */
const TYPICAL_EXCESS = 0.6;
/** The typical excess counts like this many exceedances: a third of the weight at 120 windows of history. */
const TYPICAL_WEIGHT = 6;
/** The empirical q90 counts like the normal one at this many values. */
const QUANTILE_WEIGHT = 20;

/** `sizes`: |u| of past windows, any order, sorted in place. Of none: all 0, so that the floor decides. */
export function tailOf(sizes: Float64Array): Tail {
  return tailOfSorted(sizes.sort());
}

/** `sizes`: ascending. */
export function tailOfSorted(sizes: Float64Array): Tail {
  const n = sizes.length;
  if (n === 0) return { q90: 0, excess: 0 };
  let square = 0;
  for (const size of sizes) square += size * size;
  const scale = Math.sqrt(square / n);
  const normal = NORMAL_Q90 * scale;
  const from = Math.min(n - 1, Math.floor(0.9 * n));
  const empirical = sizes[from]!;
  const q90 = (n * Math.max(empirical, 0) + QUANTILE_WEIGHT * normal) / (n + QUANTILE_WEIGHT);
  let sum = 0;
  let count = 0;
  for (let i = from; i < n; i++) {
    if (sizes[i]! > q90) {
      sum += sizes[i]! - q90;
      count++;
    }
  }
  return { q90, excess: (sum + TYPICAL_WEIGHT * TYPICAL_EXCESS * scale) / (count + TYPICAL_WEIGHT) };
}

/** No limit to what a fault can score, but its square and the sum of squares stay finite. */
const SCORE_MOST = 1e100;
/** A size of 0 in a normal tail. */
const QUIET = -NORMAL_Q90 / TYPICAL_EXCESS;

export function tailScore(size: number, tail: Tail, floor: number): number {
  const q90 = Math.max(tail.q90, NORMAL_Q90 * floor);
  const excess = Math.max(tail.excess, TYPICAL_EXCESS * floor);
  // Neither history nor floor has a spread only where a value of 0 is still 0.
  return excess > 0 ? Math.min(SCORE_MOST, (size - q90) / excess) : QUIET;
}

/** Half the 99 % prediction interval: an exponential tail falls from 10 % to 1 % in ln 10 excesses. */
export function halfWidth(tail: Tail, floor: number): number {
  return sizeAt(Math.LN10, tail, floor);
}

/** The size that has this score. */
export function sizeAt(score: number, tail: Tail, floor: number): number {
  return Math.max(tail.q90, NORMAL_Q90 * floor) + score * Math.max(tail.excess, TYPICAL_EXCESS * floor);
}
