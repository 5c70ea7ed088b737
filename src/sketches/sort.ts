/**
 * Sorts a few hundred doubles, some twice as fast as the built-in sort of typed arrays: one distribution into 256 buckets
 * that ascend, then insertion. Buckets are equally wide in value, or, where that crowds them (heavy tails), in the top bits
 * of the double, which makes them about equally wide in the logarithm. What is crowded either way exceeds the budget
 * of moves, and is left to the built-in sort: the worst case is n log n.
 *
 * ±∞ and subnormals are sorted as any value; -0 and 0 are equal; NaN is not allowed.
 */
const BUCKETS = 256;
/** Crowded = one bucket of 256 holds more than this part of the values. */
const CROWDED_SHARE = 1 / 8;
/** Moves by insertion, for each value, after which the built-in sort is the faster one. */
const MOVES_PER_VALUE = 8;
const LEAST_DISTRIBUTED = 32;
const MOST_DISTRIBUTED = 1024;

/** Sorts `values[from, to)` ascending, in place. */
export function sortRange(values: Float64Array, from: number, to: number): void {
  const count = to - from;
  if (count > MOST_DISTRIBUTED) {
    values.subarray(from, to).sort();
    return;
  }
  if (count > LEAST_DISTRIBUTED) {
    let min = values[from]!;
    let max = min;
    let descents = 0;
    let previous = min;
    for (let i = 0; i < count; i++) {
      const value = values[from + i]!;
      SCRATCH[i] = value;
      if (value < previous) descents++;
      if (value < min) min = value;
      if (value > max) max = value;
      previous = value;
    }
    if (descents === 0) return;
    if (linearKeys(count, min, max) > count * CROWDED_SHARE) bitKeys(count);
    scatter(values, from, count);
  }
  if (!insertionSort(values, from, to, count * MOVES_PER_VALUE)) values.subarray(from, to).sort();
}

/** Chooses the bucket of each scratch value by its size; returns how many values the fullest bucket holds. */
function linearKeys(count: number, min: number, max: number): number {
  // Just below BUCKETS, so that max itself does not round up into a bucket of its own.
  const scale = (BUCKETS - 0.001) / (max - min);
  // A range that is infinite, or too small to divide by, cannot be split evenly.
  if (!(scale > 0 && scale < Number.MAX_VALUE)) return count;
  COUNTS.fill(0);
  for (let i = 0; i < count; i++) {
    const key = ((SCRATCH[i]! - min) * scale) | 0;
    KEYS[i] = key;
    COUNTS[key]! += 1;
  }
  let fullest = 0;
  for (let key = 0; key < BUCKETS; key++) if (COUNTS[key]! > fullest) fullest = COUNTS[key]!;
  return fullest;
}

/** Chooses the bucket of each scratch value by the top bits between the smallest and the largest. */
function bitKeys(count: number): void {
  let least = 0x7fffffff;
  let most = -0x80000000;
  for (let i = 0; i < count; i++) {
    const key = orderedHighWord(i);
    if (key < least) least = key;
    if (key > most) most = key;
  }
  const shift = Math.max(0, 32 - Math.clz32(most - least) - Math.log2(BUCKETS));
  COUNTS.fill(0);
  for (let i = 0; i < count; i++) {
    const key = (orderedHighWord(i) - least) >>> shift;
    KEYS[i] = key;
    COUNTS[key]! += 1;
  }
}

/** The high word of a scratch value, changed so that it ascends with the value. */
function orderedHighWord(index: number): number {
  const word = WORDS[2 * index + HIGH_WORD]!;
  return word ^ ((word >> 31) & 0x7fffffff);
}

/** Puts the scratch values back bucket by bucket. */
function scatter(values: Float64Array, from: number, count: number): void {
  let start = from;
  for (let key = 0; key < BUCKETS; key++) {
    const size = COUNTS[key]!;
    COUNTS[key] = start;
    start += size;
  }
  for (let i = 0; i < count; i++) {
    const key = KEYS[i]!;
    const target = COUNTS[key]!;
    COUNTS[key] = target + 1;
    values[target] = SCRATCH[i]!;
  }
}

/** Gives up, with all values still there, when it takes more than `budget` moves. */
function insertionSort(values: Float64Array, from: number, to: number, budget: number): boolean {
  let left = budget;
  for (let i = from + 1; i < to; i++) {
    const value = values[i]!;
    let j = i - 1;
    while (j >= from && values[j]! > value) {
      values[j + 1] = values[j]!;
      j--;
    }
    values[j + 1] = value;
    left -= i - 1 - j;
    if (left < 0) return false;
  }
  return true;
}

const SCRATCH = new Float64Array(MOST_DISTRIBUTED);
const WORDS = new Int32Array(SCRATCH.buffer);
const KEYS = new Uint8Array(MOST_DISTRIBUTED);
const COUNTS = new Int32Array(BUCKETS);
/** Platforms with the high word first exist. */
const HIGH_WORD = new Uint8Array(Int32Array.of(1).buffer)[0] === 1 ? 1 : 0;
