import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StreamgaugeError } from "../../src/core/errors.ts";
import { ByteReader, ByteWriter } from "../../src/sketches/bytes.ts";

const RUNS = { seed: 1, numRuns: 300 };

function written(write: (w: ByteWriter) => void): Uint8Array {
  const w = new ByteWriter(1);
  write(w);
  expect(w.finish()).toHaveLength(w.length);
  return w.finish();
}

function codeOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    return error instanceof StreamgaugeError ? error.code : String(error);
  }
}

describe("ByteWriter and ByteReader", () => {
  test("varint() round-trips every safe integer and takes a byte per 7 bits", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const bytes = written((w) => w.varint(value));
        expect(new ByteReader(bytes).varint()).toBe(value);
        expect(bytes.length).toBe(Math.max(1, Math.ceil(value.toString(2).length / 7)));
      }),
      RUNS,
    );
    for (const edge of [0, 127, 128, 16_383, 16_384, 2 ** 32 - 1, 2 ** 32, 2 ** 49 - 1, 2 ** 49, 2 ** 53 - 1]) {
      expect(new ByteReader(written((w) => w.varint(edge))).varint()).toBe(edge);
    }
  });

  test("ByteWriter.varint() refuses what is not an integer in [0, 2^53)", () => {
    for (const value of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => new ByteWriter().varint(value)).toThrow(RangeError);
    }
  });

  test("ByteReader.varint() refuses more than 2^53 - 1, more than 8 bytes and needless bytes", () => {
    const most = written((w) => w.varint(Number.MAX_SAFE_INTEGER));
    const beyond = most.slice();
    beyond[7]! += 1;
    for (const bytes of [beyond, new Uint8Array(9).fill(0x80), Uint8Array.of(0x80, 0)]) {
      expect(codeOf(() => new ByteReader(bytes).varint())).toBe("SG_CORRUPT");
    }
  });

  test("f64() keeps every bit but those of a NaN, which are always the same", () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        expect(new ByteReader(written((w) => w.f64(value))).f64()).toBe(value);
      }),
      RUNS,
    );
    const odd = new Float64Array(Uint8Array.of(1, 2, 3, 4, 5, 6, 0xf8, 0xff).buffer)[0]!;
    expect(written((w) => w.f64(odd))).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 0xf8, 0x7f));
  });

  test("numbers are little-endian", () => {
    const bytes = written((w) => {
      w.u8(0xab);
      w.u32(0x01020304);
      w.i32(-2);
      w.f64(1);
    });
    expect([...bytes]).toEqual([0xab, 4, 3, 2, 1, 0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
    const r = new ByteReader(bytes);
    expect([r.u8(), r.u32(), r.i32(), r.f64(), r.remaining, r.position]).toEqual([0xab, 0x01020304, -2, 1, 0, 17]);
  });

  test("string() keeps a leading byte order mark and every well-formed text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        expect(new ByteReader(written((w) => w.string(text))).string()).toBe(text);
      }),
      RUNS,
    );
    expect(new ByteReader(written((w) => w.string("\ufeffa"))).string()).toBe("\ufeffa");
  });

  test("ByteReader.string() refuses what is not UTF-8", () => {
    expect(codeOf(() => new ByteReader(Uint8Array.of(1, 0xff)).string())).toBe("SG_CORRUPT");
  });

  test("bytes() gives a copy, also out of a view into a larger buffer", () => {
    const inner = written((w) => w.bytes(Uint8Array.of(7, 8)));
    const outer = new Uint8Array(10);
    outer.set(inner, 4);
    const copy = new ByteReader(outer.subarray(4, 7)).bytes();
    outer.fill(0);
    expect([...copy]).toEqual([7, 8]);
  });

  test("every method refuses to read past the end", () => {
    const reads: ((r: ByteReader) => unknown)[] = [
      (r) => r.u8(),
      (r) => r.u32(),
      (r) => r.i32(),
      (r) => r.f64(),
      (r) => r.varint(),
      (r) => r.bytes(),
      (r) => r.string(),
      (r) => r.version(1, "test"),
    ];
    for (const read of reads) {
      expect(codeOf(() => read(new ByteReader(new Uint8Array(0))))).toBe("SG_CORRUPT");
    }
  });

  test("ByteReader.count() refuses more entries than the bytes left can hold", () => {
    const bytes = written((w) => {
      w.varint(2);
      w.f64(1);
    });
    expect(codeOf(() => new ByteReader(bytes).count(5))).toBe("SG_CORRUPT");
    expect(new ByteReader(bytes).count(4)).toBe(2);
    // 2^53 - 1 entries of 8 bytes: the product must not wrap around.
    expect(codeOf(() => new ByteReader(written((w) => w.varint(2 ** 53 - 1))).count(8))).toBe("SG_CORRUPT");
    expect(codeOf(() => new ByteReader(written((w) => w.varint(2 ** 40))).bytes())).toBe("SG_CORRUPT");
  });
});
