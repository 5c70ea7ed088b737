/**
 * Which values of a field have a slice of their own. A slice by value `<name>=<value>` takes one of `limit` places and
 * keeps it until it was empty for `retireAfterMs`; the events of values without a place are in `<name>=other`.
 *
 * Places are given when a pane closes: among the new values of that pane to those with most events, then by name. So
 * who gets one does not depend on how the flushes cut the pane.
 */
import type { SliceByConfig } from "../core/config.ts";
import { ALL_SLICE, OTHER_VALUE } from "../core/window.ts";

export interface SliceCandidate {
  readonly slice: string;
  readonly count: number;
}

export interface SliceChanges {
  readonly admitted: readonly string[];
  readonly retired: readonly string[];
}

/** Values that one open pane keeps apart, per place: a profiler sends two, and not every flush the same. */
const CANDIDATES_PER_PLACE = 4;

export class SlicePlaces {
  readonly #configs: readonly SliceByConfig[];
  readonly #retireAfterMs: number;
  /** Slice → end of the last pane that held an event of it. `all` is not among them, `<name>=other` is. */
  readonly #lastSeenMs = new Map<string, number>();

  constructor(
    configs: readonly SliceByConfig[],
    retireAfterMs: number,
    saved: readonly (readonly [slice: string, lastSeenMs: number])[] = [],
  ) {
    // The longest name first, so that of `a` and `a=b` the latter gets `a=b=c`.
    this.#configs = [...configs].sort((a, b) => b.name.length - a.name.length);
    this.#retireAfterMs = retireAfterMs;
    for (const [slice, lastSeenMs] of saved) {
      if (this.configOf(slice) !== undefined) this.#lastSeenMs.set(slice, lastSeenMs);
    }
  }

  /** Undefined: `all`, or a slice that is not configured (any more). */
  configOf(slice: string): SliceByConfig | undefined {
    return this.#configs.find((config) => slice.startsWith(`${config.name}=`));
  }

  isTracked(slice: string): boolean {
    return slice === ALL_SLICE || this.configOf(slice) !== undefined;
  }

  /** Whether events of the slice may stay under its own name whatever else comes. */
  isKept(slice: string): boolean {
    return slice === ALL_SLICE || this.#lastSeenMs.has(slice) || slice === this.otherOf(slice);
  }

  otherOf(slice: string): string {
    const config = this.configOf(slice);
    return config === undefined ? slice : `${config.name}=${OTHER_VALUE}`;
  }

  /** Most values of one field that an open pane keeps apart until it closes. */
  candidateLimit(config: SliceByConfig): number {
    return config.limit * CANDIDATES_PER_PLACE;
  }

  /** Slices that have a line in a window that ends then, besides those with events in it; `all` is not among them. */
  knownAt(endMs: number): string[] {
    return [...this.#lastSeenMs]
      .filter(([, lastSeenMs]) => endMs < lastSeenMs + this.#retireAfterMs)
      .map(([slice]) => slice);
  }

  /**
   * A pane closes that holds these slices: takes places back, and gives them to new slices. What is not kept
   * afterwards belongs to `other`.
   */
  closePane(candidates: readonly SliceCandidate[], paneEndMs: number): SliceChanges {
    for (const { slice } of candidates) {
      if (this.isKept(slice)) this.#see(slice, paneEndMs);
    }
    const retired = [...this.#lastSeenMs]
      .filter(([, lastSeenMs]) => lastSeenMs + this.#retireAfterMs <= paneEndMs)
      .map(([slice]) => slice)
      .sort();
    for (const slice of retired) this.#lastSeenMs.delete(slice);

    const admitted: string[] = [];
    const waiting = candidates.filter(({ slice }) => !this.isKept(slice));
    waiting.sort((a, b) => b.count - a.count || (a.slice < b.slice ? -1 : 1));
    for (const { slice } of waiting) {
      if (this.#hasPlace(slice)) {
        this.#see(slice, paneEndMs);
        admitted.push(slice);
      } else {
        this.#see(this.otherOf(slice), paneEndMs);
      }
    }
    return { admitted, retired };
  }

  /** Name under which events count that come after their pane closed; they get nobody a place. */
  placed(slice: string): string {
    return this.isKept(slice) ? slice : this.otherOf(slice);
  }

  snapshot(): [slice: string, lastSeenMs: number][] {
    return [...this.#lastSeenMs];
  }

  #hasPlace(slice: string): boolean {
    const config = this.configOf(slice);
    if (config === undefined) return false;
    let taken = 0;
    for (const other of this.#lastSeenMs.keys()) {
      if (other !== this.otherOf(other) && this.configOf(other) === config) taken++;
    }
    return taken < config.limit;
  }

  #see(slice: string, paneEndMs: number): void {
    if (slice === ALL_SLICE) return;
    this.#lastSeenMs.set(slice, Math.max(this.#lastSeenMs.get(slice) ?? paneEndMs, paneEndMs));
  }
}
