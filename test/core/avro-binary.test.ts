import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AvroBinaryReader, AvroBinaryWriter } from "../../src/core/avro-binary.ts";

const SEED = 20_130_213;
const MAX = Number.MAX_SAFE_INTEGER;
const EDGES = [0, -1, 63, 64, -64, -65, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 52, -(2 ** 52), -(2 ** 52) - 1, MAX, -MAX];

function written(write: (writer: AvroBinaryWriter) => void): Uint8Array {
  const writer = new AvroBinaryWriter(1);
  write(writer);
  return writer.finish();
}

/** Zigzag varint of a long of any size, by the specification. */
function varint(value: bigint): Uint8Array {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.from([...bytes, Number(rest)]);
}

const corrupt = expect.objectContaining({ code: "SG_CORRUPT" });

describe("AvroBinaryWriter.long()", () => {
  const long = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(...EDGES));

  test("writes every safe integer as the specification says, and AvroBinaryReader.long() reads it", () => {
    fc.assert(
      fc.property(long, (value) => {
        const bytes = written((writer) => writer.long(value));
        expect(bytes).toEqual(varint(BigInt(value)));
        const reader = new AvroBinaryReader(bytes);
        expect(reader.long()).toBe(value);
        expect(reader.remaining).toBe(0);
      }),
      { seed: SEED, numRuns: 3000, examples: EDGES.map((edge): [number] => [edge]) },
    );
  });

  test("takes −0 for 0, and refuses what is not a safe integer", () => {
    expect(written((writer) => writer.long(-0))).toEqual(Uint8Array.of(0));
    for (const value of [0.5, Number.NaN, Number.POSITIVE_INFINITY, MAX + 1, -MAX - 1]) {
      expect(() => written((writer) => writer.long(value))).toThrow(RangeError);
    }
  });
});

describe("AvroBinaryReader.long()", () => {
  test("refuses a long that a number cannot hold, and a varint of more than ten bytes", () => {
    const edge = 2n ** 53n;
    for (const value of [edge, -edge, edge + 1n, -edge - 1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      expect(() => new AvroBinaryReader(varint(value)).long(), String(value)).toThrowError(corrupt);
    }
    const endless = new Uint8Array(12).fill(128);
    expect(() => new AvroBinaryReader(endless).long()).toThrowError(corrupt);
    expect(new AvroBinaryReader(Uint8Array.from([...Array(9).fill(128), 0])).long()).toBe(0);
    expect(() => new AvroBinaryReader(Uint8Array.from([...Array(10).fill(128), 0])).long()).toThrowError(corrupt);
  });
});

describe("AvroBinaryReader", () => {
  test("gives back what AvroBinaryWriter was given, in order, whatever its first capacity", () => {
    const item = fc.oneof(
      fc.maxSafeInteger().map((value) => ({ kind: "long", value }) as const),
      fc.double().map((value) => ({ kind: "double", value }) as const),
      fc.boolean().map((value) => ({ kind: "boolean", value }) as const),
      fc
        .oneof(fc.string({ unit: "grapheme" }), fc.constant("\ufeff"))
        .map((value) => ({ kind: "string", value }) as const),
      fc.uint8Array().map((value) => ({ kind: "bytes", value }) as const),
    );
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const bytes = written((writer) => {
          for (const { kind, value } of items) (writer[kind] as (value: unknown) => void)(value);
        });
        const reader = new AvroBinaryReader(bytes);
        expect(items.map(({ kind }) => reader[kind]())).toEqual(items.map(({ value }) => value));
        expect(reader.position).toBe(bytes.length);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("refuses lengths that the bytes left do not allow, before anything is allocated", () => {
    for (const length of [5, MAX, -1]) {
      const bytes = written((writer) => {
        writer.long(length);
        writer.raw(Uint8Array.of(1, 2, 3, 4));
      });
      expect(() => new AvroBinaryReader(bytes).bytes()).toThrowError(corrupt);
      expect(() => new AvroBinaryReader(bytes).string()).toThrowError(corrupt);
    }
  });

  test("refuses a cut double and a boolean that is neither 0 nor 1", () => {
    expect(() => new AvroBinaryReader(new Uint8Array(7)).double()).toThrowError(corrupt);
    expect(() => new AvroBinaryReader(Uint8Array.of(2)).boolean()).toThrowError(corrupt);
    expect(() => new AvroBinaryReader(new Uint8Array()).boolean()).toThrowError(corrupt);
  });
});
