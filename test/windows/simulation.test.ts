import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import type { PaneDelta } from "../../src/core/ledger.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { addCounts, emptyCounts } from "../../src/core/window.ts";
import type { TimeRange } from "../../src/windows/panes.ts";
import { rowsOf } from "../../src/windows/profile-ops.ts";
import { type ClosedWindow, type TrackerEvent, WindowTracker } from "../../src/windows/window-tracker.ts";
import {
  countsOf,
  DAY,
  type Flush,
  type IdProfile,
  isRow,
  MINUTE,
  type RawEvent,
  randomFlushes,
  randomStream,
  type Stream,
} from "./flushes.ts";
import { Oracle } from "./oracle.ts";

/** More of them with `SIMULATION_SEEDS`. */
const SEEDS = Number(process.env.SIMULATION_SEEDS ?? 300);

describe("WindowTracker against the oracle", () => {
  test(`windows, late events, revisions, order and restore over ${SEEDS} random streams`, () => {
    const seen = { late: 0, revisions: 0, gaps: 0, replayed: 0, unheard: 0, empty: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      withSeed(seed, (random) => {
        const stream = randomStream(random);
        const flushes = randomFlushes(random, stream);
        const tracker = new WindowTracker(stream.options);
        const run = runTracker(stream, flushes, tracker);
        const oracle = checkAgainstOracle(stream, flushes, run);
        checkTotals(stream, flushes, oracle, tracker);
        for (const { event } of run) {
          if (event.kind === "gap") seen.gaps++;
          if (event.kind === "replayed") seen.replayed++;
          if (event.kind === "unheard") seen.unheard++;
          if (event.kind === "closed") {
            seen.late += event.counts.late;
            if (event.revision > 0) seen.revisions++;
            if (event.empty) seen.empty++;
          }
        }
      });
    }
    // The streams must really hold what they are to try.
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(50);
  });

  test("snapshot() and restore() at any entries change nothing of what follows", () => {
    for (let seed = 1; seed <= Math.ceil(SEEDS / 5); seed++) {
      withSeed(seed, (random) => {
        const stream = randomStream(random, { slices: [{ by: "carrier", name: "c", limit: 1 + random.below(4) }] });
        const flushes = randomFlushes(random, stream);
        const plain = runTracker(stream, flushes);
        sameList(runWithRestores(stream, flushes, random), plain, "events");
      });
    }
  });

  test("other cuts between flushes give the same figures when nothing is late", () => {
    for (let seed = 1; seed <= Math.ceil(SEEDS / 5); seed++) {
      withSeed(seed, (random) => {
        const maxDisorderMs = 10 * MINUTE;
        const stream = randomStream(random, {
          maxDisorderMs,
          slices: [{ by: "carrier", name: "c", limit: 2 + random.below(3) }],
          time: {
            latenessMs: maxDisorderMs,
            idleAfterMs: Number.POSITIVE_INFINITY,
            unheardAfterMs: Number.POSITIVE_INFINITY,
          },
        });
        const figures = [1, 2].map(() => {
          const run = runTracker(stream, randomFlushes(random, stream, { isSmooth: true }));
          return finalLines(run).sort((a, b) => (lineKey(a) < lineKey(b) ? -1 : 1));
        });
        expect(figures[0]!.length).toBe(new Set(figures[0]!.map(lineKey)).size);
        sameList(figures[1]!, figures[0]!, "final lines");
      });
    }
  });

  describe("the oracle sees", () => {
    const broken: [what: string, break_: (flushes: Flush[]) => Flush[]][] = [
      [
        "a dropped pane",
        (flushes) => changePanes(flushes, (panes) => panes.filter((pane) => pane !== panes.find(isWhole))),
      ],
      ["a doubled delta", (flushes) => changePanes(flushes, (panes) => [...panes, ...panes.filter(isWhole)])],
      [
        "a pane in the wrong place",
        (flushes) =>
          changePanes(flushes, (panes) =>
            panes.map((pane) => ({ ...pane, paneStartMs: pane.paneStartMs - 40 * 86_400_000 })),
          ),
      ],
    ];
    test.each(broken)("%s", (_, break_) => {
      let found = 0;
      for (let seed = 1; seed <= 15; seed++) {
        const random = new SeededRandom(seed);
        const stream = randomStream(random);
        const flushes = randomFlushes(random, stream);
        if (!flushes.some((flush) => flush.panes.some(isWhole))) continue;
        checkAgainstOracle(stream, flushes, runTracker(stream, flushes));
        expect(
          () => checkAgainstOracle(stream, flushes, runTracker(stream, break_(flushes))),
          `seed ${seed}`,
        ).toThrow();
        found++;
      }
      expect(found).toBeGreaterThan(8);
    });

    test("a lost flush: the tracker tells the gap and calls the windows partial", () => {
      let partial = 0;
      let looked = 0;
      for (let seed = 1; seed <= 30; seed++) {
        const random = new SeededRandom(seed);
        const stream = randomStream(random);
        const flushes = randomFlushes(random, stream, { isSmooth: true });
        const lost = flushes.findIndex(
          ({ entry, events }, i) => i > flushes.length / 3 && !entry.ended && events.some(isRow),
        );
        if (lost === -1) continue;
        const { partition, fromOffset, toOffset } = flushes[lost]!.entry;
        if (fromOffset === 0) continue;
        const run = runTracker(stream, flushes.toSpliced(lost, 1));
        const told = run.findIndex(({ event }) => event.kind === "offset-gap");
        const gap = run[told]?.event;
        expect(gap, `seed ${seed}`).toMatchObject({
          kind: "offset-gap",
          topic: "trips",
          partition,
          expected: fromOffset,
          got: toOffset,
        });
        if (run.some(({ event }) => event.kind === "closed" && event.partialReason === "offsets")) partial++;
        // Nobody can know of lost events that were further out of order than `lateness` says.
        const { latenessMs } = stream.options.time;
        const timesOf = (some: readonly Flush[]) =>
          some.flatMap(({ entry }) => (entry.partition === partition ? (entry.maxEventTimeMs ?? []) : []));
        const oldestMs = Math.max(...timesOf(flushes.slice(0, lost))) - latenessMs;
        const newestMs = (timesOf(flushes.slice(lost + 1))[0] ?? Number.POSITIVE_INFINITY) + latenessMs;
        const inOrder = (event: RawEvent) => isRow(event) && event.timeMs >= oldestMs && event.timeMs <= newestMs;
        for (const { timeMs } of flushes[lost]!.events.filter(inOrder)) {
          looked++;
          // What closed before, closed without the partition: it was idle.
          const whole = run
            .slice(told)
            .filter(
              ({ event }) =>
                event.kind === "closed" &&
                event.window.startMs <= timeMs &&
                event.window.endMs > timeMs &&
                !event.partial,
            );
          expect(
            whole.map(({ event }) => event),
            `seed ${seed}: whole without an event of ${timeMs}`,
          ).toEqual([]);
        }
      }
      expect(partial).toBeGreaterThan(8);
      expect(looked).toBeGreaterThan(15);
    });
  });
});

const isWhole = (pane: PaneDelta<IdProfile>): boolean => pane.slice === "all" && rowsOf(pane.profile.counts) > 0;

/** Changes the first flush that holds rows. */
function changePanes(
  flushes: readonly Flush[],
  change: (panes: readonly PaneDelta<IdProfile>[]) => readonly PaneDelta<IdProfile>[],
): Flush[] {
  const victim = flushes.find((flush) => flush.panes.some(isWhole));
  return flushes.map((flush) => (flush === victim ? { ...flush, panes: change(flush.panes) } : flush));
}

interface Told {
  readonly step: number;
  readonly nowMs: number;
  readonly watermarkMs: number;
  readonly event: TrackerEvent<IdProfile>;
}

function withSeed(seed: number, run: (random: SeededRandom) => void): void {
  try {
    run(new SeededRandom(seed));
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Events with a copy of their profile, whose ids are sorted: the order of merging does not matter. */
function runTracker(stream: Stream, flushes: readonly Flush[], tracker = new WindowTracker(stream.options)): Told[] {
  return flushes.flatMap((flush, step) => tell(tracker, flush, step));
}

function runWithRestores(stream: Stream, flushes: readonly Flush[], random: SeededRandom): Told[] {
  let tracker = new WindowTracker(stream.options);
  const stored = new Map<string, IdProfile>();
  let storedChange = 0;
  const told: Told[] = [];
  for (const [step, flush] of flushes.entries()) {
    told.push(...tell(tracker, flush, step));
    if (random.below(15) > 0) continue;
    const { state, change, profiles } = tracker.snapshot();
    const keys = new Set(profiles.map(({ key }) => key));
    for (const key of [...stored.keys()]) if (!keys.has(key)) stored.delete(key);
    for (const { key, profile, changedAt } of profiles) {
      if (changedAt > storedChange) stored.set(key, structuredClone(profile));
    }
    storedChange = change;
    tracker = WindowTracker.restore(stream.options, JSON.parse(JSON.stringify(state)), (key) => {
      const profile = stored.get(key);
      return profile && structuredClone(profile);
    });
    same(tracker.snapshot().state, state, "state");
  }
  return told;
}

function tell(tracker: WindowTracker<IdProfile>, flush: Flush, step: number): Told[] {
  const before = tracker.watermarkMs ?? Number.NEGATIVE_INFINITY;
  const given = JSON.stringify(flush.panes);
  const events = tracker.apply(flush.entry, flush.panes);
  if (JSON.stringify(flush.panes) !== given) throw new Error("a delta was changed");
  const watermarkMs = tracker.watermarkMs ?? Number.NEGATIVE_INFINITY;
  if (watermarkMs < before) throw new Error("the watermark went back");
  return events.map((event) => ({ step, nowMs: tracker.timeMs ?? 0, watermarkMs, event: withSortedIds(event) }));
}

function withSortedIds(event: TrackerEvent<IdProfile>): TrackerEvent<IdProfile> {
  if (event.kind !== "closed") return event;
  const ids = [...event.profile.ids].sort((a, b) => a - b);
  return { ...event, profile: { ids, counts: { ...event.profile.counts } } };
}

const lineKey = ({ sizeMs, window }: ClosedWindow<IdProfile>): string => `${sizeMs}|${window.startMs}|${window.slice}`;

function finalLines(run: readonly Told[]): ClosedWindow<IdProfile>[] {
  const last = new Map<string, ClosedWindow<IdProfile>>();
  for (const { event } of run) if (event.kind === "closed") last.set(lineKey(event), event);
  return [...last.values()];
}

/** Throws when what was published last is not what the oracle makes of the events. */
function checkAgainstOracle(stream: Stream, flushes: readonly Flush[], run: readonly Told[]): Oracle {
  const oracle = new Oracle(stream.options);
  for (const flush of flushes) oracle.apply(flush);
  const bySize = groupBy(finalLines(run), (line) => line.sizeMs);
  for (const [sizeMs, windows] of oracle.windows) {
    const lines = groupBy(bySize.get(sizeMs) ?? [], (line) => line.window.startMs);
    let late = 0;
    for (const window of windows.values()) {
      const what = `window ${sizeMs}|${window.startMs}`;
      const found = lines.get(window.startMs) ?? [];
      const line = found.find((other) => other.window.slice === "all");
      check(
        (line !== undefined) === (window.state === "closed"),
        `${what} is ${window.state}, line: ${line !== undefined}`,
      );
      if (line === undefined) continue;
      late += line.counts.late;
      const own = countsOf(window.events);
      same(line.profile.ids, idsOf(window.events), `events of ${what}`);
      same(line.counts, { ...own, consumed: own.consumed + window.late, late: window.late }, `counts of ${what}`);
      same(line.index, window.index, `index of ${what}`);
      same(line.empty, window.events.length === 0, `empty of ${what}`);
      same(line.partialReason, window.index === 0 ? "first" : window.isLast ? "last" : undefined, `partial of ${what}`);
      checkSlices(found, window.events.filter(isRow), line.counts.late);
    }
    same(lines.size, [...windows.values()].filter((window) => window.state === "closed").length, "windows published");
    same(late, oracle.late.get(sizeMs)!.length, "late events");
    const skipped = [...windows.values()].filter((window) => window.state === "skipped");
    checkGaps(run, sizeMs, skipped);
  }
  checkOrder(stream, run);
  return oracle;
}

/** The slices by value share the rows of the window out among them. */
function checkSlices(lines: readonly ClosedWindow<IdProfile>[], rows: readonly RawEvent[], late: number): void {
  const valueById = new Map(rows.map((row) => [row.id, row.value]));
  const byValue = lines.filter((line) => line.window.slice !== "all");
  for (const { window, profile } of byValue) {
    if (window.slice === "c=other") continue;
    for (const id of profile.ids) same(`c=${valueById.get(id)}`, window.slice, `slice of event ${id}`);
  }
  same(byValue.flatMap((line) => line.profile.ids).sort(ascending), idsOf(rows), "events of the slices");
  same(
    byValue.reduce((sum, line) => sum + line.counts.late, 0),
    late,
    "late events of the slices",
  );
}

/** Gaps cover the skipped windows before the last published one, no more. */
function checkGaps(run: readonly Told[], sizeMs: number, skipped: readonly TimeRange[]): void {
  const gaps = run.flatMap(({ event }) => (event.kind === "gap" && event.sizeMs === sizeMs ? [event] : []));
  let lastEnd = Number.NEGATIVE_INFINITY;
  for (const { event } of run) {
    if (event.kind === "closed" && event.sizeMs === sizeMs) lastEnd = Math.max(lastEnd, event.window.endMs);
  }
  const inside = skipped.filter((window) => window.endMs < lastEnd);
  const covered = gaps.reduce((sum, gap) => sum + gap.toMs - gap.fromMs, 0);
  same(
    covered,
    inside.reduce((sum, window) => sum + window.endMs - window.startMs, 0),
    "length of the gaps",
  );
  for (const window of inside) {
    check(
      gaps.some((gap) => gap.fromMs <= window.startMs && gap.toMs >= window.endMs),
      `no gap at ${window.startMs}`,
    );
  }
}

function checkTotals(
  stream: Stream,
  flushes: readonly Flush[],
  oracle: Oracle,
  tracker: WindowTracker<IdProfile>,
): void {
  const totals = emptyCounts();
  for (const flush of new Set(flushes)) addCounts(totals, flush.entry.counts);
  const late = countsOf(oracle.late.get(stream.options.clock.sizesMs[0]!)!);
  totals.valid -= late.valid;
  totals.invalid -= late.invalid;
  totals.late += late.consumed;
  same(tracker.totals, totals, "totals");
  same(tracker.watermarkMs ?? Number.NEGATIVE_INFINITY, oracle.watermarkMs, "watermark");
}

/** Closings in order of end, size, slice; revisions numbered without gaps and not too often. */
function checkOrder(stream: Stream, run: readonly Told[]): void {
  const published = new Map<string, Told & { event: ClosedWindow<IdProfile> }>();
  const closedAt = new Map<string, number>();
  let previous: (Told & { event: ClosedWindow<IdProfile> }) | undefined;
  for (const told of run) {
    const { event } = told;
    if (event.kind !== "closed") continue;
    const { window, counts } = event;
    const key = lineKey(event);
    const { consumed, ...parts } = counts;
    same(
      Object.values(parts).reduce((a, b) => a + b, 0),
      consumed,
      `parts of ${key}`,
    );
    check(event.partial === (event.partialReason !== undefined), `reason of ${key}`);
    check(window.endMs <= told.watermarkMs, `${key} closed too early`);

    const before = published.get(key);
    same(event.revision, (before?.event.revision ?? -1) + 1, `revision of ${key}`);
    const reviseForMs = stream.options.time.reviseForMs ?? Math.min(DAY, 10 * event.sizeMs);
    const isFinal = window.endMs + reviseForMs <= told.watermarkMs;
    if (before !== undefined && !isFinal) {
      check(told.nowMs - before.nowMs >= Math.max(MINUTE, event.sizeMs / 10), `${key} revised too soon`);
    }
    published.set(key, { ...told, event });

    const id = `${event.sizeMs}|${window.startMs}`;
    if (window.slice === "all" && event.revision === 0) closedAt.set(id, told.step);
    // A slice may get its first line when late events revise the window.
    if (closedAt.get(id) !== told.step) continue;
    if (previous?.step === told.step) {
      check(compareLines(previous.event, event) < 0, `${lineKey(previous.event)} before ${key}`);
    }
    previous = { ...told, event };
  }
}

function compareLines(a: ClosedWindow<IdProfile>, b: ClosedWindow<IdProfile>): number {
  const rank = (slice: string): string => (slice === "all" ? "" : slice);
  if (a.window.endMs !== b.window.endMs) return a.window.endMs - b.window.endMs;
  if (a.sizeMs !== b.sizeMs) return a.sizeMs - b.sizeMs;
  return rank(a.window.slice) < rank(b.window.slice) ? -1 : 1;
}

function groupBy<T>(items: readonly T[], key: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}

const ascending = (a: number, b: number): number => a - b;
const idsOf = (events: readonly RawEvent[]): number[] => events.map((event) => event.id).sort(ascending);

/** `expect` costs more than all the rest when it is called for every window. */
function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

function same(found: unknown, expected: unknown, what: string): void {
  if (found === expected || isDeepStrictEqual(found, expected)) return;
  throw new Error(`${what}: found ${brief(found)}, expected ${brief(expected)}`);
}

const brief = (value: unknown): string => String(JSON.stringify(value)).slice(0, 500);

/** Tells the first item that differs, not both lists. */
function sameList<T>(found: readonly T[], expected: readonly T[], what: string): void {
  const end = Math.max(found.length, expected.length);
  for (let i = 0; i < end; i++) same(found[i], expected[i], `${what}, item ${i}`);
}
