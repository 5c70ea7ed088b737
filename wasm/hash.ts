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
/** Set in bytes that are no ASCII. */
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const EXPONENT: u64 = 0x7ff0_0000_0000_0000;
const CANONICAL_NAN: u64 = 0x7ff8_0000_0000_0000;

/** Numbers, 8 bytes each: whole ones of 64 bits as integers, all others as doubles. */
export function hashDoubles(values: usize, count: i32, lo: usize, hi: usize): void {
  for (let i = 0; i < count; i++) {
    const value = load<f64>(values + ((<usize>i) << 3));
    finish(SEED ^ mixedFirst(keyOf(value)), SEED, 8, lo + ((<usize>i) << 2), hi + ((<usize>i) << 2));
  }
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
 * behind each can be read. True: all bytes are ASCII.
 */
export function hashBytes(origin: usize, starts: usize, lengths: usize, count: i32, lo: usize, hi: usize): bool {
  let seen: u64 = 0;
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
      seen |= first | second;
      h1 ^= mixedFirst(first);
      h1 = (rotl(h1, 27) + h2) * 5 + 0x52dc_e729;
      h2 ^= mixedSecond(second);
      h2 = (rotl(h2, 31) + h1) * 5 + 0x3849_5ab5;
    }
    const rest = length & 15;
    if (rest > 8) {
      const first = load<u64>(position);
      const second = load<u64>(position, 8) & lowBytes(rest - 8);
      seen |= first | second;
      h2 ^= mixedSecond(second);
      h1 ^= mixedFirst(first);
    } else if (rest > 0) {
      const first = load<u64>(position) & lowBytes(rest);
      seen |= first;
      h1 ^= mixedFirst(first);
    }
    finish(h1, h2, length, lo + at, hi + at);
  }
  return (seen & HIGH_BITS) == 0;
}

function keyOf(value: f64): u64 {
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

function finish(first: u64, second: u64, length: u32, lo: usize, hi: usize): void {
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

function mixedFirst(k: u64): u64 {
  return rotl(k * C1, 31) * C2;
}

function mixedSecond(k: u64): u64 {
  return rotl(k * C2, 33) * C1;
}

function avalanche(h: u64): u64 {
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
