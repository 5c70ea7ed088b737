/**
 * What the windows must be, computed from the raw events one size at a time: no panes, no merging, no roll-up, no
 * jumps, the watermark from the whole history of entries at every step.
 */
import type { LedgerEntry } from "../../src/core/ledger.ts";
import type { WindowTrackerOptions } from "../../src/windows/window-tracker.ts";
import { DAY, type Flush, type IdProfile, isRow, type RawEvent } from "./flushes.ts";

export interface OracleWindow {
  readonly startMs: number;
  readonly endMs: number;
  readonly events: RawEvent[];
  late: number;
  state: "open" | "closed" | "skipped";
  index: number;
  isLast: boolean;
}

export class Oracle {
  /** Size → start → window. */
  readonly windows = new Map<number, Map<number, OracleWindow>>();
  readonly late = new Map<number, RawEvent[]>();
  watermarkMs = Number.NEGATIVE_INFINITY;

  readonly #options: WindowTrackerOptions<IdProfile>;
  /** By partition. */
  readonly #entries: LedgerEntry[][] = [];
  #nowMs = Number.NEGATIVE_INFINITY;
  readonly #next = new Map<number, OracleWindow>();
  readonly #emptyRun = new Map<number, number>();
  #hasRows = false;

  constructor(options: WindowTrackerOptions<IdProfile>) {
    this.#options = options;
    for (const size of options.clock.sizesMs) {
      this.windows.set(size, new Map());
      this.late.set(size, []);
    }
  }

  apply(flush: Flush): void {
    const { partition, partitionCount, fromOffset, wallTimeMs } = flush.entry;
    while (this.#entries.length < Math.max(partitionCount, partition + 1)) this.#entries.push([]);
    const before = this.#entries[partition]!.at(-1);
    if (before !== undefined && fromOffset < before.toOffset) return;
    this.#entries[partition]!.push(flush.entry);
    this.#nowMs = Math.max(this.#nowMs, wallTimeMs);
    for (const size of this.windows.keys()) {
      for (const event of flush.events) this.#place(size, event);
    }
    this.#hasRows ||= flush.events.some(isRow);
    if (!this.#hasRows) return;
    this.watermarkMs = Math.max(this.watermarkMs, this.#watermark());
    for (const size of this.windows.keys()) this.#close(size);
  }

  #place(size: number, event: RawEvent): void {
    const window = this.#window(size, event.timeMs);
    const next = this.#next.get(size);
    const isOpen = next === undefined ? window.endMs > this.watermarkMs : window.startMs >= next.startMs;
    const reviseForMs = this.#options.time.reviseForMs ?? Math.min(DAY, 10 * size);
    const isRevisable = window.state === "closed" && window.endMs + reviseForMs > this.watermarkMs;
    if (isOpen || isRevisable) {
      window.events.push(event);
      return;
    }
    if (!isRow(event)) return;
    this.late.get(size)!.push(event);
    (next ?? this.#withRows(size).at(0)!).late++;
  }

  #close(size: number): void {
    const windows = this.windows.get(size)!;
    const isEnd = this.watermarkMs === Number.POSITIVE_INFINITY;
    const last = this.#withRows(size).at(-1);
    for (;;) {
      const next = this.#next.get(size) ?? this.#withRows(size).at(0);
      if (
        next === undefined ||
        next.endMs > this.watermarkMs ||
        (isEnd && (last === undefined || next.startMs > last.startMs))
      )
        break;
      if (!this.#next.has(size)) {
        next.index = 0;
        for (const window of windows.values()) if (window.startMs < next.startMs) window.events.length = 0;
      }
      const isEmpty = next.events.length + next.late === 0;
      const emptyRun = isEmpty ? (this.#emptyRun.get(size) ?? 0) + 1 : 0;
      this.#emptyRun.set(size, emptyRun);
      next.state = emptyRun > 2 * this.#options.seasonWindows(size) ? "skipped" : "closed";
      next.isLast = isEnd && next === last;
      const following = this.#window(size, next.endMs);
      following.index = next.index + 1;
      this.#next.set(size, following);
    }
    if (isEnd) {
      for (const window of windows.values()) if (window.state === "open") window.events.length = 0;
    }
  }

  /** Open windows with rows or late events, in order of time. */
  #withRows(size: number): OracleWindow[] {
    return [...this.windows.get(size)!.values()]
      .filter((window) => window.state === "open" && (window.late > 0 || window.events.some(isRow)))
      .sort((a, b) => a.startMs - b.startMs);
  }

  #window(size: number, timeMs: number): OracleWindow {
    const range = this.#options.clock.windowOf(size, timeMs);
    const windows = this.windows.get(size)!;
    let window = windows.get(range.startMs);
    if (window === undefined) {
      window = { ...range, events: [], late: 0, state: "open", index: -1, isLast: false };
      windows.set(range.startMs, window);
    }
    return window;
  }

  #watermark(): number {
    const { latenessMs, idleAfterMs, unheardAfterMs } = this.#options.time;
    if (this.#entries.some((entries) => entries.length === 0)) return Number.NEGATIVE_INFINITY;
    const running = this.#entries.filter((entries) => !entries.at(-1)!.ended);
    if (running.length === 0) return Number.POSITIVE_INFINITY;
    const isIdle = (entries: readonly LedgerEntry[]): boolean => {
      const last = entries.at(-1)!;
      const active = entries.findLast((entry) => entry.counts.valid + entry.counts.invalid > 0) ?? entries[0]!;
      return (
        last.caughtUp &&
        last.wallTimeMs - active.wallTimeMs >= idleAfterMs &&
        this.#nowMs - last.wallTimeMs < unheardAfterMs
      );
    };
    const holding = running.filter((entries) => !isIdle(entries));
    if (holding.length === 0) {
      return Math.min(...running.map((entries) => entries.at(-1)!.wallTimeMs)) - idleAfterMs - latenessMs;
    }
    const times = holding.map((entries) =>
      Math.max(...entries.map((entry) => entry.maxEventTimeMs ?? Number.NEGATIVE_INFINITY)),
    );
    return Math.min(...times) - latenessMs;
  }
}
