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
import { patternForm } from "../sketches/text-shape.ts";
import type { ValueCounts } from "../sketches/value-counts.ts";
import { LabelList } from "./label-list.ts";
import { ALL_COUNTED, CountsBuilder, type SampledCounts, type WindowCounts } from "./window-counts.ts";

export interface FieldContents {
  /** Absent: values that are not compared. */
  readonly values: SampledCounts | undefined;
  /** Of the values, only of texts: numbers have no shares of their own. */
  readonly labels: LabelList | undefined;
  /** Bins of the histogram, or forms of patterns of texts where all are counted, as values: the key is the low word. */
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

/** One at a time. */
const builder = new CountsBuilder();
const NOTHING: SampledCounts = { ...builder.build(), completeBelow: ALL_COUNTED };

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
  const values = sample === undefined ? NOTHING : sampledCounts(sample);
  return { values, labels: undefined };
}

function sampledCounts(sample: HashSample): SampledCounts {
  builder.start();
  for (const { lo, hi, count } of sample.entries()) builder.add(lo, hi, count);
  return { ...builder.build(), completeBelow: sample.completeBelow };
}

interface CountedValues {
  readonly values: SampledCounts;
  readonly labels: LabelList | undefined;
}

function countsOf(dictionary: ValueCounts, withLabels: boolean): CountedValues {
  const labels: (string | undefined)[] = [];
  builder.start();
  for (const { lo, hi, count, label } of dictionary.entries()) {
    builder.add(lo, hi, count);
    if (withLabels) labels.push(label === undefined ? undefined : String(label));
  }
  return {
    values: { ...builder.build(), completeBelow: ALL_COUNTED },
    labels: withLabels ? LabelList.of(labels) : undefined,
  };
}

function binCounts(field: FieldProfile): WindowCounts {
  const bins = field.class === "text" ? patternBins(field) : (field.histogram?.bins() ?? []);
  builder.start();
  for (const { key, count } of bins) builder.add(key, 0, count);
  return builder.buildBins();
}

/** Forms, ascending. */
function patternBins({ shapes }: FieldProfile): { readonly key: number; readonly count: number }[] {
  if (shapes?.isExact !== true) return [];
  const forms = new Map<number, number>();
  for (const { pattern, count } of shapes.patterns()) {
    const key = patternForm(pattern);
    forms.set(key, (forms.get(key) ?? 0) + count);
  }
  return [...forms].map(([key, count]) => ({ key, count })).sort((a, b) => a.key - b.key);
}

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
  builder.start();
  for (let left = reader.count(9); left > 0; left--) builder.add(reader.i32(), reader.i32(), reader.varint());
  return { ...builder.build(), completeBelow };
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
  builder.start();
  for (let left = reader.count(2); left > 0; left--) builder.add(reader.varint() - KEY_SHIFT, 0, reader.varint());
  return builder.buildBins();
}
