/** Where windows lie in a week and in a day of hours, by the clocks of their zone. */
import { CalendarDays } from "./calendar-days.ts";

const HOUR_MS = 3_600_000;

export class SeasonPhases {
  readonly #days: CalendarDays;

  constructor(timezone: string) {
    this.#days = new CalendarDays(timezone);
  }

  /** Hours since Monday began, with 24 for each day, however long it is. */
  hourOfWeek(timeMs: number): number {
    // 1 January 1970 was a Thursday.
    const weekday = (((this.#days.dayOf(timeMs) + 3) % 7) + 7) % 7;
    return 24 * weekday + this.hour(timeMs);
  }

  /** Hours since the day began, at most 23: the last hour of a day of 25 counts as the one before. */
  hour(timeMs: number): number {
    return Math.min(23, Math.floor((timeMs - this.#days.startOf(this.#days.dayOf(timeMs))) / HOUR_MS));
  }
}
