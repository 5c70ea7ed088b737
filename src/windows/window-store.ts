/**
 * Where the events of a dataset are: the series of all sizes with the profiles of their windows, and into which of
 * them a pane goes. `window-tracker.ts` says what holds for every event.
 */
import type { SliceByConfig } from "../core/config.ts";
import type { PaneDelta } from "../core/ledger.ts";
import { ALL_SLICE, type LedgerCounts } from "../core/window.ts";
import { DAY_MS } from "./calendar-days.ts";
import type { PaneClock } from "./panes.ts";
import { type ProfileOps, rowsOf } from "./profile-ops.ts";
import { SlicePlaces } from "./slice-places.ts";
import { type SeriesState, type SeriesWindow, type SliceNode, WindowSeries } from "./window-series.ts";

export interface WindowStoreOptions<P> {
  readonly clock: PaneClock;
  readonly slices: readonly SliceByConfig[];
  readonly seasonWindows: (sizeMs: number) => number;
  readonly ops: ProfileOps<P>;
  readonly reviseForMs?: number | undefined;
  readonly maxOpenPanes?: number | undefined;
  /** Where events are counted as `late` or `future` that were so not before. */
  readonly totals: LedgerCounts;
}

/** Profile of an open or revisable window. */
export interface TrackedProfile<P> {
  /** `<sizeMs>|<startMs>|<slice>` */
  readonly key: string;
  readonly profile: P;
  /** Number of the entry that changed it last. */
  readonly changedAt: number;
}

/** A partition far ahead of the others fills them: a month of windows of 5 minutes. */
const DEFAULT_MAX_OPEN_PANES = 10_000;
const DEFAULT_REVISED_WINDOWS = 10;
/** Empty panes that nobody sees are counted one by one only while that is as cheap as looking for the next one in use. */
const HIDDEN_EMPTY_LIMIT = 100;

export class WindowStore<P> {
  /** Ascending by size; the first takes the panes. */
  readonly series: readonly WindowSeries<P>[];
  /** Closed windows that changed since they were published. */
  readonly dirty = new Map<SeriesWindow<P>, WindowSeries<P>>();
  places: SlicePlaces;
  /** Number of the entry that is being applied. */
  change = 0;

  readonly #options: WindowStoreOptions<P>;
  readonly #ops: ProfileOps<P>;
  readonly #maxOpenPanes: number;
  readonly #retireAfterMs: number;
  /** The smallest size that is published: it decides what `totals.late` is. */
  readonly #smallest: WindowSeries<P>;
  /** Slices of each field in a pane that is open; counted again when absent. */
  readonly #valueCounts = new WeakMap<SeriesWindow<P>, Map<SliceByConfig, number>>();

  constructor(options: WindowStoreOptions<P>) {
    this.#options = options;
    this.#ops = options.ops;
    this.#maxOpenPanes = options.maxOpenPanes ?? DEFAULT_MAX_OPEN_PANES;
    if (!(this.#maxOpenPanes >= 1)) {
      throw new RangeError(`Cannot track windows: maxOpenPanes is ${this.#maxOpenPanes}, expected at least 1`);
    }
    this.#retireAfterMs = Math.max(...options.clock.sizesMs.map((size) => 2 * options.seasonWindows(size) * size));
    this.series = createSeries(options);
    this.#smallest = this.series.find((series) => series.isPublished)!;
    this.places = new SlicePlaces(options.slices, this.#retireAfterMs);
  }

  /** Merges the pane into the windows it belongs to. Returns whether it held rows of a slice that is configured. */
  take(pane: PaneDelta<P>, watermarkMs: number): boolean {
    if (!this.places.isTracked(pane.slice)) return false;
    const counts = this.#ops.counts(pane.profile);
    this.#deliver(this.series[0]!, pane, counts, watermarkMs);
    return rowsOf(counts) > 0;
  }

  merge(node: SliceNode<P>, profile: P): void {
    node.profile ??= this.#ops.create();
    this.#ops.merge(node.profile, profile);
    node.changedAt = this.change;
  }

  /** Merges the profiles of a window that closes, or will never be published, into the windows it is part of. */
  rollUp(series: WindowSeries<P>, window: SeriesWindow<P>): void {
    for (const [slice, { profile }] of sortedNodes(window)) {
      if (profile === undefined) continue;
      const hasRows = rowsOf(this.#ops.counts(profile)) > 0;
      for (const fed of series.fed) {
        const above = fed.openWindow(fed.rangeOf(window.startMs));
        this.merge(nodeOf(above, slice), profile);
        above.hasRows ||= hasRows;
      }
    }
  }

  /** Gives the slices of a pane that closes their places; what got none is moved to `other`. */
  placeSlices(window: SeriesWindow<P>): { readonly admitted: readonly string[]; readonly retired: readonly string[] } {
    const candidates = [...window.nodes].map(([slice, { profile }]) => ({
      slice,
      count: profile === undefined ? 0 : this.#ops.counts(profile).consumed,
    }));
    const changes = this.places.closePane(candidates, window.endMs);
    this.#renameUnplaced(window);
    return changes;
  }

  /** Rolls up and forgets an open window outside the first and the last one: it has no rows. */
  dissolve(series: WindowSeries<P>, window: SeriesWindow<P>): void {
    if (series.feeder === undefined) this.#renameUnplaced(window);
    this.rollUp(series, window);
    series.open.delete(window.startMs);
  }

  /** Gives up the panes furthest ahead: those near the watermark must never lack room. */
  limitOpenPanes(watermarkMs: number): void {
    const { open } = this.series[0]!;
    while (open.size > this.#maxOpenPanes) {
      let furthest: SeriesWindow<P> | undefined;
      for (const window of open.values()) {
        if (furthest === undefined || window.startMs > furthest.startMs) furthest = window;
      }
      open.delete(furthest!.startMs);
      for (const [slice, node] of sortedNodes(furthest!)) {
        const placed = this.places.placed(slice);
        if (node.profile !== undefined) {
          const counts = this.#ops.counts(node.profile);
          for (const series of this.series) {
            if (series.isPublished) this.#displace(series, placed, counts, "future", watermarkMs);
          }
        }
        this.#passOn(placed, node, watermarkMs);
      }
    }
  }

  /** Start of the oldest window that can still be published. */
  oldestMs(watermarkMs: number): number {
    let oldest = watermarkMs;
    for (const series of this.series) {
      for (const window of series.windows()) oldest = Math.min(oldest, window.startMs);
      oldest = Math.min(oldest, series.nextMs ?? oldest);
    }
    return oldest;
  }

  *profiles(): Generator<TrackedProfile<P>> {
    for (const series of this.series) {
      for (const window of series.windows()) {
        for (const [slice, { profile, changedAt }] of window.nodes) {
          if (profile !== undefined) yield { key: series.profileKey(window.startMs, slice), profile, changedAt };
        }
      }
    }
  }

  /** Takes a snapshot over. `profileOf` throws when it has no profile of the key. */
  restore(
    states: readonly SeriesState[],
    slices: readonly (readonly [slice: string, lastSeenMs: number])[],
    profileOf: (key: string) => P,
  ): void {
    this.places = new SlicePlaces(this.#options.slices, this.#retireAfterMs, slices);
    for (const series of this.series) {
      const state = states.find(({ sizeMs }) => sizeMs === series.sizeMs);
      if (state !== undefined) series.restore(state, profileOf);
      for (const window of series.closed.values()) {
        if ([...window.nodes.values()].some((node) => node.isDirty)) this.dirty.set(window, series);
      }
    }
  }

  /** Merges the pane into the window that it belongs to, and into those above that have merged that one already. */
  #deliver(series: WindowSeries<P>, pane: PaneDelta<P>, counts: Readonly<LedgerCounts>, watermarkMs: number): void {
    const range = series.rangeOf(pane.paneStartMs);
    if (series.isOpen(range, watermarkMs)) {
      const window = series.openWindow(range);
      const slice = series.feeder === undefined ? this.#nameInPane(window, pane.slice) : pane.slice;
      this.merge(nodeOf(window, slice), pane.profile);
      window.hasRows ||= rowsOf(counts) > 0;
      return;
    }
    const slice = this.places.placed(pane.slice);
    const window = series.closed.get(range.startMs);
    if (window !== undefined) {
      const node = nodeOf(window, slice);
      this.merge(node, pane.profile);
      node.isDirty = true;
      this.dirty.set(window, series);
    } else if (series.isPublished) {
      this.#displace(series, slice, counts, "late", watermarkMs);
    }
    for (const fed of series.fed) this.#deliver(fed, { ...pane, slice }, counts, watermarkMs);
  }

  /** Counts rows whose window is gone, or cannot be kept, in the oldest open window. */
  #displace(
    series: WindowSeries<P>,
    slice: string,
    counts: Readonly<LedgerCounts>,
    as: "late" | "future",
    watermarkMs: number,
  ): void {
    const rows = rowsOf(counts);
    if (rows === 0) return;
    const window = series.oldestOpen(watermarkMs);
    nodeOf(window, slice)[as] += rows;
    window.hasRows = true;
    if (series !== this.#smallest || slice !== ALL_SLICE) return;
    const { totals } = this.#options;
    totals.valid -= counts.valid;
    totals.invalid -= counts.invalid;
    totals[as] += rows;
  }

  /** What was moved into a pane that is given up moves on. */
  #passOn(slice: string, { late, future }: SliceNode<P>, watermarkMs: number): void {
    if (late + future === 0) return;
    const window = this.series[0]!.oldestOpen(watermarkMs);
    const node = nodeOf(window, slice);
    node.late += late;
    node.future += future;
    window.hasRows = true;
  }

  /** The slice itself while the pane keeps it apart, until it closes and places are given. */
  #nameInPane(window: SeriesWindow<P>, slice: string): string {
    const config = this.places.configOf(slice);
    if (config === undefined || window.nodes.has(slice)) return slice;
    let valueCounts = this.#valueCounts.get(window);
    if (valueCounts === undefined) {
      valueCounts = new Map();
      for (const name of window.nodes.keys()) {
        const owner = this.places.configOf(name);
        if (owner !== undefined) valueCounts.set(owner, (valueCounts.get(owner) ?? 0) + 1);
      }
      this.#valueCounts.set(window, valueCounts);
    }
    const count = valueCounts.get(config) ?? 0;
    const isApart = this.places.isKept(slice) || count < this.places.candidateLimit(config);
    const name = isApart ? slice : this.places.otherOf(slice);
    if (!window.nodes.has(name)) valueCounts.set(config, count + 1);
    return name;
  }

  #renameUnplaced(window: SeriesWindow<P>): void {
    for (const [slice, node] of sortedNodes(window)) {
      if (this.places.isKept(slice)) continue;
      window.nodes.delete(slice);
      const other = nodeOf(window, this.places.otherOf(slice));
      if (node.profile !== undefined) this.merge(other, node.profile);
      other.late += node.late;
      other.future += node.future;
    }
  }
}

/** The node of the slice, made if need be. */
export function nodeOf<P>(window: SeriesWindow<P>, slice: string): SliceNode<P> {
  let node = window.nodes.get(slice);
  if (node === undefined) {
    node = { profile: undefined, changedAt: 0, late: 0, future: 0, revision: -1, isDirty: false };
    window.nodes.set(slice, node);
  }
  return node;
}

/** `all` first, then by name: the order of everything that is said about slices. */
export function compareSlices(a: string, b: string): number {
  if (a === b) return 0;
  if (a === ALL_SLICE) return -1;
  return b === ALL_SLICE || a > b ? 1 : -1;
}

function sortedNodes<P>(window: SeriesWindow<P>): [slice: string, node: SliceNode<P>][] {
  return [...window.nodes].sort(([a], [b]) => compareSlices(a, b));
}

/** One series per size, and one of the panes when they are no size; each is fed by the largest that it is made of. */
function createSeries<P>(options: WindowStoreOptions<P>): WindowSeries<P>[] {
  const { clock, reviseForMs } = options;
  const all: WindowSeries<P>[] = [];
  if (!clock.sizesMs.includes(clock.paneMs)) {
    all.push(
      new WindowSeries({
        clock,
        sizeMs: clock.paneMs,
        isPublished: false,
        emptyLimit: HIDDEN_EMPTY_LIMIT,
        reviseForMs: 0,
      }),
    );
  }
  for (const sizeMs of clock.sizesMs) {
    all.push(
      new WindowSeries({
        clock,
        sizeMs,
        isPublished: true,
        feeder: all.findLast((smaller) => clock.nests(smaller.sizeMs, sizeMs)),
        emptyLimit: 2 * options.seasonWindows(sizeMs),
        reviseForMs: reviseForMs ?? Math.min(DAY_MS, DEFAULT_REVISED_WINDOWS * sizeMs),
      }),
    );
  }
  return all;
}
