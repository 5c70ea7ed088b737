import type {
  Column,
  ColumnBatch,
  EventBytes,
  EventReader,
  FieldDescriptor,
  KernelRoom,
} from "../core/column-batch.ts";
import type { AvroProgram } from "./avro-interpreter.ts";
import { BatchHeap } from "./batch-heap.ts";
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
import { createReadKernel, type ReadKernel } from "./read-kernel.ts";

/** Largest arena; positions in it must stay below 2^31. */
export const MAX_ARENA_BYTES = 1_073_741_824;
/**
 * Bytes beyond twice its first ones with which a heap outlasts a reset. A batch with more than that says that it is full, so that no heap has
 * more than this and what one event needs; and its next reset lets go of it.
 */
const KEPT_BYTES = 16_777_216;
/** First size of the arena, per row. */
const PAYLOAD_BYTES_GUESS = 64;

const NO_INTEGERS = new Int32Array(0);
const NO_NUMBERS = new Float64Array(0);

/** Views of a column's part of the slab, made anew when that has moved. */
class AvroColumn implements Column {
  readonly field: FieldDescriptor;
  readonly #batch: AvroBatch;
  readonly #offset: number;
  readonly #isInEveryRow: boolean;
  /** The column that has the nulls; absent: this one. */
  readonly #nullColumn: AvroColumn | undefined;
  #slab: ColumnSlab | undefined;
  #version = -1;
  #rows = NO_INTEGERS;
  #numbers = NO_NUMBERS;
  #second = NO_INTEGERS;
  #third = NO_INTEGERS;
  #nullRows = NO_INTEGERS;

  constructor(
    field: FieldDescriptor,
    batch: AvroBatch,
    index: number,
    isInEveryRow: boolean,
    nullColumn: AvroColumn | undefined,
  ) {
    this.field = field;
    this.#batch = batch;
    this.#offset = index * COLUMN_WORDS;
    this.#isInEveryRow = isInEveryRow;
    this.#nullColumn = nullColumn;
  }

  get count(): number {
    if (this.#isInEveryRow) return this.#batch.rowCount;
    return this.#batch.slab.table[this.#offset + AT_COUNT]!;
  }

  get nullCount(): number {
    if (this.#nullColumn !== undefined) return this.#nullColumn.nullCount;
    return this.#batch.slab.table[this.#offset + AT_NULL_COUNT]!;
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
    if (this.#nullColumn !== undefined) return this.#nullColumn.nullRows;
    this.#look();
    return this.#nullRows;
  }

  #look(): void {
    const { slab } = this.#batch;
    const { table, words, numbers, version } = slab;
    if (version === this.#version && slab === this.#slab) return;
    this.#slab = slab;
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

/** `isPlain`: without WebAssembly. @default false */
export interface AvroBatchOptions {
  readonly isPlain?: boolean;
}

export class AvroBatch implements ColumnBatch {
  readonly fields: readonly FieldDescriptor[];
  readonly columns: readonly Column[];
  readonly rowCapacity: number;
  rowCount = 0;
  arena!: Uint8Array;
  arenaLength!: number;
  /** Over the whole arena. */
  view!: DataView;
  slab!: ColumnSlab;
  readonly invalidUtf8: Uint8Array;
  readonly payloadBytes: Int32Array;
  readonly events: EventBytes;
  readonly #program: AvroProgram;
  readonly #isPlain: boolean;
  #heap!: BatchHeap;
  #kernel: ReadKernel | undefined;
  #arenaAt = 0;
  #arenaCapacity = 0;
  #keptBytes = 0;

  constructor(
    program: AvroProgram,
    reader: EventReader,
    rowCapacity: number,
    { isPlain = false }: AvroBatchOptions = {},
  ) {
    if (!Number.isInteger(rowCapacity) || rowCapacity < 1) {
      throw new RangeError(`Cannot create a batch: row capacity is ${rowCapacity}, expected a positive integer`);
    }
    const { fields, everyRow, nullsOf } = program;
    this.fields = fields;
    this.#program = program;
    this.#isPlain = isPlain;
    const columns: AvroColumn[] = [];
    for (const [index, field] of fields.entries()) {
      // The first branch of a union, which stands before the others.
      const nulls = nullsOf[index]! < index ? columns[nullsOf[index]!] : undefined;
      columns.push(new AvroColumn(field, this, index, everyRow.has(index), nulls));
    }
    this.columns = columns;
    this.rowCapacity = rowCapacity;
    this.invalidUtf8 = new Uint8Array(rowCapacity);
    this.payloadBytes = new Int32Array(rowCapacity);
    this.events = { starts: new Int32Array(rowCapacity), reader };
    this.#layOut();
  }

  get room(): KernelRoom | undefined {
    return this.#heap.room;
  }

  /** Makes room for `bytes` behind `arenaLength`; false when that is more than an arena may have. */
  reserve(bytes: number): boolean {
    const needed = this.arenaLength + bytes;
    if (needed <= this.#arenaCapacity) return true;
    if (needed > MAX_ARENA_BYTES) return false;
    const before = this.#arenaAt;
    this.#placeArena(Math.min(MAX_ARENA_BYTES, Math.max(needed, 2 * this.#arenaCapacity)));
    if (this.#arenaAt !== before) this.#heap.bytes.copyWithin(this.#arenaAt, before, before + this.arenaLength);
    return true;
  }

  /** Reads the event in the arena's `[from, to)` into the next row, if it can be done the fast way; else leaves no trace. */
  readFast(from: number, to: number): boolean {
    if (this.#kernel === undefined) return false;
    const textEnd = this.#kernel.run(this.#arenaAt, from, to, this.rowCount);
    if (textEnd < 0) {
      this.slab.removeRow(this.rowCount);
      return false;
    }
    this.arenaLength = textEnd;
    return true;
  }

  get isFull(): boolean {
    return this.rowCount === this.rowCapacity || this.#heap.bytes.length > this.#keptBytes;
  }

  reset(): void {
    this.rowCount = 0;
    this.arenaLength = this.#program.symbols.length;
    if (this.#heap.bytes.length > this.#keptBytes) this.#layOut();
    else this.slab.release();
  }

  get #firstArenaBytes(): number {
    return this.#program.symbols.length + this.rowCapacity * PAYLOAD_BYTES_GUESS;
  }

  /** Begins a new heap. */
  #layOut(): void {
    const { fields, everyRow, symbols } = this.#program;
    const bytes = ColumnSlab.firstBytes(fields, this.rowCapacity) + this.#firstArenaBytes;
    this.#heap = new BatchHeap(bytes, this.#isPlain);
    this.#keptBytes = 2 * bytes + KEPT_BYTES;
    this.slab = new ColumnSlab(fields, everyRow, this.rowCapacity, this.#heap);
    this.#kernel = createReadKernel(this.#program, this.slab.tableAt, this.#heap);
    this.#arenaAt = 0;
    this.#arenaCapacity = 0;
    this.#placeArena(this.#firstArenaBytes);
    this.#heap.onMove(() => this.#look());
    this.arena.set(symbols);
    this.arenaLength = symbols.length;
  }

  /** Gives the arena `bytes` bytes. */
  #placeArena(bytes: number): void {
    this.#arenaAt = this.#heap.retake(this.#arenaAt, this.#arenaCapacity, bytes);
    this.#arenaCapacity = bytes;
    this.#look();
  }

  #look(): void {
    const { buffer } = this.#heap.bytes;
    this.arena = new Uint8Array(buffer, this.#arenaAt, this.#arenaCapacity);
    this.view = new DataView(buffer, this.#arenaAt, this.#arenaCapacity);
  }
}
