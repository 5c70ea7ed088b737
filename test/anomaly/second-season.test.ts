/** A season above the first: hours of a day in a week. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createDetector, detectorProgress, restoreDetector } from "../../src/anomaly/detector.ts";
import { HoltWinters } from "../../src/anomaly/holt-winters.ts";
import { phaseOfIndex, secondSeasonOf } from "../../src/anomaly/season.ts";
import { SeriesModel } from "../../src/anomaly/series-model.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { gaussian, metric } from "./stream.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WEEK = { name: "week", phases: 168, perSeason: 24 } as const;

function hours(t: number): number {
  return 3 * Math.sin((2 * Math.PI * (t % 24)) / 24);
}

/** Monday is 0. Two days of a week are four spreads lower. */
function weekend(t: number): number {
  return hours(t) + (Math.floor(t / 24) % 7 > 4 ? -4 : 0);
}

/** Root mean square of one-step errors after four weeks; the noise is 1. */
function errorOf(
  patternOf: (t: number) => number,
  second: typeof WEEK | undefined,
  phaseOf?: (t: number) => number,
): number {
  let [square, count] = [0, 0];
  for (let seed = 1; seed <= 3; seed++) {
    const random = new SeededRandom(seed);
    const model = new SeriesModel(24, 48, undefined, second);
    for (let t = 0; t < 10 * 7 * 24; t++) {
      const value = patternOf(t) + gaussian(random);
      if (t >= 4 * 7 * 24) {
        square += (value - model.forecast(t, phaseOf?.(t))!) ** 2;
        count++;
      }
      model.learn(t, value, 1e-9, false, { phase: phaseOf?.(t) });
    }
  }
  return Math.sqrt(square / count);
}

describe("secondSeasonOf()", () => {
  test("is a week above a season of a day, a day above one of an hour, and else none", () => {
    expect(secondSeasonOf(24, HOUR)).toEqual(WEEK);
    expect(secondSeasonOf(288, DAY / 288)).toEqual(WEEK);
    expect(secondSeasonOf(60, 60_000)).toEqual({ name: "day", phases: 24, perSeason: 1 });
    expect(secondSeasonOf(7, DAY)).toBeUndefined();
    expect(secondSeasonOf(1, DAY)).toBeUndefined();
    expect(secondSeasonOf(12, HOUR)).toBeUndefined();
    expect(secondSeasonOf(24, undefined)).toBeUndefined();
  });

  test("phaseOfIndex() has a phase for each hour, of whatever windows", () => {
    expect([0, 23, 24, 167, 168, -1].map((index) => phaseOfIndex(index, 24, WEEK))).toEqual([0, 23, 24, 167, 0, 167]);
    expect([0, 11, 12, 288, 2015, 2016].map((index) => phaseOfIndex(index, 288, WEEK))).toEqual([0, 0, 1, 24, 167, 0]);
    expect([0, 1, 83, 84].map((index) => phaseOfIndex(index, 12, WEEK))).toEqual([0, 2, 166, 0]);
    const day = { name: "day", phases: 24, perSeason: 1 } as const;
    expect([0, 59, 60, 1439, 1440].map((index) => phaseOfIndex(index, 60, day))).toEqual([0, 0, 1, 23, 0]);
  });
});

describe("HoltWinters with a second season", () => {
  test("is the additive form with two seasons, written out", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 1, maxLength: 60 }),
        (values) => {
          const constants = { alpha: 0.2, beta: 0.1, gamma: 0.3, delta: 0.4 };
          const start = { level: 1, trend: 0, seasonal: [1, -1], second: [0, 2, -2], index: -1 };
          const model = new HoltWinters(constants, start);
          let [level, trend] = [1, 0];
          const s = [1, -1];
          const r = [0, 2, -2];
          const visits = [0, 0, 0];
          for (const [t, y] of values.entries()) {
            const phase = Math.floor(t / 2) % 3;
            const base = level + trend;
            expect(model.forecast(t, phase)).toBeCloseTo(base + s[t % 2]! + r[phase]!, 9);
            model.update(t, y, phase);
            const [before, sBefore, rBefore] = [level, s[t % 2]!, r[phase]!];
            level = 0.2 * (y - sBefore - rBefore) + 0.8 * base;
            trend = 0.1 * (level - before) + 0.9 * trend;
            s[t % 2] = 0.3 * (y - base - rBefore) + 0.7 * sBefore;
            // The mean of the values so far, up to the second.
            visits[phase]!++;
            const delta = Math.max(0.4, 1 / visits[phase]!);
            r[phase] = delta * (y - base - sBefore) + (1 - delta) * rBefore;
          }
          const state = model.state();
          expect(state.level).toBeCloseTo(level, 9);
          for (const [phase, value] of r.entries()) expect(state.second![phase]).toBeCloseTo(value, 9);
        },
      ),
      { seed: 7, numRuns: 60 },
    );
  });
});

describe("SeriesModel with a second season", () => {
  test("knows the weekend, which it would otherwise find anew each time", () => {
    expect(errorOf(weekend, undefined)).toBeGreaterThan(1.3);
    // What an hour of the week is worth rests on as many values as there were weeks: on eight on average, √(1 + 1/8) = 1.06.
    expect(errorOf(weekend, WEEK)).toBeLessThan(1.14);
  });

  test("costs a series without a week next to nothing", () => {
    expect(errorOf(hours, WEEK) / errorOf(hours, undefined)).toBeLessThan(1.01);
  });

  test("takes the phases that it is told, wherever in a day the series begins", () => {
    const late = (t: number) => weekend(t + 14);
    const phaseOf = (t: number) => (t + 14) % 168;
    expect(errorOf(late, WEEK, phaseOf)).toBeLessThan(1.14);
    // Planted defect: told that it is the same hour all the time, it has no week.
    expect(errorOf(late, WEEK, () => 5)).toBeGreaterThan(1.1 * errorOf(late, WEEK, phaseOf));
  });

  test("snapshot() restores a model with the same future, through JSON", () => {
    const random = new SeededRandom(5);
    const whole = new SeriesModel(24, 48, undefined, WEEK);
    let parts = new SeriesModel(24, 48, undefined, WEEK);
    for (let t = 0; t < 500; t++) {
      if (t % 90 === 7) parts = new SeriesModel(24, 48, JSON.parse(JSON.stringify(parts.snapshot())), WEEK);
      expect(parts.forecast(t)).toBe(whole.forecast(t));
      const value = weekend(t) + gaussian(random);
      expect(parts.learn(t, value, 0.1, t % 50 === 0)).toBe(whole.learn(t, value, 0.1, t % 50 === 0));
    }
    expect(JSON.stringify(parts.snapshot())).toBe(JSON.stringify(whole.snapshot()));
  });
});

describe("createDetector() of hours", () => {
  test("shows which metrics have a week, and goes on identically from a snapshot", () => {
    let detector = createDetector({ season: "auto", warmup: "auto", windowMs: HOUR });
    const other = createDetector({ season: "auto", warmup: "auto", windowMs: HOUR });
    const random = new SeededRandom(9);
    for (let index = 0; index < 5 * 7 * 24; index++) {
      const metrics = [
        metric("mean(week)", "value", 100 + weekend(index) + gaussian(random), ["week"]),
        metric("mean(day)", "value", 100 + hours(index) + gaussian(random), ["day"]),
      ];
      if (index === 600) detector = restoreDetector(JSON.parse(JSON.stringify(detector.snapshot())));
      const input = { index, secondPhase: index % 168, metrics };
      const score = detector.scoreOne(input);
      if (index > 590 && index < 640) expect(other.scoreOne(input)).toEqual(score);
      detector.learnOne(input, score);
      other.learnOne(input, score);
    }
    const { season, secondSeason } = detectorProgress(detector.snapshot());
    expect(season).toBe(24);
    expect(secondSeason).toMatchObject({ name: "week", phases: 168, firstWindows: 24 });
    expect([1, 2]).toContain(secondSeason!.metrics);
    expect(
      detectorProgress(createDetector({ season: 7, warmup: 37, windowMs: DAY }).snapshot()).secondSeason,
    ).toBeNull();
  });
});
