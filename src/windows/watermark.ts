/**
 * How far the partitions of a dataset have come: offset ranges that must join, and the watermark.
 *
 * The watermark is read off the ledger entries alone: per partition the largest event time − `lateness`, and of these
 * the minimum over the partitions.
 * 1. A partition that was never heard holds it; so does one that was read from but had no event time yet.
 * 2. A partition that had nothing more to read and, by its own heartbeats, no row for `idleAfter` does not hold it.
 *    Rows with an event time count, not records: one that receives only undecodable records must not stop the windows
 *    that would show it.
 * 3. A partition without heartbeats for `unheardAfter` holds it again: nobody knows what it holds.
 * 4. When all are idle it is the minimum of their heartbeats' wall times − `idleAfter` − `lateness`.
 * 5. An ended partition does not hold it; when all have ended it is +Infinity.
 *
 * When nothing at all was heard for `unheardAfter` (every profiler was away), no partition is reported for that time: each
 * is awaited anew from the first heartbeat on.
 */
import type { TimeConfig } from "../core/config.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import type { TimeRange } from "./panes.ts";

/** How the range of an entry stands to the partition's position. `offset-reset`: its offsets are those of another topic. */
export interface RangeCheck {
  readonly kind: "joined" | "replayed" | "offset-gap" | "offset-overlap" | "offset-reset";
  /** Position before the entry. */
  readonly expected: number;
  /** Largest event time of the partition before the entry. */
  readonly maxEventTimeMsBefore: number | undefined;
  /** What a loss of before may have touched; told once, with the first event time after it. */
  readonly settledLoss?: TimeRange;
}

export interface Silence {
  readonly kind: "unheard" | "heard";
  readonly partition: number;
  readonly sinceMs: number;
}

/** JSON-safe. Wall times are those of heartbeats; of a partition never heard, that at which it was first expected. */
export interface PartitionState {
  readonly partition: number;
  /** Of the topic that was heard last. */
  topicId?: string;
  heard: boolean;
  reported: boolean;
  position: number;
  wallTimeMs: number;
  /** Wall time of the last entry with event times, else of the first entry. */
  activeMs: number;
  maxEventTimeMs: number | null;
  caughtUp: boolean;
  ended: boolean;
  /** Wall time since which it is awaited, where that is later than its last entry: nobody was heard before. */
  awaitedMs?: number;
  /** Offsets were lost, and no event time has come since: records from this event time on may be among them. */
  lostFromMs?: number;
  /** Wall time of the entry that told of the loss: what was lost is not of later. */
  lostUntilMs?: number;
}

export class Watermark {
  readonly #time: Pick<TimeConfig, "latenessMs" | "idleAfterMs" | "unheardAfterMs">;
  /** One per expected partition, by number. */
  readonly #partitions: PartitionState[] = [];
  #timeMs: number | undefined;

  constructor(
    time: Pick<TimeConfig, "latenessMs" | "idleAfterMs" | "unheardAfterMs">,
    saved?: readonly PartitionState[],
  ) {
    this.#time = time;
    for (const partition of saved ?? []) {
      this.#partitions.push({ ...partition });
      this.#timeMs = Math.max(this.#timeMs ?? partition.wallTimeMs, partition.wallTimeMs);
    }
  }

  /** Partitions reported as unheard. */
  get unheardCount(): number {
    return this.#partitions.filter((partition) => partition.reported).length;
  }

  /** Largest wall time heard. */
  get timeMs(): number | undefined {
    return this.#timeMs;
  }

  /** Partitions reported as unheard, each with the wall time since which. */
  get unheard(): ReadonlyMap<number, number> {
    const unheard = this.#partitions.filter((partition) => partition.reported);
    return new Map(unheard.map(({ partition, wallTimeMs }) => [partition, wallTimeMs]));
  }

  /** Next offset expected of each partition that was heard. */
  get positions(): ReadonlyMap<number, number> {
    const heard = this.#partitions.filter((partition) => partition.heard);
    return new Map(heard.map((partition) => [partition.partition, partition.position]));
  }

  /** Takes the entry, unless it is a replayed one. */
  observe(entry: LedgerEntry): RangeCheck {
    const known = this.#partitions[entry.partition];
    const expected = known?.heard === true ? known.position : entry.fromOffset;
    const settledLoss =
      known !== undefined && entry.maxEventTimeMs !== undefined
        ? lossOf(known, entry, this.#time.latenessMs)
        : undefined;
    const check = {
      kind: isOfAnotherTopic(entry, known) ? ("offset-reset" as const) : compareRange(entry, expected),
      expected,
      maxEventTimeMsBefore: known?.maxEventTimeMs ?? undefined,
      ...(settledLoss !== undefined && { settledLoss }),
    };
    if (check.kind === "replayed") return check;

    const timeMs = Math.max(this.#timeMs ?? entry.wallTimeMs, entry.wallTimeMs);
    if (this.#timeMs !== undefined && timeMs - this.#timeMs >= this.#time.unheardAfterMs) {
      for (const partition of this.#partitions) partition.awaitedMs = timeMs;
    }
    this.#timeMs = timeMs;
    this.#expect(Math.max(entry.partitionCount, entry.partition + 1));
    const state = this.#partitions[entry.partition]!;
    const hasTimes = entry.maxEventTimeMs !== undefined;
    if (!state.heard || hasTimes) state.activeMs = Math.max(state.activeMs, entry.wallTimeMs);
    state.wallTimeMs = Math.max(state.wallTimeMs, entry.wallTimeMs);
    state.heard = true;
    state.position = check.kind === "offset-reset" ? entry.toOffset : Math.max(expected, entry.toOffset);
    if (entry.topicId !== undefined) state.topicId = entry.topicId;
    if (entry.maxEventTimeMs !== undefined) {
      state.maxEventTimeMs = Math.max(state.maxEventTimeMs ?? entry.maxEventTimeMs, entry.maxEventTimeMs);
      delete state.lostFromMs;
      delete state.lostUntilMs;
    }
    state.caughtUp = entry.caughtUp;
    state.ended = entry.ended;
    return check;
  }

  /** Offsets of the partition were lost, and no event time says yet how far it has come: any in the range may be missing. */
  lose(partition: number, { startMs, endMs }: TimeRange): void {
    const state = this.#partitions[partition]!;
    state.lostFromMs = Math.min(state.lostFromMs ?? startMs, startMs);
    state.lostUntilMs = Math.max(state.lostUntilMs ?? endMs, endMs);
  }

  /** Whether events of the time may be among those lost and not settled. */
  hasLost({ startMs, endMs }: TimeRange): boolean {
    return this.#partitions.some(
      ({ lostFromMs = Number.POSITIVE_INFINITY, lostUntilMs = 0 }) => lostFromMs < endMs && lostUntilMs > startMs,
    );
  }

  /** Undefined: something holds it that has no time yet. It may be smaller than before; the caller keeps the maximum. */
  compute(): number | undefined {
    let oldestEvent = Number.POSITIVE_INFINITY;
    let oldestHeartbeat = Number.POSITIVE_INFINITY;
    let open = 0;
    let active = 0;
    for (const partition of this.#partitions) {
      if (!partition.heard) return undefined;
      if (partition.ended) continue;
      open++;
      if (this.#isIdle(partition)) {
        oldestHeartbeat = Math.min(oldestHeartbeat, partition.wallTimeMs);
        continue;
      }
      active++;
      if (partition.maxEventTimeMs === null) return undefined;
      oldestEvent = Math.min(oldestEvent, partition.maxEventTimeMs);
    }
    if (open === 0) return this.#partitions.length === 0 ? undefined : Number.POSITIVE_INFINITY;
    if (active === 0) return oldestHeartbeat - this.#time.idleAfterMs - this.#time.latenessMs;
    return oldestEvent - this.#time.latenessMs;
  }

  /** Partitions that fell silent, or were heard again, since the last call. */
  silences(): Silence[] {
    const found: Silence[] = [];
    for (const partition of this.#partitions) {
      const awaitedMs = Math.max(partition.wallTimeMs, partition.awaitedMs ?? partition.wallTimeMs);
      const isLong = (this.#timeMs ?? 0) - awaitedMs >= this.#time.unheardAfterMs;
      // What was reported stays so until it is heard.
      const silent = !partition.ended && this.#isSilent(partition) && (partition.reported || isLong);
      if (silent === partition.reported) continue;
      partition.reported = silent;
      found.push({ kind: silent ? "unheard" : "heard", partition: partition.partition, sinceMs: partition.wallTimeMs });
    }
    return found.sort(
      (a, b) => Number(a.kind === "unheard") - Number(b.kind === "unheard") || a.partition - b.partition,
    );
  }

  snapshot(): PartitionState[] {
    return this.#partitions.map((partition) => ({ ...partition }));
  }

  #isIdle(partition: PartitionState): boolean {
    if (!partition.caughtUp || this.#isSilent(partition)) return false;
    return partition.wallTimeMs - partition.activeMs >= this.#time.idleAfterMs;
  }

  #isSilent(partition: PartitionState): boolean {
    return (this.#timeMs ?? 0) - partition.wallTimeMs >= this.#time.unheardAfterMs;
  }

  #expect(partitionCount: number): void {
    const wallTimeMs = this.#timeMs ?? 0;
    while (this.#partitions.length < partitionCount) {
      this.#partitions.push({
        partition: this.#partitions.length,
        heard: false,
        reported: false,
        position: 0,
        wallTimeMs,
        activeMs: Number.MIN_SAFE_INTEGER,
        maxEventTimeMs: null,
        caughtUp: false,
        ended: false,
      });
    }
  }
}

/** What was lost lies before the first event that came after it, as far as the partition is in order. */
function lossOf(state: PartitionState, entry: LedgerEntry, latenessMs: number): TimeRange | undefined {
  const { lostFromMs, lostUntilMs, maxEventTimeMs } = state;
  if (lostFromMs === undefined || lostUntilMs === undefined || entry.maxEventTimeMs === undefined) return undefined;
  const afterMs = Math.max(entry.maxEventTimeMs, maxEventTimeMs ?? entry.maxEventTimeMs) + latenessMs + 1;
  return { startMs: lostFromMs, endMs: Math.min(afterMs, Math.max(lostUntilMs, (maxEventTimeMs ?? lostFromMs) + 1)) };
}

/** What does not tell its topic may be of any. */
function isOfAnotherTopic({ topicId }: LedgerEntry, known: PartitionState | undefined): boolean {
  return topicId !== undefined && known?.topicId !== undefined && topicId !== known.topicId;
}

/** How the range of an entry stands to the position that its partition was at. */
function compareRange(entry: Pick<LedgerEntry, "fromOffset" | "toOffset">, expected: number): RangeCheck["kind"] {
  if (entry.fromOffset === expected) return "joined";
  if (entry.fromOffset > expected) return "offset-gap";
  return entry.toOffset <= expected ? "replayed" : "offset-overlap";
}
