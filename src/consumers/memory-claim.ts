/**
 * One partition in the hands of one subscription of the memory log.
 *
 * As with Kafka, a claim learns that a newer one has fenced it when it writes, not before; until then it goes on being
 * fed. That a partition was revoked it learns at once, and does not write any more.
 */
import { StreamgaugeError } from "../core/errors.ts";
import type { Claim, LogRecord, LossReason, OutputRecord, RecordBatch, SubscribeOptions } from "../core/log.ts";
import type { MemoryBroker, MemoryTopic } from "./memory-broker.ts";
import type { MemoryGroup } from "./memory-group.ts";
import type { MemoryPartition } from "./memory-partition.ts";
import type { MemoryTransaction, TransactionalProducer } from "./memory-transactions.ts";

/**
 * The moments between which a process can stop or another one act: before the id is `fence`d, before the committed
 * `position` is read, before the outputs are `send`-ed, before they are `commit`-ted, before the `reply` arrives.
 */
export type MemoryRequest = "fence" | "position" | "send" | "commit" | "reply";

/**
 * Awaited before each request goes on: for delays. An error thrown at `send`, `commit` or `reply` is a lost
 * connection: the transaction stays as it is and its outcome is unknown; at `fence` and `position` it is a crash.
 */
export type RequestHook = (request: MemoryRequest, claim: Claim) => Promise<void> | void;

/**
 * Thrown by a hook at `commit`: nobody waits for the answer any more, but the request is on its way still, and arrives
 * after `arrival`.
 */
export class LateRequest extends Error {
  readonly arrival: Promise<void>;

  constructor(arrival: Promise<void>) {
    super("the request is late");
    this.arrival = arrival;
  }
}

export interface ClaimContext {
  readonly broker: MemoryBroker;
  readonly group: MemoryGroup;
  readonly options: SubscribeOptions;
  readonly onRequest: RequestHook | undefined;
  /** Id of each topic when the subscription began. */
  readonly knownIds: ReadonlyMap<string, number>;
  /** There may be work for this claim. */
  readonly wake: () => void;
}

export class MemoryClaim implements Claim {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
  readonly source: MemoryPartition;
  /** `claimed` was called, so `lost` will be. */
  announced = false;
  /** `ended` was called for the end that `position` stands at. */
  endHandled = false;
  readonly #context: ClaimContext;
  readonly #topic: MemoryTopic;
  #producer: TransactionalProducer | undefined;
  #position = 0;
  #paused = false;
  #committing = false;
  #lossReason: LossReason | undefined;
  #stopping = false;
  /** Wakes a `restore` that waits. */
  #endWait: (() => void) | undefined;

  constructor(source: MemoryPartition, context: ClaimContext) {
    this.topic = source.topic;
    this.partition = source.index;
    this.source = source;
    this.#context = context;
    this.#topic = context.broker.topic(source.topic);
    this.topicId = String(this.#topic.id);
  }

  get partitionCount(): number {
    return this.#topic.partitions.length;
  }

  get position(): number {
    return this.#position;
  }

  get active(): boolean {
    return this.#lossReason === undefined;
  }

  get lossReason(): LossReason | undefined {
    return this.#lossReason;
  }

  get caughtUp(): boolean {
    return this.#position >= this.source.stableOffset;
  }

  get endOffset(): number {
    return this.source.stableOffset;
  }

  get ended(): boolean {
    return this.#topic.sealed && this.#position >= this.source.endOffset;
  }

  /** There is a batch to be handled, or the end. */
  get hasWork(): boolean {
    if (!this.active || this.#paused || !this.source.hasLeader) return false;
    return !this.caughtUp || (this.ended && !this.endHandled);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#context.wake();
  }

  seek(offset: number): void {
    const { startOffset, endOffset } = this.source;
    if (!Number.isInteger(offset) || offset < startOffset || offset > endOffset) {
      throw new RangeError(`Cannot seek to ${offset}: ${this.#name} has the offsets [${startOffset}, ${endOffset}]`);
    }
    this.#position = offset;
    this.endHandled = false;
    this.#context.wake();
  }

  async commit(outputs: readonly OutputRecord[], nextOffset: number): Promise<void> {
    const producer = this.#holder("commit");
    if (!Number.isInteger(nextOffset) || nextOffset < 0) {
      throw new RangeError(`Cannot commit ${this.#name}: the position is ${nextOffset}, expected an offset`);
    }
    if (this.#committing) throw new Error(`Cannot commit ${this.#name}: another commit is in flight`);
    this.#committing = true;
    try {
      await this.#transact(producer, outputs, nextOffset);
    } catch (error) {
      if (isFenced(error)) this.lose("fenced");
      throw error;
    } finally {
      this.#committing = false;
    }
  }

  async restore(topicName: string): Promise<readonly LogRecord[]> {
    const { broker } = this.#context;
    const topic = broker.topic(topicName);
    const partition = broker.partition(topicName, this.partition);
    if (topic.spec.compacted !== true) throw new TypeError(`Cannot restore from ${topicName}: it is not compacted`);
    const { endOffset } = partition;
    // What was committed before the fence may lie behind a transaction that another id has open.
    while (partition.stableOffset < endOffset) {
      this.#holder("restore").assertHolder();
      if (this.#stopping) throw new StreamgaugeError("SG_FENCED", `Cannot restore ${this.#name}: it is being stopped`);
      await this.#change(topic);
    }
    this.#holder("restore").assertHolder();
    return partition.latestByKey();
  }

  /** Fence, then committed position: in this order nobody can move the position after it was read. */
  async open(): Promise<void> {
    const { broker, group, options, onRequest, knownIds } = this.#context;
    if (onRequest !== undefined) await onRequest("fence", this);
    if (!this.active) return;
    const id = `${options.transactionalPrefix}.${this.topic}.${this.partition}`;
    const completion = () => broker.coordinator.completion(id);
    if (completion() !== undefined) await completed(completion);
    this.#producer = broker.coordinator.fence(id);
    if (completion() !== undefined) await completed(completion);
    if (onRequest !== undefined) await onRequest("position", this);
    // Nobody asked for the records of a new topic to be skipped.
    const startFrom = this.#topic.id === knownIds.get(this.topic) ? options.startFrom : "earliest";
    const start = group.position(this.source) ?? startOffset(this.source, startFrom);
    this.#position = Math.max(start, this.source.startOffset);
  }

  /** The next batch, already counted into `position`; `undefined` at the end. */
  take(maxRecords: number): RecordBatch | undefined {
    if (this.caughtUp) return undefined;
    const fromOffset = Math.max(this.#position, this.source.startOffset);
    const { toOffset, records } = this.source.read(fromOffset, maxRecords);
    this.#position = toOffset;
    return { topic: this.topic, partition: this.partition, fromOffset, toOffset, records };
  }

  /** From now on nothing is delivered and nothing can be committed; the first reason counts. */
  lose(reason: LossReason): void {
    this.#lossReason ??= reason;
    this.#endWait?.();
    this.#context.wake();
  }

  /** The subscription stops: a `restore` that waits for another one's transaction fails. */
  stopWaiting(): void {
    this.#stopping = true;
    this.#endWait?.();
  }

  async #transact(producer: TransactionalProducer, outputs: readonly OutputRecord[], nextOffset: number) {
    await this.#request("send");
    if (producer.last?.completion !== undefined) await completed(() => producer.last?.completion);
    const transaction = producer.begin();
    try {
      transaction.send(outputs);
    } catch (error) {
      transaction.abort();
      throw error;
    }
    transaction.sendPosition(this.#context.group, this.source, nextOffset);
    await this.#request("commit", (late) => commitLate(transaction, late));
    transaction.commit();
    await this.#request("reply");
  }

  async #request(request: MemoryRequest, onLate?: (late: LateRequest) => void): Promise<void> {
    try {
      await this.#context.onRequest?.(request, this);
    } catch (cause) {
      if (cause instanceof LateRequest) onLate?.(cause);
      this.lose("unknown-outcome");
      throw new StreamgaugeError("SG_CONNECT", `Cannot commit ${this.#name}: the outcome is unknown`, { cause });
    }
  }

  #holder(action: string): TransactionalProducer {
    if (this.#producer === undefined || this.#lossReason !== undefined) {
      const state = this.#lossReason ?? "not open yet";
      throw new StreamgaugeError("SG_FENCED", `Cannot ${action} ${this.#name}: the claim is ${state}`);
    }
    return this.#producer;
  }

  /** Resolves when something has become visible in `topic`, or the claim is lost. */
  async #change(topic: MemoryTopic): Promise<void> {
    let watcher = () => {};
    await new Promise<void>((resolve) => {
      watcher = resolve;
      topic.watchers.add(watcher);
      this.#endWait = watcher;
    });
    topic.watchers.delete(watcher);
    this.#endWait = undefined;
  }

  get #name(): string {
    return `${this.topic}/${this.partition}`;
  }
}

/** Waits while the markers of a transaction are due (Kafka's CONCURRENT_TRANSACTIONS). */
async function completed(completion: () => Promise<void> | undefined): Promise<void> {
  for (let due = completion(); due !== undefined; due = completion()) await due;
}

/** Whoever has fenced the id meanwhile has aborted the transaction: the request is refused, and nobody hears of it. */
function commitLate(transaction: MemoryTransaction, { arrival }: LateRequest): void {
  arrival.then(() => transaction.commit()).catch(() => undefined);
}

export function isFenced(error: unknown): boolean {
  return error instanceof StreamgaugeError && error.code === "SG_FENCED";
}

function startOffset(partition: MemoryPartition, startFrom: SubscribeOptions["startFrom"]): number {
  if (startFrom === "earliest") return partition.startOffset;
  if (startFrom === "latest") return partition.stableOffset;
  return partition.offsetAtTime(startFrom);
}
