/** What an independent reader found committed after a chaos run, and what is to be held against it. */
import type { MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";
import type { WindowSummary } from "../../src/profiles/window-summary.ts";
import type { RawEvent } from "../windows/flushes.ts";

/** A committed record of the input, as the producer's own decoder reads it; `arrivalMs` is its broker timestamp. */
export interface InputEvent extends RawEvent {
  readonly offset: number;
  /** Of valid and invalid events. */
  readonly values?: Readonly<Record<string, number | string | null>>;
}

export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly value: Uint8Array | null;
  readonly headers: ReadonlyMap<string, Uint8Array>;
}

/** A line of the windows topic. */
export type WindowsRecord = Pick<
  MetricsRecord,
  "dataset" | "slice" | "windowStart" | "windowEnd" | "revision" | "partial"
> &
  Pick<WindowSummary, "fields">;

export interface ChaosReading {
  readonly inputTopic: string;
  /** In order of offset within each partition. */
  readonly input: readonly InputEvent[];
  /** End of each input partition as a read-committed reader sees it; markers of transactions lie before it. */
  readonly ends: ReadonlyMap<number, number>;
  readonly profiles: readonly ReadRecord[];
  readonly metrics: readonly MetricsRecord[];
  readonly verdicts: readonly VerdictRecord[];
  readonly windows: readonly WindowsRecord[];
  readonly alerts: readonly ReadRecord[];
  readonly quarantine: readonly ReadRecord[];
}

export interface CheckOptions {
  /** Of the windows; the only size. */
  readonly windowSizeMs: number;
  readonly time: {
    readonly latenessMs: number;
    readonly idleAfterMs: number;
    readonly unheardAfterMs: number;
    readonly reviseForMs: number;
  };
  /** Field by which there are slices besides `all`, their name, and all of its values. */
  readonly slice: { readonly field: string; readonly name: string; readonly values: readonly string[] };
  /** Fields whose figures are compared. */
  readonly fields: readonly string[];
  /**
   * A broker was killed with all its replicas: it may have lost the last marker of a transaction (ARCHITECTURE.md, "Known
   * limits"), and what was between two positions may stand in the ledger twice, or in quarantine, or in both.
   */
  readonly mayRepeat: boolean;
}

export interface CheckResult {
  /** One sentence each; none: every event was counted once. */
  readonly findings: readonly string[];
  readonly figures: CheckFigures;
}

export interface CheckFigures {
  readonly events: number;
  readonly deltas: number;
  /** Windows of all slices whose figures were compared. */
  readonly windows: number;
  readonly revisions: number;
  /** Events that were too late for their window. */
  readonly late: number;
  /** Ledger entries whose range was covered already, which the judge leaves out. */
  readonly repeats: number;
  /** Ledger entries that begin in a range which was covered already, and end behind it: their windows are partial. */
  readonly overlaps: number;
  readonly quantiles: number;
  /** Largest rank error of a quantile, as a share of its values. */
  readonly rankErrorMax: number;
}
