import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FieldDescriptor } from "../../src/core/column-batch.ts";
import type { MetricValue } from "../../src/core/metric.ts";
import { INVALID_REASONS } from "../../src/core/violation.ts";
import { DATASET_METRICS, FIELD_METRICS, QUANTILE_METRIC, QUANTILES } from "../../src/profiles/catalogue.ts";
import { FieldNames } from "../../src/profiles/field-names.ts";
import { metricsOf } from "../../src/profiles/metrics.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { fieldOf, profileOf, type Row, SHOW, type Value } from "./column-batches.ts";
import { EVERY_KIND, rowOfEveryKind } from "./generators.ts";

const SEED = 20_261_123;

describe("metricsOf()", () => {
  test("metricsOf() equals an oracle over plain arrays, for every kind, null, NaN, ±∞, −0 and level", () => {
    fc.assert(
      fc.property(fc.array(rowOfEveryKind, { minLength: 1, maxLength: 40 }), (rows) => {
        const metrics = byId(metricsOf(profileOf(EVERY_KIND, rows)));
        const checked = new Set<string>();
        for (const [index, field] of EVERY_KIND.entries()) {
          for (const [id, expected] of oracle(EVERY_KIND, index, rows)) {
            checked.add(id);
            sameFigure(id, metrics.get(id), expected);
          }
          expect(metrics.get(`null_rate(${field.path})`)?.fields).toEqual([field.path]);
        }
        const unchecked = [...metrics].filter(([id, metric]) => metric.fields.length > 0 && !checked.has(id));
        expect(unchecked.map(([id]) => id)).toEqual([]);
      }),
      { seed: SEED, numRuns: 80 },
    );
  });

  test("metricsOf() ids are unique and no value is NaN", () => {
    fc.assert(
      fc.property(fc.array(rowOfEveryKind, { maxLength: 20 }), (rows) => {
        const metrics = metricsOf(profileOf(EVERY_KIND, rows));
        expect(byId(metrics).size).toBe(metrics.length);
        for (const { value } of metrics) expect(value).not.toBeNaN();
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  test("metricsOf() of an empty profile: no rows and 0 bytes, and nothing else to measure", () => {
    const defined = metricsOf(Profile.empty(1)).filter(({ value }) => value !== undefined);
    expect(defined.map(({ id, value }) => [id, value])).toEqual([
      ["row_count()", 0],
      ["bytes()", 0],
    ]);
  });

  test("metricsOf() of fields without values: missing everywhere, nothing else to measure", () => {
    const metrics = metricsOf(profileOf([fieldOf("x", "double"), fieldOf("s", "string")], [[[], []]]));
    const defined = metrics.filter(({ fields, value }) => fields.length > 0 && value !== undefined);
    expect(defined.map(({ id, value, n }) => [id, value, n])).toEqual([
      ["missing_rate(s)", 1, 1],
      ["missing_rate(x)", 1, 1],
    ]);
  });

  test("metricsOf() reads shares of refused events off the records that belong to the dataset", () => {
    const profile = profileOf([fieldOf("x", "int")], [[[1]], [[2]], [[3]]], {
      facts: { invalidReasons: Uint8Array.of(0, 1 << INVALID_REASONS.indexOf("time_missing"), 0b11) },
    });
    profile.countRefused("undecodable", "truncated", 3);
    profile.countRefused("undecodable", "empty");
    profile.countRefused("tombstone", "tombstone", 2);
    profile.countRefused("future", "future");
    profile.countRefused("filtered", undefined, 100);
    const metrics = byId(metricsOf(profile));
    expect(profile.counts()).toEqual({
      consumed: 110,
      valid: 1,
      invalid: 2,
      undecodable: 4,
      tombstone: 2,
      future: 1,
      late: 0,
      filtered: 100,
    });
    const expected = { invalid: 0.2, undecodable: 0.4, tombstone: 0.2, future: 0.1 };
    for (const [name, share] of Object.entries(expected)) {
      expect(metrics.get(`${name}_share()`)).toMatchObject({ value: share, n: 10, kind: "share", scored: true });
    }
    const violations = [...metrics].filter(([id]) => id.startsWith("violation_count"));
    expect(Object.fromEntries(violations.map(([id, { value }]) => [id, value]))).toEqual({
      "violation_count(empty)": 1,
      "violation_count(truncated)": 3,
      "violation_count(invalid_utf8)": 1,
      "violation_count(time_missing)": 2,
      "violation_count(tombstone)": 2,
      "violation_count(future)": 1,
    });
  });

  test("metricsOf() gives bytes, rows per schema, and freshness in seconds; a row without event time has none", () => {
    const profile = profileOf([fieldOf("x", "int")], [[[1]], [[2]], [[3]]], {
      facts: {
        schemaId: 42,
        eventTimesMs: Float64Array.of(1_000, 2_000, Number.NaN),
        brokerTimesMs: Float64Array.of(1_500, 5_500, 9_000),
      },
    });
    const metrics = byId(metricsOf(profile));
    expect(metrics.get("bytes()")?.value).toBe(33);
    expect(metrics.get("mean_bytes()")?.value).toBe(11);
    expect(metrics.get("schema_rows(42)")?.value).toBe(3);
    expect(metrics.get("freshness_mean()")).toMatchObject({ value: 2, n: 2, scored: false });
    expect(metrics.get("freshness_min()")?.value).toBe(0.5);
    expect(metrics.get("freshness_max()")?.value).toBe(3.5);
  });

  test("metricsOf() writes the bounds of longs beyond 2^53 exactly, as text", () => {
    const bounds = [-(2n ** 63n), 2n ** 53n + 1n];
    const metrics = byId(
      metricsOf(
        profileOf(
          [fieldOf("id", "long")],
          bounds.map((value): Row => [[value]]),
        ),
      ),
    );
    expect(metrics.get("min(id)")?.value).toBe("-9223372036854775808");
    expect(metrics.get("max(id)")?.value).toBe("9007199254740993");
    expect(metrics.get("distinct_count(id)")?.value).toBe(2);
  });

  test("metricsOf() tells two longs apart that are the same double", () => {
    const rows = [2n ** 60n, 2n ** 60n + 1n].map((value): Row => [[value]]);
    expect(byId(metricsOf(profileOf([fieldOf("id", "long")], rows))).get("distinct_count(id)")?.value).toBe(2);
    expect(byId(metricsOf(profileOf([fieldOf("id", "long")], rows))).get("duplicate_share()")?.value).toBe(0);
  });

  test("metricsOf() scores no mean of a time, no quantile, and of the event time only the null rate", () => {
    const metrics = metricsOf(profileOf(EVERY_KIND, fc.sample(rowOfEveryKind, { seed: SEED, numRuns: 5 })), {
      eventTimeField: "at",
    });
    const scored = metrics.filter((metric) => metric.scored).map(({ id }) => id);
    expect(scored.filter((id) => id.includes("(at)"))).toEqual(["null_rate(at)"]);
    expect(scored.filter((id) => id.includes("(day)"))).toEqual([
      "null_rate(day)",
      "missing_rate(day)",
      "repeat_share(day)",
    ]);
    expect(scored.filter((id) => id.startsWith("quantile") || id.startsWith("m") === false)).not.toContain(
      "min(small)",
    );
    expect(scored).toContain("mean(small)");
    expect(scored).toContain("stddev(small)");
    expect(scored.some((id) => /^(quantile|min|max|distinct_count|bytes|freshness)/.test(id))).toBe(false);
  });

  test("metricsOf() shows no minimum, maximum and quantile of hidden values", () => {
    const rows = fc.sample(rowOfEveryKind, { seed: SEED, numRuns: 20 });
    const policyOf = (path: string) => (path === "small" ? "hide" : "show");
    const ids = metricsOf(profileOf(EVERY_KIND, rows), { policyOf }).map(({ id }) => id);
    expect(ids.filter((id) => /^(min|max|quantile)\(small/.test(id))).toEqual([]);
    expect(ids.filter((id) => /^(min|max|quantile)\(ratio/.test(id))).toHaveLength(2 + QUANTILES.length);
    expect(ids).toContain("mean(small)");
  });

  test("the catalogue names each metric once and says how it is computed", () => {
    const entries = [...DATASET_METRICS, ...FIELD_METRICS, QUANTILE_METRIC];
    expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length);
    for (const { formula } of entries) expect(formula.length).toBeGreaterThan(3);
  });
});

describe("FieldNames", () => {
  test("FieldNames.nameOf() gives the plain path to the class seen first, whichever profile comes next", () => {
    const names = new FieldNames();
    const asNumber = profileOf([fieldOf("x", "int")], [[[1]]]);
    const asText = profileOf([fieldOf("x", "string")], [[["1"]]]);
    const both = profileOf([fieldOf("x", "boolean")], [[[true]]]);
    both.merge(asText);
    both.merge(asNumber);
    expect(nullRates(asText, names)).toEqual(["null_rate(x)"]);
    expect(nullRates(both, names).sort()).toEqual(["null_rate(x#boolean)", "null_rate(x#number)", "null_rate(x)"]);
    const restored = FieldNames.read(names.write());
    expect(nullRates(asNumber, restored)).toEqual(["null_rate(x#number)"]);
    expect(restored.write()).toEqual(names.write());
  });

  test("FieldNames.nameOf() treats __proto__ as any other name", () => {
    const names = new FieldNames();
    expect(names.nameOf("__proto__", "text")).toBe("__proto__");
    expect(names.nameOf("__proto__", "number")).toBe("__proto__#number");
  });
});

function nullRates(profile: Profile, names: FieldNames): string[] {
  return metricsOf(profile, { names })
    .map(({ id }) => id)
    .filter((id) => id.startsWith("null_rate"));
}

function byId(metrics: readonly MetricValue[]): Map<string, MetricValue> {
  return new Map(metrics.map((metric) => [metric.id, metric]));
}

interface Figure {
  readonly value: number | string | undefined;
  readonly n: number;
  /** Allowed distance, for figures that round. */
  readonly within?: number;
  /** A quantile: any value whose rank is within the bound will do. */
  readonly sorted?: readonly number[];
}

/** 0 and −0 are one value. */
function sameValue(a: Value, b: Value): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array ? a.join() === b.join() : a === b;
}

/** Everything that `metricsOf()` says of one field, by the definition. */
function oracle(fields: readonly FieldDescriptor[], index: number, rows: readonly Row[]): Map<string, Figure> {
  const field = fields[index]!;
  const cells = rows.flatMap((row) => [...row[index]!]);
  const nulls = cells.filter((value) => value === null).length;
  const values = cells.filter((value) => value !== null);
  const expected =
    field.level < 0
      ? rows.length
      : rows.flatMap((row) => [...row[field.level]!]).reduce<number>((a, b) => a + Number(b ?? 0), 0);
  const figures = new Map<string, Figure>();
  const put = (name: string, figure: Figure) => figures.set(name.replace("f", field.path), figure);
  const rate = (name: string, count: number) =>
    figures.set(`${name}(${field.path})`, {
      value: cells.length > 0 ? count / cells.length : undefined,
      n: cells.length,
    });
  rate("null_rate", nulls);
  put("missing_rate(f)", { value: expected > 0 ? (expected - cells.length) / expected : undefined, n: expected });
  const { kind } = field;
  const scale = kind === "decimal" ? 10 ** (field.scale ?? 0) : 1;
  const numbers = values.map((value) => Number(value) / scale);
  const finite = numbers.filter((value) => Number.isFinite(value));
  if (kind === "double") {
    rate("nan_rate", numbers.filter((value) => Number.isNaN(value)).length);
    rate("infinity_rate", numbers.filter((value) => Math.abs(value) === Number.POSITIVE_INFINITY).length);
  }
  if (["int", "long", "double", "decimal"].includes(kind)) {
    rate("zero_rate", finite.filter((value) => value === 0).length);
    rate("negative_rate", finite.filter((value) => value < 0).length);
  }
  if (["double", "decimal"].includes(kind)) {
    rate("non_integer_rate", finite.filter((value) => !Number.isInteger(value)).length);
  }
  if (kind === "string") {
    const texts = values as string[];
    rate("blank_rate", texts.filter((text) => /^[\t-\r ]+$/.test(text)).length);
    rate("number_like_rate", texts.filter((text) => NUMBER_LIKE.test(text)).length);
    rate("date_like_rate", texts.filter((text) => !NUMBER_LIKE.test(text) && DATE_LIKE.test(text)).length);
    const patterns = countsBy(texts.map(patternOfText));
    const most = Math.max(...patterns.values());
    figures.set(`pattern_count(${field.path})`, {
      value: texts.length > 0 ? patterns.size : undefined,
      n: texts.length,
    });
    const share = texts.length > 0 ? most / texts.length : undefined;
    figures.set(`top_pattern_share(${field.path})`, { value: share, n: texts.length });
  }
  if (["int", "long", "double", "decimal", "enum", "string"].includes(kind)) {
    const counted = kind === "long" || kind === "enum" || kind === "string" ? values : finite.map((value) => value + 0);
    const counts = [...countsBy<unknown>(counted).values()];
    const n = counted.length;
    const of = (value: number, within = 0) => ({ value: n > 0 ? value : undefined, n, within });
    figures.set(`mode_share(${field.path})`, of(Math.max(...counts) / n));
    figures.set(`singleton_share(${field.path})`, of(counts.filter((count) => count === 1).length / n));
    const bits = counts.reduce((total, count) => total - (count / n) * Math.log2(count / n), 0);
    figures.set(`entropy(${field.path})`, of(bits, 1e-12));
  }
  if (!["boolean", "array", "map"].includes(kind)) {
    const sequence = (field.level < 0 ? values : []).filter(
      (value) => typeof value !== "number" || Number.isFinite(value),
    );
    const equal = sequence.filter((value, i) => i > 0 && sameValue(value, sequence[i - 1]!)).length;
    const n = Math.max(0, sequence.length - 1);
    figures.set(`repeat_share(${field.path})`, { value: n > 0 ? equal / n : undefined, n });
  }
  if (kind === "boolean") rate("true_rate", values.filter((value) => value === true).length);
  const figure = (name: string, value: Figure["value"], n: number, within = 0) =>
    figures.set(`${name}(${field.path})`, { value, n, within });
  const moments = (of: readonly number[], prefix: string) => {
    const largest = Math.max(1e-300, ...of.map(Math.abs));
    const mean = of.reduce((total, value) => total + value / of.length, 0);
    const variance = of.reduce((total, value) => total + ((value - mean) / largest) ** 2 / of.length, 0);
    figure(`${prefix}mean`, of.length > 0 ? mean : undefined, of.length, 1e-9 * largest * of.length);
    figure(
      `${prefix}stddev`,
      of.length > 0 ? Math.sqrt(variance) * largest : undefined,
      of.length,
      Math.max(1e-150, 1e-7 * largest),
    );
  };
  const bounds = (of: readonly number[], prefix: string) => {
    figure(`${prefix}min`, of.length > 0 ? Math.min(...of) + 0 : undefined, of.length);
    figure(`${prefix}max`, of.length > 0 ? Math.max(...of) + 0 : undefined, of.length);
  };
  const quantiles = (of: readonly number[]) => {
    const sorted = [...of].sort((a, b) => a - b);
    for (const q of QUANTILES) figures.set(`quantile(${field.path},${q})`, { value: q, n: of.length, sorted });
  };
  const distinct = (of: readonly unknown[]) =>
    figure("distinct_count", of.length > 0 ? new Set(of).size : undefined, of.length);
  if (["int", "long", "double", "decimal", "date", "timestamp"].includes(kind)) {
    moments(finite, "");
    bounds(finite, "");
    quantiles(finite);
    distinct(kind === "long" ? values : finite.map((value) => value + 0));
    if (kind === "long" && values.length > 0) {
      const sorted = (values as bigint[]).toSorted((a, b) => (a < b ? -1 : 1));
      figure("min", jsonLong(sorted[0]!), finite.length);
      figure("max", jsonLong(sorted.at(-1)!), finite.length);
    }
  }
  const encoder = new TextEncoder();
  if (["string", "enum", "bytes"].includes(kind)) {
    distinct(values.map((value) => (typeof value === "string" ? encoder.encode(value) : (value as Uint8Array)).join()));
  }
  if (["string", "bytes", "array", "map"].includes(kind)) {
    const lengths = values.map((value) =>
      typeof value === "string" ? [...value].length : value instanceof Uint8Array ? value.length : Number(value),
    );
    rate("empty_rate", lengths.filter((length) => length === 0).length);
    moments(lengths, "length_");
    bounds(lengths, "length_");
    if (kind === "array" || kind === "map") quantiles(lengths);
  }
  return figures;
}

const NUMBER_LIKE = /^[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?$/;
const DATE_LIKE = /^([0-9]{4}([-/.])[0-9]{2}\2[0-9]{2}|[0-9]{1,2}([-/.])[0-9]{1,2}\3[0-9]{4})([ T].*)?$/s;

function countsBy<T>(values: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Runs of one class as one sign; more than six end in `…`. */
function patternOfText(text: string): string {
  const signs = Array.from(text, (sign: string) => {
    if (/[A-Z]/.test(sign)) return "A";
    if (/[a-z]/.test(sign)) return "a";
    if (/[0-9]/.test(sign)) return "9";
    if (/[\t-\r ]/.test(sign)) return " ";
    return sign.codePointAt(0)! < 0x80 ? "." : "é";
  });
  const runs = signs.filter((sign, i) => sign !== signs[i - 1]);
  return runs.length > 6 ? `${runs.slice(0, 6).join("")}…` : runs.join("");
}

function jsonLong(value: bigint): number | string {
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

function sameFigure(id: string, metric: MetricValue | undefined, expected: Figure): void {
  expect(metric, id).toBeDefined();
  expect([id, metric?.n]).toEqual([id, expected.n]);
  const value = metric?.value;
  if (expected.sorted !== undefined) {
    // Fewer values than the sketch holds: the quantile is one of them and its rank is right.
    if (expected.sorted.length === 0) expect([id, value]).toEqual([id, undefined]);
    else {
      const wanted = Number(expected.value) * expected.sorted.length;
      const from = expected.sorted.findIndex((one) => one + 0 === value);
      const to = expected.sorted.findLastIndex((one) => one + 0 === value);
      expect(from, `${id} is a value`).toBeGreaterThanOrEqual(0);
      expect(wanted, id).toBeGreaterThanOrEqual(from - 1e-9);
      expect(wanted, id).toBeLessThanOrEqual(to + 1 + 1e-9);
    }
  } else if (expected.within !== undefined && expected.within > 0 && typeof expected.value === "number") {
    // Figures whose squares are beyond the range of a double cannot be told.
    if (value === undefined && expected.within > 1e130) return;
    expect(Math.abs(Number(value) - expected.value), id).toBeLessThanOrEqual(expected.within);
  } else expect([id, value]).toEqual([id, expected.value]);
}

test("the oracle notices a wrong figure: planted defect", () => {
  const rows: Row[] = [[[1]], [[null]], [[]], [[-0]]];
  const fields = [fieldOf("x", "double")];
  const metrics = byId(metricsOf(profileOf(fields, rows, { labels: SHOW })));
  const wrong = { ...metrics.get("null_rate(x)")!, value: 0.25 };
  expect(() => sameFigure("null_rate(x)", wrong, oracle(fields, 0, rows).get("null_rate(x)")!)).toThrowError();
});
