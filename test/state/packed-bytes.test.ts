import fc from "fast-check";
import { expect, test } from "vitest";
import { PackedBytes } from "../../src/state/packed-bytes.ts";

const length = fc.oneof(fc.nat(300), fc.constantFrom(65_534, 65_535, 65_536, 131_070, 131_071, 200_000));

test("of() and stored() unpack to what was packed", () => {
  fc.assert(
    fc.property(length, fc.nat(), (bytes, seed) => {
      const value = Uint8Array.from({ length: bytes }, (_, i) => (i * seed + (i >> 8)) & 255);
      for (const packed of [PackedBytes.of(value), PackedBytes.stored(value)]) {
        expect(packed.length).toBe(bytes);
        expect(Buffer.compare(packed.unpack(), value)).toBe(0);
      }
    }),
  );
});
