/** Records of ours to messages of kafkajs, and back. */
import type { ICustomPartitioner, Message, TopicMessages } from "kafkajs";
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
  // A message that is sent again stays where it was, or the broker could not tell that it has it.
  const chosen = new WeakMap<Message, number>();
  return ({ topic, partitionMetadata, message }) => {
    const count = partitionMetadata.length;
    const { key, partition } = message;
    if (partition === undefined || partition === null) {
      if (key === undefined || key === null) {
        const choice = chosen.get(message) ?? turn++ % count;
        chosen.set(message, choice);
        return choice;
      }
      return partitionForKey(typeof key === "string" ? Buffer.from(key) : key, count);
    }
    // kafkajs would drop the message in silence.
    if (!partitionMetadata.some(({ partitionId }) => partitionId === partition)) {
      throw new RangeError(`Cannot use ${topic}/${partition}: the topic has ${count} partitions`);
    }
    return partition;
  };
};

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
