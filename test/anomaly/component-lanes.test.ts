/** The two lanes of components, computed a second time from the table's history with ml-pca's singular value decomposition. */
import { PCA } from "ml-pca";
import { describe, expect, test } from "vitest";
import { type LaneResult, weightOf } from "../../src/anomaly/lane.ts";
import { MetricTable, type Observation } from "../../src/anomaly/metric-table.ts";
import { COLUMNS_MAX, movingColumns } from "../../src/anomaly/moving-columns.ts";
import { PcaLane } from "../../src/anomaly/pca-lane.ts";
import { ResidualLane } from "../../src/anomaly/residual-lane.ts";
import { SeriesModel } from "../../src/anomaly/series-model.ts";
import { tailOf, tailScore } from "../../src/anomaly/tail.ts";
import type { WindowRing } from "../../src/anomaly/window-ring.ts";
import type { DetectorInput } from "../../src/core/detector.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { gaussian, metric } from "./stream.ts";

const OPTIONS = { season: 1, startAfter: 5, readyAfter: 5, fitFrom: 20 };

/** Gives the metrics of the next window. */
type Source = (index: number) => readonly (number | undefined)[];

/** `rank` causes behind `width` metrics, each metric with a unit of its own. */
function mixture(width: number, rank: number, seed: number): Source {
  const random = new SeededRandom(seed);
  const mixing = Array.from({ length: rank }, (_, k) =>
    Array.from({ length: width }, () => gaussian(random) * 0.8 ** k),
  );
  const units = Array.from({ length: width }, (_, column) => 10 ** ((column % 7) - 3));
  return () => {
    const causes = mixing.map(() => gaussian(random));
    return units.map((unit, column) => unit * (50 + causes.reduce((sum, c, k) => sum + c * mixing[k]![column]!, 0)));
  };
}

const SOURCES: readonly (readonly [what: string, source: () => Source])[] = [
  ["6 metrics", () => mixture(6, 6, 1)],
  ["more metrics than windows", () => mixture(150, 150, 2)],
  ["rank 3 of 12", () => mixture(12, 3, 3)],
  ["identical metrics", () => repeated(mixture(3, 3, 4))],
  ["constant metrics among them", () => withConstants(mixture(5, 5, 5))],
  ["metrics that are missing now and then", () => withGaps(mixture(6, 6, 6))],
];

function repeated(source: Source): Source {
  return (index) => source(index).flatMap((value) => [value, value, value]);
}

function withConstants(source: Source): Source {
  return (index) => [7.1, ...source(index), 0, -1e-7];
}

function withGaps(source: Source): Source {
  return (index) => source(index).map((value, column) => ((index * 7 + column) % 11 === 0 ? undefined : value));
}

function inputOf(index: number, values: readonly (number | undefined)[]): DetectorInput {
  return { index, metrics: values.map((value, column) => metric(`m${column}`, "value", value, [`f${column}`])) };
}

interface Step {
  readonly index: number;
  readonly table: MetricTable;
  readonly observations: readonly Observation[];
  readonly residual: LaneResult;
  readonly pca: LaneResult;
  /** Whether the lane's components are those of the whole history up to this window. */
  readonly isFresh: { readonly residual: boolean; readonly pca: boolean };
}

function* steps(source: Source, windows: number): Generator<Step> {
  const table = new MetricTable(OPTIONS);
  const lanes = { residual: new ResidualLane(table), pca: new PcaLane(table, OPTIONS) };
  for (let index = 0; index < windows; index++) {
    const input = inputOf(index, source(index));
    const observations = table.observe(input);
    const [ofResidual, ofPca] = [lanes.residual.snapshot(), lanes.pca.snapshot()];
    yield {
      index,
      table,
      observations,
      residual: lanes.residual.score(observations),
      pca: lanes.pca.score(index, observations),
      isFresh: {
        residual: ofResidual.fitted && ofResidual.sinceFit === 0,
        pca: ofPca.fitted && ofPca.sinceFit === 0,
      },
    };
    const { cleared } = table.learn(input, false);
    lanes.residual.learn(input, observations, false, cleared);
    lanes.pca.learn(false, false);
  }
}

function columns(ring: WindowRing, slots: number): number[][] {
  return Array.from({ length: slots }, (_, slot) => ring.column(slot, Math.max(0, ring.count - 120), ring.count));
}

function rowsOf(ring: WindowRing, slots: readonly number[]): number[][] {
  const from = Math.max(0, ring.count - 120);
  return Array.from({ length: ring.count - from }, (_, i) => slots.map((slot) => ring.at(from + i, slot)));
}

function loadingsOf(rows: readonly (readonly number[])[], share: number): number[][] {
  const pca = new PCA(
    rows.map((row) => [...row]),
    { method: "SVD", center: false },
  );
  const kept = pca.getCumulativeVariance().findIndex((sum) => sum >= share) + 1;
  return pca.getLoadings().to2DArray().slice(0, kept);
}

const clip = (value: number, limit: number) => Math.max(-limit, Math.min(limit, value));
const product = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** (I − PP′) e by slot, of the innovations in units of their scale; absent for a metric that never moved. */
function residualsAgain(table: MetricTable, observations: readonly Observation[]): Map<number, number> {
  const all = columns(table.innovations, table.slotCount);
  const rms = all.map((values) => Math.sqrt(product(values, values) / values.length));
  const slots = all.flatMap((values, slot) =>
    rms[slot]! > 0 && values.length >= 0.5 * Math.min(120, table.innovations.count) ? [slot] : [],
  );
  const rows = rowsOf(table.innovations, slots).map((row) =>
    row.map((value, i) => (Number.isNaN(value) ? 0 : clip(value / rms[slots[i]!]!, 3))),
  );
  const e = slots.map((slot) => {
    const seen = observations.find((observation) => observation.slot === slot);
    return seen === undefined ? 0 : seen.innovation / seen.scale;
  });
  const residual = [...e];
  for (const loading of loadingsOf(rows, 0.95)) {
    const t = product(loading, e);
    for (let i = 0; i < residual.length; i++) residual[i]! -= t * loading[i]!;
  }
  return new Map(slots.map((slot, i) => [slot, residual[i]!]));
}

/** The score of the component that is furthest beyond its forecast, before any threshold. */
function componentScoreAgain(table: MetricTable, index: number, observations: readonly Observation[]): number {
  const all = columns(table.values, table.slotCount);
  const means = all.map((values) => values.reduce((sum, value) => sum + value, 0) / values.length);
  const deviations = all.map((values, slot) =>
    Math.sqrt(values.reduce((sum, value) => sum + (value - means[slot]!) ** 2, 0) / values.length),
  );
  const least = 0.8 * Math.min(120, table.values.count);
  const slots = all.flatMap((values, slot) =>
    deviations[slot]! > 1e-6 * Math.abs(means[slot]!) && values.length >= least ? [slot] : [],
  );
  const standardised = (row: readonly number[]) =>
    row.map((value, i) => (Number.isNaN(value) ? 0 : (value - means[slots[i]!]!) / deviations[slots[i]!]!));
  const rows = rowsOf(table.values, slots).map(standardised);
  const now = standardised(
    slots.map((slot) => observations.find((observation) => observation.slot === slot)?.value ?? Number.NaN),
  );
  const from = Math.max(0, table.values.count - 120);
  let worst = Number.NEGATIVE_INFINITY;
  for (const loading of loadingsOf(
    rows.map((row) => row.map((value) => clip(value, 6))),
    0.9,
  )) {
    const model = new SeriesModel(OPTIONS.season, OPTIONS.startAfter);
    const sizes: number[] = [];
    for (const [i, row] of rows.entries()) {
      const innovation = model.learn(table.values.indexAt(from + i), product(loading, row), 1e-9, false);
      if (innovation !== undefined) sizes.push(Math.abs(innovation));
    }
    const innovation = product(loading, now) - model.forecast(index)!;
    worst = Math.max(worst, tailScore(Math.abs(innovation), tailOf(Float64Array.from(sizes)), 0));
  }
  return worst;
}

describe.each(SOURCES)("of %s", (_what, source) => {
  test("the residual lane expects each metric where ml-pca's projector says", () => {
    let compared = 0;
    for (const { table, observations, residual, isFresh } of steps(source(), 110)) {
      if (!isFresh.residual || residual.score === undefined) continue;
      const again = residualsAgain(table, observations);
      for (const [i, { slot, value, scale }] of observations.entries()) {
        const expectation = residual.expectations![i];
        if (expectation === undefined) continue;
        compared++;
        expect((value - expectation.mid) / scale).toBeCloseTo(again.get(slot)!, 5);
      }
    }
    expect(compared).toBeGreaterThan(8);
  });

  test("the lane of components scores the component that ml-pca's loadings say is furthest off", () => {
    let compared = 0;
    for (const { table, index, observations, pca, isFresh } of steps(source(), 110)) {
      if (!isFresh.pca) continue;
      compared++;
      const again = weightOf(componentScoreAgain(table, index, observations));
      expect(pca.score! / again).toBeCloseTo(1, 4);
    }
    expect(compared).toBeGreaterThan(4);
  });
});

test("of one metric, and of constants alone, neither lane has a verdict", () => {
  for (const source of [mixture(1, 1, 8), () => [3, 4, 5]] as Source[]) {
    for (const { residual, pca } of steps(source, 60))
      expect([residual.score, pca.score]).toEqual([undefined, undefined]);
  }
});

test("Planted defect: with components of other metrics the residual is another", () => {
  const other = new MetricTable(OPTIONS);
  const source = mixture(6, 6, 99);
  for (let index = 0; index < 60; index++) other.learn(inputOf(index, source(index)), false);
  let largest = 0;
  for (const { observations, residual, isFresh } of steps(mixture(6, 2, 1), 60)) {
    if (!isFresh.residual || residual.score === undefined) continue;
    const again = residualsAgain(other, observations);
    for (const [i, { slot, value, scale }] of observations.entries()) {
      largest = Math.max(largest, Math.abs((value - residual.expectations![i]!.mid) / scale - again.get(slot)!));
    }
  }
  expect(largest).toBeGreaterThan(0.1);
});

test("of more metrics than they take, the components have those that changed most, whatever their order", () => {
  const count = COLUMNS_MAX + 40;
  const random = new SeededRandom(3);
  const history = Array.from({ length: 40 }, (_, index) =>
    Array.from({ length: count }, (_, m) => (m % 10 === 0 ? (index % 20 === 0 ? 1 : 0) : gaussian(random))),
  );
  const chosen = [false, true].map((isReversed) => {
    const table = new MetricTable(OPTIONS);
    for (const [index, values] of history.entries()) {
      const { metrics } = inputOf(index, values);
      table.learn({ index, metrics: isReversed ? [...metrics].reverse() : metrics }, false);
    }
    const slots = Array.from({ length: count }, (_, slot) => slot);
    return movingColumns(table, slots, [0, history.length - 1]).map((slot) => table.idOf(slot));
  });
  expect(chosen[0]).toHaveLength(COLUMNS_MAX);
  expect([...chosen[1]!].sort()).toEqual([...chosen[0]!].sort());
  const rare = chosen[0]!.filter((id) => Number(id.slice(1)) % 10 === 0);
  // 496 or 497 metrics move in every window, and the rest of the places are for those that hardly do, by name.
  expect(rare).toHaveLength(COLUMNS_MAX - Math.floor((count * 9) / 10));
  expect(rare[0]).toBe("m0");
});
