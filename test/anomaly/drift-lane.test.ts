import { expect, test } from "vitest";
import { createDetector, restoreDetector } from "../../src/anomaly/detector.ts";
import type { Detector } from "../../src/core/detector.ts";
import { cleanWindow, withValues } from "./stream.ts";

function trained(windows: number): Detector {
  const detector = createDetector({ season: 7, warmup: "auto" });
  for (let index = 0; index < windows; index++) {
    const input = cleanWindow(index);
    detector.learnOne(input, detector.scoreOne(input));
  }
  return detector;
}

/** The mean of `f2` has a spread of 1 beside its season. */
function shifted(index: number, by: number) {
  const input = cleanWindow(index);
  const value = input.metrics.find(({ id }) => id === "mean(f2)")!.value as number;
  return withValues(input, { "mean(f2)": value + by });
}

function laneScore(detector: Detector, index: number, by: number): number {
  return detector.scoreOne(shifted(index, by)).lanes.find(({ lane }) => lane === "drift")!.score!;
}

test("the drift lane adds up what is a little off for long, and then blames its field", () => {
  const detector = trained(120);
  const scores: number[] = [];
  for (let index = 120; index < 127; index++) {
    scores.push(laneScore(detector, index, 2.2));
    const input = shifted(index, 2.2);
    detector.learnOne(input, detector.scoreOne(input));
  }
  expect(Math.max(...scores.slice(3))).toBeGreaterThan(1.4 * scores[0]!);
  const { lanes } = detector.scoreOne(shifted(127, 2.2));
  expect(lanes.find(({ lane }) => lane === "drift")!.causes[0]!.fields).toEqual(["f2"]);
});

test("one window, however far off, is no drift", () => {
  const detector = trained(120);
  expect(laneScore(detector, 120, 1e6)).toBeLessThan(1);
  expect(laneScore(detector, 120, 1e6)).toBe(laneScore(detector, 120, 1e3));
});

test("a restored lane goes on identically", () => {
  const detector = trained(100);
  const restored = restoreDetector(JSON.parse(JSON.stringify(detector.snapshot())));
  for (let index = 100; index < 110; index++) {
    expect(laneScore(restored, index, 1.5)).toBe(laneScore(detector, index, 1.5));
    for (const one of [detector, restored]) {
      const input = shifted(index, 1.5);
      one.learnOne(input, one.scoreOne(input));
    }
  }
});
