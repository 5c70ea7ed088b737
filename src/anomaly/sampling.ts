/**
 * How much of a metric's unrest is the chance of few rows. A window of 5 rows says less of a share or a mean than one of 80: its innovation e
 * has the variance
 *
 *     Var(e) = S² (1 − ρ + ρ r),   r = q / q̄
 *
 * with q the sampling variance up to a factor (1/n of shares, means and spreads; of a count of Poisson events on the log scale m/(1 + m)²), q̄
 * its mean over past windows, S² the variance of a window of the usual q, and ρ the part of it that is sampling. ρ is the slope of the
 * squared innovations over r; with few windows, or where n hardly varies, it is what theory says: of a share 1/(4n), of a correlation 1/n, of a count
 * the Poisson variance, of other values most of it.
 *
 * `factor()` brings innovations of all windows to the scale of the usual one, so that thousands of rows and five are judged by one scale, and
 * k times the rows of the same distribution narrow what is believed by √k. Where n does not vary it is 1.
 */
import type { MetricKind } from "../core/metric.ts";

/** JSON-safe. */
export interface SamplingSnapshot {
  readonly count: number;
  readonly mean: number;
  readonly cross: number;
  readonly square: number;
}

/** Memory of q̄ and of the slope. */
const RATE = 1 / 240;
/** Beyond, few rows are as good as none, and more of them no better. */
const RATIO_MIN = 0.01;
const RATIO_MAX = 20;
/** Part of a value's variance that is taken for sampling until the slope is known. */
const VALUE_SHARE = 0.7;
/** What theory says counts like this sum of (r − 1)². */
const PRIOR_WEIGHT = 20;
/** A single window does not decide on the slope. */
const SURPRISE_MAX = 9;

/** q of a window; undefined: nothing is known of how many rows there are. `expected`: transformed. */
export function samplingVariance(kind: MetricKind, n: number, expected: number): number | undefined {
  if (kind !== "count") return n > 0 ? 1 / n : undefined;
  const rows = Math.expm1(Math.max(0, expected));
  return Math.max(rows, 0.25) / (1 + rows) ** 2;
}

export class Sampling {
  readonly #kind: MetricKind;
  #count: number;
  #mean: number;
  #cross: number;
  #square: number;

  constructor(kind: MetricKind, snapshot: SamplingSnapshot = { count: 0, mean: 0, cross: 0, square: 0 }) {
    this.#kind = kind;
    this.#count = snapshot.count;
    this.#mean = snapshot.mean;
    this.#cross = snapshot.cross;
    this.#square = snapshot.square;
  }

  /** What an innovation is multiplied with. `scale`: S. */
  factor(q: number | undefined, scale: number): number {
    if (q === undefined || this.#count === 0) return 1;
    return 1 / Math.sqrt(this.#variance(this.#ratio(q), scale));
  }

  /** Takes in a window whose innovation, brought to the usual scale, is `innovation`. */
  learn(q: number | undefined, innovation: number | undefined, scale: number): void {
    if (q === undefined) return;
    if (innovation !== undefined && scale > 0 && this.#count > 0) {
      const ratio = this.#ratio(q);
      const surprise = Math.min(SURPRISE_MAX, (innovation / scale) ** 2) * this.#variance(ratio, scale);
      this.#cross += (surprise - 1) * (ratio - 1) - RATE * this.#cross;
      this.#square += (ratio - 1) ** 2 - RATE * this.#square;
    }
    this.#count++;
    this.#mean += Math.max(RATE, 1 / this.#count) * (q - this.#mean);
  }

  snapshot(): SamplingSnapshot {
    return { count: this.#count, mean: this.#mean, cross: this.#cross, square: this.#square };
  }

  #ratio(q: number): number {
    return Math.max(RATIO_MIN, Math.min(RATIO_MAX, q / this.#mean));
  }

  /** In units of S². */
  #variance(ratio: number, scale: number): number {
    const slope = (this.#cross + PRIOR_WEIGHT * this.#byTheory(scale)) / (this.#square + PRIOR_WEIGHT);
    const share = Math.max(0, Math.min(1, slope));
    return 1 - share + share * ratio;
  }

  #byTheory(scale: number): number {
    if (this.#kind === "value") return VALUE_SHARE;
    const sampling = this.#kind === "share" ? this.#mean / 4 : this.#mean;
    return scale > 0 ? Math.min(1, sampling / (scale * scale)) : 1;
  }
}
