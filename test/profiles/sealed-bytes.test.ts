import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import { readSealed, sealed } from "../../src/profiles/sealed-bytes.ts";
import { ByteWriter } from "../../src/sketches/bytes.ts";

const BLOCK = 256 * 1024;

function sealedBytes(content: Uint8Array): Uint8Array {
  const writer = new ByteWriter(content.length + 16);
  writer.bytes(content);
  return sealed(writer);
}

function contentOf(length: number): Uint8Array {
  const random = new SeededRandom(length);
  return Uint8Array.from({ length }, () => random.below(256));
}

const read = (bytes: Uint8Array) => readSealed("test", bytes, (reader) => reader.bytes());

describe("sealed()", () => {
  // The length stands before the content, in 1 to 3 bytes.
  test.each([0, 1, BLOCK - 3, BLOCK, 3 * BLOCK + 5])(
    "%i bytes are read again, and damage anywhere is told",
    (length) => {
      const content = contentOf(length);
      const bytes = sealedBytes(content);
      expect(Buffer.compare(read(bytes), content)).toBe(0);
      for (const at of [0, length >> 2, length >> 1, BLOCK, bytes.length - 9, bytes.length - 1]) {
        if (at >= bytes.length || at < 0) continue;
        const damaged = bytes.slice();
        damaged[at]! ^= 1;
        expect(() => read(damaged), `byte ${at}`).toThrow(/damaged/);
      }
    },
  );

  test("blocks that have changed places are told", () => {
    const bytes = sealedBytes(contentOf(4 * BLOCK));
    const changed = bytes.slice();
    changed.copyWithin(BLOCK, 2 * BLOCK, 3 * BLOCK);
    changed.set(bytes.subarray(BLOCK, 2 * BLOCK), 2 * BLOCK);
    expect(() => read(changed)).toThrow(/damaged/);
  });
});
