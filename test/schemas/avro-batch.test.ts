import { isUtf8 as nodeIsUtf8 } from "node:buffer";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_DECIMAL_BYTES, readDecimal } from "../../src/schemas/avro-number.ts";
import { createAvroReader } from "../../src/schemas/avro-reader.ts";
import { isUtf8 } from "../../src/schemas/utf8.ts";
import { batchContents } from "./batch-contents.ts";

describe("AvroBatch", () => {
  test("has arrays only for the storage of each column", () => {
    const schema = ["boolean", "long", "string"].map((type, i) => ({ name: `f${i}`, type }));
    const batch = createAvroReader(JSON.stringify({ type: "record", name: "R", fields: schema })).createBatch(8);
    const sizes = batch.columns.map((c) =>
      [c.rows, c.numbers, c.lo, c.hi, c.starts, c.lengths, c.nullRows].map((a) => a.length),
    );
    expect(sizes).toEqual([
      [8, 8, 0, 0, 0, 0, 0],
      [8, 8, 8, 8, 0, 0, 0],
      [8, 0, 0, 0, 8, 8, 0],
    ]);
  });

  test("reset() empties, keeps the enum symbols and lets go of what huge events needed", () => {
    const reader = createAvroReader(
      '{"type":"record","name":"R","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["LEFT","RIGHT"]}},{"name":"a","type":{"type":"array","items":["null","int"]}}]}',
    );
    const batch = reader.createBatch(2);
    const event = Uint8Array.of(2, 4, 0, 2, 14, 0);
    const small = () => {
      expect(reader.read(batch, event, 0, event.length)).toBe("ok");
      return batchContents(batch);
    };
    const before = small();
    expect(before.get("e")!.values).toEqual([Buffer.from("RIGHT").toString("hex")]);
    batch.reset();
    // 400,000 items of null, and as many of int.
    const huge = new Uint8Array(1 + 3 + 400_000 + 3 + 800_000 + 1);
    huge.set([2, 0x80, 0xea, 0x30]);
    huge.set([0x80, 0xea, 0x30], 400_004);
    huge.fill(2, 400_007, 1_200_007);
    for (let row = 0; row < 2; row++) expect(reader.read(batch, huge, 0, huge.length)).toBe("ok");
    expect([batch.columns[2]!.count, batch.columns[2]!.nullCount]).toEqual([800_000, 800_000]);
    const grown = batch.columns[2]!.numbers.length;
    batch.reset();
    expect([batch.rowCount, batch.columns[2]!.count, batch.columns[2]!.nullCount]).toEqual([0, 0, 0]);
    expect(batch.columns[2]!.numbers.length).toBeLessThan(grown);
    expect(batch.columns[2]!.nullRows.length).toBeLessThan(grown);
    expect(small()).toEqual(before);
  });

  test("grows its arena, and moves what it holds", () => {
    const reader = createAvroReader('"string"');
    const batch = reader.createBatch(3);
    const text = (length: number, letter: string) => {
      const bytes = Buffer.alloc(length + 3, letter);
      bytes.set([((length << 1) & 0x7f) | 0x80, (((length << 1) >> 7) & 0x7f) | 0x80, (length << 1) >> 14]);
      return bytes;
    };
    for (const [length, letter] of [
      [100, "a"],
      [10_000, "b"],
      [100_000, "c"],
    ] as const) {
      const bytes = text(length, letter);
      expect(reader.read(batch, bytes, 0, bytes.length)).toBe("ok");
    }
    const values = batchContents(batch)
      .get("value")!
      .values.map((hex) => Buffer.from(hex as string, "hex").toString());
    expect(values).toEqual(["a".repeat(100), "b".repeat(10_000), "c".repeat(100_000)]);
  });

  test("writes a uuid of 16 bytes as the text that a string uuid has", () => {
    const reader = createAvroReader(
      '{"type":"array","items":{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}}',
    );
    const batch = reader.createBatch(2);
    const uuid = "123e4567-e89b-12d3-a456-426614174000";
    const bytes = Buffer.concat([Buffer.of(4), Buffer.from(uuid.replaceAll("-", "").repeat(2), "hex"), Buffer.of(0)]);
    for (let row = 0; row < 2; row++) expect(reader.read(batch, bytes, 0, bytes.length)).toBe("ok");
    const values = batchContents(batch)
      .get("value[]")!
      .values.map((hex) => Buffer.from(hex as string, "hex").toString());
    expect(values).toEqual([uuid, uuid, uuid, uuid]);
  });
});

test("isUtf8() agrees with the platform for all pairs, and for random and broken text", () => {
  const agrees = (bytes: Uint8Array) => isUtf8(bytes, 0, bytes.length) === nodeIsUtf8(bytes);
  for (let a = 0x70; a < 256; a++) {
    for (let b = 0; b < 256; b += 3) {
      for (const tail of [[], [0x80], [0xbf, 0x80], [0x41]]) {
        if (!agrees(Uint8Array.of(a, b, ...tail))) expect.fail(`bytes ${[a, b, ...tail]}`);
      }
    }
  }
  const text = fc.string({ unit: "binary" }).map((value) => Uint8Array.from(Buffer.from(value)));
  const damaged = fc.tuple(text, fc.nat(), fc.nat({ max: 255 })).map(([bytes, at, byte]) => {
    if (bytes.length > 0) bytes[at % bytes.length] = byte;
    return bytes;
  });
  fc.assert(fc.property(fc.oneof(text, damaged, fc.uint8Array({ maxLength: 6 })), agrees), { seed: 5, numRuns: 3_000 });
  expect(isUtf8(Uint8Array.of(0xff, 0x41, 0xff), 1, 2)).toBe(true);
});

test("readDecimal() is the nearest double, and exact in its low 64 bits", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(2n ** 140n), max: 2n ** 140n }),
      fc.nat({ max: 200 }),
      fc.nat({ max: 400 }),
      fc.nat({ max: 3 }),
      (big, shift, scale, padding) => {
        const unscaled = big >> BigInt(shift);
        const length = Math.ceil((unscaled.toString(2).length + 1) / 8) + padding;
        const hex = BigInt.asUintN(8 * length, unscaled)
          .toString(16)
          .padStart(2 * length, "0");
        const bytes = Uint8Array.from(Buffer.from(`00${hex}`, "hex"));
        const words = { lo: 0, hi: 0 };
        expect(readDecimal(words, bytes, 1, length, scale) + 0).toBe(Number(`${unscaled}e-${scale}`) + 0);
        expect((BigInt(words.hi) << 32n) | BigInt(words.lo >>> 0)).toBe(BigInt.asIntN(64, unscaled));
      },
    ),
    { seed: 6, numRuns: 2_000 },
  );
  const words = { lo: 7, hi: 7 };
  expect([readDecimal(words, Uint8Array.of(), 0, 0, 2), words.lo, words.hi]).toEqual([0, 0, 0]);
  expect(readDecimal(words, new Uint8Array(MAX_DECIMAL_BYTES).fill(0x7f), 0, MAX_DECIMAL_BYTES, 0)).toBe(
    Number.POSITIVE_INFINITY,
  );
});
