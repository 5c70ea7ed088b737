/**
 * Drops what the judge has learned of datasets, so that it begins anew with what comes next.
 *
 * What stays is what the past still decides: the position; the offsets up to which each input partition was applied, so
 * that ranges go on to be checked; the watermark, so that no window that was told is told again; and when the deployment first started. Events of windows
 * before it are `late` in the first window, which begins in the middle and is `partial`, as that of a new dataset is.
 * Windows that were open are dropped, and an open incident is resolved: nothing else would ever end it.
 */
import { IncidentTracker } from "../alerts/incident-tracker.ts";
import type { LogRecord, OutputRecord } from "../core/log.ts";
import { FieldNames } from "../profiles/field-names.ts";
import { PackedBytes } from "../state/packed-bytes.ts";
import { type StateEntry, StateStore, type StateStoreOptions, type StoredEntry } from "../state/state-records.ts";
import { createPaneClock } from "../windows/panes.ts";
import {
  datasetOfKey,
  LEDGER_KEY,
  POSITION_KEY,
  readTracker,
  TRACKER_KEY,
  TRAINING_KEY,
  writeTracker,
} from "./dataset-state.ts";
import { alertOutput, type OutputContext } from "./output-records.ts";

export interface ResetOptions {
  readonly state: StateStoreOptions;
  readonly context: OutputContext;
  /** `all`: also what belongs to no dataset and cannot be read. */
  readonly datasets: readonly string[] | "all";
}

export interface DatasetReset {
  readonly dataset: string;
  /** Entries that are dropped. */
  readonly entries: number;
  readonly packedBytes: number;
  /** Resolved with the reason `reset`. */
  readonly incident: string | null;
  /**
   * False: the windows could not be read, so nothing says how far they were told. Events that come late may then tell
   * one of them a second time.
   */
  readonly keepsWatermark: boolean;
}

export interface StateReset {
  readonly datasets: readonly DatasetReset[];
  /** False: it could not be read either, and the position of the consumer group counts. */
  readonly keepsPosition: boolean;
  /** To be committed in one transaction; empty when there is nothing to drop. */
  readonly outputs: readonly OutputRecord[];
}

/** `records` are the newest of each key of the state partition. Pure. */
export function resetState(records: readonly LogRecord[], options: ResetOptions): StateReset {
  const store = new StateStore(options.state);
  const byDataset = new Map<string, StoredEntry[]>();
  let keepsPosition = true;
  const gone: string[] = [];
  for (const entry of store.examine(records)) {
    const dataset = datasetOfKey(entry.key)?.dataset;
    if (dataset !== undefined) byDataset.set(dataset, [...(byDataset.get(dataset) ?? []), entry]);
    else if (entry.problem !== undefined && options.datasets === "all") {
      gone.push(entry.key);
      if (entry.key === POSITION_KEY) keepsPosition = false;
    }
  }
  const outputs: OutputRecord[] = [];
  const changed: StateEntry[] = [];
  const datasets: DatasetReset[] = [];
  for (const [dataset, entries] of byDataset) {
    if (options.datasets !== "all" && !options.datasets.includes(dataset)) continue;
    const trackerKey = `${dataset}|${TRACKER_KEY}`;
    const begun = keepsPosition ? emptied(dataset, entries.find(({ key }) => key === trackerKey)?.value) : undefined;
    // What is told of the watching itself, and when it began, have nothing to do with what was learned.
    const kept = [trackerKey, `${dataset}|${LEDGER_KEY}`, `${dataset}|${TRAINING_KEY}`];
    const dropped = entries.filter(({ key }) => begun === undefined || !kept.includes(key));
    for (const { key } of dropped) gone.push(key);
    if (begun !== undefined) changed.push({ key: trackerKey, value: PackedBytes.of(begun.value) });
    if (begun?.alert !== undefined) outputs.push(alertOutput(begun.alert, options.context));
    datasets.push({
      dataset,
      entries: entries.length,
      packedBytes: entries.reduce((sum, { packedBytes }) => sum + packedBytes, 0),
      incident: begun?.alert?.incident ?? null,
      keepsWatermark: begun !== undefined,
    });
  }
  if (changed.length + gone.length > 0) outputs.push(...store.write(changed, gone, options.context.timestampMs));
  return { datasets, keepsPosition, outputs };
}

/** The tracker's entry of a dataset of which nothing but positions and watermark is known. */
function emptied(dataset: string, stored: PackedBytes | undefined) {
  if (stored === undefined) return undefined;
  let entry: ReturnType<typeof readTracker>;
  try {
    entry = readTracker(stored.unpack());
  } catch {
    return undefined;
  }
  const { tracker } = entry;
  const { sizesMs, timezone } = tracker;
  const incidents = new IncidentTracker({ dataset, resolveAfter: 1, timezone });
  incidents.restore(entry.incidents);
  const clock = createPaneClock({ sizesMs, timezone });
  const alert = incidents.reset((sizeMs, timeMs) => clock.windowOf(sizeMs, timeMs));
  const value = writeTracker({
    tracker: { ...tracker, hasRows: false, damaged: [], slices: [], series: [] },
    incidents: incidents.snapshot(),
    names: new FieldNames(),
  });
  return { alert, value };
}
