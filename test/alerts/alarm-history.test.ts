import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AlarmHistory, BUDGET_INTERVALS, type JudgedTick } from "../../src/alerts/alarm-history.ts";
import type { AlertRecord } from "../../src/core/verdict.ts";
import { DAY, HOUR } from "./ticks.ts";

const START = Date.UTC(2026, 0, 1);

function day(at: number, isJudged = true, ...alarming: readonly string[]): JudgedTick {
  const verdicts = ["all", "origin=EWR"].map((slice) => ({ slice, alarm: alarming.includes(slice), judged: isJudged }));
  return { startMs: START + at * DAY, endMs: START + (at + 1) * DAY, verdicts };
}

const JUDGED = day(0).verdicts;

describe("AlarmHistory.figures()", () => {
  test("count incidents, and what the judged time tolerates", () => {
    const history = new AlarmHistory(30 * DAY);
    expect(history.figures()).toMatchObject({ intervalMs: 30 * DAY, spent: 0, tolerated: 0, realised: undefined });
    for (let at = 0; at < 10; at++) history.update(day(at, false), undefined);
    expect(history.figures()).toMatchObject({ tolerated: 0, realised: undefined });
    for (let at = 10; at < 70; at++) {
      const open = at >= 20 && at < 23 ? "a" : at === 50 ? "b" : at === 60 ? "c" : undefined;
      history.update(day(at), open);
    }
    expect(history.figures()).toMatchObject({ spent: 3, tolerated: 2, realised: 1.5 });
  });

  test("look back over 30 intervals", () => {
    const history = new AlarmHistory(DAY);
    for (let at = 0; at < 100; at++) history.update(day(at), at % 10 === 0 ? `incident ${at}` : undefined);
    expect(history.figures()).toMatchObject({ spent: 3, tolerated: BUDGET_INTERVALS, realised: 0.1 });
  });

  test("take a pause for no judged time, and windows that lie over each other for one", () => {
    const history = new AlarmHistory(DAY);
    history.update(day(0), undefined);
    for (let hour = 0; hour < 24; hour++) {
      const startMs = START + hour * HOUR;
      history.update({ startMs, endMs: startMs + HOUR, verdicts: JUDGED }, undefined);
    }
    history.update(day(5), undefined);
    expect(history.figures().tolerated).toBe(2);
    // Told again with late events.
    history.update(day(0), undefined);
    expect(history.figures().tolerated).toBe(2);
    history.update({ startMs: START - 9 * DAY, endMs: START + 9 * DAY, verdicts: JUDGED }, undefined);
    expect(history.figures().tolerated).toBe(18);
  });

  test("are those of every hour counted by itself, also through snapshot() and another budget", () => {
    const ticks = fc.array(
      fc.record({ at: fc.nat(60), size: fc.constantFrom(1, 6, 24), isJudged: fc.boolean(), opens: fc.boolean() }),
      { minLength: 1, maxLength: 60 },
    );
    let pauses = 0;
    fc.assert(
      fc.property(ticks, fc.integer({ min: 1, max: 5 }), fc.nat(60), (steps, intervalHours, cut) => {
        const intervalMs = intervalHours * HOUR;
        let history = new AlarmHistory(intervalMs);
        const judged = new Set<number>();
        const opened: number[] = [];
        let newest = 0;
        for (const [step, { at, size, isJudged, opens }] of steps.entries()) {
          if (step === cut) {
            const snapshot = JSON.parse(JSON.stringify(history.snapshot()));
            expect(AlarmHistory.read(snapshot).figures()).toEqual(history.figures());
            history = new AlarmHistory(intervalMs);
            history.restore(snapshot);
          }
          // As time goes: no window is older than three days.
          const from = Math.max(at, newest - 72);
          const hour = Math.floor((from + step) / size) * size;
          const isTold = isJudged || opens;
          history.update(
            { startMs: hour * HOUR, endMs: (hour + size) * HOUR, verdicts: isTold ? JUDGED : [] },
            opens ? `${step}` : undefined,
          );
          if (isTold) {
            for (let one = hour; one < hour + size; one++) judged.add(one);
            newest = Math.max(newest, hour + size);
          }
          if (opens) opened.push(hour);
        }
        const since = newest - BUDGET_INTERVALS * intervalHours;
        const within = [...judged].filter((hour) => hour >= since).length;
        if (within < newest - Math.max(0, since)) pauses++;
        const figures = history.figures();
        expect(figures.tolerated).toBeCloseTo(within / intervalHours, 9);
        expect(figures.spent).toBe(opened.filter((hour) => hour >= since).length);
        if (within > 0) expect(figures.realised).toBeCloseTo(figures.spent / (within / intervalHours), 9);
      }),
      { seed: 62, numRuns: 300 },
    );
    expect(pauses).toBeGreaterThan(50);
  });

  test("leave out a backtest and its time, and count an incident of it when people are told of it", () => {
    const history = new AlarmHistory(30 * DAY, 2 * DAY);
    const past = (at: number, open?: string) =>
      history.update({ ...day(at, true, ...(open === undefined ? [] : ["all"])), isBacktest: true }, open);
    for (let at = 0; at < 30; at++) past(at, at === 5 ? "a" : at === 29 ? "b" : undefined);
    expect(history.figures()).toMatchObject({ spent: 0, backtest: 2, tolerated: 0, realised: undefined });
    // Windows that can be revised no more are forgotten all the same.
    const windows = () =>
      (history.snapshot() as { incidents: { windows: string[] }[] }).incidents.map((one) => one.windows.length);
    expect(windows()).toEqual([0, 1]);
    // What is told with the mark changes nothing.
    const told = { incident: "b", severity: "P1", kind: "content" } as AlertRecord;
    history.update(day(30), "b", { ...told, backtest: true });
    expect(history.figures()).toMatchObject({ spent: 0, backtest: 2 });
    history.update(day(31, true, "all"), "b", told);
    for (let at = 32; at < 60; at++) history.update(day(at), undefined);
    expect(history.figures()).toMatchObject({ spent: 1, backtest: 1, tolerated: 1, realised: 1 });
    // A late revision of the past belongs to no incident of now.
    history.update(day(60, true, "all"), "c", { ...told, incident: "c" });
    history.update({ ...day(59, true, "all"), isBacktest: true }, "c");
    expect(windows().at(-1)).toBe(1);
    const restored = new AlarmHistory(30 * DAY, 2 * DAY);
    restored.restore(JSON.parse(JSON.stringify(history.snapshot())));
    expect(restored.figures()).toEqual(history.figures());
    expect(restored.snapshot()).toEqual(history.snapshot());
  });

  test("keep the newest 256 incidents and 64 pauses", () => {
    const history = new AlarmHistory(1000 * DAY);
    for (let at = 0; at < 600; at++) history.update(day(2 * at), `incident ${at}`);
    const { incidents, judged } = history.snapshot() as { incidents: { id: string }[]; judged: unknown[] };
    expect([incidents.length, incidents.at(-1)!.id, judged.length]).toEqual([256, "incident 599", 64]);
    expect(history.figures()).toMatchObject({ spent: 256, tolerated: 0.064 });
  });
});
