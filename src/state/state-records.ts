/**
 * The judge's state as records of a compacted topic: one entry per key, replaced whole when it changes.
 *
 *     key:    <entry key, each # doubled> for part 0, and #<n> behind it for part n
 *     header: sg_writer, the program that wrote it
 *     value:  u8 version · varint sequence · varint part · varint parts · varint bytes of the whole entry, unpacked ·
 *             bytes of this part of the entry (deflated) · 64-bit hash of all of these
 *
 * A checkpoint is written in the judge's transaction, so a reader sees all of its records or none. `sequence` counts the
 * checkpoints: parts of one entry must have the same, or the entry is not whole. The version stands first and the hash last
 * in every version to come, so that a program can tell a newer record from a damaged one.
 */
import { StreamgaugeError } from "../core/errors.ts";
import type { LogRecord, OutputRecord } from "../core/log.ts";
import { printable, textOf, utf8 } from "../core/text.ts";
import { readSealed, sealed } from "../profiles/sealed-bytes.ts";
import { ByteWriter } from "../sketches/bytes.ts";
import { MAX_UNPACKED_BYTES, PackedBytes } from "./packed-bytes.ts";

/** One thing that is kept. */
export interface StateEntry {
  readonly key: string;
  readonly value: PackedBytes;
}

/** What is stored of an entry. */
export interface StoredEntry {
  readonly key: string;
  /** As stored in the topic, all parts. */
  readonly packedBytes: number;
  /** Undefined: `problem` says why. */
  readonly value: PackedBytes | undefined;
  /** Which checkpoint wrote it. */
  readonly sequence: number;
  /** Wall time of that checkpoint. */
  readonly timestampMs: number;
  readonly problem?: StateProblem;
}

/** Why an entry cannot be used, with its place. */
export interface StateProblem {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** One sentence, with what to do. */
  readonly sentence: string;
}

const VERSION = 1;
const WRITER_HEADER = "sg_writer";
/** Kafka refuses records over 1 MB by default; the rest is room for key and batch overhead. */
const MAX_PART_BYTES = 900_000;

export interface StateStoreOptions {
  readonly topic: string;
  readonly partition: number;
  /** Program and version, which stand beside each record. @default "streamgauge" */
  readonly writer?: string;
}

/** Knows what the topic holds, so that only changes are written and nothing is left behind. */
export class StateStore {
  readonly #topic: string;
  readonly #partition: number;
  readonly #writer: string;
  /** Entry key → number of parts. */
  readonly #parts = new Map<string, number>();
  #sequence = 0;

  constructor({ topic, partition, writer = "streamgauge" }: StateStoreOptions) {
    this.#topic = topic;
    this.#partition = partition;
    this.#writer = writer;
  }

  /** Keys of the entries that the topic holds. */
  keys(): Iterable<string> {
    return this.#parts.keys();
  }

  /**
   * The entries in the newest records of every key of the partition, each let go once it is asked for.
   * @throws {StreamgaugeError} `SG_CORRUPT` when one is damaged, not whole, or of a version this program does not know.
   */
  *read(records: Iterable<LogRecord>): Generator<StateEntry> {
    for (const { key, value, problem } of this.examine(records)) {
      if (problem !== undefined) throw new StreamgaugeError("SG_CORRUPT", problem.sentence);
      if (value !== undefined) yield { key, value };
    }
  }

  /** As `read()`, but what cannot be used is an entry with a problem. What is whole in one record is given at once. */
  *examine(records: Iterable<LogRecord>): Generator<StoredEntry> {
    const found = new Map<string, StoredPart[]>();
    const given = new Set<string>();
    this.#parts.clear();
    for (const record of records) {
      if (record.key === null || record.value === null) continue;
      const { key, part: number } = partOfKey(textOf(record.key));
      const { part, sentence } = this.#read(record, number);
      this.#sequence = Math.max(this.#sequence, part?.sequence ?? 0);
      const { offset, timestampMs } = record;
      const stored = { offset, timestampMs, bytes: record.value.length, part, sentence };
      // Parts of an earlier, larger version are tombstoned with the next change.
      this.#parts.set(key, Math.max(this.#parts.get(key) ?? 0, number + 1));
      if (part?.parts === 1) {
        given.add(key);
        yield this.#entryOf(key, [stored]);
      } else {
        found.set(key, [...(found.get(key) ?? []), stored]);
      }
    }
    for (const [key, stored] of found) {
      found.delete(key);
      if (!given.has(key)) yield this.#entryOf(key, stored);
    }
  }

  /** Records that replace the changed entries and delete those that are gone, each made when it is asked for; to be committed in one transaction. */
  *write(changed: readonly StateEntry[], gone: readonly string[], timestampMs: number): Generator<OutputRecord> {
    this.#sequence++;
    const headers = [{ key: WRITER_HEADER, value: utf8(this.#writer) }];
    const put = (key: string, part: number, value: Uint8Array | null): OutputRecord => {
      const record = { topic: this.#topic, partition: this.#partition, key: keyOfPart(key, part), timestampMs };
      return value === null ? { ...record, value } : { ...record, value, headers };
    };
    for (const { key, value } of changed) {
      const { packed, length } = value;
      const parts = Math.max(1, Math.ceil(packed.length / MAX_PART_BYTES));
      for (let part = 0; part < parts; part++) {
        const bytes = packed.subarray(part * MAX_PART_BYTES, (part + 1) * MAX_PART_BYTES);
        yield put(key, part, writePart({ sequence: this.#sequence, part, parts, length, bytes }));
      }
      for (let part = parts; part < (this.#parts.get(key) ?? 0); part++) yield put(key, part, null);
      this.#parts.set(key, parts);
    }
    for (const key of gone) {
      for (let part = 0; part < (this.#parts.get(key) ?? 0); part++) yield put(key, part, null);
      this.#parts.delete(key);
    }
  }

  #entryOf(key: string, found: readonly StoredPart[]): StoredEntry {
    const parts = found.flatMap(({ part }) => part ?? []);
    const stored = {
      key,
      packedBytes: found.reduce((sum, { bytes }) => sum + bytes, 0),
      sequence: Math.max(0, ...parts.map((part) => part.sequence)),
      timestampMs: Math.max(...found.map(({ timestampMs }) => timestampMs)),
    };
    const first = found.find(({ sentence }) => sentence !== undefined) ?? found[0]!;
    const problem = (sentence: string): StoredEntry => {
      const place = { topic: this.#topic, partition: this.#partition, offset: first.offset };
      return { ...stored, value: undefined, problem: { ...place, sentence } };
    };
    if (first.sentence !== undefined) return problem(first.sentence);
    const value = joinParts(parts);
    if (value !== undefined) return { ...stored, value };
    return problem(`Cannot read the judge's state: entry "${key}" is not whole (${this.#placeOf(first)})`);
  }

  #read(record: LogRecord, number: number): Pick<StoredPart, "part" | "sentence"> {
    const place = this.#placeOf(record);
    try {
      const part = readPart(record, place);
      // Under the key of another part it is out of place.
      if (part.part !== number) throw corrupt(`record ${place} is part ${part.part} under the key of part ${number}`);
      return { part, sentence: undefined };
    } catch (error) {
      if (error instanceof StreamgaugeError) return { part: undefined, sentence: error.message };
      throw error;
    }
  }

  #placeOf({ offset }: Pick<LogRecord, "offset">): string {
    return `${this.#topic}[${this.#partition}]@${offset}`;
  }
}

function keyOfPart(key: string, part: number): string {
  const name = key.replaceAll("#", "##");
  return part === 0 ? name : `${name}#${part}`;
}

/** A number behind an odd run of `#`, of which the last is ours. */
const PART_SUFFIX = /(?<!#)((?:##)*)#([1-9]\d*)$/;

function partOfKey(recordKey: string): { readonly key: string; readonly part: number } {
  const found = PART_SUFFIX.exec(recordKey);
  const name = found === null ? recordKey : recordKey.slice(0, found.index + found[1]!.length);
  return { key: name.replaceAll("##", "#"), part: found === null ? 0 : Number(found[2]) };
}

interface Part {
  readonly sequence: number;
  readonly part: number;
  readonly parts: number;
  /** Of the whole entry, unpacked. */
  readonly length: number;
  /** A view. */
  readonly bytes: Uint8Array;
}

interface StoredPart extends Pick<LogRecord, "offset" | "timestampMs"> {
  /** Of its record. */
  readonly bytes: number;
  /** Absent: `sentence` is there. */
  readonly part: Part | undefined;
  /** Why it cannot be read. */
  readonly sentence: string | undefined;
}

/** Scratch. */
const PART_WRITER = new ByteWriter();

function writePart({ sequence, part, parts, length, bytes }: Part): Uint8Array {
  const writer = PART_WRITER;
  writer.clear();
  writer.u8(VERSION);
  writer.varint(sequence);
  writer.varint(part);
  writer.varint(parts);
  writer.varint(length);
  writer.bytes(bytes);
  return sealed(writer);
}

function readPart(record: LogRecord, place: string): Part {
  return readSealed(`state record ${place}`, record.value!, (reader) => {
    const version = reader.u8();
    if (version !== VERSION) throw unknownVersion(version, record, place);
    return {
      sequence: reader.varint(),
      part: reader.varint(),
      parts: reader.varint(),
      length: reader.varint(),
      bytes: reader.raw(reader.count(1)),
    };
  });
}

function unknownVersion(version: number, { headers }: LogRecord, place: string): StreamgaugeError {
  const header = headers.find(({ key }) => key === WRITER_HEADER);
  const writer = header === undefined ? "another version of streamgauge" : printable(textOf(header.value));
  const advice = `Run that version, or let this one begin anew with "streamgauge state reset --all"`;
  return corrupt(`${writer} wrote record ${place} as version ${version}, this program knows ${VERSION}. ${advice}`);
}

/** Undefined: parts are missing, belong to different versions of the entry, or say that it is larger than any. */
function joinParts(found: readonly Part[]): PackedBytes | undefined {
  const first = found.find(({ part }) => part === 0);
  if (first === undefined || first.length > MAX_UNPACKED_BYTES) return undefined;
  const parts = found.filter(({ sequence }) => sequence === first.sequence).sort((a, b) => a.part - b.part);
  if (parts.length !== first.parts || parts.some(({ part }, index) => part !== index)) return undefined;
  const [only] = parts;
  const bytes = only !== undefined && parts.length === 1 ? only.bytes : Buffer.concat(parts.map((part) => part.bytes));
  return new PackedBytes(first.length, bytes);
}

function corrupt(state: string): StreamgaugeError {
  return new StreamgaugeError("SG_CORRUPT", `Cannot read the judge's state: ${state}`);
}
