import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { emptyCounts } from "../../src/core/window.ts";
import { LedgerReport } from "../../src/windows/ledger-report.ts";

const TIME = { latenessMs: 10, idleAfterMs: 1000, unheardAfterMs: 5000 };
const PARTITIONS = 3;

function entryOf(
  partition: number,
  fromOffset: number,
  toOffset: number,
  more: Partial<LedgerEntry> = {},
): LedgerEntry {
  const count = toOffset - fromOffset;
  const undecodable = Math.floor(count / 3);
  return {
    ...{ dataset: "trips", topic: "trips", partition, partitionCount: PARTITIONS, caughtUp: true, ended: false },
    ...{ fromOffset, toOffset, wallTimeMs: 100 },
    ...(count > 0 && { maxEventTimeMs: 1000 + toOffset }),
    counts: { ...emptyCounts(), consumed: count, valid: count - undecodable, undecodable },
    ...more,
  };
}

/** Flushes of each partition, one after the other. */
function flushesOf(random: SeededRandom): LedgerEntry[][] {
  return Array.from({ length: PARTITIONS }, (_, partition) => {
    let offset = random.below(1000);
    return Array.from({ length: 1 + random.below(12) }, () => {
      const from = offset;
      offset += random.below(4) === 0 ? 0 : 1 + random.below(30);
      return entryOf(partition, from, offset);
    });
  });
}

/** As several processes would write them: each partition in order, the partitions in any. */
function interleaved(random: SeededRandom, byPartition: readonly (readonly LedgerEntry[])[]): LedgerEntry[] {
  const left = byPartition.map((entries) => [...entries]);
  const all: LedgerEntry[] = [];
  for (;;) {
    const some = left.filter((entries) => entries.length > 0);
    if (some.length === 0) return all;
    all.push(some[random.below(some.length)]!.shift()!);
  }
}

function reportOf(entries: readonly LedgerEntry[], ends?: ReadonlyMap<number, readonly [number, number]>) {
  const report = new LedgerReport("trips", TIME);
  for (const entry of entries) report.add(entry);
  return report.report([...(ends ?? [])].map(([partition, [start, end]]) => ({ partition, start, end })));
}

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

describe("LedgerReport", () => {
  test("joins the flushes of any processes in any order, and drops every repeat", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = new SeededRandom(seed);
        const byPartition = flushesOf(random);
        const entries = interleaved(random, byPartition);
        let repeats = 0;
        for (let at = entries.length; at > 0; at--) {
          if (random.below(4) !== 0) continue;
          // Any time after the first.
          entries.splice(at + random.below(entries.length - at + 1), 0, entries[at - 1]!);
          repeats++;
        }
        const report = reportOf(entries);
        expect(report.isWhole).toBe(true);
        for (const [partition, flushes] of byPartition.entries()) {
          const found = report.partitions[partition]!;
          const range = { from: flushes[0]!.fromOffset, to: flushes.at(-1)!.toOffset };
          expect(found).toMatchObject({ partition, range, gaps: { count: 0 }, overlaps: { count: 0 }, unbalanced: [] });
          expect(found.counts.consumed).toBe(range.to - range.from);
        }
        const written = byPartition.flat();
        // One of an empty range says the same as the one before it, wherever it stands.
        expect(report.partitions.reduce((sum, one) => sum + one.repeats + one.flushes, 0)).toBe(
          written.length + repeats,
        );
        const { consumed, valid, undecodable } = report.counts;
        expect(consumed).toBe(valid + undecodable);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test("finds every hole with its offsets, and every overlap", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = new SeededRandom(seed);
        const byPartition = flushesOf(random).map((flushes) => flushes.filter((one) => one.toOffset > one.fromOffset));
        const gaps = new Map<number, { from: number; to: number }[]>();
        const overlaps = new Map<number, { from: number; to: number }[]>();
        const broken = byPartition.map((flushes, partition) => {
          const kept: LedgerEntry[] = [];
          for (const [at, one] of flushes.entries()) {
            const before = kept.at(-1);
            if (at > 0 && at < flushes.length - 1 && random.below(3) === 0) continue;
            if (before !== undefined && one.fromOffset > before.toOffset) {
              gaps.set(partition, [...(gaps.get(partition) ?? []), { from: before.toOffset, to: one.fromOffset }]);
            } else if (before !== undefined && before.fromOffset < before.toOffset - 1 && random.below(3) === 0) {
              const from = before.toOffset - 1;
              overlaps.set(partition, [...(overlaps.get(partition) ?? []), { from, to: before.toOffset }]);
              kept.push(entryOf(partition, from, one.toOffset));
              continue;
            }
            kept.push(one);
          }
          return kept;
        });
        const report = reportOf(interleaved(random, broken));
        for (const { partition, gaps: found, overlaps: twice } of report.partitions) {
          expect(found.ranges).toEqual(gaps.get(partition) ?? []);
          expect(found.count).toBe(found.ranges.length);
          expect(twice.ranges).toEqual(overlaps.get(partition) ?? []);
        }
        expect(report.isWhole).toBe(gaps.size + overlaps.size === 0);
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  test("finds one record that is lost between two flushes, or in the counts of one", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = new SeededRandom(seed);
        const entries = interleaved(random, flushesOf(random));
        const candidates = entries.filter(
          (one) =>
            one.toOffset > one.fromOffset &&
            entries.some(
              (other) => other.partition === one.partition && other.toOffset === one.fromOffset && other !== one,
            ),
        );
        if (candidates.length === 0) return;
        const victim = candidates[random.below(candidates.length)]!;
        const { partition, fromOffset, toOffset } = victim;
        const between = reportOf(
          entries.map((one) => (one === victim ? entryOf(partition, fromOffset + 1, toOffset) : one)),
        );
        expect(between.isWhole).toBe(false);
        expect(between.partitions.flatMap(({ gaps }) => gaps.ranges)).toEqual([
          { from: fromOffset, to: fromOffset + 1 },
        ]);
        for (const change of [{ consumed: -1 }, { valid: -1 }, { valid: 1 }]) {
          const counts = { ...victim.counts };
          for (const [name, by] of Object.entries(change)) counts[name as "valid"] += by;
          const inside = reportOf(entries.map((one) => (one === victim ? { ...one, counts } : one)));
          expect(inside.isWhole).toBe(false);
          expect(inside.partitions[partition]!.unbalanced).toEqual([fromOffset]);
        }
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  test("lists the first hundred ranges and counts them all", () => {
    const entries = Array.from({ length: 251 }, (_, at) => entryOf(0, 10 * at, 10 * at + 7));
    const [found] = reportOf(entries).partitions;
    expect(found?.gaps).toMatchObject({ count: 250, offsets: 750 });
    expect(found?.gaps.ranges.length).toBe(100);
  });

  test("goes on with the offsets of a topic that was created anew, and says so", () => {
    const entries = [
      entryOf(0, 0, 40, { topicId: "old" }),
      entryOf(0, 3, 13, { topicId: "new" }),
      entryOf(0, 13, 20, { topicId: "new" }),
    ];
    expect(reportOf(entries, new Map([[0, [0, 25]]]))).toMatchObject({
      isWhole: false,
      counts: { consumed: 57 },
      partitions: [{ range: { from: 3, to: 20 }, resets: [{ from: 40, to: 3 }], behind: 5, repeats: 0 }],
    });
  });

  test("says how far behind the end it is, what was deleted unread, and what was never heard", () => {
    const ends = new Map([
      [0, [0, 45]],
      [1, [33, 50]],
      [2, [7, 9]],
    ] as const);
    const report = reportOf([entryOf(0, 0, 40), entryOf(1, 10, 30)], ends);
    expect(report.partitions.map(({ behind, removed, range }) => ({ behind, removed, range }))).toEqual([
      { behind: 5, removed: undefined, range: { from: 0, to: 40 } },
      { behind: 17, removed: { from: 30, to: 33 }, range: { from: 10, to: 30 } },
      { behind: 2, removed: undefined, range: undefined },
    ]);
    expect(report.isWhole).toBe(false);
    expect(report.completeUpToMs).toBeUndefined();
  });

  test("is complete up to the slowest partition, less lateness; an idle one does not hold it", () => {
    const all = [entryOf(0, 0, 40), entryOf(1, 0, 30), entryOf(2, 0, 35)];
    expect(reportOf(all).completeUpToMs).toBe(1020);
    const beats = [0, 2].map((partition) =>
      entryOf(partition, partition === 0 ? 40 : 35, partition === 0 ? 50 : 45, { wallTimeMs: 1100 }),
    );
    expect(reportOf([...all, ...beats, entryOf(1, 30, 30, { wallTimeMs: 1100 })]).completeUpToMs).toBe(1035);
  });

  test("counts control and compacted offsets apart", () => {
    const counts = { ...emptyCounts(), consumed: 4, valid: 4 };
    expect(reportOf([entryOf(0, 0, 10, { counts })])).toMatchObject({
      isWhole: true,
      partitions: [{ withoutRecord: 6 }],
    });
  });
});
