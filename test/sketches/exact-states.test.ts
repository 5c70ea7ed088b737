import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteReader, ByteWriter } from "../../src/sketches/bytes.ts";
import { hashText, hashWords } from "../../src/sketches/hash.ts";
import { HashSample } from "../../src/sketches/hash-sample.ts";
import { LongRange } from "../../src/sketches/long-range.ts";
import { ValueCounts } from "../../src/sketches/value-counts.ts";
import type { ValueLabel } from "../../src/sketches/value-labels.ts";

const COUNT_RUNS = { seed: 12, numRuns: 100 };

function hashesOfIntegers(from: number, to: number): { lo: Int32Array; hi: Int32Array } {
  const integers = Int32Array.from({ length: to - from }, (_, i) => from + i);
  const lo = new Int32Array(integers.length);
  const hi = new Int32Array(integers.length);
  hashWords(integers, new Int32Array(integers.length), integers.length, lo, hi);
  return { lo, hi };
}

describe("ValueCounts", () => {
  function countsOf(from: number, to: number, count = 1): ValueCounts {
    const values = new ValueCounts();
    const { lo, hi } = hashesOfIntegers(from, to);
    for (let i = 0; i < lo.length; i++) expect(values.add(lo[i]!, hi[i]!, count, () => from + i)).toBe(true);
    return values;
  }

  test("counts what a Map counts", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ maxLength: 3 }), fc.integer({ min: 1, max: 5 }))), (adds) => {
        const values = new ValueCounts();
        const truth = new Map<string, number>();
        for (const [text, count] of adds) {
          const { lo, hi } = hashText(text);
          values.add(lo, hi, count, () => text);
          truth.set(text, (truth.get(text) ?? 0) + count);
        }
        expect(new Map([...values.entries()].map((one) => [one.label, one.count]))).toEqual(truth);
        for (const [text, count] of truth) {
          const { lo, hi } = hashText(text);
          expect(values.countOf(lo, hi)).toBe(count);
        }
        expect(values.totalCount).toBe(adds.reduce((sum, [, count]) => sum + count, 0));
      }),
      COUNT_RUNS,
    );
  });

  test("add() refuses the 4097th value and changes nothing, but goes on counting the others", () => {
    const values = countsOf(0, ValueCounts.LIMIT);
    const { lo, hi } = hashesOfIntegers(0, ValueCounts.LIMIT + 1);
    const before = bytesOf(values);
    expect(values.add(lo[4096]!, hi[4096]!, 1, () => 4096)).toBe(false);
    expect(bytesOf(values)).toEqual(before);
    expect(values.countOf(lo[4096]!, hi[4096]!)).toBe(0);
    expect(values.add(lo[7]!, hi[7]!, 2, () => 7)).toBe(true);
    expect([values.size, values.countOf(lo[7]!, hi[7]!), values.totalCount]).toEqual([4096, 3, 4098]);
  });

  test("merge() up to exactly 4096 values, beyond it refuses and changes nothing", () => {
    const values = countsOf(0, 3000);
    expect(values.merge(countsOf(2000, 4096))).toBe(true);
    expect([values.size, values.totalCount]).toEqual([4096, 5096]);
    const before = bytesOf(values);
    expect(values.merge(countsOf(4095, 4097))).toBe(false);
    expect(bytesOf(values)).toEqual(before);
    expect(values.merge(values)).toBe(true);
    expect(values.totalCount).toBe(2 * 5096);
  });

  test("equal content gives equal bytes whatever the order", () => {
    const forward = countsOf(0, 500);
    const backward = new ValueCounts();
    const { lo, hi } = hashesOfIntegers(0, 500);
    for (let i = 499; i >= 0; i--) backward.add(lo[i]!, hi[i]!, 1, () => i);
    expect(bytesOf(backward)).toEqual(bytesOf(forward));
  });

  test("labels of every kind survive write() and read()", () => {
    const labels: ValueLabel[] = [
      undefined,
      "",
      "\ufeffé🚀",
      "__proto__",
      0.1,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      0n,
      -1n,
      2n ** 63n - 1n,
      -(2n ** 63n),
      2n ** 32n,
      -(2n ** 31n),
    ];
    const values = new ValueCounts();
    for (const [i, label] of labels.entries()) values.add(i, 0, i + 1, () => label);
    values.add(99, 0, 1, () => -0);
    const copy = ValueCounts.read(new ByteReader(bytesOf(values)));
    expect([...copy.entries()].map((one) => [one.count, one.label])).toEqual([
      ...labels.map((label, i) => [i + 1, label]),
      [1, 0],
    ]);
  });

  test("top() orders by count, then numbers, then text, then hidden values", () => {
    const values = new ValueCounts();
    const labels: ValueLabel[] = [undefined, "b", "a", 2, 10n, -1, "seldom"];
    for (const [i, label] of labels.entries()) values.add(i, i, label === "seldom" ? 1 : 4, () => label);
    expect(values.top(7).map((one) => one.label)).toEqual([-1, 2, 10n, "a", "b", undefined, "seldom"]);
    expect(values.top(2)).toHaveLength(2);
  });

  test("bad calls are refused", () => {
    const values = new ValueCounts();
    expect(() => values.add(1, 1, 0, () => "x")).toThrow(RangeError);
    expect(() => values.add(1, 1, 1, () => 2n ** 63n)).toThrow("more than 64 bits");
    expect([values.size, values.totalCount]).toEqual([0, 0]);
  });

  function bytesOf(values: ValueCounts): Uint8Array {
    const w = new ByteWriter();
    values.write(w);
    return w.finish();
  }
});

describe("HashSample", () => {
  function sampleOf(distinct: number, repeats: number): HashSample {
    const sample = new HashSample();
    const { lo, hi } = hashesOfIntegers(0, distinct);
    for (let repeat = 0; repeat < repeats; repeat++) sample.addMany(lo, hi, 0, distinct);
    return sample;
  }

  test("is exact up to its capacity", () => {
    const sample = sampleOf(1024, 1);
    const { lo, hi } = hashesOfIntegers(0, 100);
    sample.addMany(lo, hi, 0, 100);
    sample.add(lo[0]!, hi[0]!, 5);
    expect([sample.exact, sample.size, sample.totalCount]).toEqual([true, 1024, 1129]);
    expect(sample.duplicateShare()).toBe(105 / 1129);
    expect(sample.distinctEstimate()).toBe(1024);
  });

  test("is no longer exact with one hash more", () => {
    const sample = sampleOf(1025, 1);
    expect([sample.exact, sample.size]).toEqual([false, 1024]);
    sample.duplicateShare();
    expect([sample.exact, sample.size]).toEqual([false, 1024]);
  });

  test.each([1, 49, 50, 51, 100, 101, 130, 4096])(
    "addCounted() of %i hashes is add() of each, into nothing and into something",
    (size) => {
      const { lo, hi } = hashesOfIntegers(0, size);
      const counts = Float64Array.from({ length: size }, (_, i) => 1 + (i % 4));
      const others = hashesOfIntegers(9_000, 9_700);
      for (const before of [0, 30, 700]) {
        const [together, oneByOne] = [new HashSample({ capacity: 50 }), new HashSample({ capacity: 50 })];
        for (const sample of [together, oneByOne]) sample.addMany(others.lo, others.hi, 0, before);
        together.addCounted(lo, hi, counts, size);
        for (let i = 0; i < size; i++) oneByOne.add(lo[i]!, hi[i]!, counts[i]!);
        for (const sample of [together, oneByOne]) sample.addMany(others.lo, others.hi, before, 700);
        expect(together.entries()).toEqual(oneByOne.entries());
        expect(bytesOf(together)).toEqual(bytesOf(oneByOne));
        expect([together.exact, together.completeBelow, together.distinctEstimate()]).toEqual([
          oneByOne.exact,
          oneByOne.completeBelow,
          oneByOne.distinctEstimate(),
        ]);
      }
    },
  );

  test("merge() knows its bound: the estimate, and what comes after it, are those of the whole", () => {
    const { lo, hi } = hashesOfIntegers(0, 6000);
    const parts = [0, 2000, 4000].map((from) => {
      const sample = new HashSample({ capacity: 50 });
      sample.addMany(lo, hi, from, from + 2000);
      return sample;
    });
    const whole = new HashSample({ capacity: 50 });
    whole.addMany(lo, hi, 0, 6000);
    const merged = parts[0]!;
    merged.merge(parts[1]!);
    merged.merge(parts[2]!);
    expect([merged.completeBelow, merged.distinctEstimate()]).toEqual([whole.completeBelow, whole.distinctEstimate()]);
    for (const sample of [merged, whole]) sample.addMany(lo, hi, 0, 6000);
    expect(merged.entries()).toEqual(whole.entries());
  });

  test("the sample holds the lowest hashes with all their occurrences", () => {
    const { lo, hi } = hashesOfIntegers(0, 20_000);
    const sample = new HashSample({ capacity: 50 });
    const order = [...lo.keys()].sort((a, b) => (hi[a]! >>> 0) - (hi[b]! >>> 0) || (lo[a]! >>> 0) - (lo[b]! >>> 0));
    for (let i = 0; i < lo.length; i++) sample.add(lo[i]!, hi[i]!, 1 + (i % 3));
    for (let i = lo.length - 1; i >= 0; i--) sample.add(lo[i]!, hi[i]!, 2);
    const reader = new ByteReader(bytesOf(sample));
    expect([reader.u8(), reader.varint(), reader.varint(), reader.u8(), reader.varint()]).toEqual([
      2,
      50,
      sample.totalCount,
      1,
      50,
    ]);
    let before = 0;
    for (const index of order.slice(0, 50)) {
      const high = hi[index]! >>> 0;
      expect([reader.varint(), reader.i32(), reader.varint()]).toEqual([high - before, lo[index], 3 + (index % 3)]);
      before = high;
    }
  });

  test("duplicateShare() and distinctEstimate() of 100000 distinct rows", () => {
    const sample = sampleOf(100_000, 2);
    expect(sample.duplicateShare()).toBe(0.5);
    // 4 standard errors of 3.1 %.
    expect(Math.abs(sample.distinctEstimate() / 100_000 - 1)).toBeLessThan(0.125);
    const { lo, hi } = hashesOfIntegers(0, 20_000);
    sample.addMany(lo, hi, 0, 20_000);
    // 100000 rows twice and a fifth of them a third time: 120000 repeats of 220000.
    expect(sample.duplicateShare()).toBeCloseTo(120_000 / 220_000, 2);
  });

  test("nothing is measured of nothing", () => {
    const sample = new HashSample();
    expect([sample.exact, sample.size, sample.duplicateShare(), sample.distinctEstimate()]).toEqual([
      true,
      0,
      undefined,
      0,
    ]);
  });

  test("bad calls are refused", () => {
    const sample = new HashSample();
    expect(() => sample.add(1, 1, 0)).toThrow(RangeError);
    expect(() => sample.merge(new HashSample({ capacity: 5 }))).toThrow("capacity is 5, expected 1024");
    expect(() => new HashSample({ capacity: 2 })).toThrow(RangeError);
  });

  function bytesOf(sample: HashSample): Uint8Array {
    const w = new ByteWriter();
    sample.write(w);
    return w.finish();
  }
});

describe("LongRange", () => {
  test("min() and max() are those of the integers", () => {
    const longs = fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { minLength: 1 });
    fc.assert(
      fc.property(longs, (values) => {
        const range = new LongRange();
        const lo = Int32Array.from(values, (one) => Number(BigInt.asIntN(32, one)));
        const hi = Int32Array.from(values, (one) => Number(one >> 32n));
        range.updateMany(lo, hi, 0, values.length);
        const sorted = BigInt64Array.from(values).sort();
        expect([range.min(), range.max()]).toEqual([sorted[0], sorted.at(-1)]);
      }),
      COUNT_RUNS,
    );
  });

  test("tells 2^53 from 2^53 + 1, and -1 from 2^32 - 1", () => {
    const range = new LongRange();
    range.updateMany(Int32Array.of(1, 0), Int32Array.of(1 << 21, 1 << 21), 0, 2);
    expect([range.min(), range.max()]).toEqual([2n ** 53n, 2n ** 53n + 1n]);
    const signs = new LongRange();
    signs.updateMany(Int32Array.of(-1, -1), Int32Array.of(-1, 0), 0, 2);
    expect([signs.min(), signs.max()]).toEqual([-1n, 2n ** 32n - 1n]);
  });

  test("an empty range has neither", () => {
    const range = new LongRange();
    range.updateMany(Int32Array.of(5), Int32Array.of(5), 1, 1);
    expect([range.min(), range.max()]).toEqual([undefined, undefined]);
  });
});
