import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { halfWidth, tailOf, tailScore } from "../../src/anomaly/tail.ts";
import { forward, inverse, isTrivialChange, spreadFloor, transformedValue } from "../../src/anomaly/transform.ts";
import { WindowRing } from "../../src/anomaly/window-ring.ts";
import type { MetricValue } from "../../src/core/metric.ts";

describe("transform", () => {
  test("inverse() undoes forward() for every kind", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: -1e12, max: 1e12, noNaN: true }),
        (count, share, value) => {
          expect(inverse("count", forward("count", count))).toBeCloseTo(count, 1);
          expect(inverse("share", forward("share", share))).toBeCloseTo(share, 12);
          expect(inverse("value", forward("value", value))).toBe(value);
          const correlation = 1.99 * share - 0.995;
          expect(inverse("correlation", forward("correlation", correlation))).toBeCloseTo(correlation, 12);
        },
      ),
      { seed: 31 },
    );
  });

  test("inverse() moves what lies outside a metric's range to the edge", () => {
    expect(inverse("share", -0.4)).toBe(0);
    expect(inverse("share", 9)).toBe(1);
    expect(inverse("count", -3)).toBe(0);
    expect(forward("share", 1.0000001)).toBeCloseTo(Math.PI / 2, 12);
  });

  test("spreadFloor() of a share makes one row the same distance in windows of any size", () => {
    const rows = (n: number) => forward("share", 1 / n) / spreadFloor("share", n, 0, 0);
    expect(rows(100)).toBeCloseTo(rows(1e6), 1);
  });

  test("a correlation near 1 is told apart more finely than one near 0, and stays within its bounds", () => {
    const far = (from: number, to: number) => forward("correlation", from) - forward("correlation", to);
    expect(far(0.999, 0.99)).toBeGreaterThan(10 * far(0.009, 0));
    for (const edge of [1, -1, 1.0000001]) expect(Number.isFinite(forward("correlation", edge))).toBe(true);
    expect(inverse("correlation", 40)).toBe(1);
    expect(inverse("correlation", -40)).toBe(-1);
    expect(spreadFloor("correlation", 400, 0, 0)).toBeCloseTo(0.025, 12);
    expect(Number.isFinite(spreadFloor("correlation", 0, 0, 0))).toBe(true);
  });

  test("spreadFloor() of a value that was always 0 is not 0 when it moves", () => {
    expect(spreadFloor("value", 0, 5, 0)).toBeCloseTo(0.005, 12);
    expect(spreadFloor("value", 0, 0, 0)).toBe(0);
  });

  test("isTrivialChange() holds for shares below one row in ten thousand, and for one row", () => {
    const change = (n: number, from: number, to: number) =>
      isTrivialChange("share", n, forward("share", to), forward("share", from));
    expect(change(1e6, 0.5, 0.50005)).toBe(true);
    expect(change(1e6, 0.5, 0.5002)).toBe(false);
    expect(change(0, 0, 0.0002)).toBe(false);
    expect(change(50, 0, 0.02)).toBe(true);
    expect(change(50, 0.5, 0.48)).toBe(true);
    expect(change(50, 0, 0.04)).toBe(false);
    expect(isTrivialChange("value", 50, 1, 1)).toBe(false);
  });

  test("transformedValue() is undefined for what is not scored, not a number, or not finite", () => {
    const metric: MetricValue = { id: "m", kind: "value", fields: [], value: 1, n: 1, scored: true };
    expect(transformedValue(metric)).toBe(1);
    expect(transformedValue({ ...metric, scored: false })).toBeUndefined();
    expect(transformedValue({ ...metric, value: undefined })).toBeUndefined();
    expect(transformedValue({ ...metric, value: "9007199254740993" })).toBeUndefined();
    expect(transformedValue({ ...metric, value: Number.POSITIVE_INFINITY })).toBeUndefined();
    expect(transformedValue({ ...metric, kind: "count", value: Number.NaN })).toBeUndefined();
  });
});

describe("tail", () => {
  test("tailScore() asks more of a heavy tail than of a light one with the same rms", () => {
    const light = Float64Array.from({ length: 120 }, (_, i) => 1 + (i % 12) / 100);
    const heavy = Float64Array.from({ length: 120 }, (_, i) => (i % 12 === 0 ? 3.3 : 0.2));
    const rms = (sizes: Float64Array) => Math.sqrt(sizes.reduce((sum, size) => sum + size ** 2, 0) / sizes.length);
    expect(Math.abs(rms(light) - rms(heavy))).toBeLessThan(0.15);
    expect(tailScore(6, tailOf(light), 0)).toBeGreaterThan(tailScore(6, tailOf(heavy), 0) + 2);
  });

  test("halfWidth() is where an exponential tail has 1 %: ln 10 excesses beyond the tenth that is largest", () => {
    const tail = tailOf(Float64Array.of(1, 2, 3, 1, 2, 1, 5, 1, 1, 2, 1));
    expect(tailScore(halfWidth(tail, 0.1), tail, 0.1)).toBeCloseTo(Math.log(10), 10);
    expect(tailScore(halfWidth(tail, 9), tail, 9)).toBeCloseTo(Math.log(10), 10);
  });

  test("tailScore() of a value of 0 without history or floor is quiet, not NaN", () => {
    expect(tailScore(0, tailOf(new Float64Array(0)), 0)).toBeLessThan(0);
  });
});

describe("WindowRing", () => {
  test("snapshot() gives every number, every gap and the order back, and forgets beyond its capacity", () => {
    const ring = new WindowRing(3);
    const rows = [[1], [2, Number.NaN], [0.1, -0, 7], [Number.NaN, 1e-9, 3e8]];
    rows.forEach((row, i) => {
      ring.push(10 + i, Float32Array.from(row));
    });
    const restored = new WindowRing(3, JSON.parse(JSON.stringify(ring.snapshot())));
    expect(restored.count).toBe(3);
    for (let position = 0; position < 3; position++) {
      expect(restored.indexAt(position)).toBe(11 + position);
      for (let slot = 0; slot < 4; slot++) expect(restored.at(position, slot)).toBe(ring.at(position, slot));
    }
    expect(restored.at(0, 3)).toBeNaN();
    expect(restored.at(2, 2)).toBe(3e8);
  });
});
