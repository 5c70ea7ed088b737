import { describe, expect, test } from "vitest";
import type { CalendarEntry } from "../../src/core/calendar.ts";
import { EventCalendar } from "../../src/windows/event-calendar.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const BERLIN = "Europe/Berlin";

const CHRISTMAS: CalendarEntry = { kind: "yearly", name: "Christmas", month: 12, day: 25, widen: 2 };
const LEAP: CalendarEntry = { kind: "yearly", name: "leap day", month: 2, day: 29, widen: 2 };

function span(from: string, to: string, more: { name?: string; widen?: number } = {}): CalendarEntry {
  const at = (text: string) => Date.parse(`${text}Z`);
  return { kind: "span", name: "migration", widen: 3, fromLocalMs: at(from), toLocalMs: at(to), ...more };
}

function names(calendar: EventCalendar, start: string, ms: number): readonly string[] {
  const startMs = Date.parse(start);
  return calendar.markOf(startMs, startMs + ms)?.names ?? [];
}

describe("EventCalendar.markOf()", () => {
  test("says nothing of a window that no entry touches", () => {
    expect(new EventCalendar([], "UTC").markOf(0, DAY)).toBeUndefined();
    const calendar = new EventCalendar([CHRISTMAS], "UTC");
    expect(names(calendar, "2026-12-24T00:00Z", DAY)).toEqual([]);
    expect(names(calendar, "2026-12-26T00:00Z", DAY)).toEqual([]);
  });

  test("finds a day of every year, in windows of hours, days and weeks", () => {
    const calendar = new EventCalendar([CHRISTMAS], "UTC");
    for (const year of [1999, 2026, 2031]) {
      expect(names(calendar, `${year}-12-25T00:00Z`, DAY)).toEqual(["Christmas"]);
      expect(names(calendar, `${year}-12-25T23:00Z`, HOUR)).toEqual(["Christmas"]);
      expect(names(calendar, `${year}-12-24T23:00Z`, HOUR)).toEqual([]);
      expect(names(calendar, `${year}-12-21T00:00Z`, 7 * DAY)).toEqual(["Christmas"]);
    }
  });

  test("29 February is in leap years alone", () => {
    const calendar = new EventCalendar([LEAP], "UTC");
    expect(names(calendar, "2028-02-29T00:00Z", DAY)).toEqual(["leap day"]);
    expect(names(calendar, "2027-02-28T00:00Z", 2 * DAY)).toEqual([]);
  });

  test("days are those of the zone", () => {
    const calendar = new EventCalendar([CHRISTMAS], BERLIN);
    expect(names(calendar, "2026-12-24T23:00Z", HOUR)).toEqual(["Christmas"]);
    expect(names(calendar, "2026-12-25T23:00Z", HOUR)).toEqual([]);
  });

  test("a span is half-open, and begins and ends in local time, before and after the clocks change", () => {
    // 02:00 is left out on 29 March 2026, and comes twice on 25 October.
    const calendar = new EventCalendar(
      [span("2026-03-28T23:00", "2026-03-29T04:00"), span("2026-10-25T02:30", "2026-10-25T04:00")],
      BERLIN,
    );
    expect(names(calendar, "2026-03-28T21:00Z", HOUR)).toEqual([]);
    expect(names(calendar, "2026-03-28T22:00Z", HOUR)).toEqual(["migration"]);
    expect(names(calendar, "2026-03-29T01:00Z", HOUR)).toEqual(["migration"]);
    expect(names(calendar, "2026-03-29T02:00Z", HOUR)).toEqual([]);
    // The first 02:30 of the two is that of summer time.
    expect(names(calendar, "2026-10-25T00:00Z", HOUR / 2)).toEqual([]);
    expect(names(calendar, "2026-10-25T00:30Z", HOUR / 2)).toEqual(["migration"]);
    expect(names(calendar, "2026-10-25T02:45Z", HOUR / 4)).toEqual(["migration"]);
    expect(names(calendar, "2026-10-25T03:00Z", HOUR)).toEqual([]);
  });

  test("a local time that is left out is as long after the leap", () => {
    const calendar = new EventCalendar([span("2026-03-29T02:30", "2026-03-29T05:00")], BERLIN);
    expect(names(calendar, "2026-03-29T01:15Z", HOUR / 4)).toEqual([]);
    expect(names(calendar, "2026-03-29T01:30Z", HOUR / 4)).toEqual(["migration"]);
  });

  test("takes the holidays of each year once, also those that reach into the next year", () => {
    const asked: number[] = [];
    const holidays: CalendarEntry = {
      kind: "holidays",
      widen: 2,
      holidaysOf: (year) => {
        asked.push(year);
        const day = (month: number, date: number) => Date.UTC(year, month, date) / DAY;
        return [
          { name: "Independence Day", day: day(6, 4), days: 1 },
          { name: "long one", day: day(11, 31), days: 2 },
        ];
      },
    };
    const calendar = new EventCalendar([holidays], "America/New_York");
    expect(names(calendar, "2013-07-04T04:00Z", DAY)).toEqual(["Independence Day"]);
    expect(names(calendar, "2013-07-05T04:00Z", DAY)).toEqual([]);
    expect(names(calendar, "2014-01-01T05:00Z", DAY)).toEqual(["long one"]);
    expect(asked.sort()).toEqual([2012, 2013, 2014]);
  });

  test("of several entries all names count, each once, and the widest of them", () => {
    const calendar = new EventCalendar(
      [CHRISTMAS, span("2026-12-20T00:00", "2026-12-31T00:00", { name: "sale", widen: 4 }), { ...CHRISTMAS, widen: 1 }],
      "UTC",
    );
    const startMs = Date.parse("2026-12-25T00:00Z");
    expect(calendar.markOf(startMs, startMs + DAY)).toEqual({ names: ["Christmas", "sale"], widen: 4 });
  });
});
