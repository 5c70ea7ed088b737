/**
 * Panes and windows: which `[startMs, endMs)` holds a time.
 *
 * Sizes below a day, and all sizes in UTC, are aligned to the epoch. Elsewhere a size of n whole days is n calendar
 * days of the time zone, aligned to day 0 = 1970-01-01 (a day has 23 or 25 hours when the clocks change). The pane is
 * the largest range that every window is made of: the largest common divisor of the sizes; of the sizes below a day
 * and a quarter of an hour when calendar days, whose ends fall on any quarter of an hour of UTC, are mixed in.
 *
 * Times are whole or broken epoch milliseconds within the range of `Date`, before 1970 too. The pane of NaN is NaN.
 */
import { CalendarDays, DAY_MS, OFFSET_STEP_MS } from "./calendar-days.ts";

/** `[startMs, endMs)` */
export interface TimeRange {
  readonly startMs: number;
  readonly endMs: number;
}

export interface PaneClock {
  /** Ascending. */
  readonly sizesMs: readonly number[];
  readonly timezone: string;
  /** Nominal size of a pane; a calendar day counts as 24 h. */
  readonly paneMs: number;
  /** Start of the pane that holds the time. Called per event. */
  paneStart(timeMs: number): number;
  /** End of the pane that begins at `startMs`. */
  paneEnd(startMs: number): number;
  /** The window of that size (or pane, for `paneMs`) that holds the time. Throws RangeError for another size. */
  windowOf(sizeMs: number, timeMs: number): TimeRange;
  /** The window that begins where the one that holds `startMs` ends. */
  nextWindow(sizeMs: number, startMs: number): TimeRange;
  /** Number of the window that holds the time; goes on over windows without data, so a difference counts windows. */
  ordinal(sizeMs: number, timeMs: number): number;
  /** Whether every window of the larger size is made of whole windows of the smaller. */
  nests(smallerMs: number, largerMs: number): boolean;
}

export interface PaneClockOptions {
  /** Whole, positive and distinct milliseconds. */
  readonly sizesMs: readonly number[];
  /** IANA name. @default "UTC" */
  readonly timezone?: string;
}

/** Throws RangeError for sizes that are none, or an unknown time zone. */
export function createPaneClock(options: PaneClockOptions): PaneClock {
  const sizesMs = [...options.sizesMs].sort((a, b) => a - b);
  checkSizes(sizesMs);
  const timezone = options.timezone ?? "UTC";
  const days = isUtc(timezone) ? undefined : new CalendarDays(timezone);
  const isCalendar = (sizeMs: number): boolean => days !== undefined && sizeMs % DAY_MS === 0;

  const fixedSizes = sizesMs.filter((size) => !isCalendar(size));
  const mixed = fixedSizes.length > 0 && fixedSizes.length < sizesMs.length;
  const paneMs = mixed ? gcd([...fixedSizes, OFFSET_STEP_MS]) : gcd(sizesMs);

  const grids = new Map<number, Grid>();
  for (const size of [paneMs, ...sizesMs]) {
    grids.set(
      size,
      days !== undefined && isCalendar(size) ? new CalendarGrid(days, size / DAY_MS) : new FixedGrid(size),
    );
  }
  const grid = (sizeMs: number): Grid => {
    const found = grids.get(sizeMs);
    if (found === undefined)
      throw new RangeError(`Cannot find a window of ${sizeMs} ms: sizes are ${sizesMs.join(", ")} ms`);
    return found;
  };
  const panes = grid(paneMs);

  return {
    sizesMs,
    timezone,
    paneMs,
    paneStart: panes instanceof FixedGrid ? (timeMs) => Math.floor(timeMs / paneMs) * paneMs : rememberLast(panes),
    paneEnd: (startMs) => panes.range(startMs).endMs,
    windowOf: (sizeMs, timeMs) => grid(sizeMs).range(timeMs),
    nextWindow: (sizeMs, startMs) => grid(sizeMs).range(grid(sizeMs).range(startMs).endMs),
    ordinal: (sizeMs, timeMs) => grid(sizeMs).ordinal(timeMs),
    nests: (smallerMs, largerMs) =>
      largerMs % smallerMs === 0 &&
      (!isCalendar(largerMs) || isCalendar(smallerMs) || OFFSET_STEP_MS % smallerMs === 0),
  };
}

interface Grid {
  range(timeMs: number): TimeRange;
  ordinal(timeMs: number): number;
}

/** Windows of one length, aligned to the epoch. */
class FixedGrid implements Grid {
  readonly #sizeMs: number;

  constructor(sizeMs: number) {
    this.#sizeMs = sizeMs;
  }

  range(timeMs: number): TimeRange {
    const startMs = Math.floor(timeMs / this.#sizeMs) * this.#sizeMs;
    return { startMs, endMs: startMs + this.#sizeMs };
  }

  ordinal(timeMs: number): number {
    return Math.floor(timeMs / this.#sizeMs);
  }
}

/** Windows of a number of calendar days. */
class CalendarGrid implements Grid {
  readonly #days: CalendarDays;
  readonly #dayCount: number;

  constructor(days: CalendarDays, dayCount: number) {
    this.#days = days;
    this.#dayCount = dayCount;
  }

  range(timeMs: number): TimeRange {
    const first = this.ordinal(timeMs) * this.#dayCount;
    return { startMs: this.#days.startOf(first), endMs: this.#days.startOf(first + this.#dayCount) };
  }

  ordinal(timeMs: number): number {
    return Math.floor(this.#days.dayOf(timeMs) / this.#dayCount);
  }
}

/** Events come nearly in order, so the last pane answers for nearly all of them. */
function rememberLast(grid: Grid): (timeMs: number) => number {
  let startMs = 0;
  let endMs = 0;
  return (timeMs) => {
    if (timeMs >= startMs && timeMs < endMs) return startMs;
    if (Number.isNaN(timeMs)) return timeMs;
    ({ startMs, endMs } = grid.range(timeMs));
    return startMs;
  };
}

function checkSizes(ascending: readonly number[]): void {
  if (ascending.length === 0) throw new RangeError("Cannot cut time into windows: no size is given");
  for (const [index, size] of ascending.entries()) {
    if (!Number.isSafeInteger(size) || size <= 0) {
      throw new RangeError(`Cannot cut time into windows of ${size} ms: expected a positive whole number`);
    }
    if (size === ascending[index - 1]) throw new RangeError(`Cannot cut time into windows: ${size} ms is given twice`);
  }
}

function isUtc(timezone: string): boolean {
  // The default, without asking: that takes a tenth of a millisecond, and each claim of a partition asks.
  if (timezone === "UTC") return true;
  const resolved = new Intl.DateTimeFormat("en-US", { timeZone: timezone }).resolvedOptions().timeZone;
  return resolved === "UTC" || resolved === "Etc/UTC" || resolved === "GMT" || resolved === "Etc/GMT";
}

function gcd(values: readonly number[]): number {
  return values.reduce((a, b) => {
    let [x, y] = [a, b];
    while (y !== 0) [x, y] = [y, x % y];
    return x;
  });
}
