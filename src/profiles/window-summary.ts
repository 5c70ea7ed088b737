/**
 * A closed window in compact form, for drift, comparison and reports: counters, moments, 101 quantiles, the 50 most
 * frequent values and the 10 most frequent patterns of texts of each field. A field takes at most about 2 kB of JSON: numbers are cut to 7 significant digits.
 */
import type { ValuePolicy } from "../core/config.ts";
import type { FieldNames } from "./field-names.ts";
import type { FieldProfile } from "./field-profile.ts";
import { namedFields } from "./metrics.ts";
import type { Profile } from "./profile.ts";

const QUANTILE_STEPS = 100;
const TOP_VALUES = 50;
/** JSON bytes that the most frequent values of a field may take. */
const TOP_BYTES_MAX = 900;
const DIGITS = 7;
const TOP_PATTERNS = 10;

export interface WindowSummary {
  readonly rows: number;
  readonly bytes: number;
  readonly duplicateShare: number | null;
  readonly violations: Readonly<Record<string, number>>;
  readonly schemaRows: Readonly<Record<string, number>>;
  readonly fields: Readonly<Record<string, FieldWindowSummary>>;
}

export interface FieldWindowSummary {
  /** Everything of `FieldSummary` that is there; integers beyond 2^53 are strings. */
  readonly counts: Readonly<Record<string, number | string | boolean>>;
  /** Quantiles 0, 0.01 … 1; absent where there are none, or where values are hidden. */
  readonly quantiles?: readonly number[];
  /** `[value, count]`, most frequent first; counts are exact while there are at most 4,096 distinct values. */
  readonly top?: readonly (readonly [string | number, number])[];
  /** `[pattern, count]` of texts, such as `A.9`, most frequent first; absent where values are hidden. */
  readonly patterns?: readonly (readonly [string, number])[];
}

export function windowSummary(
  profile: Profile,
  options: { readonly names: FieldNames; policyOf(path: string): ValuePolicy },
): WindowSummary {
  const fields: Record<string, FieldWindowSummary> = Object.create(null);
  for (const { name, field } of namedFields(profile, options.names)) {
    fields[name] = fieldSummary(profile, field, options.policyOf(field.path) === "hide");
  }
  return {
    rows: profile.rows,
    bytes: profile.bytes,
    duplicateShare: profile.contents.duplicateShare() ?? null,
    violations: Object.fromEntries(profile.violations),
    schemaRows: Object.fromEntries(profile.schemaRows),
    fields,
  };
}

function fieldSummary(profile: Profile, field: FieldProfile, hidden: boolean): FieldWindowSummary {
  const counts: Record<string, number | string | boolean> = {};
  for (const [name, value] of Object.entries(field.summary(profile.expected(field)))) {
    if (value === undefined || value === 0 || name === "path") continue;
    if (hidden && (name === "min" || name === "max")) continue;
    if (typeof value === "bigint") counts[name] = Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    else counts[name] = typeof value === "number" ? short(value) : value;
  }
  const quantiles = hidden ? undefined : quantilesOf(field);
  const top = topOf(field);
  const patterns = hidden ? [] : patternsOf(field);
  return {
    counts,
    ...(quantiles === undefined ? {} : { quantiles }),
    ...(top.length === 0 ? {} : { top }),
    ...(patterns.length === 0 ? {} : { patterns }),
  };
}

function quantilesOf(field: FieldProfile): number[] | undefined {
  const sketch = field.quantiles;
  if (sketch === undefined || sketch.count === 0) return undefined;
  return Array.from({ length: QUANTILE_STEPS + 1 }, (_, step) => short(sketch.quantile(step / QUANTILE_STEPS) ?? 0));
}

function topOf(field: FieldProfile): (readonly [string | number, number])[] {
  const items = field.dictionary?.top(TOP_VALUES) ?? field.frequent?.top(TOP_VALUES) ?? [];
  const top: (readonly [string | number, number])[] = [];
  let bytes = 0;
  for (const item of items) {
    if (item.label === undefined) continue;
    const value = typeof item.label === "bigint" ? String(item.label) : item.label;
    const count = "count" in item ? item.count : item.estimate;
    bytes += String(value).length + String(count).length + 6;
    if (bytes > TOP_BYTES_MAX) break;
    top.push([value, count]);
  }
  return top;
}

function patternsOf({ shapes }: FieldProfile): (readonly [string, number])[] {
  const patterns = (shapes?.patterns() ?? []).sort((a, b) => b.count - a.count || a.pattern - b.pattern);
  return patterns.slice(0, TOP_PATTERNS).map(({ text, count }) => [text, count] as const);
}

/** Cut to 7 significant digits, integers as they are: 101 quantiles then stay within their share of the 2 kB. */
function short(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS));
}
