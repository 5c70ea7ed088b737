/**
 * Between which bins the values of past windows usually lay: the median of the least bins of the windows, and of the largest. So half
 * of the windows have something beyond a limit, and a single wild one does not move it.
 */
import type { WindowCounts } from "./window-counts.ts";

export interface Limits {
  /** Keys of bins; both are inside. */
  readonly least: number;
  readonly largest: number;
}

/** Bins of each window, ascending; windows without values say nothing. `undefined`: fewer than half have values. */
export function usualLimits(windows: readonly WindowCounts[]): Limits | undefined {
  const keys = windows.map(({ lo }) => lo).filter((lo) => lo.length > 0);
  if (keys.length * 2 < windows.length || keys.length === 0) return undefined;
  // Of an even number the outer one: the limit is a bin that was reached.
  const least = keys.map((lo) => lo[0]!).sort((a, b) => a - b);
  const largest = keys.map((lo) => lo.at(-1)!).sort((a, b) => a - b);
  return { least: least[Math.ceil(keys.length / 2) - 1]!, largest: largest[Math.floor(keys.length / 2)]! };
}
