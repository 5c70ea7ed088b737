/** The values of which `python-sketches.py` makes sketches, and our sketches of them. */
import { FrequentItems } from "../../src/sketches/frequent-items.ts";
import { hashDoubles, hashText } from "../../src/sketches/hash.ts";
import { HllSketch } from "../../src/sketches/hll-sketch.ts";
import { KllSketch } from "../../src/sketches/kll-sketch.ts";

/** 0 to n - 1, each once. */
export function valuesOf(n: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => (n % 7919 === 0 ? i : (i * 7919) % n));
}

export function kllOf(n: number, seed = 1): KllSketch {
  const sketch = new KllSketch({ seed });
  sketch.updateMany(valuesOf(n), 0, n);
  return sketch;
}

/** Low words of the values' hashes. */
export function lowsOf(n: number): Int32Array {
  const lows = new Int32Array(n);
  hashDoubles(valuesOf(n), n, lows, new Int32Array(n));
  return lows;
}

export function hllOf(n: number): HllSketch {
  const sketch = new HllSketch();
  sketch.updateHashes(lowsOf(n), 0, n);
  return sketch;
}

export function itemOf(value: number): string {
  return value % 4 === 0 ? `item ${value}` : `é-${value % 8}`;
}

export function itemsOf(n: number): FrequentItems {
  const sketch = new FrequentItems();
  for (const value of valuesOf(n)) {
    const text = itemOf(value);
    const { lo, hi } = hashText(text);
    sketch.updateHash(lo, hi, 1, () => text);
  }
  return sketch;
}

export function countsOf(n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of valuesOf(n)) counts.set(itemOf(value), (counts.get(itemOf(value)) ?? 0) + 1);
  return counts;
}
