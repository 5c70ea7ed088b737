import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BatchProfiler } from "../../src/profiles/batch-profiler.ts";
import { PendingPlan, PendingRows } from "../../src/profiles/pending-rows.ts";
import { FIELDS_MAX, Profile } from "../../src/profiles/profile.ts";
import { batchOf, factsOf, fieldOf, type Row, SHOW, type Value } from "./column-batches.ts";
import { exactParts } from "./exact-parts.ts";
import { EVERY_KIND, rowOfEveryKind } from "./generators.ts";

const SEED = 20_261_128;
const GROUPS = 4;

/** Takes the same batch several times, as a reader fills one again; `spread`: nothing waits from one time to the next. */
function fed(rows: readonly Row[], groupOfRow: Int32Array, times: number, spread: boolean): Profile[] {
  const groups = Array.from({ length: GROUPS }, (_, seed) => Profile.empty(seed));
  const batch = batchOf(EVERY_KIND, rows);
  const profiler = new BatchProfiler({ labels: SHOW });
  for (let time = 0; time < times; time++) {
    profiler.begin(batch, factsOf(rows.length));
    profiler.addGroups(groupOfRow, groups);
    profiler.end();
    if (spread) for (const group of groups) group.takePending();
  }
  return groups;
}

const wide = (value: Value): Value => (value === null ? null : BigInt(value as number));

describe("PendingRows", () => {
  test("rows that waited are those that did not, in any number, whatever stands in them", () => {
    fc.assert(
      fc.property(
        fc.array(rowOfEveryKind, { minLength: 2, maxLength: 40 }),
        fc.infiniteStream(fc.integer({ min: -1, max: GROUPS - 1 })),
        fc.integer({ min: 1, max: 12 }),
        (rows, choice, times) => {
          // The first two apart, so that no group has all rows.
          const groupOfRow = Int32Array.from(rows, (_, row) => (row < 2 ? row : (choice.next().value ?? -1)));
          const waited = fed(rows, groupOfRow, times, false);
          const spread = fed(rows, groupOfRow, times, true);
          for (const [group, profile] of waited.entries()) {
            expect(exactParts(profile)).toEqual(exactParts(spread[group]!));
          }
        },
      ),
      { seed: SEED, numRuns: 80 },
    );
  });

  test("whoever asks, writes, merges or clears sees all rows, and none twice", () => {
    const rows = Array.from({ length: 4 }, (_, i): Row => [[i]]);
    const fields = [fieldOf("n", "int")];
    const batch = batchOf(fields, rows);
    const profiler = new BatchProfiler({ labels: SHOW });
    const groups = [Profile.empty(1), Profile.empty(1)];
    const take = () => {
      profiler.begin(batch, factsOf(rows.length));
      profiler.addGroups(Int32Array.of(0, 1, 0, 0), groups);
      profiler.end();
    };
    const valuesOf = (profile: Profile) => profile.fields.get("n#number")?.values;
    take();
    expect(groups.map(valuesOf)).toEqual([3, 1]);
    take();
    expect(valuesOf(Profile.read(groups[0]!.write()))).toBe(6);
    take();
    const merged = Profile.empty(2);
    merged.merge(groups[0]!);
    expect(valuesOf(merged)).toBe(9);
    take();
    groups[0]!.merge(groups[1]!);
    expect(valuesOf(groups[0]!)).toBe(16);
    take();
    const each = [0, 1].map((i) => groups[i]!);
    expect(each.map(({ contents }) => contents.totalCount)).toEqual([19, 5]);
    take();
    expect(each.map(({ patterns }) => patterns.totalCount)).toEqual([22, 6]);
    take();
    expect(each.map(({ payload, lag }) => [payload.count, lag.count])).toEqual([
      [25, 25],
      [7, 7],
    ]);
    take();
    groups[0]!.clear(1);
    expect(groups[0]!.fields.size).toBe(0);
    take();
    expect(valuesOf(groups[0]!)).toBe(3);
  });

  test("a group too large to wait comes behind the rows that waited, in one batch with groups that go on waiting", () => {
    const rows = Array.from({ length: 150 }, (_, i): Row => [[`text ${i}`], [i % 7 === 0 ? null : i]]);
    const batch = batchOf(
      [fieldOf("s", "string"), fieldOf("n", "long")],
      rows.map(([s, n]) => [s!, n!.map(wide)]),
    );
    const profiler = new BatchProfiler({ labels: SHOW });
    const groups = [Profile.empty(1), Profile.empty(1)];
    for (const few of [(row: number) => row < 3, (row: number) => row > 20, (row: number) => row < 30]) {
      profiler.begin(batch, factsOf(rows.length));
      profiler.addGroups(
        Int32Array.from(rows, (_, row) => (few(row) ? 0 : row < 40 ? 1 : -1)),
        groups,
      );
      profiler.end();
    }
    expect(groups.map((profile) => profile.fields.get("s#text")?.values)).toEqual([3 + 129 + 30, 37 + 21 + 10]);
    const top = groups[0]!.fields.get("s#text")?.dictionary?.top(12);
    expect(top?.every(({ count, label }) => count === 2 && Number(String(label).slice(5)) < 30)).toBe(true);
  });

  test("large events do not wait without end", () => {
    const { reader } = batchOf([fieldOf("n", "int")], []).events!;
    const rows = new PendingRows(new PendingPlan(reader, () => {}), 1);
    const event = new Uint8Array(60_000);
    const isFull = Array.from({ length: 3 }, () => {
      rows.append(0, event, 0, event.length);
      return rows.isFull;
    });
    expect(isFull).toEqual([false, false, true]);
  });

  test("an event of another schema comes behind those that waited", () => {
    const fields = [fieldOf("n", "int")];
    const batches = [1, 2].map((n) => batchOf(fields, [[[n]], [[n + 10]]]));
    const profiler = new BatchProfiler({ labels: SHOW });
    const groups = [Profile.empty(1), Profile.empty(1)];
    for (const schemaId of [1, 2, 2, 1]) {
      profiler.begin(batches[schemaId - 1]!, factsOf(2, { schemaId }));
      profiler.addGroups(Int32Array.of(0, 1), groups);
      profiler.end();
    }
    expect([...groups[0]!.schemaRows]).toEqual([
      [1, 2],
      [2, 2],
    ]);
    const numbers = groups[0]!.fields.get("n#number")!;
    expect(numbers.dictionary?.top(2).map(({ label, count }) => [label, count])).toEqual([
      [1, 2],
      [2, 2],
    ]);
  });

  test("where fields could be beyond the limit nothing waits: what is left out is counted at once", () => {
    const fields = Array.from({ length: FIELDS_MAX + 3 }, (_, i) => fieldOf(`f${i}`, "int"));
    const rows = [fields.map(() => [1]), fields.map(() => [2])];
    const groups = [Profile.empty(1), Profile.empty(1)];
    const profiler = new BatchProfiler({ labels: SHOW });
    profiler.begin(batchOf(fields, rows), factsOf(2));
    profiler.addGroups(Int32Array.of(0, 1), groups);
    profiler.end();
    expect(groups.map((profile) => profile.valuesLeftOut)).toEqual([3, 3]);
  });
});
