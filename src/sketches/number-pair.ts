/**
 * How two numbers of the same rows go together: the correlation of their positions, and the moments of their difference.
 *
 * The correlation is Pearson's, of positions instead of the numbers: a fixed monotone transform, linear up to 1 and of the
 * logarithm beyond, in which a wild value weighs no more than the octaves that it is away. (The keys of `LogLinearHistogram` would not
 * do: as many of its bins lie between 0 and 1 as between 1 and 10^12, and of numbers of either sign only the sign would count.)
 * Positions are integers of at most 2^14, so the five sums are exact up to 3 · 10^7 rows, whatever the numbers, and the correlation
 * is the same in every split and order; beyond that its last digits may differ. Two numbers of which one stays at one position (1/256,
 * beyond 1 some 0.3 %) have none. The difference is first − second, by `Moments`: joined in another order its last digits change.
 *
 * Rows in which one of the two is absent, NaN or ±∞ are not counted. A difference beyond the range of a double is skipped by the moments.
 */
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";
import { Moments } from "./moments.ts";

const VERSION = 1;

/** One of the two numbers, by row. */
export interface PairSide {
  /** NaN where there is none. */
  readonly values: Float64Array;
  /** See `positionsOf()`. */
  readonly positions: Float64Array;
}

export class NumberPair {
  /** First − second. */
  readonly gaps: Moments;
  #count = 0;
  #sumX = 0;
  #sumY = 0;
  #sumXX = 0;
  #sumYY = 0;
  #sumXY = 0;

  constructor(gaps: Moments = new Moments()) {
    this.gaps = gaps;
  }

  /** Rows that have both numbers. */
  get count(): number {
    return this.#count;
  }

  /** From −1 to 1; `undefined` where one of the two stays at one position. */
  correlation(): number | undefined {
    const n = this.#count;
    const spreadX = n * this.#sumXX - this.#sumX * this.#sumX;
    const spreadY = n * this.#sumYY - this.#sumY * this.#sumY;
    if (!(spreadX > 0 && spreadY > 0)) return undefined;
    const together = (n * this.#sumXY - this.#sumX * this.#sumY) / Math.sqrt(spreadX) / Math.sqrt(spreadY);
    return Math.max(-1, Math.min(1, together));
  }

  /** Takes the rows `order[from, to)`. */
  updateMany(first: PairSide, second: PairSide, order: Int32Array, from: number, to: number): void {
    if (GAPS.length < to - from) GAPS = new Float64Array(2 * (to - from));
    const gaps = GAPS;
    let count = 0;
    let sumX = 0;
    let sumY = 0;
    let sumXX = 0;
    let sumYY = 0;
    let sumXY = 0;
    const { values: firsts, positions: xs } = first;
    const { values: seconds, positions: ys } = second;
    for (let i = from; i < to; i++) {
      const row = order[i]!;
      const gap = firsts[row]! - seconds[row]!;
      // One of the two is absent.
      if (Number.isNaN(gap)) continue;
      const x = xs[row]!;
      const y = ys[row]!;
      gaps[count++] = gap;
      sumX += x;
      sumY += y;
      sumXX += x * x;
      sumYY += y * y;
      sumXY += x * y;
    }
    if (count === 0) return;
    this.gaps.updateMany(gaps, 0, count);
    this.#add(count, sumX, sumY, sumXX, sumYY, sumXY);
  }

  merge(other: NumberPair): void {
    this.gaps.merge(other.gaps);
    this.#add(other.#count, other.#sumX, other.#sumY, other.#sumXX, other.#sumYY, other.#sumXY);
  }

  /** Version, varint count, then sums of x, y, xx, yy, xy as f64, then the moments of the difference. */
  write(w: ByteWriter): void {
    w.u8(VERSION);
    w.varint(this.#count);
    for (const sum of [this.#sumX, this.#sumY, this.#sumXX, this.#sumYY, this.#sumXY]) w.f64(sum);
    this.gaps.write(w);
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(r: ByteReader): NumberPair {
    r.version(VERSION, "NumberPair");
    const count = r.varint();
    const sums = Array.from({ length: 5 }, () => r.f64());
    const pair = new NumberPair(Moments.read(r));
    if (!sums.every(Number.isInteger) || pair.gaps.count > count) {
      throw corrupt(`NumberPair of ${count} rows with sums ${sums.join(", ")} and ${pair.gaps.count} differences`);
    }
    pair.#add(count, sums[0]!, sums[1]!, sums[2]!, sums[3]!, sums[4]!);
    return pair;
  }

  #add(count: number, sumX: number, sumY: number, sumXX: number, sumYY: number, sumXY: number): void {
    this.#count += count;
    this.#sumX += sumX;
    this.#sumY += sumY;
    this.#sumXX += sumXX;
    this.#sumYY += sumYY;
    this.#sumXY += sumXY;
  }
}

/**
 * Positions of `values[0, count)`, which are as many as `words` says twice (`wordsOf()`): of |x| < 1, |x| in 256ths; of 2^e · (1 + f),
 * 1 + e + f in 256ths, up to 2^62; with the sign of x. Of NaN, anything.
 */
export function positionsOf(values: Float64Array, words: Int32Array, count: number, into: Float64Array): void {
  for (let i = 0; i < count; i++) {
    const high = words[2 * i + HIGH_WORD]!;
    const magnitude = high & 0x7fffffff;
    if (magnitude < HIGH_WORD_OF_1) {
      into[i] = Math.trunc(values[i]! * PER_OCTAVE);
      continue;
    }
    // The exponent, and the first 8 bits of the fraction behind it.
    const position = Math.min(MOST, (magnitude >>> FRACTION_SHIFT) - ONE + PER_OCTAVE);
    into[i] = high < 0 ? -position : position;
  }
}

/** The words of doubles, to be read beside them. */
export function wordsOf(values: Float64Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, 2 * values.length);
}

const PER_OCTAVE = 256;
const FRACTION_SHIFT = 12;
/** Of 1: its exponent is 1023. */
const ONE = 1023 * PER_OCTAVE;
const HIGH_WORD_OF_1 = ONE << FRACTION_SHIFT;
const MOST = 63 * PER_OCTAVE;
/** Platforms with the high word first exist. */
const HIGH_WORD = new Uint8Array(Int32Array.of(1).buffer)[0] === 1 ? 1 : 0;

/** Scratch. */
let GAPS = new Float64Array(1024);
