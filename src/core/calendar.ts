/** What is known to be unlike other days: the entries of a dataset's calendar, and what they say of a window. */

/** Local dates and times are those of the windows' zone: epoch milliseconds as if it were UTC. */
export type CalendarEntry =
  | {
      readonly kind: "yearly";
      readonly name: string;
      /** 1 to 12, and 1 to 31. 29 February is in leap years alone. */
      readonly month: number;
      readonly day: number;
      readonly widen: number;
    }
  | {
      readonly kind: "span";
      readonly name: string;
      /** `[fromLocalMs, toLocalMs)`. */
      readonly fromLocalMs: number;
      readonly toLocalMs: number;
      readonly widen: number;
    }
  | {
      readonly kind: "holidays";
      /** Public holidays of a year, of a country or a part of it. */
      readonly holidaysOf: (year: number) => readonly Holiday[];
      readonly widen: number;
    };

export interface Holiday {
  readonly name: string;
  /** Days since 1970-01-01, in local time, and how many there are. */
  readonly day: number;
  readonly days: number;
}

/** Of a window that an entry touches. */
export interface CalendarMark {
  /** In the order of the calendar. */
  readonly names: readonly string[];
  /** The largest one. */
  readonly widen: number;
}

/** What a score is divided by where nothing else is said. */
export const WIDEN_DEFAULT = 2;
/** More would come near to muting. */
export const WIDEN_MAX = 10;
