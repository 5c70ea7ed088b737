/**
 * Opens claims with kafkajs. The order is what exactly-once rests on: fence the transactional id, settle what the last
 * claim left in doubt, then read the committed position. Nobody can move the position after it was read, because nobody
 * else holds the id any more; a zombie that fences late takes the partition over, commits rightly, and loses it again,
 * which costs time only.
 */
import type { Kafka } from "kafkajs";
import type { OutputRecord } from "../core/log.ts";
import { type ClaimHost, type ClaimStart, type KafkaClaim, transactionalId } from "./kafka-claim.ts";
import { claimStart, type StartContext } from "./kafka-claim-start.ts";
import { isCoordinatorMissing } from "./kafka-errors.ts";
import type { ClaimOpener } from "./kafka-partition-holder.ts";
import { TransactionalHolder } from "./kafka-transactions.ts";

export class KafkaClaimOpener implements ClaimOpener {
  readonly #transactions: Kafka;
  readonly #host: ClaimHost;
  readonly #context: StartContext;

  constructor(transactions: Kafka, host: ClaimHost, context: StartContext) {
    this.#transactions = transactions;
    this.#host = host;
    this.#context = context;
  }

  transactionalId(topic: string, partition: number): string {
    return transactionalId(this.#host.options, topic, partition);
  }

  async open({ topic, partition }: KafkaClaim, doubtful: readonly OutputRecord[]): Promise<ClaimStart> {
    const { clock, options } = this.#host;
    const writer = await TransactionalHolder.fence(this.#transactions, this.transactionalId(topic, partition));
    try {
      await writer.settle(doubtful, clock.nowMs());
      const committed = await this.#context.admin.committedPositions(options.group, topic);
      const start = await claimStart(topic, partition, committed.get(partition), this.#context);
      return { ...start, writer };
    } catch (error) {
      writer.close();
      throw error;
    }
  }

  /** What stands behind a coordinator that could not be found. */
  async causeOf(error: unknown, { topic, partition }: KafkaClaim): Promise<unknown> {
    if (!isCoordinatorMissing(error)) return error;
    const { connection, options } = this.#host;
    return (
      (await connection.coordinatorError("transactional id", this.transactionalId(topic, partition))) ??
      (await connection.coordinatorError("group", options.group)) ??
      error
    );
  }
}
