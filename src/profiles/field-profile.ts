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
 *
 * As long as values are counted exactly, nothing else is kept of them but what depends on their order (`repeats`): counters,
 * moments, histogram and quantiles are read off the counted values, in the order of their hashes, when somebody asks for one
 * of them (`#settled()`), and forgotten with the next change. So they do not show when somebody has asked, or that the field was
 * written and read back. Only what is taken in (not merged) after the counted values were written and read back may show that, within
 * the error bounds: what goes from counted values to sketches is then read off in the order of their arrival (`#detach()`).
 */
import type { FieldKind } from "../core/column-batch.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { ByteReader, ByteWriter } from "../sketches/bytes.ts";
import { FrequentItems } from "../sketches/frequent-items.ts";
import { hashText } from "../sketches/hash.ts";
import { HashSample } from "../sketches/hash-sample.ts";
import { HllSketch } from "../sketches/hll-sketch.ts";
import { KllSketch } from "../sketches/kll-sketch.ts";
import { LogLinearHistogram } from "../sketches/log-linear-histogram.ts";
import { LongRange } from "../sketches/long-range.ts";
import { Moments } from "../sketches/moments.ts";
import { Repeats } from "../sketches/repeats.ts";
import { TextShapes } from "../sketches/text-shapes.ts";
import { type EntryOrder, ValueCounts } from "../sketches/value-counts.ts";
import { FIELD_KINDS, type FieldClass, fieldKey, KIND_STATES, widerKind } from "./field-kinds.ts";
import { feedDictionary, feedFrequent } from "./frequent-feed.ts";
import { type FieldRun, ValueStates } from "./value-states.ts";

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
  readonly nonInteger: number;
  readonly blank: number;
  readonly numberLike: number;
  readonly dateLike: number;
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

/** See `ORIGIN_FIGURES`. */
interface FieldSums {
  readonly sum: number;
  readonly zeros: number;
  readonly negatives: number;
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

  /** Of values of the row that are counted one by one; merged by the profile, which knows what follows what. */
  repeats = new Repeats();

  #kind: FieldKind;
  #seed: number;
  /** Everything but the dictionary and the range follows from it: what is there besides was read off it, or is empty. */
  #isDerived: boolean;
  /** It was read off, since the last change. */
  #isRead = false;
  /** Of the values of which the rest follows. */
  #derivedKind: FieldKind;
  readonly #states: ValueStates;
  #range: LongRange | undefined;
  #dictionary: ValueCounts | undefined;
  #distinct: HllSketch | undefined;
  #frequent: FrequentItems | undefined;
  #sample: HashSample | undefined;

  constructor(options: { path: string; kind: FieldKind; level: string | undefined; seed: number }) {
    this.path = options.path;
    this.class = KIND_STATES[options.kind].class;
    this.level = options.level;
    this.#kind = options.kind;
    this.#seed = options.seed;
    this.#isDerived = KIND_STATES[options.kind].dictionary;
    this.#derivedKind = options.kind;
    this.#states = new ValueStates(this.class, options.seed);
  }

  get key(): string {
    return fieldKey(this.path, this.#kind);
  }

  /** The widest kind seen. */
  get kind(): FieldKind {
    return this.#kind;
  }

  /** Numbers that are 0; of times, neither this nor `negative` is counted. */
  get zero(): number {
    return this.#settled().zero;
  }

  /** Finite and below 0. */
  get negative(): number {
    return this.#settled().negative;
  }

  /** Strings, bytes, arrays and maps of length 0. */
  get empty(): number {
    return this.#settled().empty;
  }

  /** Finite numbers that are no integers; a kind that holds nothing else is not looked at. */
  get nonInteger(): number {
    return this.#settled().nonInteger;
  }

  /** Booleans that are true. */
  get trues(): number {
    return this.#states.trues;
  }

  /** Sum of the lengths of an array or map: how many elements there were. */
  get elements(): number {
    return this.#states.elements;
  }

  /** Numbers and times, and nothing else. */
  get moments(): Moments | undefined {
    return this.#settled().moments;
  }

  /** Lengths of strings (code points), bytes, arrays and maps. */
  get lengths(): Moments | undefined {
    return this.#settled().lengths;
  }

  /** Exact bounds, where every value was a 64-bit integer. */
  get range(): LongRange | undefined {
    return this.#range;
  }

  get quantiles(): KllSketch | undefined {
    return this.#settled().quantiles;
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
    return this.#settled().histogram;
  }

  /** Of strings. */
  get shapes(): TextShapes | undefined {
    return this.#settled().shapes;
  }

  /** Beyond the exact tier, of numbers and texts: the values with the lowest hashes, each with its count. */
  get sample(): HashSample | undefined {
    return this.#sample;
  }

  /** Distinct finite values: exact while `dictionary` is there. */
  get distinctCount(): number | undefined {
    return this.#dictionary?.size ?? this.#distinct?.estimate();
  }

  get minimum(): number | bigint | undefined {
    return exactBound(this.#range?.min(), this.moments?.min);
  }

  get maximum(): number | bigint | undefined {
    return exactBound(this.#range?.max(), this.moments?.max);
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
    this.#isDerived = KIND_STATES[options.kind].dictionary;
    this.#derivedKind = options.kind;
    this.#counters = NO_COUNTS;
    this.repeats.clear();
    this.#forgetRead();
    this.#range?.clear();
    this.#dictionary?.clear();
    this.#distinct = undefined;
    this.#frequent = undefined;
    this.#sample = undefined;
  }

  /** Takes in finite values of one kind, which must be of the same class. */
  update(run: FieldRun, kind: FieldKind): void {
    const count = run.to - run.from;
    if (count <= 0) return;
    const states = KIND_STATES[kind];
    this.values += count;
    if (states.dictionary && this.level === undefined) {
      this.repeats.update(run.schemaId, run.hashLo, run.from, run.to, run.placed()?.changes());
    }
    if (states.range) {
      this.#range ??= new LongRange();
      this.#range.updateMany(run.lo, run.hi, run.from, run.to);
    }
    // Two kinds of one class may keep different states.
    if (this.#isDerived && kind !== this.#derivedKind) this.#detach("arrival");
    if (this.#isRead) this.#forgetRead();
    const counted = states.dictionary ? this.#count(run) : run.from;
    if (this.#isDerived && counted === run.to) return;
    const from = this.#isDerived ? counted : run.from;
    if (this.#isDerived) this.#detach("arrival");
    this.#states.update(run, states, this.#kind, from);
    if (counted < run.to && states.dictionary) this.#updateDistinct(run, counted, states.frequent);
  }

  /** Counts a value that is NaN or ±∞. */
  updateNonFinite(value: number): void {
    this.values++;
    if (Number.isNaN(value)) this.nan++;
    else if (value > 0) this.posInfinity++;
    else this.negInfinity++;
  }

  /** Takes in what `other` saw, which is neither changed nor kept; all but `repeats`. */
  merge(other: FieldProfile): void {
    if (other.path !== this.path || other.class !== this.class) {
      throw new TypeError(`Cannot merge field profiles: ${other.key}, expected ${this.key}`);
    }
    if (this.#mergeDerived(other)) return;
    if (this.#isDerived) this.#detach("hash");
    this.widen(other.#kind);
    if (other.#range !== undefined) {
      this.#range ??= new LongRange();
      this.#range.merge(other.#range);
    }
    this.#addCounters(other);
    if (!other.#isDerived) this.#states.merge(other.#states);
    else if (other.#dictionary !== undefined) this.#states.readOff(other.#dictionary, other.#derivedKind, "hash");
    this.#mergeDistinct(other);
  }

  /** `expected` is what could have been there at the field's level (`Profile.expected()`). */
  summary(expected: number): FieldSummary {
    const { zero, negative, empty, nonInteger, trues, moments, lengths, shapes } = this.#settled();
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
      zero,
      negative,
      empty,
      nonInteger,
      blank: shapes?.blank ?? 0,
      numberLike: shapes?.numbers ?? 0,
      dateLike: shapes?.dates ?? 0,
      true: trues,
      min: this.minimum,
      max: this.maximum,
      mean: moments?.mean,
      stddev: moments?.stddev,
      lengthMin: lengths?.min,
      lengthMax: lengths?.max,
      lengthMean: lengths?.mean,
      lengthStddev: lengths?.stddev,
      distinct: this.distinctCount,
      distinctIsExact: this.#distinct === undefined,
    };
  }

  /**
   * Adds `ORIGIN_FIGURES` to `into`, from `at` on. What would have to be read off counted values is added up without: a delta is asked
   * once, and its quantiles are not wanted.
   */
  addFigures(into: Float64Array, at: number): void {
    const finite = this.values - this.nan - this.posInfinity - this.negInfinity;
    const { sum, zeros, negatives } = this.#isDerived && !this.#isRead ? this.#countedSums() : this.#keptSums();
    into[at]! += this.values;
    into[at + 1]! += this.nulls;
    into[at + 2]! += finite;
    into[at + 3]! += Number.isFinite(sum) ? sum : 0;
    into[at + 4]! += zeros;
    into[at + 5]! += negatives;
  }

  write(writer: ByteWriter): void {
    const isDerived = this.#isDerived;
    const { moments, lengths, quantiles, histogram, shapes } = this.#states;
    writer.string(this.path);
    writer.u8(FIELD_KINDS.indexOf(this.#kind));
    writer.string(this.level ?? "");
    writer.u32(this.#seed >>> 0);
    const counters = this.#counters;
    for (let i = 0; i < counters.length; i++) writer.varint(isDerived && IS_DERIVED[i] ? 0 : counters[i]!);
    writer.u8(isDerived ? 1 + FIELD_KINDS.indexOf(this.#derivedKind) : 0);
    const states = [
      moments?.count && !isDerived ? moments : undefined,
      lengths?.count && !isDerived ? lengths : undefined,
      this.#range?.isEmpty === false ? this.#range : undefined,
      quantiles?.count && !isDerived ? quantiles : undefined,
      this.#dictionary?.size ? this.#dictionary : undefined,
      this.#distinct,
      this.#frequent,
      histogram?.totalCount && !isDerived ? histogram : undefined,
      shapes?.totalCount && !isDerived ? shapes : undefined,
      this.#sample,
      this.repeats.isEmpty ? undefined : this.repeats,
    ];
    let present = 0;
    for (let i = 0; i < states.length; i++) if (states[i] !== undefined) present |= 1 << i;
    writer.u16(present);
    for (const state of states) {
      if (state === this.#dictionary) this.#dictionary?.write(writer, { withMeasures: isDerived });
      else state?.write(writer);
    }
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(reader: ByteReader): FieldProfile {
    const path = reader.string();
    const kind = FIELD_KINDS[reader.u8()];
    if (kind === undefined) throw new StreamgaugeError("SG_CORRUPT", "Cannot read field profile: unknown field kind");
    const level = reader.string();
    const field = new FieldProfile({ path, kind, level: level === "" ? undefined : level, seed: reader.u32() });
    const counters: number[] = [];
    let hasDerived = false;
    for (let i = 0; i < NO_COUNTS.length; i++) {
      const count = reader.varint();
      counters.push(count);
      if (IS_DERIVED[i] && count !== 0) hasDerived = true;
    }
    field.#counters = counters;
    const derived = reader.u8();
    const present = reader.u16();
    const states = field.#states;
    if (present & 1) states.moments = Moments.read(reader);
    if (present & 2) states.lengths = Moments.read(reader);
    if (present & RANGE) field.#range = LongRange.read(reader);
    if (present & 8) states.quantiles = KllSketch.read(reader);
    if (present & DICTIONARY) field.#dictionary = ValueCounts.read(reader);
    if (present & 32) field.#distinct = HllSketch.read(reader);
    if (present & 64) field.#frequent = FrequentItems.read(reader);
    if (present & 128) states.histogram = LogLinearHistogram.read(reader);
    if (present & 256) states.shapes = TextShapes.read(reader);
    if (present & 512) field.#sample = HashSample.read(reader);
    if (present & REPEATS) field.repeats = Repeats.read(reader);
    const isMeasured = field.#dictionary === undefined || field.#dictionary.isMeasured;
    field.#isDerived = derived > 0;
    if (!field.#isDerived) return field;
    const derivedKind = FIELD_KINDS[derived - 1];
    const isOfClass = derivedKind !== undefined && KIND_STATES[derivedKind].class === field.class;
    if (!isOfClass || !isMeasured || hasDerived || (present & ~(RANGE | DICTIONARY | REPEATS)) !== 0) {
      throw new StreamgaugeError("SG_CORRUPT", "Cannot read field profile: no counted values to read the rest off");
    }
    field.#derivedKind = derivedKind;
    return field;
  }

  #keptSums(): FieldSums {
    const { zero, negative, empty, trues, elements, moments } = this.#states;
    if (this.class === "number") return { sum: moments?.sum ?? 0, zeros: zero, negatives: negative };
    return { sum: this.class === "boolean" ? trues : elements, zeros: empty, negatives: 0 };
  }

  #countedSums(): FieldSums {
    let sum = 0;
    let zeros = 0;
    let negatives = 0;
    const dictionary = this.#dictionary;
    const isNumber = this.class === "number";
    if (dictionary !== undefined && (isNumber || KIND_STATES[this.#derivedKind].identity === "bytes")) {
      const { measures, counts, size } = dictionary;
      for (let i = 0; i < size; i++) {
        const measure = measures[i]!;
        if (measure === 0) zeros += counts[i]!;
        else if (isNumber) {
          sum += measure * counts[i]!;
          if (measure < 0) negatives += counts[i]!;
        }
      }
    }
    return { sum, zeros, negatives };
  }

  /** In the order of their bytes. */
  get #counters(): readonly number[] {
    const { values, nulls, nan, posInfinity, negInfinity } = this;
    const { zero, negative, empty, trues, elements, nonInteger } = this.#states;
    return [values, nulls, nan, posInfinity, negInfinity, zero, negative, empty, trues, elements, nonInteger];
  }

  set #counters(counts: readonly number[]) {
    const states = this.#states;
    this.values = counts[0]!;
    this.nulls = counts[1]!;
    this.nan = counts[2]!;
    this.posInfinity = counts[3]!;
    this.negInfinity = counts[4]!;
    states.zero = counts[5]!;
    states.negative = counts[6]!;
    states.empty = counts[7]!;
    states.trues = counts[8]!;
    states.elements = counts[9]!;
    states.nonInteger = counts[10]!;
  }

  /** Joins counted values from which the rest follows, if there is room for all; else changes nothing. */
  #mergeDerived(other: FieldProfile): boolean {
    const theirs = other.#dictionary;
    if (!this.#isDerived || !other.#isDerived || theirs === undefined) return false;
    if (this.#derivedKind !== other.#derivedKind) return false;
    if ((this.#dictionary?.totalCount ?? 0) + theirs.totalCount > MOST_COUNTED) return false;
    this.#dictionary ??= new ValueCounts();
    if (!this.#dictionary.merge(theirs)) return false;
    this.#forgetRead();
    this.#addCounters(other);
    if (other.#range === undefined) return true;
    this.#range ??= new LongRange();
    this.#range.merge(other.#range);
    return true;
  }

  /** But for those of `#states`. */
  #addCounters(other: FieldProfile): void {
    this.values += other.values;
    this.nulls += other.nulls;
    this.nan += other.nan;
    this.posInfinity += other.posInfinity;
    this.negInfinity += other.negInfinity;
  }

  /**
   * From now on everything is kept by itself. Values that are merged may have been written and read, which changes the order of their
   * arrival and must not show; those that are taken in as they come have not, and need not be sorted.
   */
  #detach(order: EntryOrder): void {
    if (order === "arrival") {
      if (this.#isRead) this.#forgetRead();
      this.#readOff(order);
    } else {
      this.#settled();
    }
    this.#isDerived = false;
    this.#isRead = false;
  }

  /** What was read off the counted values is empty again. */
  #forgetRead(): void {
    this.#isRead = false;
    this.#states.clear(this.#seed);
  }

  /** What follows from counted values is read off them: the same whenever, and in whatever order they came. */
  #settled(): ValueStates {
    if (this.#isDerived && !this.#isRead) {
      this.#isRead = true;
      this.#readOff("hash");
    }
    return this.#states;
  }

  #readOff(order: EntryOrder): void {
    if (this.#dictionary !== undefined) this.#states.readOff(this.#dictionary, this.#derivedKind, order);
  }

  /** Counts the run's values in the dictionary, and says up to where it has room. */
  #count(run: FieldRun): number {
    if (this.#distinct !== undefined) return run.from;
    this.#dictionary ??= new ValueCounts();
    return this.#dictionary.addMany(run.hashLo, run.hashHi, run.from, run.to, run, run.placed()?.distinct());
  }

  #updateDistinct(run: FieldRun, from: number, frequent: boolean): void {
    if (this.#distinct === undefined) this.#promote(frequent, "arrival");
    this.#distinct?.updateHashes(run.hashLo, from, run.to);
    const placed = from === run.from ? run.placed() : undefined;
    this.#sample?.addMany(run.hashLo, run.hashHi, from, run.to, placed);
    if (this.#frequent === undefined) return;
    feedFrequent(this.#frequent, run.hashLo, run.hashHi, from, run.to, run, placed?.distinct());
  }

  #mergeDistinct(other: FieldProfile): void {
    const frequent = KIND_STATES[this.#kind].frequent;
    if (other.#dictionary !== undefined) {
      if (this.#distinct === undefined) {
        this.#dictionary ??= new ValueCounts();
        if (this.#dictionary.merge(other.#dictionary)) return;
        this.#promote(frequent, "hash");
      }
      this.#feed(other.#dictionary, "hash");
    } else if (other.#distinct !== undefined) {
      if (this.#distinct === undefined) this.#promote(frequent, "hash");
      this.#distinct?.merge(other.#distinct);
      if (other.#frequent !== undefined) this.#frequent?.merge(other.#frequent);
      if (other.#sample !== undefined) this.#sample?.merge(other.#sample);
    }
  }

  /** From the exact tier to the estimating one. */
  #promote(frequent: boolean, order: EntryOrder): void {
    const dictionary = this.#dictionary;
    this.#dictionary = undefined;
    this.#distinct = new HllSketch();
    if (frequent) {
      this.#frequent = new FrequentItems();
      this.#sample = new HashSample({ capacity: SAMPLED_VALUES });
    }
    if (dictionary !== undefined) this.#feed(dictionary, order);
  }

  #feed(dictionary: ValueCounts, order: EntryOrder): void {
    this.#distinct?.updateHashes(dictionary.lo, 0, dictionary.size);
    if (this.#frequent !== undefined) feedDictionary(this.#frequent, dictionary, order);
    if (this.#sample === undefined) return;
    const { lo, hi, counts, size } = dictionary;
    this.#sample.addCounted(lo, hi, counts, size);
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

/** Of the counters, those that can be read off the counted values. */
const IS_DERIVED = Array.from({ length: 11 }, (_, i) => [5, 6, 7, 10].includes(i));
/** Reading off takes some 5 ns for each time that a value came: no more is put off than takes milliseconds. */
const MOST_COUNTED = 1_000_000;
/** Bits of the states that are written though others can be read off them. */
const RANGE = 4;
const DICTIONARY = 16;
const REPEATS = 1024;
const NO_COUNTS: readonly number[] = Array(11).fill(0);
/** Beyond the exact tier, in 6 KB written: of equally frequent values, the share of unseen ones with a standard deviation of up to 2.2 %. */
const SAMPLED_VALUES = 512;

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
