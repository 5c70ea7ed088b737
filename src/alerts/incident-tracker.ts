/**
 * Verdicts → incidents. One incident per dataset is open while any size, slice or metric alarms; what changes about
 * it becomes an alert: `opened`, `updated` (a new field among the causes, worse, or still going on after a day),
 * `resolved` (clean for `resolveAfter` windows of the size that opened it, or corrected by late data). As long as a metric that alarmed
 * is neither back nor at a new level, no window counts as clean, whatever its score: what lasts is one incident.
 *
 * What opens on the past that a deployment trains on is marked as a backtest up to its end. Where it goes on afterwards people are told of it, without the mark,
 * with the first window that alarms (`updated`, `continues`).
 *
 * A revision of a window that still alarms is nothing new: it neither opens a resolved incident again nor puts off
 * the end of an open one.
 */
import type { Learned, NewLevel } from "../core/detector.ts";
import { isoTime } from "../core/text.ts";
import type {
  AlertRecord,
  Cause,
  Concentration,
  IncidentState,
  LogPosition,
  Severity,
  VerdictKind,
} from "../core/verdict.ts";
import { ALL_SLICE } from "../core/window.ts";
import { incidentSentence, mainAlarm } from "./sentence.ts";

/** What the fused detector said of one slice of a window, and learned of it. */
export interface SliceVerdict extends Partial<Learned> {
  readonly slice: string;
  readonly alarm: boolean;
  /** False while warming up or partial: says neither clean nor alarming. */
  readonly judged: boolean;
  readonly score: number | null;
  /** As in `DetectorScore`. */
  readonly relativeP?: number;
  /** Of the window by itself. */
  readonly severity: Severity | null;
  /** What the alarm is about. @default "content" */
  readonly kind?: VerdictKind | null;
  /** `no-data`: start of the first window without data where there usually is some. */
  readonly sinceMs?: number;
  readonly causes: readonly Cause[];
  /** Of the whole: where what is wrong comes from. */
  readonly concentration?: readonly Concentration[];
  /** Of the whole: events that show it. @default none */
  readonly evidence?: readonly LogPosition[];
}

/** All slices of one window of one size. */
export interface Tick {
  readonly sizeMs: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly revision: number;
  /** Entries of the calendar that the window touches. @default none */
  readonly calendar?: readonly string[];
  /** The window ended before the deployment first started. @default false */
  readonly isBacktest?: boolean;
  readonly verdicts: readonly SliceVerdict[];
}

interface TimeRange {
  readonly startMs: number;
  readonly endMs: number;
}

export interface SettledLevel extends NewLevel {
  readonly slice: string;
}

/** A series in which a metric is out and has no level yet. */
interface Settling {
  readonly slice: string;
  readonly sizeMs: number;
  /** Of the window that said so. */
  readonly endMs: number;
}

interface OpenIncident {
  readonly id: string;
  readonly sizeMs: number;
  /** Fields (or metric, when a cause has no field) and kinds that an alert has already named. */
  readonly named: string[];
  severity: Severity;
  /** Windows that alarm, `slice|start|end`. */
  readonly alarming: string[];
  /** Start of the newest window that an alert was about. */
  lastAlertMs: number;
  lastCauses: readonly Cause[];
  lastSlices: readonly string[];
  /** Absent: told by a version that knew no kinds. */
  lastKind?: VerdictKind;
  /** Of a past that nobody was told of, so far. */
  isBacktest?: boolean;
  cleanWindows: number;
  /** Levels that metrics have settled at, those of the whole before those of slices. */
  levels: readonly SettledLevel[];
  settling: readonly Settling[];
}

interface Snapshot {
  readonly open: OpenIncident | null;
  readonly past: readonly string[];
}

/** Causes that count as named by an alert: further ones are context. */
const NAMED_CAUSES = 3;
const MAX_ALERT_CAUSES = 10;
/** Levels remembered; a few of them are told. */
const MAX_LEVELS = 100;
/** An incident that goes on is told again once a day of event time, so that it is not forgotten. */
const REMIND_AFTER_MS = 86_400_000;
/** The day on which the clocks go forward: each day of a fault has an alert that names it. */
const SHORTEST_DAY_MS = 82_800_000;
/** Windows remembered as alarming, of the open incident and of past ones; older ones can no longer be corrected. */
const MAX_ALARMING = 4096;

export interface IncidentTrackerOptions {
  readonly dataset: string;
  /** Clean windows after which an incident is resolved. */
  readonly resolveAfter: number;
  /** Zone of the dataset's windows, in which sentences name days and hours. @default "UTC" */
  readonly timezone?: string;
  /** Severity when so many windows of the size have alarmed. @default that of the verdict */
  readonly severityOf?: (verdict: SliceVerdict, windows: number) => Severity;
}

export class IncidentTracker {
  readonly #dataset: string;
  readonly #resolveAfter: number;
  readonly #timezone: string;
  readonly #severityOf: IncidentTrackerOptions["severityOf"];
  #open: OpenIncident | undefined;
  /** Windows that alarmed in incidents that are resolved, `slice|start|end`. */
  #past = new Set<string>();

  constructor(options: IncidentTrackerOptions) {
    this.#dataset = options.dataset;
    this.#resolveAfter = options.resolveAfter;
    this.#timezone = options.timezone ?? "UTC";
    this.#severityOf = options.severityOf;
  }

  /** Takes in the verdicts of one window (first or revised) and says what is to be told: at most one alert. */
  update(tick: Tick): AlertRecord | undefined {
    const alarms = tick.verdicts
      .filter((verdict) => verdict.alarm && !this.#past.has(alarmKey(verdict, tick)))
      .sort(worstFirst);
    for (const { slice, alarm, judged } of tick.verdicts) {
      if (judged && !alarm) for (const key of alarmKeys(slice, tick)) this.#past.delete(key);
    }
    const open = this.#open;
    if (open === undefined) return alarms.length > 0 ? this.#openIncident(tick, alarms) : undefined;
    const corrected = this.#correct(open, tick);
    // A late revision of the past takes back what came from there, and else says nothing of what is wrong now.
    if (tick.isBacktest === true && open.isBacktest !== true)
      return corrected && open.alarming.length === 0 ? this.#resolve(open, tick, "corrected") : undefined;
    settle(open, tick);
    if (alarms.length > 0) return this.#continueIncident(open, tick, this.#lasting(open, tick, alarms));
    if (corrected && open.alarming.length === 0) return this.#resolve(open, tick, "corrected");
    if (tick.revision > 0 || tick.sizeMs !== open.sizeMs) return undefined;
    if (!tick.verdicts.some((verdict) => verdict.judged)) return undefined;
    if (open.settling.length > 0)
      return goLive(open, tick) ? this.#lastTold(open, tick, "updated", "continues") : undefined;
    open.cleanWindows++;
    if (open.cleanWindows < this.#resolveAfter) return undefined;
    return this.#resolve(open, tick, open.levels.length > 0 ? "new-level" : "clean");
  }

  /** Id of the open incident. */
  get openId(): string | undefined {
    return this.#open?.id;
  }

  /**
   * Forgets everything. An open incident is resolved with the reason `reset`, in the window (of its size) that it was last
   * told about: nothing else would ever end it.
   */
  reset(windowOf: (sizeMs: number, timeMs: number) => TimeRange): AlertRecord | undefined {
    const open = this.#open;
    const alert =
      open === undefined
        ? undefined
        : this.#resolve(
            open,
            { sizeMs: open.sizeMs, ...windowOf(open.sizeMs, open.lastAlertMs), revision: 0, verdicts: [] },
            "reset",
          );
    this.#past.clear();
    return alert;
  }

  /**
   * A person has said what the open incident is: it is told of, and ends unless it is a fault. `window`: the newest that alarmed.
   */
  acknowledge(
    window: TimeRange,
    { isOver, revision, sentence }: { readonly isOver: boolean; readonly revision: number; readonly sentence: string },
  ): AlertRecord | undefined {
    const open = this.#open;
    if (open === undefined) return undefined;
    const tick = { sizeMs: open.sizeMs, ...window, revision, verdicts: [] };
    const alert = isOver ? this.#resolve(open, tick, "feedback") : this.#lastTold(open, tick, "updated", "feedback");
    return { ...alert, sentence };
  }

  snapshot(): unknown {
    return structuredClone({ open: this.#open ?? null, past: [...this.#past] } satisfies Snapshot);
  }

  restore(snapshot: unknown): void {
    const { open, past } = structuredClone(snapshot) as Snapshot;
    this.#open = open ?? undefined;
    this.#past = new Set(past);
  }

  #openIncident(tick: Tick, alarms: readonly SliceVerdict[]): AlertRecord {
    const causes = mergedCauses(alarms);
    const open: OpenIncident = {
      id: this.#idOf(tick, alarms),
      sizeMs: tick.sizeMs,
      named: namesOf(causes, alarms),
      severity: worstSeverity(alarms),
      alarming: alarms.map((alarm) => alarmKey(alarm, tick)),
      lastAlertMs: tick.startMs,
      lastCauses: causes,
      lastSlices: alarms.map((alarm) => alarm.slice),
      lastKind: kindOf(alarms),
      ...(tick.isBacktest === true && { isBacktest: true }),
      cleanWindows: 0,
      levels: [],
      settling: [],
    };
    settle(open, tick);
    this.#open = open;
    return this.#alert(open, "opened", "alarm", tick, alarms);
  }

  /** What lasts is worse. */
  #lasting(open: OpenIncident, tick: Tick, alarms: readonly SliceVerdict[]): readonly SliceVerdict[] {
    const severityOf = this.#severityOf;
    if (severityOf === undefined) return alarms;
    const windows = windowsOfSize([...open.alarming, windowKey("", tick)], tick.sizeMs);
    return alarms.map((alarm) => ({ ...alarm, severity: severityOf(alarm, windows) }));
  }

  #continueIncident(open: OpenIncident, tick: Tick, alarms: readonly SliceVerdict[]): AlertRecord | undefined {
    const causes = mergedCauses(alarms);
    const fresh = namesOf(causes, alarms).filter((name) => !open.named.includes(name));
    const severity = worstSeverity(alarms);
    const worse = severity < open.severity;
    const remindAfterMs = tick.sizeMs < REMIND_AFTER_MS ? REMIND_AFTER_MS : SHORTEST_DAY_MS;
    const reminder = tick.startMs - open.lastAlertMs >= remindAfterMs;
    const isLive = goLive(open, tick);
    open.named.push(...fresh);
    if (worse) open.severity = severity;
    for (const alarm of alarms) {
      const key = alarmKey(alarm, tick);
      if (open.alarming.includes(key)) continue;
      open.alarming.push(key);
      open.cleanWindows = 0;
    }
    if (open.alarming.length > MAX_ALARMING) open.alarming.splice(0, open.alarming.length - MAX_ALARMING);
    open.lastCauses = causes;
    open.lastSlices = alarms.map((alarm) => alarm.slice);
    open.lastKind = kindOf(alarms);
    if (fresh.length === 0 && !worse && !reminder && !isLive) return undefined;
    open.lastAlertMs = Math.max(open.lastAlertMs, tick.startMs);
    const reason = isLive ? "continues" : fresh.length > 0 ? "new-cause" : worse ? "worse" : "continues";
    return this.#alert(open, "updated", reason, tick, alarms);
  }

  /** A window that opened an incident before may open one again, when it turns out that it was late. */
  #idOf(tick: Tick, alarms: readonly SliceVerdict[]): string {
    const id = `${this.#dataset}/${isoTime(tick.startMs)}/${isoTime(tick.endMs)}`;
    return alarms.some(({ slice }) => this.#past.has(windowKey(slice, tick))) ? `${id}/late` : id;
  }

  /** Forgets alarms that a revised verdict took back; true when there were any. A verdict that says nothing takes none. */
  #correct(open: OpenIncident, tick: Tick): boolean {
    const before = open.alarming.length;
    for (const verdict of tick.verdicts) {
      if (verdict.alarm || !verdict.judged) continue;
      for (const key of alarmKeys(verdict.slice, tick)) {
        const index = open.alarming.indexOf(key);
        if (index >= 0) open.alarming.splice(index, 1);
      }
    }
    return open.alarming.length < before;
  }

  #resolve(open: OpenIncident, tick: Tick, reason: string): AlertRecord {
    this.#open = undefined;
    for (const key of open.alarming) this.#past.add(key);
    for (const key of this.#past) {
      if (this.#past.size <= MAX_ALARMING) break;
      this.#past.delete(key);
    }
    return this.#lastTold(open, tick, "resolved", reason);
  }

  /** What does not come of alarms of this window: of the incident as it was told last. */
  #lastTold(open: OpenIncident, tick: Tick, state: IncidentState, reason: string): AlertRecord {
    const { sizeMs, startMs, calendar } = tick;
    const timezone = this.#timezone;
    const levels = reason === "new-level" ? open.levels : [];
    const when = { sizeMs, startMs, timezone, calendar };
    const sentence = incidentSentence({ state, reason, ...when, alarms: [], levels });
    return {
      incident: open.id,
      state,
      dataset: this.#dataset,
      slices: open.lastSlices,
      severity: open.severity,
      windowStart: isoTime(tick.startMs),
      windowEnd: isoTime(tick.endMs),
      revision: tick.revision,
      reason,
      kind: open.lastKind ?? "content",
      ...(open.isBacktest === true && { backtest: true }),
      sentence,
      causes: (levels.length > 0 ? levels.map(causeOf) : open.lastCauses).slice(0, MAX_ALERT_CAUSES),
      evidence: [],
    };
  }

  #alert(
    open: OpenIncident,
    state: IncidentState,
    reason: string,
    tick: Tick,
    alarms: readonly SliceVerdict[],
  ): AlertRecord {
    const { sizeMs, startMs, calendar } = tick;
    const timezone = this.#timezone;
    const { concentration = [], evidence = [] } = mainAlarm(alarms) ?? {};
    return {
      incident: open.id,
      state,
      dataset: this.#dataset,
      slices: alarms.map((alarm) => alarm.slice),
      severity: worstSeverity(alarms),
      windowStart: isoTime(tick.startMs),
      windowEnd: isoTime(tick.endMs),
      revision: tick.revision,
      reason,
      kind: kindOf(alarms),
      ...(open.isBacktest === true && { backtest: true }),
      sentence: incidentSentence({ state, reason, sizeMs, startMs, timezone, calendar, alarms, levels: [] }),
      causes: open.lastCauses.slice(0, MAX_ALERT_CAUSES),
      ...(concentration.length > 0 && { concentration }),
      evidence,
    };
  }
}

/** Whether an incident of the past goes on in a window of now: from here on people are told of it. */
function goLive(open: OpenIncident, tick: Tick): boolean {
  if (open.isBacktest !== true || tick.isBacktest === true) return false;
  delete open.isBacktest;
  return true;
}

/** Takes in what the verdicts say of levels. A series that is not told of any more (its slice was retired) holds nothing up. */
function settle(open: OpenIncident, { sizeMs, endMs, verdicts }: Tick): void {
  const isTold = ({ slice, sizeMs: size }: Settling) =>
    size === sizeMs && verdicts.some((verdict) => verdict.slice === slice && verdict.judged);
  const held = open.settling.filter((one) => !isTold(one) && one.endMs + 2 * one.sizeMs >= endMs);
  const found = verdicts.flatMap(({ slice, isSettling }) => (isSettling === true ? [{ slice, sizeMs, endMs }] : []));
  open.settling = [...held, ...found];
  const settled = verdicts.flatMap(({ slice, newLevels = [] }) => newLevels.map((level) => ({ slice, ...level })));
  const isWhole = ({ slice }: SettledLevel) => slice === ALL_SLICE;
  // Of a metric one level: that of the whole, or else of the slice that was there first; a level that moved on is told as it is.
  const byMetric = new Map<string, SettledLevel>();
  for (const level of [...settled.filter(isWhole), ...open.levels, ...settled]) {
    if (!byMetric.has(level.metric)) byMetric.set(level.metric, level);
  }
  const levels = [...byMetric.values()];
  open.levels = [...levels.filter(isWhole), ...levels.filter((level) => !isWhole(level))].slice(0, MAX_LEVELS);
}

/** A level as the cause of the end: what was expected is what it was before. */
function causeOf({ fields, metric, is, was }: NewLevel, _at: number, { length }: readonly unknown[]): Cause {
  return { fields, metric, share: 1 / length, observed: is, expected: was, low: null, high: null };
}

/**
 * The causes of all alarming slices, each field once with the slice in which its part of the excess is largest;
 * `alarms` stand worst first. The weight of a cause is its share of blame times the slice's score.
 */
function mergedCauses(alarms: readonly SliceVerdict[]): readonly Cause[] {
  const best = new Map<string, { cause: Cause; weight: number }>();
  let total = 0;
  for (const alarm of alarms) {
    for (const cause of alarm.causes) {
      const weight = cause.share * (alarm.score ?? 0);
      const name = causeName(cause);
      const known = best.get(name);
      if (known === undefined || weight > known.weight) best.set(name, { cause, weight });
    }
  }
  for (const { weight } of best.values()) total += weight;
  return [...best.values()]
    .sort((a, b) => b.weight - a.weight)
    .map(({ cause, weight }) => ({ ...cause, share: total > 0 ? weight / total : 0 }));
}

/** What is new news when it comes first: fields, and that data is missing, more, less or late. */
function namesOf(causes: readonly Cause[], alarms: readonly SliceVerdict[]): string[] {
  const kinds = new Set(alarms.flatMap(({ kind }) => (kind == null || kind === "content" ? [] : [kind])));
  return [...causes.slice(0, NAMED_CAUSES).map(causeName), ...kinds];
}

function kindOf(alarms: readonly SliceVerdict[]): VerdictKind {
  return mainAlarm(alarms)?.kind ?? "content";
}

function causeName(cause: Cause): string {
  return cause.fields.length === 0 ? cause.metric : cause.fields.join("+");
}

function worstFirst(a: SliceVerdict, b: SliceVerdict): number {
  return (b.score ?? 0) - (a.score ?? 0);
}

function worstSeverity(alarms: readonly SliceVerdict[]): Severity {
  let worst: Severity = "P4";
  for (const alarm of alarms) if (alarm.severity !== null && alarm.severity < worst) worst = alarm.severity;
  return worst;
}

/** How many there are, in whatever slices. A calendar day of 23 h is still a day. */
function windowsOfSize(keys: readonly string[], sizeMs: number): number {
  const windows = new Set<string>();
  for (const key of keys) {
    const [start, end] = key.split("|").slice(-2).map(Number);
    if (Math.abs(end! - start! - sizeMs) < sizeMs / 2) windows.add(`${start}|${end}`);
  }
  return windows.size;
}

/** That a window was late is known later than that it was empty, and is news by itself. */
function alarmKey({ slice, kind }: SliceVerdict, tick: Tick): string {
  return kind === "late" ? lateKey(slice, tick) : windowKey(slice, tick);
}

function alarmKeys(slice: string, tick: Tick): readonly string[] {
  return [windowKey(slice, tick), lateKey(slice, tick)];
}

function lateKey(slice: string, tick: Tick): string {
  return `late|${windowKey(slice, tick)}`;
}

function windowKey(slice: string, tick: Tick): string {
  return `${slice}|${tick.startMs}|${tick.endMs}`;
}
