import type { Column, ColumnBatch, FieldDescriptor } from "../core/column-batch.ts";
import type { AvroProgram } from "./avro-interpreter.ts";
import {
  AT_CAPACITY,
  AT_COUNT,
  AT_NULL_CAPACITY,
  AT_NULL_COUNT,
  AT_NULL_WORDS,
  AT_NUMBERS,
  AT_STRIDE,
  AT_WORDS,
  COLUMN_WORDS,
  ColumnSlab,
} from "./column-slab.ts";

/** Largest arena; positions in it must stay below 2^31. */
export const MAX_ARENA_BYTES = 1_073_741_824;
/** Bytes of an arena that outlast a reset. What a few huge events needed is let go. */
const KEPT_ARENA_BYTES = 16_777_216;
/** First size of the arena, per row. */
const PAYLOAD_BYTES_GUESS = 64;

const NO_INTEGERS = new Int32Array(0);
const NO_NUMBERS = new Float64Array(0);

/** Views of a column's part of the slab, made anew when that has moved. */
class AvroColumn implements Column {
  readonly field: FieldDescriptor;
  readonly #batch: AvroBatch;
  readonly #slab: ColumnSlab;
  readonly #offset: number;
  readonly #isInEveryRow: boolean;
  #version = -1;
  #rows = NO_INTEGERS;
  #numbers = NO_NUMBERS;
  #second = NO_INTEGERS;
  #third = NO_INTEGERS;
  #nullRows = NO_INTEGERS;

  constructor(field: FieldDescriptor, batch: AvroBatch, index: number, isInEveryRow: boolean) {
    this.field = field;
    this.#batch = batch;
    this.#slab = batch.slab;
    this.#offset = index * COLUMN_WORDS;
    this.#isInEveryRow = isInEveryRow;
  }

  get count(): number {
    if (this.#isInEveryRow) return this.#batch.rowCount;
    return this.#slab.table[this.#offset + AT_COUNT]!;
  }

  get nullCount(): number {
    return this.#slab.table[this.#offset + AT_NULL_COUNT]!;
  }

  get rows(): Int32Array {
    this.#look();
    return this.#rows;
  }

  get numbers(): Float64Array {
    this.#look();
    return this.#numbers;
  }

  get lo(): Int32Array {
    this.#look();
    return this.field.storage === "long" ? this.#second : NO_INTEGERS;
  }

  get hi(): Int32Array {
    this.#look();
    return this.field.storage === "long" ? this.#third : NO_INTEGERS;
  }

  get starts(): Int32Array {
    this.#look();
    return this.field.storage === "bytes" ? this.#second : NO_INTEGERS;
  }

  get lengths(): Int32Array {
    this.#look();
    return this.field.storage === "bytes" ? this.#third : NO_INTEGERS;
  }

  get nullRows(): Int32Array {
    this.#look();
    return this.#nullRows;
  }

  #look(): void {
    const { table, words, numbers, version } = this.#slab;
    if (version === this.#version) return;
    this.#version = version;
    const at = (entry: number) => table[this.#offset + entry]!;
    const lane = (index: number) => {
      const start = at(AT_WORDS) + index * at(AT_STRIDE);
      return words.subarray(start, start + at(AT_CAPACITY));
    };
    this.#rows = lane(0);
    this.#nullRows = words.subarray(at(AT_NULL_WORDS), at(AT_NULL_WORDS) + at(AT_NULL_CAPACITY));
    if (this.field.storage !== "bytes") {
      this.#numbers = numbers.subarray(at(AT_NUMBERS), at(AT_NUMBERS) + at(AT_CAPACITY));
    }
    if (this.field.storage === "number") return;
    this.#second = lane(1);
    this.#third = lane(2);
  }
}

/** What a batch needs to know of the program that fills it. */
type BatchLayout = Pick<AvroProgram, "fields" | "everyRow" | "symbols">;

export class AvroBatch implements ColumnBatch {
  readonly fields: readonly FieldDescriptor[];
  readonly columns: readonly Column[];
  readonly slab: ColumnSlab;
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
  constructor({ fields, everyRow, symbols }: BatchLayout, rowCapacity: number) {
    if (!Number.isInteger(rowCapacity) || rowCapacity < 1) {
      throw new RangeError(`Cannot create a batch: row capacity is ${rowCapacity}, expected a positive integer`);
    }
    this.fields = fields;
    this.slab = new ColumnSlab(fields, everyRow, rowCapacity);
    this.columns = fields.map((field, index) => new AvroColumn(field, this, index, everyRow.has(index)));
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
    this.slab.release();
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
