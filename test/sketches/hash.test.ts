import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import { hashByteRanges, hashDoubles, hashText, hashWords } from "../../src/sketches/hash.ts";
import { createWasmHasher } from "../../src/sketches/hash-wasm.ts";
import { type Hasher, PLAIN_HASHER } from "../../src/sketches/murmur3.ts";

function hashOfDouble(value: number): string {
  const lo = new Int32Array(1);
  const hi = new Int32Array(1);
  hashDoubles(Float64Array.of(value), 1, lo, hi);
  return hex(lo[0]!, hi[0]!);
}

function hashOfWords(lo: number, hi: number): string {
  const outLo = new Int32Array(1);
  const outHi = new Int32Array(1);
  hashWords(Int32Array.of(lo), Int32Array.of(hi), 1, outLo, outHi);
  return hex(outLo[0]!, outHi[0]!);
}

function hashOfText(text: string): string {
  const { lo, hi } = hashText(text);
  return hex(lo, hi);
}

function hashOfBytes(bytes: Uint8Array): string {
  const lo = new Int32Array(1);
  const hi = new Int32Array(1);
  hashByteRanges(bytes, Int32Array.of(0), Int32Array.of(bytes.length), 1, lo, hi);
  return hex(lo[0]!, hi[0]!);
}

function outputOf(count: number, hash: (lo: Int32Array, hi: Int32Array) => void): string[] {
  const lo = new Int32Array(count);
  const hi = new Int32Array(count);
  hash(lo, hi);
  return Array.from(lo, (low, i) => hex(low, hi[i]!));
}

function hex(lo: number, hi: number): string {
  return (hi >>> 0).toString(16).padStart(8, "0") + (lo >>> 0).toString(16).padStart(8, "0");
}

describe("hash", () => {
  test("numbers are hashed by value: whole ones as integers, in whatever form they come", () => {
    expect(hashOfDouble(1)).toBe(hashOfWords(1, 0));
    expect(hashOfDouble(-1)).toBe(hashOfWords(-1, -1));
    expect(hashOfDouble(2 ** 53)).toBe(hashOfWords(0, 1 << 21));
    expect(hashOfDouble(-(2 ** 63))).toBe(hashOfWords(0, 1 << 31));
    // Beyond 64 bits, and between the integers, there are only doubles.
    expect(hashOfDouble(2 ** 63)).not.toBe(hashOfWords(-1, 0x7fffffff));
    expect(new Set([2 ** 63, 2 ** 64, 1.5, 1, Number.POSITIVE_INFINITY].map(hashOfDouble)).size).toBe(5);
    // Longs beyond 2^53 that are one double are two values.
    expect(hashOfWords(1, 1 << 21)).not.toBe(hashOfWords(0, 1 << 21));
    // The double of the bits of 1.
    expect(hashOfDouble(Number.MIN_VALUE)).not.toBe(hashOfDouble(1));
    expect(hashOfText("1")).not.toBe(hashOfDouble(1));
  });

  test("a lone surrogate is U+FFFD, and bytes that are no UTF-8 are hashed as they are", () => {
    expect(hashOfText("a\ud800")).toBe(hashOfText("a\ufffd"));
    expect(hashOfBytes(Uint8Array.of(0x61, 0xff))).not.toBe(hashOfText("a\ufffd"));
  });

  test("both ways to hash agree on any numbers, words and bytes", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.double(),
            fc.integer(),
            fc.constantFrom(-0, 2 ** 53, 2 ** 63, -(2 ** 63), Number.MIN_VALUE, -1e-310),
          ),
        ),
        fc.array(fc.uint8Array({ maxLength: 70 })),
        (numbers, texts) => {
          const words = Int32Array.from(numbers, (one) => one | 0);
          const lengths = Int32Array.from(texts, ({ length }) => length);
          const starts = lengths.map((_, i) => lengths.subarray(0, i).reduce((sum, one) => sum + one, 0));
          const bytes = Uint8Array.from(texts.flatMap((one) => [...one]));
          const all = (hasher: Hasher) => [
            outputOf(numbers.length, (lo, hi) =>
              hasher.hashDoubles(Float64Array.from(numbers), numbers.length, lo, hi),
            ),
            outputOf(words.length, (lo, hi) => hasher.hashWords(words, words.slice().reverse(), words.length, lo, hi)),
            outputOf(texts.length, (lo, hi) => hasher.hashByteRanges(bytes, starts, lengths, texts.length, lo, hi)),
          ];
          expect(all(createWasmHasher()!)).toEqual(all(PLAIN_HASHER));
        },
      ),
      { seed: 6, numRuns: 300 },
    );
  });

  test("values of any length and distance are hashed alike: longer than the memory, far apart, and in no order", () => {
    const bytes = Uint8Array.from({ length: 3 << 20 }, (_, i) => (i * 2654435761) >>> 13);
    const starts = Int32Array.of(5, 1 << 20, 0, 2 << 20, 7, (3 << 20) - 3, 100_000, 900_000);
    const lengths = Int32Array.of((1 << 20) + 1, 1 << 20, 1 << 20, 9, 17, 3, 2, 0);
    const all = (hasher: Hasher) =>
      outputOf(starts.length, (lo, hi) => hasher.hashByteRanges(bytes, starts, lengths, starts.length, lo, hi));
    expect(all(createWasmHasher()!)).toEqual(all(PLAIN_HASHER));
    // More values than a batch, each a few bytes further.
    const many = Int32Array.from({ length: 5000 }, (_, i) => i * 300);
    const short = new Int32Array(5000).fill(11);
    const each = (hasher: Hasher) =>
      outputOf(5000, (lo, hi) => hasher.hashByteRanges(bytes, many, short, 5000, lo, hi));
    expect(each(createWasmHasher()!)).toEqual(each(PLAIN_HASHER));
  });

  test("hashDoubles() takes -0 as 0 and every NaN as one", () => {
    expect(hashOfDouble(-0)).toBe(hashOfDouble(0));
    const otherNaN = new Float64Array(Uint8Array.of(1, 2, 3, 4, 5, 6, 0xf8, 0xff).buffer);
    const lo = new Int32Array(1);
    const hi = new Int32Array(1);
    hashDoubles(otherNaN, 1, lo, hi);
    expect(hex(lo[0]!, hi[0]!)).toBe(hashOfDouble(Number.NaN));
    expect(hashOfDouble(Number.MIN_VALUE)).not.toBe(hashOfDouble(0));
  });

  test("hashDoubles() reads from the front of a view into a larger buffer", () => {
    const values = Float64Array.of(1, 2, 3, 4).subarray(2);
    const lo = new Int32Array(2);
    const hi = new Int32Array(2);
    hashDoubles(values, 2, lo, hi);
    expect([hex(lo[0]!, hi[0]!), hex(lo[1]!, hi[1]!)]).toEqual([hashOfDouble(3), hashOfDouble(4)]);
  });

  test("hashText() = hashByteRanges() of its UTF-8, wherever it stands in the arena", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "grapheme", maxLength: 30 }), { maxLength: 8 }),
        fc.nat(9),
        (texts, gap) => {
          const encoded = texts.map((text) => new TextEncoder().encode(text));
          const arena = new Uint8Array(gap + encoded.reduce((sum, one) => sum + one.length + gap, 0)).fill(0xaa);
          const starts = new Int32Array(texts.length);
          const lengths = new Int32Array(texts.length);
          let position = gap;
          encoded.forEach((one, i) => {
            arena.set(one, position);
            starts[i] = position;
            lengths[i] = one.length;
            position += one.length + gap;
          });
          const lo = new Int32Array(texts.length);
          const hi = new Int32Array(texts.length);
          hashByteRanges(arena, starts, lengths, texts.length, lo, hi);
          expect(texts.map((_, i) => hex(lo[i]!, hi[i]!))).toEqual(texts.map(hashOfText));
        },
      ),
      { seed: 2, numRuns: 200 },
    );
  });

  test("no collisions among 262144 near values of each kind", () => {
    const count = 1 << 18;
    const lo = new Int32Array(count);
    const hi = new Int32Array(count);
    const numbers = Float64Array.from({ length: count }, (_, i) => i);
    hashDoubles(numbers, count, lo, hi);
    expect(distinct(lo, hi)).toBe(count);
    hashWords(Int32Array.from(numbers), new Int32Array(count), count, lo, hi);
    expect(distinct(lo, hi)).toBe(count);
    const encoded = new TextEncoder().encode(Array.from(numbers, (n) => String(n).padStart(10, "x")).join(""));
    hashByteRanges(
      encoded,
      Int32Array.from(numbers, (n) => n * 10),
      new Int32Array(count).fill(10),
      count,
      lo,
      hi,
    );
    expect(distinct(lo, hi)).toBe(count);
  });

  test("zero bytes count: 0 to 40 of them hash to 41 values", () => {
    const hashes = Array.from({ length: 41 }, (_, length) => hashOfText("\u0000".repeat(length)));
    expect(new Set(hashes).size).toBe(41);
  });

  test("each input bit of a number flips each output bit about half of the time", () => {
    const random = new SeededRandom(3);
    const wide = (): [number, number] => [random.nextUint32() | 0, random.nextUint32() | 0];
    let next = 0;
    const counting = (): [number, number] => [next++, 0];
    expect(worstBias(wide, mixWords)).toBeLessThan(0.055);
    // Flipping a low bit of counted numbers gives each pair twice: 1000 samples, so a wider spread.
    expect(worstBias(counting, mixWords)).toBeLessThan(0.08);
  });

  test("each input bit of a text flips each output bit about half of the time", () => {
    const random = new SeededRandom(4);
    const wide = (): [number, number] => [random.nextUint32() | 0, random.nextUint32() | 0];
    expect(worstBias(wide, mixBytes)).toBeLessThan(0.055);
  });

  test("the bias test finds a hash without a final mix", () => {
    const random = new SeededRandom(5);
    const weak = (lo: number, hi: number): [number, number] => [Math.imul(lo, 0x9e3779b1), Math.imul(hi, 0x85ebca6b)];
    expect(worstBias(() => [random.nextUint32() | 0, random.nextUint32() | 0], weak)).toBeGreaterThan(0.4);
  });
});

function distinct(lo: Int32Array, hi: Int32Array): number {
  const keys = BigInt64Array.from(lo, (low, i) => (BigInt(hi[i]!) << 32n) | BigInt(low >>> 0)).sort();
  let count = 0;
  for (let i = 0; i < keys.length; i++) if (i === 0 || keys[i] !== keys[i - 1]) count++;
  return count;
}

/** The other 6 bits of the low word are the rank of the HLL. */
const EVEN_LOW_BITS = 26;
const EVEN_BITS = 32 + EVEN_LOW_BITS;
const OUT_LO = new Int32Array(1);
const OUT_HI = new Int32Array(1);

function mixWords(lo: number, hi: number): [number, number] {
  hashWords(Int32Array.of(lo), Int32Array.of(hi), 1, OUT_LO, OUT_HI);
  return [OUT_LO[0]!, OUT_HI[0]!];
}

function mixBytes(lo: number, hi: number): [number, number] {
  const bytes = new Uint8Array(Int32Array.of(lo, hi).buffer);
  hashByteRanges(bytes, Int32Array.of(0), Int32Array.of(8), 1, OUT_LO, OUT_HI);
  return [OUT_LO[0]!, OUT_HI[0]!];
}

/** Largest distance from 1/2 of the share of flips, over all pairs of an input and an output bit that is evenly spread. */
function worstBias(draw: () => [number, number], mix: (lo: number, hi: number) => [number, number]): number {
  const samples = 2000;
  const flips = new Int32Array(64 * EVEN_BITS);
  for (let i = 0; i < samples; i++) {
    const [lo, hi] = draw();
    const [baseLo, baseHi] = mix(lo, hi);
    for (let bit = 0; bit < 64; bit++) {
      const [outLo, outHi] = bit < 32 ? mix(lo ^ (1 << bit), hi) : mix(lo, hi ^ (1 << (bit - 32)));
      const changedLo = outLo ^ baseLo;
      const changedHi = outHi ^ baseHi;
      for (let out = 0; out < 32; out++) {
        flips[bit * EVEN_BITS + out]! += (changedHi >>> out) & 1;
        if (out < EVEN_LOW_BITS) flips[bit * EVEN_BITS + 32 + out]! += (changedLo >>> out) & 1;
      }
    }
  }
  return flips.reduce((worst, count) => Math.max(worst, Math.abs(count / samples - 0.5)), 0);
}
