/**
 * Rows that a profile has counted but not yet taken into its states. Events that go to a thousand panes and slices come
 * as runs of one or two rows each, and to take such a run in costs many times what its values cost: every field has states
 * of its own, far apart in memory. So the bytes of a few events are laid one behind the other first, are read once more, and go
 * to the states together: a profile that sees few events is one array.
 *
 * Whoever asks a profile for what it keeps of its rows has them taken in before (`Profile.takePending()`). The order of the rows is kept.
 */
import type { ColumnBatch, EventReader } from "../core/column-batch.ts";
import type { Profile } from "./profile.ts";

/** A profile of fewer rows stays as it is: an event is a fraction of what its values take in states that have seen few of them. */
const MOST_ROWS = 512;
/** Large events fill it sooner. */
const MOST_BYTES = 131_072;
const FIRST_BYTES = 512;
/** In front of each event: its lag, and its length. */
const HEADER_BYTES = 12;

/** Takes all rows of a batch into the states of a profile; counters have seen them already. */
export type TakeRows = (batch: ColumnBatch, rows: WaitedRows, profile: Profile) => void;

/** What is known of rows that waited, besides their events. */
export interface WaitedRows {
  readonly schemaId: number;
  /** Broker timestamp − event time of each, milliseconds. */
  readonly lagsMs: Float64Array;
}

/** How events of one writer schema are read again. */
export class PendingPlan {
  readonly #reader: EventReader;
  readonly #take: TakeRows;
  readonly #lagsMs = new Float64Array(MOST_ROWS);
  #batch: ColumnBatch | undefined;

  constructor(reader: EventReader, take: TakeRows) {
    this.#reader = reader;
    this.#take = take;
  }

  /** Takes the events that lie in `bytes`, each behind its header, into a profile. */
  take(bytes: Uint8Array, length: number, schemaId: number, profile: Profile): void {
    this.#batch ??= this.#reader.createBatch(MOST_ROWS);
    const batch = this.#batch;
    const rows = { schemaId, lagsMs: this.#lagsMs };
    for (let at = 0; at < length; ) {
      for (let i = 0; i < HEADER_BYTES; i++) HEADER[i] = bytes[at + i]!;
      const from = at + HEADER_BYTES;
      const to = from + LENGTH[0]!;
      this.#lagsMs[batch.rowCount] = LAG[0]!;
      const outcome = this.#reader.read(batch, bytes, from, to);
      if (outcome !== "ok") throw new Error(`Cannot read an event again that was read before: ${outcome}`);
      at = to;
      if (at < length && !batch.isFull) continue;
      this.#take(batch, rows, profile);
      batch.reset();
    }
  }
}

export class PendingRows {
  readonly plan: PendingPlan;
  readonly schemaId: number;
  rowCount = 0;
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

  constructor(plan: PendingPlan, schemaId: number) {
    this.plan = plan;
    this.schemaId = schemaId;
  }

  get isFull(): boolean {
    return this.rowCount >= MOST_ROWS || this.#length > MOST_BYTES;
  }

  /** Of an event, its bytes in `source[start, start + length)`. */
  append(lagMs: number, source: Uint8Array, start: number, length: number): void {
    const at = this.#length;
    const end = at + HEADER_BYTES + length;
    if (end > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      bytes.set(this.#bytes.subarray(0, at));
      this.#bytes = bytes;
    }
    const bytes = this.#bytes;
    LAG[0] = lagMs;
    LENGTH[0] = length;
    for (let i = 0; i < HEADER_BYTES; i++) bytes[at + i] = HEADER[i]!;
    bytes.set(new Uint8Array(source.buffer, source.byteOffset + start, length), at + HEADER_BYTES);
    this.#length = end;
    this.rowCount++;
  }

  /** Empty again; keeps its array, unless one event has made it huge. */
  clear(): void {
    this.rowCount = 0;
    this.#length = 0;
    if (this.#bytes.length > 2 * MOST_BYTES) this.#bytes = new Uint8Array(FIRST_BYTES);
  }

  /** Gives the rows to the states of their profile, and is empty then. */
  spread(profile: Profile): void {
    this.plan.take(this.#bytes, this.#length, this.schemaId, profile);
    this.clear();
  }
}

/** Scratch: a header. */
const HEADER_BUFFER = new ArrayBuffer(16);
const HEADER = new Uint8Array(HEADER_BUFFER);
const LAG = new Float64Array(HEADER_BUFFER, 0, 1);
const LENGTH = new Int32Array(HEADER_BUFFER, 8, 1);
