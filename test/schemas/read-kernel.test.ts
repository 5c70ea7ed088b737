import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type AvroReader, createAvroReader } from "../../src/schemas/avro-reader.ts";
import { avroCase, mutatedBytes } from "./avro-arbitraries.ts";
import { batchContents } from "./batch-contents.ts";

/** What becomes of the events. */
function outcomes(reader: AvroReader, isPlain: boolean, events: readonly Uint8Array[]) {
  const batch = reader.createBatch(events.length, { isPlain });
  const told = events.map((event) => {
    const outcome = reader.read(batch, event, 0, event.length);
    return outcome === "ok" ? outcome : `${outcome} at ${reader.errorPosition}`;
  });
  return { told, contents: batchContents(batch), invalidUtf8: [...batch.invalidUtf8.subarray(0, batch.rowCount)] };
}

test("the WebAssembly reader and the plain one give the same batch of any events, whole or damaged", () => {
  const events = avroCase(4).chain(({ schema, payloads }) =>
    fc
      .tuple(...payloads.map((payload) => fc.oneof(mutatedBytes(payload), fc.constant(payload))))
      .map((damaged) => ({ schema, events: [...payloads, ...damaged, ...payloads] })),
  );
  fc.assert(
    fc.property(events, (given) => {
      const reader = createAvroReader(JSON.stringify(given.schema));
      expect(outcomes(reader, false, given.events)).toEqual(outcomes(reader, true, given.events));
    }),
    { seed: 11, numRuns: 300 },
  );
});

const RECORD = {
  type: "record",
  name: "R",
  fields: [
    { name: "whole", type: "long" },
    { name: "amount", type: { type: "bytes", logicalType: "decimal", precision: 12, scale: 2 } },
    { name: "text", type: ["null", "string"] },
    { name: "id", type: { type: "fixed", name: "U", size: 16, logicalType: "uuid" } },
    { name: "items", type: { type: "array", items: "int" } },
  ],
};
/** 2^53 + 1 in whole, 12.34, "añb€😀", an id, [1, -1]. */
const EVENT = Buffer.concat([
  Buffer.from("8280808080808020", "hex"),
  Buffer.from("0404d2", "hex"),
  Buffer.of(2, 22),
  Buffer.from("añb€😀"),
  Buffer.from("123e4567e89b12d3a456426614174000", "hex"),
  Buffer.from("04020100", "hex"),
]);

test("AvroBatch.readFast() takes what is as it should be, and leaves no trace of what it does not take", () => {
  const reader = createAvroReader(JSON.stringify(RECORD));
  const batch = reader.createBatch(8);
  batch.reserve(4 * EVENT.length);
  const at = batch.arenaLength;
  batch.arena.set(EVENT, at);
  expect(batch.readFast(at, at + EVENT.length)).toBe(true);
  batch.rowCount++;
  const plain = reader.createBatch(8, { isPlain: true });
  expect(plain.readFast(at, at)).toBe(false);
  expect(reader.read(plain, EVENT, 0, EVENT.length)).toBe("ok");
  expect(batchContents(batch)).toEqual(batchContents(plain));
  const before = batchContents(batch);
  const next = batch.arenaLength;
  batch.arena.set(EVENT, next);
  expect(batch.readFast(next, next + EVENT.length - 1)).toBe(false);
  expect(batchContents(batch)).toEqual(before);
});

/** At the edge of what is right, in hex. */
test.each([
  ["boolean", ["00", "01", "02"]],
  ["int", ["feffffff0f", "ffffffff0f", "8080808010", "8080808000", "808080808000", "80"]],
  ["long", ["feffffffffffffffff01", "ffffffffffffffffff01", "8080808080808080807f", "80808080808080808000"]],
  ["long", ["80808080808080808002", "808080808080808000", "8080808080808040", "80808080808080"]],
  ["string", ["04c080", "06e08080", "06e0a080", "06eda080", "06ed9fbf", "08f08f8080", "08f48fbfbf", "08f4908080"]],
  [
    "string",
    ["02c3", "02ff", "04c3a9", "10616263646566c3a9", "1061626364656667c3", "810061", "01", "8080808080808080808001"],
  ],
  [
    ["null", "int"],
    ["00", "0202", "0102", "03", "820002", "800002", "04"],
  ],
  [{ type: "array", items: "null" }, ["0400", "03000400", "0302000400", "fffffffffffffffff70100"]],
  [{ type: "enum", name: "E", symbols: ["A", "B"] }, ["00", "02", "04", "01", "8200"]],
  [
    { type: "bytes", logicalType: "decimal", precision: 30, scale: 25 },
    ["00", "0201", "02ff", "100020000000000000", "12000020000000000000"],
  ],
  [
    { type: "bytes", logicalType: "decimal", precision: 30, scale: 3 },
    ["00", "0201", "02ff", "10001fffffffffffff", "100020000000000000", "10ffe0000000000000", "12000020000000000000"],
  ],
])("both readers agree on %j: %j", (schema, events) => {
  const reader = createAvroReader(JSON.stringify(schema));
  const bytes = events.map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));
  expect(outcomes(reader, false, bytes)).toEqual(outcomes(reader, true, bytes));
});
