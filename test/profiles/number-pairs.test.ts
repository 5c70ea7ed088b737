import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FieldDescriptor } from "../../src/core/column-batch.ts";
import { PAIRS_MAX, type PairPaths } from "../../src/core/config.ts";
import type { MetricValue } from "../../src/core/metric.ts";
import { BatchProfiler } from "../../src/profiles/batch-profiler.ts";
import { metricsOf } from "../../src/profiles/metrics.ts";
import { choosePairs } from "../../src/profiles/pair-choice.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { positionsOf, wordsOf } from "../../src/sketches/number-pair.ts";
import { batchOf, factsOf, fieldOf, profileOf, type Row, SHOW } from "./column-batches.ts";
import { exactParts } from "./exact-parts.ts";
import { EVERY_KIND, rowOfEveryKind } from "./generators.ts";

const SEED = 20_261_129;
const PAIRS: readonly PairPaths[] = [
  ["small", "wide"],
  ["wide", "ratio"],
  ["ratio", "price"],
  ["price", "small"],
];
const FIELDS = [fieldOf("dep_delay", "int"), fieldOf("arr_delay", "double")];
const GROUPS = 3;
const rows = fc.array(rowOfEveryKind, { maxLength: 80 });

interface PairTruth {
  readonly count: number;
  readonly correlation: number | undefined;
  readonly gaps: readonly number[];
}

/** By the definition: rows with both numbers, their differences, and Pearson's formula over the positions. */
function truthOf(fields: readonly FieldDescriptor[], all: readonly Row[], [first, second]: PairPaths): PairTruth {
  const numberOf = (row: Row, path: string) => {
    const index = fields.findIndex((field) => field.path === path);
    const value = row[index]?.[0] ?? null;
    if (value === null) return Number.NaN;
    return Number(value) / (fields[index]!.kind === "decimal" ? 10 ** (fields[index]!.scale ?? 0) : 1);
  };
  const both = all
    .map((row) => [numberOf(row, first), numberOf(row, second)] as const)
    .filter((pair) => pair.every(Number.isFinite));
  const gaps = both.map(([x, y]) => x - y);
  const keys = both.map((pair) => pair.map((value) => positionOf(value)) as [number, number]);
  const mean = (side: 0 | 1) => keys.reduce((sum, key) => sum + key[side], 0) / keys.length;
  const about = (a: 0 | 1, b: 0 | 1) =>
    keys.reduce((sum, key) => sum + (key[a] - mean(a)) * (key[b] - mean(b)), 0) / keys.length;
  const flat = [0, 1].some((side) => new Set(keys.map((key) => key[side])).size < 2);
  const correlation = flat ? undefined : about(0, 1) / Math.sqrt(about(0, 0) * about(1, 1));
  return { count: both.length, correlation, gaps };
}

function positionOf(value: number): number {
  const magnitude = Math.abs(value);
  const octave = Math.floor(Math.log2(magnitude));
  // The logarithm rounds next to a power of 2.
  const exponent = 2 ** octave > magnitude ? octave - 1 : 2 ** (octave + 1) <= magnitude ? octave + 1 : octave;
  const place = magnitude < 1 ? magnitude : Math.min(63, exponent + magnitude / 2 ** exponent);
  return Math.sign(value) * Math.floor(256 * place);
}

function pearson(all: readonly Row[]): number {
  const numbers = all.map((row) => row.map(([value]) => Number(value)) as [number, number]);
  const mean = [0, 1].map((side) => numbers.reduce((sum, pair) => sum + pair[side]! / numbers.length, 0));
  const about = (a: 0 | 1, b: 0 | 1) =>
    numbers.reduce((sum, pair) => sum + (pair[a] - mean[a]!) * (pair[b] - mean[b]!), 0);
  return about(0, 1) / Math.sqrt(about(0, 0) * about(1, 1));
}

function byId(metrics: readonly MetricValue[]): Map<string, MetricValue> {
  return new Map(metrics.map((metric) => [metric.id, metric]));
}

function near(found: number | string | undefined, expected: number | undefined, scale: number): void {
  // Beyond, squares leave the range of a double.
  if (scale > 1e150) return;
  if (expected === undefined) expect(found).toBeUndefined();
  else expect(Math.abs(Number(found) - expected)).toBeLessThanOrEqual(1e-9 * Math.max(1e-300, scale));
}

describe("number pairs", () => {
  test("metricsOf() of pairs equals brute force over the rows that have both numbers", () => {
    fc.assert(
      fc.property(rows, (all) => {
        const metrics = byId(metricsOf(profileOf(EVERY_KIND, all, { pairs: PAIRS })));
        for (const pair of PAIRS) {
          const truth = truthOf(EVERY_KIND, all, pair);
          const name = pair.join(",");
          if (truth.count === 0) {
            expect(metrics.get(`gap_mean(${name})`)?.value).toBeUndefined();
            continue;
          }
          const finite = truth.gaps.filter(Number.isFinite);
          const largest = Math.max(0, ...finite.map(Math.abs));
          expect(metrics.get(`correlation(${name})`)).toMatchObject({ n: truth.count, fields: pair });
          near(metrics.get(`correlation(${name})`)?.value, truth.correlation, 100);
          const mean = finite.reduce((sum, gap) => sum + gap / finite.length, 0);
          const variance = finite.reduce((sum, gap) => sum + ((gap - mean) / (largest || 1)) ** 2, 0) / finite.length;
          expect(metrics.get(`gap_mean(${name})`)?.n).toBe(finite.length);
          if (finite.length === 0) continue;
          near(metrics.get(`gap_mean(${name})`)?.value, mean, largest);
          near(metrics.get(`gap_stddev(${name})`)?.value, Math.sqrt(variance) * largest, 1e3 * largest);
          expect(metrics.get(`gap_min(${name})`)?.value).toBe(Math.min(...finite) + 0);
          expect(metrics.get(`gap_max(${name})`)?.value).toBe(Math.max(...finite) + 0);
        }
      }),
      { seed: SEED, numRuns: 150 },
    );
  });

  test("any split in any order has the same pairs: counts, correlations and bounds exactly, differences within rounding", () => {
    fc.assert(
      fc.property(rows, fc.infiniteStream(fc.nat(3)), fc.boolean(), (all, choice, backwards) => {
        const parts: Row[][] = [[], [], [], []];
        for (const row of all) parts[choice.next().value as number]!.push(row);
        if (backwards) parts.reverse();
        const merged = Profile.empty(7);
        for (const part of parts) {
          const stored = profileOf(EVERY_KIND, part, { pairs: PAIRS }).write();
          merged.merge(Profile.read(stored));
        }
        const whole = profileOf(EVERY_KIND, all, { pairs: PAIRS });
        expect(exactParts(merged)).toEqual(exactParts(whole));
        for (const [i, { state }] of whole.pairs.list().entries()) {
          const other = merged.pairs.list()[i]!.state;
          const scale = Math.max(Math.abs(state.gaps.min ?? 0), Math.abs(state.gaps.max ?? 0)) * state.count;
          near(other.gaps.mean, state.gaps.mean, scale);
          near(other.gaps.stddev, state.gaps.stddev, 1e3 * scale);
        }
      }),
      { seed: SEED, numRuns: 100 },
    );
  });

  test("rows of small groups that waited, over several batches, are those that did not", () => {
    fc.assert(
      fc.property(
        fc.array(rowOfEveryKind, { minLength: 2, maxLength: 40 }),
        fc.infiniteStream(fc.integer({ min: -1, max: GROUPS - 1 })),
        fc.integer({ min: 1, max: 12 }),
        (all, choice, times) => {
          const groupOfRow = Int32Array.from(all, (_, row) => (row < 2 ? row : (choice.next().value ?? -1)));
          const groups = Array.from({ length: GROUPS }, () => Profile.empty(7));
          const profiler = new BatchProfiler({ labels: SHOW, pairs: PAIRS });
          const batch = batchOf(EVERY_KIND, all);
          for (let time = 0; time < times; time++) {
            profiler.begin(batch, factsOf(all.length));
            profiler.addGroups(groupOfRow, groups);
            profiler.end();
          }
          for (const [group, profile] of groups.entries()) {
            const members = all.filter((_, row) => groupOfRow[row] === group);
            const seen = Array.from({ length: times }, () => members).flat();
            const whole = profileOf(EVERY_KIND, seen, { pairs: PAIRS });
            expect((exactParts(profile) as { pairs: unknown }).pairs).toEqual(
              (exactParts(whole) as { pairs: unknown }).pairs,
            );
          }
        },
      ),
      { seed: SEED, numRuns: 80 },
    );
  });

  test("a waiting row reaches whoever clears, merges, writes or asks, once", () => {
    const groups = [Profile.empty(1), Profile.empty(1)];
    const profiler = new BatchProfiler({ labels: SHOW });
    const batch = batchOf(FIELDS, [
      [[5], [2]],
      [[1], [1]],
      [[9], [null]],
    ]);
    const take = () => {
      profiler.begin(batch, factsOf(3));
      profiler.addGroups(Int32Array.of(0, 1, 0), groups);
      profiler.end();
    };
    const count = (profile: Profile) => profile.pairs.list()[0]?.state.count;
    take();
    expect(groups.map(count)).toEqual([1, 1]);
    take();
    expect(count(Profile.read(groups[0]!.write()))).toBe(2);
    take();
    groups[0]!.merge(groups[1]!);
    expect(count(groups[0]!)).toBe(6);
    take();
    groups[0]!.clear(1);
    expect(groups[0]!.pairs.list()).toEqual([]);
    take();
    expect(count(groups[0]!)).toBe(1);
  });

  test("one wild value moves the correlation little, and gap_max to where it is", () => {
    const tame = Array.from({ length: 500 }, (_, i): Row => [[1 + (i % 90)], [1.5 + (i % 90) + (i % 7)]]);
    const figures = (all: readonly Row[]) => byId(metricsOf(profileOf(FIELDS, all)));
    const before = figures(tame);
    const after = figures([...tame, [[1], [1e12]]]);
    const correlation = (metrics: Map<string, MetricValue>) =>
      Number(metrics.get("correlation(arr_delay,dep_delay)")?.value);
    expect(correlation(before)).toBeGreaterThan(0.95);
    expect(correlation(after)).toBeGreaterThan(0.4);
    // That of the numbers themselves would be gone.
    expect(pearson([...tame, [[1], [1e12]]])).toBeLessThan(0.05);
    expect(after.get("gap_max(arr_delay,dep_delay)")?.value).toBe(1e12 - 1);
  });

  test("where the values of either field are hidden, no difference of two single values is shown", () => {
    const policyOf = (path: string) => (path === "arr_delay" ? "hide" : "show");
    const ids = metricsOf(profileOf(FIELDS, [[[1], [2]]]), { policyOf }).map(({ id }) => id);
    expect(ids.filter((id) => id.includes(",dep_delay"))).toEqual([
      "correlation(arr_delay,dep_delay)",
      "gap_mean(arr_delay,dep_delay)",
      "gap_stddev(arr_delay,dep_delay)",
    ]);
  });

  test("of a pair the detector looks at the correlation, and at mean and spread of the difference", () => {
    const scored = metricsOf(profileOf(FIELDS, [[[1], [2]]])).filter(
      (metric) => metric.scored && metric.fields.length === 2,
    );
    expect(scored.map(({ id }) => id)).toEqual([
      "correlation(arr_delay,dep_delay)",
      "gap_mean(arr_delay,dep_delay)",
      "gap_stddev(arr_delay,dep_delay)",
    ]);
  });

  test("beyond the limit those stay that come first by name, in every order", () => {
    const names = Array.from({ length: PAIRS_MAX + 6 }, (_, i) => `n${String(i).padStart(3, "0")}`);
    const parts = names.slice(1).map((name) => {
      const fields = [fieldOf("m", "int"), fieldOf(name, "int")];
      return profileOf(fields, [[[3], [1]]], { pairs: [["m", name]] });
    });
    const merge = (profiles: readonly Profile[]) => {
      const merged = Profile.empty(7);
      for (const profile of profiles) merged.merge(profile);
      return merged.pairs.list().map(({ second, state }) => [second, state.count]);
    };
    const kept = names.slice(1, PAIRS_MAX + 1).map((name) => [name, 1]);
    expect(merge(parts)).toEqual(kept);
    expect(merge([...parts].reverse())).toEqual(kept);
  });
});

describe("positionsOf()", () => {
  test("positionsOf() is what its definition says, monotone, and odd", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.double({ noNaN: true }), fc.integer(), fc.constantFrom(-0, 1, -1, 2 ** 62, 2 ** 63))),
        (numbers) => {
          const values = Float64Array.from(numbers).sort();
          const positions = new Float64Array(values.length);
          positionsOf(values, wordsOf(values), values.length, positions);
          for (const [i, value] of values.entries()) {
            if (Number.isFinite(value)) expect(positions[i]! + 0).toBe(positionOf(value) + 0);
            if (i > 0) expect(positions[i]).toBeGreaterThanOrEqual(positions[i - 1]!);
          }
        },
      ),
      { seed: SEED, numRuns: 300 },
    );
  });
});

describe("choosePairs()", () => {
  const chosen = (fields: readonly FieldDescriptor[], configured?: readonly PairPaths[]) =>
    choosePairs(fields, configured).map(({ first, second }) => `${fields[first]!.path} − ${fields[second]!.path}`);

  test("pairs fields of one class whose names end in the same word, whatever the spelling", () => {
    const fields = [
      fieldOf("pickedUpAt", "timestamp"),
      fieldOf("trip.dropped_off_at", "timestamp"),
      fieldOf("at", "date"),
      fieldOf("fareUSD", "double"),
      fieldOf("tip_usd", "decimal"),
      fieldOf("city_usd", "string"),
      fieldOf("stops", "array"),
      fieldOf("stops[].usd", "double", { level: 6 }),
    ];
    expect(chosen(fields)).toEqual(["pickedUpAt − trip.dropped_off_at", "fareUSD − tip_usd"]);
  });

  test("the order of the fields in the schema does not turn a pair round", () => {
    expect(chosen(FIELDS)).toEqual(["arr_delay − dep_delay"]);
    expect(chosen([...FIELDS].reverse())).toEqual(["arr_delay − dep_delay"]);
  });

  test("at most 16 by name; as configured, as many as are named, in their order", () => {
    const fields = Array.from({ length: 10 }, (_, i) => fieldOf(`a${i}_x`, "int"));
    expect(chosen(fields)).toHaveLength(16);
    expect(chosen(fields, [["a3_x", "a1_x"]])).toEqual(["a3_x − a1_x"]);
    expect(chosen(fields, [])).toEqual([]);
  });

  test("what the schema lacks, or is no number, makes no pair", () => {
    const fields = [fieldOf("a", "int"), fieldOf("b", "string"), fieldOf("c", "timestamp"), fieldOf("d", "long")];
    const pairs: readonly PairPaths[] = [
      ["a", "b"],
      ["a", "c"],
      ["a", "gone"],
      ["a", "d"],
    ];
    expect(chosen(fields, pairs)).toEqual(["a − d"]);
  });
});
