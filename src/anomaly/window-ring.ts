/**
 * The last windows as rows of a matrix, one column per slot. Numbers are kept as 32-bit floats (relative error 6e−8:
 * far below the spread of any metric, at half the state); absent is NaN inside the ring and `undefined` outside.
 */
export interface WindowRingSnapshot {
  /** Windows that were ever taken in. */
  readonly taken: number;
  readonly indices: readonly number[];
  /** One base64 text per row, little-endian 32-bit floats. */
  readonly rows: readonly string[];
}

export class WindowRing {
  readonly #capacity: number;
  #indices: number[] = [];
  #rows: Float32Array[] = [];
  #taken = 0;

  constructor(capacity: number, snapshot?: WindowRingSnapshot) {
    this.#capacity = capacity;
    if (snapshot === undefined) return;
    this.#taken = snapshot.taken;
    this.#indices = [...snapshot.indices];
    this.#rows = snapshot.rows.map(decodeFloats);
  }

  get count(): number {
    return this.#rows.length;
  }

  /** Windows that were ever taken in, those that are gone among them. */
  get taken(): number {
    return this.#taken;
  }

  push(index: number, row: Float32Array): void {
    this.#taken++;
    this.#indices.push(index);
    this.#rows.push(row);
    if (this.#rows.length > this.#capacity) {
      this.#indices.shift();
      this.#rows.shift();
    }
  }

  indexAt(position: number): number {
    return this.#indices[position]!;
  }

  /** NaN where the metric was absent. */
  at(position: number, slot: number): number {
    const row = this.#rows[position]!;
    return slot < row.length ? row[slot]! : Number.NaN;
  }

  /** The numbers of a column in rows `[from, end)`, absent ones left out. */
  column(slot: number, from: number, end: number): number[] {
    const values: number[] = [];
    for (let position = from; position < end; position++) {
      const value = this.at(position, slot);
      if (!Number.isNaN(value)) values.push(value);
    }
    return values;
  }

  /** Forgets a column, because its slot goes to another metric. */
  clearSlot(slot: number): void {
    for (const row of this.#rows) if (slot < row.length) row[slot] = Number.NaN;
  }

  /** Moves a column in the rows before `index`: its level is another one since. */
  shiftSlot(slot: number, index: number, by: number): void {
    for (const [position, row] of this.#rows.entries()) {
      if (this.#indices[position]! < index && slot < row.length) row[slot]! += by;
    }
  }

  snapshot(): WindowRingSnapshot {
    return { taken: this.#taken, indices: [...this.#indices], rows: this.#rows.map(encodeFloats) };
  }
}

function encodeFloats(values: Float32Array): string {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  for (let i = 0; i < values.length; i++) view.setFloat32(i * 4, values[i]!, true);
  let text = "";
  for (let i = 0; i < view.byteLength; i++) text += String.fromCharCode(view.getUint8(i));
  return btoa(text);
}

function decodeFloats(text: string): Float32Array {
  const bytes = atob(text);
  const view = new DataView(new ArrayBuffer(bytes.length));
  for (let i = 0; i < bytes.length; i++) view.setUint8(i, bytes.charCodeAt(i));
  const values = new Float32Array(bytes.length / 4);
  for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(i * 4, true);
  return values;
}
