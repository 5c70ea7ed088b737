/**
 * Writes outside of claims, one call after the other, with an idempotent producer: the broker drops what a retry sends
 * twice. A call that fails in the end leaves it open whether its records were written.
 */
import type { Producer } from "kafkajs";
import type { Clock } from "../core/clock.ts";
import type { OutputRecord } from "../core/log.ts";
import type { KafkaConnection } from "./kafka-connection.ts";
import { kafkaError } from "./kafka-errors.ts";
import { createPartitioner, requestsOf, sendOnce } from "./kafka-messages.ts";

export class KafkaAppender {
  readonly #connection: KafkaConnection;
  readonly #clock: Clock;
  #producer: Promise<Producer> | undefined;
  /** The end of the last call. */
  #queue: Promise<void> = Promise.resolve();

  constructor(connection: KafkaConnection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  append(records: readonly OutputRecord[]): Promise<void> {
    const written = this.#queue.then(() => this.#write(records));
    this.#queue = written.catch(() => undefined);
    return written;
  }

  async close(): Promise<void> {
    await this.#queue;
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.then((open) => open.disconnect()).catch(() => undefined);
  }

  async #write(records: readonly OutputRecord[]): Promise<void> {
    if (records.length === 0) return;
    this.#producer ??= this.#connect();
    const used = this.#producer;
    try {
      const producer = await used;
      for (const topicMessages of requestsOf(records, this.#clock.nowMs())) await sendOnce(producer, topicMessages);
    } catch (error) {
      // Its sequence numbers and those of the broker may differ now.
      this.#producer = undefined;
      used.then((producer) => producer.disconnect()).catch(() => undefined);
      if (error instanceof RangeError) throw error;
      const topics = [...new Set(records.map(({ topic }) => topic))];
      throw kafkaError(`append to ${topics.join(", ")}`, error);
    }
  }

  async #connect(): Promise<Producer> {
    const producer = this.#connection.forConsumers().producer({
      idempotent: true,
      // More than one in flight could change their order.
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      metadataMaxAge: 60_000,
      createPartitioner,
    });
    await producer.connect();
    return producer;
  }
}
