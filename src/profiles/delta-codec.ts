/**
 * Records of the profiles topic: Avro single-object encoding (`C3 01`, the schema's CRC-64-AVRO fingerprint in
 * little-endian order, the binary record), so that any Avro tool reads them with `DELTA_SCHEMA`.
 *
 * A flush of one input partition is a run of `pane` records and then one `ledger` record. A profile beyond
 * `MAX_PART_BYTES` is cut into parts; the ledger record says how many records came before it.
 */
import { AvroBinaryReader, AvroBinaryWriter } from "../core/avro-binary.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import { emptyCounts, type LedgerCounts } from "../core/window.ts";

/** Kafka refuses records over 1 MB by default; the rest is room for key, headers and batch overhead. */
export const MAX_PART_BYTES = 900_000;

const LONG = (name: string) => ({ name, type: "long" });

/** Schema of the profiles topic, in the order of its bytes. */
export const DELTA_SCHEMA = {
  type: "record",
  name: "Delta",
  namespace: "streamgauge",
  fields: [
    { name: "dataset", type: "string" },
    { name: "topic", type: "string" },
    { name: "partition", type: "int" },
    LONG("fromOffset"),
    LONG("toOffset"),
    {
      name: "body",
      type: [
        {
          type: "record",
          name: "Pane",
          fields: [
            { name: "slice", type: "string" },
            { name: "paneStart", type: { type: "long", logicalType: "timestamp-millis" } },
            { name: "part", type: "int" },
            { name: "parts", type: "int" },
            { name: "profile", type: "bytes" },
          ],
        },
        {
          type: "record",
          name: "Ledger",
          fields: [
            { name: "partitionCount", type: "int" },
            { name: "topicId", type: ["null", "string"] },
            { name: "caughtUp", type: "boolean" },
            { name: "ended", type: "boolean" },
            { name: "wallTime", type: { type: "long", logicalType: "timestamp-millis" } },
            { name: "maxEventTime", type: ["null", "double"] },
            { name: "paneRecords", type: "int" },
            LONG("consumed"),
            LONG("valid"),
            LONG("invalid"),
            LONG("undecodable"),
            LONG("tombstone"),
            LONG("future"),
            LONG("filtered"),
          ],
        },
      ],
    },
  ],
} as const;

/** CRC-64-AVRO of the parsing canonical form of `DELTA_SCHEMA`, little-endian; a test computes it anew. */
export const DELTA_FINGERPRINT = Uint8Array.of(0x58, 0xe3, 0x4e, 0xf6, 0x93, 0xb1, 0xab, 0xd9);

/** Which flush of which partition a record belongs to. */
export interface DeltaOrigin {
  readonly dataset: string;
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: number;
  readonly toOffset: number;
}

export interface DeltaPanePart {
  readonly kind: "pane";
  readonly origin: DeltaOrigin;
  readonly slice: string;
  readonly paneStartMs: number;
  readonly part: number;
  readonly parts: number;
  readonly bytes: Uint8Array;
}

export interface DeltaLedger {
  readonly kind: "ledger";
  readonly origin: DeltaOrigin;
  readonly entry: LedgerEntry;
  /** Pane records of the same flush that stand before it. */
  readonly paneRecords: number;
}

/** The records of one pane of one slice: one, or as many as its profile has parts. */
export function encodePane(
  origin: DeltaOrigin,
  pane: { readonly slice: string; readonly paneStartMs: number; readonly profile: Uint8Array },
  maxPartBytes = MAX_PART_BYTES,
): Uint8Array[] {
  const parts = Math.max(1, Math.ceil(pane.profile.length / maxPartBytes));
  const records: Uint8Array[] = [];
  for (let part = 0; part < parts; part++) {
    const bytes = pane.profile.subarray(part * maxPartBytes, (part + 1) * maxPartBytes);
    const writer = startRecord(origin, bytes.length + 256);
    writer.long(0);
    writer.string(pane.slice);
    writer.long(pane.paneStartMs);
    writer.long(part);
    writer.long(parts);
    writer.bytes(bytes);
    records.push(writer.finish());
  }
  return records;
}

export function encodeLedger(entry: LedgerEntry, paneRecords: number): Uint8Array {
  const writer = startRecord(entry, 256);
  writer.long(1);
  writer.long(entry.partitionCount);
  writer.long(entry.topicId === undefined ? 0 : 1);
  if (entry.topicId !== undefined) writer.string(entry.topicId);
  writer.boolean(entry.caughtUp);
  writer.boolean(entry.ended);
  writer.long(entry.wallTimeMs);
  if (entry.maxEventTimeMs === undefined) {
    writer.long(0);
  } else {
    writer.long(1);
    writer.double(entry.maxEventTimeMs);
  }
  writer.long(paneRecords);
  for (const name of LEDGER_ORDER) writer.long(entry.counts[name]);
  return writer.finish();
}

/**
 * @throws {StreamgaugeError} `SG_CORRUPT` when the bytes are not a whole delta record, `SG_VERSION` when they may be one of
 *   another schema.
 */
export function decodeDelta(record: Uint8Array): DeltaPanePart | DeltaLedger {
  if (record.length < 10 || record[0] !== 0xc3 || record[1] !== 0x01) {
    throw new StreamgaugeError("SG_CORRUPT", "Cannot read delta: not in Avro single-object encoding");
  }
  if (!DELTA_FINGERPRINT.every((byte, index) => record[2 + index] === byte)) {
    const state = "written with another schema, by another version of streamgauge";
    const advice = "Run one that reads it: in an upgrade the judges come first, then the profilers";
    throw new StreamgaugeError("SG_VERSION", `Cannot read delta: ${state}. ${advice}`);
  }
  const reader = new AvroBinaryReader(record, 10);
  const origin: DeltaOrigin = {
    dataset: reader.string(),
    topic: reader.string(),
    partition: reader.long(),
    fromOffset: reader.long(),
    toOffset: reader.long(),
  };
  const branch = reader.long();
  const delta = branch === 0 ? readPane(origin, reader) : branch === 1 ? readLedger(origin, reader) : undefined;
  if (delta === undefined || reader.remaining > 0) {
    throw new StreamgaugeError("SG_CORRUPT", "Cannot read delta: unknown kind or bytes left over");
  }
  return delta;
}

const LEDGER_ORDER = [
  "consumed",
  "valid",
  "invalid",
  "undecodable",
  "tombstone",
  "future",
  "filtered",
] as const satisfies readonly (keyof LedgerCounts)[];

function startRecord(origin: DeltaOrigin, capacity: number): AvroBinaryWriter {
  const writer = new AvroBinaryWriter(capacity);
  writer.raw(Uint8Array.of(0xc3, 0x01));
  writer.raw(DELTA_FINGERPRINT);
  writer.string(origin.dataset);
  writer.string(origin.topic);
  writer.long(origin.partition);
  writer.long(origin.fromOffset);
  writer.long(origin.toOffset);
  return writer;
}

function readPane(origin: DeltaOrigin, reader: AvroBinaryReader): DeltaPanePart {
  const slice = reader.string();
  const paneStartMs = reader.long();
  const part = reader.long();
  const parts = reader.long();
  if (part < 0 || part >= parts) {
    throw new StreamgaugeError("SG_CORRUPT", `Cannot read delta: part ${part} of ${parts}`);
  }
  return { kind: "pane", origin, slice, paneStartMs, part, parts, bytes: reader.bytes() };
}

function readLedger(origin: DeltaOrigin, reader: AvroBinaryReader): DeltaLedger {
  const partitionCount = reader.long();
  const topicId = isPresent(reader, "topicId") ? reader.string() : undefined;
  const caughtUp = reader.boolean();
  const ended = reader.boolean();
  const wallTimeMs = reader.long();
  const maxEventTimeMs = isPresent(reader, "maxEventTime") ? reader.double() : undefined;
  const paneRecords = reader.long();
  const counts = emptyCounts();
  for (const name of LEDGER_ORDER) counts[name] = reader.long();
  return {
    kind: "ledger",
    origin,
    paneRecords,
    entry: {
      ...origin,
      partitionCount,
      ...(topicId === undefined ? {} : { topicId }),
      caughtUp,
      ended,
      wallTimeMs,
      ...(maxEventTimeMs === undefined ? {} : { maxEventTimeMs }),
      counts,
    },
  };
}

function isPresent(reader: AvroBinaryReader, field: string): boolean {
  const branch = reader.long();
  if (branch !== 0 && branch !== 1) {
    throw new StreamgaugeError("SG_CORRUPT", `Cannot read delta: branch ${branch} of ${field}`);
  }
  return branch === 1;
}
