/**
 * The primitives of Avro's binary encoding (specification 1.12, "Binary Encoding"), for records whose schema is
 * ours: bounds are checked, so that damaged bytes are an error and never a wild allocation.
 */
import { StreamgaugeError } from "./errors.ts";
import { textOf, utf8 } from "./text.ts";

export class AvroBinaryWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** `int` and `long`: zigzag varint; exact for safe integers. */
  long(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`Cannot write long: ${value} is not a safe integer`);
    this.#reserve(10);
    // Zigzag by arithmetic: shifts would cut the number to 32 bits.
    let rest = value < 0 ? -value * 2 - 1 : value * 2;
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  boolean(value: boolean): void {
    this.raw(Uint8Array.of(value ? 1 : 0));
  }

  string(value: string): void {
    this.bytes(utf8(value));
  }

  bytes(value: Uint8Array): void {
    this.long(value.length);
    this.raw(value);
  }

  /** Bytes as they are, without a length. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

export class AvroBinaryReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position: number;

  constructor(bytes: Uint8Array, position = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  long(): number {
    let result = 0;
    let factor = 1;
    for (let index = 0; index < 10; index++) {
      this.#need(1);
      const byte = this.#bytes[this.#position++]!;
      result += (byte & 127) * factor;
      if (byte < 128) {
        const value = result % 2 === 1 ? -(result + 1) / 2 : result / 2;
        if (!Number.isSafeInteger(value)) this.#fail("a long beyond 2^53");
        return value;
      }
      factor *= 128;
    }
    return this.#fail("a varint of more than 10 bytes");
  }

  double(): number {
    this.#need(8);
    const value = this.#view.getFloat64(this.#position, true);
    this.#position += 8;
    return value;
  }

  boolean(): boolean {
    this.#need(1);
    const byte = this.#bytes[this.#position++]!;
    if (byte > 1) this.#fail(`a boolean of ${byte}`);
    return byte === 1;
  }

  string(): string {
    return textOf(this.bytes());
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    const length = this.long();
    if (length < 0) this.#fail(`a length of ${length}`);
    this.#need(length);
    const start = this.#position;
    this.#position += length;
    return this.#bytes.subarray(start, this.#position);
  }

  #need(count: number): void {
    if (count > this.remaining) this.#fail(`${count} bytes wanted, ${this.remaining} left`);
  }

  #fail(what: string): never {
    throw new StreamgaugeError("SG_CORRUPT", `Cannot read Avro bytes at ${this.#position}: ${what}`);
  }
}
