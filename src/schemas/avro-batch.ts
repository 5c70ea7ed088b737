import type { Column, ColumnBatch, FieldDescriptor } from "../core/column-batch.ts";

/** Largest arena; positions in it must stay below 2^31. */
export const MAX_ARENA_BYTES = 1_073_741_824;
/** Bytes of an arena, and values of a column, that outlast a reset. What a few huge events needed is let go. */
const KEPT_ARENA_BYTES = 16_777_216;
const KEPT_VALUES = 65_536;
/** First size of the arena, per row. */
const PAYLOAD_BYTES_GUESS = 64;

const NO_INTEGERS = new Int32Array(0);
const NO_NUMBERS = new Float64Array(0);

export class AvroColumn implements Column {
  readonly field: FieldDescriptor;
  count = 0;
  rows: Int32Array;
  numbers: Float64Array = NO_NUMBERS;
  lo: Int32Array = NO_INTEGERS;
  hi: Int32Array = NO_INTEGERS;
  starts: Int32Array = NO_INTEGERS;
  lengths: Int32Array = NO_INTEGERS;
  nullCount = 0;
  nullRows: Int32Array = NO_INTEGERS;
  readonly #firstCapacity: number;

  constructor(field: FieldDescriptor, capacity: number) {
    this.field = field;
    this.#firstCapacity = capacity;
    this.rows = NO_INTEGERS;
    this.#allocate(capacity);
  }

  addNumber(row: number, value: number): void {
    const index = this.#add(row);
    this.numbers[index] = value;
  }

  addLong(row: number, value: number, lo: number, hi: number): void {
    const index = this.#add(row);
    this.numbers[index] = value;
    this.lo[index] = lo;
    this.hi[index] = hi;
  }

  addBytes(row: number, start: number, length: number): void {
    const index = this.#add(row);
    this.starts[index] = start;
    this.lengths[index] = length;
  }

  addNull(row: number): void {
    const index = this.nullCount;
    if (index === this.nullRows.length) {
      const grown = new Int32Array(Math.max(this.#firstCapacity, 2 * index));
      grown.set(this.nullRows);
      this.nullRows = grown;
    }
    this.nullRows[index] = row;
    this.nullCount = index + 1;
  }

  /** Takes back what `row`, the newest, has added. */
  removeRow(row: number): void {
    while (this.count > 0 && this.rows[this.count - 1] === row) this.count--;
    while (this.nullCount > 0 && this.nullRows[this.nullCount - 1] === row) this.nullCount--;
  }

  reset(): void {
    this.count = 0;
    this.nullCount = 0;
    if (this.rows.length > Math.max(KEPT_VALUES, this.#firstCapacity)) this.#allocate(this.#firstCapacity);
    if (this.nullRows.length > Math.max(KEPT_VALUES, this.#firstCapacity)) this.nullRows = NO_INTEGERS;
  }

  /** Index of a new value of `row`; afterwards the arrays have room for it. */
  #add(row: number): number {
    const index = this.count;
    if (index === this.rows.length) this.#allocate(2 * index);
    this.rows[index] = row;
    this.count = index + 1;
    return index;
  }

  /** Gives the arrays of the field's storage `capacity` and copies the values. */
  #allocate(capacity: number): void {
    this.rows = resized(this.rows, capacity, this.count);
    if (this.field.storage === "bytes") {
      this.starts = resized(this.starts, capacity, this.count);
      this.lengths = resized(this.lengths, capacity, this.count);
      return;
    }
    const numbers = new Float64Array(capacity);
    numbers.set(this.numbers.subarray(0, this.count));
    this.numbers = numbers;
    if (this.field.storage === "long") {
      this.lo = resized(this.lo, capacity, this.count);
      this.hi = resized(this.hi, capacity, this.count);
    }
  }
}

export class AvroBatch implements ColumnBatch {
  readonly fields: readonly FieldDescriptor[];
  readonly columns: readonly AvroColumn[];
  readonly rowCapacity: number;
  rowCount = 0;
  arena: Uint8Array;
  arenaLength: number;
  /** Over the whole arena. */
  view: DataView;
  readonly invalidUtf8: Uint8Array;
  readonly payloadBytes: Int32Array;
  readonly #symbols: Uint8Array;

  /** `symbols` stands in front of the arena. */
  constructor(fields: readonly FieldDescriptor[], symbols: Uint8Array, rowCapacity: number) {
    if (!Number.isInteger(rowCapacity) || rowCapacity < 1) {
      throw new RangeError(`Cannot create a batch: row capacity is ${rowCapacity}, expected a positive integer`);
    }
    this.fields = fields;
    this.columns = fields.map((field) => new AvroColumn(field, rowCapacity));
    this.rowCapacity = rowCapacity;
    this.invalidUtf8 = new Uint8Array(rowCapacity);
    this.payloadBytes = new Int32Array(rowCapacity);
    this.#symbols = symbols;
    this.arena = new Uint8Array(symbols.length + rowCapacity * PAYLOAD_BYTES_GUESS);
    this.arena.set(symbols);
    this.arenaLength = symbols.length;
    this.view = new DataView(this.arena.buffer);
  }

  /** Makes room for `bytes` behind `arenaLength`; false when that is more than an arena may have. */
  reserve(bytes: number): boolean {
    const needed = this.arenaLength + bytes;
    if (needed <= this.arena.length) return true;
    if (needed > MAX_ARENA_BYTES) return false;
    this.#replaceArena(Math.min(MAX_ARENA_BYTES, Math.max(needed, 2 * this.arena.length)));
    return true;
  }

  reset(): void {
    this.rowCount = 0;
    this.arenaLength = this.#symbols.length;
    for (const column of this.columns) column.reset();
    const firstLength = this.#symbols.length + this.rowCapacity * PAYLOAD_BYTES_GUESS;
    if (this.arena.length > Math.max(KEPT_ARENA_BYTES, firstLength)) this.#replaceArena(firstLength);
  }

  #replaceArena(length: number): void {
    const arena = new Uint8Array(length);
    arena.set(this.arena.subarray(0, this.arenaLength));
    this.arena = arena;
    this.view = new DataView(arena.buffer);
  }
}

function resized(array: Int32Array, capacity: number, count: number): Int32Array {
  const grown = new Int32Array(capacity);
  grown.set(array.subarray(0, count));
  return grown;
}
