/**
 * Count, mean, variance, smallest and largest of the finite values.
 *
 * Values are taken in runs of at most 1024, each summed around its own first finite value and then joined to the rest:
 * Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance", equations 1.5 (shifted data) and 2.1
 * (pairwise joining). The shift is one of the run's values, so the run's variance is at least shift distance² / 1024:
 * cancellation costs at most 3 of the 16 digits. The mean is kept as the first value ever and the distance from it, so
 * that many small joins keep the spread of timestamps around 1.7e12, whose own last digit is worth 0.0002 ms.
 * The sum is kept apart: exact for integers while it stays below 2^53. Joining in another order changes the last digits.
 *
 * Empty: everything `undefined`, count 0. NaN and ±∞ are skipped. -0 counts as 0. A figure beyond the range of a double
 * (the variance of values around 1e200) is `undefined`; count, min and max stay right.
 */
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";

const VERSION = 1;
/** Bounds the loss by cancellation; longer runs would gain no speed. */
const RUN_LENGTH = 1024;

/** Of a run of finite values, around the first of them. */
interface RunFigures {
  readonly sum: number;
  /** Sums of the distances from the shift, and of their squares. */
  readonly distances: number;
  readonly squares: number;
  readonly min: number;
  readonly max: number;
}

/** Of at most `RUN_LENGTH` finite numbers, none of them -0. */
export interface NumberFigures extends RunFigures {
  readonly count: number;
  /** The first. */
  readonly shift: number;
  readonly zeros: number;
  readonly negatives: number;
  /** Those that are no integers. */
  readonly fractions: number;
}

export class Moments {
  #count = 0;
  /** The mean is shift + offset. */
  #shift = 0;
  #offset = 0;
  /** Sum of squared distances from the mean. */
  #m2 = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  /** Finite values among `values[from, to)`. */
  get count(): number {
    return this.#count;
  }

  get mean(): number | undefined {
    return this.#count === 0 ? undefined : ifFinite(this.#shift + this.#offset);
  }

  /** Of the population: divided by the count. */
  get variance(): number | undefined {
    return this.#count === 0 ? undefined : ifFinite(this.#m2 / this.#count);
  }

  /** Of the population. */
  get stddev(): number | undefined {
    return this.#count === 0 ? undefined : ifFinite(Math.sqrt(this.#m2 / this.#count));
  }

  get min(): number | undefined {
    return this.#count === 0 ? undefined : this.#min;
  }

  get max(): number | undefined {
    return this.#count === 0 ? undefined : this.#max;
  }

  get sum(): number | undefined {
    return this.#count === 0 ? undefined : ifFinite(this.#sum);
  }

  /** Takes `values[from, to)`, without NaN and ±∞. */
  updateMany(values: Float64Array, from: number, to: number): void {
    for (let start = from; start < to; start += RUN_LENGTH)
      this.#updateRun(values, start, Math.min(to, start + RUN_LENGTH));
  }

  /** As `updateMany()` of at most 1024 finite values, whose figures somebody has taken. */
  updateDescribed(figures: NumberFigures): void {
    this.#joinRun(figures.count, figures.shift, figures);
  }

  /** Takes each of `values[0, size)`, all of them finite, `counts[i]` times. */
  updateCounted(values: Float64Array, counts: Float64Array, size: number): void {
    if (size === 0) return;
    const shift = values[0]! + 0;
    let count = 0;
    let sum = 0;
    let distances = 0;
    let min = shift;
    let max = shift;
    for (let i = 0; i < size; i++) {
      const value = values[i]!;
      const times = counts[i]!;
      count += times;
      sum += value * times;
      distances += (value - shift) * times;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    const offset = distances / count;
    // The mean is known, so the squares are taken around it: nothing is lost by cancellation.
    let m2 = 0;
    for (let i = 0; i < size; i++) {
      const distance = values[i]! - shift - offset;
      m2 += distance * distance * counts[i]!;
    }
    this.#sum += sum;
    if (min < this.#min) this.#min = min + 0;
    if (max > this.#max) this.#max = max + 0;
    this.#join(count, shift, offset, m2);
  }

  /** As new. */
  clear(): void {
    this.#count = 0;
    this.#shift = 0;
    this.#offset = 0;
    this.#m2 = 0;
    this.#sum = 0;
    this.#min = Number.POSITIVE_INFINITY;
    this.#max = Number.NEGATIVE_INFINITY;
  }

  merge(other: Moments): void {
    this.#sum += other.#sum;
    if (other.#min < this.#min) this.#min = other.#min;
    if (other.#max > this.#max) this.#max = other.#max;
    this.#join(other.#count, other.#shift, other.#offset, other.#m2);
  }

  /** Version, varint count, then (when not 0) shift, offset, m2, sum, min, max as f64. */
  write(w: ByteWriter): void {
    w.u8(VERSION);
    w.varint(this.#count);
    if (this.#count === 0) return;
    w.f64(this.#shift);
    w.f64(this.#offset);
    w.f64(this.#m2);
    w.f64(this.#sum);
    w.f64(this.#min);
    w.f64(this.#max);
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(r: ByteReader): Moments {
    r.version(VERSION, "Moments");
    const moments = new Moments();
    moments.#count = r.varint();
    if (moments.#count === 0) return moments;
    moments.#shift = r.f64();
    moments.#offset = r.f64();
    moments.#m2 = r.f64();
    moments.#sum = r.f64();
    moments.#min = r.f64();
    moments.#max = r.f64();
    const ordered = Number.isFinite(moments.#min) && Number.isFinite(moments.#max) && moments.#min <= moments.#max;
    if (!ordered || moments.#m2 < 0) throw corrupt("Moments with min above max or a negative sum of squares");
    return moments;
  }

  #updateRun(values: Float64Array, from: number, to: number): void {
    let start = from;
    while (start < to && !Number.isFinite(values[start]!)) start++;
    if (start === to) return;
    const shift = values[start]! + 0;
    let count = 0;
    let sum = 0;
    let distances = 0;
    let squares = 0;
    let min = shift;
    let max = shift;
    for (let i = start; i < to; i++) {
      const value = values[i]!;
      // NaN - NaN and ∞ - ∞ are NaN: one comparison tells every value that is not finite.
      if (value - value !== 0) continue;
      const distance = value - shift;
      count++;
      sum += value;
      distances += distance;
      squares += distance * distance;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    this.#joinRun(count, shift, { sum, distances, squares, min, max });
  }

  #joinRun(count: number, shift: number, { sum, distances, squares, min, max }: RunFigures): void {
    this.#sum += sum;
    // Adding 0 turns -0 into 0.
    if (min < this.#min) this.#min = min + 0;
    if (max > this.#max) this.#max = max + 0;
    const offset = distances / count;
    // Rounding can push the difference below 0, and a variance is never negative; NaN (∞ - ∞) must stay.
    const m2 = squares - distances * offset;
    this.#join(count, shift, offset, Math.max(0, m2));
  }

  #join(count: number, shift: number, offset: number, m2: number): void {
    if (count === 0) return;
    if (this.#count === 0) {
      this.#count = count;
      this.#shift = shift;
      this.#offset = offset;
      this.#m2 = m2;
      return;
    }
    const total = this.#count + count;
    // The shifts are near each other, so their difference is exact or nearly so.
    const delta = shift - this.#shift + (offset - this.#offset);
    const share = count / total;
    this.#m2 += m2 + delta * delta * this.#count * share;
    this.#offset += delta * share;
    this.#count = total;
  }
}

function ifFinite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}
