/** Messages of librdkafka to records of ours, by partition. */
import type { LogRecord, RecordHeader } from "../core/log.ts";
import type { EndReached, RdkafkaMessage } from "./rdkafka-library.ts";

/** What one poll brought of one partition. */
export interface PolledPartition {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly RdkafkaMessage[];
  /** Where the partition ended for a read-committed reader, behind the last message; absent: more is there. */
  readonly end: number | undefined;
}

/** `ends` say after which message of all they came. */
export function byPartition(
  messages: readonly RdkafkaMessage[],
  ends: readonly EndReached[],
): readonly PolledPartition[] {
  const found = new Map<string, { topic: string; partition: number; messages: RdkafkaMessage[]; end?: number }>();
  const of = (topic: string, partition: number) => {
    const name = `${topic}/${partition}`;
    const one = found.get(name) ?? { topic, partition, messages: [] };
    found.set(name, one);
    return one;
  };
  let nextEnd = 0;
  const takeEnds = (messageIndex: number) => {
    for (; nextEnd < ends.length && ends[nextEnd]!.messageIndex <= messageIndex; nextEnd += 1) {
      const { topic, partition, offset } = ends[nextEnd]!;
      of(topic, partition).end = offset;
    }
  };
  takeEnds(-1);
  for (const [index, message] of messages.entries()) {
    const one = of(message.topic, message.partition);
    one.messages.push(message);
    delete one.end;
    takeEnds(index);
  }
  return Array.from(found.values(), (one) => ({ ...one, end: one.end }));
}

export function recordOf({ offset, timestamp, key, value, headers }: RdkafkaMessage): LogRecord {
  if (!Number.isSafeInteger(offset)) throw new RangeError(`Cannot use offset ${offset}: it is beyond 2^53`);
  return {
    offset,
    timestampMs: timestamp,
    key,
    value,
    headers: headers === undefined ? NO_HEADERS : headers.flatMap(headersOf),
  };
}

function headersOf(header: Readonly<Record<string, Buffer>>): readonly RecordHeader[] {
  return Object.entries(header).map(([key, value]) => ({ key, value }));
}

const NO_HEADERS: readonly RecordHeader[] = [];
