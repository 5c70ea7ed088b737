/**
 * Bytes as they stand in the state: a deflate stream (RFC 1951).
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { StreamgaugeError } from "../core/errors.ts";

/** An entry beyond this is damaged: the largest, a series of 2,000 metrics, has some 40 MB. */
export const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;
/** Models are written again at every window: speed counts more than the last tenth of size. More memory is a third less time. */
const DEFLATE = { level: 1, memLevel: 9 };
/** What zlib takes at least. */
const MIN_CHUNK_BYTES = 64;
/** Most bytes of a stored block, and what stands in front of them: u8 1 in the last one, u16 length, u16 its complement. */
const BLOCK_BYTES = 0xffff;
const BLOCK_HEADER_BYTES = 5;

export class PackedBytes {
  /** Bytes, unpacked. */
  readonly length: number;
  readonly packed: Uint8Array;

  /** `packed` gives `length` bytes when it is unpacked. */
  constructor(length: number, packed: Uint8Array) {
    this.length = length;
    this.packed = packed;
  }

  static of(value: Uint8Array): PackedBytes {
    return new PackedBytes(value.length, deflateRawSync(value, DEFLATE));
  }

  /**
   * For bytes that are dense already: in the same form, and no smaller. Hashes, which most of a profile are, do not get smaller: a
   * quarter of its size was not worth two thirds of the time that it takes to write one.
   */
  static stored(value: Uint8Array): PackedBytes {
    const blocks = Math.max(1, Math.ceil(value.length / BLOCK_BYTES));
    const packed = new Uint8Array(value.length + blocks * BLOCK_HEADER_BYTES);
    const view = new DataView(packed.buffer);
    let at = 0;
    for (let block = 0; block < blocks; block++) {
      const bytes = value.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
      packed[at] = block === blocks - 1 ? 1 : 0;
      view.setUint16(at + 1, bytes.length, true);
      view.setUint16(at + 3, ~bytes.length, true);
      packed.set(bytes, at + BLOCK_HEADER_BYTES);
      at += BLOCK_HEADER_BYTES + bytes.length;
    }
    return new PackedBytes(value.length, packed);
  }

  /**
   * The bytes, in an array of their own.
   * @throws {StreamgaugeError} `SG_CORRUPT`
   */
  unpack(): Uint8Array {
    const { length, packed } = this;
    if (length > MAX_UNPACKED_BYTES) throw new StreamgaugeError("SG_CORRUPT", `Cannot unpack ${length} bytes of state`);
    let value: Uint8Array | undefined;
    try {
      value = inflateRawSync(packed, {
        // An empty deflate stream is never empty bytes, and a limit of 0 is refused.
        maxOutputLength: Math.max(1, length),
        // Into one buffer, which is not full at the end: zlib would take another one. Garbage of this kind is collected late.
        chunkSize: Math.max(MIN_CHUNK_BYTES, length + 1),
      });
    } catch {
      // What does not unpack is not what was packed.
    }
    if (value?.length !== length)
      throw new StreamgaugeError("SG_CORRUPT", "Cannot unpack state: it is not what was written");
    return value;
  }
}
