/**
 * What is kept of the values of a field besides range and distinct values: how many are zero, negative, empty, no integers; moments,
 * quantiles, histogram, shapes of texts. From values as they come, or read off values that are counted. Nothing is made before it is needed.
 */
import type { FieldKind } from "../core/column-batch.ts";
import type { ItemLabels } from "../sketches/frequent-items.ts";
import { KllSketch } from "../sketches/kll-sketch.ts";
import { LogLinearHistogram } from "../sketches/log-linear-histogram.ts";
import { Moments } from "../sketches/moments.ts";
import type { TextSource } from "../sketches/text-labels.ts";
import { TextShapes } from "../sketches/text-shapes.ts";
import type { EntryOrder, ValueCounts } from "../sketches/value-counts.ts";
import { updateQuantiles } from "./counted-quantiles.ts";
import { type FieldClass, KIND_STATES, type KindStates } from "./field-kinds.ts";
import type { Label } from "./labels.ts";
import type { BinnedFigures, PlacedColumn } from "./placed-column.ts";

/**
 * Values `[from, to)` of one field, as the batch profiler hands them over: NaN and ±∞ taken out, −0 turned into 0.
 * Which arrays are filled depends on the kind's identity and states (`KIND_STATES`).
 */
export interface FieldRun extends ItemLabels {
  readonly from: number;
  readonly to: number;
  /** Of their writer schema, of which they come in the order of their rows. */
  readonly schemaId: number;
  /** Numbers as in `Column.numbers`. */
  readonly numbers: Float64Array;
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  readonly hashLo: Int32Array;
  readonly hashHi: Int32Array;
  /** Made for `[from, to)` when called, and the caller's to change: `textMeasure()` of a string, length of bytes. */
  sizes(): Float64Array;
  /** Of the values at the first `count` places, as `sizes()` of a text, or the number: to `into`, from `at` on. */
  measureInto(places: Int32Array, count: number, into: Float64Array, at: number): void;
  /** Makes the label of a value, asked for only when a sketch keeps it. */
  labelAt(index: number): Label;
  /** Of texts that are shown. */
  readonly texts: TextSource | undefined;
  /** The label of each value is its number. */
  readonly measuresAreLabels: boolean;
  /** The same values, where they are a whole column that lies in a memory of WebAssembly. */
  placed(): PlacedColumn | undefined;
}

export class ValueStates {
  /** Numbers that are 0; of times, neither this nor `negative` is counted. */
  zero = 0;
  negative = 0;
  /** Of length 0. */
  empty = 0;
  /** Of a kind that holds other numbers, too. */
  nonInteger = 0;
  /** Booleans that are true. */
  trues = 0;
  /** Sum of the lengths of arrays or maps. */
  elements = 0;
  moments: Moments | undefined;
  lengths: Moments | undefined;
  quantiles: KllSketch | undefined;
  histogram: LogLinearHistogram | undefined;
  shapes: TextShapes | undefined;
  readonly #class: FieldClass;
  #seed: number;

  constructor(fieldClass: FieldClass, seed: number) {
    this.#class = fieldClass;
    this.#seed = seed;
  }

  /** As new, with this seed; states that were there are kept empty. */
  clear(seed: number): void {
    this.#seed = seed;
    this.zero = 0;
    this.negative = 0;
    this.empty = 0;
    this.nonInteger = 0;
    this.trues = 0;
    this.elements = 0;
    this.moments?.clear();
    this.lengths?.clear();
    this.quantiles?.clear(seed);
    this.histogram?.clear();
    this.shapes?.clear();
  }

  merge(other: ValueStates): void {
    this.zero += other.zero;
    this.negative += other.negative;
    this.empty += other.empty;
    this.nonInteger += other.nonInteger;
    this.trues += other.trues;
    this.elements += other.elements;
    if (other.moments !== undefined) {
      this.moments ??= new Moments();
      this.moments.merge(other.moments);
    }
    if (other.lengths !== undefined) {
      this.lengths ??= new Moments();
      this.lengths.merge(other.lengths);
    }
    if (other.quantiles !== undefined) {
      this.quantiles ??= new KllSketch({ seed: this.#seed });
      this.quantiles.merge(other.quantiles);
    }
    if (other.histogram !== undefined) {
      this.histogram ??= new LogLinearHistogram();
      this.histogram.merge(other.histogram);
    }
    if (other.shapes !== undefined) {
      this.shapes ??= new TextShapes();
      this.shapes.merge(other.shapes);
    }
  }

  /** Takes in what follows from counted values of a kind. */
  readOff(dictionary: ValueCounts, kind: FieldKind, order: EntryOrder): void {
    if (dictionary.size === 0) return;
    const { size, totalCount } = dictionary;
    const { measures, counts } = dictionary.inOrder(order);
    const states = KIND_STATES[kind];
    if (kind === "string") {
      this.shapes ??= new TextShapes();
      this.shapes.updateCounted(measures, counts, size);
    }
    if (states.moments === "value") {
      this.moments ??= new Moments();
      this.moments.updateCounted(measures, counts, size);
    } else if (states.moments === "length") {
      this.lengths ??= new Moments();
      this.lengths.updateCounted(measures, counts, size);
    }
    this.#countSpecial(measures, counts, size, states);
    if (states.histogram) {
      this.histogram ??= new LogLinearHistogram();
      this.histogram.updateCounted(measures, counts, size);
    }
    if (!states.quantiles) return;
    this.quantiles ??= new KllSketch({ seed: this.#seed });
    updateQuantiles(this.quantiles, measures, counts, size, totalCount);
  }

  #countSpecial(measures: Float64Array, counts: Float64Array, size: number, { identity }: KindStates): void {
    const isText = identity === "bytes";
    if (!isText && this.#class !== "number") return;
    let zero = 0;
    let negative = 0;
    let nonInteger = 0;
    for (let i = 0; i < size; i++) {
      const measure = measures[i]!;
      const count = counts[i]!;
      if (measure === 0) zero += count;
      else if (measure < 0) negative += count;
      if (Math.trunc(measure) !== measure) nonInteger += count;
    }
    if (isText) {
      this.empty += zero;
      return;
    }
    this.zero += zero;
    this.negative += negative;
    this.nonInteger += nonInteger;
  }

  /** Takes the values of a run from `from` on, of a kind with these states; `widest`: kind of the field. */
  update(run: FieldRun, states: KindStates, widest: FieldKind, from: number): void {
    const { numbers, to } = run;
    const placed = from === run.from ? run.placed() : undefined;
    if (placed !== undefined && states.moments === "value") {
      this.#updateDescribed(run, states, widest, placed.describe(states.histogram));
      return;
    }
    if (states.moments === "value") this.#updateNumbers(numbers, widest, from, to);
    else if (this.#class === "boolean") this.trues += countEqual(numbers, from, to, 1);
    else this.#updateLengths(run, states, from);
    if (states.quantiles) {
      this.quantiles ??= new KllSketch({ seed: this.#seed });
      this.quantiles.updateMany(numbers, from, to);
    }
    if (states.histogram) {
      this.histogram ??= new LogLinearHistogram();
      this.histogram.updateMany(numbers, from, to);
    }
  }

  /** As `update()`, of all numbers of a run. */
  #updateDescribed(
    { numbers, from, to }: FieldRun,
    states: KindStates,
    widest: FieldKind,
    figures: BinnedFigures,
  ): void {
    this.moments ??= new Moments();
    this.moments.updateDescribed(figures);
    if (states.quantiles) {
      this.quantiles ??= new KllSketch({ seed: this.#seed });
      this.quantiles.updateWithin(numbers, from, to, figures);
    }
    if (states.histogram) {
      this.histogram ??= new LogLinearHistogram();
      this.histogram.updateBins(figures.bins, figures.lowestBin);
    }
    if (this.#class !== "number") return;
    this.zero += figures.zeros;
    this.negative += figures.negatives;
    if (widest !== "int" && widest !== "long") this.nonInteger += figures.fractions;
  }

  #updateNumbers(numbers: Float64Array, widest: FieldKind, from: number, to: number): void {
    this.moments ??= new Moments();
    this.moments.updateMany(numbers, from, to);
    if (this.#class !== "number") return;
    let zero = 0;
    let negative = 0;
    for (let i = from; i < to; i++) {
      const value = numbers[i]!;
      if (value === 0) zero++;
      else if (value < 0) negative++;
    }
    this.zero += zero;
    this.negative += negative;
    if (widest !== "int" && widest !== "long") this.nonInteger += countNonIntegers(numbers, from, to);
  }

  #updateLengths(run: FieldRun, states: KindStates, from: number): void {
    const isSized = this.#class === "array" || this.#class === "map";
    const placed = states === KIND_STATES.string && from === run.from ? run.placed() : undefined;
    const lengths = isSized ? run.numbers : (placed?.measures() ?? run.sizes());
    if (states === KIND_STATES.string) {
      this.shapes ??= new TextShapes();
      this.shapes.updateMany(lengths, from, run.to);
    }
    this.empty += countEqual(lengths, from, run.to, 0);
    if (isSized) for (let i = from; i < run.to; i++) this.elements += lengths[i]!;
    if (states.moments === "none") return;
    this.lengths ??= new Moments();
    this.lengths.updateMany(lengths, from, run.to);
  }
}

function countEqual(values: Float64Array, from: number, to: number, wanted: number): number {
  let count = 0;
  for (let i = from; i < to; i++) if (values[i] === wanted) count++;
  return count;
}

function countNonIntegers(values: Float64Array, from: number, to: number): number {
  let count = 0;
  for (let i = from; i < to; i++) if (Math.trunc(values[i]!) !== values[i]) count++;
  return count;
}
