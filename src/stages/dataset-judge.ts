/**
 * The judge's part for one dataset: flushes in, records for the output topics out. Windows come from the tracker,
 * each series (slice and size) has its own models, all share one incident.
 */
import { IncidentTracker, type SliceVerdict } from "../alerts/incident-tracker.ts";
import type { DatasetConfig } from "../core/config.ts";
import type { LedgerEntry, PaneDelta } from "../core/ledger.ts";
import type { OutputRecord } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { FieldNames } from "../profiles/field-names.ts";
import { metricsOf } from "../profiles/metrics.ts";
import { Profile } from "../profiles/profile.ts";
import { windowSummary } from "../profiles/window-summary.ts";
import { createPaneClock } from "../windows/panes.ts";
import type { ProfileOps } from "../windows/profile-ops.ts";
import {
  type ClosedWindow,
  type TrackerEvent,
  WindowTracker,
  type WindowTrackerOptions,
} from "../windows/window-tracker.ts";
import { alertOutput, type OutputContext, windowOutputs } from "./output-records.ts";
import { seasonWindows } from "./season.ts";
import { type Judged, SeriesJudge } from "./series-judge.ts";

/** Random choices of the sketches that the judge merges into; any constant will do. */
const MERGE_SEED = 0x6a756467;

const PROFILE_OPS: ProfileOps<Profile> = {
  create: () => Profile.empty(MERGE_SEED),
  merge: (into, from) => into.merge(from),
  counts: (profile) => profile.counts(),
};

export interface DatasetJudgeOptions {
  readonly dataset: DatasetConfig;
  readonly resolveAfter: number;
  readonly logger: Logger;
}

export class DatasetJudge {
  readonly #options: DatasetJudgeOptions;
  readonly #tracker: WindowTracker<Profile>;
  readonly #names = new FieldNames();
  readonly #series = new Map<string, SeriesJudge>();
  readonly #incidents: IncidentTracker;

  constructor(options: DatasetJudgeOptions) {
    this.#options = options;
    this.#tracker = new WindowTracker(trackerOptions(options.dataset));
    const { topic, windows } = options.dataset;
    const { resolveAfter } = options;
    this.#incidents = new IncidentTracker({ dataset: topic, resolveAfter, timezone: windows.timezone });
  }

  /** Takes in one flush of one partition. */
  apply(entry: LedgerEntry, panes: readonly PaneDelta<Profile>[], context: OutputContext): OutputRecord[] {
    const outputs: OutputRecord[] = [];
    // Slices of one window of one size stand together; they make one tick of the incident.
    let tick: Judged[] = [];
    const endTick = () => {
      if (tick.length > 0) outputs.push(...this.#incident(tick, context));
      tick = [];
    };
    for (const event of this.#tracker.apply(entry, panes)) {
      if (event.kind !== "closed") {
        this.#log(event);
        continue;
      }
      for (const judged of this.#judge(event)) {
        if (tick[0] !== undefined && !sameTick(tick[0], judged)) endTick();
        tick.push(judged);
        outputs.push(...windowOutputs(judged, context));
      }
    }
    endTick();
    return outputs;
  }

  #judge(closed: ClosedWindow<Profile>): readonly Judged[] {
    const { slice } = closed.window;
    if (slice !== "all" && closed.empty && !this.#series.has(seriesKey(slice, closed.sizeMs))) {
      // A slice's series begins with its first event, as that of the whole does.
      return [];
    }
    const series = this.#seriesOf(slice, closed.sizeMs);
    return closed.revision === 0 ? [series.close(closed)] : series.revise(closed);
  }

  #seriesOf(slice: string, sizeMs: number): SeriesJudge {
    const key = seriesKey(slice, sizeMs);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const { dataset } = this.#options;
    const metricOptions = {
      names: this.#names,
      policyOf: (path: string) => dataset.fields.get(path)?.values ?? dataset.valuesDefault,
      ...(dataset.time.field === undefined ? {} : { eventTimeField: dataset.time.field }),
    };
    const series = new SeriesJudge({
      season: dataset.detect.season,
      warmup: dataset.detect.warmup,
      sizeMs,
      reviseForMs: reviseForMs(dataset, sizeMs),
      metricsOf: (profile) => metricsOf(profile, metricOptions),
      referenceMetricsOf: (reference, profile) => reference.metrics(profile, metricOptions),
      summaryOf: (profile) => windowSummary(profile, metricOptions),
    });
    this.#series.set(key, series);
    return series;
  }

  #incident(tick: readonly Judged[], context: OutputContext): OutputRecord[] {
    const [first] = tick;
    if (first === undefined) return [];
    const alert = this.#incidents.update({
      sizeMs: this.#sizeOf(first),
      startMs: first.window.startMs,
      endMs: first.window.endMs,
      revision: Math.max(...tick.map((judged) => judged.revision)),
      verdicts: tick.map(sliceVerdict),
    });
    return alert === undefined ? [] : [alertOutput(alert, context)];
  }

  /** The configured size: a calendar day of 23 h is still a day. */
  #sizeOf(judged: Judged): number {
    const lengthMs = judged.window.endMs - judged.window.startMs;
    const { sizesMs } = this.#options.dataset.windows;
    return sizesMs.reduce((best, size) => (Math.abs(size - lengthMs) < Math.abs(best - lengthMs) ? size : best));
  }

  #log(event: Exclude<TrackerEvent<Profile>, ClosedWindow<Profile>>): void {
    const fields = { dataset: this.#options.dataset.topic, ...event };
    switch (event.kind) {
      case "offset-gap":
      case "offset-overlap":
        this.#options.logger.error(fields, "offset ranges do not join: the windows touched are partial");
        break;
      case "unheard":
      case "gap":
        this.#options.logger.warn(
          fields,
          event.kind === "gap" ? "windows without events skipped" : "partition unheard",
        );
        break;
      case "replayed":
      case "heard":
      case "slice-admitted":
      case "slice-retired":
        this.#options.logger.info(fields, event.kind);
        break;
      default:
        event satisfies never;
    }
  }
}

/** Windows of a dataset as configured, over profiles. */
export function trackerOptions(dataset: DatasetConfig): WindowTrackerOptions<Profile> {
  return {
    dataset: dataset.topic,
    clock: createPaneClock(dataset.windows),
    time: dataset.time,
    slices: dataset.slices,
    seasonWindows: (sizeMs) => (dataset.detect.season === "auto" ? seasonWindows(sizeMs) : dataset.detect.season),
    ops: PROFILE_OPS,
  };
}

/** One day or ten windows, whichever is less, unless configured. */
function reviseForMs(dataset: DatasetConfig, sizeMs: number): number {
  return dataset.time.reviseForMs ?? Math.min(86_400_000, 10 * sizeMs);
}

function seriesKey(slice: string, sizeMs: number): string {
  return `${sizeMs}|${slice}`;
}

function sameTick(a: Judged, b: Judged): boolean {
  return a.window.endMs === b.window.endMs && a.window.startMs === b.window.startMs;
}

function sliceVerdict(judged: Judged): SliceVerdict {
  const { score } = judged;
  return {
    slice: judged.window.slice,
    alarm: score.outcome === "fail",
    judged: score.outcome !== "unknown",
    score: score.score,
    severity: score.severity,
    causes: score.causes,
  };
}
