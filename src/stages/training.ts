/**
 * A deployment that begins in the past of its topic (`startFrom: -60d`, `earliest`) trains on it before it is of use: windows that ended before it
 * first started are a backtest. Nobody can act on their alarms, but they show what would have been told.
 *
 * What decides is log content: the wall time of the first flush that was ever heard of the dataset, which is kept in the state. So a restart in
 * the middle, and a late revision long afterwards, say the same of a window.
 */
import type { LedgerEntry } from "../core/ledger.ts";

/** JSON-safe. */
export interface TrainingSnapshot {
  /** Of the configuration then. */
  readonly leastMs: number;
  /** Wall time of the first flush; null: none was heard. */
  readonly startedMs: number | null;
  /** The first watermark that events made, from which the way is measured; null: there is none yet. */
  readonly fromMs: number | null;
  /** Parts of the way that were told of. */
  readonly told: number;
}

/** How far it has come, for people. */
export interface TrainingProgress {
  readonly dataset: string;
  /** Of the event time between the first events and the start, [0, 1). */
  readonly share: number;
}

/** What is worth a line in the log. */
export interface TrainingNews {
  readonly share: number;
  readonly isOver: boolean;
}

/** A line in the log for each tenth of the way. */
const PARTS = 10;

export class Training {
  readonly #leastMs: number;
  #startedMs: number | null;
  #fromMs: number | null;
  #told: number;

  /** `leastMs`: where less than that lies before the start there is nothing to train on: the smallest window, and what the watermark lags. */
  constructor(leastMs: number, snapshot?: TrainingSnapshot) {
    this.#leastMs = leastMs;
    this.#startedMs = snapshot?.startedMs ?? null;
    this.#fromMs = snapshot?.fromMs ?? null;
    this.#told = snapshot?.told ?? 0;
  }

  /** What `snapshot()` gave, for people who do not know the configuration. */
  static read(snapshot: TrainingSnapshot): Training {
    return new Training(snapshot.leastMs, snapshot);
  }

  /** Takes in a flush, before its windows are judged. */
  hear({ wallTimeMs }: Pick<LedgerEntry, "wallTimeMs">): void {
    this.#startedMs ??= wallTimeMs;
  }

  /**
   * After a flush with events: up to where windows are decided. The first time it is measured from there, not from the oldest event: one
   * of 1970 would be all of the way.
   */
  follow(watermarkMs: number | undefined): void {
    if (watermarkMs !== undefined && Number.isFinite(watermarkMs)) this.#fromMs ??= watermarkMs;
  }

  /** The window ended before the deployment first started. */
  isBacktest({ endMs }: { readonly endMs: number }): boolean {
    return this.#startedMs !== null && endMs <= this.#startedMs;
  }

  /** Wall time of the first flush. */
  get startedMs(): number | null {
    return this.#startedMs;
  }

  /** Undefined: it does not train, or no more. */
  shareAt(watermarkMs: number | undefined): number | undefined {
    if (this.#startedMs === null || this.#fromMs === null || this.#startedMs - this.#fromMs < this.#leastMs)
      return undefined;
    const share = ((watermarkMs ?? this.#fromMs) - this.#fromMs) / (this.#startedMs - this.#fromMs);
    return share < 1 ? Math.max(0, share) : undefined;
  }

  /** What there is to tell since the last call. */
  news(watermarkMs: number | undefined): TrainingNews | undefined {
    if (this.#told > PARTS) return undefined;
    const share = this.shareAt(watermarkMs);
    if (share === undefined) {
      const isOver = this.#told > 0;
      if (isOver) this.#told = PARTS + 1;
      return isOver ? { share: 1, isOver } : undefined;
    }
    const part = 1 + Math.floor(share * PARTS);
    if (part <= this.#told) return undefined;
    this.#told = part;
    return { share, isOver: false };
  }

  snapshot(): TrainingSnapshot {
    return { leastMs: this.#leastMs, startedMs: this.#startedMs, fromMs: this.#fromMs, told: this.#told };
  }
}
