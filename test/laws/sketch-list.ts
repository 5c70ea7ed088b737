/** How the laws handle each sketch: one entry per sketch, and every law is tried on it. */
import { type ByteReader, ByteWriter } from "../../src/sketches/bytes.ts";
import { FrequentItems } from "../../src/sketches/frequent-items.ts";
import { HashSample } from "../../src/sketches/hash-sample.ts";
import { HllSketch } from "../../src/sketches/hll-sketch.ts";
import { KllSketch } from "../../src/sketches/kll-sketch.ts";
import { LogLinearHistogram } from "../../src/sketches/log-linear-histogram.ts";
import { LongRange } from "../../src/sketches/long-range.ts";
import { Moments } from "../../src/sketches/moments.ts";
import { NumberPair, positionsOf, wordsOf } from "../../src/sketches/number-pair.ts";
import { textMeasure } from "../../src/sketches/text-shape.ts";
import { TextShapes } from "../../src/sketches/text-shapes.ts";
import { ValueCounts } from "../../src/sketches/value-counts.ts";
import { hashesOf, longsOf, numbersOf, type StreamValue, withoutNaN } from "./streams.ts";

interface Mergeable<S> {
  merge(other: S): unknown;
  write(w: ByteWriter): void;
}

/** Methods, not function properties, so that laws of different sketches fit into one list. */
export interface SketchLaw<S> {
  readonly name: string;
  create(): S;
  update(sketch: S, values: readonly StreamValue[]): void;
  merge(sketch: S, other: S): unknown;
  write(sketch: S, w: ByteWriter): void;
  read(r: ByteReader): S;
  /** Calls everything that only reads. */
  query(sketch: S): unknown;
  /**
   * What is wrong with `merged`, a sketch of all `values` however they were split; `undefined` when nothing is.
   * Absent: its bytes must be those of the whole.
   */
  complaint?(merged: S, values: readonly StreamValue[], whole: S): string | undefined;
}

export const SKETCHES: readonly SketchLaw<unknown>[] = [
  law<KllSketch>({
    name: "KllSketch",
    create: () => new KllSketch(),
    update: updateKll,
    read: (r) => KllSketch.read(r),
    query: (sketch) => [sketch.min, sketch.max, sketch.quantile(0.5), sketch.rank(0), sketch.normalizedRankError()],
    complaint: kllComplaint,
  }),
  law<KllSketch>({
    name: "KllSketch of k = 20",
    create: () => new KllSketch({ k: 20, seed: 7 }),
    update: updateKll,
    read: (r) => KllSketch.read(r),
    query: (sketch) => [sketch.min, sketch.max, sketch.quantile(0.5), sketch.rank(0), sketch.normalizedRankError()],
    complaint: kllComplaint,
  }),
  law<HllSketch>({
    name: "HllSketch",
    create: () => new HllSketch(),
    update(sketch, values) {
      sketch.updateHashes(hashesOf(values).lo, 0, values.length);
    },
    read: (r) => HllSketch.read(r),
    query: (sketch) => sketch.estimate(),
  }),
  law<FrequentItems>({
    name: "FrequentItems",
    create: () => new FrequentItems(),
    update: updateFrequentItems,
    read: (r) => FrequentItems.read(r),
    query: (sketch) => [sketch.top(10), sketch.maximumError],
    complaint: frequentItemsComplaint,
  }),
  law<FrequentItems>({
    name: "FrequentItems of 16 slots",
    create: () => new FrequentItems({ capacity: 16 }),
    update: updateFrequentItems,
    read: (r) => FrequentItems.read(r),
    query: (sketch) => [sketch.top(10), sketch.maximumError],
    complaint: frequentItemsComplaint,
  }),
  law<Moments>({
    name: "Moments",
    create: () => new Moments(),
    update(sketch, values) {
      const numbers = numbersOf(values);
      sketch.updateMany(numbers, 0, numbers.length);
    },
    read: (r) => Moments.read(r),
    query: (sketch) => [sketch.mean, sketch.variance, sketch.stddev, sketch.min, sketch.max, sketch.sum],
    complaint: momentsComplaint,
  }),
  law<LongRange>({
    name: "LongRange",
    create: () => new LongRange(),
    update(sketch, values) {
      const { lo, hi } = longsOf(values);
      sketch.updateMany(lo, hi, 0, lo.length);
    },
    read: (r) => LongRange.read(r),
    query: (sketch) => [sketch.min(), sketch.max()],
  }),
  law<ValueCounts>({
    name: "ValueCounts",
    create: () => new ValueCounts(),
    update(sketch, values) {
      const { lo, hi } = hashesOf(values);
      values.forEach((value, i) => {
        if (!sketch.add(lo[i]!, hi[i]!, 1, () => value)) throw new Error("the stream has too many distinct values");
      });
    },
    read: (r) => ValueCounts.read(r),
    query: (sketch) => [
      sketch.top(10),
      sketch.size,
      sketch.totalCount,
      sketch.countOf(1, 2),
      [...sketch.entries()].length,
    ],
  }),
  law<HashSample>({
    name: "HashSample",
    create: () => new HashSample(),
    update: updateHashSample,
    read: (r) => HashSample.read(r),
    query: (sketch) => [
      sketch.exact,
      sketch.duplicateShare(),
      sketch.distinctEstimate(),
      sketch.entries().length,
      sketch.completeBelow,
    ],
  }),
  law<HashSample>({
    name: "HashSample of 10 hashes",
    create: () => new HashSample({ capacity: 10 }),
    update: updateHashSample,
    read: (r) => HashSample.read(r),
    query: (sketch) => [
      sketch.exact,
      sketch.duplicateShare(),
      sketch.distinctEstimate(),
      sketch.entries().length,
      sketch.completeBelow,
    ],
  }),
  law<LogLinearHistogram>({
    name: "LogLinearHistogram",
    create: () => new LogLinearHistogram(),
    update(sketch, values) {
      const numbers = numbersOf(values);
      sketch.updateMany(numbers, 0, numbers.length);
    },
    read: (r) => LogLinearHistogram.read(r),
    query: (sketch) => [sketch.bins().length, sketch.countOf(5), sketch.totalCount],
  }),
  law<NumberPair>({
    name: "NumberPair",
    create: () => new NumberPair(),
    update: updatePair,
    read: (r) => NumberPair.read(r),
    query: (sketch) => [sketch.count, sketch.correlation(), sketch.gaps.mean],
    complaint: pairComplaint,
  }),
  law<TextShapes>({
    name: "TextShapes",
    create: () => new TextShapes(),
    update(sketch, values) {
      const measures = Float64Array.from(values, (one) => {
        const bytes = new TextEncoder().encode(String(one));
        return textMeasure(bytes, 0, bytes.length);
      });
      sketch.updateMany(measures, 0, measures.length);
    },
    read: (r) => TextShapes.read(r),
    query: (sketch) => [sketch.patterns(), sketch.isExact, sketch.blank, sketch.numbers, sketch.dates],
  }),
];

export function bytesOf<S>(law: SketchLaw<S>, sketch: S): Uint8Array {
  const w = new ByteWriter(1);
  law.write(sketch, w);
  return w.finish();
}

function law<S extends Mergeable<S>>(own: Omit<SketchLaw<S>, "merge" | "write">): SketchLaw<S> {
  return {
    ...own,
    merge: (sketch, other) => sketch.merge(other),
    write: (sketch, w) => sketch.write(w),
  };
}

function updateKll(sketch: KllSketch, values: readonly StreamValue[]): void {
  const numbers = withoutNaN(numbersOf(values));
  sketch.updateMany(numbers, 0, numbers.length);
}

function kllComplaint(merged: KllSketch, values: readonly StreamValue[]): string | undefined {
  const sorted = withoutNaN(numbersOf(values))
    .map((one) => one + 0)
    .sort();
  if (merged.count !== sorted.length) return `count ${merged.count}, expected ${sorted.length}`;
  if (merged.min !== sorted[0] || merged.max !== sorted.at(-1)) return `range ${merged.min} to ${merged.max}`;
  const bound = 2 * merged.normalizedRankError();
  for (let i = 0; i < sorted.length; i++) {
    if (sorted[i] === sorted[i + 1]) continue;
    const error = Math.abs(merged.rank(sorted[i]!)! - (i + 1) / sorted.length);
    if (error > bound) return `rank of ${sorted[i]} is off by ${error}, bound ${bound}`;
  }
  return undefined;
}

function updateFrequentItems(sketch: FrequentItems, values: readonly StreamValue[]): void {
  const { lo, hi } = hashesOf(values);
  values.forEach((value, i) => {
    sketch.updateHash(lo[i]!, hi[i]!, 1, () => (typeof value === "string" ? value : undefined));
  });
}

function frequentItemsComplaint(merged: FrequentItems, values: readonly StreamValue[]): string | undefined {
  if (merged.totalWeight !== values.length) return `weight ${merged.totalWeight}, expected ${values.length}`;
  const counters = Math.floor(merged.capacity * 0.75);
  if (merged.maximumError * ((counters + 1) / 2) > values.length)
    return `error ${merged.maximumError} beyond its bound`;
  const { lo, hi } = hashesOf(values);
  const truth = new Map<string, number>();
  for (let i = 0; i < lo.length; i++) truth.set(`${lo[i]},${hi[i]}`, (truth.get(`${lo[i]},${hi[i]}`) ?? 0) + 1);
  for (const item of merged.top(counters)) {
    const key = `${item.lo},${item.hi}`;
    const count = truth.get(key) ?? 0;
    if (count < item.lowerBound || count > item.upperBound) {
      return `${key} occurs ${count} times, outside [${item.lowerBound}, ${item.upperBound}]`;
    }
    truth.delete(key);
  }
  for (const [key, count] of truth) if (count > merged.maximumError) return `${key} with ${count} is not kept`;
  return undefined;
}

function momentsComplaint(merged: Moments, values: readonly StreamValue[], whole: Moments): string | undefined {
  const finite = numbersOf(values).filter(Number.isFinite);
  if (merged.count !== finite.length) return `count ${merged.count}, expected ${finite.length}`;
  if (merged.min !== whole.min || merged.max !== whole.max) return `range ${merged.min} to ${merged.max}`;
  const largest = finite.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
  // Sums and squares of larger values leave the range of a double, sooner or later according to the split.
  if (largest > 1e150 || finite.length === 0) return undefined;
  const variance = whole.variance!;
  if (Math.abs(merged.mean! - whole.mean!) > 1e-13 * largest) return `mean ${merged.mean}, whole ${whole.mean}`;
  if (Math.abs(merged.sum! - whole.sum!) > 1e-13 * largest * finite.length)
    return `sum ${merged.sum}, whole ${whole.sum}`;
  if (Math.abs(merged.variance! - variance) > 1e-10 * variance + (1e-15 * largest) ** 2) {
    return `variance ${merged.variance}, whole ${variance}`;
  }
  return undefined;
}

/** Of each value, and a number that follows from it, both ways at once: every split has the same pairs. */
function secondOf(value: number): number {
  return Number.isFinite(value) && Math.abs(value) % 3 < 2 ? Math.trunc(value) % 1000 : Number.NaN;
}

function updatePair(sketch: NumberPair, values: readonly StreamValue[]): void {
  const first = numbersOf(values).map((value) => (Number.isFinite(value) ? value : Number.NaN));
  const side = (numbers: Float64Array) => {
    const positions = new Float64Array(numbers.length);
    positionsOf(numbers, wordsOf(numbers), numbers.length, positions);
    return { values: numbers, positions };
  };
  const order = Int32Array.from(first, (_, row) => row);
  sketch.updateMany(side(first), side(first.map(secondOf)), order, 0, order.length);
}

function pairComplaint(merged: NumberPair, values: readonly StreamValue[], whole: NumberPair): string | undefined {
  if (merged.count !== whole.count) return `count ${merged.count}, whole ${whole.count}`;
  if (merged.correlation() !== whole.correlation()) {
    return `correlation ${merged.correlation()}, whole ${whole.correlation()}`;
  }
  const gaps = Array.from(numbersOf(values), (value) => value - secondOf(value));
  return momentsComplaint(merged.gaps, gaps, whole.gaps);
}

function updateHashSample(sketch: HashSample, values: readonly StreamValue[]): void {
  const { lo, hi } = hashesOf(values);
  sketch.addMany(lo, hi, 0, values.length);
}
