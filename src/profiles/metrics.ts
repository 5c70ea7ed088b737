/** The metrics of a profile, in a fixed order: the dataset's, those of each field, by name, those of each pair, by its key. */
import type { ValuePolicy } from "../core/config.ts";
import { type MetricValue, metricId } from "../core/metric.ts";
import { VIOLATION_REASONS } from "../core/violation.ts";
import {
  DATASET_METRICS,
  FIELD_METRICS,
  PAIR_METRICS,
  QUANTILE_METRIC,
  QUANTILES,
  SCHEMA_ROWS,
  UNSCORED_MOMENTS,
  VIOLATION_COUNT,
} from "./catalogue.ts";
import { FieldNames } from "./field-names.ts";
import type { FieldProfile } from "./field-profile.ts";
import type { Measured, MetricEntry } from "./metric-entry.ts";
import type { Profile } from "./profile.ts";

export interface MetricsOptions {
  /** Names of the dataset's fields, the same object for all of its profiles. @default a new one */
  readonly names?: FieldNames;
  /** Path of the event time, which windows cut: of it, only the null rate is scored. */
  readonly eventTimeField?: string;
  /** Where values are hidden there are no minimum, maximum and quantiles. @default "show" */
  policyOf?(path: string): ValuePolicy;
}

export function metricsOf(profile: Profile, given: MetricsOptions = {}): MetricValue[] {
  const options = { ...given, names: given.names ?? new FieldNames() };
  const metrics = datasetMetrics(profile);
  for (const { name, field } of namedFields(profile, options.names)) {
    fieldMetrics(profile, field, name, options, metrics);
  }
  pairMetrics(profile, options, metrics);
  return metrics;
}

/** The fields of a profile with their names, in the order of their keys. */
export function namedFields(profile: Profile, names: FieldNames): { name: string; field: FieldProfile }[] {
  const keys = [...profile.fields.keys()].sort();
  return keys.flatMap((key) => {
    const field = profile.fields.get(key);
    return field === undefined ? [] : [{ name: names.nameOf(field.path, field.class), field }];
  });
}

function datasetMetrics(profile: Profile): MetricValue[] {
  const metrics = DATASET_METRICS.map((entry) => metricOf(entry, [], [], entry.measure(profile)));
  for (const reason of VIOLATION_REASONS) {
    const count = profile.violations.get(reason) ?? 0;
    if (count > 0) metrics.push(metricOf(VIOLATION_COUNT, [reason], [], { value: count, n: count }));
  }
  const schemas = [...profile.schemaRows].sort((a, b) => a[0] - b[0]);
  for (const [id, rows] of schemas) metrics.push(metricOf(SCHEMA_ROWS, [String(id)], [], { value: rows, n: rows }));
  if (profile.otherSchemaRows > 0) {
    const rows = profile.otherSchemaRows;
    metrics.push(metricOf(SCHEMA_ROWS, ["other"], [], { value: rows, n: rows }));
  }
  return metrics;
}

function fieldMetrics(
  profile: Profile,
  field: FieldProfile,
  name: string,
  options: MetricsOptions,
  metrics: MetricValue[],
): void {
  const expected = profile.expected(field);
  const hidden = options.policyOf?.(field.path) === "hide";
  const isEventTime = field.path === options.eventTimeField;
  for (const entry of FIELD_METRICS) {
    if (!entry.kinds.has(field.kind) || (hidden && entry.showsValues)) continue;
    const metric = metricOf(entry, [name], [name], entry.measure(field, expected));
    const unscored = isEventTime
      ? entry.name !== "null_rate"
      : entry.kind === "value" && UNSCORED_MOMENTS.has(field.kind);
    metrics.push(unscored ? { ...metric, scored: false } : metric);
  }
  if (!QUANTILE_METRIC.kinds.has(field.kind) || hidden) return;
  const sketch = field.quantiles;
  for (const q of QUANTILES) {
    const measured = { value: sketch?.quantile(q), n: sketch?.count ?? 0 };
    metrics.push(metricOf(QUANTILE_METRIC, [name, String(q)], [name], measured));
  }
}

function pairMetrics(
  profile: Profile,
  options: MetricsOptions & { readonly names: FieldNames },
  metrics: MetricValue[],
): void {
  for (const { first, second, class: fieldClass, state } of profile.pairs.list()) {
    const names = [first, second].map((path) => options.names.nameOf(path, fieldClass));
    const hidden = [first, second].some((path) => options.policyOf?.(path) === "hide");
    for (const entry of PAIR_METRICS) {
      if (!entry.classes.has(fieldClass) || (hidden && entry.showsValues)) continue;
      metrics.push(metricOf(entry, names, names, entry.measure(state)));
    }
  }
}

function metricOf(entry: MetricEntry, args: string[], fields: string[], measured: Measured): MetricValue {
  const value = typeof measured.value === "bigint" ? String(measured.value) : measured.value;
  return {
    id: metricId(entry.name, ...args),
    kind: entry.kind,
    fields,
    value,
    n: measured.n,
    scored: entry.scored,
    ...(entry.isPresence === undefined ? {} : { isPresence: entry.isPresence }),
    ...(entry.lowest === undefined ? {} : { lowest: entry.lowest }),
  };
}
