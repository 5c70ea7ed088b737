/**
 * A coordinated sample: the distinct values (or rows) whose 64-bit hash is among the 1024 lowest, each with its exact count.
 * Every part of a stream chooses the same values, so the merge is exactly the sample of the whole, in any order.
 * Cohen, Kaplan 2007, "Summarizing data using bottom-k sketches"; distinct count by Bar-Yossef et al. 2002 ((k - 1) / the
 * k-th lowest hash as a fraction), relative standard error 1 / sqrt(k - 2) = 3.1 %.
 *
 * Exact while no more than 1024 distinct hashes came. Empty: duplicateShare `undefined`, distinctEstimate 0.
 *
 * Invariant: every hash at or below the limit that ever came is in the table with all its occurrences. Room for twice the
 * capacity makes trimming rare.
 */
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";
import { compareHashes, HashTable } from "./hash-table.ts";

const VERSION = 2;
/** Duplicate share with a standard deviation of 0.06 % in 16 KB. */
const DEFAULT_CAPACITY = 1024;
const LEAST_CAPACITY = 3;
const MOST_CAPACITY = 8192;
/** Step of the high word, low word and count. */
const ENTRY_BYTES = 6;
const MOST_UINT32 = 0xffff_ffff;
/** Scratch of `merge()`. */
const MERGED_LO = new Int32Array(MOST_CAPACITY);
const MERGED_HI = new Int32Array(MOST_CAPACITY);
const MERGED_COUNTS = new Float64Array(MOST_CAPACITY);

/** Hashes of so many bits less are told apart, when one looks for a bound. */
const BUCKET_SHIFT = 22;
/** Scratch. */
const BUCKETS = new Uint32Array(2 ** (32 - BUCKET_SHIFT));

/** Finds some of many hashes. */
export interface HashFinder {
  /** Places of those whose high word, unsigned, is at most `limit`; valid until it is asked again. */
  findAtMost(limit: number): Int32Array;
}

export class HashSample {
  readonly capacity: number;
  readonly #table = new HashTable();
  /** Largest hash that may be kept, as unsigned words. */
  #limitHi = MOST_UINT32;
  #limitLo = MOST_UINT32;
  #dropped = false;
  #totalCount = 0;

  /** `capacity` in distinct hashes, 3 to 8192, @default 1024. */
  constructor(options: { readonly capacity?: number } = {}) {
    this.capacity = options.capacity ?? DEFAULT_CAPACITY;
    if (!Number.isInteger(this.capacity) || this.capacity < LEAST_CAPACITY || this.capacity > MOST_CAPACITY) {
      throw new RangeError(
        `Cannot create HashSample: capacity is ${this.capacity}, expected ${LEAST_CAPACITY} to ${MOST_CAPACITY}`,
      );
    }
  }

  /** Nothing was dropped: the sample is the whole. */
  get exact(): boolean {
    return !this.#dropped && this.#table.size <= this.capacity;
  }

  /** Distinct hashes in the sample. */
  get size(): number {
    return Math.min(this.#table.size, this.capacity);
  }

  /** Everything that came, in the sample or not. */
  get totalCount(): number {
    return this.#totalCount;
  }

  /** How often the hashes in the sample came. */
  get keptCount(): number {
    this.#trim();
    const { size, counts } = this.#table;
    let total = 0;
    for (let i = 0; i < size; i++) total += counts[i]!;
    return total;
  }

  /** Every hash whose high word, unsigned, is below this is in the sample: 2^32 where nothing was dropped. */
  get completeBelow(): number {
    this.#trim();
    return this.#dropped ? this.#limitHi : 2 ** 32;
  }

  /** The hashes in the sample, ascending. */
  entries(): { readonly lo: number; readonly hi: number; readonly count: number }[] {
    this.#trim();
    const { lo, hi, counts } = this.#table;
    return Array.from(this.#table.order(), (entry) => ({ lo: lo[entry]!, hi: hi[entry]!, count: counts[entry]! }));
  }

  /** Whether it holds of each hash in the sample. */
  every(test: (lo: number, hi: number) => boolean): boolean {
    this.#trim();
    const { lo, hi, size } = this.#table;
    for (let entry = 0; entry < size; entry++) if (!test(lo[entry]!, hi[entry]!)) return false;
    return true;
  }

  /** @throws {RangeError} when `count` is not a positive integer. */
  add(lo: number, hi: number, count = 1): void {
    if (!(count > 0) || !Number.isSafeInteger(count)) {
      throw new RangeError(`Cannot add to HashSample: count is ${count}, expected a positive integer`);
    }
    this.#totalCount += count;
    this.#keep(lo, hi, count);
  }

  /** Hashes `[from, to)`, once each; `finder`: one that knows the same hashes. */
  addMany(lo: Int32Array, hi: Int32Array, from: number, to: number, finder?: HashFinder): void {
    if (to > from) this.#totalCount += to - from;
    let limit = this.#limitHi;
    if (finder !== undefined && limit < MOST_UINT32) {
      const places = finder.findAtMost(limit);
      if (places.length < to - from) this.#dropped = true;
      for (let i = 0; i < places.length; i++) this.#keep(lo[places[i]!]!, hi[places[i]!]!, 1);
      return;
    }
    for (let i = from; i < to; i++) {
      // All but a few of many.
      if (hi[i]! >>> 0 > limit) {
        this.#dropped = true;
        continue;
      }
      this.#keep(lo[i]!, hi[i]!, 1);
      limit = this.#limitHi;
    }
  }

  /** As `add()` of each of the first `size` hashes, which are all different. */
  addCounted(lo: Int32Array, hi: Int32Array, counts: Float64Array, size: number): void {
    let limit = this.#limitHi;
    // Most will not stay: a bound is looked for that enough of them keep to.
    const isBounded = this.#table.size === 0 && size > 2 * this.capacity;
    if (isBounded) {
      const below = BUCKETS.fill(0);
      for (let i = 0; i < size; i++) below[hi[i]! >>> BUCKET_SHIFT]!++;
      let bucket = 0;
      for (let found = below[0]!; found <= this.capacity; found += below[bucket]!) bucket++;
      limit = Math.min(limit, (bucket + 1) * 2 ** BUCKET_SHIFT - 1);
    }
    for (let i = 0; i < size; i++) {
      const count = counts[i]!;
      this.#totalCount += count;
      if (hi[i]! >>> 0 > limit) this.#dropped = true;
      else this.#keep(lo[i]!, hi[i]!, count);
    }
    // What was left out is above the highest that stays.
    if (isBounded) this.#trim();
  }

  /** As new; keeps its arrays for what comes. */
  clear(): void {
    this.#table.clear();
    this.#limitHi = MOST_UINT32;
    this.#limitLo = MOST_UINT32;
    this.#dropped = false;
    this.#totalCount = 0;
  }

  /** @throws {Error} when the other has another capacity. */
  merge(other: HashSample): void {
    if (other.capacity !== this.capacity) {
      throw new Error(`Cannot merge HashSample: capacity is ${other.capacity}, expected ${this.capacity}`);
    }
    // What the other dropped is missing above its limit, so nothing above it can be kept here either: nor is it, because who drops has
    // as many below.
    if (compareHashes(other.#limitHi, other.#limitLo, this.#limitHi, this.#limitLo) < 0) {
      this.#limitHi = other.#limitHi;
      this.#limitLo = other.#limitLo;
    }
    if (other.#dropped) this.#dropped = true;
    this.#totalCount += other.#totalCount;
    const [mine, theirs] = [this.#table, other.#table];
    const theirOrder = theirs.order();
    const lowest = theirOrder[0];
    if (lowest === undefined) return;
    // As of nearly all parts that are far smaller: none of theirs is among the lowest.
    if (theirs.hi[lowest]! >>> 0 > this.#limitHi) {
      this.#dropped = true;
      return;
    }
    const order = mine.order();
    // Both are in order, as what was read or merged is already: the lowest of all are those that come first.
    let size = 0;
    let i = 0;
    let k = 0;
    for (; size < this.capacity && (i < order.length || k < theirOrder.length); size++) {
      const [entry, theirEntry] = [order[i], theirOrder[k]];
      let comparison = -1;
      if (entry === undefined) comparison = 1;
      else if (theirEntry !== undefined) {
        comparison = compareHashes(mine.hi[entry]!, mine.lo[entry]!, theirs.hi[theirEntry]!, theirs.lo[theirEntry]!);
      }
      const lower = comparison <= 0 ? mine : theirs;
      const at = comparison <= 0 ? entry! : theirEntry!;
      MERGED_LO[size] = lower.lo[at]!;
      MERGED_HI[size] = lower.hi[at]!;
      MERGED_COUNTS[size] = lower.counts[at]! + (comparison === 0 ? theirs.counts[theirEntry!]! : 0);
      if (comparison <= 0) i++;
      if (comparison >= 0) k++;
    }
    if (i < order.length || k < theirOrder.length) this.#dropped = true;
    if (size === this.capacity && this.#dropped) {
      this.#limitHi = MERGED_HI[size - 1]! >>> 0;
      this.#limitLo = MERGED_LO[size - 1]! >>> 0;
    }
    mine.replace(MERGED_LO, MERGED_HI, MERGED_COUNTS, size);
  }

  /** Sum of (count - 1) over sum of count, in the sample; `undefined` when empty. */
  duplicateShare(): number | undefined {
    const total = this.keptCount;
    return total === 0 ? undefined : (total - this.#table.size) / total;
  }

  /** Distinct hashes that came. */
  distinctEstimate(): number {
    this.#trim();
    if (!this.#dropped) return this.#table.size;
    const highest = (this.#limitHi * 2 ** 32 + this.#limitLo + 1) / 2 ** 64;
    return (this.capacity - 1) / highest;
  }

  /**
   * Version, varint capacity, varint total, u8 1 when something was dropped, varint size, then by hash: varint of how far its high
   * word is above the one before, i32 low, varint count.
   */
  write(w: ByteWriter): void {
    this.#trim();
    w.u8(VERSION);
    w.varint(this.capacity);
    w.varint(this.#totalCount);
    w.u8(this.#dropped ? 1 : 0);
    w.varint(this.#table.size);
    let before = 0;
    for (const entry of this.#table.order()) {
      const high = this.#table.hi[entry]! >>> 0;
      w.varint(high - before);
      w.i32(this.#table.lo[entry]!);
      w.varint(this.#table.counts[entry]!);
      before = high;
    }
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(r: ByteReader): HashSample {
    r.version(VERSION, "HashSample");
    const capacity = r.varint();
    if (capacity < LEAST_CAPACITY || capacity > MOST_CAPACITY) throw corrupt(`HashSample of capacity ${capacity}`);
    const sample = new HashSample({ capacity });
    sample.#totalCount = r.varint();
    const dropped = r.u8();
    const size = r.count(ENTRY_BYTES);
    // A sample that dropped something is full, and its limit is its highest hash.
    if (dropped > 1 || size > capacity || (dropped === 1 && size < capacity)) {
      throw corrupt(`HashSample of ${size} hashes with dropped ${dropped}, capacity ${capacity}`);
    }
    const table = sample.#table;
    table.reserve(size);
    let total = 0;
    let high = 0;
    for (let i = 0; i < size; i++) {
      const step = r.varint();
      high += step;
      if (high > MOST_UINT32) throw corrupt(`HashSample with a high word of ${high}`);
      const lo = r.i32();
      const hi = high | 0;
      const count = r.varint();
      const ordered = i === 0 || step > 0 || lo >>> 0 > table.lo[i - 1]! >>> 0;
      if (count === 0 || !ordered) throw corrupt("HashSample with a count of 0 or hashes out of order");
      table.appendAscending(lo, hi, count);
      total += count;
    }
    const complete = dropped === 1 ? total < sample.#totalCount : total === sample.#totalCount;
    if (!complete) throw corrupt(`HashSample with counts of ${total} over ${sample.#totalCount}, dropped ${dropped}`);
    if (dropped === 1) {
      sample.#dropped = true;
      sample.#limitHi = table.hi[size - 1]! >>> 0;
      sample.#limitLo = table.lo[size - 1]! >>> 0;
    }
    return sample;
  }

  #keep(lo: number, hi: number, count: number): void {
    const high = hi >>> 0;
    if (high > this.#limitHi || (high === this.#limitHi && lo >>> 0 > this.#limitLo)) {
      this.#dropped = true;
      return;
    }
    const entry = this.#table.find(lo, hi);
    if (entry >= 0) {
      this.#table.counts[entry]! += count;
      return;
    }
    this.#table.append(lo, hi, count);
    if (this.#table.size >= this.capacity * 2) this.#trim();
  }

  /** Drops what is not among the lowest; the highest left becomes the limit. */
  #trim(): void {
    if (this.#table.size <= this.capacity) return;
    const last = this.#table.order()[this.capacity - 1]!;
    this.#dropped = true;
    this.#limitHi = this.#table.hi[last]! >>> 0;
    this.#limitLo = this.#table.lo[last]! >>> 0;
    this.#table.keepLowest(this.capacity);
  }
}
