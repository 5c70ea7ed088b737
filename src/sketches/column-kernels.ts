/**
 * The kernels of `wasm/hash.ts` over a memory in which columns lie already, so that nothing is copied. Every pointer is an
 * address in it, and all but those of bytes are multiples of 4.
 */
import { compileModule, instanceOf, type WasmMemory } from "../core/wasm-host.ts";
import { HASH_WASM_BASE64 } from "./hash-wasm-module.ts";

/** Of `hashDoubles()`: NaN, ±∞ or -0 is among the values. */
export const HAS_UNCLEAN = 1;
/** Of `hashDoubles()`: one of the values is no integer up to 2^53. */
export const HAS_UNSAFE = 2;
/** Room for the slots of `countDistinct()`. */
export const SLOT_BYTES = 8192;
/** What `countDistinct()` takes at most. */
export const MOST_COUNTED_VALUES = 1024;

/** The hashes are those of `Hasher`. */
export interface ColumnKernels {
  /** Returns `HAS_UNCLEAN` and `HAS_UNSAFE`, or 0. */
  hashDoubles(values: number, count: number, lo: number, hi: number): number;
  hashWords(lows: number, highs: number, count: number, lo: number, hi: number): void;
  /** A value begins at `origin` + its start; 16 bytes behind each are read. */
  hashBytes(origin: number, starts: number, lengths: number, count: number, lo: number, hi: number): void;
  /** Adds hash × factor, in either half, of value i to the words of row i. */
  addToRows(
    lo: number,
    hi: number,
    count: number,
    rowLo: number,
    rowHi: number,
    factorLo: number,
    factorHi: number,
  ): void;
  /** As `addToRows()`, of value i to row `rows[i]`. */
  addToRowsAt(
    lo: number,
    hi: number,
    rows: number,
    count: number,
    rowLo: number,
    rowHi: number,
    factorLo: number,
    factorHi: number,
  ): void;
  /** How many hashes are different; where the k-th of them came first, and how often it came, as 32-bit integers. */
  countDistinct(lo: number, hi: number, count: number, slots: number, firsts: number, counts: number): number;
}

/** `undefined` where there is no WebAssembly. */
export function createColumnKernels(memory: WasmMemory): ColumnKernels | undefined {
  return MODULE === undefined ? undefined : instanceOf<ColumnKernels>(MODULE, memory);
}

const MODULE = compileModule(HASH_WASM_BASE64);
