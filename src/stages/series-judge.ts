/**
 * One metric time series: a dataset, a slice, a window size. Reads the metrics off closed windows, compares them
 * with the past, scores and learns, in the order of the windows.
 *
 * A revised window is judged anew as if its late events had come in time: the models are kept twice, at the newest
 * window and at the revision horizon, and those at the horizon re-learn forward. A later window is told again only
 * when its outcome changes.
 */
import { createDetector, type DetectorProgress, detectorProgress, restoreDetector } from "../anomaly/detector.ts";
import { Lateness, type LatenessScore, type LatenessSnapshot, type LateRows } from "../anomaly/lateness.ts";
import { Silence, type SilenceSnapshot, type SilentWindow } from "../anomaly/silence.ts";
import { kindOf } from "../anomaly/verdict-kind.ts";
import type { CalendarMark } from "../core/calendar.ts";
import {
  type Detector,
  type DetectorInput,
  type DetectorScore,
  type Learned,
  NOTHING_LEARNED,
} from "../core/detector.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { FeedbackLabel } from "../core/feedback.ts";
import type { MetricValue } from "../core/metric.ts";
import type { Outcome, Severity, VerdictKind } from "../core/verdict.ts";
import type { LedgerCounts, WindowId } from "../core/window.ts";
import { ReferenceWindows } from "../drift/reference.ts";
import { contentsOf, type WindowContents } from "../drift/window-contents.ts";
import type { Profile } from "../profiles/profile.ts";
import { isReferenceMetric } from "../profiles/reference-metrics.ts";
import { readSealed, sealed } from "../profiles/sealed-bytes.ts";
import type { WindowSummary } from "../profiles/window-summary.ts";
import { ByteWriter } from "../sketches/bytes.ts";
import type { KeptProfile } from "./kept-profile.ts";
import { lateShareOf, withLateness } from "./late-verdict.ts";
import type { Traced } from "./origin-judge.ts";
import { silenceSeason } from "./season.ts";
import type { Steps } from "./stints.ts";

/** A closed or revised window as the tracker hands it over. */
export interface WindowInput {
  readonly window: WindowId;
  readonly index: number;
  readonly partial: boolean;
  readonly empty: boolean;
  readonly counts: LedgerCounts;
  /** The tracker's: late events go on changing it, and then it comes again. */
  readonly profile: KeptProfile;
}

/** What is said of a window; `revision` counts what was said before. */
export interface Judged {
  readonly window: WindowId;
  readonly revision: number;
  readonly partial: boolean;
  readonly counts: LedgerCounts;
  readonly metrics: readonly MetricValue[];
  readonly score: DetectorScore;
  /** What the alarm is about; null: there is none. */
  readonly kind: VerdictKind | null;
  /** `no-data`: since when. */
  readonly sinceMs?: number;
  readonly learned: Learned;
  /** Entries of the calendar that the window touches. */
  readonly calendar: readonly string[];
  /** Of the past on which the deployment trains. */
  readonly isBacktest?: boolean;
  readonly summary: WindowSummary;
  /** Of the whole, when it is told first: where what is wrong comes from. */
  readonly traced?: Traced;
}

/** Windows before one that say whether events come late. */
const LATE_BEFORE = 3;
/** To measure or to judge a window takes about as long as to read so many bytes of state. */
const WINDOW_WORK = 16_384;

export interface SeriesJudgeOptions {
  readonly season: number | "auto";
  readonly warmup: number | "auto";
  readonly sizeMs: number;
  /** How long after its end a window may still be revised. */
  readonly reviseForMs: number;
  /** Chance of a false alarm that is tolerated in a window of this series. */
  readonly falseAlarms: () => number;
  /** Windows by which the clocks are ahead of the index, see `DetectorInput`. @default 0 */
  readonly aheadOf?: (window: WindowId) => number;
  /** Phase of a window in the second season. @default none is known */
  readonly secondPhaseOf?: (window: WindowId) => number | undefined;
  /** What the calendar says of a window. @default nothing */
  readonly markOf?: (window: WindowId) => CalendarMark | undefined;
  /** Of a window that alarms, by itself. @default what the detector says */
  readonly severityOf?: (score: DetectorScore) => Severity;
  /** What a window is that alarms now, if a person has said it already. @default nobody has */
  readonly calledNow?: (window: WindowId) => FeedbackLabel | undefined;
  readonly metricsOf: (profile: Profile) => readonly MetricValue[];
  readonly referenceMetricsOf: (reference: ReferenceWindows, contents: WindowContents) => readonly MetricValue[];
  readonly summaryOf: (profile: Profile) => WindowSummary;
}

/** A window that may still be revised, and what was made of it. */
interface Entry {
  input: WindowInput;
  /** As it was when the window closed. */
  readonly falseAlarms: number;
  /** Of the window by itself, as it was told last. */
  own: readonly MetricValue[];
  /** Those, and the ones that compare it with the past. */
  metrics: readonly MetricValue[];
  score: DetectorScore;
  /** Of this score. */
  kind: VerdictKind | null;
  sinceMs: number | undefined;
  /** Valid and invalid events that were there when it was told first. */
  readonly rowsInTime: number;
  /** When it was judged. */
  learned: Learned;
  /** What it is compared by, and what the reference learns of it: as it was told last. */
  contents: WindowContents;
  revision: number;
  /** What a person said of its alarm. */
  called: FeedbackLabel | undefined;
}

interface Revisable extends Pick<WindowInput, "window" | "empty" | "profile"> {
  /** Another object when the window was told anew. */
  readonly contents: WindowContents;
}

interface Models {
  readonly detector: Detector;
  readonly reference: ReferenceWindows;
  readonly silence: Silence;
}

/** Said of windows that are not judged. */
const NOT_JUDGED: DetectorScore = {
  outcome: "unknown",
  score: null,
  pValue: null,
  severity: null,
  causes: [],
  lanes: [],
  expected: new Map(),
};

export class SeriesJudge {
  readonly sizeMs: number;
  readonly #options: SeriesJudgeOptions;
  /** Every window learned. Undefined: to be made of the two others, as after a restart, when the next window closes. */
  #newest: Models | undefined;
  /** Only windows that can no longer be revised learned. Not kept where nothing can be revised. */
  #settled: Models;
  /** The windows between the two, oldest first. */
  readonly #revisable: Entry[] = [];
  /** Of windows that can no longer be revised. */
  #lateness = new Lateness();

  constructor(options: SeriesJudgeOptions) {
    this.sizeMs = options.sizeMs;
    this.#options = options;
    this.#newest = this.#emptyModels();
    this.#settled = this.#emptyModels();
  }

  /**
   * A judge that goes on where `write()` was called. `storedOf` finds what is stored apart of a window that can still be revised.
   * Undefined: the models were made with other options, and are of no use any more.
   * @throws {StreamgaugeError} `SG_CORRUPT`
   */
  static read(
    options: SeriesJudgeOptions,
    bytes: Uint8Array,
    storedOf: (window: WindowId, empty: boolean) => Pick<Revisable, "profile" | "contents">,
  ): SeriesJudge | undefined {
    return readSealed("series", bytes, (reader) => {
      const state = JSON.parse(reader.string()) as SeriesState;
      const reference = ReferenceWindows.read(reader.bytes());
      if (state.version !== STATE_VERSION) {
        throw new StreamgaugeError("SG_CORRUPT", `Cannot read series: version is ${state.version}`);
      }
      if (JSON.stringify(state.options) !== JSON.stringify(optionsOf(options))) return undefined;
      const series = new SeriesJudge(options);
      series.#settled = {
        detector: restoreDetector(state.detector),
        reference,
        silence: new Silence(silenceSeason(options.season, options.sizeMs), state.silence),
      };
      series.#lateness = new Lateness(state.lateness);
      series.#newest = undefined;
      for (const { window, index, partial, empty, counts, falseAlarms, metrics, ...told } of state.revisable) {
        const { profile, contents } = storedOf(window, empty);
        const input = { window, index, partial, empty, counts, profile };
        const own = metrics.filter(({ id }) => !isReferenceMetric(id));
        const { outcome, score, kind, rowsInTime, revision, called } = told;
        const verdict = { ...NOT_JUDGED, outcome, score };
        const said = { metrics, score: verdict, kind, sinceMs: undefined, learned: NOTHING_LEARNED };
        series.#revisable.push({ input, falseAlarms, own, ...said, rowsInTime, contents, revision, called });
      }
      return series;
    });
  }

  /** The models and what can still be revised; of those windows, `revisable()` says what is stored apart. */
  write(): Uint8Array {
    const { detector, reference, silence } = this.#options.reviseForMs > 0 ? this.#settled : this.#models();
    const state: SeriesState = {
      version: STATE_VERSION,
      options: optionsOf(this.#options),
      detector: detector.snapshot(),
      silence: silence.snapshot(),
      lateness: this.#lateness.snapshot(),
      revisable: this.#revisable.map(({ input, falseAlarms, metrics, score, kind, rowsInTime, revision, called }) => {
        const { window, index, partial, empty, counts } = input;
        const word = called === undefined ? {} : { called };
        const told = { outcome: score.outcome, score: score.score, kind, rowsInTime, revision, ...word };
        return { window, index, partial, empty, counts, falseAlarms, metrics, ...told };
      }),
    };
    const writer = new ByteWriter(65_536);
    writer.string(JSON.stringify(state));
    writer.bytes(reference.write());
    return sealed(writer);
  }

  /** Windows that can still be revised. */
  *revisable(): Generator<Revisable> {
    for (const { input, contents } of this.#revisable) yield { ...input, contents };
  }

  /** Whether the window is later than all that were judged: `close()` is for it, and `revise()` for others. */
  isNew({ index }: WindowInput): boolean {
    const newest = this.#revisable.at(-1);
    return newest === undefined || index > newest.input.index;
  }

  /** Judges a window that has closed. */
  close(input: WindowInput): Judged {
    const entry = entryOf(input, this.#options);
    judgeAndLearn(this.#models(), entry, this.#options, this.#options.calledNow);
    const judged = this.#judged(entry);
    if (this.#options.reviseForMs > 0) this.#revisable.push(entry);
    else this.#learnLateness(entry);
    return judged;
  }

  /**
   * Judges windows again with their late events, all in one go over the windows since. In the result are those windows, and those
   * later ones whose outcome changed, in order of time. A slice may be told of first in the late events of a window that closed
   * long ago: it is learned where it belongs.
   */
  *revise(inputs: readonly WindowInput[]): Steps<Judged[]> {
    const revised = new Set<Entry>();
    for (const input of inputs) {
      revised.add(this.#entryOf(input));
      yield WINDOW_WORK;
    }
    return yield* this.#judgeFrom(
      this.#revisable.findIndex((entry) => revised.has(entry)),
      revised,
    );
  }

  /**
   * A person has said what the alarms of these windows were: those that can still be revised are learned as that, and so is what came
   * after them. In the result are the windows whose outcome changed by it, in order of time.
   */
  *call(isMeant: (window: WindowId) => boolean, called: FeedbackLabel): Steps<Judged[]> {
    const meant = this.#revisable.filter((entry) => entry.called !== called && isMeant(entry.input.window));
    const [first] = meant;
    if (first === undefined) return [];
    for (const entry of meant) entry.called = called;
    return yield* this.#judgeFrom(this.#revisable.indexOf(first), new Set());
  }

  /** Judges windows again from a position on. `revised`: those that are told in any case. */
  *#judgeFrom(from: number, revised: ReadonlySet<Entry>): Steps<Judged[]> {
    const models = copyOf(this.#settled);
    this.#newest = models;
    const told: Judged[] = [];
    for (const [position, entry] of this.#revisable.entries()) {
      yield WINDOW_WORK;
      if (position < from) {
        learn(models, entry, this.#options);
        continue;
      }
      const before = entry.score.outcome;
      judgeAndLearn(models, entry, this.#options);
      if (!revised.has(entry)) {
        if (entry.score.outcome === before) continue;
        entry.revision++;
      }
      told.push(this.#judged(entry));
    }
    return told;
  }

  /**
   * Learns for good what can be revised no more. Not before all of a flush was taken: one that moves time forward tells
   * of the windows that it closes first, and only then of the last revision of those that it ends.
   */
  settle(): void {
    const newest = this.#revisable.at(-1);
    if (newest === undefined) return;
    const horizonMs = newest.input.window.endMs - this.#options.reviseForMs;
    for (;;) {
      const [oldest] = this.#revisable;
      if (oldest === undefined || oldest.input.window.endMs > horizonMs) return;
      learn(this.#settled, oldest, this.#options);
      this.#learnLateness(oldest);
      this.#revisable.shift();
    }
  }

  #learnLateness({ input, falseAlarms, rowsInTime }: Entry): void {
    if (!input.partial) this.#lateness.learnOne(lateRowsOf(input, rowsInTime), falseAlarms);
  }

  #latenessOf({ input, falseAlarms, rowsInTime }: Entry): LatenessScore | undefined {
    return input.partial ? undefined : this.#lateness.scoreOne(lateRowsOf(input, rowsInTime), falseAlarms);
  }

  /** Events of the windows just before come late, so that those of this one may be under way. */
  #isLateBefore({ input }: Entry): boolean {
    const before = this.#revisable.filter((entry) => entry.input.index < input.index).slice(-LATE_BEFORE);
    return before.some((entry) => (this.#latenessOf(entry)?.score ?? 0) >= 1);
  }

  /** What is kept of the window, measured anew; it takes its place among the others. */
  #entryOf(input: WindowInput): Entry {
    const at = this.#revisable.findIndex((entry) => entry.input.index >= input.index);
    const known = this.#revisable[at];
    const isKnown = known?.input.index === input.index;
    const entry = entryOf(input, this.#options, isKnown ? known : undefined);
    this.#revisable.splice(at, isKnown ? 1 : 0, entry);
    return entry;
  }

  #models(): Models {
    if (this.#newest === undefined) {
      this.#newest = copyOf(this.#settled);
      for (const entry of this.#revisable) learn(this.#newest, entry, this.#options);
    }
    return this.#newest;
  }

  #emptyModels(): Models {
    const { season, warmup, sizeMs } = this.#options;
    return {
      detector: createDetector({ season, warmup, windowMs: sizeMs }),
      reference: new ReferenceWindows(),
      silence: new Silence(silenceSeason(this.#options.season, this.#options.sizeMs)),
    };
  }

  #judged(entry: Entry): Judged {
    const { input, metrics, score, kind, sinceMs, learned, rowsInTime, revision } = entry;
    const { window, partial, counts, profile } = input;
    const said = { score, kind, ...(sinceMs === undefined ? {} : { sinceMs }) };
    const late = this.#latenessOf(entry);
    return {
      window,
      revision,
      partial,
      counts,
      metrics: [...metrics, lateShareOf(lateRowsOf(input, rowsInTime))],
      ...withLateness(said, late, {
        isLateBefore: () => this.#isLateBefore(entry),
        severityOf: this.#options.severityOf,
      }),
      learned,
      calendar: this.#options.markOf?.(window)?.names ?? [],
      summary: this.#options.summaryOf(profile.look()),
    };
  }
}

/** What is written of a series, for people. */
export interface SeriesProgress extends DetectorProgress {
  /** Windows learned that can still be revised. */
  readonly revisable: number;
}

/** @throws {StreamgaugeError} `SG_CORRUPT` */
export function seriesProgress(bytes: Uint8Array): SeriesProgress {
  return readSealed("series", bytes, (reader) => {
    const state = JSON.parse(reader.string()) as SeriesState;
    reader.bytes();
    const progress = detectorProgress(state.detector);
    // Where windows can be revised, the models that are kept have not learned those yet.
    const later = state.revisable.filter(({ partial }) => !partial).length;
    return { ...progress, learned: progress.learned + later, revisable: state.revisable.length };
  });
}

const STATE_VERSION = 1;

/** JSON-safe. */
interface SeriesState {
  readonly version: number;
  readonly options: ReturnType<typeof optionsOf>;
  readonly detector: unknown;
  readonly silence: SilenceSnapshot;
  readonly lateness: LatenessSnapshot;
  readonly revisable: readonly (Omit<WindowInput, "profile"> & {
    readonly falseAlarms: number;
    readonly metrics: readonly MetricValue[];
    readonly outcome: Outcome;
    readonly score: number | null;
    readonly kind: VerdictKind | null;
    readonly rowsInTime: number;
    readonly revision: number;
    readonly called?: FeedbackLabel;
  })[];
}

/** What the models depend on. */
function optionsOf({ season, warmup, sizeMs, reviseForMs }: SeriesJudgeOptions) {
  return { season, warmup, sizeMs, reviseForMs };
}

/** `known`: what was made of the window before. */
function entryOf(input: WindowInput, { metricsOf, falseAlarms }: SeriesJudgeOptions, known?: Entry): Entry {
  const profile = input.profile.look();
  const own = metricsOf(profile);
  return {
    input,
    falseAlarms: known?.falseAlarms ?? falseAlarms(),
    own,
    metrics: own,
    score: known?.score ?? NOT_JUDGED,
    kind: known?.kind ?? null,
    sinceMs: undefined,
    rowsInTime: known?.rowsInTime ?? rowsOf(input.counts),
    learned: NOTHING_LEARNED,
    contents: contentsOf(profile),
    revision: known === undefined ? 0 : known.revision + 1,
    called: known?.called,
  };
}

function judgeAndLearn(
  models: Models,
  entry: Entry,
  options: SeriesJudgeOptions,
  calledNow?: (window: WindowId) => FeedbackLabel | undefined,
): void {
  const { referenceMetricsOf, severityOf } = options;
  entry.metrics = [...entry.own, ...referenceMetricsOf(models.reference, entry.contents)];
  // The same object for both, by which the detector knows the window again.
  const input = detectorInput(entry, options);
  const score = entry.input.partial ? NOT_JUDGED : models.detector.scoreOne(input);
  entry.score =
    score.outcome === "fail" && severityOf !== undefined ? { ...score, severity: severityOf(score) } : score;
  entry.kind = kindOf(entry.score, entry.input.counts);
  entry.sinceMs = models.silence.since(silentWindow(entry));
  if (score.outcome === "fail") entry.called ??= calledNow?.(entry.input.window);
  entry.learned = learn(models, entry, options, input);
}

/**
 * A window that alarms would make its fault look usual, so it does not enter the reference: not before it is the new level, unless a person
 * said that it is no fault.
 */
function learn(
  { detector, reference, silence }: Models,
  entry: Entry,
  options: SeriesJudgeOptions,
  input = detectorInput(entry, options),
): Learned {
  const { score, contents, called } = entry;
  if (entry.input.partial) return NOTHING_LEARNED;
  const isOverruled = called === "expected" || called === "new-normal";
  if (!silence.take(silentWindow(entry)) && !isOverruled) return NOTHING_LEARNED;
  const learned = detector.learnOne(input, score, called);
  const isNormal = called === undefined ? score.outcome !== "fail" || learned.newLevels.length > 0 : isOverruled;
  if (isNormal && !entry.input.empty) reference.learn(contents);
  return learned;
}

function detectorInput(
  { input, falseAlarms, metrics }: Entry,
  { markOf, aheadOf, secondPhaseOf }: SeriesJudgeOptions,
): DetectorInput {
  const widen = markOf?.(input.window)?.widen;
  const ahead = aheadOf?.(input.window) ?? 0;
  const secondPhase = secondPhaseOf?.(input.window);
  return {
    index: input.index,
    ...(ahead !== 0 && { ahead }),
    ...(secondPhase !== undefined && { secondPhase }),
    falseAlarms,
    ...(widen !== undefined && { widen }),
    metrics,
  };
}

function copyOf({ detector, reference, silence }: Models): Models {
  return { detector: restoreDetector(detector.snapshot()), reference: reference.copy(), silence: silence.copy() };
}

function silentWindow({ kind, input }: Entry): SilentWindow {
  return { kind, startMs: input.window.startMs, isEmpty: input.empty };
}

function rowsOf({ valid, invalid }: LedgerCounts): number {
  return valid + invalid;
}

/** Its own that came after it was told first, and those of windows that can be revised no more, which are counted in it. */
function lateRowsOf({ counts }: WindowInput, rowsInTime: number): LateRows {
  const rows = rowsOf(counts);
  return { late: rows - rowsInTime + counts.late, rows: rows + counts.late };
}
