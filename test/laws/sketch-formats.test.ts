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
  KllSketch: "907 bytes, 558283ce0715e6fa",
  "KllSketch of k = 20": "175 bytes, e3fb644b09c655e3",
  HllSketch: "2052 bytes, db78328e0b3aa3ee",
  FrequentItems: "663 bytes, 41702eca10920ca0",
  "FrequentItems of 16 slots": "133 bytes, 94d2d0580e59997a",
  Moments: "51 bytes, 7e7c6179049bddc6",
  LongRange: "18 bytes, 99da8fa605d755f5",
  ValueCounts: "26558 bytes, 2ccdcdd20a926874",
  HashSample: "8658 bytes, 90d19bf90403cd1b",
  "HashSample of 10 hashes": "91 bytes, e41160630a82a1ec",
  TextShapes: "64 bytes, 9d256ad40f6f6cff",
  NumberPair: "94 bytes, 8019de9a044524d4",
  LogLinearHistogram: "284 bytes, b4ed05cb15ad3976",
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
