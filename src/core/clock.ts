/**
 * Time is an argument: this file is the only one that reads the machine's clock.
 */

/** A running timer. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time, epoch milliseconds. */
  nowMs(): number;
  /** Time for durations, milliseconds from an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Runs `task` after `delayMs`; the task must not throw. */
  after(delayMs: number, task: () => void): Timer;
}

/** The machine's clock. Its timers do not keep the process alive. */
export function systemClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    after(delayMs, task) {
      const handle = setTimeout(task, delayMs);
      handle.unref();
      return { cancel: () => clearTimeout(handle) };
    },
  };
}

interface PendingTimer {
  readonly dueMs: number;
  readonly sequence: number;
  readonly task: () => void;
}

/**
 * A clock that moves only when told: for replay (its time is that of the records) and for tests.
 * Timers fire in order of their due time, ties in order of creation, inside `moveTo`.
 */
export class ManualClock implements Clock {
  #nowMs: number;
  #sequence = 0;
  #timers: PendingTimer[] = [];

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, sequence: this.#sequence++, task };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Moves to `timeMs` and fires what is due on the way; a time in the past changes nothing. */
  moveTo(timeMs: number): void {
    for (;;) {
      let next: PendingTimer | undefined;
      for (const timer of this.#timers) {
        if (timer.dueMs > timeMs) continue;
        if (
          next === undefined ||
          timer.dueMs < next.dueMs ||
          (timer.dueMs === next.dueMs && timer.sequence < next.sequence)
        ) {
          next = timer;
        }
      }
      if (next === undefined) break;
      const due = next;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#nowMs = Math.max(this.#nowMs, due.dueMs);
      due.task();
    }
    this.#nowMs = Math.max(this.#nowMs, timeMs);
  }

  advance(byMs: number): void {
    this.moveTo(this.#nowMs + byMs);
  }
}
