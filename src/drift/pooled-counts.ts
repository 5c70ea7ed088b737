/**
 * Counts per value, pooled over the last windows: a window that goes takes its counts with it. Exact.
 *
 * Bounded by `VALUES_MAX` values; a window that would exceed it is refused, and the field is then one of which nearly
 * every value is new, so that the share of unseen values says nothing.
 */
import { compareHashes, HashTable } from "../sketches/hash-table.ts";
import type { WindowCounts } from "./window-counts.ts";

/** Four full dictionaries: 0.5 MB a field. */
export const VALUES_MAX = 16_384;

export class PooledCounts {
  #table = new HashTable();
  #labels: (string | undefined)[] = [];
  #totalCount = 0;
  /** Entries that fell to 0 and still take room. */
  #vacant = 0;

  /** Values that are in at least one window. */
  get size(): number {
    return this.#table.size - this.#vacant;
  }

  get totalCount(): number {
    return this.#totalCount;
  }

  copy(): PooledCounts {
    const copy = new PooledCounts();
    copy.#table = this.#table.copy();
    copy.#labels = [...this.#labels];
    copy.#totalCount = this.#totalCount;
    copy.#vacant = this.#vacant;
    return copy;
  }

  /** Adds a window and says whether there was room; if not, nothing changed. */
  add(window: WindowCounts, labels: { at(index: number): string | undefined } | undefined): boolean {
    const { lo, hi, counts } = window;
    const table = this.#table;
    let fresh = 0;
    for (let i = 0; i < lo.length; i++) if (this.countOf(lo[i]!, hi[i]!) === 0) fresh++;
    if (this.size + fresh > VALUES_MAX) return false;
    if (table.size + fresh > VALUES_MAX) this.#compact();
    for (let i = 0; i < lo.length; i++) {
      const count = counts[i]!;
      this.#totalCount += count;
      const entry = table.find(lo[i]!, hi[i]!);
      if (entry < 0) {
        this.#labels[table.append(lo[i]!, hi[i]!, count)] = labels?.at(i);
        continue;
      }
      if (table.counts[entry] === 0) this.#vacant--;
      table.counts[entry]! += count;
    }
    return true;
  }

  /** Takes out a window that was added. */
  remove(window: WindowCounts): void {
    const { lo, hi, counts } = window;
    const table = this.#table;
    for (let i = 0; i < lo.length; i++) {
      const entry = table.find(lo[i]!, hi[i]!);
      if (entry < 0) throw new Error("Cannot remove a window: it was not added");
      this.#totalCount -= counts[i]!;
      table.counts[entry]! -= counts[i]!;
      if (table.counts[entry] === 0) this.#vacant++;
    }
    if (this.#vacant * 2 > table.size) this.#compact();
  }

  /** 0 for a value that is in no window. */
  countOf(lo: number, hi: number): number {
    const entry = this.#table.find(lo, hi);
    return entry < 0 ? 0 : this.#table.counts[entry]!;
  }

  /** The values, ascending by hash. */
  entries(): { lo: number; hi: number; count: number; label: string | undefined }[] {
    const { lo, hi, counts } = this.#table;
    const order = Array.from(this.#table.order()).filter((entry) => counts[entry]! > 0);
    return order.map((entry) => ({
      lo: lo[entry]!,
      hi: hi[entry]!,
      count: counts[entry]!,
      label: this.#labels[entry],
    }));
  }

  /** The `limit` most counted values; ties by hash. */
  top(limit: number): { lo: number; hi: number; count: number; label: string | undefined }[] {
    const { lo, hi, counts } = this.#table;
    const best: number[] = [];
    for (let entry = 0; entry < this.#table.size; entry++) {
      if (counts[entry] === 0) continue;
      let at = best.length;
      while (at > 0 && this.#precedes(entry, best[at - 1]!)) at--;
      if (at === limit) continue;
      best.splice(at, 0, entry);
      if (best.length > limit) best.pop();
    }
    return best.map((entry) => ({
      lo: lo[entry]!,
      hi: hi[entry]!,
      count: counts[entry]!,
      label: this.#labels[entry],
    }));
  }

  #precedes(a: number, b: number): boolean {
    const { lo, hi, counts } = this.#table;
    return counts[a]! > counts[b]! || (counts[a] === counts[b] && compareHashes(hi[a]!, lo[a]!, hi[b]!, lo[b]!) < 0);
  }

  /** Drops the vacant entries. */
  #compact(): void {
    const kept = new Int32Array(this.#table.size);
    this.#table.subtract(0, kept);
    for (let entry = 0; entry < this.#table.size; entry++) this.#labels[entry] = this.#labels[kept[entry]!];
    this.#labels.length = this.#table.size;
    this.#vacant = 0;
  }
}
