/**
 * The alarms of a dataset beside its budget: the windows that alarmed as the first of an incident, and how many of them the time that was
 * judged tolerates. It looks back over 30 nominal intervals (with a budget of 1 per 30d, 900 days) of event time, from the end of the
 * newest window judged.
 *
 * Time in which no window was judged (warming up, partial, no window at all) tolerates nothing. Windows of several sizes and slices that
 * lie over each other are one time. What was spent stays spent: alarms that late events took back are among them.
 *
 * Incidents of a backtest are known, so that people can say what they were, but neither they nor its time count, until somebody is told of one.
 *
 * People say what an incident was (`call()`): the last word counts, each record of the log once. Which windows alarmed in an incident is
 * known as long as they can be revised.
 *
 * Memory: `MAX_INCIDENTS`, `MAX_WINDOWS` of each, and `MAX_RANGES`, the oldest go first.
 */
import type { Feedback, FeedbackLabel } from "../core/feedback.ts";
import type { AlertRecord, Severity, VerdictKind } from "../core/verdict.ts";

/** `[startMs, endMs)`, event time. */
interface TimeRange {
  readonly startMs: number;
  readonly endMs: number;
}

/** JSON-safe. */
interface KnownIncident {
  readonly id: string;
  /** Window that opened it. */
  readonly startMs: number;
  readonly endMs: number;
  /** The newest window that alarmed. */
  lastStartMs: number;
  lastEndMs: number;
  severity: Severity;
  kind: VerdictKind | null;
  /** Windows that alarmed and can still be revised, `slice|start|end`. */
  windows: string[];
  /** Nobody was told of it, so far: it opened on the past that the deployment trains on. */
  isBacktest?: true;
  /** Words that were said of it. */
  calls: number;
  called?: Pick<Feedback, "feedback" | "by" | "note">;
}

/** An incident of which a person has said what it was. */
export type CalledIncident = Readonly<KnownIncident>;

/** What became of a person's word. */
export type Call =
  | { readonly kind: "heard"; readonly incident: CalledIncident }
  /** It was said before; read a second time; or of an incident that is not known (any more). */
  | { readonly kind: "same" | "replayed" | "unknown" };

/** Where a record lies in the profiles topic. */
export interface CallPlace {
  readonly offset: number;
  /** `Claim.topicId`: with another one the offsets begin anew. */
  readonly topicId?: string | undefined;
}

/** JSON-safe. */
interface Snapshot {
  readonly intervalMs: number;
  readonly incidents: readonly KnownIncident[];
  readonly judged: readonly TimeRange[];
  /** End of the newest window that was judged, a backtest too; absent: there was none yet. */
  readonly newestMs?: number;
  /** Behind the last word that was heard. */
  readonly heard: { readonly topicId: string | null; readonly next: number } | null;
}

/** Over the last 30 nominal intervals. */
export interface BudgetFigures {
  /** Event time in which one false alarm is tolerated. */
  readonly intervalMs: number;
  /** Incidents that were opened. */
  readonly spent: number;
  /** Incidents of the backtest, at most 256; they are not among the others, and of all time. */
  readonly backtest: number;
  /** False alarms that are tolerated in the time that was judged, at most 30. */
  readonly tolerated: number;
  /** Those of which somebody has said what they were. */
  readonly called: Readonly<Record<FeedbackLabel, number>>;
  /** Alarms that nobody called a fault, over those that are tolerated; undefined while nothing was judged. */
  readonly realised: number | undefined;
}

/** Of a window: what there is to know of it here. */
export interface JudgedTick extends TimeRange {
  /** It ended before the deployment first started. @default false */
  readonly isBacktest?: boolean;
  readonly verdicts: readonly {
    readonly slice: string;
    readonly alarm: boolean;
    /** False: says nothing. */
    readonly judged: boolean;
    readonly kind?: VerdictKind | null;
  }[];
}

export const BUDGET_INTERVALS = 30;
/** Eight times what is tolerated: a budget that is overspent so far needs no exact figure. */
const MAX_INCIDENTS = 256;
/** One, and one more for each pause. */
const MAX_RANGES = 64;
/** Of an incident that can be revised. */
const MAX_WINDOWS = 4096;

export class AlarmHistory {
  #intervalMs: number;
  /** In the order in which they were opened. */
  #incidents: KnownIncident[] = [];
  /** Time that was judged, ascending, apart from each other. */
  #judged: TimeRange[] = [];
  #newestMs = 0;
  #heard: Snapshot["heard"] = null;
  readonly #horizonMs: number;

  /**
   * `intervalMs`: event time in which one false alarm is tolerated. `horizonMs`: how far behind the newest window one may lie that can
   * still be revised.
   */
  constructor(intervalMs: number, horizonMs = 0) {
    this.#intervalMs = intervalMs;
    this.#horizonMs = horizonMs;
  }

  /** What `snapshot()` gave, for people who do not know the configuration. */
  static read(snapshot: unknown): AlarmHistory {
    const history = new AlarmHistory((snapshot as Snapshot).intervalMs);
    history.restore(snapshot);
    return history;
  }

  /** After the incident tracker has taken the window in. `openId`: of the incident that is open now; `alert`: what was told. */
  update(tick: JudgedTick, openId: string | undefined, alert?: AlertRecord): void {
    const { startMs, endMs, isBacktest = false } = tick;
    if (tick.verdicts.some(({ judged }) => judged)) {
      if (!isBacktest) this.#cover(tick);
      this.#newestMs = Math.max(this.#newestMs, endMs);
    }
    const key = (slice: string) => `${slice}|${startMs}|${endMs}`;
    let open = this.#incidents.find(({ id }) => id === openId);
    if (open === undefined && openId !== undefined) {
      const last = { lastStartMs: startMs, lastEndMs: endMs };
      const mark = isBacktest ? ({ isBacktest: true } as const) : {};
      open = { id: openId, startMs, endMs, ...last, severity: "P4", kind: null, windows: [], calls: 0, ...mark };
      this.#incidents.push(open);
      if (this.#incidents.length > MAX_INCIDENTS) this.#incidents.shift();
    }
    if (alert !== undefined && alert.incident === open?.id) {
      if (alert.severity < open.severity) open.severity = alert.severity;
      open.kind = alert.kind;
      if (alert.backtest !== true) delete open.isBacktest;
    }
    for (const { slice, alarm, judged, kind } of tick.verdicts) {
      const holder = this.#incidents.find(({ windows }) => windows.includes(key(slice)));
      if (judged && !alarm && holder !== undefined) {
        holder.windows = holder.windows.filter((window) => window !== key(slice));
      }
      // What turns out to be late is an alarm by itself, of a window that may have alarmed before.
      const isNews = alarm && (holder === undefined || (kind === "late" && holder !== open));
      // A late revision of the past is no part of what is wrong now.
      if (!isNews || open === undefined || (isBacktest && open.isBacktest !== true)) continue;
      open.windows.push(key(slice));
      if (open.windows.length > MAX_WINDOWS) open.windows.shift();
      if (endMs >= open.lastEndMs) Object.assign(open, { lastStartMs: startMs, lastEndMs: endMs });
    }
    this.#settle();
  }

  /** A person's word. */
  call({ incident: id, feedback, by, note }: Feedback, { offset, topicId = undefined }: CallPlace): Call {
    const heard = this.#heard;
    if (heard !== null && heard.topicId === (topicId ?? null) && offset < heard.next) return { kind: "replayed" };
    this.#heard = { topicId: topicId ?? null, next: offset + 1 };
    const incident = this.#incidents.find((one) => one.id === id);
    if (incident === undefined) return { kind: "unknown" };
    const before = incident.called;
    if (before?.feedback === feedback && before.by === by && before.note === note) return { kind: "same" };
    incident.called = { feedback, ...(by === undefined ? {} : { by }), ...(note === undefined ? {} : { note }) };
    incident.calls++;
    return { kind: "heard", incident: structuredClone(incident) };
  }

  /**
   * What a window is that alarms while an incident is open: a confirmed fault goes on, with fewer than `resolveAfter` clean windows in
   * between. Other words have ended their incident.
   */
  calledNow(
    openId: string | undefined,
    { startMs, endMs }: TimeRange,
    resolveAfter: number,
  ): FeedbackLabel | undefined {
    if (openId === undefined) return undefined;
    const open = this.#incidents.find(({ id }) => id === openId);
    if (open?.called?.feedback !== "fault" || startMs - open.lastEndMs >= resolveAfter * (endMs - startMs)) {
      return undefined;
    }
    if (endMs >= open.lastEndMs) Object.assign(open, { lastStartMs: startMs, lastEndMs: endMs });
    return "fault";
  }

  figures(): BudgetFigures {
    const nowMs = this.#judged.at(-1)?.endMs ?? 0;
    const sinceMs = nowMs - BUDGET_INTERVALS * this.#intervalMs;
    let judgedMs = 0;
    for (const { startMs, endMs } of this.#judged) judgedMs += Math.max(0, endMs - Math.max(startMs, sinceMs));
    const tolerated = judgedMs / this.#intervalMs;
    const incidents = this.#incidents.filter(({ startMs, isBacktest }) => startMs >= sinceMs && isBacktest !== true);
    const spent = incidents.length;
    const backtest = this.#incidents.filter(({ isBacktest }) => isBacktest === true).length;
    const called = { fault: 0, expected: 0, "new-normal": 0 };
    for (const { called: word } of incidents) if (word !== undefined) called[word.feedback]++;
    const realised = tolerated > 0 ? (spent - called.fault) / tolerated : undefined;
    return { intervalMs: this.#intervalMs, spent, backtest, tolerated, called, realised };
  }

  /** JSON-safe. */
  snapshot(): unknown {
    const snapshot: Snapshot = {
      intervalMs: this.#intervalMs,
      incidents: this.#incidents,
      judged: this.#judged,
      newestMs: this.#newestMs,
      heard: this.#heard,
    };
    return structuredClone(snapshot);
  }

  /** The interval stays that of the configuration. */
  restore(snapshot: unknown): void {
    const { incidents, judged, heard, newestMs = judged.at(-1)?.endMs ?? 0 } = structuredClone(snapshot) as Snapshot;
    this.#incidents = [...incidents];
    this.#judged = [...judged];
    this.#newestMs = newestMs;
    this.#heard = heard;
  }

  /** Forgets windows that can be revised no more. */
  #settle(): void {
    const untilMs = this.#newestMs - this.#horizonMs;
    for (const incident of this.#incidents) {
      if (incident.windows.length === 0 || endOf(incident.windows[0]!) > untilMs) continue;
      incident.windows = incident.windows.filter((window) => endOf(window) > untilMs);
    }
  }

  #cover({ startMs, endMs }: TimeRange): void {
    const last = this.#judged.at(-1);
    if (last !== undefined && startMs >= last.startMs && endMs <= last.endMs) return;
    const joined: { startMs: number; endMs: number }[] = [];
    for (const range of [...this.#judged, { startMs, endMs }].sort((a, b) => a.startMs - b.startMs)) {
      const before = joined.at(-1);
      if (before !== undefined && range.startMs <= before.endMs) before.endMs = Math.max(before.endMs, range.endMs);
      else joined.push({ ...range });
    }
    const sinceMs = joined.at(-1)!.endMs - BUDGET_INTERVALS * this.#intervalMs;
    this.#judged = joined.filter((range) => range.endMs > sinceMs).slice(-MAX_RANGES);
  }
}

function endOf(window: string): number {
  return Number(window.slice(window.lastIndexOf("|") + 1));
}
