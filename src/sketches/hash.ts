/**
 * One hash per value, shared by every sketch that wants one: MurmurHash3 x64-128 with seed 9001 as Apache DataSketches
 * hashes, so that the bytes of our sketches join with those of others. `murmur3.ts` says which 64 bits are kept.
 *
 * Numbers are hashed by value: a whole one from -2^63 to 2^63 - 1 as a 64-bit integer, every other as a double. So 1 is
 * the same value in an `int`, a `long` and a `double` field, and longs beyond 2^53 are told apart. DataSketches' own
 * `update(double)` hashes whole numbers as doubles: only for those, in a field of doubles, do the two differ.
 * Bytes are hashed as they are, also where they are not UTF-8; text as its UTF-8, a lone surrogate as U+FFFD.
 *
 * -0 hashes as 0, every NaN as one value, ±∞ as they are, subnormals with the exponent of a NaN: 5e-324 has the bits of the
 * integer 1, and DataSketches tells the two apart as little as other doubles and the integers, beyond 2^52, of their bits. No bytes (length 0) are one value of their own:
 * DataSketches ignores the empty text. A number and its text have different hashes.
 * The seed is fixed, so hashes of different processes can be compared; it is no defence against chosen collisions.
 */
import { createWasmHasher } from "./hash-wasm.ts";
import { PLAIN_HASHER } from "./murmur3.ts";

/** As `Hasher`, by whichever way this process has. */
export function hashDoubles(values: Float64Array, count: number, outLo: Int32Array, outHi: Int32Array): void {
  HASHER.hashDoubles(values, count, outLo, outHi);
}

/** As `Hasher`. */
export function hashWords(lo: Int32Array, hi: Int32Array, count: number, outLo: Int32Array, outHi: Int32Array): void {
  HASHER.hashWords(lo, hi, count, outLo, outHi);
}

/** As `Hasher`. */
export function hashByteRanges(
  bytes: Uint8Array,
  starts: Int32Array,
  lengths: Int32Array,
  count: number,
  outLo: Int32Array,
  outHi: Int32Array,
): void {
  HASHER.hashByteRanges(bytes, starts, lengths, count, outLo, outHi);
}

/** The hash of a text = that of its UTF-8 bytes. */
export function hashText(text: string): { lo: number; hi: number } {
  const bytes = ENCODER.encode(text);
  const lo = new Int32Array(1);
  const hi = new Int32Array(1);
  hashByteRanges(bytes, Int32Array.of(0), Int32Array.of(bytes.length), 1, lo, hi);
  return { lo: lo[0]!, hi: hi[0]! };
}

const HASHER = createWasmHasher() ?? PLAIN_HASHER;
const ENCODER = new TextEncoder();
