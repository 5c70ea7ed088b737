/**
 * Exact counts in bins that do not depend on the data: 8 equal bins in each octave of |x| from 2^-40 to 2^63, for either
 * sign, one bin for 0, and an underflow and an overflow bin for either sign. A bin is at most 12.5 % of its lower edge wide.
 * A value's bin is read off the top bits of its double (11 of the exponent, 3 of the fraction), so it is the same everywhere.
 *
 * Bin keys: 0 = zero · 1 = (0, 2^-40) · 2 … 825 = the bins of [2^-40, 2^63) · 826 = [2^63, ∞] · the mirror image of key k is -k.
 * Positive bins are `[lower, upper)`, negative ones `(lower, upper]`. Empty: no bins. -0 is 0, subnormals are underflow;
 * `updateMany` skips NaN and ±∞. Merging adds counts: exact in any order.
 */
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";

const VERSION = 1;
const BINS_PER_OCTAVE = 8;
const LOWEST_EXPONENT = -40;
const HIGHEST_EXPONENT = 63;
const UNDERFLOW_KEY = 1;
const FIRST_KEY = 2;
export const OVERFLOW_KEY = FIRST_KEY + (HIGHEST_EXPONENT - LOWEST_EXPONENT) * BINS_PER_OCTAVE;
/** What the top 14 bits (sign left out) of 2^LOWEST_EXPONENT are, less the key of its bin. */
const KEY_OFFSET = (1023 + LOWEST_EXPONENT) * BINS_PER_OCTAVE - FIRST_KEY;
/** 20 fraction bits in the high word, of which the top 3 choose the bin. */
const KEY_SHIFT = 17;

export interface HistogramBin {
  readonly key: number;
  readonly lower: number;
  readonly upper: number;
  readonly count: number;
}

export class LogLinearHistogram {
  #zero = 0;
  readonly #positive = new KeyWindow();
  readonly #negative = new KeyWindow();
  #totalCount = 0;

  get totalCount(): number {
    return this.#totalCount;
  }

  /** Takes `values[from, to)`, without NaN and ±∞. */
  updateMany(values: Float64Array, from: number, to: number): void {
    const positive = this.#positive.countMany(values, from, to, 1);
    let zero = 0;
    let skipped = 0;
    if (positive < to - from) {
      for (let i = from; i < to; i++) {
        const value = values[i]!;
        if (value === 0) zero++;
        else if (value - value !== 0) skipped++;
      }
    }
    const rest = to - from - positive - zero - skipped;
    if (rest > 0) this.#negative.countMany(values, from, to, -1);
    this.#zero += zero;
    this.#totalCount += positive + zero + rest;
  }

  /** Adds counts of the keys from `lowest` on. */
  updateBins(counts: Int32Array, lowest: number): void {
    for (let i = 0; i < counts.length; i++) {
      const count = counts[i]!;
      if (count === 0) continue;
      const key = lowest + i;
      if (key > 0) this.#positive.add(key, count);
      else if (key < 0) this.#negative.add(-key, count);
      else this.#zero += count;
      this.#totalCount += count;
    }
  }

  /** Takes each of `values[0, size)`, all of them finite, `counts[i]` times. */
  updateCounted(values: Float64Array, counts: Float64Array, size: number): void {
    for (let i = 0; i < size; i++) {
      const value = values[i]!;
      const count = counts[i]!;
      if (value > 0) this.#positive.add(magnitudeKey(value), count);
      else if (value < 0) this.#negative.add(magnitudeKey(value), count);
      else this.#zero += count;
      this.#totalCount += count;
    }
  }

  /** As new; keeps its arrays for what comes. */
  clear(): void {
    this.#zero = 0;
    this.#totalCount = 0;
    this.#positive.clear();
    this.#negative.clear();
  }

  merge(other: LogLinearHistogram): void {
    this.#zero += other.#zero;
    this.#totalCount += other.#totalCount;
    this.#positive.merge(other.#positive);
    this.#negative.merge(other.#negative);
  }

  /** The bins that hold values, ascending. */
  bins(): HistogramBin[] {
    return this.#keys().map((key) => {
      const [lower, upper] = LogLinearHistogram.boundsOf(key);
      return { key, lower, upper, count: this.countOf(key) };
    });
  }

  countOf(key: number): number {
    if (key === 0) return this.#zero;
    return key > 0 ? this.#positive.count(key) : this.#negative.count(-key);
  }

  /** Version, varint of the number of bins, then for each, ascending: varint of key + 826, varint of the count. */
  write(w: ByteWriter): void {
    const keys = this.#keys();
    w.u8(VERSION);
    w.varint(keys.length);
    for (const key of keys) {
      w.varint(key + OVERFLOW_KEY);
      w.varint(this.countOf(key));
    }
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(r: ByteReader): LogLinearHistogram {
    r.version(VERSION, "LogLinearHistogram");
    const histogram = new LogLinearHistogram();
    const bins = r.count(2);
    const keys = new Int32Array(bins);
    const counts = new Float64Array(bins);
    let previous = -OVERFLOW_KEY - 1;
    for (let i = 0; i < bins; i++) {
      const key = r.varint() - OVERFLOW_KEY;
      const count = r.varint();
      if (key <= previous || key > OVERFLOW_KEY || count === 0) {
        throw corrupt(`LogLinearHistogram with ${count} values in bin ${key} after bin ${previous}`);
      }
      previous = key;
      histogram.#totalCount += count;
      keys[i] = key;
      counts[i] = count;
    }
    let at = 0;
    while (at < bins && keys[at]! < 0) at++;
    histogram.#negative.addOrdered(keys.subarray(0, at).map(Math.abs), counts);
    if (keys[at] === 0) histogram.#zero = counts[at++]!;
    histogram.#positive.addOrdered(keys.subarray(at), counts.subarray(at));
    if (histogram.#totalCount > Number.MAX_SAFE_INTEGER) throw corrupt("LogLinearHistogram with more than 2^53 values");
    return histogram;
  }

  /**
   * Key of the bin that holds `value`; ±∞ belong to the overflow bins.
   * @throws {RangeError} for NaN.
   */
  static binOf(value: number): number {
    if (Number.isNaN(value)) throw new RangeError("Cannot choose a bin: the value is NaN");
    if (value === 0) return 0;
    return value > 0 ? magnitudeKey(value) : -magnitudeKey(value);
  }

  /** Edges of a bin. */
  static boundsOf(key: number): readonly [lower: number, upper: number] {
    if (!Number.isInteger(key) || Math.abs(key) > OVERFLOW_KEY) {
      throw new RangeError(
        `Cannot tell the bounds of bin ${key}: expected an integer from -${OVERFLOW_KEY} to ${OVERFLOW_KEY}`,
      );
    }
    if (key === 0) return [0, 0];
    const near = lowerEdge(Math.abs(key));
    const far = lowerEdge(Math.abs(key) + 1);
    return key > 0 ? [near, far] : [-far, 0 - near];
  }

  #keys(): number[] {
    const negative = this.#negative.keys().map((key) => -key);
    negative.reverse();
    return [...negative, ...(this.#zero > 0 ? [0] : []), ...this.#positive.keys()];
  }
}

/** Counts of the keys `[base, base + counts.length)`: only the range that occurs is held. */
class KeyWindow {
  #base = 0;
  #counts = new Float64Array(0);

  add(key: number, count: number): void {
    let index = key - this.#base;
    if (index < 0 || index >= this.#counts.length) {
      this.#cover(key, key);
      index = key - this.#base;
    }
    this.#counts[index]! += count;
  }

  /** Counts the finite ones of `values[from, to)` that are of this sign, and says how many there were. */
  countMany(values: Float64Array, from: number, to: number, sign: 1 | -1): number {
    let base = this.#base;
    let counts = this.#counts;
    let taken = 0;
    for (let i = from; i < to; i++) {
      const magnitude = values[i]! * sign;
      if (!(magnitude > 0 && magnitude < Number.POSITIVE_INFINITY)) continue;
      const key = magnitudeKey(magnitude);
      if (key < base || key >= base + counts.length) {
        this.#cover(key, key);
        base = this.#base;
        counts = this.#counts;
      }
      counts[key - base] = counts[key - base]! + 1;
      taken++;
    }
    return taken;
  }

  /** Several keys, in order one way or the other, for which room is made once. */
  addOrdered(keys: Int32Array, counts: Float64Array): void {
    if (keys.length === 0) return;
    const [first, last] = [keys[0]!, keys[keys.length - 1]!];
    this.#cover(Math.min(first, last), Math.max(first, last));
    for (let i = 0; i < keys.length; i++) this.#counts[keys[i]! - this.#base]! += counts[i]!;
  }

  clear(): void {
    this.#counts.fill(0);
  }

  count(key: number): number {
    return this.#counts[key - this.#base] ?? 0;
  }

  merge(other: KeyWindow): void {
    const length = other.#counts.length;
    if (length === 0) return;
    this.#cover(other.#base, other.#base + length - 1);
    const shift = other.#base - this.#base;
    for (let i = 0; i < length; i++) this.#counts[i + shift]! += other.#counts[i]!;
  }

  /** Keys with a count, ascending. */
  keys(): number[] {
    const keys: number[] = [];
    for (let i = 0; i < this.#counts.length; i++) if (this.#counts[i]! > 0) keys.push(this.#base + i);
    return keys;
  }

  #cover(first: number, last: number): void {
    const empty = this.#counts.length === 0;
    // Whole octaves, so that a column that drifts does not copy for each new bin.
    const from = Math.floor((empty ? first : Math.min(first, this.#base)) / BINS_PER_OCTAVE) * BINS_PER_OCTAVE;
    const end = empty ? last + 1 : Math.max(last + 1, this.#base + this.#counts.length);
    const length = Math.ceil((end - from) / BINS_PER_OCTAVE) * BINS_PER_OCTAVE;
    if (from === this.#base && length === this.#counts.length) return;
    const counts = new Float64Array(length);
    if (!empty) counts.set(this.#counts, this.#base - from);
    this.#base = from;
    this.#counts = counts;
  }
}

function magnitudeKey(value: number): number {
  DOUBLE[0] = value;
  const key = ((WORDS[HIGH_WORD]! & 0x7fffffff) >>> KEY_SHIFT) - KEY_OFFSET;
  if (key < FIRST_KEY) return UNDERFLOW_KEY;
  return Math.min(key, OVERFLOW_KEY);
}

/** Lower edge of the bin of a positive key; of OVERFLOW_KEY + 1: ∞. */
function lowerEdge(key: number): number {
  if (key === UNDERFLOW_KEY) return 0;
  if (key > OVERFLOW_KEY) return Number.POSITIVE_INFINITY;
  const octave = Math.floor((key - FIRST_KEY) / BINS_PER_OCTAVE);
  const bin = (key - FIRST_KEY) % BINS_PER_OCTAVE;
  return 2 ** (octave + LOWEST_EXPONENT) * (1 + bin / BINS_PER_OCTAVE);
}

const DOUBLE = new Float64Array(1);
const WORDS = new Int32Array(DOUBLE.buffer);
/** Platforms with the high word first exist. */
const HIGH_WORD = new Uint8Array(Int32Array.of(1).buffer)[0] === 1 ? 1 : 0;
