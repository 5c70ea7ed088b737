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
    // Zigzag by arithmetic: shifts would cut the number to 32 bits. The sign bit is set apart, because the double of
    // a number beyond 2^52 plus one is beyond what is exact.
    const size = value < 0 ? -(value + 1) : value;
    let group = (size % 64) * 2 + (value < 0 ? 1 : 0);
    for (let rest = Math.floor(size / 64); rest > 0; rest = Math.floor(rest / 128)) {
      this.#bytes[this.#length++] = group | 128;
      group = rest % 128;
    }
    this.#bytes[this.#length++] = group;
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
    this.#need(1);
    let byte = this.#bytes[this.#position++]!;
    const isNegative = (byte & 1) === 1;
    let size = (byte & 127) >>> 1;
    let factor = 64;
    for (let count = 1; byte >= 128; count++) {
      if (count === 10) this.#fail("a varint of more than 10 bytes");
      this.#need(1);
      byte = this.#bytes[this.#position++]!;
      size += (byte & 127) * factor;
      factor *= 128;
    }
    const value = isNegative ? -size - 1 : size;
    if (!Number.isSafeInteger(value)) this.#fail("a long beyond 2^53");
    return value;
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
