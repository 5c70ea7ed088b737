/**
 * PCA, then Holt-Winters on each leading component (the shape published by Uber): the metrics, transformed and
 * standardised, are projected on the components that hold 90 % of their variance, each component's series is forecast, and
 * a window is as bad as its component furthest beyond its prediction interval. Between two fits the
 * components stand still; at a fit their forecasters are run again over the whole history, so that a rotated component
 * never continues another one's series.
 */
import { mean, standardDeviation } from "simple-statistics";
import { blameOf, type LaneResult, noVerdict, weightOf } from "./lane.ts";
import { HISTORY_WINDOWS, type MetricTable, type Observation, REFIT_EVERY } from "./metric-table.ts";
import { movingColumns } from "./moving-columns.ts";
import { dot, principalComponents } from "./principal-components.ts";
import { SeriesModel } from "./series-model.ts";
import { type Tail, tailOfSorted, tailScore } from "./tail.ts";
import type { WindowRing } from "./window-ring.ts";

const VARIANCE_SHARE = 0.9;
/** A column takes part when it was there in this share of the history. */
const PRESENCE_MIN = 0.8;
const FIT_CLIP = 6;

interface Component {
  readonly loading: Float64Array;
  readonly model: SeriesModel;
  /** Of its innovations, ascending. */
  sizes: Float64Array;
  tail: Tail;
}

interface Fit {
  readonly slots: readonly number[];
  readonly means: readonly number[];
  readonly deviations: readonly number[];
  readonly columnOf: Int32Array;
  readonly components: readonly Component[];
}

export interface PcaLaneOptions {
  readonly season: number;
  readonly startAfter: number;
  readonly fitFrom: number;
}

export interface PcaLaneSnapshot {
  readonly sinceFit: number;
  readonly fitted: boolean;
}

export class PcaLane {
  readonly #table: MetricTable;
  readonly #options: PcaLaneOptions;
  /** Made when a score first asks for it: a model that only learns need not pay for it. */
  #fit: Fit | undefined;
  #isFitted = false;
  /** Rows that entered the history since the last fit, and those of them that the fit has followed. */
  #sinceFit = 0;
  #followed = 0;

  constructor(table: MetricTable, options: PcaLaneOptions, snapshot?: PcaLaneSnapshot) {
    this.#table = table;
    this.#options = options;
    if (snapshot === undefined) return;
    this.#sinceFit = snapshot.sinceFit;
    this.#isFitted = snapshot.fitted;
  }

  score(index: number, observations: readonly Observation[]): LaneResult {
    const fit = this.#currentFit();
    if (fit === undefined) return noVerdict(observations);
    const { slots, means, deviations, columnOf, components } = fit;
    const row = new Float64Array(slots.length);
    const surprise = new Float64Array(slots.length);
    for (const { slot, value, innovation } of observations) {
      const column = slot < columnOf.length ? columnOf[slot]! : -1;
      if (column < 0) continue;
      row[column] = (value - means[column]!) / deviations[column]!;
      surprise[column] = innovation / deviations[column]!;
    }
    let worst = Number.NEGATIVE_INFINITY;
    const blame = new Float64Array(slots.length);
    for (const { loading, model, tail } of components) {
      const expected = model.forecast(index);
      if (expected === undefined) continue;
      const innovation = dot(loading, row) - expected;
      const score = tailScore(Math.abs(innovation), tail, 0);
      worst = Math.max(worst, score);
      const weight = blameOf(score);
      const sign = Math.sign(innovation);
      const size = Math.max(Math.abs(innovation), 1e-9);
      // Back through the loadings: the part of the component's surprise that came in through this metric.
      for (let column = 0; column < blame.length; column++) {
        const part = sign * loading[column]! * surprise[column]!;
        if (part > 0) blame[column]! += (weight * part) / size;
      }
    }
    return {
      score: weightOf(worst),
      blame: Float64Array.from(observations, ({ slot }) => {
        const column = slot < columnOf.length ? columnOf[slot]! : -1;
        return column >= 0 ? blame[column]! : 0;
      }),
    };
  }

  /** After the table has learned the same window. */
  learn(alarmed: boolean, refit: boolean): void {
    const ring = this.#table.values;
    if (!alarmed) this.#sinceFit++;
    const due = this.#isFitted ? refit || this.#sinceFit >= REFIT_EVERY : ring.count >= this.#options.fitFrom;
    if (!due) return;
    this.#fit = undefined;
    this.#isFitted = true;
    this.#sinceFit = 0;
  }

  snapshot(): PcaLaneSnapshot {
    return { sinceFit: this.#sinceFit, fitted: this.#isFitted };
  }

  /** The last fit, its forecasters brought up to the newest row. */
  #currentFit(): Fit | undefined {
    if (!this.#isFitted) return undefined;
    const ring = this.#table.values;
    const end = ring.count - this.#sinceFit;
    if (this.#fit === undefined) {
      this.#fit = fitComponents(this.#table, end, this.#options);
      this.#followed = 0;
    }
    if (this.#fit === undefined) return undefined;
    const { slots, means, deviations, components } = this.#fit;
    for (; this.#followed < this.#sinceFit; this.#followed++) {
      const position = end + this.#followed;
      const row = standardised(ring, position, slots, means, deviations);
      for (const component of components) follow(component, ring.indexAt(position), dot(component.loading, row));
    }
    return this.#fit;
  }
}

function follow(component: Component, index: number, value: number): void {
  const innovation = component.model.learn(index, value, 1e-9, false);
  if (innovation === undefined) return;
  component.sizes = inserted(component.sizes, Math.abs(innovation));
  component.tail = tailOfSorted(component.sizes);
}

function inserted(ascending: Float64Array, value: number): Float64Array {
  const longer = new Float64Array(ascending.length + 1);
  let at = ascending.length;
  for (; at > 0 && ascending[at - 1]! > value; at--) longer[at] = ascending[at - 1]!;
  longer[at] = value;
  longer.set(ascending.subarray(0, at));
  return longer;
}

function fitComponents(table: MetricTable, end: number, options: PcaLaneOptions): Fit | undefined {
  const ring = table.values;
  const from = Math.max(0, end - HISTORY_WINDOWS);
  const columnOf = new Int32Array(table.slotCount).fill(-1);
  const figures = new Map<number, { readonly center: number; readonly deviation: number }>();
  for (let slot = 0; slot < table.slotCount; slot++) {
    const present = ring.column(slot, from, end);
    if (present.length < Math.max(1, PRESENCE_MIN * (end - from))) continue;
    const center = mean(present);
    const deviation = standardDeviation(present);
    // Relative, or the metric's unit would decide.
    if (!(deviation > 1e-6 * Math.abs(center))) continue;
    figures.set(slot, { center, deviation });
  }
  if (figures.size < 2) return undefined;
  const slots = movingColumns(table, [...figures.keys()], [ring.indexAt(from), ring.indexAt(end - 1)]);
  const means = slots.map((slot) => figures.get(slot)!.center);
  const deviations = slots.map((slot) => figures.get(slot)!.deviation);
  for (const [column, slot] of slots.entries()) columnOf[slot] = column;
  const rows: Float64Array[] = [];
  for (let position = from; position < end; position++) {
    rows.push(standardised(ring, position, slots, means, deviations));
  }
  const clipped = rows.map((row) => Array.from(row, (value) => Math.max(-FIT_CLIP, Math.min(FIT_CLIP, value))));
  const { loadings } = principalComponents(clipped, VARIANCE_SHARE);
  const components = loadings.map((loading): Component => {
    const model = new SeriesModel(options.season, options.startAfter);
    const innovations = rows.map((row, i) => model.learn(ring.indexAt(from + i), dot(loading, row), 1e-9, false));
    const known = innovations.filter((innovation) => innovation !== undefined);
    const sizes = Float64Array.from(known, Math.abs).sort();
    return { loading, model, sizes, tail: tailOfSorted(sizes) };
  });
  return { slots, means, deviations, columnOf, components };
}

/** Missing becomes the mean: it moves no component. */
function standardised(
  ring: WindowRing,
  position: number,
  slots: readonly number[],
  means: readonly number[],
  deviations: readonly number[],
): Float64Array {
  return Float64Array.from(slots, (slot, column) => {
    const value = ring.at(position, slot);
    return Number.isNaN(value) ? 0 : (value - means[column]!) / deviations[column]!;
  });
}
