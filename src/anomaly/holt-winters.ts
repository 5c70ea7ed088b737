/**
 * Additive Holt-Winters, one series (Winters 1960; component form of Hyndman & Athanasopoulos, "Forecasting: Principles
 * and Practice", §8.3):
 *
 *     ŷ(t)  = l + h b + s[t mod m]                        h = windows since the last value
 *     l'    = α (y − s[t mod m]) + (1 − α)(l + h b)
 *     b'    = β (l' − l)/h + (1 − β) b
 *     s'[·] = γ (y − l − h b) + (1 − γ) s[t mod m]
 *
 * and, where there is a second season (Taylor 2003, additive), r[phase of it] beside s, learned from the same error with δ, or with
 * one over the values of the phase so far, which is the mean of them, as long as that is more.
 *
 * It is computed in error-correction form, the same but for rounding: l' = l + h b + α e, s' = s + γ e with e = y − ŷ. So a series that
 * never moved is expected to the last bit, and its innovations are 0.
 *
 * Departure: `h` may be larger than 1. A window that is missing updates nothing, and the seasonal index comes from the
 * window's position, so that the season keeps its phase over gaps. The horizon of the trend is held to one season
 * (and at least 2 windows): a slope learned from a few windows says nothing about a far future. A phase that had no value at the start takes
 * over its first one, and then the mean of its values until γ is larger: by γ alone it would take dozens of seasons to learn it. Of
 * a model without a season (γ = 0) phases are all the same.
 * Values must be finite numbers; −0 equals 0.
 */
export interface SmoothingConstants {
  /** Level, [0, 1]. */
  readonly alpha: number;
  /** Trend (β*), [0, 1]. */
  readonly beta: number;
  /** Season, [0, 1]. */
  readonly gamma: number;
  /** Second season, [0, 1]. @default 0 */
  readonly delta?: number;
}

export interface HoltWintersState {
  readonly level: number;
  readonly trend: number;
  /** One per phase; the length is the season. */
  readonly seasonal: readonly number[];
  /** One per phase of the second season. @default there is none */
  readonly second?: readonly number[];
  /** Values so far of each of them, as far as that matters. */
  readonly visits?: readonly number[];
  /** Index of the last value taken in. */
  readonly index: number;
  /** Values so far of each phase that had none at the start. @default none */
  readonly few?: Readonly<Record<number, number>>;
}

/** More make no difference to any δ. */
const VISITS_MOST = 1000;
/** Of all models without a second season: a detector has thousands. */
const NO_SECOND = new Float64Array(0);
const NO_VISITS = new Uint16Array(0);

export class HoltWinters {
  readonly constants: SmoothingConstants;
  #level: number;
  #trend: number;
  #index: number;
  readonly #seasonal: Float64Array;
  /** Values so far, by phase; undefined: none is without. */
  #few: Map<number, number> | undefined;
  readonly #second: Float64Array;
  readonly #visits: Uint16Array;

  constructor(constants: SmoothingConstants, start: HoltWintersState) {
    if (start.seasonal.length < 1) throw new RangeError("Cannot start HoltWinters: the season has no phase");
    this.constants = constants;
    this.#level = start.level;
    this.#trend = start.trend;
    this.#index = start.index;
    this.#seasonal = Float64Array.from(start.seasonal);
    const few = Object.entries(start.few ?? {});
    this.#few = few.length === 0 ? undefined : new Map(few.map(([phase, count]) => [Number(phase), count]));
    const { second, visits } = start;
    this.#second = second === undefined ? NO_SECOND : Float64Array.from(second);
    this.#visits = second === undefined ? NO_VISITS : Uint16Array.from(visits ?? second.map(() => 0));
  }

  /** The phase had no value yet: what is forecast of it is a guess. */
  isUnseen(index: number): boolean {
    return this.#few !== undefined && this.#few.get(this.#phase(index)) === 0;
  }

  /** What is expected at this index, which lies after the last one taken in. `phase`: in the second season, where there is one. */
  forecast(index: number, phase = 0): number {
    const usual = this.#level + this.#horizon(index) * this.#trend + this.#seasonal[this.#phase(index)]!;
    return this.#second.length === 0 ? usual : usual + this.#second[phase]!;
  }

  update(index: number, value: number, secondPhase = 0): void {
    const { alpha, beta, gamma } = this.constants;
    const horizon = this.#horizon(index);
    const phase = this.#phase(index);
    const base = this.#level + horizon * this.#trend;
    const seasonal = this.#seasonal[phase]!;
    const { delta = 0 } = this.constants;
    const second = this.#second.length === 0 ? 0 : this.#second[secondPhase]!;
    const error = value - (base + seasonal + second);
    const few = this.#few?.get(phase);
    if (this.#few !== undefined && few !== undefined) {
      this.#few.set(phase, few + 1);
      if (1 / (few + 2) < gamma || gamma === 0) this.#few.delete(phase);
      if (gamma > 0) {
        // What is not known of the phase says nothing of the level.
        this.#seasonal[phase] = seasonal + error / (few + 1);
        this.#level = base;
        this.#index = index;
        return;
      }
    }
    if (delta > 0 && this.#second.length > 0) {
      const visits = this.#visits[secondPhase]!;
      this.#second[secondPhase] = second + Math.max(delta, 1 / (visits + 1)) * error;
      if (visits < VISITS_MOST) this.#visits[secondPhase] = visits + 1;
    }
    const level = base + alpha * error;
    this.#trend += beta * ((level - this.#level) / horizon - this.#trend);
    this.#seasonal[phase] = seasonal + gamma * error;
    this.#level = level;
    this.#index = index;
  }

  /** Values so far of a phase of the second season, up to `VISITS_MOST`. */
  visits(secondPhase: number): number {
    return this.#visits[secondPhase] ?? 0;
  }

  /** Takes the value in for its phase of the second season alone: what is not known of that says nothing of the rest. */
  updateSecond(index: number, value: number, secondPhase: number): void {
    const visits = this.#visits[secondPhase]!;
    this.#second[secondPhase]! += (value - this.forecast(index, secondPhase)) / (visits + 1);
    if (visits < VISITS_MOST) this.#visits[secondPhase] = visits + 1;
  }

  /** Moves the level, for a shift that turned out to be lasting. */
  shift(by: number): void {
    this.#level += by;
  }

  get level(): number {
    return this.#level;
  }

  /** The level and what the seasons add to it on average. */
  get meanLevel(): number {
    const second = this.#second.length === 0 ? 0 : mean(this.#second);
    return this.#level + mean(this.#seasonal) + second;
  }

  get trend(): number {
    return this.#trend;
  }

  /** The seasonal term of an index. */
  seasonal(index: number): number {
    return this.#seasonal[this.#phase(index)]!;
  }

  state(): HoltWintersState {
    return {
      level: this.#level,
      trend: this.#trend,
      seasonal: Array.from(this.#seasonal),
      ...(this.#second.length > 0 && { second: Array.from(this.#second), visits: Array.from(this.#visits) }),
      index: this.#index,
      ...(this.#few !== undefined && this.#few.size > 0 && { few: Object.fromEntries(this.#few) }),
    };
  }

  #horizon(index: number): number {
    return Math.min(Math.max(1, index - this.#index), Math.max(2, this.#seasonal.length));
  }

  #phase(index: number): number {
    const season = this.#seasonal.length;
    return ((index % season) + season) % season;
  }
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
