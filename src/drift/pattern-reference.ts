/**
 * The null patterns of the last windows (`profiles/null-patterns.ts`), and which share of a window's events has a rare one: fields that
 * are absent together, or apart, as they hardly ever were. It sees what no field alone shows: a null that follows from
 * another one is no news, the same null without its companion is.
 *
 * At most 256 patterns of a window are known: 28 × 256 × 16 bytes = 0.1 MB and as much again for the pool. Windows of few events, of which there
 * are more, have fewer patterns.
 */
import { absenceWord } from "../profiles/null-patterns.ts";
import type { ByteReader, ByteWriter } from "../sketches/bytes.ts";
import type { ShareOf } from "./field-reference.ts";
import { PooledCounts } from "./pooled-counts.ts";
import { readCounts, writeCounts } from "./window-contents.ts";
import { countOfAll, type SampledCounts } from "./window-counts.ts";

/** Of the reference's events. At a few thousand events it means: never. */
const RARE_BELOW = 1e-4;

/** A share of rare patterns, and the field that makes the most frequent of them out of a usual one, if it is one alone. */
export interface RareShare extends ShareOf {
  /** Key of the field. */
  readonly field: string | undefined;
}

export class PatternReference {
  /** Oldest first. */
  #windows: SampledCounts[] = [];
  #pool = new PooledCounts();
  /** Events of each window whose patterns are known. */
  #rows: number[] = [];

  /** Oldest first. */
  get rows(): readonly number[] {
    return this.#rows;
  }

  copy(): PatternReference {
    const copy = new PatternReference();
    copy.#windows = [...this.#windows];
    copy.#rows = [...this.#rows];
    copy.#pool = this.#pool.copy();
    return copy;
  }

  /** `keys`: of the fields that may be named. `undefined`: there is nothing to compare. */
  rareShare(patterns: SampledCounts, keys: Iterable<string>, size: number): RareShare | undefined {
    if (this.#windows.length < size || this.#pool.totalCount === 0) return undefined;
    const { lo, hi, counts, completeBelow } = patterns;
    const below = Math.min(completeBelow, ...this.#windows.map((window) => window.completeBelow));
    const rareCount = RARE_BELOW * this.#pool.totalCount;
    let rare = 0;
    let n = 0;
    let first = -1;
    for (let i = 0; i < lo.length; i++) {
      if (hi[i]! >>> 0 >= below) continue;
      n += counts[i]!;
      if (this.#pool.countOf(lo[i]!, hi[i]!) >= rareCount) continue;
      rare += counts[i]!;
      if (first < 0 || counts[i]! > counts[first]!) first = i;
    }
    if (n === 0) return undefined;
    const field = first < 0 ? undefined : this.#fieldThatDiffers(lo[first]!, hi[first]!, keys, rareCount);
    return { share: rare / n, n, field };
  }

  /** The field without which, or with which, the pattern would be the most usual one; the sums of words can be undone. */
  #fieldThatDiffers(lo: number, hi: number, keys: Iterable<string>, rareCount: number): string | undefined {
    let most = rareCount;
    let found: string | undefined;
    for (const key of keys) {
      const word = absenceWord(key);
      const count = Math.max(
        this.#pool.countOf((lo - word.lo) | 0, (hi - word.hi) | 0),
        this.#pool.countOf((lo + word.lo) | 0, (hi + word.hi) | 0),
      );
      if (count < most || (found !== undefined && count === most)) continue;
      most = count;
      found = key;
    }
    return found;
  }

  /** Takes a window in, and lets the oldest beyond `size` go. */
  learn(patterns: SampledCounts, size: number): void {
    while (this.#windows.length >= size) {
      this.#pool.remove(this.#windows.shift()!);
      this.#rows.shift();
    }
    this.#add(patterns);
  }

  /** varint windows, each its patterns as counts. */
  write(writer: ByteWriter): void {
    writer.varint(this.#windows.length);
    for (const window of this.#windows) writeCounts(writer, window);
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(reader: ByteReader): PatternReference {
    const reference = new PatternReference();
    for (let left = reader.count(2); left > 0; left--) reference.#add(readCounts(reader));
    return reference;
  }

  #add(patterns: SampledCounts): void {
    this.#windows.push(patterns);
    this.#rows.push(countOfAll(patterns));
    if (!this.#pool.add(patterns, undefined)) throw new RangeError("Cannot learn null patterns: there are too many");
  }
}
