/**
 * The judge's state as records of a compacted topic: one entry per key, replaced whole when it changes.
 *
 *     key:   <entry key> for part 0, <entry key>#<n> for part n
 *     value: u8 version · varint sequence · varint part · varint parts · varint bytes of the whole entry, unpacked ·
 *            bytes of this part of the entry (deflated) · 64-bit hash of all of these
 *
 * A checkpoint is written in the judge's transaction, so a reader sees all of its records or none. `sequence` counts the
 * checkpoints: parts of one entry must have the same, or the entry is not whole.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { StreamgaugeError } from "../core/errors.ts";
import type { LogRecord, OutputRecord } from "../core/log.ts";
import { textOf } from "../core/text.ts";
import { readSealed, sealed } from "../profiles/sealed-bytes.ts";
import { ByteWriter } from "../sketches/bytes.ts";

/** One thing that is kept, under a key without `#`. */
export interface StateEntry {
  readonly key: string;
  readonly value: Uint8Array;
}

const VERSION = 1;
/** Kafka refuses records over 1 MB by default; the rest is room for key and batch overhead. */
const MAX_PART_BYTES = 900_000;
/** An entry beyond this is damaged: the largest, a series of 2,000 metrics, has some 40 MB. */
const MAX_ENTRY_BYTES = 256 * 1024 * 1024;
/** Models are written again at every window: speed counts more than the last tenth of size. */
const DEFLATE_LEVEL = 1;

/** Knows what the topic holds, so that only changes are written and nothing is left behind. */
export class StateStore {
  readonly #topic: string;
  readonly #partition: number;
  /** Entry key → number of parts. */
  readonly #parts = new Map<string, number>();
  #sequence = 0;

  constructor(options: { readonly topic: string; readonly partition: number }) {
    this.#topic = options.topic;
    this.#partition = options.partition;
  }

  /** Keys of the entries that the topic holds. */
  keys(): Iterable<string> {
    return this.#parts.keys();
  }

  /**
   * The entries in the newest records of every key of the partition.
   * @throws {StreamgaugeError} `SG_CORRUPT` when one is damaged, not whole, or of a version this program does not know.
   */
  load(records: readonly LogRecord[]): Map<string, Uint8Array> {
    const found = new Map<string, Part[]>();
    this.#parts.clear();
    for (const record of records) {
      if (record.key === null || record.value === null) continue;
      const [key = ""] = textOf(record.key).split("#", 1);
      const part = readPart(record.value, `${this.#topic}[${this.#partition}]@${record.offset}`);
      this.#sequence = Math.max(this.#sequence, part.sequence);
      found.set(key, [...(found.get(key) ?? []), part]);
    }
    const entries = new Map<string, Uint8Array>();
    for (const [key, parts] of found) {
      const whole = joinParts(parts);
      if (whole === undefined) throw corrupt(`entry "${key}" is not whole`);
      entries.set(key, whole);
      // Parts of an earlier, larger version are tombstoned with the next change.
      this.#parts.set(key, Math.max(...parts.map(({ part }) => part + 1)));
    }
    return entries;
  }

  /** Records that replace the changed entries and delete those that are gone; to be committed in one transaction. */
  write(changed: readonly StateEntry[], gone: readonly string[], timestampMs: number): OutputRecord[] {
    this.#sequence++;
    const records: OutputRecord[] = [];
    const put = (key: string, part: number, value: Uint8Array | null) => {
      const recordKey = part === 0 ? key : `${key}#${part}`;
      records.push({ topic: this.#topic, partition: this.#partition, key: recordKey, value, timestampMs });
    };
    for (const { key, value } of changed) {
      const packed = deflateRawSync(value, { level: DEFLATE_LEVEL });
      const parts = Math.max(1, Math.ceil(packed.length / MAX_PART_BYTES));
      for (let part = 0; part < parts; part++) {
        const bytes = packed.subarray(part * MAX_PART_BYTES, (part + 1) * MAX_PART_BYTES);
        put(key, part, writePart({ sequence: this.#sequence, part, parts, length: value.length, bytes }));
      }
      for (let part = parts; part < (this.#parts.get(key) ?? 0); part++) put(key, part, null);
      this.#parts.set(key, parts);
    }
    for (const key of gone) {
      for (let part = 0; part < (this.#parts.get(key) ?? 0); part++) put(key, part, null);
      this.#parts.delete(key);
    }
    return records;
  }
}

interface Part {
  readonly sequence: number;
  readonly part: number;
  readonly parts: number;
  /** Of the whole entry, unpacked. */
  readonly length: number;
  readonly bytes: Uint8Array;
}

function writePart({ sequence, part, parts, length, bytes }: Part): Uint8Array {
  const writer = new ByteWriter(bytes.length + 64);
  writer.u8(VERSION);
  writer.varint(sequence);
  writer.varint(part);
  writer.varint(parts);
  writer.varint(length);
  writer.bytes(bytes);
  return sealed(writer);
}

function readPart(value: Uint8Array, place: string): Part {
  return readSealed(`state record ${place}`, value, (reader) => {
    const version = reader.u8();
    if (version !== VERSION) throw corrupt(`record ${place} is of version ${version}, expected ${VERSION}`);
    return {
      sequence: reader.varint(),
      part: reader.varint(),
      parts: reader.varint(),
      length: reader.varint(),
      bytes: reader.bytes(),
    };
  });
}

/** Undefined: parts are missing, or belong to different versions of the entry. */
function joinParts(found: readonly Part[]): Uint8Array | undefined {
  const first = found.find(({ part }) => part === 0);
  if (first === undefined || first.length > MAX_ENTRY_BYTES) return undefined;
  const parts = found.filter(({ sequence }) => sequence === first.sequence).sort((a, b) => a.part - b.part);
  if (parts.length !== first.parts || parts.some(({ part }, index) => part !== index)) return undefined;
  const packed = new Uint8Array(parts.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of parts) {
    packed.set(bytes, at);
    at += bytes.length;
  }
  // An empty deflate stream is never empty bytes, and a limit of 0 is refused.
  const whole = inflateRawSync(packed, { maxOutputLength: Math.max(1, first.length) });
  return whole.length === first.length ? new Uint8Array(whole) : undefined;
}

function corrupt(state: string): StreamgaugeError {
  return new StreamgaugeError("SG_CORRUPT", `Cannot read the judge's state: ${state}`);
}
