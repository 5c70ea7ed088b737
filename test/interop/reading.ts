/** What must hold of our reading of a sketch that Python wrote: it tells what Python tells. */
import { expect } from "vitest";
import { readHll } from "../../src/sketches/datasketches-hll.ts";
import { readFrequentStrings } from "../../src/sketches/datasketches-items.ts";
import { readKll } from "../../src/sketches/datasketches-kll.ts";
import { type PythonSketch, RANKS } from "./python.ts";

/** Two estimators over the same 4096 registers; the standard error of each is 1.6 %. */
const ESTIMATORS_APART = 0.01;

export function expectRead(sketch: PythonSketch): void {
  const bytes = Buffer.from(sketch.bytes, "base64");
  switch (sketch.kind) {
    case "kll": {
      const kll = readKll(bytes);
      expect(kll.count).toBe(sketch.n);
      if (sketch.n === 0) return;
      expect([kll.min, kll.max]).toEqual([sketch.min, sketch.max]);
      expect(RANKS.map((rank) => kll.quantile(rank))).toEqual(sketch.quantiles);
      sketch.quantiles.forEach((value, i) => {
        expect(kll.rank(value)).toBeCloseTo(sketch.ranks[i]!, 12);
      });
      return;
    }
    case "items": {
      const items = readFrequentStrings(bytes);
      expect(items.totalWeight).toBe(sketch.totalWeight);
      const told = items
        .top(items.capacity)
        .map((item) => [item.label, item.estimate, item.lowerBound, item.upperBound]);
      expect(told.sort(byText)).toEqual([...sketch.items].sort(byText));
      return;
    }
    default: {
      const { estimate, sketch: registers } = readHll(bytes);
      const apart = sketch.form === "union with 2000" ? ESTIMATORS_APART : 1e-5;
      expect(Math.abs(estimate - sketch.estimate)).toBeLessThanOrEqual(apart * sketch.estimate);
      // Ours of the registers alone: four standard errors from what Python kept while the values came.
      expect(Math.abs(registers.estimate() - sketch.estimate)).toBeLessThanOrEqual(0.065 * sketch.estimate);
    }
  }
}

function byText(a: readonly unknown[], b: readonly unknown[]): number {
  return String(a[0]) < String(b[0]) ? -1 : 1;
}
