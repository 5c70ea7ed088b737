/**
 * One member of a consumer group: kafkajs' fetch loop on one side, the partitions held on the other.
 *
 * The group's events come from kafkajs by instrumentation (it has no revoke callback): with each assignment all claims of
 * the one before are lost, and every partition is paused until it has been claimed anew.
 *
 * Back-pressure: of each partition at most one fetch answer (1 MB as it was sent) waits. The fetch loop waits for the
 * handlers of what it brought, but not longer than `DETACH_MS`: then the partitions of slow handlers are paused and the
 * others go on. So a handler may take as long as it likes: the loop, and with it the heartbeat, never waits for it.
 */
import type { Consumer, EachBatchPayload } from "kafkajs";
import type { Clock } from "../core/clock.ts";
import type { ClaimHandler, SubscribeOptions, Subscription, SubscriptionHealth } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { CommittedPosition, KafkaAdmin, PartitionEnds } from "./kafka-admin.ts";
import type { ClaimHost, KafkaClaim } from "./kafka-claim.ts";
import { KafkaClaimOpener } from "./kafka-claim-opener.ts";
import { logLostRange, type StartContext } from "./kafka-claim-start.ts";
import type { KafkaConnection } from "./kafka-connection.ts";
import { EndsWatch } from "./kafka-ends.ts";
import { isCoordinatorMissing, KAFKAJS_ERRORS, kafkaError } from "./kafka-errors.ts";
import { HeldPartitions } from "./kafka-held-partitions.ts";
import { fetchedRange } from "./kafka-messages.ts";
import type { KafkaTopicIds } from "./kafka-topic-ids.ts";

export interface KafkaSubscriptionOptions extends Omit<StartContext, "ownPositions"> {
  readonly connection: KafkaConnection;
  readonly clock: Clock;
  readonly handler: ClaimHandler;
}

const SESSION_TIMEOUT_MS = 6000;
/** Also the time in which a member learns of a rebalance. */
const HEARTBEAT_INTERVAL_MS = 1000;
/** A member has so long to finish its fetch and join again. */
const REBALANCE_TIMEOUT_MS = 30_000;
/** A fetch without data comes back after this time; so long may pass until a resumed partition is fetched. */
const MAX_WAIT_MS = 250;
/** Far below the session timeout. */
const DETACH_MS = 1000;
/** New partitions of a topic are found within this time. */
const METADATA_MAX_AGE_MS = 60_000;
/** How old the ends of partitions that are not fetched may be: what they lag is shown, and decides nothing. */
const ENDS_EVERY_MS = 15_000;
const MAX_BYTES_PER_PARTITION = 1 << 20;
/** Of a fetch: what a member that is behind holds of the log, once as it came and once unpacked. kafkajs would take 10 MB. */
const MAX_BYTES = 4 << 20;
/** Batches of one answer that are handled at the same time; the rest waits its turn. */
const CONCURRENT_PARTITIONS = 64;
/** Leaving a group that does not answer. */
const DISCONNECT_LIMIT_MS = 5000;

export class KafkaSubscription implements Subscription, ClaimHost {
  readonly done: Promise<void>;
  readonly connection: KafkaConnection;
  readonly clock: Clock;
  readonly options: SubscribeOptions;
  readonly topicIds: KafkaTopicIds;
  readonly ownPositions = new Map<string, CommittedPosition>();
  readonly errors = KAFKAJS_ERRORS;
  readonly #admin: KafkaAdmin;
  readonly #logger: Logger;
  readonly #consumer: Consumer;
  readonly #held: HeldPartitions;
  readonly #ends: EndsWatch;
  /** Of the group's last word that we are a member. */
  #confirmedAtMs: number | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  #rejectDone = (_error: unknown) => {};

  constructor(parts: KafkaSubscriptionOptions) {
    const { connection, admin, clock, logger, options, handler, topicIds } = parts;
    this.connection = connection;
    this.clock = clock;
    this.options = options;
    this.topicIds = topicIds;
    this.#admin = admin;
    this.#logger = logger;
    this.#held = new HeldPartitions({
      host: this,
      opener: new KafkaClaimOpener(connection.forTransactions(), this, { ...parts, ownPositions: this.ownPositions }),
      handler,
      logger,
      setFlow: ({ topic, partition }, flows) => {
        const change = [{ topic, partitions: [partition] }];
        if (flows) this.#consumer.resume(change);
        else this.#consumer.pause(change);
      },
      fail: (error) => this.fail(error),
    });
    this.#ends = new EndsWatch({
      admin,
      clock,
      everyMs: ENDS_EVERY_MS,
      // Of the others the fetches tell.
      claims: () => this.#held.claims().filter((claim) => claim.heldAtMs !== undefined && !this.#held.isFlowing(claim)),
      note: (claim, endOffset, askedAtMs) => claim.noteEnd(endOffset, askedAtMs),
    });
    this.done = new Promise((_resolve, reject) => {
      this.#rejectDone = reject;
    });
    // Whoever wants to know looks at `done`; the log has told it in any case.
    this.done.catch(() => undefined);
    this.#consumer = connection.forConsumers().consumer({
      groupId: options.group,
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      maxWaitTimeInMs: MAX_WAIT_MS,
      maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
      maxBytes: MAX_BYTES,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      allowAutoTopicCreation: false,
    });
    this.#listen();
  }

  /** Connects and begins to join; the assignment comes later. */
  async start(): Promise<void> {
    try {
      await this.#consumer.connect();
      // After an offset out of range kafkajs begins at the earliest record, never at the latest.
      await this.#consumer.subscribe({ topics: [...new Set(this.options.topics)], fromBeginning: true });
    } catch (error) {
      this.#consumer.disconnect().catch(() => undefined);
      throw kafkaError(`subscribe to ${this.options.topics.join(", ")}`, error);
    }
    this.#running = this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: CONCURRENT_PARTITIONS,
      eachBatch: (payload) => this.#eachBatch(payload),
    });
    this.#ends.start();
    this.#running.catch((error: unknown) => this.fail(kafkaError("join the consumer group", error)));
  }

  /** Must not be awaited inside a handler method: it waits for the one that is running. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  health(): SubscriptionHealth {
    return { group: this.options.group, confirmedAtMs: this.#confirmedAtMs, partitions: this.#held.health() };
  }

  fail(error: unknown): void {
    if (this.#stopping !== undefined) return;
    const message = error instanceof Error ? error.message : String(error);
    this.#logger.error({ group: this.options.group, topics: this.options.topics }, `subscription ended: ${message}`);
    this.#rejectDone(error);
    this.stop().catch(() => undefined);
  }

  flowChanged(claim: KafkaClaim): void {
    this.#held.flowChanged(claim);
  }

  seek(claim: KafkaClaim, offset: number): void {
    if (claim.active) this.#consumer.seek({ topic: claim.topic, partition: claim.partition, offset: String(offset) });
  }

  #listen(): void {
    const { GROUP_JOIN, REBALANCING, CRASH, STOP, HEARTBEAT } = this.#consumer.events;
    // Called inside of kafkajs' loop, before the next fetch; an error thrown here would count as one of its own.
    this.#consumer.on(GROUP_JOIN, ({ payload }) => this.#assign(payload.memberAssignment));
    this.#consumer.on(REBALANCING, () => this.#held.revokeAll());
    this.#consumer.on(STOP, () => this.#held.revokeAll());
    this.#consumer.on(HEARTBEAT, () => {
      this.#confirmedAtMs = this.clock.monotonicMs();
      this.#held.confirm();
    });
    this.#consumer.on(CRASH, async ({ payload: { error, restart } }) => {
      this.#held.revokeAll();
      const missing = isCoordinatorMissing(error);
      const cause = missing ? await this.connection.coordinatorError("group", this.options.group) : error;
      const failure = kafkaError(`read ${this.options.topics.join(", ")}`, cause ?? error);
      if (restart) this.#logger.warn({ group: this.options.group }, `${failure.message}; the consumer starts anew`);
      else this.fail(failure);
    });
  }

  #assign(assignment: Readonly<Record<string, readonly number[]>>): void {
    this.#held.revokeAll();
    if (this.#stopping !== undefined) {
      // kafkajs cannot be stopped while it joins.
      setImmediate(() => this.#consumer.disconnect().catch(() => undefined));
      return;
    }
    this.#confirmedAtMs = this.clock.monotonicMs();
    for (const [topic, partitions] of Object.entries(assignment)) {
      if (partitions.length > 0) this.#consumer.pause([{ topic, partitions: [...partitions] }]);
      this.#held.assign(partitions.map((partition) => ({ topic, partition })));
    }
    this.#held.dropRevoked();
  }

  async #eachBatch({ batch, resolveOffset, isRunning, isStale }: EachBatchPayload): Promise<void> {
    const claim = this.#held.claim(batch);
    if (!isRunning() || isStale() || claim === undefined || !this.#held.isFlowing(claim)) return;
    if (!(batch instanceof this.connection.library.Batch)) throw new TypeError("a batch of another kafkajs");
    if (!claim.take(fetchedRange(batch))) {
      await this.#realign(claim);
      return;
    }
    if (batch.toOffset === batch.fromOffset) return;
    resolveOffset(String(batch.toOffset - 1));
    this.#held.pump(claim);
    let detach: { cancel(): void } | undefined;
    const tooLong = new Promise<void>((resolve) => {
      detach = this.clock.after(DETACH_MS, resolve);
    });
    await Promise.race([this.#held.inHand(claim), claim.lost, tooLong]);
    detach?.cancel();
    this.#held.holdBack(claim);
  }

  /** kafkajs has fetched elsewhere than asked: the offset was out of range, because retention has passed it. */
  async #realign(claim: KafkaClaim): Promise<void> {
    const { topic, partition, fetchFrom } = claim;
    let ends: readonly PartitionEnds[];
    try {
      ends = await this.#admin.partitionEnds(topic);
    } catch (error) {
      this.#logger.warn({ topic, partition }, kafkaError(`look for the start of ${claim.name}`, error).message);
      return;
    }
    if (!claim.active || claim.fetchFrom !== fetchFrom) return;
    const start = ends.find((one) => one.partition === partition)?.start ?? 0;
    if (fetchFrom < start) {
      logLostRange(this.#logger, { topic, partition, fromOffset: fetchFrom, toOffset: start });
      claim.skipTo(start);
    }
    this.seek(claim, claim.fetchFrom);
  }

  async #stop(): Promise<void> {
    this.#ends.stop();
    await this.#held.stop();
    await this.#disconnect();
  }

  async #disconnect(): Promise<void> {
    let limit: { cancel(): void } | undefined;
    const tooLong = new Promise<void>((resolve) => {
      limit = this.clock.after(DISCONNECT_LIMIT_MS, resolve);
    });
    // While it joins it cannot be stopped; `#assign` sees to that.
    const left = this.#running.then(() => this.#consumer.disconnect()).catch(() => undefined);
    await Promise.race([left, tooLong]);
    limit?.cancel();
  }
}
