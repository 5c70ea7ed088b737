/**
 * What one input partition brought since its last flush: open column batches, profiles by pane and slice, the ledger's
 * counts, and the refused records on their way to quarantine.
 */
import type { ColumnBatch, EventReader, SchemaRefusal } from "../core/column-batch.ts";
import type { DatasetConfig, SliceByConfig } from "../core/config.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import type { Claim, LogRecord, OutputRecord } from "../core/log.ts";
import { textOf } from "../core/text.ts";
import { SHARD_KEY } from "../core/topics.ts";
import { INVALID_REASONS, type UndecodableReason } from "../core/violation.ts";
import { ALL_SLICE, emptyCounts, type LedgerCounts, OTHER_VALUE } from "../core/window.ts";
import { BatchProfiler } from "../profiles/batch-profiler.ts";
import { encodeLedger, encodePane } from "../profiles/delta-codec.ts";
import { FlushOrigins } from "../profiles/flush-origins.ts";
import { OriginCounter } from "../profiles/origin-counter.ts";
import { NO_ORIGIN } from "../profiles/origins.ts";
import type { Profile } from "../profiles/profile.ts";
import type { ProfilePool } from "../profiles/profile-pool.ts";
import { readWireHeader, WIRE_HEADER_BYTES, wireRefusal } from "../schemas/wire-format.ts";
import { hashByteRanges } from "../sketches/hash.ts";
import { eventTimes, timeColumn } from "../validation/event-time.ts";
import { quarantineRecord, type Refusal } from "../validation/quarantine.ts";
import { createPaneClock, type PaneClock } from "../windows/panes.ts";
import { ProducerNames } from "./producer-names.ts";
import type { TopicTelemetry } from "./profiler-telemetry.ts";

/** Readers of the schemas that a batch names. */
export type SchemaTable = ReadonlyMap<number, EventReader | SchemaRefusal>;

export interface PartitionProfilerOptions {
  readonly dataset: DatasetConfig;
  readonly telemetry: TopicTelemetry;
  /** Told once when the first records of the partition can none of them be decoded, with the reason of the last. */
  readonly onNothingDecoded: (records: number, reason: UndecodableReason) => void;
  readonly partition: number;
  /** Offset at which the first flush begins. */
  readonly position: number;
  readonly profilesTopic: string;
  /** Shared by the partitions of a process. */
  readonly pool: ProfilePool;
  readonly hashLabel: (text: string) => string;
  /** An event time beyond it is `future`; given the record's broker timestamp. */
  readonly futureLimitMs: (brokerTimeMs: number) => number;
  /** Wall time of a flush; given the largest broker timestamp so far. */
  readonly wallTimeMs: (brokerTimeMaxMs: number) => number;
}

/** Rows decoded at a time: the columns of a batch stay in the cache. */
const BATCH_ROWS = 1024;
/** Writer schemas that have an open batch at a time. */
const MAX_OPEN_BATCHES = 16;
/** Refused records wait in memory for the flush: 16 MB of them are enough. */
const MAX_REFUSED_BYTES = 16_000_000;
/** As many refusals in a row at the start look like a wrong topic, not like bad records. */
const REFUSED_FIRST = 100;

export class PartitionProfiler {
  readonly #options: PartitionProfilerOptions;
  readonly #panes: PaneClock;
  readonly #profiler: BatchProfiler;
  readonly #origins = new OriginCounter();
  /** Absent: no header says who produced a record. */
  readonly #producers: ProducerNames | undefined;
  /** By schema id. */
  readonly #open = new Map<number, OpenBatch>();
  #profiles = new Map<number, Map<string, Profile>>();
  /** Values of each slice field met since the last flush. */
  #slices: SliceNames[];
  #counts: LedgerCounts = emptyCounts();
  #quarantine: ReturnType<typeof quarantineRecord>[] = [];
  #refusedBytes = 0;
  #uncommittedEnd: number | undefined;
  #fromOffset: number;
  #position: number;
  #maxEventTimeMs: number | undefined;
  #brokerTimeMaxMs = 0;
  #records = 0;
  #hasDecoded = false;
  /** Records refused before the first that could be decoded. */
  #refusedFirst = 0;

  constructor(options: PartitionProfilerOptions) {
    this.#options = options;
    this.#panes = createPaneClock(options.dataset.windows);
    this.#fromOffset = options.position;
    this.#position = options.position;
    const { dataset } = options;
    this.#profiler = new BatchProfiler({
      labels: {
        policyOf: (path) => dataset.fields.get(path)?.values ?? dataset.valuesDefault,
        hashLabel: options.hashLabel,
      },
      pairs: dataset.pairs,
    });
    if (dataset.producerHeader !== undefined) this.#producers = new ProducerNames(dataset.producerHeader);
    this.#slices = this.#emptySlices();
  }

  /** End of the flush that was begun last, as long as it is not known to be committed. */
  get uncommittedEnd(): number | undefined {
    return this.#uncommittedEnd;
  }

  /** Where the next flush begins. */
  get fromOffset(): number {
    return this.#fromOffset;
  }

  /** Up to where everything was taken in. */
  get position(): number {
    return this.#position;
  }

  get recordsSinceFlush(): number {
    return this.#records;
  }

  /** The refused records take so much memory that a flush must come before the next record. */
  get isFull(): boolean {
    return this.#refusedBytes >= MAX_REFUSED_BYTES;
  }

  /** Takes in `records[from, to)`, whose schemas are all in `schemas`, or fewer when it `isFull` then; returns where it ended. */
  take(records: readonly LogRecord[], from: number, to: number, schemas: SchemaTable): number {
    for (let index = from; index < to; index++) {
      if (this.isFull) return index;
      const record = records[index]!;
      this.#records++;
      if (record.timestampMs > this.#brokerTimeMaxMs) this.#brokerTimeMaxMs = record.timestampMs;
      this.#takeOne(record, schemas);
      this.#position = record.offset + 1;
    }
    return to;
  }

  /** The next flush begins here, and does not join the last one: the offsets between were never delivered. */
  beginAt(offset: number): void {
    if (this.#position > this.#fromOffset) {
      throw new Error(`Cannot begin at ${offset}: what was taken in up to ${this.#position} is not flushed`);
    }
    this.#fromOffset = offset;
    this.#position = offset;
  }

  /** The position has passed offsets without records. */
  advanceTo(position: number): void {
    this.#position = Math.max(this.#position, position);
  }

  /**
   * Writes the deltas, the refused records and the new position in one transaction, and starts empty. `isBehind`: the
   * log has delivered more than was taken in, so the partition is not caught up, whatever the claim says.
   */
  async flush(claim: Claim, isBehind = false): Promise<void> {
    await this.#options.telemetry.flush(() => this.#flush(claim, isBehind));
  }

  /** Returns the bytes written. */
  async #flush(claim: Claim, isBehind: boolean): Promise<number> {
    for (const open of this.#open.values()) this.#close(open);
    const { dataset, partition, profilesTopic } = this.#options;
    const origin = {
      dataset: dataset.topic,
      topic: dataset.topic,
      partition,
      fromOffset: this.#fromOffset,
      toOffset: this.#position,
    };
    const deltas: Uint8Array[] = [];
    for (const [paneStartMs, bySlice] of this.#profiles) {
      for (const [slice, profile] of bySlice) {
        deltas.push(...encodePane(origin, { slice, paneStartMs, profile: profile.write() }));
        this.#options.pool.giveBack(profile);
      }
    }
    // In the middle of a batch the claim stands behind it already.
    const isAtClaim = this.#position >= claim.position;
    const entry: LedgerEntry = {
      ...origin,
      partitionCount: claim.partitionCount,
      ...(claim.topicId !== undefined && { topicId: claim.topicId }),
      caughtUp: claim.caughtUp && !isBehind && isAtClaim,
      ended: claim.ended && isAtClaim,
      wallTimeMs: this.#options.wallTimeMs(this.#brokerTimeMaxMs),
      ...(this.#maxEventTimeMs === undefined ? {} : { maxEventTimeMs: this.#maxEventTimeMs }),
      counts: this.#counts,
    };
    const timestampMs = entry.wallTimeMs;
    const outputs = [...deltas, encodeLedger(entry, deltas.length)].map(
      (value): OutputRecord => ({ topic: profilesTopic, partition: 0, key: SHARD_KEY, value, timestampMs }),
    );
    for (const refused of this.#quarantine) outputs.push({ ...refused, timestampMs });
    const profiles = this.#profiles;
    this.#startEmpty();
    this.#uncommittedEnd = origin.toOffset;
    await claim.commit(outputs, origin.toOffset);
    this.#uncommittedEnd = undefined;
    for (const bySlice of profiles.values()) this.#options.telemetry.refused(bySlice.get(ALL_SLICE)?.violations);
    return outputs.reduce((bytes, { value }) => bytes + (value?.length ?? 0), 0);
  }

  #startEmpty(): void {
    this.#profiles = new Map();
    this.#slices = this.#emptySlices();
    this.#producers?.clear();
    this.#counts = emptyCounts();
    this.#quarantine = [];
    this.#refusedBytes = 0;
    this.#fromOffset = this.#position;
    this.#maxEventTimeMs = undefined;
    this.#records = 0;
  }

  #emptySlices(): SliceNames[] {
    const { dataset, hashLabel } = this.#options;
    return dataset.slices.map((slice) => {
      const policy = dataset.fields.get(slice.by)?.values ?? dataset.valuesDefault;
      return new SliceNames(slice, policy === "show" ? (text) => text : hashLabel);
    });
  }

  #takeOne(record: LogRecord, schemas: SchemaTable): void {
    const schemaId = readWireHeader(record.value);
    if (schemaId < 0) {
      const refusal = wireRefusal(schemaId);
      if (refusal === "tombstone") this.#countOnly(record, "tombstone", NO_ORIGIN);
      else this.#refuse(record, { reason: refusal }, NO_ORIGIN);
      return;
    }
    const reader = schemas.get(schemaId);
    if (reader === undefined)
      throw new RangeError(`Cannot take record ${record.offset}: schema ${schemaId} not loaded`);
    if ("reason" in reader) {
      this.#refuse(record, { reason: reader.reason }, String(schemaId));
      return;
    }
    const open = this.#openBatch(schemaId, reader);
    const value = record.value!;
    const outcome = reader.read(open.batch, value, WIRE_HEADER_BYTES, value.length);
    if (outcome !== "ok") {
      const { errorPosition, errorDetail: detail } = reader;
      const refusal = { reason: outcome, path: `byte ${errorPosition}`, ...(detail !== undefined && { detail }) };
      this.#refuse(record, refusal, open.schema);
      return;
    }
    this.#hasDecoded = true;
    const row = open.batch.rowCount - 1;
    open.records[row] = record;
    if (this.#producers !== undefined) open.producerOfRow[row] = this.#producers.indexOf(record);
    if (open.batch.isFull) this.#close(open);
  }

  #openBatch(schemaId: number, reader: EventReader): OpenBatch {
    const known = this.#open.get(schemaId);
    if (known !== undefined && known.reader === reader) return known;
    if (known !== undefined) this.#close(known);
    if (this.#open.size >= MAX_OPEN_BATCHES) {
      const [oldest] = this.#open;
      if (oldest !== undefined) {
        this.#close(oldest[1]);
        this.#open.delete(oldest[0]);
      }
    }
    const open = new OpenBatch(schemaId, reader, this.#options.dataset);
    this.#open.set(schemaId, open);
    return open;
  }

  /** Takes the rows of a batch into the profiles and empties it. */
  #close(open: OpenBatch): void {
    const { batch } = open;
    const { rowCount } = batch;
    if (rowCount === 0) return;
    open.readTimes();
    for (let row = 0; row < rowCount; row++) this.#judgeRow(open, row);
    this.#profiler.begin(batch, open);
    this.#addSlice(open, undefined, -1);
    for (const [index, names] of this.#slices.entries()) this.#addSlice(open, names, open.sliceColumns[index] ?? -1);
    this.#profiler.end();
    batch.reset();
  }

  /** Decides what a decoded row is, and which pane it belongs to. */
  #judgeRow(open: OpenBatch, row: number): void {
    const record = open.records[row]!;
    const brokerTimeMs = record.timestampMs;
    open.brokerTimesMs[row] = brokerTimeMs;
    open.invalidReasons[row] = open.batch.invalidUtf8[row] === 1 ? UTF8_BIT : 0;
    let timeMs = brokerTimeMs;
    if (open.hasTimeField) {
      timeMs = open.eventTimesMs[row]!;
      if (Number.isNaN(timeMs)) {
        open.invalidReasons[row]! |= TIME_BIT;
        timeMs = brokerTimeMs;
      } else if (timeMs > this.#options.futureLimitMs(brokerTimeMs)) {
        open.paneOfRow[row] = Number.NaN;
        this.#countOnly(record, "future", open.schema);
        return;
      }
    } else {
      open.eventTimesMs[row] = brokerTimeMs;
    }
    const invalid = open.invalidReasons[row]!;
    // A broker timestamp that stands in for a missing event time says where to count the row, not how far time has come:
    // on a topic that is read from its past it would close every window at once.
    const hasTime = (invalid & TIME_BIT) === 0;
    if (hasTime && !(timeMs <= (this.#maxEventTimeMs ?? Number.NEGATIVE_INFINITY))) this.#maxEventTimeMs = timeMs;
    open.paneOfRow[row] = this.#panes.paneStart(timeMs);
    this.#counts.consumed++;
    if (invalid === 0) {
      this.#counts.valid++;
      return;
    }
    this.#counts.invalid++;
    this.#toQuarantine(record, { reason: INVALID_REASONS[invalid & UTF8_BIT ? 0 : 1]! });
  }

  /** One slice dimension of a closed batch: `names` undefined is the whole. */
  #addSlice(open: OpenBatch, names: SliceNames | undefined, columnIndex: number): void {
    const { batch, groupOfRow } = open;
    const sliceOfRow = names?.namesOfRows(batch, columnIndex);
    const groups: Profile[] = [];
    const groupOf = new Map<Profile, number>();
    for (let row = 0; row < batch.rowCount; row++) {
      groupOfRow[row] = -1;
      const paneStartMs = open.paneOfRow[row]!;
      const slice = sliceOfRow === undefined ? ALL_SLICE : sliceOfRow[row];
      if (Number.isNaN(paneStartMs) || slice === undefined) continue;
      const profile = this.#profile(paneStartMs, slice);
      let group = groupOf.get(profile);
      if (group === undefined) {
        group = groups.push(profile) - 1;
        groupOf.set(profile, group);
      }
      groupOfRow[row] = group;
    }
    this.#profiler.addGroups(groupOfRow, groups);
    if (names !== undefined) return;
    const origins = groups.map(flushOriginsOf);
    this.#origins.countSchema(batch, open.invalidReasons, groupOfRow, origins, open.schema);
    if (this.#producers !== undefined) {
      const { invalidReasons, producerOfRow } = open;
      this.#origins.countProducers(batch, invalidReasons, groupOfRow, origins, producerOfRow, this.#producers.names);
    }
    for (let row = 0; row < batch.rowCount; row++) {
      if (open.invalidReasons[row] === 0 || groupOfRow[row]! < 0) continue;
      origins[groupOfRow[row]!]!.addExample("invalid", open.records[row]!.offset);
    }
  }

  #profile(paneStartMs: number, slice: string): Profile {
    let bySlice = this.#profiles.get(paneStartMs);
    if (bySlice === undefined) {
      bySlice = new Map();
      this.#profiles.set(paneStartMs, bySlice);
    }
    let profile = bySlice.get(slice);
    if (profile === undefined) {
      // The seed is a function of the place in the log, so that the same log gives the same bytes.
      profile = this.#options.pool.take((this.#options.partition * 0x9e3779b1) ^ this.#fromOffset);
      bySlice.set(slice, profile);
    }
    return profile;
  }

  /** Tombstones and future events: in the ledger, and in the pane of their broker timestamp. */
  #countOnly(record: LogRecord, kind: "tombstone" | "future", schema: string): void {
    const profile = this.#profile(this.#panes.paneStart(record.timestampMs), ALL_SLICE);
    profile.countRefused(kind, kind);
    this.#traceRefused(profile, kind, record, schema);
    this.#counts.consumed++;
    this.#counts[kind]++;
  }

  #refuse(record: LogRecord, refusal: Refusal & { readonly reason: UndecodableReason }, schema: string): void {
    const profile = this.#profile(this.#panes.paneStart(record.timestampMs), ALL_SLICE);
    profile.countRefused("undecodable", refusal.reason);
    this.#traceRefused(profile, "undecodable", record, schema);
    this.#counts.consumed++;
    this.#counts.undecodable++;
    if (!this.#hasDecoded && ++this.#refusedFirst === REFUSED_FIRST) {
      this.#options.onNothingDecoded(REFUSED_FIRST, refusal.reason);
    }
    this.#toQuarantine(record, refusal);
  }

  #traceRefused(
    profile: Profile,
    kind: "undecodable" | "tombstone" | "future",
    record: LogRecord,
    schema: string,
  ): void {
    const producer = this.#producers?.nameOf(record);
    const place = { offset: record.offset, schema, ...(producer !== undefined && { producer }) };
    flushOriginsOf(profile).countRefused(kind, place);
  }

  #toQuarantine(record: LogRecord, refusal: Refusal): void {
    const { dataset, partition } = this.#options;
    if (dataset.quarantine === undefined) return;
    const source = { topic: dataset.topic, partition };
    const refused = quarantineRecord(dataset.quarantine.topic, source, record, refusal);
    this.#quarantine.push(refused);
    // Of a value that is cut the rest stays in memory, too.
    this.#refusedBytes += record.value?.length ?? 0;
  }
}

/** Of the profile of a pane's whole. */
function flushOriginsOf(profile: Profile): FlushOrigins {
  profile.flushOrigins ??= new FlushOrigins();
  return profile.flushOrigins;
}

const UTF8_BIT = 1 << INVALID_REASONS.indexOf("invalid_utf8");
const TIME_BIT = 1 << INVALID_REASONS.indexOf("time_missing");

/** A column batch of one writer schema, with what is known of its rows; serves as `RowFacts`. */
class OpenBatch {
  readonly schemaId: number;
  /** As origins name it. */
  readonly schema: string;
  readonly reader: EventReader;
  readonly batch: ColumnBatch;
  readonly hasTimeField: boolean;
  readonly sliceColumns: readonly number[];
  readonly records: LogRecord[] = [];
  readonly invalidReasons = new Uint8Array(BATCH_ROWS);
  readonly eventTimesMs = new Float64Array(BATCH_ROWS);
  readonly brokerTimesMs = new Float64Array(BATCH_ROWS);
  /** NaN: the row is of no pane. */
  readonly paneOfRow = new Float64Array(BATCH_ROWS);
  readonly groupOfRow = new Int32Array(BATCH_ROWS);
  /** Index into the names of producers, where they are asked for. */
  readonly producerOfRow = new Uint8Array(BATCH_ROWS);
  readonly #timeColumn: number;

  constructor(schemaId: number, reader: EventReader, dataset: DatasetConfig) {
    this.schemaId = schemaId;
    this.schema = String(schemaId);
    this.reader = reader;
    this.batch = reader.createBatch(BATCH_ROWS);
    this.hasTimeField = dataset.time.field !== undefined;
    this.#timeColumn = dataset.time.field === undefined ? -1 : timeColumn(reader.fields, dataset.time.field);
    this.sliceColumns = dataset.slices.map((slice) =>
      reader.fields.findIndex((field) => field.level === -1 && field.path === slice.by),
    );
  }

  readTimes(): void {
    if (this.hasTimeField) eventTimes(this.batch, this.#timeColumn, this.eventTimesMs);
  }
}

/** Names of the slices of one field. At most twice the limit per flush; the judge needs some to choose from. */
class SliceNames {
  readonly #slice: SliceByConfig;
  readonly #label: (text: string) => string;
  readonly #other: string;
  /** By value, a 53-bit part of its hash: text is made once per value, not per row. */
  readonly #names = new Map<number, string>();
  readonly #ofRow: (string | undefined)[] = [];
  #lo = new Int32Array(BATCH_ROWS);
  #hi = new Int32Array(BATCH_ROWS);

  constructor(slice: SliceByConfig, label: (text: string) => string) {
    this.#slice = slice;
    this.#label = label;
    this.#other = `${slice.name}=${OTHER_VALUE}`;
  }

  /** Slice of each row; a row without a value is of no slice. */
  namesOfRows(batch: ColumnBatch, columnIndex: number): readonly (string | undefined)[] {
    const names = this.#ofRow;
    names.length = batch.rowCount;
    names.fill(undefined);
    const column = batch.columns[columnIndex];
    if (column === undefined) return names;
    if (column.field.storage === "bytes") {
      hashByteRanges(batch.arena, column.starts, column.lengths, column.count, this.#lo, this.#hi);
    }
    for (let index = 0; index < column.count; index++) {
      let name: string;
      if (column.field.storage === "bytes") {
        const key = (this.#hi[index]! >>> 11) * 4294967296 + (this.#lo[index]! >>> 0);
        const start = column.starts[index]!;
        const length = column.lengths[index]!;
        name = this.#names.get(key) ?? this.#admit(key, textOf(batch.arena.subarray(start, start + length)));
      } else {
        const value = column.numbers[index]!;
        const text = column.field.kind === "boolean" ? (value === 1 ? "true" : "false") : String(value);
        name = this.#names.get(value) ?? this.#admit(value, text);
      }
      names[column.rows[index]!] = name;
    }
    return names;
  }

  #admit(key: number, value: string): string {
    if (this.#names.size >= 2 * this.#slice.limit) return this.#other;
    const name = `${this.#slice.name}=${this.#label(value)}`;
    this.#names.set(key, name);
    return name;
  }
}
