/**
 * What is wrong with the watching itself, as alerts: offsets never seen, offsets counted twice, partitions of which nothing
 * is heard. Each is an incident of its own, beside the one of the data, and never a part of it.
 *
 * - `offset-gap`, `offset-overlap`, `offset-reset`: opened, and never resolved: what is lost stays lost. `windowStart` and `windowEnd` are
 *   the event times whose windows are `partial` by it; the moment at which it was found where no event time is known.
 * - `unheard`: opened; resolved with the reason `heard` by the next flush of the partition. `windowStart` is the wall time
 *   of the last that was heard, `windowEnd` that of telling.
 *
 * A partition tells of `MAX_TOLD` a hour at most; how many were left out stands in the next sentence.
 */
import { isoTime } from "../core/text.ts";
import { type AlertRecord, type IncidentState, ownIncident } from "../core/verdict.ts";

/** What one flush of one partition brought to light. */
export interface LedgerNews {
  readonly topic: string;
  readonly partition: number;
  /** Wall time of the flush. */
  readonly timeMs: number;
  readonly break?: {
    /**
     * `offset-gap`: `[expected, got)` was never seen. `offset-overlap`: `[got, expected)` was counted twice. `offset-reset`:
     * the topic was created anew; what the old one held from `expected` on, and the new one before `got`, was never seen.
     */
    readonly kind: "offset-gap" | "offset-overlap" | "offset-reset";
    readonly expected: number;
    readonly got: number;
    /** Event times, epoch milliseconds, `[startMs, endMs)`. */
    readonly touched?: { readonly startMs: number; readonly endMs: number };
  };
  /** Partitions of which nothing is heard now, each with the wall time since which. */
  readonly unheard: ReadonlyMap<number, number>;
  /** Next offset of each partition that was ever heard. */
  readonly positions: ReadonlyMap<number, number>;
}

/** JSON-safe. */
interface OpenSilence {
  readonly partition: number;
  readonly sinceMs: number;
  /** Wall time of telling. */
  readonly toldMs: number;
  /** False: it was left out, and so is its end. */
  readonly isTold: boolean;
}

/** JSON-safe. */
interface Budget {
  readonly partition: number;
  /** When the hour began. */
  fromMs: number;
  told: number;
  /** Left out since the last that was told. */
  leftOut: number;
}

interface Snapshot {
  readonly silences: readonly OpenSilence[];
  readonly budgets: readonly Budget[];
}

/** Of one partition: somebody who looks has seen it by then. */
const MAX_TOLD = 6;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** What a Date can say. */
const MAX_TIME_MS = 8_640_000_000_000_000;

export class LedgerIncidents {
  readonly #dataset: string;
  readonly #silences = new Map<number, OpenSilence>();
  readonly #budgets = new Map<number, Budget>();

  constructor(dataset: string) {
    this.#dataset = dataset;
  }

  /** Takes in a flush that was no repeat, and says what is to be told. */
  update(news: LedgerNews): AlertRecord[] {
    const alerts: AlertRecord[] = [];
    if (news.break !== undefined) alerts.push(...this.#break(news, news.break));
    const open = this.#silences.get(news.partition);
    if (open !== undefined && !news.unheard.has(news.partition)) {
      this.#silences.delete(news.partition);
      if (open.isTold) alerts.push(this.#silence(news, open, news.timeMs, "resolved"));
    }
    for (const [partition, sinceMs] of news.unheard) {
      if (this.#silences.has(partition)) continue;
      const budget = this.#spend(partition, news.timeMs);
      const silence = { partition, sinceMs, toldMs: news.timeMs, isTold: budget !== undefined };
      this.#silences.set(partition, silence);
      if (budget !== undefined) alerts.push(this.#silence(news, silence, news.timeMs, "opened", budget));
    }
    return alerts;
  }

  /** JSON-safe. */
  snapshot(): unknown {
    const snapshot: Snapshot = { silences: [...this.#silences.values()], budgets: [...this.#budgets.values()] };
    return structuredClone(snapshot);
  }

  restore(snapshot: unknown): void {
    const { silences, budgets } = structuredClone(snapshot) as Snapshot;
    for (const silence of silences) this.#silences.set(silence.partition, silence);
    for (const budget of budgets) this.#budgets.set(budget.partition, budget);
  }

  #break(news: LedgerNews, { kind, expected, got, touched }: NonNullable<LedgerNews["break"]>): AlertRecord[] {
    const { topic, partition, timeMs } = news;
    const leftOut = this.#spend(partition, timeMs);
    if (leftOut === undefined) return [];
    const fromOffset = Math.min(expected, got);
    const toOffset = Math.max(expected, got);
    const isKnown = touched !== undefined && touched.startMs >= -MAX_TIME_MS && touched.endMs <= MAX_TIME_MS;
    const { startMs, endMs } = isKnown ? touched : { startMs: timeMs, endMs: timeMs + 1 };
    const isReset = kind === "offset-reset";
    const fate = kind === "offset-gap" ? "never seen" : "counted twice";
    const found = isReset ? resetText(expected, got) : `${rangeText(fromOffset, toOffset)} ${fate}`;
    const sentence = `${topic}/${partition}: ${found}; the windows touched are partial`;
    // A topic may be created anew twice with the same offsets.
    const range = isReset ? `${expected}-${got}/${isoTime(timeMs)}` : `${fromOffset}-${toOffset}`;
    return [
      {
        ...this.#alert("opened", kind, `${kind}/${topic}/${partition}/${range}`),
        windowStart: isoTime(startMs),
        windowEnd: isoTime(endMs),
        sentence: sentence + leftOutText(leftOut),
        evidence: [{ topic, partition, offset: isReset ? got : fromOffset }],
      },
    ];
  }

  #silence(
    news: LedgerNews,
    { partition, sinceMs, toldMs }: OpenSilence,
    nowMs: number,
    state: IncidentState,
    leftOut = 0,
  ): AlertRecord {
    const { topic, positions } = news;
    const offset = positions.get(partition);
    const lasted = durationText(nowMs - sinceMs);
    const isOver = state === "resolved";
    const sentence = isOver ? `heard again after ${lasted}` : `nothing heard for ${lasted}; windows wait for it`;
    return {
      ...this.#alert(state, isOver ? "heard" : "unheard", `unheard/${topic}/${partition}/${isoTime(sinceMs)}`),
      windowStart: isoTime(sinceMs),
      windowEnd: isoTime(Math.max(nowMs, toldMs, sinceMs + 1)),
      sentence: `${topic}/${partition}: ${sentence}${leftOutText(leftOut)}`,
      evidence: offset === undefined ? [] : [{ topic, partition, offset }],
    };
  }

  #alert(state: IncidentState, reason: string, name: string) {
    const incident = ownIncident(this.#dataset, name);
    return {
      incident,
      state,
      dataset: this.#dataset,
      slices: [],
      severity: "P1",
      revision: 0,
      reason,
      kind: null,
      causes: [],
    } as const;
  }

  /** How many were left out since the last one; undefined: this one is left out as well. */
  #spend(partition: number, timeMs: number): number | undefined {
    const budget = this.#budgets.get(partition) ?? { partition, fromMs: timeMs, told: 0, leftOut: 0 };
    this.#budgets.set(partition, budget);
    if (timeMs - budget.fromMs >= HOUR_MS) {
      budget.fromMs = timeMs;
      budget.told = 0;
    }
    if (budget.told >= MAX_TOLD) {
      budget.leftOut++;
      return undefined;
    }
    const { leftOut } = budget;
    budget.told++;
    budget.leftOut = 0;
    return leftOut;
  }
}

function rangeText(fromOffset: number, toOffset: number): string {
  const text = (offset: number) => offset.toLocaleString("en-US");
  if (toOffset - fromOffset === 1) return `offset ${text(fromOffset)} was`;
  return `offsets ${text(fromOffset)}–${text(toOffset - 1)} were`;
}

function resetText(expected: number, got: number): string {
  const skipped = got === 0 ? "" : `, and of the new one ${rangeText(0, got)} not read`;
  const lost = `what the old one held from offset ${expected.toLocaleString("en-US")} on is lost`;
  return `the topic was created anew: ${lost}${skipped}`;
}

function leftOutText(count: number): string {
  return count === 0 ? "" : `; ${count} more of this partition before it ${count === 1 ? "was" : "were"} not told`;
}

function durationText(durationMs: number): string {
  if (durationMs < 2 * MINUTE_MS) return `${Math.round(durationMs / 1000)} s`;
  if (durationMs < 2 * HOUR_MS) return `${Math.round(durationMs / MINUTE_MS)} min`;
  return `${Math.round(durationMs / HOUR_MS)} h`;
}
