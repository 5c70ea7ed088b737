/**
 * Counters keyed by a 64-bit hash: entries lie dense, in order of arrival, in typed arrays that double; an index of
 * 16-bit slots (open addressing, linear probing, at most half full) finds them. The owner bounds the number of entries.
 * The index is made when something is first looked for: what is read from bytes is often only passed on.
 *
 * Invariants: 1. every entry [0, size) is found by its hash · 2. no two entries have the same hash.
 */

/** Slots are 16 bits wide and hold an entry's index + 1. */
const MOST_ENTRIES = 32_768;
/** More than any index of an entry. */
const INDEX_RANGE = 65_536;
const FIRST_CAPACITY = 8;
/** Entries with the same top bits from which on insertion would be slow. */
const CROWD = 24;
/** Scratch of `countDistinct()`. */
let FOUND = new Int32Array(1024);
/** Scratch of the sort. */
const STARTS = new Int32Array(MOST_ENTRIES + 1);
/** Scratch of `keepLowest()`. */
const PLACES = new Uint16Array(MOST_ENTRIES);
/** The order of entries that are in order. */
const AS_THEY_LIE = Uint16Array.from({ length: MOST_ENTRIES }, (_, entry) => entry);
/** Room that `clear()` keeps, per entry that was there. */
const KEPT_PER_ENTRY = 16;
/** Up to here capacity grows fourfold: most tables end in the hundreds, and each step costs new arrays. */
const QUICK_GROWTH_BELOW = 512;
/** But for one step: states of some fifty events are the many ones, whose memory counts. */
const SMALL = 32;

/** Hashes that were counted among themselves, in the order of their first coming. */
export interface DistinctHashes {
  readonly size: number;
  /** Where each came first; longer than `size`, as the counts. */
  readonly firsts: Int32Array;
  /** How often it came. */
  readonly counts: Int32Array;
}

export class HashTable {
  size = 0;
  lo!: Int32Array;
  hi!: Int32Array;
  counts!: Float64Array;
  /** Undefined: to be made. */
  #slots: Uint16Array | undefined;
  /** Entries lie in the order of their hashes. */
  #isAscending = false;
  /** Kept until an entry comes or goes. */
  #order: Uint16Array | undefined;

  /** `expectedSize`: entries that need no growing. */
  constructor(expectedSize = 0) {
    let capacity = FIRST_CAPACITY;
    while (capacity < expectedSize) capacity *= 2;
    this.#allocate(capacity, false);
  }

  /** Another table of the same entries. */
  copy(): HashTable {
    const copy = new HashTable();
    copy.size = this.size;
    copy.lo = this.lo.slice();
    copy.hi = this.hi.slice();
    copy.counts = this.counts.slice();
    copy.#slots = this.#slots?.slice();
    copy.#isAscending = this.#isAscending;
    copy.#order = this.#order;
    return copy;
  }

  /** Makes room for `more` entries in one step. */
  reserve(more: number): void {
    let capacity = this.lo.length;
    while (capacity < this.size + more) capacity *= 2;
    if (capacity > this.lo.length) this.#resize(Math.min(capacity, MOST_ENTRIES));
  }

  /** Index of the entry, or -1. */
  find(lo: number, hi: number): number {
    const slots = this.#slots ?? this.#makeIndex();
    const mask = slots.length - 1;
    for (let slot = lo & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot]! - 1;
      if (entry < 0 || (this.lo[entry] === lo && this.hi[entry] === hi)) return entry;
    }
  }

  /**
   * Counts the hashes `[from, to)` once each, new ones as entries of their own, up to the first that would be one more than
   * `limit` entries; returns where that is, or `to`. `firsts[k]` says where the k-th of the new entries came from.
   */
  countMany(lo: Int32Array, hi: Int32Array, from: number, to: number, limit: number, firsts: Int32Array): number {
    let slots = this.#slots ?? this.#makeIndex();
    let mask = slots.length - 1;
    let knownLo = this.lo;
    let knownHi = this.hi;
    let counts = this.counts;
    let fresh = 0;
    for (let i = from; i < to; i++) {
      const low = lo[i]!;
      const high = hi[i]!;
      let slot = low & mask;
      let entry = slots[slot]! - 1;
      while (entry >= 0 && (knownLo[entry] !== low || knownHi[entry] !== high)) {
        slot = (slot + 1) & mask;
        entry = slots[slot]! - 1;
      }
      if (entry >= 0) {
        counts[entry] = counts[entry]! + 1;
        continue;
      }
      if (this.size === limit) return i;
      firsts[fresh++] = i;
      if (this.size < knownLo.length) {
        slots[slot] = this.#put(low, high, 1) + 1;
        continue;
      }
      this.#grow();
      knownLo = this.lo;
      knownHi = this.hi;
      counts = this.counts;
      slots = this.#slots ?? this.#makeIndex();
      mask = slots.length - 1;
      this.#index(slots, this.#put(low, high, 1));
    }
    return to;
  }

  /**
   * As `countMany()`, of hashes that are counted already; `newFirsts` says where the new ones came from. Where there is no room
   * for all it changes nothing, and says false.
   */
  countDistinct(
    lo: Int32Array,
    hi: Int32Array,
    { size: distinct, firsts, counts }: DistinctHashes,
    limit: number,
    newFirsts: Int32Array,
  ): boolean {
    if (FOUND.length < distinct) FOUND = new Int32Array(2 * distinct);
    const found = FOUND;
    let fresh = 0;
    if (this.size === 0) {
      // All are new.
      if (distinct > limit) return false;
      for (let k = 0; k < distinct; k++) newFirsts[fresh++] = k;
    } else {
      const slots = this.#slots ?? this.#makeIndex();
      const mask = slots.length - 1;
      const { lo: knownLo, hi: knownHi } = this;
      // First all slots, then all entries: loads that do not wait for each other overlap, and most entries are where they are looked for.
      for (let k = 0; k < distinct; k++) found[k] = slots[lo[firsts[k]!]! & mask]! - 1;
      for (let k = 0; k < distinct; k++) {
        let entry = found[k]!;
        const first = firsts[k]!;
        const low = lo[first]!;
        const high = hi[first]!;
        if (entry >= 0 && ((knownLo[entry]! ^ low) | (knownHi[entry]! ^ high)) === 0) continue;
        for (let slot = low & mask; entry >= 0 && (knownLo[entry] !== low || knownHi[entry] !== high); ) {
          slot = (slot + 1) & mask;
          entry = slots[slot]! - 1;
        }
        found[k] = entry;
        if (entry < 0) newFirsts[fresh++] = k;
      }
      if (this.size + fresh > limit) return false;
      const known = this.counts;
      for (let k = 0; k < distinct; k++) {
        const entry = found[k]!;
        if (entry >= 0) known[entry] = known[entry]! + counts[k]!;
      }
    }
    if (fresh > 0) this.#appendDistinct(lo, hi, firsts, counts, newFirsts, fresh);
    return true;
  }

  /** Adds `fresh` entries, of which `news` says which of `firsts` they are, and is told where these came from. */
  #appendDistinct(
    lo: Int32Array,
    hi: Int32Array,
    firsts: Int32Array,
    counts: Int32Array,
    news: Int32Array,
    fresh: number,
  ): void {
    this.reserve(fresh);
    this.#order = undefined;
    this.#isAscending = false;
    const { lo: ownLo, hi: ownHi, counts: ownCounts } = this;
    const slots = this.#slots;
    const mask = (slots?.length ?? 0) - 1;
    let entry = this.size;
    for (let i = 0; i < fresh; i++) {
      const k = news[i]!;
      const first = firsts[k]!;
      const low = lo[first]!;
      news[i] = first;
      ownLo[entry] = low;
      ownHi[entry] = hi[first]!;
      ownCounts[entry] = counts[k]!;
      entry++;
      if (slots === undefined) continue;
      let slot = low & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = entry;
    }
    this.size = entry;
  }

  /** Adds an entry that is not there yet and returns its index. */
  append(lo: number, hi: number, count: number): number {
    if (this.size === this.lo.length) this.#grow();
    const entry = this.#put(lo, hi, count);
    if (this.#slots !== undefined) this.#index(this.#slots, entry);
    return entry;
  }

  /** Adds an entry behind all others in the order of hashes, to a table that was empty or was made by this alone. */
  appendAscending(lo: number, hi: number, count: number): number {
    if (this.size > 0 && !this.#isAscending)
      throw new Error("Cannot append to HashTable in order: it has other entries");
    if (this.size === this.lo.length) this.#grow();
    this.#slots = undefined;
    const entry = this.#put(lo, hi, count);
    this.#isAscending = true;
    return entry;
  }

  /** As new, but for its arrays: these stay unless they are far larger than what was in them. */
  clear(): void {
    const { size } = this;
    this.size = 0;
    this.#order = undefined;
    this.#isAscending = false;
    if (this.lo.length > FIRST_CAPACITY && this.lo.length > size * KEPT_PER_ENTRY) {
      let capacity = FIRST_CAPACITY;
      while (capacity < size) capacity *= 2;
      this.#resize(capacity);
    } else {
      this.#slots?.fill(0);
    }
  }

  /**
   * Takes `amount` from each counter and drops those that fall to 0 or below; the rest close up in their order. To `kept`, for each of
   * them, which entry it was.
   */
  subtract(amount: number, kept: Int32Array): void {
    const { lo, hi, counts } = this;
    let size = 0;
    this.#order = undefined;
    for (let entry = 0; entry < this.size; entry++) {
      const count = counts[entry]! - amount;
      if (count <= 0) continue;
      lo[size] = lo[entry]!;
      hi[size] = hi[entry]!;
      counts[size] = count;
      kept[size++] = entry;
    }
    this.size = size;
    if (this.#slots !== undefined) this.#indexAll(this.#slots.fill(0));
  }

  /** Has the first `size` entries of these instead of its own, which are in the order of their hashes. */
  replace(lo: Int32Array, hi: Int32Array, counts: Float64Array, size: number): void {
    this.size = 0;
    this.#slots = undefined;
    this.#order = undefined;
    this.reserve(size);
    const { lo: ownLo, hi: ownHi, counts: ownCounts } = this;
    for (let entry = 0; entry < size; entry++) {
      ownLo[entry] = lo[entry]!;
      ownHi[entry] = hi[entry]!;
      ownCounts[entry] = counts[entry]!;
    }
    this.size = size;
    this.#isAscending = true;
  }

  /** Keeps the `count` lowest hashes, of more; the rest close up in their order. */
  keepLowest(count: number): void {
    const order = this.order();
    const { lo, hi, counts } = this;
    // Of each entry, 1 where it stays; then, + 1, where it goes.
    const places = PLACES.fill(0, 0, this.size);
    for (let i = 0; i < count; i++) places[order[i]!] = 1;
    let size = 0;
    for (let entry = 0; entry < this.size; entry++) {
      if (places[entry] === 0) continue;
      lo[size] = lo[entry]!;
      hi[size] = hi[entry]!;
      counts[size] = counts[entry]!;
      places[entry] = ++size;
    }
    const kept = new Uint16Array(count);
    for (let i = 0; i < count; i++) kept[i] = places[order[i]!]! - 1;
    this.size = size;
    this.#order = kept;
    if (this.#slots !== undefined) this.#indexAll(this.#slots.fill(0));
  }

  /** Indices of all entries, ascending by hash (unsigned, high word first): the same for the same content. */
  order(): Readonly<Uint16Array> {
    this.#order ??= this.#sorted();
    return this.#order;
  }

  #sorted(): Uint16Array {
    const { lo, hi, size } = this;
    if (this.#isAscending) return AS_THEY_LIE.subarray(0, size);
    // Hashes are spread evenly up to the highest one: their top bits put nearly every entry in its place, insertion does the rest.
    let all = 0;
    for (let entry = 0; entry < size; entry++) all |= hi[entry]!;
    const bits = 32 - Math.clz32(Math.max(1, size - 1));
    const shift = Math.max(0, 32 - Math.clz32(all) - bits);
    const starts = STARTS.fill(0, 0, (1 << bits) + 1);
    let most = 0;
    for (let entry = 0; entry < size; entry++) {
      const slot = (hi[entry]! >>> shift) + 1;
      const count = starts[slot]! + 1;
      starts[slot] = count;
      if (count > most) most = count;
    }
    if (most > CROWD) return this.#sortedByKeys();
    for (let i = 1; i <= 1 << bits; i++) starts[i]! += starts[i - 1]!;
    const order = new Uint16Array(size);
    for (let entry = 0; entry < size; entry++) {
      const slot = hi[entry]! >>> shift;
      const at = starts[slot]!;
      order[at] = entry;
      starts[slot] = at + 1;
    }
    return insertionSorted(order, lo, hi);
  }

  /** For keys that are no hashes, many of which share their top bits. */
  #sortedByKeys(): Uint16Array {
    const { lo, hi, size } = this;
    // High word and index in one double: the built-in sort of numbers is many times faster than one that calls back.
    const keys = new Float64Array(size);
    for (let entry = 0; entry < size; entry++) keys[entry] = (hi[entry]! >>> 0) * INDEX_RANGE + entry;
    keys.sort();
    const order = new Uint16Array(size);
    for (let i = 0; i < size; i++) order[i] = keys[i]! % INDEX_RANGE;
    return insertionSorted(order, lo, hi);
  }

  #put(lo: number, hi: number, count: number): number {
    const entry = this.size++;
    this.#order = undefined;
    this.#isAscending = false;
    this.lo[entry] = lo;
    this.hi[entry] = hi;
    this.counts[entry] = count;
    return entry;
  }

  #makeIndex(): Uint16Array {
    const slots = new Uint16Array(this.lo.length * 2);
    this.#indexAll(slots);
    this.#slots = slots;
    return slots;
  }

  /**
   * New arrays, of nothing; `withSlots`: and an index. They lie in one buffer, since each costs the garbage collector the same whatever
   * its size, but for the smallest, which V8 keeps in the objects themselves.
   */
  #allocate(capacity: number, withSlots: boolean): void {
    if (capacity === FIRST_CAPACITY) {
      this.counts = new Float64Array(capacity);
      this.lo = new Int32Array(capacity);
      this.hi = new Int32Array(capacity);
      this.#slots = withSlots ? new Uint16Array(2 * capacity) : undefined;
      return;
    }
    const buffer = new ArrayBuffer(capacity * (withSlots ? 20 : 16));
    this.counts = new Float64Array(buffer, 0, capacity);
    this.lo = new Int32Array(buffer, capacity * 8, capacity);
    this.hi = new Int32Array(buffer, capacity * 12, capacity);
    this.#slots = withSlots ? new Uint16Array(buffer, capacity * 16, 2 * capacity) : undefined;
  }

  #indexAll(slots: Uint16Array): void {
    for (let entry = 0; entry < this.size; entry++) this.#index(slots, entry);
  }

  #index(slots: Uint16Array, entry: number): void {
    const mask = slots.length - 1;
    let slot = this.lo[entry]! & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = entry + 1;
  }

  #grow(): void {
    const full = this.lo.length;
    if (full >= MOST_ENTRIES) throw new RangeError(`Cannot grow HashTable: it holds ${this.size} entries`);
    this.#resize(full < QUICK_GROWTH_BELOW && full !== SMALL ? full * 4 : full * 2);
  }

  #resize(capacity: number): void {
    const { lo, hi, counts, size } = this;
    this.#allocate(capacity, this.#slots !== undefined);
    const { lo: newLo, hi: newHi, counts: newCounts } = this;
    for (let entry = 0; entry < size; entry++) {
      newLo[entry] = lo[entry]!;
      newHi[entry] = hi[entry]!;
      newCounts[entry] = counts[entry]!;
    }
    if (this.#slots !== undefined) this.#indexAll(this.#slots);
  }
}

function insertionSorted(order: Uint16Array, lo: Int32Array, hi: Int32Array): Uint16Array {
  for (let i = 1; i < order.length; i++) {
    const entry = order[i]!;
    let j = i;
    for (; j > 0; j--) {
      const before = order[j - 1]!;
      if (compareHashes(hi[before]!, lo[before]!, hi[entry]!, lo[entry]!) <= 0) break;
      order[j] = before;
    }
    order[j] = entry;
  }
  return order;
}

/** Order of hashes as unsigned 64-bit numbers: negative, 0 or positive. */
export function compareHashes(hiA: number, loA: number, hiB: number, loB: number): number {
  return (hiA >>> 0) - (hiB >>> 0) || (loA >>> 0) - (loB >>> 0);
}
