/**
 * One member of a consumer group: kafkajs' fetch loop on one side, a chain of handler calls per partition on the other.
 *
 * The group's events come from kafkajs by instrumentation (it has no revoke callback): with each assignment all claims of
 * the one before are lost, and every partition is paused until it has been claimed anew.
 *
 * Back-pressure: of each partition at most one fetch answer (1 MB as it was sent) waits. The fetch loop waits for the
 * handlers of what it brought, but not longer than `DETACH_MS`: then the partitions of slow handlers are paused and the
 * others go on. So a handler may take as long as it likes: the loop, and with it the heartbeat, never waits for it.
 */
import { setImmediate as yieldToEvents } from "node:timers/promises";
import type { Consumer, EachBatchPayload, Kafka } from "kafkajs";
import type { Clock, Timer } from "../core/clock.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { ClaimHandler, SubscribeOptions, Subscription, SubscriptionHealth } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { KafkaAdmin, PartitionEnds } from "./kafka-admin.ts";
import type { ClaimHost, KafkaClaim } from "./kafka-claim.ts";
import type { KafkaConnection } from "./kafka-connection.ts";
import { isCoordinatorMissing, kafkaError } from "./kafka-errors.ts";
import { holdPartition } from "./kafka-partition-holder.ts";

export interface KafkaSubscriptionOptions {
  readonly connection: KafkaConnection;
  readonly admin: KafkaAdmin;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly options: SubscribeOptions;
  readonly handler: ClaimHandler;
  readonly knownPartitions: ReadonlyMap<string, number>;
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
/** Batches of one answer that are handled at the same time; the rest waits its turn. */
const CONCURRENT_PARTITIONS = 64;
/** Leaving a group that does not answer. */
const DISCONNECT_LIMIT_MS = 5000;
/** A batch of 1000 records costs its handler some 0.5 ms, so timers are late by a few milliseconds at most. */
const CALLS_PER_YIELD = 8;

export class KafkaSubscription implements Subscription, ClaimHost {
  readonly done: Promise<void>;
  readonly connection: KafkaConnection;
  readonly clock: Clock;
  readonly options: SubscribeOptions;
  readonly #admin: KafkaAdmin;
  readonly #logger: Logger;
  readonly #handler: ClaimHandler;
  readonly #knownPartitions: ReadonlyMap<string, number>;
  readonly #maxBatchRecords: number;
  readonly #transactions: Kafka;
  readonly #consumer: Consumer;
  /** By partition: its current claim, and the end of all work for it so far. */
  readonly #claims = new Map<string, KafkaClaim>();
  readonly #work = new Map<string, Promise<void>>();
  /** What the handler is doing for a claim. */
  readonly #inHand = new Map<KafkaClaim, Promise<void>>();
  readonly #flowing = new Set<KafkaClaim>();
  /** What the group has given to us, and when. */
  readonly #assigned = new Map<string, Assigned>();
  /** Of the group's last word that we are a member. */
  #confirmedAtMs: number | undefined;
  /** Counts assignments; partitions of an older one are not ours any more. */
  #generation = 0;
  #running: Promise<void> = Promise.resolve();
  #endsTimer: Timer | undefined;
  #calls = 0;
  #stopping: Promise<void> | undefined;
  #onConfirmed = new Set<() => void>();
  #rejectDone = (_error: unknown) => {};

  constructor(parts: KafkaSubscriptionOptions) {
    const { connection, admin, clock, logger, options, handler, knownPartitions } = parts;
    this.connection = connection;
    this.clock = clock;
    this.options = options;
    this.#admin = admin;
    this.#logger = logger;
    this.#handler = handler;
    this.#knownPartitions = knownPartitions;
    this.#maxBatchRecords = options.maxBatchRecords ?? 1000;
    this.#transactions = connection.forTransactions();
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
    this.#endsTimer = this.clock.after(ENDS_EVERY_MS, () => this.#refreshEnds());
    this.#running.catch((error: unknown) => this.fail(kafkaError("join the consumer group", error)));
  }

  /** Must not be awaited inside a handler method: it waits for the one that is running. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  health(): SubscriptionHealth {
    const partitions = [...this.#assigned].map(([place, { topic, partition, waitsSinceMs, isUncertain }]) => {
      const claim = this.#claims.get(place);
      const { heldAtMs, committedAtMs } = claim ?? {};
      return { topic, partition, waitsSinceMs, heldAtMs, committedAtMs, isUncertain };
    });
    return { group: this.options.group, confirmedAtMs: this.#confirmedAtMs, partitions };
  }

  fail(error: unknown): void {
    if (this.#stopping !== undefined) return;
    const message = error instanceof Error ? error.message : String(error);
    this.#logger.error({ group: this.options.group, topics: this.options.topics }, `subscription ended: ${message}`);
    this.#rejectDone(error);
    this.stop().catch(() => undefined);
  }

  flowChanged(claim: KafkaClaim): void {
    if (claim.hasWork) this.#pump(claim);
    else this.#setFlow(claim, claim.wantsMore);
  }

  seek(claim: KafkaClaim, offset: number): void {
    if (claim.active) this.#consumer.seek({ topic: claim.topic, partition: claim.partition, offset: String(offset) });
  }

  #listen(): void {
    const { GROUP_JOIN, REBALANCING, CRASH, STOP, HEARTBEAT } = this.#consumer.events;
    // Called inside of kafkajs' loop, before the next fetch; an error thrown here would count as one of its own.
    this.#consumer.on(GROUP_JOIN, ({ payload }) => this.#assign(payload.memberAssignment));
    this.#consumer.on(REBALANCING, () => this.#revokeAll());
    this.#consumer.on(STOP, () => this.#revokeAll());
    this.#consumer.on(HEARTBEAT, () => {
      this.#confirmedAtMs = this.clock.monotonicMs();
      this.#confirm();
    });
    this.#consumer.on(CRASH, async ({ payload: { error, restart } }) => {
      this.#revokeAll();
      const missing = isCoordinatorMissing(error);
      const cause = missing ? await this.connection.coordinatorError("group", this.options.group) : error;
      const failure = kafkaError(`read ${this.options.topics.join(", ")}`, cause ?? error);
      if (restart) this.#logger.warn({ group: this.options.group }, `${failure.message}; the consumer starts anew`);
      else this.fail(failure);
    });
  }

  #assign(assignment: Readonly<Record<string, readonly number[]>>): void {
    this.#revokeAll();
    if (this.#stopping !== undefined) {
      // kafkajs cannot be stopped while it joins.
      setImmediate(() => this.#consumer.disconnect().catch(() => undefined));
      return;
    }
    const generation = this.#generation;
    const before = new Map(this.#assigned);
    this.#assigned.clear();
    const waitsSinceMs = this.clock.monotonicMs();
    this.#confirmedAtMs = waitsSinceMs;
    for (const [topic, partitions] of Object.entries(assignment)) {
      if (partitions.length > 0) this.#consumer.pause([{ topic, partitions: [...partitions] }]);
      for (const partition of partitions) {
        const place = placeOf(topic, partition);
        const isUncertain = before.get(place)?.isUncertain ?? false;
        this.#assigned.set(place, { topic, partition, waitsSinceMs, isUncertain });
        this.#hold(topic, partition, generation);
      }
    }
  }

  #revokeAll(): void {
    this.#generation += 1;
    const claims = [...this.#claims.values()];
    this.#claims.clear();
    for (const claim of claims) claim.lose("revoked");
    this.#confirm();
  }

  #hold(topic: string, partition: number, generation: number): void {
    const place = placeOf(topic, partition);
    const stillHeld = () => generation === this.#generation && this.#stopping === undefined;
    const before = this.#work.get(place) ?? Promise.resolve();
    const work = before.then(() =>
      holdPartition(topic, partition, {
        host: this,
        admin: this.#admin,
        logger: this.#logger,
        transactions: this.#transactions,
        knownPartitions: this.#knownPartitions,
        stillHeld,
        confirmed: () => new Promise((resolve) => this.#onConfirmed.add(resolve)),
        current: (claim) => this.#claims.set(place, claim),
        serve: (claim) => this.#serve(claim),
      }),
    );
    this.#work.set(
      place,
      work.catch((error: unknown) => this.fail(error)),
    );
  }

  /** From `claimed` to `lost`. */
  async #serve(claim: KafkaClaim): Promise<void> {
    this.seek(claim, claim.position);
    const claimed = this.#call(claim, () => this.#handler.claimed?.(claim));
    this.#inHand.set(claim, claimed);
    await claimed;
    this.#inHand.delete(claim);
    const assigned = this.#assigned.get(placeOf(claim.topic, claim.partition));
    if (claim.active) {
      claim.startDelivery();
      if (assigned !== undefined) assigned.isUncertain = false;
    }
    await claim.lost;
    if (assigned !== undefined) {
      assigned.waitsSinceMs = this.clock.monotonicMs();
      if (claim.lossReason === "unknown-outcome") assigned.isUncertain = true;
    }
    await this.#inHand.get(claim);
    await claim.settled();
    if (this.#stopping === undefined) this.#handler.lost?.(claim, claim.lossReason ?? "revoked");
  }

  async #eachBatch({ batch, resolveOffset, isRunning, isStale }: EachBatchPayload): Promise<void> {
    const claim = this.#claims.get(placeOf(batch.topic, batch.partition));
    if (!isRunning() || isStale() || claim === undefined || !this.#flowing.has(claim)) return;
    if (!(batch instanceof this.connection.library.Batch)) throw new TypeError("a batch of another kafkajs");
    if (!claim.take(batch)) {
      await this.#realign(claim);
      return;
    }
    if (batch.toOffset === batch.fromOffset) return;
    resolveOffset(String(batch.toOffset - 1));
    this.#pump(claim);
    let detach: { cancel(): void } | undefined;
    const tooLong = new Promise<void>((resolve) => {
      detach = this.clock.after(DETACH_MS, resolve);
    });
    await Promise.race([this.#inHand.get(claim), claim.lost, tooLong]);
    detach?.cancel();
    if (!claim.wantsMore) this.#setFlow(claim, false);
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
      const fields = { topic, partition, fromOffset: fetchFrom, toOffset: start };
      this.#logger.error(fields, "records were removed by retention before they were read: the range is lost");
      claim.skipTo(start);
    }
    this.seek(claim, claim.fetchFrom);
  }

  /** Asks for the ends of the partitions that are paused, or wait for their handler: no fetch tells them. */
  #refreshEnds(): void {
    const byTopic = new Map<string, KafkaClaim[]>();
    for (const claim of this.#claims.values()) {
      if (claim.heldAtMs === undefined || this.#flowing.has(claim)) continue;
      const claims = byTopic.get(claim.topic);
      if (claims === undefined) byTopic.set(claim.topic, [claim]);
      else claims.push(claim);
    }
    const askedAtMs = this.clock.monotonicMs();
    const questions = [...byTopic].map(async ([topic, claims]) => {
      const ends = await this.#admin.partitionEnds(topic);
      for (const claim of claims) {
        const own = ends.find(({ partition }) => partition === claim.partition);
        if (own !== undefined) claim.noteEnd(own.stable, askedAtMs);
      }
    });
    // A broker that does not answer is told of by what needs it; nobody waits for this, not even a stop.
    void Promise.allSettled(questions).then(() => {
      if (this.#stopping !== undefined) return;
      this.#endsTimer = this.clock.after(ENDS_EVERY_MS, () => this.#refreshEnds());
    });
  }

  /** Calls the handler for what is pending, one batch after the other. */
  #pump(claim: KafkaClaim): void {
    if (this.#inHand.has(claim)) return;
    const deliveries = this.#deliver(claim).finally(() => {
      this.#inHand.delete(claim);
      this.flowChanged(claim);
    });
    this.#inHand.set(claim, deliveries);
  }

  async #deliver(claim: KafkaClaim): Promise<void> {
    while (claim.hasWork) {
      const batch = claim.next(this.#maxBatchRecords);
      if (batch === undefined) return;
      await this.#call(claim, () => this.#handler.batch(claim, batch));
      // Promises alone would starve timers, signals and sockets as long as there is data.
      this.#calls += 1;
      if (this.#calls % CALLS_PER_YIELD === 0) await yieldToEvents();
    }
  }

  /** A claim that dies under its handler is no error of the handler. */
  async #call(claim: KafkaClaim, method: () => Promise<void> | void): Promise<void> {
    try {
      await method();
    } catch (error) {
      const code = error instanceof StreamgaugeError ? error.code : undefined;
      if (code === "SG_FENCED") claim.lose("fenced");
      else if (code !== "SG_CONNECT" || claim.active) this.fail(error);
    }
  }

  #setFlow(claim: KafkaClaim, flows: boolean): void {
    if (this.#flowing.has(claim) === flows) return;
    if (flows) this.#flowing.add(claim);
    else this.#flowing.delete(claim);
    const { topic, partition } = claim;
    // A newer claim of the partition decides by itself.
    if (this.#claims.get(placeOf(topic, partition)) !== claim) return;
    const change = [{ topic, partitions: [partition] }];
    if (flows) this.#consumer.resume(change);
    else this.#consumer.pause(change);
  }

  #confirm(): void {
    const waiting = this.#onConfirmed;
    this.#onConfirmed = new Set();
    for (const resolve of waiting) resolve();
  }

  async #stop(): Promise<void> {
    this.#endsTimer?.cancel();
    const claims = [...this.#claims.values()];
    for (const claim of claims) claim.stopDelivery();
    await Promise.all(this.#inHand.values());
    await Promise.all(claims.map((claim) => claim.settled()));
    this.#revokeAll();
    await Promise.all(this.#work.values());
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

interface Assigned {
  readonly topic: string;
  readonly partition: number;
  waitsSinceMs: number;
  isUncertain: boolean;
}

function placeOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
