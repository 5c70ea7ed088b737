/**
 * How many values of a field equal the one before them in the same sequence: how many were compared, how many were equal, and of
 * each sequence the hashes of its first and its last value. A sequence is what one writer schema wrote to one partition: rows
 * of several schemas are decoded apart. Absent values, NaN and ±∞ are passed over.
 *
 * Parts of one partition join as they follow each other: where the one ends before the other begins, the last value of the one is
 * compared with the first of the other. So parts that were cut out of a partition in any places, and joined in any grouping that keeps to
 * neighbours, are the whole. Parts that overlap (slices or windows of the same offsets) are added, and nothing between them is compared.
 *
 * The ends of at most `SEQUENCES_MAX` are kept, those of the lowest partitions and schemas; of others nothing is compared from one
 * part to the next. Values are compared by 32 bits of their hashes: one in 4 · 10^9 is taken for equal that is not.
 */
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";

const VERSION = 1;
/** Some 80 bytes each. */
const SEQUENCES_MAX = 256;
/** Of values whose partition is not said yet. */
const UNPLACED = -1;
/** Schema ids are 32 bits wide. */
const SCHEMAS = 2 ** 32;

/** How what comes follows what is there, of one partition. */
export type Succession = "after" | "before" | "overlapping";

interface Ends {
  first: number;
  last: number;
}

export class Repeats {
  /** Values that had one before them. */
  compared = 0;
  /** Of those, equal to it. */
  equal = 0;
  /** By `sequenceOf()`. */
  readonly #ends = new Map<number, Ends>();

  /** No value came. */
  get isEmpty(): boolean {
    return this.#ends.size === 0 && this.compared === 0;
  }

  /**
   * Takes the values `[from, to)` of a schema that follow in a partition that is not said yet; `hashes`: a word of each; `changes`: how
   * many, from the second on, are not the one before, if somebody has counted them.
   */
  update(schemaId: number, hashes: Int32Array, from: number, to: number, changes?: number): void {
    if (to <= from) return;
    const sequence = sequenceOf(UNPLACED, schemaId);
    const ends = this.#ends.get(sequence);
    const [first, last] = [hashes[from]!, hashes[to - 1]!];
    this.compared += to - from - 1;
    this.equal += to - from - 1 - (changes ?? changesOf(hashes, from, to));
    if (ends === undefined) {
      this.#ends.set(sequence, { first, last });
      this.#limit();
      return;
    }
    this.#compare(ends.last, first);
    ends.last = last;
  }

  /** Says of which partition the values are that were taken. */
  place(partition: number): void {
    for (const [sequence, ends] of [...this.#ends]) {
      if (partitionOf(sequence) !== UNPLACED) continue;
      this.#ends.delete(sequence);
      this.#ends.set(sequence + (partition - UNPLACED) * SCHEMAS, ends);
    }
  }

  clear(): void {
    this.compared = 0;
    this.equal = 0;
    this.#ends.clear();
  }

  /** Takes in what `other` saw, which is neither changed nor kept. */
  merge(other: Repeats, successionOf: (partition: number) => Succession): void {
    this.compared += other.compared;
    this.equal += other.equal;
    for (const [sequence, { first, last }] of other.#ends) {
      const ends = this.#ends.get(sequence);
      if (ends === undefined) {
        this.#ends.set(sequence, { first, last });
        this.#limit();
        continue;
      }
      const partition = partitionOf(sequence);
      switch (partition === UNPLACED ? "after" : successionOf(partition)) {
        case "after":
          this.#compare(ends.last, first);
          ends.last = last;
          break;
        case "before":
          this.#compare(last, ends.first);
          ends.first = first;
          break;
        case "overlapping":
          break;
      }
    }
  }

  /** Version, varint compared, varint equal, varint sequences, each varint (partition + 1) · 2^32 + schema id, i32 first, i32 last. */
  write(w: ByteWriter): void {
    w.u8(VERSION);
    w.varint(this.compared);
    w.varint(this.equal);
    w.varint(this.#ends.size);
    for (const [sequence, { first, last }] of [...this.#ends].sort((a, b) => a[0] - b[0])) {
      w.varint(sequence);
      w.i32(first);
      w.i32(last);
    }
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(r: ByteReader): Repeats {
    r.version(VERSION, "Repeats");
    const repeats = new Repeats();
    repeats.compared = r.varint();
    repeats.equal = r.varint();
    if (repeats.equal > repeats.compared) {
      throw corrupt(`Repeats with ${repeats.equal} equal values of ${repeats.compared}`);
    }
    let before = -1;
    for (let left = r.count(9); left > 0; left--) {
      const sequence = r.varint();
      if (sequence <= before) throw corrupt(`Repeats with sequence ${sequence} after ${before}`);
      before = sequence;
      repeats.#ends.set(sequence, { first: r.i32(), last: r.i32() });
    }
    if (repeats.#ends.size > SEQUENCES_MAX) throw corrupt(`Repeats with ${repeats.#ends.size} sequences`);
    return repeats;
  }

  #compare(a: number, b: number): void {
    this.compared++;
    if (a === b) this.equal++;
  }

  #limit(): void {
    if (this.#ends.size > SEQUENCES_MAX) this.#ends.delete(Math.max(...this.#ends.keys()));
  }
}

function changesOf(hashes: Int32Array, from: number, to: number): number {
  let changes = 0;
  let before = hashes[from]!;
  for (let i = from + 1; i < to; i++) {
    const hash = hashes[i]!;
    const bits = hash ^ before;
    // 1 where a bit is set, without a branch that nobody can predict.
    changes += (bits | -bits) >>> 31;
    before = hash;
  }
  return changes;
}

function sequenceOf(partition: number, schemaId: number): number {
  return (partition - UNPLACED) * SCHEMAS + (schemaId >>> 0);
}

function partitionOf(sequence: number): number {
  return Math.floor(sequence / SCHEMAS) + UNPLACED;
}
