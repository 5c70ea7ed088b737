/**
 * One metric's forecaster: a few Holt-Winters settings side by side, the one with the least discounted squared error
 * speaks. No optimiser and no refit, so that it is deterministic and costs O(settings) per window.
 *
 * The *state* is robust (Gelper, Fried & Croux 2010): what it learns is the cleaned value y* = ŷ + s ψ((y − ŷ)/s) with
 * Huber's ψ, k = 2, and s² moved by a bounded biweight ρ (k = 2, factor 2.52). The *scale of the score* is not: it is the
 * discounted rms of past innovations, because a bounded denominator wrecks the ranking of scores.
 * Departures: the robust state waits for 45 values (before, only k = 4), since with fewer it froze the scale;
 * the first two seasons start the indices, shrunk towards none by what their two values disagree (James–Stein);
 * and a value that stays out on the same side for a whole season moves the level (`level-run.ts`), or a lasting change would ring
 * for ever. While an alarm holds the series its level and season stay as they are.
 */
import { HoltWinters, type HoltWintersState, type SmoothingConstants } from "./holt-winters.ts";
import { LevelRun, type LevelRunSnapshot } from "./level-run.ts";
import { phaseOfIndex, type SecondSeason } from "./season.ts";

/** Slow to fast level, with and without season; the trend only in two of them, since few metrics have one. */
const SETTINGS: readonly SmoothingConstants[] = [
  { alpha: 0.05, beta: 0, gamma: 0.1 },
  { alpha: 0.15, beta: 0, gamma: 0.1 },
  { alpha: 0.15, beta: 0.05, gamma: 0.2 },
  { alpha: 0.35, beta: 0, gamma: 0.2 },
  { alpha: 0.05, beta: 0, gamma: 0 },
  { alpha: 0.2, beta: 0.02, gamma: 0 },
];
/**
 * One more with a second season and none of the first, whose hours the second holds, too. It speaks for a series where it has erred less in the last
 * second season, a week of hours: a choice by the last 33 windows would change within the week.
 */
const SECOND_SETTING: SmoothingConstants = { alpha: 0.05, beta: 0, gamma: 0 };
/** What the windows of a phase of the second season, an hour of the week, teach it together each time. */
const SECOND_RATE = 0.2;
/**
 * So many times it takes them in as they are, whatever is said of them: how unlike the weekend is nobody knows before, and what an alarm
 * holds, or is clipped to two spreads, would never be learned.
 */
const SECOND_STARTS = 2;
/** Errors of a family count up to so many spreads. */
const FAMILY_CLIP = 4;
/** So many of these the second season begins with: the noise of its first hours is no reason to believe it, and hours of a weekend soon are. */
const SECOND_HANDICAP = 3;
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
/** Out by more than this a value is not where it was. */
const MOVED_Z = 3;
/**
 * Windows of a run that an alarm holds which teach the scale. With the first alone, recall beside faults left in the history fell from 0.795
 * to 0.783 (flights by day); with all of them a day of bad hours would leave a scale that is three times as large.
 */
const HELD_TEACHES = 7;

export interface SeriesSnapshot {
  readonly first: readonly (readonly [index: number, value: number])[];
  readonly models: readonly HoltWintersState[];
  readonly errors: readonly number[];
  /** Discounted squared errors without and with the second season; absent: there is none. */
  readonly families?: readonly number[];
  readonly count: number;
  readonly innovations: number;
  readonly meanSquare: number;
  readonly stateScale: number;
  /** Null: none. */
  readonly run: LevelRunSnapshot | null;
}

/** Whether the second season speaks for the series. */
export function hasSecondSeason({ families: [without = 0, beside = 0] = [] }: SeriesSnapshot): boolean {
  return beside < without;
}

/** A level that a run has brought about, in the unit of the series. */
export interface LevelMove {
  readonly was: number;
  readonly is: number;
  /** Index of the first window of the new level. */
  readonly from: number;
  /** What was added to the level; 0: nothing yet, because the series is expected back. */
  readonly by: number;
  /** An alarm named the series. */
  readonly isBlamed: boolean;
}

export class SeriesModel {
  readonly #season: number;
  readonly #startAfter: number;
  #first: [number, number][] = [];
  #models: HoltWinters[] = [];
  readonly #settings: readonly SmoothingConstants[];
  readonly #second: SecondSeason | undefined;
  /** Windows of a phase of the second season, each time. */
  readonly #perPhase: number = 1;
  #errors: Float64Array;
  readonly #families: Float64Array;
  /** Of all settings, the one that speaks, and the best of those without and with the second season. */
  #best = 0;
  #bestOf: readonly [first: number, second: number] = [0, 0];
  #count = 0;
  #innovations = 0;
  #meanSquare = 0;
  #stateScale = 0;
  readonly #run: LevelRun;

  /** `startAfter`: values that start the level and the season; two seasons where there is time for them. */
  constructor(season: number, startAfter: number, snapshot?: SeriesSnapshot, second?: SecondSeason) {
    this.#season = season;
    this.#startAfter = startAfter;
    this.#second = second;
    if (second === undefined) this.#settings = SETTINGS;
    else {
      this.#perPhase = season / second.perSeason;
      const delta = 1 - (1 - SECOND_RATE) ** (1 / this.#perPhase);
      this.#settings = [...SETTINGS, { ...SECOND_SETTING, delta }];
    }
    this.#errors = new Float64Array(this.#settings.length);
    this.#families = Float64Array.from(snapshot?.families ?? [0, 0]);
    this.#run = new LevelRun(season, snapshot?.run ?? undefined);
    if (snapshot === undefined) return;
    this.#first = snapshot.first.map(([index, value]) => [index, value]);
    this.#models = snapshot.models.map((state, i) => new HoltWinters(this.#settings[i]!, state));
    this.#errors = Float64Array.from(snapshot.errors);
    this.#count = snapshot.count;
    this.#innovations = snapshot.innovations;
    this.#meanSquare = snapshot.meanSquare;
    this.#stateScale = snapshot.stateScale;
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

  /** Undefined until the series has its first values, and for a phase of the season that had none yet. `phase`: in the second season. */
  forecast(index: number, phase = this.#phaseOf(index)): number | undefined {
    if (this.#models.length === 0) return undefined;
    const model = this.#speaker(phase);
    return model.isUnseen(index) ? undefined : model.forecast(index, phase);
  }

  /** An alarm that named the series is not over: it is neither back nor has it been out for a season. */
  get isSettling(): boolean {
    return this.#run.isBlamed;
  }

  /** A person said that this is the new level: it goes there at once, where the value is out. Before the value is learned; `factor` as there. */
  moveTo(
    index: number,
    value: number,
    floor: number,
    factor: number,
    phase = this.#phaseOf(index),
  ): LevelMove | undefined {
    const expected = this.forecast(index, phase);
    if (expected === undefined) return undefined;
    if (!(factor * Math.abs(value - expected) > MOVED_Z * Math.max(this.scale, floor))) return undefined;
    const { from, isHeld, isBlamed } = this.#run;
    const by = value - expected;
    const was = this.#models[this.#best]!.meanLevel;
    for (const model of this.#models) model.shift(value - model.forecast(index, phase));
    this.#run.end();
    return { was, is: was + by, from: isHeld ? from : index, by, isBlamed };
  }

  /**
   * `floor`: the least scale that is believed. `alarmed`: the window is no news of what is normal. `isBlamed`: its verdict named the
   * series; undefined: it did not alarm; `unusual`: it is no window to tell a new level by. `factor`: brings the innovation, as it did the
   * floor, to the scale of the others; below 1 the window says less than they do, and moves the state less. Returns what was learned as
   * the innovation, on that scale; undefined while starting, for a phase without values, and late in a run that an alarm holds.
   */
  learn(
    index: number,
    value: number,
    floor: number,
    alarmed: boolean,
    {
      isBlamed,
      factor = 1,
      phase = this.#phaseOf(index),
    }: {
      readonly isBlamed?: boolean | "unusual" | undefined;
      readonly factor?: number;
      readonly phase?: number | undefined;
    } = {},
  ): number | undefined {
    this.#count++;
    if (this.#models.length === 0) {
      this.#first.push([index, value]);
      if (this.#first.length >= this.#startAfter) this.#start();
      return undefined;
    }
    const speaker = this.#speaker(phase);
    if (speaker.isUnseen(index)) {
      for (const model of this.#models) model.update(index, value, phase);
      return undefined;
    }
    const innovation = factor * (value - speaker.forecast(index, phase));
    const scale = Math.max(this.scale, floor);
    if (isBlamed !== "unusual") {
      const suspicion = { isAlarming: isBlamed !== undefined, isBlamed: isBlamed === true };
      this.#run.update(index, innovation / factor, this.#spread(floor) / factor, suspicion);
    }
    const { isHeld, length } = this.#run;
    if (this.#second !== undefined) this.#learnSecond({ index, phase, value }, floor, factor);
    if (isHeld && length > HELD_TEACHES) return undefined;
    const kept = alarmed || isHeld ? clamp(innovation, ALARM_CLIP * scale) : innovation;
    if (!isHeld) this.#learnState({ index, phase, value }, floor, innovation, { alarmed, factor });
    const rate = Math.max(SCALE_RATE, 1 / (this.#innovations + 1));
    this.#meanSquare += rate * (kept * kept - this.#meanSquare);
    this.#innovations++;
    this.#choose();
    if (!isHeld && this.#run.isLasting) this.#move();
    return kept;
  }

  /** Of a series that an alarm has held for a season: lets its level go there. `isExpectedBack`: waits for one season more. */
  settle(isExpectedBack: boolean): LevelMove | undefined {
    if (!this.#run.isHeld || !this.#run.isLasting) return undefined;
    const { mean, from, isBlamed } = this.#run;
    const was = this.#models[this.#best]!.meanLevel;
    const waits = isExpectedBack && !this.#run.isSecond;
    if (waits) this.#run.again();
    else this.#move();
    return { was, is: was + mean, from, by: waits ? 0 : mean, isBlamed };
  }

  snapshot(): SeriesSnapshot {
    return {
      first: this.#first.map(([index, value]) => [index, value] as const),
      models: this.#models.map((model) => model.state()),
      errors: Array.from(this.#errors),
      ...(this.#second !== undefined && { families: Array.from(this.#families) }),
      count: this.#count,
      innovations: this.#innovations,
      meanSquare: this.#meanSquare,
      stateScale: this.#stateScale,
      run: this.#run.snapshot(),
    };
  }

  #learnState(
    { index, phase, value }: Placed,
    floor: number,
    innovation: number,
    { alarmed, factor }: { readonly alarmed: boolean; readonly factor: number },
  ): void {
    // From the common scale back to that of the value.
    const weight = Math.min(1, factor * factor) / factor;
    const s = this.#spread(floor);
    const k = this.#isRobust || alarmed ? HUBER_K : HUBER_K_EARLY;
    // The scale of the first innovations is not known well enough to clip by it.
    const clip = this.#innovations >= 8 || alarmed ? k * s : Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#models.length; i++) {
      const model = this.#models[i]!;
      const expected = model.forecast(index, phase);
      const error = clamp(factor * (value - expected), clip);
      this.#errors[i] = CHOICE_DISCOUNT * this.#errors[i]! + error * error;
      model.update(index, expected + weight * error, phase);
    }
    const previous = Math.max(this.#stateScale, floor);
    if (this.#innovations < 8) this.#stateScale = Math.max(this.scale, floor);
    // Without any spread (a value that is always 0) there is nothing to move the scale by.
    else if (previous > 0) {
      this.#stateScale = previous * Math.sqrt(1 + STATE_SCALE_RATE * (biweight(innovation / previous) - 1));
    }
  }

  get #isRobust(): boolean {
    return this.#count > ROBUST_FROM;
  }

  /** By which the state tells what is far out. */
  #spread(floor: number): number {
    return Math.max(this.#isRobust ? this.#stateScale : this.scale, floor);
  }

  #move(): void {
    for (const model of this.#models) model.shift(this.#run.mean);
    this.#run.end();
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
    const unseen = Array.from(counts.keys()).filter((phase) => counts[phase] === 0);
    const few = Object.fromEntries(unseen.map((phase) => [phase, 0]));
    const second = this.#second === undefined ? {} : { second: new Array<number>(this.#second.phases).fill(0) };
    this.#models = this.#settings.map(
      (constants) =>
        new HoltWinters(constants, {
          level: mean,
          trend: 0,
          seasonal: seasonal.map((value) => (constants.gamma === 0 ? 0 : believed * value)),
          ...(constants.delta === undefined ? {} : second),
          index,
          ...(unseen.length > 0 && constants.delta === undefined && { few }),
        }),
    );
    this.#first = [];
  }

  /** What each family would have said; and the first values of a phase, before the rest learns what they leave. */
  #learnSecond({ index, phase, value }: Placed, floor: number, factor: number): void {
    const { phases, perSeason } = this.#second!;
    const kept = 1 - perSeason / (phases * this.#season);
    const clip = FAMILY_CLIP * this.#spread(floor);
    const model = this.#models.at(-1)!;
    if (model.visits(phase) > 0) {
      if (this.#families.every((sum) => sum === 0)) this.#families[1] = SECOND_HANDICAP * clip * clip;
      for (const [family, best] of this.#bestOf.entries()) {
        const error = clamp(factor * (value - this.#models[best]!.forecast(index, phase)), clip);
        this.#families[family] = kept * this.#families[family]! + error * error;
      }
    }
    if (model.visits(phase) < SECOND_STARTS * this.#perPhase) model.updateSecond(index, value, phase);
    this.#choose();
  }

  #choose(): void {
    const first = this.#leastError(0, SETTINGS.length);
    if (this.#second === undefined) {
      this.#best = first;
      return;
    }
    this.#bestOf = [first, this.#leastError(SETTINGS.length, this.#settings.length)];
    this.#best = this.#bestOf[this.#families[1]! < this.#families[0]! ? 1 : 0];
  }

  /** Who forecasts a window of the phase: of one that had no value yet the second season knows nothing. */
  #speaker(phase: number): HoltWinters {
    const model = this.#models[this.#best]!;
    const isUnknown = this.#best >= SETTINGS.length && model.visits(phase) === 0;
    return isUnknown ? this.#models[this.#bestOf[0]]! : model;
  }

  /** Of the settings `[from, end)`. */
  #leastError(from: number, end: number): number {
    let best = from;
    for (let i = from + 1; i < end; i++) if (this.#errors[i]! < this.#errors[best]!) best = i;
    return best;
  }

  #phaseOf(index: number): number {
    return this.#second === undefined ? 0 : phaseOfIndex(index, this.#season, this.#second);
  }
}

/** A value and where it lies in both seasons. */
interface Placed {
  readonly index: number;
  readonly phase: number;
  readonly value: number;
}

function clamp(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, value));
}

/** Bounded biweight ρ with k = 2: grows like a square and stops at 2.52. */
function biweight(x: number): number {
  const u = x / HUBER_K;
  return Math.abs(u) >= 1 ? BIWEIGHT_FACTOR : BIWEIGHT_FACTOR * (1 - (1 - u * u) ** 3);
}
