/**
 * From scores of several lanes, each in a unit of its own, to one score, a threshold that keeps to a budget of false alarms, and p-values.
 *
 * The fused score of a window is the largest of its lanes' scores, each in units of what the lane exceeds as rarely as its share of the
 * budget says. Split conformal: it is compared with those of past windows, out of sample; they are fused anew with today's units, or
 * units that settle would look like windows that get worse.
 *
 * Budgets ask for rarer scores than the past has. Beyond their third quartile u the *logarithm* of a score is taken for exponential (the score
 * for a Pareto tail), with a mean excess λ that is shrunk towards a typical one, as is the threshold while there are few scores:
 *
 *     ln T(p) = u + λ ln(0.25 / p)
 *
 * The past holds faults that were not found: a λ that is read off it alone is too large, and alarms are missed. What hardly any clean window
 * scores (beyond T(p e^−2)) is a plain fault and is not learned.
 *
 * The level follows what happens (adaptive conformal inference, Gibbs & Candès 2021, on the logarithm of the level, so that it is as
 * quick for rare budgets): each alarm that is not plain lowers it, each window raises it, balanced where alarms come as often as the
 * budget says. Scores are finite; one of 0 (a lane that could look at no metric) has no logarithm and
 * counts as absent. Scoring changes nothing.
 */
import type { FeedbackLabel } from "../core/feedback.ts";
import { WindowRing, type WindowRingSnapshot } from "./window-ring.ts";

export interface CalibratedLane {
  /** The score that other streams exceed once in 30 windows. */
  readonly typical: number;
  /** Of the budget, (0, 1]. */
  readonly share: number;
}

export interface CalibrationSnapshot {
  readonly scores: WindowRingSnapshot;
  readonly logLevel: number;
}

/** Of one window: by lane, absent where the lane could not judge. */
export type LaneScores = readonly (number | undefined)[];

export interface FusedScore {
  readonly score: number;
  /** Index of the lane that it comes from. */
  readonly strongest: number;
}

/** Windows whose scores are kept: of days a few years, of hours a month. */
const WINDOWS_MAX = 750;
const BULK = 0.75;
/** Mean excess of the logarithm of a score beyond the bulk, from the flights of 2013. */
const TYPICAL_EXCESS = 0.4;
/** The typical excess counts like this many exceedances, and the typical threshold like this many scores. */
const TYPICAL_WEIGHT = 20;
/** The fused score that is exceeded once in 30 windows, where each lane is at its typical one. */
const TYPICAL_FUSED = 1.15;
/** How often the typical threshold is exceeded. */
const TYPICAL_RATE = 1 / 30;
/**
 * Least unit of a lane, in units of its typical score: where all metrics were constant so far every score was next to nothing, and any change
 * would be far beyond them.
 */
const UNIT_LEAST = 0.5;
/** Least threshold of the fused score, which is in units of the lanes. */
const THRESHOLD_LEAST = 0.8;
/** Least mean excess that is believed, so that scores that hardly differ make no cliff. */
const EXCESS_MIN = 0.05;
/** ln of how much rarer than the budget a plain fault is. */
const PLAIN = 2;
/** What one alarm takes off the logarithm of the level. */
const STEP = 0.25;
/** Of the false alarms of streams without faults, so many are not plain. */
const NOT_PLAIN = 0.84;
const LOG_LEVEL_MOST = Math.log(4);
/** Not further: a stream with many faults would be told of ever fewer of them. */
const LOG_LEVEL_LEAST = Math.log(1 / 1.3);

export class Calibration {
  readonly #lanes: readonly CalibratedLane[];
  readonly #scores: WindowRing;
  #logLevel: number;
  /** For the budget that was asked for last, until something is learned. */
  #calibrated: { readonly rate: number; readonly is: Calibrated } | undefined;

  constructor(lanes: readonly CalibratedLane[], snapshot?: CalibrationSnapshot) {
    this.#lanes = lanes;
    this.#scores = new WindowRing(WINDOWS_MAX, snapshot?.scores);
    this.#logLevel = snapshot?.logLevel ?? 0;
  }

  /** `rate`: chance of a false alarm per window, (0, 0.15]. */
  at(rate: number): Calibrated {
    if (this.#calibrated?.rate !== rate) {
      this.#calibrated = { rate, is: new Calibrated(this.#lanes, this.#scores, rate, rate * Math.exp(this.#logLevel)) };
    }
    return this.#calibrated.is;
  }

  /**
   * `isJudged`: whether the window could have raised an alarm. `called`: what a person said of it, which decides whether its scores are
   * those of a clean window. The level follows all the same: an alarm is spent, whatever it was.
   */
  learn(
    index: number,
    scores: LaneScores,
    {
      rate,
      isJudged,
      called,
    }: { readonly rate: number; readonly isJudged: boolean; readonly called?: FeedbackLabel | undefined },
  ): void {
    const calibrated = this.at(rate);
    const fused = calibrated.fuse(scores);
    if (fused === undefined) return;
    const isPlain = fused.score > calibrated.plain;
    if (isJudged) {
      if (fused.score >= calibrated.threshold && !isPlain) this.#logLevel -= STEP;
      this.#logLevel = clamp(this.#logLevel + STEP * NOT_PLAIN * rate, LOG_LEVEL_LEAST, LOG_LEVEL_MOST);
    }
    if (called === undefined ? !isPlain : called !== "fault") {
      this.#scores.push(
        index,
        Float32Array.from(scores, (score) => (isUsable(score) ? score : Number.NaN)),
      );
    }
    this.#calibrated = undefined;
  }

  snapshot(): CalibrationSnapshot {
    return { scores: this.#scores.snapshot(), logLevel: this.#logLevel };
  }
}

/** What past scores say for one budget. */
export class Calibrated {
  /** By lane: what it exceeds as rarely as its share of the budget says. */
  readonly units: readonly number[];
  /** The fused score that raises an alarm. */
  readonly threshold: number;
  /** The fused score of a plain fault. */
  readonly plain: number;
  readonly #fused: ScoreTail;

  constructor(lanes: readonly CalibratedLane[], past: WindowRing, rate: number, level: number) {
    this.units = lanes.map(({ typical, share }, lane) =>
      Math.max(
        UNIT_LEAST * typical,
        new ScoreTail(Float64Array.from(past.column(lane, 0, past.count)), typical).at(rate * share),
      ),
    );
    const scores = new Float64Array(past.count);
    for (let position = 0; position < past.count; position++) {
      let largest = 0;
      for (let lane = 0; lane < lanes.length; lane++) {
        const relative = past.at(position, lane) / this.units[lane]!;
        if (relative > largest) largest = relative;
      }
      scores[position] = largest;
    }
    this.#fused = new ScoreTail(scores, TYPICAL_FUSED);
    this.threshold = Math.max(THRESHOLD_LEAST, this.#fused.at(level));
    this.plain = this.#fused.at(rate * Math.exp(-PLAIN));
  }

  /** Undefined: no lane could judge. */
  fuse(scores: LaneScores): FusedScore | undefined {
    let largest: FusedScore | undefined;
    for (const [lane, score] of scores.entries()) {
      if (!isUsable(score)) continue;
      const relative = score / this.units[lane]!;
      if (largest === undefined || relative > largest.score) largest = { score: relative, strongest: lane };
    }
    return largest;
  }

  /** Chance that a clean window has a fused score as high. */
  pValue(score: number): number {
    return this.#fused.exceedance(score);
  }
}

/** How often scores are exceeded, from past ones. */
class ScoreTail {
  /** Ascending. */
  readonly #sorted: Float64Array;
  readonly #from: number;
  readonly #excess: number;

  /** Sorts the scores in place. */
  constructor(scores: Float64Array, typical: number) {
    this.#sorted = scores.sort();
    const n = scores.length;
    const at = Math.floor(BULK * n);
    const typicalFrom = Math.log(typical) - TYPICAL_EXCESS * Math.log((1 - BULK) / TYPICAL_RATE);
    const own = n === 0 ? typicalFrom : Math.log(scores[at]!);
    this.#from = (n * own + TYPICAL_WEIGHT * typicalFrom) / (n + TYPICAL_WEIGHT);
    let sum = 0;
    for (let i = at + 1; i < n; i++) sum += Math.log(scores[i]!) - own;
    const count = Math.max(0, n - 1 - at);
    this.#excess = Math.max(EXCESS_MIN, (sum + TYPICAL_WEIGHT * TYPICAL_EXCESS) / (count + TYPICAL_WEIGHT));
  }

  /** The score that is exceeded with probability `p`. */
  at(p: number): number {
    return Math.exp(this.#from + this.#excess * Math.log((1 - BULK) / p));
  }

  exceedance(score: number): number {
    const beyond = Math.log(score) - this.#from;
    if (beyond > 0) return (1 - BULK) * Math.exp(-beyond / this.#excess);
    const n = this.#sorted.length;
    let low = 0;
    let high = n;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]! < score) low = middle + 1;
      else high = middle;
    }
    return Math.max(1 - BULK, (1 + n - low) / (n + 1));
  }
}

/** Above what a 32-bit float takes for 0. */
const SCORE_LEAST = 1e-30;

function isUsable(score: number | undefined): score is number {
  return score !== undefined && score > SCORE_LEAST;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
