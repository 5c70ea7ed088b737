/**
 * Feeds the values of a run to frequent items. In a column of mostly different values nearly each one would become an item,
 * with a text made for it, and go with the next purge. So a run's values are first counted among themselves, and of those
 * that came once as many as fill the counters are taken for what they end as: purged.
 *
 * Error: those are the items of a sketch of their own, which saw nothing else, purged all of them, and is merged. So the
 * bounds hold as for any merge of frequent items.
 */
import { FrequentItems, type ItemLabels } from "../sketches/frequent-items.ts";
import { type EntryOrder, ValueCounts } from "../sketches/value-counts.ts";
import type { CountedHashes } from "./placed-column.ts";

/** Counts the hashes `[from, to)` once each. `distinct`: the same at most 1024 hashes counted among themselves, if they are. */
export function feedFrequent(
  items: FrequentItems,
  lo: Int32Array,
  hi: Int32Array,
  from: number,
  to: number,
  labels: ItemLabels,
  distinct?: CountedHashes,
): void {
  if (distinct !== undefined && to - from >= PURGED.totalWeight) {
    feedDistinct(items, lo, hi, distinct, labels);
    return;
  }
  for (let start = from; start < to; start += MOST_VALUES) {
    const end = Math.min(to, start + MOST_VALUES);
    if (end - start < PURGED.totalWeight) feedEach(items, lo, hi, start, end, labels);
    else feedCounted(items, lo, hi, start, end, labels);
  }
}

function feedEach(
  items: FrequentItems,
  lo: Int32Array,
  hi: Int32Array,
  from: number,
  to: number,
  labels: ItemLabels,
): void {
  for (let i = from; i < to; i++) PLACES[i - from] = i;
  WEIGHTS.fill(1, 0, to - from);
  items.mergeCounted({ lo, hi, places: PLACES, counts: WEIGHTS, count: to - from }, labels);
}

function feedCounted(
  items: FrequentItems,
  lo: Int32Array,
  hi: Int32Array,
  from: number,
  to: number,
  labels: ItemLabels,
): void {
  SLOTS.fill(0);
  for (let i = from; i < to; i++) {
    const low = lo[i]!;
    const high = hi[i]!;
    let slot = low & SLOT_MASK;
    let first = SLOTS[slot]!;
    while (first !== 0 && (lo[from + first - 1] !== low || hi[from + first - 1] !== high)) {
      slot = (slot + 1) & SLOT_MASK;
      first = SLOTS[slot]!;
    }
    if (first === 0) {
      SLOTS[slot] = i - from + 1;
      COUNTS[i - from] = 1;
    } else {
      COUNTS[first - 1]!++;
      COUNTS[i - from] = 0;
    }
  }
  let singles = 0;
  for (let place = 0; place < to - from; place++) if (COUNTS[place] === 1) singles++;
  let purged = mergePurged(items, singles);
  let count = 0;
  for (let i = from; i < to; i++) {
    const weight = COUNTS[i - from]!;
    if (weight === 0) continue;
    if (weight === 1 && purged > 0) {
      purged--;
      continue;
    }
    PLACES[count] = i;
    WEIGHTS[count++] = weight;
  }
  items.mergeCounted({ lo, hi, places: PLACES, counts: WEIGHTS, count }, labels);
}

function feedDistinct(
  items: FrequentItems,
  lo: Int32Array,
  hi: Int32Array,
  distinct: CountedHashes,
  labels: ItemLabels,
): void {
  const { firsts, counts } = distinct;
  const others = distinct.others(mergePurged(items, distinct.singles));
  const count = others.length;
  for (let i = 0; i < count; i++) {
    const k = others[i]!;
    PLACES[i] = firsts[k]!;
    WEIGHTS[i] = counts[k]!;
  }
  items.mergeCounted({ lo, hi, places: PLACES, counts: WEIGHTS, count }, labels);
}

/** As `feedFrequent()`, of values that are counted already. */
export function feedDictionary(items: FrequentItems, dictionary: ValueCounts, order: EntryOrder): void {
  const { lo, hi, counts, size } = dictionary;
  let singles = 0;
  for (let entry = 0; entry < size; entry++) if (counts[entry] === 1) singles++;
  let purged = mergePurged(items, singles);
  let count = 0;
  for (const entry of dictionary.order(order)) {
    if (counts[entry] === 1 && purged > 0) {
      purged--;
      continue;
    }
    PLACES[count] = entry;
    WEIGHTS[count++] = counts[entry]!;
  }
  items.mergeCounted({ lo, hi, places: PLACES, counts: WEIGHTS, count }, dictionary);
}

/** Returns for how many of the values that came once this stands. */
function mergePurged(items: FrequentItems, singles: number): number {
  const purges = Math.floor(singles / PURGED.totalWeight);
  for (let i = 0; i < purges; i++) items.merge(PURGED);
  return purges * PURGED.totalWeight;
}

/** Counted among themselves at a time: the table stays in the first cache. */
const MOST_VALUES = 1024;
const SLOT_MASK = 4 * MOST_VALUES - 1;
/** Open addressing: place in the run + 1 of the first value with a hash, 0 where there is none. */
const SLOTS = new Uint16Array(SLOT_MASK + 1);
/** How often a value comes, at the place of the first; 0 at the others. */
const COUNTS = new Uint16Array(MOST_VALUES);
/** Scratch: what is left of them, and how often each came. */
const PLACES = new Int32Array(ValueCounts.LIMIT);
const WEIGHTS = new Float64Array(ValueCounts.LIMIT);
const PURGED = purgedOnce();

/** What is left of as many different items as make one purge: no item, an error of 1. */
function purgedOnce(): FrequentItems {
  const items = new FrequentItems();
  for (let item = 0; items.maximumError === 0; item++) items.updateHash(item, item, 1, () => undefined);
  if (items.maximumError !== 1 || items.top(1).length > 0)
    throw new Error("Cannot purge: equal counters are not equal");
  return items;
}
