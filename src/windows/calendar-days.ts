/**
 * Where the local days of a time zone begin. Day numbers count calendar days from 1970-01-01, negative before.
 *
 * A day begins at the first instant whose local date is that day or a later one. So a day on which the clocks change
 * has 23 or 25 hours, a day that begins after a leap over midnight begins at 01:00, and a date that a zone left out
 * (Samoa, 2011-12-30) is a day of no length, which no instant belongs to. Offsets are rounded to the quarter hour:
 * only local mean times of before about 1970 have others, and days must be made of whole panes.
 */

export const DAY_MS = 86_400_000;
/** Every offset in use since 1986 is a multiple of this. */
export const OFFSET_STEP_MS = 900_000;

/** Days remembered: ten years of daily windows in any order. */
const MAX_CACHED_DAYS = 4096;
/** The limits of `Date`; beyond them the offset is that of the limit. */
const MAX_DATE_MS = 8.64e15;
const OFFSET_TEXT = /GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?/;

export class CalendarDays {
  readonly #format: Intl.DateTimeFormat;
  readonly #starts = new Map<number, number>();

  /** Throws RangeError when the zone is unknown. */
  constructor(timezone: string) {
    this.#format = new Intl.DateTimeFormat("en-US", { timeZone: timezone, timeZoneName: "longOffset" });
  }

  /** Number of the day that the instant belongs to. */
  dayOf(timeMs: number): number {
    // No zone is a whole day away from UTC, so the local date differs from that of UTC by one at most.
    const day = Math.floor(timeMs / DAY_MS);
    if (timeMs < this.startOf(day)) return day - 1;
    return timeMs < this.startOf(day + 1) ? day : day + 1;
  }

  /** First instant of the day; never decreases from day to day. */
  startOf(day: number): number {
    let start = this.#starts.get(day);
    if (start === undefined) {
      start = this.#findStart(day);
      if (this.#starts.size >= MAX_CACHED_DAYS) this.#starts.clear();
      this.#starts.set(day, start);
    }
    return start;
  }

  /** The instant of a local time, given as if it were UTC: the first one where it comes twice, as long after the leap where it is left out. */
  instantOf(localMs: number): number {
    const before = this.offsetAt(localMs - DAY_MS);
    const after = this.offsetAt(localMs + DAY_MS);
    // The larger offset is the earlier instant. Where neither is in use then, the clocks leap over that time.
    const offsets = before > after ? [before, after] : [after, before];
    const found = offsets.find((offset) => this.offsetAt(localMs - offset) === offset);
    return localMs - (found ?? before);
  }

  /** What the clocks are ahead of UTC, milliseconds. */
  offsetAt(timeMs: number): number {
    const clamped = Math.min(Math.max(timeMs, -MAX_DATE_MS), MAX_DATE_MS);
    const match = OFFSET_TEXT.exec(this.#format.format(clamped));
    const [, sign, hours = "0", minutes = "0", seconds = "0"] = match ?? [];
    const size = Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1000;
    const rounded = Math.round(size / OFFSET_STEP_MS) * OFFSET_STEP_MS;
    return sign === "-" ? -rounded : rounded;
  }

  #findStart(day: number): number {
    const midnightUtc = day * DAY_MS;
    const offsets = [midnightUtc - DAY_MS, midnightUtc, midnightUtc + DAY_MS].map((at) => this.offsetAt(at));
    const earliest = midnightUtc - Math.max(...offsets);
    const latest = midnightUtc - Math.min(...offsets);
    if (earliest === latest) return earliest;
    let start = earliest;
    while (start < latest && start + this.offsetAt(start) < midnightUtc) start += OFFSET_STEP_MS;
    return start;
  }
}
