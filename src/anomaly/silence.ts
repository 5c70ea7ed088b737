/**
 * Windows without data where there usually is some are no news of what is normal: a detector that learned the zeros of an outage would take them
 * for usual after a while, call the stream well, and ring when the data comes back. So they are left out, as if the windows were missing.
 *
 * Not for ever: a stream that is empty at night from now on has to be learned. At most two seasons of windows are left out; each window with
 * data gives a quarter of one back.
 */
import type { VerdictKind } from "../core/verdict.ts";

/** JSON-safe. */
export interface SilenceSnapshot {
  /** Windows left out and not given back. */
  readonly leftOut: number;
  /** Start of the first window that was without data, where there usually is some, since the last one with data. */
  readonly sinceMs: number | null;
}

/** What was said of a window. */
export interface SilentWindow {
  readonly kind: VerdictKind | null;
  readonly startMs: number;
  /** Nothing belongs to it. */
  readonly isEmpty: boolean;
}

const LEFT_OUT_SEASONS = 2;
/** Without a season. */
const LEFT_OUT_LEAST = 14;
const GIVEN_BACK = 0.25;

export class Silence {
  readonly #season: number;
  #leftOut: number;
  #sinceMs: number | null;

  /** `season`: in windows. */
  constructor(season: number, { leftOut, sinceMs }: SilenceSnapshot = { leftOut: 0, sinceMs: null }) {
    this.#season = season;
    this.#leftOut = leftOut;
    this.#sinceMs = sinceMs;
  }

  /** Since when there is no data, this window included; undefined: it is not silent. */
  since({ kind, startMs }: SilentWindow): number | undefined {
    return kind === "no-data" ? (this.#sinceMs ?? startMs) : undefined;
  }

  /** Takes a window in, and says whether the models should learn it. */
  take(window: SilentWindow): boolean {
    if (window.kind === "no-data") {
      this.#sinceMs ??= window.startMs;
      if (this.#leftOut >= Math.max(LEFT_OUT_LEAST, LEFT_OUT_SEASONS * this.#season)) return true;
      this.#leftOut++;
      return false;
    }
    if (!window.isEmpty) {
      this.#sinceMs = null;
      this.#leftOut = Math.max(0, this.#leftOut - GIVEN_BACK);
    }
    return true;
  }

  copy(): Silence {
    return new Silence(this.#season, this.snapshot());
  }

  snapshot(): SilenceSnapshot {
    return { leftOut: this.#leftOut, sinceMs: this.#sinceMs };
  }
}
