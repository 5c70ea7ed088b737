/**
 * KLL: quantiles and ranks of a stream of doubles in some 5 KB.
 *
 * Karnin, Lang, Liberty 2016, "Optimal quantile approximation in streams". Level h holds values that each stand for 2^h;
 * a level that is full is sorted and every second value, first or second by the toss of a coin, moves up. The top level
 * holds k values, each level below 2/3 of the one above, none less than 8. Departures: level 0 always holds k values
 * (the sort is then spread over many updates; more values at the bottom can only lower the error); when it is full, every
 * 2^h-th of its values, from a random one on, moves at once to the lowest level h that holds more than 8, as going through
 * each level between would cost most of the time; levels above are compacted only when all of them together are full, and
 * what does not divide, the smallest values, is kept back.
 *
 * Error: with k = 200 the rank of any one value is within 1.33 % of the count in 99 of 100 cases (the bound that
 * Apache DataSketches publishes for its KLL, 2.296 / k^0.9723), merged or not; exact while count <= k. `npm run prove`
 * finds the worst of all ranks within it for eight distributions, in one pass and merged from 64 parts.
 * Sketches that will be merged should get different seeds: equal coins on equal data make equal errors, which do not cancel.
 *
 * Empty: quantile, rank, min, max `undefined`. NaN is refused. ±∞ and subnormals are values like any other. -0 is taken as
 * 0. Longs beyond 2^53 come as doubles, rounded: what is exact of them is in `long-range.ts`.
 *
 * Invariants: 1. sum over levels of size * 2^level = count · 2. levels above 0 are sorted · 3. min and max are exact ·
 * 4. the levels above 0 hold at most the sum of their capacities.
 */
import { SeededRandom } from "../core/random.ts";
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";
import { decimalPlaces, isPlaces, unzigzag, zigzag } from "./decimals.ts";
import { boundsOf, sorted, sortRange } from "./sort.ts";

const VERSION = 2;
/** In place of the decimal places: values are written as they are. */
const NO_PLACES = 0xff;
/** Scaled values up to here, and the distances between them, are exact. */
const MOST_SCALED = 2 ** 51;
/** 1.33 % rank error in about 5 KB. */
const DEFAULT_K = 200;
const LEAST_K = 8;
const MOST_K = 65_535;
const LEAST_LEVEL_CAPACITY = 8;
/** Below, a view takes longer to make than the values to copy. */
const LEAST_COPIED = 64;
/** Weights up to 2^52 keep the count a safe integer. */
const MOST_LEVELS = 53;
const DEFAULT_SEED = 0x5ee_d11;

export class KllSketch {
  readonly k: number;
  #random: SeededRandom;
  #count = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  /** Level 0 is in order of arrival and grows up to k. */
  readonly #levels: Level[];
  readonly #capacities: Capacities;
  #view: SortedView | undefined;

  /** `k`: capacity of the top level, 8 to 65535, @default 200 · `seed` of the coins. */
  constructor(options: { readonly k?: number; readonly seed?: number } = {}) {
    this.k = options.k ?? DEFAULT_K;
    if (!Number.isInteger(this.k) || this.k < LEAST_K || this.k > MOST_K) {
      throw new RangeError(`Cannot create KllSketch: k is ${this.k}, expected ${LEAST_K} to ${MOST_K}`);
    }
    this.#random = new SeededRandom(options.seed ?? DEFAULT_SEED);
    this.#capacities = capacitiesOf(this.k);
    this.#levels = [new Level()];
  }

  get count(): number {
    return this.#count;
  }

  get min(): number | undefined {
    return this.#count === 0 ? undefined : this.#min;
  }

  get max(): number | undefined {
    return this.#count === 0 ? undefined : this.#max;
  }

  /** @throws {RangeError} for NaN. */
  update(value: number): void {
    ONE[0] = value;
    this.updateMany(ONE, 0, 1);
  }

  /**
   * Takes `values[from, to)`.
   * @throws {RangeError} when one of them is NaN; nothing is taken then.
   */
  updateMany(values: Float64Array, from: number, to: number): void {
    if (to <= from) return;
    const { min, max, hasNaN } = boundsOf(values, from, to);
    if (hasNaN) {
      const index = values.subarray(from, to).findIndex(Number.isNaN);
      throw new RangeError(`Cannot update KllSketch: value ${index} is NaN`);
    }
    this.#take(values, from, to, min, max, min > 0 || max < 0);
  }

  /** As `updateMany()`, of values none of which is NaN or -0, and whose bounds somebody knows. */
  updateWithin(
    values: Float64Array,
    from: number,
    to: number,
    bounds: { readonly min: number; readonly max: number },
  ): void {
    if (to > from) this.#take(values, from, to, bounds.min, bounds.max, true);
  }

  /** As new with this seed; keeps the arrays of level 0 for what comes. */
  clear(seed: number): void {
    this.#random = new SeededRandom(seed);
    this.#count = 0;
    this.#min = Number.POSITIVE_INFINITY;
    this.#max = Number.NEGATIVE_INFINITY;
    this.#levels.length = 1;
    this.#levels[0]!.size = 0;
    this.#view = undefined;
  }

  /**
   * A sketch of levels that others kept: each ascending, of level h for 2^h values each, all within [min, max].
   * Level 0 may hold more than k.
   */
  static fromLevels(parts: {
    readonly k: number;
    readonly min: number;
    readonly max: number;
    readonly levels: readonly Float64Array[];
    readonly seed?: number;
  }): KllSketch {
    const sketch = new KllSketch(parts);
    sketch.#min = parts.min;
    sketch.#max = parts.max;
    parts.levels.forEach((values, h) => {
      sketch.#level(h).mergeEvery(1, values, 0, values.length);
      sketch.#count += values.length * 2 ** h;
    });
    return sketch;
  }

  /** Copies of the levels, each ascending: a value of level h stands for 2^h. */
  levels(): Float64Array[] {
    return this.#levels.map((level) => {
      const values = level.values.slice(0, level.size);
      sortRange(values, 0, values.length);
      return values;
    });
  }

  /** @throws {Error} when the other has another k. */
  merge(other: KllSketch): void {
    if (other === this) throw new Error("Cannot merge KllSketch: the other is the sketch itself");
    if (other.k !== this.k) throw new Error(`Cannot merge KllSketch: k is ${other.k}, expected ${this.k}`);
    if (other.#count === 0) return;
    this.#count += other.#count;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
    this.#view = undefined;
    for (let h = 1; h < other.#levels.length; h++) {
      const level = other.#levels[h]!;
      this.#level(h).mergeEvery(1, level.values, 0, level.size);
    }
    this.#fillBase(other.#levels[0]!.values, 0, other.#levels[0]!.size, false);
    this.#compress();
  }

  /**
   * The smallest kept value whose rank is at least `q`; 0 gives the minimum, 1 the maximum.
   * @throws {RangeError} when `q` is outside [0, 1].
   */
  quantile(q: number): number | undefined {
    if (!(q >= 0 && q <= 1)) throw new RangeError(`Cannot tell a quantile: q is ${q}, expected 0 to 1`);
    if (this.#count === 0) return undefined;
    if (q === 0) return this.#min;
    if (q === 1) return this.#max;
    const { values, cumulative } = this.#sorted();
    // 0.07 * 100 is a little more than 7: the factor takes that back.
    const target = q * this.#count * (1 - 2 ** -50);
    return values[firstAtLeast(cumulative, target)]!;
  }

  /**
   * Share of the values that are <= `value`.
   * @throws {RangeError} for NaN.
   */
  rank(value: number): number | undefined {
    if (Number.isNaN(value)) throw new RangeError("Cannot tell a rank: the value is NaN");
    if (this.#count === 0) return undefined;
    const { values, cumulative } = this.#sorted();
    const index = firstAbove(values, value);
    return index === 0 ? 0 : cumulative[index - 1]! / this.#count;
  }

  /** Bound of the error of one rank, as a share of the count, kept in 99 of 100 cases; 0 while every value is kept. */
  normalizedRankError(): number {
    return this.#levels.length === 1 ? 0 : 2.296 / this.k ** 0.9723;
  }

  /**
   * Version, varint k, i32 state of the coins, varint count, then (when not 0) f64 min, f64 max, u8 levels, varint size of
   * each, u8 decimal places of all values (255: more than `decimalPlaces()` tries), then level by level its values, ascending:
   * without places as f64; else, of the values × 10^places, the first as a zigzag varint, then varints of the distances.
   */
  write(w: ByteWriter): void {
    w.u8(VERSION);
    w.varint(this.k);
    w.i32(this.#random.state);
    w.varint(this.#count);
    if (this.#count === 0) return;
    w.f64(this.#min);
    w.f64(this.#max);
    w.u8(this.#levels.length);
    for (const level of this.#levels) w.varint(level.size);
    // The order within level 0 is of no effect: sorting it makes the bytes of an exact sketch independent of arrival.
    const levels = this.levels();
    const values = new Float64Array(levels.reduce((items, level) => items + level.length, 0));
    let filled = 0;
    for (const level of levels) {
      values.set(level, filled);
      filled += level.length;
    }
    const places = decimalPlaces(values, filled, MOST_SCALED);
    w.u8(places ?? NO_PLACES);
    if (places === undefined) w.f64s(values, 0, filled);
    else for (const level of levels) writeDecimals(w, level, 10 ** places);
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(r: ByteReader): KllSketch {
    r.version(VERSION, "KllSketch");
    const k = r.varint();
    if (k < LEAST_K || k > MOST_K) throw corrupt(`KllSketch with k ${k}, expected ${LEAST_K} to ${MOST_K}`);
    const sketch = new KllSketch({ k, seed: r.i32() });
    const count = r.varint();
    if (count === 0) return sketch;
    const min = r.f64();
    const max = r.f64();
    const sizes = readSizes(r, k, count);
    const places = r.u8();
    if (places !== NO_PLACES && !isPlaces(places)) throw corrupt(`KllSketch of ${places} decimal places`);
    const least = places === NO_PLACES ? 8 : 1;
    const items = sizes.reduce((sum, size) => sum + size, 0);
    if (items * least > r.remaining) throw corrupt(`KllSketch with ${items} values, but ${r.remaining} bytes are left`);
    const factor = 10 ** places;
    for (let h = 0; h < sizes.length; h++) {
      const level = sketch.#level(h);
      level.reserve(sizes[h]!);
      let previous = min;
      let scaled = 0;
      for (let i = 0; i < sizes[h]!; i++) {
        let value: number;
        if (places === NO_PLACES) {
          value = r.f64();
        } else {
          scaled += i === 0 ? unzigzag(r.varint()) : r.varint();
          if (!(Math.abs(scaled) <= MOST_SCALED)) throw corrupt(`KllSketch with ${scaled} of ${places} decimal places`);
          value = scaled / factor;
        }
        if (!(value >= previous && value <= max))
          throw corrupt(`KllSketch with ${value} after ${previous} in level ${h}`);
        level.values[i] = value;
        previous = value;
      }
      level.size = sizes[h]!;
    }
    sketch.#count = count;
    sketch.#min = min;
    sketch.#max = max;
    return sketch;
  }

  #take(values: Float64Array, from: number, to: number, min: number, max: number, isClean: boolean): void {
    if (min < this.#min) this.#min = min + 0;
    if (max > this.#max) this.#max = max + 0;
    this.#count += to - from;
    this.#view = undefined;
    this.#fillBase(values, from, to, isClean);
  }

  #level(h: number): Level {
    while (this.#levels.length <= h) this.#levels.push(new Level());
    return this.#levels[h]!;
  }

  /** `isClean`: without -0, which adding 0 turns into 0. */
  #fillBase(values: Float64Array, from: number, to: number, isClean: boolean): void {
    const base = this.#levels[0]!;
    let next = from;
    while (next < to) {
      if (base.size >= this.k) {
        this.#compactBase();
        this.#compress();
      }
      const taken = Math.min(to - next, this.k - base.size);
      base.reserve(base.size + taken, this.k);
      if (isClean && taken >= LEAST_COPIED) base.values.set(values.subarray(next, next + taken), base.size);
      else for (let i = 0; i < taken; i++) base.values[base.size + i] = values[next + i]! + 0;
      base.size += taken;
      next += taken;
    }
  }

  /**
   * Moves every 2^h-th value of level 0 to level h, the lowest whose capacity is more than the least. What does not divide
   * by 2^h, the smallest ones, stays.
   */
  #compactBase(): void {
    const base = this.#levels[0]!;
    const top = this.#levels.length - 1;
    let h = 1;
    while (h < top && 2 << h <= base.size && this.#capacities.each[top - h] === LEAST_LEVEL_CAPACITY) h++;
    const stride = 1 << h;
    const rest = base.size % stride;
    const ascending = sorted(base.values, base.size);
    this.#level(h).mergeEvery(stride, ascending, rest + this.#random.below(stride), (base.size - rest) / stride);
    for (let i = 0; i < rest; i++) base.values[i] = ascending[i]!;
    base.size = rest;
  }

  /** Moves every second value of level `h`, above 0, up; half of them are gone, the weight stays. */
  #compact(h: number): void {
    const above = this.#level(h + 1);
    const level = this.#levels[h]!;
    const odd = level.size & 1;
    above.mergeEvery(2, level.values, odd + this.#random.bit(), level.size >>> 1);
    level.size = odd;
  }

  /** Restores invariant 4. */
  #compress(): void {
    const levels = this.#levels;
    const { each, upTo } = this.#capacities;
    for (;;) {
      const top = levels.length - 1;
      let size = 0;
      for (let h = 1; h <= top; h++) size += levels[h]!.size;
      if (size <= upTo[top]!) return;
      let full = 1;
      while (levels[full]!.size < each[top - full]!) full++;
      this.#compact(full);
    }
  }

  #sorted(): SortedView {
    this.#view ??= sortedView(this.#levels, this.#count);
    return this.#view;
  }
}

/** Kept values ascending, and for each the weight of all up to it. */
interface SortedView {
  readonly values: Float64Array;
  readonly cumulative: Float64Array;
}

class Level {
  values = new Float64Array(8);
  size = 0;

  /** `most`: what will ever be asked for. */
  reserve(capacity: number, most = Number.POSITIVE_INFINITY): void {
    if (capacity <= this.values.length) return;
    const larger = new Float64Array(Math.max(capacity, Math.min(most, this.values.length * 2)));
    larger.set(this.values.subarray(0, this.size));
    this.values = larger;
  }

  /** Merges the sorted `source[from + stride * i]`, i in [0, count), into this sorted level. */
  mergeEvery(stride: number, source: Float64Array, from: number, count: number): void {
    this.reserve(this.size + count);
    const values = this.values;
    let mine = this.size - 1;
    let theirs = count - 1;
    let target = this.size + count - 1;
    while (theirs >= 0 && mine >= 0) {
      const a = values[mine]!;
      const b = source[from + stride * theirs]!;
      if (a > b) {
        values[target--] = a;
        mine--;
      } else {
        values[target--] = b;
        theirs--;
      }
    }
    for (; theirs >= 0; theirs--) values[target--] = source[from + stride * theirs]!;
    this.size += count;
  }
}

/** Reads and checks the level sizes: nothing is allocated for values that are not there. */
function readSizes(r: ByteReader, k: number, count: number): number[] {
  const height = r.u8();
  if (height < 1 || height > MOST_LEVELS) throw corrupt(`KllSketch with ${height} levels`);
  const sizes: number[] = [];
  let items = 0;
  let weight = 0;
  let capacity = k;
  for (let h = 0; h < height; h++) {
    const size = r.varint();
    sizes.push(size);
    items += size;
    weight += size * 2 ** h;
    if (h > 0) capacity += capacityOf(k, height - 1 - h);
  }
  if (sizes[0]! > k || items > capacity || weight !== count) {
    throw corrupt(
      `KllSketch with ${items} values of weight ${weight}, expected at most ${capacity} of weight ${count}`,
    );
  }
  return sizes;
}

function writeDecimals(w: ByteWriter, values: Float64Array, factor: number): void {
  let before = 0;
  for (let i = 0; i < values.length; i++) {
    const scaled = Math.round(values[i]! * factor);
    w.varint(i === 0 ? zigzag(scaled) : scaled - before);
    before = scaled;
  }
}

/** Of the levels above 0, by how far a level is below the top one. */
interface Capacities {
  readonly each: Int32Array;
  /** Of so many levels together. */
  readonly upTo: Float64Array;
}

function capacitiesOf(k: number): Capacities {
  let capacities = CAPACITIES.get(k);
  if (capacities === undefined) {
    const each = Int32Array.from(SHRINK, (_, depth) => capacityOf(k, depth));
    const upTo = new Float64Array(each.length + 1);
    for (let depth = 0; depth < each.length; depth++) upTo[depth + 1] = upTo[depth]! + each[depth]!;
    capacities = { each, upTo };
    if (CAPACITIES.size === MOST_CAPACITIES) CAPACITIES.clear();
    CAPACITIES.set(k, capacities);
  }
  return capacities;
}

function capacityOf(k: number, depth: number): number {
  return Math.max(LEAST_LEVEL_CAPACITY, Math.ceil(k * SHRINK[depth]!));
}

function sortedView(levels: readonly Level[], count: number): SortedView {
  const items = levels.reduce((sum, level) => sum + level.size, 0);
  const values = new Float64Array(items);
  const weights = new Float64Array(items);
  const base = levels[0]!;
  values.set(base.values.subarray(0, base.size));
  sortRange(values, 0, base.size);
  weights.fill(1, 0, base.size);
  let size = base.size;
  for (let h = 1; h < levels.length; h++) {
    const level = levels[h]!;
    const weight = 2 ** h;
    let mine = size - 1;
    let theirs = level.size - 1;
    let target = size + level.size - 1;
    while (theirs >= 0) {
      const taken = mine >= 0 && values[mine]! > level.values[theirs]!;
      values[target] = taken ? values[mine]! : level.values[theirs]!;
      weights[target] = taken ? weights[mine]! : weight;
      target--;
      if (taken) mine--;
      else theirs--;
    }
    size += level.size;
  }
  for (let i = 1; i < items; i++) weights[i]! += weights[i - 1]!;
  if (items > 0 && weights[items - 1] !== count) throw new Error("KllSketch: weights do not add up to the count");
  return { values, cumulative: weights };
}

function firstAtLeast(ascending: Float64Array, target: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! >= target) high = middle;
    else low = middle + 1;
  }
  return low;
}

function firstAbove(ascending: Float64Array, target: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! > target) high = middle;
    else low = middle + 1;
  }
  return low;
}

const ONE = new Float64Array(1);
/** By k, of which sketches that others wrote may have many. */
const MOST_CAPACITIES = 64;
const CAPACITIES = new Map<number, Capacities>();
/** (2/3)^depth: KLL's proof wants capacities that shrink geometrically, and 2/3 is near the best ratio. */
const SHRINK = Float64Array.from({ length: MOST_LEVELS + 1 }, (_, depth) => (2 / 3) ** depth);
