import { describe, expect, test } from "vitest";
import type { CalendarEntry } from "../../src/core/calendar.ts";
import { load, mistakes } from "./load.ts";

const DAY = 86_400_000;

function text(...entries: readonly string[]): string {
  return `datasets:\n  - topic: t\n    detect:\n      calendar:\n${entries.map((entry) => `        - {${entry}}\n`).join("")}`;
}

async function calendarOf(...entries: readonly string[]): Promise<readonly CalendarEntry[]> {
  const { config } = await load(text(...entries));
  return config.datasets[0]!.detect.calendar ?? [];
}

describe("detect.calendar", () => {
  test("is none by default, and may be empty", async () => {
    const { config } = await load("datasets:\n  - topic: t\n");
    expect(config.datasets[0]!.detect.calendar).toBeUndefined();
    expect(
      (await load("datasets:\n  - {topic: t, detect: {calendar: []}}\n")).config.datasets[0]!.detect.calendar,
    ).toEqual([]);
  });

  test("takes a day of every year, a day, and spans of days and times", async () => {
    expect(
      await calendarOf(
        "name: Christmas, on: 12-25",
        "name: leap day, on: 02-29, widen: 1.5",
        "name: cut-over, on: 2026-03-01",
        "name: migration, from: 2026-03-01T22:00, to: 2026-03-02T02:00, widen: 3",
        "name: sale, from: 2026-11-27, to: 2026-11-30",
      ),
    ).toEqual([
      { kind: "yearly", name: "Christmas", month: 12, day: 25, widen: 2 },
      { kind: "yearly", name: "leap day", month: 2, day: 29, widen: 1.5 },
      span("cut-over", "2026-03-01T00:00Z", "2026-03-02T00:00Z", 2),
      span("migration", "2026-03-01T22:00Z", "2026-03-02T02:00Z", 3),
      // Up to and including 30 November.
      span("sale", "2026-11-27T00:00Z", "2026-12-01T00:00Z", 2),
    ]);
  });

  test("takes the public holidays of a country and of a part of one", async () => {
    const [us, bavaria] = await calendarOf("holidays: US, widen: 3", "holidays: DE-BY");
    const named = (entry: CalendarEntry | undefined, year: number) =>
      entry?.kind === "holidays"
        ? entry
            .holidaysOf(year)
            .map(({ name, day, days }) => `${new Date(day * DAY).toISOString().slice(0, 10)} ${name} ${days}`)
        : [];
    expect(us?.widen).toBe(3);
    expect(named(us, 2013)).toContain("2013-07-04 Independence Day 1");
    expect(named(us, 2013)).toContain("2013-11-28 Thanksgiving Day 1");
    expect(named(us, 2013).join()).not.toContain("Valentine");
    expect(named(bavaria, 2024)).toContain("2024-05-30 Fronleichnam 1");
  });

  test.each<readonly [entry: string, said: string]>([
    [
      "name: nothing",
      "5:11 datasets[0].detect.calendar[0]: expected an entry with `on` with a day, `from` and `to`, or `holidays` with a country; none of them stands here",
    ],
    [
      "name: both, on: 12-25, holidays: US",
      "5:11 datasets[0].detect.calendar[0]: expected an entry with `on` with a day, `from` and `to`, or `holidays` with a country; several of them stand here",
    ],
    [
      "on: 12-25",
      "5:11 datasets[0].detect.calendar[0]: expected a name, by which verdicts and incidents call the days — for example name: Christmas",
    ],
    [
      "name: half, from: 2026-03-01",
      "5:11 datasets[0].detect.calendar[0]: expected `from` and `to`, but there is no `to`",
    ],
    ["name: x, on: 02-30", '5:25 datasets[0].detect.calendar[0].on: expected a day that there is, got "02-30"'],
    [
      "name: x, on: 2027-02-29",
      '5:25 datasets[0].detect.calendar[0].on: expected a day that there is, got "2027-02-29"',
    ],
    [
      "name: x, on: 24 Dec",
      '5:25 datasets[0].detect.calendar[0].on: expected a day such as 12-25 (of every year) or 2026-12-25, got "24 Dec"',
    ],
    [
      "name: x, from: 2026-03-02, to: 2026-03-01",
      '5:43 datasets[0].detect.calendar[0].to: expected a time after "2026-03-02", got "2026-03-01"',
    ],
    [
      "name: x, on: 12-25, widen: 0",
      "5:39 datasets[0].detect.calendar[0].widen: expected a number from 1 to 10, got 0",
    ],
    [
      "name: x, on: 12-25, widen: 100",
      "5:39 datasets[0].detect.calendar[0].widen: expected a number from 1 to 10, got 100",
    ],
    [
      "name: US, holidays: US",
      "5:18 datasets[0].detect.calendar[0].name: expected no name beside `holidays`: each holiday has its own",
    ],
    [
      "holidays: XX",
      '5:22 datasets[0].detect.calendar[0].holidays: cannot take the holidays of "XX": date-holidays knows no country XX',
    ],
    [
      "holidays: FR-ZZ",
      '5:22 datasets[0].detect.calendar[0].holidays: cannot take the holidays of "FR-ZZ": date-holidays knows no part ZZ of FR:',
    ],
  ])("refuses {%s} with its place", async (entry, said) => {
    const found = await mistakes(text(entry));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(said);
  });
});

function span(name: string, from: string, to: string, widen: number): CalendarEntry {
  return { kind: "span", name, fromLocalMs: Date.parse(from), toLocalMs: Date.parse(to), widen };
}
