/**
 * Severity of an alarm, P0 (the worst) to P4: what it would cost (impact, which people set) by how sure it is that something is
 * wrong (likelihood).
 *
 * The likelihood is counted in levels. 0 to 2 for the rarity of the score: the part of the tolerated false alarms that would be as far out,
 * `pValue` over that of the threshold; above a third, up to a third, up to a tenth. One more where half of the rows or more are
 * concerned, one less where it is not one in a hundred: of each cause, the distance between what was observed and what was expected where its
 * metric is a share or the row count. One more from the third window on. What is beyond 0 or 2 counts as these.
 *
 * Of several causes the worst counts, among the first three, as far as they bear a tenth of the first one's blame.
 */
import { isShareMetric, metricName } from "./metric.ts";
import type { Cause, Severity } from "./verdict.ts";

export const SEVERITIES = ["P0", "P1", "P2", "P3", "P4"] as const satisfies readonly Severity[];
export const IMPACTS = ["critical", "high", "medium", "low"] as const;
export const LIKELIHOODS = ["possible", "likely", "certain"] as const;
export type Impact = (typeof IMPACTS)[number];

/** By impact, then in the order of `LIKELIHOODS`. */
export type SeverityMatrix = Readonly<Record<Impact, readonly Severity[]>>;

export const SEVERITY_MATRIX: SeverityMatrix = {
  critical: ["P2", "P1", "P0"],
  high: ["P2", "P1", "P1"],
  medium: ["P3", "P2", "P1"],
  low: ["P4", "P3", "P2"],
};

export interface SeverityPolicy {
  readonly matrix: SeverityMatrix;
  /** Of the dataset: also of each field that has none of its own. */
  readonly impact: Impact;
  /** By path, as fields are named in causes. */
  readonly fieldImpacts: ReadonlyMap<string, Impact>;
}

export const DEFAULT_SEVERITY: SeverityPolicy = { matrix: SEVERITY_MATRIX, impact: "medium", fieldImpacts: new Map() };

/** What the detector said of a window that alarms. */
export interface AlarmingScore {
  /** 1 is the threshold. */
  readonly score: number | null;
  /** `pValue` over that of the threshold, (0, 1]. @default what a usual stream has at the score */
  readonly relativeP?: number;
  /** Most to blame first. */
  readonly causes: readonly Cause[];
}

const LIKELY = 1 / 3;
const CERTAIN = 1 / 10;
/** Share of the rows from which on a fault is one of the whole, and below which it is one of single events. */
const WIDE = 0.5;
const NARROW = 0.01;
/** Windows after which nobody takes it for chance. */
const LASTING_WINDOWS = 3;
/** Causes that an alert names, and the least part of the first one's blame that the others bear. */
const NAMED_CAUSES = 3;
const NAMED_BLAME = 0.1;
/** Tails of scores fall off with the power 1 / 0.4 (`anomaly/calibration.ts`). */
const TYPICAL_POWER = 2.5;

/** `windows`: how many alarmed so far. */
export function severityOf(alarm: AlarmingScore, { matrix, ...impacts }: SeverityPolicy, windows = 1): Severity {
  const [first] = alarm.causes;
  if (first === undefined) return matrix[impacts.impact][likelihoodOf(alarm, undefined, windows)]!;
  let worst: Severity = "P4";
  for (const cause of alarm.causes.slice(0, NAMED_CAUSES)) {
    if (cause !== first && cause.share < NAMED_BLAME * first.share) continue;
    const severity = matrix[impactOf(cause, impacts)][likelihoodOf(alarm, cause, windows)]!;
    if (severity < worst) worst = severity;
  }
  return worst;
}

/** Index in `LIKELIHOODS`. */
function likelihoodOf({ score, relativeP }: AlarmingScore, cause: Cause | undefined, windows: number): number {
  const rarity = relativeP ?? (score === null ? 1 : score ** -TYPICAL_POWER);
  let level = rarity <= CERTAIN ? 2 : rarity <= LIKELY ? 1 : 0;
  const share = cause === undefined ? undefined : shareOfRows(cause);
  if (share !== undefined && share >= WIDE) level++;
  if (share !== undefined && share < NARROW) level--;
  if (windows >= LASTING_WINDOWS) level++;
  return Math.max(0, Math.min(LIKELIHOODS.length - 1, level));
}

function impactOf({ fields }: Cause, { impact, fieldImpacts }: Omit<SeverityPolicy, "matrix">): Impact {
  let worst: Impact | undefined;
  for (const field of fields) {
    const own = fieldImpacts.get(field) ?? impact;
    if (worst === undefined || IMPACTS.indexOf(own) < IMPACTS.indexOf(worst)) worst = own;
  }
  return worst ?? impact;
}

/** Part of the rows that are not as expected; undefined where the metric does not say. */
function shareOfRows({ metric, observed, expected }: Cause): number | undefined {
  if (observed === null || expected === null) return undefined;
  const distance = Math.abs(observed - expected);
  if (isShareMetric(metric)) return distance;
  // Rows that are missing, or too many.
  return metricName(metric) === "row_count" ? distance / Math.max(observed, expected, 1) : undefined;
}
