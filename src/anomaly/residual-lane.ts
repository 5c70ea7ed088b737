/**
 * PCA on the innovations, residual subspace: r = (I − PP′) e, with e the innovations in units of their scale. A storm moves
 * many metrics together along directions it has moved them before, and leaves no residual; a fault moves one metric
 * without its companions. Only the projector is used, so sign and rotation of the components do not matter.
 * Each metric's residual is judged in the tail of its own *out-of-sample* residuals: in-sample ones are far too small
 * with as many metrics as windows.
 */
import { rootMeanSquare } from "simple-statistics";
import { blameOf, type Expectation, type LaneResult, noVerdict, weightOf } from "./lane.ts";
import { HISTORY_WINDOWS, type MetricTable, type Observation, REFIT_EVERY } from "./metric-table.ts";
import { movingColumns } from "./moving-columns.ts";
import { dot, principalComponents } from "./principal-components.ts";
import { RingTails, TAIL_EVERY } from "./ring-tails.ts";
import { halfWidth, tailScore } from "./tail.ts";
import { WindowRing, type WindowRingSnapshot } from "./window-ring.ts";

/** High, so that metrics that say nearly the same thing leave almost no residual as long as they agree. */
const VARIANCE_SHARE = 0.95;
/** Windows of innovations before the first fit. */
const FIT_FROM = 21;
/** A column takes part when it was there in this share of the history. */
const PRESENCE_MIN = 0.5;
/** Out-of-sample residuals of a metric before it is judged. */
const READY_AFTER = 21;
/** No single window shapes the components by more than this, in units of the scale. */
const FIT_CLIP = 3;
/** Least spread of a residual, in units of the scale: below, the agreement of two metrics is taken for chance. */
const FLOOR_MIN = 0.2;
/** What an alarming window may teach the tail, in multiples of its q90. */
const ALARM_CLIP = 4;

interface Fit {
  /** Column of the matrix per slot, −1 where the slot is not in it. */
  readonly columnOf: Int32Array;
  readonly loadings: readonly Float64Array[];
}

export interface ResidualLaneSnapshot {
  readonly sinceFit: number;
  readonly fitted: boolean;
  readonly residuals: WindowRingSnapshot;
}

export class ResidualLane {
  readonly #table: MetricTable;
  readonly #residuals: WindowRing;
  readonly #tails: RingTails;
  #fit: Fit | undefined;
  #sinceFit = 0;
  /** Of the window that was looked at last: it is scored, and then learned. */
  #last: { readonly of: readonly Observation[]; readonly fit: Fit; readonly residuals: Float64Array } | undefined;

  constructor(table: MetricTable, snapshot?: ResidualLaneSnapshot) {
    this.#table = table;
    this.#residuals = new WindowRing(HISTORY_WINDOWS + TAIL_EVERY, snapshot?.residuals);
    this.#tails = new RingTails(this.#residuals, HISTORY_WINDOWS, READY_AFTER, (slot) => table.turnOf(slot));
    if (snapshot === undefined) return;
    this.#sinceFit = snapshot.sinceFit;
    if (snapshot.fitted) this.#fit = fitProjector(table, table.innovations.count - snapshot.sinceFit);
  }

  score(observations: readonly Observation[]): LaneResult {
    const residuals = this.#residualsOf(observations);
    if (residuals === undefined || this.#residuals.count < READY_AFTER) return noVerdict(observations);
    const blame = new Float64Array(observations.length);
    const expectations: (Expectation | undefined)[] = [];
    let worst = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < observations.length; i++) {
      const { slot, value, floor, scale, factor } = observations[i]!;
      const tail = this.#tails.tail(slot);
      const residual = residuals[i]!;
      if (tail === undefined || Number.isNaN(residual)) continue;
      const least = Math.max(FLOOR_MIN, scale > 0 ? floor / scale : 1);
      const score = tailScore(Math.abs(residual), tail, least);
      // Given what its companions did, the metric should have been where its residual is 0.
      const unit = scale / factor;
      expectations[i] = { mid: value - residual * unit, width: halfWidth(tail, least) * unit };
      blame[i] = blameOf(score);
      worst = Math.max(worst, score);
    }
    return { score: weightOf(worst), blame, expectations };
  }

  /** After the table has learned the same window. `cleared`: slots that went to other metrics. */
  learn(
    input: { readonly index: number },
    observations: readonly Observation[],
    alarmed: boolean,
    cleared: readonly number[],
  ): void {
    for (const slot of cleared) {
      this.#residuals.clearSlot(slot);
      this.#tails.forget(slot);
    }
    const residuals = this.#residualsOf(observations);
    if (residuals !== undefined) {
      const row = new Float32Array(this.#table.slotCount).fill(Number.NaN);
      for (let i = 0; i < observations.length; i++) {
        const { slot } = observations[i]!;
        const limit = alarmed ? ALARM_CLIP * (this.#tails.tail(slot)?.q90 ?? 1) : Number.POSITIVE_INFINITY;
        row[slot] = Math.max(-limit, Math.min(limit, residuals[i]!));
      }
      this.#residuals.push(input.index, row);
    }
    this.#sinceFit++;
    const due = this.#fit === undefined ? this.#table.innovations.count >= FIT_FROM : this.#sinceFit >= REFIT_EVERY;
    if (due || (cleared.length > 0 && this.#fit !== undefined)) {
      this.#fit = fitProjector(this.#table, this.#table.innovations.count);
      this.#sinceFit = 0;
    }
  }

  snapshot(): ResidualLaneSnapshot {
    return { sinceFit: this.#sinceFit, fitted: this.#fit !== undefined, residuals: this.#residuals.snapshot() };
  }

  #residualsOf(observations: readonly Observation[]): Float64Array | undefined {
    const fit = this.#fit;
    if (fit === undefined) return undefined;
    if (this.#last?.of !== observations || this.#last.fit !== fit) {
      this.#last = { of: observations, fit, residuals: residualsOf(observations, fit) };
    }
    return this.#last.residuals;
  }
}

/** Aligned with the observations; NaN: the metric is not in the fit. */
function residualsOf(observations: readonly Observation[], { columnOf, loadings }: Fit): Float64Array {
  const width = loadings[0]?.length ?? 0;
  const scaled = new Float64Array(width);
  for (const { slot, innovation, scale } of observations) {
    const column = slot < columnOf.length ? columnOf[slot]! : -1;
    if (column >= 0) scaled[column] = scale > 0 ? innovation / scale : 0;
  }
  const residual = Float64Array.from(scaled);
  for (const loading of loadings) {
    const t = dot(loading, scaled);
    for (let column = 0; column < width; column++) residual[column]! -= t * loading[column]!;
  }
  return Float64Array.from(observations, ({ slot }) => {
    const column = slot < columnOf.length ? columnOf[slot]! : -1;
    return column >= 0 ? residual[column]! : Number.NaN;
  });
}

/** Fits on the rows before `end`. */
function fitProjector(table: MetricTable, end: number): Fit | undefined {
  const ring = table.innovations;
  const from = Math.max(0, end - HISTORY_WINDOWS);
  const columnOf = new Int32Array(table.slotCount).fill(-1);
  const scaleOf = new Map<number, number>();
  for (let slot = 0; slot < table.slotCount; slot++) {
    const present = ring.column(slot, from, end);
    if (present.length < Math.max(1, PRESENCE_MIN * (end - from))) continue;
    const scale = rootMeanSquare(present);
    if (scale > 0) scaleOf.set(slot, scale);
  }
  if (scaleOf.size < 2) return undefined;
  const slots = movingColumns(table, [...scaleOf.keys()], [ring.indexAt(from), ring.indexAt(end - 1)]);
  const scales = slots.map((slot) => scaleOf.get(slot)!);
  for (const [column, slot] of slots.entries()) columnOf[slot] = column;
  const rows: number[][] = [];
  for (let position = from; position < end; position++) {
    rows.push(
      slots.map((slot, column) => {
        const value = ring.at(position, slot);
        return Number.isNaN(value) ? 0 : Math.max(-FIT_CLIP, Math.min(FIT_CLIP, value / scales[column]!));
      }),
    );
  }
  return { columnOf, ...principalComponents(rows, VARIANCE_SHARE) };
}
