/** Windows that the calendar names: wider, never mute, and no news of what is normal. */
import { describe, expect, test } from "vitest";
import { createDetector, restoreDetector } from "../../src/anomaly/detector.ts";
import type { Detector, DetectorInput } from "../../src/core/detector.ts";
import { cleanWindow, withValues } from "./stream.ts";

const PAST = 100;

function step(detector: Detector, input: DetectorInput) {
  const score = detector.scoreOne(input);
  return { score, learned: detector.learnOne(input, score) };
}

function trained(): Detector {
  const detector = createDetector({ season: 7, warmup: "auto" });
  for (let index = 0; index < PAST; index++) step(detector, cleanWindow(index));
  return detector;
}

const unlike = (index: number, mean = 215) => withValues(cleanWindow(index), { "mean(f1)": mean });

describe("DetectorInput.widen", () => {
  const snapshot = trained().snapshot();
  const detector = () => restoreDetector(snapshot);

  test("divides the score, and widens every interval around the same middle", () => {
    const input = unlike(PAST);
    const plain = detector().scoreOne(input);
    const wide = detector().scoreOne({ ...input, widen: 3 });
    expect(wide.score).toBeCloseTo(plain.score! / 3, 12);
    expect(wide.pValue).toBeGreaterThan(plain.pValue!);
    for (const [at, lane] of wide.lanes.entries()) expect(lane.score).toBeCloseTo(plain.lanes[at]!.score! / 3, 12);
    const [low, mid, high] = plain.expected.get("mean(f1)")!;
    const [wideLow, wideMid, wideHigh] = wide.expected.get("mean(f1)")!;
    expect(wideMid).toBe(mid);
    expect(wideHigh - wideMid).toBeCloseTo(3 * (high - mid), 9);
    expect(wideMid - wideLow).toBeCloseTo(3 * (mid - low), 9);
    expect(wide.causes[0]!.high! - wide.causes[0]!.expected!).toBeCloseTo(
      3 * (plain.causes[0]!.high! - plain.causes[0]!.expected!),
      9,
    );
  });

  test("a day that is a little unlike others passes, and a plain fault on it still alarms", () => {
    const score = detector().scoreOne(unlike(PAST)).score!;
    expect(score).toBeGreaterThan(1);
    expect(detector().scoreOne({ ...unlike(PAST), widen: score * 1.1 }).outcome).toBe("pass");
    const fault = detector().scoreOne({ ...unlike(PAST, 400), widen: 3 });
    expect(fault.outcome).toBe("fail");
    expect(fault.causes[0]!.fields).toEqual(["f1"]);
  });

  test("teaches the state no more than an alarm would, and the calibration nothing", () => {
    const calibration = (of: Detector) =>
      JSON.stringify((of.snapshot() as { core: { calibration: unknown } }).core.calibration);
    const [wide, usual] = [detector(), detector()];
    const before = calibration(wide);
    const input = unlike(PAST, 240);
    const { score } = step(wide, { ...input, widen: 100 });
    step(usual, cleanWindow(PAST));
    expect(score.outcome).toBe("pass");
    expect(calibration(wide)).toBe(before);
    expect(calibration(usual)).not.toBe(before);
    const expected = (of: Detector) => of.scoreOne(cleanWindow(PAST + 1)).expected.get("mean(f1)")!;
    expect(Math.abs(expected(wide)[1] - expected(usual)[1])).toBeLessThan(1.5);
    // Planted defect: learned as a usual day that passed, it would hide the next faults.
    const fooled = detector();
    fooled.learnOne(input, { ...score, outcome: "pass" });
    // Tails are read off once in seven windows.
    const width = (of: Detector) => {
      for (let index = PAST + 1; index <= PAST + 8; index++) step(of, cleanWindow(index));
      const [low, , high] = of.scoreOne(cleanWindow(PAST + 9)).expected.get("mean(f1)")!;
      return high - low;
    };
    expect(width(fooled)).toBeGreaterThan(1.2 * width(wide));
  });

  test("days in the calendar make no new level, however many there are", () => {
    const wide = detector();
    for (let at = 0; at < 14; at++) {
      const { learned } = step(wide, { ...unlike(PAST + at, 700), widen: 2 });
      expect(learned).toEqual({ newLevels: [], isSettling: false });
    }
    expect(wide.scoreOne(cleanWindow(PAST + 14)).expected.get("mean(f1)")![1]).toBeLessThan(230);
  });
});
