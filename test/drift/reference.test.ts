import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MetricValue } from "../../src/core/metric.ts";
import { PooledCounts, VALUES_MAX } from "../../src/drift/pooled-counts.ts";
import { populationStabilityIndex } from "../../src/drift/psi.ts";
import { ReferenceWindows } from "../../src/drift/reference.ts";
import { contentsOf } from "../../src/drift/window-contents.ts";
import type { LabelPolicy } from "../../src/profiles/labels.ts";
import type { Profile } from "../../src/profiles/profile.ts";
import { LogLinearHistogram } from "../../src/sketches/log-linear-histogram.ts";
import { fieldOf, profileOf, type Row } from "../profiles/column-batches.ts";

const SEED = 20_261_124;
const SIZE = 4;
const RARE = "rare_pattern_share()";
const TOP = 3;
const FIELDS = [
  fieldOf("carrier", "string"),
  fieldOf("delay", "double"),
  fieldOf("at", "timestamp"),
  fieldOf("ok", "boolean"),
];

interface Window {
  readonly carriers: readonly string[];
  readonly delays: readonly number[];
}

const window: fc.Arbitrary<Window> = fc.record({
  carriers: fc.array(fc.constantFrom("UA", "AA", "B6", "DL", "EV", "__proto__", ""), { minLength: 1, maxLength: 30 }),
  delays: fc.array(fc.oneof(fc.integer({ min: -20, max: 200 }), fc.constantFrom(0, -0, 1e-50, 1e30, Number.NaN)), {
    maxLength: 40,
  }),
});

describe("ReferenceWindows", () => {
  test("ReferenceWindows.metrics() equals brute force over the last windows", () => {
    fc.assert(
      fc.property(fc.array(window, { minLength: SIZE + 1, maxLength: SIZE * 3 }), (windows) => {
        let reference = new ReferenceWindows({ size: SIZE, rows: 0, topValues: TOP });
        for (const [i, one] of windows.entries()) {
          const metrics = byId(reference.metrics(contentsOf(profileOfWindow(one))));
          const past = windows.slice(Math.max(0, i - SIZE), i);
          const expected = i < SIZE ? new Map<string, number>() : bruteForce(past, one);
          expect([...metrics.keys()].sort()).toEqual([...expected.keys()].sort());
          for (const [id, value] of expected) expect(metrics.get(id)?.value, id).toBeCloseTo(value, 9);
          reference.learn(contentsOf(profileOfWindow(one)));
          if (i % 3 === 0) reference = ReferenceWindows.read(reference.write());
        }
      }),
      { seed: SEED, numRuns: 80 },
    );
  });

  test("patterns of identifiers that count up are no news, and words are", () => {
    const idsOf = (day: number) =>
      Array.from({ length: 300 }, (_, i) => `O-${(day * 10_000 + i).toString(36).toUpperCase().padStart(7, "0")}`);
    const reference = new ReferenceWindows({ rows: 0 });
    const shares: number[] = [];
    for (let day = 0; day < 400; day++) {
      const contents = contentsOf(profileOfWindow({ carriers: idsOf(day), delays: [] }));
      const share = byId(reference.metrics(contents)).get("unseen_pattern_share(carrier)")?.value;
      if (typeof share === "number") shares.push(share);
      reference.learn(contents);
    }
    expect(shares.length).toBeGreaterThan(300);
    expect(shares.filter((share) => share > 0)).toEqual([]);
    const carriers = [...idsOf(400).slice(0, 270), ...Array.from({ length: 30 }, () => "UNKNOWN")];
    const news = byId(reference.metrics(contentsOf(profileOfWindow({ carriers, delays: [] }))));
    expect(news.get("unseen_pattern_share(carrier)")?.value).toBeCloseTo(0.1, 12);
  });

  test("ReferenceWindows.read() of write() goes on as the original does", () => {
    fc.assert(
      fc.property(
        fc.array(window, { minLength: 1, maxLength: SIZE * 2 }),
        fc.array(window, { maxLength: 3 }),
        (first, then) => {
          const original = new ReferenceWindows({ size: SIZE, rows: 0, topValues: TOP });
          for (const one of first) original.learn(contentsOf(profileOfWindow(one)));
          const copy = ReferenceWindows.read(original.write());
          for (const one of then) {
            expect(copy.metrics(contentsOf(profileOfWindow(one)))).toEqual(
              original.metrics(contentsOf(profileOfWindow(one))),
            );
            for (const reference of [original, copy]) reference.learn(contentsOf(profileOfWindow(one)));
          }
          expect(copy.write()).toEqual(original.write());
        },
      ),
      { seed: SEED, numRuns: 60 },
    );
  });

  test("ReferenceWindows.metrics() gives nothing before the reference is full", () => {
    const reference = new ReferenceWindows({ rows: 0 });
    for (let i = 0; i < 27; i++) reference.learn(contentsOf(carriers("UA")));
    expect(reference.isFull).toBe(false);
    expect(reference.metrics(contentsOf(carriers("XX")))).toEqual([]);
    reference.learn(contentsOf(carriers("UA")));
    expect(reference.isFull).toBe(true);
    expect(byId(reference.metrics(contentsOf(carriers("XX", "UA")))).get("unseen_share(carrier)")).toMatchObject({
      value: 0.5,
      n: 2,
      kind: "share",
      scored: true,
      fields: ["carrier"],
    });
  });

  test("ReferenceWindows keeps reporting a bad value that was not learned, and knows it once it was: poisoning", () => {
    const careful = full(carriers("UA"));
    const careless = full(carriers("UA"));
    const bad = carriers("UA", "XX");
    for (let i = 0; i < 3; i++) {
      expect(unseen(careful, bad)).toBe(0.5);
      careful.learn(contentsOf(carriers("UA")));
    }
    expect(unseen(careless, bad)).toBe(0.5);
    careless.learn(contentsOf(bad));
    expect(unseen(careless, bad)).toBe(0);
    for (let i = 0; i < SIZE; i++) careless.learn(contentsOf(carriers("UA")));
    expect(unseen(careless, bad)).toBe(0.5);
  });

  test("ReferenceWindows.metrics() and learn() change neither profile nor, for metrics(), the reference", () => {
    const reference = full(carriers("UA", "AA"));
    const profile = carriers("UA", "XX");
    const before = profile.write();
    const bytes = reference.write();
    reference.metrics(contentsOf(profile));
    expect(reference.write()).toEqual(bytes);
    reference.learn(contentsOf(profile));
    expect(profile.write()).toEqual(before);
  });

  test("ReferenceWindows.metrics() waits until every window of the reference has known a field", () => {
    const reference = full(carriers("UA"));
    const wider = profileOf([fieldOf("carrier", "string"), fieldOf("gate", "string")], [[["UA"], ["A1"]]]);
    for (let i = 0; i < SIZE; i++) {
      expect(reference.metrics(contentsOf(wider)).some(({ id }) => id.includes("gate"))).toBe(false);
      reference.learn(contentsOf(wider));
    }
    expect(byId(reference.metrics(contentsOf(wider))).get("unseen_share(gate)")?.value).toBe(0);
  });

  test("ReferenceWindows.metrics() names values by label: hashed ones by their hash, hidden ones not at all", () => {
    const labelled = (policy: "show" | "hash" | "hide") => {
      const labels: LabelPolicy = { policyOf: () => policy, hashLabel: () => "hmac:0123456789abcdef" };
      const profile = profileOf([fieldOf("carrier", "string")], [[["UA"]]], { labels });
      return full(profile)
        .metrics(contentsOf(profile))
        .map(({ id }) => id);
    };
    expect(labelled("show")).toEqual([
      RARE,
      "unseen_share(carrier)",
      "share(carrier=UA)",
      "unseen_pattern_share(carrier)",
      "psi(carrier)",
    ]);
    const hashed = "share(carrier=hmac:0123456789abcdef)";
    expect(labelled("hash")).toEqual([
      RARE,
      "unseen_share(carrier)",
      hashed,
      "unseen_pattern_share(carrier)",
      "psi(carrier)",
    ]);
    expect(labelled("hide")).toEqual([RARE, "unseen_share(carrier)", "unseen_pattern_share(carrier)", "psi(carrier)"]);
  });

  test("ReferenceWindows.metrics() tells the share of unseen values of more than can be counted from the same 512 of them", () => {
    const customers = (from: number, to: number) =>
      profileOf(
        [fieldOf("customer", "long")],
        Array.from({ length: 2 * (to - from) }, (_, i): Row => [[BigInt(from + (i >> 1))]]),
      );
    let reference = full(customers(0, 6_000));
    const figure = (profile: Profile) => byId(reference.metrics(contentsOf(profile))).get("unseen_share(customer)");
    for (let round = 0; round < 2; round++) {
      expect(figure(customers(0, 6_000))).toMatchObject({ value: 0, n: 1_022 });
      // A quarter is new. The sample has a standard deviation of 1.9 %: four of them.
      expect(Math.abs(Number(figure(customers(1_500, 7_500))?.value) - 0.25)).toBeLessThan(0.08);
      expect(figure(customers(10_000, 16_000))?.value).toBe(1);
      expect(figure(customers(0, 10))?.n ?? 0).toBeLessThan(20);
      reference = ReferenceWindows.read(reference.write());
    }
  });

  test("ReferenceWindows.metrics() names neither shares nor stability where a window could not count them all", () => {
    const many = profileOf(
      [fieldOf("carrier", "string")],
      Array.from({ length: 5_000 }, (_, i): Row => [[`c${i}`]]),
    );
    const reference = full(carriers("UA"));
    const idsOf = (profile: Profile) => reference.metrics(contentsOf(profile)).map(({ id }) => id);
    expect(idsOf(many).some((id) => id.startsWith("share") || id.startsWith("psi"))).toBe(false);
    expect(unseen(reference, many)).toBe(1);
    reference.learn(contentsOf(many));
    expect(idsOf(carriers("UA")).some((id) => id.startsWith("share") || id.startsWith("psi"))).toBe(false);
    for (let i = 0; i < SIZE; i++) reference.learn(contentsOf(carriers("UA")));
    expect(idsOf(carriers("UA"))).toContain("share(carrier=UA)");
  });

  test("ReferenceWindows gives up on a field of which nearly every value is new, and stays within its limit", () => {
    const reference = new ReferenceWindows({ size: 6, rows: 0 });
    let bytes = 0;
    for (let window = 0; window < 12; window++) {
      const rows = Array.from({ length: 4_000 }, (_, i): Row => [[window * 4_000 + i]]);
      reference.learn(contentsOf(profileOf([fieldOf("id", "int")], rows)));
      bytes = Math.max(bytes, reference.write().length);
    }
    const next = profileOf([fieldOf("id", "int")], [[[7]]]);
    expect(reference.metrics(contentsOf(next)).map(({ id }) => id)).toEqual([RARE, "outside_share(id)", "psi(id)"]);
    expect(bytes).toBeLessThan(VALUES_MAX * 16);
  });

  test("ReferenceWindows.metrics() sees no new values when an int becomes a double", () => {
    const reference = full(profileOf([fieldOf("n", "int")], [[[1]], [[2]]]));
    expect(
      byId(reference.metrics(contentsOf(profileOf([fieldOf("n", "double")], [[[2]]])))).get("unseen_share(n)")?.value,
    ).toBe(0);
  });

  test("ReferenceWindows.metrics() leaves the event time out", () => {
    const profile = profileOf([fieldOf("epoch", "long")], [[[5n]]]);
    expect(
      full(profile)
        .metrics(contentsOf(profile), { eventTimeField: "epoch" })
        .map(({ id }) => id),
    ).toEqual([RARE]);
  });

  test("ReferenceWindows.metrics() names the field that alone makes a null pattern rare, whether it is absent or there", () => {
    const fields = [fieldOf("a", "int"), fieldOf("b", "string"), fieldOf("c", "double")];
    const rowsOf = (...rows: string[]) =>
      profileOf(
        fields,
        rows.map((row): Row => [...row].map((sign) => (sign === "1" ? [1] : [null]))),
      );
    const reference = full(rowsOf("111", "111", "100"));
    const rare = (...rows: string[]) => byId(reference.metrics(contentsOf(rowsOf(...rows)))).get(RARE);
    expect(rare("111", "100")).toMatchObject({ value: 0, n: 2, fields: [] });
    expect(rare("111", "111", "111", "101")).toMatchObject({ value: 0.25, n: 4, fields: ["b"] });
    expect(rare("110", "000", "110")).toMatchObject({ value: 1, n: 3, fields: ["c"] });
    expect(rare("111", "000")).toMatchObject({ value: 0.5, fields: ["a"] });
    expect(rare("111", "010")).toMatchObject({ value: 0.5, fields: [] });
  });

  test("ReferenceWindows stays within its bytes with as many null patterns as there can be", () => {
    const fields = Array.from({ length: 12 }, (_, i) => fieldOf(`f${i}`, "boolean"));
    const reference = new ReferenceWindows({ rows: 0 });
    for (let window = 0; window < 28; window++) {
      const rows = Array.from({ length: 4_096 }, (_, i): Row => fields.map((_, bit) => [(i >> bit) % 2 ? true : null]));
      reference.learn(contentsOf(profileOf(fields, rows)));
    }
    expect(reference.write().length).toBeLessThan(28 * 256 * 10 + 1_000);
    const all = profileOf(fields, [fields.map(() => [true])]);
    expect(byId(reference.metrics(contentsOf(all))).get(RARE)).toMatchObject({ value: 0, n: 1, fields: [] });
  });

  test("ReferenceWindows.read() refuses damaged and cut bytes with SG_CORRUPT", () => {
    const bytes = full(carriers("UA", "AA")).write();
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at]! ^= 4;
      expect(() => ReferenceWindows.read(damaged)).toThrowError(expect.objectContaining({ code: "SG_CORRUPT" }));
      expect(() => ReferenceWindows.read(bytes.subarray(0, at))).toThrowError(
        expect.objectContaining({ code: "SG_CORRUPT" }),
      );
    }
  });
});

describe("PooledCounts", () => {
  test("PooledCounts after any windows came and went equals the counts of those that are left", () => {
    const counted = fc.uniqueArray(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 9 })), { selector: ([key]) => key });
    fc.assert(
      fc.property(fc.array(counted, { maxLength: 20 }), (windows) => {
        const pool = new PooledCounts();
        const kept: [number, number][][] = [];
        for (const one of windows) {
          if (kept.length === 3) pool.remove(asCounts(kept.shift() ?? []));
          kept.push(one);
          pool.add(
            asCounts(one),
            one.map(([key]) => `v${key}`),
          );
          const expected = new Map<number, number>();
          for (const [key, count] of kept.flat()) expected.set(key, (expected.get(key) ?? 0) + count);
          expect(pool.size).toBe(expected.size);
          expect(new Map(pool.entries().map(({ lo, count }) => [lo, count]))).toEqual(expected);
          expect(pool.entries().every(({ lo, label }) => label === `v${lo}`)).toBe(true);
          expect(pool.top(2).map(({ count }) => count)).toEqual(
            [...expected.values()].sort((a, b) => b - a).slice(0, 2),
          );
          expect(pool.totalCount).toBe([...expected.values()].reduce((a, b) => a + b, 0));
        }
      }),
      { seed: SEED, numRuns: 100 },
    );
  });
});

describe("populationStabilityIndex()", () => {
  test("populationStabilityIndex() is 0 for equal shares, the textbook sum otherwise, undefined for nothing", () => {
    expect(populationStabilityIndex([10, 30], [1, 3])).toBe(0);
    expect(populationStabilityIndex([50, 50], [25, 75])).toBeCloseTo(
      (0.25 - 0.5) * Math.log(0.25 / 0.5) + (0.75 - 0.5) * Math.log(0.75 / 0.5),
      12,
    );
    expect(populationStabilityIndex([1, 0], [0, 1])).toBeCloseTo(2 * (1 - 1e-4) * Math.log(1e4), 9);
    expect(populationStabilityIndex([0], [1])).toBeUndefined();
    expect(populationStabilityIndex([1], [0])).toBeUndefined();
  });
});

function profileOfWindow(one: Window): Profile {
  const length = Math.max(one.carriers.length, one.delays.length);
  const rows = Array.from({ length }, (_, i): Row => {
    const carrier = one.carriers[i];
    const delay = one.delays[i];
    return [carrier === undefined ? [null] : [carrier], delay === undefined ? [] : [delay], [1e12 + i], [i % 2 === 0]];
  });
  return profileOf(FIELDS, rows);
}

function carriers(...values: string[]): Profile {
  return profileOf(
    [fieldOf("carrier", "string")],
    values.map((value): Row => [[value]]),
  );
}

function full(profile: Profile): ReferenceWindows {
  const reference = new ReferenceWindows({ size: SIZE, rows: 0 });
  for (let i = 0; i < SIZE; i++) reference.learn(contentsOf(profile));
  return reference;
}

function unseen(reference: ReferenceWindows, profile: Profile): MetricValue["value"] {
  return byId(reference.metrics(contentsOf(profile))).get("unseen_share(carrier)")?.value;
}

function byId(metrics: readonly MetricValue[]): Map<string, MetricValue> {
  return new Map(metrics.map((metric) => [metric.id, metric]));
}

function asCounts(one: readonly (readonly [number, number])[]) {
  return {
    lo: Int32Array.from(one, ([key]) => key),
    hi: new Int32Array(one.length),
    counts: Float64Array.from(one, ([, count]) => count),
  };
}

/** The metrics by their definition, over all values of the past windows. */
function bruteForce(past: readonly Window[], now: Window): Map<string, number> {
  const figures = new Map<string, number>();
  const finite = (one: Window) => one.delays.filter((value) => Number.isFinite(value)).map((value) => value + 0);
  const seen = past.flatMap((one) => one.carriers);
  const share = (values: readonly unknown[], of: (value: unknown) => boolean) =>
    values.filter(of).length / values.length;
  figures.set(
    "unseen_share(carrier)",
    share(now.carriers, (value) => !seen.includes(value as string)),
  );
  const top = topOf(past, seen);
  for (const value of top)
    figures.set(
      `share(carrier=${value})`,
      share(now.carriers, (one) => one === value),
    );
  const groupOf = (value: string) => (top.indexOf(value) < 0 ? top.length : top.indexOf(value));
  const unseenPatterns = share(now.carriers, (value) => !seen.map(patternOf).includes(patternOf(value as string)));
  figures.set("unseen_pattern_share(carrier)", unseenPatterns);
  const known28 = past.flatMap(absences);
  figures.set(
    "rare_pattern_share()",
    share(absences(now), (one) => !known28.includes(one as string)),
  );
  figures.set("psi(carrier)", psiOf(seen.map(groupOf), now.carriers.map(groupOf), top.length + 1) ?? 0);
  const delays = finite(now);
  const known = past.flatMap(finite);
  if (delays.length === 0) return figures;
  figures.set(
    "unseen_share(delay)",
    share(delays, (value) => !known.includes(value as number)),
  );
  const extremes = past.flatMap((one) => {
    const bins = finite(one).map((value) => LogLinearHistogram.binOf(value));
    return bins.length === 0 ? [] : [[Math.min(...bins), Math.max(...bins)] as const];
  });
  if (extremes.length * 2 >= past.length) {
    const least = extremes.map(([bin]) => bin).sort((a, b) => a - b)[Math.ceil(extremes.length / 2) - 1]!;
    const largest = extremes.map(([, bin]) => bin).sort((a, b) => b - a)[Math.ceil(extremes.length / 2) - 1]!;
    const isOutside = (value: unknown) =>
      LogLinearHistogram.binOf(value as number) < least || LogLinearHistogram.binOf(value as number) > largest;
    figures.set("outside_share(delay)", share(delays, isOutside));
  }
  const keys = known.map((value) => LogLinearHistogram.binOf(value)).sort((a, b) => a - b);
  const lastKeys: number[] = [];
  let from = 0;
  for (let end = 1; end <= keys.length; end++) {
    if (keys[end] === keys[end - 1]) continue;
    if (end - from < keys.length / 10 && end < keys.length) continue;
    lastKeys.push(keys[end - 1]!);
    from = end;
  }
  const groupOfKey = (key: number) => {
    const group = lastKeys.findIndex((last) => key <= last);
    return group < 0 ? lastKeys.length - 1 : group;
  };
  const psi = psiOf(
    keys.map(groupOfKey),
    delays.map((value) => groupOfKey(LogLinearHistogram.binOf(value))),
    lastKeys.length,
  );
  if (psi !== undefined) figures.set("psi(delay)", psi);
  return figures;
}

/** "UA" and "DL" are both `A`. */
function patternOf(text: string): string {
  return text
    .replaceAll(/[A-Z]+/g, "A")
    .replaceAll(/[a-z]+/g, "a")
    .replaceAll(/[0-9]+/g, "9")
    .replaceAll(/_+/g, ".");
}

/** What each row of the window lacks. */
function absences({ carriers, delays }: Window): string[] {
  const length = Math.max(carriers.length, delays.length);
  return Array.from({ length }, (_, i) => `${i < carriers.length} ${i < delays.length}`);
}

/** Ties go by hash, which only the dictionary knows. */
function topOf(past: readonly Window[], seen: readonly string[]): string[] {
  const hashes = new Map<unknown, [number, number]>();
  for (const one of past) {
    for (const entry of profileOfWindow(one).fields.get("carrier#text")?.dictionary?.entries() ?? []) {
      hashes.set(entry.label, [entry.hi >>> 0, entry.lo >>> 0]);
    }
  }
  const count = (value: string) => seen.filter((one) => one === value).length;
  const byHash = (a: string, b: string) =>
    hashes.get(a)![0] - hashes.get(b)![0] || hashes.get(a)![1] - hashes.get(b)![1];
  return [...new Set(seen)].sort((a, b) => count(b) - count(a) || byHash(a, b)).slice(0, TOP);
}

function psiOf(reference: readonly number[], current: readonly number[], groups: number): number | undefined {
  if (reference.length === 0 || current.length === 0) return undefined;
  let psi = 0;
  for (let group = 0; group < groups; group++) {
    const e = Math.max(1e-4, reference.filter((one) => one === group).length / reference.length);
    const a = Math.max(1e-4, current.filter((one) => one === group).length / current.length);
    psi += (a - e) * Math.log(a / e);
  }
  return psi;
}
