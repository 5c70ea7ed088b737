/**
 * The kernels of `wasm/hash.ts` and `wasm/figures.ts` over a memory in which columns lie already, so that nothing is copied. Every
 * pointer is an address in it, and all but those of bytes are multiples of 4.
 */
import { compileModule, instanceOf, type WasmMemory } from "../core/wasm-host.ts";
import { FIGURES_WASM_BASE64 } from "./figures-wasm-module.ts";
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
export interface HashKernels {
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

/** Each gives what the loop gives that does the same in TypeScript. */
export interface FigureKernels {
  /** Of at least one finite number, no -0: `DESCRIBED` to `out`, and `BIN_BYTES` of counters to `bins`, unless that is 0. */
  describe(values: number, count: number, bins: number, out: number): void;
  /** `textMeasure()` of each text; a text begins at `origin` + its start; `classes`: 256 bytes, as `CLASSES`. */
  measureTexts(origin: number, starts: number, lengths: number, count: number, classes: number, out: number): void;
  /** How many words, from the second on, are not the one before. */
  countChanges(words: number, count: number): number;
  /** Places of the words that are, unsigned, at most `limit`: to `out`, as 32-bit integers; returns how many. */
  findAtMost(words: number, count: number, limit: number, out: number): number;
  /** How many of the 32-bit counters are 1. */
  countOnes(counters: number, count: number): number;
  /** Places of all counters but the first `skipped` of those that are 1: to `out`; returns how many. */
  findOthers(counters: number, count: number, skipped: number, out: number): number;
}

export type ColumnKernels = HashKernels & FigureKernels;

/** What `describe()` says, each an f64, in this order; `lowestBin` and `highestBin` are keys of `LogLinearHistogram`. */
export const DESCRIBED = [
  "sum",
  "distances",
  "squares",
  "min",
  "max",
  "zeros",
  "negatives",
  "fractions",
  "lowestBin",
  "highestBin",
] as const;

/** `undefined` where there is no WebAssembly. */
export function createHashKernels(memory: WasmMemory): HashKernels | undefined {
  return HASH_MODULE === undefined ? undefined : instanceOf<HashKernels>(HASH_MODULE, memory);
}

/** As `createHashKernels()`. */
export function createColumnKernels(memory: WasmMemory): ColumnKernels | undefined {
  if (HASH_MODULE === undefined || FIGURES_MODULE === undefined) return undefined;
  return { ...instanceOf<HashKernels>(HASH_MODULE, memory), ...instanceOf<FigureKernels>(FIGURES_MODULE, memory) };
}

const HASH_MODULE = compileModule(HASH_WASM_BASE64);
const FIGURES_MODULE = compileModule(FIGURES_WASM_BASE64);
