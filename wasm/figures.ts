/**
 * AssemblyScript source of the kernels that take a whole column's figures where the column lies: numbers, the shapes of texts,
 * and what is to be looked up of hashes. Each gives, bit for bit, what the loops do that TypeScript has of it: sums are added in the
 * same order. `npm run build:wasm` compiles this into `src/sketches/figures-wasm-module.ts`; a test compares the two.
 *
 * Every pointer is an address in the module's memory.
 */
/** As in `log-linear-histogram.ts`. */
const OVERFLOW_BIN: i32 = 826;
const BINS: usize = 2 * 826 + 1;
const KEY_SHIFT: i32 = 17;
const KEY_OFFSET: i32 = (1023 - 40) * 8 - 2;

/** As in `text-shape.ts`. */
const SHAPE_RANGE: f64 = 2097152;
const PATTERN_BITS: u32 = 18;
const MORE: u32 = 1 << 18;
const NUMBER: u32 = 1 << 19;
const DATE: u32 = 1 << 20;
const DIGITS: u32 = 3;
const OTHER_ASCII: u32 = 5;

/**
 * Of at least one finite number, none of them -0: to `out` as doubles the sum, the sums of the distances from the first and of their
 * squares, minimum and maximum, then as doubles how many are 0, negative, no integers, and the lowest and the highest bin. `bins`: room for 1653
 * counters of 32 bits, -826 to 826, or 0 where nobody wants them.
 */
export function describe(values: usize, count: i32, bins: usize, out: usize): void {
  const end = values + ((<usize>count) << 3);
  const shift = load<f64>(values);
  let sum: f64 = 0;
  let distances: f64 = 0;
  let squares: f64 = 0;
  let min = shift;
  let max = shift;
  let zeros = 0;
  let negatives = 0;
  let fractions = 0;
  for (let at = values; at < end; at += 8) {
    const value = load<f64>(at);
    const distance = value - shift;
    sum += value;
    distances += distance;
    squares += distance * distance;
    min = value < min ? value : min;
    max = value > max ? value : max;
    zeros += i32(value == 0);
    negatives += i32(value < 0);
    fractions += i32(trunc<f64>(value) != value);
  }
  store<f64>(out, sum);
  store<f64>(out, distances, 8);
  store<f64>(out, squares, 16);
  store<f64>(out, min, 24);
  store<f64>(out, max, 32);
  store<f64>(out, <f64>zeros, 40);
  store<f64>(out, <f64>negatives, 48);
  store<f64>(out, <f64>fractions, 56);
  store<f64>(out, <f64>binOf(min), 64);
  store<f64>(out, <f64>binOf(max), 72);
  if (bins == 0) return;
  memory.fill(bins, 0, BINS << 2);
  const middle = bins + ((<usize>OVERFLOW_BIN) << 2);
  for (let at = values; at < end; at += 8) {
    const counter = middle + ((<isize>binOf(load<f64>(at))) << 2);
    store<i32>(counter, load<i32>(counter) + 1);
  }
}

/* @inline */ function binOf(value: f64): i32 {
  const high = <i32>(reinterpret<u64>(value) >> 32);
  const key = min<i32>(max<i32>(((high & 0x7fff_ffff) >> KEY_SHIFT) - KEY_OFFSET, 1), OVERFLOW_BIN);
  return value == 0 ? 0 : high < 0 ? -key : key;
}

/**
 * Of each UTF-8 text, from `origin` plus its start, the measure of `text-shape.ts`, as a double; `classes`: the class of each byte, 0 to
 * 255. 16 bytes behind each text can be read.
 */
export function measureTexts(
  origin: usize,
  starts: usize,
  lengths: usize,
  count: i32,
  classes: usize,
  out: usize,
): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    const start = origin + load<u32>(starts + (i << 2));
    store<f64>(out + (i << 3), measureOf(start, start + load<u32>(lengths + (i << 2)), classes));
  }
}

function measureOf(start: usize, end: usize, classes: usize): f64 {
  let points = 0;
  let shape: u32 = 0;
  let shift: u32 = 0;
  let before: u32 = 0;
  let at = start;
  // Without a branch on what the text says: nobody can predict that.
  for (; at < end && shift < PATTERN_BITS; at++) {
    const byte = <u32>load<u8>(at);
    const kind = <u32>load<u8>(classes + byte);
    points += i32((byte & 0xc0) != 0x80);
    const isNew = <u32>(kind != before);
    shape |= (kind * isNew) << shift;
    shift += 3 * isNew;
    before = kind;
  }
  // Six runs are there: all that matters is whether another one follows.
  for (; at < end; at++) {
    const byte = <u32>load<u8>(at);
    if (<u32>load<u8>(classes + byte) != before) {
      shape |= MORE;
      break;
    }
    points += i32((byte & 0xc0) != 0x80);
  }
  points += pointsOf(at, end);
  const first = shape & 7;
  if (first == DIGITS || first == OTHER_ASCII) {
    if (isNumber(start, end)) shape |= NUMBER;
    else if (isDate(start, end)) shape |= DATE;
  }
  return <f64>points * SHAPE_RANGE + <f64>shape;
}

/** Bytes that are no continuation of a code point. */
function pointsOf(start: usize, end: usize): i32 {
  let points = <i32>(end - start);
  let at = start;
  for (; at + 16 <= end; at += 16) {
    const bytes = v128.and(v128.load(at), i8x16.splat(<i8>0xc0));
    points -= popcnt<i32>(i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(<i8>0x80))));
  }
  for (; at < end; at++) points -= i32((<u32>load<u8>(at) & 0xc0) == 0x80);
  return points;
}

function isNumber(start: usize, end: usize): bool {
  let at = start;
  if (isSign(at)) at++;
  let next = digitsEnd(at, end);
  if (next == at) return false;
  if (next < end && (load<u8>(next) == 0x2e || load<u8>(next) == 0x2c)) {
    at = next + 1;
    next = digitsEnd(at, end);
    if (next == at) return false;
  }
  if (next < end && (load<u8>(next) | 0x20) == 0x65) {
    at = next + 1;
    if (isSign(at)) at++;
    next = digitsEnd(at, end);
    if (next == at) return false;
  }
  return next == end;
}

function isDate(start: usize, end: usize): bool {
  const first = digitsEnd(start, end);
  if (first >= end) return false;
  const joint = load<u8>(first);
  if (joint != 0x2d && joint != 0x2f && joint != 0x2e) return false;
  const second = digitsEnd(first + 1, end);
  if (second >= end || load<u8>(second) != joint) return false;
  const third = digitsEnd(second + 1, end);
  const a = <i32>(first - start);
  const b = <i32>(second - first - 1);
  const c = <i32>(third - second - 1);
  const isYearFirst = a == 4 && b == 2 && c == 2;
  const isYearLast = isShort(a) && isShort(b) && c == 4;
  if (!isYearFirst && !isYearLast) return false;
  return third == end || load<u8>(third) == 0x20 || load<u8>(third) == 0x54;
}

function isShort(digits: i32): bool {
  return digits == 1 || digits == 2;
}

/** Of what lies behind a text it says nothing that its caller would believe. */
function isSign(at: usize): bool {
  return load<u8>(at) == 0x2b || load<u8>(at) == 0x2d;
}

function digitsEnd(start: usize, end: usize): usize {
  let at = start;
  while (at < end && <u32>load<u8>(at) - 0x30 < 10) at++;
  return at;
}

/** How many words, from the second on, are not the one before. */
export function countChanges(words: usize, count: i32): i32 {
  let changes = i32x4.splat(0);
  const end = words + ((<usize>count) << 2);
  let at = words + 4;
  for (; at + 16 <= end; at += 16) changes = i32x4.sub(changes, i32x4.ne(v128.load(at), v128.load(at - 4)));
  let total =
    i32x4.extract_lane(changes, 0) +
    i32x4.extract_lane(changes, 1) +
    i32x4.extract_lane(changes, 2) +
    i32x4.extract_lane(changes, 3);
  for (; at < end; at += 4) total += i32(load<i32>(at) != load<i32>(at - 4));
  return total;
}

/** The places of the words that are, unsigned, at most `limit`: to `out`, as 32-bit integers; returns how many. */
export function findAtMost(words: usize, count: i32, limit: u32, out: usize): i32 {
  const limits = i32x4.splat(<i32>limit);
  const end = words + ((<usize>count) << 2);
  let next = out;
  let at = words;
  for (; at + 16 <= end; at += 16) {
    let found = i32x4.bitmask(i32x4.le_u(v128.load(at), limits));
    while (found != 0) {
      store<i32>(next, <i32>((at - words) >> 2) + ctz<i32>(found));
      next += 4;
      found &= found - 1;
    }
  }
  for (; at < end; at += 4) {
    if (load<u32>(at) > limit) continue;
    store<i32>(next, <i32>((at - words) >> 2));
    next += 4;
  }
  return <i32>((next - out) >> 2);
}

/** How many of the counters are 1. */
export function countOnes(counters: usize, count: i32): i32 {
  let total = 0;
  const end = counters + ((<usize>count) << 2);
  for (let at = counters; at < end; at += 4) total += i32(load<i32>(at) == 1);
  return total;
}

/** The places of all counters but the first `skipped` of those that are 1: to `out`, as 32-bit integers; returns how many. */
export function findOthers(counters: usize, count: i32, skipped: i32, out: usize): i32 {
  let next = out;
  let left = skipped;
  for (let i = 0; i < count; i++) {
    const skips = i32(load<i32>(counters + ((<usize>i) << 2)) == 1) & i32(left > 0);
    left -= skips;
    store<i32>(next, i);
    next += (<usize>(1 - skips)) << 2;
  }
  return <i32>((next - out) >> 2);
}
