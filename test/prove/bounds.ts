/** Measures the errors of the sketches over many seeds, each against the truth. */
import { SeededRandom } from "../../src/core/random.ts";
import { FrequentItems } from "../../src/sketches/frequent-items.ts";
import { hashDoubles } from "../../src/sketches/hash.ts";
import { HllSketch } from "../../src/sketches/hll-sketch.ts";
import { KllSketch } from "../../src/sketches/kll-sketch.ts";
import { DISTRIBUTIONS, type Draw, ITEM_STREAMS } from "./distributions.ts";

/** Into which a stream is cut before it is merged. */
const PARTS = 64;
/** What DataSketches publishes for k = 200: of 100 sketches, 99 have no rank that is further off. */
export const KLL_BOUND = 0.0133;
/** As the profiler hands values over. */
const BATCH = 1024;

/** Worst error of all ranks, of each seed. */
export interface KllErrors {
  readonly whole: Float64Array;
  readonly merged: Float64Array;
}

export function kllErrors(options: { distribution: string; seeds: number; count: number; k?: number }): KllErrors {
  const { distribution, seeds, count, k = 200 } = options;
  const draw = DISTRIBUTIONS[distribution]!;
  const errors = { whole: new Float64Array(seeds), merged: new Float64Array(seeds) };
  for (let seed = 0; seed < seeds; seed++) {
    const values = streamOf(draw, seed, count);
    const whole = new KllSketch({ k, seed });
    for (let from = 0; from < count; from += BATCH) whole.updateMany(values, from, Math.min(count, from + BATCH));
    const merged = new KllSketch({ k, seed: seed + 1 });
    forEachPart(count, (part, from, to) => {
      const sketch = new KllSketch({ k, seed: seed * PARTS + part });
      sketch.updateMany(values, from, to);
      merged.merge(sketch);
    });
    values.sort();
    errors.whole[seed] = worstRankError(whole, values);
    errors.merged[seed] = worstRankError(merged, values);
  }
  return errors;
}

/** Relative errors of the estimate, of each seed; the union is of overlapping parts. */
export interface HllErrors {
  readonly whole: Float64Array;
  readonly union: Float64Array;
}

export function hllErrors(options: { seeds: number; distinct: number }): HllErrors {
  const { seeds, distinct } = options;
  const errors = { whole: new Float64Array(seeds), union: new Float64Array(seeds) };
  const values = new Float64Array(BATCH);
  const lo = new Int32Array(BATCH);
  const hi = new Int32Array(BATCH);
  const add = (sketch: HllSketch, seed: number, start: number, end: number) => {
    for (let from = start; from < end; from += BATCH) {
      const size = Math.min(BATCH, end - from);
      // Different values for each seed, all of them integers below 2^53.
      for (let i = 0; i < size; i++) values[i] = seed * 2 ** 32 + from + i;
      hashDoubles(values, size, lo, hi);
      sketch.updateHashes(lo, 0, size);
    }
  };
  for (let seed = 0; seed < seeds; seed++) {
    const whole = new HllSketch();
    add(whole, seed, 0, distinct);
    const [first, second] = [new HllSketch(), new HllSketch()];
    add(first, seed, 0, Math.ceil(distinct * 0.7));
    add(second, seed, Math.floor(distinct * 0.4), distinct);
    first.merge(second);
    errors.whole[seed] = whole.estimate() / distinct - 1;
    errors.union[seed] = first.estimate() / distinct - 1;
  }
  return errors;
}

/** How often what frequent items promise was broken, over all seeds, whole and merged. */
export interface ItemFaults {
  /** Sketches looked at. */
  readonly sketches: number;
  /** Items above the threshold that were not kept. */
  readonly missed: number;
  /** Counts outside of their bounds. */
  readonly outside: number;
  /** Sketches whose error is above 1.04 % of the weight. */
  readonly tooLarge: number;
  /** Largest error, as a share of the weight. */
  readonly errorMax: number;
}

export function itemFaults(options: { stream: string; seeds: number; count: number }): ItemFaults {
  const { stream, seeds, count } = options;
  const faults = { sketches: 0, missed: 0, outside: 0, tooLarge: 0, errorMax: 0 };
  const lo = new Int32Array(count);
  const hi = new Int32Array(count);
  for (let seed = 0; seed < seeds; seed++) {
    const values = streamOf(ITEM_STREAMS[stream]!, seed, count);
    hashDoubles(values, count, lo, hi);
    const truth = new Map<string, number>();
    for (const value of values) truth.set(String(value), (truth.get(String(value)) ?? 0) + 1);
    const add = (sketch: FrequentItems, from: number, to: number) => {
      for (let i = from; i < to; i++) sketch.updateHash(lo[i]!, hi[i]!, 1, () => String(values[i]));
    };
    const whole = new FrequentItems();
    add(whole, 0, count);
    const merged = new FrequentItems();
    forEachPart(count, (_, from, to) => {
      const sketch = new FrequentItems();
      add(sketch, from, to);
      merged.merge(sketch);
    });
    for (const sketch of [whole, merged]) countFaults(sketch, truth, faults);
  }
  return faults;
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

function countFaults(sketch: FrequentItems, truth: ReadonlyMap<string, number>, faults: Writable<ItemFaults>): void {
  const kept = new Set<string>();
  for (const { label, lowerBound, upperBound } of sketch.top(sketch.capacity)) {
    const count = truth.get(label!) ?? 0;
    if (count < lowerBound || count > upperBound) faults.outside++;
    kept.add(label!);
  }
  for (const [text, count] of truth) if (count > sketch.maximumError && !kept.has(text)) faults.missed++;
  const share = sketch.maximumError / sketch.totalWeight;
  faults.sketches++;
  faults.errorMax = Math.max(faults.errorMax, share);
  if (share > 1 / 96.5) faults.tooLarge++;
}

function streamOf(draw: Draw, seed: number, count: number): Float64Array {
  const random = new SeededRandom(seed * 7919 + 1);
  return Float64Array.from({ length: count }, (_, index) => draw(random, index, count));
}

function forEachPart(count: number, visit: (part: number, from: number, to: number) => void): void {
  for (let part = 0; part < PARTS; part++) {
    visit(part, Math.floor((part * count) / PARTS), Math.floor(((part + 1) * count) / PARTS));
  }
}

/**
 * Of all values: the rank as the sketch tells it against the true one, as a share of the count. Between two kept values
 * the sketch tells one rank, so the worst stands at a kept value or just below one.
 */
function worstRankError(sketch: KllSketch, ascending: Float64Array): number {
  const count = ascending.length;
  let worst = 0;
  const look = (value: number, atMost: number) => {
    worst = Math.max(worst, Math.abs(sketch.rank(value)! - atMost / count));
  };
  for (const level of sketch.levels()) {
    for (const kept of level) {
      const below = firstIndex(ascending, (value) => value >= kept);
      if (below > 0) look(ascending[below - 1]!, below);
      look(
        kept,
        firstIndex(ascending, (value) => value > kept),
      );
    }
  }
  look(ascending[count - 1]!, count);
  return worst;
}

/** The first index from which on it holds. */
function firstIndex(ascending: Float64Array, holds: (value: number) => boolean): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(ascending[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
