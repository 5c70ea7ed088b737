/**
 * `.profile` files: an Avro container with one record per field of a window. Counters and moments stand by name; the
 * sketches are DataSketches bytes (`profile-sketches.ts`), null where a field has none.
 */
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import avsc from "avsc";
import { StreamgaugeError } from "../core/errors.ts";
import type { WindowId } from "../core/window.ts";
import type { FieldNames } from "../profiles/field-names.ts";
import type { FieldSummary } from "../profiles/field-profile.ts";
import { namedFields } from "../profiles/metrics.ts";
import type { Profile } from "../profiles/profile.ts";
import { type SketchBytes, sketchBytes } from "./profile-sketches.ts";

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
  ],
};

/** A record of a `.profile` file as read back. */
export type ProfileRecord = Readonly<
  Record<"dataset" | "slice" | "field" | "type", string> &
    Record<"windowStart" | "windowEnd" | "revision" | (typeof LONG_COUNTERS)[number], number> &
    Record<(typeof MOMENTS)[number], number | null> &
    Record<(typeof BOUNDS)[number], number | string | null> &
    Record<(typeof SKETCHES)[number], Uint8Array | null>
>;

/** Always the same, so that the same window gives the same file. */
const SYNC_MARKER = Buffer.from("streamgaugeprofi", "latin1");

/** Writes to `<path>.part` first: a file that has the name is whole. */
export async function writeProfileFile(
  path: string,
  window: WindowId,
  revision: number,
  profile: Profile,
  names: FieldNames,
): Promise<void> {
  const part = `${path}.part`;
  const encoder = new avsc.streams.BlockEncoder(PROFILE_SCHEMA as avsc.Schema, {
    codec: "deflate",
    syncMarker: SYNC_MARKER,
    // Also where there is no record: a file without a header is none.
    writeHeader: true,
  });
  const records = namedFields(profile, names).map(({ name, field }) =>
    recordOf(window, revision, name, field.summary(profile.expected(field)), sketchBytes(field)),
  );
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

function recordOf(
  window: WindowId,
  revision: number,
  name: string,
  summary: FieldSummary,
  sketches: SketchBytes,
): Record<string, unknown> {
  const record: Record<string, unknown> = {
    dataset: window.dataset,
    slice: window.slice,
    windowStart: window.startMs,
    windowEnd: window.endMs,
    revision,
    field: name,
    type: summary.kind,
  };
  for (const counter of LONG_COUNTERS) record[counter] = summary[counter];
  for (const moment of MOMENTS) record[moment] = summary[moment] ?? null;
  for (const bound of BOUNDS) record[bound] = boundOf(summary[bound]);
  for (const sketch of SKETCHES) record[sketch] = bufferOf(sketches[sketch]);
  return record;
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
