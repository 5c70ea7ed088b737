/**
 * Numbers of Avro's binary encoding, as two 32-bit words of two's complement. Nothing is allocated, except for a
 * decimal beyond 2^53.
 */

/** Where the functions below put a 64-bit result. */
export interface Words {
  lo: number;
  hi: number;
}

/** Negative results of `readVarint64` and `readVarint32`, which are positions otherwise. */
export const VARINT_TRUNCATED = -1;
/** Over ten bytes, or over 64 bits; for `readVarint32` over five bytes, or over 32 bits. */
export const VARINT_MALFORMED = -2;

/** Reads a zigzag varint of at most 64 bits into `words`; returns the position behind it. */
export function readVarint64(words: Words, bytes: Uint8Array, from: number, end: number): number {
  let pos = from;
  let low = 0;
  let high = 0;
  let byte = 0x80;
  for (let shift = 0; shift < 28 && byte >= 0x80; shift += 7) {
    if (pos >= end) return VARINT_TRUNCATED;
    byte = bytes[pos]!;
    pos++;
    low |= (byte & 0x7f) << shift;
  }
  if (byte >= 0x80) {
    // The fifth byte lies in both words.
    if (pos >= end) return VARINT_TRUNCATED;
    byte = bytes[pos]!;
    pos++;
    low |= byte << 28;
    high = (byte & 0x7f) >>> 4;
    for (let shift = 3; byte >= 0x80; shift += 7) {
      if (pos >= end) return VARINT_TRUNCATED;
      byte = bytes[pos]!;
      pos++;
      // The tenth byte has room for one bit.
      if (shift === 31 && byte > 1) return VARINT_MALFORMED;
      high |= (byte & 0x7f) << shift;
    }
  }
  const sign = -(low & 1);
  words.lo = ((low >>> 1) | (high << 31)) ^ sign;
  words.hi = (high >>> 1) ^ sign;
  return pos;
}

/** Reads a zigzag varint of at most 32 bits into `words.lo`; returns the position behind it. */
export function readVarint32(words: Words, bytes: Uint8Array, from: number, end: number): number {
  let pos = from;
  let bits = 0;
  for (let shift = 0; ; shift += 7) {
    if (pos >= end) return VARINT_TRUNCATED;
    const byte = bytes[pos]!;
    pos++;
    bits |= (byte & 0x7f) << shift;
    if (shift === 28 && byte > 0x0f) return VARINT_MALFORMED;
    if (byte < 0x80) break;
  }
  words.lo = (bits >>> 1) ^ -(bits & 1);
  return pos;
}

/** The number that the words stand for, rounded to a double beyond 2^53. */
export function wordsToNumber(lo: number, hi: number): number {
  return hi * 4294967296 + (lo >>> 0);
}

/** Bytes of a decimal: about 2,400 digits, of which a double holds the first 17. */
export const MAX_DECIMAL_BYTES = 1024;
/** Powers of ten up to this one are exact doubles. */
const MAX_EXACT_POWER = 22;
const POWERS_OF_TEN = Float64Array.from({ length: MAX_EXACT_POWER + 1 }, (_, exponent) => 10 ** exponent);

/**
 * Reads `length` bytes of big-endian two's complement: the low 64 bits into `words`, the scaled number as result,
 * which is the double nearest to the decimal. No bytes are zero. `length` is at most `MAX_DECIMAL_BYTES`.
 */
export function readDecimal(words: Words, bytes: Uint8Array, from: number, length: number, scale: number): number {
  const end = from + length;
  const fill = length > 0 && bytes[from]! >= 0x80 ? -1 : 0;
  let start = from;
  // Sign bytes in front say nothing, as long as the sign bit of the next byte agrees.
  while (end - start > 8 && bytes[start] === (fill & 0xff) && bytes[start + 1]! >>> 7 === (fill & 1)) start++;
  let lo = fill;
  let hi = fill;
  for (let i = Math.max(start, end - 8); i < end; i++) {
    hi = (hi << 8) | (lo >>> 24);
    lo = (lo << 8) | bytes[i]!;
  }
  words.lo = lo;
  words.hi = hi;
  if (end - start <= 8 && scale <= MAX_EXACT_POWER) {
    const unscaled = wordsToNumber(lo, hi);
    // Both exact: one division, one rounding.
    if (Number.isSafeInteger(unscaled)) return unscaled / POWERS_OF_TEN[scale]!;
  }
  if (end === start) return 0;
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("hex");
  return Number(`${BigInt.asIntN(8 * (end - start), BigInt(`0x${hex}`))}e-${scale}`);
}
