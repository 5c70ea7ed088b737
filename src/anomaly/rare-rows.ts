/**
 * How unlikely it is that so many rows of a window have what hardly any had before. Of a share that moved by no more than the chance of
 * few rows (its q90 lies within the least spread that is believed), k rows against m expected have a probability of at most exp(−(k ln(k/m) − k + m)) (Chernoff's bound of a Poisson tail). Where there
 * never was one, m is one row in all windows so far: half the window's rows are then far beyond any doubt, though not many
 * of the spreads that are believed of a share of few rows.
 *
 * What is rare comes in bursts, and is not as independent as the bound has it: it is asked only where a tenth of the rows have it.
 */
import type { Observation } from "./metric-table.ts";
import type { Tail } from "./tail.ts";
import { inverse } from "./transform.ts";

/** Part of the rows, beyond what is usual. */
const CHANGE_MIN = 0.1;
/** Where tails begin, in their units: a tenth of the windows lie beyond. */
const TAIL_FROM = Math.LN10;
/** What is believed to be rare: at most so many of the rows. */
const RARE_SHARE = 0.1;

/** In the units of `tailScore()`; undefined: it is no rare share that moved up, or one that moves by itself. */
export function rareRowsScore(
  { metric, value, expected, innovation, floor, windows }: Observation,
  tail: Tail,
): number | undefined {
  if (metric.kind !== "share" || !(metric.n > 0) || innovation <= 0 || windows <= 0) return undefined;
  if (tail.q90 > floor) return undefined;
  const usual = inverse("share", expected);
  if (usual > RARE_SHARE) return undefined;
  const share = inverse("share", value);
  if (share - usual < CHANGE_MIN) return undefined;
  const rows = share * metric.n;
  const expectedRows = usual * metric.n + 1 / windows;
  if (rows <= expectedRows) return undefined;
  return rows * Math.log(rows / expectedRows) - rows + expectedRows - TAIL_FROM;
}
