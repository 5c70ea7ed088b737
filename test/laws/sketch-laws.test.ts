import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StreamgaugeError } from "../../src/core/errors.ts";
import { ByteReader } from "../../src/sketches/bytes.ts";
import type { HllSketch } from "../../src/sketches/hll-sketch.ts";
import type { KllSketch } from "../../src/sketches/kll-sketch.ts";
import { bytesOf, SKETCHES, type SketchLaw } from "./sketch-list.ts";
import { hashesOf, numbersOf, parts, type StreamValue, stream, withoutNaN } from "./streams.ts";

const SEED = 20261122;
const RUNS = { seed: SEED, numRuns: 40 };

describe.each(SKETCHES)("$name", (law) => {
  test("merge() of parts equals the whole", () => {
    fc.assert(
      fc.property(parts, (split) => mergedIsWhole(law, split)),
      RUNS,
    );
  });

  test("merge() does not depend on order or grouping", () => {
    fc.assert(
      fc.property(parts, (split) => anyOrder(law, split)),
      RUNS,
    );
  });

  test("merge() with an empty sketch changes nothing", () => {
    fc.assert(
      fc.property(stream, (values) => emptyIsIdentity(law, values)),
      RUNS,
    );
  });

  test("merge() and reading leave the bytes of the other operand alone", () => {
    fc.assert(
      fc.property(stream, stream, (mine, theirs) => {
        const other = sketchOf(law, theirs);
        const twin = sketchOf(law, theirs);
        mergeOnto(law, sketchOf(law, mine), other);
        law.query(other);
        same(bytesOf(law, other), bytesOf(law, twin));
      }),
      RUNS,
    );
  });

  test("read() of what write() wrote is the same sketch, also for what comes after", () => {
    fc.assert(
      fc.property(stream, stream, (values, later) => {
        const sketch = sketchOf(law, values);
        const bytes = bytesOf(law, sketch);
        const reader = new ByteReader(bytes);
        const copy = law.read(reader);
        expect(reader.remaining).toBe(0);
        same(bytesOf(law, copy), bytes);
        expect(law.query(copy)).toEqual(law.query(sketch));
        mergeOnto(law, sketch, sketchOf(law, later));
        mergeOnto(law, copy, sketchOf(law, later));
        same(bytesOf(law, copy), bytesOf(law, sketch));
      }),
      RUNS,
    );
  });

  test("write() gives the same bytes for the same stream", () => {
    fc.assert(
      fc.property(stream, (values) => {
        same(bytesOf(law, sketchOf(law, values)), bytesOf(law, sketchOf(law, values)));
      }),
      RUNS,
    );
  });

  test("read() refuses every truncation as SG_CORRUPT", () => {
    fc.assert(
      fc.property(stream, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (values, share) => {
        const bytes = bytesOf(law, sketchOf(law, values));
        const cut = bytes.subarray(0, Math.floor(share * bytes.length));
        expect(readOrCode(law, cut)).toBe("SG_CORRUPT");
      }),
      RUNS,
    );
  });

  test("read() of damaged bytes gives a sketch that works, or SG_CORRUPT", () => {
    const damage = fc.array(fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(stream, damage, (values, changes) => {
        const bytes = bytesOf(law, sketchOf(law, values));
        // Half of the damage goes to the header, where the sizes stand.
        changes.forEach(([share, byte], i) => {
          bytes[Math.floor(share * (i % 2 === 0 ? Math.min(24, bytes.length) : bytes.length))] = byte;
        });
        const sketch = readOrCode(law, bytes);
        if (sketch === "SG_CORRUPT") return;
        law.query(sketch);
        bytesOf(law, sketch);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test("read() of any bytes gives a sketch that works, or SG_CORRUPT", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (rest) => {
        const sketch = readOrCode(law, Uint8Array.of(1, ...rest));
        if (sketch !== "SG_CORRUPT") bytesOf(law, sketch);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test("read() refuses another version", () => {
    const bytes = bytesOf(law, law.create());
    bytes[0]! += 1;
    expect(readOrCode(law, bytes)).toBe("SG_CORRUPT");
  });
});

describe("the laws find planted defects", () => {
  const kll = SKETCHES.find((law) => law.name === "KllSketch") as SketchLaw<KllSketch>;
  const hll = SKETCHES.find((law) => law.name === "HllSketch") as SketchLaw<HllSketch>;

  test("a merge that loses negative values", () => {
    const broken: SketchLaw<KllSketch> = {
      ...kll,
      merge(sketch, other) {
        const kept = Float64Array.from([other.quantile(0.5) ?? 0, other.max ?? 0].filter((one) => one >= 0));
        sketch.updateMany(kept, 0, kept.length);
      },
    };
    expect(() =>
      fc.assert(
        fc.property(parts, (split) => mergedIsWhole(broken, split)),
        RUNS,
      ),
    ).toThrow();
  });

  test("a merge that keeps the last register instead of the largest", () => {
    const broken: SketchLaw<HllSketch> = { ...hll, merge: (sketch, other) => sketch.registers.set(other.registers) };
    expect(() =>
      fc.assert(
        fc.property(parts, (split) => anyOrder(broken, split)),
        RUNS,
      ),
    ).toThrow();
    expect(() =>
      fc.assert(
        fc.property(stream, (values) => emptyIsIdentity(broken, values)),
        RUNS,
      ),
    ).toThrow();
  });

  test("an update that misses what stands last in a part", () => {
    const broken: SketchLaw<HllSketch> = {
      ...hll,
      update(sketch, values) {
        sketch.updateHashes(hashesOf(values).lo, 0, values.length - 1);
      },
    };
    expect(() =>
      fc.assert(
        fc.property(parts, (split) => mergedIsWhole(broken, split)),
        RUNS,
      ),
    ).toThrow();
  });

  test("a sketch that drops the smallest of many values", () => {
    const broken: SketchLaw<KllSketch> = {
      ...kll,
      update(sketch, values) {
        const numbers = withoutNaN(numbersOf(values)).sort();
        sketch.updateMany(numbers, Math.ceil(numbers.length * 0.04), numbers.length);
      },
    };
    expect(() =>
      fc.assert(
        fc.property(parts, (split) => mergedIsWhole(broken, split)),
        RUNS,
      ),
    ).toThrow();
  });
});

function sketchOf<S>(law: SketchLaw<S>, values: readonly StreamValue[]): S {
  const sketch = law.create();
  law.update(sketch, values);
  return sketch;
}

/** The generated streams are short enough that every merge has room. */
function mergeOnto<S>(law: SketchLaw<S>, sketch: S, other: S): void {
  if (law.merge(sketch, other) === false) throw new Error("the merge was refused");
}

function mergedIsWhole<S>(law: SketchLaw<S>, split: readonly StreamValue[][]): void {
  const values = split.flat();
  const whole = sketchOf(law, values);
  const merged = law.create();
  for (const part of split) mergeOnto(law, merged, sketchOf(law, part));
  if (law.complaint === undefined) same(bytesOf(law, merged), bytesOf(law, whole));
  else
    expect([law.complaint(whole, values, whole), law.complaint(merged, values, whole)]).toEqual([undefined, undefined]);
}

function anyOrder<S>(law: SketchLaw<S>, split: readonly StreamValue[][]): void {
  const values = split.flat();
  const whole = sketchOf(law, values);
  const backwards = law.create();
  for (const part of split.toReversed()) mergeOnto(law, backwards, sketchOf(law, part));
  const tree = pairwise(
    law,
    split.map((part) => sketchOf(law, part)),
  );
  for (const merged of [backwards, tree]) {
    if (law.complaint === undefined) same(bytesOf(law, merged), bytesOf(law, whole));
    else expect(law.complaint(merged, values, whole)).toBeUndefined();
  }
}

function pairwise<S>(law: SketchLaw<S>, sketches: readonly S[]): S {
  if (sketches.length === 1) return sketches[0]!;
  const middle = sketches.length >>> 1;
  const left = pairwise(law, sketches.slice(0, middle));
  mergeOnto(law, left, pairwise(law, sketches.slice(middle)));
  return left;
}

function emptyIsIdentity<S>(law: SketchLaw<S>, values: readonly StreamValue[]): void {
  const sketch = sketchOf(law, values);
  const before = bytesOf(law, sketch);
  mergeOnto(law, sketch, law.create());
  same(bytesOf(law, sketch), before);
  const fromEmpty = law.create();
  mergeOnto(law, fromEmpty, sketch);
  expect(law.query(fromEmpty)).toEqual(law.query(sketch));
}

/** `toEqual` looks at each byte as an object, which takes most of the time of these tests. */
function same(actual: Uint8Array, expected: Uint8Array): void {
  const differs = actual.findIndex((byte, i) => byte !== expected[i]);
  expect({ length: actual.length, differs }).toEqual({ length: expected.length, differs: -1 });
}

/** The sketch, or the code of the error: any other error fails the test. */
function readOrCode<S>(law: SketchLaw<S>, bytes: Uint8Array): S | "SG_CORRUPT" {
  try {
    return law.read(new ByteReader(bytes));
  } catch (error) {
    if (error instanceof StreamgaugeError && error.code === "SG_CORRUPT") return "SG_CORRUPT";
    throw error;
  }
}
