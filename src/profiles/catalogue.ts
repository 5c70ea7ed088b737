/**
 * Every metric that is read off a profile: the one table. What the documentation says of a metric and how it is computed
 * stand in the same entry.
 */
import type { FieldKind } from "../core/column-batch.ts";
import type { MetricKind } from "../core/metric.ts";
import type { FieldProfile } from "./field-profile.ts";
import type { Profile } from "./profile.ts";

/** A figure and the events (or elements) behind it; a share's denominator. */
export interface Measured {
  readonly value: number | bigint | undefined;
  readonly n: number;
}

export interface MetricEntry {
  readonly name: string;
  /** For the documentation. */
  readonly formula: string;
  readonly kind: MetricKind;
  /** Whether the detector looks at it. */
  readonly scored: boolean;
  /** See `MetricValue`. */
  readonly isPresence?: boolean;
  /** See `MetricValue`. */
  readonly lowest?: number;
}

/** A metric of the dataset: `name()`. */
interface DatasetMetric extends MetricEntry {
  measure(profile: Profile): Measured;
}

/** A metric of a field: `name(field)`. */
export interface FieldMetric extends MetricEntry {
  readonly kinds: ReadonlySet<FieldKind>;
  /** It is, or is close to, a value of the field: left out where the values are hidden. */
  readonly showsValues: boolean;
  measure(field: FieldProfile, expected: number): Measured;
}

/** Published as `quantile(field,q)`. */
export const QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] as const;

export const DATASET_METRICS: readonly DatasetMetric[] = [
  {
    name: "row_count",
    formula: "decoded events, valid and invalid",
    kind: "count",
    scored: true,
    measure: (profile) => ({ value: profile.rows, n: profile.rows }),
  },
  {
    name: "bytes",
    formula: "sum of the payload bytes of the decoded events",
    kind: "count",
    scored: false,
    measure: (profile) => ({ value: profile.bytes, n: profile.rows }),
  },
  {
    name: "mean_bytes",
    formula: "bytes() / row_count()",
    kind: "value",
    scored: false,
    measure: (profile) => ratio(profile.bytes, profile.rows),
  },
  {
    name: "duplicate_share",
    formula: "(events − distinct events) / events, by content, among the 1,024 lowest content hashes",
    kind: "share",
    scored: true,
    measure: (profile) => ({ value: profile.contents.duplicateShare(), n: profile.contents.totalCount }),
  },
  share("invalid_share", "invalid", (profile) => profile.invalid),
  share("undecodable_share", "undecodable", (profile) => profile.undecodable),
  share("tombstone_share", "tombstone", (profile) => profile.tombstone),
  share("future_share", "future", (profile) => profile.future),
  freshness("freshness_mean", "mean", (lag) => lag.mean),
  freshness("freshness_min", "least", (lag) => lag.min),
  freshness("freshness_max", "largest", (lag) => lag.max),
];

/** Published as `violation_count(reason)` where it is not 0. */
export const VIOLATION_COUNT: MetricEntry = {
  name: "violation_count",
  formula: "records with this reason to be undecodable, invalid, a tombstone or future",
  kind: "count",
  scored: false,
};

/** Published as `schema_rows(id)`, and `schema_rows(other)` beyond 64 ids. */
export const SCHEMA_ROWS: MetricEntry = {
  name: "schema_rows",
  formula: "decoded events of this writer schema",
  kind: "count",
  scored: false,
};

const NUMBERS: readonly FieldKind[] = ["int", "long", "float", "double", "decimal"];
const TIMES: readonly FieldKind[] = ["date", "time", "timestamp"];
const SIZED: readonly FieldKind[] = ["array", "map"];
const MEASURED: readonly FieldKind[] = ["string", "bytes", ...SIZED];
const NUMERIC = new Set([...NUMBERS, ...TIMES]);
const COUNTED = new Set<FieldKind>([...NUMBERS, ...TIMES, "enum", "uuid", "string", "fixed", "bytes"]);
const EVERY = new Set<FieldKind>([...COUNTED, "boolean", ...SIZED]);

export const FIELD_METRICS: readonly FieldMetric[] = [
  { ...rate("null_rate", "nulls / (values + nulls)", EVERY, (field) => field.nulls), isPresence: true },
  {
    name: "missing_rate",
    formula: "(expected − values − nulls) / expected; expected = events, or the elements of the array or map around it",
    kind: "share",
    scored: true,
    isPresence: true,
    kinds: EVERY,
    showsValues: false,
    measure: (field, expected) => ratio(expected - field.values - field.nulls, expected),
  },
  rate("nan_rate", "NaN / (values + nulls)", ["float", "double"], (field) => field.nan),
  rate(
    "infinity_rate",
    "∞ and −∞ / (values + nulls)",
    ["float", "double"],
    (field) => field.posInfinity + field.negInfinity,
  ),
  rate("zero_rate", "zeros / (values + nulls)", NUMBERS, (field) => field.zero),
  rate("negative_rate", "finite values below 0 / (values + nulls)", NUMBERS, (field) => field.negative),
  rate("empty_rate", "values of length 0 / (values + nulls)", MEASURED, (field) => field.empty),
  rate("true_rate", "true / (values + nulls)", ["boolean"], (field) => field.trues),
  {
    ...ofMoments("min", "least finite value", NUMERIC),
    showsValues: true,
    measure: (field) => ({ value: field.minimum, n: field.moments?.count ?? 0 }),
  },
  {
    ...ofMoments("max", "largest finite value", NUMERIC),
    showsValues: true,
    measure: (field) => ({ value: field.maximum, n: field.moments?.count ?? 0 }),
  },
  {
    ...ofMoments("mean", "mean of the finite values; not scored for times", NUMERIC),
    scored: true,
    measure: (field) => ({ value: field.moments?.mean, n: field.moments?.count ?? 0 }),
  },
  {
    ...ofMoments("stddev", "standard deviation of the finite values, of the population; not scored for times", NUMERIC),
    scored: true,
    lowest: 0,
    measure: (field) => ({ value: field.moments?.stddev, n: field.moments?.count ?? 0 }),
  },
  {
    name: "distinct_count",
    formula: "distinct finite values: exact up to 4,096, then HyperLogLog with a standard error of 1.6 %",
    kind: "count",
    scored: false,
    kinds: COUNTED,
    showsValues: false,
    measure: (field) => {
      const distinct = field.distinctCount;
      const finite = field.values - field.nan - field.posInfinity - field.negInfinity;
      return { value: distinct === undefined ? undefined : Math.round(distinct), n: finite };
    },
  },
  {
    ...ofMoments("length_mean", "mean length: code points, bytes, or elements", new Set(MEASURED)),
    scored: true,
    lowest: 0,
    measure: (field) => ({ value: field.lengths?.mean, n: field.lengths?.count ?? 0 }),
  },
  {
    ...ofMoments("length_stddev", "standard deviation of the length, of the population", new Set(MEASURED)),
    scored: true,
    lowest: 0,
    measure: (field) => ({ value: field.lengths?.stddev, n: field.lengths?.count ?? 0 }),
  },
  {
    ...ofMoments("length_min", "least length", new Set(MEASURED)),
    measure: (field) => ({ value: field.lengths?.min, n: field.lengths?.count ?? 0 }),
  },
  {
    ...ofMoments("length_max", "largest length", new Set(MEASURED)),
    measure: (field) => ({ value: field.lengths?.max, n: field.lengths?.count ?? 0 }),
  },
];

/** Published as `quantile(field,q)` for each of `QUANTILES`. */
export const QUANTILE_METRIC: MetricEntry & Pick<FieldMetric, "kinds" | "showsValues"> = {
  name: "quantile",
  formula: "value of normalised rank q (KLL, k = 200: rank error 1.33 %); of arrays and maps, the length",
  kind: "value",
  // Beyond a million rows the sketch's rank noise is far above the data's own.
  scored: false,
  kinds: new Set([...NUMBERS, ...TIMES, ...SIZED]),
  showsValues: true,
};

/** Kinds whose mean and spread only say that time went by. */
export const UNSCORED_MOMENTS: ReadonlySet<FieldKind> = new Set(TIMES);

function ratio(part: number, whole: number): Measured {
  return { value: whole > 0 ? part / whole : undefined, n: whole };
}

/** Of the records that belong to the dataset. */
function share(name: string, what: string, count: (profile: Profile) => number): DatasetMetric {
  return {
    name,
    formula: `${what} / (consumed − filtered)`,
    kind: "share",
    scored: true,
    measure: (profile) => ratio(count(profile), profile.counts().consumed - profile.filtered),
  };
}

function freshness(name: string, what: string, figure: (lag: Profile["lag"]) => number | undefined): DatasetMetric {
  return {
    name,
    formula: `${what} of broker timestamp − event time, seconds`,
    kind: "value",
    scored: false,
    measure: ({ lag }) => {
      const milliseconds = figure(lag);
      return { value: milliseconds === undefined ? undefined : milliseconds / 1000, n: lag.count };
    },
  };
}

function rate(
  name: string,
  formula: string,
  kinds: Iterable<FieldKind>,
  count: (field: FieldProfile) => number,
): FieldMetric {
  return {
    name,
    formula,
    kind: "share",
    scored: true,
    kinds: new Set(kinds),
    showsValues: false,
    measure: (field) => ratio(count(field), field.values + field.nulls),
  };
}

function ofMoments(name: string, formula: string, kinds: ReadonlySet<FieldKind>): Omit<FieldMetric, "measure"> {
  return { name, formula, kind: "value", scored: false, kinds, showsValues: false };
}
