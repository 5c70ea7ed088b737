import { describe, expect, test } from "vitest";
import { LevelRun } from "../../src/anomaly/level-run.ts";

const ALARM = { isAlarming: true, isBlamed: true };
const QUIET = { isAlarming: false, isBlamed: false };

/** Takes in innovations, in spreads, one after the other; all of them in windows that alarm unless told otherwise. */
function runOf(season: number, innovations: readonly number[], suspicion = ALARM): LevelRun {
  const run = new LevelRun(season);
  for (const [index, innovation] of innovations.entries()) run.update(index, innovation, 1, suspicion);
  return run;
}

describe("LevelRun.update()", () => {
  test("holds a series from the alarm that names it until it is back, and is lasting after a season", () => {
    const run = runOf(7, [6, 5, 7, 6, 4, 6]);
    expect(run.isHeld).toBe(true);
    expect(run.isLasting).toBe(false);
    run.update(6, 8, 1, QUIET);
    expect(run.isLasting).toBe(true);
    expect(run.mean).toBeCloseTo(6, 12);
    expect(run.from).toBe(0);
  });

  test("ends with a window that is back, whichever side it lies on", () => {
    for (const back of [1.4, 0, -0.5, -9]) {
      const run = runOf(7, [6, 6, 6]);
      run.update(3, back, 1, QUIET);
      // Far out on the other side a run of another kind begins.
      expect(run.isHeld).toBe(false);
      expect(run.isBlamed).toBe(false);
    }
    const run = runOf(7, [6, 6, 6]);
    run.update(3, 1.6, 1, QUIET);
    expect(run.isHeld).toBe(true);
    // Of one that was hardly out a spread is near.
    const near = runOf(7, [2.4]);
    near.update(1, 0.9, 1, QUIET);
    expect(near.isHeld).toBe(false);
  });

  test("a long run is not ended by a single window that is back", () => {
    const run = runOf(
      24,
      Array.from({ length: 16 }, () => 6),
    );
    run.update(16, 0, 1, QUIET);
    run.update(17, 0, 1, QUIET);
    expect(run.isHeld).toBe(true);
    run.update(18, 6, 1, ALARM);
    expect(run.length).toBe(17);
    for (const index of [19, 20, 21]) run.update(index, 0, 1, QUIET);
    expect(run.isHeld).toBe(false);
  });

  test("waits for the whole of a season that an alarm has to last for, up to 288 windows", () => {
    for (const [season, windows] of [
      [1, 5],
      [7, 7],
      [24, 24],
      [288, 288],
      [1_000, 288],
    ] as const) {
      expect(runOf(season, new Array(windows - 1).fill(6)).isLasting).toBe(false);
      expect(runOf(season, new Array(windows).fill(6)).isLasting).toBe(true);
    }
  });

  test("below the alarms every window has to be far out, and fourteen are enough", () => {
    const run = runOf(24, new Array(14).fill(3.5), QUIET);
    expect(run.isHeld).toBe(false);
    expect(run.isLasting).toBe(true);
    expect(runOf(24, [...new Array(13).fill(3.5), 2.9, 3.5], QUIET).isLasting).toBe(false);
  });

  test("an alarm begins the run anew: before it the level was moving along", () => {
    const run = runOf(7, [4, 4, 4], QUIET);
    run.update(3, 5, 1, ALARM);
    expect(run.length).toBe(1);
    expect(run.from).toBe(3);
  });

  test("a series that the alarm does not name has to be further out", () => {
    expect(runOf(7, [2.5], ALARM).isHeld).toBe(true);
    expect(runOf(7, [2.5], { isAlarming: true, isBlamed: false }).isHeld).toBe(false);
    const company = runOf(7, [3.5], { isAlarming: true, isBlamed: false });
    expect(company.isHeld).toBe(true);
    expect(company.isBlamed).toBe(false);
  });

  test("again() measures what is back by the first season", () => {
    const run = runOf(7, new Array(7).fill(6));
    run.again();
    expect(run.isSecond).toBe(true);
    expect(run.isLasting).toBe(false);
    run.update(7, 1.4, 1, QUIET);
    expect(run.isHeld).toBe(false);
  });

  test("snapshot() is null without a run, and has the same future through JSON", () => {
    expect(new LevelRun(7).snapshot()).toBeNull();
    const run = runOf(7, [6, 5, 6]);
    const restored = new LevelRun(7, JSON.parse(JSON.stringify(run.snapshot())));
    for (const one of [run, restored]) for (let index = 3; index < 7; index++) one.update(index, 5, 1, ALARM);
    expect(restored.snapshot()).toEqual(run.snapshot());
    expect(restored.isLasting).toBe(true);
  });
});
