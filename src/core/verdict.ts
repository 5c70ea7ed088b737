/** Verdicts, incidents, alerts: shapes of the output topics (times ISO 8601 UTC; absent is null, never NaN). */
import type { LedgerCounts } from "./window.ts";

export type Severity = "P0" | "P1" | "P2" | "P3" | "P4";
export type Outcome = "pass" | "fail" | "unknown";

/**
 * What an alarm is about: no data where there usually is some; less or more of it than usual; more of it than usual that came
 * after its window had closed; or what is in it.
 */
export type VerdictKind = "no-data" | "less-than-usual" | "more-than-usual" | "late" | "content";

/** Who judged: the fused detector (the only one that alarms), one of its lanes, a check, a drift measure. */
export type VerdictBy = "detector" | `lane:${string}` | `check:${string}` | `drift:${string}`;

export interface Cause {
  /** Two for a pair, none for the dataset itself. */
  readonly fields: readonly string[];
  readonly metric: string;
  /** Part of the blame, [0, 1]; the causes of one verdict sum to at most 1. */
  readonly share: number;
  readonly observed: number | null;
  readonly expected: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface MetricsRecord {
  readonly dataset: string;
  readonly slice: string;
  readonly windowStart: string;
  readonly windowEnd: string;
  readonly revision: number;
  readonly partial: boolean;
  readonly counts: Readonly<LedgerCounts>;
  readonly metrics: Readonly<Record<string, number | string | null>>;
  readonly expected: Readonly<Record<string, readonly [low: number, mid: number, high: number]>>;
  /** Complete up to here: the next offset of each input partition when this was told. Only with slice `all`. */
  readonly positions?: readonly LogPosition[];
}

export interface VerdictRecord {
  readonly dataset: string;
  readonly slice: string;
  readonly windowStart: string;
  readonly windowEnd: string;
  readonly revision: number;
  readonly by: VerdictBy;
  readonly outcome: Outcome;
  /** Higher is worse, comparable across windows and refits, not capped; null with outcome `unknown`. */
  readonly score: number | null;
  /** Rank among past scores, (0, 1]. */
  readonly pValue: number | null;
  /** True if and only if the outcome is `fail`. */
  readonly alarm: boolean;
  readonly severity: Severity | null;
  /** Null where there is no alarm. */
  readonly kind: VerdictKind | null;
  /** The window ended before the deployment first started: what it would have been told as. Absent otherwise. */
  readonly backtest?: true;
  /** Most to blame first. */
  readonly causes: readonly Cause[];
  /** Entries of the calendar that the window touches; absent where there are none. */
  readonly calendar?: readonly string[];
}

/** A place in the log. */
export interface LogPosition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** By what the events of a window are told apart to find where a change concentrates. */
export const ORIGIN_DIMENSIONS = ["partition", "schema", "producer"] as const;
export type OriginDimension = (typeof ORIGIN_DIMENSIONS)[number];

/** Where most of the change of a metric is: in the events of one partition, writer schema or producer. */
export interface Concentration {
  /** Of the cause that it is about. */
  readonly metric: string;
  readonly dimension: OriginDimension;
  /** Number of the partition, schema id, or the producer's header as in `service=checkout`; null: without one. */
  readonly value: string | null;
  /** Part of the change that its events hold; of several values of a dimension, those named together hold nearly all. */
  readonly share: number;
  /** The metric of its events in this window. */
  readonly observed: number | null;
  /** The same in the windows before; of `row_count()`, as many as were expected of it. Null: there was nothing of it. */
  readonly usual: number | null;
  /** The metric of all other events of the window. */
  readonly elsewhere: number | null;
  /** There was nothing of it in the windows before. */
  readonly isNew?: true;
}

export type IncidentState = "opened" | "updated" | "resolved";

export interface AlertRecord {
  readonly incident: string;
  readonly state: IncidentState;
  readonly dataset: string;
  /** Slices that alarm in this window, worst first. */
  readonly slices: readonly string[];
  readonly severity: Severity;
  readonly windowStart: string;
  readonly windowEnd: string;
  readonly revision: number;
  /**
   * Why this alert: `alarm`, `new-cause`, `worse`, `continues`, `clean`, `new-level`, `corrected`, `reset`, `feedback` (a
   * person said what it is); of streamgauge itself `offset-gap`, `offset-overlap`, `offset-reset`, `unheard`, `heard`.
   */
  readonly reason: string;
  /** What the sentence is about; of a resolved incident, what the last one was. Null: of streamgauge itself. */
  readonly kind: VerdictKind | null;
  /** As of a verdict; the record has a header `sg_backtest: true` then. Absent otherwise. */
  readonly backtest?: true;
  /** One sentence in plain words. */
  readonly sentence: string;
  /** With `new-level` the metrics that have one: `observed` is that level, `expected` the one before. */
  readonly causes: readonly Cause[];
  /** Of the first causes, where the change concentrates; absent: nowhere, or it cannot be said. */
  readonly concentration?: readonly Concentration[];
  readonly evidence: readonly LogPosition[];
}

/** Id of an incident of streamgauge itself. Those of the data have no such part, and no topic has a slash in its name. */
export function ownIncident(dataset: string, name: string): string {
  return `${dataset}/streamgauge/${name}`;
}

/** The alert is about the watching, not about the data. */
export function isOwnIncident({ incident, dataset }: Pick<AlertRecord, "incident" | "dataset">): boolean {
  return incident.startsWith(ownIncident(dataset, ""));
}
