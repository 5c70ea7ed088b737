/**
 * Bytes that tell when they are damaged:
 *
 *     content … | 64-bit hash of the content, little-endian low word first
 *
 * Of more than one block of content it is the hash of the blocks' hashes: a hash of megabytes at once does not fit into the
 * memory of the hash kernel.
 */
import { StreamgaugeError } from "../core/errors.ts";
import { ByteReader, type ByteWriter } from "../sketches/bytes.ts";
import { hashByteRanges } from "../sketches/hash.ts";

const SEAL_BYTES = 8;
const BLOCK_BYTES = 256 * 1024;

/** What was written, sealed. */
export function sealed(writer: ByteWriter): Uint8Array {
  seal(writer);
  return writer.finish();
}

/** Writes the seal behind the content. */
export function seal(writer: ByteWriter): void {
  const { lo, hi } = sealOf(writer.written());
  writer.i32(lo);
  writer.i32(hi);
}

/**
 * What `read` makes of sealed content, all of which it must use.
 * @throws {StreamgaugeError} `SG_CORRUPT` when the seal does not fit, or the content does not read.
 */
export function readSealed<T>(what: string, bytes: Uint8Array, read: (reader: ByteReader) => T): T {
  const length = bytes.length - SEAL_BYTES;
  if (length < 0) throw new StreamgaugeError("SG_CORRUPT", `Cannot read ${what}: ${bytes.length} bytes`);
  const content = bytes.subarray(0, length);
  const view = new DataView(bytes.buffer, bytes.byteOffset + length, SEAL_BYTES);
  const seal = sealOf(content);
  if (view.getInt32(0, true) !== seal.lo || view.getInt32(4, true) !== seal.hi) {
    throw new StreamgaugeError("SG_CORRUPT", `Cannot read ${what}: its ${bytes.length} bytes are damaged`);
  }
  const reader = new ByteReader(content);
  let result: T;
  try {
    result = read(reader);
  } catch (error) {
    if (error instanceof StreamgaugeError) throw error;
    throw new StreamgaugeError("SG_CORRUPT", `Cannot read ${what}: unexpected content`, { cause: error });
  }
  if (reader.remaining !== 0) {
    throw new StreamgaugeError("SG_CORRUPT", `Cannot read ${what}: ${reader.remaining} bytes left over`);
  }
  return result;
}

function sealOf(content: Uint8Array): { lo: number; hi: number } {
  if (content.length <= BLOCK_BYTES) return hashOf(content);
  const words = new Int32Array(2 * Math.ceil(content.length / BLOCK_BYTES));
  for (let from = 0, word = 0; from < content.length; from += BLOCK_BYTES) {
    const { lo, hi } = hashOf(content.subarray(from, from + BLOCK_BYTES));
    words[word++] = lo;
    words[word++] = hi;
  }
  return sealOf(new Uint8Array(words.buffer));
}

function hashOf(bytes: Uint8Array): { lo: number; hi: number } {
  const lo = new Int32Array(1);
  const hi = new Int32Array(1);
  hashByteRanges(bytes, Int32Array.of(0), Int32Array.of(bytes.length), 1, lo, hi);
  return { lo: lo[0]!, hi: hi[0]! };
}
