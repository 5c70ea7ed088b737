/** The hash kernels of `wasm/hash.ts`: batches are copied into a memory of their own, and the hashes out of it. */
import { createMemory, type WasmMemory } from "../core/wasm-host.ts";
import { createHashKernels, type HashKernels } from "./column-kernels.ts";
import { type Hasher, PLAIN_HASHER } from "./murmur3.ts";

/** Values at a time: input and output then stay in the processor's nearer caches. */
const BATCH_VALUES = 1024;
/** Of the module's memory; what is longer than this is hashed in plain JavaScript. */
const INPUT_BYTES = 1_048_576;
/** Read, and masked out, behind the last value. */
const SLACK_BYTES = 16;
/** Values lie in an arena with others between them. Up to this distance it costs less to copy those, too. */
const MOST_SPACING_BYTES = 2048;

const SECOND_WORDS = BATCH_VALUES * 4;
const STARTS = INPUT_BYTES + SLACK_BYTES;
const LENGTHS = STARTS + BATCH_VALUES * 4;
const OUT_LO = LENGTHS + BATCH_VALUES * 4;
const OUT_HI = OUT_LO + BATCH_VALUES * 4;
const MEMORY_BYTES = OUT_HI + BATCH_VALUES * 4;

/** `undefined` where there is no WebAssembly. */
export function createWasmHasher(): Hasher | undefined {
  const memory = createMemory(MEMORY_BYTES);
  const kernels = memory && createHashKernels(memory);
  return memory === undefined || kernels === undefined ? undefined : new WasmHasher(kernels, memory);
}

class WasmHasher implements Hasher {
  readonly #kernels: HashKernels;
  readonly #input: Uint8Array;
  readonly #doubles: Float64Array;
  readonly #firstWords: Int32Array;
  readonly #secondWords: Int32Array;
  readonly #starts: Int32Array;
  readonly #lengths: Int32Array;
  readonly #lo: Int32Array;
  readonly #hi: Int32Array;

  constructor(kernels: HashKernels, { buffer }: WasmMemory) {
    this.#kernels = kernels;
    this.#input = new Uint8Array(buffer, 0, INPUT_BYTES);
    this.#doubles = new Float64Array(buffer, 0, BATCH_VALUES);
    this.#firstWords = new Int32Array(buffer, 0, BATCH_VALUES);
    this.#secondWords = new Int32Array(buffer, SECOND_WORDS, BATCH_VALUES);
    this.#starts = new Int32Array(buffer, STARTS, BATCH_VALUES);
    this.#lengths = new Int32Array(buffer, LENGTHS, BATCH_VALUES);
    this.#lo = new Int32Array(buffer, OUT_LO, BATCH_VALUES);
    this.#hi = new Int32Array(buffer, OUT_HI, BATCH_VALUES);
  }

  hashDoubles(values: Float64Array, count: number, outLo: Int32Array, outHi: Int32Array): void {
    for (let from = 0; from < count; from += BATCH_VALUES) {
      const size = Math.min(BATCH_VALUES, count - from);
      this.#doubles.set(values.subarray(from, from + size));
      this.#kernels.hashDoubles(0, size, OUT_LO, OUT_HI);
      this.#copyOut(from, size, outLo, outHi);
    }
  }

  hashWords(lo: Int32Array, hi: Int32Array, count: number, outLo: Int32Array, outHi: Int32Array): void {
    for (let from = 0; from < count; from += BATCH_VALUES) {
      const size = Math.min(BATCH_VALUES, count - from);
      this.#firstWords.set(lo.subarray(from, from + size));
      this.#secondWords.set(hi.subarray(from, from + size));
      this.#kernels.hashWords(0, SECOND_WORDS, size, OUT_LO, OUT_HI);
      this.#copyOut(from, size, outLo, outHi);
    }
  }

  hashByteRanges(
    bytes: Uint8Array,
    starts: Int32Array,
    lengths: Int32Array,
    count: number,
    outLo: Int32Array,
    outHi: Int32Array,
  ): void {
    for (let from = 0; from < count; ) {
      const span = spanOf(starts, lengths, from, Math.min(count, from + BATCH_VALUES));
      if (span.end - span.start > INPUT_BYTES) {
        const one = (array: Int32Array) => array.subarray(from, span.to);
        PLAIN_HASHER.hashByteRanges(bytes, one(starts), one(lengths), 1, one(outLo), one(outHi));
      } else {
        this.#input.set(bytes.subarray(span.start, span.end));
        this.#hashInput(-span.start, starts, lengths, from, span.to, outLo, outHi);
      }
      from = span.to;
    }
  }

  /** Hashes the ranges `[from, to)`, at most a batch, of what was copied to `origin` + its place. */
  #hashInput(
    origin: number,
    starts: Int32Array,
    lengths: Int32Array,
    from: number,
    to: number,
    outLo: Int32Array,
    outHi: Int32Array,
  ): void {
    this.#starts.set(starts.subarray(from, to));
    this.#lengths.set(lengths.subarray(from, to));
    this.#kernels.hashBytes(origin, STARTS, LENGTHS, to - from, OUT_LO, OUT_HI);
    this.#copyOut(from, to - from, outLo, outHi);
  }

  #copyOut(from: number, size: number, outLo: Int32Array, outHi: Int32Array): void {
    outLo.set(size === BATCH_VALUES ? this.#lo : this.#lo.subarray(0, size), from);
    outHi.set(size === BATCH_VALUES ? this.#hi : this.#hi.subarray(0, size), from);
  }
}

/** The first of the values `[from, to)` that lie close together, and the bytes from the first to the last of them. */
function spanOf(starts: Int32Array, lengths: Int32Array, from: number, to: number): Span {
  let start = starts[from]!;
  let end = start + lengths[from]!;
  let i = from + 1;
  for (; i < to; i++) {
    const lower = Math.min(start, starts[i]!);
    const upper = Math.max(end, starts[i]! + lengths[i]!);
    if (upper - lower > Math.min(INPUT_BYTES, (i - from) * MOST_SPACING_BYTES)) break;
    start = lower;
    end = upper;
  }
  return { to: i, start, end };
}

/** Values up to `to`, bytes `[start, end)`. */
interface Span {
  readonly to: number;
  readonly start: number;
  readonly end: number;
}
