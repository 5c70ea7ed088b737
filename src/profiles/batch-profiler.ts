/**
 * Takes a column batch into profiles. Each column is hashed once; then, for each slice dimension, its values are brought
 * together by group and each sketch runs over contiguous values of one group. When all rows are of one group nothing
 * is copied. No object is made per value; text is made only when a sketch keeps it.
 */
import type { ColumnBatch } from "../core/column-batch.ts";
import type { PairPaths } from "../core/config.ts";
import { INVALID_REASONS } from "../core/violation.ts";
import { ColumnRun } from "./column-run.ts";
import { HashedRows } from "./hashed-rows.ts";
import type { LabelPolicy } from "./labels.ts";
import { NullPatterns } from "./null-patterns.ts";
import { PairPlan } from "./number-pairs.ts";
import { PendingPlan, type WaitedRows } from "./pending-rows.ts";
import { grownDoubles, grownWords, PreparedColumn } from "./prepared-column.ts";
import type { Profile } from "./profile.ts";

/** What is known of the rows of a batch beside their columns; arrays hold at least `rowCount` entries. */
export interface RowFacts {
  /** All rows of a batch are of one writer schema. */
  readonly schemaId: number;
  /** Bit i set: the row is invalid for `INVALID_REASONS[i]`. 0: the row is valid. */
  readonly invalidReasons: Uint8Array;
  /** NaN where there is none. */
  readonly eventTimesMs: Float64Array;
  readonly brokerTimesMs: Float64Array;
}

export interface BatchProfilerOptions {
  readonly labels: LabelPolicy;
  /** Paths left out of the content hash, such as ingest times and retry counters. @default none */
  readonly ignore?: ReadonlySet<string>;
  /** See `choosePairs()`. @default by their names */
  readonly pairs?: readonly PairPaths[] | undefined;
}

/** In the order of the batch's columns. */
interface PreparedColumns {
  readonly all: readonly PreparedColumn[];
  /** Absent: its events cannot be read again. */
  readonly pending: PendingPlan | undefined;
  readonly pairs: PairPlan;
}

/** Groups of fewer rows of a batch wait for others. */
const LEAST_SPREAD_ROWS = 64;

export class BatchProfiler {
  readonly #options: BatchProfilerOptions;
  readonly #labels: LabelPolicy;
  readonly #ignore: ReadonlySet<string>;
  readonly #configuredPairs: readonly PairPaths[] | undefined;
  /** A batch keeps its columns, so what is derived from their fields is made once. */
  readonly #prepared = new WeakMap<ColumnBatch["columns"], PreparedColumns>();
  readonly #run: ColumnRun;
  readonly #patterns = new NullPatterns();

  #batch: ColumnBatch | undefined;
  #facts: RowFacts | undefined;
  #columns: readonly PreparedColumn[] = [];
  #pending: PendingPlan | undefined;
  #pairs: PairPlan | undefined;
  #isHashed = false;
  /** For rows that waited, which are taken in while a batch is in use. */
  #taker: BatchProfiler | undefined;

  readonly #hashes = new HashedRows();
  #payload = new Float64Array(0);
  #lag = new Float64Array(0);

  /** Rows in the order of their groups; those of group g are `[#groupStart[g], #groupStart[g + 1])`. */
  #rowOrder = new Int32Array(0);
  #groupStart = new Int32Array(0);
  /** As `#rowOrder` and `#groupStart`, of the values of one column. */
  #valueOrder = new Int32Array(0);
  #valueStart = new Int32Array(0);
  #nulls = new Int32Array(0);
  /** Rows of the nulls that `#nulls` counts: branches of a union have the same. */
  #countedNulls: Int32Array | undefined;
  /** 1: the rows of the group wait in its profile. */
  #isPending = new Uint8Array(0);
  #cursor = new Int32Array(0);
  #words = new Int32Array(0);
  #moreWords = new Int32Array(0);
  #doubles = new Float64Array(0);

  constructor(options: BatchProfilerOptions) {
    this.#options = options;
    this.#labels = options.labels;
    this.#ignore = options.ignore ?? new Set();
    this.#configuredPairs = options.pairs;
    this.#run = new ColumnRun((text) => options.labels.hashLabel(text));
  }

  /** Takes up a batch, which must stay as it is until `end()`. */
  begin(batch: ColumnBatch, facts: RowFacts): void {
    if (this.#batch !== undefined) throw new Error("Cannot begin a batch: the previous one has not ended");
    this.#use(batch, facts.schemaId);
    this.#facts = facts;
    const { rowCount } = batch;
    this.#lag = grownDoubles(this.#lag, rowCount);
    for (let row = 0; row < rowCount; row++) {
      this.#lag[row] = facts.brokerTimesMs[row]! - facts.eventTimesMs[row]!;
    }
  }

  /**
   * Takes the rows into the profiles of one slice dimension: row r into `groups[groupOfRow[r]]`, or nowhere when that
   * is −1.
   */
  addGroups(groupOfRow: Int32Array, groups: readonly Profile[]): void {
    const batch = this.#batch;
    const facts = this.#facts;
    if (batch === undefined || facts === undefined) throw new Error("Cannot add groups: no batch has begun");
    const { rowCount } = batch;
    if (rowCount === 0 || groups.length === 0) return;
    this.#sortRows(groupOfRow, groups.length, rowCount);
    const starts = this.#groupStart;
    for (let group = 0; group < groups.length; group++) {
      if (starts[group + 1]! > starts[group]!) {
        this.#countRows(groups[group]!, facts, starts[group]!, starts[group + 1]!);
      }
    }
    const whole = rowCount < LEAST_SPREAD_ROWS ? undefined : this.#wholeGroup(groups.length, rowCount);
    if (whole !== undefined) {
      this.#hash();
      this.#addWhole(groups[whole]!, rowCount, this.#lag);
      return;
    }
    if (!this.#keepPending(groups)) return;
    this.#hash();
    this.#addRowGroups(groups);
    this.#countedNulls = undefined;
    for (const column of this.#columns) this.#addColumnGroups(column, groupOfRow, groups, batch);
    for (const column of this.#columns) this.#addNonFinite(column, groupOfRow, groups);
  }

  /** Lets go of the batch. */
  end(): void {
    this.#batch = undefined;
    this.#facts = undefined;
    this.#columns = [];
    this.#pending = undefined;
    this.#pairs = undefined;
    this.#run.release();
  }

  /** Takes in rows that waited; see `TakeRows`. */
  #takeWaited(batch: ColumnBatch, { schemaId, lagsMs }: WaitedRows, profile: Profile): void {
    const { rowCount } = batch;
    this.#use(batch, schemaId);
    this.#rowOrder = grownWords(this.#rowOrder, rowCount);
    for (let row = 0; row < rowCount; row++) this.#rowOrder[row] = row;
    this.#hash();
    this.#addWhole(profile, rowCount, lagsMs);
    this.end();
  }

  #use(batch: ColumnBatch, schemaId: number): void {
    const { rowCount } = batch;
    const { all, pending, pairs } = this.#columnsOf(batch);
    this.#batch = batch;
    this.#columns = all;
    this.#pending = pending;
    this.#pairs = pairs;
    this.#run.schemaId = schemaId;
    this.#isHashed = false;
    this.#payload = grownDoubles(this.#payload, rowCount);
    for (let row = 0; row < rowCount; row++) this.#payload[row] = batch.payloadBytes[row]!;
  }

  /** Prepares the columns: not before there is a row that does not wait. */
  #hash(): void {
    if (this.#isHashed) return;
    this.#isHashed = true;
    const batch = this.#batch!;
    const columns = this.#columns;
    this.#patterns.begin(batch.rowCount);
    this.#hashes.hash(batch, columns);
    for (let i = 0; i < columns.length; i++) {
      this.#patterns.add(batch.columns[i]!, batch.rowCount, columns[i]!.absence);
      columns[i]!.separateNonFinite();
    }
    this.#pairs!.prepare(batch.rowCount);
  }

  #columnsOf(batch: ColumnBatch): PreparedColumns {
    let columns = this.#prepared.get(batch.columns);
    if (columns === undefined) {
      const fields = batch.columns.map((column) => column.field);
      const all = fields.map(
        (field) => new PreparedColumn(field, fields, this.#labels.policyOf(field.path), this.#ignore.has(field.path)),
      );
      const pending = batch.events && new PendingPlan(batch.events.reader, this.#takeRows);
      columns = { all, pending, pairs: new PairPlan(all, fields, this.#configuredPairs) };
      this.#prepared.set(batch.columns, columns);
    }
    return columns;
  }

  readonly #takeRows = (batch: ColumnBatch, rows: WaitedRows, profile: Profile): void => {
    this.#taker ??= new BatchProfiler(this.#options);
    this.#taker.#takeWaited(batch, rows, profile);
  };

  /** Counting sort of the rows by group; rows of no group are left out. */
  #sortRows(groupOfRow: Int32Array, groupCount: number, rowCount: number): void {
    this.#groupStart = grownWords(this.#groupStart, groupCount + 1);
    this.#valueStart = grownWords(this.#valueStart, groupCount + 1);
    this.#cursor = grownWords(this.#cursor, groupCount + 1);
    this.#nulls = grownWords(this.#nulls, groupCount);
    this.#rowOrder = grownWords(this.#rowOrder, rowCount);
    const starts = this.#groupStart.fill(0, 0, groupCount + 1);
    for (let row = 0; row < rowCount; row++) {
      const group = groupOfRow[row]!;
      if (group >= groupCount) throw new RangeError(`Cannot add row ${row} to group ${group} of ${groupCount}`);
      if (group >= 0) starts[group + 1]!++;
    }
    for (let group = 0; group < groupCount; group++) starts[group + 1]! += starts[group]!;
    const cursor = this.#cursor;
    cursor.set(starts.subarray(0, groupCount));
    for (let row = 0; row < rowCount; row++) {
      const group = groupOfRow[row]!;
      if (group >= 0) this.#rowOrder[cursor[group]!++] = row;
    }
  }

  /** The group that holds every row, if there is one. */
  #wholeGroup(groupCount: number, rowCount: number): number | undefined {
    for (let group = 0; group < groupCount; group++) {
      if (this.#groupStart[group + 1]! - this.#groupStart[group]! === rowCount) return group;
    }
    return undefined;
  }

  /** What a profile knows of rows at once: those of `#rowOrder[from, to)`. */
  #countRows(profile: Profile, facts: RowFacts, from: number, to: number): void {
    const order = this.#rowOrder;
    let bytes = 0;
    let invalid = 0;
    for (let i = from; i < to; i++) {
      const row = order[i]!;
      bytes += this.#payload[row]!;
      const reasons = facts.invalidReasons[row]!;
      if (reasons === 0) continue;
      invalid++;
      for (let bit = 0; bit < INVALID_REASONS.length; bit++) {
        if ((reasons & (1 << bit)) !== 0) profile.countViolation(INVALID_REASONS[bit]!, 1);
      }
    }
    profile.bytes += bytes;
    profile.invalid += invalid;
    profile.valid += to - from - invalid;
    profile.countSchemaRows(facts.schemaId, to - from);
  }

  /** All rows of the batch, which are in order in `#rowOrder`. */
  #addWhole(profile: Profile, rowCount: number, lag: Float64Array): void {
    const { rowLo, rowHi } = this.#hashes;
    this.#addRows(profile, 0, rowCount, this.#payload, lag, rowLo, rowHi);
    for (const column of this.#columns) this.#addWholeColumn(column, profile);
  }

  #addRowGroups(groups: readonly Profile[]): void {
    const starts = this.#groupStart;
    const total = starts[groups.length]!;
    const order = this.#rowOrder;
    const payload = grownDoubles(this.#doubles, total * 2);
    this.#doubles = payload;
    const lag = payload.subarray(total);
    const lo = grownWords(this.#words, total);
    const hi = grownWords(this.#moreWords, total);
    this.#words = lo;
    this.#moreWords = hi;
    const { rowLo, rowHi } = this.#hashes;
    for (let i = 0; i < total; i++) {
      const row = order[i]!;
      payload[i] = this.#payload[row]!;
      lag[i] = this.#lag[row]!;
      lo[i] = rowLo[row]!;
      hi[i] = rowHi[row]!;
    }
    for (let group = 0; group < groups.length; group++) {
      const from = starts[group]!;
      const to = starts[group + 1]!;
      if (to > from && this.#isPending[group] === 0) {
        this.#addRows(groups[group]!, from, to, payload, lag, lo, hi);
      }
    }
  }

  /** Rows `[from, to)` of arrays in the order of `#rowOrder`. */
  #addRows(
    profile: Profile,
    from: number,
    to: number,
    payload: Float64Array,
    lag: Float64Array,
    lo: Int32Array,
    hi: Int32Array,
  ): void {
    profile.payload.updateMany(payload, from, to);
    profile.lag.updateMany(lag, from, to);
    profile.contents.addMany(lo, hi, from, to);
    this.#patterns.countInto(profile.patterns, this.#rowOrder, from, to);
    this.#pairs!.add(profile.pairs, this.#rowOrder, from, to);
  }

  #addWholeColumn(column: PreparedColumn, profile: Profile): void {
    const field = profile.field(column.key, column.field, column.level);
    if (field === undefined) {
      profile.valuesLeftOut += column.count + column.nonFiniteCount + column.nullCount;
      return;
    }
    field.nulls += column.nullCount;
    for (let i = 0; i < column.nonFiniteCount; i++) field.updateNonFinite(column.nonFinite[i]!);
    this.#run.useWhole(column);
    this.#run.select(0, column.count);
    field.update(this.#run, column.field.kind);
  }

  /** Lets the events of small groups wait in their profiles; says whether there are groups that do not. */
  #keepPending(groups: readonly Profile[]): boolean {
    const { events, arena, payloadBytes } = this.#batch!;
    const plan = this.#pending;
    const { schemaId } = this.#run;
    const fields = this.#columns.length;
    const order = this.#rowOrder;
    const starts = this.#groupStart;
    if (this.#isPending.length < groups.length) this.#isPending = new Uint8Array(2 * groups.length);
    const isPending = this.#isPending.fill(0, 0, groups.length);
    if (plan === undefined || events === undefined) return true;
    let others = 0;
    for (let group = 0; group < groups.length; group++) {
      const profile = groups[group]!;
      const from = starts[group]!;
      const to = starts[group + 1]!;
      if (to === from) continue;
      // Where some wait, there was room, and nothing has taken it since.
      const waits = to - from < LEAST_SPREAD_ROWS && (profile.hasPending(plan, schemaId) || profile.hasRoomFor(fields));
      if (!waits) {
        others++;
        continue;
      }
      isPending[group] = 1;
      for (let i = from; i < to; i++) {
        const row = order[i]!;
        const rows = profile.pendingRows(plan, schemaId);
        rows.append(this.#lag[row]!, arena, events.starts[row]!, payloadBytes[row]!);
        if (rows.isFull) profile.takePending();
      }
    }
    return others > 0;
  }

  #addColumnGroups(
    column: PreparedColumn,
    groupOfRow: Int32Array,
    groups: readonly Profile[],
    batch: ColumnBatch,
  ): void {
    if (column.nullRows !== this.#countedNulls) this.#countNulls(column, groupOfRow, groups.length);
    const nulls = this.#nulls;
    // One value in every row: the values are in the order of the rows.
    const dense = column.count === batch.rowCount && column.field.level < 0;
    if (!dense) this.#sortValues(column, groupOfRow, groups.length);
    const order = dense ? this.#rowOrder : this.#valueOrder;
    const starts = dense ? this.#groupStart : this.#valueStart;
    this.#run.useGathered(column, order, starts[groups.length]!);
    for (let group = 0; group < groups.length; group++) {
      if (this.#groupStart[group + 1] === this.#groupStart[group] || this.#isPending[group] === 1) continue;
      const profile = groups[group]!;
      const field = profile.field(column.key, column.field, column.level);
      const from = starts[group]!;
      const to = starts[group + 1]!;
      if (field === undefined) {
        profile.valuesLeftOut += to - from + nulls[group]!;
        continue;
      }
      field.nulls += nulls[group]!;
      this.#run.select(from, to);
      field.update(this.#run, column.field.kind);
    }
  }

  #countNulls({ nullRows, nullCount }: PreparedColumn, groupOfRow: Int32Array, groupCount: number): void {
    this.#countedNulls = nullRows;
    const nulls = this.#nulls.fill(0, 0, groupCount);
    for (let i = 0; i < nullCount; i++) {
      const group = groupOfRow[nullRows[i]!]!;
      if (group >= 0) nulls[group]!++;
    }
  }

  #addNonFinite(column: PreparedColumn, groupOfRow: Int32Array, groups: readonly Profile[]): void {
    for (let i = 0; i < column.nonFiniteCount; i++) {
      const group = groupOfRow[column.nonFiniteRows[i]!]!;
      const profile = groups[group];
      if (profile === undefined || this.#isPending[group] === 1) continue;
      const field = profile.field(column.key, column.field, column.level);
      if (field === undefined) profile.valuesLeftOut++;
      else field.updateNonFinite(column.nonFinite[i]!);
    }
  }

  /** Counting sort of a column's values by the group of their rows. */
  #sortValues(column: PreparedColumn, groupOfRow: Int32Array, groupCount: number): void {
    this.#valueOrder = grownWords(this.#valueOrder, column.count);
    const { rows, count } = column;
    const starts = this.#valueStart.fill(0, 0, groupCount + 1);
    for (let i = 0; i < count; i++) {
      const group = groupOfRow[rows[i]!]!;
      if (group >= 0) starts[group + 1]!++;
    }
    for (let group = 0; group < groupCount; group++) starts[group + 1]! += starts[group]!;
    const cursor = this.#cursor;
    cursor.set(starts.subarray(0, groupCount));
    for (let i = 0; i < count; i++) {
      const group = groupOfRow[rows[i]!]!;
      if (group >= 0) this.#valueOrder[cursor[group]!++] = i;
    }
  }
}
