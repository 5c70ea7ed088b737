/** What an alarm is about: no data, less or more of it than usual, or what is in it. `late` is decided by `lateness.ts`. */
import type { DetectorScore } from "../core/detector.ts";
import type { VerdictKind } from "../core/verdict.ts";
import type { LedgerCounts } from "../core/window.ts";

const ROW_COUNT = "row_count()";

/**
 * Null: no alarm. What is known of the window's own records decides whether there is no data: records that cannot be decoded are data, and
 * events of other windows that are counted here, because theirs are gone, are not.
 */
export function kindOf(
  { outcome, causes }: Pick<DetectorScore, "outcome" | "causes">,
  { consumed, filtered, late }: Readonly<LedgerCounts>,
): VerdictKind | null {
  if (outcome !== "fail") return null;
  if (consumed - filtered - late === 0) return "no-data";
  const [cause] = causes;
  if (cause?.metric !== ROW_COUNT || cause.observed === null || cause.expected === null) return "content";
  return cause.observed < cause.expected ? "less-than-usual" : "more-than-usual";
}
