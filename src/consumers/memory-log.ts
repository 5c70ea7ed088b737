/**
 * A log in memory with Kafka's semantics: partitions with offsets, transactions with markers, read-committed readers,
 * consumer groups, fencing, compaction. It is the embedded default (`demo`, `replay`) and the base of the simulator.
 *
 * Keys, values and headers are kept as given, not copied: a writer must not change them afterwards, a reader never.
 * Memory: everything appended is kept, unless the topic has `forgetConsumed`, or is compacted.
 */
import type { Clock } from "../core/clock.ts";
import type { ClaimHandler, Log, LogRecord, OutputRecord, SubscribeOptions } from "../core/log.ts";
import { MemoryBroker, type MemoryTopicSpec } from "./memory-broker.ts";
import type { RequestHook } from "./memory-claim.ts";
import { MemorySubscription } from "./memory-subscription.ts";
import type { MarkerHook, TransactionalProducer } from "./memory-transactions.ts";

export interface MemoryLogOptions {
  /** Gives records without a timestamp theirs. */
  readonly clock: Clock;
  /** For the simulator: delays and cuts the requests of claims. */
  readonly onRequest?: RequestHook;
  /** For the simulator: delays the markers of transactions. @default none is delayed */
  readonly onMarker?: MarkerHook;
}

export interface PartitionOffsets {
  /** Of the oldest record kept. */
  readonly start: number;
  /** End of what a read-committed reader may see. */
  readonly stable: number;
  /** Of the next record to be written. */
  readonly end: number;
}

export class MemoryLog implements Log {
  readonly #broker: MemoryBroker;
  readonly #onRequest: RequestHook | undefined;

  constructor({ clock, onRequest, onMarker }: MemoryLogOptions, broker = new MemoryBroker(clock, onMarker)) {
    this.#broker = broker;
    this.#onRequest = onRequest;
  }

  /** The same log in the hands of another process, with a hook of its own. */
  client(options: Omit<MemoryLogOptions, "onMarker">): MemoryLog {
    return new MemoryLog(options, this.#broker);
  }

  async createTopics(topics: readonly MemoryTopicSpec[]): Promise<void> {
    this.#broker.createTopics(topics);
  }

  /** @throws {RangeError} on an unknown topic, no topic, or a `maxBatchRecords` below 1. */
  async subscribe(options: SubscribeOptions, handler: ClaimHandler): Promise<MemorySubscription> {
    return new MemorySubscription(this.#broker, options, handler, this.#onRequest);
  }

  /** When one record cannot be placed (unknown or sealed topic, no such partition) none is written. */
  async append(records: readonly OutputRecord[]): Promise<void> {
    this.#broker.write(records);
  }

  /** Takes a transactional id over, as another process would; `begin()` opens a transaction of its own. */
  fence(transactionalId: string): TransactionalProducer {
    return this.#broker.coordinator.fence(transactionalId);
  }

  /** The topic has `count` partitions from now on, of which new ones begin empty; its groups are rebalanced. */
  addPartitions(topic: string, count: number): void {
    this.#broker.addPartitions(topic, count);
  }

  /** The topic is deleted, and created anew with as many partitions. */
  recreate(topic: string): void {
    this.#broker.recreate(topic);
  }

  /** The topic becomes bounded: nothing can be appended any more, and its claims end. */
  seal(topic: string): void {
    this.#broker.seal(topic);
  }

  /** For the simulator: while a partition has no leader, nothing is delivered from it. */
  setLeader(topic: string, partition: number, hasLeader: boolean): void {
    this.#broker.partition(topic, partition).hasLeader = hasLeader;
    for (const wake of this.#broker.topic(topic).watchers) wake();
  }

  /** Keeps only the newest record of each key, without tombstones; offsets stay. */
  compact(topic: string): void {
    const { spec, partitions } = this.#broker.topic(topic);
    if (spec.compacted !== true) throw new TypeError(`Cannot compact ${topic}: it is not compacted`);
    for (const partition of partitions) partition.compact();
  }

  offsets(topic: string, partition: number): PartitionOffsets {
    const { startOffset, stableOffset, endOffset } = this.#broker.partition(topic, partition);
    return { start: startOffset, stable: stableOffset, end: endOffset };
  }

  /** The group's committed position, `undefined` before its first commit. */
  position(group: string, topic: string, partition: number): number | undefined {
    return this.#broker.position(group, this.#broker.partition(topic, partition));
  }

  /** What a read-committed reader finds in the partition now. */
  records(topic: string, partition: number): readonly LogRecord[] {
    return this.#broker.partition(topic, partition).read(0, Number.POSITIVE_INFINITY).records;
  }
}
