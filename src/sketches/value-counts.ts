/**
 * An exact counted dictionary of at most 4096 distinct values: everything that depends on how often each value occurs can
 * be read from it. Values are 64-bit hashes, each with a representation (text, number, 64-bit integer, or none where it must
 * not be shown), asked for only when a value is new. What would make a 4097th is refused and changes nothing: the caller
 * then promotes the field to sketches.
 *
 * Merging is exact in any order. Empty: size 0. The labels -0 and 0 are one, and so is every NaN.
 */
import { ascendingOrder } from "./ascending.ts";
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";
import { areDecimals, decimalPlaces, isPlaces, unzigzag, zigzag } from "./decimals.ts";
import { hashDoubles } from "./hash.ts";
import { compareHashes, type DistinctHashes, HashTable } from "./hash-table.ts";
import { TextLabels, type TextSource } from "./text-labels.ts";
import {
  checkedLabel,
  compareLabels,
  MOST_SCALED,
  readLabel,
  readMeasure,
  TEXT,
  type ValueLabel,
  writeLabel,
  writeMeasure,
} from "./value-labels.ts";

const VERSION = 2;
/** Forms of the bytes. */
const LABELLED = 0;
const DECIMALS = 1;
const MEASURED = 2;
/** What an entry takes at least in bytes: hash, count, label tag. */
const ENTRY_BYTES = 10;

/** Ascending by hash, or as they came, which bytes do not keep. */
export type EntryOrder = "hash" | "arrival";

export interface CountedValue {
  readonly lo: number;
  readonly hi: number;
  readonly count: number;
  readonly label: ValueLabel;
}

/** What `addMany()` asks of a value that is new. */
export interface ValueSource {
  labelAt(index: number): ValueLabel;
  /** The bytes of which `labelAt()` would say the text, where those of short ASCII texts are these texts. */
  readonly texts?: TextSource | undefined;
  /** `labelAt()` would say what `measureInto()` says, of every value. */
  readonly measuresAreLabels: boolean;
  /** Of each of the first `count` places, a number that the owner derives figures from, such as the value or its length: to `into`, from `at` on. */
  measureInto(places: Int32Array, count: number, into: Float64Array, at: number): void;
}

export class ValueCounts {
  static readonly LIMIT = 4096;
  readonly #table: HashTable;
  /** Of an entry that has no text in `#texts`. */
  readonly #labels: ValueLabel[] = [];
  #texts: TextLabels | undefined;
  /** Of each entry that `addMany()` has made. */
  #measures = NO_MEASURES;
  /** An entry without a label has its measure for one. */
  #measuresAreLabels = false;
  #totalCount = 0;

  /** `expectedSize`: distinct values that need no growing. */
  constructor(expectedSize = 0) {
    this.#table = new HashTable(expectedSize);
  }

  /** Distinct values. */
  get size(): number {
    return this.#table.size;
  }

  get totalCount(): number {
    return this.#totalCount;
  }

  /**
   * Counts a value `count` times, and says whether there was room; `label` is called only when the value is new.
   * @throws {RangeError} when `count` is not a positive integer, or a label is an integer of more than 64 bits.
   */
  add(lo: number, hi: number, count: number, label: () => ValueLabel): boolean {
    if (!(count > 0) || !Number.isSafeInteger(count)) {
      throw new RangeError(`Cannot add to ValueCounts: count is ${count}, expected a positive integer`);
    }
    this.#makeLabels();
    const entry = this.#table.find(lo, hi);
    if (entry >= 0) {
      this.#table.counts[entry]! += count;
    } else {
      if (this.#table.size === ValueCounts.LIMIT) return false;
      const kept = checkedLabel(label());
      this.#labels[this.#table.append(lo, hi, count)] = kept;
    }
    this.#totalCount += count;
    return true;
  }

  /**
   * Counts the hashes `[from, to)` once each, and says up to where there was room; `source` is asked about new values only.
   * `distinct`: the same hashes counted among themselves, if they are.
   */
  addMany(
    lo: Int32Array,
    hi: Int32Array,
    from: number,
    to: number,
    source: ValueSource,
    distinct?: DistinctHashes,
  ): number {
    const table = this.#table;
    if (table.size === 0) this.#measuresAreLabels = source.measuresAreLabels;
    else if (this.#measuresAreLabels !== source.measuresAreLabels) this.#makeLabels();
    const withLabels = !this.#measuresAreLabels;
    const known = table.size;
    let end = to;
    const isCounted = distinct !== undefined && table.countDistinct(lo, hi, distinct, ValueCounts.LIMIT, FIRSTS);
    if (!isCounted) end = table.countMany(lo, hi, from, to, ValueCounts.LIMIT, FIRSTS);
    if (table.size > this.#measures.length) this.#measures = grown(this.#measures, table.lo.length);
    const fresh = table.size - known;
    if (fresh > 0) source.measureInto(FIRSTS, fresh, this.#measures, known);
    if (withLabels) {
      const { texts } = source;
      if (texts !== undefined && fresh > 0) this.#texts ??= new TextLabels();
      for (let i = 0; i < fresh; i++) {
        const first = FIRSTS[i]!;
        if (
          texts !== undefined &&
          this.#texts?.take(known + i, texts.textBytes, texts.findText(first), texts.textLength)
        )
          continue;
        this.#labels[known + i] = checkedLabel(source.labelAt(first));
      }
    }
    this.#totalCount += end - from;
    return end;
  }

  /**
   * What `ValueSource.measureInto()` said of each of the `size` values, in the order of their first coming: to be read before
   * anything is added. Only where all came by `addMany()`, from bytes that were written with them or of which `isDecimal` holds, or from another of which
   * one of the two is true.
   */
  get measures(): Float64Array {
    return this.#measures;
  }

  /** `measures` are there of every value. */
  get isMeasured(): boolean {
    return this.#measures.length >= this.size;
  }

  /** Measures and counts; valid until the next call, of any. */
  inOrder(order: EntryOrder): { readonly measures: Float64Array; readonly counts: Float64Array } {
    const { counts } = this.#table;
    let place = 0;
    for (const entry of this.order(order)) {
      VALUES[place] = this.#measures[entry]!;
      ORDERED_COUNTS[place++] = counts[entry]!;
    }
    return { measures: VALUES, counts: ORDERED_COUNTS };
  }

  /** Places of the entries. */
  order(order: EntryOrder = "hash"): Readonly<Uint16Array> {
    return order === "hash" ? this.#table.order() : AS_THEY_LIE.subarray(0, this.size);
  }

  /** Hashes and counts of the values, in the same order. */
  get lo(): Int32Array {
    return this.#table.lo;
  }

  get hi(): Int32Array {
    return this.#table.hi;
  }

  get counts(): Float64Array {
    return this.#table.counts;
  }

  /** Of the value at this place in that order. */
  labelAt(entry: number): ValueLabel {
    if (this.#measuresAreLabels) return this.#measures[entry];
    return this.#texts?.textOf(entry) ?? this.#labels[entry];
  }

  giveText(place: number, entry: number, into: TextLabels): boolean {
    return this.#texts !== undefined && into.takeFrom(entry, this.#texts, place);
  }

  /** As new; keeps its arrays for what comes. */
  clear(): void {
    this.#table.clear();
    this.#labels.length = 0;
    this.#texts?.clear();
    this.#measuresAreLabels = false;
    this.#totalCount = 0;
  }

  /** Adds all of the other, or, when the union has more than 4096 values, nothing and returns false. */
  merge(other: ValueCounts): boolean {
    const theirs = other.#table;
    const table = this.#table;
    if (table.size + theirs.size > ValueCounts.LIMIT) {
      let room = ValueCounts.LIMIT - table.size;
      for (let i = 0; i < theirs.size; i++) {
        if (table.find(theirs.lo[i]!, theirs.hi[i]!) < 0 && --room < 0) return false;
      }
    }
    if (table.size === 0) {
      table.reserve(theirs.size);
      this.#measuresAreLabels = other.#measuresAreLabels;
    } else if (!other.#measuresAreLabels) {
      this.#makeLabels();
    }
    const isMeasured = other.#measures.length > 0;
    for (let i = 0; i < theirs.size; i++) {
      const lo = theirs.lo[i]!;
      const hi = theirs.hi[i]!;
      const entry = table.find(lo, hi);
      if (entry >= 0) {
        table.counts[entry]! += theirs.counts[i]!;
        continue;
      }
      const fresh = table.append(lo, hi, theirs.counts[i]!);
      if (!this.#measuresAreLabels) this.#takeLabel(fresh, other, i);
      if (!isMeasured) continue;
      if (fresh >= this.#measures.length) this.#measures = grown(this.#measures, table.lo.length);
      this.#measures[fresh] = other.#measures[i]!;
    }
    this.#totalCount += other.#totalCount;
    return true;
  }

  /** All values, ascending by hash. */
  *entries(): IterableIterator<CountedValue> {
    for (const entry of this.#table.order()) yield this.#entry(entry);
  }

  /** As `entries()`, without an object for each. */
  forEach(visit: (lo: number, hi: number, count: number, label: ValueLabel) => void): void {
    const { lo, hi, counts } = this.#table;
    for (const entry of this.#table.order()) visit(lo[entry]!, hi[entry]!, counts[entry]!, this.labelAt(entry));
  }

  /** The `limit` most counted values; ties: numbers ascending, then text by code unit, then hidden ones by hash. */
  top(limit: number): CountedValue[] {
    const values = Array.from(this.#table.order(), (entry) => this.#entry(entry));
    return values.sort((a, b) => b.count - a.count || compareLabels(a.label, b.label)).slice(0, limit);
  }

  /** 0 for a value that is not there. */
  countOf(lo: number, hi: number): number {
    const entry = this.#table.find(lo, hi);
    return entry < 0 ? 0 : this.#table.counts[entry]!;
  }

  /**
   * Whether `write()` needs no hashes and no labels: all values are shown numbers of at most 6 decimal places, with their
   * hashes of `hashDoubles()`. Then their `measures` are there after `read()`, too.
   */
  get isDecimal(): boolean {
    return this.#places() !== undefined;
  }

  /**
   * Version, u8 form, varint size, then
   * form 0, for each value, by hash: i32 low, i32 high, varint count, u8 kind of label and the label: 0 hidden, 1 string, 2 f64,
   * 3 low and high i32;
   * form 2, as form 0, each value with its measure: varint 0: the label; 1: an f64 that follows; else 2 less;
   * form 1, where `isDecimal`: u8 decimal places, varint of the least value × 10^places (zigzag), then for each value, ascending:
   * varint count and, but for the last, varint of the distance to the next × 10^places.
   */
  write(w: ByteWriter, { withMeasures = false } = {}): void {
    const places = this.#places();
    w.u8(VERSION);
    w.u8(places !== undefined ? DECIMALS : withMeasures ? MEASURED : LABELLED);
    w.varint(this.size);
    if (places !== undefined) {
      this.#writeDecimals(w, places);
      return;
    }
    for (const entry of this.#table.order()) {
      w.i32(this.#table.lo[entry]!);
      w.i32(this.#table.hi[entry]!);
      w.varint(this.#table.counts[entry]!);
      const label = this.#writeLabel(w, entry);
      if (withMeasures) writeMeasure(w, this.#measures[entry]!, label);
    }
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(r: ByteReader): ValueCounts {
    r.version(VERSION, "ValueCounts");
    const form = r.u8();
    if (form > MEASURED) throw corrupt(`ValueCounts of form ${form}`);
    const size = r.count(form === DECIMALS ? 1 : ENTRY_BYTES);
    if (size > ValueCounts.LIMIT) throw corrupt(`ValueCounts of ${size} values, expected at most ${ValueCounts.LIMIT}`);
    const values = new ValueCounts(size);
    if (form === DECIMALS) {
      values.#readDecimals(r, size);
      return values;
    }
    const table = values.#table;
    if (form === MEASURED) values.#measures = new Float64Array(table.lo.length);
    for (let i = 0; i < size; i++) {
      const lo = r.i32();
      const hi = r.i32();
      const count = r.varint();
      if (count === 0) throw corrupt("ValueCounts with a count of 0");
      if (i > 0 && compareHashes(hi, lo, table.hi[i - 1]!, table.lo[i - 1]!) <= 0) {
        throw corrupt("ValueCounts with values out of order");
      }
      const entry = table.appendAscending(lo, hi, count);
      const label = values.#readLabel(r, entry);
      if (form === MEASURED) values.#measures[entry] = readMeasure(r, label);
      values.#totalCount += count;
    }
    if (values.#totalCount > Number.MAX_SAFE_INTEGER) throw corrupt("ValueCounts with a total beyond 2^53");
    return values;
  }

  #entry(entry: number): CountedValue {
    const { lo, hi, counts } = this.#table;
    return { lo: lo[entry]!, hi: hi[entry]!, count: counts[entry]!, label: this.labelAt(entry) };
  }

  /** The fewest decimal places that hold every value; `undefined` where none do, or hash or label say something else. */
  #places(): number | undefined {
    const { size } = this;
    for (let entry = 0; entry < size; entry++) {
      const label = this.labelAt(entry);
      if (typeof label !== "number") return undefined;
      VALUES[entry] = label;
    }
    const places = decimalPlaces(VALUES, size, MOST_SCALED);
    if (size === 0 || places === undefined) return undefined;
    hashDoubles(VALUES, size, HASHES_LO, HASHES_HI);
    const { lo, hi } = this.#table;
    for (let entry = 0; entry < size; entry++) {
      if (lo[entry] !== HASHES_LO[entry] || hi[entry] !== HASHES_HI[entry]) return undefined;
    }
    return places;
  }

  /** Of the `VALUES` that `#places()` has left. */
  #writeDecimals(w: ByteWriter, places: number): void {
    const { size } = this;
    const factor = 10 ** places;
    for (let entry = 0; entry < size; entry++) VALUES[entry] = Math.round(VALUES[entry]! * factor);
    const order = ascendingOrder(VALUES, size);
    const { counts } = this.#table;
    w.u8(places);
    let before = 0;
    for (let i = 0; i < size; i++) {
      const entry = order[i]!;
      const scaled = VALUES[entry]!;
      if (i > 0) w.varint(scaled - before);
      else w.varint(zigzag(scaled));
      w.varint(counts[entry]!);
      before = scaled;
    }
  }

  #readDecimals(r: ByteReader, size: number): void {
    const places = r.u8();
    if (size === 0 || !isPlaces(places)) throw corrupt(`ValueCounts of ${size} values of ${places} places`);
    const factor = 10 ** places;
    const measures = new Float64Array(this.#table.lo.length);
    const counts = new Float64Array(size);
    let scaled = 0;
    for (let i = 0; i < size; i++) {
      const step = r.varint();
      if (i > 0) scaled += step;
      else scaled = unzigzag(step);
      const count = r.varint();
      if (count === 0 || (i > 0 && step === 0) || Math.abs(scaled) > MOST_SCALED) {
        throw corrupt(`ValueCounts with ${count} times ${scaled} after a step of ${step}`);
      }
      measures[i] = scaled / factor;
      counts[i] = count;
      this.#totalCount += count;
    }
    if (!areDecimals(measures, size, factor, MOST_SCALED))
      throw corrupt("ValueCounts with more decimal places than a double has");
    if (this.#totalCount > Number.MAX_SAFE_INTEGER) throw corrupt("ValueCounts with a total beyond 2^53");
    hashDoubles(measures, size, HASHES_LO, HASHES_HI);
    for (let i = 0; i < size; i++) this.#table.append(HASHES_LO[i]!, HASHES_HI[i]!, counts[i]!);
    this.#measures = measures;
    this.#measuresAreLabels = true;
  }

  /** Of an entry that has none, the label of another one's. */
  #takeLabel(entry: number, other: ValueCounts, from: number): void {
    if (other.#texts !== undefined && !other.#measuresAreLabels) {
      this.#texts ??= new TextLabels();
      if (this.#texts.takeFrom(entry, other.#texts, from)) return;
    }
    this.#labels[entry] = other.labelAt(from);
  }

  /** Returns what is no text. */
  #writeLabel(w: ByteWriter, entry: number): ValueLabel {
    if (!this.#measuresAreLabels && this.#texts?.has(entry) === true) {
      w.u8(TEXT);
      this.#texts.write(entry, w);
      return undefined;
    }
    const label = this.labelAt(entry);
    writeLabel(w, label);
    return label;
  }

  /** Returns what is no text. */
  #readLabel(r: ByteReader, entry: number): ValueLabel {
    const kind = r.u8();
    if (kind !== TEXT) {
      const label = readLabel(r, kind);
      this.#labels[entry] = label;
      return label;
    }
    const length = r.count(1);
    this.#texts ??= new TextLabels();
    if (!this.#texts.read(entry, r, length)) this.#labels[entry] = r.text(length);
    return undefined;
  }

  #makeLabels(): void {
    if (!this.#measuresAreLabels) return;
    for (let entry = 0; entry < this.size; entry++) this.#labels[entry] = this.#measures[entry];
    this.#measuresAreLabels = false;
  }
}

/** Scratch. */
const FIRSTS = new Int32Array(ValueCounts.LIMIT);
const VALUES = new Float64Array(ValueCounts.LIMIT);
const AS_THEY_LIE = Uint16Array.from({ length: ValueCounts.LIMIT }, (_, entry) => entry);
const ORDERED_COUNTS = new Float64Array(ValueCounts.LIMIT);
const HASHES_LO = new Int32Array(ValueCounts.LIMIT);
const HASHES_HI = new Int32Array(ValueCounts.LIMIT);
const NO_MEASURES = new Float64Array(0);

function grown(array: Float64Array<ArrayBuffer>, capacity: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(capacity);
  larger.set(array);
  return larger;
}
