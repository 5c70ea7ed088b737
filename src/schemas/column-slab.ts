/**
 * The values of all columns of a batch in one heap, so that the reader has few arrays at hand and no object per column. A
 * column's 32-bit words, from `AT_WORDS` on, `AT_STRIDE` words each:
 *
 *     rows | low words, or starts of bytes | high words, or lengths of bytes
 *
 * the latter two as its storage wants. Where every row has one value, the rows are 0, 1, 2 … from the start, and the table
 * counts nothing. Its doubles lie from `AT_NUMBERS` on, the rows of its nulls from `AT_NULL_WORDS` on: places in the arrays
 * `words` and `numbers`, which are all of the heap. What has to grow moves to its end; the place where it was is lost.
 */
import type { FieldDescriptor } from "../core/column-batch.ts";
import type { BatchHeap } from "./batch-heap.ts";

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

/** Values of a column that outlast a reset. What a few huge events needed is let go. */
const KEPT_VALUES = 65_536;
/** One line of the cache between arrays: at equal distances of a power of 2 they would all use the same few lines. */
const GAP_WORDS = 16;

export class ColumnSlab {
  readonly tableAt: number;
  /** `COLUMN_WORDS` for each column. */
  table!: Int32Array<ArrayBuffer>;
  words!: Int32Array<ArrayBuffer>;
  numbers!: Float64Array<ArrayBuffer>;
  /** Counts the times that something moved. */
  version = 0;
  readonly #heap: BatchHeap;
  readonly #fields: readonly FieldDescriptor[];
  readonly #firstCapacity: number;

  /** `everyRow`: columns with exactly one value, and no null, in each of at most `capacity` rows. */
  constructor(fields: readonly FieldDescriptor[], everyRow: ReadonlySet<number>, capacity: number, heap: BatchHeap) {
    this.#heap = heap;
    this.#fields = fields;
    this.#firstCapacity = capacity;
    this.tableAt = heap.take(fields.length * COLUMN_WORDS * 4);
    this.#look();
    heap.onMove(() => this.#look());
    for (let index = 0; index < fields.length; index++) {
      this.#place(index, capacity);
      if (!everyRow.has(index)) continue;
      const rows = this.table[index * COLUMN_WORDS + AT_WORDS]!;
      for (let row = 0; row < capacity; row++) this.words[rows + row] = row;
    }
  }

  /** Bytes that columns need at first, but for the table. */
  static firstBytes(fields: readonly FieldDescriptor[], capacity: number): number {
    let bytes = 0;
    for (const field of fields) bytes += (4 * lanesOf(field) + 8) * (capacity + GAP_WORDS);
    return bytes;
  }

  /** Makes room for more values of a column. */
  grow(index: number): void {
    const offset = index * COLUMN_WORDS;
    const at = (entry: number) => this.table[offset + entry]!;
    const [count, words, stride, numbers] = [at(AT_COUNT), at(AT_WORDS), at(AT_STRIDE), at(AT_NUMBERS)];
    this.#place(index, 2 * at(AT_CAPACITY));
    for (let lane = 0; lane < lanesOf(this.#fields[index]!); lane++) {
      const from = words + lane * stride;
      this.words.copyWithin(at(AT_WORDS) + lane * at(AT_STRIDE), from, from + count);
    }
    if (this.#fields[index]!.storage !== "bytes") {
      this.numbers.copyWithin(at(AT_NUMBERS), numbers, numbers + count);
    }
  }

  /** Makes room for more nulls of a column. */
  growNulls(index: number): void {
    const offset = index * COLUMN_WORDS;
    const count = this.table[offset + AT_NULL_COUNT]!;
    const before = this.table[offset + AT_NULL_WORDS]!;
    const capacity = Math.max(this.#firstCapacity, 2 * count);
    const place = this.#heap.take((capacity + GAP_WORDS) * 4) / 4;
    this.words.copyWithin(place, before, before + count);
    this.table[offset + AT_NULL_CAPACITY] = capacity;
    this.table[offset + AT_NULL_WORDS] = place;
    this.version++;
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

  /** Empties all columns; false: some take so much that the heap should be let go. */
  release(): boolean {
    const { table } = this;
    const kept = Math.max(KEPT_VALUES, this.#firstCapacity);
    let isSmall = true;
    for (let offset = 0; offset < table.length; offset += COLUMN_WORDS) {
      table[offset + AT_COUNT] = 0;
      table[offset + AT_NULL_COUNT] = 0;
      if (table[offset + AT_CAPACITY]! > kept || table[offset + AT_NULL_CAPACITY]! > kept) isSmall = false;
    }
    return isSmall;
  }

  /** Takes up the heap's arrays, which are others now. */
  #look(): void {
    const { words, doubles } = this.#heap;
    this.words = words;
    this.numbers = doubles;
    this.table = new Int32Array(words.buffer, this.tableAt, this.#fields.length * COLUMN_WORDS);
    this.version++;
  }

  /** Gives a column room for `capacity` values. */
  #place(index: number, capacity: number): void {
    const offset = index * COLUMN_WORDS;
    const field = this.#fields[index]!;
    const stride = capacity + GAP_WORDS;
    const words = this.#heap.take(lanesOf(field) * stride * 4) / 4;
    const numbers = field.storage === "bytes" ? 0 : this.#heap.take(stride * 8) / 8;
    this.table[offset + AT_CAPACITY] = capacity;
    this.table[offset + AT_STRIDE] = stride;
    this.table[offset + AT_WORDS] = words;
    this.table[offset + AT_NUMBERS] = numbers;
    this.version++;
  }
}

function lanesOf(field: FieldDescriptor): number {
  return field.storage === "number" ? 1 : 3;
}
