/**
 * The values of all columns of a batch in two arrays, one of 32-bit words and one of doubles, so that the reader has few
 * arrays at hand and no object per column. A column's part of the words, from `AT_WORDS` on, `AT_STRIDE` words each:
 *
 *     rows | low words, or starts of bytes | high words, or lengths of bytes
 *
 * the latter two as its storage wants. Where every row has one value, the rows are 0, 1, 2 … from the start, and the table
 * counts nothing. Its doubles lie from `AT_NUMBERS` on, the rows of its nulls from `AT_NULL_WORDS` on.
 * What has to grow moves to the end of its array, if it is not there yet; the place where it was is lost until `release()`.
 */
import type { FieldDescriptor } from "../core/column-batch.ts";

/** Words of a column in the table, and what they hold. */
export const COLUMN_WORDS = 8;
export const AT_COUNT = 0;
export const AT_CAPACITY = 1;
export const AT_STRIDE = 2;
export const AT_WORDS = 3;
export const AT_NUMBERS = 4;
export const AT_NULL_COUNT = 5;
export const AT_NULL_CAPACITY = 6;
export const AT_NULL_WORDS = 7;

/** Values of a column that outlast `release()`. What a few huge events needed is let go. */
const KEPT_VALUES = 65_536;
/** One line of the cache between arrays: at equal distances of a power of 2 they would all use the same few lines. */
const GAP_WORDS = 16;

export class ColumnSlab {
  /** `COLUMN_WORDS` for each column. */
  readonly table: Int32Array;
  words = new Int32Array(0);
  numbers = new Float64Array(0);
  /** Counts the times that arrays moved. */
  version = 0;
  readonly #fields: readonly FieldDescriptor[];
  readonly #everyRow: ReadonlySet<number>;
  readonly #firstCapacity: number;
  #wordsUsed = 0;
  #numbersUsed = 0;

  /** `everyRow`: columns with exactly one value, and no null, in each of at most `capacity` rows. */
  constructor(fields: readonly FieldDescriptor[], everyRow: ReadonlySet<number>, capacity: number) {
    this.#fields = fields;
    this.#everyRow = everyRow;
    this.#firstCapacity = capacity;
    this.table = new Int32Array(fields.length * COLUMN_WORDS);
    this.#layOut();
  }

  /** Makes room for more values of a column. */
  grow(index: number): void {
    const { table } = this;
    const offset = index * COLUMN_WORDS;
    const count = table[offset + AT_COUNT]!;
    const [words, stride, numbers] = [offset + AT_WORDS, offset + AT_STRIDE, offset + AT_NUMBERS].map((i) => table[i]!);
    const lanes = lanesOf(this.#fields[index]!);
    const hasNumbers = this.#fields[index]!.storage !== "bytes";
    // The column that grew last stands at the end, and only stretches: one huge array would else leave all its places behind.
    if (words! + lanes * stride! === this.#wordsUsed) this.#wordsUsed = words!;
    if (hasNumbers && numbers! + stride! === this.#numbersUsed) this.#numbersUsed = numbers!;
    this.#place(index, 2 * table[offset + AT_CAPACITY]!);
    // From the last lane on: the places of before and now may overlap.
    for (let lane = lanes - 1; lane >= 0; lane--) {
      const to = table[offset + AT_WORDS]! + lane * table[offset + AT_STRIDE]!;
      this.words.copyWithin(to, words! + lane * stride!, words! + lane * stride! + count);
    }
    if (hasNumbers) this.numbers.copyWithin(table[offset + AT_NUMBERS]!, numbers!, numbers! + count);
  }

  /** Makes room for more nulls of a column. */
  growNulls(index: number): void {
    const { table } = this;
    const offset = index * COLUMN_WORDS;
    const count = table[offset + AT_NULL_COUNT]!;
    const before = table[offset + AT_NULL_WORDS]!;
    const capacity = Math.max(this.#firstCapacity, 2 * count);
    const place = this.#takeWords(capacity + GAP_WORDS);
    this.words.copyWithin(place, before, before + count);
    table[offset + AT_NULL_CAPACITY] = capacity;
    table[offset + AT_NULL_WORDS] = place;
  }

  /** Takes back what `row`, the newest, has added to any column. */
  removeRow(row: number): void {
    const { table, words } = this;
    for (let offset = 0; offset < table.length; offset += COLUMN_WORDS) {
      const rows = table[offset + AT_WORDS]!;
      const nullRows = table[offset + AT_NULL_WORDS]!;
      let count = table[offset + AT_COUNT]!;
      let nullCount = table[offset + AT_NULL_COUNT]!;
      while (count > 0 && words[rows + count - 1] === row) count--;
      while (nullCount > 0 && words[nullRows + nullCount - 1] === row) nullCount--;
      table[offset + AT_COUNT] = count;
      table[offset + AT_NULL_COUNT] = nullCount;
    }
  }

  /** Empties all columns. */
  release(): void {
    const { table } = this;
    const kept = Math.max(KEPT_VALUES, this.#firstCapacity);
    let isHuge = false;
    for (let offset = 0; offset < table.length; offset += COLUMN_WORDS) {
      table[offset + AT_COUNT] = 0;
      table[offset + AT_NULL_COUNT] = 0;
      if (table[offset + AT_CAPACITY]! > kept || table[offset + AT_NULL_CAPACITY]! > kept) isHuge = true;
    }
    if (isHuge) this.#layOut();
  }

  #layOut(): void {
    let words = 0;
    let numbers = 0;
    for (const field of this.#fields) {
      words += lanesOf(field) * (this.#firstCapacity + GAP_WORDS);
      if (field.storage !== "bytes") numbers += this.#firstCapacity + GAP_WORDS;
    }
    this.words = new Int32Array(words);
    this.numbers = new Float64Array(numbers);
    this.#wordsUsed = 0;
    this.#numbersUsed = 0;
    this.table.fill(0);
    for (let index = 0; index < this.#fields.length; index++) {
      this.#place(index, this.#firstCapacity);
      if (!this.#everyRow.has(index)) continue;
      const rows = this.table[index * COLUMN_WORDS + AT_WORDS]!;
      for (let row = 0; row < this.#firstCapacity; row++) this.words[rows + row] = row;
    }
  }

  /** Gives a column room for `capacity` values. */
  #place(index: number, capacity: number): void {
    const { table } = this;
    const offset = index * COLUMN_WORDS;
    const field = this.#fields[index]!;
    const stride = capacity + GAP_WORDS;
    table[offset + AT_CAPACITY] = capacity;
    table[offset + AT_STRIDE] = stride;
    table[offset + AT_WORDS] = this.#takeWords(lanesOf(field) * stride);
    if (field.storage !== "bytes") table[offset + AT_NUMBERS] = this.#takeNumbers(stride);
  }

  #takeWords(count: number): number {
    const place = this.#wordsUsed;
    this.#wordsUsed += count;
    if (this.#wordsUsed > this.words.length) {
      const larger = new Int32Array(Math.max(this.#wordsUsed, 2 * this.words.length));
      larger.set(this.words);
      this.words = larger;
    }
    this.version++;
    return place;
  }

  #takeNumbers(count: number): number {
    const place = this.#numbersUsed;
    this.#numbersUsed += count;
    if (this.#numbersUsed > this.numbers.length) {
      const larger = new Float64Array(Math.max(this.#numbersUsed, 2 * this.numbers.length));
      larger.set(this.numbers);
      this.numbers = larger;
    }
    return place;
  }
}

function lanesOf(field: FieldDescriptor): number {
  return field.storage === "number" ? 1 : 3;
}
