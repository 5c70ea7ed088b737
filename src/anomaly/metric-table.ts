/**
 * Every metric the detector knows, each with its forecaster and its tail, and the last windows as matrices. Metrics come
 * and go (the share of a top value), so a metric owns a slot; when all are taken, the one unseen longest gives way.
 */
import type { DetectorInput, NewLevel } from "../core/detector.ts";
import type { MetricKind, MetricValue } from "../core/metric.ts";
import { RingTails } from "./ring-tails.ts";
import { Sampling, type SamplingSnapshot, samplingVariance } from "./sampling.ts";
import type { SecondSeason } from "./season.ts";
import { type LevelMove, SeriesModel, type SeriesSnapshot } from "./series-model.ts";
import type { Tail } from "./tail.ts";
import { inverse, isTrivialChange, spreadFloor, transformedValue } from "./transform.ts";
import { WindowRing, type WindowRingSnapshot } from "./window-ring.ts";

/** Windows from which tails and principal components are read: four months of days, and five days of hours. */
export const HISTORY_WINDOWS = 120;
/** Windows between two fits of principal components. */
export const REFIT_EVERY = 14;
/** Metrics of a stream whose state is kept. */
export const METRICS_MAX = 2_000;
/** Innovations after which a metric's scores say something of the lanes' usual ones. */
const CALIBRATED_AFTER = 8;

/** One metric of one window, seen through its own model. */
export interface Observation {
  readonly slot: number;
  readonly metric: MetricValue;
  /** Transformed value and what was expected of it. */
  readonly value: number;
  readonly expected: number;
  /** On the scale of a window of the usual number of rows, as are `floor` and `scale`. */
  readonly innovation: number;
  readonly floor: number;
  /** Root mean square of past innovations, not below the floor. */
  readonly scale: number;
  /** By which innovation and floor were multiplied for that. */
  readonly factor: number;
  /** Innovations that the model has seen. */
  readonly windows: number;
}

export interface MetricTableOptions {
  readonly season: number;
  /** @default none */
  readonly second?: SecondSeason;
  /** Values of a metric that start its model. */
  readonly startAfter: number;
  /** Innovations from which on a metric is judged. */
  readonly readyAfter: number;
  /** Beyond it metrics are left out. @default 2,000 */
  readonly metricsMax?: number;
}

/** What a window brought about. */
export interface TableNews {
  /** Slots that changed hands: fits that know their columns are void. */
  readonly cleared: readonly number[];
  /** Slots whose level has moved: values of the past are kept as if it had always been there. */
  readonly moved: readonly number[];
  readonly newLevels: readonly NewLevel[];
  /** A metric that an alarm named is neither back nor at a new level. */
  readonly isSettling: boolean;
}

interface Slot {
  readonly id: string;
  readonly kind: MetricKind;
  readonly turn: number;
  readonly model: SeriesModel;
  readonly sampling: Sampling;
  seenAt: number;
  floor: number;
}

export interface MetricTableSnapshot {
  readonly slots: readonly (readonly [
    id: string,
    kind: MetricKind,
    seenAt: number,
    floor: number,
    model: SeriesSnapshot,
    sampling: SamplingSnapshot,
  ])[];
  readonly values: WindowRingSnapshot;
  readonly innovations: WindowRingSnapshot;
}

export class MetricTable {
  readonly #options: MetricTableOptions;
  readonly #slots: Slot[] = [];
  readonly #slotOf = new Map<string, number>();
  /** Transformed values of windows that did not alarm. */
  readonly values: WindowRing;
  /** Innovations of all windows, those of alarming ones winsorised. */
  readonly innovations: WindowRing;
  readonly #tails: RingTails;

  constructor(options: MetricTableOptions, snapshot?: MetricTableSnapshot) {
    this.#options = options;
    // One more refit interval than is used, so that a restored detector can repeat its last fit.
    this.values = new WindowRing(HISTORY_WINDOWS + REFIT_EVERY, snapshot?.values);
    this.innovations = new WindowRing(HISTORY_WINDOWS + REFIT_EVERY, snapshot?.innovations);
    this.#tails = new RingTails(this.innovations, HISTORY_WINDOWS, 0, (slot) => this.turnOf(slot));
    for (const [id, kind, seenAt, floor, model, sampling] of snapshot?.slots ?? []) {
      this.#slotOf.set(id, this.#slots.length);
      this.#slots.push({
        id,
        kind,
        turn: turnOfText(id),
        model: new SeriesModel(options.season, options.startAfter, model, options.second),
        sampling: new Sampling(kind, sampling),
        seenAt,
        floor,
      });
    }
  }

  get slotCount(): number {
    return this.#slots.length;
  }

  /** The metrics that have a model, with what it expected. While all of them warm up a few innovations are enough: nothing is judged then. */
  observe(input: DetectorInput, isWarmingUp = false): Observation[] {
    const observations: Observation[] = [];
    const { readyAfter } = this.#options;
    const least = isWarmingUp ? Math.min(CALIBRATED_AFTER, readyAfter) : readyAfter;
    for (const metric of input.metrics) {
      const value = transformedValue(metric);
      const slot = this.#slotOf.get(metric.id);
      if (value === undefined || slot === undefined) continue;
      const { model, kind, sampling } = this.#slots[slot]!;
      const expected = model.forecast(input.index, input.secondPhase);
      if (expected === undefined || kind !== metric.kind || model.innovations < least) continue;
      const factor = sampling.factor(samplingVariance(kind, metric.n, expected), model.scale);
      const floor = factor * spreadFloor(kind, metric.n, value, expected);
      const innovation = isTrivialChange(kind, metric.n, value, expected) ? 0 : factor * (value - expected);
      const scale = Math.max(model.scale, floor);
      observations.push({
        slot,
        metric,
        value,
        expected,
        innovation,
        floor,
        scale,
        factor,
        windows: model.innovations,
      });
    }
    return observations;
  }

  /**
   * `alarmed`: it is no news of what is normal. `blamed`: slots that the verdict names; undefined: it is no alarm. `moves`: a person said that
   * levels go at once to where metrics that are out are now.
   */
  learn(input: DetectorInput, alarmed: boolean, blamed?: ReadonlySet<number>, moves = false): TableNews {
    const cleared: number[] = [];
    const moved: number[] = [];
    const newLevels: NewLevel[] = [];
    let isSettling = false;
    const slotsBefore = this.#slots.length;
    const values: number[] = [];
    const innovations: number[] = [];
    for (const metric of input.metrics) {
      const value = transformedValue(metric);
      if (value === undefined) continue;
      const known = this.#slotOf.get(metric.id);
      const slot = known ?? this.#allocate(metric, input.index);
      if (slot === undefined) continue;
      if (known === undefined && slot < slotsBefore) cleared.push(slot);
      const entry = this.#slots[slot]!;
      if (entry.kind !== metric.kind) continue;
      entry.seenAt = input.index;
      const expected = entry.model.forecast(input.index, input.secondPhase) ?? value;
      // Of an alarming window the size is not believed: a spike would widen the floor, and hide the next ones.
      const { model, sampling } = entry;
      const variance = samplingVariance(entry.kind, metric.n, expected);
      const factor = sampling.factor(variance, model.scale);
      entry.floor = factor * spreadFloor(entry.kind, metric.n, alarmed ? expected : value, expected);
      const scale = Math.max(model.scale, entry.floor);
      const isBlamed = input.widen === undefined ? blamed?.has(slot) : "unusual";
      const isAgainstPast = metric.isAgainstPast === true;
      const move =
        moves && !isAgainstPast ? model.moveTo(input.index, value, entry.floor, factor, input.secondPhase) : undefined;
      const innovation = model.learn(input.index, value, entry.floor, alarmed, {
        isBlamed,
        factor,
        phase: input.secondPhase,
      });
      sampling.learn(variance, innovation, scale);
      values[slot] = value;
      if (innovation !== undefined) innovations[slot] = innovation;
      // What compares windows with the past comes back by itself, once this window is part of it.
      const level = move ?? model.settle(isAgainstPast);
      if (move === undefined && level?.isBlamed === true) newLevels.push(newLevelOf(metric, level));
      if (level !== undefined && level.by !== 0) {
        moved.push(slot);
        this.values.shiftSlot(slot, level.from, level.by);
      }
      isSettling ||= model.isSettling;
    }
    if (!alarmed) this.values.push(input.index, toRow(values, this.#slots.length));
    this.innovations.push(input.index, toRow(innovations, this.#slots.length));
    return { cleared, moved, newLevels, isSettling };
  }

  idOf(slot: number): string {
    return this.#slots[slot]!.id;
  }

  /** When the metric's tails are read off: see `RingTails`. */
  turnOf(slot: number): number {
    return this.#slots[slot]!.turn;
  }

  /** Of the metric's past innovations. */
  tail(slot: number): Tail {
    return this.#tails.tail(slot)!;
  }

  snapshot(): MetricTableSnapshot {
    return {
      slots: this.#slots.map(
        ({ id, kind, seenAt, floor, model, sampling }) =>
          [id, kind, seenAt, floor, model.snapshot(), sampling.snapshot()] as const,
      ),
      values: this.values.snapshot(),
      innovations: this.innovations.snapshot(),
    };
  }

  #allocate(metric: MetricValue, index: number): number | undefined {
    let slot = this.#slots.length;
    if (slot >= (this.#options.metricsMax ?? METRICS_MAX)) {
      slot = 0;
      for (let i = 1; i < this.#slots.length; i++) if (this.#slots[i]!.seenAt < this.#slots[slot]!.seenAt) slot = i;
      // Nobody gives way who was here in the last window: more metrics than slots would chase each other out.
      if (this.#slots[slot]!.seenAt >= index - 1) return undefined;
      this.#slotOf.delete(this.#slots[slot]!.id);
      this.values.clearSlot(slot);
      this.innovations.clearSlot(slot);
      this.#tails.forget(slot);
    }
    const { season, startAfter, second } = this.#options;
    const model = new SeriesModel(season, startAfter, undefined, second);
    this.#slots[slot] = {
      id: metric.id,
      kind: metric.kind,
      turn: turnOfText(metric.id),
      model,
      sampling: new Sampling(metric.kind),
      seenAt: index,
      floor: 0,
    };
    this.#slotOf.set(metric.id, slot);
    return slot;
  }
}

/** FNV-1a over the code units: any function of the name would do that spreads names evenly. */
function turnOfText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** In the metric's own unit. */
function newLevelOf({ id, kind, fields }: MetricValue, { was, is }: LevelMove): NewLevel {
  return { metric: id, fields, was: inverse(kind, was), is: inverse(kind, is) };
}

function toRow(sparse: readonly (number | undefined)[], width: number): Float32Array {
  const row = new Float32Array(width).fill(Number.NaN);
  for (let slot = 0; slot < sparse.length; slot++) {
    const value = sparse[slot];
    if (value !== undefined) row[slot] = value;
  }
  return row;
}
