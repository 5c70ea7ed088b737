/**
 * A column whose arrays lie in a memory of WebAssembly: kernels take its figures there, with the same result as the loops of the
 * sketches. What it gives is valid until the same is asked of another column of the batch.
 */
import { type ColumnKernels, DESCRIBED, MOST_COUNTED_VALUES, SLOT_BYTES } from "../sketches/column-kernels.ts";
import type { HashFinder } from "../sketches/hash-sample.ts";
import type { DistinctHashes } from "../sketches/hash-table.ts";
import { OVERFLOW_KEY } from "../sketches/log-linear-histogram.ts";
import type { NumberFigures } from "../sketches/moments.ts";
import { CLASSES } from "../sketches/text-shape.ts";

/** Fewer are faster taken one by one. */
const LEAST_VALUES = 64;
const WORDS_BYTES = 4 * MOST_COUNTED_VALUES;
const BIN_COUNT = 2 * OVERFLOW_KEY + 1;
/** Places in the scratch. */
const SLOTS = 0;
const FIRSTS = SLOTS + SLOT_BYTES;
const COUNTS = FIRSTS + WORDS_BYTES;
const PLACES = COUNTS + WORDS_BYTES;
const MEASURES = PLACES + WORDS_BYTES;
const FIGURES = MEASURES + 2 * WORDS_BYTES;
const CLASS_TABLE = FIGURES + 8 * DESCRIBED.length;
const BINS = CLASS_TABLE + CLASSES.length;
/** For all columns of a batch in turn. */
export const SCRATCH_BYTES = 16 * Math.ceil((BINS + 4 * BIN_COUNT) / 16);

/** Figures of numbers, and how many there are in each bin of the histogram. */
export interface BinnedFigures extends NumberFigures {
  /** Counters of the bins from `lowestBin` on. */
  readonly bins: Int32Array;
  readonly lowestBin: number;
}

/** Hashes that were counted among themselves. A class, as an object with a getter of its own would have a hidden class of its own, each time. */
export class CountedHashes implements DistinctHashes {
  readonly size: number;
  readonly firsts: Int32Array;
  readonly counts: Int32Array;
  readonly #kernels: ColumnKernels;
  readonly #scratch: number;

  /** `scratch`: where those of the kernels lie. */
  constructor(kernels: ColumnKernels, scratch: number, size: number, { firsts, counts }: ScratchViews) {
    this.size = size;
    this.firsts = firsts;
    this.counts = counts;
    this.#kernels = kernels;
    this.#scratch = scratch;
  }

  /** Those that came once. Most dictionaries never ask. */
  get singles(): number {
    return this.#kernels.countOnes(this.#scratch + COUNTS, this.size);
  }

  /** Places of all but the first `skipped` that came once. */
  others(skipped: number): Int32Array {
    const scratch = this.#scratch;
    const size = this.#kernels.findOthers(scratch + COUNTS, this.size, skipped, scratch + PLACES);
    return new Int32Array(this.counts.buffer, scratch + PLACES, size);
  }
}

/** Of the scratch of a batch. */
interface ScratchViews {
  readonly buffer: ArrayBuffer;
  readonly at: number;
  readonly firsts: Int32Array;
  readonly counts: Int32Array;
}

let views: ScratchViews | undefined;

/** The same ones as before for the same scratch: made anew for each column they would be most of what the garbage collector finds. */
function scratchViews(buffer: ArrayBuffer, at: number): ScratchViews {
  if (views === undefined || views.buffer !== buffer || views.at !== at) {
    const firsts = new Int32Array(buffer, at + FIRSTS, MOST_COUNTED_VALUES);
    views = { buffer, at, firsts, counts: new Int32Array(buffer, at + COUNTS, MOST_COUNTED_VALUES) };
  }
  return views;
}

/** Addresses of a column, of which those are right that its kind has. */
interface Addresses {
  readonly count: number;
  readonly hashLo: number;
  readonly hashHi: number;
  readonly numbers: number;
  readonly starts: number;
  readonly lengths: number;
  readonly arena: number;
}

export class PlacedColumn implements HashFinder {
  readonly #kernels: ColumnKernels;
  readonly #buffer: ArrayBuffer;
  readonly #scratchAt: number;
  readonly #at: Addresses;

  private constructor(kernels: ColumnKernels, buffer: ArrayBuffer, scratchAt: number, at: Addresses) {
    this.#kernels = kernels;
    this.#buffer = buffer;
    this.#scratchAt = scratchAt;
    this.#at = at;
  }

  /** `undefined` where loops are as fast; `scratchAt`: `SCRATCH_BYTES`. */
  static of(kernels: ColumnKernels, buffer: ArrayBuffer, scratchAt: number, at: Addresses): PlacedColumn | undefined {
    const { count } = at;
    if (count < LEAST_VALUES || count > MOST_COUNTED_VALUES) return undefined;
    return new PlacedColumn(kernels, buffer, scratchAt, at);
  }

  /** The hashes. */
  distinct(): CountedHashes {
    const kernels = this.#kernels;
    const { count, hashLo, hashHi } = this.#at;
    const scratch = this.#scratchAt;
    const [slots, firsts, counts] = [scratch + SLOTS, scratch + FIRSTS, scratch + COUNTS];
    const size = kernels.countDistinct(hashLo, hashHi, count, slots, firsts, counts);
    return new CountedHashes(kernels, scratch, size, scratchViews(this.#buffer, scratch));
  }

  /** Of numbers, all of them finite and none -0. `withBins`: else nothing is in them. */
  describe(withBins: boolean): BinnedFigures {
    const { count, numbers } = this.#at;
    const scratch = this.#scratchAt;
    const binsAt = scratch + BINS;
    this.#kernels.describe(numbers, count, withBins ? binsAt : 0, scratch + FIGURES);
    const told = new Float64Array(this.#buffer, scratch + FIGURES, DESCRIBED.length);
    const lowestBin = told[8]!;
    const bins = withBins ? told[9]! - lowestBin + 1 : 0;
    return {
      count,
      shift: new Float64Array(this.#buffer, numbers, 1)[0]!,
      sum: told[0]!,
      distances: told[1]!,
      squares: told[2]!,
      min: told[3]!,
      max: told[4]!,
      zeros: told[5]!,
      negatives: told[6]!,
      fractions: told[7]!,
      lowestBin,
      bins: new Int32Array(this.#buffer, binsAt + 4 * (OVERFLOW_KEY + lowestBin), bins),
    };
  }

  /** `textMeasure()` of each text, the caller's to change. */
  measures(): Float64Array {
    const { count, arena, starts, lengths } = this.#at;
    const scratch = this.#scratchAt;
    new Uint8Array(this.#buffer, scratch + CLASS_TABLE, CLASSES.length).set(CLASSES);
    this.#kernels.measureTexts(arena, starts, lengths, count, scratch + CLASS_TABLE, scratch + MEASURES);
    return new Float64Array(this.#buffer, scratch + MEASURES, count);
  }

  /** How many values, from the second on, are not the one before, as `Repeats` compares them. */
  changes(): number {
    return this.#kernels.countChanges(this.#at.hashLo, this.#at.count);
  }

  findAtMost(limit: number): Int32Array {
    const { count, hashHi } = this.#at;
    return this.#places(this.#kernels.findAtMost(hashHi, count, limit, this.#scratchAt + PLACES));
  }

  #places(size: number): Int32Array {
    return new Int32Array(this.#buffer, this.#scratchAt + PLACES, size);
  }
}
