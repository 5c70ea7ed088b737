import { describe, expect, test } from "vitest";
import { type Deed, drawSchedule } from "./schedule.ts";

const OPTIONS = { seed: 1, fromMs: 10_000, untilMs: 110_000, kills: 30, brokerKills: 6, others: 18 };
const countOf = (seed: number, ...kinds: readonly Deed["kind"][]) =>
  drawSchedule({ ...OPTIONS, seed }).filter(({ deed }) => kinds.includes(deed.kind)).length;

describe("drawSchedule()", () => {
  test("gives the same acts for a seed, and others for another", () => {
    expect(drawSchedule(OPTIONS)).toEqual(drawSchedule(OPTIONS));
    expect(drawSchedule(OPTIONS)).not.toEqual(drawSchedule({ ...OPTIONS, seed: 2 }));
  });

  test.each([1, 2, 3])("gives as many kills as are asked for, some by the process itself: seed %i", (seed) => {
    expect(countOf(seed, "kill", "die")).toBe(OPTIONS.kills);
    expect(countOf(seed, "die")).toBeGreaterThan(3);
    expect(countOf(seed, "kill broker")).toBe(OPTIONS.brokerKills);
  });

  test("gives every kind of act, in order of time and inside of its limits", () => {
    const acts = drawSchedule(OPTIONS);
    const times = acts.map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(OPTIONS.fromMs);
    expect(times.at(-1)).toBeLessThan(OPTIONS.untilMs);
    expect(new Set(acts.map(({ deed }) => deed.kind)).size).toBe(11);
  });
});
