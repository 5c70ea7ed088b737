import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Calibration } from "../../src/anomaly/calibration.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { gaussian } from "./stream.ts";

const ONE_LANE = [{ typical: 9, share: 1 }];
const TWO_LANES = [
  { typical: 2, share: 1 },
  { typical: 200, share: 0.2 },
];

type Draw = (random: SeededRandom) => number;
const DISTRIBUTIONS: Readonly<Record<string, Draw>> = {
  lognormal: (random) => Math.exp(1 + 0.5 * gaussian(random)),
  pareto: (random) => (1 - random.next()) ** -0.45,
  uniform: (random) => 1 + random.next(),
};

/** Alarms and windows from the 60th on, over streams without a fault. */
function realised(draw: Draw, { rate, streams, windows }: { rate: number; streams: number; windows: number }): number {
  let alarms = 0;
  for (let stream = 0; stream < streams; stream++) {
    const random = new SeededRandom(stream + 1);
    const calibration = new Calibration(ONE_LANE);
    for (let index = 0; index < windows; index++) {
      const scores = [draw(random)];
      const calibrated = calibration.at(rate);
      if (index >= 60 && calibrated.fuse(scores)!.score >= calibrated.threshold) alarms++;
      calibration.learn(index, scores, { rate, isJudged: index >= 30 });
    }
  }
  return alarms / (streams * (windows - 60));
}

describe("Calibration", () => {
  test.each(["lognormal", "pareto"])("%s scores exceed the threshold about as often as the budget says", (name) => {
    const rate = 1 / 30;
    const ratio = realised(DISTRIBUTIONS[name]!, { rate, streams: 60, windows: 360 }) / rate;
    expect(ratio).toBeGreaterThan(0.7);
    expect(ratio).toBeLessThan(1.3);
  });

  test.each(Object.keys(DISTRIBUTIONS))(
    "a rare budget is not exceeded by %s scores, however light their tail",
    (name) => {
      const rate = 1 / 120;
      expect(realised(DISTRIBUTIONS[name]!, { rate, streams: 60, windows: 360 }) / rate).toBeLessThan(1.4);
    },
  );

  test("plain faults in a tenth of the windows leave the threshold where it was", () => {
    const rate = 1 / 30;
    const thresholdWith = (faultEvery: number) => {
      const random = new SeededRandom(5);
      const calibration = new Calibration(ONE_LANE);
      for (let index = 0; index < 200; index++) {
        const score = DISTRIBUTIONS.lognormal!(random);
        const isFault = index > 30 && index % faultEvery === 0;
        calibration.learn(index, [isFault ? 400 + score : score], { rate, isJudged: index >= 30 });
      }
      const calibrated = calibration.at(rate);
      return calibrated.threshold * calibrated.units[0]!;
    };
    const clean = thresholdWith(Number.POSITIVE_INFINITY);
    expect(thresholdWith(10)).toBeGreaterThan(0.9 * clean);
    expect(thresholdWith(10)).toBeLessThan(1.1 * clean);
  });

  test("the fused score is that of the lane furthest beyond its own unit; without lanes there is none", () => {
    const calibration = new Calibration(TWO_LANES);
    const random = new SeededRandom(9);
    for (let index = 0; index < 100; index++) {
      const scores = [1 + random.next(), index < 50 ? undefined : 100 * (1 + random.next())];
      calibration.learn(index, scores, { rate: 0.03, isJudged: false });
    }
    const calibrated = calibration.at(0.03);
    expect(calibrated.fuse([4, 150])!.strongest).toBe(0);
    expect(calibrated.fuse([1.5, 900])!.strongest).toBe(1);
    expect(calibrated.fuse([undefined, 150])!.strongest).toBe(1);
    expect(calibrated.fuse([undefined, undefined])).toBeUndefined();
  });

  test("p-values lie in (0, 1] and never grow with the score; a rarer budget has no lower threshold", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { minLength: 0, maxLength: 200 }),
        fc.array(fc.double({ min: 1e-9, max: 1e9, noNaN: true }), { minLength: 2, maxLength: 20 }),
        (past, now) => {
          const calibration = new Calibration(ONE_LANE);
          for (const [index, score] of past.entries())
            calibration.learn(index, [score], { rate: 0.03, isJudged: false });
          const calibrated = calibration.at(0.03);
          let before = Number.POSITIVE_INFINITY;
          for (const score of [...now].sort((a, b) => a - b)) {
            const p = calibrated.pValue(score);
            expect(p).toBeGreaterThan(0);
            expect(p).toBeLessThanOrEqual(1);
            expect(p).toBeLessThanOrEqual(before);
            before = p;
          }
          const raw = (rate: number) => calibration.at(rate).units[0]!;
          expect(raw(0.001)).toBeGreaterThanOrEqual(raw(0.03) * (1 - 1e-9));
        },
      ),
    );
  });

  test("a score of 0 is that of a lane that could not judge", () => {
    const [zeros, none] = [0, undefined].map((score) => {
      const random = new SeededRandom(7);
      const calibration = new Calibration(TWO_LANES);
      for (let index = 0; index < 100; index++) {
        calibration.learn(index, [1 + random.next(), score], { rate: 0.03, isJudged: true });
      }
      return calibration;
    });
    const calibrated = zeros!.at(0.03);
    expect(calibrated.units.every(Number.isFinite) && Number.isFinite(calibrated.threshold)).toBe(true);
    expect(zeros!.snapshot()).toEqual(none!.snapshot());
    expect(calibrated.fuse([0, 0])).toBeUndefined();
  });

  test("a restored one goes on identically", () => {
    const random = new SeededRandom(3);
    const scores = () => [Math.fround(Math.exp(gaussian(random))), Math.fround(5 * Math.exp(gaussian(random)))];
    const calibration = new Calibration(TWO_LANES);
    for (let index = 0; index < 150; index++) calibration.learn(index, scores(), { rate: 0.03, isJudged: true });
    const restored = new Calibration(TWO_LANES, JSON.parse(JSON.stringify(calibration.snapshot())));
    for (let index = 150; index < 200; index++) {
      const now = scores();
      expect(restored.at(0.03).threshold).toBe(calibration.at(0.03).threshold);
      expect(restored.at(0.03).pValue(now[0]!)).toBe(calibration.at(0.03).pValue(now[0]!));
      for (const one of [calibration, restored]) one.learn(index, now, { rate: 0.03, isJudged: true });
    }
    expect(restored.snapshot()).toEqual(calibration.snapshot());
  });
});
