/**
 * The judge's part for one dataset: flushes in, records for the output topics out. Windows come from the tracker,
 * each series (slice and size) has its own models, all share one incident. What is wrong with the ledger is told apart from it.
 */
import { AlarmHistory, type CalledIncident, type CallPlace } from "../alerts/alarm-history.ts";
import { feedbackOnPast, feedbackSentence } from "../alerts/feedback-alert.ts";
import { IncidentTracker, type Tick } from "../alerts/incident-tracker.ts";
import { LedgerIncidents, type LedgerNews } from "../alerts/ledger-incidents.ts";
import { type DatasetConfig, FALSE_ALARMS_DEFAULT, type FalseAlarms } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { Feedback } from "../core/feedback.ts";
import type { LedgerEntry, PaneDelta } from "../core/ledger.ts";
import type { OutputRecord } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import {
  type Impact,
  SEVERITY_MATRIX,
  type SeverityMatrix,
  type SeverityPolicy,
  severityOf,
} from "../core/severity.ts";
import { noTelemetry, type Telemetry } from "../core/telemetry.ts";
import { textOf, utf8 } from "../core/text.ts";
import type { LogPosition } from "../core/verdict.ts";
import type { WindowId } from "../core/window.ts";
import { contentsOf, type WindowContents } from "../drift/window-contents.ts";
import { FieldNames } from "../profiles/field-names.ts";
import { metricsOf } from "../profiles/metrics.ts";
import type { Origins } from "../profiles/origins.ts";
import type { Profile } from "../profiles/profile.ts";
import { windowSummary } from "../profiles/window-summary.ts";
import { PackedBytes } from "../state/packed-bytes.ts";
import type { StateEntry } from "../state/state-records.ts";
import { EventCalendar } from "../windows/event-calendar.ts";
import { createPaneClock } from "../windows/panes.ts";
import {
  type ClosedWindow,
  type TrackerEvent,
  WindowTracker,
  type WindowTrackerOptions,
} from "../windows/window-tracker.ts";
import { budgetShare } from "./budget-share.ts";
import {
  ALARMS_KEY,
  CONTENTS_KEY,
  LEDGER_KEY,
  ORIGINS_KEY,
  PROFILE_KEY,
  readTracker,
  SERIES_KEY,
  type StoredDataset,
  seriesKey,
  seriesOfKey,
  TRACKER_KEY,
  TRAINING_KEY,
  USUAL_KEY,
  writeContentsEntry,
  writeOrigins,
  writeTracker,
} from "./dataset-state.ts";
import { JudgeTelemetry } from "./judge-telemetry.ts";
import { byWindow, sliceVerdict, ticksOf } from "./judged-ticks.ts";
import { KEPT_PROFILE_OPS, KeptProfile, keptPanes } from "./kept-profile.ts";
import { OriginJudge } from "./origin-judge.ts";
import { alertOutput, type OutputContext, windowOutputs } from "./output-records.ts";
import { DatasetSeasons, silenceSeason } from "./season.ts";
import { type Judged, SeriesJudge, type SeriesJudgeOptions } from "./series-judge.ts";
import { type Steps, Stints } from "./stints.ts";
import { logTrackerEvent } from "./tracker-log.ts";
import { Training, type TrainingProgress, type TrainingSnapshot } from "./training.ts";

export interface DatasetJudgeOptions {
  readonly dataset: DatasetConfig;
  readonly resolveAfter: number;
  /** @default `SEVERITY_MATRIX` */
  readonly severity?: SeverityMatrix;
  readonly logger: Logger;
  /** @default none */
  readonly telemetry?: Telemetry;
  /** What ended before the deployment first started is a backtest. @default false, as for recorded files */
  readonly trains?: boolean;
}

export class DatasetJudge {
  readonly #options: DatasetJudgeOptions;
  #tracker: WindowTracker<KeptProfile>;
  #names = new FieldNames();
  readonly #series = new Map<string, SeriesJudge>();
  readonly #incidents: IncidentTracker;
  readonly #ledger: LedgerIncidents;
  readonly #alarms: AlarmHistory;
  #origins: OriginJudge;
  readonly #severity: SeverityPolicy;
  readonly #calendar: EventCalendar;
  /** Absent: everything counts. */
  #training: Training | undefined;
  #storedTraining = "";
  readonly #seasons: DatasetSeasons;
  /** Series that were judged since the last checkpoint. */
  readonly #changedSeries = new Set<string>();
  /** Profiles in the last checkpoint, and the tracker's count of changes at the time of it. */
  #storedProfiles: ReadonlySet<string> = new Set();
  #storedContents: ReadonlyMap<string, WindowContents> = new Map();
  #storedOrigins: ReadonlySet<string> = new Set();
  #storedChange = -1;
  #storedAlarms = "";
  readonly telemetry: JudgeTelemetry;

  constructor(options: DatasetJudgeOptions) {
    this.#options = options;
    this.#tracker = new WindowTracker(trackerOptions(options.dataset));
    const { topic, windows } = options.dataset;
    this.#calendar = new EventCalendar(options.dataset.detect.calendar ?? [], windows.timezone);
    this.#seasons = new DatasetSeasons(options.dataset);
    const { resolveAfter } = options;
    const severity = severityPolicy(options);
    this.#severity = severity;
    this.#incidents = new IncidentTracker({
      dataset: topic,
      resolveAfter,
      timezone: windows.timezone,
      severityOf: (verdict, windowCount) => severityOf(verdict, severity, windowCount),
    });
    this.#ledger = new LedgerIncidents(topic);
    if (options.trains === true) this.#training = new Training(leastTrainingMs(options.dataset));
    this.#origins = new OriginJudge(options.dataset);
    const { count, perMs } = falseAlarmsOf(options.dataset);
    this.#alarms = new AlarmHistory(perMs / count, horizonMs(options.dataset));
    this.telemetry = new JudgeTelemetry(options.telemetry ?? noTelemetry, options.dataset.topic, {
      windows: () => this.#tracker,
      budget: () => this.#alarms.figures(),
      trainedShare: () => this.training?.share ?? 1,
    });
  }

  /**
   * Goes on where `checkpoint()` was called. What was made with other windows or detector options is dropped, and said so.
   * Gives way to other events now and then.
   * @throws {StreamgaugeError} `SG_CORRUPT`
   */
  async restore(stored: StoredDataset): Promise<void> {
    const { entries, profiles, contents } = stored;
    const { dataset, logger } = this.#options;
    const tracker = entries.get(TRACKER_KEY);
    if (tracker === undefined) return;
    // Absent: written by a version that told nothing of the ledger.
    const ledger = entries.get(LEDGER_KEY);
    if (ledger !== undefined) this.#ledger.restore(JSON.parse(textOf(ledger)));
    const alarms = entries.get(ALARMS_KEY);
    if (alarms !== undefined) {
      this.#storedAlarms = textOf(alarms);
      this.#alarms.restore(JSON.parse(this.#storedAlarms));
    }
    const training = entries.get(TRAINING_KEY);
    // Absent: it was written by a version that knew no training. Then everything counts.
    this.#training =
      training === undefined || this.#options.trains !== true
        ? undefined
        : new Training(leastTrainingMs(dataset), JSON.parse(textOf(training)) as TrainingSnapshot);
    this.#storedTraining = training === undefined ? "" : textOf(training);
    const state = readTracker(tracker);
    for (const [key, origins] of stored.origins) profiles.get(key)?.restoreOrigins(origins);
    try {
      this.#tracker = WindowTracker.restore(trackerOptions(dataset), state.tracker, (key) => profiles.get(key));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      logger.warn(
        { dataset: dataset.topic, reason: error.message },
        "windows were configured anew: what was learned of this dataset is dropped",
      );
      return;
    }
    this.#names = state.names;
    this.#incidents.restore(state.incidents);
    const usual = entries.get(USUAL_KEY);
    if (usual !== undefined) this.#origins = OriginJudge.read(dataset, usual);
    const stints = new Stints();
    for (const [key, bytes] of entries) {
      if (!key.startsWith(SERIES_KEY)) continue;
      this.#restoreSeries(key.slice(SERIES_KEY.length), bytes, stored);
      await stints.worked(bytes.length);
    }
    this.#storedProfiles = new Set(profiles.keys());
    this.#storedContents = contents;
    this.#storedOrigins = new Set(stored.origins.keys());
    this.#storedChange = state.tracker.change;
  }

  /** What changed since the last checkpoint, and the keys of what is gone. Profiles that did not change go to sleep. */
  *checkpoint(): Steps<{ readonly changed: readonly StateEntry[]; readonly gone: readonly string[] }> {
    const { state, profiles } = this.#tracker.snapshot();
    const changed: StateEntry[] = [];
    const needed = new Set<string>();
    const contents = new Map<string, WindowContents>();
    const keep = (key: string, profile: KeptProfile, isChanged: boolean): number => {
      if (needed.has(key)) return 0;
      needed.add(key);
      if (!isChanged && this.#storedProfiles.has(key)) return profile.sleep();
      const value = profile.write();
      changed.push({ key: PROFILE_KEY + key, value });
      return value.length;
    };
    const origins = new Set<string>();
    for (const { key, profile, changedAt } of profiles) {
      const isChanged = changedAt > this.#storedChange;
      yield keep(key, profile, isChanged);
      if (profile.origins === undefined) continue;
      origins.add(key);
      if (!isChanged && this.#storedOrigins.has(key)) continue;
      const value = PackedBytes.of(writeOrigins(profile.origins));
      changed.push({ key: ORIGINS_KEY + key, value });
      yield value.length;
    }
    if (this.#origins.isChanged) changed.push({ key: USUAL_KEY, value: PackedBytes.of(this.#origins.write()) });
    for (const [seriesName, series] of this.#series) {
      for (const { window, empty, profile, contents: told } of series.revisable()) {
        if (empty) continue;
        const key = profileKey(series.sizeMs, window);
        yield keep(key, profile, false);
        contents.set(key, told);
        if (this.#storedContents.get(key) !== told) {
          const value = PackedBytes.of(writeContentsEntry(told));
          changed.push({ key: CONTENTS_KEY + key, value });
          yield value.length;
        }
      }
      if (!this.#changedSeries.has(seriesName)) continue;
      const value = PackedBytes.of(series.write());
      changed.push({ key: SERIES_KEY + seriesName, value });
      yield value.length;
    }
    const entry = { tracker: state, incidents: this.#incidents.snapshot(), names: this.#names };
    changed.push({ key: TRACKER_KEY, value: PackedBytes.of(writeTracker(entry)) });
    changed.push({ key: LEDGER_KEY, value: PackedBytes.of(utf8(JSON.stringify(this.#ledger.snapshot()))) });
    const alarms = JSON.stringify(this.#alarms.snapshot());
    if (alarms !== this.#storedAlarms) changed.push({ key: ALARMS_KEY, value: PackedBytes.of(utf8(alarms)) });
    this.#storedAlarms = alarms;
    if (this.#training !== undefined) {
      const training = JSON.stringify(this.#training.snapshot());
      if (training !== this.#storedTraining) changed.push({ key: TRAINING_KEY, value: PackedBytes.of(utf8(training)) });
      this.#storedTraining = training;
    }
    const gone = [
      ...[...this.#storedProfiles].filter((key) => !needed.has(key)).map((key) => PROFILE_KEY + key),
      ...[...this.#storedContents.keys()].filter((key) => !contents.has(key)).map((key) => CONTENTS_KEY + key),
      ...[...this.#storedOrigins].filter((key) => !origins.has(key)).map((key) => ORIGINS_KEY + key),
    ];
    this.#storedProfiles = needed;
    this.#storedContents = contents;
    this.#storedOrigins = origins;
    this.#storedChange = state.change;
    this.#changedSeries.clear();
    return { changed, gone };
  }

  /** Takes in one flush of one partition. */
  *apply(entry: LedgerEntry, panes: readonly PaneDelta<Profile>[], context: OutputContext): Steps<OutputRecord[]> {
    const touched = new Set<SeriesJudge>();
    const late = new Map<SeriesJudge, ClosedWindow<KeptProfile>[]>();
    const closed: Judged[] = [];
    this.#training?.hear(entry);
    const events = this.#tracker.apply(entry, keptPanes(panes, entry.partition));
    if (panes.length > 0) this.#training?.follow(this.#tracker.watermarkMs);
    const outputs = this.#tellOfLedger(entry, events, context);
    for (const event of events) {
      this.telemetry.event(event);
      if (event.kind !== "closed") {
        logTrackerEvent(this.#options.logger, this.#options.dataset.topic, event);
        continue;
      }
      const series = this.#seriesFor(event);
      if (series === undefined) continue;
      touched.add(series);
      const origins = event.profile.takeOrigins();
      if (series.isNew(event)) closed.push(this.#withOrigins(series.close(event), event.sizeMs, origins));
      else late.set(series, [...(late.get(series) ?? []), event]);
    }
    const revised: Judged[] = [];
    for (const [series, inputs] of late) revised.push(...(yield* series.revise(inputs)));
    const positions = positionsOf(entry.topic, this.#tracker.positions);
    // A window that closed and is revised in the same flush is told of twice, one after the other.
    for (const said of [closed, revised.sort(byWindow)]) {
      const told = said.map((judged) => this.#placed(judged));
      for (const judged of told) outputs.push(...windowOutputs(judged, positions, context));
      for (const tick of ticksOf(told)) outputs.push(...this.#incident(tick, context));
    }
    for (const series of touched) series.settle();
    this.#tellOfTraining();
    return outputs;
  }

  /**
   * Takes in what a person said of an incident: everyone is told, and its windows that can still be revised are learned as that.
   * `place`: of the record, by which it is known when it is read again.
   */
  *heed(feedback: Feedback, place: CallPlace, context: OutputContext): Steps<OutputRecord[]> {
    const { dataset, logger } = this.#options;
    const call = this.#alarms.call(feedback, place);
    if (call.kind !== "heard") {
      const fields = { dataset: dataset.topic, incident: feedback.incident, offset: place.offset };
      if (call.kind === "unknown") logger.warn(fields, "feedback is left out: its incident is not known any more");
      else logger.info(fields, call.kind === "same" ? "feedback that was given before" : "feedback read again");
      return [];
    }
    const { incident } = call;
    const outputs = [this.#acknowledged(feedback, incident, place, context)];
    const windows = new Set(incident.windows);
    const isMeant = ({ slice, startMs, endMs }: WindowId) => windows.has(`${slice}|${startMs}|${endMs}`);
    const told: Judged[] = [];
    for (const [name, series] of this.#series) {
      if (![...series.revisable()].some(({ window }) => isMeant(window))) continue;
      const changed = yield* series.call(isMeant, feedback.feedback);
      this.#changedSeries.add(name);
      told.push(...changed.map((judged) => this.#placed(judged)));
    }
    const positions = positionsOf(dataset.topic, this.#tracker.positions);
    for (const judged of told.sort(byWindow)) outputs.push(...windowOutputs(judged, positions, context));
    for (const tick of ticksOf(told)) outputs.push(...this.#incident(tick, context));
    return outputs;
  }

  #acknowledged(feedback: Feedback, incident: CalledIncident, place: CallPlace, context: OutputContext): OutputRecord {
    const { topic, windows } = this.#options.dataset;
    const isOpen = this.#incidents.openId === incident.id;
    const { startMs, endMs } = isOpen ? { startMs: incident.lastStartMs, endMs: incident.lastEndMs } : incident;
    const sizeMs = this.#sizeOf(endMs - startMs);
    const sentence = feedbackSentence(feedback, { startMs, sizeMs, timezone: windows.timezone });
    // One more with each word, so that readers who know alerts by window and revision see them all.
    const revision = incident.calls;
    const isOver = feedback.feedback !== "fault";
    const alert = isOpen ? this.#incidents.acknowledge({ startMs, endMs }, { isOver, revision, sentence }) : undefined;
    const past = () => feedbackOnPast(incident, { dataset: topic, revision, sentence });
    return alertOutput(alert ?? past(), context, "all", `feedback@${place.offset}`);
  }

  /** How far the training on the past has come; undefined: there is none, or no more. */
  get training(): TrainingProgress | undefined {
    const share = this.#training?.shareAt(this.#tracker.watermarkMs);
    return share === undefined ? undefined : { dataset: this.#options.dataset.topic, share };
  }

  #placed(judged: Judged): Judged {
    return this.#training?.isBacktest(judged.window) === true ? { ...judged, isBacktest: true } : judged;
  }

  #tellOfTraining(): void {
    const news = this.#training?.news(this.#tracker.watermarkMs);
    if (news === undefined) return;
    const { dataset, logger } = this.#options;
    const share = Number(news.share.toFixed(2));
    const fields = { dataset: dataset.topic, share, incidents: this.#alarms.figures().backtest };
    const text = "training on what the topic holds: alarms are marked as a backtest";
    logger.info(fields, news.isOver ? "trained: alarms are told from here on" : text);
  }

  /** Before the windows that it makes partial. */
  #tellOfLedger(
    entry: LedgerEntry,
    events: readonly TrackerEvent<KeptProfile>[],
    context: OutputContext,
  ): OutputRecord[] {
    let found: LedgerNews["break"];
    for (const event of events) {
      if (event.kind === "replayed") return [];
      if (event.kind === "offset-gap" || event.kind === "offset-overlap" || event.kind === "offset-reset")
        found = event;
    }
    const { topic, partition, wallTimeMs: timeMs } = entry;
    const { unheard, positions } = this.#tracker;
    const news = { topic, partition, timeMs, unheard, positions, ...(found !== undefined && { break: found }) };
    return this.#ledger.update(news).map((alert) => alertOutput(alert, context));
  }

  /** Of the whole, as it is judged first. */
  #withOrigins(judged: Judged, sizeMs: number, origins: Origins | undefined): Judged {
    if (origins === undefined) return judged;
    return { ...judged, traced: this.#origins.judge(judged, sizeMs, origins, this.#names) };
  }

  #seriesFor({ window: { slice }, sizeMs, empty }: ClosedWindow<KeptProfile>): SeriesJudge | undefined {
    const key = seriesKey(slice, sizeMs);
    // A slice's series begins with its first event, as that of the whole does.
    if (slice !== "all" && empty && !this.#series.has(key)) return undefined;
    this.#changedSeries.add(key);
    return this.#seriesOf(slice, sizeMs);
  }

  #seriesOf(slice: string, sizeMs: number): SeriesJudge {
    const key = seriesKey(slice, sizeMs);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const series = new SeriesJudge(this.#seriesOptions(sizeMs));
    this.#series.set(key, series);
    return series;
  }

  #restoreSeries(name: string, bytes: Uint8Array, { profiles, contents }: StoredDataset): void {
    const { sizeMs } = seriesOfKey(name);
    const storedOf = (window: WindowId, empty: boolean) => {
      const key = profileKey(sizeMs, window);
      const profile = profiles.get(key) ?? KeptProfile.empty();
      const told = empty ? contentsOf(KeptProfile.empty().look()) : contents.get(key);
      if (told === undefined)
        throw new StreamgaugeError("SG_CORRUPT", `Cannot read series: contents ${key} are missing`);
      return { profile, contents: told };
    };
    const series = SeriesJudge.read(this.#seriesOptions(sizeMs), bytes, storedOf);
    if (series !== undefined) this.#series.set(name, series);
    else {
      const fields = { dataset: this.#options.dataset.topic, series: name };
      this.#options.logger.warn(fields, "the detector was configured anew: what it learned of this series is dropped");
    }
  }

  #seriesOptions(sizeMs: number): SeriesJudgeOptions {
    const { dataset } = this.#options;
    const metricOptions = {
      names: this.#names,
      policyOf: (path: string) => dataset.fields.get(path)?.values ?? dataset.valuesDefault,
      ...(dataset.time.field === undefined ? {} : { eventTimeField: dataset.time.field }),
    };
    return {
      season: dataset.detect.season,
      warmup: dataset.detect.warmup,
      sizeMs,
      reviseForMs: reviseForMs(dataset, sizeMs),
      falseAlarms: () => this.#falseAlarmsOf(sizeMs),
      aheadOf: ({ startMs }) => this.#seasons.aheadOf(sizeMs, startMs),
      secondPhaseOf: ({ startMs }) => this.#seasons.secondPhaseOf(sizeMs, startMs),
      markOf: ({ startMs, endMs }) => this.#calendar.markOf(startMs, endMs),
      severityOf: (score) => severityOf(score, this.#severity),
      calledNow: (window) => this.#alarms.calledNow(this.#incidents.openId, window, this.#options.resolveAfter),
      metricsOf: (profile) => metricsOf(profile, metricOptions),
      referenceMetricsOf: (reference, contents) => reference.metrics(contents, metricOptions),
      summaryOf: (profile) => windowSummary(profile, metricOptions),
    };
  }

  #falseAlarmsOf(sizeMs: number): number {
    const { windows } = this.#options.dataset;
    const { count, perMs } = falseAlarmsOf(this.#options.dataset);
    let series = 0;
    for (const one of this.#series.values()) if (one.sizeMs === sizeMs) series++;
    const together = windows.sizesMs.length * Math.max(1, series);
    return ((count * sizeMs) / perMs) * budgetShare(together);
  }

  #incident(tick: readonly Judged[], context: OutputContext): OutputRecord[] {
    const [first] = tick;
    if (first === undefined) return [];
    const revision = Math.max(...tick.map((judged) => judged.revision));
    const { startMs, endMs } = first.window;
    const verdicts = tick.map(sliceVerdict);
    const [sizeMs, calendar, isBacktest] = [this.#sizeOf(endMs - startMs), first.calendar, first.isBacktest === true];
    const whole: Tick = { sizeMs, startMs, endMs, revision, calendar, isBacktest, verdicts };
    const alert = this.#incidents.update(whole);
    this.#alarms.update({ startMs, endMs, isBacktest, verdicts }, this.#incidents.openId, alert);
    if (alert === undefined) return [];
    const slices = tick.filter((judged) => judged.revision === revision).map(({ window }) => window.slice);
    return [alertOutput(alert, context, slices.includes("all") ? "all" : slices.sort()[0])];
  }

  /** The configured size: a calendar day of 23 h is still a day. */
  #sizeOf(lengthMs: number): number {
    const { sizesMs } = this.#options.dataset.windows;
    return sizesMs.reduce((best, size) => (Math.abs(size - lengthMs) < Math.abs(best - lengthMs) ? size : best));
  }
}

/** Windows of a dataset as configured, over profiles. */
export function trackerOptions(dataset: DatasetConfig): WindowTrackerOptions<KeptProfile> {
  return {
    dataset: dataset.topic,
    clock: createPaneClock(dataset.windows),
    time: dataset.time,
    slices: dataset.slices,
    seasonWindows: (sizeMs) => silenceSeason(dataset.detect.season, sizeMs),
    ops: KEPT_PROFILE_OPS,
  };
}

function severityPolicy({ dataset, severity }: DatasetJudgeOptions): SeverityPolicy {
  const fieldImpacts = new Map<string, Impact>();
  for (const [path, { impact }] of dataset.fields) if (impact !== undefined) fieldImpacts.set(path, impact);
  return { matrix: severity ?? SEVERITY_MATRIX, impact: dataset.impact ?? "medium", fieldImpacts };
}

function falseAlarmsOf({ detect }: DatasetConfig): FalseAlarms {
  return detect.falseAlarms ?? FALSE_ALARMS_DEFAULT;
}

/** One day or ten windows, whichever is less, unless configured. */
function reviseForMs(dataset: DatasetConfig, sizeMs: number): number {
  return dataset.time.reviseForMs ?? Math.min(86_400_000, 10 * sizeMs);
}

/** So far behind the newest window of any size a window may lie that can still be revised. */
function horizonMs(dataset: DatasetConfig): number {
  return Math.max(...dataset.windows.sizesMs.map((sizeMs) => sizeMs + reviseForMs(dataset, sizeMs)));
}

/** The watermark lies so far behind the first event of a topic that is read from its end. */
function leastTrainingMs({ windows, time }: DatasetConfig): number {
  return Math.min(...windows.sizesMs) + time.latenessMs;
}

/** As the tracker calls the profile of a window. */
function profileKey(sizeMs: number, { startMs, slice }: WindowId): string {
  return `${sizeMs}|${startMs}|${slice}`;
}

function positionsOf(topic: string, positions: ReadonlyMap<number, number>): LogPosition[] {
  return [...positions].map(([partition, offset]) => ({ topic, partition, offset }));
}
