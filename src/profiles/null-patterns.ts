/**
 * Which fields of a row have no value, as one 64-bit hash per row: in either half, the sum of a word of each field of the row's
 * schema that is null or missing. So it depends neither on the order of the fields, nor on fields that another schema has; 0 is a row
 * in which nothing is absent. Elements of arrays and maps are not part of it: whether the array is there is.
 */
import type { Column } from "../core/column-batch.ts";
import { hashText } from "../sketches/hash.ts";
import type { HashSample } from "../sketches/hash-sample.ts";

/** More patterns than this are a sample of them: a table of 20 fields has some ten. */
export const PATTERNS_MAX = 256;

/** What a field adds to the pattern of a row that has no value of it; of `fieldKey()`. */
export function absenceWord(key: string): { readonly lo: number; readonly hi: number } {
  return hashText(key);
}

export class NullPatterns {
  #lo = new Int32Array(0);
  #hi = new Int32Array(0);
  #isComplete = true;

  /** Forgets the batch before; `rowCount` rows come. */
  begin(rowCount: number): void {
    this.#isComplete = true;
    if (this.#lo.length >= rowCount) return;
    this.#lo = new Int32Array(rowCount);
    this.#hi = new Int32Array(rowCount);
  }

  /** Takes a column as the reader filled it, NaN and ±∞ among its values; `word` is that of its field. */
  add(column: Column, rowCount: number, word: { readonly lo: number; readonly hi: number }): void {
    const { rows, count, nullRows, nullCount } = column;
    if (column.field.level >= 0 || count === rowCount) return;
    if (this.#isComplete) {
      this.#isComplete = false;
      this.#lo.fill(0, 0, rowCount);
      this.#hi.fill(0, 0, rowCount);
    }
    const lo = this.#lo;
    const hi = this.#hi;
    if (count + nullCount === rowCount) {
      for (let i = 0; i < nullCount; i++) {
        const row = nullRows[i]!;
        lo[row] = lo[row]! + word.lo;
        hi[row] = hi[row]! + word.hi;
      }
      return;
    }
    let at = 0;
    for (let row = 0; row < rowCount; row++) {
      if (at < count && rows[at] === row) {
        at++;
        continue;
      }
      lo[row] = lo[row]! + word.lo;
      hi[row] = hi[row]! + word.hi;
    }
  }

  /** Counts the patterns of the rows `order[from, to)`. */
  countInto(patterns: HashSample, order: Int32Array, from: number, to: number): void {
    if (this.#isComplete) {
      if (to > from) patterns.add(0, 0, to - from);
      return;
    }
    const lo = this.#lo;
    const hi = this.#hi;
    // Equal patterns come in runs.
    for (let i = from; i < to; ) {
      const low = lo[order[i]!]!;
      const high = hi[order[i]!]!;
      const first = i++;
      while (i < to && lo[order[i]!] === low && hi[order[i]!] === high) i++;
      patterns.add(low, high, i - first);
    }
  }
}
