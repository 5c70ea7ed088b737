// What else one could do with the same vectors. Each learns as it goes, scores before it learns, and never knows what was a fault. They
// have no threshold of their own: the benchmark gives each the best one in hindsight, which flatters them.
import { IsolationForest } from "ml-isolation-forest";
import { HoltWinters } from "../../dist/anomaly/holt-winters.js";
import { SeededRandom } from "../../dist/core/random.js";

/** Weeks (or days) that a phase of the season is compared with. */
const PHASES = 12;
/** Fewer make no median and no spread. */
const PHASES_MIN = 4;
const Z_WINDOWS = 60;
/** Fewer values than that say nothing of a spread. */
const LEAST_VALUES = 8;
/** As river and the literature set it by hand: a slow level, a slow season, no trend. */
const SMOOTHING = { alpha: 0.15, beta: 0, gamma: 0.1 };
const SCALE_RATE = 1 / 60;
/** Redyuk et al. 2021, "Automating data quality validation for dynamic data ingestion": mean distance to the five nearest. */
const NEIGHBOURS = 5;
/** Past windows that are searched: all of days, the newest of hours. */
const NEIGHBOUR_WINDOWS = 1000;
/** Liu, Ting & Zhou 2008: 100 trees of 256 windows. */
const TREES = 100;
const TREE_WINDOWS = 256;
const FOREST_SEED = 20_081;
/** Least value that something is relative to. */
const RELATIVE_MIN = 1e-3;

export function createBaselines({ season }) {
  return [
    new RelativeChange(),
    new SamePhase(season),
    new RollingZ(),
    new HoltWintersMaximum(season),
    new NearestNeighbours(),
    new Forest(season),
  ];
}

class RelativeChange {
  name = "relative change";
  #last;

  scoreOne(_index, { values }) {
    const last = this.#last;
    if (last === undefined) return 0;
    return largest(values, (value, column) =>
      column < last.length
        ? Math.abs(value - last[column]) / Math.max(RELATIVE_MIN, Math.abs(last[column]))
        : Number.NaN,
    );
  }

  learnOne(_index, { values }) {
    this.#last = values;
  }
}

class SamePhase {
  name = "same weekday median/MAD";
  #season;
  #byPhase = new Map();

  constructor(season) {
    this.#season = season;
  }

  scoreOne(index, { values, floors }) {
    const past = this.#byPhase.get(index % this.#season) ?? [];
    return largest(values, (value, column) => {
      const sorted = valuesAt(past, column).sort();
      if (sorted.length < PHASES_MIN) return Number.NaN;
      const median = middleOf(sorted);
      const deviations = sorted.map((one) => Math.abs(one - median)).sort();
      return Math.abs(value - median) / Math.max(1.4826 * middleOf(deviations), floors[column]);
    });
  }

  learnOne(index, { values }) {
    const phase = index % this.#season;
    this.#byPhase.set(phase, [...(this.#byPhase.get(phase) ?? []), values].slice(-PHASES));
  }
}

class RollingZ {
  name = "z over 60 windows";
  #past = [];

  scoreOne(_index, { values, floors }) {
    return largest(values, (value, column) => {
      let [count, sum, squares] = [0, 0, 0];
      // Around the value itself, so that the squares keep their digits.
      for (const past of this.#past) {
        const from = column < past.length ? past[column] - value : Number.NaN;
        if (Number.isNaN(from)) continue;
        count++;
        sum += from;
        squares += from * from;
      }
      if (count < LEAST_VALUES) return Number.NaN;
      const mean = sum / count;
      return Math.abs(mean) / Math.max(Math.sqrt(Math.max(0, squares / count - mean * mean)), floors[column]);
    });
  }

  learnOne(_index, { values }) {
    this.#past.push(values);
    if (this.#past.length > Z_WINDOWS) this.#past.shift();
  }
}

class HoltWintersMaximum {
  name = "Holt-Winters per metric";
  #season;
  #series = [];

  constructor(season) {
    this.#season = season;
  }

  scoreOne(index, { values, floors }) {
    return largest(values, (value, column) => {
      const { model, innovations, meanSquare } = this.#series[column] ?? {};
      if (model === undefined || innovations < LEAST_VALUES) return Number.NaN;
      return Math.abs(value - model.forecast(index)) / Math.max(Math.sqrt(meanSquare), floors[column]);
    });
  }

  learnOne(index, { values }) {
    for (let column = 0; column < values.length; column++) {
      const value = values[column];
      if (Number.isNaN(value)) continue;
      this.#series[column] ??= { first: [], model: undefined, innovations: 0, meanSquare: 0 };
      const series = this.#series[column];
      if (series.model === undefined) {
        series.first.push([index, value]);
        if (series.first.length === 2 * this.#season) series.model = startedModel(series.first, this.#season);
        continue;
      }
      const innovation = value - series.model.forecast(index);
      series.innovations++;
      series.meanSquare += Math.max(SCALE_RATE, 1 / series.innovations) * (innovation ** 2 - series.meanSquare);
      series.model.update(index, value);
    }
  }
}

function startedModel(first, season) {
  const level = first.reduce((sum, [, value]) => sum + value, 0) / first.length;
  const seasonal = Array.from({ length: season }, (_, phase) => {
    const own = first.filter(([index]) => index % season === phase);
    return own.length === 0 ? 0 : own.reduce((sum, [, value]) => sum + value - level, 0) / own.length;
  });
  return new HoltWinters(SMOOTHING, { level, trend: 0, seasonal, index: first.at(-1)[0] });
}

/** Of vectors standardised by all of the past; what is absent counts as the mean. */
class NearestNeighbours {
  name = "k nearest neighbours";
  #past = [];
  #counts = [];
  #means = [];
  #squares = [];

  scoreOne(_index, { values, floors }) {
    if (this.#past.length < NEIGHBOURS) return 0;
    const width = values.length;
    const weights = new Float64Array(width);
    for (let column = 0; column < width; column++) {
      const count = this.#counts[column] ?? 0;
      if (Number.isNaN(values[column]) || count < LEAST_VALUES) continue;
      weights[column] = 1 / Math.max(Math.sqrt(this.#squares[column] / count), floors[column]);
    }
    const nearest = new Float64Array(NEIGHBOURS).fill(Number.POSITIVE_INFINITY);
    for (const past of this.#past) {
      let distance = 0;
      for (let column = 0; column < Math.min(width, past.length); column++) {
        const difference = (values[column] - past[column]) * weights[column];
        if (!Number.isNaN(difference)) distance += difference * difference;
      }
      if (!(distance < nearest[NEIGHBOURS - 1])) continue;
      nearest[NEIGHBOURS - 1] = distance;
      nearest.sort();
    }
    return nearest.reduce((sum, squared) => sum + Math.sqrt(squared), 0) / NEIGHBOURS;
  }

  learnOne(_index, { values }) {
    this.#past.push(values);
    if (this.#past.length > NEIGHBOUR_WINDOWS) this.#past.shift();
    for (let column = 0; column < values.length; column++) {
      const value = values[column];
      if (Number.isNaN(value)) continue;
      const count = (this.#counts[column] ?? 0) + 1;
      const mean = this.#means[column] ?? 0;
      this.#counts[column] = count;
      this.#means[column] = mean + (value - mean) / count;
      this.#squares[column] = (this.#squares[column] ?? 0) + (value - mean) * (value - this.#means[column]);
    }
  }
}

/** `ml-isolation-forest` (MIT, of the makers of ml-pca), the better kept of two; grown anew once in a week of days or of hours. */
class Forest {
  name = "isolation forest";
  #refitEvery;
  #random = new SeededRandom(FOREST_SEED);
  #past = [];
  #since = 0;
  #fit;

  constructor(season) {
    this.#refitEvery = season === 7 ? 7 : 7 * season;
  }

  scoreOne(_index, { values }) {
    if (this.#past.length < LEAST_VALUES) return 0;
    this.#fit ??= this.#grow();
    const { forest, columns, means } = this.#fit;
    const [score] = forest.predict([rowOf(values, columns, means)]);
    return score;
  }

  learnOne(_index, { values }) {
    this.#past.push(values);
    this.#since++;
    if (this.#since < this.#refitEvery) return;
    this.#since = 0;
    this.#fit = undefined;
  }

  #grow() {
    const sample = [...this.#past];
    while (sample.length > TREE_WINDOWS) sample.splice(this.#random.below(sample.length), 1);
    const width = Math.max(...sample.map(({ length }) => length));
    const columns = [];
    const means = [];
    for (let column = 0; column < width; column++) {
      const present = valuesAt(sample, column);
      const isConstant = present.every((value) => value === present[0]);
      // Of a column that never moved a tree can only waste a level.
      if (isConstant) continue;
      columns.push(column);
      means.push(present.reduce((sum, value) => sum + value, 0) / present.length);
    }
    const forest = new IsolationForest({ nEstimators: TREES });
    withSeed(this.#random, () => forest.train(sample.map((values) => rowOf(values, columns, means))));
    return { forest, columns, means };
  }
}

function rowOf(values, columns, means) {
  return columns.map((column, i) =>
    column < values.length && !Number.isNaN(values[column]) ? values[column] : means[i],
  );
}

/** The library takes its chance from `Math.random`, which no seed repeats. */
function withSeed(random, run) {
  const { random: unseeded } = Math;
  Math.random = () => random.next();
  try {
    run();
  } finally {
    Math.random = unseeded;
  }
}

/** Values that are there. */
function valuesAt(vectors, column) {
  const present = new Float64Array(vectors.length);
  let count = 0;
  for (const values of vectors) {
    const value = column < values.length ? values[column] : Number.NaN;
    if (!Number.isNaN(value)) present[count++] = value;
  }
  return present.subarray(0, count);
}

function middleOf(sorted) {
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** The largest figure over the columns that have one. */
function largest(values, figureOf) {
  let most = 0;
  for (let column = 0; column < values.length; column++) {
    if (Number.isNaN(values[column])) continue;
    const figure = figureOf(values[column], column);
    if (figure > most) most = figure;
  }
  return most;
}
