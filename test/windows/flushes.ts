/** Seeded streams: raw events of some partitions, cut into flushes, with an exact profile. */
import type { SliceByConfig, TimeConfig } from "../../src/core/config.ts";
import type { LedgerEntry, PaneDelta } from "../../src/core/ledger.ts";
import type { SeededRandom } from "../../src/core/random.ts";
import { addCounts, emptyCounts, type LedgerCounts } from "../../src/core/window.ts";
import { createPaneClock, type PaneClock } from "../../src/windows/panes.ts";
import type { ProfileOps } from "../../src/windows/profile-ops.ts";
import type { WindowTrackerOptions } from "../../src/windows/window-tracker.ts";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The exact profile: which events it holds, each as often as it was merged in. */
export interface IdProfile {
  ids: number[];
  counts: LedgerCounts;
}

export const ID_OPS: ProfileOps<IdProfile> = {
  create: () => ({ ids: [], counts: emptyCounts() }),
  merge(into, from) {
    into.ids.push(...from.ids);
    addCounts(into.counts, from.counts);
  },
  counts: (profile) => profile.counts,
  bytes: (profile) => 8 * profile.ids.length,
};

export type EventKind = "valid" | "invalid" | "undecodable" | "tombstone" | "future";

export interface RawEvent {
  readonly id: number;
  readonly partition: number;
  readonly kind: EventKind;
  /** Event time of a row, else broker time. */
  readonly timeMs: number;
  /** When the broker has it. */
  readonly arrivalMs: number;
  readonly value: string;
}

export const isRow = (event: Pick<RawEvent, "kind">): boolean => event.kind === "valid" || event.kind === "invalid";

export interface Flush {
  readonly entry: LedgerEntry;
  readonly events: readonly RawEvent[];
  readonly panes: readonly PaneDelta<IdProfile>[];
}

export interface Stream {
  readonly options: WindowTrackerOptions<IdProfile>;
  readonly partitions: readonly (readonly RawEvent[])[];
  /** A day on the wall clock, about. */
  readonly startMs: number;
  readonly endMs: number;
}

export interface StreamOptions {
  readonly time?: Partial<TimeConfig>;
  /** No event is more than this behind the largest of its partition so far. */
  readonly maxDisorderMs?: number;
  readonly slices?: readonly SliceByConfig[];
}

const SIZES: readonly { readonly sizesMs: readonly number[]; readonly timezone: string; readonly spanMs: number }[] = [
  { sizesMs: [5 * MINUTE], timezone: "UTC", spanMs: 3 * HOUR },
  { sizesMs: [5 * MINUTE, HOUR], timezone: "UTC", spanMs: 8 * HOUR },
  { sizesMs: [5 * MINUTE, HOUR, DAY], timezone: "UTC", spanMs: 3 * DAY },
  { sizesMs: [6 * MINUTE, 15 * MINUTE], timezone: "UTC", spanMs: 4 * HOUR },
  { sizesMs: [HOUR, DAY], timezone: "Europe/Berlin", spanMs: 4 * DAY },
  { sizesMs: [DAY], timezone: "America/New_York", spanMs: 20 * DAY },
  { sizesMs: [DAY, 7 * DAY], timezone: "UTC", spanMs: 40 * DAY },
];

/** Between a change of the clocks in New York and one in Berlin, so that both are among the streams. */
const FIRST_START_MS = Date.parse("2026-10-20T05:17:00Z");

const VALUES = ["a", "b", "c", "d", "e", "f"];

export function randomStream(random: SeededRandom, options: StreamOptions = {}): Stream {
  const { sizesMs, timezone, spanMs } = SIZES[random.below(SIZES.length)]!;
  const smallest = sizesMs[0]!;
  const startMs = FIRST_START_MS + random.below(12 * DAY);
  const endMs = startMs + Math.round(spanMs * (0.3 + 0.7 * random.next()));
  const clock = createPaneClock({ sizesMs, timezone });
  const partitions: RawEvent[][] = [];
  let id = 0;
  const partitionCount = 1 + random.below(6);
  const quietFromMs = startMs + random.next() * (endMs - startMs);
  const quietForMs = random.below(3) === 0 ? random.next() * 0.7 * (endMs - startMs) : 0;
  for (let partition = 0; partition < partitionCount; partition++) {
    const events: RawEvent[] = [];
    const count = random.below(8) === 0 ? 0 : 5 + random.below(40);
    const fromMs = random.below(4) === 0 ? startMs + random.next() * (endMs - startMs) : startMs;
    const arrivals = Array.from({ length: count }, () => Math.round(fromMs + random.next() * (endMs - fromMs)));
    let maxMs = Number.NEGATIVE_INFINITY;
    for (const arrivalMs of arrivals.sort((a, b) => a - b)) {
      if (arrivalMs >= quietFromMs && arrivalMs < quietFromMs + quietForMs) continue;
      const kind = randomKind(random);
      let timeMs = arrivalMs;
      const hasTime = kind === "valid" || kind === "invalid";
      if (hasTime) timeMs += Math.round(randomDelay(random, smallest));
      if (options.maxDisorderMs !== undefined) timeMs = Math.max(timeMs, maxMs - options.maxDisorderMs);
      if (hasTime) maxMs = Math.max(maxMs, timeMs);
      events.push({ id: id++, partition, kind, timeMs, arrivalMs, value: VALUES[random.below(VALUES.length)]! });
    }
    partitions.push(events);
  }
  const season = 1 + random.below(6);
  const reviseForMs = [undefined, undefined, 0, smallest, 40 * smallest][random.below(5)];
  return {
    options: {
      dataset: "trips",
      clock,
      time: {
        latenessMs: random.below(2) * Math.round(random.next() * smallest),
        idleAfterMs: Math.round(smallest * (0.2 + 3 * random.next())),
        unheardAfterMs: Math.round(smallest * (1 + 8 * random.next())),
        ...(reviseForMs !== undefined && { reviseForMs }),
        ...options.time,
      },
      slices: options.slices ?? [{ by: "carrier", name: "c", limit: 50 }],
      seasonWindows: () => season,
      ops: ID_OPS,
    },
    partitions,
    startMs,
    endMs,
  };
}

/**
 * The flushes in the order the judge reads them. Partitions stop and lag for a while, the last ones may join late,
 * and sometimes an entry is repeated.
 */
export function randomFlushes(
  random: SeededRandom,
  stream: Stream,
  options: { readonly isSmooth?: boolean } = {},
): Flush[] {
  const { partitions, startMs, endMs } = stream;
  const flushes: Flush[] = [];
  const joinsLate = options.isSmooth !== true && partitions.length > 1 && random.below(4) === 0;
  const joinMs = startMs + random.next() * (endMs - startMs) * 0.6;
  const stepMs = (endMs - startMs) / (8 + random.below(60));
  for (const [partition, events] of partitions.entries()) {
    let done = 0;
    const isLater = joinsLate && partition === partitions.length - 1;
    let wallMs = Math.round(isLater ? joinMs : startMs + random.next() * stepMs);
    const lagMs = options.isSmooth !== true && random.below(5) === 0 ? random.next() * 10 * stepMs : 0;
    for (let isEnd = false; !isEnd; ) {
      isEnd = wallMs >= endMs + lagMs;
      const arrived = events.filter((event) => event.arrivalMs <= wallMs - (isEnd ? 0 : lagMs)).length;
      const upTo = isEnd
        ? events.length
        : Math.max(done, random.below(6) === 0 ? done + random.below(arrived - done + 1) : arrived);
      flushes.push(
        flushOf(stream, {
          partition,
          partitionCount: joinsLate && wallMs < joinMs ? partitions.length - 1 : partitions.length,
          fromOffset: done,
          events: events.slice(done, upTo),
          caughtUp: upTo === arrived && lagMs === 0,
          ended: isEnd,
          wallTimeMs: wallMs,
        }),
      );
      done = upTo;
      const isPause = options.isSmooth !== true && random.below(15) === 0;
      wallMs = Math.round(wallMs + stepMs * (0.3 + random.next() + (isPause ? 6 : 0)));
    }
  }
  flushes.sort((a, b) => a.entry.wallTimeMs - b.entry.wallTimeMs || a.entry.partition - b.entry.partition);
  if (options.isSmooth === true) return flushes;
  for (let repeats = random.below(3); repeats > 0; repeats--) {
    const index = random.below(flushes.length);
    const repeated = flushes[index]!;
    const later = index + 1 + random.below(flushes.length - index);
    if (repeated.entry.toOffset > repeated.entry.fromOffset) flushes.splice(later, 0, repeated);
  }
  return flushes;
}

export function flushOf(
  stream: Pick<Stream, "options">,
  flush: Omit<LedgerEntry, "dataset" | "topic" | "toOffset" | "counts" | "maxEventTimeMs"> & {
    readonly events: readonly RawEvent[];
  },
): Flush {
  const { events, ...rest } = flush;
  const rows = events.filter(isRow);
  const counts = countsOf(events);
  const entry: LedgerEntry = {
    dataset: "trips",
    topic: "trips",
    ...rest,
    toOffset: flush.fromOffset + events.length,
    counts,
    ...(rows.length > 0 && { maxEventTimeMs: Math.max(...rows.map((row) => row.timeMs)) }),
  };
  return { entry, events, panes: panesOf(stream.options.clock, events, stream.options.slices) };
}

function panesOf(
  clock: PaneClock,
  events: readonly RawEvent[],
  slices: readonly SliceByConfig[],
): PaneDelta<IdProfile>[] {
  const panes = new Map<string, PaneDelta<IdProfile>>();
  for (const event of events) {
    const names = ["all"];
    if (isRow(event)) names.push(...slices.map((slice) => `${slice.name}=${event.value}`));
    for (const slice of names) {
      const paneStartMs = clock.paneStart(event.timeMs);
      const key = `${paneStartMs}|${slice}`;
      const pane = panes.get(key) ?? { slice, paneStartMs, profile: ID_OPS.create() };
      pane.profile.ids.push(event.id);
      addCounts(pane.profile.counts, countsOf([event]));
      panes.set(key, pane);
    }
  }
  return [...panes.values()];
}

export function countsOf(events: readonly Pick<RawEvent, "kind">[]): LedgerCounts {
  const counts = emptyCounts();
  for (const event of events) {
    counts.consumed++;
    counts[event.kind]++;
  }
  return counts;
}

function randomKind(random: SeededRandom): EventKind {
  const kinds: EventKind[] = ["invalid", "undecodable", "tombstone", "future"];
  return random.below(6) === 0 ? kinds[random.below(kinds.length)]! : "valid";
}

/** Mostly a little behind; sometimes far behind, ahead, or hundreds of windows back. */
function randomDelay(random: SeededRandom, smallestMs: number): number {
  switch (random.below(40)) {
    case 0:
      return -smallestMs * (100 + random.below(300));
    case 1:
    case 2:
      return -smallestMs * 15 * random.next();
    case 3:
      return smallestMs * 4 * random.next();
    case 4:
      return smallestMs * 40 * random.next();
    default:
      return -smallestMs * 0.7 * random.next();
  }
}
