/**
 * One metric time series: a dataset, a slice, a window size. Reads the metrics off closed windows, compares them
 * with the past, scores and learns, in the order of the windows.
 *
 * A revised window is judged anew as if its late events had come in time: the models are kept twice, at the newest
 * window and at the revision horizon, and those at the horizon re-learn forward. A later window is told again only
 * when its outcome changes.
 */
import { createDetector, restoreDetector } from "../anomaly/detector.ts";
import type { Detector, DetectorScore } from "../core/detector.ts";
import type { MetricValue } from "../core/metric.ts";
import type { LedgerCounts, WindowId } from "../core/window.ts";
import { ReferenceWindows } from "../drift/reference.ts";
import type { Profile } from "../profiles/profile.ts";
import type { WindowSummary } from "../profiles/window-summary.ts";

/** A closed or revised window as the tracker hands it over. */
export interface WindowInput {
  readonly window: WindowId;
  readonly index: number;
  readonly partial: boolean;
  readonly empty: boolean;
  readonly counts: LedgerCounts;
  /** The tracker's: late events go on changing it, and then it comes again. */
  readonly profile: Profile;
}

/** What is said of a window; `revision` counts what was said before. */
export interface Judged {
  readonly window: WindowId;
  readonly revision: number;
  readonly partial: boolean;
  readonly counts: LedgerCounts;
  readonly metrics: readonly MetricValue[];
  readonly score: DetectorScore;
  readonly summary: WindowSummary;
}

export interface SeriesJudgeOptions {
  readonly season: number | "auto";
  readonly warmup: number | "auto";
  readonly sizeMs: number;
  /** How long after its end a window may still be revised. */
  readonly reviseForMs: number;
  readonly metricsOf: (profile: Profile) => readonly MetricValue[];
  readonly referenceMetricsOf: (reference: ReferenceWindows, profile: Profile) => readonly MetricValue[];
  readonly summaryOf: (profile: Profile) => WindowSummary;
}

/** A window that may still be revised, and what was made of it. */
interface Entry {
  input: WindowInput;
  metrics: readonly MetricValue[];
  score: DetectorScore;
  revision: number;
}

interface Models {
  readonly detector: Detector;
  readonly reference: ReferenceWindows;
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
  readonly #options: SeriesJudgeOptions;
  /** Every window learned. */
  #newest: Models;
  /** Only windows that can no longer be revised learned. */
  readonly #settled: Models;
  /** The windows between the two, oldest first. */
  readonly #revisable: Entry[] = [];

  constructor(options: SeriesJudgeOptions) {
    this.#options = options;
    this.#newest = this.#emptyModels();
    this.#settled = this.#emptyModels();
  }

  /** Judges a window that has just closed. */
  close(input: WindowInput): Judged {
    const entry: Entry = { input, ...judgeAndLearn(this.#newest, input, this.#options), revision: 0 };
    if (this.#options.reviseForMs > 0) {
      this.#revisable.push(entry);
      this.#settle(input.window.endMs - this.#options.reviseForMs);
    }
    return this.#judged(entry);
  }

  /**
   * Judges a window again with its late events. First in the result is that window, then those later ones whose
   * outcome changed. Empty when the window is older than what can be revised.
   */
  revise(input: WindowInput): Judged[] {
    const from = this.#revisable.findIndex((entry) => entry.input.index === input.index);
    const target = this.#revisable[from];
    if (target === undefined) return [];
    target.input = input;
    this.#newest = copyOf(this.#settled);
    const told: Judged[] = [];
    for (const [position, entry] of this.#revisable.entries()) {
      if (position < from) {
        learn(this.#newest, entry);
        continue;
      }
      const before = entry.score.outcome;
      Object.assign(entry, judgeAndLearn(this.#newest, entry.input, this.#options));
      if (entry !== target && entry.score.outcome === before) continue;
      entry.revision++;
      told.push(this.#judged(entry));
    }
    return told;
  }

  #settle(horizonMs: number): void {
    for (;;) {
      const [oldest] = this.#revisable;
      if (oldest === undefined || oldest.input.window.endMs > horizonMs) return;
      learn(this.#settled, oldest);
      this.#revisable.shift();
    }
  }

  #emptyModels(): Models {
    const { season, warmup, sizeMs } = this.#options;
    return { detector: createDetector({ season, warmup, windowMs: sizeMs }), reference: new ReferenceWindows() };
  }

  #judged({ input, metrics, score, revision }: Entry): Judged {
    const { window, partial, counts, profile } = input;
    return { window, revision, partial, counts, metrics, score, summary: this.#options.summaryOf(profile) };
  }
}

function judgeAndLearn(
  models: Models,
  input: WindowInput,
  options: SeriesJudgeOptions,
): { metrics: readonly MetricValue[]; score: DetectorScore } {
  const { detector, reference } = models;
  const metrics = [...options.metricsOf(input.profile), ...options.referenceMetricsOf(reference, input.profile)];
  const score = input.partial ? NOT_JUDGED : detector.scoreOne({ index: input.index, metrics });
  learn(models, { input, metrics, score });
  return { metrics, score };
}

/** A window that alarms would make its fault look usual, so it does not enter the reference. */
function learn({ detector, reference }: Models, { input, metrics, score }: Omit<Entry, "revision">): void {
  if (input.partial) return;
  detector.learnOne({ index: input.index, metrics }, score);
  if (score.outcome !== "fail" && !input.empty) reference.learn(input.profile);
}

function copyOf({ detector, reference }: Models): Models {
  return { detector: restoreDetector(detector.snapshot()), reference: ReferenceWindows.read(reference.write()) };
}
