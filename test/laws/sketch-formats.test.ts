import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import { hashByteRanges } from "../../src/sketches/hash.ts";
import { bytesOf, SKETCHES } from "./sketch-list.ts";
import type { StreamValue } from "./streams.ts";

/**
 * Hash of the bytes of each sketch after one fixed stream, printed by this project's version 0.1.0. A change means that
 * stored sketches are read differently: give the codec a new version byte.
 */
const GOLDEN: Readonly<Record<string, string>> = {
  KllSketch: "3631 bytes, adf4fe0c08426813",
  "KllSketch of k = 20": "551 bytes, 8268e7bb39951b95",
  HllSketch: "2524 bytes, 7acd78380a62c3e8",
  FrequentItems: "663 bytes, 9187a2454d59b7ee",
  "FrequentItems of 16 slots": "133 bytes, 855acc7f030a0ab0",
  Moments: "51 bytes, cbfdf371c533da55",
  LongRange: "18 bytes, 5a0fe820d2e61cc",
  ValueCounts: "26558 bytes, c7570d842f2d2d24",
  HashSample: "9224 bytes, 1e9899ecad159a16",
  "HashSample of 10 hashes": "96 bytes, f3d801ab641e2484",
  LogLinearHistogram: "284 bytes, 4161844c033e9d95",
};

describe("write()", () => {
  test.each(SKETCHES)("golden bytes of $name, version 0.1.0", (law) => {
    const sketch = law.create();
    law.update(sketch, fixedStream());
    const bytes = bytesOf(law, sketch);
    const lo = new Int32Array(1);
    const hi = new Int32Array(1);
    hashByteRanges(bytes, Int32Array.of(0), Int32Array.of(bytes.length), 1, lo, hi);
    const digest = BigInt.asUintN(64, (BigInt(hi[0]!) << 32n) | BigInt(lo[0]! >>> 0)).toString(16);
    expect(`${bytes.length} bytes, ${digest}`).toBe(GOLDEN[law.name]);
  });
});

/** 1000 numbers, 1000 integers beyond 2^53 and 1000 texts, with repeats. */
function fixedStream(): StreamValue[] {
  const random = new SeededRandom(2026);
  return Array.from({ length: 3000 }, (_, i): StreamValue => {
    if (i % 3 === 0) return (random.below(2001) - 1000) / 8;
    if (i % 3 === 1) return 2n ** 53n + BigInt(random.below(500));
    return `é-${random.below(30) * random.below(30)}`;
  });
}
