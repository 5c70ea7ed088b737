import fc from "fast-check";
import { expect, test } from "vitest";
import { CountsBuilder, countIn, countOfAll } from "../../src/drift/window-counts.ts";
import { compareHashes } from "../../src/sketches/hash-table.ts";

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const count = fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 2 ** 32 - 2, max: 2 ** 40 }));
const values = fc
  .uniqueArray(fc.tuple(word, word, count), { maxLength: 200, selector: ([lo, hi]) => `${lo} ${hi}` })
  .map((entries) => entries.sort((a, b) => compareHashes(a[1], a[0], b[1], b[0])));

test("CountsBuilder.build() gives what was added, whatever was added before it", () => {
  const builder = new CountsBuilder();
  fc.assert(
    fc.property(values, values, (broken, entries) => {
      builder.start();
      for (const [lo, hi, n] of broken) builder.add(lo, hi, n);
      builder.start();
      for (const [lo, hi, n] of entries) builder.add(lo, hi, n);
      const built = builder.build();
      expect([...built.lo].map((lo, i) => [lo, built.hi[i], built.counts[i]])).toEqual(entries);
      expect(countOfAll(built)).toBe(entries.reduce((sum, [, , n]) => sum + n, 0));
      for (const [lo, hi, n] of entries) expect(countIn(built, lo, hi)).toBe(n);
    }),
  );
});

test("CountsBuilder.buildBins() has high words of 0, also after wider values", () => {
  const builder = new CountsBuilder();
  fc.assert(
    fc.property(fc.uniqueArray(word, { maxLength: 3_000, minLength: 1 }), (keys) => {
      builder.start();
      for (const key of keys) builder.add(key, -1, 1);
      builder.build();
      builder.start();
      for (const key of keys) builder.add(key, 0, 2);
      const bins = builder.buildBins();
      expect([...bins.lo]).toEqual(keys);
      expect(keys.every((_, i) => bins.hi[i] === 0 && bins.counts[i] === 2)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test("counts take 32 bits each, and 64 where one is larger", () => {
  const builder = new CountsBuilder();
  builder.start();
  builder.add(1, 0, 2 ** 32 - 1);
  expect(builder.build().counts).toBeInstanceOf(Uint32Array);
  builder.add(2, 0, 2 ** 32);
  expect(builder.build().counts).toEqual(Float64Array.of(2 ** 32 - 1, 2 ** 32));
});
