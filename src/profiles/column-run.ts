/** Runs of a prepared column: all of it as it stands, or its values gathered in the order of their groups. */

import type { TextLabels, TextSource } from "../sketches/text-labels.ts";
import { textMeasure } from "../sketches/text-shape.ts";
import { type Label, longLabel, numberLabel, textLabel } from "./labels.ts";
import type { PlacedColumn } from "./placed-column.ts";
import { grownDoubles, grownWords, type PreparedColumn } from "./prepared-column.ts";
import type { FieldRun } from "./value-states.ts";

export class ColumnRun implements FieldRun, TextSource {
  from = 0;
  to = 0;
  schemaId = 0;
  textLength = 0;
  numbers = EMPTY_DOUBLES;
  lo = EMPTY_WORDS;
  hi = EMPTY_WORDS;
  hashLo = EMPTY_WORDS;
  hashHi = EMPTY_WORDS;

  readonly #hashLabel: (text: string) => string;
  #column: PreparedColumn | undefined;
  /** Index in the column of value i of the run; absent: i. */
  #order: Int32Array | undefined;

  #numbers = new Float64Array(0);
  #sizes = new Float64Array(0);
  #lo = new Int32Array(0);
  #hi = new Int32Array(0);
  #hashesLo = new Int32Array(0);
  #hashesHi = new Int32Array(0);

  constructor(hashLabel: (text: string) => string) {
    this.#hashLabel = hashLabel;
  }

  useWhole(column: PreparedColumn): void {
    this.#column = column;
    this.#order = undefined;
    this.numbers = column.numbers;
    this.lo = column.lo;
    this.hi = column.hi;
    this.hashLo = column.hashLo;
    this.hashHi = column.hashHi;
  }

  /** Brings the values `order[0, count)` together; only what the field's states read. */
  useGathered(column: PreparedColumn, order: Int32Array, count: number): void {
    this.#column = column;
    this.#order = order;
    const { states } = column;
    if (states.identity !== "bytes") {
      this.#numbers = grownDoubles(this.#numbers, count);
      gatherDoubles(column.numbers, order, count, this.#numbers);
    }
    if (states.range) {
      this.#lo = grownWords(this.#lo, count);
      this.#hi = grownWords(this.#hi, count);
      gatherWords(column.lo, order, count, this.#lo);
      gatherWords(column.hi, order, count, this.#hi);
    }
    if (states.dictionary) {
      this.#hashesLo = grownWords(this.#hashesLo, count);
      this.#hashesHi = grownWords(this.#hashesHi, count);
      gatherWords(column.hashLo, order, count, this.#hashesLo);
      gatherWords(column.hashHi, order, count, this.#hashesHi);
    }
    this.numbers = this.#numbers;
    this.lo = this.#lo;
    this.hi = this.#hi;
    this.hashLo = this.#hashesLo;
    this.hashHi = this.#hashesHi;
  }

  select(from: number, to: number): void {
    this.from = from;
    this.to = to;
  }

  /** Lets go of the column. */
  release(): void {
    this.#column = undefined;
    this.#order = undefined;
  }

  sizes(): Float64Array {
    this.#sizes = grownDoubles(this.#sizes, this.to);
    for (let i = this.from; i < this.to; i++) this.#sizes[i] = this.#sizeAt(i);
    return this.#sizes;
  }

  measureInto(places: Int32Array, count: number, into: Float64Array, at: number): void {
    const column = this.#column!;
    if (column.states.identity === "bytes") {
      const measures = count * MANY_SHARE > this.to - this.from ? this.#placedMeasures() : undefined;
      if (measures !== undefined) {
        for (let i = 0; i < count; i++) into[at + i] = measures[places[i]!]!;
        return;
      }
      for (let i = 0; i < count; i++) into[at + i] = this.#sizeAt(places[i]!);
      return;
    }
    const { numbers } = this;
    for (let i = 0; i < count; i++) into[at + i] = numbers[places[i]!]!;
  }

  #sizeAt(place: number): number {
    const column = this.#column!;
    const index = this.#indexOf(place);
    const length = column.lengths[index]!;
    return column.field.kind === "string" ? textMeasure(column.arena, column.starts[index]!, length) : length;
  }

  get measuresAreLabels(): boolean {
    return this.#column!.numbersAreLabels;
  }

  labelAt(place: number): Label {
    const column = this.#column!;
    const index = this.#indexOf(place);
    switch (column.states.class) {
      case "text":
        return textLabel(column.arena, column.starts[index]!, column.lengths[index]!, column.policy, this.#hashLabel);
      case "bytes":
        return undefined;
      default:
        return column.field.kind === "long"
          ? longLabel(column.numbers[index]!, column.lo[index]!, column.hi[index]!, column.policy)
          : numberLabel(column.numbers[index]!, column.policy);
    }
  }

  get texts(): TextSource | undefined {
    const { policy, states } = this.#column!;
    return policy === "show" && states.class === "text" ? this : undefined;
  }

  giveText(place: number, entry: number, into: TextLabels): boolean {
    const { texts } = this;
    return texts !== undefined && into.take(entry, texts.textBytes, texts.findText(place), texts.textLength);
  }

  get textBytes(): Uint8Array {
    return this.#column!.arena;
  }

  findText(place: number): number {
    const column = this.#column!;
    const index = this.#indexOf(place);
    this.textLength = column.lengths[index]!;
    return column.starts[index]!;
  }

  /** `textMeasure()` of all strings of the run, taken at once. */
  #placedMeasures(): Float64Array | undefined {
    return this.#column!.field.kind === "string" ? this.placed()?.measures() : undefined;
  }

  placed(): PlacedColumn | undefined {
    const column = this.#column!;
    const isWhole = this.#order === undefined && this.from === 0 && this.to === column.count;
    return isWhole ? column.placed : undefined;
  }

  #indexOf(place: number): number {
    return this.#order === undefined ? place : this.#order[place]!;
  }
}

/** Where more than this part of a run's texts is to be measured, all are. */
const MANY_SHARE = 4;
const EMPTY_WORDS: Int32Array = new Int32Array(0);
const EMPTY_DOUBLES: Float64Array = new Float64Array(0);

function gatherDoubles(from: Float64Array, order: Int32Array, count: number, into: Float64Array): void {
  for (let i = 0; i < count; i++) into[i] = from[order[i]!]!;
}

function gatherWords(from: Int32Array, order: Int32Array, count: number, into: Int32Array): void {
  for (let i = 0; i < count; i++) into[i] = from[order[i]!]!;
}
