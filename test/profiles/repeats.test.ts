import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BatchProfiler } from "../../src/profiles/batch-profiler.ts";
import { metricsOf } from "../../src/profiles/metrics.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { batchOf, factsOf, fieldOf, profileOf, type Row, SHOW } from "./column-batches.ts";

const SEED = 20_261_130;
const FIELDS = [
  fieldOf("n", "double"),
  fieldOf("text", "string"),
  fieldOf("list", "array"),
  fieldOf("list[]", "int", { level: 2 }),
];

const row: fc.Arbitrary<Row> = fc
  .tuple(
    fc.constantFrom([0], [-0], [1], [Number.NaN], [null], []),
    fc.constantFrom(["a"], ["b"], [null], ["__proto__"]),
    fc.constantFrom([1, 1], [1, 2]),
  )
  .map(([n, text, [size, element]]) => [n, text, [size!], [element!]]);
/** Rows of one partition, in flushes. */
const partition = fc.array(fc.array(row, { maxLength: 6 }), { minLength: 1, maxLength: 6 });
const partitions = fc.array(partition, { minLength: 1, maxLength: 4 });

/** `[compared, equal]` of a field over whole partitions, by the definition. */
function truthOf(all: readonly (readonly Row[])[], index: number): [number, number] {
  let compared = 0;
  let equal = 0;
  for (const rows of all) {
    const values = rows.flatMap((one) => one[index]!.filter((value) => value !== null && !Number.isNaN(value)));
    for (let i = 1; i < values.length; i++) {
      compared++;
      // 0 and −0 are one value.
      if (values[i] === values[i - 1]) equal++;
    }
  }
  return [compared, equal];
}

/** As the judge gets it. */
function flushOf(rows: readonly Row[], partitionIndex: number, fromOffset: number, schemaId = 1): Profile {
  const profile = Profile.read(profileOf(FIELDS, rows, { facts: { schemaId } }).write());
  profile.place(partitionIndex, fromOffset);
  return profile;
}

function flushesOf(flushes: readonly (readonly Row[])[], partitionIndex: number): Profile[] {
  let offset = 0;
  return flushes.map((rows) => {
    const profile = flushOf(rows, partitionIndex, offset);
    // An offset without a row, as a transaction's marker takes.
    offset += rows.length + 1;
    return profile;
  });
}

function counted(profile: Profile, key: string): [number, number] {
  const repeats = profile.fields.get(key)?.repeats;
  return [repeats?.compared ?? 0, repeats?.equal ?? 0];
}

function expectTruth(profile: Profile, all: readonly (readonly Row[])[]): void {
  expect(counted(profile, "n#number")).toEqual(truthOf(all, 0));
  expect(counted(profile, "text#text")).toEqual(truthOf(all, 1));
}

describe("repeat_share", () => {
  test("any cuts of the partitions, in the order of each but taking turns, are the whole, by brute force", () => {
    fc.assert(
      fc.property(partitions, fc.infiniteStream(fc.nat()), fc.nat(10), (all, choice, restart) => {
        const left = all.map(flushesOf);
        let merged = Profile.empty(7);
        for (let step = 0; left.some((flushes) => flushes.length > 0); step++) {
          const waiting = left.filter((flushes) => flushes.length > 0);
          merged.merge(waiting[(choice.next().value as number) % waiting.length]!.shift()!);
          // A judge that was restarted goes on with what it stored.
          if (step === restart) merged = Profile.read(merged.write());
        }
        expectTruth(
          merged,
          all.map((flushes) => flushes.flat()),
        );
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test("neighbours may be joined in any grouping, and from either side", () => {
    fc.assert(
      fc.property(partition, fc.infiniteStream(fc.nat()), (flushes, choice) => {
        const profiles = flushesOf(flushes, 0);
        while (profiles.length > 1) {
          const at = (choice.next().value as number) % (profiles.length - 1);
          const [earlier, later] = [profiles[at]!, profiles[at + 1]!];
          const isBackwards = (choice.next().value as number) % 2 === 0;
          const [into, from] = isBackwards ? [later, earlier] : [earlier, later];
          into.merge(from);
          profiles.splice(at, 2, into);
        }
        expectTruth(profiles[0]!, [flushes.flat()]);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test("rows of small groups that waited are compared in their order, over several batches", () => {
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 2, maxLength: 40 }),
        fc.infiniteStream(fc.integer({ min: -1, max: 2 })),
        fc.integer({ min: 1, max: 5 }),
        (rows, choice, times) => {
          const groupOfRow = Int32Array.from(rows, (_, at) => (at < 2 ? at : (choice.next().value ?? -1)));
          const groups = Array.from({ length: 3 }, () => Profile.empty(7));
          const profiler = new BatchProfiler({ labels: SHOW });
          for (let time = 0; time < times; time++) {
            profiler.begin(batchOf(FIELDS, rows), factsOf(rows.length));
            profiler.addGroups(groupOfRow, groups);
            profiler.end();
          }
          for (const [group, profile] of groups.entries()) {
            const members = rows.filter((_, at) => groupOfRow[at] === group);
            expectTruth(profile, [Array.from({ length: times }, () => members).flat()]);
          }
        },
      ),
      { seed: SEED, numRuns: 80 },
    );
  });

  test("slices or panes of one flush that are merged are added, and nothing between them is compared", () => {
    const rows: Row[] = [
      [[1], ["a"], [0], []],
      [[1], ["a"], [0], []],
    ];
    const merged = flushOf(rows, 3, 100);
    merged.merge(flushOf(rows, 3, 100));
    expect(counted(merged, "n#number")).toEqual([2, 2]);
    // A later flush follows both.
    merged.merge(flushOf(rows, 3, 102));
    expect(counted(merged, "n#number")).toEqual([4, 4]);
  });

  test("rows of two writer schemas that take turns are compared within each, however they were flushed", () => {
    const one: Row = [[1], ["a"], [0], []];
    const other: Row = [[2], ["a"], [0], []];
    const merged = Profile.empty(7);
    for (const [fromOffset, rows] of [
      [one, other],
      [one, other],
      [one, one, other],
    ].entries()) {
      const flush = Profile.empty(7);
      for (const [schemaId, own] of [one, other].entries()) {
        flush.merge(
          profileOf(
            FIELDS,
            rows.filter((candidate) => candidate === own),
            { facts: { schemaId } },
          ),
        );
      }
      flush.place(0, fromOffset * 10);
      merged.merge(flush);
    }
    expect(counted(merged, "n#number")).toEqual([5, 5]);
  });

  test("beyond 256 partitions the ends of the lowest are kept, in every order, and no count is lost", () => {
    const rows: Row[] = [
      [[1], ["a"], [0], []],
      [[1], ["b"], [0], []],
    ];
    const all = Array.from({ length: 300 }, (_, i) => i);
    const sizes = [all, [...all].reverse()].map((order) => {
      const merged = Profile.empty(7);
      for (const index of order) merged.merge(flushOf(rows, index, 0));
      expect(counted(merged, "n#number")).toEqual([300, 300]);
      for (const index of order) merged.merge(flushOf(rows, index, 2));
      return [counted(merged, "n#number"), merged.fields.get("n#number")!.repeats];
    });
    expect(sizes[0]![0]).toEqual([856, 856]);
    expect(sizes[0]).toEqual(sizes[1]);
  });

  test("elements of arrays are not looked at, and the share is of the values that were compared", () => {
    const rows: Row[] = [
      [[1], ["a"], [1], [7]],
      [[null], ["a"], [1], [7]],
      [[1], ["b"], [1], [7]],
    ];
    const shares = metricsOf(profileOf(FIELDS, rows)).filter(({ id }) => id.startsWith("repeat_share"));
    expect(shares.map(({ id, value, n }) => [id, value, n])).toEqual([
      ["repeat_share(list[])", undefined, 0],
      ["repeat_share(n)", 1, 1],
      ["repeat_share(text)", 0.5, 2],
    ]);
  });
});
