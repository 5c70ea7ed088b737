/** What is said of a metric, and of the states that metrics are read from. Nothing here is used at run time but the names. */
import type { FieldKind } from "../core/column-batch.ts";
import type { MetricKind } from "../core/metric.ts";

/** A figure and the events (or elements) behind it; a share's denominator. */
export interface Measured {
  readonly value: number | bigint | undefined;
  readonly n: number;
}

interface StateEntry {
  /** What is kept, and how it is joined. */
  readonly keeps: string;
  /** Bytes of memory for one field (or dataset, where it says so) of one open window. */
  readonly bytes: string;
}

/** The states of a profile, and what the judge keeps to compare with. */
export const STATES = {
  counters: { keeps: "exact counters; added", bytes: "8 a counter" },
  moments: { keeps: "count, mean, squares, sum, min, max; Chan's join", bytes: "64" },
  range: { keeps: "least and largest 64-bit integer", bytes: "16" },
  dictionary: {
    keeps:
      "up to 4,096 values with exact counts; added. Counters, moments, histogram and quantiles follow from it, then",
    bytes: "24 a value and its text, at most 256 bytes",
  },
  hll: { keeps: "HyperLogLog, lgK = 12; maximum of registers", bytes: "4 K" },
  kll: { keeps: "KLL, k = 200", bytes: "5 K" },
  frequentItems: { keeps: "192 counters of frequent values", bytes: "5 K and texts" },
  histogram: { keeps: "counts in 8 bins an octave, the same for all data; added", bytes: "64 an octave" },
  valueSample: {
    keeps: "beyond 4,096 values: the 512 with the lowest hashes, exact counts; every part keeps the same ones",
    bytes: "20 K; 6 K written",
  },
  shapes: {
    keeps:
      "blank, number-like, date-like; at most 256 patterns of character classes, those with the lowest hashes; added",
    bytes: "20 a pattern, at most 10 K",
  },
  rowSample: { keeps: "1,024 lowest content hashes with counts", bytes: "40 K a dataset" },
  nullPatterns: {
    keeps: "which fields are absent together: at most 256 patterns, those with the lowest hashes, exact counts; added",
    bytes: "20 a pattern, at most 10 K a dataset",
  },
  repeats: {
    keeps:
      "values compared with the one before, values equal to it, and of each partition and writer schema the hashes of the first and the last; parts are joined as they follow each other",
    bytes: "80 a partition, at most 20 K",
  },
  pairs: {
    keeps:
      "of each pair: rows, sums of the positions of both numbers, of their squares and of their product, moments of the difference; added, Chan's join",
    bytes: "200 a pair of a dataset, at most 64 pairs",
  },
  valueReference: {
    keeps:
      "judge: values of the last 28 windows that did not alarm, of more where they have few events; at most 16,384",
    bytes: "32 a value, 16 a value and window",
  },
  binReference: {
    keeps: "judge: bins of the histogram (of texts: patterns) of each of these windows",
    bytes: "16 a bin and window",
  },
  patternReference: {
    keeps: "judge: null patterns of each of these windows",
    bytes: "16 a pattern and window, at most 0.4 M a dataset",
  },
} as const satisfies Record<string, StateEntry>;

export type StateName = keyof typeof STATES;

export interface MetricEntry {
  readonly name: string;
  /** For the documentation. */
  readonly formula: string;
  readonly kind: MetricKind;
  /** Read from these. */
  readonly from: readonly StateName[];
  /** Of the figure, against that of the events one by one; `exact`: none but rounding. */
  readonly error: string;
  /** Whether the detector looks at it. */
  readonly scored: boolean;
  /** See `MetricValue`. */
  readonly isPresence?: boolean;
  /** See `MetricValue`. */
  readonly lowest?: number;
}

/** A metric of fields. */
export interface FieldMetricEntry extends MetricEntry {
  readonly kinds: ReadonlySet<FieldKind>;
}
