import { describe, expect, test } from "vitest";
import { SeasonPhases } from "../../src/windows/season-phase.ts";

describe("SeasonPhases", () => {
  test("hourOfWeek() is that of the zone, from Mondays on, before 1970 too", () => {
    const utc = new SeasonPhases("UTC");
    expect(utc.hourOfWeek(Date.parse("2026-11-30T00:00Z"))).toBe(0);
    expect(utc.hourOfWeek(Date.parse("2026-11-29T23:59Z"))).toBe(167);
    expect(utc.hourOfWeek(Date.parse("1969-12-29T12:00Z"))).toBe(12);
    expect(new SeasonPhases("America/New_York").hourOfWeek(Date.parse("2026-11-30T04:00Z"))).toBe(167);
    expect(new SeasonPhases("America/New_York").hourOfWeek(Date.parse("2026-11-30T05:00Z"))).toBe(0);
    // On the day on which the clocks go back, too.
    const berlin = new SeasonPhases("Europe/Berlin");
    expect(berlin.hourOfWeek(Date.parse("2026-10-25T23:30+01:00"))).toBe(167);
    expect(berlin.hourOfWeek(Date.parse("2026-10-26T00:30+01:00"))).toBe(0);
  });

  test("hour() is what the clocks say: where they change one is left out, or comes twice", () => {
    const berlin = new SeasonPhases("Europe/Berlin");
    const hoursFrom = (iso: string) => [0, 1, 2, 3].map((hours) => berlin.hour(Date.parse(iso) + hours * 3_600_000));
    expect(hoursFrom("2026-06-01T22:30+02:00")).toEqual([22, 23, 0, 1]);
    expect(hoursFrom("2026-03-29T00:00+01:00")).toEqual([0, 1, 3, 4]);
    expect(hoursFrom("2026-10-25T01:00+02:00")).toEqual([1, 2, 2, 3]);
    expect(new SeasonPhases("America/New_York").hour(Date.parse("1969-06-01T00:00-04:00"))).toBe(0);
  });

  test("windowsAhead() moves with the clocks, by whole windows", () => {
    const newYork = new SeasonPhases("America/New_York");
    expect(newYork.windowsAhead(Date.parse("2013-03-10T06:59Z"), 3_600_000)).toBe(-5);
    expect(newYork.windowsAhead(Date.parse("2013-03-10T07:00Z"), 3_600_000)).toBe(-4);
    expect(newYork.windowsAhead(Date.parse("2013-03-10T07:00Z"), 900_000)).toBe(-16);
    expect(new SeasonPhases("Asia/Kolkata").windowsAhead(0, 3_600_000)).toBe(5);
    expect(new SeasonPhases("UTC").windowsAhead(0, 60_000)).toBe(0);
  });
});
