import { describe, expect, test } from "vitest";
import { murmur2, partitionForKey } from "../../src/consumers/partitioner.ts";

describe("partitioner", () => {
  /** From Apache Kafka's UtilsTest.testMurmur2. */
  const VECTORS: readonly (readonly [string, number])[] = [
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ];

  test.each(VECTORS)("murmur2(%s) is what the Java client computes", (key, hash) => {
    expect(murmur2(Buffer.from(key))).toBe(hash);
  });

  test.each(VECTORS)("partitionForKey(%s) drops the sign bit, then takes the remainder", (key, hash) => {
    for (const count of [1, 3, 8, 1000]) {
      expect(partitionForKey(Buffer.from(key), count)).toBe((hash & 0x7fffffff) % count);
    }
  });

  test("partitionForKey() reads bytes as unsigned and takes the empty key", () => {
    for (const bytes of [[], [255], [128, 200], [255, 254, 253], [0, 0, 0, 0]]) {
      const partition = partitionForKey(Uint8Array.from(bytes), 7);
      expect([0, 1, 2, 3, 4, 5, 6]).toContain(partition);
    }
  });
});
