/**
 * One member of a consumer group: librdkafka on one side, the partitions held on the other.
 *
 * One loop owns the consumer's positions: seeks are made between two polls, so that whatever a poll brings of a partition
 * that was moved meanwhile is known to be old. Polls do not wait: each would hold one of the four threads that Node has for
 * such calls, and files, names of hosts and other subscriptions need them too.
 *
 * The group moves partitions one by one (cooperative-sticky): those that stay are not disturbed. One that is taken from us is
 * given back only when the transaction in flight that holds its position has ended: see `rdkafka-transactions.ts`.
 *
 * Back-pressure: what one poll brought is handed over before the next one; the partition of a handler that takes longer
 * than `DETACH_MS` is paused, and the others go on. librdkafka holds 16 MB that were fetched ahead.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Clock, Timer } from "../core/clock.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { SubscribeOptions, Subscription, SubscriptionHealth } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { CommittedPosition } from "./kafka-admin.ts";
import type { ClaimHost, KafkaClaim } from "./kafka-claim.ts";
import { logLostRange } from "./kafka-claim-start.ts";
import type { KafkaConnection } from "./kafka-connection.ts";
import { EndsWatch } from "./kafka-ends.ts";
import { HeldPartitions, type Place } from "./kafka-held-partitions.ts";
import type { KafkaSubscriptionOptions } from "./kafka-subscription.ts";
import type { KafkaTopicIds } from "./kafka-topic-ids.ts";
import { RdkafkaClaimOpener } from "./rdkafka-claim-opener.ts";
import type { RdkafkaClients } from "./rdkafka-clients.ts";
import { CODES, codeOf, isUnreadable, RDKAFKA_ERRORS } from "./rdkafka-errors.ts";
import {
  called,
  type EndReached,
  type RdkafkaConsumer,
  type RdkafkaError,
  type RdkafkaMessage,
  type TopicPartition,
} from "./rdkafka-library.ts";
import { byPartition, type PolledPartition, recordOf } from "./rdkafka-messages.ts";
import { GroupCommitter } from "./rdkafka-transactions.ts";

export interface RdkafkaSubscriptionOptions extends KafkaSubscriptionOptions {
  readonly clients: RdkafkaClients;
  /** What tells our transactional ids from those of other processes. @default a new one for each subscription */
  readonly instance?: string | undefined;
}

/** Records of one poll. */
const POLL_RECORDS = 2000;
/** Between polls that bring little. */
const IDLE_MS = 25;
const DETACH_MS = 1000;
/** How old the ends of partitions may be; librdkafka tells once that one is reached, not that a quiet one still is there. */
const ENDS_EVERY_MS = 3000;
const SEEK_TIMEOUT_MS = 1000;
/** Leaving a group that does not answer. */
const DISCONNECT_LIMIT_MS = 8000;
/**
 * Where librdkafka begins before a claim is open and is sought: at the committed position. Not at the end: it may ask for an end
 * again a second later, whatever was sought meanwhile, and go on there.
 */
const AT_COMMITTED = -1001;

export class RdkafkaSubscription implements Subscription, ClaimHost {
  readonly done: Promise<void>;
  readonly connection: KafkaConnection;
  readonly clock: Clock;
  readonly options: SubscribeOptions;
  readonly topicIds: KafkaTopicIds;
  readonly ownPositions = new Map<string, CommittedPosition>();
  readonly errors = RDKAFKA_ERRORS;
  readonly #logger: Logger;
  readonly #clients: RdkafkaClients;
  readonly #consumer: RdkafkaConsumer;
  readonly #committer: GroupCommitter;
  readonly #held: HeldPartitions;
  readonly #ends: EndsWatch;
  /** Claims whose position in librdkafka is not where they go on. */
  readonly #seeks = new Set<KafkaClaim>();
  /** Since when the group counts us in, by librdkafka's own word. */
  #confirmedAtMs: number | undefined;
  #polling: Promise<void> = Promise.resolve();
  #isPolling = true;
  #isLeaving = false;
  #wake = () => {};
  #stopping: Promise<void> | undefined;
  #rejectDone = (_error: unknown) => {};

  constructor(parts: RdkafkaSubscriptionOptions) {
    const { clients, connection, admin, clock, logger, options, handler, topicIds, instance } = parts;
    this.connection = connection;
    this.clock = clock;
    this.options = options;
    this.topicIds = topicIds;
    this.#logger = logger;
    this.#clients = clients;
    this.done = new Promise((_resolve, reject) => {
      this.#rejectDone = reject;
    });
    // Whoever wants to know looks at `done`; the log has told it in any case.
    this.done.catch(() => undefined);
    this.#consumer = clients.createConsumer(options, (error, partitions) => this.#rebalance(error, partitions));
    this.#consumer.on("event.stats", ({ message }) => this.#noteStatistics(message));
    const transactionalId = transactionalIdOf(options, instance ?? newInstance());
    this.#committer = new GroupCommitter({
      createProducer: () => clients.createProducer(transactionalId),
      consumer: this.#consumer,
      clock,
      logger,
    });
    this.#held = new HeldPartitions({
      host: this,
      opener: new RdkafkaClaimOpener({
        consumer: this.#consumer,
        committer: this.#committer,
        transactionalId,
        start: { ...parts, ownPositions: this.ownPositions },
      }),
      handler,
      logger,
      setFlow: ({ topic, partition }, flows) => {
        if (flows) this.#resume({ topic, partition });
        else this.#consumer.pause([{ topic, partition }]);
        this.#wake();
      },
      fail: (error) => this.fail(error),
    });
    this.#ends = new EndsWatch({
      admin,
      clock,
      everyMs: ENDS_EVERY_MS,
      claims: () => this.#held.claims().filter(({ heldAtMs }) => heldAtMs !== undefined),
      note: (claim, endOffset, askedAtMs) => claim.confirmEnd(endOffset, askedAtMs),
    });
  }

  /** Connects and begins to join; the assignment comes later. */
  async start(): Promise<void> {
    try {
      await this.#clients.connect(this.#consumer);
      this.#consumer.subscribe([...new Set(this.options.topics)]);
    } catch (error) {
      this.#consumer.disconnect(() => {});
      throw RDKAFKA_ERRORS.describe(`subscribe to ${this.options.topics.join(", ")}`, error);
    }
    this.#polling = this.#poll().catch((error: unknown) => this.fail(error));
    this.#ends.start();
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

  seek(claim: KafkaClaim): void {
    if (!claim.active) return;
    this.#seeks.add(claim);
    this.#wake();
  }

  /** librdkafka goes on behind the last message that a poll brought, whether it was taken or not, and forgets an earlier seek. */
  #resume(place: Place): void {
    this.#consumer.resume([place]);
    const claim = this.#held.claim(place);
    if (claim !== undefined) this.#seeks.add(claim);
  }

  #rebalance({ code }: RdkafkaError, partitions: readonly TopicPartition[]): void {
    const places = partitions.map(({ topic, partition }) => ({ topic, partition }));
    if (code === CODES.assignPartitions) this.#assign(places);
    else if (code === CODES.revokePartitions) void this.#revoke(places);
  }

  #assign(places: readonly Place[]): void {
    this.#tell(() => this.#consumer.incrementalAssign(places.map((place) => ({ ...place, offset: AT_COMMITTED }))));
    if (this.#stopping !== undefined || places.length === 0) return;
    this.#consumer.pause(places);
    this.#held.assign(places);
    this.#confirmedAtMs = this.clock.monotonicMs();
  }

  async #revoke(places: readonly Place[]): Promise<void> {
    this.#held.revoke(places);
    await this.#committer.settled(places);
    this.#held.dropRevoked();
    // Whoever leaves gives back everything, and hangs if it does not say so.
    this.#tell(() => (this.#isLeaving ? this.#consumer.unassign() : this.#consumer.incrementalUnassign(places)));
  }

  /** A consumer that has left meanwhile cannot be told, and need not be. */
  #tell(answer: () => void): void {
    try {
      answer();
    } catch (error) {
      if (!this.#isLeaving)
        this.#logger.warn({ group: this.options.group, error: String(error) }, "the group moved on");
    }
  }

  async #poll(): Promise<void> {
    while (this.#isPolling) {
      await this.#applySeeks();
      const polled = await this.#fetched();
      const claims = polled.flatMap((partition) => this.#take(partition));
      if (claims.length > 0) await this.#handled(claims);
      const records = polled.reduce((sum, { messages }) => sum + messages.length, 0);
      if (records < POLL_RECORDS / 2) await this.#pause();
    }
  }

  async #fetched(): Promise<readonly PolledPartition[]> {
    const { error, messages, ends } = await poll(this.#consumer);
    if (error === undefined) return byPartition(messages, ends);
    const action = `read ${this.options.topics.join(", ")}`;
    if (isUnreadable(error)) {
      this.fail(
        new StreamgaugeError("SG_CORRUPT", `Cannot ${action}: a record batch cannot be read: ${error.message}`),
      );
    } else {
      const failure = RDKAFKA_ERRORS.describe(action, error);
      if (RDKAFKA_ERRORS.isPermanent(error) || codeOf(error) === CODES.fatal) this.fail(failure);
      else this.#logger.warn({ group: this.options.group }, failure.message);
    }
    return [];
  }

  /** The claim that has something to do now. */
  #take({ topic, partition, messages, end }: PolledPartition): readonly KafkaClaim[] {
    const claim = this.#held.claim({ topic, partition });
    if (claim === undefined || !this.#held.isFlowing(claim) || this.#seeks.has(claim)) return [];
    // Where the offset is out of range librdkafka begins at the oldest record: what was delivered is not delivered again.
    const from = messages.findIndex(({ offset }) => offset >= claim.fetchFrom);
    const fresh = from === 0 ? messages : from < 0 ? [] : messages.slice(from);
    const first = fresh[0]?.offset ?? end ?? claim.fetchFrom;
    if (first > claim.fetchFrom) this.#noteLoss(claim);
    const fromOffset = claim.fetchFrom;
    const toOffset = Math.max(fromOffset, end ?? 0, (fresh.at(-1)?.offset ?? -1) + 1);
    const stable = end === undefined ? {} : { stableOffset: end };
    const slice = (start: number, stop: number) => fresh.slice(start, stop).map(recordOf);
    if (!claim.take({ fromOffset, toOffset, ...stable, count: fresh.length, slice })) {
      this.seek(claim);
      return [];
    }
    this.#held.pump(claim);
    return [claim];
  }

  /** A gap is a gap of markers, aborted or compacted records, unless the partition begins behind it. */
  #noteLoss(claim: KafkaClaim): void {
    const { topic, partition, fetchFrom } = claim;
    const { lowOffset } = this.#consumer.getWatermarkOffsets(topic, partition);
    if (lowOffset <= fetchFrom) return;
    logLostRange(this.#logger, { topic, partition, fromOffset: fetchFrom, toOffset: lowOffset });
    claim.skipTo(lowOffset);
  }

  /** Waits for the handlers, but not longer than `DETACH_MS`: then the partitions of slow ones are paused. */
  async #handled(claims: readonly KafkaClaim[]): Promise<void> {
    let timer: Timer | undefined;
    const tooLong = new Promise<void>((resolve) => {
      timer = this.clock.after(DETACH_MS, resolve);
    });
    const all = Promise.all(claims.map((claim) => Promise.race([this.#held.inHand(claim), claim.lost])));
    await Promise.race([all, tooLong]);
    timer?.cancel();
    for (const claim of claims) this.#held.holdBack(claim);
  }

  async #applySeeks(): Promise<void> {
    for (const claim of [...this.#seeks]) {
      this.#seeks.delete(claim);
      const { topic, partition, fetchFrom } = claim;
      if (this.#held.claim(claim) !== claim) continue;
      try {
        await called((callback) =>
          this.#consumer.seek({ topic, partition, offset: fetchFrom }, SEEK_TIMEOUT_MS, callback),
        );
      } catch {
        // Such as a partition that librdkafka has not begun to fetch yet.
        this.#seeks.add(claim);
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.clock.after(IDLE_MS, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** In the state `steady` librdkafka has heard of the group within the session timeout. */
  #noteStatistics(text: string): void {
    const { cgrp } = JSON.parse(text) as { cgrp?: { state?: string; join_state?: string } };
    if (cgrp?.state !== "up" || cgrp.join_state !== "steady") return;
    this.#confirmedAtMs = this.clock.monotonicMs();
    this.#held.confirm();
  }

  async #stop(): Promise<void> {
    this.#ends.stop();
    this.#committer.hurry();
    await this.#held.stop();
    await this.#committer.close();
    this.#isPolling = false;
    this.#wake();
    await this.#polling;
    await this.#leave();
  }

  /** The revocation that it causes is answered in `#rebalance`. */
  async #leave(): Promise<void> {
    this.#isLeaving = true;
    let limit: Timer | undefined;
    const tooLong = new Promise<void>((resolve) => {
      limit = this.clock.after(DISCONNECT_LIMIT_MS, resolve);
    });
    await Promise.race([called<unknown>((callback) => this.#consumer.disconnect(callback)), tooLong]);
    limit?.cancel();
  }
}

interface Polled {
  readonly error?: { readonly code: number; readonly message: string };
  readonly messages: readonly RdkafkaMessage[];
  readonly ends: readonly EndReached[];
}

/** What is there now; an error comes alone. */
function poll(consumer: RdkafkaConsumer): Promise<Polled> {
  return new Promise((resolve) => {
    // Past the wrapper, which emits every message as an event.
    consumer.getClient().consume(0, POLL_RECORDS, (error, messages, ends) => {
      resolve(error === null ? { messages, ends } : { error, messages: [], ends: [] });
    });
  });
}

/** Begins as `deployment.`, on which permissions are given; profiler and judge of one process have groups of their own. */
function transactionalIdOf({ transactionalPrefix, group }: SubscribeOptions, instance: string): string {
  return `${transactionalPrefix}.${group}.${instance}`;
}

function newInstance(): string {
  return `${hostname()}.${process.pid}.${randomBytes(4).toString("hex")}`;
}
