/**
 * By how much a timer comes late, which is how long the event loop was kept from turning.
 *
 * `monitorEventLoopDelay` of Node is not used: its `reset` forgets when the last tick was, so that a stall which begins
 * right after a scrape (the work that had waited for it) is never seen.
 */
import type { Clock, Timer } from "../core/clock.ts";

export interface LoopWatchOptions {
  readonly clock: Clock;
  /** Milliseconds between two beats. */
  readonly everyMs: number;
  /** Told after each beat, milliseconds. */
  readonly onBeat?: (lateMs: number) => void;
}

export class LoopWatch {
  readonly #options: LoopWatchOptions;
  #timer: Timer;
  /** When the last beat was. */
  #beatMs: number;
  #lastLateMs = 0;

  constructor(options: LoopWatchOptions) {
    this.#options = options;
    this.#beatMs = options.clock.monotonicMs();
    this.#timer = this.#next();
  }

  /** How late the last beat was or, if that is more, the next one is already; milliseconds. */
  get lateMs(): number {
    return Math.max(this.#lastLateMs, this.#lateness());
  }

  stop(): void {
    this.#timer.cancel();
  }

  #lateness(): number {
    const { clock, everyMs } = this.#options;
    // A timer may come a part of a millisecond early.
    return Math.max(0, clock.monotonicMs() - this.#beatMs - everyMs);
  }

  #next(): Timer {
    const { clock, everyMs, onBeat } = this.#options;
    return clock.after(everyMs, () => {
      this.#lastLateMs = this.#lateness();
      this.#beatMs = clock.monotonicMs();
      this.#timer = this.#next();
      onBeat?.(this.#lastLateMs);
    });
  }
}
