/**
 * Which state a field of each kind keeps: the one table. Fields of one path and one class are the same field,
 * whatever their kinds (an `int` of one writer schema and a `double` of another); another class of the same path
 * is another field, because its numbers would mean something else.
 */
import type { FieldDescriptor, FieldKind } from "../core/column-batch.ts";

export type FieldClass = "number" | "text" | "boolean" | "date" | "time" | "timestamp" | "bytes" | "array" | "map";

export const FIELD_CLASSES: readonly FieldClass[] = [
  "number",
  "text",
  "boolean",
  "date",
  "time",
  "timestamp",
  "bytes",
  "array",
  "map",
];

/**
 * What two equal values have in common, which is what is hashed: `number` the number, so that 1 is the same value in an
 * `int`, a `long` and a `double` column · `long` as `number`, beyond 2^53 the exact words · `bytes` the bytes.
 */
type Identity = "number" | "long" | "bytes";

export interface KindStates {
  readonly class: FieldClass;
  readonly identity: Identity;
  /** What the moments describe. */
  readonly moments: "value" | "length" | "none";
  /** Exact 64-bit minimum and maximum. */
  readonly range: boolean;
  readonly quantiles: boolean;
  /** Distinct values: counted exactly up to `ValueCounts.LIMIT`, estimated beyond. */
  readonly dictionary: boolean;
  /** Heavy hitters beyond the exact tier. */
  readonly frequent: boolean;
  /** Data-independent bins, for PSI. */
  readonly histogram: boolean;
}

const NUMBER = {
  class: "number",
  identity: "number",
  moments: "value",
  quantiles: true,
  dictionary: true,
  frequent: true,
} as const;
const TIME = {
  identity: "number",
  moments: "value",
  quantiles: true,
  dictionary: true,
  frequent: false,
  histogram: false,
} as const;
const TEXT = { class: "text", identity: "bytes", quantiles: false, dictionary: true, histogram: false } as const;
const SIZE = { identity: "number", moments: "length", quantiles: true, dictionary: false, frequent: false } as const;

/**
 * A boolean keeps two counters and no dictionary: the share of `true` says all. The length of an enum symbol, a UUID
 * or a fixed is a property of the schema, so only strings and bytes measure theirs. Times have no histogram, since
 * bins of absolute times say only that time went by.
 */
export const KIND_STATES: Readonly<Record<FieldKind, KindStates>> = {
  boolean: {
    class: "boolean",
    identity: "number",
    moments: "none",
    range: false,
    quantiles: false,
    dictionary: false,
    frequent: false,
    histogram: false,
  },
  int: { ...NUMBER, range: false, histogram: true },
  long: { ...NUMBER, identity: "long", range: true, histogram: true },
  float: { ...NUMBER, range: false, histogram: true },
  double: { ...NUMBER, range: false, histogram: true },
  decimal: { ...NUMBER, range: false, histogram: true },
  date: { ...TIME, class: "date", range: false },
  time: { ...TIME, class: "time", range: false },
  timestamp: { ...TIME, class: "timestamp", range: false },
  enum: { ...TEXT, moments: "none", range: false, frequent: true },
  uuid: { ...TEXT, moments: "none", range: false, frequent: true },
  string: { ...TEXT, moments: "length", range: false, frequent: true },
  fixed: { ...TEXT, class: "bytes", moments: "none", range: false, frequent: false },
  bytes: { ...TEXT, class: "bytes", moments: "length", range: false, frequent: false },
  array: { ...SIZE, class: "array", range: false, histogram: true },
  map: { ...SIZE, class: "map", range: false, histogram: true },
};

/** Narrowest first within each class: a field that was seen with two kinds is of the wider one. */
export const FIELD_KINDS: readonly FieldKind[] = [
  "boolean",
  "int",
  "long",
  "float",
  "double",
  "decimal",
  "date",
  "time",
  "timestamp",
  "enum",
  "uuid",
  "string",
  "fixed",
  "bytes",
  "array",
  "map",
];

export function widerKind(a: FieldKind, b: FieldKind): FieldKind {
  return FIELD_KINDS.indexOf(a) >= FIELD_KINDS.indexOf(b) ? a : b;
}

/** Identity of a field within a profile: what stands behind the last `#` is the class. */
export function fieldKey(path: string, kind: FieldKind): string {
  return `${path}#${KIND_STATES[kind].class}`;
}

/** What `fieldKey()` was made of. */
export function partsOfKey(key: string): { readonly path: string; readonly class: FieldClass } {
  const mark = key.lastIndexOf("#");
  return { path: key.slice(0, mark), class: key.slice(mark + 1) as FieldClass };
}

/** Key of the array or map whose elements a field holds; absent for a field of the row. */
export function levelKey(field: FieldDescriptor, fields: readonly FieldDescriptor[]): string | undefined {
  const level = fields[field.level];
  return level === undefined ? undefined : fieldKey(level.path, level.kind);
}
