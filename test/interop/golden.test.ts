/** Bytes and hashes that Apache DataSketches for Python wrote once: read, and written the same where nothing is random. */
import { describe, expect, test } from "vitest";
import { readHll, writeHll, writeHllOfHashes } from "../../src/sketches/datasketches-hll.ts";
import { readFrequentStrings, writeFrequentStrings } from "../../src/sketches/datasketches-items.ts";
import { readKll, writeKll } from "../../src/sketches/datasketches-kll.ts";
import { createWasmHasher } from "../../src/sketches/hash-wasm.ts";
import { type Hasher, PLAIN_HASHER } from "../../src/sketches/murmur3.ts";
import { golden, type PythonSketch } from "./python.ts";
import { expectRead } from "./reading.ts";
import { hllOf, kllOf, lowsOf } from "./values.ts";

const bytesOf = (sketch: PythonSketch) => Buffer.from(sketch.bytes, "base64");
const only = (kind: string, form: string) => golden.cases.filter((one) => one.kind === kind && one.form === form);

test("golden sketches say what made them", () => {
  expect(golden.head).toEqual({ generator: "test/interop/python-sketches.py golden", version: "datasketches 5.2.0" });
  expect(new Set(golden.cases.map(({ n }) => n)).size).toBe(12);
});

describe.each([
  ["plain", PLAIN_HASHER],
  ["WebAssembly", createWasmHasher()!],
] as const)("%s hashes are those of DataSketches", (_, hasher: Hasher) => {
  const lo = new Int32Array(1);
  const hi = new Int32Array(1);
  const found = () => ({ coupon: lo[0]! >>> 0, hi: hi[0]! >>> 0 });

  test.each(golden.hashes.longs)("of the integer $value", ({ value, coupon, hi: high }) => {
    const long = BigInt(value);
    hasher.hashWords(Int32Array.of(Number(BigInt.asIntN(32, long))), Int32Array.of(Number(long >> 32n)), 1, lo, hi);
    expect(found()).toEqual({ coupon, hi: high });
    // A whole double is the integer that it stands for.
    if (BigInt(Number(long)) !== long || Number(long) >= 2 ** 63) return;
    hasher.hashDoubles(Float64Array.of(Number(long)), 1, lo, hi);
    expect(found()).toEqual({ coupon, hi: high });
  });

  const isNormal = ({ bits }: { bits: string }) => !(Math.abs(doubleOf(bits)) < 2 ** -1022);
  test.each(golden.hashes.doubles.filter(isNormal))("of the double of bits $bits", ({ bits, coupon, hi: high }) => {
    hasher.hashDoubles(Float64Array.of(doubleOf(bits)), 1, lo, hi);
    expect(found()).toEqual({ coupon, hi: high });
  });

  test("of texts of every length up to 40, and others", () => {
    for (const { text, coupon, hi: high } of golden.hashes.texts) {
      const bytes = new TextEncoder().encode(text);
      hasher.hashByteRanges(bytes, Int32Array.of(0), Int32Array.of(bytes.length), 1, lo, hi);
      expect(found(), text).toEqual({ coupon, hi: high });
    }
    expect(golden.hashes.texts.length).toBeGreaterThan(40);
  });
});

describe("sketches that Python wrote", () => {
  test.each(golden.cases)("are read: $kind of $n, $form", (sketch) => {
    expectRead(sketch);
  });

  test("HLL_4, HLL_6 and HLL_8 have the registers of our own sketch", () => {
    for (const sketch of golden.cases) {
      if (!sketch.kind.startsWith("hll")) continue;
      const ours = hllOf(sketch.n);
      if (sketch.form === "union with 2000") ours.merge(hllOf(2000));
      expect(readHll(bytesOf(sketch)).sketch.registers, `${sketch.kind} ${sketch.n} ${sketch.form}`).toEqual(
        ours.registers,
      );
    }
  });
});

describe("our bytes are those of Python", () => {
  test("writeHllOfHashes(): empty and of one value; a list and a set hold the same coupons", () => {
    for (const sketch of only("hll8", "compact")) {
      if (sketch.n > 384) continue;
      const ours = writeHllOfHashes(lowsOf(sketch.n));
      const theirs = bytesOf(sketch);
      if (sketch.n <= 1) expect(Buffer.from(ours)).toEqual(theirs);
      const start = sketch.n < 8 ? 8 : 12;
      expect(Buffer.from(ours.subarray(0, start)), `${sketch.n}`).toEqual(theirs.subarray(0, start));
      expect(couponsOf(ours, start)).toEqual(couponsOf(theirs, start));
    }
  });

  test("writeHll(): every byte of the result of a union", () => {
    for (const sketch of only("hll8", "union with 2000")) {
      const ours = hllOf(sketch.n);
      ours.merge(hllOf(2000));
      expect(Buffer.from(writeHll(ours)).equals(bytesOf(sketch)), `${sketch.n}`).toBe(true);
    }
  });

  test("writeKll(): empty, of one value, and while every value is kept", () => {
    // Of one value, Python notes at the first question that it is sorted: we write what it writes before.
    const exact = golden.cases.filter(
      ({ kind, form, n }) => kind === "kll" && n <= 200 && form === (n <= 1 ? "update" : "sorted"),
    );
    expect(exact.map(({ n }) => n)).toEqual([0, 1, 2, 7, 8, 10, 100]);
    for (const sketch of exact) expect(Buffer.from(writeKll(kllOf(sketch.n)))).toEqual(bytesOf(sketch));
  });

  test("writeKll() of what readKll() read: every byte, at any size", () => {
    for (const sketch of only("kll", "sorted").filter(({ n }) => n > 1)) {
      expect(Buffer.from(writeKll(readKll(bytesOf(sketch)))).equals(bytesOf(sketch)), `${sketch.n}`).toBe(true);
    }
  });

  test("writeFrequentStrings(): empty and of one item; else the same items", () => {
    for (const sketch of only("items", "update")) {
      const read = readFrequentStrings(bytesOf(sketch));
      const items = read.top(read.capacity).map(({ label, lowerBound }) => ({ text: label!, count: lowerBound }));
      const { totalWeight, maximumError } = read;
      const ours = writeFrequentStrings(items, { totalWeight, maximumError, slots: 256 });
      if (sketch.n <= 1) expect(Buffer.from(ours)).toEqual(bytesOf(sketch));
      expect(ours.length).toBe(bytesOf(sketch).length);
      const again = readFrequentStrings(ours);
      expect(again.top(256)).toEqual(read.top(256));
      expect([again.totalWeight, again.maximumError]).toEqual([totalWeight, maximumError]);
    }
  });
});

function doubleOf(bits: string): number {
  return Buffer.from(bits, "base64").readDoubleLE();
}

function couponsOf(bytes: Uint8Array, start: number): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const coupons: number[] = [];
  for (let at = start; at < bytes.length; at += 4) coupons.push(view.getUint32(at, true));
  return coupons.sort((a, b) => a - b);
}
