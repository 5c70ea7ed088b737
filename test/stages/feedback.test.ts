/** A judge on the memory log that is told by people what its incidents were. */
import { describe, expect, test } from "vitest";
import type { OutputRecord } from "../../src/core/log.ts";
import { samplesOf } from "../sinks/prometheus-kit.ts";
import {
  alarmingDays,
  budgetOf,
  DAY,
  EVENT,
  INCIDENT,
  judged,
  lower,
  once,
  type Run,
  recordsOf,
  START,
  say,
  TOPICS,
  told,
  verdicts,
  word,
} from "./judged-days.ts";

describe("startJudge() with feedback", () => {
  test("without a word the detector alarms for days, and then takes it for the new normal", async () => {
    const run = await judged(recordsOf(EVENT + 30, lower));
    expect(told(run).slice(0, 3)).toEqual([
      `opened alarm ${EVENT}`,
      `updated continues ${EVENT + 1}`,
      expect.stringMatching(`^updated \\w+ ${EVENT + 2}$`),
    ]);
    expect(alarmingDays(run).length).toBeGreaterThan(4);
    expect(alarmingDays(run)).not.toContain(EVENT + 28);
  });

  test("new-normal ends the incident, and the next windows do not alarm", async () => {
    const run = await judged(recordsOf(EVENT + 30, lower, { [EVENT + 2]: [say("new-normal")] }));
    expect(told(run)).toEqual([`opened alarm ${EVENT}`, `resolved feedback ${EVENT}`]);
    expect(run.alerts[1]).toMatchObject({
      incident: INCIDENT,
      severity: run.alerts[0]!.severity,
      sentence: "15 Feb: marked as the new normal by ann: marathon",
      causes: run.alerts[0]!.causes,
    });
    expect(alarmingDays(run)).toEqual([EVENT]);
    // What leaves the new level is found.
    const rose = await judged(
      recordsOf(EVENT + 30, (day) => (day === EVENT + 20 ? 1000 : lower(day)), { [EVENT + 2]: [say("new-normal")] }),
    );
    expect(alarmingDays(rose)).toEqual([EVENT, EVENT + 20]);
  });

  test("windows that alarmed before the word are told again where it changes what is said of them", async () => {
    const run = await judged(recordsOf(EVENT + 30, lower, { [EVENT + 5]: [say("new-normal")] }));
    expect(told(run).at(-1)).toBe(`resolved feedback ${EVENT + 3}`);
    expect(alarmingDays(run)).toEqual([EVENT]);
    for (const day of [EVENT + 1, EVENT + 2, EVENT + 3]) {
      expect(verdicts(run).get(day), `${day}`).toMatchObject({ outcome: "pass", revision: 1 });
    }
    expect(verdicts(run).get(EVENT)).toMatchObject({ outcome: "fail", revision: 0 });
  });

  test("expected is learned: what comes like it has a lower score", async () => {
    const rows = (day: number) => (day === EVENT || day === EVENT + 7 ? 700 : undefined);
    const scoreOf = (run: Run) => verdicts(run).get(EVENT + 7)!.score!;
    const unsaid = await judged(recordsOf(EVENT + 12, rows));
    const expected = await judged(recordsOf(EVENT + 12, rows, { [EVENT + 2]: [say("expected")] }));
    expect(told(expected).slice(0, 2)).toEqual([`opened alarm ${EVENT}`, `resolved feedback ${EVENT}`]);
    expect(scoreOf(expected)).toBeLessThan(0.8 * scoreOf(unsaid));
  });

  test("a fault is never learned: it alarms as long as it lasts", async () => {
    const run = await judged(recordsOf(EVENT + 40, lower, { [EVENT + 2]: [say("fault")] }));
    expect(alarmingDays(run)).toEqual(Array.from({ length: 39 }, (_, at) => EVENT + at));
    const answer = run.alerts.find(({ reason }) => reason === "feedback")!;
    expect(answer).toMatchObject({ state: "updated", sentence: "15 Feb: marked as a fault by ann: marathon" });
    expect(answer.slices).toEqual(["all"]);
    expect(answer.causes.length).toBeGreaterThan(0);
    // It ends as any does.
    const over = await judged(
      recordsOf(EVENT + 40, (day) => (day < EVENT + 30 ? lower(day) : undefined), { [EVENT + 2]: [say("fault")] }),
    );
    expect(alarmingDays(over).at(-1)).toBe(EVENT + 29);
    expect(told(over).at(-1)).toBe(`resolved clean ${EVENT + 30}`);
  });

  test("the same word twice changes nothing; another one overrules it", async () => {
    const first = await judged(recordsOf(EVENT + 30, lower, { [EVENT + 2]: [say("fault")] }));
    const twice = await judged(recordsOf(EVENT + 30, lower, { [EVENT + 2]: [say("fault"), say("fault")] }));
    expect(twice.outputs).toEqual(first.outputs);
    const overruled = await judged(
      recordsOf(EVENT + 30, lower, { [EVENT + 2]: [say("fault")], [EVENT + 4]: [say("new-normal", { note: "no" })] }),
    );
    expect(alarmingDays(overruled)).toEqual([EVENT]);
    expect(told(overruled).at(-1)).toMatch(/^resolved feedback/);
    expect(budgetOf(overruled).called).toEqual({ fault: 0, expected: 0, "new-normal": 1 });
  });

  test("on an incident that is over it is answered as such, and leaves the open one alone", async () => {
    const rows = (day: number) => (day === EVENT || day === EVENT + 3 ? 700 : undefined);
    const run = await judged(recordsOf(EVENT + 9, rows, { [EVENT + 4]: [say("fault")] }));
    // Day 48 closes with the flush of day 49.
    expect(told(run)).toEqual([
      `opened alarm ${EVENT}`,
      `resolved clean ${EVENT + 1}`,
      `resolved feedback ${EVENT}`,
      `opened alarm ${EVENT + 3}`,
      `resolved clean ${EVENT + 4}`,
    ]);
    expect(new Set(run.ids).size).toBe(run.ids.length);
    expect(run.alerts[2]).toMatchObject({ incident: INCIDENT, severity: run.alerts[0]!.severity });
  });

  test("beyond the horizon only the realised rate follows it", async () => {
    const quiet = await judged(recordsOf(EVENT + 30, once));
    const late = await judged(recordsOf(EVENT + 30, once, { [EVENT + 20]: [say("fault")] }));
    for (const topic of [TOPICS.metrics, TOPICS.verdicts, TOPICS.windows]) {
      expect(late.outputs[topic]).toEqual(quiet.outputs[topic]);
    }
    expect(told(late)).toEqual([...told(quiet), `resolved feedback ${EVENT}`]);
    expect(budgetOf(quiet)).toMatchObject({ spent: 1, called: { fault: 0 } });
    expect(budgetOf(late)).toMatchObject({ spent: 1, called: { fault: 1 }, realised: 0 });
    expect(budgetOf(quiet).realised).toBeCloseTo(1 / budgetOf(quiet).tolerated, 9);
    const shown = samplesOf(late.telemetry, "streamgauge_budget_called");
    expect(shown).toMatchObject({ "trips fault": 1, "trips expected": 0, "trips new-normal": 0 });
  });

  test("what is no feedback, or of nothing that is known, is left out and told of", async () => {
    const junk = [
      "{",
      { incident: "else/1/2", feedback: "fault" },
      say("fault", { incident: `${INCIDENT}/x` }),
      say("wrong"),
    ];
    const quiet = await judged(recordsOf(EVENT + 9, once));
    const run = await judged(recordsOf(EVENT + 9, once, { [EVENT + 3]: junk }));
    expect(run.outputs).toEqual(quiet.outputs);
    expect(run.complaints).toEqual([
      "feedback is left out: Cannot take feedback: it is not JSON",
      "feedback is left out: its dataset is not judged here",
      "feedback is left out: its incident is not known any more",
      "feedback is left out: Cannot take feedback: feedback: expected one of fault, expected, new-normal",
    ]);
  });

  test.each([1, 2, 3, 4])("is taken in once, whatever connections are lost (seed %i)", async (seed) => {
    const words = {
      [EVENT + 2]: [say("fault")],
      [EVENT + 3]: [say("fault"), say("expected")],
      [EVENT + 4]: [say("fault")],
      [EVENT + 6]: [say("new-normal", { by: "bob" })],
      [EVENT + 12]: ["{", say("expected")],
    };
    const records = recordsOf(EVENT + 30, lower, words);
    // Some in the middle of flushes, too: a restart begins before them, and would hear the first of two again.
    let mixed: readonly OutputRecord[] = records;
    for (let day = EVENT + 9; day < EVENT + 19; day++) {
      const middle = mixed.findIndex(({ timestampMs }) => timestampMs === START + (day + 1) * DAY);
      const two = [word(say("fault", { note: `${day}` }), day), word(say("expected"), day)];
      mixed = mixed.toSpliced(middle + 1, 0, ...two);
    }
    const undisturbed = await judged(mixed);
    expect(undisturbed.alerts.filter(({ reason }) => reason === "feedback")).toHaveLength(24);
    const disturbed = await judged(mixed, { failChance: 0.2, seed });
    expect(disturbed.failures).toBeGreaterThan(5);
    expect(told(disturbed)).toEqual(told(undisturbed));
    expect(disturbed.outputs).toEqual(undisturbed.outputs);
    expect(disturbed.ids).toEqual(undisturbed.ids);
    expect(budgetOf(disturbed)).toEqual(budgetOf(undisturbed));
  });
});
