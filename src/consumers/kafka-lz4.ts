/**
 * LZ4 frames (format version 1.6.x), as Kafka's producers write them: blocks of at most 4 MB, which may refer to those
 * before. Checksums are skipped: TCP and the batch's CRC guard the bytes on their way. No dictionaries.
 *
 * A library was not taken: lz4js 0.2 neither checks bounds nor limits its output.
 */

/** @throws {RangeError} for damaged bytes, or when the output would be longer than `maxBytes`. */
export function unpackLz4(packed: Uint8Array, maxBytes: number): Uint8Array {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const output = new Lz4Output(maxBytes);
  for (let at = 0; at < packed.length; ) at = unpackFrame(packed, view, at, output);
  return output.bytes();
}

const MAGIC = 0x184d2204;
const UNCOMPRESSED = 0x80000000;
const BLOCK_CHECKSUM = 0x10;
const CONTENT_SIZE = 0x08;
const CONTENT_CHECKSUM = 0x04;
const DICTIONARY = 0x01;
const MIN_MATCH = 4;

/** Where the frame ends. */
function unpackFrame(packed: Uint8Array, view: DataView, start: number, output: Lz4Output): number {
  if (view.getUint32(start, true) !== MAGIC) throw new RangeError("lz4: no frame begins here");
  const flags = view.getUint8(start + 4);
  if (flags >> 6 !== 1) throw new RangeError("lz4: a frame of unknown version");
  if ((flags & DICTIONARY) !== 0) throw new RangeError("lz4: the frame needs a dictionary");
  let at = start + 7 + ((flags & CONTENT_SIZE) === 0 ? 0 : 8);
  for (;;) {
    const header = view.getUint32(at, true);
    at += 4;
    if (header === 0) break;
    const length = header & ~UNCOMPRESSED;
    const end = at + length;
    if (end > packed.length) throw new RangeError("lz4: a block is cut off");
    if ((header & UNCOMPRESSED) === 0) unpackBlock(packed, at, end, output);
    else output.literals(packed, at, length);
    at = end + ((flags & BLOCK_CHECKSUM) === 0 ? 0 : 4);
  }
  return at + ((flags & CONTENT_CHECKSUM) === 0 ? 0 : 4);
}

function unpackBlock(packed: Uint8Array, start: number, end: number, output: Lz4Output): void {
  let at = start;
  /** Bytes of 255 and the first that is less are added. */
  const extended = (length: number): number => {
    let sum = length;
    for (let byte = 255; byte === 255; ) {
      if (at >= end) throw new RangeError("lz4: a length is cut off");
      byte = packed[at++]!;
      sum += byte;
    }
    return sum;
  };
  while (at < end) {
    const token = packed[at++]!;
    const literals = token >> 4 === 15 ? extended(15) : token >> 4;
    if (literals > end - at) throw new RangeError("lz4: literals are cut off");
    output.literals(packed, at, literals);
    at += literals;
    // The last sequence of a block has no match.
    if (at === end) return;
    if (at + 2 > end) throw new RangeError("lz4: a match is cut off");
    const distance = packed[at]! | (packed[at + 1]! << 8);
    at += 2;
    output.match(distance, ((token & 15) === 15 ? extended(15) : token & 15) + MIN_MATCH);
  }
}

/** Grows as needed, so that only what is really unpacked costs memory. */
class Lz4Output {
  readonly #maxBytes: number;
  #bytes = new Uint8Array(1 << 16);
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  literals(from: Uint8Array, at: number, count: number): void {
    this.#reserve(count);
    this.#bytes.set(from.subarray(at, at + count), this.#length);
    this.#length += count;
  }

  /** Repeats what stands `distance` bytes before; may overlap its own output. */
  match(distance: number, count: number): void {
    if (distance === 0 || distance > this.#length) throw new RangeError("lz4: a match begins before the output");
    this.#reserve(count);
    const bytes = this.#bytes;
    let to = this.#length;
    if (distance >= count) bytes.copyWithin(to, to - distance, to - distance + count);
    else for (const end = to + count; to < end; to += 1) bytes[to] = bytes[to - distance]!;
    this.#length += count;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed > this.#maxBytes) throw new RangeError(`lz4: the output is larger than ${this.#maxBytes} bytes`);
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(needed, 2 * this.#bytes.length)));
    grown.set(this.bytes());
    this.#bytes = grown;
  }
}
