/**
 * The pairs of numbers of a profile, and how rows come to them. Groups of a few rows wait, as those of `PendingRows` do: their numbers are
 * laid one row behind the other, and go to the pairs together.
 *
 * Limit: the `PAIRS_MAX` pairs that come first in the order of their keys. As only the names decide, and a pair that is once out
 * of the limit never comes back, what is kept is complete in every split and order.
 */
import type { FieldDescriptor } from "../core/column-batch.ts";
import { PAIRS_MAX, type PairPaths } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { ByteReader, ByteWriter } from "../sketches/bytes.ts";
import { NumberPair, type PairSide, positionsOf, wordsOf } from "../sketches/number-pair.ts";
import { FIELD_CLASSES, type FieldClass } from "./field-kinds.ts";
import { choosePairs } from "./pair-choice.ts";
import { grownDoubles, type PreparedColumn } from "./prepared-column.ts";

/** Groups of fewer rows wait for others. */
const LEAST_SPREAD_ROWS = 64;
const FIRST_ROWS = 4;

/** Of two fields of one class. */
export interface FieldPair {
  readonly first: string;
  readonly second: string;
  readonly class: FieldClass;
  readonly state: NumberPair;
}

/** Pairs of the columns of one writer schema. */
export class PairPlan {
  readonly #pairs: readonly (Omit<FieldPair, "state"> & { readonly x: number; readonly y: number })[];
  /** Those of a pair, each once. */
  readonly columns: readonly PreparedColumn[];
  /** By row of the batch, and of rows that waited. */
  readonly #batch: readonly RowNumbers[];
  readonly #waiting: readonly RowNumbers[];

  constructor(
    columns: readonly PreparedColumn[],
    fields: readonly FieldDescriptor[],
    configured: readonly PairPaths[] | undefined,
  ) {
    const chosen = choosePairs(fields, configured);
    const used = [...new Set(chosen.flatMap(({ first, second }) => [first, second]))];
    this.columns = used.map((index) => columns[index]!);
    this.#pairs = chosen.map(({ first, second }) => ({
      first: fields[first]!.path,
      second: fields[second]!.path,
      class: columns[first]!.states.class,
      x: used.indexOf(first),
      y: used.indexOf(second),
    }));
    this.#batch = this.columns.map((column) => new RowNumbers(column));
    this.#waiting = this.columns.map((column) => new RowNumbers(column));
  }

  /** Brings the numbers of a batch that is prepared into the order of its rows. */
  prepare(rowCount: number): void {
    for (const [i, column] of this.columns.entries()) this.#batch[i]!.takeColumn(column, rowCount);
  }

  /** Takes the rows `order[from, to)` of the batch. */
  add(pairs: NumberPairs, order: Int32Array, from: number, to: number): void {
    if (this.columns.length === 0) return;
    if (to - from >= LEAST_SPREAD_ROWS) {
      pairs.spread();
      this.#update(pairs, this.#batch, order, from, to);
      return;
    }
    const rows = pairs.waiting(this);
    for (let i = from; i < to; i++) {
      rows.reserve();
      for (const { values } of this.#batch) rows.numbers[rows.numberCount++] = values[order[i]!]!;
      if (rows.numberCount >= LEAST_SPREAD_ROWS * this.columns.length) pairs.spread();
    }
  }

  /** Takes rows that waited: their numbers, row by row. */
  addWaiting(pairs: NumberPairs, numbers: Float64Array, numberCount: number): void {
    const width = this.columns.length;
    const rowCount = numberCount / width;
    for (const [i, side] of this.#waiting.entries()) side.takeEvery(numbers, i, width, rowCount);
    this.#update(pairs, this.#waiting, IN_ORDER, 0, rowCount);
  }

  #update(pairs: NumberPairs, sides: readonly PairSide[], order: Int32Array, from: number, to: number): void {
    for (const pair of this.#pairs) {
      pairs.stateOf(pair)?.updateMany(sides[pair.x]!, sides[pair.y]!, order, from, to);
    }
  }
}

export class NumberPairs {
  readonly #byKey = new Map<string, FieldPair>();
  #waiting: WaitingRows | undefined;

  /** In the order of their keys. */
  list(): FieldPair[] {
    this.spread();
    return [...this.#byKey].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([, pair]) => pair);
  }

  /** As new; rows that wait are forgotten. */
  clear(): void {
    this.#byKey.clear();
    if (this.#waiting !== undefined) this.#waiting.numberCount = 0;
  }

  merge(other: NumberPairs): void {
    this.spread();
    for (const { state, ...pair } of other.list()) this.stateOf(pair)?.merge(state);
  }

  /** The state of a pair, made when it is not there; `undefined` when it is beyond the limit. */
  stateOf({ first, second, class: fieldClass }: Omit<FieldPair, "state">): NumberPair | undefined {
    const key = `${first},${second}#${fieldClass}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known.state;
    if (this.#byKey.size >= PAIRS_MAX) {
      let last = key;
      for (const other of this.#byKey.keys()) if (other > last) last = other;
      if (last === key) return undefined;
      this.#byKey.delete(last);
    }
    const state = new NumberPair();
    this.#byKey.set(key, { first, second, class: fieldClass, state });
    return state;
  }

  /** Where rows of these columns wait. */
  waiting(plan: PairPlan): WaitingRows {
    if (this.#waiting?.plan !== plan) {
      this.spread();
      this.#waiting = new WaitingRows(plan);
    }
    return this.#waiting;
  }

  /** Gives the rows that wait to the pairs. */
  spread(): void {
    const rows = this.#waiting;
    if (rows === undefined || rows.numberCount === 0) return;
    const { numberCount } = rows;
    rows.numberCount = 0;
    rows.plan.addWaiting(this, rows.numbers, numberCount);
  }

  /** varint pairs, each: first and second path, u8 class, state. */
  write(writer: ByteWriter): void {
    const pairs = this.list();
    writer.varint(pairs.length);
    for (const { first, second, class: fieldClass, state } of pairs) {
      writer.string(first);
      writer.string(second);
      writer.u8(FIELD_CLASSES.indexOf(fieldClass));
      state.write(writer);
    }
  }

  /** Into one that is empty. @throws {StreamgaugeError} `SG_CORRUPT` */
  read(reader: ByteReader): void {
    for (let left = reader.count(4); left > 0; left--) {
      const first = reader.string();
      const second = reader.string();
      const fieldClass = FIELD_CLASSES[reader.u8()];
      if (fieldClass === undefined) throw new StreamgaugeError("SG_CORRUPT", "Cannot read pairs: unknown class");
      const state = NumberPair.read(reader);
      this.stateOf({ first, second, class: fieldClass })?.merge(state);
    }
  }
}

/** Numbers of rows that wait, one row behind the other; NaN where there is none. */
class WaitingRows {
  readonly plan: PairPlan;
  numbers: Float64Array;
  numberCount = 0;

  constructor(plan: PairPlan) {
    this.plan = plan;
    this.numbers = new Float64Array(FIRST_ROWS * plan.columns.length);
  }

  /** Makes room for one row. */
  reserve(): void {
    if (this.numberCount < this.numbers.length) return;
    const numbers = new Float64Array(2 * this.numbers.length);
    numbers.set(this.numbers);
    this.numbers = numbers;
  }
}

class RowNumbers implements PairSide {
  values = new Float64Array(0);
  positions = new Float64Array(0);
  /** Of times no correlation is told: they only say that time went by. */
  readonly #isPositioned: boolean;
  #words: Int32Array = new Int32Array(0);

  constructor({ states }: PreparedColumn) {
    this.#isPositioned = states.class === "number";
  }

  /** One number in a row at most. */
  takeColumn({ count, rows, numbers }: PreparedColumn, rowCount: number): void {
    this.#reserve(rowCount);
    const { values } = this;
    if (count === rowCount) {
      values.set(numbers.subarray(0, count));
    } else {
      values.fill(Number.NaN, 0, rowCount);
      for (let i = 0; i < count; i++) values[rows[i]!] = numbers[i]!;
    }
    this.#place(rowCount);
  }

  /** The numbers at `first`, `first + step` and so on. */
  takeEvery(numbers: Float64Array, first: number, step: number, rowCount: number): void {
    this.#reserve(rowCount);
    for (let row = 0; row < rowCount; row++) this.values[row] = numbers[first + row * step]!;
    this.#place(rowCount);
  }

  #place(rowCount: number): void {
    if (this.#isPositioned) positionsOf(this.values, this.#words, rowCount, this.positions);
  }

  #reserve(rowCount: number): void {
    if (rowCount <= this.values.length) return;
    this.values = grownDoubles(this.values, rowCount);
    this.positions = grownDoubles(this.positions, rowCount);
    this.#words = wordsOf(this.values);
  }
}

const IN_ORDER = Int32Array.from({ length: LEAST_SPREAD_ROWS }, (_, row) => row);
