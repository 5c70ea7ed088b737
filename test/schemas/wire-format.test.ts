import * as fc from "fast-check";
import { expect, test } from "vitest";
import { frame, readWireHeader, WIRE_HEADER_BYTES, wireRefusal } from "../../src/schemas/wire-format.ts";

test("readWireHeader() reads back what frame() wrote", () => {
  fc.assert(
    fc.property(fc.nat({ max: 0xffffffff }), fc.uint8Array({ maxLength: 20 }), (id, payload) => {
      const framed = frame(id, payload);
      expect(readWireHeader(framed)).toBe(id);
      expect([...framed.subarray(WIRE_HEADER_BYTES)]).toEqual([...payload]);
    }),
    { seed: 1 },
  );
});

test("frame() is big-endian", () => {
  expect([...frame(0x01020304, Uint8Array.of(9))]).toEqual([0, 1, 2, 3, 4, 9]);
});

test.each([
  [null, "tombstone"],
  [[], "empty"],
  [[0], "short_header"],
  [[7, 0, 0, 0], "short_header"],
  [[1, 0, 0, 0, 1], "wrong_magic"],
  [[0x7b, 0x22, 0x61, 0x22, 0x3a, 0x31, 0x7d], "wrong_magic"],
] as const)("readWireHeader() of %j is %s", (value, refusal) => {
  const code = readWireHeader(value === null ? null : Uint8Array.from(value));
  expect(code).toBeLessThan(0);
  expect(wireRefusal(code)).toBe(refusal);
});

test("wireRefusal() and frame() throw for what is no code and no id", () => {
  expect(() => wireRefusal(0)).toThrow(RangeError);
  expect(() => wireRefusal(-5)).toThrow(RangeError);
  for (const id of [-1, 1.5, 2 ** 32, Number.NaN]) expect(() => frame(id, Uint8Array.of())).toThrow(RangeError);
});
