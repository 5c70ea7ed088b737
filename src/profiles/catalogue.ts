/**
 * Every metric that is read off a profile: the one table. What the documentation says of a metric (`npm run docs:metrics` writes `docs/metrics.md` from it) and
 * how it is computed stand in the same entry. Those that compare with the past follow in `reference-metrics.ts`.
 */
import type { FieldKind } from "../core/column-batch.ts";
import type { FieldClass } from "./field-kinds.ts";
import type { FieldProfile } from "./field-profile.ts";
import type { FieldMetricEntry, Measured, MetricEntry, StateName } from "./metric-entry.ts";
import type { FieldPair } from "./number-pairs.ts";
import type { Profile } from "./profile.ts";
import { entropy, modeShare, singletonShare } from "./value-shares.ts";

/** A metric of the dataset: `name()`. */
interface DatasetMetric extends MetricEntry {
  measure(profile: Profile): Measured;
}

/** A metric of a field: `name(field)`. */
export interface FieldMetric extends FieldMetricEntry {
  /** It is, or is close to, a value of the field: left out where the values are hidden. */
  readonly showsValues: boolean;
  measure(field: FieldProfile, expected: number): Measured;
}

/** A metric of two numbers of the same events: `name(first,second)`. */
export interface PairMetric extends MetricEntry {
  /** Classes of fields of which it says something. */
  readonly classes: ReadonlySet<FieldClass>;
  /** It is a difference of two single values: left out where those of either field are hidden. */
  readonly showsValues: boolean;
  measure(pair: FieldPair["state"]): Measured;
}

/** Published as `quantile(field,q)`. */
export const QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] as const;

export const DATASET_METRICS: readonly DatasetMetric[] = [
  {
    name: "row_count",
    formula: "decoded events, valid and invalid",
    kind: "count",
    from: ["counters"],
    error: "exact",
    scored: true,
    measure: (profile) => ({ value: profile.rows, n: profile.rows }),
  },
  {
    name: "bytes",
    formula: "sum of the payload bytes of the decoded events",
    kind: "count",
    from: ["counters"],
    error: "exact",
    scored: false,
    measure: (profile) => ({ value: profile.bytes, n: profile.rows }),
  },
  {
    name: "mean_bytes",
    formula: "bytes() / row_count()",
    kind: "value",
    from: ["counters"],
    error: "exact",
    scored: false,
    measure: (profile) => ratio(profile.bytes, profile.rows),
  },
  {
    name: "duplicate_share",
    formula: "(events − distinct events) / events, by content, among the 1,024 lowest content hashes",
    kind: "share",
    from: ["rowSample"],
    error: "exact up to 1,024 distinct events, then a standard deviation of 0.06 %",
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
  from: ["counters"],
  error: "exact",
  scored: false,
};

/** Published as `schema_rows(id)`, and `schema_rows(other)` beyond 64 ids. */
export const SCHEMA_ROWS: MetricEntry = {
  name: "schema_rows",
  formula: "decoded events of this writer schema",
  kind: "count",
  from: ["counters"],
  error: "exact",
  scored: false,
};

export const NUMBERS: readonly FieldKind[] = ["int", "long", "float", "double", "decimal"];
const TIMES: readonly FieldKind[] = ["date", "time", "timestamp"];
const FRACTIONAL: readonly FieldKind[] = ["float", "double", "decimal"];
export const TEXTS: ReadonlySet<FieldKind> = new Set(["string"]);
export const SIZED: readonly FieldKind[] = ["array", "map"];
const MEASURED: readonly FieldKind[] = ["string", "bytes", ...SIZED];
const NUMERIC = new Set([...NUMBERS, ...TIMES]);
const COUNTED = new Set<FieldKind>([...NUMBERS, ...TIMES, "enum", "uuid", "string", "fixed", "bytes"]);
/** Of which the most frequent values are kept. */
export const SHARED: ReadonlySet<FieldKind> = new Set<FieldKind>([...NUMBERS, "enum", "uuid", "string"]);
const EVERY = new Set<FieldKind>([...COUNTED, "boolean", ...SIZED]);

export const FIELD_METRICS: readonly FieldMetric[] = [
  { ...rate("null_rate", "nulls / (values + nulls)", EVERY, (field) => field.nulls), isPresence: true },
  {
    name: "missing_rate",
    formula: "(expected − values − nulls) / expected; expected = events, or the elements of the array or map around it",
    kind: "share",
    from: ["counters"],
    error: "exact",
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
  rate(
    "non_integer_rate",
    "finite values that are no integers / (values + nulls)",
    FRACTIONAL,
    (field) => field.nonInteger,
  ),
  rate("empty_rate", "values of length 0 / (values + nulls)", MEASURED, (field) => field.empty),
  rate(
    "blank_rate",
    "texts of nothing but ASCII white space / (values + nulls)",
    TEXTS,
    (field) => field.shapes?.blank ?? 0,
    "shapes",
  ),
  rate(
    "number_like_rate",
    "texts that read as a number / (values + nulls)",
    TEXTS,
    (field) => field.shapes?.numbers ?? 0,
    "shapes",
  ),
  rate(
    "date_like_rate",
    "texts that read as a date / (values + nulls)",
    TEXTS,
    (field) => field.shapes?.dates ?? 0,
    "shapes",
  ),
  {
    name: "pattern_count",
    formula: "patterns of character classes (JFK-7 and LGA-12 are `A.9`); nothing beyond 256",
    kind: "count",
    from: ["shapes"],
    error: "exact",
    scored: false,
    kinds: TEXTS,
    showsValues: false,
    measure: ({ shapes }) => ({
      value: shapes?.isExact === true && shapes.totalCount > 0 ? shapes.patterns().length : undefined,
      n: shapes?.totalCount ?? 0,
    }),
  },
  {
    name: "top_pattern_share",
    formula: "texts of the most frequent pattern / texts; nothing beyond 256 patterns",
    kind: "share",
    from: ["shapes"],
    error: "exact",
    scored: false,
    kinds: TEXTS,
    showsValues: false,
    measure: ({ shapes }) => {
      if (shapes?.isExact !== true) return { value: undefined, n: 0 };
      return ratio(Math.max(0, ...shapes.patterns().map(({ count }) => count)), shapes.totalCount);
    },
  },
  {
    name: "mode_share",
    formula: "values that are the most frequent one / finite values",
    kind: "share",
    from: ["dictionary", "frequentItems"],
    error: "exact up to 4,096 values, then up to 1.04 % too low",
    scored: true,
    kinds: SHARED,
    showsValues: false,
    measure: modeShare,
  },
  {
    name: "singleton_share",
    formula: "values that came once / finite values",
    kind: "share",
    from: ["dictionary", "valueSample"],
    error: "exact up to 4,096 values, then that of 512 of them",
    scored: false,
    kinds: SHARED,
    showsValues: false,
    measure: singletonShare,
  },
  {
    name: "entropy",
    formula: "−Σ p log2 p over the shares p of the values, bits; nothing beyond 4,096 values",
    kind: "value",
    from: ["dictionary"],
    error: "exact",
    scored: false,
    lowest: 0,
    kinds: SHARED,
    showsValues: false,
    measure: entropy,
  },
  {
    // Of the faults of `npm run bench:detect` it finds more than any other that was added: 5 in 100.
    name: "repeat_share",
    formula:
      "values equal to the one before in the same partition, slice and pane / values that have one before; nulls are passed over, elements of arrays and maps not looked at; moves with the number of partitions",
    kind: "share",
    from: ["repeats"],
    error:
      "exact; the ends of panes or slices of one flush are not compared when these are merged, nor ends beyond 256 partitions and schemas",
    scored: true,
    kinds: COUNTED,
    showsValues: false,
    measure: ({ repeats }) => ratio(repeats.equal, repeats.compared),
  },
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
    formula: "distinct finite values",
    kind: "count",
    from: ["dictionary", "hll"],
    error: "exact up to 4,096, then a standard error of 1.6 %",
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

const PAIRED_CLASSES: readonly FieldClass[] = ["number", "date", "time", "timestamp"];

export const PAIR_METRICS: readonly PairMetric[] = [
  {
    name: "correlation",
    formula:
      "Pearson's correlation of the positions of both numbers, which grow with the number up to 1 and with its logarithm beyond; nothing where one of them stays at one position",
    kind: "correlation",
    from: ["pairs"],
    error: "exact; positions are 0.3 % wide (below 1: 1/256)",
    scored: true,
    lowest: -1,
    classes: new Set<FieldClass>(["number"]),
    showsValues: false,
    measure: (pair) => ({ value: pair.correlation(), n: pair.count }),
  },
  gap("gap_mean", "mean of first − second, where both are there", ({ gaps }) => gaps.mean, { scored: true }),
  gap("gap_stddev", "standard deviation of first − second, of the population", ({ gaps }) => gaps.stddev, {
    scored: true,
    lowest: 0,
  }),
  gap("gap_min", "least first − second", ({ gaps }) => gaps.min, { showsValues: true }),
  gap("gap_max", "largest first − second", ({ gaps }) => gaps.max, { showsValues: true }),
];

/** Published as `quantile(field,q)` for each of `QUANTILES`. */
export const QUANTILE_METRIC: FieldMetricEntry & Pick<FieldMetric, "showsValues"> = {
  name: "quantile",
  formula: "value of normalised rank q; of arrays and maps, of the lengths",
  kind: "value",
  from: ["kll"],
  error: "rank within 1.33 %, in 99 % of the cases",
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
    from: ["counters"],
    error: "exact",
    scored: true,
    measure: (profile) => ratio(count(profile), profile.counts().consumed - profile.filtered),
  };
}

function freshness(name: string, what: string, figure: (lag: Profile["lag"]) => number | undefined): DatasetMetric {
  return {
    name,
    formula: `${what} of broker timestamp − event time, seconds`,
    kind: "value",
    from: ["moments"],
    error: "exact",
    scored: false,
    measure: ({ lag }) => {
      const milliseconds = figure(lag);
      return { value: milliseconds === undefined ? undefined : milliseconds / 1000, n: lag.count };
    },
  };
}

function gap(
  name: string,
  formula: string,
  figure: (pair: FieldPair["state"]) => number | undefined,
  { scored = false, showsValues = false, lowest }: Partial<Pick<PairMetric, "scored" | "showsValues" | "lowest">>,
): PairMetric {
  return {
    name,
    formula,
    kind: "value",
    from: ["pairs"],
    error: "exact",
    scored,
    ...(lowest === undefined ? {} : { lowest }),
    classes: new Set(PAIRED_CLASSES),
    showsValues,
    measure: (pair) => ({ value: figure(pair), n: pair.gaps.count }),
  };
}

function rate(
  name: string,
  formula: string,
  kinds: Iterable<FieldKind>,
  count: (field: FieldProfile) => number,
  from: StateName = "counters",
): FieldMetric {
  return {
    name,
    formula,
    kind: "share",
    from: [from],
    error: "exact",
    scored: true,
    kinds: new Set(kinds),
    showsValues: false,
    measure: (field) => ratio(count(field), field.values + field.nulls),
  };
}

function ofMoments(name: string, formula: string, kinds: ReadonlySet<FieldKind>): Omit<FieldMetric, "measure"> {
  const isBound = name === "min" || name === "max";
  const from: readonly StateName[] = isBound ? ["moments", "range"] : ["moments"];
  return { name, formula, kind: "value", from, error: "exact", scored: false, kinds, showsValues: false };
}
