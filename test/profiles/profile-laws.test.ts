import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FieldDescriptor } from "../../src/core/column-batch.ts";
import { BatchProfiler } from "../../src/profiles/batch-profiler.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { ProfilePool } from "../../src/profiles/profile-pool.ts";
import { batchOf, factsOf, fieldOf, profileOf, type Row, SHOW } from "./column-batches.ts";
import { exactParts } from "./exact-parts.ts";
import { EVERY_KIND, rowOfEveryKind } from "./generators.ts";

const SEED = 20_261_122;
/** Beyond the exact tier, and with every table far larger than the next flush needs. */
const LARGE = Array.from({ length: 5_000 }, (_, i): Row => [[i]]);
const rows = fc.array(rowOfEveryKind, { maxLength: 60 });

describe("Profile laws", () => {
  test("Profile.merge() of any split in any order has the exact parts of the whole", () => {
    fc.assert(
      fc.property(rows, fc.array(fc.nat(5), { maxLength: 60 }), fc.infiniteStream(fc.nat()), (all, parts, order) => {
        const whole = profileOf(EVERY_KIND, all);
        const split = splitRows(all, parts).map((part) => profileOf(EVERY_KIND, part));
        expect(exactParts(mergeInOrder(split, order))).toEqual(exactParts(whole));
      }),
      { seed: SEED, numRuns: 80 },
    );
  });

  test("ProfilePool.take() gives a used profile that writes the bytes of a new one", () => {
    fc.assert(
      fc.property(fc.array(rows, { minLength: 2, maxLength: 4 }), fc.nat(), fc.boolean(), (runs, seed, many) => {
        const pool = new ProfilePool();
        const fields = EVERY_KIND.slice(0, 10);
        if (many) pool.giveBack(profileOf([fieldOf("small", "int")], LARGE));
        for (const [run, all] of runs.entries()) {
          // Each run brings other fields, and one of them in a wider kind.
          const brought = [...fields.slice(run), ...(run % 2 === 0 ? [fieldOf("small", "long")] : [])];
          const cells = all.map((row): Row => [...row.slice(run, 10), ...(run % 2 === 0 ? [[BigInt(run)]] : [])]);
          const profile = pool.take(seed + run);
          addTo(profile, brought, cells);
          const fresh = Profile.empty(seed + run);
          addTo(fresh, brought, cells);
          expect(profile.write()).toEqual(fresh.write());
          pool.giveBack(profile);
        }
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  test("Profile.merge() agrees with the whole on the moments within rounding", () => {
    fc.assert(
      fc.property(rows, fc.array(fc.nat(3), { maxLength: 60 }), (all, parts) => {
        const merged = mergeInOrder(
          splitRows(all, parts).map((part) => profileOf(EVERY_KIND, part)),
          [][Symbol.iterator](),
        );
        for (const [key, field] of profileOf(EVERY_KIND, all).fields) {
          const other = merged.fields.get(key)?.moments;
          expect(other?.count).toBe(field.moments?.count);
          for (const figure of ["mean", "stddev", "sum"] as const)
            close(other?.[figure], field.moments?.[figure], field.moments);
        }
      }),
      { seed: SEED, numRuns: 100 },
    );
  });

  test("BatchProfiler.addGroups() gives each group the profile of its rows alone, for several dimensions at once", () => {
    fc.assert(
      fc.property(rows, fc.infiniteStream(fc.integer({ min: -1, max: 3 })), (all, choice) => {
        const groupOfRow = Int32Array.from(all, () => choice.next().value ?? -1);
        const groups = Array.from({ length: 4 }, () => Profile.empty(7));
        const whole = Profile.empty(7);
        const profiler = new BatchProfiler({ labels: SHOW });
        profiler.begin(batchOf(EVERY_KIND, all), factsOf(all.length));
        profiler.addGroups(groupOfRow, groups);
        profiler.addGroups(new Int32Array(all.length), [whole]);
        profiler.end();
        expect(whole.write()).toEqual(profileOf(EVERY_KIND, all).write());
        for (const [group, profile] of groups.entries()) {
          const members = all.filter((_, row) => groupOfRow[row] === group);
          if (members.length === 0) expect(profile.write()).toEqual(Profile.empty(7).write());
          else expect(exactParts(profile)).toEqual(exactParts(profileOf(EVERY_KIND, members)));
        }
      }),
      { seed: SEED, numRuns: 80 },
    );
  });

  test("Profile.read() of write() is the same profile, byte for byte", () => {
    fc.assert(
      fc.property(rows, (all) => {
        const profile = profileOf(EVERY_KIND, all);
        const copy = Profile.read(profile.write());
        expect(exactParts(copy)).toEqual(exactParts(profile));
        expect(copy.write()).toEqual(profile.write());
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  test("Profile.merge() leaves the other operand as it was, and later changes do not reach it", () => {
    fc.assert(
      fc.property(rows, rows, (first, second) => {
        const other = profileOf(EVERY_KIND, second);
        const before = other.write();
        const merged = Profile.empty(7);
        merged.merge(other);
        merged.merge(profileOf(EVERY_KIND, first));
        expect(other.write()).toEqual(before);
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  test("Profile.empty() is the identity on both sides", () => {
    fc.assert(
      fc.property(rows, (all) => {
        const profile = profileOf(EVERY_KIND, all);
        const before = exactParts(profile);
        profile.merge(Profile.empty(99));
        expect(exactParts(profile)).toEqual(before);
        const other = Profile.empty(7);
        other.merge(profile);
        expect(exactParts(other)).toEqual(before);
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  test("Profile.read() refuses every damaged or cut copy with SG_CORRUPT", () => {
    const bytes = profileOf(EVERY_KIND, fc.sample(rowOfEveryKind, { seed: SEED, numRuns: 20 })).write();
    for (let at = 0; at < bytes.length; at += 7) {
      const damaged = bytes.slice();
      damaged[at]! ^= 1 << (at % 8);
      expect(() => Profile.read(damaged)).toThrowError(expect.objectContaining({ code: "SG_CORRUPT" }));
      expect(() => Profile.read(bytes.subarray(0, at))).toThrowError(expect.objectContaining({ code: "SG_CORRUPT" }));
    }
  });

  test("FieldProfile ends in the same tier and with the same registers in every split, at 4,096 and at 4,097 values", () => {
    for (const distinct of [4_096, 4_097]) {
      for (const kind of ["string", "long"] as const) {
        const fields = [fieldOf("id", kind)];
        const all = Array.from(
          { length: distinct * 2 },
          (_, i): Row => [[kind === "string" ? `id-${i % distinct}` : BigInt(i % distinct)]],
        );
        const whole = profileOf(fields, all);
        const field = whole.fields.get(kind === "string" ? "id#text" : "id#number");
        expect(field?.dictionary?.size).toBe(distinct === 4_096 ? 4_096 : undefined);
        expect(field?.frequent?.totalWeight).toBe(distinct === 4_096 ? undefined : distinct * 2);
        for (const cut of [1, 3_000, 4_096, 6_000]) {
          const parts = [all.slice(0, cut), all.slice(cut)].map((part) => profileOf(fields, part));
          for (const order of [parts, [...parts].reverse()]) {
            expect(exactParts(mergeInOrder(order, [][Symbol.iterator]()))).toEqual(exactParts(whole));
          }
        }
      }
    }
  });
});

describe("Profile laws, planted defects", () => {
  test("exactParts() tells a profile that lost one value from the whole", () => {
    const all = fc.sample(rowOfEveryKind, { seed: SEED, numRuns: 30 });
    const damaged = all.map((row, i) => (i === 3 ? row.with(3, [42]) : row));
    expect(exactParts(profileOf(EVERY_KIND, damaged))).not.toEqual(exactParts(profileOf(EVERY_KIND, all)));
  });
});

/** Row i goes to part `parts[i]`; those beyond the list, to part 0. */
function splitRows(all: readonly Row[], parts: readonly number[]): Row[][] {
  const split: Row[][] = Array.from({ length: 6 }, () => []);
  for (const [i, row] of all.entries()) split[parts[i] ?? 0]!.push(row);
  return split.filter((part) => part.length > 0);
}

/** Merges two at a time, chosen by `order`. */
function mergeInOrder(profiles: readonly Profile[], order: Iterator<number, unknown>): Profile {
  const left = [Profile.empty(7), ...profiles];
  while (left.length > 1) {
    const next = order.next();
    const choice = next.done === true ? 0 : next.value;
    const into = left.splice(choice % left.length, 1)[0]!;
    into.merge(left.splice(choice % left.length, 1)[0]!);
    left.unshift(into);
  }
  return left[0]!;
}

function close(
  actual: number | undefined,
  expected: number | undefined,
  scale: { min: number | undefined; max: number | undefined; count: number } | undefined,
): void {
  const span = Math.max(Math.abs(scale?.min ?? 0), Math.abs(scale?.max ?? 0)) * Math.max(1, scale?.count ?? 0);
  // Figures beyond the range of a double are undefined, and rounding decides which side of it they are on.
  if (span > 1e150) return;
  if (expected === undefined) expect(actual).toBeUndefined();
  else expect(Math.abs((actual ?? Number.NaN) - expected)).toBeLessThanOrEqual(1e-7 * span + 1e-300);
}

function addTo(profile: Profile, fields: readonly FieldDescriptor[], all: readonly Row[]): void {
  const profiler = new BatchProfiler({ labels: SHOW });
  profiler.begin(batchOf(fields, all), factsOf(all.length));
  profiler.addGroups(new Int32Array(all.length), [profile]);
  profiler.end();
}
