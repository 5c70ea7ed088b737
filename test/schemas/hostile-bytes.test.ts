import { describe, expect, test } from "vitest";
import { MAX_ELEMENT_VALUES, MAX_ELEMENTS, MAX_EMPTY_ELEMENTS } from "../../src/schemas/avro-interpreter.ts";
import { createAvroReader } from "../../src/schemas/avro-reader.ts";
import { MAX_DATA_DEPTH } from "../../src/schemas/field-tree.ts";
import { avscType } from "./avro-arbitraries.ts";

/** Outcome of one event, and the reader's batch. */
function read(schema: unknown, bytes: Uint8Array) {
  const reader = createAvroReader(JSON.stringify(schema));
  const batch = reader.createBatch(4);
  const outcome = reader.read(batch, bytes, 0, bytes.length);
  if (outcome !== "ok") {
    for (const column of batch.columns) expect([column.count, column.nullCount]).toEqual([0, 0]);
  }
  return { outcome, batch, at: reader.errorPosition, detail: reader.errorDetail };
}

function varint(value: bigint): Uint8Array {
  let bits = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const bytes: number[] = [];
  for (; bits >= 0x80n; bits >>= 7n) bytes.push(Number(bits & 0x7fn) | 0x80);
  return Uint8Array.of(...bytes, Number(bits));
}

const join = (...parts: readonly Uint8Array[]) => Uint8Array.from(Buffer.concat(parts));

describe("AvroReader.read() of hostile bytes", () => {
  test("refuses 30 million nulls from five bytes", () => {
    const nulls = { type: "array", items: "null" };
    expect(read(nulls, join(varint(30_000_000n), Uint8Array.of(0))).outcome).toBe("length_refused");
    expect(read(nulls, join(varint(BigInt(MAX_EMPTY_ELEMENTS)), Uint8Array.of(0))).outcome).toBe("ok");
    expect(read(nulls, join(varint(BigInt(MAX_EMPTY_ELEMENTS + 1)), Uint8Array.of(0))).outcome).toBe("length_refused");
  });

  test("counts elements without bytes over all arrays of the event", () => {
    const nulls = { type: "array", items: { type: "array", items: "null" } };
    const inner = join(varint(40_000n), Uint8Array.of(0));
    expect(read(nulls, join(varint(1n), inner, Uint8Array.of(0))).outcome).toBe("ok");
    expect(read(nulls, join(varint(2n), inner, inner, Uint8Array.of(0))).outcome).toBe("length_refused");
  });

  test.each([
    ["array of long", { type: "array", items: "long" }],
    ["map of long", { type: "map", values: "long" }],
    [
      "array of record",
      { type: "array", items: { type: "record", name: "R", fields: [{ name: "a", type: "double" }] } },
    ],
  ])("refuses a count of 5e7 without data: %s", (_, schema) => {
    expect(read(schema, varint(50_000_000n)).outcome).toBe("length_refused");
    expect(read(schema, varint(2n ** 63n - 1n)).outcome).toBe("length_refused");
    expect(read(schema, join(varint(-(2n ** 63n)), varint(0n))).outcome).toBe("length_refused");
  });

  test("refuses more elements than an event may have, though the bytes are there", () => {
    const bytes = new Uint8Array(MAX_ELEMENTS + 10);
    bytes.set(varint(BigInt(MAX_ELEMENTS + 1)));
    const { outcome, detail } = read({ type: "array", items: "int" }, bytes);
    expect(outcome).toBe("length_refused");
    expect(detail).toBe(`more than ${MAX_ELEMENTS} elements of one event, with those of value`);
  });

  describe.each([false, true])("with 2,000 branches or fields below an array, isPlain %s", (isPlain) => {
    const LEAVES = 2_000;
    const numbers = Array.from({ length: LEAVES }, (_, i) => i);
    /** An array of so many elements, all of whose bytes are 0: nulls. */
    const nulls = (schema: unknown, elements: number, bytesEach: number) => {
      const bytes = join(varint(BigInt(elements)), new Uint8Array(elements * bytesEach + 1));
      const reader = createAvroReader(JSON.stringify(schema));
      const batch = reader.createBatch(4, { isPlain });
      return { reader, batch, outcome: reader.read(batch, bytes, 0, bytes.length) };
    };

    test("a null of each branch costs no more than one", () => {
      const branches = numbers.map((i) => ({ type: "fixed", name: `F${i}`, size: 1 }));
      const { batch, outcome } = nulls({ type: "array", items: ["null", ...branches] }, MAX_ELEMENTS, 1);
      expect(outcome).toBe("ok");
      expect(batch.columns).toHaveLength(LEAVES + 1);
      for (const column of batch.columns.slice(1)) {
        expect([column.count, column.nullCount]).toEqual([0, MAX_ELEMENTS]);
      }
      expect(
        batch.columns
          .at(-1)!
          .nullRows.subarray(0, MAX_ELEMENTS)
          .every((row) => row === 0),
      ).toBe(true);
      if (!isPlain) expect(batch.room!.memory.buffer.byteLength).toBeLessThan(32_000_000);
    });

    test("more values than an event may have are refused, and it is said where", () => {
      const fields = numbers.map((i) => ({ name: `f${i}`, type: ["null", "int"] }));
      const record = { type: "record", name: "R", fields };
      const schema = { type: "record", name: "E", fields: [{ name: "stops", type: { type: "array", items: record } }] };
      const most = Math.floor(MAX_ELEMENT_VALUES / LEAVES);
      const fits = nulls(schema, most, LEAVES);
      expect(fits.outcome).toBe("ok");
      expect(fits.batch.columns.at(-1)!.nullCount).toBe(most);
      const { reader, batch, outcome } = nulls(schema, most + 1, LEAVES);
      expect(outcome).toBe("length_refused");
      expect(reader.errorDetail).toBe(
        `more than ${MAX_ELEMENT_VALUES} values in the arrays and maps of one event, with those of stops`,
      );
      for (const column of batch.columns) expect([column.count, column.nullCount]).toEqual([0, 0]);
      // The next one is read as if there had been none.
      expect(reader.read(batch, Uint8Array.of(0), 0, 1)).toBe("ok");
      expect(reader.read(batch, Uint8Array.of(1), 0, 1)).toBe("truncated");
      expect(reader.errorDetail).toBeUndefined();
    });
  });

  test("reads blocks of negative count, and refuses those whose size is wrong", () => {
    const ints = { type: "array", items: "int" };
    const good = Uint8Array.of(3, 4, 10, 12, 2, 14, 0);
    const { outcome, batch } = read(ints, good);
    expect(outcome).toBe("ok");
    expect([...batch.columns[1]!.numbers.subarray(0, 3)]).toEqual([5, 6, 7]);
    expect(batch.columns[0]!.numbers[0]).toBe(3);
    for (const size of [0, 1, 2, 3, 6, 8, 100]) {
      const bytes = Uint8Array.from(good);
      bytes[1] = size;
      expect(read(ints, bytes).outcome).toBe("length_refused");
    }
  });

  test.each([
    ["a string longer than the bytes left", '"string"', [6, 0x61, 0x62], "length_refused", 0],
    ["a string of negative length", '"string"', [1, 0x61], "length_refused", 0],
    ["a string of 2^40 bytes", '"string"', [...varint(2n ** 40n), 0x61], "length_refused", 0],
    ["bytes of 2^31 bytes", '"bytes"', [...varint(2n ** 31n)], "length_refused", 0],
    ["bytes of negative length", '"bytes"', [3, 0], "length_refused", 0],
    ["a boolean of 7", '"boolean"', [7], "malformed", 0],
    ["an int of 33 bits", '"int"', [0xff, 0xff, 0xff, 0xff, 0x1f], "malformed", 0],
    ["an int of six bytes", '"int"', [0x80, 0x80, 0x80, 0x80, 0x80, 0x00], "malformed", 0],
    ["a long of 65 bits", '"long"', [...Array(9).fill(0xff), 0x02], "malformed", 0],
    ["a long of eleven bytes", '"long"', [...Array(10).fill(0x80), 0x00], "malformed", 0],
    ["a long cut short", '"long"', [0x80, 0x80], "truncated", 2],
    ["a double cut short", '"double"', [0, 0, 0, 0, 0, 0, 0], "truncated", 7],
    ["a fixed cut short", '{"type":"fixed","name":"F","size":3}', [0, 0], "truncated", 2],
    ["an enum index out of range", '{"type":"enum","name":"E","symbols":["A"]}', [2], "malformed", 0],
    ["a negative enum index", '{"type":"enum","name":"E","symbols":["A"]}', [1], "malformed", 0],
    ["a nullable's index out of range", '["null","int"]', [4, 0], "malformed", 0],
    ["a negative nullable's index", '["null","int"]', [1, 0], "malformed", 0],
    ["a union index out of range", '["null","int","string"]', [6, 0], "malformed", 0],
    ["any value of a union of nothing", "[]", [0], "malformed", 0],
    ["any value of an enum of nothing", '{"type":"enum","name":"E","symbols":[]}', [0], "malformed", 0],
    [
      "a decimal of a thousand digits more than a double",
      '{"type":"bytes","logicalType":"decimal","precision":9}',
      [...varint(2000n), ...Array(2000).fill(1)],
      "length_refused",
      0,
    ],
    ["nothing at all", '"int"', [], "truncated", 0],
    ["bytes behind the event", '"null"', [0], "trailing_bytes", 0],
  ] as const)("refuses %s", (_, schema, bytes, reason, at) => {
    const result = read(JSON.parse(schema), Uint8Array.from(bytes));
    expect([result.outcome, result.at]).toEqual([reason, at]);
  });

  test("allows varints padded within their bytes", () => {
    expect(read("int", Uint8Array.of(0x82, 0x80, 0x80, 0x80, 0x00)).outcome).toBe("ok");
    expect(read("long", Uint8Array.of(0x82, ...Array(8).fill(0x80), 0x00)).outcome).toBe("ok");
    expect(read(["null", "int"], Uint8Array.of(0x82, 0x00, 0x0e)).batch.columns[0]!.numbers[0]).toBe(7);
  });

  const list = {
    type: "record",
    name: "List",
    fields: [
      { name: "value", type: "int" },
      { name: "next", type: ["null", "List"] },
    ],
  };
  const listOf = (length: number) => {
    const bytes = new Uint8Array(2 * length);
    for (let i = 0; i < length; i++) bytes.set([2, 2], 2 * i);
    bytes[2 * length - 1] = 0;
    return bytes;
  };

  test("refuses data deeper than the limit, at the limit and 10,000 deep", () => {
    expect(read(list, listOf(MAX_DATA_DEPTH)).outcome).toBe("ok");
    expect(read(list, listOf(MAX_DATA_DEPTH + 1)).outcome).toBe("too_deep");
    expect(read(list, listOf(10_000)).outcome).toBe("too_deep");
  });

  test("reads past what is deeper than the columns, and still checks it", () => {
    const { outcome, batch } = read(list, listOf(20));
    expect(outcome).toBe("ok");
    expect(batch.columns.map((column) => [column.field.path, column.count])).toEqual([
      ["value", 1],
      ["next.value", 1],
      ["next.next.value", 1],
    ]);
    const bytes = listOf(20);
    bytes[39] = 6;
    expect(read(list, bytes)).toMatchObject({ outcome: "malformed", at: 39 });
  });

  test.each([
    ["record inside itself", { type: "record", name: "R", fields: [{ name: "r", type: "R" }] }, new Uint8Array(8)],
    [
      "array of itself",
      { type: "record", name: "R", fields: [{ name: "r", type: { type: "array", items: "R" } }] },
      new Uint8Array(500).fill(2),
    ],
    [
      "map of itself",
      { type: "record", name: "R", fields: [{ name: "r", type: { type: "map", values: "R" } }] },
      Uint8Array.from({ length: 500 }, (_, i) => (i % 2 ? 0 : 2)),
    ],
  ])("refuses endless depth: %s", (_, schema, bytes) => {
    expect(read(schema, bytes).outcome).toBe("too_deep");
  });

  test("keeps a map key __proto__ and a field __proto__ like any other", () => {
    const schema = {
      type: "record",
      name: "R",
      fields: [{ name: "m", type: { type: "map", values: "int" } }, JSON.parse('{"name":"__proto__","type":"int"}')],
    };
    const bytes = join(Uint8Array.of(2, 18), Buffer.from("__proto__"), Uint8Array.of(14, 0, 16));
    const { outcome, batch } = read(schema, bytes);
    expect(outcome).toBe("ok");
    expect(batch.columns.map((column) => column.field.path)).toEqual(["m", "m{}#key", "m{}", "__proto__"]);
    const keys = batch.columns[1]!;
    expect(Buffer.from(batch.arena.subarray(keys.starts[0]!, keys.starts[0]! + keys.lengths[0]!)).toString()).toBe(
      "__proto__",
    );
    expect([batch.columns[2]!.numbers[0], batch.columns[3]!.numbers[0]]).toEqual([7, 8]);
  });

  test("marks the row of a string that is not UTF-8, also in keys and in what has no column", () => {
    const bad = Uint8Array.of(4, 0xc3, 0x28);
    for (const [schema, bytes] of [
      ["string", bad],
      [["null", "string"], join(Uint8Array.of(2), bad)],
      [{ type: "map", values: "null" }, join(Uint8Array.of(2), bad, Uint8Array.of(0))],
      [
        {
          type: "record",
          name: "R",
          fields: [
            { name: "s", type: "string" },
            { name: "r", type: ["null", "R"] },
          ],
        },
        join(...Array(4).fill(Uint8Array.of(0, 2)), bad, Uint8Array.of(0)),
      ],
    ] as const) {
      const { outcome, batch } = read(schema, bytes);
      expect([outcome, batch.rowCount, batch.invalidUtf8[0]]).toEqual(["ok", 1, 1]);
    }
    expect(read("bytes", bad).batch.invalidUtf8[0]).toBe(0);
    expect(read("string", join(Uint8Array.of(10), Buffer.from("añb!"))).batch.invalidUtf8[0]).toBe(0);
  });

  test("takes an invalid row's mark back when the row is used again", () => {
    const reader = createAvroReader('"string"');
    const batch = reader.createBatch(1);
    reader.read(batch, Uint8Array.of(2, 0xff), 0, 2);
    expect(batch.invalidUtf8[0]).toBe(1);
    batch.reset();
    reader.read(batch, Uint8Array.of(2, 0x61), 0, 2);
    expect(batch.invalidUtf8[0]).toBe(0);
  });

  test.each([2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 31n, -1n, 0n])(
    "keeps the long %s exact in the words",
    (value) => {
      const { batch } = read("long", avscType("long").toBuffer(value));
      const { lo, hi, numbers } = batch.columns[0]!;
      expect((BigInt(hi[0]!) << 32n) | BigInt(lo[0]! >>> 0)).toBe(value);
      expect(numbers[0]).toBe(Number(value));
    },
  );
});
