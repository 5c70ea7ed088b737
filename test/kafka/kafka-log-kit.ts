/** What the tests of the Kafka log share. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { createKafkaLog, type KafkaLog, type KafkaLogOptions } from "../../src/consumers/kafka-log.ts";
import { createPartitioner } from "../../src/consumers/kafka-messages.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { KafkaConfig } from "../../src/core/config.ts";
import type { Logger } from "../../src/core/logger.ts";
import type { LogContractFixture, OpenTransaction } from "../consumers/log-contract-kit.ts";
import type { TestBroker } from "./broker.ts";

/** Keeps what is logged, as `level message`. */
export class LogBook implements Logger {
  readonly lines: string[] = [];

  info(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push(`info ${message} ${JSON.stringify(fields)}`);
  }

  warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push(`warn ${message} ${JSON.stringify(fields)}`);
  }

  error(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push(`error ${message} ${JSON.stringify(fields)}`);
  }
}

export function kafkaLog(kafka: KafkaConfig, rest: Partial<KafkaLogOptions> = {}): KafkaLog {
  return createKafkaLog({ kafka, clock: systemClock(), logger: new LogBook(), clientId: "streamgauge-test", ...rest });
}

export function plainConfig(broker: TestBroker): KafkaConfig {
  return { brokers: [broker.address()], group: "unused" };
}

/** Kafka as it comes, for what other programs do. */
export function rawKafka(broker: TestBroker): Kafka {
  const retry = { initialRetryTime: 20, factor: 0, multiplier: 1, retries: 100 };
  return new Kafka({ brokers: [broker.address()], logLevel: logLevel.NOTHING, retry });
}

/** Another program's transactions: raw kafkajs, a producer of its own for each. */
export async function openTransaction(
  broker: TestBroker,
  transactionalId: string,
  transactionTimeout = 60_000,
): Promise<OpenTransaction> {
  const options = { transactionalId, transactionTimeout, maxInFlightRequests: 1, createPartitioner };
  const producer = rawKafka(broker).producer(options);
  await producer.connect();
  const transaction = await producer.transaction();
  const end = (how: "commit" | "abort") => async () => {
    await transaction[how]();
    await producer.disconnect();
    // Kafka answers before the marker is written; the id can be taken over only afterwards.
    const next = rawKafka(broker).producer(options);
    await next.connect();
    await (await next.transaction()).abort();
    await next.disconnect();
  };
  return {
    async send(records) {
      for (const { topic, partition, key, value } of records) {
        const message = {
          key: key === null ? null : Buffer.from(key),
          value: value === null ? null : Buffer.from(value),
        };
        await transaction.send({
          topic,
          messages: [{ ...message, ...(partition === undefined ? {} : { partition }) }],
        });
      }
    },
    commit: end("commit"),
    abort: end("abort"),
  };
}

async function isThere(admin: Admin, topic: string): Promise<boolean> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]!.partitions.every(({ leader }) => leader >= 0);
  } catch {
    return false;
  }
}

export function kafkaFixture(
  broker: TestBroker,
  rest: Partial<KafkaLogOptions> = {},
  client: Pick<KafkaConfig, "client"> = {},
): LogContractFixture {
  const logs: KafkaLog[] = [];
  const run = randomUUID().slice(0, 8);
  let names = 0;
  return {
    async createLog() {
      const log = kafkaLog({ ...plainConfig(broker), ...client }, { instance: `log-${logs.length}`, ...rest });
      logs.push(log);
      return log;
    },
    transactionalId: ({ group, transactionalPrefix }, topic, partition) =>
      client.client === "node-rdkafka"
        ? `${transactionalPrefix}.${group}.log-0`
        : `${transactionalPrefix}.${topic}.${partition}`,
    uniqueName: (stem) => `${stem}-${run}-${++names}`,
    openTransaction: (id) => openTransaction(broker, id),
    recreate: async (topic) => {
      const admin = rawKafka(broker).admin();
      await admin.connect();
      await admin.deleteTopics({ topics: [topic] });
      await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false });
      while (!(await isThere(admin, topic))) await sleep(20);
      await admin.disconnect();
    },
    tick: () => sleep(20),
    patienceTicks: 1500,
    async close() {
      for (const log of logs) await log.close();
    },
  };
}
