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
    // The day on which the clocks go back has one more, which counts as its last.
    const berlin = new SeasonPhases("Europe/Berlin");
    expect(berlin.hourOfWeek(Date.parse("2026-10-25T23:30+01:00"))).toBe(167);
    expect(berlin.hourOfWeek(Date.parse("2026-10-26T00:30+01:00"))).toBe(0);
  });

  test("hour() counts from the begin of the day, also where the clocks change", () => {
    const berlin = new SeasonPhases("Europe/Berlin");
    expect(berlin.hour(Date.parse("2026-06-01T00:00+02:00"))).toBe(0);
    expect(berlin.hour(Date.parse("2026-06-01T23:30+02:00"))).toBe(23);
    // A day of 25 hours.
    expect(berlin.hour(Date.parse("2026-10-25T23:30+01:00"))).toBe(23);
  });
});
