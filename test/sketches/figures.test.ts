/** The kernels of `wasm/figures.ts` say what the loops say that they stand for: bit for bit, of whatever comes. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createMemory } from "../../src/core/wasm-host.ts";
import { type ColumnKernels, createColumnKernels, DESCRIBED } from "../../src/sketches/column-kernels.ts";
import { LogLinearHistogram, OVERFLOW_KEY } from "../../src/sketches/log-linear-histogram.ts";
import { Moments } from "../../src/sketches/moments.ts";
import { Repeats } from "../../src/sketches/repeats.ts";
import { CLASSES, textMeasure } from "../../src/sketches/text-shape.ts";

const BYTES = 262_144;
const INPUT = 0;
const STARTS = 65_536;
const LENGTHS = STARTS + 8192;
const OUT = LENGTHS + 8192;
const BINS = OUT + 16_384;
const CLASS_TABLE = BINS + 16_384;
const [kernels, buffer] = openKernels();

function openKernels(): [ColumnKernels, ArrayBuffer] {
  const memory = createMemory(BYTES);
  const found = memory && createColumnKernels(memory);
  if (memory === undefined || found === undefined) throw new Error("Cannot test kernels: there is no WebAssembly");
  return [found, memory.buffer];
}

const finite = fc
  .oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer({ min: -50, max: 50 }),
    fc.integer({ min: -400, max: 400 }).map((tenths) => tenths / 10),
    fc.constantFrom(5e-324, -5e-324, 2 ** 63, -(2 ** 63), 2 ** -40, 2 ** 53 + 2, Number.MAX_VALUE),
  )
  .map((value) => value + 0);
const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef-"), maxLength: 40 }),
  fc.stringMatching(/^[+-]?\d{0,4}[.,]?\d{0,3}([eE][+-]?\d{0,2})?$/),
  fc.stringMatching(/^\d{0,5}[-/.]\d{0,3}[-/.]\d{0,5}[ T]?x?$/),
  fc.constantFrom("", " ", "\t \n", "é", "ééééééééééééééééééééééééé", "aA1 .é", "aA1 .éa", "1e", "+", "-"),
);

describe("describe()", () => {
  test("moments, bins and counts are those of the loops", () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 600 }), (list) => {
        const values = Float64Array.from(list);
        const figures = described(values);
        const [byLoop, byFigures] = [new Moments(), new Moments()];
        byLoop.updateMany(values, 0, values.length);
        byFigures.updateDescribed(figures);
        expect(figuresOf(byFigures)).toEqual(figuresOf(byLoop));
        expect(figures.zeros).toBe(list.filter((value) => value === 0).length);
        expect(figures.negatives).toBe(list.filter((value) => value < 0).length);
        expect(figures.fractions).toBe(list.filter((value) => !Number.isInteger(value)).length);
        const [looped, binned] = [new LogLinearHistogram(), new LogLinearHistogram()];
        looped.updateMany(values, 0, values.length);
        binned.updateBins(figures.bins, figures.lowestBin);
        expect(binned.bins()).toEqual(looped.bins());
        expect(binned.totalCount).toBe(values.length);
      }),
    );
  });
});

test("measureTexts() gives textMeasure()", () => {
  new Uint8Array(buffer, CLASS_TABLE, 256).set(CLASSES);
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 60 }), (texts) => {
      const bytes = texts.map((one) => Buffer.from(one));
      const all = Buffer.concat([...bytes, Buffer.from("+5")]);
      new Uint8Array(buffer, INPUT, all.length).set(all);
      const starts = new Int32Array(buffer, STARTS, texts.length);
      const lengths = new Int32Array(buffer, LENGTHS, texts.length);
      let at = 0;
      for (const [i, one] of bytes.entries()) {
        starts[i] = at;
        lengths[i] = one.length;
        at += one.length;
      }
      kernels.measureTexts(INPUT, STARTS, LENGTHS, texts.length, CLASS_TABLE, OUT);
      expect([...new Float64Array(buffer, OUT, texts.length)]).toEqual(
        texts.map((_, i) => textMeasure(all, starts[i]!, lengths[i]!)),
      );
    }),
    { numRuns: 400 },
  );
});

test("countChanges(), findAtMost(), countOnes() and findOthers() find what a loop finds", () => {
  const few = fc.integer({ min: -2, max: 3 });
  const word = fc.oneof(few, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 1, maxLength: 70 }),
      fc.nat(2 ** 32 - 1),
      fc.nat(9),
      (list, limit, skipped) => {
        const words = new Int32Array(buffer, INPUT, list.length);
        words.set(list);
        const size = list.length;
        expect(kernels.countChanges(INPUT, size)).toBe(
          list.filter((value, i) => i > 0 && value !== list[i - 1]).length,
        );
        const [byLoop, byKernel] = [new Repeats(), new Repeats()];
        byLoop.update(1, words, 0, size);
        byKernel.update(1, words, 0, size, kernels.countChanges(INPUT, size));
        expect([byKernel.compared, byKernel.equal]).toEqual([byLoop.compared, byLoop.equal]);
        const places = list.map((_, i) => i);
        const low = places.filter((i) => list[i]! >>> 0 <= limit);
        expect(found(kernels.findAtMost(INPUT, size, limit, OUT))).toEqual(low);
        expect(kernels.countOnes(INPUT, size)).toBe(list.filter((value) => value === 1).length);
        let left = skipped;
        const others = places.filter((i) => list[i] !== 1 || left-- <= 0);
        expect(found(kernels.findOthers(INPUT, size, skipped, OUT))).toEqual(others);
      },
    ),
    { numRuns: 400 },
  );
});

function described(values: Float64Array) {
  new Float64Array(buffer, INPUT, values.length).set(values);
  // What somebody left there.
  new Int32Array(buffer, BINS, 2 * OVERFLOW_KEY + 1).fill(7);
  kernels.describe(INPUT, values.length, BINS, OUT);
  const told = new Float64Array(buffer, OUT, DESCRIBED.length);
  const one = Object.fromEntries(DESCRIBED.map((name, i) => [name, told[i]!])) as Record<
    (typeof DESCRIBED)[number],
    number
  >;
  const bins = one.highestBin - one.lowestBin + 1;
  return {
    ...one,
    count: values.length,
    shift: values[0]!,
    bins: new Int32Array(buffer, BINS + 4 * (OVERFLOW_KEY + one.lowestBin), bins),
  };
}

function figuresOf({ count, mean, variance, min, max, sum }: Moments) {
  return { count, mean, variance, min, max, sum };
}

function found(size: number): number[] {
  return [...new Int32Array(buffer, OUT, size)];
}
