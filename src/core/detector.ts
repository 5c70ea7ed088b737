/** The contract of a detector: scoring is pure, learning is a separate, visible call. */
import type { FeedbackLabel } from "./feedback.ts";
import type { MetricValue } from "./metric.ts";
import type { Cause, Outcome, Severity } from "./verdict.ts";

/** One row of the metric matrix. */
export interface DetectorInput {
  /**
   * Position in the series: 0, 1, 2 … one per window, going on over windows that are missing, so that the season
   * keeps its phase.
   */
  readonly index: number;
  /**
   * By how many windows the clocks of its zone are ahead of those by which `index` counts, where the season is a day: so it is one of their
   * hours, and keeps its phase where they change. @default 0
   */
  readonly ahead?: number;
  /**
   * Phase of the second season in which the window begins: the hour of the week, 0 to 167, above a season of a day, that of the day, 0 to 23,
   * above one of an hour. Which hour is 0 does not matter. @default as if the first window began a phase
   */
  readonly secondPhase?: number;
  /** Chance of a false alarm that is tolerated in this window, (0, 1). @default that of the detector */
  readonly falseAlarms?: number;
  /**
   * The window is known to be unlike others: its score is divided by this, its prediction intervals are so much wider, and it
   * teaches less. At least 1. @default a usual window
   */
  readonly widen?: number;
  readonly metrics: readonly MetricValue[];
}

export interface LaneScore {
  readonly lane: string;
  readonly score: number | null;
  readonly outcome: Outcome;
  readonly causes: readonly Cause[];
}

export interface DetectorScore {
  readonly outcome: Outcome;
  /** 1 is the alarm threshold. Uncapped; null while warming up. */
  readonly score: number | null;
  readonly pValue: number | null;
  /** `pValue` over that of the threshold: below 1 where it alarms. Absent where there is no `pValue`. */
  readonly relativeP?: number;
  /** Where nobody says what the fields are worth, and after one window. */
  readonly severity: Severity | null;
  readonly causes: readonly Cause[];
  readonly lanes: readonly LaneScore[];
  /** Prediction interval of each metric that has one, in the metric's own unit: [low, mid, high]. */
  readonly expected: ReadonlyMap<string, readonly [low: number, mid: number, high: number]>;
}

/** A metric was out on one side for a season: that is its level now. In the metric's own unit. */
export interface NewLevel {
  readonly metric: string;
  readonly fields: readonly string[];
  readonly was: number;
  readonly is: number;
}

/** What a window brought about. */
export interface Learned {
  /** Those that this window completes; of metrics that compare windows with the past: they count this window as part of it. */
  readonly newLevels: readonly NewLevel[];
  /** A metric that an alarm named is neither back to normal nor at a new level. */
  readonly isSettling: boolean;
}

export const NOTHING_LEARNED: Learned = { newLevels: [], isSettling: false };

export interface Detector {
  /** Pure: the same input twice gives the same score. */
  scoreOne(input: DetectorInput): DetectorScore;
  /** Takes the window into the model; `score` is what `scoreOne` said of it, so that alarms are not learned as normal. `called`: what a person said of it. */
  learnOne(input: DetectorInput, score: DetectorScore, called?: FeedbackLabel): Learned;
  /** JSON-safe state; `restore` of the same kind of detector takes it back. */
  snapshot(): unknown;
}
