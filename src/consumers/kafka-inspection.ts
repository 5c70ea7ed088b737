/**
 * What `doctor` and `ledger` ask of a cluster, without leaving a trace: records of a topic, read without a consumer group,
 * and a rehearsal of every write in transactions that are aborted, so that a missing permission shows before it hurts.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Producer, Transaction } from "kafkajs";
import type { StreamgaugeError } from "../core/errors.ts";
import type { LogRecord } from "../core/log.ts";
import { safeOffset } from "./kafka-batch.ts";
import type { ApiVersionRange, KafkaCluster } from "./kafka-cluster.ts";
import { KafkaConnection } from "./kafka-connection.ts";
import { isCoordinatorMissing, kafkaError } from "./kafka-errors.ts";
import { kafkaLibrary } from "./kafka-library.ts";
import type { KafkaLogOptions } from "./kafka-log.ts";
import { createPartitioner, logRecord } from "./kafka-messages.ts";

/** One permission that was tried. */
export interface Permission {
  /** As in an access control list, such as `topic streamgauge.alerts`. */
  readonly resource: string;
  readonly operation: "Read" | "Write";
  /** Why it failed, in one sentence; absent: it is there. */
  readonly refusal?: string;
}

export interface RehearsalOptions {
  /** Falls under the same prefix as the ids of `run`. */
  readonly transactionalId: string;
  readonly topics: readonly string[];
  /** Consumer groups, each with a topic that it reads. */
  readonly groups: readonly { readonly group: string; readonly topic: string }[];
}

export interface KafkaInspector {
  /**
   * The newest committed records of each partition, at most `perPartition`.
   * @throws {StreamgaugeError} `SG_CONFIG` when this user may not read the topic, else `SG_CONNECT`
   */
  newestRecords(topic: string, partitions: number, perPartition: number): Promise<LogRecord[]>;
  /**
   * Every committed record of the topic, partition by partition, in order, at least up to where they end when it is called.
   * @throws {StreamgaugeError} `SG_CONFIG` when this user may not read the topic, else `SG_CONNECT`
   */
  eachRecord(topic: string, partitions: number, visit: (record: LogRecord, partition: number) => void): Promise<void>;
  /**
   * Offsets `[start, end)` that a read-committed reader finds in each partition.
   * @throws {StreamgaugeError} as `eachRecord`
   */
  extents(
    topic: string,
    partitions: number,
  ): Promise<{ readonly partition: number; readonly start: number; readonly end: number }[]>;
  /** @throws {StreamgaugeError} `SG_CONNECT` */
  versions(): Promise<ProtocolVersions>;
  rehearse(options: RehearsalOptions): Promise<Permission[]>;
}

export interface ProtocolVersions {
  /** Of the broker, inclusive. */
  readonly produce: ApiVersionRange;
  readonly fetch: ApiVersionRange;
  /** Requests that are needed and that the broker does not know in any version of ours. */
  readonly lacking: readonly string[];
}

/** Lowest version that will do: records with headers and transactions, read committed. */
const NEEDED: Readonly<Record<string, number>> = {
  ...{ Produce: 3, Fetch: 4, ListOffsets: 2, Metadata: 0, OffsetFetch: 1, GroupCoordinator: 1 },
  ...{ JoinGroup: 0, Heartbeat: 0, LeaveGroup: 0, SyncGroup: 0 },
  ...{ InitProducerId: 0, AddPartitionsToTxn: 0, AddOffsetsToTxn: 0, EndTxn: 0, TxnOffsetCommit: 0 },
};

const MAX_BYTES = 4 << 20;
/** Empty answers in a row after which a partition has no more to give: what is left are markers. */
const EMPTY_ANSWERS = 3;
const TRANSACTION_TIMEOUT_MS = 15_000;
const ATTEMPTS = 8;
const ATTEMPT_PAUSE_MS = 500;

export function createKafkaInspector(options: KafkaLogOptions): KafkaInspector {
  const connection = new KafkaConnection(options.library ?? kafkaLibrary(), options);
  return {
    newestRecords(topic, partitions, perPartition) {
      return readingTopic(connection, topic, async (cluster) => {
        const records: LogRecord[] = [];
        for (let partition = 0; partition < partitions; partition++) {
          const { start, end } = await extentOf(cluster, topic, partition);
          const from = Math.max(start, end - perPartition);
          await readRange(connection, cluster, { topic, partition, from, end }, (record) => void records.push(record));
        }
        return records;
      });
    },
    eachRecord(topic, partitions, visit) {
      return readingTopic(connection, topic, async (cluster) => {
        for (let partition = 0; partition < partitions; partition++) {
          const { start, end } = await extentOf(cluster, topic, partition);
          const range = { topic, partition, from: start, end };
          const reached = await readRange(connection, cluster, range, (record) => visit(record, partition));
          if (reached < end) throw new Error(`the broker gives nothing of ${topic}/${partition} from ${reached} on`);
        }
      });
    },
    extents(topic, partitions) {
      return readingTopic(connection, topic, async (cluster) => {
        const extents = [];
        for (let partition = 0; partition < partitions; partition++) {
          extents.push({ partition, ...(await extentOf(cluster, topic, partition)) });
        }
        return extents;
      });
    },
    async versions() {
      const cluster = connection.createCluster();
      try {
        await cluster.connect();
        await cluster.refreshMetadata();
        const [nodeId] = cluster.getNodeIds();
        if (nodeId === undefined) throw new Error("the cluster names no broker");
        const { versions } = await cluster.findBroker({ nodeId });
        return protocolVersions(connection, versions);
      } catch (error) {
        throw kafkaError("ask the broker for its versions", error);
      } finally {
        cluster.disconnect().catch(() => undefined);
      }
    },
    rehearse: (rehearsal) => rehearse(connection, rehearsal),
  };
}

function protocolVersions(
  { library }: KafkaConnection,
  broker: Readonly<Record<number, ApiVersionRange>>,
): ProtocolVersions {
  const rangeOf = (name: string) => broker[library.apiKeys[name] ?? -1] ?? { minVersion: 0, maxVersion: -1 };
  const lacking = Object.entries(NEEDED).filter(([name, least]) => {
    const { minVersion, maxVersion } = rangeOf(name);
    // kafkajs takes the newest of its versions that the broker knows.
    const newest = Math.min(maxVersion, Math.max(...library.requests[name]!.versions.map(Number)));
    return newest < Math.max(minVersion, least);
  });
  return { produce: rangeOf("Produce"), fetch: rangeOf("Fetch"), lacking: lacking.map(([name]) => name) };
}

async function readingTopic<T>(
  connection: KafkaConnection,
  topic: string,
  read: (cluster: KafkaCluster) => Promise<T>,
): Promise<T> {
  const cluster = connection.createCluster();
  try {
    await cluster.connect();
    await cluster.addTargetTopic(topic);
    return await read(cluster);
  } catch (error) {
    throw kafkaError(`read ${topic}`, error);
  } finally {
    cluster.disconnect().catch(() => undefined);
  }
}

/** Returns up to where it was read. */
async function readRange(
  connection: KafkaConnection,
  cluster: KafkaCluster,
  range: { readonly topic: string; readonly partition: number; readonly from: number; readonly end: number },
  visit: (record: LogRecord) => void,
): Promise<number> {
  const { topic, partition, from, end } = range;
  let offset = from;
  for (let empty = 0; offset < end && empty < EMPTY_ANSWERS; ) {
    const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
    if (nodeId === undefined) break;
    const node = await cluster.findBroker({ nodeId });
    const { responses } = await node.fetch({
      maxWaitTime: 250,
      minBytes: 1,
      maxBytes: MAX_BYTES,
      isolationLevel: 1,
      topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: MAX_BYTES }] }],
      rackId: "",
    });
    const data = responses[0]?.partitions[0];
    if (data === undefined) break;
    const batch = new connection.library.Batch(topic, String(offset), data);
    for (const message of batch.committed) visit(logRecord(message));
    empty = batch.toOffset > offset ? 0 : empty + 1;
    offset = batch.toOffset;
  }
  return offset;
}

async function extentOf(cluster: KafkaCluster, topic: string, partition: number) {
  const end = await endOf(cluster, topic, partition, false);
  return { start: await endOf(cluster, topic, partition, true), end };
}

async function endOf(cluster: KafkaCluster, topic: string, partition: number, fromBeginning: boolean): Promise<number> {
  const [answer] = await cluster.fetchTopicsOffset([{ topic, fromBeginning, partitions: [{ partition }] }]);
  return safeOffset(answer?.partitions[0]?.offset ?? "0");
}

async function rehearse(connection: KafkaConnection, options: RehearsalOptions): Promise<Permission[]> {
  const found: Permission[] = [];
  const kafka = connection.forTransactions();
  const attempt = async (
    permission: Pick<Permission, "resource" | "operation">,
    act: (transaction: Transaction) => Promise<unknown>,
  ): Promise<boolean> => {
    for (let left = ATTEMPTS; ; left--) {
      const failure = await tryOnce(act);
      if (failure === undefined) {
        found.push(permission);
        return true;
      }
      // A coordinator that has just moved, or is being set up, is no answer to the question.
      if (failure.code === "SG_CONNECT" && left > 1) {
        await sleep(ATTEMPT_PAUSE_MS);
        continue;
      }
      found.push({ ...permission, refusal: failure.message.replace(/^Cannot use it: /, "") });
      return false;
    }
  };
  const tryOnce = async (
    act: (transaction: Transaction) => Promise<unknown>,
  ): Promise<StreamgaugeError | undefined> => {
    // A transaction that was refused something is of no more use, nor is its producer.
    const producer: Producer = kafka.producer({
      transactionalId: options.transactionalId,
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner,
    });
    try {
      await producer.connect();
      const transaction = await producer.transaction();
      try {
        await act(transaction);
      } finally {
        await transaction.abort().catch(() => undefined);
      }
      return undefined;
    } catch (error) {
      return kafkaError("use it", await causeOf(error));
    } finally {
      producer.disconnect().catch(() => undefined);
    }
  };
  /** kafkajs swallows why nobody told it the coordinator. */
  const causeOf = async (error: unknown): Promise<unknown> => {
    if (!isCoordinatorMissing(error)) return error;
    let hidden = await connection.coordinatorError("transactional id", options.transactionalId);
    for (const { group } of options.groups) hidden ??= await connection.coordinatorError("group", group);
    return hidden ?? error;
  };
  const id = { resource: `transactional id ${options.transactionalId}`, operation: "Write" } as const;
  if (!(await attempt(id, async () => undefined))) return found;
  for (const topic of options.topics) {
    // A compacted topic takes no record without a key.
    const messages = [{ key: "doctor", value: null, partition: 0 }];
    await attempt({ resource: `topic ${topic}`, operation: "Write" }, (tx) => tx.send({ topic, messages }));
  }
  for (const { group, topic } of options.groups) {
    const topics = [{ topic, partitions: [{ partition: 0, offset: "0" }] }];
    await attempt({ resource: `group ${group}`, operation: "Read" }, (tx) =>
      tx.sendOffsets({ consumerGroupId: group, topics }),
    );
  }
  return found;
}
