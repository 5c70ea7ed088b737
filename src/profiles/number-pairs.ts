/**
 * The pairs of numbers of a profile, and how rows come to them.
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
  readonly #columns: readonly PreparedColumn[];
  /** By row of the batch. */
  readonly #sides: readonly RowNumbers[];

  constructor(
    columns: readonly PreparedColumn[],
    fields: readonly FieldDescriptor[],
    configured: readonly PairPaths[] | undefined,
  ) {
    const chosen = choosePairs(fields, configured);
    const used = [...new Set(chosen.flatMap(({ first, second }) => [first, second]))];
    this.#columns = used.map((index) => columns[index]!);
    this.#pairs = chosen.map(({ first, second }) => ({
      first: fields[first]!.path,
      second: fields[second]!.path,
      class: columns[first]!.states.class,
      x: used.indexOf(first),
      y: used.indexOf(second),
    }));
    this.#sides = this.#columns.map((column) => new RowNumbers(column));
  }

  /** Brings the numbers of a batch that is prepared into the order of its rows. */
  prepare(rowCount: number): void {
    for (const [i, column] of this.#columns.entries()) this.#sides[i]!.takeColumn(column, rowCount);
  }

  /** Takes the rows `order[from, to)` of the batch. */
  add(pairs: NumberPairs, order: Int32Array, from: number, to: number): void {
    for (const pair of this.#pairs) {
      pairs.stateOf(pair)?.updateMany(this.#sides[pair.x]!, this.#sides[pair.y]!, order, from, to);
    }
  }
}

export class NumberPairs {
  readonly #byKey = new Map<string, FieldPair>();

  /** In the order of their keys. */
  list(): FieldPair[] {
    return [...this.#byKey].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([, pair]) => pair);
  }

  /** As new. */
  clear(): void {
    this.#byKey.clear();
  }

  merge(other: NumberPairs): void {
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
