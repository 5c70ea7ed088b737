/** Windows and what is said about them. All times are epoch milliseconds; `[startMs, endMs)`. */
/** Slice that holds every event. */
export const ALL_SLICE = "all";
/** Slice by value for values beyond the limit. */
export const OTHER_VALUE = "other";

export interface WindowId {
  readonly dataset: string;
  readonly slice: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** What became of the events of a window; `consumed` is the sum of the others. */
export interface LedgerCounts {
  consumed: number;
  valid: number;
  invalid: number;
  undecodable: number;
  tombstone: number;
  future: number;
  late: number;
  filtered: number;
}

export function emptyCounts(): LedgerCounts {
  return { consumed: 0, valid: 0, invalid: 0, undecodable: 0, tombstone: 0, future: 0, late: 0, filtered: 0 };
}

export function addCounts(into: LedgerCounts, from: Readonly<LedgerCounts>): void {
  into.consumed += from.consumed;
  into.valid += from.valid;
  into.invalid += from.invalid;
  into.undecodable += from.undecodable;
  into.tombstone += from.tombstone;
  into.future += from.future;
  into.late += from.late;
  into.filtered += from.filtered;
}
