/**
 * What is known of the values of one field: exact counters, and sketches that merge. Counters, minimum and maximum,
 * histogram, exact dictionary and distinct estimate do not depend on how the values were split or in which order the
 * parts were merged; moments agree within rounding; quantiles and frequent items within their error bounds.
 *
 * NaN and ±∞ are counted and go nowhere else; −0 is 0; a null is only counted.
 *
 * Distinct values are counted exactly until there are more than `ValueCounts.LIMIT` of them. Then the dictionary is fed
 * into a HyperLogLog and frequent items, which lose nothing by it, and goes. As only the true number of distinct values
 * decides, every split and order ends in the same tier.
 */
import type { FieldKind } from "../core/column-batch.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { ByteReader, ByteWriter } from "../sketches/bytes.ts";
import { FrequentItems } from "../sketches/frequent-items.ts";
import { hashText } from "../sketches/hash.ts";
import { HllSketch } from "../sketches/hll-sketch.ts";
import { KllSketch } from "../sketches/kll-sketch.ts";
import { LogLinearHistogram } from "../sketches/log-linear-histogram.ts";
import { LongRange } from "../sketches/long-range.ts";
import { Moments } from "../sketches/moments.ts";
import { ValueCounts } from "../sketches/value-counts.ts";
import { FIELD_KINDS, type FieldClass, fieldKey, KIND_STATES, widerKind } from "./field-kinds.ts";
import type { Label } from "./labels.ts";

/**
 * Values `[from, to)` of one field, as the batch profiler hands them over: NaN and ±∞ taken out, −0 turned into 0.
 * Which arrays are filled depends on the kind's identity and states (`KIND_STATES`).
 */
export interface FieldRun {
  readonly from: number;
  readonly to: number;
  /** Numbers as in `Column.numbers`. */
  readonly numbers: Float64Array;
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  readonly hashLo: Int32Array;
  readonly hashHi: Int32Array;
  /** Lengths: code points of a string, bytes of bytes. */
  readonly sizes: Float64Array;
  /** Makes the label of a value, asked for only when a sketch keeps it; bound, so that it can be handed on. */
  readonly labelAt: (index: number) => Label;
  /**
   * As `labelAt()`, as text. The function is the same one every time: it speaks of the value that was last named.
   */
  textAt(index: number): () => string | undefined;
}

/** Counters and moments by name, as `.profile` files and reports show them; `undefined`: nothing to measure. */
export interface FieldSummary {
  readonly path: string;
  readonly class: FieldClass;
  readonly kind: FieldKind;
  readonly values: number;
  readonly nulls: number;
  readonly missing: number;
  readonly nan: number;
  readonly posInfinity: number;
  readonly negInfinity: number;
  readonly zero: number;
  readonly negative: number;
  readonly empty: number;
  readonly true: number;
  readonly min: number | bigint | undefined;
  readonly max: number | bigint | undefined;
  readonly mean: number | undefined;
  readonly stddev: number | undefined;
  readonly lengthMin: number | undefined;
  readonly lengthMax: number | undefined;
  readonly lengthMean: number | undefined;
  readonly lengthStddev: number | undefined;
  readonly distinct: number | undefined;
  readonly distinctIsExact: boolean;
}

export class FieldProfile {
  readonly path: string;
  readonly class: FieldClass;
  /** Key of the array or map whose elements these are; absent for a field of the row. */
  level: string | undefined;

  /** Values that are not null, NaN and ±∞ among them. */
  values = 0;
  nulls = 0;
  nan = 0;
  posInfinity = 0;
  negInfinity = 0;
  /** Numbers that are 0; of times, neither this nor `negative` is counted. */
  zero = 0;
  /** Finite and below 0. */
  negative = 0;
  /** Strings, bytes, arrays and maps of length 0. */
  empty = 0;
  /** Booleans that are true. */
  trues = 0;
  /** Sum of the lengths of an array or map: how many elements there were. */
  elements = 0;

  #kind: FieldKind;
  #seed: number;
  #moments: Moments | undefined;
  #lengths: Moments | undefined;
  #range: LongRange | undefined;
  #quantiles: KllSketch | undefined;
  #dictionary: ValueCounts | undefined;
  #distinct: HllSketch | undefined;
  #frequent: FrequentItems | undefined;
  #histogram: LogLinearHistogram | undefined;

  constructor(options: { path: string; kind: FieldKind; level: string | undefined; seed: number }) {
    this.path = options.path;
    this.class = KIND_STATES[options.kind].class;
    this.level = options.level;
    this.#kind = options.kind;
    this.#seed = options.seed;
  }

  get key(): string {
    return fieldKey(this.path, this.#kind);
  }

  /** The widest kind seen. */
  get kind(): FieldKind {
    return this.#kind;
  }

  /** Numbers and times, and nothing else. */
  get moments(): Moments | undefined {
    return this.#moments;
  }

  /** Lengths of strings (code points), bytes, arrays and maps. */
  get lengths(): Moments | undefined {
    return this.#lengths;
  }

  /** Exact bounds, where every value was a 64-bit integer. */
  get range(): LongRange | undefined {
    return this.#range;
  }

  get quantiles(): KllSketch | undefined {
    return this.#quantiles;
  }

  /** The exact tier: every distinct value, counted. */
  get dictionary(): ValueCounts | undefined {
    return this.#dictionary;
  }

  /** The tier beyond; absent while the dictionary is there. */
  get distinct(): HllSketch | undefined {
    return this.#distinct;
  }

  get frequent(): FrequentItems | undefined {
    return this.#frequent;
  }

  get histogram(): LogLinearHistogram | undefined {
    return this.#histogram;
  }

  /** Distinct finite values: exact while `dictionary` is there. */
  get distinctCount(): number | undefined {
    return this.#dictionary?.size ?? this.#distinct?.estimate();
  }

  get minimum(): number | bigint | undefined {
    return exactBound(this.#range?.min(), this.#moments?.min);
  }

  get maximum(): number | bigint | undefined {
    return exactBound(this.#range?.max(), this.#moments?.max);
  }

  /** Notes that values of this kind, which must be of the same class, come. */
  widen(kind: FieldKind): void {
    if (kind !== this.#kind) this.#kind = widerKind(this.#kind, kind);
  }

  /**
   * As new, for the same path and class; the states that most flushes need are kept empty, so that they need not grow
   * again. A state without values is the same as none.
   */
  clear(options: { readonly kind: FieldKind; readonly level: string | undefined; readonly seed: number }): void {
    this.level = options.level;
    this.#kind = options.kind;
    this.#seed = options.seed;
    for (const name of COUNTERS) this[name] = 0;
    this.#moments?.clear();
    this.#lengths?.clear();
    this.#range?.clear();
    this.#quantiles?.clear(options.seed);
    this.#dictionary?.clear();
    this.#histogram?.clear();
    this.#distinct = undefined;
    this.#frequent = undefined;
  }

  /** Takes in finite values of one kind, which must be of the same class. */
  update(run: FieldRun, kind: FieldKind): void {
    const count = run.to - run.from;
    if (count <= 0) return;
    const states = KIND_STATES[kind];
    this.values += count;
    if (states.moments === "value") this.#updateNumbers(run);
    else if (this.class === "boolean") this.trues += countEqual(run.numbers, run.from, run.to, 1);
    else if (states.moments === "length") this.#updateLengths(run);
    else this.empty += countEqual(run.sizes, run.from, run.to, 0);
    if (states.range) {
      this.#range ??= new LongRange();
      this.#range.updateMany(run.lo, run.hi, run.from, run.to);
    }
    if (states.quantiles) {
      this.#quantiles ??= new KllSketch({ seed: this.#seed });
      this.#quantiles.updateMany(run.numbers, run.from, run.to);
    }
    if (states.histogram) {
      this.#histogram ??= new LogLinearHistogram();
      this.#histogram.updateMany(run.numbers, run.from, run.to);
    }
    if (states.dictionary) this.#updateDistinct(run, states.frequent);
  }

  /** Counts a value that is NaN or ±∞. */
  updateNonFinite(value: number): void {
    this.values++;
    if (Number.isNaN(value)) this.nan++;
    else if (value > 0) this.posInfinity++;
    else this.negInfinity++;
  }

  /** Takes in what `other` saw, which is neither changed nor kept. */
  merge(other: FieldProfile): void {
    if (other.path !== this.path || other.class !== this.class) {
      throw new TypeError(`Cannot merge field profiles: ${other.key}, expected ${this.key}`);
    }
    this.widen(other.#kind);
    for (const name of COUNTERS) this[name] += other[name];
    if (other.#moments !== undefined) {
      this.#moments ??= new Moments();
      this.#moments.merge(other.#moments);
    }
    if (other.#lengths !== undefined) {
      this.#lengths ??= new Moments();
      this.#lengths.merge(other.#lengths);
    }
    if (other.#range !== undefined) {
      this.#range ??= new LongRange();
      this.#range.merge(other.#range);
    }
    if (other.#quantiles !== undefined) {
      this.#quantiles ??= new KllSketch({ seed: this.#seed });
      this.#quantiles.merge(other.#quantiles);
    }
    if (other.#histogram !== undefined) {
      this.#histogram ??= new LogLinearHistogram();
      this.#histogram.merge(other.#histogram);
    }
    this.#mergeDistinct(other);
  }

  /** `expected` is what could have been there at the field's level (`Profile.expected()`). */
  summary(expected: number): FieldSummary {
    const finite = this.#moments;
    const lengths = this.#lengths;
    return {
      path: this.path,
      class: this.class,
      kind: this.#kind,
      values: this.values,
      nulls: this.nulls,
      missing: expected - this.values - this.nulls,
      nan: this.nan,
      posInfinity: this.posInfinity,
      negInfinity: this.negInfinity,
      zero: this.zero,
      negative: this.negative,
      empty: this.empty,
      true: this.trues,
      min: this.minimum,
      max: this.maximum,
      mean: finite?.mean,
      stddev: finite?.stddev,
      lengthMin: lengths?.min,
      lengthMax: lengths?.max,
      lengthMean: lengths?.mean,
      lengthStddev: lengths?.stddev,
      distinct: this.distinctCount,
      distinctIsExact: this.#distinct === undefined,
    };
  }

  write(writer: ByteWriter): void {
    writer.string(this.path);
    writer.u8(FIELD_KINDS.indexOf(this.#kind));
    writer.string(this.level ?? "");
    writer.u32(this.#seed >>> 0);
    for (const name of COUNTERS) writer.varint(this[name]);
    const states = [
      this.#moments?.count ? this.#moments : undefined,
      this.#lengths?.count ? this.#lengths : undefined,
      this.#range?.isEmpty === false ? this.#range : undefined,
      this.#quantiles?.count ? this.#quantiles : undefined,
      this.#dictionary?.size ? this.#dictionary : undefined,
      this.#distinct,
      this.#frequent,
      this.#histogram?.totalCount ? this.#histogram : undefined,
    ];
    let present = 0;
    for (let i = 0; i < states.length; i++) if (states[i] !== undefined) present |= 1 << i;
    writer.u8(present);
    for (const state of states) state?.write(writer);
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(reader: ByteReader): FieldProfile {
    const path = reader.string();
    const kind = FIELD_KINDS[reader.u8()];
    if (kind === undefined) throw new StreamgaugeError("SG_CORRUPT", "Cannot read field profile: unknown field kind");
    const level = reader.string();
    const field = new FieldProfile({ path, kind, level: level === "" ? undefined : level, seed: reader.u32() });
    for (const name of COUNTERS) field[name] = reader.varint();
    const present = reader.u8();
    if (present & 1) field.#moments = Moments.read(reader);
    if (present & 2) field.#lengths = Moments.read(reader);
    if (present & 4) field.#range = LongRange.read(reader);
    if (present & 8) field.#quantiles = KllSketch.read(reader);
    if (present & 16) field.#dictionary = ValueCounts.read(reader);
    if (present & 32) field.#distinct = HllSketch.read(reader);
    if (present & 64) field.#frequent = FrequentItems.read(reader);
    if (present & 128) field.#histogram = LogLinearHistogram.read(reader);
    return field;
  }

  #updateNumbers(run: FieldRun): void {
    this.#moments ??= new Moments();
    this.#moments.updateMany(run.numbers, run.from, run.to);
    if (this.class !== "number") return;
    let zero = 0;
    let negative = 0;
    for (let i = run.from; i < run.to; i++) {
      const value = run.numbers[i]!;
      if (value === 0) zero++;
      else if (value < 0) negative++;
    }
    this.zero += zero;
    this.negative += negative;
  }

  #updateLengths(run: FieldRun): void {
    this.#lengths ??= new Moments();
    const sized = this.class === "array" || this.class === "map" ? run.numbers : run.sizes;
    this.#lengths.updateMany(sized, run.from, run.to);
    this.empty += countEqual(sized, run.from, run.to, 0);
    if (sized === run.numbers) for (let i = run.from; i < run.to; i++) this.elements += sized[i]!;
  }

  #updateDistinct(run: FieldRun, frequent: boolean): void {
    let i = run.from;
    if (this.#distinct === undefined) {
      this.#dictionary ??= new ValueCounts();
      i = this.#dictionary.addMany(run.hashLo, run.hashHi, i, run.to, run.labelAt);
      if (i === run.to) return;
      this.#promote(frequent);
    }
    this.#distinct?.updateHashes(run.hashLo, i, run.to);
    const items = this.#frequent;
    if (items === undefined) return;
    for (; i < run.to; i++) items.updateHash(run.hashLo[i]!, run.hashHi[i]!, 1, run.textAt(i));
  }

  #mergeDistinct(other: FieldProfile): void {
    const frequent = KIND_STATES[this.#kind].frequent;
    if (other.#dictionary !== undefined) {
      if (this.#distinct === undefined) {
        this.#dictionary ??= new ValueCounts();
        if (this.#dictionary.merge(other.#dictionary)) return;
        this.#promote(frequent);
      }
      this.#feed(other.#dictionary);
    } else if (other.#distinct !== undefined) {
      if (this.#distinct === undefined) this.#promote(frequent);
      this.#distinct?.merge(other.#distinct);
      if (other.#frequent !== undefined) this.#frequent?.merge(other.#frequent);
    }
  }

  /** From the exact tier to the estimating one. */
  #promote(frequent: boolean): void {
    const dictionary = this.#dictionary;
    this.#dictionary = undefined;
    this.#distinct = new HllSketch();
    if (frequent) this.#frequent = new FrequentItems();
    if (dictionary !== undefined) this.#feed(dictionary);
  }

  #feed(dictionary: ValueCounts): void {
    const distinct = this.#distinct;
    const frequent = this.#frequent;
    dictionary.forEach((lo, hi, count, label) => {
      distinct?.updateHash(lo);
      frequent?.updateHash(lo, hi, count, () => (label === undefined ? undefined : String(label)));
    });
  }
}

/**
 * The exact one of a bound and its double. They differ when other values than 64-bit integers came too, and one of
 * those, which the moments saw and the range did not, lies further out.
 */
function exactBound(exact: bigint | undefined, rounded: number | undefined): number | bigint | undefined {
  if (exact === undefined || Number(exact) !== rounded || Number.isSafeInteger(rounded)) return rounded;
  return exact;
}

const COUNTERS = [
  "values",
  "nulls",
  "nan",
  "posInfinity",
  "negInfinity",
  "zero",
  "negative",
  "empty",
  "trues",
  "elements",
] as const;

function countEqual(values: Float64Array, from: number, to: number, wanted: number): number {
  let count = 0;
  for (let i = from; i < to; i++) if (values[i] === wanted) count++;
  return count;
}

/** Seed of a field's sketches: the same for every profile of a deployment, different between fields. */
export function fieldSeed(seed: number, key: string): number {
  let hash = KEY_HASHES.get(key);
  if (hash === undefined) {
    hash = hashText(key).lo;
    if (KEY_HASHES.size >= KEY_HASHES_MAX) KEY_HASHES.clear();
    KEY_HASHES.set(key, hash);
  }
  return (seed ^ hash) >>> 0;
}

/** A profile asks for the same few keys again in each flush. */
const KEY_HASHES = new Map<string, number>();
const KEY_HASHES_MAX = 10_000;
