/**
 * node-rdkafka, which is not among our dependencies because it is compiled when it is installed. Loaded when the
 * configuration asks for it; only the parts that are used have types here.
 */
import { createRequire } from "node:module";
import { StreamgaugeError } from "../core/errors.ts";

/** An error of librdkafka; codes below zero are its own, others those of Kafka's protocol. */
export interface RdkafkaError extends Error {
  readonly code: number;
  /** The client cannot be used any more. */
  readonly isFatal?: boolean;
  /** The same call may be made again. */
  readonly isRetriable?: boolean;
  /** The transaction has to be aborted; the producer is sound. */
  readonly isTxnRequiresAbort?: boolean;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly offset?: number;
}

export interface RdkafkaMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Objects with one key each. */
  readonly headers?: readonly Readonly<Record<string, Buffer>>[];
}

/** The end of a partition was reached: at `offset`, after the message of this index; -1: before all. */
export interface EndReached {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly messageIndex: number;
}

type Callback<T = void> = (error: RdkafkaError | null | undefined, result: T) => void;

interface Client {
  connect(metadata: { readonly allTopics: boolean; readonly timeout: number }, callback: Callback<unknown>): void;
  setOauthBearerToken(token: string): void;
  on(event: "disconnected", listener: () => void): void;
  on(event: "event.error", listener: (error: RdkafkaError) => void): void;
  on(event: "event.stats", listener: (stats: { readonly message: string }) => void): void;
  on(event: "event.log", listener: (log: { readonly severity: number; readonly message: string }) => void): void;
}

export interface RdkafkaConsumer extends Client {
  disconnect(callback: Callback<unknown>): void;
  subscribe(topics: readonly string[]): void;
  incrementalAssign(partitions: readonly TopicPartition[]): void;
  incrementalUnassign(partitions: readonly TopicPartition[]): void;
  unassign(): void;
  pause(partitions: readonly TopicPartition[]): number;
  resume(partitions: readonly TopicPartition[]): number;
  seek(partition: TopicPartition, timeoutMs: number, callback: Callback): void;
  committed(partitions: readonly TopicPartition[], timeoutMs: number, callback: Callback<TopicPartition[]>): void;
  /** As last known to the client; makes no request. */
  getWatermarkOffsets(topic: string, partition: number): { readonly lowOffset: number; readonly highOffset: number };
  getClient(): {
    consume(
      timeoutMs: number,
      count: number,
      callback: (
        error: { readonly code: number; readonly message: string } | null,
        messages: readonly RdkafkaMessage[],
        ends: readonly EndReached[],
      ) => void,
    ): void;
  };
}

export interface RdkafkaProducer extends Client {
  disconnect(flushTimeoutMs: number, callback: Callback<unknown>): void;
  setPollInterval(intervalMs: number): void;
  /** @throws {RdkafkaError} */
  produce(
    topic: string,
    partition: number | null,
    value: Buffer | null,
    key: Buffer | null,
    timestampMs: number,
    opaque: undefined,
    headers: readonly Readonly<Record<string, string>>[] | undefined,
  ): void;
  initTransactions(timeoutMs: number, callback: Callback): void;
  beginTransaction(callback: Callback): void;
  commitTransaction(timeoutMs: number, callback: Callback): void;
  abortTransaction(timeoutMs: number, callback: Callback): void;
  sendOffsetsToTransaction(
    offsets: readonly TopicPartition[],
    consumer: RdkafkaConsumer,
    timeoutMs: number,
    callback: Callback,
  ): void;
}

export type RdkafkaProperties = Readonly<Record<string, string | number | boolean | RebalanceCallback>>;
export type RebalanceCallback = (error: RdkafkaError, partitions: readonly TopicPartition[]) => void;

export interface RdkafkaLibrary {
  readonly KafkaConsumer: new (global: RdkafkaProperties, topic: RdkafkaProperties) => RdkafkaConsumer;
  readonly Producer: new (global: RdkafkaProperties, topic: RdkafkaProperties) => RdkafkaProducer;
  /** What librdkafka was built with, such as `zstd`. */
  readonly features: readonly string[];
}

const VERSION = "3.6.1";

/** @throws {StreamgaugeError} `SG_CONFIG` when it is not installed, or cannot be loaded by this Node */
export function loadRdkafka(): RdkafkaLibrary {
  const hostRequire = createRequire(import.meta.url);
  try {
    return hostRequire("node-rdkafka") as RdkafkaLibrary;
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND";
    const state = isMissing ? "it is not installed" : "this Node cannot load it";
    const advice = `run \`npm install node-rdkafka@${VERSION}\`, which compiles it, or choose kafka.client: kafkajs`;
    const message = `Cannot use kafka.client node-rdkafka: ${state}; ${advice}`;
    throw new StreamgaugeError("SG_CONFIG", message, { cause: error });
  }
}

/** A method of node-rdkafka that calls back, as a promise. */
export function called<T = void>(method: (callback: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    method((error, result) => {
      if (error === null || error === undefined) resolve(result);
      else reject(error);
    });
  });
}
