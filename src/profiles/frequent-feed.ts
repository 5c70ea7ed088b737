/**
 * Feeds the values of a run to frequent items. In a column of mostly different values nearly each one would become an item,
 * with a text made for it, and go with the next purge. So a run's values are first counted among themselves, and of those
 * that came once as many as fill the counters are taken for what they end as: purged.
 *
 * Error: those are the items of a sketch of their own, which saw nothing else, purged all of them, and is merged. So the
 * bounds hold as for any merge of frequent items.
 */
import { FrequentItems } from "../sketches/frequent-items.ts";
import { HashTable } from "../sketches/hash-table.ts";

/** The text of a value, asked for only when it becomes an item. */
export interface TextSource {
  /** The function is the same one every time: it speaks of the value that was last named. */
  textAt(index: number): () => string | undefined;
}

/** Counts the hashes `[from, to)` once each. */
export function feedFrequent(
  items: FrequentItems,
  lo: Int32Array,
  hi: Int32Array,
  from: number,
  to: number,
  source: TextSource,
): void {
  for (let start = from; start < to; start += MOST_VALUES) {
    const end = Math.min(to, start + MOST_VALUES);
    if (end - start < PURGED.totalWeight) {
      for (let i = start; i < end; i++) items.updateHash(lo[i]!, hi[i]!, 1, source.textAt(i));
    } else {
      feedCounted(items, lo, hi, start, end, source);
    }
  }
}

function feedCounted(
  items: FrequentItems,
  lo: Int32Array,
  hi: Int32Array,
  from: number,
  to: number,
  source: TextSource,
): void {
  COUNTED.clear();
  for (let i = COUNTED.countKnown(lo, hi, from, to); i < to; i = COUNTED.countKnown(lo, hi, i + 1, to)) {
    FIRST[COUNTED.append(lo[i]!, hi[i]!, 1)] = i;
  }
  const { size, counts } = COUNTED;
  let singles = 0;
  for (let entry = 0; entry < size; entry++) if (counts[entry] === 1) singles++;
  const purges = Math.floor(singles / PURGED.totalWeight);
  let purged = purges * PURGED.totalWeight;
  for (let entry = 0; entry < size; entry++) {
    const count = counts[entry]!;
    if (count === 1 && purged > 0) purged--;
    else items.updateHash(COUNTED.lo[entry]!, COUNTED.hi[entry]!, count, source.textAt(FIRST[entry]!));
  }
  for (let i = 0; i < purges; i++) items.merge(PURGED);
}

/** Counted among themselves at a time: the table stays in the first cache. */
const MOST_VALUES = 1024;
const COUNTED = new HashTable(MOST_VALUES);
/** Place of the first value of each entry. */
const FIRST = new Int32Array(MOST_VALUES);
const PURGED = purgedOnce();

/** What is left of as many different items as make one purge: no item, an error of 1. */
function purgedOnce(): FrequentItems {
  const items = new FrequentItems();
  for (let item = 0; items.maximumError === 0; item++) items.updateHash(item, item, 1, () => undefined);
  if (items.maximumError !== 1 || items.top(1).length > 0) throw new Error("Cannot purge: equal counters are not equal");
  return items;
}
