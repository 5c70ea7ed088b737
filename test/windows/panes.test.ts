import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isoTime } from "../../src/core/text.ts";
import { createPaneClock, type PaneClock } from "../../src/windows/panes.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const at = (iso: string): number => Date.parse(iso);

describe("createPaneClock()", () => {
  test.each([
    [[5 * MINUTE, HOUR, DAY], "UTC", 5 * MINUTE],
    [[6 * MINUTE, 15 * MINUTE], "UTC", 3 * MINUTE],
    [[DAY, 7 * DAY], "UTC", DAY],
    [[2 * DAY, 3 * DAY], "Europe/Berlin", DAY],
    [[36 * HOUR, DAY], "UTC", 12 * HOUR],
    [[HOUR, DAY], "Europe/Berlin", 15 * MINUTE],
    [[20 * MINUTE, DAY], "Europe/Berlin", 5 * MINUTE],
    [[HOUR], "Europe/Berlin", HOUR],
  ])("paneMs is what all of %j in %s are made of", (sizesMs, timezone, paneMs) => {
    expect(createPaneClock({ sizesMs, timezone }).paneMs).toBe(paneMs);
  });

  test.each([[[]], [[0]], [[-5]], [[1.5]], [[Number.NaN]], [[HOUR, HOUR]]])("refuses sizes %j", (sizesMs) => {
    expect(() => createPaneClock({ sizesMs })).toThrow(RangeError);
  });

  test("refuses an unknown time zone, and a size that it was not made for", () => {
    expect(() => createPaneClock({ sizesMs: [DAY], timezone: "Europe/Nowhere" })).toThrow(RangeError);
    expect(() => createPaneClock({ sizesMs: [DAY] }).windowOf(HOUR, 0)).toThrow(RangeError);
  });

  test("UTC and its other names align everything to the epoch", () => {
    for (const timezone of [undefined, "UTC", "Etc/UTC", "GMT"]) {
      const clock = createPaneClock({ sizesMs: [HOUR, 7 * DAY], ...(timezone !== undefined && { timezone }) });
      expect(clock.paneMs).toBe(HOUR);
      expect(isoTime(clock.windowOf(7 * DAY, at("2026-03-29T12:00:00Z")).startMs)).toBe("2026-03-26T00:00:00.000Z");
    }
  });
});

describe("PaneClock.windowOf()", () => {
  test.each([
    // zone, a time, start and length of its day
    ["Europe/Berlin", "2026-01-15T12:00:00Z", "2026-01-14T23:00:00.000Z", 24],
    ["Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00.000Z", 23],
    ["Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-29T22:00:00.000Z", 24],
    ["Europe/Berlin", "2026-03-29T21:59:59.999Z", "2026-03-28T23:00:00.000Z", 23],
    ["Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-24T22:00:00.000Z", 25],
    ["Europe/Berlin", "1945-05-24T12:00:00Z", "1945-05-23T22:00:00.000Z", 23],
    ["America/New_York", "2026-03-08T12:00:00Z", "2026-03-08T05:00:00.000Z", 23],
    ["America/New_York", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00.000Z", 25],
    ["America/New_York", "1969-12-31T12:00:00Z", "1969-12-31T05:00:00.000Z", 24],
    ["America/New_York", "9999-07-01T12:00:00Z", "9999-07-01T04:00:00.000Z", 24],
    ["Asia/Kathmandu", "2026-06-01T12:00:00Z", "2026-05-31T18:15:00.000Z", 24],
    // Clocks leap over midnight: the day begins at 01:00.
    ["America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00.000Z", 23],
    // Clocks go back from midnight to 23:00: one long day before, the next one begins once.
    ["America/Sao_Paulo", "2018-02-17T12:00:00Z", "2018-02-17T02:00:00.000Z", 25],
    // Clocks went back at 00:01, so the new day had already begun.
    ["America/St_Johns", "2010-11-07T12:00:00Z", "2010-11-07T02:30:00.000Z", 25],
    // Samoa left out 2011-12-30.
    ["Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00.000Z", 24],
    ["Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00.000Z", 24],
    // Local mean time, +00:53:28 rounded to the quarter hour.
    ["Europe/Berlin", "1850-06-01T12:00:00Z", "1850-05-31T23:00:00.000Z", 24],
  ])("a day in %s at %s begins at %s and has %i h", (timezone, time, start, hours) => {
    const range = createPaneClock({ sizesMs: [DAY], timezone }).windowOf(DAY, at(time));
    expect(isoTime(range.startMs)).toBe(start);
    expect((range.endMs - range.startMs) / HOUR).toBe(hours);
  });

  test("a week of calendar days is aligned to 1970-01-01 and loses the hour of the change", () => {
    const clock = createPaneClock({ sizesMs: [7 * DAY], timezone: "Europe/Berlin" });
    const week = clock.windowOf(7 * DAY, at("2026-03-29T12:00:00Z"));
    expect(isoTime(week.startMs)).toBe("2026-03-25T23:00:00.000Z");
    expect((week.endMs - week.startMs) / HOUR).toBe(7 * 24 - 1);
    expect(clock.paneStart(at("2026-03-29T12:00:00Z"))).toBe(week.startMs);
  });

  test("PaneClock.ordinal() counts calendar days, over the one that Samoa left out too", () => {
    const clock = createPaneClock({ sizesMs: [DAY], timezone: "Pacific/Apia" });
    const before = at("2011-12-30T09:00:00Z");
    expect(clock.ordinal(DAY, at("2011-12-30T11:00:00Z")) - clock.ordinal(DAY, before)).toBe(2);
    expect(isoTime(clock.nextWindow(DAY, before).startMs)).toBe("2011-12-30T10:00:00.000Z");
  });
});

describe("PaneClock laws", () => {
  const zones = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
  ];
  const sizes = [
    [5 * MINUTE, HOUR, DAY],
    [DAY],
    [6 * MINUTE, 15 * MINUTE],
    [HOUR, DAY, 7 * DAY],
    [36 * HOUR, DAY],
    [2 * DAY, 3 * DAY],
  ];
  const time = fc.oneof(
    fc.integer({ min: at("1800-01-01T00:00:00Z"), max: at("2100-01-01T00:00:00Z") }),
    fc.integer({ min: -8.6e15, max: 8.6e15 }),
  );

  const clocks = new Map<string, PaneClock>();
  const clockOf = (sizesMs: readonly number[], timezone: string): PaneClock => {
    const key = `${sizesMs.join()} ${timezone}`;
    const clock = clocks.get(key) ?? createPaneClock({ sizesMs, timezone });
    clocks.set(key, clock);
    return clock;
  };

  test("windows join, hold their times, are made of whole panes, and nest as `nests` says", () => {
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.constantFrom(...sizes), time, (timezone, sizesMs, timeMs) => {
        const clock = clockOf(sizesMs, timezone);
        const pane = clock.paneStart(timeMs);
        expect(clock.paneStart(timeMs)).toBe(pane);
        expect(clock.windowOf(clock.paneMs, timeMs)).toEqual({ startMs: pane, endMs: clock.paneEnd(pane) });
        for (const size of sizesMs) {
          const range = clock.windowOf(size, timeMs);
          expect(range.startMs <= pane && pane <= timeMs && timeMs < clock.paneEnd(pane)).toBe(true);
          expect(clock.paneEnd(pane)).toBeLessThanOrEqual(range.endMs);
          expect(clock.windowOf(size, range.startMs)).toEqual(range);
          expect(clock.windowOf(size, range.endMs - 1)).toEqual(range);
          const next = clock.nextWindow(size, range.startMs);
          expect(next.startMs).toBe(range.endMs);
          expect(clock.ordinal(size, next.startMs)).toBe(clock.ordinal(size, timeMs) + 1);
          for (const smaller of sizesMs) {
            if (smaller >= size || !clock.nests(smaller, size)) continue;
            const inside = clock.windowOf(smaller, timeMs);
            expect(inside.startMs >= range.startMs && inside.endMs <= range.endMs).toBe(true);
          }
        }
      }),
      { seed: 20261122, numRuns: 2000 },
    );
  });

  test("PaneClock.paneStart() of times in any order is the start of their window", () => {
    const clock = createPaneClock({ sizesMs: [DAY], timezone: "Europe/Berlin" });
    fc.assert(
      fc.property(fc.array(time, { maxLength: 20 }), (times) => {
        for (const timeMs of times) {
          expect(clock.paneStart(timeMs)).toBe(clockOf([DAY], "Europe/Berlin").windowOf(DAY, timeMs).startMs);
        }
      }),
      { seed: 7, numRuns: 50 },
    );
  });

  test("PaneClock.paneStart() of NaN is NaN", () => {
    for (const timezone of ["UTC", "Europe/Berlin"]) {
      const clock = createPaneClock({ sizesMs: [DAY], timezone });
      clock.paneStart(0);
      expect(clock.paneStart(Number.NaN)).toBeNaN();
    }
  });
});
