/**
 * The exact smallest and largest of signed 64-bit integers, which a double does not hold beyond 2^53.
 * Integers come as two's complement words. Empty: `undefined`. Merging is exact in any order.
 */
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";

const VERSION = 1;

export class LongRange {
  #empty = true;
  #minLo = 0;
  #minHi = 0;
  #maxLo = 0;
  #maxHi = 0;

  /** Integers `[from, to)`. */
  updateMany(lo: Int32Array, hi: Int32Array, from: number, to: number): void {
    if (to <= from) return;
    let least = from;
    let most = from;
    for (let i = from + 1; i < to; i++) {
      if (less(lo[i]!, hi[i]!, lo[least]!, hi[least]!)) least = i;
      if (less(lo[most]!, hi[most]!, lo[i]!, hi[i]!)) most = i;
    }
    this.#include(lo[least]!, hi[least]!);
    this.#include(lo[most]!, hi[most]!);
  }

  get isEmpty(): boolean {
    return this.#empty;
  }

  /** As new. */
  clear(): void {
    this.#empty = true;
  }

  merge(other: LongRange): void {
    if (other.#empty) return;
    this.#include(other.#minLo, other.#minHi);
    this.#include(other.#maxLo, other.#maxHi);
  }

  min(): bigint | undefined {
    return this.#empty ? undefined : toBigInt(this.#minLo, this.#minHi);
  }

  max(): bigint | undefined {
    return this.#empty ? undefined : toBigInt(this.#maxLo, this.#maxHi);
  }

  /** Version, u8 1 when there are values, then min and max as i32 low, i32 high. */
  write(w: ByteWriter): void {
    w.u8(VERSION);
    w.u8(this.#empty ? 0 : 1);
    if (this.#empty) return;
    w.i32(this.#minLo);
    w.i32(this.#minHi);
    w.i32(this.#maxLo);
    w.i32(this.#maxHi);
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(r: ByteReader): LongRange {
    r.version(VERSION, "LongRange");
    const range = new LongRange();
    const present = r.u8();
    if (present > 1) throw corrupt(`LongRange with presence ${present}, expected 0 or 1`);
    if (present === 0) return range;
    range.#empty = false;
    range.#minLo = r.i32();
    range.#minHi = r.i32();
    range.#maxLo = r.i32();
    range.#maxHi = r.i32();
    if (less(range.#maxLo, range.#maxHi, range.#minLo, range.#minHi)) throw corrupt("LongRange with max below min");
    return range;
  }

  #include(lo: number, hi: number): void {
    if (this.#empty || less(lo, hi, this.#minLo, this.#minHi)) {
      this.#minLo = lo;
      this.#minHi = hi;
    }
    if (this.#empty || less(this.#maxLo, this.#maxHi, lo, hi)) {
      this.#maxLo = lo;
      this.#maxHi = hi;
    }
    this.#empty = false;
  }
}

function less(loA: number, hiA: number, loB: number, hiB: number): boolean {
  return hiA < hiB || (hiA === hiB && loA >>> 0 < loB >>> 0);
}

function toBigInt(lo: number, hi: number): bigint {
  return (BigInt(hi) << 32n) | BigInt(lo >>> 0);
}
