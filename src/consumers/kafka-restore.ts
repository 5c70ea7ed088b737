/**
 * The newest record of each key of one partition of a compacted topic, complete up to a fence.
 *
 * A sentinel is written with the fenced id, then the partition is read from its beginning until the sentinel comes by: it
 * lies behind everything that was committed before the fence, and behind transactions that others had open then. No
 * arithmetic with end offsets is needed, which compaction and markers make unreliable. The partition is read without a
 * consumer group: there is nothing to join, and none is left behind. Compaction keeps one sentinel per owner.
 */
import { randomUUID } from "node:crypto";
import { BytePages, type StoredBytes } from "../core/byte-pages.ts";
import type { Clock } from "../core/clock.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { LogRecord, OutputRecord } from "../core/log.ts";
import { type PartitionData, safeOffset } from "./kafka-batch.ts";
import type { KafkaCluster } from "./kafka-cluster.ts";
import type { KafkaConnection } from "./kafka-connection.ts";
import { isPermanent, kafkaError } from "./kafka-errors.ts";
import { logRecord } from "./kafka-messages.ts";

export interface RestoreOptions {
  readonly connection: KafkaConnection;
  readonly clock: Clock;
  readonly topic: string;
  readonly partition: number;
  /** Transactional id; names the sentinel's key. */
  readonly owner: string;
  readonly writeSentinel: (sentinel: OutputRecord) => Promise<void>;
  /** Throws once nobody waits for the result any more. */
  readonly assertWanted: () => void;
}

/** Of a key that is none of ours: the user's keys are text or JSON. */
const SENTINEL_PREFIX = "\u0000fence|";
const RETRY_MS = 500;
const MAX_WAIT_MS = 250;
/** Much of a fetch is garbage as soon as its records are copied. */
const MAX_BYTES = 1 << 20;

export async function restoreLatest(options: RestoreOptions): Promise<Iterable<LogRecord>> {
  const { topic, partition, owner, assertWanted } = options;
  const nonce = randomUUID();
  await options.writeSentinel({ topic, partition, key: SENTINEL_PREFIX + owner, value: Buffer.from(nonce) });
  for (;;) {
    assertWanted();
    try {
      return await readUntil(nonce, options);
    } catch (error) {
      if (error instanceof StreamgaugeError) throw error;
      if (isPermanent(error)) throw kafkaError(`restore from ${topic}/${partition}`, error);
      // The broker is away, or compaction has taken the offset at which we were: from the beginning.
      await new Promise<void>((resolve) => {
        options.clock.after(RETRY_MS, resolve);
      });
    }
  }
}

/** As committed now; whoever holds the partition is not disturbed. */
export async function readLatest(
  connection: KafkaConnection,
  topic: string,
  partition: number,
): Promise<Iterable<LogRecord>> {
  const cluster = connection.createCluster();
  try {
    await cluster.connect();
    await cluster.addTargetTopic(topic);
    const end = await stableEndOf(cluster, topic, partition);
    const latest = new LatestRecords();
    const wanted = { connection, topic, partition, assertWanted: () => {} };
    // What compaction has taken at the end is waited for in vain: the position comes to the end all the same.
    for await (const { records, position } of batchesOf(cluster, wanted)) {
      for (const record of records) latest.take(record);
      if (position >= end) break;
    }
    return latest.records();
  } finally {
    cluster.disconnect().catch(() => undefined);
  }
}

async function readUntil(nonce: string, options: RestoreOptions): Promise<Iterable<LogRecord>> {
  const cluster = options.connection.createCluster();
  try {
    await cluster.connect();
    await cluster.addTargetTopic(options.topic);
    const latest = new LatestRecords();
    for await (const { records } of batchesOf(cluster, options)) {
      for (const record of records) if (latest.take(record) === nonce) return latest.records();
    }
    throw new Error("the partition ended");
  } finally {
    cluster.disconnect().catch(() => undefined);
  }
}

/** In order of the newest record: a key that comes again moves to the end. */
class LatestRecords {
  readonly #latest = new Map<string, { readonly record: Omit<LogRecord, "value">; readonly value: StoredBytes }>();
  /** Copied, as everything is: a record's own bytes would keep all of the fetch that it came with. */
  readonly #pages = new BytePages();

  /** The value of a sentinel, which is none of ours. */
  take({ value, ...record }: LogRecord): string | undefined {
    const { key } = record;
    if (key === null) return undefined;
    const name = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
    if (name.startsWith(SENTINEL_PREFIX)) return value === null ? undefined : Buffer.from(value).toString();
    const before = this.#latest.get(name);
    if (before !== undefined) {
      this.#latest.delete(name);
      this.#pages.free(before.value);
    }
    if (value !== null) {
      const headers = record.headers.map(({ key, value }) => ({ key, value: copyOf(value) }));
      this.#latest.set(name, { record: { ...record, key: copyOf(key), headers }, value: this.#pages.put(value) });
    }
    return undefined;
  }

  /** Each let go when it is given: a large state, kept and taken in, needs its memory twice. */
  *records(): Generator<LogRecord> {
    for (const [name, { record, value }] of this.#latest) {
      this.#latest.delete(name);
      const bytes = this.#pages.read(value).slice();
      this.#pages.free(value);
      yield { ...record, value: bytes };
    }
  }
}

function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** Committed records from the oldest on, without end; `position` is behind each batch. */
async function* batchesOf(
  cluster: KafkaCluster,
  options: Pick<RestoreOptions, "topic" | "partition" | "connection" | "assertWanted">,
): AsyncGenerator<{ readonly records: readonly LogRecord[]; readonly position: number }> {
  const { topic, partition, connection, assertWanted } = options;
  let position = await offsetOf(cluster, topic, partition, true);
  yield { records: [], position };
  for (;;) {
    assertWanted();
    const data = await fetchFrom(cluster, topic, partition, position);
    const batch = new connection.library.Batch(topic, String(position), data);
    position = batch.toOffset;
    yield { records: batch.committed.map(logRecord), position };
  }
}

/** End of what a read-committed reader may see: the cluster was made as one. */
function stableEndOf(cluster: KafkaCluster, topic: string, partition: number): Promise<number> {
  return offsetOf(cluster, topic, partition, false);
}

async function offsetOf(
  cluster: KafkaCluster,
  topic: string,
  partition: number,
  fromBeginning: boolean,
): Promise<number> {
  const [answer] = await cluster.fetchTopicsOffset([{ topic, fromBeginning, partitions: [{ partition }] }]);
  return safeOffset(answer?.partitions[0]?.offset ?? "0");
}

async function fetchFrom(
  cluster: KafkaCluster,
  topic: string,
  partition: number,
  offset: number,
): Promise<PartitionData> {
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
  if (nodeId === undefined) throw new RangeError(`Cannot use ${topic}/${partition}: there is no such partition`);
  const node = await cluster.findBroker({ nodeId });
  const { responses } = await node.fetch({
    maxWaitTime: MAX_WAIT_MS,
    minBytes: 1,
    maxBytes: MAX_BYTES,
    isolationLevel: 1,
    topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: MAX_BYTES }] }],
    rackId: "",
  });
  const data = responses[0]?.partitions[0];
  if (data === undefined) throw new Error("the broker's answer is empty");
  return data;
}
