/**
 * The values of all columns of a batch in one heap, so that the reader has few arrays at hand and no object per column. What a
 * column has, one behind the other, each `AT_STRIDE` entries long:
 *
 *     doubles | rows | low words, or starts of bytes | high words, or lengths of bytes
 *
 * as its storage wants: bytes have no doubles, numbers no more words than rows. Where every row has one value, the rows are 0, 1, 2 … from
 * the start, and the table counts nothing. `AT_NUMBERS`, `AT_WORDS` (the rows) and `AT_NULL_WORDS` (the rows of its nulls) are places in the arrays
 * `numbers` and `words`, which are all of the heap. What has to grow moves to its end, if it is not there yet; the place where it
 * was is lost until the heap ends.
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

/** One line of the cache between arrays: at equal distances of a power of 2 they would all use the same few lines. */
const GAP_WORDS = 16;
/** Strides are multiples of it, so that vectors stay aligned. */
const STRIDE_UNIT = 4;

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
      this.#enter(index, capacity, heap.take(blockBytes(fields[index]!, strideOf(capacity))));
      if (!everyRow.has(index)) continue;
      const rows = this.table[index * COLUMN_WORDS + AT_WORDS]!;
      for (let row = 0; row < capacity; row++) this.words[rows + row] = row;
    }
  }

  /** Bytes that columns need at first, but for the table. */
  static firstBytes(fields: readonly FieldDescriptor[], capacity: number): number {
    let bytes = 0;
    for (const field of fields) bytes += blockBytes(field, strideOf(capacity));
    return bytes;
  }

  /** Makes room for more values of a column. */
  grow(index: number): void {
    const offset = index * COLUMN_WORDS;
    const field = this.#fields[index]!;
    const at = (entry: number) => this.table[offset + entry]!;
    const [count, words, stride, numbers] = [at(AT_COUNT), at(AT_WORDS), at(AT_STRIDE), at(AT_NUMBERS)];
    const capacity = 2 * at(AT_CAPACITY);
    // Where the column stands last it only stretches: one huge array would else leave all its places behind.
    const place = this.#heap.retake(numbers * 8, blockBytes(field, stride), blockBytes(field, strideOf(capacity)));
    this.#enter(index, capacity, place);
    // From the last lane on: the places of before and now may overlap.
    for (let lane = lanesOf(field) - 1; lane >= 0; lane--) {
      const from = words + lane * stride;
      this.words.copyWithin(at(AT_WORDS) + lane * at(AT_STRIDE), from, from + count);
    }
    if (hasNumbers(field)) this.numbers.copyWithin(at(AT_NUMBERS), numbers, numbers + count);
  }

  /** Makes room for more nulls of a column. */
  growNulls(index: number): void {
    const offset = index * COLUMN_WORDS;
    const count = this.table[offset + AT_NULL_COUNT]!;
    const before = this.table[offset + AT_NULL_WORDS]!;
    const capacityBefore = this.table[offset + AT_NULL_CAPACITY]!;
    const bytesBefore = capacityBefore === 0 ? 0 : (capacityBefore + GAP_WORDS) * 4;
    const capacity = Math.max(this.#firstCapacity, 2 * count);
    const place = this.#heap.retake(before * 4, bytesBefore, (capacity + GAP_WORDS) * 4) / 4;
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

  /** Empties all columns. */
  release(): void {
    const { table } = this;
    for (let offset = 0; offset < table.length; offset += COLUMN_WORDS) {
      table[offset + AT_COUNT] = 0;
      table[offset + AT_NULL_COUNT] = 0;
    }
  }

  /** Takes up the heap's arrays, which are others now. */
  #look(): void {
    const { words, doubles } = this.#heap;
    this.words = words;
    this.numbers = doubles;
    this.table = new Int32Array(words.buffer, this.tableAt, this.#fields.length * COLUMN_WORDS);
    this.version++;
  }

  /** Says that a column has its room, for `capacity` values, at this address. */
  #enter(index: number, capacity: number, address: number): void {
    const offset = index * COLUMN_WORDS;
    const stride = strideOf(capacity);
    const numbersBytes = hasNumbers(this.#fields[index]!) ? stride * 8 : 0;
    this.table[offset + AT_CAPACITY] = capacity;
    this.table[offset + AT_STRIDE] = stride;
    this.table[offset + AT_WORDS] = (address + numbersBytes) / 4;
    this.table[offset + AT_NUMBERS] = address / 8;
    this.version++;
  }
}

function strideOf(capacity: number): number {
  return Math.ceil(capacity / STRIDE_UNIT) * STRIDE_UNIT + GAP_WORDS;
}

/** All that a column takes, but for its nulls. */
function blockBytes(field: FieldDescriptor, stride: number): number {
  return stride * (4 * lanesOf(field) + (hasNumbers(field) ? 8 : 0));
}

function hasNumbers(field: FieldDescriptor): boolean {
  return field.storage !== "bytes";
}

function lanesOf(field: FieldDescriptor): number {
  return field.storage === "number" ? 1 : 3;
}
