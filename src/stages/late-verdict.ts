/** What is said of a window once it is known how much of it came late: an empty window whose events are under way is not silent. */
import { LATE_SHARE, type LatenessScore, type LateRows } from "../anomaly/lateness.ts";
import type { DetectorScore } from "../core/detector.ts";
import { type MetricValue, metricId } from "../core/metric.ts";
import { DEFAULT_SEVERITY, severityOf as defaultSeverityOf } from "../core/severity.ts";
import type { Severity, VerdictKind } from "../core/verdict.ts";
import { LATE_SHARE_METRIC } from "../profiles/reference-metrics.ts";

export interface Said {
  readonly score: DetectorScore;
  readonly kind: VerdictKind | null;
  /** `no-data`: since when. */
  readonly sinceMs?: number;
}

/** Of the blame, where late events are the alarm: what the detector names besides is context. */
const LATE_BLAME = 0.95;

interface LatenessOptions {
  /** The windows just before have more late events than usual. */
  readonly isLateBefore: () => boolean;
  /** @default that of a dataset of medium impact */
  readonly severityOf?: ((score: DetectorScore) => Severity) | undefined;
}

/** `late`: undefined while too few windows are known. Alarms about what the data holds stay what they are. */
export function withLateness(
  said: Said,
  late: LatenessScore | undefined,
  { isLateBefore, severityOf = (score) => defaultSeverityOf(score, DEFAULT_SEVERITY) }: LatenessOptions,
): Said {
  if (late === undefined || said.score.outcome === "unknown") return said;
  const { cause } = late;
  const band = [cause.low ?? 0, cause.expected ?? 0, cause.high ?? 1] as const;
  const score: DetectorScore = { ...said.score, expected: new Map([...said.score.expected, [LATE_SHARE, band]]) };
  const { kind } = said;
  if (kind === "content" || kind === "more-than-usual") return { ...said, score };
  if (late.score >= 1) return { score: lateAlarm(score, late, severityOf), kind: "late" };
  if (kind !== null && isLateBefore()) return { score, kind: "late" };
  return { ...said, score };
}

export function lateShareOf({ late, rows }: LateRows): MetricValue {
  const { name, kind, scored } = LATE_SHARE_METRIC;
  return { id: metricId(name), kind, fields: [], value: rows > 0 ? late / rows : undefined, n: rows, scored };
}

function lateAlarm(
  score: DetectorScore,
  { score: lateScore, pValue, relativeP, cause }: LatenessScore,
  severityOf: (score: DetectorScore) => Severity,
): DetectorScore {
  const alarm: DetectorScore = {
    ...score,
    outcome: "fail",
    score: Math.max(score.score ?? 0, lateScore),
    pValue: Math.min(score.pValue ?? 1, pValue),
    relativeP,
    causes: [
      { ...cause, share: LATE_BLAME },
      ...score.causes.map((other) => ({ ...other, share: (1 - LATE_BLAME) * other.share })),
    ],
  };
  return { ...alarm, severity: severityOf(alarm) };
}
