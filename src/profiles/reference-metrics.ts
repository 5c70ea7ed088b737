/**
 * The metrics that compare a window with the past: the second part of the table in `catalogue.ts`. The judge computes them (`src/drift`),
 * since nothing of the past reaches a profiler.
 */
import { NUMBERS, SHARED, SIZED, TEXTS } from "./catalogue.ts";
import type { FieldMetricEntry, MetricEntry } from "./metric-entry.ts";

/**
 * What the judge reads off a window and the last 28 (more where these have few events) that neither alarmed, nor were empty or
 * partial. All are left out until there are 28, and until each of them has known the field.
 */
export const REFERENCE_METRICS = {
  unseenShare: {
    name: "unseen_share",
    formula: "values that no window of the reference had / values",
    kind: "share",
    from: ["dictionary", "valueSample", "valueReference"],
    error:
      "exact up to 4,096 values, then that of a sample of 512 of them: a standard deviation of up to 2.2 % where they come equally often; nothing where the reference has over 16,384",
    scored: true,
    kinds: SHARED,
  },
  share: {
    name: "share",
    formula: "share(f=value): this value / values, for the 16 most frequent values of the reference",
    kind: "share",
    from: ["dictionary", "valueReference"],
    error: "exact; nothing beyond 4,096 values",
    scored: true,
    kinds: new Set(["enum", "uuid", "string"]),
  },
  // Measured on the flights: scored, it makes 15 incidents of 11, and finds no fault that was missed.
  outsideShare: {
    name: "outside_share",
    formula:
      "values beyond the usual limits / values; limits = median of the least and of the largest bins of the reference's windows",
    kind: "share",
    from: ["histogram", "binReference"],
    error: "exact; the limits are those of bins, 12.5 % wide",
    scored: false,
    kinds: new Set([...NUMBERS, ...SIZED]),
  },
  unseenPatternShare: {
    name: "unseen_pattern_share",
    formula:
      "texts of a pattern that no window of the reference had / texts; words of letters and digits in turn are one sign of it; nothing beyond 256 patterns",
    kind: "share",
    from: ["shapes", "binReference"],
    error: "exact",
    scored: true,
    kinds: TEXTS,
  },
  // Measured: it earns the detector nothing, and its noise grows as the window gets smaller.
  psi: {
    name: "psi",
    formula: "population stability index over ten groups of the reference's histogram, or its 16 most frequent texts",
    kind: "value",
    from: ["histogram", "dictionary", "binReference", "valueReference"],
    error: "that of whole bins",
    scored: false,
    kinds: new Set([...NUMBERS, ...SIZED, "enum", "uuid", "string"]),
  },
} as const satisfies Record<string, FieldMetricEntry>;

/** As `REFERENCE_METRICS`, of the dataset. */
export const RARE_PATTERN_SHARE = {
  name: "rare_pattern_share",
  formula:
    "events whose absent fields are rarely absent together (less than 1 in 10,000 events of the reference) / events",
  kind: "share",
  from: ["nullPatterns", "patternReference"],
  error: "exact up to 256 patterns, then that of 256 of them",
  scored: true,
} as const satisfies MetricEntry;

/** As `RARE_PATTERN_SHARE`; the judge alone knows when a window was told first. */
export const LATE_SHARE_METRIC = {
  name: "late_share",
  formula:
    "events that came after the window was told first, and late ones of windows that can be revised no more / all of these and the window's own",
  kind: "share",
  from: ["counters"],
  error: "exact",
  scored: true,
} as const satisfies MetricEntry;

const NAMES = new Set<string>([RARE_PATTERN_SHARE, ...Object.values(REFERENCE_METRICS)].map(({ name }) => name));

/** Of the id of a metric. */
export function isReferenceMetric(id: string): boolean {
  return NAMES.has(id.slice(0, id.indexOf("(")));
}

/** Of the name of a metric: it says what the past did not have. A share of one value is a figure of the window's own. */
export function isAgainstPast(name: string): boolean {
  return NAMES.has(name) && name !== REFERENCE_METRICS.share.name;
}
