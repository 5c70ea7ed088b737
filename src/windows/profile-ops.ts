import type { LedgerCounts } from "../core/window.ts";

/** What the windows must be able to do with a profile. */
export interface ProfileOps<P> {
  create(): P;
  /** Adds `from` to `into`; `from` is neither changed nor kept. */
  merge(into: P, from: P): void;
  /** What became of the profile's events; `late` is 0. */
  counts(profile: P): Readonly<LedgerCounts>;
  /** Memory the profile holds. */
  bytes?(profile: P): number;
}

/** Events that were profiled: those with a time. */
export function rowsOf(counts: Readonly<LedgerCounts>): number {
  return counts.valid + counts.invalid;
}
