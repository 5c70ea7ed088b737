/**
 * Ledger entries → what they prove: which offsets of each partition were counted, and that none is missing and none was
 * counted twice. The entries come in the order of the profiles topic and are held to the same rules as the judge's
 * (`watermark.ts`): a range that lies below the position is a repeat and counts nothing.
 *
 * Ranges are positions: control, aborted and compacted offsets lie inside them without a record, so `consumed` may be less
 * than the offsets, never more.
 */
import type { TimeConfig } from "../core/config.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import { addCounts, emptyCounts, type LedgerCounts } from "../core/window.ts";
import { Watermark } from "./watermark.ts";

/** `[from, to)`. */
export interface OffsetRange {
  readonly from: number;
  readonly to: number;
}

/** Ranges that did not join. */
export interface OffsetBreaks {
  readonly count: number;
  readonly offsets: number;
  /** The first `MAX_RANGES`. */
  readonly ranges: readonly OffsetRange[];
}

/** What the topic holds of a partition: offsets `[start, end)`. */
export interface PartitionExtent {
  readonly partition: number;
  readonly start: number;
  readonly end: number;
}

export interface PartitionLedger {
  readonly partition: number;
  /** The offsets that the entries speak of, with the gaps in it; absent: there is no entry. */
  readonly range?: OffsetRange;
  readonly flushes: number;
  readonly gaps: OffsetBreaks;
  readonly overlaps: OffsetBreaks;
  /**
   * Each time that the topic was created anew: the old one was counted up to `from`, the new one begins at `to`. The counts
   * are those of all of them, the other figures of the newest.
   */
  readonly resets: readonly OffsetRange[];
  /** Flushes that were written again; the judge drops them. */
  readonly repeats: number;
  /** Without those of repeats. */
  readonly counts: Readonly<LedgerCounts>;
  /** Offsets of the range without a record for a reader: control, aborted, compacted. */
  readonly withoutRecord: number;
  /** First offset of each flush whose counts do not add up, or exceed its offsets; the first `MAX_RANGES`. */
  readonly unbalanced: readonly number[];
  /** Deleted from the topic before they were read: the next gap. */
  readonly removed?: OffsetRange;
  /** Offsets of the topic that are not counted yet; absent: the partition is not in the topic any more. */
  readonly behind?: number;
  /** Epoch milliseconds. */
  readonly lastFlushMs?: number;
  readonly maxEventTimeMs?: number;
}

export interface DatasetLedger {
  readonly dataset: string;
  readonly partitions: readonly PartitionLedger[];
  readonly counts: Readonly<LedgerCounts>;
  /**
   * Watermark of the entries: what is older has been counted, as far as no event is later than `lateness`. Absent:
   * something was never heard, or has no event time; +Infinity: all partitions have ended.
   */
  readonly completeUpToMs?: number;
  /** No gap, no overlap, no reset, nothing removed unread, all counts add up. */
  readonly isWhole: boolean;
}

/** Of one partition; a ledger with more is beyond reading. */
const MAX_RANGES = 100;

export class LedgerReport {
  readonly #dataset: string;
  readonly #watermark: Watermark;
  readonly #partitions = new Map<number, PartitionTally>();

  constructor(dataset: string, time: Pick<TimeConfig, "latenessMs" | "idleAfterMs" | "unheardAfterMs">) {
    this.#dataset = dataset;
    this.#watermark = new Watermark(time);
  }

  /** The next entry of the dataset in the order of the topic. */
  add(entry: LedgerEntry): void {
    let tally = this.#partitions.get(entry.partition);
    if (tally === undefined) {
      tally = new PartitionTally(entry.partition, entry.fromOffset);
      this.#partitions.set(entry.partition, tally);
    }
    const { kind, expected } = this.#watermark.observe(entry);
    tally.add(entry, kind, expected);
  }

  /** `extents`: every partition of the topic as it is now. */
  report(extents: readonly PartitionExtent[]): DatasetLedger {
    const extentOf = new Map(extents.map((extent) => [extent.partition, extent]));
    const numbers = [...new Set([...extentOf.keys(), ...this.#partitions.keys()])].sort((a, b) => a - b);
    const partitions = numbers.map((partition) =>
      (this.#partitions.get(partition) ?? new PartitionTally(partition)).report(extentOf.get(partition)),
    );
    const counts = emptyCounts();
    for (const partition of partitions) addCounts(counts, partition.counts);
    const isHeard = numbers.every((partition) => this.#partitions.has(partition));
    const completeUpToMs = isHeard ? this.#watermark.compute() : undefined;
    return {
      dataset: this.#dataset,
      partitions,
      counts,
      ...(completeUpToMs !== undefined && { completeUpToMs }),
      isWhole: partitions.every(
        ({ gaps, overlaps, resets, unbalanced, removed }) =>
          gaps.count + overlaps.count + resets.length + unbalanced.length === 0 && removed === undefined,
      ),
    };
  }
}

class PartitionTally {
  readonly #partition: number;
  #from: number | undefined;
  #to = 0;
  #flushes = 0;
  #repeats = 0;
  #withoutRecord = 0;
  #lastFlushMs: number | undefined;
  #maxEventTimeMs: number | undefined;
  readonly #counts = emptyCounts();
  readonly #gaps = new Breaks();
  readonly #overlaps = new Breaks();
  readonly #resets: OffsetRange[] = [];
  readonly #unbalanced: number[] = [];

  constructor(partition: number, from?: number) {
    this.#partition = partition;
    this.#from = from;
  }

  add(
    { fromOffset, toOffset, counts, wallTimeMs, maxEventTimeMs }: LedgerEntry,
    kind: ReturnType<Watermark["observe"]>["kind"],
    expected: number,
  ): void {
    if (kind === "replayed") {
      this.#repeats++;
      return;
    }
    if (kind === "offset-gap") this.#gaps.add({ from: expected, to: fromOffset });
    if (kind === "offset-overlap") this.#overlaps.add({ from: fromOffset, to: expected });
    if (kind === "offset-reset") {
      if (this.#resets.length < MAX_RANGES) this.#resets.push({ from: expected, to: fromOffset });
      this.#from = fromOffset;
    }
    this.#flushes++;
    this.#to = toOffset;
    this.#withoutRecord += toOffset - fromOffset - counts.consumed;
    addCounts(this.#counts, counts);
    const { consumed, ...outcomes } = counts;
    const sum = Object.values(outcomes).reduce((total, count) => total + count, 0);
    const isBalanced = consumed === sum && consumed <= toOffset - fromOffset;
    if (!isBalanced && this.#unbalanced.length < MAX_RANGES) this.#unbalanced.push(fromOffset);
    this.#lastFlushMs = Math.max(this.#lastFlushMs ?? wallTimeMs, wallTimeMs);
    if (maxEventTimeMs !== undefined) {
      this.#maxEventTimeMs = Math.max(this.#maxEventTimeMs ?? maxEventTimeMs, maxEventTimeMs);
    }
  }

  report(extent: PartitionExtent | undefined): PartitionLedger {
    const isHeard = this.#from !== undefined;
    const next = isHeard ? this.#to : extent?.start;
    return {
      partition: this.#partition,
      ...(this.#from !== undefined && { range: { from: this.#from, to: this.#to } }),
      flushes: this.#flushes,
      gaps: this.#gaps.report(),
      overlaps: this.#overlaps.report(),
      resets: [...this.#resets],
      repeats: this.#repeats,
      counts: { ...this.#counts },
      withoutRecord: this.#withoutRecord,
      unbalanced: [...this.#unbalanced],
      ...(isHeard &&
        extent !== undefined &&
        extent.start > this.#to && { removed: { from: this.#to, to: extent.start } }),
      // Read before the entries' end was looked for, it may be the older of the two.
      ...(extent !== undefined &&
        next !== undefined && { behind: Math.max(0, extent.end - Math.max(next, extent.start)) }),
      ...(this.#lastFlushMs !== undefined && { lastFlushMs: this.#lastFlushMs }),
      ...(this.#maxEventTimeMs !== undefined && { maxEventTimeMs: this.#maxEventTimeMs }),
    };
  }
}

class Breaks {
  readonly #ranges: OffsetRange[] = [];
  #count = 0;
  #offsets = 0;

  add(range: OffsetRange): void {
    this.#count++;
    this.#offsets += range.to - range.from;
    if (this.#ranges.length < MAX_RANGES) this.#ranges.push(range);
  }

  report(): OffsetBreaks {
    return { count: this.#count, offsets: this.#offsets, ranges: [...this.#ranges] };
  }
}
