/** Hashes a batch: its columns, and from these the content of each row. */
import type { ColumnBatch, KernelRoom } from "../core/column-batch.ts";
import type { WasmMemory } from "../core/wasm-host.ts";
import { type ColumnKernels, createColumnKernels } from "../sketches/column-kernels.ts";
import { SCRATCH_BYTES } from "./placed-column.ts";
import { grownWords, hashBytesOf, type PreparedColumn } from "./prepared-column.ts";

export class HashedRows {
  /** Content hash of each row. */
  rowLo: Int32Array = new Int32Array(0);
  rowHi: Int32Array = new Int32Array(0);
  #ownLo = new Int32Array(0);
  #ownHi = new Int32Array(0);
  readonly #kernels = new WeakMap<WasmMemory, ColumnKernels>();

  /** Points `columns` to those of the batch, and hashes them and the rows. */
  hash(batch: ColumnBatch, columns: readonly PreparedColumn[]): void {
    const kernels = batch.room && this.#kernelsOf(batch.room.memory);
    if (batch.room !== undefined && kernels !== undefined) this.#hashInPlace(batch, batch.room, kernels, columns);
    else this.#hashCopies(batch, columns);
  }

  #hashCopies(batch: ColumnBatch, columns: readonly PreparedColumn[]): void {
    const { rowCount } = batch;
    this.#ownLo = grownWords(this.#ownLo, rowCount).fill(0, 0, rowCount);
    this.#ownHi = grownWords(this.#ownHi, rowCount).fill(0, 0, rowCount);
    this.rowLo = this.#ownLo;
    this.rowHi = this.#ownHi;
    for (const [i, column] of columns.entries()) {
      column.prepare(batch.columns[i]!, batch.arena);
      column.hash();
      if (!column.ignored) column.addToRowHashes(this.rowLo, this.rowHi, rowCount);
    }
  }

  #hashInPlace(batch: ColumnBatch, room: KernelRoom, kernels: ColumnKernels, columns: readonly PreparedColumn[]): void {
    const { rowCount } = batch;
    const rowBytes = hashBytesOf(rowCount);
    let bytes = rowBytes + SCRATCH_BYTES;
    // As much for columns with nulls as for others: in the next batch they lie where they lie now.
    const capacityOf = (i: number) => Math.max(rowCount, batch.columns[i]!.count);
    for (let i = 0; i < columns.length; i++) bytes += hashBytesOf(capacityOf(i));
    // Before the columns are looked at: it may move them.
    const rowLoAt = room.scratch(bytes);
    const rowHiAt = rowLoAt + rowBytes / 2;
    const { buffer } = room.memory;
    this.rowLo = new Int32Array(buffer, rowLoAt, rowCount).fill(0);
    this.rowHi = new Int32Array(buffer, rowHiAt, rowCount).fill(0);
    const scratchAt = rowLoAt + rowBytes;
    let at = scratchAt + SCRATCH_BYTES;
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i]!;
      column.prepare(batch.columns[i]!, batch.arena);
      const capacity = capacityOf(i);
      column.hashInPlace(kernels, buffer, at, capacity, scratchAt);
      at += hashBytesOf(capacity);
      if (column.ignored) continue;
      // Elements have factors of their own.
      if (column.field.level >= 0) column.addToRowHashes(this.rowLo, this.rowHi, rowCount);
      else column.addToRowHashesInPlace(kernels, rowLoAt, rowHiAt, rowCount);
    }
  }

  #kernelsOf(memory: WasmMemory): ColumnKernels | undefined {
    let kernels = this.#kernels.get(memory);
    if (kernels === undefined) {
      kernels = createColumnKernels(memory);
      if (kernels !== undefined) this.#kernels.set(memory, kernels);
    }
    return kernels;
  }
}
