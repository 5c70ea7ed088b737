/** Time that moves from timer to timer: whatever happens between two of them takes none. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock, Timer } from "../../src/core/clock.ts";

interface Pending {
  readonly dueMs: number;
  readonly task: () => void;
}

export class VirtualClock implements Clock {
  #nowMs: number;
  /** In order of their due time, ties in order of creation. */
  readonly #pending: Pending[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const pending = { dueMs: this.#nowMs + Math.max(0, delayMs), task };
    let low = 0;
    let high = this.#pending.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#pending[middle]!.dueMs <= pending.dueMs) low = middle + 1;
      else high = middle;
    }
    this.#pending.splice(low, 0, pending);
    return {
      cancel: () => {
        const at = this.#pending.indexOf(pending);
        if (at >= 0) this.#pending.splice(at, 1);
      },
    };
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /** Fires the next timer and lets everything that follows from it happen; false when there is none. */
  async step(): Promise<boolean> {
    const next = this.#pending.shift();
    if (next === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, next.dueMs);
    next.task();
    // The memory log gives way to other tasks in turns of its own; two of ours let it come to rest. Were it not at rest,
    // the run would still be a function of the seed, since nothing here waits for a real timer or socket.
    await nextTurn();
    await nextTurn();
    return true;
  }
}
