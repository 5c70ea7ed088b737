/**
 * Frequent items: the heaviest items of a stream with bounds on their counts, in a fixed number of counters.
 *
 * Misra, Gries 1982, with the purge of Anderson et al. 2017, "A high-performance algorithm for identifying frequent items
 * in data streams" (what Apache DataSketches' ItemsSketch does): when all counters are taken, the median counter is
 * subtracted from all and those at or below 0 are dropped; the sum of what was subtracted is the error. Departures: the
 * median is exact, not sampled; a merge joins all counters first and subtracts once, as little as makes them fit (Agarwal et al.
 * 2012, "Mergeable summaries"), and so does `mergeCounted()`, but for a median whenever the slots are full before.
 *
 * Error: lowerBound <= true count <= upperBound always; upperBound - lowerBound = maximumError for every item. A purge takes
 * the median from at least half of the counters + 1, so maximumError <= totalWeight / ((counters + 1) / 2): 1/96.5 = 1.04 % for
 * the default of 256 slots = 192 counters, however it was merged. An item that is not kept occurs at most maximumError times.
 *
 * Items are 64-bit hashes (`hash.ts` says of what); a label comes along, asked for only when an item is newly kept. A number
 * stays one until its text is read: most items go with a purge before that.
 * Longs beyond 2^53 and texts that are no UTF-8 are items of their own, also where labels are equal. Empty: no items, error 0.
 */
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";
import { compareHashes, HashTable } from "./hash-table.ts";
import { sortRange } from "./sort.ts";
import { TextLabels } from "./text-labels.ts";

const VERSION = 1;
/** 1.04 % error in 3 KB and the labels. */
const DEFAULT_CAPACITY = 256;
const LEAST_CAPACITY = 8;
const MOST_CAPACITY = 16_384;
const LOAD = 0.75;
/** What an entry takes at least in bytes: hash, count, label tag. */
const ENTRY_BYTES = 10;

/** `undefined`: the item has no text to show. */
export type ItemLabel = string | number | bigint | undefined;

export interface FrequentItem {
  /** Absent: the item has no text to show. */
  readonly label: string | undefined;
  readonly lo: number;
  readonly hi: number;
  readonly estimate: number;
  readonly lowerBound: number;
  readonly upperBound: number;
}

/** What items are shown as; asked only about those that are newly kept. */
export interface ItemLabels {
  labelAt(place: number): ItemLabel;
  /** Gives a text to an entry of `into`; false: `labelAt()` has something else, or a text that is none of those. */
  giveText(place: number, entry: number, into: TextLabels): boolean;
}

export interface CountedItems {
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  readonly places: Int32Array;
  readonly counts: Float64Array;
  readonly count: number;
}

/** Scratch of `mergeCounted()`: where an entry that has no label yet came from. */
const PLACES = new Int32Array(MOST_CAPACITY);
/** Scratch of a purge: a merge may join as many counters as two sketches have. */
const ASCENDING = new Float64Array(2 * MOST_CAPACITY);
const KEPT = new Int32Array(2 * MOST_CAPACITY);

export class FrequentItems {
  readonly capacity: number;
  readonly #mostItems: number;
  readonly #table = new HashTable();
  /** Of each entry that has no text in `#texts`. */
  readonly #labels: ItemLabel[] = [];
  /** In the order of the entries. */
  readonly #texts = new TextLabels();
  #maximumError = 0;
  #totalWeight = 0;

  /** `capacity` in slots, of which 3/4 are counters, @default 256. */
  constructor(options: { readonly capacity?: number } = {}) {
    this.capacity = options.capacity ?? DEFAULT_CAPACITY;
    if (!Number.isInteger(this.capacity) || this.capacity < LEAST_CAPACITY || this.capacity > MOST_CAPACITY) {
      throw new RangeError(
        `Cannot create FrequentItems: capacity is ${this.capacity}, expected ${LEAST_CAPACITY} to ${MOST_CAPACITY}`,
      );
    }
    this.#mostItems = Math.floor(this.capacity * LOAD);
  }

  /** A sketch of counters that others kept, at most 3/4 of `capacity`, each item once. */
  static of(parts: {
    readonly capacity: number;
    readonly items: readonly (Pick<FrequentItem, "lo" | "hi" | "label"> & { readonly count: number })[];
    readonly totalWeight: number;
    readonly maximumError: number;
  }): FrequentItems {
    const sketch = new FrequentItems(parts);
    for (const { lo, hi, label, count } of parts.items) sketch.updateHash(lo, hi, count, () => label);
    sketch.#totalWeight = parts.totalWeight;
    sketch.#maximumError = parts.maximumError;
    return sketch;
  }

  /** Most that an upper bound is above the true count, and that an item that is not kept can have. */
  get maximumError(): number {
    return this.#maximumError;
  }

  get totalWeight(): number {
    return this.#totalWeight;
  }

  /**
   * Counts an item `count` times; `label` is called only when it is newly kept.
   * @throws {RangeError} when `count` is not a positive integer.
   */
  updateHash(lo: number, hi: number, count: number, label: () => ItemLabel): void {
    if (!(count > 0) || !Number.isSafeInteger(count)) {
      throw new RangeError(`Cannot update FrequentItems: count is ${count}, expected a positive integer`);
    }
    this.#totalWeight += count;
    const entry = this.#table.find(lo, hi);
    if (entry >= 0) {
      this.#table.counts[entry]! += count;
      return;
    }
    this.#labels[this.#table.append(lo, hi, count)] = label();
    if (this.#table.size > this.#mostItems) this.#subtract(Math.floor(this.#table.size / 2));
  }

  /**
   * Counts `count` items at once: the i-th, whose hash stands at `places[i]` of `lo` and `hi`, `counts[i]` times. All are joined before
   * anything is subtracted, as in a merge, as far as the slots reach. `labels` is asked about the places of those that stay.
   */
  mergeCounted({ lo, hi, places, counts, count }: CountedItems, labels: ItemLabels): void {
    const table = this.#table;
    let known = table.size;
    for (let i = 0; i < count; i++) {
      const place = places[i]!;
      const low = lo[place]!;
      const high = hi[place]!;
      const entry = table.find(low, high);
      this.#totalWeight += counts[i]!;
      if (entry >= 0) {
        table.counts[entry]! += counts[i]!;
        continue;
      }
      if (table.size === this.capacity) {
        this.#label(this.#subtract(table.size >>> 1, known), labels);
        known = table.size;
      }
      const fresh = table.append(low, high, counts[i]!);
      PLACES[fresh] = place;
    }
    if (table.size > this.#mostItems) known = this.#subtract(this.#mostItems, known);
    this.#label(known, labels);
  }

  /** The entries from `from` on, which come from `PLACES`. */
  #label(from: number, labels: ItemLabels): void {
    for (let entry = from; entry < this.#table.size; entry++) {
      const place = PLACES[entry]!;
      this.#labels[entry] = labels.giveText(place, entry, this.#texts) ? undefined : labels.labelAt(place);
    }
  }

  /** @throws {Error} when the other has another capacity. */
  merge(other: FrequentItems): void {
    if (other.capacity !== this.capacity) {
      throw new Error(`Cannot merge FrequentItems: capacity is ${other.capacity}, expected ${this.capacity}`);
    }
    const table = this.#table;
    for (let i = 0; i < other.#table.size; i++) {
      const lo = other.#table.lo[i]!;
      const hi = other.#table.hi[i]!;
      const count = other.#table.counts[i]!;
      const entry = table.find(lo, hi);
      if (entry >= 0) {
        table.counts[entry]! += count;
        continue;
      }
      const fresh = table.append(lo, hi, count);
      this.#labels[fresh] = other.#labels[i];
      this.#texts.takeFrom(fresh, other.#texts, i);
    }
    this.#totalWeight += other.#totalWeight;
    this.#maximumError += other.#maximumError;
    if (table.size > this.#mostItems) this.#subtract(this.#mostItems);
  }

  /** The `limit` items of the largest estimate, ties by hash. */
  top(limit: number): FrequentItem[] {
    const { lo, hi, counts } = this.#table;
    // The sort is stable: equal counts stay in the order of their hashes.
    const order = Array.from(this.#table.order()).sort((a, b) => counts[b]! - counts[a]!);
    return order.slice(0, limit).map((entry) => ({
      label: this.#texts.textOf(entry) ?? textOf(this.#labels[entry]),
      lo: lo[entry]!,
      hi: hi[entry]!,
      estimate: counts[entry]! + this.#maximumError,
      lowerBound: counts[entry]!,
      upperBound: counts[entry]! + this.#maximumError,
    }));
  }

  /**
   * Version, varint capacity, varint total weight, varint error, varint items, then for each, by hash: i32 low, i32 high,
   * varint count, u8 1 and string when it has a label, else u8 0.
   */
  write(w: ByteWriter): void {
    w.u8(VERSION);
    w.varint(this.capacity);
    w.varint(this.#totalWeight);
    w.varint(this.#maximumError);
    w.varint(this.#table.size);
    for (const entry of this.#table.order()) {
      w.i32(this.#table.lo[entry]!);
      w.i32(this.#table.hi[entry]!);
      w.varint(this.#table.counts[entry]!);
      if (this.#texts.has(entry)) {
        w.u8(1);
        this.#texts.write(entry, w);
        continue;
      }
      const label = textOf(this.#labels[entry]);
      w.u8(label === undefined ? 0 : 1);
      if (label !== undefined) w.string(label);
    }
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(r: ByteReader): FrequentItems {
    r.version(VERSION, "FrequentItems");
    const capacity = r.varint();
    if (capacity < LEAST_CAPACITY || capacity > MOST_CAPACITY) throw corrupt(`FrequentItems of capacity ${capacity}`);
    const sketch = new FrequentItems({ capacity });
    sketch.#totalWeight = r.varint();
    sketch.#maximumError = r.varint();
    const items = r.count(ENTRY_BYTES);
    if (items > sketch.#mostItems)
      throw corrupt(`FrequentItems with ${items} items, expected at most ${sketch.#mostItems}`);
    let weight = 0;
    for (let i = 0; i < items; i++) {
      const lo = r.i32();
      const hi = r.i32();
      const count = r.varint();
      const tag = r.u8();
      if (tag > 1 || count === 0) throw corrupt(`FrequentItems with label tag ${tag} and count ${count}`);
      if (i > 0 && compareHashes(hi, lo, sketch.#table.hi[i - 1]!, sketch.#table.lo[i - 1]!) <= 0) {
        throw corrupt("FrequentItems with items out of order");
      }
      const entry = sketch.#table.appendAscending(lo, hi, count);
      sketch.#labels[entry] = tag === 1 ? sketch.#readText(entry, r) : undefined;
      weight += count;
    }
    if (weight + sketch.#maximumError > sketch.#totalWeight) {
      throw corrupt(
        `FrequentItems with counters of ${weight} and error ${sketch.#maximumError} over ${sketch.#totalWeight}`,
      );
    }
    return sketch;
  }

  /** A text for an entry, if it is none for `#texts`. */
  #readText(entry: number, r: ByteReader): string | undefined {
    const length = r.count(1);
    return this.#texts.read(entry, r, length) ? undefined : r.text(length);
  }

  /**
   * Takes the counter that has `larger` at or above it from all, and drops those that fall to 0. Of the entries that stay, those that
   * were below `labelled` keep their labels; returns how many they are. `PLACES` says of the others where they came from, then and now.
   */
  #subtract(larger: number, labelled = this.#table.size): number {
    const table = this.#table;
    const ascending = ASCENDING.subarray(0, table.size);
    ascending.set(table.counts.subarray(0, table.size));
    sortRange(ascending, 0, ascending.length);
    const amount = ascending[table.size - 1 - larger]!;
    table.subtract(amount, KEPT);
    const labels = this.#labels;
    let size = 0;
    for (; size < table.size && KEPT[size]! < labelled; size++) labels[size] = labels[KEPT[size]!];
    this.#texts.retain(KEPT, size);
    for (let entry = size; entry < table.size; entry++) PLACES[entry] = PLACES[KEPT[entry]!]!;
    // Shortening the array would make it grow anew after each purge.
    labels.fill(undefined, size);
    this.#maximumError += amount;
    return size;
  }
}

function textOf(label: ItemLabel): string | undefined {
  return label === undefined ? undefined : String(label);
}
