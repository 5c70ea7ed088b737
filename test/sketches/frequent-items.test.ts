import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import { ByteReader, ByteWriter } from "../../src/sketches/bytes.ts";
import { FrequentItems } from "../../src/sketches/frequent-items.ts";
import { hashText } from "../../src/sketches/hash.ts";

describe("FrequentItems", () => {
  test("bounds hold and nothing above the error is missed, whole and merged, over 20 seeds", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new SeededRandom(seed);
      // Zipf-like, with a long tail of items that occur once.
      const items = Array.from({ length: 20_000 }, () => `item-${Math.floor(1 / (random.next() + 1e-5))}`);
      const truth = countsOf(items);
      const parts = Array.from({ length: 8 }, (_, part) => sketchOf(items.filter((_, i) => i % 8 === part)));
      const merged = new FrequentItems();
      for (const part of parts) merged.merge(part);
      const inRuns = counted(items, 50);
      const rejoined = readBack(counted(items.slice(0, 9000), 3000));
      rejoined.merge(readBack(counted(items.slice(9000), 700)));
      for (const sketch of [sketchOf(items), merged, inRuns, readBack(inRuns), rejoined]) {
        expect(sketch.totalWeight).toBe(items.length);
        expect(sketch.maximumError).toBeGreaterThan(0);
        expect(sketch.maximumError).toBeLessThanOrEqual(items.length / 96.5);
        const top = sketch.top(192);
        const kept = new Set(top.map((item) => item.label));
        for (const { label, lowerBound, estimate, upperBound } of top) {
          const count = truth.get(label!)!;
          expect(lowerBound <= count && count <= upperBound, `${label} ${count}`).toBe(true);
          expect(estimate).toBe(upperBound);
          expect(upperBound - lowerBound).toBe(sketch.maximumError);
        }
        for (const [item, count] of truth) if (count > sketch.maximumError) expect(kept).toContain(item);
      }
    }
  });

  test("is exact while no more than 192 items came", () => {
    const items = Array.from({ length: 2000 }, (_, i) => `v${i % 192}`);
    const sketch = sketchOf(items);
    expect(sketch.maximumError).toBe(0);
    expect(sketch.top(1000)).toHaveLength(192);
    sketch.updateHash(1, 1, 1, () => "one more");
    expect(sketch.maximumError).toBeGreaterThan(0);
  });

  test("updateHash() asks for the label only when the item is newly kept", () => {
    const sketch = new FrequentItems();
    let asked = 0;
    const label = () => {
      asked++;
      return "x";
    };
    for (let i = 0; i < 10; i++) sketch.updateHash(3, 4, 2, label);
    expect(asked).toBe(1);
    expect(sketch.top(5)).toEqual([{ label: "x", lo: 3, hi: 4, estimate: 20, lowerBound: 20, upperBound: 20 }]);
  });

  test("mergeCounted() asks for the labels of those alone that stay", () => {
    const sketch = new FrequentItems();
    const size = 250;
    const numbers = Int32Array.from({ length: size }, (_, i) => i);
    const asked: number[] = [];
    sketch.mergeCounted(
      {
        lo: numbers,
        hi: numbers,
        places: numbers,
        counts: Float64Array.from(numbers, (i) => (i < 9 ? 3 : 1)),
        count: size,
      },
      {
        labelAt: (place) => place,
        giveText(place) {
          asked.push(place);
          return false;
        },
      },
    );
    expect(asked).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(sketch.top(10).map(({ label, lo }) => [label, lo])).toEqual(asked.map((place) => [`${place}`, place]));
    expect([sketch.maximumError, sketch.totalWeight]).toEqual([1, size + 2 * 9]);
  });

  test("labels stay with their items through purges", () => {
    const sketch = new FrequentItems({ capacity: 16 });
    const random = new SeededRandom(5);
    for (let i = 0; i < 5000; i++) {
      const text = `t${random.below(8) * random.below(8)}`;
      const { lo, hi } = hashText(text);
      sketch.updateHash(lo, hi, 1, () => text);
    }
    for (const item of sketch.top(12)) expect(hashText(item.label!)).toEqual({ lo: item.lo, hi: item.hi });
  });

  test("top() is ordered by estimate, then by hash as an unsigned number", () => {
    const sketch = new FrequentItems();
    for (const [lo, hi, count] of [
      [1, -1, 5],
      [2, 1, 5],
      [-1, 1, 5],
      [9, 9, 7],
    ] as const) {
      sketch.updateHash(lo, hi, count, () => undefined);
    }
    expect(sketch.top(3).map(({ lo, hi }) => [lo, hi])).toEqual([
      [9, 9],
      [2, 1],
      [-1, 1],
    ]);
  });

  test("bad calls are refused and change nothing", () => {
    const sketch = new FrequentItems();
    for (const count of [0, -1, 0.5, Number.NaN]) {
      expect(() => sketch.updateHash(1, 1, count, () => "x")).toThrow(RangeError);
    }
    expect(() => sketch.merge(new FrequentItems({ capacity: 64 }))).toThrow("capacity is 64, expected 256");
    expect(() => new FrequentItems({ capacity: 4 })).toThrow(RangeError);
    expect([sketch.totalWeight, sketch.top(5)]).toEqual([0, []]);
  });
});

function sketchOf(items: readonly string[]): FrequentItems {
  const sketch = new FrequentItems();
  for (const item of items) {
    const { lo, hi } = hashText(item);
    sketch.updateHash(lo, hi, 1, () => item);
  }
  return sketch;
}

/** `runLength` items at a time, counted among themselves. */
function counted(items: readonly string[], runLength: number): FrequentItems {
  const sketch = new FrequentItems();
  for (let from = 0; from < items.length; from += runLength) {
    const run = [...countsOf(items.slice(from, from + runLength))];
    const hashes = run.map(([text]) => hashText(text));
    sketch.mergeCounted(
      {
        lo: Int32Array.from(hashes, ({ lo }) => lo),
        hi: Int32Array.from(hashes, ({ hi }) => hi),
        places: Int32Array.from(run, (_, i) => i),
        counts: Float64Array.from(run, ([, count]) => count),
        count: run.length,
      },
      {
        labelAt: (place) => run[place]![0],
        // Some texts as bytes, others as strings.
        giveText(place, entry, into) {
          const bytes = Buffer.from(run[place]![0]);
          return bytes.length % 2 === 0 && into.take(entry, bytes, 0, bytes.length);
        },
      },
    );
  }
  return sketch;
}

function readBack(sketch: FrequentItems): FrequentItems {
  const writer = new ByteWriter();
  sketch.write(writer);
  const read = FrequentItems.read(new ByteReader(writer.finish()));
  const again = new ByteWriter();
  read.write(again);
  expect(again.finish()).toEqual(writer.finish());
  return read;
}

function countsOf(items: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}
