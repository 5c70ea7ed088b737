const MAX_HALF = 2 ** 52 - 1;

/**
 * Avro payloads written one behind the other into one growing buffer, as whoever encodes rows of a file needs it:
 * values taken from bytes without a text between, 64-bit integers, and taking back what a wrong union branch wrote.
 */
export class PayloadWriter {
  #bytes: Buffer = Buffer.allocUnsafe(1 << 16);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Zigzag varint of a safe integer. */
  long(value: number): void {
    // Twice the number has to be a safe integer, too.
    if (Math.abs(value) > MAX_HALF) {
      this.bigLong(BigInt(value));
      return;
    }
    this.#reserve(10);
    // Zigzag by arithmetic: shifts would cut the number to 32 bits.
    let rest = value < 0 ? -value * 2 - 1 : value * 2;
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Zigzag varint of a 64-bit integer. */
  bigLong(value: bigint): void {
    this.#reserve(10);
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (rest >= 128n) {
      this.#bytes[this.#length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  float(value: number): void {
    this.#reserve(4);
    this.#length = this.#bytes.writeFloatLE(value, this.#length);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** `source[from, to)` without a length. */
  raw(source: Uint8Array, from = 0, to = source.length): void {
    const count = to - from;
    this.#reserve(count);
    // A call of `set` costs more than a short copy.
    if (count < 32)
      for (let index = 0; index < count; index++) this.#bytes[this.#length + index] = source[from + index]!;
    else this.#bytes.set(source.subarray(from, to), this.#length);
    this.#length += count;
  }

  /** `source[from, to)` behind its length: `string` and `bytes`. */
  prefixed(source: Uint8Array, from = 0, to = source.length): void {
    this.long(to - from);
    this.raw(source, from, to);
  }

  text(value: string): void {
    const start = this.#length;
    if (value.length < 64) {
      this.#reserve(1 + value.length);
      this.#bytes[start] = value.length * 2;
      let index = 0;
      for (; index < value.length; index++) {
        const code = value.charCodeAt(index);
        if (code >= 128) break;
        this.#bytes[start + 1 + index] = code;
      }
      if (index === value.length) {
        this.#length = start + 1 + index;
        return;
      }
    }
    const size = Buffer.byteLength(value, "utf8");
    this.long(size);
    this.#reserve(size);
    this.#length += this.#bytes.write(value, this.#length, size, "utf8");
  }

  /** Forgets everything from `length` on. */
  rewind(length: number): void {
    this.#length = length;
  }

  /** Bytes as they stand, until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A copy of everything written; the writer is empty afterwards. */
  take(): Uint8Array {
    const copy = new Uint8Array(this.view());
    this.#length = 0;
    return copy;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
