/**
 * KLL sketches as the bytes of Apache DataSketches' `kll_doubles_sketch`, m = 8. All numbers are little-endian.
 *
 *     byte 0      preamble size in 4 bytes: 2 when empty or of one value, else 5
 *          1, 2   serial version: 2 of one value, else 1 · family 15
 *          3      flags: 1 empty, 2 level 0 is sorted, 4 one value
 *          4, 6   k (u16) · m = 8 (u8), then a zero
 *     one value   8: the value (f64)
 *     others      8: n (u64) · 16: the least k of all that was merged (u16) · 18: levels (u8), then a zero
 *                 20: offset of each level's values in an array of all levels' capacity (u32) · min, max (f64) ·
 *                 the values, level by level (f64)
 *
 * Our level 0 holds more than DataSketches has room for. When written, levels are compacted until they fit, on a copy: a
 * sketch that still holds every value (count <= k) loses nothing.
 */
import { SeededRandom } from "../core/random.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { KllSketch } from "./kll-sketch.ts";
import { sortRange } from "./sort.ts";

const SHORT_PREAMBLE = 2;
const FULL_PREAMBLE = 5;
const SERIAL_VERSION = 1;
const SERIAL_VERSION_OF_ONE = 2;
const FAMILY = 15;
const EMPTY = 1;
const SORTED = 2;
const ONE_VALUE = 4;
const M = 8;
/** DataSketches' own limits. */
const LEAST_K = 8;
const MOST_LEVELS = 61;

export function writeKll(sketch: KllSketch): Uint8Array {
  const { k, count } = sketch;
  const w = new ByteWriter();
  const isShort = count <= 1;
  w.u8(isShort ? SHORT_PREAMBLE : FULL_PREAMBLE);
  w.u8(count === 1 ? SERIAL_VERSION_OF_ONE : SERIAL_VERSION);
  w.u8(FAMILY);
  w.u8(count === 0 ? EMPTY : count === 1 ? ONE_VALUE : SORTED);
  w.u16(k);
  w.u8(M);
  w.u8(0);
  if (count === 1) w.f64(sketch.min!);
  if (isShort) return w.finish();
  const levels = fitted(sketch.levels(), k, count);
  w.u64(count);
  w.u16(k);
  w.u8(levels.length);
  w.u8(0);
  let offset = capacityOf(k, levels.length) - levels.reduce((sum, level) => sum + level.length, 0);
  for (const level of levels) {
    w.u32(offset);
    offset += level.length;
  }
  w.f64(sketch.min!);
  w.f64(sketch.max!);
  for (const level of levels) w.f64s(level, 0, level.length);
  return w.finish();
}

/** @throws {StreamgaugeError} `SG_CORRUPT` with the position of what is not as it should be. */
export function readKll(bytes: Uint8Array): KllSketch {
  const r = new ByteReader(bytes);
  const preamble = r.u8();
  const version = r.u8();
  r.exactly(FAMILY, "family");
  const flags = r.u8();
  r.demand((flags & ~(EMPTY | SORTED | ONE_VALUE)) === 0, 3, `flags ${flags}`, "none beside 7");
  const k = r.u16();
  r.demand(k >= LEAST_K, 4, `k ${k}`, `at least ${LEAST_K}`);
  r.exactly(M, "m");
  r.exactly(0, "unused byte");
  const isEmpty = (flags & EMPTY) !== 0;
  const isOne = (flags & ONE_VALUE) !== 0;
  r.demand(!(isEmpty && isOne), 3, `flags ${flags}`, "empty or one value");
  const preambleExpected = isEmpty || isOne ? SHORT_PREAMBLE : FULL_PREAMBLE;
  r.demand(preamble === preambleExpected, 0, `preamble of ${preamble} ints`, String(preambleExpected));
  const versionExpected = isOne ? SERIAL_VERSION_OF_ONE : SERIAL_VERSION;
  r.demand(version === versionExpected, 1, `serial version ${version}`, String(versionExpected));
  if (isEmpty) {
    r.end();
    return new KllSketch({ k });
  }
  if (isOne) {
    const value = readNumber(r);
    r.end();
    return KllSketch.fromLevels({ k, min: value, max: value, levels: [Float64Array.of(value)] });
  }
  return readLevels(r, k, (flags & SORTED) !== 0);
}

function readLevels(r: ByteReader, k: number, isSorted: boolean): KllSketch {
  const count = r.u64();
  r.demand(count > 0, 8, "n 0", "at least 1");
  const leastK = r.u16();
  r.demand(leastK === k, 16, `least k ${leastK}`, `${k}: the error of a mixed sketch is not known`);
  const height = r.u8();
  r.demand(height >= 1 && height <= MOST_LEVELS, 18, `${height} levels`, `1 to ${MOST_LEVELS}`);
  r.exactly(0, "unused byte");
  const sizes = readSizes(r, capacityOf(k, height), height, count);
  const items = sizes.reduce((sum, size) => sum + size, 0);
  const expected = (items + 2) * 8;
  r.demand(r.remaining === expected, r.position, `${r.remaining} bytes`, `${expected}: bounds and ${items} values`);
  const min = readNumber(r);
  const maxAt = r.position;
  const max = readNumber(r);
  r.demand(min <= max, maxAt, `maximum ${max}`, `at least ${min}, the minimum`);
  const levels = sizes.map((size, h) => {
    const level = new Float64Array(size);
    let previous = min;
    for (let i = 0; i < size; i++) {
      const at = r.position;
      const value = readNumber(r);
      const least = h > 0 || isSorted ? previous : min;
      r.demand(value >= least && value <= max, at, `${value} in level ${h}`, `${least} to ${max}`);
      level[i] = value;
      previous = value;
    }
    sortRange(level, 0, size);
    return level;
  });
  return KllSketch.fromLevels({ k, min, max, levels });
}

/** Sizes of the levels from their offsets; nothing is allocated for values that are not there. */
function readSizes(r: ByteReader, capacity: number, height: number, count: number): number[] {
  const start = r.position;
  const offsets: number[] = [];
  for (let h = 0; h < height; h++) {
    const at = r.position;
    const offset = r.u32();
    const previous = offsets.at(-1) ?? 0;
    r.demand(offset >= previous && offset <= capacity, at, `offset ${offset}`, `${previous} to ${capacity}`);
    offsets.push(offset);
  }
  const sizes = offsets.map((offset, h) => (offsets[h + 1] ?? capacity) - offset);
  const weight = sizes.reduce((sum, size, h) => sum + size * 2 ** h, 0);
  r.demand(weight === count, start, `levels of weight ${weight}`, `${count}, which is n`);
  return sizes;
}

/** -0 is taken as 0. */
function readNumber(r: ByteReader): number {
  const at = r.position;
  const value = r.f64();
  r.demand(!Number.isNaN(value), at, "NaN", "a number");
  return value + 0;
}

/** The same weight in no more values than DataSketches has room for. */
function fitted(levels: Float64Array[], k: number, seed: number): readonly Float64Array[] {
  const random = new SeededRandom(seed);
  let size = levels.reduce((sum, level) => sum + level.length, 0);
  while (size > capacityOf(k, levels.length)) {
    const h = levels.findIndex((level, at) => level.length >= levelCapacity(k, levels.length - 1 - at));
    const full = levels[h]!;
    const odd = full.length & 1;
    const offset = odd + random.bit();
    const half = full.length >>> 1;
    const above = levels[h + 1] ?? new Float64Array(0);
    const joined = new Float64Array(above.length + half);
    joined.set(above);
    for (let i = 0; i < half; i++) joined[above.length + i] = full[offset + 2 * i]!;
    sortRange(joined, 0, joined.length);
    levels[h] = full.subarray(0, odd);
    levels[h + 1] = joined;
    size -= half;
  }
  return levels;
}

function capacityOf(k: number, height: number): number {
  let sum = 0;
  for (let depth = 0; depth < height; depth++) sum += levelCapacity(k, depth);
  return sum;
}

/** k (2/3)^depth as DataSketches rounds it, at least m. */
function levelCapacity(k: number, depth: number): number {
  if (depth <= DEPTH_AT_ONCE) return Math.max(M, scaled(k, depth));
  const half = depth >>> 1;
  return Math.max(M, scaled(scaled(k, half), depth - half));
}

/** Integers of up to 48 bits, which a double holds. */
function scaled(k: number, depth: number): number {
  return Math.floor((Math.floor((2 * k * 2 ** depth) / 3 ** depth) + 1) / 2);
}

/** Up to here k 2^depth fits into DataSketches' arithmetic. */
const DEPTH_AT_ONCE = 30;
