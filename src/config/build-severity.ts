/** The severity matrix: rows that are set, beside the default ones. */
import { IMPACTS, type Impact, SEVERITY_MATRIX, type SeverityMatrix } from "../core/severity.ts";
import type { Severity } from "../core/verdict.ts";
import { child, mistake, textOf } from "./read-tree.ts";
import { shown } from "./shown.ts";
import type { MapNode, Mistake } from "./yaml-tree.ts";

/** Undefined: nothing is set. */
export function buildSeverity(node: MapNode | undefined, mistakes: Mistake[]): SeverityMatrix | undefined {
  if (node === undefined) return undefined;
  const matrix: Record<Impact, readonly Severity[]> = { ...SEVERITY_MATRIX };
  for (const impact of IMPACTS) {
    const row = child(node, impact);
    if (row?.kind !== "list") continue;
    for (const [at, item] of row.items.entries()) {
      const before = row.items[at - 1];
      if (before === undefined || (textOf(item) ?? "") <= (textOf(before) ?? "")) continue;
      mistakes.push(
        mistake(
          item,
          `expected ${shown(before)} or worse, because what is more likely is not milder, got ${shown(item)}`,
        ),
      );
    }
    matrix[impact] = row.items.map((item) => (textOf(item) ?? "P4") as Severity);
  }
  return matrix;
}
