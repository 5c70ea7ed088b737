/**
 * What the clients of a memory log share: topics, groups, transactional ids. Everything here is synchronous, so each
 * method is atomic to its callers.
 */
import type { Clock } from "../core/clock.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { OutputRecord, RecordHeader, TopicSpec } from "../core/log.ts";
import { MemoryGroup } from "./memory-group.ts";
import { MemoryPartition } from "./memory-partition.ts";
import { type MarkerHook, TransactionCoordinator, type TransactionHost } from "./memory-transactions.ts";
import { partitionForKey } from "./partitioner.ts";

/** Nothing is forgotten by time: `retentionMs` is not looked at. */
export interface MemoryTopicSpec extends TopicSpec {
  /**
   * Records that every group has committed past are forgotten, as by Kafka's retention; counted are all groups that
   * ever subscribed, so a group that never commits keeps everything, and a later one begins at what is left.
   * @default false
   */
  readonly forgetConsumed?: boolean;
  /** Compacted topics: a partition is compacted each time that so many offsets were added. @default only on request */
  readonly compactEvery?: number;
}

export interface MemoryTopic {
  /** Counts the topics that had the name. */
  id: number;
  readonly spec: MemoryTopicSpec;
  readonly partitions: MemoryPartition[];
  /** Groups that ever subscribed. */
  readonly groups: Set<MemoryGroup>;
  /** Called after something has become visible, or the topic was sealed. */
  readonly watchers: Set<() => void>;
  /** `endOffset` of each partition when it was last compacted by `compactEvery`. */
  readonly compactedAt: Map<MemoryPartition, number>;
  sealed: boolean;
  /** Turn of the round robin for records without a key. */
  turn: number;
}

export class MemoryBroker implements TransactionHost {
  readonly coordinator = new TransactionCoordinator(this);
  readonly onMarker: MarkerHook | undefined;
  readonly #clock: Clock;
  readonly #topics = new Map<string, MemoryTopic>();
  readonly #groups = new Map<string, MemoryGroup>();

  constructor(clock: Clock, onMarker?: MarkerHook) {
    this.#clock = clock;
    this.onMarker = onMarker;
  }

  createTopics(specs: readonly MemoryTopicSpec[]): void {
    for (const spec of specs) assertCreatable(spec, this.#topics.get(spec.name)?.spec);
    for (const spec of specs) {
      if (this.#topics.has(spec.name)) continue;
      this.#topics.set(spec.name, {
        id: 1,
        spec,
        partitions: emptyPartitions(spec.name, spec.partitions),
        groups: new Set(),
        watchers: new Set(),
        compactedAt: new Map(),
        sealed: false,
        turn: 0,
      });
    }
  }

  /** The topic has `count` partitions from now on; its groups deal them anew. */
  addPartitions(name: string, count: number): void {
    const { partitions, groups } = this.topic(name);
    while (partitions.length < count) partitions.push(new MemoryPartition(name, partitions.length));
    for (const group of groups) group.rebalance();
  }

  /** Deletes the topic, with all positions in it, and creates it anew; its groups deal the partitions. */
  recreate(name: string): void {
    const topic = this.topic(name);
    topic.id++;
    topic.partitions.splice(0, topic.partitions.length, ...emptyPartitions(name, topic.partitions.length));
    topic.compactedAt.clear();
    topic.sealed = false;
    for (const group of topic.groups) group.rebalance();
  }

  topic(name: string): MemoryTopic {
    const topic = this.#topics.get(name);
    if (topic === undefined) throw new RangeError(`Cannot use topic ${JSON.stringify(name)}: it does not exist`);
    return topic;
  }

  partition(topicName: string, index: number): MemoryPartition {
    const { partitions } = this.topic(topicName);
    const partition = partitions[index];
    if (partition === undefined) {
      throw new RangeError(`Cannot use ${topicName}/${index}: the topic has ${partitions.length} partitions`);
    }
    return partition;
  }

  /** The group's committed position. */
  position(group: string, partition: MemoryPartition): number | undefined {
    return this.#groups.get(group)?.position(partition);
  }

  /** Created by its first member. */
  group(name: string): MemoryGroup {
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = new MemoryGroup((topic) => this.topic(topic).partitions);
      this.#groups.set(name, group);
    }
    return group;
  }

  /** Without a `transaction` the records are visible at once. */
  write(records: readonly OutputRecord[], transaction?: object): readonly MemoryPartition[] {
    const keys: (Uint8Array | null)[] = [];
    const partitions: MemoryPartition[] = [];
    for (const record of records) {
      const key = typeof record.key === "string" ? Buffer.from(record.key) : record.key;
      keys.push(key);
      partitions.push(this.#route(record, key));
    }
    const nowMs = this.#clock.nowMs();
    for (let at = 0; at < records.length; at += 1) {
      const { value, headers, timestampMs } = records[at]!;
      const unplaced = { timestampMs: timestampMs ?? nowMs, key: keys[at]!, value, headers: headers ?? NO_HEADERS };
      partitions[at]!.append(unplaced, transaction);
    }
    if (transaction === undefined) this.announce(new Set(partitions));
    return partitions;
  }

  announce(partitions: Iterable<MemoryPartition>): void {
    const topics = new Set<MemoryTopic>();
    for (const partition of partitions) {
      const topic = this.topic(partition.topic);
      topics.add(topic);
      compactWhenDue(topic, partition);
    }
    for (const topic of topics) for (const watcher of topic.watchers) watcher();
  }

  positionMoved(partition: MemoryPartition): void {
    const { spec, groups } = this.topic(partition.topic);
    if (spec.forgetConsumed !== true) return;
    let smallest = Number.POSITIVE_INFINITY;
    for (const group of groups) smallest = Math.min(smallest, group.position(partition) ?? 0);
    partition.forgetBefore(smallest);
  }

  seal(name: string): void {
    const topic = this.topic(name);
    topic.sealed = true;
    for (const watcher of topic.watchers) watcher();
  }

  #route(record: OutputRecord, key: Uint8Array | null): MemoryPartition {
    const topic = this.topic(record.topic);
    if (topic.sealed) throw new Error(`Cannot append to ${record.topic}: the topic is sealed`);
    if (key === null && topic.spec.compacted === true) {
      throw new TypeError(`Cannot append to ${record.topic}: a compacted topic takes no record without a key`);
    }
    const { partition } = record;
    if (partition !== undefined) return this.partition(record.topic, partition);
    const count = topic.partitions.length;
    return topic.partitions[key === null ? topic.turn++ % count : partitionForKey(key, count)]!;
  }
}

const NO_HEADERS: readonly RecordHeader[] = [];

function emptyPartitions(name: string, count: number): MemoryPartition[] {
  return Array.from({ length: count }, (_, index) => new MemoryPartition(name, index));
}

function assertCreatable(spec: MemoryTopicSpec, existing: MemoryTopicSpec | undefined): void {
  if (!Number.isInteger(spec.partitions) || spec.partitions < 1) {
    throw new RangeError(`Cannot create topic ${spec.name}: partitions is ${spec.partitions}, expected 1 or more`);
  }
  if (spec.compacted === true && spec.forgetConsumed === true) {
    throw new TypeError(`Cannot create topic ${spec.name}: it is either compacted or forgetConsumed, not both`);
  }
  if (existing === undefined) return;
  const differences = [];
  if (existing.partitions !== spec.partitions) {
    differences.push(`partitions is ${existing.partitions}, expected ${spec.partitions}`);
  }
  if ((existing.compacted ?? false) !== (spec.compacted ?? false)) {
    differences.push(`compacted is ${existing.compacted ?? false}, expected ${spec.compacted ?? false}`);
  }
  if (differences.length > 0) {
    throw new StreamgaugeError("SG_CONFIG", `Cannot create topic ${spec.name}: it exists, ${differences.join("; ")}`);
  }
}

function compactWhenDue({ spec, compactedAt }: MemoryTopic, partition: MemoryPartition): void {
  if (spec.compacted !== true || spec.compactEvery === undefined) return;
  if (partition.endOffset - (compactedAt.get(partition) ?? 0) < spec.compactEvery) return;
  compactedAt.set(partition, partition.endOffset);
  partition.compact();
}
