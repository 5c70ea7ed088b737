/**
 * What a reference keeps of one window: of each field its values, where all of them were counted, and its histogram.
 * Taken off the profile once: what is merged into the profile afterwards does not reach it.
 */
import type { FieldClass } from "../profiles/field-kinds.ts";
import type { FieldProfile } from "../profiles/field-profile.ts";
import type { Profile } from "../profiles/profile.ts";
import type { ByteReader, ByteWriter } from "../sketches/bytes.ts";
import type { ValueCounts } from "../sketches/value-counts.ts";
import type { WindowCounts } from "./pooled-counts.ts";

export interface FieldContents {
  /** Absent: too many distinct values to be counted, or values that are not compared. */
  readonly values: WindowCounts | undefined;
  /** Of the values, only of texts: numbers have no shares of their own. */
  readonly labels: readonly (string | undefined)[] | undefined;
  /** Bins of the histogram as values: the key is the low word. */
  readonly bins: WindowCounts;
}

/** By field key. */
export type WindowContents = ReadonlyMap<string, FieldContents>;

/** Times are always new, and of booleans the share of `true` says all. */
const COMPARED: ReadonlySet<FieldClass> = new Set(["number", "text", "array", "map"]);

export function contentsOf(profile: Profile): WindowContents {
  const contents = new Map<string, FieldContents>();
  for (const [key, field] of profile.fields) if (COMPARED.has(field.class)) contents.set(key, fieldContents(field));
  return contents;
}

function fieldContents(field: FieldProfile): FieldContents {
  const bins = binCounts(field);
  const counted = field.class === "number" || field.class === "text";
  if (!counted || field.distinct !== undefined) return { values: undefined, labels: undefined, bins };
  const { dictionary } = field;
  return { ...(dictionary === undefined ? NO_VALUES : countedValues(dictionary, field.class === "text")), bins };
}

interface CountedValues {
  readonly values: WindowCounts;
  readonly labels: readonly (string | undefined)[] | undefined;
}

const NO_VALUES: CountedValues = {
  values: { lo: new Int32Array(0), hi: new Int32Array(0), counts: new Float64Array(0) },
  labels: undefined,
};

/** A window is compared and then learned: what was read off its dictionary is kept until then. */
const COUNTED = new WeakMap<ValueCounts, { readonly total: number; readonly counted: CountedValues }>();

export function countedValues(dictionary: ValueCounts, withLabels: boolean): CountedValues {
  // Counts only grow, so an equal total is equal content.
  const known = COUNTED.get(dictionary);
  if (known?.total === dictionary.totalCount) return known.counted;
  const counted = readCounts(dictionary, withLabels);
  COUNTED.set(dictionary, { total: dictionary.totalCount, counted });
  return counted;
}

function readCounts(dictionary: ValueCounts, withLabels: boolean): CountedValues {
  const { size } = dictionary;
  const values = { lo: new Int32Array(size), hi: new Int32Array(size), counts: new Float64Array(size) };
  const labels: (string | undefined)[] = [];
  let i = 0;
  for (const { lo, hi, count, label } of dictionary.entries()) {
    values.lo[i] = lo;
    values.hi[i] = hi;
    values.counts[i++] = count;
    if (withLabels) labels.push(label === undefined ? undefined : String(label));
  }
  return { values, labels: withLabels ? labels : undefined };
}

function binCounts(field: FieldProfile): WindowCounts {
  const bins = field.histogram?.bins() ?? [];
  return {
    lo: Int32Array.from(bins, (bin) => bin.key),
    hi: new Int32Array(bins.length),
    counts: Float64Array.from(bins, (bin) => bin.count),
  };
}

/**
 * varint fields, each its key, the bins, u8 (0 without values, 1 with, 2 with labels), varint values, each i32 lo, i32 hi,
 * varint count and, with labels, u8 has one and the label.
 */
export function writeContents(writer: ByteWriter, contents: WindowContents): void {
  writer.varint(contents.size);
  for (const [key, { values, labels, bins }] of contents) {
    writer.string(key);
    writeBins(writer, bins);
    writer.u8(values === undefined ? 0 : labels === undefined ? 1 : 2);
    if (values === undefined) continue;
    writer.varint(values.lo.length);
    for (let i = 0; i < values.lo.length; i++) {
      writer.i32(values.lo[i]!);
      writer.i32(values.hi[i]!);
      writer.varint(values.counts[i]!);
      if (labels === undefined) continue;
      const label = labels[i];
      writer.u8(label === undefined ? 0 : 1);
      if (label !== undefined) writer.string(label);
    }
  }
}

/** @throws {StreamgaugeError} `SG_CORRUPT` */
export function readContents(reader: ByteReader): WindowContents {
  const contents = new Map<string, FieldContents>();
  for (let left = reader.count(3); left > 0; left--) {
    const key = reader.string();
    const bins = readBins(reader);
    const form = reader.u8();
    contents.set(key, { ...(form === 0 ? WITHOUT_VALUES : readValues(reader, form === 2)), bins });
  }
  return contents;
}

const WITHOUT_VALUES = { values: undefined, labels: undefined } as const;

function readValues(reader: ByteReader, withLabels: boolean): CountedValues {
  const size = reader.count(9);
  const values = { lo: new Int32Array(size), hi: new Int32Array(size), counts: new Float64Array(size) };
  const labels: (string | undefined)[] = [];
  for (let i = 0; i < size; i++) {
    values.lo[i] = reader.i32();
    values.hi[i] = reader.i32();
    values.counts[i] = reader.varint();
    if (withLabels) labels.push(reader.u8() === 0 ? undefined : reader.string());
  }
  return { values, labels: withLabels ? labels : undefined };
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
  const lo: number[] = [];
  const counts: number[] = [];
  for (let left = reader.count(2); left > 0; left--) {
    lo.push(reader.varint() - KEY_SHIFT);
    counts.push(reader.varint());
  }
  return { lo: Int32Array.from(lo), hi: new Int32Array(lo.length), counts: Float64Array.from(counts) };
}
