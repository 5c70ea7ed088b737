/**
 * Sorts and scans blocks of some hundred doubles, four times as fast as the built-in sort of typed arrays, with the kernels
 * of `wasm/sort.ts`: one distribution into 256 buckets that ascend, then insertion. Buckets are equally wide in value or,
 * where that crowds them (heavy tails), in the logarithm of the distance from where most values lie. What is crowded
 * all the same exceeds the budget of moves, and is left to the built-in sort: the worst case is n log n.
 *
 * Sorted doubles are the same however they were sorted, so where WebAssembly is missing the built-in sort does it all.
 * ±∞ and subnormals are sorted as any value; -0 and 0 are equal; NaN is not allowed.
 */

import { instantiate } from "../core/wasm-host.ts";
import { SORT_WASM_BASE64 } from "./sort-wasm-module.ts";

/** Below, a call costs more than insertion. */
const LEAST_DISTRIBUTED = 32;
/** What the kernels' memory holds. */
const MOST_VALUES = 1024;
/** Below, a call costs more than a loop. */
const LEAST_SCANNED = 32;

/** Sorts `values[from, to)` ascending, in place. */
export function sortRange(values: Float64Array, from: number, to: number): void {
  const count = to - from;
  if (count <= LEAST_DISTRIBUTED) {
    insertionSort(values, from, to);
    return;
  }
  const range = values.subarray(from, to);
  if (KERNELS === undefined || count > MOST_VALUES) {
    range.sort();
    return;
  }
  BLOCK.set(range);
  if (KERNELS.sort(count) === 0) range.sort();
  else values.set(BLOCK.subarray(0, count), from);
}

/**
 * The values `[0, count)` ascending: in place, or in a block that the next call uses again, whichever is faster. What is in
 * `values` afterwards is not told.
 */
export function sorted(values: Float64Array, count: number): Float64Array {
  if (KERNELS === undefined || count > MOST_VALUES || count <= LEAST_DISTRIBUTED) {
    sortRange(values, 0, count);
    return values;
  }
  BLOCK.set(count === values.length ? values : values.subarray(0, count));
  if (KERNELS.sort(count) === 0) BLOCK.subarray(0, count).sort();
  return BLOCK;
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly hasNaN: boolean;
}

/** Of `values[from, to)`, at least one; with a NaN among them, `min` and `max` mean nothing. */
export function boundsOf(values: Float64Array, from: number, to: number): Bounds {
  if (KERNELS === undefined || to - from < LEAST_SCANNED) return plainBounds(values, from, to);
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let hasNaN = false;
  for (let at = from; at < to; at += MOST_VALUES) {
    const end = Math.min(to, at + MOST_VALUES);
    BLOCK.set(values.subarray(at, end));
    KERNELS.scan(end - at);
    min = Math.min(min, BOUNDS[0]!);
    max = Math.max(max, BOUNDS[1]!);
    hasNaN ||= BOUNDS[2] === 1;
  }
  return { min, max, hasNaN };
}

function plainBounds(values: Float64Array, from: number, to: number): Bounds {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let hasNaN = false;
  for (let i = from; i < to; i++) {
    const value = values[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
    hasNaN ||= Number.isNaN(value);
  }
  return { min, max, hasNaN };
}

function insertionSort(values: Float64Array, from: number, to: number): void {
  for (let i = from + 1; i < to; i++) {
    const value = values[i]!;
    let j = i - 1;
    while (j >= from && values[j]! > value) {
      values[j + 1] = values[j]!;
      j--;
    }
    values[j + 1] = value;
  }
}

/** What the module exports. */
interface SortKernels {
  /** Sorts the first values of the memory; 0, with all of them still there, when another sort is faster. */
  sort(count: number): number;
  /** Puts minimum, maximum and 1 for NaN, else 0, at `bounds()`. */
  scan(count: number): void;
  bounds(): number;
}

const KERNELS = instantiate<SortKernels>(SORT_WASM_BASE64);
const MEMORY = KERNELS?.memory.buffer ?? new ArrayBuffer(0);
const BLOCK = new Float64Array(MEMORY, 0, KERNELS === undefined ? 0 : MOST_VALUES);
const BOUNDS = new Float64Array(MEMORY, KERNELS?.bounds() ?? 0, KERNELS === undefined ? 0 : 3);
