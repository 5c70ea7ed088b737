/** Questions about topics and groups, over one connection that is made when first needed and anew after an error. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Admin } from "kafkajs";
import { safeOffset } from "./kafka-batch.ts";
import type { KafkaConnection } from "./kafka-connection.ts";

/** Of one partition, as a read-committed reader sees it. */
export interface PartitionEnds {
  readonly partition: number;
  /** Of the oldest record kept. */
  readonly start: number;
  /** End of what may be read. */
  readonly stable: number;
}

/** Of a group in a partition. */
export interface CommittedPosition {
  /** -1: there is none. -2: kafkajs has set it back to the earliest. */
  readonly offset: number;
  /** Of the topic in which it is a position; absent: it was committed without. */
  readonly topicId: string | undefined;
}

const ATTEMPTS = 5;
const ATTEMPT_PAUSE_MS = 100;

export class KafkaAdmin {
  readonly #connection: KafkaConnection;
  #admin: Promise<Admin> | undefined;
  #closed = false;

  constructor(connection: KafkaConnection) {
    this.#connection = connection;
  }

  /** An error drops the connection: kafkajs does not always find back from a lost one. Passing ones are tried again. */
  async ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      if (this.#closed) throw new Error("Cannot ask Kafka: the log is closed");
      this.#admin ??= this.#connect();
      const used = this.#admin;
      try {
        return await question(await used);
      } catch (error) {
        if (this.#admin === used) this.#admin = undefined;
        used.then((admin) => admin.disconnect()).catch(() => undefined);
        // Such as a coordinator that has just moved, or a topic of which this broker has not heard yet.
        const passing = error instanceof Error && "retriable" in error && error.retriable === true;
        if (!passing || attempt === ATTEMPTS) throw error;
        await sleep(attempt * ATTEMPT_PAUSE_MS);
      }
    }
  }

  /** Partitions of each of the topics that exist and may be seen. */
  async partitionCounts(names: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.ask(async (admin) => {
      const visible = new Set(await admin.listTopics());
      const topics = [...new Set(names)].filter((name) => visible.has(name));
      if (topics.length === 0) return new Map();
      const { topics: found } = await admin.fetchTopicMetadata({ topics });
      return new Map(found.map(({ name, partitions }) => [name, partitions.length]));
    });
  }

  /** Every partition of the topic, in order. */
  async partitionEnds(topic: string): Promise<readonly PartitionEnds[]> {
    const offsets = await this.ask((admin) => admin.fetchTopicOffsets(topic));
    return offsets
      .map(({ partition, low, high }) => ({ partition, start: safeOffset(low), stable: safeOffset(high) }))
      .sort((a, b) => a.partition - b.partition);
  }

  /** The first offset whose record has this time or a later one, else the end. */
  async offsetAtTime(topic: string, partition: number, timeMs: number): Promise<number> {
    const offsets = await this.ask((admin) => admin.fetchTopicOffsetsByTimestamp(topic, timeMs));
    const found = offsets.find((one) => one.partition === partition);
    if (found === undefined) throw new RangeError(`Cannot use ${topic}/${partition}: there is no such partition`);
    return safeOffset(found.offset);
  }

  /** By partition. */
  async committedPositions(group: string, topic: string): Promise<ReadonlyMap<number, CommittedPosition>> {
    const answers = await this.ask((admin) => admin.fetchOffsets({ groupId: group, topics: [topic] }));
    const positions = answers.find((answer) => answer.topic === topic)?.partitions ?? [];
    return new Map(
      positions.map(({ partition, offset, metadata }) => [
        partition,
        { offset: safeOffset(offset), topicId: metadata === null || metadata === "" ? undefined : metadata },
      ]),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    const admin = this.#admin;
    this.#admin = undefined;
    await admin?.then((open) => open.disconnect()).catch(() => undefined);
  }

  async #connect(): Promise<Admin> {
    const admin = this.#connection.forTransactions().admin();
    await admin.connect();
    return admin;
  }
}
