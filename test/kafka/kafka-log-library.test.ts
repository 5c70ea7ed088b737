import { createRequire } from "node:module";
import * as hostKafkaJs from "kafkajs";
import { describe, expect, test } from "vitest";
import { withoutAborted } from "../../src/consumers/kafka-aborted-filter.ts";
import type { FetchedMessage } from "../../src/consumers/kafka-batch.ts";
import { kafkaLibrary, loadKafkaLibrary } from "../../src/consumers/kafka-library.ts";
import {
  type FetchedMessages,
  type KafkaDecoder,
  type RecordDecoders,
  RefusedBatchError,
  recordBatchReader,
} from "../../src/consumers/kafka-record-batches.ts";
import { SeededRandom } from "../../src/core/random.ts";

const hostRequire = createRequire(import.meta.url);

describe("kafkaLibrary()", () => {
  test("is a copy apart: the host's kafkajs keeps its own modules and codecs", () => {
    const { Kafka, Batch } = kafkaLibrary();
    expect(Kafka).not.toBe(hostKafkaJs.Kafka);
    expect(Object.getPrototypeOf(Batch)).not.toBe(hostRequire("kafkajs/src/consumer/batch"));
    expect(hostRequire("kafkajs/src/consumer/filterAbortedMessages")).not.toBe(withoutAborted);
    expect(() => hostKafkaJs.CompressionCodecs[2]()).toThrow("Snappy compression not implemented");
    expect(kafkaLibrary()).toBe(kafkaLibrary());
  });

  test("asserts at its start what the stock filter gets wrong", () => {
    const overlapping = [
      { producerId: "2", firstOffset: "1" },
      { producerId: "1", firstOffset: "0" },
    ];
    const aborted: FetchedMessages = [message(0, "1"), message(1, "2"), message(2, "2", 0), message(3, "1", 0)];
    const data = { partition: 0, highWatermark: "4", abortedTransactions: overlapping, messages: aborted };
    const { Batch } = loadKafkaLibrary();
    expect(new Batch("t", "0", data).committed.map(({ offset }) => offset)).toEqual(["0", "1"]);
    const ours = new (kafkaLibrary().Batch)("t", "0", data);
    expect([ours.committed, ours.toOffset]).toEqual([[], 4]);
  });
});

describe("withoutAborted()", () => {
  test("keeps exactly the committed records, whatever the interleaving and the order of the list", () => {
    const random = new SeededRandom(98);
    for (let round = 0; round < 500; round += 1) {
      const open = new Map<string, { firstOffset: number; sent: number[] }>();
      const messages: FetchedMessage[] = [];
      const aborted: { producerId: string; firstOffset: string; markerOffset: number }[] = [];
      const visible: string[] = [];
      const end = (producer: string, abort: boolean) => {
        const { firstOffset, sent } = open.get(producer)!;
        open.delete(producer);
        const markerOffset = messages.push(message(messages.length, producer, abort ? 0 : 1)) - 1;
        if (abort) aborted.push({ producerId: producer, firstOffset: String(firstOffset), markerOffset });
        else visible.push(...sent.map(String));
      };
      for (let step = 0; step < 40; step += 1) {
        const producer = String(random.below(4));
        const choice = random.below(10);
        if (choice === 0) {
          visible.push(String(messages.length));
          messages.push({
            ...message(messages.length, "-1"),
            batchContext: { producerId: "-1", inTransaction: false },
          });
        } else if (choice < 7) {
          const transaction = open.get(producer) ?? { firstOffset: messages.length, sent: [] };
          transaction.sent.push(messages.length);
          open.set(producer, transaction);
          messages.push(message(messages.length, producer));
        } else if (open.has(producer)) end(producer, choice !== 7);
      }
      for (const producer of open.keys()) end(producer, true);
      const from = random.below(messages.length);
      const fetched = messages.slice(from);
      // A broker lists those that reach into the answer.
      const listed = aborted.filter(({ markerOffset }) => markerOffset >= from).sort(() => random.below(3) - 1);
      const kept = withoutAborted({ messages: fetched, abortedTransactions: listed });
      const shown = kept.filter(({ isControlRecord }) => !isControlRecord).map(({ offset }) => Number(offset));
      const expected = visible.map(Number).filter((offset) => offset >= from);
      expect(shown).toEqual(expected.sort((a, b) => a - b));
    }
  });
});

describe("recordBatchReader()", () => {
  const decoders = decodersOfKafkaJs();
  const read = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes.length);
    return recordBatchReader(decoders)(new decoders.Decoder(Buffer.concat([length, bytes])));
  };

  test("takes a batch of more records than a call takes arguments", async () => {
    const messages = await read(recordBatch(7, 200_000, 199_999));
    expect([messages.length, messages.at(-1)?.offset, messages.endOffset]).toEqual([200_000, "200006", 200_007]);
  });

  test("tells the end of batches that compaction has emptied, and of a compacted tail", async () => {
    expect(await read(recordBatch(10, 0, 4))).toMatchObject({ length: 0, endOffset: 15 });
    const messages = await read(Buffer.concat([recordBatch(10, 2, 4), recordBatch(15, 0, 0)]));
    expect([messages.map(({ offset }) => offset), messages.endOffset]).toEqual([["10", "11"], 16]);
  });

  test("stops behind enough records, and at a batch that is cut off", async () => {
    const batches = Array.from({ length: 4 }, (_, at) => recordBatch(at * 60_000, 60_000, 59_999));
    expect(await read(Buffer.concat(batches))).toMatchObject({ length: 120_000, endOffset: 120_000 });
    const cut = recordBatch(3, 5, 4);
    const messages = await read(Buffer.concat([recordBatch(0, 3, 2), cut.subarray(0, cut.length - 1)]));
    expect([messages.length, messages.endOffset]).toEqual([3, 3]);
    expect(await read(Buffer.alloc(0))).toMatchObject({ length: 0 });
  });

  test("refuses a batch of too many records, and one whose records are not there", async () => {
    const many = recordBatch(42, 3, 2);
    many.writeInt32BE(250_001, 57);
    await expect(read(many)).rejects.toThrow("the record batch at offset 42 cannot be read: it holds 250001 records");
    many.writeInt32BE(4, 57);
    await expect(read(many)).rejects.toThrow(RefusedBatchError);
  });
});

/** A record of a transaction, or a marker: type 0 aborts, 1 commits. */
function message(offset: number, producerId: string, marker?: 0 | 1): FetchedMessage {
  return {
    offset: String(offset),
    timestamp: "0",
    // A user's key may look like a marker's.
    key: Buffer.from([0, 0, 0, marker ?? 0]),
    value: null,
    headers: {},
    isControlRecord: marker !== undefined,
    batchContext: { producerId, inTransaction: true },
  };
}

function decodersOfKafkaJs(): RecordDecoders {
  return {
    Decoder: hostRequire("kafkajs/src/protocol/decoder") as new (buffer: Buffer) => KafkaDecoder,
    decodeRecordBatch: hostRequire(
      "kafkajs/src/protocol/recordBatch/v0/decoder",
    ) as RecordDecoders["decodeRecordBatch"],
    decodeMessageSet: hostRequire("kafkajs/src/protocol/messageSet/decoder") as RecordDecoders["decodeMessageSet"],
  };
}

/** Format version 2, of records without key and value. */
function recordBatch(baseOffset: number, count: number, lastOffsetDelta: number): Buffer {
  const header = Buffer.alloc(61);
  header.writeBigInt64BE(BigInt(baseOffset), 0);
  header.writeInt8(2, 16);
  header.writeInt32BE(lastOffsetDelta, 23);
  header.writeBigInt64BE(-1n, 43);
  header.writeInt32BE(count, 57);
  const records: number[] = [];
  for (let delta = 0; delta < count; delta += 1) {
    const offsetDelta = varInt(delta);
    // Length, attributes, time, offset, no key, no value, no headers.
    records.push(...varInt(5 + offsetDelta.length), 0, 0, ...offsetDelta, 1, 1, 0);
  }
  const batch = Buffer.concat([header, Buffer.from(records)]);
  batch.writeInt32BE(batch.length - 12, 8);
  return batch;
}

/** Zigzag, then 7 bits a byte. */
function varInt(value: number): number[] {
  const bytes: number[] = [];
  let rest = value * 2;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return bytes;
}
