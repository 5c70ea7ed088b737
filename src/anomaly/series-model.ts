/**
 * One metric's forecaster: a few Holt-Winters settings side by side, the one with the least discounted squared error
 * speaks. No optimiser and no refit, so that it is deterministic and costs O(settings) per window.
 *
 * The *state* is robust (Gelper, Fried & Croux 2010): what it learns is the cleaned value y* = ŷ + s ψ((y − ŷ)/s) with
 * Huber's ψ, k = 2, and s² moved by a bounded biweight ρ (k = 2, factor 2.52). The *scale of the score* is not: it is the
 * discounted rms of past innovations, because a bounded denominator wrecks the ranking of scores.
 * Departures: the robust state waits for 45 values (before, only k = 4), since with fewer it froze the scale;
 * the first two seasons start the indices, shrunk towards none by what their two values disagree (James–Stein);
 * and a value that stays out on the same side for a whole season moves the level, or a lasting change would ring for ever.
 */
import { HoltWinters, type HoltWintersState, type SmoothingConstants } from "./holt-winters.ts";

/** Slow to fast level, with and without season; the trend only in two of them, since few metrics have one. */
const SETTINGS: readonly SmoothingConstants[] = [
  { alpha: 0.05, beta: 0, gamma: 0.1 },
  { alpha: 0.15, beta: 0, gamma: 0.1 },
  { alpha: 0.15, beta: 0.05, gamma: 0.2 },
  { alpha: 0.35, beta: 0, gamma: 0.2 },
  { alpha: 0.05, beta: 0, gamma: 0 },
  { alpha: 0.2, beta: 0.02, gamma: 0 },
];
const HUBER_K = 2;
const HUBER_K_EARLY = 4;
const ROBUST_FROM = 45;
/** Consistency factor of the biweight ρ at k = 2 for normal innovations. */
const BIWEIGHT_FACTOR = 2.52;
const STATE_SCALE_RATE = 0.1;
/** Memory of the choice among settings: about 33 windows. */
const CHOICE_DISCOUNT = 0.97;
/** Memory of the scale: about 60 windows. */
const SCALE_RATE = 1 / 60;
/** What an alarming window may teach the scale, in multiples of it. */
const ALARM_CLIP = 2.5;
/** Out by more than this on one side counts towards a lasting shift. */
const SHIFT_Z = 3;

export interface SeriesSnapshot {
  readonly first: readonly (readonly [index: number, value: number])[];
  readonly models: readonly HoltWintersState[];
  readonly errors: readonly number[];
  readonly count: number;
  readonly innovations: number;
  readonly meanSquare: number;
  readonly stateScale: number;
  readonly side: number;
  readonly sideSum: number;
}

export class SeriesModel {
  readonly #season: number;
  readonly #startAfter: number;
  #first: [number, number][] = [];
  #models: HoltWinters[] = [];
  #errors = new Float64Array(SETTINGS.length);
  #best = 0;
  #count = 0;
  #innovations = 0;
  #meanSquare = 0;
  #stateScale = 0;
  /** Run of windows out on one side (sign: which), and the sum of their innovations. */
  #side = 0;
  #sideSum = 0;

  /** `startAfter`: values that start the level and the season; two seasons where there is time for them. */
  constructor(season: number, startAfter: number, snapshot?: SeriesSnapshot) {
    this.#season = season;
    this.#startAfter = startAfter;
    if (snapshot === undefined) return;
    this.#first = snapshot.first.map(([index, value]) => [index, value]);
    this.#models = snapshot.models.map((state, i) => new HoltWinters(SETTINGS[i]!, state));
    this.#errors = Float64Array.from(snapshot.errors);
    this.#count = snapshot.count;
    this.#innovations = snapshot.innovations;
    this.#meanSquare = snapshot.meanSquare;
    this.#stateScale = snapshot.stateScale;
    this.#side = snapshot.side;
    this.#sideSum = snapshot.sideSum;
    this.#choose();
  }

  /** Innovations seen since the model started: how well the scale is known. */
  get innovations(): number {
    return this.#innovations;
  }

  /** Root mean square of past innovations; 0 for a series that never moved. */
  get scale(): number {
    return Math.sqrt(this.#meanSquare);
  }

  /** Undefined until the series has its first values. */
  forecast(index: number): number | undefined {
    return this.#models.length === 0 ? undefined : this.#models[this.#best]!.forecast(index);
  }

  /** `floor`: the least scale that is believed. Returns what was learned as the innovation, undefined while starting. */
  learn(index: number, value: number, floor: number, alarmed: boolean): number | undefined {
    this.#count++;
    if (this.#models.length === 0) {
      this.#first.push([index, value]);
      if (this.#first.length >= this.#startAfter) this.#start();
      return undefined;
    }
    const innovation = value - this.#models[this.#best]!.forecast(index);
    const scale = Math.max(this.scale, floor);
    const kept = alarmed ? clamp(innovation, ALARM_CLIP * scale) : innovation;
    this.#learnState(index, value, floor, innovation, alarmed);
    const rate = Math.max(SCALE_RATE, 1 / (this.#innovations + 1));
    this.#meanSquare += rate * (kept * kept - this.#meanSquare);
    this.#innovations++;
    this.#choose();
    return kept;
  }

  snapshot(): SeriesSnapshot {
    return {
      first: this.#first.map(([index, value]) => [index, value] as const),
      models: this.#models.map((model) => model.state()),
      errors: Array.from(this.#errors),
      count: this.#count,
      innovations: this.#innovations,
      meanSquare: this.#meanSquare,
      stateScale: this.#stateScale,
      side: this.#side,
      sideSum: this.#sideSum,
    };
  }

  #learnState(index: number, value: number, floor: number, innovation: number, alarmed: boolean): void {
    const robust = this.#count > ROBUST_FROM;
    const s = Math.max(robust ? this.#stateScale : this.scale, floor);
    const k = robust || alarmed ? HUBER_K : HUBER_K_EARLY;
    // The scale of the first innovations is not known well enough to clip by it.
    const clip = this.#innovations >= 8 || alarmed ? k * s : Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#models.length; i++) {
      const model = this.#models[i]!;
      const error = clamp(value - model.forecast(index), clip);
      this.#errors[i] = CHOICE_DISCOUNT * this.#errors[i]! + error * error;
      model.update(index, model.forecast(index) + error);
    }
    const previous = Math.max(this.#stateScale, floor);
    if (this.#innovations < 8) this.#stateScale = Math.max(this.scale, floor);
    // Without any spread (a value that is always 0) there is nothing to move the scale by.
    else if (previous > 0) {
      this.#stateScale = previous * Math.sqrt(1 + STATE_SCALE_RATE * (biweight(innovation / previous) - 1));
    }
    this.#followShift(innovation, s);
  }

  /** A whole season out on one side is no longer an anomaly: the level goes there. */
  #followShift(innovation: number, scale: number): void {
    const sign = Math.abs(innovation) > SHIFT_Z * scale ? Math.sign(innovation) : 0;
    if (sign === 0 || sign !== Math.sign(this.#side)) {
      this.#side = sign;
      this.#sideSum = sign === 0 ? 0 : innovation;
      return;
    }
    this.#side += sign;
    this.#sideSum += innovation;
    const run = Math.abs(this.#side);
    if (run < Math.max(5, Math.min(this.#season, 14))) return;
    for (const model of this.#models) model.shift(this.#sideSum / run);
    this.#side = 0;
    this.#sideSum = 0;
  }

  #start(): void {
    const season = this.#season;
    const sums = new Float64Array(season);
    const counts = new Float64Array(season);
    const origin = this.#first[0]![1];
    let mean = origin;
    // From the first one, so that the mean of equal values is that value to the last bit.
    for (const [, value] of this.#first) mean += (value - origin) / this.#first.length;
    for (const [index, value] of this.#first) {
      const phase = ((index % season) + season) % season;
      sums[phase]! += value - mean;
      counts[phase]!++;
    }
    const seasonal = Array.from(sums, (sum, phase) => (counts[phase]! > 0 ? sum / counts[phase]! : 0));
    let between = 0;
    let within = 0;
    for (const value of seasonal) between += value ** 2 / season;
    for (const [index, value] of this.#first) {
      within += (value - mean - seasonal[((index % season) + season) % season]!) ** 2;
    }
    // The variance of a phase mean of two values is half the variance within a phase.
    const freedom = this.#first.length - season;
    const noise = freedom > 0 ? ((within / freedom) * season) / this.#first.length : between;
    const believed = between > 0 ? Math.max(0, 1 - noise / between) : 0;
    const index = this.#first.at(-1)![0];
    this.#models = SETTINGS.map(
      (constants) =>
        new HoltWinters(constants, {
          level: mean,
          trend: 0,
          seasonal: seasonal.map((value) => (constants.gamma === 0 ? 0 : believed * value)),
          index,
        }),
    );
    this.#first = [];
  }

  #choose(): void {
    let best = 0;
    for (let i = 1; i < this.#errors.length; i++) if (this.#errors[i]! < this.#errors[best]!) best = i;
    this.#best = best;
  }
}

function clamp(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, value));
}

/** Bounded biweight ρ with k = 2: grows like a square and stops at 2.52. */
function biweight(x: number): number {
  const u = x / HUBER_K;
  return Math.abs(u) >= 1 ? BIWEIGHT_FACTOR : BIWEIGHT_FACTOR * (1 - (1 - u * u) ** 3);
}
