/**
 * Closes the windows that the watermark has passed, in order of their end and then of their size, and publishes again
 * those that late events changed.
 */
import { ALL_SLICE } from "../core/window.ts";
import type { TimeRange } from "./panes.ts";
import type { SeriesWindow, SliceNode, WindowSeries } from "./window-series.ts";
import { compareSlices, nodeOf, type WindowStore } from "./window-store.ts";

/** A window and slice to be published. */
export interface WindowLine<P> {
  readonly series: WindowSeries<P>;
  readonly window: SeriesWindow<P>;
  readonly slice: string;
  readonly node: SliceNode<P>;
  /** The input ends in this window. */
  readonly isLast: boolean;
}

/** Is told what happens, in order. */
export interface CloseListener<P> {
  line(line: WindowLine<P>): void;
  gap(sizeMs: number, fromMs: number, toMs: number): void;
  slice(kind: "slice-admitted" | "slice-retired", slice: string): void;
}

/** Late events wait at least this long for others before their window is published again. */
const MIN_REVISION_STEP_MS = 60_000;

/** From where and how far a series can close in this call. */
interface Reach<P> {
  readonly series: WindowSeries<P>;
  /** Where it begins if it has not begun. */
  readonly firstMs: number | undefined;
  /** Last window to close at the end of the input; undefined: none. */
  readonly lastMs: number | undefined;
}

export class WindowCloser<P> {
  readonly #store: WindowStore<P>;

  constructor(store: WindowStore<P>) {
    this.#store = store;
  }

  /** `watermarkMs` is +Infinity at the end of the input; `nowMs` is the tracker's time. */
  close(watermarkMs: number, nowMs: number, listener: CloseListener<P>): void {
    const isEnd = watermarkMs === Number.POSITIVE_INFINITY;
    const reaches = this.#store.series.map((series) => ({
      series,
      firstMs: series.nextMs === undefined ? series.contentMs("first", true) : undefined,
      lastMs: isEnd ? series.contentMs("last", true) : Number.POSITIVE_INFINITY,
    }));
    for (const reach of reaches) {
      if (isEnd || reach.series.nextMs === undefined) this.#dissolveOutside(reach, watermarkMs);
    }
    for (;;) {
      const due = nextDue(reaches, watermarkMs);
      if (due === undefined) break;
      this.#closeNext(due.series, due.range, { watermarkMs, nowMs, isLast: due.isLast }, listener);
    }
    this.#revise(watermarkMs, nowMs, listener);
    for (const series of this.#store.series) series.expire(watermarkMs);
  }

  #closeNext(
    series: WindowSeries<P>,
    range: TimeRange,
    at: { readonly watermarkMs: number; readonly nowMs: number; readonly isLast: boolean },
    listener: CloseListener<P>,
  ): void {
    if (series.nextMs === undefined) series.begin(range.startMs);
    const isEmpty = !series.open.has(range.startMs);
    if (isEmpty && series.emptyRun >= series.emptyLimit) {
      skip(series, range, at.watermarkMs);
      return;
    }
    const window = series.openWindow(range);
    series.open.delete(range.startMs);
    series.nextMs = range.endMs;
    if (isEmpty) {
      series.emptyRun++;
    } else {
      const { gapFromMs } = series;
      if (gapFromMs !== undefined && series.isPublished) listener.gap(series.sizeMs, gapFromMs, range.startMs);
      series.gapFromMs = undefined;
      series.emptyRun = 0;
    }
    if (series.feeder === undefined) {
      const { admitted, retired } = this.#store.placeSlices(window);
      for (const slice of retired) listener.slice("slice-retired", slice);
      for (const slice of admitted) listener.slice("slice-admitted", slice);
    }
    this.#store.rollUp(series, window);
    if (!series.isPublished) return;
    for (const slice of this.#store.places.knownAt(range.endMs)) nodeOf(window, slice);
    nodeOf(window, ALL_SLICE);
    series.closed.set(range.startMs, window);
    publish(series, window, [...window.nodes.keys()], at, listener);
  }

  /**
   * Windows before the first and after the last one with rows are not published. They have no rows themselves, and
   * count in the larger windows that they are part of.
   */
  #dissolveOutside({ series, firstMs, lastMs }: Reach<P>, watermarkMs: number): void {
    for (const window of [...series.open.values()]) {
      const isBefore =
        series.nextMs === undefined && window.endMs <= watermarkMs && window.startMs < (firstMs ?? watermarkMs);
      const isAfter = window.startMs > (lastMs ?? Number.NEGATIVE_INFINITY);
      if (isBefore || isAfter) this.#store.dissolve(series, window);
    }
  }

  /** Publishes changed windows that have waited long enough, or will be forgotten. */
  #revise(watermarkMs: number, nowMs: number, listener: CloseListener<P>): void {
    const due = [...this.#store.dirty].filter(([window, series]) => {
      const stepMs = Math.max(MIN_REVISION_STEP_MS, series.sizeMs / 10);
      return nowMs - window.publishedAtMs >= stepMs || series.isExpired(window, watermarkMs);
    });
    due.sort(([a, seriesA], [b, seriesB]) => a.endMs - b.endMs || seriesA.sizeMs - seriesB.sizeMs);
    for (const [window, series] of due) {
      this.#store.dirty.delete(window);
      const changed = [...window.nodes].filter(([, node]) => node.isDirty).map(([slice]) => slice);
      publish(series, window, changed, { nowMs, isLast: false }, listener);
    }
  }
}

function publish<P>(
  series: WindowSeries<P>,
  window: SeriesWindow<P>,
  slices: string[],
  at: { readonly nowMs: number; readonly isLast: boolean },
  listener: CloseListener<P>,
): void {
  window.publishedAtMs = at.nowMs;
  for (const slice of slices.sort(compareSlices)) {
    const node = nodeOf(window, slice);
    node.revision++;
    node.isDirty = false;
    listener.line({ series, window, slice, node, isLast: at.isLast });
  }
}

/** Of the windows that can close, the one that ends first; of these the smallest. */
function nextDue<P>(
  reaches: readonly Reach<P>[],
  watermarkMs: number,
): { readonly series: WindowSeries<P>; readonly range: TimeRange; readonly isLast: boolean } | undefined {
  let due: { readonly series: WindowSeries<P>; readonly range: TimeRange; readonly isLast: boolean } | undefined;
  for (const { series, firstMs, lastMs } of reaches) {
    const startMs = series.nextMs ?? firstMs;
    if (startMs === undefined || lastMs === undefined || startMs > lastMs) continue;
    const range = series.rangeOf(startMs);
    if (range.endMs > watermarkMs || (due !== undefined && due.range.endMs <= range.endMs)) continue;
    due = { series, range, isLast: range.startMs === lastMs };
  }
  return due;
}

/** Goes on from an empty window to the next that holds something, or to the first that cannot close yet. */
function skip<P>(series: WindowSeries<P>, range: TimeRange, watermarkMs: number): void {
  const contentMs = series.contentMs("first", false) ?? Number.POSITIVE_INFINITY;
  const openMs = Number.isFinite(watermarkMs) ? series.rangeOf(watermarkMs).startMs : Number.POSITIVE_INFINITY;
  series.gapFromMs ??= range.startMs;
  series.nextMs = Math.min(contentMs, openMs);
}
