/** Hours whose weekends are unlike their weekdays, over seeds: what the second season is for. */
import { expect, test } from "vitest";
import { createDetector, type DetectorOptions, detectorProgress, restoreDetector } from "../../src/anomaly/detector.ts";
import type { DetectorScore } from "../../src/core/detector.ts";
import { businessHour, WEEK } from "./business-stream.ts";

const WEEKS = 12;
/** The first two weekends are news to everybody. */
const KNOWN = 2 * WEEK;
/** One in a week is tolerated. */
const RATE = 1 / WEEK;
const SEEDS = [1, 2, 3, 4, 5, 6];
const HOUR_MS = 3_600_000;

/** Without the size of its windows the detector knows of no week. */
const WITH: DetectorOptions = { season: 24, warmup: "auto", windowMs: HOUR_MS, falseAlarms: RATE };
const WITHOUT: DetectorOptions = { season: 24, warmup: "auto", falseAlarms: RATE };

interface Course {
  /** Hours that alarmed. */
  readonly alarms: readonly number[];
  /** Of the Monday after, at 10:00: with 40 % of the orders, and with all of them. */
  readonly drop: DetectorScore;
  readonly usual: DetectorScore;
  /** Metrics for which the week speaks. */
  readonly weekly: number | undefined;
}

const courses = new Map<string, Course>();

/** Goes on from a snapshot twice on the way. */
function course(seed: number, options: DetectorOptions): Course {
  const key = `${seed} ${options.windowMs}`;
  const known = courses.get(key);
  if (known !== undefined) return known;
  let detector = createDetector(options);
  const alarms: number[] = [];
  const monday = WEEKS * WEEK + 10;
  for (let hour = 0; hour < monday; hour++) {
    if (hour === 300 || hour === 1500) detector = restoreDetector(JSON.parse(JSON.stringify(detector.snapshot())));
    const input = businessHour(seed, hour);
    const score = detector.scoreOne(input);
    if (score.outcome === "fail") alarms.push(hour);
    detector.learnOne(input, score);
  }
  const found = {
    alarms,
    drop: detector.scoreOne(businessHour(seed, monday, 0.4)),
    usual: detector.scoreOne(businessHour(seed, monday)),
    weekly: detectorProgress(detector.snapshot()).secondSeason?.metrics,
  };
  courses.set(key, found);
  return found;
}

test("without the week the weekend is an alarm first, and then hides everything else", () => {
  let [weekends, found] = [0, 0];
  for (const seed of SEEDS) {
    const { alarms, drop } = course(seed, WITHOUT);
    if (alarms.some((hour) => hour % WEEK >= 5 * 24)) weekends++;
    if (drop.outcome === "fail") found++;
  }
  expect(weekends).toBe(SEEDS.length);
  expect(found).toBeLessThanOrEqual(1);
});

test("with it, once two weekends have gone by, alarms keep to the budget", () => {
  const late = SEEDS.map((seed) => course(seed, WITH).alarms.filter((hour) => hour >= KNOWN).length);
  const tolerated = SEEDS.length * (WEEKS - 2);
  const sum = late.reduce((a, b) => a + b, 0);
  expect(sum, late.join(", ")).toBeLessThanOrEqual(tolerated + 2 * Math.sqrt(tolerated));
});

test.each(SEEDS)("with it orders that fall by 60 %% on a Monday at 10:00 are found, and named (seed %i)", (seed) => {
  const { drop, usual, weekly } = course(seed, WITH);
  expect(drop.outcome, `score ${drop.score}`).toBe("fail");
  expect(drop.causes[0]).toMatchObject({ metric: "row_count()", fields: [] });
  expect(usual.outcome).toBe("pass");
  // The orders, and on nights the share of those without a reference.
  expect(weekly).toBeGreaterThanOrEqual(1);
  const [low, , high] = usual.expected.get("row_count()")!;
  const observed = businessHour(seed, WEEKS * WEEK + 10).metrics[0]!.value as number;
  expect(observed).toBeGreaterThan(low);
  expect(observed).toBeLessThan(high);
});
