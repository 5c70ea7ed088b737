import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";

type Value = string | number | boolean | null | undefined;
type Row = readonly Value[];
interface Column {
  readonly path: string;
  readonly type: string;
  readonly isEventTime?: boolean;
  readonly isUnique?: boolean;
  readonly clock?: string;
  readonly symbols?: readonly string[];
}
interface Kind {
  readonly name: string;
}
interface Planted {
  readonly columns: readonly string[];
  readonly damaged: readonly number[];
  readonly rows: readonly Row[];
}
interface Plan {
  readonly kind: Kind;
  readonly share: number;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly isKnown: (column: number, text: string) => boolean;
  readonly random: SeededRandom;
}
interface Faults {
  readonly FAULT_KINDS: readonly Kind[];
  readonly FAULT_SHARES: readonly number[];
  damagedRows(share: number, rowCount: number): number;
  plantFault(plan: Plan): Planted | undefined;
  drawFault(
    plan: Omit<Plan, "rows"> & { from: number; windowCount: number; rowsOf: (window: number) => readonly Row[] },
  ): Omit<Planted, "rows"> & { readonly window: number; readonly rows: readonly Row[] };
}
interface Figures {
  areaUnderCurve(faults: readonly number[], clean: readonly number[]): number | undefined;
  hindsightThreshold(clean: readonly number[], budget: { falseAlarms: number; budgetWindows: number }): number;
  shareOf<T>(items: readonly T[], holds: (item: T) => boolean): { share?: number; se?: number; n: number };
  poissonInterval(count: number): readonly [low: number, high: number];
  perBudget(alarms: number, windows: number, budgetWindows: number): number | undefined;
  blameOf(
    causes: readonly { fields: readonly string[] }[],
    damaged: readonly string[],
  ): { first: boolean; three: boolean };
}
interface Placement {
  streamsOf<T extends { window: number }>(faults: readonly T[], judgedWindows: number): readonly (readonly T[])[];
}

/** Neither of them needs the build. */
const load = async (name: string): Promise<unknown> =>
  import(new URL(`../../bench/detect/${name}.mjs`, import.meta.url).href);
const { FAULT_KINDS, FAULT_SHARES, damagedRows, plantFault, drawFault } = (await load("faults")) as Faults;
const { areaUnderCurve, hindsightThreshold, shareOf, poissonInterval, perBudget, blameOf } = (await load(
  "figures",
)) as Figures;
const { streamsOf } = (await load("placement")) as Placement;

const COLUMNS: readonly Column[] = [
  { path: "at", type: "timestamp", isEventTime: true },
  { path: "fare", type: "double" },
  { path: "tip", type: "double" },
  { path: "riders", type: "int" },
  { path: "left", type: "int", clock: "hhmm" },
  { path: "hour", type: "int", clock: "hour" },
  { path: "paid_at", type: "timestamp", clock: "ms" },
  { path: "city", type: "string" },
  { path: "driver", type: "string", isUnique: true },
  { path: "is_shared", type: "boolean" },
  { path: "state", type: "enum", symbols: ["OPEN", "DONE", "LOST"] },
  { path: "guest.name", type: "string" },
  { path: "guest.age", type: "int" },
];
const CITIES = ["Ulm", "Bonn", "Kiel", "Jena", "X"];
const SEEDS = [1, 2, 3, 77];
const ROWS = [50, 233];

/** A row of each seed, nulls and absent guests among them. */
function rowsOf(seed: number, count: number): Row[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, (_, i): Row => {
    const isGuest = random.below(3) > 0;
    return [
      1_000 * i,
      random.below(10) === 0 ? null : Math.round(10_000 * random.next()) / 100 - 20,
      random.below(40) / 4,
      random.below(6) - 1,
      100 * random.below(24) + random.below(60),
      random.below(24),
      random.below(12) === 0 ? null : 5_000 * i + random.below(1000),
      random.below(15) === 0 ? "" : CITIES[random.below(CITIES.length)],
      `D${random.nextUint32()}`,
      random.bit() === 1,
      ["OPEN", "DONE", "LOST"][random.below(3)],
      isGuest ? (random.below(8) === 0 ? null : `guest ${random.below(30)}`) : undefined,
      isGuest ? random.below(90) : undefined,
    ];
  });
}

const isKnown = (_column: number, text: string) => CITIES.includes(text) || text.startsWith("guest ");

interface Case {
  readonly kind: string;
  readonly share: number;
  readonly seed: number;
  readonly before: readonly Row[];
  readonly planted: Planted;
}

/** Every kind and size over several inputs; a size for which no column has enough rows is left out. */
function cases(): Case[] {
  const found: Case[] = [];
  for (const kind of FAULT_KINDS) {
    for (const share of FAULT_SHARES) {
      for (const seed of SEEDS) {
        for (const count of ROWS) {
          const before = rowsOf(seed, count);
          const plan = { kind, share, columns: COLUMNS, rows: before, isKnown };
          const planted = plantFault({ ...plan, random: new SeededRandom(31 * seed + count) });
          expect(planted, `${kind.name} ${share} seed ${seed}`).toBeDefined();
          found.push({ kind: kind.name, share, seed, before, planted: planted! });
        }
      }
    }
  }
  return found;
}

const CASES = cases();
const RESIZING = ["volume drop", "duplicates"];
/** Some of the chosen rows may keep their value. */
const MAY_KEEP = ["shuffled column", "frozen value"];
function isOfType(value: Value, type: string): boolean {
  if (value === null || value === undefined) return true;
  if (type === "int" || type === "timestamp") return Number.isSafeInteger(value);
  if (type === "double") return Number.isFinite(value);
  return typeof value === (type === "boolean" ? "boolean" : "string");
}

const nameOf = ({ kind, share, seed }: Case) => `${kind}, ${share} of the rows, seed ${seed}`;

describe("planted faults", () => {
  test("are of 14 kinds and five sizes", () => {
    expect(new Set(FAULT_KINDS.map(({ name }) => name)).size).toBe(14);
    expect(FAULT_SHARES).toEqual([0.01, 0.05, 0.1, 0.2, 0.5]);
    expect(CASES).toHaveLength(14 * 5 * SEEDS.length * ROWS.length);
  });

  test("damage exactly round(share × rows) rows, at least one, each named once and in order", () => {
    expect([damagedRows(0.01, 50), damagedRows(0.01, 20), damagedRows(0.05, 233), damagedRows(0.5, 233)]).toEqual([
      1, 1, 12, 117,
    ]);
    for (const each of CASES) {
      const { damaged } = each.planted;
      expect(damaged, nameOf(each)).toHaveLength(damagedRows(each.share, each.before.length));
      expect(
        [...new Set(damaged)].sort((a, b) => a - b),
        nameOf(each),
      ).toEqual(damaged);
    }
  });

  test("change only the columns that they name, only in the rows that they say, and there they change the value", () => {
    for (const each of CASES.filter(({ kind }) => !RESIZING.includes(kind))) {
      const { before, planted, kind } = each;
      expect(planted.rows).toHaveLength(before.length);
      expect(planted.columns, nameOf(each)).toHaveLength(kind === "swapped columns" ? 2 : 1);
      const damaged = new Set(planted.damaged);
      for (const [at, row] of planted.rows.entries()) {
        const changed = COLUMNS.flatMap(({ path }, column) =>
          Object.is(row[column], before[at]![column]) ? [] : [path],
        );
        if (!damaged.has(at)) expect(changed, nameOf(each)).toEqual([]);
        else if (MAY_KEEP.includes(kind))
          expect(planted.columns, nameOf(each)).toEqual(expect.arrayContaining(changed));
        else expect(changed.sort(), nameOf(each)).toEqual([...planted.columns].sort());
      }
    }
  });

  test("never touch the event time, nor a value whose parent is absent, and keep the type of the column", () => {
    const wrong = new Set<string>();
    for (const each of CASES) {
      expect(each.planted.columns).not.toContain("at");
      for (const [at, row] of each.planted.rows.entries()) {
        for (const [column, { type }] of COLUMNS.entries()) {
          const value = row[column];
          const isMoved =
            !RESIZING.includes(each.kind) && (value === undefined) !== (each.before[at]![column] === undefined);
          if (isMoved || !isOfType(value, type)) wrong.add(`${nameOf(each)}: ${value} in ${COLUMNS[column]!.path}`);
        }
      }
    }
    expect([...wrong]).toEqual([]);
  });

  test("a volume drop loses the rows that it says, duplicates repeat them, both name no column", () => {
    for (const each of CASES.filter(({ kind }) => RESIZING.includes(kind))) {
      const { before, planted, kind } = each;
      const damaged = new Set(planted.damaged);
      const expected = before.flatMap((row, at) => {
        if (!damaged.has(at)) return [row];
        return kind === "duplicates" ? [row, row] : [];
      });
      expect(planted.rows, nameOf(each)).toEqual(expected);
      expect(planted.columns).toEqual([]);
    }
  });

  test("do what their names say", () => {
    for (const { kind, before, planted } of CASES) {
      const columns = planted.columns.map((path) => COLUMNS.findIndex((column) => column.path === path));
      const [column = -1, second = -1] = columns;
      const values = planted.damaged.map((at) => planted.rows[at]?.[column]);
      const old = planted.damaged.map((at) => before[at]![column]);
      if (kind === "nulls") expect(values.every((value) => value === null)).toBe(true);
      if (kind === "sentinel")
        expect(values.every((value) => value === -1) || values.every((v) => v === 99_999)).toBe(true);
      if (kind === "new category") {
        expect(new Set(values).size).toBe(1);
        expect(isKnown(column, String(values[0]))).toBe(false);
        expect(COLUMNS[column]!.isUnique).not.toBe(true);
      }
      if (kind === "x10") expect(values).toEqual(old.map((value) => Number(value) * 10));
      if (kind === "truncation" && typeof values[0] === "string") {
        for (const [i, text] of values.entries()) expect(String(old[i]).startsWith(String(text))).toBe(true);
      }
      if (kind === "time-zone shift" && COLUMNS[column]!.clock === "hhmm") {
        for (const [i, time] of values.entries()) expect(Number(time) % 100).toBe(Number(old[i]) % 100);
        expect(values.every((time) => Number(time) >= 0 && Number(time) < 2400)).toBe(true);
      }
      if (kind === "swapped columns") expect(planted.damaged.map((at) => planted.rows[at]![second])).toEqual(old);
      if (kind === "frozen value") expect(new Set(values).size).toBe(1);
      if (kind === "shuffled column" && values.length > 1) {
        expect([...values].map(String).sort()).toEqual([...old].map(String).sort());
      }
    }
  });

  test("are the same for the same seed, and others for another", () => {
    const before = rowsOf(5, 233);
    const plant = (kind: Kind, seed: number) =>
      plantFault({ kind, share: 0.1, columns: COLUMNS, rows: before, isKnown, random: new SeededRandom(seed) });
    for (const kind of FAULT_KINDS) {
      expect(plant(kind, 9)).toEqual(plant(kind, 9));
      expect(plant(kind, 9)!.damaged).not.toEqual(plant(kind, 10)!.damaged);
    }
  });

  test("leave the clean rows of all windows as they are", () => {
    const windows = [3, 4, 5, 6].map((seed) => rowsOf(seed, 50).map((row) => Object.freeze(row)));
    const before = structuredClone(windows);
    for (const kind of FAULT_KINDS) {
      for (const share of FAULT_SHARES) {
        const random = new SeededRandom(7);
        const place = { columns: COLUMNS, from: 1, windowCount: 4, rowsOf: (at: number) => windows[at]!, isKnown };
        const { window, rows } = drawFault({ kind, share, random, ...place });
        expect(window).toBeGreaterThanOrEqual(1);
        expect(rows).not.toBe(windows[window]);
        expect(windows).toEqual(before);
      }
    }
  });

  test("without a column that has enough rows there is none", () => {
    const [nulls] = FAULT_KINDS;
    const rows: Row[] = Array.from({ length: 10 }, (_, at) => [at, at === 0 ? 1 : null]);
    const columns = [COLUMNS[0]!, COLUMNS[1]!];
    const plan = { kind: nulls!, columns, rows, isKnown };
    expect(plantFault({ ...plan, share: 0.2, random: new SeededRandom(1) })).toBeUndefined();
    expect(plantFault({ ...plan, share: 0.1, random: new SeededRandom(1) })!.damaged).toEqual([0]);
  });
});

describe("streamsOf()", () => {
  test("keeps every fault and its window, two clean windows between two faults, a tenth of the windows at most", () => {
    for (const seed of SEEDS) {
      const random = new SeededRandom(seed);
      const faults = Array.from({ length: 420 }, (_, id) => ({ id, window: 91 + random.below(274) }));
      const streams = streamsOf(faults, 274);
      expect(streams.flat().sort((a, b) => a.id - b.id)).toEqual(faults);
      for (const stream of streams) {
        expect(stream.length).toBeLessThanOrEqual(27);
        for (let i = 1; i < stream.length; i++) {
          expect(stream[i]!.window - stream[i - 1]!.window).toBeGreaterThanOrEqual(3);
        }
      }
      // As few as the shares allow, and some for faults that stand close.
      expect(streams.length).toBeGreaterThanOrEqual(16);
      expect(streams.length).toBeLessThanOrEqual(22);
    }
  });
});

describe("figures", () => {
  test("areaUnderCurve() counts pairs, ties half", () => {
    expect(areaUnderCurve([3, 1], [0, 2])).toBe(3 / 4);
    expect(areaUnderCurve([2, 2], [2, 1])).toBe(3 / 4);
    expect(areaUnderCurve([5], [1, 2, 3])).toBe(1);
    expect(areaUnderCurve([0], [1, 2, 3])).toBe(0);
    expect(areaUnderCurve([1, 1], [1, 1])).toBe(1 / 2);
    expect(areaUnderCurve([], [1])).toBeUndefined();
    expect(areaUnderCurve([1], [])).toBeUndefined();
  });

  test("areaUnderCurve() is what counting all pairs gives", () => {
    for (const seed of SEEDS) {
      const random = new SeededRandom(seed);
      const [faults, clean] = [40, 70].map((count) => Array.from({ length: count }, () => random.below(12)));
      let above = 0;
      for (const fault of faults!) for (const one of clean!) above += fault > one ? 1 : fault === one ? 0.5 : 0;
      expect(areaUnderCurve(faults!, clean!)).toBeCloseTo(above / (40 * 70), 12);
    }
  });

  test("hindsightThreshold() lets exactly the allowed alarms through, fewer with ties", () => {
    const clean = Array.from({ length: 60 }, (_, i) => i);
    const one = hindsightThreshold(clean, { falseAlarms: 1, budgetWindows: 30 });
    expect(one).toBe(57);
    expect(clean.filter((score) => score > one)).toHaveLength(2);
    // 1.3 × 60 / 30 = 2.6, rounded down.
    expect(hindsightThreshold(clean, { falseAlarms: 1.3, budgetWindows: 30 })).toBe(57);
    expect(hindsightThreshold([5, 5, 5, 1], { falseAlarms: 1, budgetWindows: 2 })).toBe(5);
    expect(hindsightThreshold([1, 2], { falseAlarms: 1, budgetWindows: 1 })).toBe(Number.NEGATIVE_INFINITY);
    // 0.1 × 30 is a little less than 3 in binary.
    expect(hindsightThreshold(clean.slice(0, 30), { falseAlarms: 0.1, budgetWindows: 1 })).toBe(26);
  });

  test("shareOf() gives the recall and its standard error", () => {
    expect(shareOf([1, 2, 3, 4], (score) => score > 3)).toEqual({
      share: 0.25,
      se: Math.sqrt((0.25 * 0.75) / 4),
      n: 4,
    });
    expect(shareOf([], () => true)).toEqual({ share: undefined, se: undefined, n: 0 });
    expect(perBudget(3, 90, 30)).toBe(1);
    expect(perBudget(0, 0, 30)).toBeUndefined();
  });

  test("poissonInterval() gives the exact limits, as tables have them", () => {
    // scipy 1.17.1, chi2.ppf(.025, 2k)/2 and chi2.ppf(.975, 2k + 2)/2.
    for (const [count, low, high] of [
      [0, 0, 3.6889],
      [1, 0.0253, 5.5716],
      [10, 4.7954, 18.3904],
      [100, 81.364, 121.6268],
      [1_000, 938.973, 1063.9521],
    ] as const) {
      const [from, to] = poissonInterval(count);
      expect(from).toBeCloseTo(low, 3);
      expect(to).toBeCloseTo(high, 3);
    }
  });

  test("blameOf() takes the first cause, and the first three distinct fields of the causes", () => {
    const causes = [["a"], ["a"], ["b", "c"], ["d"]].map((fields) => ({ fields }));
    expect(blameOf(causes, ["a"])).toEqual({ first: true, three: true });
    expect(blameOf(causes, ["c"])).toEqual({ first: false, three: true });
    expect(blameOf(causes, ["d"])).toEqual({ first: false, three: false });
    expect(blameOf(causes, ["x", "b"])).toEqual({ first: false, three: true });
    expect(blameOf([{ fields: [] }, { fields: ["a"] }], [])).toEqual({ first: true, three: true });
    expect(blameOf(causes, [])).toEqual({ first: false, three: false });
    expect(blameOf([], ["a"])).toEqual({ first: false, three: false });
  });
});
