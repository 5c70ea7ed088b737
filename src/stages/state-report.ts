/** What the judge keeps, for people: what there is, and what it has learned of a dataset. Reads; changes nothing. */
import { AlarmHistory, type BudgetFigures } from "../alerts/alarm-history.ts";
import { IncidentTracker } from "../alerts/incident-tracker.ts";
import type { SecondSeasonProgress } from "../anomaly/detector.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { LogRecord } from "../core/log.ts";
import { isoTime, textOf } from "../core/text.ts";
import { type StateProblem, StateStore, type StateStoreOptions, type StoredEntry } from "../state/state-records.ts";
import { compareSlices } from "../windows/window-store.ts";
import {
  ALARMS_KEY,
  datasetOfKey,
  POSITION_KEY,
  PROFILE_KEY,
  readTracker,
  SERIES_KEY,
  seriesOfKey,
  TRACKER_KEY,
  TRAINING_KEY,
} from "./dataset-state.ts";
import { positionOf } from "./judge.ts";
import { seriesProgress } from "./series-judge.ts";
import { Training, type TrainingSnapshot } from "./training.ts";

/** One partition of the state topic. */
export interface PartitionReport {
  readonly partition: number;
  /** In the partition of the profiles topic with the same number; null: none is kept, or it cannot be read. */
  readonly position: number | null;
  /** Of the newest checkpoint; null: there is none. */
  readonly sequence: number | null;
  readonly checkpointAt: string | null;
  readonly datasets: readonly DatasetReport[];
  readonly problems: readonly StateProblem[];
}

export interface DatasetReport {
  readonly dataset: string;
  readonly entries: { readonly tracker: number; readonly profile: number; readonly series: number };
  /** As stored in the topic. */
  readonly packedBytes: number;
  /** Unpacked, of what can be read. */
  readonly bytes: number;
  /** Checkpoint in which anything of the dataset was last written. */
  readonly sequence: number;
  readonly checkpointAt: string;
}

export interface DatasetKnowledge {
  readonly dataset: string;
  readonly partition: number;
  readonly sizesMs: readonly number[];
  readonly timezone: string;
  /** Windows that end at or before it are closed; null: nothing decided yet. */
  readonly watermark: string | null;
  /** Events applied since the dataset was first seen. */
  readonly events: number;
  readonly openWindows: readonly OpenWindow[];
  /** Id of the open incident. */
  readonly incident: string | null;
  /** Alarms beside the budget of false alarms; null: nothing was judged yet. */
  readonly budget: (Omit<BudgetFigures, "realised"> & { readonly realised: number | null }) | null;
  /** On the past; null: no flush was heard, or by a version that knew no training. */
  readonly training: {
    /** Windows that ended by then are a backtest. */
    readonly startedAt: string;
    /** How far it has come, [0, 1). Null: it does not train, or no more. */
    readonly share: number | null;
  } | null;
  /** Slices by value that have a place. */
  readonly slices: readonly string[];
  readonly inputs: readonly {
    readonly partition: number;
    readonly position: number | null;
    readonly newestEvent: string | null;
  }[];
  readonly series: readonly SeriesKnowledge[];
}

export interface OpenWindow {
  readonly sizeMs: number;
  readonly start: string;
  readonly slices: number;
}

export interface SeriesKnowledge {
  /** `<sizeMs>|<slice>`: what `state show DATASET KEY` takes. */
  readonly key: string;
  readonly slice: string;
  readonly sizeMs: number;
  /** Windows learned. */
  readonly windows: number;
  /** Windows before the first verdict; null: not decided yet. */
  readonly warmup: number | null;
  readonly isWarm: boolean;
  /** Windows per season; null: not decided yet. */
  readonly season: number | null;
  /** Above it; null: there is none. `metrics`: those that it speaks for. */
  readonly secondSeason: SecondSeasonProgress | null;
  readonly metrics: number;
  readonly revisable: number;
  readonly bytes: number;
}

export function reportPartition(records: readonly LogRecord[], place: StateStoreOptions): PartitionReport {
  const entries = [...new StateStore(place).examine(records)];
  const problems = entries.flatMap(({ problem }) => problem ?? []);
  let position: number | null = null;
  const stored = entries.find(({ key }) => key === POSITION_KEY)?.value;
  try {
    if (stored !== undefined) position = positionOf(stored.unpack());
  } catch (error) {
    if (!(error instanceof StreamgaugeError)) throw error;
  }
  const byDataset = groupByDataset(entries);
  const last = newestOf(entries);
  return {
    partition: place.partition,
    position,
    sequence: last?.sequence ?? null,
    checkpointAt: last === undefined ? null : isoTime(last.timestampMs),
    datasets: [...byDataset]
      .map(([dataset, own]) => reportDataset(dataset, own))
      .sort((a, b) => (a.dataset < b.dataset ? -1 : 1)),
    problems,
  };
}

/**
 * What is known of a dataset; undefined when nothing is kept of it.
 * @throws {StreamgaugeError} `SG_CORRUPT` with the place
 */
export function reportKnowledge(
  records: readonly LogRecord[],
  place: StateStoreOptions,
  dataset: string,
): DatasetKnowledge | undefined {
  const entries = groupByDataset([...new StateStore(place).examine(records)]).get(dataset);
  if (entries === undefined) return undefined;
  const values = new Map<string, Uint8Array>();
  for (const { key, value, problem } of entries) {
    if (problem !== undefined) throw new StreamgaugeError("SG_CORRUPT", problem.sentence);
    if (value !== undefined) values.set(datasetOfKey(key)?.rest ?? key, value.unpack());
  }
  const stored = values.get(TRACKER_KEY);
  if (stored === undefined) return undefined;
  const { tracker, incidents } = readTracker(stored);
  const incidentTracker = new IncidentTracker({ dataset, resolveAfter: 1, timezone: tracker.timezone });
  incidentTracker.restore(incidents);
  const alarms = values.get(ALARMS_KEY);
  const figures = alarms === undefined ? undefined : AlarmHistory.read(JSON.parse(textOf(alarms))).figures();
  const { watermarkMs } = tracker;
  const series: SeriesKnowledge[] = [];
  for (const [key, value] of values) {
    if (!key.startsWith(SERIES_KEY)) continue;
    const name = key.slice(SERIES_KEY.length);
    const { learned, warmup, season, secondSeason, metrics, revisable } = seriesProgress(value);
    const isWarm = warmup !== null && learned >= warmup;
    const models = { windows: learned, warmup, isWarm, season, secondSeason, metrics, revisable };
    series.push({ key: name, ...seriesOfKey(name), ...models, bytes: value.length });
  }
  series.sort((a, b) => a.sizeMs - b.sizeMs || compareSlices(a.slice, b.slice));
  return {
    dataset,
    partition: place.partition,
    sizesMs: tracker.sizesMs,
    timezone: tracker.timezone,
    watermark: watermarkMs === null ? null : isoTime(watermarkMs),
    events: tracker.totals.consumed,
    openWindows: tracker.series
      // The panes behind the sizes are nobody's business.
      .filter(({ sizeMs }) => tracker.sizesMs.includes(sizeMs))
      .flatMap(({ sizeMs, open }) =>
        open.map(({ startMs, nodes }) => ({ sizeMs, start: isoTime(startMs), slices: nodes.length })),
      )
      .sort((a, b) => a.sizeMs - b.sizeMs || (a.start < b.start ? -1 : 1)),
    incident: incidentTracker.openId ?? null,
    budget: figures === undefined ? null : { ...figures, realised: figures.realised ?? null },
    training: trainingOf(values.get(TRAINING_KEY), watermarkMs ?? undefined),
    slices: tracker.slices.map(([slice]) => slice).sort(),
    inputs: tracker.partitions.map(({ partition, heard, position, maxEventTimeMs }) => ({
      partition,
      position: heard ? position : null,
      newestEvent: maxEventTimeMs === null ? null : isoTime(maxEventTimeMs),
    })),
    series,
  };
}

function trainingOf(stored: Uint8Array | undefined, watermarkMs: number | undefined): DatasetKnowledge["training"] {
  if (stored === undefined) return null;
  const training = Training.read(JSON.parse(textOf(stored)) as TrainingSnapshot);
  if (training.startedMs === null) return null;
  return { startedAt: isoTime(training.startedMs), share: training.shareAt(watermarkMs) ?? null };
}

function groupByDataset(entries: readonly StoredEntry[]): Map<string, StoredEntry[]> {
  const byDataset = new Map<string, StoredEntry[]>();
  for (const entry of entries) {
    const dataset = datasetOfKey(entry.key)?.dataset;
    if (dataset === undefined) continue;
    const own = byDataset.get(dataset);
    if (own === undefined) byDataset.set(dataset, [entry]);
    else own.push(entry);
  }
  return byDataset;
}

function reportDataset(dataset: string, entries: readonly StoredEntry[]): DatasetReport {
  const count = (kind: string) => entries.filter(({ key }) => datasetOfKey(key)?.rest.startsWith(kind)).length;
  const last = newestOf(entries)!;
  return {
    dataset,
    entries: { tracker: count(TRACKER_KEY), profile: count(PROFILE_KEY), series: count(SERIES_KEY) },
    packedBytes: entries.reduce((sum, { packedBytes }) => sum + packedBytes, 0),
    bytes: entries.reduce((sum, { value }) => sum + (value?.length ?? 0), 0),
    sequence: last.sequence,
    checkpointAt: isoTime(last.timestampMs),
  };
}

/** The entry that the newest checkpoint wrote. */
function newestOf(entries: readonly StoredEntry[]): StoredEntry | undefined {
  let last: StoredEntry | undefined;
  for (const entry of entries) if (last === undefined || entry.sequence > last.sequence) last = entry;
  return last;
}
