/** Makes consumers and transactional producers of librdkafka for one cluster, and tells the log what they complain of. */
import type { Clock, Timer } from "../core/clock.ts";
import type { SubscribeOptions } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { KafkaConnectionOptions } from "./kafka-connection.ts";
import { createTokenSource } from "./kafka-oauth.ts";
import { TRANSACTION_TIMEOUT_MS } from "./kafka-transactions.ts";
import {
  called,
  type RdkafkaConsumer,
  type RdkafkaLibrary,
  type RdkafkaProducer,
  type RdkafkaProperties,
  type RebalanceCallback,
} from "./rdkafka-library.ts";
import { connectionProperties } from "./rdkafka-settings.ts";

const SESSION_TIMEOUT_MS = 6000;
/** Also the time in which a member learns of a rebalance. */
const HEARTBEAT_INTERVAL_MS = 1000;
/** How often librdkafka tells how it stands with the group. */
const STATISTICS_INTERVAL_MS = 2000;
/** A fetch without data comes back after this time. */
const MAX_WAIT_MS = 250;
/** New partitions of a topic are found within this time. */
const METADATA_REFRESH_MS = 15_000;
const MAX_BYTES_PER_PARTITION = 1 << 20;
const MAX_BYTES_PER_FETCH = 8 << 20;
/** Fetched and not yet taken, of all partitions together. */
const MAX_QUEUED_KIB = 16 << 10;
/** Tried again by whoever needs the client. */
const CONNECT_TIMEOUT_MS = 5000;
/** Delivery reports wait in the producer's queue until they are polled. */
const POLL_MS = 100;
const MAX_UNSENT_KIB = 64 << 10;
/** The broker decides what is too large. */
const MAX_MESSAGE_BYTES = 100_000_000;
const MAX_PRODUCE_BATCH_BYTES = 900_000;
const TOKEN_LOOK_MS = 15_000;
const REPEAT_AFTER_MS = 10_000;
const WARNING = 4;
const MAX_REMEMBERED_MESSAGES = 100;

export class RdkafkaClients {
  readonly #library: RdkafkaLibrary;
  readonly #options: KafkaConnectionOptions;
  readonly #common: RdkafkaProperties;
  readonly #complain: (client: string, message: string) => void;
  readonly #token: (() => Promise<string>) | undefined;

  /** @throws {StreamgaugeError} `SG_CONFIG` for a connection that librdkafka cannot make */
  constructor(library: RdkafkaLibrary, options: KafkaConnectionOptions) {
    const { kafka, clock, logger, clientId } = options;
    this.#library = library;
    this.#options = options;
    this.#common = connectionProperties(kafka, clientId, library.features);
    this.#complain = complaints(logger, clock);
    this.#token = kafka.sasl?.mechanism === "oauthbearer" ? createTokenSource(kafka.sasl, clock) : undefined;
  }

  /** Not connected yet. */
  createConsumer({ group }: SubscribeOptions, onRebalance: RebalanceCallback): RdkafkaConsumer {
    const consumer = new this.#library.KafkaConsumer(
      {
        ...this.#common,
        "group.id": group,
        // Partitions that stay are not disturbed when others move.
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": SESSION_TIMEOUT_MS,
        "heartbeat.interval.ms": HEARTBEAT_INTERVAL_MS,
        "isolation.level": "read_committed",
        "enable.auto.commit": false,
        "enable.auto.offset.store": false,
        "enable.partition.eof": true,
        "fetch.wait.max.ms": MAX_WAIT_MS,
        "fetch.message.max.bytes": MAX_BYTES_PER_PARTITION,
        "fetch.max.bytes": MAX_BYTES_PER_FETCH,
        "queued.max.messages.kbytes": MAX_QUEUED_KIB,
        "topic.metadata.refresh.interval.ms": METADATA_REFRESH_MS,
        "statistics.interval.ms": STATISTICS_INTERVAL_MS,
        "allow.auto.create.topics": false,
        rebalance_cb: onRebalance,
      },
      // An offset out of range must not end at the latest record. `error` would do, but its error names no partition.
      { "auto.offset.reset": "earliest" },
    );
    this.#listen(consumer, "consumer");
    return consumer;
  }

  async createProducer(transactionalId: string): Promise<RdkafkaProducer> {
    const producer = new this.#library.Producer(
      {
        ...this.#common,
        "transactional.id": transactionalId,
        "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
        "enable.idempotence": true,
        "linger.ms": 0,
        "batch.size": MAX_PRODUCE_BATCH_BYTES,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "queue.buffering.max.kbytes": MAX_UNSENT_KIB,
      },
      { partitioner: "murmur2_random" },
    );
    this.#listen(producer, "producer");
    await this.connect(producer);
    producer.setPollInterval(POLL_MS);
    return producer;
  }

  async connect(client: RdkafkaConsumer | RdkafkaProducer): Promise<void> {
    await this.#authenticate(client);
    const metadata = { allTopics: false, timeout: CONNECT_TIMEOUT_MS };
    await called<unknown>((callback) => client.connect(metadata, callback));
  }

  /** librdkafka is given tokens; it asks for none. */
  async #authenticate(client: RdkafkaConsumer | RdkafkaProducer): Promise<void> {
    const source = this.#token;
    if (source === undefined) return;
    let held = await source();
    client.setOauthBearerToken(held);
    let timer: Timer | undefined;
    const look = () => {
      timer = this.#options.clock.after(TOKEN_LOOK_MS, async () => {
        try {
          const token = await source();
          if (token !== held) client.setOauthBearerToken(token);
          held = token;
        } catch (error) {
          this.#complain("token", String(error));
        }
        look();
      });
    };
    look();
    client.on("disconnected", () => timer?.cancel());
  }

  #listen(client: RdkafkaConsumer | RdkafkaProducer, kind: string): void {
    client.on("event.error", ({ message }) => this.#complain(kind, message));
    client.on("event.log", ({ severity, message }) => {
      if (severity <= WARNING) this.#complain(kind, message);
    });
  }
}

/** Words of librdkafka as warnings of ours: what really fails reaches its caller. The same words once in a while. */
function complaints(logger: Logger, clock: Clock): (client: string, message: string) => void {
  const lastLogged = new Map<string, number>();
  return (client, message) => {
    const nowMs = clock.monotonicMs();
    // Addresses and times differ from one to the next.
    const words = `${client} ${message.replace(/\d+/g, "0")}`;
    const last = lastLogged.get(words);
    if (last !== undefined && nowMs - last < REPEAT_AFTER_MS) return;
    if (lastLogged.size >= MAX_REMEMBERED_MESSAGES) lastLogged.clear();
    lastLogged.set(words, nowMs);
    logger.warn({ client: `rdkafka ${client}` }, message);
  };
}
