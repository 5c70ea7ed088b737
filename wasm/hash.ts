/**
 * AssemblyScript source of the hash kernels: MurmurHash3 x64-128 (Appleby, public domain) with seed 9001, as Apache
 * DataSketches hashes. JavaScript has no 64-bit multiplication, so the plain form (`src/sketches/murmur3.ts`, which
 * gives the same results) is some twenty times slower. `npm run build:wasm` compiles this into
 * `src/sketches/hash-wasm-module.ts`; a test compares the two.
 *
 * Every pointer is an address in the module's memory. What is written for each value is described in `murmur3.ts`.
 */
const SEED: u64 = 9001;
const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;
const EXPONENT: u64 = 0x7ff0_0000_0000_0000;
const CANONICAL_NAN: u64 = 0x7ff8_0000_0000_0000;
const MINUS_ZERO: u64 = 0x8000_0000_0000_0000;
const MAX_SAFE: f64 = 9_007_199_254_740_991;
/** What `hashDoubles()` says of its values. */
const HAS_UNCLEAN: i32 = 1;
const HAS_UNSAFE: i32 = 2;
/** Slots of `countDistinct()`, of 16 bits each. */
const SLOTS: usize = 4096;

/**
 * Numbers, 8 bytes each: whole ones of 64 bits as integers, all others as doubles. Bit 0 of the result: NaN, ±∞ or -0 is among
 * them; bit 1: one that is no integer up to 2^53.
 */
export function hashDoubles(values: usize, count: i32, lo: usize, hi: usize): i32 {
  let told = 0;
  for (let i = 0; i < count; i++) {
    const value = load<f64>(values + ((<usize>i) << 3));
    const bits = reinterpret<u64>(value);
    if ((bits & EXPONENT) == EXPONENT || bits == MINUS_ZERO) told |= HAS_UNCLEAN;
    if (!(abs<f64>(value) <= MAX_SAFE) || trunc<f64>(value) != value) told |= HAS_UNSAFE;
    finish(SEED ^ mixedFirst(keyOf(value)), SEED, 8, lo + ((<usize>i) << 2), hi + ((<usize>i) << 2));
  }
  return told;
}

/** 64-bit integers as two arrays of words. */
export function hashWords(lows: usize, highs: usize, count: i32, lo: usize, hi: usize): void {
  for (let i = 0; i < count; i++) {
    const at = (<usize>i) << 2;
    const key = ((<u64>load<u32>(highs + at)) << 32) | <u64>load<u32>(lows + at);
    finish(SEED ^ mixedFirst(key), SEED, 8, lo + at, hi + at);
  }
}

/**
 * Byte strings, each from `origin` plus its start, a sum that may pass 2^32 and comes out at the right place; 16 bytes
 * behind each can be read.
 */
export function hashBytes(origin: usize, starts: usize, lengths: usize, count: i32, lo: usize, hi: usize): void {
  for (let i = 0; i < count; i++) {
    const at = (<usize>i) << 2;
    const from = origin + load<u32>(starts + at);
    const length = load<u32>(lengths + at);
    let h1 = SEED;
    let h2 = SEED;
    const blocksEnd = from + (length & ~15);
    let position = from;
    for (; position < blocksEnd; position += 16) {
      const first = load<u64>(position);
      const second = load<u64>(position, 8);
      h1 ^= mixedFirst(first);
      h1 = (rotl(h1, 27) + h2) * 5 + 0x52dc_e729;
      h2 ^= mixedSecond(second);
      h2 = (rotl(h2, 31) + h1) * 5 + 0x3849_5ab5;
    }
    const rest = length & 15;
    if (rest > 8) {
      const first = load<u64>(position);
      const second = load<u64>(position, 8) & lowBytes(rest - 8);
      h2 ^= mixedSecond(second);
      h1 ^= mixedFirst(first);
    } else if (rest > 0) {
      h1 ^= mixedFirst(load<u64>(position) & lowBytes(rest));
    }
    finish(h1, h2, length, lo + at, hi + at);
  }
}

/** Adds hash × factor, half by half, to the words of as many rows. All addresses are multiples of 4, and may be read past. */
export function addToRows(
  lo: usize,
  hi: usize,
  count: i32,
  rowLo: usize,
  rowHi: usize,
  factorLo: i32,
  factorHi: i32,
): void {
  addProducts(lo, count, rowLo, factorLo);
  addProducts(hi, count, rowHi, factorHi);
}

function addProducts(words: usize, count: i32, sums: usize, factor: i32): void {
  const factors = i32x4.splat(factor);
  const end = (<usize>count) << 2;
  const wide = end & ~15;
  let at: usize = 0;
  for (; at < wide; at += 16) {
    v128.store(sums + at, i32x4.add(v128.load(sums + at), i32x4.mul(v128.load(words + at), factors)));
  }
  for (; at < end; at += 4) store<i32>(sums + at, load<i32>(sums + at) + load<i32>(words + at) * factor);
}

/** As `addToRows()`, value i to the words of row `rows[i]`. */
export function addToRowsAt(
  lo: usize,
  hi: usize,
  rows: usize,
  count: i32,
  rowLo: usize,
  rowHi: usize,
  factorLo: i32,
  factorHi: i32,
): void {
  const end = (<usize>count) << 2;
  for (let at: usize = 0; at < end; at += 4) {
    const row = load<u32>(rows + at) << 2;
    store<i32>(rowLo + row, load<i32>(rowLo + row) + load<i32>(lo + at) * factorLo);
    store<i32>(rowHi + row, load<i32>(rowHi + row) + load<i32>(hi + at) * factorHi);
  }
}

/**
 * Counts at most 1024 hashes among themselves, and says how many different ones there are: of the k-th, in the order of their
 * first coming, `firsts[k]` is the place of the first and `counts[k]` how often it came. `slots`: room for 4096 words of 16 bits.
 */
export function countDistinct(lo: usize, hi: usize, count: i32, slots: usize, firsts: usize, counts: usize): i32 {
  memory.fill(slots, 0, SLOTS << 1);
  let size: usize = 0;
  const end = (<usize>count) << 2;
  for (let at: usize = 0; at < end; at += 4) {
    const low = load<u32>(lo + at);
    const high = load<u32>(hi + at);
    let slot = ((<usize>low) << 1) & ((SLOTS << 1) - 2);
    for (;;) {
      const entry = (<usize>load<u16>(slots + slot)) << 2;
      if (entry == 0) {
        store<i32>(firsts + size, <i32>(at >> 2));
        store<i32>(counts + size, 1);
        size += 4;
        store<u16>(slots + slot, <u16>(size >> 2));
        break;
      }
      const first = load<u32>(firsts + entry - 4) << 2;
      if (load<u32>(lo + first) == low && load<u32>(hi + first) == high) {
        store<i32>(counts + entry - 4, load<i32>(counts + entry - 4) + 1);
        break;
      }
      slot = (slot + 2) & ((SLOTS << 1) - 2);
    }
  }
  return <i32>(size >> 2);
}

/* @inline */ function keyOf(value: f64): u64 {
  // -2^63 and 2^63: beyond, the conversion saturates.
  if (value >= -9223372036854775808.0 && value < 9223372036854775808.0) {
    const whole = <i64>value;
    if (<f64>whole == value) return <u64>whole;
  }
  if (value != value) return CANONICAL_NAN;
  const bits = reinterpret<u64>(value);
  // The bits of a subnormal are those of a small integer.
  return (bits & EXPONENT) == 0 ? bits | EXPONENT : bits;
}

/* @inline */ function finish(first: u64, second: u64, length: u32, lo: usize, hi: usize): void {
  let h1 = first ^ <u64>length;
  let h2 = second ^ <u64>length;
  h1 += h2;
  h2 += h1;
  h1 = avalanche(h1);
  h2 = avalanche(h2);
  h1 += h2;
  h2 += h1;
  const zeros = <u32>clz(h2);
  const rank = (zeros > 62 ? 62 : zeros) + 1;
  store<u32>(lo, (rank << 26) | (<u32>h1 & 0x3ff_ffff));
  store<u32>(hi, <u32>(h1 >> 32));
}

/* @inline */ function mixedFirst(k: u64): u64 {
  return rotl(k * C1, 31) * C2;
}

/* @inline */ function mixedSecond(k: u64): u64 {
  return rotl(k * C2, 33) * C1;
}

/* @inline */ function avalanche(h: u64): u64 {
  let k = h;
  k ^= k >> 33;
  k *= 0xff51_afd7_ed55_8ccd;
  k ^= k >> 33;
  k *= 0xc4ce_b9fe_1a85_ec53;
  return k ^ (k >> 33);
}

/** A mask of the lowest `count` bytes, 1 to 8. */
function lowBytes(count: u32): u64 {
  return ~(<u64>0) >> (64 - ((<u64>count) << 3));
}
