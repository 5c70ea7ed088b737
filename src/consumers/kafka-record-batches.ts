/**
 * The record batches of one partition in a fetch answer. Stands in the place of kafkajs 2.2.4's `decodeMessages`, which
 * takes everything in at once, whatever it unpacks to, passes all records of a batch as arguments of one call (a batch of
 * some 100 000 overflows the stack), and forgets a batch of which compaction has left only the frame (a reader that meets
 * it last never gets past it).
 */
import { StreamgaugeError } from "../core/errors.ts";
import type { FetchedMessage } from "./kafka-batch.ts";
import { MAX_UNPACKED_BYTES } from "./kafka-codecs.ts";

/** Records of an answer, with where it ends. */
export interface FetchedMessages extends Array<FetchedMessage> {
  /** Behind the last batch taken, whose tail may have been compacted away; absent in an empty answer. */
  endOffset?: number;
}

/** The parts of kafkajs' `Decoder` that are used here. */
export interface KafkaDecoder {
  readonly buffer: Buffer;
  offset: number;
  readInt32(): number;
  readBytes(length: number): Buffer;
  canReadBytes(length: number): boolean;
}

export interface RecordDecoders {
  readonly Decoder: new (buffer: Buffer) => KafkaDecoder;
  readonly decodeRecordBatch: (decoder: KafkaDecoder) => Promise<{ readonly records: readonly FetchedMessage[] }>;
  /** The formats before Kafka 0.11. */
  readonly decodeMessageSet: (decoder: KafkaDecoder, length: number) => Promise<FetchedMessages>;
}

/** Not more are taken from one answer once so much is reached; the next fetch begins behind them. */
const ENOUGH_BYTES = MAX_UNPACKED_BYTES / 2;
const ENOUGH_RECORDS = 100_000;
/** A record costs some 600 bytes of memory however short it is: that many in one batch are no accident. */
const MAX_BATCH_RECORDS = 250_000;

// Layout of a record batch (format version 2): base offset int64, length int32, leader epoch int32, magic int8, CRC int32,
// attributes int16, last offset delta int32, two timestamps, producer id int64, epoch int16, sequence int32, count int32.
const LENGTH_AT = 8;
const BODY_AT = 12;
const MAGIC_AT = 16;
const LAST_OFFSET_DELTA_AT = 23;
const COUNT_AT = 57;
const HEADER_BYTES = 61;

/** A batch that this reader will not take in: reading on is not possible, and trying again would not help. */
export class RefusedBatchError extends RangeError {}

export function recordBatchReader(decoders: RecordDecoders): (decoder: KafkaDecoder) => Promise<FetchedMessages> {
  return async (answer) => {
    const messages: FetchedMessages = [];
    const length = answer.readInt32();
    if (length <= 0 || !answer.canReadBytes(length)) return messages;
    const bytes = answer.readBytes(length);
    const decoder = new decoders.Decoder(bytes);
    if (bytes.length > MAGIC_AT && bytes.readInt8(MAGIC_AT) !== 2) return decoders.decodeMessageSet(decoder, length);
    let unpackedBytes = 0;
    // The last batch of an answer may be cut off.
    while (decoder.offset + HEADER_BYTES <= bytes.length) {
      const start = decoder.offset;
      const end = start + BODY_AT + bytes.readInt32BE(start + LENGTH_AT);
      if (end > bytes.length) break;
      const baseOffset = Number(bytes.readBigInt64BE(start));
      const count = bytes.readInt32BE(start + COUNT_AT);
      if (count > MAX_BATCH_RECORDS) throw refused(baseOffset, `it holds ${count} records`);
      let records: readonly FetchedMessage[];
      try {
        ({ records } = await decoders.decodeRecordBatch(decoder));
      } catch (error) {
        throw refused(baseOffset, error instanceof Error ? error.message : String(error));
      }
      for (const record of records) {
        messages.push(record);
        unpackedBytes += record.value?.length ?? 0;
      }
      messages.endOffset = baseOffset + bytes.readInt32BE(start + LAST_OFFSET_DELTA_AT) + 1;
      if (unpackedBytes >= ENOUGH_BYTES || messages.length >= ENOUGH_RECORDS) break;
    }
    return messages;
  };
}

function refused(offset: number, reason: string): RefusedBatchError {
  return new RefusedBatchError(`the record batch at offset ${offset} cannot be read: ${reason}`);
}

/** The refusal in the causes of an error, if it is there. */
export function refusalIn(error: unknown): StreamgaugeError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof RefusedBatchError) return new StreamgaugeError("SG_CORRUPT", cause.message, { cause });
  }
  return undefined;
}
