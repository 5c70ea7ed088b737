import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareHashes, HashTable } from "../../src/sketches/hash-table.ts";

interface Entry {
  readonly lo: number;
  readonly hi: number;
  readonly count: number;
}

/** Few low words, so that many share a slot; up to some growing steps. */
const entries = fc.uniqueArray(
  fc.record({
    lo: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer()),
    hi: fc.integer(),
    count: fc.integer({ min: 1, max: 9 }),
  }),
  { selector: ({ lo, hi }) => `${lo} ${hi}`, maxLength: 300 },
);

const byHash = (a: Entry, b: Entry) => compareHashes(a.hi, a.lo, b.hi, b.lo);

function contentOf(table: HashTable): Entry[] {
  return Array.from(table.order(), (entry) => ({
    lo: table.lo[entry]!,
    hi: table.hi[entry]!,
    count: table.counts[entry]!,
  }));
}

function expectHolds(table: HashTable, expected: readonly Entry[], absent: readonly Entry[] = []): void {
  expect(table.size).toBe(expected.length);
  expect(contentOf(table)).toEqual([...expected].sort(byHash));
  for (const { lo, hi, count } of expected) expect(table.counts[table.find(lo, hi)]).toBe(count);
  for (const { lo, hi } of absent) expect(table.find(lo, hi)).toBe(-1);
}

describe("HashTable", () => {
  test("keepLowest() keeps the lowest hashes, finds them and no other, and goes on", () => {
    fc.assert(
      fc.property(entries, entries, fc.nat({ max: 99 }), fc.boolean(), (all, more, percent, isIndexed) => {
        const table = new HashTable();
        for (const { lo, hi, count } of all) table.append(lo, hi, count);
        if (isIndexed) table.find(0, 0);
        const sorted = all.toSorted(byHash);
        const size = Math.floor((all.length * percent) / 100);
        table.keepLowest(size);
        expectHolds(table, sorted.slice(0, size), sorted.slice(size));
        const fresh = more.filter(({ lo, hi }) => table.find(lo, hi) < 0);
        for (const { lo, hi, count } of fresh) table.append(lo, hi, count);
        expectHolds(table, [...sorted.slice(0, size), ...fresh]);
      }),
      { seed: 20_261_129, numRuns: 200 },
    );
  });

  test("holds what was appended, in any order", () => {
    fc.assert(
      fc.property(entries, entries, (own, others) => {
        const table = new HashTable();
        for (const { lo, hi, count } of own) table.append(lo, hi, count);
        const absent = others.filter(({ lo, hi }) => !own.some((one) => one.lo === lo && one.hi === hi));
        expectHolds(table, own, absent);
      }),
    );
  });

  test("appendAscending() gives the same table, and append() may follow it", () => {
    fc.assert(
      fc.property(entries, fc.nat(300), fc.boolean(), (all, cut, isReserved) => {
        const [first, rest] = [all.slice(0, cut).sort(byHash), all.slice(cut)];
        const table = new HashTable();
        if (isReserved) table.reserve(first.length);
        for (const { lo, hi, count } of first) table.appendAscending(lo, hi, count);
        expect(contentOf(table)).toEqual(first);
        for (const { lo, hi, count } of rest) table.append(lo, hi, count);
        expectHolds(table, all);
      }),
    );
  });

  test("countMany() counts each hash, and stops before the first that would be an entry too many", () => {
    const few = fc.array(fc.record({ lo: fc.integer({ min: -20, max: 20 }), hi: fc.integer({ min: 0, max: 2 }) }), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(few, fc.nat(150), fc.nat(5), (hashes, limit, before) => {
        const lo = Int32Array.from(hashes, (one) => one.lo);
        const hi = Int32Array.from(hashes, (one) => one.hi);
        const table = new HashTable();
        const expected = new Map<string, Entry>();
        const from = Math.min(before, hashes.length, limit);
        for (let i = 0; i < from; i++) {
          if (table.find(lo[i]!, hi[i]!) < 0) table.append(lo[i]!, hi[i]!, 3);
          expected.set(`${lo[i]} ${hi[i]}`, { lo: lo[i]!, hi: hi[i]!, count: 3 });
        }
        const known = table.size;
        const firsts = new Int32Array(limit);
        const end = table.countMany(lo, hi, from, hashes.length, limit, firsts);
        const fresh: number[] = [];
        let last = from;
        for (; last < hashes.length; last++) {
          const key = `${lo[last]} ${hi[last]}`;
          const count = expected.get(key)?.count ?? 0;
          if (count === 0 && expected.size === limit) break;
          if (count === 0) fresh.push(last);
          expected.set(key, { lo: lo[last]!, hi: hi[last]!, count: count + 1 });
        }
        expect(end).toBe(last);
        expect([...firsts.subarray(0, table.size - known)]).toEqual(fresh);
        expectHolds(table, [...expected.values()]);
      }),
    );
  });

  test("appendAscending() refuses to follow append()", () => {
    const table = new HashTable();
    table.append(5, 5, 1);
    expect(() => table.appendAscending(6, 6, 1)).toThrow("it has other entries");
  });

  test("subtract() drops what falls to 0 and says what stayed, whether anything was looked for before or not", () => {
    fc.assert(
      fc.property(entries, fc.boolean(), (all, isRead) => {
        const table = new HashTable();
        const inOrder = [...all].sort(byHash);
        for (const { lo, hi, count } of inOrder) {
          if (isRead) table.appendAscending(lo, hi, count);
          else table.append(lo, hi, count);
        }
        const kept = new Int32Array(all.length);
        table.subtract(4, kept);
        expectHolds(
          table,
          all.filter(({ count }) => count > 4).map((entry) => ({ ...entry, count: entry.count - 4 })),
          all.filter(({ count }) => count <= 4),
        );
        expect([...kept.subarray(0, table.size)].map((entry) => inOrder[entry]!.lo)).toEqual([
          ...table.lo.subarray(0, table.size),
        ]);
      }),
    );
  });

  test("clear() leaves nothing behind, however the table is filled anew", () => {
    fc.assert(
      fc.property(entries, entries, fc.boolean(), (before, after, isRead) => {
        const table = new HashTable();
        for (const { lo, hi, count } of before) table.append(lo, hi, count);
        table.clear();
        for (const { lo, hi, count } of [...after].sort(byHash)) {
          if (isRead) table.appendAscending(lo, hi, count);
          else table.append(lo, hi, count);
        }
        expectHolds(table, after);
      }),
    );
  });
});
