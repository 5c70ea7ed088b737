import fc from "fast-check";
import { expect, test } from "vitest";
import { BytePages, type StoredBytes } from "../../src/core/byte-pages.ts";
import { SeededRandom } from "../../src/core/random.ts";

const PAGE_BYTES = 4096;
const BUFFER_BYTES = 1_048_576;
const size = fc.oneof(fc.nat(3 * PAGE_BYTES), fc.constantFrom(0, PAGE_BYTES, 2 * PAGE_BYTES, BUFFER_BYTES + 1));
/** Put so many bytes, or free one of those that are there. */
const step = fc.oneof(
  size.map((bytes) => ({ bytes })),
  fc.nat().map((victim) => ({ victim })),
);

test("what is in the pages is what was put there, whatever else comes and goes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(2 ** 31), (steps, seed) => {
      const random = new SeededRandom(seed);
      const pages = new BytePages();
      const kept: { readonly stored: StoredBytes; readonly bytes: Uint8Array }[] = [];
      for (const one of steps) {
        if ("bytes" in one) {
          const bytes = Uint8Array.from({ length: one.bytes }, () => random.nextUint32());
          kept.push({ stored: pages.put(bytes), bytes });
        } else if (kept.length > 0) {
          const [gone] = kept.splice(one.victim % kept.length, 1);
          pages.free(gone!.stored);
        }
        for (const { stored, bytes } of kept) expect(Buffer.compare(pages.read(stored), bytes)).toBe(0);
      }
      for (const { stored } of kept) pages.free(stored);
      expect(pages.heldBytes).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test("pages that are free are used again before there is another buffer", () => {
  const pages = new BytePages();
  const random = new SeededRandom(5);
  const bytes = new Uint8Array(100_000);
  const kept = Array.from({ length: 200 }, () => pages.put(bytes));
  const before = pages.heldBytes;
  // A page is 4 KB, so these take 25 of them.
  expect(before).toBe(Math.ceil((200 * 25 * PAGE_BYTES) / BUFFER_BYTES) * BUFFER_BYTES);
  for (let i = 0; i < 5000; i++) {
    const at = random.below(kept.length);
    pages.free(kept[at]!);
    kept[at] = pages.put(bytes.subarray(random.below(50_000)));
  }
  expect(pages.heldBytes).toBeLessThanOrEqual(before);
});
