/** How kafkajs reaches the brokers: addresses, encryption, authentication, time limits, and where its log goes. */
import type { Kafka, KafkaConfig as KafkaJsConfig, LogEntry, RetryOptions, SASLOptions } from "kafkajs";
import type { Clock } from "../core/clock.ts";
import type { KafkaConfig, SaslConfig, TlsConfig } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { KafkaCluster } from "./kafka-cluster.ts";
import { kafkaError } from "./kafka-errors.ts";
import type { KafkaLibrary } from "./kafka-library.ts";
import { createTokenSource } from "./kafka-oauth.ts";

/** Reading survives some 15 s of absence before the consumer starts anew, which it does for ever. */
const CONSUMER_RETRY: RetryOptions = { initialRetryTime: 100, multiplier: 1.5, maxRetryTime: 1000, retries: 20 };
/**
 * Kafka writes the markers of a transaction after it has answered; the next transaction is refused until then
 * (CONCURRENT_TRANSACTIONS), so the first retries must come soon.
 */
const PRODUCER_RETRY: RetryOptions = {
  initialRetryTime: 10,
  factor: 0,
  multiplier: 1.5,
  maxRetryTime: 400,
  retries: 12,
};
/** A first connection decides soon: what is wrong is told to a person who waits. */
const PING_RETRY: RetryOptions = { initialRetryTime: 200, multiplier: 2, maxRetryTime: 1000, retries: 3 };
const PING_LIMIT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 3000;
const REQUEST_TIMEOUT_MS = 8000;
/** The same words of kafkajs are logged once in this time. */
const REPEAT_AFTER_MS = 10_000;
const MAX_REMEMBERED_MESSAGES = 100;

export interface KafkaConnectionOptions {
  readonly kafka: KafkaConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Name under which the broker's logs and quotas know this client. */
  readonly clientId: string;
}

export interface ClusterDescription {
  readonly clusterId: string;
  readonly brokers: number;
}

/** Makes clients for one cluster. Each `Kafka` is apart: kafkajs keeps a group's positions per object. */
export class KafkaConnection {
  readonly library: KafkaLibrary;
  readonly #options: KafkaConnectionOptions;
  readonly #common: KafkaJsConfig;

  constructor(library: KafkaLibrary, options: KafkaConnectionOptions) {
    this.library = library;
    this.#options = options;
    const { kafka, clock, logger, clientId } = options;
    if (kafka.brokers.length === 0) throw new StreamgaugeError("SG_CONFIG", "Cannot connect: kafka.brokers is empty");
    // One for all clients: each of them meets the same outage, and makes new ones.
    const log = kafkaJsLog(logger, clock);
    this.#common = {
      brokers: [...kafka.brokers],
      clientId,
      connectionTimeout: CONNECT_TIMEOUT_MS,
      authenticationTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      logLevel: library.logLevel.WARN,
      logCreator: () => log,
      ...(kafka.tls === undefined ? {} : { ssl: tlsOptions(kafka.tls) }),
      ...(kafka.sasl === undefined ? {} : { sasl: saslOptions(kafka.sasl, clock) }),
    };
  }

  get brokers(): string {
    return this.#options.kafka.brokers.join(", ");
  }

  forConsumers(): Kafka {
    return new this.library.Kafka({ ...this.#common, retry: CONSUMER_RETRY });
  }

  /** The transaction code of kafkajs takes its retries from here, not from the producer. */
  forTransactions(): Kafka {
    return new this.library.Kafka({ ...this.#common, retry: PRODUCER_RETRY });
  }

  /** A read-committed reader of single partitions, without a consumer group. */
  createCluster(): KafkaCluster {
    return new this.library.Cluster({
      ...this.#common,
      retry: PRODUCER_RETRY,
      logger: this.forTransactions().logger(),
      socketFactory: this.library.createSocketFactory(),
      metadataMaxAge: 60_000,
      allowAutoTopicCreation: false,
      isolationLevel: 1,
    });
  }

  /** Why the broker does not name the coordinator of a group or a transactional id; `undefined` when it does. */
  async coordinatorError(kind: "group" | "transactional id", name: string): Promise<unknown> {
    const cluster = this.createCluster();
    try {
      await cluster.connect();
      await cluster.refreshMetadata();
      const [nodeId] = cluster.getNodeIds();
      if (nodeId === undefined) return undefined;
      const node = await cluster.findBroker({ nodeId });
      await node.findGroupCoordinator({ groupId: name, coordinatorType: kind === "group" ? 0 : 1 });
      return undefined;
    } catch (error) {
      return error;
    } finally {
      cluster.disconnect().catch(() => undefined);
    }
  }

  /**
   * Connects once and describes the cluster, within 15 s.
   * @throws {StreamgaugeError} `SG_CONFIG` when the broker refuses user or encryption, else `SG_CONNECT`
   */
  async ping(): Promise<ClusterDescription> {
    const admin = new this.library.Kafka({ ...this.#common, retry: PING_RETRY, logCreator: () => () => {} }).admin();
    const action = `connect to Kafka at ${this.brokers}`;
    let limit: { cancel(): void } | undefined;
    const tooLong = new Promise<never>((_resolve, reject) => {
      limit = this.#options.clock.after(PING_LIMIT_MS, () => {
        const reason = `no answer within ${PING_LIMIT_MS / 1000} s; check kafka.brokers, and whether it wants kafka.tls`;
        reject(new StreamgaugeError("SG_CONNECT", `Cannot ${action}: ${reason}`));
      });
    });
    try {
      const described = admin.connect().then(() => admin.describeCluster());
      described.catch(() => undefined);
      const { clusterId, brokers } = await Promise.race([described, tooLong]);
      return { clusterId, brokers: brokers.length };
    } catch (error) {
      throw this.#pingError(action, error);
    } finally {
      limit?.cancel();
      admin.disconnect().catch(() => undefined);
    }
  }

  /** A server that speaks TLS answers a plain client with an alert, or hangs up; kafkajs sees nonsense or a closed socket. */
  #pingError(action: string, error: unknown): StreamgaugeError {
    // kafkajs takes the silence of every broker for an answer, and looks for something in it.
    if (error instanceof TypeError) {
      const reason = "a broker took the connection and gave no answer; it may be overloaded";
      return new StreamgaugeError("SG_CONNECT", `Cannot ${action}: ${reason}`, { cause: error });
    }
    const translated = kafkaError(action, error);
    if (translated.code !== "SG_CONNECT" || this.#options.kafka.tls !== undefined) return translated;
    if (!/closed connection|out of range|ECONNRESET|RangeError/i.test(translated.message)) return translated;
    const hint = "the server hangs up; check whether it wants kafka.tls or kafka.sasl";
    return new StreamgaugeError("SG_CONNECT", `Cannot ${action}: ${hint}`, { cause: error });
  }
}

/** What kafkajs complains of while all goes well: markers that are being written, members that come and go. */
const EVERYDAY =
  /concurrent operation on the same transaction|group is rebalancing|Limiting retries for the idempotent/i;

function tlsOptions(tls: TlsConfig): NonNullable<KafkaJsConfig["ssl"]> {
  const { ca, cert, key, passphrase, serverName } = tls;
  return {
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca: [ca] }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

function saslOptions(sasl: SaslConfig, clock: Clock): SASLOptions {
  if (sasl.mechanism !== "oauthbearer") {
    const { mechanism, username, password } = sasl;
    return { mechanism, username, password };
  }
  const token = createTokenSource(sasl, clock);
  return { mechanism: "oauthbearer", oauthBearerProvider: async () => ({ value: await token() }) };
}

/**
 * Words of kafkajs as warnings of ours. It calls an error what it retries, so nothing of it is one here; what really fails
 * reaches its caller. Only these fields are taken: others may hold requests.
 */
function kafkaJsLog(logger: Logger, clock: Clock): (entry: LogEntry) => void {
  const lastLogged = new Map<string, number>();
  return ({ namespace, log }) => {
    const { message, broker, groupId, error } = log as { message: string } & Record<string, unknown>;
    if (EVERYDAY.test(message) || (typeof error === "string" && EVERYDAY.test(error))) return;
    const fields = {
      client: `kafkajs ${namespace}`,
      ...(typeof broker === "string" ? { broker } : {}),
      ...(typeof groupId === "string" ? { group: groupId } : {}),
      ...(typeof error === "string" ? { error } : {}),
    };
    const words = `${message} ${JSON.stringify(fields)}`;
    const nowMs = clock.monotonicMs();
    const last = lastLogged.get(words);
    if (last !== undefined && nowMs - last < REPEAT_AFTER_MS) return;
    if (lastLogged.size >= MAX_REMEMBERED_MESSAGES) lastLogged.clear();
    lastLogged.set(words, nowMs);
    logger.warn(fields, message);
  };
}
