/**
 * What the last windows knew of one field: its values, or in windows of too many a sample that chooses the same values in all
 * of them, and its histogram or, of texts, their patterns. Nothing is said before all windows of the reference have seen the field.
 */
import { StreamgaugeError } from "../core/errors.ts";
import type { ByteReader, ByteWriter } from "../sketches/bytes.ts";
import { broadForm } from "../sketches/text-shape.ts";
import { PooledCounts } from "./pooled-counts.ts";
import { populationStabilityIndex } from "./psi.ts";
import { usualLimits } from "./usual-limits.ts";
import { type FieldContents, readBins, writeBins } from "./window-contents.ts";
import {
  ALL_COUNTED,
  CountsBuilder,
  countIn,
  countOfAll,
  type SampledCounts,
  type WindowCounts,
} from "./window-counts.ts";

/** Groups of about equal share in the reference: the usual ten. */
const HISTOGRAM_GROUPS = 10;

/** Share of one value of the reference among the values of now. */
interface ValueShare {
  readonly label: string;
  readonly share: number;
}

/** A share (or an index of stability), and the values that it is of. */
export interface ShareOf {
  readonly share: number;
  readonly n: number;
}

interface WindowRecord {
  /** Absent: there were too many different ones over all windows. */
  readonly values: SampledCounts | undefined;
  readonly bins: WindowCounts;
}

export class FieldReference {
  readonly #topValues: number;
  /** One per window of the reference, oldest first; `undefined`: the window did not know the field. */
  #records: (WindowRecord | undefined)[] = [];
  /** Once there were too many values for a pool there is none any more: what comes and goes would look like drift. */
  #isOpen = false;
  #values = new PooledCounts();
  #bins = new PooledCounts();
  #groups: readonly HistogramGroup[] | undefined;
  #top: ReturnType<PooledCounts["top"]> | undefined;
  #limits: ReturnType<typeof usualLimits>;

  /** `topValues` most frequent values of the reference have a share of their own. */
  constructor(topValues: number) {
    this.#topValues = topValues;
  }

  /** No window of the reference knows the field. */
  get isGone(): boolean {
    return this.#records.every((record) => record === undefined);
  }

  /** Another one with the same past; the windows' own counts, which never change, are shared. */
  copy(): FieldReference {
    const copy = new FieldReference(this.#topValues);
    copy.#records = [...this.#records];
    copy.#isOpen = this.#isOpen;
    copy.#values = this.#values.copy();
    copy.#bins = this.#bins.copy();
    return copy;
  }

  /** Share of values that no window of the reference had, among those that all would have kept; `undefined`: it cannot be told. */
  unseenShare({ values }: FieldContents, size: number): ShareOf | undefined {
    if (values === undefined || !this.#knowsValues(size)) return undefined;
    const { lo, hi, counts, completeBelow } = values;
    const below = Math.min(completeBelow, ...this.#records.map((record) => record?.values?.completeBelow ?? 0));
    let unseen = 0;
    let n = 0;
    for (let i = 0; i < lo.length; i++) {
      if (hi[i]! >>> 0 >= below) continue;
      n += counts[i]!;
      if (this.#values.countOf(lo[i]!, hi[i]!) === 0) unseen += counts[i]!;
    }
    return n === 0 ? undefined : { share: unseen / n, n };
  }

  /** Share of the numbers beyond the limits that the windows of the reference usually kept. */
  outsideShare({ bins }: FieldContents, size: number): ShareOf | undefined {
    const n = countOfAll(bins);
    if (n === 0 || !this.#isFull(size)) return undefined;
    this.#limits ??= usualLimits(this.#records.flatMap((record) => record?.bins ?? []));
    const limits = this.#limits;
    if (limits === undefined) return undefined;
    let outside = 0;
    for (const [i, key] of bins.lo.entries())
      if (key < limits.least || key > limits.largest) outside += bins.counts[i]!;
    return { share: outside / n, n };
  }

  /** Share of the texts of a pattern that no window of the reference had. */
  unseenPatternShare({ bins }: FieldContents, size: number): ShareOf | undefined {
    // Of a window of too many patterns none is kept.
    if (bins.lo.length === 0 || !this.#isFull(size)) return undefined;
    if (this.#records.some((record) => record?.bins.lo.length === 0)) return undefined;
    let unseen = 0;
    for (const [i, form] of bins.lo.entries()) {
      const isSeen = this.#bins.countOf(form, 0) > 0 || this.#bins.countOf(broadForm(form), 0) > 0;
      if (!isSeen) unseen += bins.counts[i]!;
    }
    const n = countOfAll(bins);
    return { share: unseen / n, n };
  }

  /** Shares of the most frequent values of the reference that have a label. */
  topShares({ values }: FieldContents, size: number): readonly ValueShare[] {
    if (values?.completeBelow !== ALL_COUNTED || values.lo.length === 0 || !this.#knowsAllValues(size)) return [];
    const n = countOfAll(values);
    return this.#topOfReference().flatMap(({ lo, hi, label }) =>
      label === undefined ? [] : [{ label, share: countIn(values, lo, hi) / n }],
    );
  }

  /** Population stability index over the most frequent values and the rest. */
  valueStability({ values }: FieldContents, size: number): ShareOf | undefined {
    if (values?.completeBelow !== ALL_COUNTED || !this.#knowsAllValues(size)) return undefined;
    const top = this.#topOfReference();
    const reference = top.map(({ count }) => count);
    const current = top.map(({ lo, hi }) => countIn(values, lo, hi));
    const n = countOfAll(values);
    return stabilityOf([...reference, this.#values.totalCount - sum(reference)], [...current, n - sum(current)], n);
  }

  /** Population stability index over tenths of the histogram of the reference. */
  histogramStability({ bins }: FieldContents, size: number): ShareOf | undefined {
    if (!this.#isFull(size)) return undefined;
    this.#groups ??= equalGroups(this.#bins);
    const groups = this.#groups;
    const current = groups.map(() => 0);
    let group = 0;
    for (const [i, key] of bins.lo.entries()) {
      while (group < groups.length - 1 && key > groups[group]!.lastKey) group++;
      current[group]! += bins.counts[i]!;
    }
    return stabilityOf(
      groups.map(({ count }) => count),
      current,
      countOfAll(bins),
    );
  }

  /** Takes a window in, `undefined` when it did not know the field, and lets the oldest beyond `size` go. */
  learn(field: FieldContents | undefined, size: number): void {
    this.#groups = undefined;
    this.#top = undefined;
    this.#limits = undefined;
    while (this.#records.length >= size) this.#forgetOldest();
    if (field === undefined) {
      this.#records.push(undefined);
      return;
    }
    this.#bins.add(field.bins, undefined);
    this.#records.push({ values: this.#learnValues(field), bins: field.bins });
  }

  /** Marks that `count` windows came before the field did. */
  skip(count: number): void {
    for (let i = 0; i < count; i++) this.#records.push(undefined);
  }

  /**
   * u8 open · varint values, each i32 lo, i32 hi, u8 has a label, label · varint records, each u8 (0 absent, 1 without
   * values, 2 with), then the bins as (varint key + 2^16, varint count), then the values as varint limit and (varint distance in
   * the list above, varint count).
   */
  write(writer: ByteWriter): void {
    writer.u8(this.#isOpen ? 1 : 0);
    const pool = this.#values.entries();
    writer.varint(pool.length);
    for (const { lo, hi, label } of pool) {
      writer.i32(lo);
      writer.i32(hi);
      writer.u8(label === undefined ? 0 : 1);
      if (label !== undefined) writer.string(label);
    }
    writer.varint(this.#records.length);
    for (const record of this.#records) writeRecord(writer, record, pool);
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(reader: ByteReader, topValues: number): FieldReference {
    const reference = new FieldReference(topValues);
    reference.#isOpen = reader.u8() !== 0;
    const poolSize = reader.count(9);
    const lo = new Int32Array(poolSize);
    const hi = new Int32Array(poolSize);
    const labels: (string | undefined)[] = [];
    for (let i = 0; i < poolSize; i++) {
      lo[i] = reader.i32();
      hi[i] = reader.i32();
      labels.push(reader.u8() === 0 ? undefined : reader.string());
    }
    for (let left = reader.count(1); left > 0; left--) {
      const form = reader.u8();
      if (form === ABSENT) {
        reference.#records.push(undefined);
        continue;
      }
      const bins = readBins(reader);
      reference.#bins.add(bins, undefined);
      if (form === WITHOUT_VALUES) {
        reference.#records.push({ values: undefined, bins });
        continue;
      }
      const places: number[] = [];
      const values = readValues(reader, lo, hi, places);
      const known = places.map((place) => labels[place]);
      if (!reference.#values.add(values, known)) throw corrupt("too many values");
      reference.#records.push({ values, bins });
    }
    return reference;
  }

  #knowsValues(size: number): boolean {
    return this.#isFull(size) && this.#records.every((record) => record?.values !== undefined);
  }

  #knowsAllValues(size: number): boolean {
    return this.#isFull(size) && this.#records.every((record) => record?.values?.completeBelow === ALL_COUNTED);
  }

  #isFull(size: number): boolean {
    return this.#records.length === size && this.#records.every((record) => record !== undefined);
  }

  #topOfReference(): ReturnType<PooledCounts["top"]> {
    this.#top ??= this.#values.top(this.#topValues);
    return this.#top;
  }

  #learnValues({ values, labels }: FieldContents): SampledCounts | undefined {
    if (this.#isOpen || values === undefined) return undefined;
    if (this.#values.add(values, labels)) return values;
    this.#isOpen = true;
    this.#values = new PooledCounts();
    this.#records = this.#records.map((record) => record && { values: undefined, bins: record.bins });
    return undefined;
  }

  #forgetOldest(): void {
    const oldest = this.#records.shift();
    if (oldest === undefined) return;
    this.#bins.remove(oldest.bins);
    if (oldest.values !== undefined) this.#values.remove(oldest.values);
  }
}

interface HistogramGroup {
  /** Bins up to this key belong to it; those beyond the last group's, to the last group. */
  readonly lastKey: number;
  readonly count: number;
}

/** Neighbouring bins joined until each group holds a tenth; a bin is never split. */
function equalGroups(bins: PooledCounts): HistogramGroup[] {
  const ascending = bins.entries().sort((a, b) => a.lo - b.lo);
  const share = bins.totalCount / HISTOGRAM_GROUPS;
  const groups: HistogramGroup[] = [];
  let count = 0;
  for (const [i, bin] of ascending.entries()) {
    count += bin.count;
    if (count < share && i < ascending.length - 1) continue;
    groups.push({ lastKey: bin.lo, count });
    count = 0;
  }
  return groups;
}

const ABSENT = 0;
const WITHOUT_VALUES = 1;
const WITH_VALUES = 2;

/** `pool` holds the values of the record, and both are ascending by hash. */
function writeRecord(
  writer: ByteWriter,
  record: WindowRecord | undefined,
  pool: ReturnType<PooledCounts["entries"]>,
): void {
  if (record === undefined) {
    writer.u8(ABSENT);
    return;
  }
  writer.u8(record.values === undefined ? WITHOUT_VALUES : WITH_VALUES);
  writeBins(writer, record.bins);
  if (record.values === undefined) return;
  const { lo, hi, counts, completeBelow } = record.values;
  writer.varint(completeBelow);
  writer.varint(lo.length);
  let index = 0;
  for (let i = 0; i < lo.length; i++) {
    const first = index;
    while (pool[index]!.lo !== lo[i] || pool[index]!.hi !== hi[i]) index++;
    writer.varint(index++ - first);
    writer.varint(counts[i]!);
  }
}

/** The places of the values in the pool go into `places`. */
function readValues(reader: ByteReader, poolLo: Int32Array, poolHi: Int32Array, places: number[]): SampledCounts {
  const completeBelow = reader.varint();
  const values = new CountsBuilder();
  let place = -1;
  for (let left = reader.count(2); left > 0; left--) {
    place += reader.varint() + 1;
    if (place >= poolLo.length) throw corrupt("a value that is not in the list");
    places.push(place);
    values.add(poolLo[place]!, poolHi[place]!, reader.varint());
  }
  return { ...values.build(), completeBelow };
}

function corrupt(state: string): StreamgaugeError {
  return new StreamgaugeError("SG_CORRUPT", `Cannot read field reference: ${state}`);
}

function stabilityOf(reference: readonly number[], current: readonly number[], n: number): ShareOf | undefined {
  const share = populationStabilityIndex(reference, current);
  return share === undefined ? undefined : { share, n };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
