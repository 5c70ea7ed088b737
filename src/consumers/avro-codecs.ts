/** The block codecs of Avro containers. Output is limited before it is made: a small block can unpack to anything. */
import { crc32, inflateRawSync } from "node:zlib";
import { decompress as unzstd } from "fzstd";
import { uncompress as unsnappy } from "snappyjs";

export type AvroCodec = (block: Uint8Array, maxBytes: number) => Uint8Array;

/** By the name that stands in `avro.codec`. A codec throws an `Error` for what it cannot unpack. */
export const AVRO_CODECS: ReadonlyMap<string, AvroCodec> = new Map([
  ["null", copy],
  ["deflate", deflate],
  ["snappy", snappy],
  ["zstandard", zstandard],
]);

function copy(block: Uint8Array, maxBytes: number): Uint8Array {
  if (block.length > maxBytes) throw new RangeError(`the block is larger than ${maxBytes} bytes`);
  return new Uint8Array(block);
}

function deflate(block: Uint8Array, maxBytes: number): Uint8Array {
  return inflateRawSync(block, { maxOutputLength: maxBytes });
}

/** Avro adds to raw Snappy the CRC-32 of the unpacked bytes, big-endian. */
function snappy(block: Uint8Array, maxBytes: number): Uint8Array {
  if (block.length < 5) throw new RangeError("snappy: the block is too short");
  const sumAt = block.length - 4;
  const bytes = unsnappy(block.subarray(0, sumAt), maxBytes);
  const expected = new DataView(block.buffer, block.byteOffset + sumAt, 4).getUint32(0);
  if (crc32(bytes) !== expected) throw new RangeError("snappy: the checksum does not match");
  return bytes;
}

/**
 * fzstd allocates what a frame header asks for and knows no limit, so headers and block sizes are read here first
 * (RFC 8878, section 3.1.1), and frames are handed over one by one.
 */
function zstandard(block: Uint8Array, maxBytes: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let at = 0; at < block.length; ) {
    const frame = zstdFrame(block, at, maxBytes);
    if (!frame.skippable) {
      const part = unzstd(block.subarray(at, frame.end));
      length += part.length;
      if (length > maxBytes) throw tooLarge(maxBytes);
      parts.push(part);
    }
    at = frame.end;
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

const ZSTD_BLOCK_MAX = 1 << 17;
/** Blocks that an encoder flushed early are small, but their size is not known before they are unpacked. */
const ZSTD_SLACK = 4;

function zstdFrame(bytes: Uint8Array, start: number, maxBytes: number): { end: number; skippable: boolean } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(start, true);
  if (magic >>> 4 === 0x184d2a5) {
    const end = start + 8 + view.getUint32(start + 4, true);
    if (end > bytes.length) throw new RangeError("zstandard: a frame is cut off");
    return { end, skippable: true };
  }
  if (magic !== 0xfd2fb528) throw new RangeError("zstandard: no frame begins here");
  const flags = view.getUint8(start + 4);
  const singleSegment = (flags & 32) !== 0;
  if ((flags & 3) !== 0) throw new RangeError("zstandard: the frame needs a dictionary");
  const sizeBytes = flags >> 6 === 0 ? Number(singleSegment) : 1 << (flags >> 6);
  let at = start + 5;
  if (!singleSegment) {
    const descriptor = view.getUint8(at++);
    const base = 2 ** (10 + (descriptor >> 3));
    if (base + (base / 8) * (descriptor & 7) > maxBytes) throw tooLarge(maxBytes);
  }
  if (contentSize(view, at, sizeBytes) > maxBytes) throw tooLarge(maxBytes);
  at += sizeBytes;
  let most = 0;
  for (let last = false; !last; ) {
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const type = (header >> 1) & 3;
    const size = header >>> 3;
    last = (header & 1) === 1;
    if (type === 3) throw new RangeError("zstandard: a block of unknown type");
    most += type === 2 ? ZSTD_BLOCK_MAX : size;
    if (most > ZSTD_SLACK * maxBytes) throw tooLarge(maxBytes);
    at += 3 + (type === 1 ? 1 : size);
  }
  if ((flags & 4) !== 0) at += 4;
  if (at > bytes.length) throw new RangeError("zstandard: a frame is cut off");
  return { end: at, skippable: false };
}

function contentSize(view: DataView, at: number, sizeBytes: number): number {
  switch (sizeBytes) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    case 8:
      return Number(view.getBigUint64(at, true));
    default:
      return 0;
  }
}

function tooLarge(maxBytes: number): RangeError {
  return new RangeError(`zstandard: the block is larger than ${maxBytes} bytes`);
}
