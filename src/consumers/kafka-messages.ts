/** Records of ours to messages of kafkajs, and back. */
import type { ICustomPartitioner, Message, ProducerBatch, RecordMetadata, TopicMessages } from "kafkajs";
import type { LogRecord, OutputRecord, RecordHeader } from "../core/log.ts";
import { type FetchedMessage, type HeaderValues, safeOffset, type WholeBatch } from "./kafka-batch.ts";
import type { FetchedRange } from "./kafka-claim.ts";
import { partitionForKey } from "./partitioner.ts";

/** A broker takes batches of 1 MiB (`message.max.bytes`), whose frame and record headers count too. */
const MAX_REQUEST_BYTES = 900_000;
/** kafkajs copies the list of a partition's messages for each message. */
const MAX_REQUEST_RECORDS = 1000;
/** Upper bound of what a record's own header takes. */
const RECORD_OVERHEAD_BYTES = 40;

/**
 * Requests that keep the order of `records` and stay below what a broker takes; a record that is larger goes alone.
 * @param nowMs timestamp of records that have none
 */
export function* requestsOf(records: readonly OutputRecord[], nowMs: number): Generator<TopicMessages[]> {
  let byTopic = new Map<string, Message[]>();
  let bytes = 0;
  let count = 0;
  for (const record of records) {
    const message = messageOf(record, nowMs);
    const size = sizeOf(message);
    if (count > 0 && (bytes + size > MAX_REQUEST_BYTES || count === MAX_REQUEST_RECORDS)) {
      yield topicMessages(byTopic);
      byTopic = new Map();
      bytes = 0;
      count = 0;
    }
    bytes += size;
    count += 1;
    const messages = byTopic.get(record.topic);
    if (messages === undefined) byTopic.set(record.topic, [message]);
    else messages.push(message);
  }
  if (byTopic.size > 0) yield topicMessages(byTopic);
}

/** As `OutputRecord.partition` says; records without a key go round. A partition that is not there is an error. */
export const createPartitioner: ICustomPartitioner = () => {
  let turn = 0;
  const choose = ({ topic, partitionMetadata, message }: PartitionerArguments): number => {
    const count = partitionMetadata.length;
    const { key, partition } = message;
    if (partition === undefined || partition === null) {
      // A message that is sent again stays where it was, or the broker could not tell that it has it.
      if (key === undefined || key === null) return PLACES.get(message) ?? turn++ % count;
      return partitionForKey(typeof key === "string" ? Buffer.from(key) : key, count);
    }
    // kafkajs would drop the message in silence.
    if (!partitionMetadata.some(({ partitionId }) => partitionId === partition)) {
      throw new RangeError(`Cannot use ${topic}/${partition}: the topic has ${count} partitions`);
    }
    return partition;
  };
  return (asked) => {
    const place = choose(asked);
    PLACES.set(asked.message, place);
    return place;
  };
};

/**
 * Sends a request with a producer that has our partitioner, and makes sure that each of its partitions was written once.
 * kafkajs asks several brokers at a time and, when one of them fails, only those again that have not answered. Where a
 * partition has moved in between, to a broker that has answered or away from one, it is left out, or written twice,
 * without an error.
 * @throws {Error} something is missing or stands twice: what was sent must not be committed
 */
export async function sendOnce(sender: BatchSender, topicMessages: TopicMessages[]): Promise<void> {
  const answered = (await sender.sendBatch({ topicMessages })).map(
    ({ topicName, partition }) => `${topicName}/${partition}`,
  );
  const missing = new Set<string>();
  for (const { topic, messages } of topicMessages) {
    for (const message of messages) missing.add(`${topic}/${PLACES.get(message)}`);
  }
  for (const place of answered) {
    if (!missing.delete(place)) throw new Error(`kafkajs has sent the records of ${place} twice: its leader has moved`);
  }
  const [lost] = missing;
  if (lost !== undefined) throw new Error(`kafkajs has not sent the records of ${lost}: its leader has moved`);
}

/** A producer or a transaction of kafkajs. */
interface BatchSender {
  sendBatch(batch: ProducerBatch): Promise<RecordMetadata[]>;
}

type PartitionerArguments = Parameters<ReturnType<ICustomPartitioner>>[0];

/** The partition that our partitioner gave a message last. */
const PLACES = new WeakMap<Message, number>();

/** Records are made when they are handed over. */
export function fetchedRange({ fromOffset, toOffset, stableOffset, committed }: WholeBatch): FetchedRange {
  const slice = (from: number, to: number) => committed.slice(from, to).map(logRecord);
  return { fromOffset, toOffset, stableOffset, count: committed.length, slice };
}

export function logRecord({ offset, timestamp, key, value, headers }: FetchedMessage): LogRecord {
  return { offset: safeOffset(offset), timestampMs: Number(timestamp), key, value, headers: recordHeaders(headers) };
}

function messageOf({ key, value, partition, headers, timestampMs }: OutputRecord, nowMs: number): Message {
  return {
    key: typeof key === "string" ? Buffer.from(key) : key === null ? null : bufferOf(key),
    value: value === null ? null : bufferOf(value),
    timestamp: String(Math.round(timestampMs ?? nowMs)),
    ...(partition === undefined ? {} : { partition }),
    ...(headers === undefined || headers.length === 0 ? {} : { headers: messageHeaders(headers) }),
  };
}

function messageHeaders(headers: readonly RecordHeader[]): Record<string, Buffer[]> {
  const byKey: Record<string, Buffer[]> = Object.create(null);
  for (const { key, value } of headers) {
    const values = byKey[key];
    if (values === undefined) byKey[key] = [bufferOf(value)];
    else values.push(bufferOf(value));
  }
  return byKey;
}

/** kafkajs keeps the order among headers of one name only. */
function recordHeaders(headers: Readonly<Record<string, HeaderValues>>): readonly RecordHeader[] {
  const keys = Object.keys(headers);
  if (keys.length === 0) return NO_HEADERS;
  return keys.flatMap((key) => {
    const values = headers[key] ?? null;
    const list = Array.isArray(values) ? values : [values];
    return list.map((value: Buffer | null) => ({ key, value: value ?? EMPTY }));
  });
}

function sizeOf({ key, value, headers }: Message): number {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, values] of Object.entries(headers ?? {})) {
    for (const one of Array.isArray(values) ? values : [values]) bytes += 3 * name.length + (one?.length ?? 0) + 10;
  }
  return bytes;
}

/** Upper bound of what a record takes on its way, in bytes. */
export function sizeOfOutput({ key, value, headers = [] }: OutputRecord): number {
  const keyBytes = typeof key === "string" ? 3 * key.length : (key?.length ?? 0);
  const headerBytes = headers.reduce((sum, header) => sum + 3 * header.key.length + header.value.length + 10, 0);
  return RECORD_OVERHEAD_BYTES + keyBytes + (value?.length ?? 0) + headerBytes;
}

function topicMessages(byTopic: ReadonlyMap<string, Message[]>): TopicMessages[] {
  return Array.from(byTopic, ([topic, messages]) => ({ topic, messages }));
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const NO_HEADERS: readonly RecordHeader[] = [];
const EMPTY = Buffer.alloc(0);
