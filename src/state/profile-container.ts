/**
 * `.profile` files: an Avro container with one record for the events of a window, whose `field` is empty, and one for each field.
 * Counters and moments stand by name; the sketches are DataSketches bytes (`profile-sketches.ts`), null where a field has none.
 * What could show a value is null where the values of a field are not shown: bounds and sketches, of which even the HLL tells
 * whoever guesses a value whether it can have come, and patterns.
 */
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import avsc from "avsc";
import type { ValuePolicy } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { WindowId } from "../core/window.ts";
import type { FieldNames } from "../profiles/field-names.ts";
import type { FieldProfile, FieldSummary } from "../profiles/field-profile.ts";
import { namedFields } from "../profiles/metrics.ts";
import type { Profile } from "../profiles/profile.ts";
import { absenceOf } from "./absent-fields.ts";
import { NO_SKETCHES, type SketchBytes, sketchBytes } from "./profile-sketches.ts";

const LONG_COUNTERS = [
  "values",
  "nulls",
  "missing",
  "nan",
  "posInfinity",
  "negInfinity",
  "zero",
  "negative",
  "empty",
  "nonInteger",
  "blank",
  "numberLike",
  "dateLike",
  "true",
] as const satisfies readonly (keyof FieldSummary)[];
const MOMENTS = [
  "mean",
  "stddev",
  "lengthMin",
  "lengthMax",
  "lengthMean",
  "lengthStddev",
  "distinct",
] as const satisfies readonly (keyof FieldSummary)[];
/** Bounds of 64-bit integers beyond 2^53 are decimal text, so that they stay exact. */
const BOUNDS = ["min", "max"] as const satisfies readonly (keyof FieldSummary)[];
const SKETCHES = ["kll", "hll", "frequentItems"] as const satisfies readonly (keyof SketchBytes)[];

/** Of texts: how many are of each pattern of character classes, most frequent first. */
const PATTERNS = {
  type: "array",
  items: {
    type: "record",
    name: "PatternCount",
    fields: [
      { name: "pattern", type: "string" },
      { name: "count", type: "long" },
    ],
  },
} as const;
/** Of the events: how many have no value of these fields, and of no others of the row; most frequent first. */
const NULL_PATTERNS = {
  type: "array",
  items: {
    type: "record",
    name: "NullPattern",
    fields: [
      { name: "hash", type: "string" },
      { name: "absent", type: ["null", { type: "array", items: "string" }] },
      { name: "count", type: "long" },
    ],
  },
} as const;

const TIMESTAMP = { type: "long", logicalType: "timestamp-millis" } as const;

/** Schema of a `.profile` record. */
export const PROFILE_SCHEMA = {
  type: "record",
  name: "FieldProfile",
  namespace: "streamgauge",
  fields: [
    { name: "dataset", type: "string" },
    { name: "slice", type: "string" },
    { name: "windowStart", type: TIMESTAMP },
    { name: "windowEnd", type: TIMESTAMP },
    { name: "revision", type: "int" },
    { name: "field", type: "string" },
    { name: "type", type: "string" },
    ...LONG_COUNTERS.map((name) => ({ name, type: "long" })),
    ...BOUNDS.map((name) => ({ name, type: ["null", "double", "string"] })),
    ...MOMENTS.map((name) => ({ name, type: ["null", "double"] })),
    ...SKETCHES.map((name) => ({ name, type: ["null", "bytes"] })),
    { name: "patterns", type: ["null", PATTERNS] },
    { name: "nullPatterns", type: ["null", NULL_PATTERNS] },
  ],
};

interface NullPattern {
  /** 16 hexadecimal digits: the same wherever the same fields are absent. */
  readonly hash: string;
  /** `null`: too many fields are absent somewhere to tell. */
  readonly absent: readonly string[] | null;
  readonly count: number;
}

/** A record of a `.profile` file as read back. */
export type ProfileRecord = Readonly<
  Record<"dataset" | "slice" | "field" | "type", string> &
    Record<"windowStart" | "windowEnd" | "revision" | (typeof LONG_COUNTERS)[number], number> &
    Record<(typeof MOMENTS)[number], number | null> &
    Record<(typeof BOUNDS)[number], number | string | null> &
    Record<(typeof SKETCHES)[number], Uint8Array | null> & {
      /** At most 256, those with the lowest hashes. */
      readonly patterns: readonly { readonly pattern: string; readonly count: number }[] | null;
      /** As `patterns`; of the events alone. */
      readonly nullPatterns: readonly NullPattern[] | null;
    }
>;

/** `field` of the record of the events. */
export const EVENTS_FIELD = "";

export interface ProfileFileOptions {
  readonly names: FieldNames;
  /** Whether the values of a field are shown: else nothing that could show one is written. */
  policyOf(path: string): ValuePolicy;
}

/** Always the same, so that the same window gives the same file. */
const SYNC_MARKER = Buffer.from("streamgaugeprofi", "latin1");

/** Writes to `<path>.part` first: a file that has the name is whole. */
export async function writeProfileFile(
  path: string,
  window: WindowId,
  revision: number,
  profile: Profile,
  options: ProfileFileOptions,
): Promise<void> {
  const part = `${path}.part`;
  const encoder = new avsc.streams.BlockEncoder(PROFILE_SCHEMA as avsc.Schema, {
    codec: "deflate",
    syncMarker: SYNC_MARKER,
    // Also where there is no record: a file without a header is none.
    writeHeader: true,
  });
  const records = recordsOf(window, revision, profile, options);
  try {
    await pipeline(Readable.from(records), encoder, createWriteStream(part));
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** An opened Avro container; whoever opened it checks that it is whole. */
export interface OpenedContainer {
  readonly path: string;
  readonly schemaText: string;
  records(): AsyncIterable<{
    readonly count: number;
    readonly bytes: Uint8Array;
    readonly starts: Int32Array;
    readonly ends: Int32Array;
  }>;
}

/**
 * The records of a `.profile`. avsc compiles schemas to code, so it is given our own and never the file's.
 * @throws {StreamgaugeError} `SG_INPUT` when the container holds something else, or is damaged.
 */
export async function readProfile(container: OpenedContainer): Promise<ProfileRecord[]> {
  const { path, schemaText } = container;
  if (schemaText !== JSON.stringify(PROFILE_SCHEMA)) {
    throw new StreamgaugeError("SG_INPUT", `Cannot read ${path}: it is not a .profile file of this version`);
  }
  const type = avsc.Type.forSchema(PROFILE_SCHEMA as avsc.Schema);
  const records: ProfileRecord[] = [];
  for await (const { count, bytes, starts, ends } of container.records()) {
    const block = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let index = 0; index < count; index++) {
      try {
        records.push(type.fromBuffer(block.subarray(starts[index], ends[index])) as ProfileRecord);
      } catch (error) {
        const place = `record ${records.length + 1}`;
        throw new StreamgaugeError("SG_INPUT", `Cannot read ${path}: ${place} is damaged`, { cause: error });
      }
    }
  }
  return records;
}

function recordsOf(
  window: WindowId,
  revision: number,
  profile: Profile,
  { names, policyOf }: ProfileFileOptions,
): Record<string, unknown>[] {
  const { dataset, slice, startMs, endMs } = window;
  const head = { dataset, slice, windowStart: startMs, windowEnd: endMs, revision };
  const fields = namedFields(profile, names);
  return [
    { ...head, ...eventsRecord(profile, fields) },
    ...fields.map(({ name, field }) => {
      const record = fieldRecord(field, profile.expected(field), policyOf(field.path) === "show");
      return { ...head, field: name, ...record };
    }),
  ];
}

function eventsRecord(profile: Profile, fields: ReturnType<typeof namedFields>): Record<string, unknown> {
  const record: Record<string, unknown> = { field: EVENTS_FIELD, type: "event", patterns: null };
  for (const counter of LONG_COUNTERS) record[counter] = counter === "values" ? profile.rows : 0;
  for (const name of [...MOMENTS, ...BOUNDS, ...SKETCHES]) record[name] = null;
  const candidates = fields.filter(({ field }) => field.level === undefined && field.values < profile.rows);
  const absentIn = absenceOf(candidates.map(({ name, field }) => ({ key: field.key, name })));
  const patterns = profile.patterns.entries().map(({ lo, hi, count }): NullPattern => {
    return { hash: hexOf(hi) + hexOf(lo), absent: absentIn(lo, hi) ?? null, count };
  });
  record.nullPatterns = patterns.sort((a, b) => b.count - a.count || (a.hash < b.hash ? -1 : 1));
  return record;
}

function fieldRecord(field: FieldProfile, expected: number, isShown: boolean): Record<string, unknown> {
  const summary = field.summary(expected);
  const sketches = isShown ? sketchBytes(field) : NO_SKETCHES;
  const record: Record<string, unknown> = { type: summary.kind, nullPatterns: null };
  for (const counter of LONG_COUNTERS) record[counter] = summary[counter];
  for (const moment of MOMENTS) record[moment] = summary[moment] ?? null;
  for (const bound of BOUNDS) record[bound] = isShown ? boundOf(summary[bound]) : null;
  for (const sketch of SKETCHES) record[sketch] = bufferOf(sketches[sketch]);
  record.patterns = isShown && field.kind === "string" ? patternsOf(field) : null;
  return record;
}

function patternsOf({ shapes }: FieldProfile): { pattern: string; count: number }[] {
  const patterns = (shapes?.patterns() ?? []).sort((a, b) => b.count - a.count || a.pattern - b.pattern);
  return patterns.map(({ text, count }) => ({ pattern: text, count }));
}

function hexOf(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}

/** avsc takes nothing but a `Buffer`. */
function bufferOf(bytes: Uint8Array | undefined): Buffer | null {
  return bytes === undefined ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function boundOf(value: number | bigint | undefined): number | string | null {
  if (typeof value !== "bigint") return value ?? null;
  const rounded = Number(value);
  return Number.isSafeInteger(rounded) ? rounded : String(value);
}
