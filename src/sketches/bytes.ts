/**
 * The byte codec that every sketch writes with: little-endian, no padding, and read with every bound checked before
 * anything is allocated. Hostile bytes give a `StreamgaugeError` with code `SG_CORRUPT`, never another error.
 *
 * `varint`: unsigned, 7 bits a byte, least significant first, high bit = another byte follows; at most 2^53 - 1.
 * `bytes`, `string`: varint of the length in bytes, then the bytes (UTF-8).
 */
import { StreamgaugeError } from "../core/errors.ts";

const MAX_VARINT_BYTES = 8;
/** A writer that is used again keeps this much. */
const KEPT_BYTES = 1_048_576;
/** Below 128 the length is one byte. */
const MOST_SHORT = 64;

/** A growing buffer. A method refuses with `RangeError` what its format cannot hold. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(initialCapacity = 256) {
    this.#bytes = new Uint8Array(Math.max(16, initialCapacity));
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** Empty again, with the same buffer unless that has become huge. */
  clear(): void {
    this.#length = 0;
    if (this.#bytes.length <= KEPT_BYTES) return;
    this.#bytes = new Uint8Array(KEPT_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#view.setUint16(this.#length, value, true);
    this.#length += 2;
  }

  /** @throws {RangeError} when `value` is not an integer in [0, 2^53). */
  u64(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`Cannot write 64 bits: expected an integer from 0 to 2^53 - 1, got ${value}`);
    }
    this.u32(value % 2 ** 32);
    this.u32(Math.floor(value / 2 ** 32));
  }

  i32(value: number): void {
    this.#reserve(4);
    this.#view.setInt32(this.#length, value, true);
    this.#length += 4;
  }

  /** Every NaN is written as the same bits, so that equal content gives equal bytes. */
  f64(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    if (Number.isNaN(value)) {
      this.#view.setUint32(this.#length, 0, true);
      this.#view.setUint32(this.#length + 4, 0x7ff80000, true);
    }
    this.#length += 8;
  }

  /** `values[from, to)`, none of them NaN. */
  f64s(values: Float64Array, from: number, to: number): void {
    this.#reserve((to - from) * 8);
    const view = this.#view;
    let at = this.#length;
    for (let i = from; i < to; i++) {
      view.setFloat64(at, values[i]!, true);
      at += 8;
    }
    this.#length = at;
  }

  /** @throws {RangeError} when `value` is not an integer in [0, 2^53). */
  varint(value: number): void {
    if (value >>> 0 === value) {
      this.#varint32(value);
      return;
    }
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`Cannot write a varint: expected an integer from 0 to 2^53 - 1, got ${value}`);
    }
    this.#reserve(MAX_VARINT_BYTES);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Nearly every one: integers are shifted in a third of the time that doubles are divided. */
  #varint32(value: number): void {
    this.#reserve(MAX_VARINT_BYTES);
    const bytes = this.#bytes;
    let at = this.#length;
    let rest = value;
    while (rest >>> 0 >= 0x80) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.#length = at;
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  /** Without the length. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** `bytes[from, to)`, a few of them. */
  range(bytes: Uint8Array, from: number, to: number): void {
    this.#reserve(to - from);
    const own = this.#bytes;
    let at = this.#length;
    for (let i = from; i < to; i++) own[at++] = bytes[i]!;
    this.#length = at;
  }

  /** A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD. */
  string(value: string): void {
    if (!this.#ascii(value)) this.bytes(ENCODER.encode(value));
  }

  /** What was written, until more is. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** Short ASCII, which most values are, goes without the encoder: calling it costs more than copying the text. */
  #ascii(value: string): boolean {
    const length = value.length;
    if (length > MOST_SHORT) return false;
    this.#reserve(1 + length);
    const start = this.#length + 1;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      this.#bytes[start + i] = code;
    }
    this.#bytes[start - 1] = length;
    this.#length = start + length;
    return true;
  }

  #reserve(extra: number): void {
    const needed = this.#length + extra;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** Reads `bytes` from the front. Every method throws `StreamgaugeError` `SG_CORRUPT` when the bytes do not fit. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  u8(): number {
    return this.#bytes[this.#advance(1)]!;
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  /** At most 2^53 - 1: what is larger is refused. */
  u64(): number {
    const at = this.#position;
    const value = this.u32() + this.u32() * 2 ** 32;
    this.demand(value <= Number.MAX_SAFE_INTEGER, at, `count ${value}`, "at most 2^53 - 1");
    return value;
  }

  i32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#advance(8), true);
  }

  varint(): number {
    const first = this.#bytes[this.#position];
    if (first !== undefined && first < 0x80) {
      this.#position++;
      return first;
    }
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && i > 0) throw corrupt(`varint with a needless byte at ${this.#position - 1}`);
        if (value > Number.MAX_SAFE_INTEGER) throw corrupt(`varint beyond 2^53 - 1 at ${this.#position - 1}`);
        return value;
      }
      scale *= 0x80;
    }
    throw corrupt(`varint of more than ${MAX_VARINT_BYTES} bytes at ${this.#position - 1}`);
  }

  /** A varint that says how many parts of at least `minimumBytes` each follow: refused when they cannot all be there. */
  count(minimumBytes: number): number {
    const value = this.varint();
    if (value * minimumBytes > this.remaining) {
      throw corrupt(`${value} entries of at least ${minimumBytes} bytes, but ${this.remaining} bytes are left`);
    }
    return value;
  }

  /** A copy. */
  bytes(): Uint8Array {
    const length = this.count(1);
    const start = this.#advance(length);
    return this.#bytes.slice(start, start + length);
  }

  /** A view of the next `length` bytes. */
  raw(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  string(): string {
    return this.text(this.count(1));
  }

  /** Copies the next `length` bytes to `into`, from `at` on, if all of them are ASCII; else they are still the next. */
  ascii(length: number, into: Uint8Array, at: number): boolean {
    if (length > this.remaining) return false;
    const bytes = this.#bytes;
    const start = this.#position;
    let all = 0;
    for (let i = 0; i < length; i++) {
      const byte = bytes[start + i]!;
      into[at + i] = byte;
      all |= byte;
    }
    if (all >= 0x80) return false;
    this.#position = start + length;
    return true;
  }

  /** UTF-8 of `length` bytes. */
  text(length: number): string {
    const start = this.#advance(length);
    try {
      return DECODER.decode(this.#bytes.subarray(start, start + length));
    } catch {
      throw corrupt(`text at ${start} is not UTF-8`);
    }
  }

  /** Refuses what was read from byte `at` on when it does not hold. */
  demand(holds: boolean, at: number, found: string, expected: string): void {
    if (!holds) throw corrupt(`byte ${at}: ${found}, expected ${expected}`);
  }

  /** A byte that can only be `expected`. */
  exactly(expected: number, what: string): void {
    const at = this.#position;
    const value = this.u8();
    this.demand(value === expected, at, `${what} ${value}`, String(expected));
  }

  /** Nothing may be left. */
  end(): void {
    this.demand(this.remaining === 0, this.#position, `${this.remaining} bytes more`, "the end");
  }

  /** Reads the version byte of `what`. */
  version(expected: number, what: string): void {
    const version = this.u8();
    if (version !== expected) throw corrupt(`${what} of version ${version}, expected ${expected}`);
  }

  #advance(length: number): number {
    const start = this.#position;
    if (length > this.#bytes.length - start) {
      throw corrupt(`${length} bytes expected at ${start}, but ${this.remaining} are left`);
    }
    this.#position = start + length;
    return start;
  }
}

/** The error of bytes that are not what they should be. */
export function corrupt(state: string): StreamgaugeError {
  return new StreamgaugeError("SG_CORRUPT", `Cannot read sketch: ${state}`);
}

const ENCODER = new TextEncoder();
/** A leading U+FEFF is part of a value, so it is kept. */
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
