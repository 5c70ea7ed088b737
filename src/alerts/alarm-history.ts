/**
 * The alarms of a dataset beside its budget: the windows that alarmed as the first of an incident, and how many of them the time that was
 * judged tolerates. It looks back over 30 nominal intervals (with a budget of 1 per 30d, 900 days) of event time, from the end of the
 * newest window judged.
 *
 * Time in which no window was judged (warming up, partial, no window at all) tolerates nothing. Windows of several sizes and slices that
 * lie over each other are one time. What was spent stays spent: alarms that late events took back are among them.
 *
 * Memory: `MAX_INCIDENTS` and `MAX_RANGES`, the oldest go first.
 */

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
}

/** JSON-safe. */
interface Snapshot {
  readonly intervalMs: number;
  readonly incidents: readonly KnownIncident[];
  readonly judged: readonly TimeRange[];
}

/** Over the last 30 nominal intervals. */
export interface BudgetFigures {
  /** Event time in which one false alarm is tolerated. */
  readonly intervalMs: number;
  /** Incidents that were opened. */
  readonly spent: number;
  /** False alarms that are tolerated in the time that was judged, at most 30. */
  readonly tolerated: number;
  /** Alarms that nobody called a fault, over those that are tolerated; undefined while nothing was judged. */
  readonly realised: number | undefined;
}

/** Of a window: what there is to know of it here. */
export interface JudgedTick extends TimeRange {
  /** False: nothing was said of it in any slice. */
  readonly isJudged: boolean;
}

export const BUDGET_INTERVALS = 30;
/** Eight times what is tolerated: a budget that is overspent so far needs no exact figure. */
const MAX_INCIDENTS = 256;
/** One, and one more for each pause. */
const MAX_RANGES = 64;

export class AlarmHistory {
  #intervalMs: number;
  /** In the order in which they were opened. */
  #incidents: KnownIncident[] = [];
  /** Time that was judged, ascending, apart from each other. */
  #judged: TimeRange[] = [];

  /** `intervalMs`: event time in which one false alarm is tolerated. */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** What `snapshot()` gave, for people who do not know the configuration. */
  static read(snapshot: unknown): AlarmHistory {
    const history = new AlarmHistory((snapshot as Snapshot).intervalMs);
    history.restore(snapshot);
    return history;
  }

  /** After the incident tracker has taken the window in. `openId`: of the incident that is open now. */
  update(tick: JudgedTick, openId: string | undefined): void {
    if (tick.isJudged) this.#cover(tick);
    if (openId === undefined || this.#incidents.some(({ id }) => id === openId)) return;
    const { startMs, endMs } = tick;
    this.#incidents.push({ id: openId, startMs, endMs });
    if (this.#incidents.length > MAX_INCIDENTS) this.#incidents.shift();
  }

  figures(): BudgetFigures {
    const nowMs = this.#judged.at(-1)?.endMs ?? 0;
    const sinceMs = nowMs - BUDGET_INTERVALS * this.#intervalMs;
    let judgedMs = 0;
    for (const { startMs, endMs } of this.#judged) judgedMs += Math.max(0, endMs - Math.max(startMs, sinceMs));
    const tolerated = judgedMs / this.#intervalMs;
    const spent = this.#incidents.filter(({ startMs }) => startMs >= sinceMs).length;
    const realised = tolerated > 0 ? spent / tolerated : undefined;
    return { intervalMs: this.#intervalMs, spent, tolerated, realised };
  }

  /** JSON-safe. */
  snapshot(): unknown {
    const snapshot: Snapshot = { intervalMs: this.#intervalMs, incidents: this.#incidents, judged: this.#judged };
    return structuredClone(snapshot);
  }

  /** The interval stays that of the configuration. */
  restore(snapshot: unknown): void {
    const { incidents, judged } = structuredClone(snapshot) as Snapshot;
    this.#incidents = [...incidents];
    this.#judged = [...judged];
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
