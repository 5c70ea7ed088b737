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
    { numRuns: 300 },
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
