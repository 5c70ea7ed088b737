/**
 * Whether more events than usual came after their window had closed. Apart from the detector, because it is known last: when a window closes
 * nothing of it is late yet, and what is learned of it is what it has come to when it can be revised no more.
 *
 * The share of late events (arcsin √) against the median of the last 120 windows, in the tail of their distances from it (`tail.ts`), and not
 * finer than the binomial standard error. The tail is taken for exponential: a score of 1 is where it leaves a fifth of the budget
 * of false alarms. A window beyond that is learned as one that is just there, so that what lasts becomes usual.
 */
import { median } from "simple-statistics";
import type { Cause } from "../core/verdict.ts";
import { intervalOf } from "./causes.ts";
import { weightOf } from "./lane.ts";
import { SCALE_WINDOWS } from "./season.ts";
import { halfWidth, sizeAt, type Tail, tailOf, tailScore } from "./tail.ts";
import { forward, inverse } from "./transform.ts";

/** Events that came after their window had closed / events that are counted in the window. */
export const LATE_SHARE = "late_share()";

export interface LateRows {
  readonly late: number;
  /** The late ones among them. */
  readonly rows: number;
}

export interface LatenessScore {
  /** 1 is the alarm threshold. */
  readonly score: number;
  readonly pValue: number;
  /** As in `DetectorScore`. */
  readonly relativeP: number;
  /** With a share of 1. */
  readonly cause: Cause;
}

/** Transformed share of each window, oldest first. JSON-safe. */
export type LatenessSnapshot = readonly number[];

const WINDOWS_MAX = 120;
const BUDGET_SHARE = 0.2;
/** `tailOf()` begins where a tenth of the windows lie beyond. */
const TAIL_FROM = 0.1;
/** Fewer late events, or a smaller change, are not worth a word. */
const LATE_ROWS_MIN = 5;
const CHANGE_MIN = 0.02;
/** Score of what lies far out and is not worth a word. */
const BELOW = 0.99;

export class Lateness {
  readonly #shares: number[];

  constructor(snapshot: LatenessSnapshot = []) {
    this.#shares = [...snapshot];
  }

  /** `rate`: chance of a false alarm in the window that is tolerated of the series. Undefined: the past is too short, or there are no rows. */
  scoreOne(rows: LateRows, rate: number): LatenessScore | undefined {
    if (rows.rows <= 0 || this.#shares.length < SCALE_WINDOWS) return undefined;
    const { mid, tail, floor } = this.#usual(rows);
    const share = rows.late / rows.rows;
    const beyond = tailScore(forward("share", share) - mid, tail, floor);
    const isWorth = rows.late >= LATE_ROWS_MIN && share - inverse("share", mid) >= CHANGE_MIN;
    const threshold = thresholdOf(rate);
    const score = weightOf(beyond) / weightOf(threshold);
    const [low, expected, high] = intervalOf({ kind: "share" }, { mid, width: halfWidth(tail, floor) });
    return {
      score: isWorth ? score : Math.min(score, BELOW),
      pValue: beyond > 0 ? TAIL_FROM * Math.exp(-beyond) : 1,
      relativeP: Math.min(1, Math.exp(threshold - beyond)),
      cause: { fields: [], metric: LATE_SHARE, share: 1, observed: share, expected, low, high },
    };
  }

  /** Takes in what a window has come to. */
  learnOne(rows: LateRows, rate: number): void {
    if (rows.rows <= 0) return;
    let share = forward("share", rows.late / rows.rows);
    if (this.#shares.length >= SCALE_WINDOWS) {
      const { mid, tail, floor } = this.#usual(rows);
      share = Math.min(share, mid + sizeAt(thresholdOf(rate), tail, floor));
    }
    this.#shares.push(share);
    if (this.#shares.length > WINDOWS_MAX) this.#shares.shift();
  }

  snapshot(): LatenessSnapshot {
    return [...this.#shares];
  }

  #usual({ rows }: LateRows): Usual {
    const mid = median(this.#shares);
    return {
      mid,
      tail: tailOf(Float64Array.from(this.#shares, (share) => Math.abs(share - mid))),
      floor: 1 / (2 * Math.sqrt(rows)),
    };
  }
}

interface Usual {
  readonly mid: number;
  readonly tail: Tail;
  readonly floor: number;
}

/** In units of the tail's mean excess. */
function thresholdOf(rate: number): number {
  return Math.log(TAIL_FROM / (BUDGET_SHARE * rate));
}
