/**
 * MurmurHash3 x64-128 (Appleby) with seed 9001, as Apache DataSketches hashes, in plain JavaScript: for processes without
 * WebAssembly (`node --jitless`) and for values that its memory does not hold. Some hundred times slower than
 * `wasm/hash.ts`, which gives the same results.
 *
 * What is kept of the 128 bits h1, h2 are two 32-bit words:
 *
 *     lo = min(leading zeros of h2, 62) + 1 in the top 6 bits, the low 26 bits of h1 in the others
 *     hi = the high 32 bits of h1
 *
 * `lo` is the *coupon* of DataSketches' HLL, so that every sketch, and the bytes that others read, follow from one hash.
 * Only the top 6 bits of `lo` are not evenly spread; together the two tell values apart as 60 random bits do.
 */

/** Batches in typed arrays; the hash of the i-th value goes to `outLo[i]`, `outHi[i]`. */
export interface Hasher {
  /** Hashes `values[0, count)`. */
  hashDoubles(values: Float64Array, count: number, outLo: Int32Array, outHi: Int32Array): void;
  /** Hashes 64-bit integers given as words. */
  hashWords(lo: Int32Array, hi: Int32Array, count: number, outLo: Int32Array, outHi: Int32Array): void;
  /** Hashes the ranges `bytes[starts[i], starts[i] + lengths[i])`. */
  hashByteRanges(
    bytes: Uint8Array,
    starts: Int32Array,
    lengths: Int32Array,
    count: number,
    outLo: Int32Array,
    outHi: Int32Array,
  ): void;
}

/** One value after the other. */
export const PLAIN_HASHER: Hasher = {
  hashDoubles(values, count, outLo, outHi) {
    for (let i = 0; i < count; i++) hashDouble(values, i, outLo, outHi);
  },
  hashWords(lo, hi, count, outLo, outHi) {
    for (let i = 0; i < count; i++) hashWordPair(lo[i]!, hi[i]!, i, outLo, outHi);
  },
  hashByteRanges(bytes, starts, lengths, count, outLo, outHi) {
    for (let i = 0; i < count; i++) hashBytes(bytes, starts[i]!, lengths[i]!, i, outLo, outHi);
  },
};

/** Hashes `values[index]`: whole numbers of 64 bits as integers, all others as doubles, every NaN as one. */
function hashDouble(values: Float64Array, index: number, outLo: Int32Array, outHi: Int32Array): void {
  const value = values[index]!;
  const isWhole = Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63;
  if (isWhole) SCRATCH.setBigInt64(0, BigInt(value), true);
  else SCRATCH.setFloat64(0, Number.isNaN(value) ? Number.NaN : value, true);
  // The bits of a subnormal are those of a small integer.
  if (!isWhole && Math.abs(value) < LEAST_NORMAL) SCRATCH.setInt32(4, SCRATCH.getInt32(4, true) | EXPONENT, true);
  hashScratch(outLo, outHi, index);
}

/** Hashes the 64-bit integer of two words. */
function hashWordPair(lo: number, hi: number, index: number, outLo: Int32Array, outHi: Int32Array): void {
  SCRATCH.setInt32(0, lo, true);
  SCRATCH.setInt32(4, hi, true);
  hashScratch(outLo, outHi, index);
}

/** Hashes `bytes[start, start + length)`. */
function hashBytes(
  bytes: Uint8Array,
  start: number,
  length: number,
  index: number,
  outLo: Int32Array,
  outHi: Int32Array,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, length);
  let h1 = SEED;
  let h2 = SEED;
  let position = 0;
  for (; position + 16 <= length; position += 16) {
    h1 ^= mixedFirst(view.getBigUint64(position, true));
    h1 = low64((rotated(h1, 27n) + h2) * 5n + 0x52dce729n);
    h2 ^= mixedSecond(view.getBigUint64(position + 8, true));
    h2 = low64((rotated(h2, 31n) + h1) * 5n + 0x38495ab5n);
  }
  let k1 = 0n;
  let k2 = 0n;
  for (let at = length - 1; at >= position; at--) {
    if (at - position >= 8) k2 = (k2 << 8n) | BigInt(view.getUint8(at));
    else k1 = (k1 << 8n) | BigInt(view.getUint8(at));
  }
  finish(h1 ^ mixedFirst(k1), h2 ^ mixedSecond(k2), length, index, outLo, outHi);
}

function hashScratch(outLo: Int32Array, outHi: Int32Array, index: number): void {
  finish(SEED ^ mixedFirst(SCRATCH.getBigUint64(0, true)), SEED, 8, index, outLo, outHi);
}

function finish(
  first: bigint,
  second: bigint,
  length: number,
  index: number,
  outLo: Int32Array,
  outHi: Int32Array,
): void {
  let h1 = first ^ BigInt(length);
  let h2 = second ^ BigInt(length);
  h1 = low64(h1 + h2);
  h2 = low64(h2 + h1);
  h1 = avalanche(h1);
  h2 = avalanche(h2);
  h1 = low64(h1 + h2);
  h2 = low64(h2 + h1);
  const high = Number(h2 >> 32n);
  const zeros = high !== 0 ? Math.clz32(high) : 32 + Math.clz32(Number(h2));
  outLo[index] = ((Math.min(zeros, MOST_ZEROS) + 1) << COUPON_SLOT_BITS) | Number(h1 & COUPON_SLOT_MASK);
  outHi[index] = Number(h1 >> 32n);
}

function mixedFirst(k: bigint): bigint {
  return low64(rotated(low64(k * C1), 31n) * C2);
}

function mixedSecond(k: bigint): bigint {
  return low64(rotated(low64(k * C2), 33n) * C1);
}

function avalanche(h: bigint): bigint {
  const a = low64((h ^ (h >> 33n)) * 0xff51afd7ed558ccdn);
  const b = low64((a ^ (a >> 33n)) * 0xc4ceb9fe1a85ec53n);
  return b ^ (b >> 33n);
}

function rotated(value: bigint, bits: bigint): bigint {
  return low64(value << bits) | (value >> (64n - bits));
}

function low64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

const SEED = 9001n;
const C1 = 0x87c37b91114253d5n;
const C2 = 0x4cf5ad432745937fn;
const LEAST_NORMAL = 2 ** -1022;
/** Of the high word. */
const EXPONENT = 0x7ff0_0000;
const COUPON_SLOT_BITS = 26;
const COUPON_SLOT_MASK = 0x3ff_ffffn;
/** Six bits hold 63. */
const MOST_ZEROS = 62;
const SCRATCH = new DataView(new ArrayBuffer(8));
