/**
 * The windows of one size that are kept: open ones, and closed ones that late events may still revise.
 *
 * A series is fed by the largest smaller one whose windows its own are made of (`feeder`), the smallest by the events
 * themselves. Its windows close in order of time; `nextMs` is where the next one begins.
 */
import type { PaneClock, TimeRange } from "./panes.ts";

/** What is known of one slice in one window. */
export interface SliceNode<P> {
  /** Absent: the window has nothing of the slice. */
  profile: P | undefined;
  /** Number of the entry that changed the profile last. */
  changedAt: number;
  /** Events of other windows that are counted in this one because theirs is gone. */
  late: number;
  /** Events of panes too far ahead to be kept open. */
  future: number;
  /** Revision published last; -1 before. */
  revision: number;
  /** Changed since. */
  isDirty: boolean;
}

export interface SeriesWindow<P> extends TimeRange {
  readonly nodes: Map<string, SliceNode<P>>;
  /** Holds valid or invalid events, or ones that were moved here: only these make a window the first or the last. */
  hasRows: boolean;
  /** Tracker time of the last publication. */
  publishedAtMs: number;
}

export interface SeriesOptions<P> {
  readonly clock: PaneClock;
  readonly sizeMs: number;
  /** False: the panes behind the sizes, which nobody sees. */
  readonly isPublished: boolean;
  readonly feeder?: WindowSeries<P> | undefined;
  /** Empty windows in a row that are closed one by one. */
  readonly emptyLimit: number;
  /** How long after its end a window is kept. */
  readonly reviseForMs: number;
}

/** JSON-safe. */
export interface SeriesState {
  readonly sizeMs: number;
  readonly nextMs: number | null;
  readonly firstOrdinal: number | null;
  readonly emptyRun: number;
  readonly gapFromMs: number | null;
  readonly open: readonly WindowState[];
  readonly closed: readonly WindowState[];
}

interface WindowState {
  readonly startMs: number;
  readonly hasRows: boolean;
  readonly publishedAtMs: number;
  readonly nodes: readonly NodeState[];
}

interface NodeState extends Omit<SliceNode<unknown>, "profile"> {
  readonly slice: string;
  readonly hasProfile: boolean;
}

export class WindowSeries<P> {
  readonly sizeMs: number;
  readonly isPublished: boolean;
  readonly emptyLimit: number;
  readonly feeder: WindowSeries<P> | undefined;
  /** Series that this one feeds. */
  readonly fed: WindowSeries<P>[] = [];
  /** By start. */
  readonly open = new Map<number, SeriesWindow<P>>();
  /** By start, in order of time. */
  readonly closed = new Map<number, SeriesWindow<P>>();
  /** Start of the next window to close; undefined while none has. */
  nextMs: number | undefined;
  /** Empty windows closed since the last one with content. */
  emptyRun = 0;
  /** Start of the first window that was skipped since. */
  gapFromMs: number | undefined;

  readonly #clock: PaneClock;
  readonly #reviseForMs: number;
  #firstOrdinal: number | undefined;

  constructor(options: SeriesOptions<P>) {
    this.#clock = options.clock;
    this.sizeMs = options.sizeMs;
    this.isPublished = options.isPublished;
    this.emptyLimit = options.emptyLimit;
    this.feeder = options.feeder;
    this.feeder?.fed.push(this);
    this.#reviseForMs = options.reviseForMs;
  }

  rangeOf(timeMs: number): TimeRange {
    return this.#clock.windowOf(this.sizeMs, timeMs);
  }

  /** Whether the window may still take what it holds for the first time. */
  isOpen(range: TimeRange, watermarkMs: number): boolean {
    return this.nextMs === undefined ? range.endMs > watermarkMs : range.startMs >= this.nextMs;
  }

  /** The open window, made if need be. */
  openWindow(range: TimeRange): SeriesWindow<P> {
    let window = this.open.get(range.startMs);
    if (window === undefined) {
      const { startMs, endMs } = range;
      window = { startMs, endMs, nodes: new Map(), hasRows: false, publishedAtMs: 0 };
      this.open.set(range.startMs, window);
    }
    return window;
  }

  /** The window that events are counted in whose own is gone. */
  oldestOpen(watermarkMs: number): SeriesWindow<P> {
    const startMs = this.nextMs ?? this.contentMs("first", true) ?? watermarkMs;
    return this.openWindow(this.rangeOf(startMs));
  }

  /** Start of the first or last open window that holds something, in this series or below it. */
  contentMs(end: "first" | "last", rowsOnly: boolean): number | undefined {
    const pick = end === "first" ? Math.min : Math.max;
    const below = this.feeder?.contentMs(end, rowsOnly);
    let found = below === undefined ? undefined : this.rangeOf(below).startMs;
    for (const window of this.open.values()) {
      if (rowsOnly && !window.hasRows) continue;
      found = found === undefined ? window.startMs : pick(found, window.startMs);
    }
    return found;
  }

  /** The series begins with this window. */
  begin(startMs: number): void {
    this.nextMs = startMs;
    this.#firstOrdinal = this.#clock.ordinal(this.sizeMs, startMs);
  }

  /** Position of the window in the series. */
  indexOf(startMs: number): number {
    return this.#clock.ordinal(this.sizeMs, startMs) - (this.#firstOrdinal ?? 0);
  }

  /** Whether the window can be revised no more. */
  isExpired(window: TimeRange, watermarkMs: number): boolean {
    return window.endMs + this.#reviseForMs <= watermarkMs;
  }

  /** Forgets the closed windows that can be revised no more. */
  expire(watermarkMs: number): void {
    for (const window of this.closed.values()) {
      if (!this.isExpired(window, watermarkMs)) break;
      this.closed.delete(window.startMs);
    }
  }

  *windows(): Generator<SeriesWindow<P>> {
    yield* this.closed.values();
    yield* this.open.values();
  }

  profileKey(startMs: number, slice: string): string {
    return `${this.sizeMs}|${startMs}|${slice}`;
  }

  snapshot(): SeriesState {
    return {
      sizeMs: this.sizeMs,
      nextMs: this.nextMs ?? null,
      firstOrdinal: this.#firstOrdinal ?? null,
      emptyRun: this.emptyRun,
      gapFromMs: this.gapFromMs ?? null,
      open: [...this.open.values()].map(windowState),
      closed: [...this.closed.values()].map(windowState),
    };
  }

  /** Takes a snapshot over; `profileOf` throws when it has no profile of the key. */
  restore(state: SeriesState, profileOf: (key: string) => P): void {
    this.nextMs = state.nextMs ?? undefined;
    this.#firstOrdinal = state.firstOrdinal ?? undefined;
    this.emptyRun = state.emptyRun;
    this.gapFromMs = state.gapFromMs ?? undefined;
    for (const [into, windows] of [
      [this.open, state.open],
      [this.closed, state.closed],
    ] as const) {
      for (const { startMs, hasRows, publishedAtMs, nodes } of windows) {
        const window: SeriesWindow<P> = { ...this.rangeOf(startMs), nodes: new Map(), hasRows, publishedAtMs };
        for (const { slice, hasProfile, ...node } of nodes) {
          const profile = hasProfile ? profileOf(this.profileKey(startMs, slice)) : undefined;
          window.nodes.set(slice, { profile, ...node });
        }
        into.set(startMs, window);
      }
    }
  }
}

function windowState(window: SeriesWindow<unknown>): WindowState {
  const { startMs, hasRows, publishedAtMs } = window;
  const nodes = [...window.nodes].map(([slice, { profile, ...node }]) => ({
    slice,
    hasProfile: profile !== undefined,
    ...node,
  }));
  return { startMs, hasRows, publishedAtMs, nodes };
}
