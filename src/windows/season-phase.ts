/** Where windows lie in a week and in a day, by the clocks of their zone: where these change an hour is left out, or comes twice. */
import { CalendarDays, DAY_MS } from "./calendar-days.ts";

const HOUR_MS = 3_600_000;
/** 1 January 1970 was a Thursday. */
const MONDAY_MS = 3 * DAY_MS;
const WEEK_MS = 7 * DAY_MS;

export class SeasonPhases {
  readonly #days: CalendarDays;

  constructor(timezone: string) {
    this.#days = new CalendarDays(timezone);
  }

  /** Since Monday, 0 to 167. */
  hourOfWeek(timeMs: number): number {
    return hourIn(this.#clockMs(timeMs) + MONDAY_MS, WEEK_MS);
  }

  /** 0 to 23. */
  hour(timeMs: number): number {
    return hourIn(this.#clockMs(timeMs), DAY_MS);
  }

  /** How many windows the clocks are ahead of UTC. */
  windowsAhead(timeMs: number, sizeMs: number): number {
    return Math.floor(this.#days.offsetAt(timeMs) / sizeMs);
  }

  #clockMs(timeMs: number): number {
    return timeMs + this.#days.offsetAt(timeMs);
  }
}

function hourIn(timeMs: number, spanMs: number): number {
  return Math.floor((((timeMs % spanMs) + spanMs) % spanMs) / HOUR_MS);
}
