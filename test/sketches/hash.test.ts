import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import { hashByteRanges, hashDoubles, hashText, hashWords } from "../../src/sketches/hash.ts";

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

function hex(lo: number, hi: number): string {
  return (hi >>> 0).toString(16).padStart(8, "0") + (lo >>> 0).toString(16).padStart(8, "0");
}

describe("hash", () => {
  /** Printed by this project's hash.ts of version 0.1.0: a change would make stored sketches useless. */
  test("golden vectors of version 0.1.0", () => {
    expect({
      zero: hashOfDouble(0),
      one: hashOfDouble(1),
      minusOneAndAHalf: hashOfDouble(-1.5),
      notANumber: hashOfDouble(Number.NaN),
      infinity: hashOfDouble(Number.POSITIVE_INFINITY),
      words: hashOfWords(1, 0),
      minusOne: hashOfWords(-1, -1),
      empty: hashOfText(""),
      a: hashOfText("a"),
      eight: hashOfText("12345678"),
      nine: hashOfText("123456789"),
      unicode: hashOfText("é🚀"),
    }).toEqual({
      zero: "52e2c537f5a9c612",
      one: "2ff8afb2b66531f4",
      minusOneAndAHalf: "66ffc7a78edee926",
      notANumber: "69daf9a6a1c8352c",
      infinity: "567613ea012fabcc",
      words: "497d4ea08a8a5453",
      minusOne: "6317c8cee1b8773c",
      empty: "0b715ff9e188e858",
      a: "7de1da4188755073",
      eight: "ed64105f3f0ea81a",
      nine: "f560163407c700d2",
      unicode: "500f93e3dec7b0c6",
    });
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

/** Largest distance from 1/2 of the share of flips, over all pairs of an input and an output bit. */
function worstBias(draw: () => [number, number], mix: (lo: number, hi: number) => [number, number]): number {
  const samples = 2000;
  const flips = new Int32Array(64 * 64);
  for (let i = 0; i < samples; i++) {
    const [lo, hi] = draw();
    const [baseLo, baseHi] = mix(lo, hi);
    for (let bit = 0; bit < 64; bit++) {
      const [outLo, outHi] = bit < 32 ? mix(lo ^ (1 << bit), hi) : mix(lo, hi ^ (1 << (bit - 32)));
      const changedLo = outLo ^ baseLo;
      const changedHi = outHi ^ baseHi;
      for (let out = 0; out < 32; out++) {
        flips[bit * 64 + out]! += (changedLo >>> out) & 1;
        flips[bit * 64 + 32 + out]! += (changedHi >>> out) & 1;
      }
    }
  }
  return flips.reduce((worst, count) => Math.max(worst, Math.abs(count / samples - 0.5)), 0);
}
