import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ManualClock, systemClock } from "../../src/core/clock.ts";

const SEED = 20_130_216;

describe("ManualClock", () => {
  test("fires timers in order of their due time, ties in order of creation, at their time", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), fc.array(fc.nat(10)), (delays, steps) => {
        const clock = new ManualClock(100);
        const fired: { timer: number; atMs: number }[] = [];
        for (const [timer, delayMs] of delays.entries()) {
          clock.after(delayMs, () => fired.push({ timer, atMs: clock.nowMs() }));
        }
        for (const stepMs of steps) clock.advance(stepMs);
        const endMs = steps.reduce((sum, stepMs) => sum + stepMs, 0);
        const expected = delays
          .map((delayMs, timer) => ({ timer, atMs: 100 + delayMs }))
          .filter(({ atMs }) => steps.length > 0 && atMs <= 100 + endMs)
          .sort((a, b) => a.atMs - b.atMs || a.timer - b.timer);
        expect(fired).toEqual(expected);
        expect(clock.nowMs()).toBe(100 + endMs);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("fires a timer once, and a cancelled one never, also when another timer cancels it", () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    clock.after(5, () => fired.push("once"));
    const cancelled = clock.after(5, () => fired.push("cancelled"));
    const later = clock.after(9, () => fired.push("later"));
    clock.after(7, () => later.cancel());
    cancelled.cancel();
    cancelled.cancel();
    clock.moveTo(50);
    clock.moveTo(100);
    expect(fired).toEqual(["once"]);
  });

  test("fires what a task starts, when it is due within the same move", () => {
    const clock = new ManualClock(1000);
    const atMs: number[] = [];
    const every10Ms = () => {
      atMs.push(clock.nowMs());
      clock.after(10, every10Ms);
    };
    clock.after(10, every10Ms);
    clock.advance(35);
    expect(atMs).toEqual([1010, 1020, 1030]);
    expect(clock.nowMs()).toBe(1035);
  });

  test("never goes back", () => {
    const clock = new ManualClock(1000);
    let firedAtMs = 0;
    clock.moveTo(500);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1000, 1000]);
    clock.after(-10, () => {
      firedAtMs = clock.nowMs();
    });
    clock.moveTo(1000);
    expect(firedAtMs).toBe(1000);
  });
});

describe("systemClock()", () => {
  test("runs a task once and not when it was cancelled", async () => {
    const clock = systemClock();
    let cancelledRan = false;
    clock
      .after(0, () => {
        cancelledRan = true;
      })
      .cancel();
    // Started later with a longer delay, so that it runs last.
    await new Promise<void>((resolve) => {
      clock.after(5, resolve);
    });
    expect(cancelledRan).toBe(false);
  });

  test("has a wall time, and a time for durations that never goes back", () => {
    const clock = systemClock();
    const before = clock.monotonicMs();
    expect(clock.nowMs()).toBeGreaterThan(Date.UTC(2024, 0, 1));
    for (let i = 0; i < 1000; i++) expect(clock.monotonicMs()).toBeGreaterThanOrEqual(before);
  });
});
