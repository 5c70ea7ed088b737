/** The detector over a plain matrix of numbers: one row per point in time, one column per metric of any name. */
import type { MetricValue } from "../core/metric.ts";
import type { Cause, Severity } from "../core/verdict.ts";
import { createDetector, type DetectorOptions, detectorProgress, type SecondSeasonProgress } from "./detector.ts";

export interface MatrixRow {
  /** Echoed as it stands. */
  readonly time: string;
  /** Position in the series, growing; a gap advances the season. See `seriesIndex`. */
  readonly index: number;
  /** One per name; `undefined` (and whatever is not a finite number) is missing. */
  readonly values: ArrayLike<number | undefined>;
}

export interface MatrixVerdict {
  readonly time: string;
  readonly score: number | null;
  readonly pValue: number | null;
  readonly severity: Severity | null;
  readonly alarm: boolean;
  readonly causes: readonly Omit<Cause, "fields">[];
}

/** A snapshot of more columns would take too much memory for a count. */
const COUNTED_MOST = 2000;

/**
 * One verdict per row, each from the rows before it alone. Every metric has its own forecast; of more than 512, those that changed in the
 * most rows are in the components. In the end it says for how many columns there was a season above the first, of up to 2,000. Throws for names
 * that are not distinct.
 */
export function* detectMatrix(
  rows: Iterable<MatrixRow>,
  names: readonly string[],
  options: DetectorOptions,
): Generator<MatrixVerdict, SecondSeasonProgress | undefined> {
  if (new Set(names).size !== names.length) {
    throw new TypeError(`Cannot detect: metric names are not distinct (${names.join(", ")})`);
  }
  const detector = createDetector({ metricsMax: names.length, ...options });
  const fields = names.map((id) => [id]);
  for (const { time, index, values } of rows) {
    const metrics = names.map(
      (id, column): MetricValue => ({
        id,
        kind: "value",
        fields: fields[column]!,
        value: Number.isFinite(values[column]) ? values[column] : undefined,
        n: 0,
        scored: true,
      }),
    );
    const score = detector.scoreOne({ index, metrics });
    detector.learnOne({ index, metrics }, score);
    yield {
      time,
      score: score.score,
      pValue: score.pValue,
      severity: score.severity,
      alarm: score.outcome === "fail",
      causes: score.causes.map(({ metric, share, observed, expected, low, high }) => ({
        metric,
        share,
        observed,
        expected,
        low,
        high,
      })),
    };
  }
  if (options.windowMs === undefined || names.length > COUNTED_MOST) return undefined;
  return detectorProgress(detector.snapshot()).secondSeason ?? undefined;
}
