/**
 * Counts of the values of one window, in as little memory as they need: a judge keeps some hundred thousand of these. Counts are of 32
 * bits unless one of them is larger, the arrays of a window's counts share a buffer (each costs as much as ten values; V8 keeps
 * the smallest in the objects themselves), and bins, which have no high word, share zeros.
 */
import { compareHashes } from "../sketches/hash-table.ts";

/** Values of one window, ascending by hash, each once. */
export interface WindowCounts {
  readonly lo: Int32Array;
  /** At least as long as the others. */
  readonly hi: Int32Array;
  readonly counts: Uint32Array | Float64Array;
}

/** Values of one window that are chosen by their hashes. */
export interface SampledCounts extends WindowCounts {
  /** All values whose high word, unsigned, is below this are there: `ALL_COUNTED` where none is left out. */
  readonly completeBelow: number;
}

export const ALL_COUNTED: number = 2 ** 32;

/** Bytes of the largest array that lies in its object. */
const MOST_INSIDE = 64;
const MOST_UINT32 = 2 ** 32 - 1;

/** Takes values in, ascending by hash, and gives them as counts. */
export class CountsBuilder {
  #lo = new Int32Array(64);
  #hi = new Int32Array(64);
  #counts = new Float64Array(64);
  #size = 0;
  #largest = 0;

  /** Forgets what was taken in, also by a use that was broken off. */
  start(): void {
    this.#size = 0;
    this.#largest = 0;
  }

  add(lo: number, hi: number, count: number): void {
    if (this.#size === this.#lo.length) this.#grow();
    this.#lo[this.#size] = lo;
    this.#hi[this.#size] = hi;
    this.#counts[this.#size++] = count;
    if (count > this.#largest) this.#largest = count;
  }

  build(): WindowCounts {
    return this.#build(true);
  }

  /** Of values whose high word is 0: bins of a histogram, patterns. */
  buildBins(): WindowCounts {
    return this.#build(false);
  }

  #build(hasHighWords: boolean): WindowCounts {
    const size = this.#size;
    const Counts = this.#largest > MOST_UINT32 ? Float64Array : Uint32Array;
    const countBytes = size * Counts.BYTES_PER_ELEMENT;
    const shared = countBytes > MOST_INSIDE ? new ArrayBuffer(countBytes + (hasHighWords ? 8 : 4) * size) : undefined;
    const words = (place: 0 | 1) =>
      shared === undefined ? new Int32Array(size) : new Int32Array(shared, countBytes + 4 * place * size, size);
    const lo = words(0);
    const hi = hasHighWords ? words(1) : zeros(size);
    const counts = shared === undefined ? new Counts(size) : new Counts(shared, 0, size);
    lo.set(this.#lo.subarray(0, size));
    if (hasHighWords) hi.set(this.#hi.subarray(0, size));
    counts.set(this.#counts.subarray(0, size));
    return { lo, hi, counts };
  }

  #grow(): void {
    const size = 2 * this.#size;
    const [lo, hi, counts] = [new Int32Array(size), new Int32Array(size), new Float64Array(size)];
    lo.set(this.#lo);
    hi.set(this.#hi);
    counts.set(this.#counts);
    [this.#lo, this.#hi, this.#counts] = [lo, hi, counts];
  }
}

let zeroWords = new Int32Array(1_024);

function zeros(size: number): Int32Array {
  if (size > zeroWords.length) zeroWords = new Int32Array(2 * size);
  return zeroWords;
}

export function countOfAll({ counts }: WindowCounts): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}

/** How often the window has the value. */
export function countIn({ lo, hi, counts }: WindowCounts, valueLo: number, valueHi: number): number {
  let from = 0;
  let to = lo.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (compareHashes(hi[middle]!, lo[middle]!, valueHi, valueLo) < 0) from = middle + 1;
    else to = middle;
  }
  return lo[from] === valueLo && hi[from] === valueHi ? counts[from]! : 0;
}
