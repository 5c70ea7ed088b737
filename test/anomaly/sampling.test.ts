import { describe, expect, test } from "vitest";
import { createDetector, restoreDetector } from "../../src/anomaly/detector.ts";
import { DriftLane } from "../../src/anomaly/drift-lane.ts";
import { HoltWinters } from "../../src/anomaly/holt-winters.ts";
import type { Observation } from "../../src/anomaly/metric-table.ts";
import { rareRowsScore } from "../../src/anomaly/rare-rows.ts";
import { Sampling, samplingVariance } from "../../src/anomaly/sampling.ts";
import type { DetectorInput, DetectorScore } from "../../src/core/detector.ts";
import type { MetricValue } from "../../src/core/metric.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { gaussian, withValues } from "./stream.ts";

const HOUR = 3_600_000;

/** Knuth's way. */
function poisson(random: SeededRandom, mean: number): number {
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * gaussian(random)));
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random.next(); product > limit; product *= random.next()) count++;
  return count;
}

function binomial(random: SeededRandom, n: number, share: number): number {
  if (n > 200) {
    return Math.max(0, Math.min(n, Math.round(n * share + Math.sqrt(n * share * (1 - share)) * gaussian(random))));
  }
  let count = 0;
  for (let i = 0; i < n; i++) if (random.next() < share) count++;
  return count;
}

/** A window of so many rows of one distribution; `nulls`: chance that `fare` is null. */
function windowOf(random: SeededRandom, index: number, rows: number, nulls = 0.05): DetectorInput {
  const metrics: MetricValue[] = [{ id: "row_count()", kind: "count", fields: [], value: rows, n: rows, scored: true }];
  if (rows > 0) {
    const values = rows - binomial(random, rows, nulls);
    const share = (id: string, count: number, n: number) =>
      metrics.push({ id, kind: "share", fields: ["fare"], value: n > 0 ? count / n : undefined, n, scored: true });
    share("null_rate(fare)", rows - values, rows);
    share("zero_rate(fare)", binomial(random, values, 0.2), values);
    share("duplicate_share()", 0, rows);
    const mean = values > 0 ? 100 + (20 * gaussian(random)) / Math.sqrt(values) : undefined;
    metrics.push({ id: "mean(fare)", kind: "value", fields: ["fare"], value: mean, n: values, scored: true });
  }
  return { index, metrics };
}

describe("Sampling", () => {
  test("factor() is 1 where all windows have as many rows", () => {
    const sampling = new Sampling("value");
    for (let i = 0; i < 50; i++) sampling.learn(1 / 900, i % 2 === 0 ? 1 : -1, 1);
    expect(sampling.factor(1 / 900, 1)).toBeCloseTo(1, 12);
  });

  test("brings windows of 4 and of 400 rows to one scale, as far as rows are what makes the difference", () => {
    for (const [isSampled, few, many] of [
      [true, 0.08, 1.4],
      [false, 0.8, 1.1],
    ] as const) {
      const random = new SeededRandom(4);
      const sampling = new Sampling("value");
      let square = 1;
      for (let i = 0; i < 2_000; i++) {
        const n = i % 2 === 0 ? 4 : 400;
        const scale = Math.sqrt(square);
        const innovation = (isSampled ? 2 / Math.sqrt(n) : 0.5) * gaussian(random);
        const brought = sampling.factor(1 / n, scale) * innovation;
        sampling.learn(1 / n, brought, scale);
        square += (brought * brought - square) / Math.min(60, i + 1);
      }
      const scale = Math.sqrt(square);
      const ratio = sampling.factor(1 / 4, scale) / sampling.factor(1 / 400, scale);
      if (isSampled) expect(ratio).toBeLessThan(0.35);
      else expect(ratio).toBeGreaterThan(few);
      expect(ratio).toBeLessThan(many);
    }
  });

  test("samplingVariance() of a count is that of the logarithm of Poisson events, and stays finite without any", () => {
    expect(samplingVariance("count", 0, Math.log1p(900))).toBeCloseTo(900 / 901 ** 2, 12);
    expect(samplingVariance("count", 0, 0)).toBe(0.25);
    expect(samplingVariance("share", 50, 0)).toBe(0.02);
    expect(samplingVariance("value", 0, 0)).toBeUndefined();
  });

  test("a snapshot goes on identically", () => {
    const sampling = new Sampling("share");
    for (let i = 1; i < 60; i++) sampling.learn(1 / i, Math.sin(i), 0.7);
    const restored = new Sampling("share", JSON.parse(JSON.stringify(sampling.snapshot())));
    for (let i = 1; i < 60; i++) {
      expect(restored.factor(1 / i, 0.7)).toBe(sampling.factor(1 / i, 0.7));
      for (const one of [sampling, restored]) one.learn(1 / i, Math.cos(i), 0.7);
    }
  });
});

describe("createDetector() of windows of few rows", () => {
  /** Mean width of the expectation of each metric, in windows after the warm-up. */
  function widths(rows: number): Map<string, number> {
    const random = new SeededRandom(5);
    const detector = createDetector({ season: 1, warmup: "auto" });
    const sums = new Map<string, number>();
    for (let index = 0; index < 160; index++) {
      const input = windowOf(random, index, poisson(random, rows));
      const score = detector.scoreOne(input);
      if (index >= 100) {
        for (const [id, [low, , high]] of score.expected) {
          const middle = id === "row_count()" ? rows : 1;
          sums.set(id, (sums.get(id) ?? 0) + (high - low) / middle / 60);
        }
      }
      detector.learnOne(input, score);
    }
    return sums;
  }

  test.each([4, 25])("%i times the rows of the same distribution narrow what is believed by the root of it", (k) => {
    const few = widths(400);
    const many = widths(400 * k);
    for (const id of ["row_count()", "null_rate(fare)", "zero_rate(fare)", "mean(fare)"]) {
      const narrowed = few.get(id)! / many.get(id)! / Math.sqrt(k);
      expect(narrowed, id).toBeGreaterThan(0.7);
      expect(narrowed, id).toBeLessThan(1.4);
    }
  });

  test("takes in a full window for news what would be usual in a sparse one", () => {
    const random = new SeededRandom(6);
    const detector = createDetector({ season: 2, warmup: "auto", windowMs: HOUR });
    const rowsOf = (index: number) => (index % 2 === 0 ? 5 : 500);
    for (let index = 0; index < 600; index++) {
      const input = windowOf(random, index, rowsOf(index));
      detector.learnOne(input, detector.scoreOne(input));
    }
    const FAULT = { "null_rate(fare)": 0.4, "zero_rate(fare)": 0.2, "mean(fare)": 100 };
    const sparse = detector.scoreOne(withValues(windowOf(random, 600, 5), FAULT));
    const full = detector.scoreOne(withValues(windowOf(random, 601, 500), FAULT));
    expect(sparse.outcome, JSON.stringify(sparse.causes)).toBe("pass");
    expect(full.score!).toBeGreaterThan(2 * sparse.score!);
    expect(full.causes[0]!.metric).toBe("null_rate(fare)");
    const high = (score: DetectorScore) => score.expected.get("null_rate(fare)")![2];
    expect(high(full)).toBeLessThan(0.15);
    expect(high(sparse)).toBeGreaterThan(0.2);
  });

  test("a fault-free Poisson stream of 0 to 5 rows keeps within twice its budget", { timeout: 300_000 }, () => {
    const windows = 2_000;
    const budget = 1 / 200;
    let alarms = 0;
    let judged = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const random = new SeededRandom(seed);
      const detector = createDetector({ season: 4, warmup: "auto", falseAlarms: budget });
      for (let index = 0; index < windows; index++) {
        const input = windowOf(random, index, poisson(random, 1.5 + (index % 4) / 2));
        const score = detector.scoreOne(input);
        if (score.outcome !== "unknown") judged++;
        if (score.outcome === "fail") alarms++;
        detector.learnOne(input, score);
      }
    }
    expect(judged).toBeGreaterThan(20 * 1_900);
    expect(alarms).toBeLessThan(2 * budget * judged);
  });

  test("does not judge a phase of the season that it never saw, and knows it after the first time", () => {
    const random = new SeededRandom(8);
    const detector = createDetector({ season: 4, warmup: "auto", windowMs: HOUR });
    const level = (index: number) => [100, 200, 300, 9_000][index % 4]!;
    for (let index = 0; index < 400; index++) {
      // The fourth phase comes late.
      if (index % 4 === 3 && index < 300) continue;
      const value = level(index) + gaussian(random);
      const input: DetectorInput = {
        index,
        metrics: [{ id: "mean(fare)", kind: "value", fields: ["fare"], value, n: 50, scored: true }],
      };
      const score = detector.scoreOne(input);
      if (index === 303) expect(score.expected.has("mean(fare)")).toBe(false);
      if (index > 303) {
        const [low, , high] = score.expected.get("mean(fare)")!;
        expect(low).toBeLessThan(level(index) + 3);
        expect(high).toBeGreaterThan(level(index) - 3);
      }
      if (index > 100) expect(score.outcome, String(index)).not.toBe("fail");
      detector.learnOne(input, score);
    }
    const restored = restoreDetector(JSON.parse(JSON.stringify(detector.snapshot())));
    const input = windowOf(random, 403, 5);
    expect(restored.scoreOne(input)).toEqual(detector.scoreOne(input));
  });
});

test("HoltWinters takes over the first value of a phase that had none, then the mean of its values, and keeps the level", () => {
  const start = { level: 10, trend: 0, seasonal: [1, -1, 0], index: -1, few: { 2: 0 } };
  const model = new HoltWinters({ alpha: 0.5, beta: 0, gamma: 0.3 }, start);
  expect(model.isUnseen(2)).toBe(true);
  expect(model.isUnseen(0)).toBe(false);
  model.update(2, 50);
  expect(model.level).toBe(10);
  expect(model.forecast(5)).toBe(50);
  expect(model.isUnseen(5)).toBe(false);
  model.update(5, 54);
  expect(model.forecast(8)).toBe(52);
  const restored = new HoltWinters(model.constants, model.state());
  restored.update(8, 58);
  expect(restored.forecast(11)).toBeCloseTo(54, 12);
  // From here on by γ, with the level.
  restored.update(11, 64);
  expect(restored.level).toBeGreaterThan(10);
});

test("DriftLane: an innovation of a window of few rows moves the mean by as much as it says", () => {
  const observation = (factor: number): Observation => ({
    ...{ slot: 0, value: 0, expected: 0, innovation: 2, floor: 0, scale: 1, factor, windows: 9 },
    metric: { id: "m", kind: "value", fields: [], value: 0, n: 1, scored: true },
  });
  const meanAfter = (factor: number, times: number) => {
    const lane = new DriftLane();
    for (let i = 0; i < times; i++) lane.learn([observation(factor)], []);
    return lane.snapshot().means[0]!;
  };
  expect(meanAfter(1, 1)).toBeCloseTo(0.6, 12);
  expect(meanAfter(0.1, 1)).toBeLessThan(0.01);
  // Four windows of a quarter of the information are one.
  expect(meanAfter(0.5, 4)).toBeCloseTo(meanAfter(1, 1), 12);
});

test("rareRowsScore() grows with the rows that have what none had, and asks for a tenth of them", () => {
  const tail = { q90: 0, excess: 0 };
  const score = (rows: number, n: number, windows = 300, of = tail) =>
    rareRowsScore(
      {
        ...{ slot: 0, value: Math.asin(Math.sqrt(rows / n)), expected: 0, innovation: 1 },
        ...{ floor: 0.25 / Math.sqrt(n), scale: 1, factor: 1, windows },
        metric: { id: "null_rate(f)", kind: "share", fields: ["f"], value: rows / n, n, scored: true },
      },
      of,
    );
  expect(score(2, 50)).toBeUndefined();
  expect(score(10, 50)!).toBeGreaterThan(score(6, 50)! + 15);
  // The bound itself, in units of a tail that begins with a tenth of the windows.
  expect(score(10, 50)).toBeCloseTo(10 * Math.log(10 * 300) - 10 + 1 / 300 - Math.LN10, 9);
  expect(score(10, 50, 3_000)!).toBeGreaterThan(score(10, 50)!);
  // It moves by itself.
  expect(score(10, 50, 300, { q90: 0.2, excess: 0.1 })).toBeUndefined();
});
