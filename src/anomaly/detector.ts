/**
 * The detector: three lanes over one table of per-metric forecasters, and the strongest of them speaks.
 *
 * - `metrics`: Holt-Winters per metric, the one furthest out in its own tail.
 * - `residual`: principal components of the innovations; what moves without its usual companions.
 * - `pca`: principal components of the metrics, Holt-Winters on the leading ones.
 *
 * A score of 1 is the alarm threshold. Scoring never learns; learning is told what the score said, so that an alarming
 * window is winsorised in the forecasters and left out of the components' history.
 */
import type { Detector, DetectorInput, DetectorScore, LaneScore } from "../core/detector.ts";
import type { Outcome, Severity } from "../core/verdict.ts";
import { causesOf, intervalOf } from "./causes.ts";
import { type Expectation, type LaneResult, levelOf } from "./lane.ts";
import { scoreMetricLane } from "./metric-lane.ts";
import { MetricTable, type MetricTableSnapshot, type Observation } from "./metric-table.ts";
import { PcaLane, type PcaLaneSnapshot } from "./pca-lane.ts";
import { ResidualLane, type ResidualLaneSnapshot } from "./residual-lane.ts";
import {
  SCALE_WINDOWS,
  SEASON_DECISION_WINDOWS,
  seasonOfData,
  seasonOfWindow,
  startWindows,
  warmupOfSeason,
} from "./season.ts";
import { halfWidth } from "./tail.ts";

export interface DetectorOptions {
  /** Windows per season, at least 1; `auto`: from `windowMs`, or from the data where that is absent. */
  readonly season: number | "auto";
  /** Windows before the first verdict; `auto`: two seasons and 23 more, 37 for days. */
  readonly warmup: number | "auto";
  /** Length of a window in milliseconds. */
  readonly windowMs?: number;
}

/** Scores a p-value is read from. */
const PAST_SCORES_MAX = 2_000;
/** Alarms in a row after which windows are learned as they are, where the season is longer. */
const ALARM_RUN_MAX = 14;
const SNAPSHOT_VERSION = 1;

interface Core {
  readonly season: number;
  readonly warmup: number;
  readonly table: MetricTable;
  readonly residual: ResidualLane;
  readonly pca: PcaLane;
}

interface Snapshot {
  readonly version: number;
  readonly options: DetectorOptions;
  readonly learned: number;
  readonly lastIndex: number | null;
  readonly alarmRun: number;
  readonly pastScores: readonly number[];
  /** Windows held back until the season is known. */
  readonly pending: readonly DetectorInput[];
  readonly core: {
    readonly season: number;
    readonly table: MetricTableSnapshot;
    readonly residual: ResidualLaneSnapshot;
    readonly pca: PcaLaneSnapshot;
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
  readonly metrics: number;
}

/** @throws {TypeError} when it is no snapshot of this version */
export function detectorProgress(snapshot: unknown): DetectorProgress {
  const { learned, options, core } = asSnapshot(snapshot);
  const season = core?.season ?? null;
  const auto = season === null ? null : warmupOfSeason(season);
  const warmup = options.warmup === "auto" ? auto : options.warmup;
  return { learned, warmup, season, metrics: core?.table.slots.length ?? 0 };
}

class FusedDetector implements Detector {
  readonly #options: DetectorOptions;
  #learned = 0;
  #lastIndex = Number.NEGATIVE_INFINITY;
  /** Windows that alarmed one after the other. */
  #alarmRun = 0;
  #pastScores: number[] = [];
  #pending: DetectorInput[] = [];
  #core: Core | undefined;

  constructor(options: DetectorOptions, snapshot?: Snapshot) {
    this.#options = options;
    requireWindows("season", options.season, 1);
    requireWindows("warmup", options.warmup, 0);
    if (snapshot !== undefined) {
      this.#learned = snapshot.learned;
      this.#lastIndex = snapshot.lastIndex ?? Number.NEGATIVE_INFINITY;
      this.#alarmRun = snapshot.alarmRun;
      this.#pastScores = [...snapshot.pastScores];
      this.#pending = [...snapshot.pending];
      if (snapshot.core !== null) this.#core = build(snapshot.core.season, options.warmup, snapshot.core);
      return;
    }
    if (options.season !== "auto") this.#core = build(options.season, options.warmup);
    else if (options.windowMs !== undefined) this.#core = build(seasonOfWindow(options.windowMs), options.warmup);
  }

  scoreOne(input: DetectorInput): DetectorScore {
    const core = this.#core;
    if (core === undefined || this.#learned < core.warmup) return unknownScore();
    const observations = core.table.observe(input);
    if (observations.length === 0) return unknownScore();
    const results: [string, LaneResult][] = [
      ["metrics", scoreMetricLane(core.table, observations)],
      ["residual", core.residual.score(observations)],
      ["pca", core.pca.score(input.index, observations)],
    ];
    const lanes = results.map(([lane, result]) => laneScore(core.table, lane, result, observations));
    let strongest = 0;
    for (let i = 1; i < results.length; i++) {
      if ((results[i]![1].score ?? 0) > (results[strongest]![1].score ?? 0)) strongest = i;
    }
    const score = results[strongest]![1].score!;
    const expected = new Map(
      observations.map((o) => [o.metric.id, intervalOf(o.metric, ownExpectation(core.table, o))] as const),
    );
    let asBad = 0;
    for (const past of this.#pastScores) if (past >= score) asBad++;
    const outcome = outcomeOf(score);
    return {
      outcome,
      score,
      pValue: (1 + asBad) / (this.#pastScores.length + 1),
      severity: outcome === "fail" ? severityOf(score) : null,
      causes: lanes[strongest]!.causes,
      lanes,
      expected,
    };
  }

  learnOne(input: DetectorInput, score: DetectorScore): void {
    if (!(input.index > this.#lastIndex)) {
      throw new RangeError(`Cannot learn window ${input.index}: window ${this.#lastIndex} is already learned`);
    }
    this.#lastIndex = input.index;
    this.#learned++;
    if (this.#core === undefined) {
      this.#pending.push(input);
      if (this.#pending.length < this.#decisionWindows()) return;
      const core = build(seasonOfData(this.#pending), this.#options.warmup);
      for (const held of this.#pending) learnInto(core, held, false);
      this.#pending = [];
      this.#core = core;
      return;
    }
    const failed = score.outcome === "fail";
    this.#alarmRun = failed ? this.#alarmRun + 1 : 0;
    // What lasts longer than a season is the new normal; without this a lasting change would never enter the history.
    learnInto(this.#core, input, failed && this.#alarmRun <= Math.min(ALARM_RUN_MAX, Math.max(7, this.#core.season)));
    if (score.score !== null && !failed) {
      this.#pastScores.push(score.score);
      if (this.#pastScores.length > PAST_SCORES_MAX) this.#pastScores.shift();
    }
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
      pastScores: [...this.#pastScores],
      pending: this.#pending.map(portable),
      core:
        core === undefined
          ? null
          : {
              season: core.season,
              table: core.table.snapshot(),
              residual: core.residual.snapshot(),
              pca: core.pca.snapshot(),
            },
    };
    return snapshot;
  }
}

function build(season: number, warmup: number | "auto", snapshot?: Snapshot["core"]): Core {
  const windows = warmup === "auto" ? warmupOfSeason(season) : warmup;
  // A short warm-up shortens both parts: what starts a model, and what scales it.
  const startAfter = Math.max(2, Math.min(startWindows(season), Math.floor(windows * 0.6)));
  const readyAfter = Math.max(2, Math.min(SCALE_WINDOWS, windows - startAfter));
  const table = new MetricTable({ season, startAfter, readyAfter }, snapshot?.table);
  return {
    season,
    warmup: windows,
    table,
    residual: new ResidualLane(table, snapshot?.residual),
    pca: new PcaLane(table, { season, startAfter, fitFrom: Math.max(10, windows) }, snapshot?.pca),
  };
}

function learnInto(core: Core, input: DetectorInput, alarmed: boolean): void {
  const observations = core.table.observe(input);
  const refit = core.table.learn(input, alarmed);
  core.residual.learn(input, observations, alarmed, refit);
  core.pca.learn(alarmed, refit);
}

function laneScore(
  table: MetricTable,
  lane: string,
  result: LaneResult,
  observations: readonly Observation[],
): LaneScore {
  if (result.score === undefined) return { lane, score: null, outcome: "unknown", causes: [] };
  return {
    lane,
    score: result.score,
    outcome: outcomeOf(result.score),
    causes: causesOf(observations, result.blame, (o, i) => result.expectations?.[i] ?? ownExpectation(table, o)),
  };
}

function ownExpectation(table: MetricTable, { slot, expected, floor }: Observation): Expectation {
  return { mid: expected, width: halfWidth(table.tail(slot), floor) };
}

function outcomeOf(score: number): Outcome {
  return score >= 1 ? "fail" : "pass";
}

function severityOf(score: number): Severity {
  const level = levelOf(score);
  if (level === 4) return "P1";
  return level >= 2 ? "P2" : "P3";
}

function unknownScore(): DetectorScore {
  return { outcome: "unknown", score: null, pValue: null, severity: null, causes: [], lanes: [], expected: new Map() };
}

/** JSON has no `undefined`: a metric without a value is left out, which means the same to the detector. */
function portable(input: DetectorInput): DetectorInput {
  return { index: input.index, metrics: input.metrics.filter((metric) => metric.value !== undefined) };
}

function requireWindows(name: string, value: number | "auto", least: number): void {
  if (value === "auto") return;
  if (!Number.isInteger(value) || value < least) {
    throw new RangeError(
      `Cannot create a detector: ${name} is ${value}, expected an integer of at least ${least} or "auto"`,
    );
  }
}
