/**
 * The tail of each column of a ring. To read one off means to sort the column; tails move little from window to window, so each is read off
 * once in a few windows, the columns taking turns. Which windows it rests on follows from the count of windows and the column's turn, so
 * that a restored ring has the same tails.
 */
import { type Tail, tailOf } from "./tail.ts";
import type { WindowRing } from "./window-ring.ts";

/** Windows between two readings of a column. The ring holds so many more than its tails rest on. */
export const TAIL_EVERY = 7;
/** Where there are fewer windows each one counts. */
const SETTLED_FROM = 60;

export class RingTails {
  readonly #ring: WindowRing;
  readonly #windows: number;
  readonly #least: number;
  readonly #turnOf: (slot: number) => number;
  /** By slot: the tail, and the windows that had been taken in when it was read off. */
  #tails: (Tail | undefined)[] = [];
  #readAt: number[] = [];

  /**
   * `windows`: newest ones that a tail rests on. `least`: values without which a column has none. `turnOf`: an integer that belongs to the
   * metric in a slot, and not to the slot, or the order of the metrics would show in their tails.
   */
  constructor(ring: WindowRing, windows: number, least: number, turnOf: (slot: number) => number) {
    this.#ring = ring;
    this.#windows = windows;
    this.#least = least;
    this.#turnOf = turnOf;
  }

  /** Undefined: there are too few values. */
  tail(slot: number): Tail | undefined {
    const { taken } = this.#ring;
    const at = taken < SETTLED_FROM ? taken : taken - ((taken + this.#turnOf(slot)) % TAIL_EVERY);
    if (this.#readAt[slot] === at) return this.#tails[slot];
    const sizes = this.#sizes(slot, this.#ring.count - (taken - at));
    this.#tails[slot] = sizes.length < this.#least ? undefined : tailOf(sizes);
    this.#readAt[slot] = at;
    return this.#tails[slot];
  }

  /** The slot goes to another metric. */
  forget(slot: number): void {
    this.#readAt[slot] = -1;
  }

  /** Of the values that are there in the rows before `end`. */
  #sizes(slot: number, end: number): Float64Array {
    const from = Math.max(0, end - this.#windows);
    const sizes = new Float64Array(Math.max(0, end - from));
    let count = 0;
    for (let position = from; position < end; position++) {
      const value = this.#ring.at(position, slot);
      if (!Number.isNaN(value)) sizes[count++] = Math.abs(value);
    }
    return sizes.subarray(0, count);
  }
}
