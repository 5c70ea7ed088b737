import { expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import { feedFrequent } from "../../src/profiles/frequent-feed.ts";
import { FrequentItems } from "../../src/sketches/frequent-items.ts";
import { hashDoubles } from "../../src/sketches/hash.ts";

test("feedFrequent() keeps the bounds, misses nothing above the error, and makes few texts", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const random = new SeededRandom(seed);
    // One value in five is among 40, the others come once.
    const values = Float64Array.from({ length: 30_000 }, (_, i) =>
      random.below(5) === 0 ? random.below(40) : 1000 + i,
    );
    const lo = new Int32Array(values.length);
    const hi = new Int32Array(values.length);
    hashDoubles(values, values.length, lo, hi);
    const truth = new Map<string, number>();
    for (const value of values) truth.set(String(value), (truth.get(String(value)) ?? 0) + 1);

    let texts = 0;
    const items = new FrequentItems();
    const source = {
      labelAt: (index: number) => {
        texts++;
        return String(values[index]);
      },
      giveText: () => false,
    };
    for (let from = 0; from < values.length; from += 1_500) {
      feedFrequent(items, lo, hi, from, Math.min(values.length, from + 1_500), source);
    }

    expect(items.totalWeight).toBe(values.length);
    expect(items.maximumError).toBeLessThanOrEqual(values.length / 96.5);
    const kept = new Map(items.top(values.length).map((item) => [item.label, item]));
    for (const [label, item] of kept) {
      expect(item.lowerBound).toBeLessThanOrEqual(truth.get(label!)!);
      expect(item.upperBound).toBeGreaterThanOrEqual(truth.get(label!)!);
    }
    for (const [label, count] of truth) if (count > items.maximumError) expect(kept.has(label)).toBe(true);
    expect(texts).toBeLessThan(values.length / 4);
  }
});
