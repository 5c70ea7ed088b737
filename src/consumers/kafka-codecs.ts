/**
 * The compressions of Kafka's record batches, for reading. Every output is limited before it is made: a batch of a few
 * kilobytes can unpack to gigabytes, and whoever may write to the topic can make one.
 */
import { promisify } from "node:util";
import { gunzip, gunzipSync, gzip } from "node:zlib";
import { uncompress as unsnappy } from "snappyjs";
import { AVRO_CODECS } from "./avro-codecs.ts";
import { unpackLz4 } from "./kafka-lz4.ts";

/** A producer's batch is 1 MB unpacked unless configured otherwise (`max.request.size`, `message.max.bytes`). */
export const MAX_UNPACKED_BYTES = 32 << 20;

/** By the attribute bits of a record batch; the shape is that of kafkajs. */
export const KAFKA_CODECS: ReadonlyMap<1 | 2 | 3 | 4, KafkaCodec> = new Map([
  [1, codec(unpackGzip)],
  [2, codec(unpackSnappy)],
  [3, codec((packed) => unpackLz4(packed, MAX_UNPACKED_BYTES))],
  [4, codec((packed) => AVRO_CODECS.get("zstandard")!(packed, MAX_UNPACKED_BYTES))],
]);

export interface KafkaCodec {
  decompress(packed: Buffer): Promise<Buffer>;
  /** Gzip only; nothing here writes compressed. */
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
}

function codec(unpack: (packed: Buffer) => Promise<Uint8Array> | Uint8Array): KafkaCodec {
  return {
    async decompress(packed) {
      const bytes = await unpack(packed);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    compress: ({ buffer }) => promisify(gzip)(buffer),
  };
}

/** Elsewhere what is large; what is small takes longer on its way there and back than to be unpacked. */
function unpackGzip(packed: Buffer): Promise<Buffer> | Buffer {
  const options = { maxOutputLength: MAX_UNPACKED_BYTES };
  return packed.length > SMALL_BYTES ? promisify(gunzip)(packed, options) : gunzipSync(packed, options);
}

/** Of a packed batch: a millisecond or so. */
const SMALL_BYTES = 64 << 10;

/**
 * Java producers write xerial's framing: a header, then blocks, each with its length in front; librdkafka writes it too,
 * others (Go) one raw block.
 */
function unpackSnappy(packed: Buffer): Uint8Array {
  if (!packed.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return unsnappy(packed, MAX_UNPACKED_BYTES);
  const blocks: Uint8Array[] = [];
  let length = 0;
  for (let at = XERIAL_HEADER_BYTES; at < packed.length; ) {
    const end = at + 4 + packed.readUInt32BE(at);
    if (end > packed.length) throw new RangeError("snappy: a block is cut off");
    const block = unsnappy(packed.subarray(at + 4, end), MAX_UNPACKED_BYTES - length);
    length += block.length;
    blocks.push(block);
    at = end;
  }
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks);
}

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
/** Magic, version and lowest compatible version. */
const XERIAL_HEADER_BYTES = 16;
