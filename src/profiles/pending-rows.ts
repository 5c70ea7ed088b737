/**
 * Rows that a profile has taken in but not yet spread over its fields. Events that go to a thousand panes and slices come
 * as runs of one or two rows each, and to spread such a run costs many times what its values cost: every field has states
 * of its own, far apart in memory. So the values of a few rows are laid one after the other first, and go to the fields together:
 * a profile that sees few events is three arrays.
 *
 * Whoever asks a profile for its fields has them spread before (`Profile.fields`). The order of the rows is kept.
 */
import type { FieldDescriptor } from "../core/column-batch.ts";
import { ColumnRun } from "./column-run.ts";
import { type GatheredValues, grownDoubles, grownWords, PreparedColumn } from "./prepared-column.ts";
import type { Profile } from "./profile.ts";

/** A profile of fewer rows stays as it is; more would gain little. */
const MOST_ROWS = 64;
/** Long arrays fill it sooner. */
const MOST_WORDS = 32_768;
/** Long texts fill it sooner. */
const MOST_TEXT_BYTES = 65_536;
const FIRST_WORDS = 256;

/** The columns of a batch as pending rows know them, and the cursors with which rows are taken from them in order. */
export class PendingPlan {
  readonly columns: readonly PreparedColumn[];
  /** Of the values that are spread, which all lie in the same arrays. */
  readonly gathered: readonly PreparedColumn[];
  /** Its own: rows that waited are spread while the run of the batch is in use. */
  readonly run: ColumnRun;
  readonly #nextValue: Int32Array;
  readonly #nextNull: Int32Array;

  constructor(
    columns: readonly PreparedColumn[],
    fields: readonly FieldDescriptor[],
    hashLabel: (text: string) => string,
  ) {
    this.columns = columns;
    this.gathered = columns.map(({ field, policy, ignored }) => new PreparedColumn(field, fields, policy, ignored));
    this.run = new ColumnRun(hashLabel);
    this.#nextValue = new Int32Array(columns.length);
    this.#nextNull = new Int32Array(columns.length);
  }

  /** From now on rows of the batch that is prepared are taken, ascending. */
  begin(): void {
    this.#nextValue.fill(0);
    this.#nextNull.fill(0);
  }

  /** Appends a row of the batch to those of a profile. */
  take(row: number, into: PendingRows): void {
    const { columns } = this;
    for (let c = 0; c < columns.length; c++) {
      const column = columns[c]!;
      const { rows, count, nullRows, nullCount } = column;
      let at = this.#nextValue[c]!;
      while (at < count && rows[at]! < row) at++;
      for (; at < count && rows[at] === row; at++) into.appendValue(c, column, at);
      this.#nextValue[c] = at;
      if (nullCount === 0) continue;
      at = this.#nextNull[c]!;
      while (at < nullCount && nullRows[at]! < row) at++;
      for (; at < nullCount && nullRows[at] === row; at++) into.appendNull(c);
      this.#nextNull[c] = at;
    }
    into.rowCount++;
  }
}

export class PendingRows {
  readonly plan: PendingPlan;
  rowCount = 0;
  /**
   * Of each value: its column and the words of its hash; then of text its length in `#text`, of integers their words. A null:
   * -1 - its column.
   */
  #words = new Int32Array(FIRST_WORDS);
  #wordCount = 0;
  /** Of each value that is no text. */
  #numbers = new Float64Array(FIRST_WORDS / 4);
  #numberCount = 0;
  #text = new Uint8Array(FIRST_WORDS);
  #textLength = 0;

  constructor(plan: PendingPlan) {
    this.plan = plan;
  }

  get isFull(): boolean {
    return this.rowCount >= MOST_ROWS || this.#wordCount > MOST_WORDS || this.#textLength > MOST_TEXT_BYTES;
  }

  appendNull(column: number): void {
    this.#reserveWords(1);
    this.#words[this.#wordCount++] = -1 - column;
  }

  appendValue(index: number, column: PreparedColumn, at: number): void {
    this.#reserveWords(WORDS_PER_VALUE);
    const words = this.#words;
    let place = this.#wordCount;
    words[place++] = index;
    words[place++] = column.hashLo[at]!;
    words[place++] = column.hashHi[at]!;
    if (column.states.identity === "bytes") {
      const length = column.lengths[at]!;
      words[place++] = length;
      this.#appendText(column.arena, column.starts[at]!, length);
    } else {
      if (this.#numberCount === this.#numbers.length) this.#numbers = larger(this.#numbers);
      this.#numbers[this.#numberCount++] = column.numbers[at]!;
      if (column.states.range) {
        words[place++] = column.lo[at]!;
        words[place++] = column.hi[at]!;
      }
    }
    this.#wordCount = place;
  }

  /** Empty again; keeps its arrays. */
  clear(): void {
    this.rowCount = 0;
    this.#wordCount = 0;
    this.#numberCount = 0;
    this.#textLength = 0;
  }

  /** Gives the rows to the fields of their profile, and is empty then. */
  spread(profile: Profile): void {
    const { columns, gathered, run } = this.plan;
    const ends = this.#gather();
    const arena = Buffer.from(this.#text.buffer, 0, this.#textLength);
    for (let c = 0; c < columns.length; c++) {
      const { key, field, level, states } = columns[c]!;
      const from = c === 0 ? 0 : ends[c - 1]!;
      const to = ends[c]!;
      const target = profile.field(key, field, level);
      if (target === undefined) {
        profile.valuesLeftOut += to - from + NULLS[c]!;
        continue;
      }
      target.nulls += NULLS[c]!;
      const column = gathered[c]!;
      column.useGathered(GATHERED, arena, from, to);
      run.useWhole(column);
      run.select(from, to);
      target.update(run, field.kind);
      if (states.identity === "bytes") column.arena = NO_BYTES;
    }
    run.release();
    this.clear();
  }

  /** Sorts the values by column into `GATHERED`, the nulls into `NULLS`; returns where each column ends. */
  #gather(): Int32Array {
    const { columns } = this.plan;
    const words = this.#words;
    const wordCount = this.#wordCount;
    ENDS = grownWords(ENDS, columns.length).fill(0, 0, columns.length);
    NULLS = grownWords(NULLS, columns.length).fill(0, 0, columns.length);
    let values = 0;
    for (let at = 0; at < wordCount; ) {
      const c = words[at]!;
      if (c < 0) {
        NULLS[-1 - c]!++;
        at++;
        continue;
      }
      ENDS[c]!++;
      values++;
      at += wordsOf(columns[c]!);
    }
    // First where each column starts; filling it moves that on to where it ends.
    let start = 0;
    for (let c = 0; c < columns.length; c++) {
      const size = ENDS[c]!;
      ENDS[c] = start;
      start += size;
    }
    growGathered(values);
    const { numbers, lo, hi, hashLo, hashHi, starts, lengths } = GATHERED;
    let number = 0;
    let text = 0;
    for (let at = 0; at < wordCount; ) {
      const c = words[at]!;
      if (c < 0) {
        at++;
        continue;
      }
      const { states } = columns[c]!;
      const place = ENDS[c]!;
      ENDS[c] = place + 1;
      hashLo[place] = words[at + 1]!;
      hashHi[place] = words[at + 2]!;
      if (states.identity === "bytes") {
        const length = words[at + 3]!;
        starts[place] = text;
        lengths[place] = length;
        text += length;
      } else {
        numbers[place] = this.#numbers[number++]!;
        if (states.range) {
          lo[place] = words[at + 3]!;
          hi[place] = words[at + 4]!;
        }
      }
      at += wordsOf(columns[c]!);
    }
    return ENDS;
  }

  #appendText(arena: Uint8Array, start: number, length: number): void {
    const end = this.#textLength + length;
    if (end > this.#text.length) {
      const text = new Uint8Array(Math.max(end, 2 * this.#text.length));
      text.set(this.#text.subarray(0, this.#textLength));
      this.#text = text;
    }
    if (length > LONG_TEXT) this.#text.set(arena.subarray(start, start + length), this.#textLength);
    else for (let i = 0; i < length; i++) this.#text[this.#textLength + i] = arena[start + i]!;
    this.#textLength = end;
  }

  #reserveWords(count: number): void {
    if (this.#wordCount + count <= this.#words.length) return;
    const words = new Int32Array(2 * this.#words.length);
    words.set(this.#words);
    this.#words = words;
  }
}

/** Column, hash, and two words of an integer. */
const WORDS_PER_VALUE = 5;
/** Copied as a whole from here on. */
const LONG_TEXT = 64;
const NO_BYTES = Buffer.alloc(0);
/** Scratch; `GATHERED`: one column behind the other. */
let ENDS = new Int32Array(0);
let NULLS = new Int32Array(0);
const GATHERED: GatheredValues = {
  numbers: new Float64Array(0),
  lo: new Int32Array(0),
  hi: new Int32Array(0),
  hashLo: new Int32Array(0),
  hashHi: new Int32Array(0),
  starts: new Int32Array(0),
  lengths: new Int32Array(0),
};

function growGathered(values: number): void {
  GATHERED.numbers = grownDoubles(GATHERED.numbers, values);
  for (const name of ["lo", "hi", "hashLo", "hashHi", "starts", "lengths"] as const) {
    GATHERED[name] = grownWords(GATHERED[name], values);
  }
}

function wordsOf({ states }: PreparedColumn): number {
  if (states.identity === "bytes") return 4;
  return states.range ? 5 : 3;
}

function larger(array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const copy = new Float64Array(2 * array.length);
  copy.set(array);
  return copy;
}
