import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HoltWinters, type SmoothingConstants } from "../../src/anomaly/holt-winters.ts";

/** Air passengers of Australia 1990–2004 (R package fpp, `window(ausair, start = 1990, end = 2004)`). */
const AIR = [
  17.5534, 21.8601, 23.8866, 26.9293, 26.8885, 28.8314, 30.0751, 30.9535, 30.1857, 31.5797, 32.577569, 33.477398,
  39.021581, 41.386432, 41.596552,
];

/** Quarterly visitor nights of Australia 2005–2010 (R package fpp, `window(austourists, start = 2005)`). */
const TOURISTS = [
  41.727458, 24.04185, 32.328103, 37.328708, 46.213153, 29.346326, 36.48291, 42.977719, 48.901525, 31.180221, 37.717881,
  40.420211, 51.206863, 31.887228, 40.978263, 43.772491, 55.558567, 33.850915, 42.076383, 45.642292, 59.76678,
  35.191877, 44.319737, 47.913736,
];
const TOURISTS_CONSTANTS: SmoothingConstants = { alpha: 0.441, beta: 0.03, gamma: 0.002 };

/**
 * Visitor nights of Australia by quarter 1999–2015 (R package fpp2, `austourists`) and what R's `forecast::hw(austourists, seasonal =
 * "additive", initial = "simple", alpha = 0.441, beta = 0.030, gamma = 0.002)` makes of them, step by step: ExpediaGroup/adaptive-alerting
 * (Apache-2.0), commit a574cc3, anomdetect/src/test/resources/tests/austourists-tests-holtwinters-additive.csv. The constants are those of the
 * book's §7.3 in an earlier printing. `season` is the index that the quarter has brought up to date.
 */
const TRACE = readFileSync(new URL("fixtures/austourists-additive.csv", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .slice(1)
  .map(
    (line) =>
      line.split(",").map(Number) as [y: number, forecast: number, level: number, slope: number, season: number],
  );
const TRACE_START = {
  level: 25.5275345,
  trend: 1.06587325,
  seasonal: [4.5249785, -6.3790385, -0.209842500000001, 2.0639025],
  index: -1,
};

const UNIT = fc.double({ min: 0, max: 1, noNaN: true });

/** Written again from the formulas of the book, with whole arrays instead of a running state. */
function oracle(
  y: readonly number[],
  { alpha, beta, gamma }: SmoothingConstants,
  level0: number,
  trend0: number,
  seasonal0: readonly number[],
): number[] {
  const m = seasonal0.length;
  const level = [level0];
  const trend = [trend0];
  const seasonal = [...seasonal0];
  const forecasts: number[] = [];
  for (let t = 1; t <= y.length; t++) {
    const value = y[t - 1]!;
    const past = seasonal[t - 1]!;
    forecasts.push(level[t - 1]! + trend[t - 1]! + past);
    level[t] = alpha * (value - past) + (1 - alpha) * (level[t - 1]! + trend[t - 1]!);
    trend[t] = beta * (level[t]! - level[t - 1]!) + (1 - beta) * trend[t - 1]!;
    seasonal[t - 1 + m] = gamma * (value - level[t - 1]! - trend[t - 1]!) + (1 - gamma) * past;
  }
  return forecasts;
}

function forecastsOf(model: HoltWinters, y: readonly number[], from = 0): number[] {
  return y.map((value, i) => {
    const forecast = model.forecast(from + i);
    model.update(from + i, value);
    return forecast;
  });
}

describe("HoltWinters", () => {
  test("forecast() gives the published trace of Holt's linear method on ausair (alpha 0.8, beta 0.2)", () => {
    // Forecasts and slopes as in statsmodels 0.9, test_holtwinters.py, TestHoltWinters.test_holt (from the book's §7.2).
    const forecasts = [
      21.8601, 22.032368, 25.48461872, 27.54058587, 30.28813356, 30.26106173, 31.58122149, 32.599234, 33.24223906,
      32.26755382, 33.07776017, 33.95806605, 34.77708384, 40.05535303, 43.21586036,
    ];
    const slopes = [
      3.617628, 3.59006512, 3.33438212, 3.23657639, 2.69263502, 2.46388914, 2.2229097, 1.95959226, 1.47054601,
      1.3604894, 1.28045881, 1.20355193, 1.88267152, 2.09564416, 1.83655482,
    ];
    const model = new HoltWinters(
      { alpha: 0.8, beta: 0.2, gamma: 0 },
      { level: AIR[0]!, trend: AIR[1]! - AIR[0]!, seasonal: [0], index: -1 },
    );
    AIR.forEach((value, t) => {
      expect(model.forecast(t)).toBeCloseTo(forecasts[t]!, 4);
      model.update(t, value);
      expect(model.trend).toBeCloseTo(slopes[t]!, 4);
    });
    expect(model.forecast(15)).toBeCloseTo(43.76, 2);
  });

  test("gives R's published trace of austourists, additive: level, slope, season and forecast of every quarter", () => {
    expect(TRACE).toHaveLength(68);
    const model = new HoltWinters(TOURISTS_CONSTANTS, TRACE_START);
    // Planted defect: with the season's index of the wrong quarter the second year is far off.
    const slipped = new HoltWinters(TOURISTS_CONSTANTS, { ...TRACE_START, index: 0 });
    TRACE.forEach(([y, forecast, level, slope, season], t) => {
      expect(model.forecast(t)).toBeCloseTo(forecast, 9);
      model.update(t, y);
      expect(model.level).toBeCloseTo(level, 9);
      expect(model.trend).toBeCloseTo(slope, 9);
      expect(model.seasonal(t)).toBeCloseTo(season, 9);
      slipped.update(t + 1, y);
    });
    expect(Math.abs(slipped.level - model.level)).toBeGreaterThan(1);
  });

  test("expects a series that never moved to the last bit", () => {
    fc.assert(
      fc.property(
        fc.record({ alpha: UNIT, beta: UNIT, gamma: UNIT }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        (constants, value) => {
          const model = new HoltWinters(constants, { level: value, trend: 0, seasonal: [0, 0, 0], index: 0 });
          for (let t = 1; t < 30; t++) {
            expect(model.forecast(t)).toBe(value + 0);
            model.update(t, value);
          }
        },
      ),
      { seed: 12, numRuns: 100 },
    );
  });

  test("forecast() equals the array form of the book on austourists, additive season", () => {
    const start = [9.7, -9.31, -1.69, 1.31];
    const model = new HoltWinters(TOURISTS_CONSTANTS, { level: 32.26, trend: 0.7, seasonal: start, index: -1 });
    const expected = oracle(TOURISTS, TOURISTS_CONSTANTS, 32.26, 0.7, start);
    forecastsOf(model, TOURISTS).forEach((forecast, t) => {
      expect(forecast).toBeCloseTo(expected[t]!, 10);
    });
    // Planted defect: a season that slips by one phase is far off.
    const slipped = new HoltWinters(TOURISTS_CONSTANTS, { level: 32.26, trend: 0.7, seasonal: start, index: 0 });
    expect(Math.abs(forecastsOf(slipped, TOURISTS, 1)[8]! - expected[8]!)).toBeGreaterThan(5);
  });

  test("forecast() equals the array form for any series and constants", () => {
    const value = fc.double({ min: -1e3, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({ alpha: UNIT, beta: UNIT, gamma: UNIT }),
        fc.array(value, { minLength: 1, maxLength: 40 }),
        fc.array(value, { minLength: 1, maxLength: 8 }),
        (constants, y, seasonal) => {
          const model = new HoltWinters(constants, { level: 1, trend: 0.1, seasonal, index: -1 });
          const expected = oracle(y, constants, 1, 0.1, seasonal);
          forecastsOf(model, y).forEach((forecast, t) => {
            expect(Math.abs(forecast - expected[t]!)).toBeLessThan(1e-6 * (1 + Math.abs(expected[t]!)));
          });
        },
      ),
      { seed: 11, numRuns: 200 },
    );
  });

  test("forecast() keeps the phase of the season over missing windows", () => {
    const seasonal = [0, 10, 20, -30];
    const model = new HoltWinters(TOURISTS_CONSTANTS, { level: 100, trend: 0, seasonal, index: -1 });
    for (let t = 0; t < 40; t++) if (t % 3 !== 1 && t < 30) model.update(t, 100 + seasonal[t % 4]!);
    for (let t = 40; t < 48; t++) expect(model.forecast(t)).toBeCloseTo(100 + seasonal[t % 4]!, 6);
  });

  test("update() over a gap learns the slope per window", () => {
    const model = new HoltWinters({ alpha: 1, beta: 1, gamma: 0 }, { level: 0, trend: 0, seasonal: [0, 0], index: 0 });
    model.update(2, 6);
    expect(model.trend).toBe(3);
    expect(model.forecast(3)).toBe(9);
    expect(model.forecast(1_000)).toBe(12); // The horizon of the trend is held to one season.
  });

  test("constructor() refuses a season without phases", () => {
    expect(() => new HoltWinters(TOURISTS_CONSTANTS, { level: 0, trend: 0, seasonal: [], index: 0 })).toThrow(
      "the season has no phase",
    );
  });
});
