import { describe, expect, test } from "vitest";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import { emptyCounts } from "../../src/core/window.ts";
import { Watermark } from "../../src/windows/watermark.ts";

const TIME = { latenessMs: 10, idleAfterMs: 100, unheardAfterMs: 1000 };

interface Heard extends Partial<Omit<LedgerEntry, "counts">> {
  readonly rows?: number;
  readonly undecodable?: number;
}

/** An entry of partition 0 of one, that joins at offset 0 unless said otherwise. */
function entry({ rows = 0, undecodable = 0, ...rest }: Heard): LedgerEntry {
  return {
    dataset: "d",
    topic: "t",
    partition: 0,
    partitionCount: 1,
    fromOffset: 0,
    toOffset: rest.fromOffset ?? 0,
    caughtUp: true,
    ended: false,
    wallTimeMs: 0,
    ...(rows > 0 && { maxEventTimeMs: rest.wallTimeMs ?? 0 }),
    ...rest,
    counts: { ...emptyCounts(), consumed: rows + undecodable, valid: rows, undecodable },
  };
}

function watermarkOf(...heard: Heard[]): number | undefined {
  const watermark = new Watermark(TIME);
  for (const one of heard) watermark.observe(entry(one));
  return watermark.compute();
}

describe("Watermark.compute()", () => {
  const a = { partition: 0, partitionCount: 2 };
  const b = { partition: 1, partitionCount: 2 };
  test.each<[rule: string, heard: Heard[], expected: number | undefined]>([
    ["is undefined before anything was heard", [], undefined],
    [
      "is the largest event time less lateness",
      [
        { rows: 1, maxEventTimeMs: 50 },
        { rows: 1, maxEventTimeMs: 40 },
      ],
      40,
    ],
    [
      "is the minimum over the partitions",
      [
        { ...a, rows: 1, maxEventTimeMs: 50 },
        { ...b, rows: 1, maxEventTimeMs: 30 },
      ],
      20,
    ],
    ["waits for every partition", [{ ...a, rows: 1, maxEventTimeMs: 50 }], undefined],
    [
      "does not wait for an idle one whose rows have no event time",
      [
        { ...a, rows: 1, maxEventTimeMs: 50 },
        { ...b, undecodable: 3 },
        { ...b, wallTimeMs: 200, undecodable: 3 },
        { ...a, fromOffset: 1, wallTimeMs: 200, rows: 1, maxEventTimeMs: 60 },
      ],
      50,
    ],
    ["waits for one that has had no row", [{ ...a, rows: 1, maxEventTimeMs: 50 }, b], undefined],
    [
      "does not wait for a caught-up partition without rows for idleAfter",
      [
        { ...a, rows: 1, wallTimeMs: 0 },
        { ...b, rows: 1, wallTimeMs: 300 },
        { ...a, wallTimeMs: 100 },
      ],
      290,
    ],
    [
      "waits for it one millisecond before",
      [
        { ...a, rows: 1, wallTimeMs: 0 },
        { ...b, rows: 1, wallTimeMs: 300 },
        { ...a, wallTimeMs: 99 },
      ],
      -10,
    ],
    [
      "waits for a lagging one however long",
      [
        { ...a, rows: 1, wallTimeMs: 0 },
        { ...b, rows: 1, wallTimeMs: 300 },
        { ...a, wallTimeMs: 300, caughtUp: false },
      ],
      -10,
    ],
    [
      "does not wait for a partition with undecodable records only",
      [
        { ...a, undecodable: 5, wallTimeMs: 0 },
        { ...b, rows: 1, wallTimeMs: 300 },
        { ...a, undecodable: 5, wallTimeMs: 300 },
      ],
      290,
    ],
    [
      "waits for an idle one again that has no heartbeat for unheardAfter",
      [
        { ...a, rows: 1, wallTimeMs: 0 },
        { ...a, wallTimeMs: 100 },
        { ...b, rows: 1, wallTimeMs: 1100 },
      ],
      -10,
    ],
    [
      "is the oldest heartbeat less idleAfter and lateness when all are idle",
      [
        { ...a, rows: 1 },
        { ...b, rows: 1 },
        { ...a, wallTimeMs: 500 },
        { ...b, wallTimeMs: 600 },
      ],
      390,
    ],
    [
      "does not wait for an ended one",
      [
        { ...a, rows: 1, wallTimeMs: 0, ended: true },
        { ...b, rows: 1, wallTimeMs: 300 },
      ],
      290,
    ],
    [
      "is +Infinity when all have ended",
      [
        { ...a, rows: 1, ended: true },
        { ...b, ended: true },
      ],
      Number.POSITIVE_INFINITY,
    ],
    [
      "waits for a partition that is new",
      [
        { rows: 1, maxEventTimeMs: 50 },
        { rows: 1, partitionCount: 2 },
      ],
      undefined,
    ],
  ])("%s", (_, heard, expected) => {
    expect(watermarkOf(...heard)).toBe(expected);
  });
});

describe("Watermark.observe()", () => {
  const after = { fromOffset: 10, toOffset: 20 };
  test.each([
    ["joined", { fromOffset: 20, toOffset: 30 }],
    ["joined", { fromOffset: 20, toOffset: 20 }],
    ["replayed", { fromOffset: 10, toOffset: 20 }],
    ["replayed", { fromOffset: 15, toOffset: 15 }],
    ["offset-gap", { fromOffset: 21, toOffset: 30 }],
    ["offset-overlap", { fromOffset: 19, toOffset: 21 }],
  ])("says %s of %j after offset 20", (kind, range) => {
    const watermark = new Watermark(TIME);
    expect(watermark.observe(entry(after)).kind).toBe("joined");
    expect(watermark.observe(entry(range))).toMatchObject({ kind, expected: 20 });
    expect(watermark.positions.get(0)).toBe(Math.max(20, range.toOffset));
  });

  test("says offset-reset of another topic's entry, whatever its range, and goes on at its end", () => {
    let watermark = new Watermark(TIME);
    // Without an id, as one that was written by an older streamgauge.
    watermark.observe(entry({ fromOffset: 0, toOffset: 10 }));
    expect(watermark.observe(entry({ ...after, topicId: "a" })).kind).toBe("joined");
    watermark = new Watermark(TIME, JSON.parse(JSON.stringify(watermark.snapshot())));
    const ranges: [string, number, number][] = [
      ["b", 0, 5],
      ["c", 5, 9],
      ["d", 40, 50],
    ];
    let expected = 20;
    for (const [topicId, fromOffset, toOffset] of ranges) {
      const heard = { topicId, fromOffset, toOffset };
      expect(watermark.observe(entry(heard))).toMatchObject({ kind: "offset-reset", expected });
      expect(watermark.observe(entry(heard)).kind).toBe("replayed");
      expect(watermark.positions.get(0)).toBe(toOffset);
      expected = toOffset;
    }
    expect(watermark.observe(entry({ fromOffset: 50, toOffset: 51 })).kind).toBe("joined");
  });

  test("takes no time from a replayed entry", () => {
    const watermark = new Watermark(TIME);
    watermark.observe(entry({ ...after, wallTimeMs: 5 }));
    watermark.observe(entry({ ...after, wallTimeMs: 900, ended: true }));
    expect(watermark.timeMs).toBe(5);
    expect(watermark.compute()).toBeUndefined();
  });
});

describe("Watermark.silences()", () => {
  test("tells a partition once when it falls silent and once when it is heard again", () => {
    const watermark = new Watermark(TIME);
    const told = (heard: Heard) => {
      watermark.observe(entry({ partitionCount: 3, ...heard }));
      return watermark.silences();
    };
    expect(told({ partition: 0, wallTimeMs: 0 })).toEqual([]);
    expect(told({ partition: 1, wallTimeMs: 500 })).toEqual([]);
    expect(told({ partition: 1, wallTimeMs: 1000 })).toEqual([
      { kind: "unheard", partition: 0, sinceMs: 0 },
      { kind: "unheard", partition: 2, sinceMs: 0 },
    ]);
    expect(told({ partition: 1, wallTimeMs: 1200 })).toEqual([]);
    expect(told({ partition: 2, wallTimeMs: 1300 })).toEqual([{ kind: "heard", partition: 2, sinceMs: 1300 }]);
    expect(told({ partition: 0, wallTimeMs: 1300, ended: true })).toEqual([
      { kind: "heard", partition: 0, sinceMs: 1300 },
    ]);
    expect(told({ partition: 1, wallTimeMs: 2200 })).toEqual([]);
    expect(told({ partition: 1, wallTimeMs: 2300, ended: true })).toEqual([
      { kind: "unheard", partition: 2, sinceMs: 1300 },
    ]);
    expect([...watermark.unheard]).toEqual([[2, 1300]]);
  });

  test("reports none of them when all were away, and each that stays away after the first is back", () => {
    let watermark = new Watermark(TIME);
    const told = (heard: Heard) => {
      watermark.observe(entry({ partitionCount: 3, ...heard }));
      const silences = watermark.silences();
      // Through a checkpoint each time.
      watermark = new Watermark(TIME, JSON.parse(JSON.stringify(watermark.snapshot())));
      return silences;
    };
    for (const partition of [0, 1, 2]) expect(told({ partition, wallTimeMs: 0, caughtUp: true })).toEqual([]);
    expect(told({ partition: 0, wallTimeMs: 1500 })).toEqual([]);
    // It holds the watermark all the same: nobody knows what the others hold.
    expect(watermark.compute()).toBeUndefined();
    expect(told({ partition: 1, wallTimeMs: 1600 })).toEqual([]);
    expect(told({ partition: 0, wallTimeMs: 2400 })).toEqual([]);
    expect(told({ partition: 0, wallTimeMs: 2500 })).toEqual([{ kind: "unheard", partition: 2, sinceMs: 0 }]);
  });
});
