/**
 * The log behind both stages: the one interface that the memory log, kafkajs and node-rdkafka implement,
 * tried by one contract suite (`test/consumers/log-contract.ts`).
 *
 * Offsets are `number`: a partition that takes a million records a second reaches 2^53 after 285 years;
 * a client that is handed a larger one refuses it at its edge.
 */

/** A record as it lies in the log. */
export interface LogRecord {
  readonly offset: number;
  /** Broker timestamp (CreateTime or LogAppendTime), epoch milliseconds. */
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array;
}

/** A record to be written. */
export interface OutputRecord {
  readonly topic: string;
  /** Absent: chosen by the hash of the key (murmur2, as Kafka's default partitioner). */
  readonly partition?: number;
  readonly key: Uint8Array | string | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[];
  /** Absent: the log's wall time. */
  readonly timestampMs?: number;
}

/**
 * What one delivery covers. `[fromOffset, toOffset)` are positions: control, aborted and compacted
 * offsets lie inside the range without a record, so `records` may be empty.
 */
export interface RecordBatch {
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: number;
  readonly toOffset: number;
  readonly records: readonly LogRecord[];
}

/**
 * One input partition held by this process. A claim is made after the partition was assigned, its
 * transactional id fenced and its committed offset read, in this order; from then on only this claim can
 * commit for the partition.
 *
 * Delivery guarantee: what `commit` wrote and the position it moved become visible together or not at
 * all. Back-pressure: the next batch is handed over only when the handler's promise for the last one is
 * settled; `pause` stops delivery while membership in the group goes on.
 */
export interface Claim {
  readonly topic: string;
  readonly partition: number;
  /** Partitions that the topic has, as last known. */
  readonly partitionCount: number;
  /**
   * Tells the topic from one that has its name after it was deleted, whose offsets mean other records. Absent: the log does
   * not know it.
   */
  readonly topicId?: string | undefined;
  /** Offset of the next record to be delivered. */
  readonly position: number;
  /** False once the partition was revoked or a newer claim fenced this one; nothing is delivered any more. */
  readonly active: boolean;
  /** True when `position` has reached the end of what a read-committed reader may see. */
  readonly caughtUp: boolean;
  /** That end, as last known: for lag, never for decisions. Absent: the log does not know it (yet). */
  readonly endOffset?: number | undefined;
  /** True when the topic is bounded (a file, a sealed memory topic) and `position` is at its end. */
  readonly ended: boolean;
  pause(): void;
  resume(): void;
  /** Delivery goes on at `offset`. */
  seek(offset: number): void;
  /**
   * One transaction: `outputs` and the consumer position `nextOffset`.
   * @throws {StreamgaugeError} `SG_FENCED` when another claim has taken over or the topic was created anew, `SG_CONNECT`
   *   when the outcome is unknown. After either the claim is dead: the log makes a new one and delivers from what is
   *   committed, or from the start of the new topic.
   */
  commit(outputs: readonly OutputRecord[], nextOffset: number): Promise<void>;
  /**
   * The latest record of every key in the same-numbered partition of the compacted `topic`, tombstones left
   * out, in offset order; complete up to the moment of this claim's fence. To be gone through once: what was given is let go.
   */
  restore(topic: string): Promise<Iterable<LogRecord>>;
}

/** `recreated`: the topic was deleted, and another one has its name now. */
export type LossReason = "revoked" | "fenced" | "unknown-outcome" | "recreated";

/** What a stage does with its partitions. The log calls one method at a time per claim. */
export interface ClaimHandler {
  /** Before the first batch; may `seek`. */
  claimed?(claim: Claim): Promise<void> | void;
  batch(claim: Claim, batch: RecordBatch): Promise<void> | void;
  /** Bounded topics only: `claim.ended` has become true, all batches have been handled. */
  ended?(claim: Claim): Promise<void> | void;
  /** Forget what was not committed. */
  lost?(claim: Claim, reason: LossReason): void;
}

export interface SubscribeOptions {
  /** Consumer group. */
  readonly group: string;
  readonly topics: readonly string[];
  /**
   * Where a partition without a committed offset begins; a number is a time, epoch milliseconds. One that is added to a
   * topic later, or is of a topic that is created anew, begins at its start.
   */
  readonly startFrom: "earliest" | "latest" | number;
  /** Transactional ids begin with `<transactionalPrefix>.`, on which permissions are given. */
  readonly transactionalPrefix: string;
  /** Most records of one delivery. @default 1000 */
  readonly maxBatchRecords?: number;
}

/** How a member stands with its group; times are those of the log's clock (`monotonicMs`). */
export interface SubscriptionHealth {
  readonly group: string;
  /** When the group last confirmed the membership; absent: never yet. A member without partitions is one, too. */
  readonly confirmedAtMs?: number | undefined;
  /** What the group has given to this member. */
  readonly partitions: readonly PartitionHealth[];
}

export interface PartitionHealth {
  readonly topic: string;
  readonly partition: number;
  /** When the group gave it to us, or the last claim was lost. */
  readonly waitsSinceMs: number;
  /** When the handler had taken the claim; absent: it is not held (yet, or any more). */
  readonly heldAtMs?: number | undefined;
  /** Of the last commit by the claim that is held. */
  readonly committedAtMs?: number | undefined;
  /** The claim before was lost with a commit of unknown outcome, and there is no new one yet. */
  readonly isUncertain: boolean;
}

export interface Subscription {
  /** Absent: there is nothing that could be lost. Must be quick. */
  health?(): SubscriptionHealth;
  /**
   * Settles when every topic is bounded and fully handled, with `ended` called for each claim; rejects with
   * the first error that a handler threw. Never settles for unbounded topics that go well.
   */
  readonly done: Promise<void>;
  /** Leaves the group after the batches in hand; does not commit. */
  stop(): Promise<void>;
}

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  /** Keep only the newest record of each key. @default false */
  readonly compacted?: boolean;
  /** How long records are kept after their timestamp; infinite: for ever. @default the broker's setting */
  readonly retentionMs?: number;
}

export interface Log {
  /** Creates what does not exist; an existing topic with other properties is an error that names them. */
  createTopics(topics: readonly TopicSpec[]): Promise<void>;
  subscribe(options: SubscribeOptions, handler: ClaimHandler): Promise<Subscription>;
  /** Writes outside of any claim, in order, each record once. */
  append(records: readonly OutputRecord[]): Promise<void>;
}
