/**
 * The log on Kafka, by kafkajs; subscriptions by node-rdkafka where the configuration asks for it.
 *
 * Delivery guarantee: a claim's outputs and its position are one Kafka transaction. With kafkajs its id belongs to the
 * partition alone, and reading is read-committed by a filter of our own (`kafka-aborted-filter.ts`). Each rebalance drops all
 * claims of a member, and what was not committed is read again. Each claimed partition costs a producer with connections of
 * its own: fine for tens of partitions, not for thousands. With node-rdkafka the group is the fence, one producer does for all
 * (`rdkafka-transactions.ts`), and a rebalance drops the claims that move. Back-pressure: see the two subscriptions.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { StreamgaugeError } from "../core/errors.ts";
import type { ClaimHandler, Log, OutputRecord, SubscribeOptions, Subscription, TopicSpec } from "../core/log.ts";
import { KafkaAdmin } from "./kafka-admin.ts";
import { KafkaAppender } from "./kafka-appender.ts";
import { type ClusterDescription, KafkaConnection, type KafkaConnectionOptions } from "./kafka-connection.ts";
import { kafkaError } from "./kafka-errors.ts";
import { type KafkaLibrary, kafkaLibrary } from "./kafka-library.ts";
import { KafkaSubscription } from "./kafka-subscription.ts";
import { KafkaTopicIds } from "./kafka-topic-ids.ts";
import {
  type CreateTopicsOptions,
  createKafkaTopics,
  describeKafkaTopics,
  type TopicDescription,
} from "./kafka-topics.ts";
import { RdkafkaClients } from "./rdkafka-clients.ts";
import { loadRdkafka } from "./rdkafka-library.ts";
import { RdkafkaSubscription } from "./rdkafka-subscription.ts";

export interface KafkaLogOptions extends KafkaConnectionOptions {
  /** For tests: a copy of kafkajs with another filter. @default ours */
  readonly library?: KafkaLibrary;
  /** For node-rdkafka: what tells our transactional ids from those of other processes. @default a new one each time */
  readonly instance?: string;
}

export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** Position that the group has committed, absent before its first commit. */
  readonly committed?: number;
  /** Of the oldest record kept. */
  readonly start: number;
  /** End of what a read-committed reader may see. */
  readonly end: number;
  /** `end` less the position; before the first commit less `start`. Markers and aborted records count. */
  readonly lag: number;
}

export interface KafkaLog extends Log {
  /**
   * Connects once, within 15 s.
   * @throws {StreamgaugeError} `SG_CONFIG` when the broker refuses user or encryption, else `SG_CONNECT`
   */
  ping(): Promise<ClusterDescription>;
  createTopics(topics: readonly TopicSpec[], options?: CreateTopicsOptions): Promise<void>;
  /** Those of the topics that exist and may be seen. */
  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>>;
  /** How far the group's committed positions are behind, by topic and partition. */
  lag(group: string, topics: readonly string[]): Promise<readonly PartitionLag[]>;
  /** Stops all subscriptions and disconnects. */
  close(): Promise<void>;
}

/** Connects when first used. */
export function createKafkaLog(options: KafkaLogOptions): KafkaLog {
  return new KafkaJsLog(options);
}

class KafkaJsLog implements KafkaLog {
  readonly #options: KafkaLogOptions;
  readonly #connection: KafkaConnection;
  readonly #admin: KafkaAdmin;
  readonly #appender: KafkaAppender;
  readonly #topicIds: KafkaTopicIds;
  readonly #subscriptions = new Set<KafkaSubscription | RdkafkaSubscription>();
  #rdkafka: RdkafkaClients | undefined;
  #reached: Promise<ClusterDescription> | undefined;

  constructor(options: KafkaLogOptions) {
    this.#options = options;
    this.#connection = new KafkaConnection(options.library ?? kafkaLibrary(), options);
    this.#admin = new KafkaAdmin(this.#connection);
    this.#appender = new KafkaAppender(this.#connection, options.clock);
    this.#topicIds = new KafkaTopicIds(this.#connection, options.clock);
  }

  async ping(): Promise<ClusterDescription> {
    this.#loadClient();
    return this.#connection.ping();
  }

  async createTopics(topics: readonly TopicSpec[], options: CreateTopicsOptions = {}): Promise<void> {
    await this.#reach();
    await createKafkaTopics(this.#admin, topics, options);
  }

  async describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    await this.#reach();
    return describeKafkaTopics(this.#admin, names);
  }

  async subscribe(options: SubscribeOptions, handler: ClaimHandler): Promise<Subscription> {
    const { topics, maxBatchRecords = 1000 } = options;
    if (topics.length === 0) throw new RangeError("Cannot subscribe: topics is empty");
    if (!Number.isInteger(maxBatchRecords) || maxBatchRecords < 1) {
      throw new RangeError(`Cannot subscribe: maxBatchRecords is ${maxBatchRecords}, expected 1 or more`);
    }
    await this.#reach();
    const { clock, logger, instance } = this.#options;
    const knownPartitions = await this.#partitionCounts(topics);
    const knownIds = await this.#topicIdsOf(topics);
    const known = { knownPartitions, topicIds: this.#topicIds, knownIds };
    const parts = { connection: this.#connection, admin: this.#admin, clock, logger, options, handler, ...known };
    const clients = this.#rdkafka;
    const subscription =
      clients === undefined ? new KafkaSubscription(parts) : new RdkafkaSubscription({ ...parts, clients, instance });
    await subscription.start();
    this.#subscriptions.add(subscription);
    return {
      done: subscription.done,
      health: () => subscription.health(),
      stop: async () => {
        await subscription.stop();
        this.#subscriptions.delete(subscription);
      },
    };
  }

  async append(records: readonly OutputRecord[]): Promise<void> {
    await this.#reach();
    await this.#appender.append(records);
  }

  async lag(group: string, topics: readonly string[]): Promise<readonly PartitionLag[]> {
    await this.#reach();
    const lags: PartitionLag[] = [];
    try {
      for (const topic of topics) {
        const positions = await this.#admin.committedPositions(group, topic);
        for (const { partition, start, stable } of await this.#admin.partitionEnds(topic)) {
          const position = positions.get(partition)?.offset ?? -1;
          const known = position >= 0 ? { committed: position } : {};
          const lag = Math.max(0, stable - Math.max(start, position));
          lags.push({ topic, partition, ...known, start, end: stable, lag });
        }
      }
    } catch (error) {
      throw kafkaError(`read the positions of group ${group}`, error);
    }
    return lags;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop()));
    this.#subscriptions.clear();
    await this.#appender.close();
    await this.#topicIds.close();
    await this.#admin.close();
  }

  /** Only subscriptions use it; that it is missing is told by the first call of any kind, before anything is created. */
  #loadClient(): void {
    if (this.#options.kafka.client !== "node-rdkafka") return;
    this.#rdkafka ??= new RdkafkaClients(loadRdkafka(), this.#options);
  }

  /** What is wrong with address, user or encryption is told by the first call, within a limited time. */
  async #reach(): Promise<void> {
    this.#loadClient();
    this.#reached ??= this.#connection.ping();
    try {
      await this.#reached;
    } catch (error) {
      this.#reached = undefined;
      throw error;
    }
  }

  async #topicIdsOf(topics: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const ids = new Map<string, string>();
    for (const topic of topics) {
      const id = await this.#topicIds.read(topic);
      if (id !== undefined) ids.set(topic, id);
    }
    return ids;
  }

  async #partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    for (let attempt = 1; ; attempt += 1) {
      let counts: ReadonlyMap<string, number>;
      try {
        counts = await this.#admin.partitionCounts(topics);
      } catch (error) {
        throw kafkaError(`subscribe to ${topics.join(", ")}`, error);
      }
      const missing = topics.filter((topic) => !counts.has(topic));
      if (missing.length === 0) return counts;
      // Brokers learn of a new topic one after the other.
      if (attempt < TOPIC_ATTEMPTS) await sleep(TOPIC_ATTEMPT_MS);
      else {
        const state = `${missing.join(", ")} does not exist, or this user may not see it`;
        throw new StreamgaugeError("SG_CONFIG", `Cannot subscribe: create the topic; ${state}`);
      }
    }
  }
}

const TOPIC_ATTEMPTS = 5;
const TOPIC_ATTEMPT_MS = 200;
