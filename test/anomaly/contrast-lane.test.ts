import { expect, test } from "vitest";
import { scoreContrastLane } from "../../src/anomaly/contrast-lane.ts";
import { createDetector } from "../../src/anomaly/detector.ts";
import type { Observation } from "../../src/anomaly/metric-table.ts";
import type { Detector } from "../../src/core/detector.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { cleanWindow, metric, withValues } from "./stream.ts";

function observed(id: string, fields: readonly string[]): Observation {
  return {
    slot: 0,
    metric: metric(id, "value", 0, fields),
    value: 0,
    expected: 0,
    innovation: 0,
    floor: 0,
    factor: 1,
    windows: 100,
    scale: 1,
  };
}

/** `weights` by metric: `mean(f0)`, `mean(f0,f1)` for a pair, `row_count()`. */
function contrast(weights: Readonly<Record<string, number>>): number | undefined {
  const ids = Object.keys(weights);
  const fieldsOf = (id: string) =>
    id
      .slice(id.indexOf("(") + 1, -1)
      .split(",")
      .filter(Boolean);
  const blame = Float64Array.from(ids, (id) => weights[id]! ** 2);
  return scoreContrastLane(
    ids.map((id) => observed(id, fieldsOf(id))),
    { score: 1, blame },
  ).score;
}

test("scoreContrastLane() is the height of the field that is furthest out beyond the fourth", () => {
  expect(contrast({ "a(f0)": 9, "b(f0)": 8, "a(f1)": 5, "a(f2)": 4, "a(f3)": 3, "a(f4)": 1 })).toBeCloseTo(6, 12);
});

test("scoreContrastLane() counts several metrics of a field as one, and a pair for the higher of its fields", () => {
  const alone = contrast({ "a(f0)": 9, "a(f1)": 1, "a(f2)": 1, "a(f3)": 1 });
  expect(contrast({ "a(f0)": 9, "b(f0)": 9, "c(f0)": 9, "d(f0)": 9, "a(f1)": 1, "a(f2)": 1, "a(f3)": 1 })).toBe(alone);
  const pairs = { "gap(f0,f1)": 9, "gap(f0,f2)": 9, "gap(f3,f0)": 9 };
  expect(contrast({ "a(f0)": 9, "a(f1)": 1, "a(f2)": 1, "a(f3)": 1, ...pairs })).toBe(alone);
});

test("scoreContrastLane() of few fields is the height itself; of none there is no score", () => {
  expect(contrast({ "a(f0)": 9, "a(f1)": 8, "row_count()": 7 })).toBe(9);
  expect(contrast({})).toBeUndefined();
});

test("scoreContrastLane() is positive, grows with the field that is furthest out, and is indifferent to order", () => {
  const random = new SeededRandom(7);
  for (let round = 0; round < 300; round++) {
    const names = Array.from({ length: 1 + random.below(8) }, (_, i) => `a(f${i})`);
    const weights = Object.fromEntries(names.map((name) => [name, 0.05 + 10 * random.next()]));
    const score = contrast(weights)!;
    expect(score).toBeGreaterThan(0);
    expect(contrast(Object.fromEntries(Object.entries(weights).reverse()))).toBe(score);
    const highest = names.reduce((a, b) => (weights[b]! > weights[a]! ? b : a));
    expect(contrast({ ...weights, [highest]: weights[highest]! * 1.5 })).toBeGreaterThan(score);
  }
});

function trained(windows: number): Detector {
  const detector = createDetector({ season: 7, warmup: "auto" });
  for (let index = 0; index < windows; index++) {
    const input = cleanWindow(index, 8);
    detector.learnOne(input, detector.scoreOne(input));
  }
  return detector;
}

function moved(index: number, fields: readonly number[], by: number) {
  const input = cleanWindow(index, 8);
  const means = fields.map((field) => {
    const id = `mean(f${field})`;
    return [id, (input.metrics.find((one) => one.id === id)!.value as number) + by] as const;
  });
  return withValues(input, Object.fromEntries(means));
}

test("one field that is out stands out more than eight that are out as far, and eight far out are an alarm all the same", () => {
  const detector = trained(120);
  const laneOf = (fields: readonly number[], by: number) => {
    const { outcome, lanes } = detector.scoreOne(moved(120, fields, by));
    return { outcome, contrast: lanes.find(({ lane }) => lane === "contrast")!.score! };
  };
  const all = [0, 1, 2, 3, 4, 5, 6, 7];
  expect(laneOf([3], 6).contrast).toBeGreaterThan(2 * laneOf(all, 6).contrast);
  expect(laneOf([3], 15).outcome).toBe("fail");
  expect(laneOf(all, 40).outcome).toBe("fail");
});

test("the contrast lane names the field that stands out", () => {
  const { lanes } = trained(120).scoreOne(moved(120, [5], 12));
  expect(lanes.find(({ lane }) => lane === "contrast")!.causes[0]!.fields).toEqual(["f5"]);
});
