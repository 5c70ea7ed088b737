/**
 * Which metrics enter the principal components where there are more than these can take: those that changed in the most windows, of equals
 * the one whose name comes first. A metric that hardly ever moves has no companions to leave.
 */
import type { MetricTable } from "./metric-table.ts";

/** More would take too long: the decomposition grows with the cube of the smaller of metrics and windows, the products with their square. */
export const COLUMNS_MAX = 512;

/** `slots`: candidates. `[fromIndex, toIndex]`: windows that are looked at. Returns at most `COLUMNS_MAX` of them, in their order. */
export function movingColumns(
  table: MetricTable,
  slots: readonly number[],
  [fromIndex, toIndex]: readonly [number, number],
): readonly number[] {
  if (slots.length <= COLUMNS_MAX) return slots;
  const changes = new Map(slots.map((slot) => [slot, changesOf(table, slot, fromIndex, toIndex)]));
  const ranked = [...slots].sort(
    (a, b) => changes.get(b)! - changes.get(a)! || compareTexts(table.idOf(a), table.idOf(b)),
  );
  const chosen = new Set(ranked.slice(0, COLUMNS_MAX));
  return slots.filter((slot) => chosen.has(slot));
}

/** Windows in which the metric was not what it was before. */
function changesOf({ values }: MetricTable, slot: number, fromIndex: number, toIndex: number): number {
  let changes = 0;
  let before = Number.NaN;
  for (let position = 0; position < values.count; position++) {
    const index = values.indexAt(position);
    if (index < fromIndex || index > toIndex) continue;
    const value = values.at(position, slot);
    if (Number.isNaN(value)) continue;
    if (value !== before && !Number.isNaN(before)) changes++;
    before = value;
  }
  return changes;
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
