/**
 * One 64-bit hash per value, as two int32 words, shared by every sketch that wants one.
 *
 * Numbers: three Feistel rounds over the two words, with the 32-bit finalisers of MurmurHash3 (Appleby) and lowbias32
 * (Wellons) as round functions. The map is a bijection: two different 64-bit inputs never collide.
 * Bytes: two 32-bit lanes fed and cross-mixed as in MurmurHash3_x86_128, 8 bytes a step, closed by the same mix.
 * An integer-valued double and the same integer as words have different hashes; so have a number and its text.
 *
 * -0 hashes as 0, every NaN as one value, ±∞ and subnormals as they are, no bytes (length 0) as one value of its own.
 * The seed is fixed, so hashes of different processes can be compared; it is no defence against chosen collisions.
 */

/** Hashes `values[0, count)`. */
export function hashDoubles(values: Float64Array, count: number, outLo: Int32Array, outHi: Int32Array): void {
  const words = new Int32Array(values.buffer, values.byteOffset, count * 2);
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    if (value === 0) mixInto(0, 0, outLo, outHi, i);
    else if (Number.isNaN(value)) mixInto(0, CANONICAL_NAN_HIGH, outLo, outHi, i);
    else mixInto(words[2 * i + LOW_WORD]!, words[2 * i + HIGH_WORD]!, outLo, outHi, i);
  }
}

/** Hashes 64-bit integers given as words. */
export function hashWords(lo: Int32Array, hi: Int32Array, count: number, outLo: Int32Array, outHi: Int32Array): void {
  for (let i = 0; i < count; i++) mixInto(lo[i]!, hi[i]!, outLo, outHi, i);
}

/** Hashes the ranges `bytes[starts[i], starts[i] + lengths[i])`. */
export function hashByteRanges(
  bytes: Uint8Array,
  starts: Int32Array,
  lengths: Int32Array,
  count: number,
  outLo: Int32Array,
  outHi: Int32Array,
): void {
  for (let i = 0; i < count; i++) {
    const length = lengths[i]!;
    let position = starts[i]!;
    const end = position + length;
    let h1 = LANE_1;
    let h2 = LANE_2;
    for (; position + 8 <= end; position += 8) {
      const k1 =
        bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16) | (bytes[position + 3]! << 24);
      const k2 =
        bytes[position + 4]! |
        (bytes[position + 5]! << 8) |
        (bytes[position + 6]! << 16) |
        (bytes[position + 7]! << 24);
      h1 ^= scramble(k1);
      h1 = (Math.imul((((h1 << 19) | (h1 >>> 13)) + h2) | 0, 5) + 0x561ccd1b) | 0;
      h2 ^= scramble(k2);
      h2 = (Math.imul((((h2 << 17) | (h2 >>> 15)) + h1) | 0, 5) + 0x0bcaa747) | 0;
    }
    let k1 = 0;
    let k2 = 0;
    for (let shift = 0; position < end && shift < 32; position++, shift += 8) k1 |= bytes[position]! << shift;
    for (let shift = 0; position < end; position++, shift += 8) k2 |= bytes[position]! << shift;
    h1 ^= scramble(k1);
    h2 ^= scramble(k2);
    // The length tells a tail of zero bytes from no tail.
    h2 = (h2 ^ length) | 0;
    h1 = (h1 + h2) | 0;
    mixInto(h1, (h2 + h1) | 0, outLo, outHi, i);
  }
}

/** The hash of a text = that of its UTF-8 bytes. */
export function hashText(text: string): { lo: number; hi: number } {
  const bytes = ENCODER.encode(text);
  const lo = new Int32Array(1);
  const hi = new Int32Array(1);
  hashByteRanges(bytes, Int32Array.of(0), Int32Array.of(bytes.length), 1, lo, hi);
  return { lo: lo[0]!, hi: hi[0]! };
}

function mixInto(lo: number, hi: number, outLo: Int32Array, outHi: Int32Array, index: number): void {
  let a = lo ^ SEED_LO;
  let b = hi ^ SEED_HI;
  let t = Math.imul(a ^ (a >>> 16), 0x85ebca6b);
  t = Math.imul(t ^ (t >>> 13), 0xc2b2ae35);
  b ^= t ^ (t >>> 16);
  t = Math.imul(b ^ (b >>> 16), 0x7feb352d);
  t = Math.imul(t ^ (t >>> 15), 0x846ca68b);
  a ^= t ^ (t >>> 16);
  t = Math.imul(a ^ (a >>> 16), 0x85ebca6b);
  t = Math.imul(t ^ (t >>> 13), 0xc2b2ae35);
  b ^= t ^ (t >>> 16);
  outLo[index] = a;
  outHi[index] = b;
}

function scramble(word: number): number {
  const k = Math.imul(word, 0x239b961b);
  return Math.imul((k << 16) | (k >>> 16), 0xab0e9789);
}

/** First 64 fractional bits of the golden ratio: only there so that 0 does not hash to 0. */
const SEED_HI = 0x9e3779b9 | 0;
const SEED_LO = 0x7f4a7c15 | 0;
/** First 64 fractional bits of the square root of 2. */
const LANE_1 = 0x6a09e667 | 0;
const LANE_2 = 0xf3bcc908 | 0;
const CANONICAL_NAN_HIGH = 0x7ff80000;
/** Where the low word of a double lies in memory: platforms with the high word first exist. */
const LOW_WORD = new Uint8Array(Int32Array.of(1).buffer)[0] === 1 ? 0 : 1;
const HIGH_WORD = 1 - LOW_WORD;
const ENCODER = new TextEncoder();
