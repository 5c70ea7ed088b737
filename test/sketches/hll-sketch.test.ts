import { describe, expect, test } from "vitest";
import { ByteReader, ByteWriter } from "../../src/sketches/bytes.ts";
import { hashDoubles, hashText } from "../../src/sketches/hash.ts";
import { HllSketch } from "../../src/sketches/hll-sketch.ts";

/** 1.04 / sqrt(4096) */
const SIGMA = 0.01625;

function sketchOf(from: number, to: number, salt = 0): HllSketch {
  const count = to - from;
  const lo = new Int32Array(count);
  const hi = new Int32Array(count);
  hashDoubles(
    Float64Array.from({ length: count }, (_, i) => from + i + salt / 64),
    count,
    lo,
    hi,
  );
  const sketch = new HllSketch();
  sketch.updateHashes(lo, hi, 0, count);
  return sketch;
}

describe("HllSketch", () => {
  test("estimate() is within 4 standard errors at 1 to 300000 distinct values", () => {
    for (const distinct of [1, 2, 3, 10, 50, 100, 500, 1000, 3000, 8000, 12_000, 20_000, 50_000, 100_000, 300_000]) {
      const estimate = sketchOf(0, distinct).estimate();
      expect(Math.abs(estimate / distinct - 1), `${distinct} distinct`).toBeLessThan(4 * SIGMA);
    }
  });

  test("estimate() has no bias and a standard error of 1.6 % over 60 sets of values", () => {
    for (const distinct of [2000, 10_000, 20_000]) {
      const errors = Array.from({ length: 60 }, (_, salt) => sketchOf(0, distinct, salt).estimate() / distinct - 1);
      const mean = errors.reduce((sum, one) => sum + one, 0) / errors.length;
      const spread = Math.sqrt(errors.reduce((sum, one) => sum + one * one, 0) / errors.length);
      expect(Math.abs(mean), `${distinct} distinct`).toBeLessThan((4 * SIGMA) / Math.sqrt(60));
      expect(spread, `${distinct} distinct`).toBeLessThan(1.4 * SIGMA);
    }
  });

  test("estimate() of an empty sketch is 0, repeats do not count", () => {
    const sketch = new HllSketch();
    expect(sketch.estimate()).toBe(0);
    const { lo, hi } = hashText("again");
    for (let i = 0; i < 1000; i++) sketch.updateHash(lo, hi);
    expect(sketch.estimate()).toBeCloseTo(1, 3);
  });

  test("merge() gives the registers of the union", () => {
    const merged = sketchOf(0, 6000);
    merged.merge(sketchOf(4000, 10_000));
    expect(merged.registers).toEqual(sketchOf(0, 10_000).registers);
  });

  test("updateHash() counts the zeros of all 52 bits behind the register's index", () => {
    const cases: [lo: number, hi: number, rank: number][] = [
      [5, 0x8000_0000 | 0, 1],
      [5, 1, 32],
      [5, -1, 1],
      [5 | (1 << 31), 0, 33],
      [5 | (1 << 12), 0, 52],
      [5, 0, 53],
    ];
    for (const [lo, hi, rank] of cases) {
      const sketch = new HllSketch();
      sketch.updateHash(lo, hi);
      expect(sketch.registers[5], `${lo},${hi}`).toBe(rank);
      const many = new HllSketch();
      many.updateHashes(Int32Array.of(0, lo), Int32Array.of(0, hi), 1, 2);
      expect(many.registers).toEqual(sketch.registers);
    }
  });

  test("write() takes 3 bytes for an empty sketch and 3074 at most", () => {
    for (const [distinct, least, most] of [
      [0, 3, 3],
      [100, 150, 210],
      [1500, 2000, 3074],
      [5000, 3074, 3074],
      [100_000, 3074, 3074],
    ] as const) {
      const w = new ByteWriter();
      const sketch = sketchOf(0, distinct);
      sketch.write(w);
      expect(w.length).toBeGreaterThanOrEqual(least);
      expect(w.length).toBeLessThanOrEqual(most);
      expect(HllSketch.read(new ByteReader(w.finish())).registers).toEqual(sketch.registers);
    }
  });

  test("read() refuses a rank that no hash has", () => {
    expect(() => HllSketch.read(new ByteReader(Uint8Array.of(1, 0, 1, 7, 53)))).not.toThrow();
    expect(() => HllSketch.read(new ByteReader(Uint8Array.of(1, 0, 1, 7, 54)))).toThrow("rank 54");
    expect(() => HllSketch.read(new ByteReader(Uint8Array.of(1, 0, 1, 7, 0)))).toThrow("rank 0");
  });
});
