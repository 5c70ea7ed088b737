import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteReader, ByteWriter } from "../../src/sketches/bytes.ts";
import { hashDoubles } from "../../src/sketches/hash.ts";
import { ValueCounts, type ValueSource } from "../../src/sketches/value-counts.ts";

describe("ValueCounts of decimal numbers", () => {
  test("write() takes no hash, and read() finds values, counts and measures again", () => {
    const decimal = fc.tuple(fc.integer(), fc.nat({ max: 6 })).map(([scaled, places]) => scaled / 10 ** places + 0);
    fc.assert(
      fc.property(fc.array(decimal, { minLength: 1, maxLength: 80 }), (values) => {
        const counts = counted(values);
        const bytes = written(counts);
        const copy = ValueCounts.read(new ByteReader(bytes));
        expect([...copy.entries()]).toEqual([...counts.entries()]);
        expect(copy.isDecimal).toBe(counts.isDecimal);
        if (counts.isDecimal)
          expect(copy.measures.subarray(0, copy.size).toSorted()).toEqual(Float64Array.from(new Set(values)).sort());
        expect(written(copy)).toEqual(bytes);
      }),
      { seed: 20_261_128, numRuns: 300 },
    );
    expect(written(counted(Array.from({ length: 1000 }, (_, i) => i / 100))).length).toBeLessThan(2_100);
  });

  test("numbers that no few decimal places hold keep their doubles", () => {
    for (const value of [1 / 3, 2 ** 41, 1e-7, 5e-324]) {
      const counts = counted([1, value]);
      expect(counts.isDecimal).toBe(false);
      expect([...ValueCounts.read(new ByteReader(written(counts))).entries()]).toEqual([...counts.entries()]);
    }
  });

  test("write({ withMeasures }) keeps the measures of values that are no decimal numbers", () => {
    const measures = [1 / 3, -7, 5, 2 ** 60, 0];
    const counts = new ValueCounts();
    const words = Int32Array.from(measures, (_, index) => index);
    counts.addMany(words, words, 0, measures.length, {
      labelAt: (index) => (index % 2 === 0 ? `text ${index}` : measures[index]),
      measureInto: measureFrom(measures),
      measuresAreLabels: false,
    });
    const writer = new ByteWriter();
    counts.write(writer, { withMeasures: true });
    const copy = ValueCounts.read(new ByteReader(writer.finish()));
    expect([...copy.entries()]).toEqual([...counts.entries()]);
    expect([...copy.inOrder("hash").measures.subarray(0, 5)]).toEqual(measures);
    expect(copy.isMeasured).toBe(true);
    expect(ValueCounts.read(new ByteReader(written(counts))).isMeasured).toBe(false);
  });

  test("read() refuses what write() does not make", () => {
    for (const bytes of [
      [2, 3, 0],
      // A value without a label, whose measure would be its label.
      [2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0],
      [2, 1, 0, 0],
      [2, 1, 1, 7, 2, 1],
      [2, 1, 1, 0, 2, 0],
      [2, 1, 2, 0, 2, 1, 0, 1],
    ]) {
      const read = () => ValueCounts.read(new ByteReader(Uint8Array.from(bytes)));
      expect(read).toThrowError(expect.objectContaining({ code: "SG_CORRUPT" }));
    }
  });
});

function counted(values: readonly number[]): ValueCounts {
  const numbers = Float64Array.from(values);
  const lo = new Int32Array(values.length);
  const hi = new Int32Array(values.length);
  hashDoubles(numbers, values.length, lo, hi);
  const counts = new ValueCounts();
  counts.addMany(lo, hi, 0, values.length, {
    labelAt: (index) => numbers[index]!,
    measureInto: measureFrom(numbers),
    measuresAreLabels: true,
  });
  return counts;
}

function measureFrom(measures: ArrayLike<number>): ValueSource["measureInto"] {
  return (places, count, into, at) => {
    for (let i = 0; i < count; i++) into[at + i] = measures[places[i]!]!;
  };
}

function written(counts: ValueCounts): Uint8Array {
  const writer = new ByteWriter();
  counts.write(writer);
  return writer.finish();
}
