/**
 * Which windows a dataset's calendar touches. Days are calendar days of the windows' zone, so that a holiday has 23 or 25 hours where the
 * clocks change. A local time that the clocks leave out is the instant as long after the leap; one that comes twice is the first.
 */
import type { CalendarEntry, CalendarMark } from "../core/calendar.ts";
import { CalendarDays, DAY_MS } from "./calendar-days.ts";

interface Named {
  /** Place in the calendar. */
  readonly at: number;
  readonly name: string;
  readonly widen: number;
}

interface Span extends Named {
  readonly startMs: number;
  readonly endMs: number;
}

/** Days and years remembered: windows come in order, of several sizes. */
const MAX_CACHED = 512;

export class EventCalendar {
  readonly #entries: readonly CalendarEntry[];
  readonly #days: CalendarDays;
  readonly #spans: readonly Span[];
  readonly #byDay = new Map<number, readonly Named[]>();
  readonly #byYear = new Map<number, ReadonlyMap<number, readonly Named[]>>();

  constructor(entries: readonly CalendarEntry[], timezone: string) {
    this.#entries = entries;
    this.#days = new CalendarDays(timezone);
    this.#spans = entries.flatMap((entry, at) => {
      if (entry.kind !== "span") return [];
      const { name, widen, fromLocalMs, toLocalMs } = entry;
      const [startMs, endMs] = [this.#days.instantOf(fromLocalMs), this.#days.instantOf(toLocalMs)];
      return [{ at, name, widen, startMs, endMs }];
    });
  }

  /** What the calendar says of `[startMs, endMs)`; undefined: nothing. */
  markOf(startMs: number, endMs: number): CalendarMark | undefined {
    if (this.#entries.length === 0) return undefined;
    const found: Named[] = this.#spans.filter((span) => span.startMs < endMs && startMs < span.endMs);
    const last = this.#days.dayOf(endMs - 1);
    for (let day = this.#days.dayOf(startMs); day <= last; day++) found.push(...this.#namedOn(day));
    if (found.length === 0) return undefined;
    found.sort((a, b) => a.at - b.at);
    return { names: [...new Set(found.map(({ name }) => name))], widen: Math.max(...found.map(({ widen }) => widen)) };
  }

  #namedOn(day: number): readonly Named[] {
    return remembered(this.#byDay, day, () => {
      const date = new Date(day * DAY_MS);
      const yearly = this.#entries.flatMap((entry, at) => {
        if (entry.kind !== "yearly") return [];
        const isToday = entry.month === date.getUTCMonth() + 1 && entry.day === date.getUTCDate();
        return isToday ? [{ at, name: entry.name, widen: entry.widen }] : [];
      });
      const year = date.getUTCFullYear();
      // A holiday of several days may have begun in the year before.
      const holidays = [year - 1, year].flatMap((one) => this.#holidaysOf(one).get(day) ?? []);
      return [...yearly, ...holidays];
    });
  }

  #holidaysOf(year: number): ReadonlyMap<number, readonly Named[]> {
    return remembered(this.#byYear, year, () => {
      const byDay = new Map<number, Named[]>();
      for (const [at, entry] of this.#entries.entries()) {
        if (entry.kind !== "holidays") continue;
        for (const { name, day, days } of entry.holidaysOf(year)) {
          for (let one = day; one < day + days; one++) {
            byDay.set(one, [...(byDay.get(one) ?? []), { at, name, widen: entry.widen }]);
          }
        }
      }
      return byDay;
    });
  }
}

function remembered<T>(cache: Map<number, T>, key: number, make: () => T): T {
  let value = cache.get(key);
  if (value === undefined) {
    value = make();
    if (cache.size >= MAX_CACHED) cache.clear();
    cache.set(key, value);
  }
  return value;
}
