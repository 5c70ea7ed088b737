/** Ranges of event time whose figures are not exact, because offset ranges did not join. */
import type { TimeRange } from "./panes.ts";

/** Ranges kept apart; beyond them the two that lie closest become one. */
const MAX_RANGES = 256;

export class DamagedTimes {
  /** Disjoint, ascending. */
  #ranges: TimeRange[];

  constructor(saved: readonly TimeRange[] = []) {
    this.#ranges = [...saved];
  }

  add(range: TimeRange): void {
    let { startMs, endMs } = range;
    if (endMs <= startMs) return;
    const apart: TimeRange[] = [];
    for (const other of this.#ranges) {
      if (other.endMs < startMs || other.startMs > endMs) {
        apart.push(other);
      } else {
        startMs = Math.min(startMs, other.startMs);
        endMs = Math.max(endMs, other.endMs);
      }
    }
    apart.push({ startMs, endMs });
    this.#ranges = apart.sort((a, b) => a.startMs - b.startMs);
    if (this.#ranges.length > MAX_RANGES) this.#joinClosest();
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  touches(range: TimeRange): boolean {
    return this.#ranges.some((other) => other.startMs < range.endMs && other.endMs > range.startMs);
  }

  /** Forgets what ends at or before the time. */
  forget(beforeMs: number): void {
    this.#ranges = this.#ranges.filter((range) => range.endMs > beforeMs);
  }

  snapshot(): TimeRange[] {
    return this.#ranges.map((range) => ({ ...range }));
  }

  #joinClosest(): void {
    let closest = 1;
    for (let i = 2; i < this.#ranges.length; i++) {
      const between = this.#ranges[i]!.startMs - this.#ranges[i - 1]!.endMs;
      if (between < this.#ranges[closest]!.startMs - this.#ranges[closest - 1]!.endMs) closest = i;
    }
    const [first, second] = this.#ranges.slice(closest - 1, closest + 1) as [TimeRange, TimeRange];
    this.#ranges.splice(closest - 1, 2, { startMs: first.startMs, endMs: second.endMs });
  }
}
