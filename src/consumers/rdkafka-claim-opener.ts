/**
 * Opens claims with librdkafka. The order is what exactly-once rests on: our transactional id first, which ends what we
 * left open ourselves; then the committed position, which the broker tells only when no transaction holds another one for
 * the partition. From then on nobody else can move it, because the group fences whoever has lost the partition.
 */
import type { ClaimStart, KafkaClaim } from "./kafka-claim.ts";
import { claimStart, type StartContext } from "./kafka-claim-start.ts";
import type { Place } from "./kafka-held-partitions.ts";
import type { ClaimOpener } from "./kafka-partition-holder.ts";
import { called, type RdkafkaConsumer, type TopicPartition } from "./rdkafka-library.ts";
import type { GroupCommitter } from "./rdkafka-transactions.ts";

export interface RdkafkaClaimOpenerOptions {
  readonly consumer: RdkafkaConsumer;
  readonly committer: GroupCommitter;
  readonly transactionalId: string;
  readonly start: StartContext;
}

export class RdkafkaClaimOpener implements ClaimOpener {
  readonly #options: RdkafkaClaimOpenerOptions;
  readonly #positions: CommittedPositions;

  constructor(options: RdkafkaClaimOpenerOptions) {
    this.#options = options;
    this.#positions = new CommittedPositions(options.consumer);
  }

  async open(claim: KafkaClaim): Promise<ClaimStart> {
    const { committer, start } = this.#options;
    await committer.ready();
    // The addon does not tell what was committed with a position.
    const committed = { offset: await this.#positions.read(claim), topicId: undefined };
    return {
      ...(await claimStart(claim.topic, claim.partition, committed, start)),
      writer: committer.writerOf(claim),
    };
  }

  async causeOf(error: unknown): Promise<unknown> {
    return error;
  }

  transactionalId(): string {
    return this.#options.transactionalId;
  }
}

/** A call holds one of the four threads that Node has for such. */
const TOGETHER_MS = 2000;
const ALONE_MS = 500;

/** Positions of the group: those that are asked for together are asked of the broker together. */
class CommittedPositions {
  readonly #consumer: RdkafkaConsumer;
  #waiting: Question[] = [];
  #asking = false;

  constructor(consumer: RdkafkaConsumer) {
    this.#consumer = consumer;
  }

  /** Negative: there is none. */
  read({ topic, partition }: Place): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ topic, partition, resolve, reject });
      if (!this.#asking) void this.#ask();
    });
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    // Those of one assignment come in the same turn.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const questions = this.#waiting;
      this.#waiting = [];
      if (questions.length > 1 && (await this.#answer(questions, TOGETHER_MS)) === undefined) continue;
      // One partition whose position is held by a transaction keeps back the answer for all.
      for (const question of questions) {
        const error = await this.#answer([question], ALONE_MS);
        if (error !== undefined) question.reject(error);
      }
    }
    this.#asking = false;
  }

  /** The error, if there is one. */
  async #answer(questions: readonly Question[], timeoutMs: number): Promise<unknown> {
    const partitions = questions.map(({ topic, partition }) => ({ topic, partition }));
    try {
      const positions = await called<TopicPartition[]>((callback) =>
        this.#consumer.committed(partitions, timeoutMs, callback),
      );
      for (const { topic, partition, resolve } of questions) {
        const own = positions.find((one) => one.topic === topic && one.partition === partition);
        resolve(own?.offset ?? -1);
      }
      return undefined;
    } catch (error) {
      return error;
    }
  }
}

interface Question extends Place {
  readonly resolve: (position: number) => void;
  readonly reject: (error: unknown) => void;
}
