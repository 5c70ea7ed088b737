/**
 * The detector: four lanes over one table of per-metric forecasters, and the strongest of them speaks.
 *
 * - `metrics`: Holt-Winters per metric, the one furthest out in its own tail.
 * - `residual`: principal components of the innovations; what moves without its usual companions.
 * - `pca`: principal components of the metrics, Holt-Winters on the leading ones.
 * - `drift`: exponentially weighted means of the innovations; what is a little off for long.
 *
 * Each lane is calibrated by its own past scores, the largest of them again: a score of 1 is the threshold that keeps to the budget of
 * false alarms. Scoring never learns; learning is told what the score said, so that an alarming
 * window is winsorised in the forecasters and left out of the components' history. What a person says of a window overrules the score.
 */
import { FALSE_ALARMS_DEFAULT } from "../core/config.ts";
import {
  type Detector,
  type DetectorInput,
  type DetectorScore,
  type LaneScore,
  type Learned,
  NOTHING_LEARNED,
} from "../core/detector.ts";
import type { FeedbackLabel } from "../core/feedback.ts";
import { DEFAULT_SEVERITY, severityOf } from "../core/severity.ts";
import type { Outcome } from "../core/verdict.ts";
import { type Calibrated, Calibration, type CalibrationSnapshot, type LaneScores } from "./calibration.ts";
import { causesOf, intervalOf } from "./causes.ts";
import { DriftLane, type DriftLaneSnapshot } from "./drift-lane.ts";
import type { Expectation, LaneResult } from "./lane.ts";
import { scoreMetricLane } from "./metric-lane.ts";
import { MetricTable, type MetricTableSnapshot, type Observation } from "./metric-table.ts";
import { PcaLane, type PcaLaneSnapshot } from "./pca-lane.ts";
import { ResidualLane, type ResidualLaneSnapshot } from "./residual-lane.ts";
import {
  SCALE_WINDOWS,
  SEASON_DECISION_WINDOWS,
  type SecondSeason,
  seasonOfData,
  seasonOfWindow,
  secondSeasonOf,
  startWindows,
  warmupOfSeason,
} from "./season.ts";
import { hasSecondSeason } from "./series-model.ts";
import { halfWidth } from "./tail.ts";

export interface DetectorOptions {
  /** Windows per season, at least 1; `auto`: from `windowMs`, or from the data where that is absent. */
  readonly season: number | "auto";
  /** Windows before the first verdict; `auto`: two seasons and 23 more, 37 for days. */
  readonly warmup: number | "auto";
  /** Length of a window in milliseconds. */
  readonly windowMs?: number;
  /** Most false alarms per window, above 0 and at most 0.15. @default one in 30 days where `windowMs` is known, else in 30 windows */
  readonly falseAlarms?: number;
  /** Metrics that are known at once; further ones are left out. @default 2,000 */
  readonly metricsMax?: number;
}

/** Windows in which one false alarm is tolerated, where their length is not known. */
const BUDGET_WINDOWS = 30;
/** Beyond it a threshold would lie among ordinary scores. */
export const FALSE_ALARMS_MAX = 0.15;
/**
 * In the order of how well they name the field. The scores are those that the flights of 2013 exceed once in 30 windows; what lanes find that is
 * not a fault of a single window, or names no field well, has a small share of the budget.
 */
const LANES = [
  { name: "metrics", typical: 9.2, share: 1 },
  { name: "residual", typical: 7.9, share: 1 },
  { name: "pca", typical: 5.8, share: 0.2 },
  { name: "drift", typical: 9, share: 0.2 },
] as const;
/** Alarms in a row after which windows are learned as they are, where the season is longer. */
const ALARM_RUN_MAX = 14;
/** Of the largest blame: a metric with less is company, and its runs hold up no incident. */
const BLAMED_LEAST = 0.25;
const SNAPSHOT_VERSION = 4;

interface Core {
  readonly season: number;
  readonly warmup: number;
  readonly table: MetricTable;
  readonly residual: ResidualLane;
  readonly pca: PcaLane;
  readonly drift: DriftLane;
  readonly calibration: Calibration;
  /** False alarms that are tolerated, per window. */
  readonly rateOf: (input: DetectorInput) => number;
}

interface Snapshot {
  readonly version: number;
  readonly options: DetectorOptions;
  readonly learned: number;
  readonly lastIndex: number | null;
  readonly alarmRun: number;
  /** Windows held back until the season is known. */
  readonly pending: readonly DetectorInput[];
  readonly core: {
    readonly season: number;
    readonly table: MetricTableSnapshot;
    readonly residual: ResidualLaneSnapshot;
    readonly pca: PcaLaneSnapshot;
    readonly drift: DriftLaneSnapshot;
    readonly calibration: CalibrationSnapshot;
  } | null;
}

export function createDetector(options: DetectorOptions): Detector {
  return new FusedDetector(options);
}

/** Takes back what `snapshot()` gave; its future is identical. */
export function restoreDetector(snapshot: unknown): Detector {
  const state = asSnapshot(snapshot);
  return new FusedDetector(state.options, state);
}

function asSnapshot(snapshot: unknown): Snapshot {
  const state = snapshot as Partial<Snapshot> | null;
  if (
    typeof state !== "object" ||
    state === null ||
    state.version !== SNAPSHOT_VERSION ||
    state.options === undefined
  ) {
    throw new TypeError(`Cannot restore the detector: expected a snapshot of version ${SNAPSHOT_VERSION}`);
  }
  return state as Snapshot;
}

/** What a snapshot knows, for people. */
export interface DetectorProgress {
  /** Windows learned. */
  readonly learned: number;
  /** Windows before the first verdict; null while the season, from which it follows, is not decided. */
  readonly warmup: number | null;
  /** In windows; null: not decided yet. */
  readonly season: number | null;
  /** Above the first season, where the windows are such that there can be one. */
  readonly secondSeason: SecondSeasonProgress | null;
  readonly metrics: number;
}

export interface SecondSeasonProgress extends SecondSeason {
  /** Windows of the first season. */
  readonly firstWindows: number;
  /** Metrics that it speaks for: those that were forecast better with it than without. */
  readonly metrics: number;
}

/** @throws {TypeError} when it is no snapshot of this version */
export function detectorProgress(snapshot: unknown): DetectorProgress {
  const { learned, options, core } = asSnapshot(snapshot);
  const season = core?.season ?? null;
  const auto = season === null ? null : warmupOfSeason(season);
  const warmup = options.warmup === "auto" ? auto : options.warmup;
  const slots = core?.table.slots ?? [];
  const second = season === null ? undefined : secondSeasonOf(season, options.windowMs);
  const spokenFor = slots.filter(([, , , , model]) => hasSecondSeason(model)).length;
  const secondSeason =
    second === undefined || season === null ? null : { ...second, firstWindows: season, metrics: spokenFor };
  return { learned, warmup, season, secondSeason, metrics: slots.length };
}

class FusedDetector implements Detector {
  readonly #options: DetectorOptions;
  #learned = 0;
  #lastIndex = Number.NEGATIVE_INFINITY;
  /** Windows that alarmed one after the other. */
  #alarmRun = 0;
  #pending: DetectorInput[] = [];
  #core: Core | undefined;
  /** Of the window that was scored last, until one is learned. */
  #raw: { readonly input: DetectorInput; readonly scores: RawScores } | undefined;

  constructor(options: DetectorOptions, snapshot?: Snapshot) {
    this.#options = options;
    requireWindows("season", options.season, 1);
    requireWindows("warmup", options.warmup, 0);
    requireFalseAlarms(options.falseAlarms);
    if (snapshot !== undefined) {
      this.#learned = snapshot.learned;
      this.#lastIndex = snapshot.lastIndex ?? Number.NEGATIVE_INFINITY;
      this.#alarmRun = snapshot.alarmRun;
      this.#pending = [...snapshot.pending];
      if (snapshot.core !== null) this.#core = build(snapshot.core.season, options, snapshot.core);
      return;
    }
    if (options.season !== "auto") this.#core = build(options.season, options);
    else if (options.windowMs !== undefined) this.#core = build(seasonOfWindow(options.windowMs), options);
  }

  scoreOne(input: DetectorInput): DetectorScore {
    const core = this.#core;
    if (core === undefined || this.#learned < core.warmup) return unknownScore();
    const raw = this.#rawOf(core, input);
    const calibrated = core.calibration.at(core.rateOf(input));
    const fused = calibrated.fuse(scoresOf(raw));
    if (fused === undefined) return unknownScore();
    const { widen = 1 } = input;
    const score = fused.score / calibrated.threshold / widen;
    const lanes = LANES.map((_, lane) => laneScore(core, lane, raw, { calibrated, widen }));
    const outcome = outcomeOf(score);
    const pValue = calibrated.pValue(fused.score / widen);
    const relativeP = pValue / calibrated.pValue(calibrated.threshold);
    const { causes } = lanes[speakerOf(lanes, fused.strongest)]!;
    return {
      outcome,
      score,
      pValue,
      relativeP,
      severity: outcome === "fail" ? severityOf({ score, relativeP, causes }, DEFAULT_SEVERITY) : null,
      causes,
      lanes,
      expected: new Map(
        raw.observations.map(
          (o) => [o.metric.id, intervalOf(o.metric, widened(ownExpectation(core.table, o), widen))] as const,
        ),
      ),
    };
  }

  learnOne(input: DetectorInput, score: DetectorScore, called?: FeedbackLabel): Learned {
    if (!(input.index > this.#lastIndex)) {
      throw new RangeError(`Cannot learn window ${input.index}: window ${this.#lastIndex} is already learned`);
    }
    this.#lastIndex = input.index;
    const core = this.#core;
    const placed = byClock(input);
    if (core === undefined) {
      this.#learned++;
      this.#pending.push(placed);
      if (this.#pending.length < this.#decisionWindows()) return NOTHING_LEARNED;
      this.#core = build(seasonOfData(this.#pending), this.#options);
      for (const [held, pending] of this.#pending.entries()) {
        learnInto(this.#core, pending, rawOf(this.#core, pending, held < this.#core.warmup), {
          isAlarm: false,
          failed: false,
          isJudged: false,
        });
      }
      this.#pending = [];
      return NOTHING_LEARNED;
    }
    const failed = score.outcome === "fail" && (called === undefined || called === "fault");
    const raw = this.#rawOf(core, input);
    this.#raw = undefined;
    this.#learned++;
    this.#alarmRun = failed ? this.#alarmRun + 1 : 0;
    // What lasts longer than a season is the new normal; without this a lasting change would never enter the history.
    const isProtected = failed && this.#alarmRun <= Math.min(ALARM_RUN_MAX, Math.max(7, core.season));
    const isJudged = score.outcome !== "unknown";
    return learnInto(core, placed, raw, { isAlarm: failed, failed: isProtected, isJudged, called });
  }

  /** Told twice of each window, by scoring and by learning it. */
  #rawOf(core: Core, input: DetectorInput): RawScores {
    if (this.#raw?.input !== input) {
      this.#raw = { input, scores: rawOf(core, byClock(input), this.#learned < core.warmup) };
    }
    return this.#raw.scores;
  }

  /** Without a known season nothing can be judged, so a short warm-up also shortens the look at the data. */
  #decisionWindows(): number {
    const { warmup } = this.#options;
    return warmup === "auto" ? SEASON_DECISION_WINDOWS : Math.min(SEASON_DECISION_WINDOWS, Math.max(8, warmup));
  }

  snapshot(): unknown {
    const core = this.#core;
    const snapshot: Snapshot = {
      version: SNAPSHOT_VERSION,
      options: this.#options,
      learned: this.#learned,
      lastIndex: Number.isFinite(this.#lastIndex) ? this.#lastIndex : null,
      alarmRun: this.#alarmRun,
      pending: this.#pending.map(portable),
      core:
        core === undefined
          ? null
          : {
              season: core.season,
              table: core.table.snapshot(),
              residual: core.residual.snapshot(),
              pca: core.pca.snapshot(),
              drift: core.drift.snapshot(),
              calibration: core.calibration.snapshot(),
            },
    };
    return snapshot;
  }
}

function build(season: number, options: DetectorOptions, snapshot?: Snapshot["core"]): Core {
  const { warmup } = options;
  const windows = warmup === "auto" ? warmupOfSeason(season) : warmup;
  // A short warm-up shortens both parts: what starts a model, and what scales it.
  const startAfter = Math.max(2, Math.min(startWindows(season), Math.floor(windows * 0.6)));
  const readyAfter = Math.max(2, Math.min(SCALE_WINDOWS, windows - startAfter));
  const { metricsMax } = options;
  const limit = metricsMax === undefined ? {} : { metricsMax };
  const second = secondSeasonOf(season, options.windowMs);
  const seasons = second === undefined ? { season } : { season, second };
  const table = new MetricTable({ ...seasons, startAfter, readyAfter, ...limit }, snapshot?.table);
  return {
    season,
    warmup: windows,
    table,
    residual: new ResidualLane(table, snapshot?.residual),
    pca: new PcaLane(table, { season, startAfter, fitFrom: Math.max(10, windows) }, snapshot?.pca),
    drift: new DriftLane(snapshot?.drift),
    calibration: new Calibration(LANES, snapshot?.calibration),
    rateOf: ({ falseAlarms = falseAlarmsOf(options) }) => Math.min(FALSE_ALARMS_MAX, falseAlarms),
  };
}

function falseAlarmsOf({ falseAlarms, windowMs }: DetectorOptions): number {
  const { count, perMs } = FALSE_ALARMS_DEFAULT;
  const rate = windowMs === undefined ? 1 / BUDGET_WINDOWS : (count * windowMs) / perMs;
  return falseAlarms ?? Math.min(FALSE_ALARMS_MAX, rate);
}

/** What the lanes say of a window, before any threshold. */
interface RawScores {
  readonly observations: readonly Observation[];
  /** In the order of `LANES`. */
  readonly results: readonly LaneResult[];
}

function rawOf(core: Core, input: DetectorInput, isWarmingUp: boolean): RawScores {
  const observations = core.table.observe(input, isWarmingUp);
  const results = [
    scoreMetricLane(core.table, observations),
    core.residual.score(observations),
    core.pca.score(input.index, observations),
    core.drift.score(observations),
  ];
  return { observations, results };
}

function scoresOf({ results }: RawScores): LaneScores {
  return results.map(({ score }) => score);
}

/**
 * `failed`: what it shows is no news of what is normal. So it is of windows that are known to be unlike others, unless a person spoke of them.
 * A fault that a person confirmed is as a window that is missing.
 */
function learnInto(
  core: Core,
  input: DetectorInput,
  raw: RawScores,
  { isAlarm, failed, isJudged, called }: Lesson,
): Learned {
  const rate = core.rateOf(input);
  // What is unlike others says nothing of how others score, nor of whether a metric has a new level.
  const isUsual = input.widen === undefined;
  const blamed = isAlarm && isUsual ? blamedSlots(raw, core.calibration.at(rate)) : undefined;
  if (isUsual) core.calibration.learn(input.index, scoresOf(raw), { rate, isJudged, called });
  if (called === "fault") return NOTHING_LEARNED;
  const isNoNews = failed || (!isUsual && called === undefined);
  const moves = called === "new-normal";
  const { cleared, moved, newLevels, isSettling } = core.table.learn(input, isNoNews, blamed, moves);
  // What was off before the level moved is not off any more.
  core.drift.learn(isNoNews || moves ? [] : raw.observations, cleared);
  core.drift.settle(moved);
  core.residual.learn(input, raw.observations, isNoNews || moves, cleared);
  core.pca.learn(isNoNews, cleared.length > 0 || moved.length > 0);
  return { newLevels, isSettling };
}

interface Lesson {
  readonly isAlarm: boolean;
  readonly failed: boolean;
  readonly isJudged: boolean;
  readonly called?: FeedbackLabel | undefined;
}

/** Metrics that have a part in the alarm. */
function blamedSlots({ observations, results }: RawScores, { units }: Calibrated): ReadonlySet<number> {
  const scores = results.map(({ score = 0 }, lane) => score / units[lane]!);
  const first = scores.findIndex((score) => outcomeOf(score) === "fail");
  const { blame } = results[first < 0 ? scores.indexOf(Math.max(...scores)) : first]!;
  const least = BLAMED_LEAST * Math.max(...blame);
  return new Set(observations.flatMap(({ slot }, i) => (blame[i]! > 0 && blame[i]! >= least ? [slot] : [])));
}

/** The lanes stand in the order of how well they name the field: the first that would have raised the alarm by itself does so. */
function speakerOf(lanes: readonly LaneScore[], strongest: number): number {
  const first = lanes.findIndex(({ outcome }) => outcome === "fail");
  return first < 0 ? strongest : first;
}

function laneScore(
  core: Core,
  lane: number,
  { observations, results }: RawScores,
  { calibrated, widen }: { readonly calibrated: Calibrated; readonly widen: number },
): LaneScore {
  const { name } = LANES[lane]!;
  const result = results[lane]!;
  if (result.score === undefined) return { lane: name, score: null, outcome: "unknown", causes: [] };
  const score = result.score / calibrated.units[lane]! / widen;
  return {
    lane: name,
    score,
    outcome: outcomeOf(score),
    causes: causesOf(observations, result.blame, (o, i) =>
      widened(result.expectations?.[i] ?? ownExpectation(core.table, o), widen),
    ),
  };
}

function ownExpectation(table: MetricTable, { slot, expected, floor, factor }: Observation): Expectation {
  return { mid: expected, width: halfWidth(table.tail(slot), floor) / factor };
}

function widened({ mid, width }: Expectation, widen: number): Expectation {
  return { mid, width: width * widen };
}

function outcomeOf(score: number): Outcome {
  return score >= 1 ? "fail" : "pass";
}

function unknownScore(): DetectorScore {
  return { outcome: "unknown", score: null, pValue: null, severity: null, causes: [], lanes: [], expected: new Map() };
}

/**
 * With the index that the clocks of its zone give it: one is left out, or comes twice, where they change. Forecasters take either for a
 * step of one window.
 */
function byClock(input: DetectorInput): DetectorInput {
  const { ahead = 0 } = input;
  return ahead === 0 ? input : { ...input, index: input.index + ahead, ahead: 0 };
}

/** JSON has no `undefined`: a metric without a value is left out, which means the same to the detector. */
function portable(input: DetectorInput): DetectorInput {
  const { index, widen } = input;
  return {
    index,
    ...(widen !== undefined && { widen }),
    metrics: input.metrics.filter((metric) => metric.value !== undefined),
  };
}

function requireWindows(name: string, value: number | "auto", least: number): void {
  if (value === "auto") return;
  if (!Number.isInteger(value) || value < least) {
    throw new RangeError(
      `Cannot create a detector: ${name} is ${value}, expected an integer of at least ${least} or "auto"`,
    );
  }
}

function requireFalseAlarms(rate: number | undefined): void {
  if (rate === undefined || (rate > 0 && rate <= FALSE_ALARMS_MAX)) return;
  throw new RangeError(
    `Cannot create a detector: falseAlarms is ${rate} per window, expected more than 0 and at most ${FALSE_ALARMS_MAX}`,
  );
}
