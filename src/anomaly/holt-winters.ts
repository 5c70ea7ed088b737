/**
 * Additive Holt-Winters, one series (Winters 1960; component form of Hyndman & Athanasopoulos, "Forecasting: Principles
 * and Practice", §8.3):
 *
 *     ŷ(t)  = l + h b + s[t mod m]                        h = windows since the last value
 *     l'    = α (y − s[t mod m]) + (1 − α)(l + h b)
 *     b'    = β (l' − l)/h + (1 − β) b
 *     s'[·] = γ (y − l − h b) + (1 − γ) s[t mod m]
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
}

export interface HoltWintersState {
  readonly level: number;
  readonly trend: number;
  /** One per phase; the length is the season. */
  readonly seasonal: readonly number[];
  /** Index of the last value taken in. */
  readonly index: number;
  /** Values so far of each phase that had none at the start. @default none */
  readonly few?: Readonly<Record<number, number>>;
}

export class HoltWinters {
  readonly constants: SmoothingConstants;
  #level: number;
  #trend: number;
  #index: number;
  readonly #seasonal: Float64Array;
  /** Values so far, by phase. */
  readonly #few: Map<number, number>;

  constructor(constants: SmoothingConstants, start: HoltWintersState) {
    if (start.seasonal.length < 1) throw new RangeError("Cannot start HoltWinters: the season has no phase");
    this.constants = constants;
    this.#level = start.level;
    this.#trend = start.trend;
    this.#index = start.index;
    this.#seasonal = Float64Array.from(start.seasonal);
    this.#few = new Map(Object.entries(start.few ?? {}).map(([phase, count]) => [Number(phase), count]));
  }

  /** The phase had no value yet: what is forecast of it is a guess. */
  isUnseen(index: number): boolean {
    return this.#few.get(this.#phase(index)) === 0;
  }

  /** What is expected at this index, which lies after the last one taken in. */
  forecast(index: number): number {
    return this.#level + this.#horizon(index) * this.#trend + this.#seasonal[this.#phase(index)]!;
  }

  update(index: number, value: number): void {
    const { alpha, beta, gamma } = this.constants;
    const horizon = this.#horizon(index);
    const phase = this.#phase(index);
    const base = this.#level + horizon * this.#trend;
    const seasonal = this.#seasonal[phase]!;
    const error = value - (base + seasonal);
    const few = this.#few.get(phase);
    if (few !== undefined) {
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
    const level = base + alpha * error;
    this.#trend += beta * ((level - this.#level) / horizon - this.#trend);
    this.#seasonal[phase] = seasonal + gamma * error;
    this.#level = level;
    this.#index = index;
  }

  /** Moves the level, for a shift that turned out to be lasting. */
  shift(by: number): void {
    this.#level += by;
  }

  get level(): number {
    return this.#level;
  }

  /** The level and what the season adds to it on average. */
  get meanLevel(): number {
    return this.#level + this.#seasonal.reduce((sum, value) => sum + value, 0) / this.#seasonal.length;
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
      index: this.#index,
      ...(this.#few.size > 0 && { few: Object.fromEntries(this.#few) }),
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
