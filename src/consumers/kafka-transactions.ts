/**
 * The holder of one transactional id.
 *
 * `connect()` of kafkajs does not fence; the id is taken over by the first `transaction()` of a producer, once. So a
 * holder begins with an empty transaction, which sends nothing else. From then on what the older holder left open is
 * aborted, and everything it still tries is refused.
 *
 * kafkajs cannot mend a producer whose request failed: after any error in `commit` the holder is finished, and its id has
 * to be fenced anew. Whether the transaction was committed is then told by the committed position alone.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Kafka, Producer } from "kafkajs";
import type { OutputRecord } from "../core/log.ts";
import { createPartitioner, requestsOf, sendOnce } from "./kafka-messages.ts";

/** What a holder that is gone leaves open is aborted by the broker after this time; readers wait for it. */
export const TRANSACTION_TIMEOUT_MS = 15_000;

/** The position of a group in a partition: the offset of the next record. */
export interface GroupPosition {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Of the topic in which it is a position. */
  readonly topicId: string | undefined;
}

export class TransactionalHolder {
  readonly #producer: Producer;

  private constructor(producer: Producer) {
    this.#producer = producer;
  }

  /** Takes the id over. */
  static async fence(kafka: Kafka, transactionalId: string): Promise<TransactionalHolder> {
    const producer = kafka.producer({
      transactionalId,
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      metadataMaxAge: 60_000,
      createPartitioner,
    });
    const holder = new TransactionalHolder(producer);
    try {
      await producer.connect();
      await (await producer.transaction()).abort();
      return holder;
    } catch (error) {
      holder.close();
      throw error;
    }
  }

  /**
   * Outputs and position, visible together or not at all.
   * @throws whatever kafkajs throws; the holder is finished then
   */
  async commit(outputs: readonly OutputRecord[], nowMs: number, position?: GroupPosition): Promise<void> {
    const transaction = await this.#producer.transaction();
    // Records first: kafkajs waits with them, of all requests, until the markers of the last transaction are written.
    for (const topicMessages of requestsOf(outputs, nowMs)) await sendOnce(transaction, topicMessages);
    if (position !== undefined) {
      const { group, topic, partition, offset, topicId } = position;
      const topics = [{ topic, partitions: [{ partition, offset: String(offset), metadata: topicId ?? null }] }];
      await onceMarkersAreWritten(() => transaction.sendOffsets({ consumerGroupId: group, topics }));
    }
    await transaction.commit();
  }

  /**
   * Makes sure that nothing of a transaction whose outcome is unknown becomes visible with the next one. A broker that dies
   * before the markers of a transaction are written may come back, call it complete and never write them: its records
   * then wait for the next marker of this id, and would be taken as committed by it. So the first marker is that of an
   * abort, in every partition that the lost transaction may have written to. Where it had ended this changes nothing.
   */
  async settle(doubtful: readonly OutputRecord[], nowMs: number): Promise<void> {
    const places = firstOfEachPlace(doubtful);
    if (places.length === 0) return;
    const transaction = await this.#producer.transaction();
    for (const topicMessages of requestsOf(places, nowMs)) await sendOnce(transaction, topicMessages);
    await transaction.abort();
  }

  /** Its connections end; what is open stays open. */
  close(): void {
    this.#producer.disconnect().catch(() => undefined);
  }
}

/** An empty record for every partition that the outputs may have been written to. */
export function firstOfEachPlace(outputs: readonly OutputRecord[]): readonly OutputRecord[] {
  const places = new Map<string, OutputRecord>();
  for (const { topic, partition, key } of outputs) {
    const name = partition === undefined ? `${topic}|key|${String(key)}` : `${topic}|${partition}`;
    // A compacted topic takes no record without a key.
    const place = partition === undefined ? {} : { partition };
    if (!places.has(name)) places.set(name, { topic, ...place, key: key ?? "", value: null });
  }
  return [...places.values()];
}

/**
 * Kafka answers a commit before its markers are written, and refuses the next transaction of the id until they are. The
 * refused request has done nothing. kafkajs tries again by itself with records only.
 */
async function onceMarkersAreWritten(request: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await request();
      return;
    } catch (error) {
      const refused = error instanceof Error && "type" in error && error.type === "CONCURRENT_TRANSACTIONS";
      if (!refused || attempt === MARKER_ATTEMPTS) throw error;
      await sleep(Math.min(MAX_MARKER_PAUSE_MS, 5 * attempt));
    }
  }
}

const MARKER_ATTEMPTS = 60;
const MAX_MARKER_PAUSE_MS = 100;
