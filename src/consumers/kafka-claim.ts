/**
 * One partition in the hands of one subscription: what was fetched and waits for the handler, the position, and the
 * transactions. It makes no request of its own accord; `kafka-partition-holder.ts` opens it and tells its end.
 */
import type { Clock } from "../core/clock.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { Claim, LogRecord, LossReason, OutputRecord, RecordBatch, SubscribeOptions } from "../core/log.ts";
import type { CommittedPosition } from "./kafka-admin.ts";
import type { KafkaConnection } from "./kafka-connection.ts";
import { restoreLatest } from "./kafka-restore.ts";
import type { KafkaTopicIds } from "./kafka-topic-ids.ts";
import type { GroupPosition } from "./kafka-transactions.ts";

/** What a fetch of one partition brought. */
export interface FetchedRange {
  /** First offset that was asked for. */
  readonly fromOffset: number;
  /** Where the next fetch begins: behind everything that the answer holds, shown or not. */
  readonly toOffset: number;
  /** End of what a read-committed reader may see; absent: more may be there. */
  readonly stableOffset?: number;
  /** Of the records that may be seen. */
  readonly count: number;
  slice(from: number, to: number): readonly LogRecord[];
}

/** What writes the transactions of a claim. */
export interface ClaimWriter {
  /** Outputs and position, visible together or not at all. */
  commit(outputs: readonly OutputRecord[], nowMs: number, position?: GroupPosition): Promise<void>;
  /** Nothing more is written for the claim. */
  close(): void;
}

/** How a client tells what an error of its own means. */
export interface ClientErrors {
  /** Another holder has taken over. */
  isFenced(error: unknown): boolean;
  /** Trying again would not help. */
  isPermanent(error: unknown): boolean;
  /** @param action what was tried, such as `read flights/3` */
  describe(action: string, error: unknown): StreamgaugeError;
}

/** What a claim asks of its subscription. */
export interface ClaimHost {
  readonly connection: KafkaConnection;
  readonly clock: Clock;
  readonly options: SubscribeOptions;
  readonly topicIds: KafkaTopicIds;
  /** Where what is committed is noted, by topic and partition. */
  readonly ownPositions: Map<string, CommittedPosition>;
  readonly errors: ClientErrors;
  /** Whether, and whereto, fetching of the partition goes on has changed. */
  flowChanged(claim: KafkaClaim): void;
  seek(claim: KafkaClaim, offset: number): void;
  /** An error that trying again would not cure: the subscription ends. */
  fail(error: StreamgaugeError): void;
}

/** Where an opened claim begins. */
export interface ClaimStart {
  readonly writer: ClaimWriter;
  readonly position: number;
  readonly partitionCount: number;
  readonly topicId: string | undefined;
  /** End of what a read-committed reader may see. */
  readonly endOffset: number;
}

/** How old the last answer may be for `caughtUp`: longer than the pause between two, shorter than a watermark's patience. */
const FRESH_MS = 10_000;

export class KafkaClaim implements Claim {
  readonly topic: string;
  readonly partition: number;
  /** Settles when the claim is lost. */
  readonly lost: Promise<void>;
  readonly #host: ClaimHost;
  #writer: ClaimWriter | undefined;
  #partitionCount = 0;
  #topicId: string | undefined;
  #position = 0;
  /** Where the next fetch begins. */
  #fetchFrom = 0;
  #pending: PendingRange | undefined;
  #stableOffset: number | undefined;
  #endOffset = 0;
  /** When the end was asked for. */
  #endAtMs = Number.NEGATIVE_INFINITY;
  #stableAtMs = Number.NEGATIVE_INFINITY;
  #delivering = false;
  #pausedByUser = false;
  #stopped = false;
  #lossReason: LossReason | undefined;
  #writing: Promise<unknown> | undefined;
  #settleLost = () => {};
  #heldAtMs: number | undefined;
  #committedAtMs: number | undefined;

  constructor(topic: string, partition: number, host: ClaimHost) {
    this.topic = topic;
    this.partition = partition;
    this.#host = host;
    this.lost = new Promise((resolve) => {
      this.#settleLost = resolve;
    });
  }

  get partitionCount(): number {
    return this.#partitionCount;
  }

  get topicId(): string | undefined {
    return this.#topicId;
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

  /** As of the last fetch. A paused partition is not fetched: it is soon not known any more. */
  get caughtUp(): boolean {
    if (!this.active || this.#stableOffset === undefined || this.#position < this.#stableOffset) return false;
    return this.#host.clock.monotonicMs() - this.#stableAtMs <= FRESH_MS;
  }

  /** As of the last fetch, of the opening, or, where nothing is fetched, of the last `noteEnd`. */
  get endOffset(): number {
    return this.#endOffset;
  }

  get ended(): boolean {
    return false;
  }

  /** The answer to a question asked then; what was learned since counts. */
  noteEnd(endOffset: number, askedAtMs: number): void {
    if (askedAtMs < this.#endAtMs) return;
    this.#endOffset = endOffset;
    this.#endAtMs = askedAtMs;
  }

  /** For a client whose fetches tell an end only once: it still is the end. */
  confirmEnd(endOffset: number, askedAtMs: number): void {
    this.noteEnd(endOffset, askedAtMs);
    if (endOffset === this.#stableOffset) this.#stableAtMs = Math.max(this.#stableAtMs, askedAtMs);
  }

  /** Something is to be handed to the handler. */
  get hasWork(): boolean {
    return this.active && this.#delivering && !this.#stopped && !this.#pausedByUser && this.#pending !== undefined;
  }

  /** The partition should be fetched. */
  get wantsMore(): boolean {
    const idle = this.active && this.#delivering && !this.#stopped && !this.#pausedByUser;
    return idle && this.#pending === undefined;
  }

  pause(): void {
    this.#pausedByUser = true;
    this.#host.flowChanged(this);
  }

  resume(): void {
    this.#pausedByUser = false;
    this.#host.flowChanged(this);
  }

  seek(offset: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new RangeError(`Cannot seek ${this.name} to ${offset}: expected an offset`);
    }
    this.#moveTo(offset);
    this.#host.seek(this, offset);
  }

  async commit(outputs: readonly OutputRecord[], nextOffset: number): Promise<void> {
    const writer = this.#writerFor("commit");
    if (!Number.isSafeInteger(nextOffset) || nextOffset < 0) {
      throw new RangeError(`Cannot commit ${this.name}: the position is ${nextOffset}, expected an offset`);
    }
    const { topic, partition } = this;
    await this.#assertSameTopic();
    const { clock, options } = this.#host;
    const position = { group: options.group, topic, partition, offset: nextOffset, topicId: this.#topicId };
    await this.#write("commit", outputs, () => writer.commit(outputs, clock.nowMs(), position));
    this.#host.ownPositions.set(this.name, { topicId: this.#topicId, offset: nextOffset });
  }

  async restore(topic: string): Promise<Iterable<LogRecord>> {
    const writer = this.#writerFor("restore");
    const { clock, connection, options } = this.#host;
    const { partition } = this;
    return restoreLatest({
      connection,
      clock,
      topic,
      partition,
      owner: transactionalId(options, this.topic, partition),
      writeSentinel: (sentinel) => this.#write("restore", [sentinel], () => writer.commit([sentinel], clock.nowMs())),
      assertWanted: () => {
        this.#writerFor("restore");
        if (this.#stopped) throw new StreamgaugeError("SG_FENCED", `Cannot restore ${this.name}: it is being stopped`);
      },
    });
  }

  /** Outputs of a write that has not ended, or ended with an error. */
  doubtful: readonly OutputRecord[] = [];

  get name(): string {
    return `${this.topic}/${this.partition}`;
  }

  open({ writer, position, partitionCount, topicId, endOffset }: ClaimStart): void {
    this.#writer = writer;
    this.#topicId = topicId;
    this.#partitionCount = partitionCount;
    this.#endOffset = endOffset;
    this.#moveTo(position);
  }

  /** When `claimed` had been handled, as long as the claim lives. */
  get heldAtMs(): number | undefined {
    return this.active ? this.#heldAtMs : undefined;
  }

  get committedAtMs(): number | undefined {
    return this.#committedAtMs;
  }

  /** `claimed` was handled: batches may follow. */
  startDelivery(): void {
    this.#heldAtMs = this.#host.clock.monotonicMs();
    this.#delivering = true;
    this.#host.flowChanged(this);
  }

  /** Takes in an answer; false when it is not the one that was asked for. */
  take(range: FetchedRange): boolean {
    if (range.fromOffset !== this.#fetchFrom || this.#pending !== undefined) return false;
    this.#stableOffset = range.stableOffset;
    if (range.stableOffset !== undefined) {
      this.#stableAtMs = this.#host.clock.monotonicMs();
      this.noteEnd(range.stableOffset, this.#stableAtMs);
    }
    if (range.toOffset > range.fromOffset) {
      this.#pending = new PendingRange(this.topic, this.partition, range);
      this.#fetchFrom = range.toOffset;
    }
    return true;
  }

  /** The next delivery, already counted into `position`. */
  next(maxRecords: number): RecordBatch | undefined {
    const pending = this.#pending;
    if (pending === undefined) return undefined;
    const batch = pending.next(maxRecords);
    if (pending.done) this.#pending = undefined;
    this.#position = batch.toOffset;
    return batch;
  }

  /** Where the next fetch has to begin. */
  get fetchFrom(): number {
    return this.#fetchFrom;
  }

  /** Records up to `offset` are gone: delivery goes on there, and the ranges of two deliveries will not join. */
  skipTo(offset: number): void {
    this.#moveTo(offset);
  }

  /** From now on nothing is delivered and nothing can be committed; the first reason counts. */
  lose(reason: LossReason): void {
    if (this.#lossReason !== undefined) return;
    this.#lossReason = reason;
    this.#pending = undefined;
    this.#host.flowChanged(this);
    this.#settleLost();
    const close = () => this.#writer?.close();
    if (this.#writing === undefined) close();
    else this.#writing.then(close, close);
  }

  /** Nothing more is delivered, but what is in hand may be committed. */
  stopDelivery(): void {
    this.#stopped = true;
    this.#host.flowChanged(this);
  }

  /** The commit in flight, if there is one, has ended. */
  async settled(): Promise<void> {
    await this.#writing?.catch(() => undefined);
  }

  /** One transaction at a time; an error ends the claim. */
  async #write(action: string, outputs: readonly OutputRecord[], transact: () => Promise<void>): Promise<void> {
    if (this.#writing !== undefined) throw new Error(`Cannot ${action} ${this.name}: another commit is in flight`);
    this.doubtful = outputs;
    this.#writing = transact();
    try {
      await this.#writing;
      this.doubtful = [];
      this.#committedAtMs = this.#host.clock.monotonicMs();
    } catch (error) {
      throw this.#deadBy(action, error);
    } finally {
      this.#writing = undefined;
    }
  }

  #deadBy(action: string, error: unknown): StreamgaugeError {
    const { errors } = this.#host;
    if (errors.isFenced(error)) {
      this.lose("fenced");
      const message = `Cannot ${action} ${this.name}: a newer claim has taken over`;
      return new StreamgaugeError("SG_FENCED", message, { cause: error });
    }
    this.lose("unknown-outcome");
    const failure = errors.describe(`${action} ${this.name}`, error);
    if (errors.isPermanent(error)) {
      this.#host.fail(failure);
      return failure;
    }
    const { message } = failure;
    return new StreamgaugeError("SG_CONNECT", `${message}; the outcome is unknown`, { cause: error });
  }

  /** A position in another topic would lie anywhere: Kafka knows topics by their names when it takes one. */
  async #assertSameTopic(): Promise<void> {
    if (this.#topicId === undefined) return;
    const found = await this.#host.topicIds.read(this.topic);
    if (found === undefined || found === this.#topicId) return;
    this.lose("recreated");
    throw new StreamgaugeError("SG_FENCED", `Cannot commit ${this.name}: the topic was deleted and created anew`);
  }

  #moveTo(offset: number): void {
    this.#pending = undefined;
    this.#position = offset;
    this.#fetchFrom = offset;
  }

  #writerFor(action: string): ClaimWriter {
    if (this.#writer === undefined || this.#lossReason !== undefined) {
      const state = this.#lossReason ?? "not open yet";
      throw new StreamgaugeError("SG_FENCED", `Cannot ${action} ${this.name}: the claim is ${state}`);
    }
    return this.#writer;
  }
}

export function transactionalId(options: SubscribeOptions, topic: string, partition: number): string {
  return `${options.transactionalPrefix}.${topic}.${partition}`;
}

/** A fetched range on its way to the handler, in parts. */
class PendingRange {
  readonly #topic: string;
  readonly #partition: number;
  readonly #range: FetchedRange;
  #nextRecord = 0;
  #fromOffset: number;

  constructor(topic: string, partition: number, range: FetchedRange) {
    this.#topic = topic;
    this.#partition = partition;
    this.#range = range;
    this.#fromOffset = range.fromOffset;
  }

  get done(): boolean {
    return this.#fromOffset === this.#range.toOffset;
  }

  next(maxRecords: number): RecordBatch {
    const { count, toOffset } = this.#range;
    const records = this.#range.slice(this.#nextRecord, this.#nextRecord + maxRecords);
    this.#nextRecord += records.length;
    const fromOffset = this.#fromOffset;
    this.#fromOffset = this.#nextRecord === count ? toOffset : records.at(-1)!.offset + 1;
    return { topic: this.#topic, partition: this.#partition, fromOffset, toOffset: this.#fromOffset, records };
  }
}
