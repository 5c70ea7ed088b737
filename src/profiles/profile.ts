/**
 * Everything that is kept of the events of one dataset, slice and pane (or window, or flush): what became of them, and
 * the profile of each field. Profiles merge; what is exact does not depend on how the events were split.
 *
 * Limits: at most `FIELDS_MAX` fields, those that come first in the order of their keys, and the
 * `SCHEMAS_MAX` highest schema ids are kept. As only the names decide, and a name once out of the limit never comes
 * back, what is kept is complete in every split and order.
 */
import type { FieldDescriptor } from "../core/column-batch.ts";
import { StreamgaugeError } from "../core/errors.ts";
import { VIOLATION_REASONS, type ViolationReason } from "../core/violation.ts";
import type { LedgerCounts } from "../core/window.ts";
import { ByteWriter } from "../sketches/bytes.ts";
import { HashSample } from "../sketches/hash-sample.ts";
import { Moments } from "../sketches/moments.ts";
import { FieldProfile, fieldSeed } from "./field-profile.ts";
import { FlushOrigins } from "./flush-origins.ts";
import { FlushRanges } from "./flush-ranges.ts";
import { PATTERNS_MAX } from "./null-patterns.ts";
import { NumberPairs } from "./number-pairs.ts";
import { type PendingPlan, PendingRows } from "./pending-rows.ts";
import { readSealed, seal } from "./sealed-bytes.ts";

/** A profile of 2,048 fields is beyond what a person reads; what is over is counted, not kept. */
export const FIELDS_MAX = 2048;
/** Schema ids counted one by one. */
export const SCHEMAS_MAX = 64;
/** Content hashes for the duplicate share: a standard deviation of 0.06 % at any volume. */
const DUPLICATES_CAPACITY = 1024;

const MAGIC = 0x53475031;
/** Grown once: what is written is copied out of it. */
const WRITER = new ByteWriter(65_536);

/** Of the decoded rows. */
interface RowStates {
  readonly payload: Moments;
  readonly lag: Moments;
  readonly contents: HashSample;
  readonly patterns: HashSample;
  readonly pairs: NumberPairs;
}

export class Profile {
  /** Of the random choices of the sketches. */
  seed: number;

  /** Decoded rows. */
  valid = 0;
  invalid = 0;
  undecodable = 0;
  tombstone = 0;
  future = 0;
  filtered = 0;
  /** Decoded rows of schemas beyond the limit. */
  otherSchemaRows = 0;
  /** Values and nulls of fields beyond the limit. */
  valuesLeftOut = 0;
  /** Sum of the payload bytes of the decoded rows. */
  bytes = 0;

  /** Records by reason; a row may have several. */
  readonly violations = new Map<ViolationReason, number>();
  /** Decoded rows by schema id. */
  readonly schemaRows = new Map<number, number>();
  /** Of a flush; what is merged does not take it over (`originsOf()`). */
  flushOrigins: FlushOrigins | undefined;
  /** What the order of events is taken from. */
  readonly #flushes = new FlushRanges();
  #fields = new Map<string, FieldProfile>();
  /** Made when the first row does not wait: as are the fields. */
  #states: RowStates | undefined;
  /** Rows that were counted, but are in nothing else yet. */
  #pending: PendingRows | undefined;
  /** Fields of before `clear()`, to be taken up again. */
  #spare: Map<string, FieldProfile> | undefined;

  private constructor(seed: number) {
    this.seed = seed;
  }

  static empty(seed: number): Profile {
    return new Profile(seed >>> 0);
  }

  /** By `fieldKey()`. */
  get fields(): Map<string, FieldProfile> {
    this.takePending();
    return this.#fields;
  }

  /** Payload bytes of the decoded rows. */
  get payload(): Moments {
    return this.#rowStates().payload;
  }

  /** Broker timestamp − event time of the decoded rows, milliseconds. */
  get lag(): Moments {
    return this.#rowStates().lag;
  }

  /** Content of the decoded rows. */
  get contents(): HashSample {
    return this.#rowStates().contents;
  }

  /** Which fields of the decoded rows are absent together; see `NullPatterns`. */
  get patterns(): HashSample {
    return this.#rowStates().patterns;
  }

  /** Two numbers of the same rows. */
  get pairs(): NumberPairs {
    return this.#rowStates().pairs;
  }

  /** Rows of this writer schema wait. */
  hasPending(plan: PendingPlan, schemaId: number): boolean {
    const pending = this.#pending;
    return pending?.plan === plan && pending.schemaId === schemaId && pending.rowCount > 0;
  }

  /** Whether so many fields more are within the limit, whichever they are: what is beyond it is counted at once. */
  hasRoomFor(fields: number): boolean {
    return this.#fields.size + fields <= FIELDS_MAX;
  }

  /** Where rows of this writer schema wait. */
  pendingRows(plan: PendingPlan, schemaId: number): PendingRows {
    const pending = this.#pending;
    if (pending?.plan === plan && pending.schemaId === schemaId) return pending;
    this.takePending();
    this.#pending = new PendingRows(plan, schemaId);
    return this.#pending;
  }

  /** Takes in the rows that wait. */
  takePending(): void {
    const pending = this.#pending;
    if (pending === undefined || pending.rowCount === 0) return;
    // Everything is asked for while they are taken in.
    this.#pending = undefined;
    pending.spread(this);
    this.#pending = pending;
  }

  /** As new with this seed; keeps the fields' arrays for what comes. */
  clear(seed: number): void {
    this.seed = seed >>> 0;
    for (const name of COUNTERS) this[name] = 0;
    this.violations.clear();
    this.schemaRows.clear();
    this.#pending?.clear();
    const { payload, lag, contents, patterns, pairs } = this.#states ?? {};
    for (const state of [payload, lag, contents, patterns, pairs]) state?.clear();
    this.#flushes.clear();
    this.flushOrigins?.clear();
    const emptied = this.#spare ?? new Map<string, FieldProfile>();
    emptied.clear();
    this.#spare = this.#fields;
    this.#fields = emptied;
  }

  /** Decoded rows: valid and invalid. */
  get rows(): number {
    return this.valid + this.invalid;
  }

  get isEmpty(): boolean {
    return this.counts().consumed === 0;
  }

  /** `late` is 0: only the judge knows it. */
  counts(): LedgerCounts {
    const { valid, invalid, undecodable, tombstone, future, filtered } = this;
    const consumed = valid + invalid + undecodable + tombstone + future + filtered;
    return { consumed, valid, invalid, undecodable, tombstone, future, late: 0, filtered };
  }

  /** Counts records that were not decoded, or not taken in. */
  countRefused(kind: "undecodable" | "tombstone" | "future" | "filtered", reason?: ViolationReason, count = 1): void {
    this[kind] += count;
    if (reason !== undefined) this.countViolation(reason, count);
  }

  countViolation(reason: ViolationReason, count: number): void {
    if (count > 0) this.violations.set(reason, (this.violations.get(reason) ?? 0) + count);
  }

  countSchemaRows(schemaId: number, count: number): void {
    if (count <= 0) return;
    this.schemaRows.set(schemaId, (this.schemaRows.get(schemaId) ?? 0) + count);
    if (this.schemaRows.size <= SCHEMAS_MAX) return;
    const lowest = Math.min(...this.schemaRows.keys());
    this.otherSchemaRows += this.schemaRows.get(lowest) ?? 0;
    this.schemaRows.delete(lowest);
  }

  /** The profile of a field, made when it is not there; `undefined` when it is beyond the limit. */
  field(key: string, descriptor: FieldDescriptor, level: string | undefined): FieldProfile | undefined {
    const known = this.fields.get(key);
    if (known !== undefined) {
      known.widen(descriptor.kind);
      return known;
    }
    const { path, kind } = descriptor;
    const seed = fieldSeed(this.seed, key);
    const spare = this.#spare?.get(key);
    if (spare === undefined) {
      const field = new FieldProfile({ path, kind, level, seed });
      return this.#admit(key, field) ? field : undefined;
    }
    this.#spare?.delete(key);
    spare.clear({ kind, level, seed });
    return this.#admit(key, spare) ? spare : undefined;
  }

  /** Says that this is what came of one partition between two flushes, of which the first began at `fromOffset`. */
  place(partition: number, fromOffset: number): void {
    this.#flushes.place(partition, fromOffset);
    for (const field of this.fields.values()) field.repeats.place(partition);
  }

  /**
   * How many values, nulls among them, there would be if the field were nowhere missing: rows, or the elements of the
   * array or map that it lives in.
   */
  expected(field: FieldProfile): number {
    if (field.level === undefined) return this.rows;
    // A parent beyond the limit of fields is not known: then nothing is said to be missing.
    return this.fields.get(field.level)?.elements ?? field.values + field.nulls;
  }

  /** What was not there: the schema of the event lacks the field, or a parent of it was null. */
  missing(field: FieldProfile): number {
    return this.expected(field) - field.values - field.nulls;
  }

  /** Takes in what `other` saw, which is neither changed nor kept. */
  merge(other: Profile): void {
    for (const name of COUNTERS) this[name] += other[name];
    for (const [reason, count] of other.violations) this.countViolation(reason, count);
    for (const [schemaId, count] of other.schemaRows) this.countSchemaRows(schemaId, count);
    this.payload.merge(other.payload);
    this.lag.merge(other.lag);
    this.contents.merge(other.contents);
    this.patterns.merge(other.patterns);
    this.pairs.merge(other.pairs);
    const successionOf = (partition: number) => this.#flushes.successionOf(other.#flushes, partition);
    for (const [key, field] of other.fields) {
      let mine = this.fields.get(key);
      if (mine === undefined) {
        const { path, kind, level } = field;
        mine = new FieldProfile({ path, kind, level, seed: fieldSeed(this.seed, key) });
        if (!this.#admit(key, mine)) {
          this.valuesLeftOut += field.values + field.nulls;
          continue;
        }
      }
      mine.merge(field);
      mine.repeats.merge(field.repeats, successionOf);
    }
    this.#flushes.merge(other.#flushes);
  }

  /** Versioned bytes with a checksum; equal for equal content. */
  write(): Uint8Array {
    return this.written().slice();
  }

  /** As `write()`, until any profile is written. */
  written(): Uint8Array {
    const writer = WRITER;
    writer.clear();
    writer.u32(MAGIC);
    writer.u32(this.seed);
    for (const name of COUNTERS) writer.varint(this[name]);
    const violations = VIOLATION_REASONS.filter((reason) => this.violations.has(reason));
    writer.varint(violations.length);
    for (const reason of violations) {
      writer.u8(VIOLATION_REASONS.indexOf(reason));
      writer.varint(this.violations.get(reason) ?? 0);
    }
    const schemas = [...this.schemaRows].sort((a, b) => a[0] - b[0]);
    writer.varint(schemas.length);
    for (const [schemaId, count] of schemas) {
      writer.u32(schemaId >>> 0);
      writer.varint(count);
    }
    this.payload.write(writer);
    this.lag.write(writer);
    this.contents.write(writer);
    this.patterns.write(writer);
    this.pairs.write(writer);
    this.#flushes.write(writer);
    const fields = [...this.fields].sort(byKey);
    writer.varint(fields.length);
    for (const [, field] of fields) field.write(writer);
    if (this.flushOrigins?.isPlain === false) this.flushOrigins.write(writer);
    seal(writer);
    return writer.written();
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` for bytes that `write()` did not make. */
  static read(bytes: Uint8Array): Profile {
    return readSealed("profile", bytes, (reader) => {
      if (reader.u32() !== MAGIC) throw new StreamgaugeError("SG_CORRUPT", "Cannot read profile: unknown version");
      const seed = reader.u32();
      const counters = COUNTERS.map(() => reader.varint());
      const violations: [ViolationReason, number][] = [];
      for (let left = reader.count(2); left > 0; left--) {
        const reason = VIOLATION_REASONS[reader.u8()];
        if (reason === undefined) throw new StreamgaugeError("SG_CORRUPT", "Cannot read profile: unknown reason");
        violations.push([reason, reader.varint()]);
      }
      const schemas: [number, number][] = [];
      for (let left = reader.count(5); left > 0; left--) schemas.push([reader.u32() | 0, reader.varint()]);
      const profile = new Profile(seed);
      profile.#states = {
        payload: Moments.read(reader),
        lag: Moments.read(reader),
        contents: HashSample.read(reader),
        patterns: HashSample.read(reader),
        pairs: new NumberPairs(),
      };
      profile.pairs.read(reader);
      profile.#flushes.read(reader);
      for (const [i, name] of COUNTERS.entries()) profile[name] = counters[i] ?? 0;
      for (const [reason, count] of violations) profile.violations.set(reason, count);
      for (const [schemaId, count] of schemas) profile.schemaRows.set(schemaId, count);
      for (let left = reader.count(10); left > 0; left--) {
        const field = FieldProfile.read(reader);
        profile.fields.set(field.key, field);
      }
      if (reader.remaining > 0) profile.flushOrigins = FlushOrigins.read(reader);
      return profile;
    });
  }

  #rowStates(): RowStates {
    this.takePending();
    this.#states ??= {
      payload: new Moments(),
      lag: new Moments(),
      contents: new HashSample({ capacity: DUPLICATES_CAPACITY }),
      patterns: new HashSample({ capacity: PATTERNS_MAX }),
      pairs: new NumberPairs(),
    };
    return this.#states;
  }

  /** Keeps the field if it is among the first `FIELDS_MAX`; one that goes for it is counted. */
  #admit(key: string, field: FieldProfile): boolean {
    if (this.#fields.size >= FIELDS_MAX) {
      let last = key;
      for (const known of this.#fields.keys()) if (known > last) last = known;
      if (last === key) return false;
      const evicted = this.#fields.get(last);
      this.valuesLeftOut += (evicted?.values ?? 0) + (evicted?.nulls ?? 0);
      this.#fields.delete(last);
    }
    this.#fields.set(key, field);
    return true;
  }
}

const COUNTERS = [
  "valid",
  "invalid",
  "undecodable",
  "tombstone",
  "future",
  "filtered",
  "otherSchemaRows",
  "valuesLeftOut",
  "bytes",
] as const;

function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}
