/** Season and warm-up, where they are left to the detector. */
import type { DetectorInput } from "../core/detector.ts";
import { transformedValue } from "./transform.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Five-minute windows have a season of a day; anything finer would need a state that large per metric. */
const SEASON_MAX = 288;
/** Tried where the window's size is unknown: quarters, working week, week, months, hours. */
const CANDIDATES = [4, 5, 7, 12, 24] as const;
/** Windows that are looked at before the season is chosen from the data. */
export const SEASON_DECISION_WINDOWS = 37;
/** Autocorrelation, averaged over the metrics, that makes a season. */
const SEASON_CORRELATION_MIN = 0.3;
/** Innovations that scale a metric before it is judged: with two seasons of 7 that makes 37 windows. */
export const SCALE_WINDOWS = 23;

/** A week of days, a day of shorter windows (as long as that is at most 288 of them), else an hour, else none. */
export function seasonOfWindow(windowMs: number): number {
  if (!(windowMs > 0)) throw new RangeError(`Cannot choose a season: the window is ${windowMs} ms long`);
  if (windowMs === DAY_MS) return 7;
  for (const span of [DAY_MS, HOUR_MS]) {
    const season = span / windowMs;
    if (Number.isInteger(season) && season > 1 && season <= SEASON_MAX) return season;
  }
  return 1;
}

/** A season above the first. Its phases are hours, of a week or of a day. */
export interface SecondSeason {
  readonly name: "week" | "day";
  readonly phases: number;
  /** Phases in one season of the first. */
  readonly perSeason: number;
}

/** Hours of a week above a season of a day; hours of a day above what is shorter than an hour and has a season of one. */
export function secondSeasonOf(season: number, windowMs: number | undefined): SecondSeason | undefined {
  if (windowMs === undefined || season === 1) return undefined;
  if (season * windowMs === DAY_MS) return { name: "week", phases: 7 * 24, perSeason: 24 };
  return season * windowMs === HOUR_MS ? { name: "day", phases: 24, perSeason: 1 } : undefined;
}

/** Where nobody says in which phase a window lies: as if the first one began it. */
export function phaseOfIndex(index: number, season: number, { phases, perSeason }: SecondSeason): number {
  const phase = Math.floor((index * perSeason) / season) % phases;
  return phase < 0 ? phase + phases : phase;
}

/** Values that start the level and the indices of a season: two of each phase, or ten where there is no season. */
export function startWindows(season: number): number {
  return season > 1 ? 2 * season : 10;
}

export function warmupOfSeason(season: number): number {
  return startWindows(season) + SCALE_WINDOWS;
}

/** The candidate with the largest autocorrelation of the differenced-out series, or 1 where none stands out. */
export function seasonOfData(inputs: readonly DetectorInput[]): number {
  const series = new Map<string, Map<number, number>>();
  for (const { index, metrics } of inputs) {
    for (const metric of metrics) {
      const value = transformedValue(metric);
      if (value === undefined) continue;
      const points = series.get(metric.id) ?? new Map<number, number>();
      points.set(index, value);
      series.set(metric.id, points);
    }
  }
  const moving = [...series.values()].filter((points) => points.size >= 2 * CANDIDATES[0] && spread(points) > 0);
  let best = 1;
  let bestCorrelation = SEASON_CORRELATION_MIN;
  for (const candidate of CANDIDATES) {
    if (inputs.length < 1.5 * candidate) continue;
    let sum = 0;
    for (const points of moving) sum += autocorrelation(points, candidate);
    const mean = moving.length > 0 ? sum / moving.length : 0;
    // A multiple of a season correlates as well: the shorter one stays unless the longer is clearly better.
    if (mean > bestCorrelation + (best > 1 ? 0.05 : 0)) {
      best = candidate;
      bestCorrelation = mean;
    }
  }
  return best;
}

/** Correlation of neighbours' differences at this lag: differencing keeps a trend from looking like every season. */
function autocorrelation(points: ReadonlyMap<number, number>, lag: number): number {
  let product = 0;
  let squares = 0;
  let pairs = 0;
  for (const [index, value] of points) {
    const before = points.get(index - 1);
    const lagged = points.get(index - lag);
    const laggedBefore = points.get(index - lag - 1);
    if (before === undefined || lagged === undefined || laggedBefore === undefined) continue;
    const a = value - before;
    const b = lagged - laggedBefore;
    product += a * b;
    squares += (a * a + b * b) / 2;
    pairs++;
  }
  return pairs >= 6 && squares > 0 ? product / squares : 0;
}

function spread(points: ReadonlyMap<number, number>): number {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of points.values()) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return high - low;
}
