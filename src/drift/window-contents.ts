/**
 * What a window is compared by with those before it, and what it is to those after it: its null patterns, and of each field its
 * values, as far as they were counted, and its histogram or, of texts, their patterns. Taken off the profile once: what is merged
 * into the profile afterwards does not reach it.
 */
import type { FieldClass } from "../profiles/field-kinds.ts";
import type { FieldProfile } from "../profiles/field-profile.ts";
import type { Profile } from "../profiles/profile.ts";
import type { ByteReader, ByteWriter } from "../sketches/bytes.ts";
import type { HashSample } from "../sketches/hash-sample.ts";
import type { ValueCounts } from "../sketches/value-counts.ts";
import { LabelList } from "./label-list.ts";
import { ALL_COUNTED, type SampledCounts, type WindowCounts } from "./pooled-counts.ts";

export interface FieldContents {
  /** Absent: values that are not compared. */
  readonly values: SampledCounts | undefined;
  /** Of the values, only of texts: numbers have no shares of their own. */
  readonly labels: LabelList | undefined;
  /** Bins of the histogram, or patterns of texts where all are counted, as values: the key is the low word. */
  readonly bins: WindowCounts;
}

export interface WindowContents {
  readonly patterns: SampledCounts;
  /** By field key. */
  readonly fields: ReadonlyMap<string, FieldContents>;
  /** Keys of the fields that are not compared. */
  readonly others: readonly string[];
}

/** Times are always new, and of booleans the share of `true` says all. */
const COMPARED: ReadonlySet<FieldClass> = new Set(["number", "text", "array", "map"]);

export function contentsOf(profile: Profile): WindowContents {
  const fields = new Map<string, FieldContents>();
  const others: string[] = [];
  for (const [key, field] of profile.fields) {
    if (COMPARED.has(field.class)) fields.set(key, fieldContents(field));
    else others.push(key);
  }
  return { patterns: sampledCounts(profile.patterns), fields, others };
}

function fieldContents(field: FieldProfile): FieldContents {
  const bins = binCounts(field);
  if (field.class !== "number" && field.class !== "text") return { values: undefined, labels: undefined, bins };
  return { ...valuesOf(field), bins };
}

/** Of numbers and texts: every value, or those of the sample. */
function valuesOf({ class: fieldClass, dictionary, sample }: FieldProfile): CountedValues {
  if (dictionary !== undefined) return countsOf(dictionary, fieldClass === "text");
  const values = sample === undefined ? { ...emptyCounts(0), completeBelow: ALL_COUNTED } : sampledCounts(sample);
  return { values, labels: undefined };
}

function sampledCounts(sample: HashSample): SampledCounts {
  const entries = sample.entries();
  const values = emptyCounts(entries.length);
  for (const [i, { lo, hi, count }] of entries.entries()) {
    values.lo[i] = lo;
    values.hi[i] = hi;
    values.counts[i] = count;
  }
  return { ...values, completeBelow: sample.completeBelow };
}

interface CountedValues {
  readonly values: SampledCounts;
  readonly labels: LabelList | undefined;
}

function countsOf(dictionary: ValueCounts, withLabels: boolean): CountedValues {
  const { size } = dictionary;
  const values = emptyCounts(size);
  const labels: (string | undefined)[] = [];
  let i = 0;
  for (const { lo, hi, count, label } of dictionary.entries()) {
    values.lo[i] = lo;
    values.hi[i] = hi;
    values.counts[i++] = count;
    if (withLabels) labels.push(label === undefined ? undefined : String(label));
  }
  return { values: { ...values, completeBelow: ALL_COUNTED }, labels: withLabels ? LabelList.of(labels) : undefined };
}

function binCounts(field: FieldProfile): WindowCounts {
  const bins = field.class === "text" ? patternBins(field) : (field.histogram?.bins() ?? []);
  const counts = emptyCounts(bins.length);
  for (const [i, { key, count }] of bins.entries()) {
    counts.lo[i] = key;
    counts.counts[i] = count;
  }
  return counts;
}

function patternBins({ shapes }: FieldProfile): { readonly key: number; readonly count: number }[] {
  return shapes?.isExact === true ? shapes.patterns().map(({ pattern, count }) => ({ key: pattern, count })) : [];
}

export function countOfAll({ counts }: WindowCounts): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}

/** Arrays of one buffer: a judge has some hundred thousand of them, and each buffer costs as much as ten values. V8 keeps the smallest in the objects. */
function emptyCounts(size: number): WindowCounts {
  if (size <= MOST_INSIDE)
    return { lo: new Int32Array(size), hi: new Int32Array(size), counts: new Float64Array(size) };
  const buffer = new ArrayBuffer(16 * size);
  return {
    counts: new Float64Array(buffer, 0, size),
    lo: new Int32Array(buffer, 8 * size, size),
    hi: new Int32Array(buffer, 12 * size, size),
  };
}

const MOST_INSIDE = 8;

/**
 * The patterns as counts, varint others, each its key, then varint fields, each its key, the bins, u8 (0 without values, 1 with, 2
 * with labels), the values as counts and, with labels, for each u8 has one and the label.
 */
export function writeContents(writer: ByteWriter, { patterns, fields, others }: WindowContents): void {
  writeCounts(writer, patterns);
  writer.varint(others.length);
  for (const key of others) writer.string(key);
  writer.varint(fields.size);
  for (const [key, { values, labels, bins }] of fields) {
    writer.string(key);
    writeBins(writer, bins);
    writer.u8(values === undefined ? 0 : labels === undefined ? 1 : 2);
    if (values === undefined) continue;
    writeCounts(writer, values);
    labels?.write(writer);
  }
}

/** @throws {StreamgaugeError} `SG_CORRUPT` */
export function readContents(reader: ByteReader): WindowContents {
  const patterns = readCounts(reader);
  const others = Array.from({ length: reader.count(1) }, () => reader.string());
  const fields = new Map<string, FieldContents>();
  for (let left = reader.count(3); left > 0; left--) {
    const key = reader.string();
    const bins = readBins(reader);
    const form = reader.u8();
    const values = form === 0 ? undefined : readCounts(reader);
    const labels = form === 2 && values !== undefined ? LabelList.read(reader, values.lo.length) : undefined;
    fields.set(key, { values, labels, bins });
  }
  return { patterns, fields, others };
}

/** varint limit, varint values, each i32 lo, i32 hi, varint count. */
export function writeCounts(writer: ByteWriter, { lo, hi, counts, completeBelow }: SampledCounts): void {
  writer.varint(completeBelow);
  writer.varint(lo.length);
  for (let i = 0; i < lo.length; i++) {
    writer.i32(lo[i]!);
    writer.i32(hi[i]!);
    writer.varint(counts[i]!);
  }
}

/** @throws {StreamgaugeError} `SG_CORRUPT` */
export function readCounts(reader: ByteReader): SampledCounts {
  const completeBelow = reader.varint();
  const size = reader.count(9);
  const values = emptyCounts(size);
  for (let i = 0; i < size; i++) {
    values.lo[i] = reader.i32();
    values.hi[i] = reader.i32();
    values.counts[i] = reader.varint();
  }
  return { ...values, completeBelow };
}

/** More than any key of a bin, to either side. */
const KEY_SHIFT = 2 ** 16;

/** varint bins, each varint key + 2^16, varint count. */
export function writeBins(writer: ByteWriter, { lo, counts }: WindowCounts): void {
  writer.varint(lo.length);
  for (let i = 0; i < lo.length; i++) {
    writer.varint(lo[i]! + KEY_SHIFT);
    writer.varint(counts[i]!);
  }
}

/** @throws {StreamgaugeError} `SG_CORRUPT` */
export function readBins(reader: ByteReader): WindowCounts {
  const bins = emptyCounts(reader.count(2));
  for (let i = 0; i < bins.lo.length; i++) {
    bins.lo[i] = reader.varint() - KEY_SHIFT;
    bins.counts[i] = reader.varint();
  }
  return bins;
}
