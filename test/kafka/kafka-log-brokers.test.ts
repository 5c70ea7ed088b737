/** Records for two brokers, of which one hangs up: what the other has taken must not be sent to it again. */
import * as kafkajs from "kafkajs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type KafkaLibrary, kafkaLibrary } from "../../src/consumers/kafka-library.ts";
import { describeWithKafka } from "./broker.ts";
import { Cluster } from "./deployment-kit.ts";
import { API, FaultySockets } from "./faulty-sockets.ts";

const TRANSACTIONS = 20;

describeWithKafka("transactions over two brokers", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ brokers: 2 });
  });
  afterAll(() => cluster?.stop());

  /** How often each record was committed to the topic on the broker that did not hang up. */
  async function timesWritten(name: string, library: KafkaLibrary): Promise<readonly number[]> {
    const topics = [`${name}-steady`, `${name}-shaky`];
    await cluster.asAdmin((admin) =>
      admin.createTopics({
        topics: topics.map((topic, index) => ({
          topic,
          replicaAssignment: [{ partition: 0, replicas: [index + 1] }],
        })),
      }),
    );
    const sockets = new FaultySockets(library);
    const kafka = new sockets.library.Kafka({
      brokers: cluster.addresses(),
      logLevel: library.logLevel.NOTHING,
      retry: { initialRetryTime: 10, factor: 0, multiplier: 1.5, maxRetryTime: 400, retries: 20 },
    });
    const producer = kafka.producer({ transactionalId: name, maxInFlightRequests: 1 });
    await producer.connect();
    const shakyPort = Number(cluster.brokers[1]!.address().split(":")[1]);
    for (let count = 0; count < TRANSACTIONS; count++) {
      const transaction = await producer.transaction();
      if (count > 0) sockets.cutNext(API.produce, "request", shakyPort);
      const messages = [{ value: String(count) }];
      await transaction.sendBatch({ topicMessages: topics.map((topic) => ({ topic, messages })) });
      await transaction.commit();
    }
    await producer.disconnect();
    const written = await cluster.committed(topics[0]!);
    return Array.from({ length: TRANSACTIONS }, (_, count) => {
      return written.filter(({ value }) => String(value) === String(count)).length;
    });
  }

  test("kafkaLibrary() writes every record once", async () => {
    expect(await timesWritten("ours", kafkaLibrary())).toEqual(Array.from({ length: TRANSACTIONS }, () => 1));
  });

  test("kafkajs as it comes writes some of them twice", async () => {
    const times = await timesWritten("stock", kafkajs as unknown as KafkaLibrary);
    expect(Math.max(...times)).toBeGreaterThan(1);
  });
});
