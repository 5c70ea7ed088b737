/** Which decimals the WebAssembly reader takes, and which it leaves to the plain one: the values are the same. */
import { expect, test } from "vitest";
import { MAX_DECIMAL_BYTES } from "../../src/schemas/avro-number.ts";
import { createAvroReader } from "../../src/schemas/avro-reader.ts";
import { batchContents } from "./batch-contents.ts";

const SAFE = 2n ** 53n - 1n;
/** Unscaled value, its bytes, scale, and whether WebAssembly takes it. */
const EDGE: readonly (readonly [bigint, number, number, boolean])[] = [
  [0n, 0, 2, true],
  [0n, 1, 0, true],
  [-1n, 1, 22, true],
  [127n, 1, 2, true],
  [-128n, 1, 2, true],
  [SAFE, 7, 2, true],
  [-SAFE, 7, 2, true],
  [SAFE + 1n, 7, 2, false],
  [-SAFE - 1n, 7, 2, false],
  [SAFE, 8, 22, true],
  [SAFE, 8, 23, false],
  [1n, 8, 23, false],
  [2n ** 63n - 1n, 8, 0, false],
  [-(2n ** 63n), 8, 0, false],
  // As fixed of 16 bytes, which many writers have for all decimals: sign in front of what 8 bytes hold.
  [SAFE, 16, 2, true],
  [-SAFE, 16, 2, true],
  [SAFE + 1n, 16, 2, false],
  [-SAFE - 1n, 16, 2, false],
  [-1n, MAX_DECIMAL_BYTES, 0, true],
  // Their low 8 bytes alone would be small numbers.
  [2n ** 63n, 9, 0, false],
  [2n ** 64n, 9, 0, false],
  [2n ** 64n + 5n, 16, 0, false],
  [-(2n ** 64n) - 1n, 9, 0, false],
  [-(2n ** 64n) + 5n, 9, 0, false],
  [2n ** 120n, 16, 0, false],
  [2n ** 127n - 1n, 16, 30, false],
];

function bigEndian(value: bigint, size: number): Buffer {
  const hex = BigInt.asUintN(8 * size, value)
    .toString(16)
    .padStart(2 * size, "0");
  return Buffer.from(hex, "hex");
}

/** What becomes of the event, and whether WebAssembly has taken it. */
function readWith(schema: object, event: Uint8Array, isPlain: boolean) {
  const reader = createAvroReader(JSON.stringify(schema));
  const batch = reader.createBatch(1, { isPlain });
  batch.reserve(event.length);
  const from = batch.arenaLength;
  batch.arena.set(event, from);
  const isTaken = batch.readFast(from, from + event.length);
  const outcome = isTaken ? "ok" : reader.read(batch, event, 0, event.length);
  if (isTaken) batch.rowCount = 1;
  return { isTaken, outcome, contents: batchContents(batch), number: batch.columns[0]!.numbers[0]! };
}

/** The edge in either form of a decimal: schema and event. */
const CASES = EDGE.flatMap(([unscaled, size, scale, isTaken]) => {
  const decimal = { logicalType: "decimal", precision: Math.max(1, scale), scale };
  const bytes = bigEndian(unscaled, size);
  const length = size < 64 ? Buffer.of(2 * size) : Buffer.of(((2 * size) & 0x7f) | 0x80, (2 * size) >> 7);
  const known = { unscaled, size, scale, isTaken };
  const asBytes = {
    form: "bytes",
    schema: { type: "bytes", ...decimal },
    event: Buffer.concat([length, bytes]),
    ...known,
  };
  // Avro forbids a precision of more digits than a fixed of so many bytes has.
  if (decimal.precision > Math.floor(Math.log10(2) * (8 * size - 1))) return [asBytes];
  return [asBytes, { form: "fixed", schema: { type: "fixed", name: "F", size, ...decimal }, event: bytes, ...known }];
});

test.each(CASES)("$unscaled in $size bytes ($form) with scale $scale: taken by WebAssembly $isTaken", (given) => {
  const { unscaled, scale, isTaken, schema, event } = given;
  const fast = readWith(schema, event, false);
  const plain = readWith(schema, event, true);
  expect([fast.outcome, fast.isTaken]).toEqual(["ok", isTaken]);
  expect(plain.isTaken).toBe(false);
  expect(fast.contents).toEqual(plain.contents);
  expect(fast.number).toBe(Number(`${unscaled}e-${scale}`));
});

test("a decimal of more bytes than may be is left to the reader that refuses it", () => {
  const size = MAX_DECIMAL_BYTES + 1;
  const schema = { type: "fixed", name: "F", size, logicalType: "decimal", precision: 4, scale: 2 };
  const read = readWith(schema, new Uint8Array(size), false);
  expect([read.isTaken, read.outcome]).toEqual([false, "length_refused"]);
});
