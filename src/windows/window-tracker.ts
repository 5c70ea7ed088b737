/**
 * Turns the flushes of the partitions of one dataset into closed windows, of every size and slice.
 *
 * A pane delta goes into the window of the smallest size; when a window closes, its profile is merged into the window
 * of the next size, so that one node per slice and open window of every size stays, not every pane. What comes for a
 * window that was already merged upward goes into all the windows above it as well.
 *
 * 1. An event counts in exactly one window of every size and slice: its own; or, when that is gone (it could be
 *    revised no more, was skipped in a gap, or lies before the first one), as `late` in the oldest open one; or, when
 *    too many panes were open, as `future` there. This is decided for each size by itself.
 * 2. Records without an event time (undecodable, tombstone, future) count in the window of their pane while that is
 *    open or can be revised, and between the first and the last window with rows; otherwise in `totals` only.
 * 3. A window closes when the watermark is at or past its end, and the watermark never goes back.
 * 4. Revisions of a window and slice are 0, 1, 2 … without gaps.
 * 5. The same entries give the same events, also through `snapshot` and `restore`. Other cuts between flushes give the
 *    same figures as long as nothing is late and no pane holds more new values than it keeps apart.
 *
 * Memory: profiles are bounded by `maxOpenPanes` open panes (a partition far ahead of the others fills them), for
 * every size one window per open pane and `reviseFor` / size closed ones, each with `all` and, per slice by value, the
 * places + 1 (four times the places in an open pane). The rest is a few numbers per partition, slice and node.
 */
import type { SliceByConfig, TimeConfig } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { LedgerEntry, PaneDelta } from "../core/ledger.ts";
import { addCounts, emptyCounts, type LedgerCounts, type WindowId } from "../core/window.ts";
import { DamagedTimes } from "./damaged-times.ts";
import type { PaneClock, TimeRange } from "./panes.ts";
import type { ProfileOps } from "./profile-ops.ts";
import { type PartitionState, type RangeCheck, Watermark } from "./watermark.ts";
import { WindowCloser, type WindowLine } from "./window-closer.ts";
import type { SeriesState } from "./window-series.ts";
import { type TrackedProfile, WindowStore } from "./window-store.ts";

export interface WindowTrackerOptions<P> {
  readonly dataset: string;
  /** Sizes and time zone of the windows. */
  readonly clock: PaneClock;
  readonly time: Pick<TimeConfig, "latenessMs" | "idleAfterMs" | "unheardAfterMs" | "reviseForMs">;
  readonly slices: readonly SliceByConfig[];
  /** Windows per season of a size. */
  readonly seasonWindows: (sizeMs: number) => number;
  readonly ops: ProfileOps<P>;
  /** Panes that may be open at once; rows of panes beyond count as `future`. @default 10_000 */
  readonly maxOpenPanes?: number;
}

/** Part of the options. */
export type { ProfileOps } from "./profile-ops.ts";

/** A window closed (revision 0), or late events changed it (1, 2 …). One per slice. */
export interface ClosedWindow<P> {
  readonly kind: "closed";
  readonly window: WindowId;
  readonly sizeMs: number;
  /** Position in the series of its size, counted from the first window, empty and skipped ones included. */
  readonly index: number;
  readonly revision: number;
  readonly partial: boolean;
  /** Why the figures are not those of a whole window; present when `partial`. */
  readonly partialReason?: PartialReason;
  readonly counts: LedgerCounts;
  /** The tracker's own: to be read until the next call of `apply`, not to be changed. */
  readonly profile: P;
  /** Nothing of this slice belongs to the window (late events of other windows may still be counted in it). */
  readonly empty: boolean;
}

/** First or last window of the stream; or the offset ranges of a partition did not join inside it. */
type PartialReason = "first" | "last" | "offsets";

/** More than two seasons of empty windows: those beyond were skipped. Told when the next window with data closes. */
interface WindowGap {
  readonly kind: "gap";
  readonly sizeMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * `offset-gap`: offsets `[expected, got)` were never seen. `offset-overlap`: offsets `[got, expected)` were counted twice.
 * `offset-reset`: the topic was created anew; what the old one held from `expected` on, and the new one before `got`, was
 * never seen.
 */
interface OffsetBreak {
  readonly kind: "offset-gap" | "offset-overlap" | "offset-reset";
  readonly topic: string;
  readonly partition: number;
  readonly expected: number;
  readonly got: number;
  /** Event times whose windows are `partial` by it; absent: the partition has none so far. */
  readonly touched?: TimeRange;
}

/** The entry's range had been applied before; nothing was changed. */
interface ReplayedEntry {
  readonly kind: "replayed";
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: number;
  readonly toOffset: number;
}

/** No entry of the partition for `unheardAfter` of wall time (`unheard`, once), and then one (`heard`). */
interface PartitionSilence {
  readonly kind: "unheard" | "heard";
  readonly topic: string;
  readonly partition: number;
  /** `unheard`: wall time of its last entry, or when it was first expected. `heard`: of the entry that ended it. */
  readonly sinceMs: number;
}

/** A slice by value took a place, or gave it up after two empty seasons. */
interface SliceChange {
  readonly kind: "slice-admitted" | "slice-retired";
  readonly slice: string;
}

export type TrackerEvent<P> =
  | ClosedWindow<P>
  | WindowGap
  | OffsetBreak
  | ReplayedEntry
  | PartitionSilence
  | SliceChange;

export interface TrackerSnapshot<P> {
  /** JSON-safe. */
  readonly state: TrackerState;
  /** Number of entries applied: a profile with `changedAt` beyond the number of the last checkpoint has to be stored again. */
  readonly change: number;
  /** All of them; keys that were stored before and are not here any more can be deleted. */
  readonly profiles: readonly TrackedProfile<P>[];
}

/** JSON-safe. */
export interface TrackerState {
  readonly version: 1;
  readonly sizesMs: readonly number[];
  readonly timezone: string;
  readonly change: number;
  /** null: none yet, or +Infinity when `isEnded`. */
  readonly watermarkMs: number | null;
  readonly isEnded: boolean;
  readonly hasRows: boolean;
  readonly totals: Readonly<LedgerCounts>;
  readonly partitions: readonly PartitionState[];
  readonly damaged: readonly TimeRange[];
  readonly slices: readonly (readonly [slice: string, lastSeenMs: number])[];
  readonly series: readonly SeriesState[];
}

export class WindowTracker<P> {
  readonly #options: WindowTrackerOptions<P>;
  readonly #ops: ProfileOps<P>;
  /** Profile of every line without events. */
  readonly #nothing: P;
  readonly #totals = emptyCounts();
  #progress: Watermark;
  #damaged: DamagedTimes;
  #store: WindowStore<P>;
  #closer: WindowCloser<P>;
  #watermarkMs = Number.NEGATIVE_INFINITY;
  #hasRows = false;

  /** Throws RangeError when `maxOpenPanes` is not positive. */
  constructor(options: WindowTrackerOptions<P>) {
    this.#options = options;
    this.#ops = options.ops;
    this.#nothing = options.ops.create();
    this.#progress = new Watermark(options.time);
    this.#damaged = new DamagedTimes();
    this.#store = new WindowStore({ ...options, reviseForMs: options.time.reviseForMs, totals: this.#totals });
    this.#closer = new WindowCloser(this.#store);
  }

  /** Undefined until every partition was heard and rows came; +Infinity after the end of all partitions. */
  get watermarkMs(): number | undefined {
    return this.#watermarkMs === Number.NEGATIVE_INFINITY ? undefined : this.#watermarkMs;
  }

  /** Open windows of the sizes that are published. */
  get openWindows(): number {
    return this.#store.series.reduce((sum, series) => sum + (series.isPublished ? series.open.size : 0), 0);
  }

  /** Partitions without an entry for `unheardAfter`. */
  get unheardPartitions(): number {
    return this.#progress.unheardCount;
  }

  /** Those partitions, each with the wall time since which. */
  get unheard(): ReadonlyMap<number, number> {
    return this.#progress.unheard;
  }

  /** Largest wall time of the entries. */
  get timeMs(): number | undefined {
    return this.#progress.timeMs;
  }

  /** Everything applied so far; `late` as decided for the smallest size. */
  get totals(): Readonly<LedgerCounts> {
    return this.#totals;
  }

  /** Next offset expected of each partition that was heard. */
  get positions(): ReadonlyMap<number, number> {
    return this.#progress.positions;
  }

  /**
   * Takes one flush of one input partition: merges its panes, moves the watermark, closes windows.
   * Events stand in this order: the entry's own range, partitions heard and unheard, closed windows (by end, then
   * size, then slice, `all` first) with a gap before the window that ends it and changes of slices before the
   * smallest window they happened in, and then revisions in the same order.
   * Slices that are not configured are left out. Throws RangeError when the entry is of another dataset.
   */
  apply(entry: LedgerEntry, panes: readonly PaneDelta<P>[]): TrackerEvent<P>[] {
    const { dataset, topic, partition, fromOffset, toOffset } = entry;
    if (dataset !== this.#options.dataset) {
      throw new RangeError(`Cannot apply an entry of ${dataset}: the tracker is of ${this.#options.dataset}`);
    }
    const check = this.#progress.observe(entry);
    if (check.kind === "replayed") return [{ kind: check.kind, topic, partition, fromOffset, toOffset }];

    const events: TrackerEvent<P>[] = [];
    this.#store.change++;
    if (check.settledLoss !== undefined) this.#damaged.add(check.settledLoss);
    if (check.kind !== "joined") {
      const touched = this.#damage(entry, panes, check);
      const range = touched === undefined ? {} : { touched };
      events.push({ kind: check.kind, topic, partition, expected: check.expected, got: fromOffset, ...range });
    }
    for (const silence of this.#progress.silences()) events.push({ ...silence, topic });
    addCounts(this.#totals, entry.counts);
    for (const pane of panes) {
      if (this.#store.take(pane, this.#watermarkMs)) this.#hasRows = true;
    }
    this.#store.limitOpenPanes(this.#watermarkMs);
    this.#advance(events);
    return events;
  }

  /** Bytes of all profiles held; 0 without `ops.bytes`. */
  bytes(): number {
    let bytes = 0;
    for (const { profile } of this.#store.profiles()) bytes += this.#ops.bytes?.(profile) ?? 0;
    return bytes;
  }

  /** The profiles are the tracker's own: to be written before the next call of `apply`. */
  snapshot(): TrackerSnapshot<P> {
    const { clock } = this.#options;
    const state: TrackerState = {
      version: 1,
      sizesMs: clock.sizesMs,
      timezone: clock.timezone,
      change: this.#store.change,
      watermarkMs: Number.isFinite(this.#watermarkMs) ? this.#watermarkMs : null,
      isEnded: this.#watermarkMs === Number.POSITIVE_INFINITY,
      hasRows: this.#hasRows,
      totals: { ...this.#totals },
      partitions: this.#progress.snapshot(),
      damaged: this.#damaged.snapshot(),
      slices: this.#store.places.snapshot(),
      series: this.#store.series.map((series) => series.snapshot()),
    };
    return { state, change: this.#store.change, profiles: [...this.#store.profiles()] };
  }

  /**
   * A tracker that goes on where the snapshot was taken; it takes the profiles over. Throws RangeError when the state
   * is of other sizes or another time zone, StreamgaugeError SG_CORRUPT when it is not whole.
   */
  static restore<P>(
    options: WindowTrackerOptions<P>,
    state: TrackerState,
    profileOf: (key: string) => P | undefined,
  ): WindowTracker<P> {
    const tracker = new WindowTracker(options);
    tracker.#load(state, profileOf);
    return tracker;
  }

  #load(state: TrackerState, profileOf: (key: string) => P | undefined): void {
    if (state.version !== 1) {
      throw new StreamgaugeError("SG_CORRUPT", `Cannot restore windows: version is ${state.version}, expected 1`);
    }
    const { clock, time } = this.#options;
    const found = `${state.sizesMs.join(", ")} ms in ${state.timezone}`;
    const expected = `${clock.sizesMs.join(", ")} ms in ${clock.timezone}`;
    if (found !== expected) throw new RangeError(`Cannot restore windows: sizes are ${found}, expected ${expected}`);
    this.#store.change = state.change;
    this.#watermarkMs = state.isEnded ? Number.POSITIVE_INFINITY : (state.watermarkMs ?? Number.NEGATIVE_INFINITY);
    this.#hasRows = state.hasRows;
    addCounts(this.#totals, state.totals);
    this.#progress = new Watermark(time, state.partitions);
    this.#damaged = new DamagedTimes(state.damaged);
    this.#store.restore(state.series, state.slices, (key) => {
      const profile = profileOf(key);
      if (profile !== undefined) return profile;
      throw new StreamgaugeError("SG_CORRUPT", `Cannot restore windows: profile ${key} is missing`);
    });
  }

  /** Moves the watermark, closes what it passed, publishes what late events changed. */
  #advance(events: TrackerEvent<P>[]): void {
    if (!this.#hasRows) return;
    const watermarkMs = Math.max(this.#watermarkMs, this.#progress.compute() ?? Number.NEGATIVE_INFINITY);
    this.#watermarkMs = watermarkMs;
    if (watermarkMs === Number.NEGATIVE_INFINITY) return;
    this.#closer.close(watermarkMs, this.#progress.timeMs ?? 0, {
      line: (line) => events.push(this.#line(line)),
      gap: (sizeMs, fromMs, toMs) => events.push({ kind: "gap", sizeMs, fromMs, toMs }),
      slice: (kind, slice) => events.push({ kind, slice }),
    });
    if (!this.#damaged.isEmpty) this.#damaged.forget(this.#store.oldestMs(watermarkMs));
  }

  #line({ series, window, slice, node, isLast }: WindowLine<P>): ClosedWindow<P> {
    const counts = node.profile === undefined ? emptyCounts() : { ...this.#ops.counts(node.profile) };
    const empty = counts.consumed === 0;
    counts.late += node.late;
    counts.future += node.future;
    counts.consumed += node.late + node.future;
    const index = series.indexOf(window.startMs);
    const isDamaged = this.#damaged.touches(window) || this.#progress.hasLost(window);
    const reason = isDamaged ? "offsets" : index === 0 ? "first" : isLast ? "last" : undefined;
    return {
      kind: "closed",
      window: { dataset: this.#options.dataset, slice, startMs: window.startMs, endMs: window.endMs },
      sizeMs: series.sizeMs,
      index,
      revision: node.revision,
      partial: reason !== undefined,
      ...(reason !== undefined && { partialReason: reason }),
      counts,
      profile: node.profile ?? this.#nothing,
      empty,
    };
  }

  /**
   * The windows whose figures are wrong now: those of the entry's panes, and for lost offsets all between the times
   * that the partition was at before and after, each with its `lateness`. Without an event time after it that is not known yet: any until the wall
   * time of the entry may have lost events, until the partition tells its next event time.
   */
  #damage(entry: LedgerEntry, panes: readonly PaneDelta<P>[], check: RangeCheck): TimeRange | undefined {
    const damaged: TimeRange[] = panes.map(({ paneStartMs }) => {
      return { startMs: paneStartMs, endMs: this.#options.clock.paneEnd(paneStartMs) };
    });
    const beforeMs = check.maxEventTimeMsBefore ?? entry.maxEventTimeMs;
    let open: TimeRange | undefined;
    if (check.kind !== "offset-overlap") {
      const { latenessMs } = this.#options.time;
      const startMs = beforeMs === undefined ? Number.MIN_SAFE_INTEGER : beforeMs - latenessMs;
      if (beforeMs !== undefined) {
        damaged.push({ startMs, endMs: Math.max(entry.maxEventTimeMs ?? beforeMs, beforeMs) + latenessMs + 1 });
      }
      if (entry.maxEventTimeMs === undefined) {
        open = { startMs, endMs: Math.max(entry.wallTimeMs, beforeMs ?? entry.wallTimeMs) + 1 };
        this.#progress.lose(entry.partition, open);
      }
    }
    for (const range of damaged) this.#damaged.add(range);
    const touched = open === undefined ? damaged : [...damaged, open];
    if (touched.length === 0) return undefined;
    return {
      startMs: Math.min(...touched.map(({ startMs }) => startMs)),
      endMs: Math.max(...touched.map(({ endMs }) => endMs)),
    };
  }
}
