/**
 * Small lasting faults: an exponentially weighted mean of each metric's innovations (EWMA chart, Roberts 1959; λ = 0.3). A metric that is off
 * by one and a half of its spreads in every window is far out after five of them, though none of them was. Single windows are for
 * the other lanes: no innovation counts for more than three spreads. A window of few rows is a part of one: half the usual information is half a
 * step, w of it moves the mean by 1 − (1 − λ)^w.
 */
import { blameOf, type LaneResult, noVerdict, weightOf } from "./lane.ts";
import type { Observation } from "./metric-table.ts";

const WEIGHT = 0.3;
const CLIP = 3;
/** A window is worth at most so many usual ones. */
const WINDOWS_MOST = 2;
/** Spread of the mean of innovations that are independent, in units of theirs: √(λ / (2 − λ)). */
const INDEPENDENT_SPREAD = Math.sqrt(WEIGHT / (2 - WEIGHT));
/** Of a metric that never moved the spread would be none, and one row a drift. */
const SPREAD_LEAST = 0.8 * INDEPENDENT_SPREAD;
/** Memory of the spread of the mean: about 60 windows. */
const SPREAD_RATE = 1 / 60;
/** The spread of independent innovations counts like this many windows. */
const SPREAD_WEIGHT = 20;
/** q90 and mean excess of a normal mean, in units of its spread. */
const NORMAL_Q90 = 1.645;
const NORMAL_EXCESS = 0.45;

/** By slot. */
export interface DriftLaneSnapshot {
  readonly means: readonly number[];
  readonly squares: readonly number[];
  readonly counts: readonly number[];
}

export class DriftLane {
  #means: number[];
  #squares: number[];
  #counts: number[];

  constructor(snapshot?: DriftLaneSnapshot) {
    this.#means = [...(snapshot?.means ?? [])];
    this.#squares = [...(snapshot?.squares ?? [])];
    this.#counts = [...(snapshot?.counts ?? [])];
  }

  score(observations: readonly Observation[]): LaneResult {
    if (observations.length === 0) return noVerdict(observations);
    const blame = new Float64Array(observations.length);
    let worst = Number.NEGATIVE_INFINITY;
    for (const [i, observation] of observations.entries()) {
      const size = Math.abs(this.#moved(observation)) / this.#spread(observation.slot);
      const score = (size - NORMAL_Q90) / NORMAL_EXCESS;
      blame[i] = blameOf(score);
      worst = Math.max(worst, score);
    }
    return { score: weightOf(worst), blame };
  }

  /** These metrics are at a new level, and at it from the start. */
  settle(slots: readonly number[]): void {
    for (const slot of slots) if (slot < this.#means.length) this.#means[slot] = 0;
  }

  /** `cleared`: slots that went to other metrics. */
  learn(observations: readonly Observation[], cleared: readonly number[]): void {
    for (const slot of cleared) this.#clearSlot(slot);
    for (const observation of observations) {
      const { slot } = observation;
      const mean = this.#moved(observation);
      const count = (this.#counts[slot] ?? 0) + 1;
      const rate = Math.max(SPREAD_RATE, 1 / (count + SPREAD_WEIGHT));
      const square = this.#squares[slot] ?? INDEPENDENT_SPREAD ** 2;
      // What lies far out is what is looked for, and no measure of it.
      const believed = Math.min(mean * mean, 9 * square);
      while (this.#means.length <= slot) this.#clearSlot(this.#means.length);
      this.#means[slot] = mean;
      this.#squares[slot] = square + rate * (believed - square);
      this.#counts[slot] = count;
    }
  }

  snapshot(): DriftLaneSnapshot {
    return { means: [...this.#means], squares: [...this.#squares], counts: [...this.#counts] };
  }

  /** The mean with this window. */
  #moved({ slot, innovation, scale, factor }: Observation): number {
    const surprise = scale > 0 ? Math.max(-CLIP, Math.min(CLIP, innovation / scale)) : 0;
    const kept = (1 - WEIGHT) ** Math.min(WINDOWS_MOST, factor * factor);
    return kept * (this.#means[slot] ?? 0) + (1 - kept) * surprise;
  }

  #clearSlot(slot: number): void {
    this.#means[slot] = 0;
    this.#squares[slot] = INDEPENDENT_SPREAD ** 2;
    this.#counts[slot] = 0;
  }

  #spread(slot: number): number {
    return Math.max(SPREAD_LEAST, Math.sqrt(this.#squares[slot] ?? INDEPENDENT_SPREAD ** 2));
  }
}
