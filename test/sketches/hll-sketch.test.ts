import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
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
  sketch.updateHashes(lo, 0, count);
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
    const { lo } = hashText("again");
    for (let i = 0; i < 1000; i++) sketch.updateHash(lo);
    expect(sketch.estimate()).toBeCloseTo(1, 3);
  });

  test("merge() gives the registers of the union", () => {
    const merged = sketchOf(0, 6000);
    merged.merge(sketchOf(4000, 10_000));
    expect(merged.registers).toEqual(sketchOf(0, 10_000).registers);
  });

  test("updateHash() takes the register from the low 12 bits and the rank from the top 6", () => {
    for (const rank of [1, 2, 31, 32, 62, 63]) {
      const lo = (rank << 26) | 0x155_5005;
      const sketch = new HllSketch();
      sketch.updateHash(lo);
      expect([sketch.registers[5], sketch.registers.reduce((sum, one) => sum + one, 0)]).toEqual([rank, rank]);
      const many = new HllSketch();
      many.updateHashes(Int32Array.of(1 << 26, lo), 1, 2);
      expect(many.registers).toEqual(sketch.registers);
    }
  });

  test("write() takes 3 bytes for an empty sketch and little more than half a byte for each register at most", () => {
    for (const [distinct, least, most] of [
      [0, 3, 3],
      [100, 150, 210],
      [1000, 1500, 2052],
      [5000, 2051, 2053],
      [100_000, 2051, 2053],
    ] as const) {
      const w = new ByteWriter();
      const sketch = sketchOf(0, distinct);
      sketch.write(w);
      expect(w.length).toBeGreaterThanOrEqual(least);
      expect(w.length).toBeLessThanOrEqual(most);
      expect(HllSketch.read(new ByteReader(w.finish())).registers).toEqual(sketch.registers);
    }
  });

  test("any registers are read back from what was written", () => {
    const random = new SeededRandom(8);
    for (let round = 0; round < 60; round++) {
      const sketch = new HllSketch();
      const [least, range, used] = [random.below(64), 1 + random.below(64), random.next()];
      for (let i = 0; i < sketch.registers.length; i++) {
        if (random.next() < used) sketch.registers[i] = Math.min(63, least + random.below(range));
      }
      const w = new ByteWriter();
      sketch.write(w);
      const r = new ByteReader(w.finish());
      expect(HllSketch.read(r).registers).toEqual(sketch.registers);
      expect(r.remaining).toBe(0);
    }
  });

  test("read() refuses a rank that no hash has", () => {
    expect(() => HllSketch.read(new ByteReader(Uint8Array.of(2, 0, 1, 7, 63)))).not.toThrow();
    expect(() => HllSketch.read(new ByteReader(Uint8Array.of(2, 0, 1, 7, 64)))).toThrow("rank 64");
    expect(() => HllSketch.read(new ByteReader(Uint8Array.of(2, 0, 1, 7, 0)))).toThrow("rank 0");
    const dense = (least: number, nibbles: number, ...rest: number[]) =>
      new ByteReader(Uint8Array.of(2, 1, least, nibbles, ...new Uint8Array(2047), ...rest));
    expect(HllSketch.read(dense(40, 0xf0, 8)).registers.subarray(0, 3)).toEqual(Uint8Array.of(40, 63, 40));
    expect(() => HllSketch.read(dense(40, 0xf0, 9))).toThrow("rank 64");
    const none = new ByteReader(Uint8Array.of(2, 1, 3, ...new Uint8Array(2048).fill(0x11)));
    expect(() => HllSketch.read(none)).toThrow("without a register of 3");
  });
});
