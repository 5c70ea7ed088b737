/** What became of an offset range: the record that proves exactly-once, and alone moves the watermark. */
import type { LedgerCounts } from "./window.ts";

/** Written last in each flush of one input partition, even when nothing came. */
export interface LedgerEntry {
  readonly dataset: string;
  readonly topic: string;
  readonly partition: number;
  readonly partitionCount: number;
  /** `Claim.topicId`: with another one the offsets begin anew. */
  readonly topicId?: string;
  /** Positions `[fromOffset, toOffset)`; joins the range of the partition's previous entry. */
  readonly fromOffset: number;
  readonly toOffset: number;
  /** The partition had nothing more to read. */
  readonly caughtUp: boolean;
  /** The partition is bounded and at its end. */
  readonly ended: boolean;
  /** The profiler's wall time at the flush. */
  readonly wallTimeMs: number;
  /** Largest event time of the decoded rows that have one and are not `future`; absent when there were none. */
  readonly maxEventTimeMs?: number;
  /** Exact for the range; `late` is always 0 here. */
  readonly counts: Readonly<LedgerCounts>;
}

/** What one flush saw of one slice and pane; `P` is the profile. */
export interface PaneDelta<P> {
  readonly slice: string;
  readonly paneStartMs: number;
  readonly profile: P;
}
