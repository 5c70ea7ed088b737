/**
 * A column as the sketches want it: hashed, −0 turned into 0, NaN and ±∞ set apart. Made once per batch and
 * used for every slice dimension; arrays are reused from batch to batch.
 *
 * The content hash of a row is, in either half, the sum over its values of hash × factor of (path, index of the element
 * within the row): multilinear hashing of what is hashed already. So it depends neither on the order of the fields in the schema, nor on the schema's id, nor on
 * where the event stands in the log; a null adds nothing. What is hashed where its arrays lie in a memory of WebAssembly gives the
 * same hashes as what is not.
 */
import type { Column, FieldDescriptor } from "../core/column-batch.ts";
import type { ValuePolicy } from "../core/config.ts";
import { type ColumnKernels, HAS_UNCLEAN, HAS_UNSAFE } from "../sketches/column-kernels.ts";
import { hashByteRanges, hashDoubles, hashText, hashWords } from "../sketches/hash.ts";
import { fieldKey, KIND_STATES, type KindStates, levelKey } from "./field-kinds.ts";
import { absenceWord } from "./null-patterns.ts";
import { PlacedColumn } from "./placed-column.ts";

export class PreparedColumn {
  readonly field: FieldDescriptor;
  readonly key: string;
  readonly level: string | undefined;
  readonly states: KindStates;
  readonly policy: ValuePolicy;
  /** Left out of the content hash. */
  readonly ignored: boolean;
  /** See `NullPatterns`. */
  readonly absence: ReturnType<typeof absenceWord>;

  /** Finite values. */
  count = 0;
  rows: Int32Array = new Int32Array(0);
  numbers: Float64Array = new Float64Array(0);
  lo: Int32Array = new Int32Array(0);
  hi: Int32Array = new Int32Array(0);
  starts: Int32Array = new Int32Array(0);
  lengths: Int32Array = new Int32Array(0);
  hashLo = new Int32Array(0);
  hashHi = new Int32Array(0);
  /** Every value is shown as its number. */
  numbersAreLabels = false;
  nullCount = 0;
  nullRows: Int32Array = new Int32Array(0);
  nonFiniteCount = 0;
  nonFiniteRows = new Int32Array(0);
  nonFinite = new Float64Array(0);
  arena: Buffer = Buffer.alloc(0);
  /** Where all values lie in a memory of WebAssembly. */
  placed: PlacedColumn | undefined;

  readonly #pathLo: number;
  readonly #pathHi: number;
  #hashAt = 0;
  #hashHiAt = 0;
  /** NaN, ±∞ or -0 may be among the values. */
  #isUnclean = false;
  #ownLo = new Int32Array(0);
  #ownHi = new Int32Array(0);
  #cleanRows = new Int32Array(0);
  #cleanNumbers = new Float64Array(0);

  constructor(field: FieldDescriptor, fields: readonly FieldDescriptor[], policy: ValuePolicy, ignored: boolean) {
    this.field = field;
    this.key = fieldKey(field.path, field.kind);
    this.level = levelKey(field, fields);
    this.states = KIND_STATES[field.kind];
    this.policy = policy;
    this.ignored = ignored;
    this.absence = absenceWord(this.key);
    const path = hashText(field.path);
    // Odd, so that no bit of a value's hash is lost.
    this.#pathLo = path.lo | 1;
    this.#pathHi = path.hi | 1;
  }

  /** Points to the values of the batch, which are to be hashed. */
  prepare(column: Column, arena: Uint8Array): void {
    const count = column.count;
    this.count = count;
    this.rows = column.rows;
    this.numbers = column.numbers;
    this.lo = column.lo;
    this.hi = column.hi;
    this.starts = column.starts;
    this.lengths = column.lengths;
    this.nullCount = column.nullCount;
    this.nullRows = column.nullRows;
    this.nonFiniteCount = 0;
    this.numbersAreLabels = this.policy === "show" && this.states.identity !== "bytes";
    // The same one from batch to batch, unless it has grown.
    const { buffer, byteOffset, length } = this.arena;
    if (buffer !== arena.buffer || byteOffset !== arena.byteOffset || length !== arena.length) {
      this.arena = Buffer.from(arena.buffer, arena.byteOffset, arena.length);
    }
  }

  /** Hashes the values. */
  hash(): void {
    const { numbers, starts, lengths, count } = this;
    this.placed = undefined;
    this.#isUnclean = true;
    this.#ownLo = grownWords(this.#ownLo, count);
    this.#ownHi = grownWords(this.#ownHi, count);
    this.hashLo = this.#ownLo;
    this.hashHi = this.#ownHi;
    if (this.states.identity === "bytes") {
      hashByteRanges(this.arena, starts, lengths, count, this.hashLo, this.hashHi);
      return;
    }
    hashDoubles(numbers, count, this.hashLo, this.hashHi);
    if (this.states.identity === "long") this.#hashUnsafe(count);
  }

  /**
   * As `hash()`, of arrays that lie in `buffer`; the hashes go to `at`, with room for `capacity` of them; `scratchAt`: for
   * `placed`.
   */
  hashInPlace(kernels: ColumnKernels, buffer: ArrayBuffer, at: number, capacity: number, scratchAt: number): void {
    const { numbers, starts, lengths, count } = this;
    const hiAt = at + hashBytesOf(capacity) / 2;
    this.placed = PlacedColumn.of(kernels, buffer, scratchAt, {
      count,
      hashLo: at,
      hashHi: hiAt,
      numbers: numbers.byteOffset,
      starts: starts.byteOffset,
      lengths: lengths.byteOffset,
      arena: this.arena.byteOffset,
    });
    this.#hashAt = at;
    this.#hashHiAt = hiAt;
    this.#isUnclean = false;
    const { buffer: before, byteOffset, length } = this.hashLo;
    // Those of the batch before, where its columns had as much room.
    if (before !== buffer || byteOffset !== at || length !== capacity) {
      this.hashLo = new Int32Array(buffer, at, capacity);
      this.hashHi = new Int32Array(buffer, hiAt, capacity);
    }
    if (count === 0) return;
    if (this.states.identity === "bytes") {
      kernels.hashBytes(this.arena.byteOffset, starts.byteOffset, lengths.byteOffset, count, at, hiAt);
      return;
    }
    const told = kernels.hashDoubles(numbers.byteOffset, count, at, hiAt);
    this.#isUnclean = (told & HAS_UNCLEAN) !== 0;
    if (this.states.identity === "long" && (told & HAS_UNSAFE) !== 0) this.#hashUnsafe(count);
  }

  /** As `addToRowHashes()`, of words at these addresses, after `hashInPlace()`. */
  addToRowHashesInPlace(kernels: ColumnKernels, rowLoAt: number, rowHiAt: number, rowCount: number): void {
    const { count, rows } = this;
    const [lo, hi] = [this.#hashAt, this.#hashHiAt];
    if (count === rowCount) kernels.addToRows(lo, hi, count, rowLoAt, rowHiAt, this.#pathLo, this.#pathHi);
    else kernels.addToRowsAt(lo, hi, rows.byteOffset, count, rowLoAt, rowHiAt, this.#pathLo, this.#pathHi);
  }

  /** Adds each value to the content hash of its row. */
  addToRowHashes(rowLo: Int32Array, rowHi: Int32Array, rowCount: number): void {
    const { count, rows, hashLo, hashHi } = this;
    let factorLo = this.#pathLo;
    let factorHi = this.#pathHi;
    if (this.field.level < 0 && count === rowCount) {
      // One value in each row: value i is that of row i.
      for (let row = 0; row < count; row++) {
        rowLo[row] = rowLo[row]! + Math.imul(hashLo[row]!, factorLo);
        rowHi[row] = rowHi[row]! + Math.imul(hashHi[row]!, factorHi);
      }
      return;
    }
    if (this.field.level < 0) {
      for (let i = 0; i < count; i++) {
        const row = rows[i]!;
        rowLo[row] = rowLo[row]! + Math.imul(hashLo[i]!, factorLo);
        rowHi[row] = rowHi[row]! + Math.imul(hashHi[i]!, factorHi);
      }
      return;
    }
    let before = -1;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      if (row !== before) {
        before = row;
        factorLo = this.#pathLo;
        factorHi = this.#pathHi;
      } else {
        factorLo = Math.imul(factorLo, NEXT_ELEMENT);
        factorHi = Math.imul(factorHi, NEXT_ELEMENT);
      }
      rowLo[row] = rowLo[row]! + Math.imul(hashLo[i]!, factorLo);
      rowHi[row] = rowHi[row]! + Math.imul(hashHi[i]!, factorHi);
    }
  }

  /** Takes NaN and ±∞ out of the values and turns −0 into 0; copies only when there is one of them. */
  separateNonFinite(): void {
    if (this.states.identity !== "number" || !this.#isUnclean) return;
    const numbers = this.numbers;
    const count = this.count;
    let clean = true;
    for (let i = 0; i < count && clean; i++) {
      const value = numbers[i]!;
      clean = value - value === 0 && (value !== 0 || 1 / value > 0);
    }
    if (!clean) this.#separate(numbers, this.rows, count);
  }

  #separate(numbers: Float64Array, rows: Int32Array, count: number): void {
    this.#cleanNumbers = grownDoubles(this.#cleanNumbers, count);
    this.#cleanRows = grownWords(this.#cleanRows, count);
    this.nonFinite = grownDoubles(this.nonFinite, count);
    this.nonFiniteRows = grownWords(this.nonFiniteRows, count);
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const value = numbers[i]!;
      if (value - value !== 0) {
        this.nonFinite[this.nonFiniteCount] = value;
        this.nonFiniteRows[this.nonFiniteCount++] = rows[i]!;
        continue;
      }
      this.#cleanNumbers[kept] = value + 0;
      this.#cleanRows[kept] = rows[i]!;
      this.hashLo[kept] = this.hashLo[i]!;
      this.hashHi[kept++] = this.hashHi[i]!;
    }
    this.placed = undefined;
    this.count = kept;
    this.numbers = this.#cleanNumbers;
    this.rows = this.#cleanRows;
  }

  /** The words of longs beyond 2^53, whose doubles are rounded. */
  #hashUnsafe(count: number): void {
    const { numbers, hashLo, hashHi } = this;
    for (let i = 0; i < count; i++) {
      if (Number.isSafeInteger(numbers[i]!)) continue;
      this.numbersAreLabels = false;
      hashWords(this.lo.subarray(i), this.hi.subarray(i), 1, ONE_LO, ONE_HI);
      hashLo[i] = ONE_LO[0]!;
      hashHi[i] = ONE_HI[0]!;
    }
  }
}

/** Odd; 5 modulo 8, so that the factors of 2^30 elements are different. */
const NEXT_ELEMENT = 0x2c1b3c6d;
const ONE_LO = new Int32Array(1);
const ONE_HI = new Int32Array(1);

/** Room for the hashes of so many values, in two halves that begin at multiples of 16. */
export function hashBytesOf(count: number): number {
  return 2 * 16 * Math.ceil(count / 4);
}

/** An array of at least `size` entries: the same one when it is large enough; content is not kept. */
export function grownWords(array: Int32Array<ArrayBuffer>, size: number): Int32Array<ArrayBuffer> {
  return array.length >= size ? array : new Int32Array(Math.max(size, array.length * 2));
}

/** As `grownWords()`. */
export function grownDoubles(array: Float64Array<ArrayBuffer>, size: number): Float64Array<ArrayBuffer> {
  return array.length >= size ? array : new Float64Array(Math.max(size, array.length * 2));
}
