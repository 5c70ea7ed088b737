import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeriesModel } from "../../src/anomaly/series-model.ts";
import { SeededRandom } from "../../src/core/random.ts";

/** Sum of twelve uniforms less six: close to a standard normal. */
function gaussian(random: SeededRandom): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random.next();
  return sum;
}

function weekly(index: number): number {
  return 50 + [0, 3, 4, 5, 2, -6, -8][index % 7]!;
}

describe("SeriesModel", () => {
  test("forecast() learns a weekly season to within the noise", () => {
    const random = new SeededRandom(3);
    const model = new SeriesModel(7, 14);
    let square = 0;
    for (let t = 0; t < 140; t++) {
      const forecast = model.forecast(t);
      if (t >= 70) square += (forecast! - weekly(t)) ** 2;
      model.learn(t, weekly(t) + 0.5 * gaussian(random), 0.01, false);
    }
    expect(Math.sqrt(square / 70)).toBeLessThan(0.35);
    expect(model.scale).toBeGreaterThan(0.4);
    expect(model.scale).toBeLessThan(0.75);
  });

  test("forecast() is undefined until the model has its first values", () => {
    const model = new SeriesModel(7, 14);
    for (let t = 0; t < 13; t++) expect(model.learn(t, t, 1, false)).toBeUndefined();
    expect(model.forecast(13)).toBeUndefined();
    model.learn(13, 13, 1, false);
    expect(model.forecast(14)).toBeDefined();
  });

  test("learn() does not let one alarming window move the forecast or the scale far", () => {
    const models = [false, true].map((alarmed) => {
      const random = new SeededRandom(5);
      const model = new SeriesModel(7, 14);
      for (let t = 0; t < 60; t++) model.learn(t, weekly(t) + 0.5 * gaussian(random), 0.01, false);
      model.learn(60, 500, 0.01, alarmed);
      return model;
    });
    const [unprotected, protectedModel] = models as [SeriesModel, SeriesModel];
    expect(Math.abs(protectedModel.forecast(61)! - weekly(61))).toBeLessThan(1.5);
    expect(protectedModel.scale).toBeLessThan(1);
    // Planted defect: told that the window was fine, it learns a scale that would hide the next fault.
    expect(unprotected.scale).toBeGreaterThan(20);
  });

  test("learn() follows a change that lasts a season", () => {
    const model = new SeriesModel(7, 14);
    const random = new SeededRandom(9);
    for (let t = 0; t < 90; t++) model.learn(t, weekly(t) + 0.5 * gaussian(random), 0.01, false);
    for (let t = 90; t < 100; t++) model.learn(t, weekly(t) + 40, 0.01, true);
    expect(Math.abs(model.forecast(100)! - weekly(100) - 40)).toBeLessThan(3);
  });

  test("learn() of a constant 0 stays finite and expects 0", () => {
    const model = new SeriesModel(7, 14);
    for (let t = 0; t < 80; t++) model.learn(t, 0, 0, false);
    expect(model.forecast(80)).toBe(0);
    expect(model.scale).toBe(0);
    model.learn(80, 5, 0.005, true);
    expect(Number.isFinite(model.forecast(81))).toBe(true);
  });

  test("snapshot() restores a model with the same future, through JSON", () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.double({ min: -100, max: 100, noNaN: true })), { minLength: 20, maxLength: 80 }),
        fc.nat(79),
        (values, cut) => {
          const whole = new SeriesModel(4, 8);
          let parts = new SeriesModel(4, 8);
          values.forEach((value, t) => {
            if (t === cut) parts = new SeriesModel(4, 8, JSON.parse(JSON.stringify(parts.snapshot())));
            expect(parts.forecast(t)).toBe(whole.forecast(t));
            if (value === null) return;
            expect(parts.learn(t, value, 0.1, t % 9 === 0)).toBe(whole.learn(t, value, 0.1, t % 9 === 0));
          });
          expect(parts.scale).toBe(whole.scale);
        },
      ),
      { seed: 21, numRuns: 100 },
    );
  });
});
