import { describe, expect, test } from "vitest";
import { createPaneClock } from "../../src/windows/panes.ts";
import {
  type ClosedWindow,
  type TrackerEvent,
  WindowTracker,
  type WindowTrackerOptions,
} from "../../src/windows/window-tracker.ts";
import {
  DAY,
  type EventKind,
  type Flush,
  flushOf,
  HOUR,
  ID_OPS,
  type IdProfile,
  isRow,
  MINUTE,
  type RawEvent,
} from "./flushes.ts";

const SIZE = 5 * MINUTE;

function optionsOf(changes: Partial<WindowTrackerOptions<IdProfile>> = {}): WindowTrackerOptions<IdProfile> {
  return {
    dataset: "trips",
    clock: createPaneClock({ sizesMs: [SIZE] }),
    time: { latenessMs: 0, idleAfterMs: 10 * MINUTE, unheardAfterMs: HOUR },
    slices: [],
    seasonWindows: () => 3,
    ops: ID_OPS,
    ...changes,
  };
}

/** One partition, flushed by hand; times are minutes. */
class Feed {
  tracker: WindowTracker<IdProfile>;
  readonly #options: WindowTrackerOptions<IdProfile>;
  #offset = 0;
  #id = 0;

  constructor(changes: Partial<WindowTrackerOptions<IdProfile>> = {}) {
    this.#options = optionsOf(changes);
    this.tracker = new WindowTracker(this.#options);
  }

  /** Events as `[minute, kind = "valid", value = "x"]`; the wall time is the largest minute so far unless given. */
  flush(
    events: readonly (readonly [minute: number, kind?: EventKind, value?: string])[],
    entry: Partial<Flush["entry"]> = {},
  ): TrackerEvent<IdProfile>[] {
    const { entry: whole, panes } = this.cut(events, entry);
    return this.tracker.apply(whole, panes);
  }

  cut(
    events: readonly (readonly [minute: number, kind?: EventKind, value?: string])[],
    entry: Partial<Flush["entry"]> = {},
  ): Flush {
    const raw: RawEvent[] = events.map(([minute, kind = "valid", value = "x"]) => ({
      id: this.#id++,
      partition: 0,
      kind,
      timeMs: minute * MINUTE,
      arrivalMs: minute * MINUTE,
      value,
    }));
    const wallTimeMs = Math.max(this.tracker.timeMs ?? 0, ...raw.filter(isRow).map((event) => event.timeMs));
    const flush = flushOf(
      { options: this.#options },
      {
        partition: 0,
        partitionCount: 1,
        caughtUp: true,
        ended: false,
        wallTimeMs,
        fromOffset: this.#offset,
        ...entry,
        events: raw,
      },
    );
    this.#offset = flush.entry.toOffset;
    return flush;
  }

  /** A heartbeat at the minute. */
  beat(minute: number, entry: Partial<Flush["entry"]> = {}): TrackerEvent<IdProfile>[] {
    return this.flush([], { wallTimeMs: minute * MINUTE, ...entry });
  }

  /** Goes on from a checkpoint. */
  restart(): void {
    const { state, profiles } = this.tracker.snapshot();
    const byKey = new Map(profiles.map(({ key, profile }) => [key, profile]));
    this.tracker = WindowTracker.restore(this.#options, JSON.parse(JSON.stringify(state)), (key) => byKey.get(key));
  }

  end(): TrackerEvent<IdProfile>[] {
    return this.flush([], { ended: true });
  }
}

const closedOf = (events: readonly TrackerEvent<IdProfile>[]): ClosedWindow<IdProfile>[] =>
  events.filter((event) => event.kind === "closed");

/** `start–end slice rRevision: rows (late)` in minutes. */
const textOf = ({ window, revision, counts, partialReason }: ClosedWindow<IdProfile>): string =>
  [
    `${window.startMs / MINUTE}-${window.endMs / MINUTE} ${window.slice} r${revision}: ${counts.valid + counts.invalid}`,
    counts.late > 0 ? `late ${counts.late}` : "",
    partialReason ?? "",
  ]
    .filter((part) => part !== "")
    .join(" ");

const textsOf = (events: readonly TrackerEvent<IdProfile>[]): string[] => closedOf(events).map(textOf);

describe("WindowTracker.apply() closes", () => {
  test("a window when the watermark reaches its end, the first one partial, the last one at the end of the input", () => {
    const feed = new Feed();
    expect(textsOf(feed.flush([[1], [4.9]]))).toEqual([]);
    expect(textsOf(feed.flush([[5]]))).toEqual(["0-5 all r0: 2 first"]);
    expect(textsOf(feed.flush([[11], [17]]))).toEqual(["5-10 all r0: 1", "10-15 all r0: 1"]);
    expect(textsOf(feed.end())).toEqual(["15-20 all r0: 1 last"]);
    expect(feed.tracker.watermarkMs).toBe(Number.POSITIVE_INFINITY);
    expect(feed.tracker.snapshot().profiles).toEqual([]);
  });

  test("windows of all sizes by end, then size, then slice, and the first of every size is partial", () => {
    const feed = new Feed({
      clock: createPaneClock({ sizesMs: [SIZE, 15 * MINUTE] }),
      slices: [{ by: "c", name: "c", limit: 2 }],
    });
    expect(textsOf(feed.flush([[6, "valid", "b"], [7, "valid", "a"], [12, "valid", "a"], [31]]))).toEqual([
      "5-10 all r0: 2 first",
      "5-10 c=a r0: 1 first",
      "5-10 c=b r0: 1 first",
      "10-15 all r0: 1",
      "10-15 c=a r0: 1",
      "10-15 c=b r0: 0",
      "0-15 all r0: 3 first",
      "0-15 c=a r0: 2 first",
      "0-15 c=b r0: 1 first",
      "15-20 all r0: 0",
      "15-20 c=a r0: 0",
      "15-20 c=b r0: 0",
      "20-25 all r0: 0",
      "20-25 c=a r0: 0",
      "20-25 c=b r0: 0",
      "25-30 all r0: 0",
      "25-30 c=a r0: 0",
      "25-30 c=b r0: 0",
      "15-30 all r0: 0",
      "15-30 c=a r0: 0",
      "15-30 c=b r0: 0",
    ]);
  });

  test("a day of 25 hours from hours and the hour of the change twice", () => {
    const startMs = Date.parse("2026-10-24T22:00:00Z");
    const minute = (hour: number) => startMs / MINUTE + hour * 60;
    const feed = new Feed({ clock: createPaneClock({ sizesMs: [HOUR, DAY], timezone: "Europe/Berlin" }) });
    const events = feed.flush(Array.from({ length: 26 }, (_, hour) => [minute(hour + 0.5)]));
    const day = closedOf(events).find((event) => event.sizeMs === DAY)!;
    expect(day.counts.valid).toBe(25);
    expect(day.window.endMs - day.window.startMs).toBe(25 * HOUR);
    expect(closedOf(events).filter((event) => event.sizeMs === HOUR).length).toBe(25);
  });

  test("nothing while only records without an event time came, however many", () => {
    const feed = new Feed();
    feed.flush([
      [1, "undecodable"],
      [20, "tombstone"],
    ]);
    expect(feed.beat(500)).toEqual([]);
    expect(feed.tracker.watermarkMs).toBeUndefined();
    expect(feed.tracker.totals).toMatchObject({ consumed: 2, undecodable: 1, tombstone: 1 });
  });

  test("windows by wall time while every record is undecodable, and counts them", () => {
    const feed = new Feed();
    feed.flush([[1], [6]]);
    feed.flush([[12, "undecodable"]], { wallTimeMs: 12 * MINUTE });
    feed.flush([[17, "undecodable"]], { wallTimeMs: 17 * MINUTE });
    const [, second] = closedOf(feed.beat(26));
    expect(second).toMatchObject({ empty: false, counts: { undecodable: 1, valid: 0, consumed: 1 }, partial: false });
  });

  test("records without an event time count between the first and the last window with rows, else in totals only", () => {
    const feed = new Feed({ clock: createPaneClock({ sizesMs: [SIZE, 15 * MINUTE] }) });
    const events = [
      ...feed.flush([
        [1, "undecodable"],
        [-20, "undecodable"],
        [7],
        [8, "tombstone"],
        [9, "future"],
        [13, "future"],
        [22, "future"],
      ]),
      ...feed.end(),
    ];
    expect(
      closedOf(events).map(({ window, counts }) => [window.startMs / MINUTE, window.endMs / MINUTE, counts.consumed]),
    ).toEqual([
      [5, 10, 3],
      [0, 15, 5],
    ]);
    expect(feed.tracker.totals).toMatchObject({ consumed: 7, valid: 1 });
  });
});

describe("WindowTracker.apply() gaps", () => {
  test("closes two seasons of empty windows one by one and tells the rest as one gap; the index goes on", () => {
    const feed = new Feed();
    feed.flush([[1], [6]]);
    const events = feed.flush([[101], [106]]);
    expect(textsOf(events)).toEqual([
      "5-10 all r0: 1",
      ...[10, 15, 20, 25, 30, 35].map((start) => `${start}-${start + 5} all r0: 0`),
      "100-105 all r0: 1",
    ]);
    expect(events.at(-2)).toEqual({ kind: "gap", sizeMs: SIZE, fromMs: 40 * MINUTE, toMs: 100 * MINUTE });
    expect(closedOf(events).at(-1)!.index).toBe(20);
  });

  test("the same when the time passes in heartbeats", () => {
    const feed = new Feed();
    feed.flush([[1], [6]]);
    const events = Array.from({ length: 100 }, (_, i) => feed.beat(10 + i)).flat();
    expect(closedOf(events).length).toBe(7);
    events.push(...feed.flush([[121], [126]]));
    expect(closedOf(events).length).toBe(8);
    expect(events.filter((event) => event.kind === "gap")).toEqual([
      { kind: "gap", sizeMs: SIZE, fromMs: 40 * MINUTE, toMs: 120 * MINUTE },
    ]);
    expect(closedOf(events).at(-1)!.index).toBe(24);
  });

  test("jumps over millennia without visiting their windows", () => {
    const feed = new Feed({
      clock: createPaneClock({ sizesMs: [3 * MINUTE, SIZE, HOUR, DAY, 7 * DAY], timezone: "Europe/Berlin" }),
    });
    const year9999 = Date.UTC(9999, 0) / MINUTE;
    const events = [...feed.flush([[-2e9], [year9999]]), ...feed.end()];
    const sizes = closedOf(events).map((event) => event.sizeMs);
    for (const size of [3 * MINUTE, SIZE, HOUR, DAY, 7 * DAY])
      expect(sizes.filter((other) => other === size).length).toBe(8);
    expect(events.filter((event) => event.kind === "gap").length).toBe(5);
  });
});

describe("WindowTracker.apply() late events", () => {
  test("revise a closed window, at most once a minute, and once more when it can be revised no longer", () => {
    const feed = new Feed({ time: { ...optionsOf().time, reviseForMs: 20 * MINUTE } });
    feed.flush([[1], [6]]);
    expect(textsOf(feed.flush([[2]]))).toEqual([]);
    expect(textsOf(feed.flush([[6.9]]))).toEqual([]);
    expect(textsOf(feed.flush([[7]]))).toEqual(["0-5 all r1: 2 first"]);
    expect(textsOf(feed.flush([[3], [7.5]]))).toEqual([]);
    expect(textsOf(feed.flush([[4], [26]])).at(-1)).toBe("0-5 all r2: 4 first");
    expect(textsOf([...feed.flush([[4]]), ...feed.end()])).toEqual(["25-30 all r0: 1 late 1 last"]);
    expect(feed.tracker.totals).toMatchObject({ consumed: 10, valid: 9, late: 1 });
  });

  test("publish what changed at the end of the input", () => {
    const feed = new Feed();
    feed.flush([[1], [6]]);
    feed.flush([[2]]);
    expect(textsOf(feed.end())).toEqual(["5-10 all r0: 1 last", "0-5 all r1: 2 first"]);
  });

  test("go into the larger window even where the smaller one is gone", () => {
    const feed = new Feed({
      clock: createPaneClock({ sizesMs: [SIZE, HOUR] }),
      time: { ...optionsOf().time, reviseForMs: 0 },
    });
    feed.flush([[1], [26]]);
    const texts = textsOf([...feed.flush([[2], [3, "undecodable"]]), ...feed.end()]);
    expect(texts).toEqual(["25-30 all r0: 1 late 1 last", "0-60 all r0: 3 first"]);
  });

  test("before the first window count as late", () => {
    const feed = new Feed();
    feed.flush([[1], [6]]);
    expect(textsOf([...feed.flush([[-3], [-4, "undecodable"]]), ...feed.end()])).toEqual([
      "5-10 all r0: 1 late 1 last",
    ]);
  });
});

describe("WindowTracker.apply() ledger", () => {
  test("drops a replayed delta and says so", () => {
    const feed = new Feed();
    const flush = feed.cut([[1], [2]]);
    feed.tracker.apply(flush.entry, flush.panes);
    expect(feed.tracker.apply(flush.entry, flush.panes)).toEqual([
      { kind: "replayed", topic: "trips", partition: 0, fromOffset: 0, toOffset: 2 },
    ]);
    expect(feed.tracker.totals.consumed).toBe(2);
    expect(textsOf(feed.end())).toEqual(["0-5 all r0: 2 first"]);
  });

  test("a gap makes the windows partial that its events may belong to, and no others", () => {
    const feed = new Feed();
    feed.flush([[1], [6], [11]]);
    feed.cut([[12]]);
    const events = [...feed.flush([[21]]), ...feed.flush([[26], [31]])];
    expect(events[0]).toEqual({
      kind: "offset-gap",
      topic: "trips",
      partition: 0,
      expected: 3,
      got: 4,
      touched: { startMs: 11 * MINUTE, endMs: 25 * MINUTE },
    });
    expect(textsOf(events)).toEqual([
      "10-15 all r0: 1 offsets",
      "15-20 all r0: 0 offsets",
      "20-25 all r0: 1 offsets",
      "25-30 all r0: 1",
    ]);
  });

  test("a gap before nothing makes the windows partial until the next event, or until it was found", () => {
    const windowsAfter = (minutes: readonly [number][]) => {
      const feed = new Feed();
      feed.flush([[1], [6], [11]]);
      feed.cut([[12]]);
      const [gap] = feed.beat(23);
      const touched = { startMs: 11 * MINUTE, endMs: 23 * MINUTE + 1 };
      expect(gap).toMatchObject({ kind: "offset-gap", expected: 3, got: 4, touched });
      feed.restart();
      return textsOf([...feed.flush(minutes), ...feed.flush([[41]])]);
    };
    expect(windowsAfter([[31]])).toEqual([
      "10-15 all r0: 1 offsets",
      "15-20 all r0: 0 offsets",
      "20-25 all r0: 0 offsets",
      ...["25-30 all r0: 0", "30-35 all r0: 1", "35-40 all r0: 0"],
    ]);
    expect(windowsAfter([[16]])).toEqual([
      "10-15 all r0: 1 offsets",
      "15-20 all r0: 1 offsets",
      ...["20-25 all r0: 0", "25-30 all r0: 0", "30-35 all r0: 0", "35-40 all r0: 0"],
    ]);
  });

  test("a gap before nothing is bounded by the next event and its lateness", () => {
    const feed = new Feed({ time: { ...optionsOf().time, latenessMs: 5 * MINUTE } });
    feed.flush([[1], [6], [11]]);
    feed.cut([[17]]);
    feed.beat(22);
    feed.restart();
    expect(textsOf([...feed.flush([[13]]), ...feed.flush([[31]])])).toEqual([
      "5-10 all r0: 1 offsets",
      "10-15 all r0: 2 offsets",
      "15-20 all r0: 0 offsets",
      "20-25 all r0: 0",
    ]);
  });

  test("a gap before nothing makes the windows partial that close before the next event", () => {
    const feed = new Feed();
    feed.flush([[1], [6], [11]]);
    feed.cut([[12]]);
    feed.beat(23);
    const idle = Array.from({ length: 20 }, (_, at) => feed.beat(24 + at)).flat();
    expect(textsOf(idle)).toEqual([
      "10-15 all r0: 1 offsets",
      "15-20 all r0: 0 offsets",
      "20-25 all r0: 0 offsets",
      "25-30 all r0: 0",
    ]);
  });

  test("a gap makes the windows partial that its events may belong to when they are out of order", () => {
    const feed = new Feed({ time: { ...optionsOf().time, latenessMs: 5 * MINUTE } });
    feed.flush([[1], [6], [11]]);
    feed.cut([[19]]);
    expect(textsOf([...feed.flush([[16]]), ...feed.flush([[36]])])).toEqual([
      "5-10 all r0: 1 offsets",
      "10-15 all r0: 1 offsets",
      "15-20 all r0: 1 offsets",
      "20-25 all r0: 0 offsets",
      "25-30 all r0: 0",
    ]);
  });

  test("an overlap makes the windows of its panes partial", () => {
    const feed = new Feed();
    feed.flush([[1], [6], [11]]);
    const events = [...feed.flush([[12], [21]], { fromOffset: 2 }), ...feed.flush([[26]])];
    expect(events[0]).toEqual({
      kind: "offset-overlap",
      topic: "trips",
      partition: 0,
      expected: 3,
      got: 2,
      touched: { startMs: 10 * MINUTE, endMs: 25 * MINUTE },
    });
    expect(textsOf(events)).toEqual(["10-15 all r0: 2 offsets", "15-20 all r0: 0", "20-25 all r0: 1 offsets"]);
  });

  test("another topic of the name makes the windows partial that events of the old one may be missing in, and counts its own", () => {
    const feed = new Feed();
    feed.flush([[1], [6]], { topicId: "old" });
    const events = [
      ...feed.flush([[12], [13]], { fromOffset: 0, toOffset: 2, topicId: "new" }),
      ...feed.flush([[21]], { fromOffset: 2, toOffset: 3 }),
      ...feed.flush([[26]], { fromOffset: 3, toOffset: 4 }),
    ];
    expect(events[0]).toEqual({
      kind: "offset-reset",
      topic: "trips",
      partition: 0,
      expected: 2,
      got: 0,
      touched: { startMs: 6 * MINUTE, endMs: 15 * MINUTE },
    });
    expect(textsOf(events)).toEqual([
      "5-10 all r0: 1 offsets",
      "10-15 all r0: 2 offsets",
      "15-20 all r0: 0",
      "20-25 all r0: 1",
    ]);
  });

  test("refuses an entry of another dataset", () => {
    const feed = new Feed();
    expect(() => feed.flush([[1]], { dataset: "taxis" })).toThrow(
      "Cannot apply an entry of taxis: the tracker is of trips",
    );
  });
});

describe("WindowTracker.apply() slices", () => {
  const slices = [{ by: "c", name: "c", limit: 1 }];

  test("gives a place when the pane closes, and moves the others to other", () => {
    const feed = new Feed({ slices });
    feed.flush([
      [1, "valid", "rare"],
      [2, "valid", "often"],
    ]);
    const events = feed.flush([
      [3, "valid", "often"],
      [6, "valid", "rare"],
    ]);
    expect(events[0]).toEqual({ kind: "slice-admitted", slice: "c=often" });
    expect(textsOf(events)).toEqual(["0-5 all r0: 3 first", "0-5 c=often r0: 2 first", "0-5 c=other r0: 1 first"]);
    expect(textsOf(feed.flush([[11]]))).toEqual(["5-10 all r0: 1", "5-10 c=often r0: 0", "5-10 c=other r0: 1"]);
  });

  test("retires a slice after two empty seasons and gives its place on", () => {
    const feed = new Feed({ slices });
    feed.flush([
      [1, "valid", "a"],
      [6, "valid", "b"],
    ]);
    expect(textsOf(feed.flush([11, 16, 21, 26, 31].map((minute) => [minute, "valid", "b"])))).toContain(
      "25-30 c=a r0: 0",
    );
    const events = feed.flush([[36, "valid", "b"]]);
    expect(events.slice(0, 2)).toEqual([
      { kind: "slice-retired", slice: "c=a" },
      { kind: "slice-admitted", slice: "c=b" },
    ]);
    expect(textsOf(events)).toEqual(["30-35 all r0: 1", "30-35 c=b r0: 1", "30-35 c=other r0: 0"]);
  });

  test("leaves out slices that are not configured, and keeps few values apart in a pane", () => {
    const feed = new Feed({ slices });
    const { entry, panes } = feed.cut(Array.from({ length: 50 }, (_, i) => [1, "valid", `v${i}`] as const));
    const extra = panes.map((pane) => ({ ...pane, slice: "d=1" }));
    feed.tracker.apply(entry, [...panes, ...extra]);
    const { profiles } = feed.tracker.snapshot();
    expect(profiles.length).toBe(1 + 4 + 1);
    expect(feed.tracker.bytes()).toBe(8 * 100);
  });
});

describe("WindowTracker limits", () => {
  test("maxOpenPanes gives up the panes furthest ahead and counts their rows as future", () => {
    const feed = new Feed({ maxOpenPanes: 3 });
    feed.flush([[1], [1000], [2000], [3000]], { partitionCount: 2 });
    feed.flush([[6], [4000], [2], [4001, "undecodable"]], { partitionCount: 2 });
    expect(feed.tracker.snapshot().profiles.length).toBe(3);
    expect(feed.tracker.totals).toMatchObject({ consumed: 8, valid: 4, future: 3, undecodable: 1 });
    feed.end();
    const lines = closedOf(feed.flush([], { partition: 1, ended: true }));
    expect(lines[0]!.counts).toMatchObject({ consumed: 5, valid: 2, future: 3 });
    expect(lines.reduce((sum, line) => sum + line.counts.consumed, 0)).toBe(7);
  });

  test("refuses maxOpenPanes below 1", () => {
    expect(() => new Feed({ maxOpenPanes: 0 })).toThrow(RangeError);
  });
});

describe("WindowTracker.restore()", () => {
  test("refuses a state of other sizes, and one whose profiles are lost", () => {
    const feed = new Feed();
    feed.flush([[1]]);
    const { state } = feed.tracker.snapshot();
    const others = optionsOf({ clock: createPaneClock({ sizesMs: [HOUR] }) });
    expect(() => WindowTracker.restore(others, state, () => undefined)).toThrow(RangeError);
    expect(() => WindowTracker.restore(optionsOf(), state, () => undefined)).toThrow(
      expect.objectContaining({
        code: "SG_CORRUPT",
        message: "Cannot restore windows: profile 300000|0|all is missing",
      }),
    );
  });

  test("a profile counts as changed only when it was", () => {
    const feed = new Feed();
    feed.flush([[1], [6]]);
    const { change } = feed.tracker.snapshot();
    feed.flush([[7]]);
    const changed = feed.tracker.snapshot().profiles.filter((profile) => profile.changedAt > change);
    expect(changed.map(({ key }) => key)).toEqual([`${SIZE}|${5 * MINUTE}|all`]);
  });
});
