/** Records for two brokers, of which one hangs up or has given its partition away: none is written twice, or not at all. */
import * as kafkajs from "kafkajs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type KafkaLibrary, kafkaLibrary } from "../../src/consumers/kafka-library.ts";
import { TransactionalHolder } from "../../src/consumers/kafka-transactions.ts";
import { describeWithKafka } from "./broker.ts";
import { Cluster, until } from "./deployment-kit.ts";
import { API, FaultySockets } from "./faulty-sockets.ts";

const TRANSACTIONS = 10;

describeWithKafka("transactions over two brokers", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ brokers: 2 });
  });
  afterAll(() => cluster?.stop());

  /** One topic on each broker, with one partition. */
  async function createTopics(topics: readonly string[]): Promise<void> {
    await cluster.asAdmin((admin) =>
      admin.createTopics({
        topics: topics.map((topic, index) => ({
          topic,
          replicaAssignment: [{ partition: 0, replicas: [index + 1] }],
        })),
      }),
    );
  }

  async function moveToFirstBroker(topic: string): Promise<void> {
    await cluster.asAdmin(async (admin) => {
      const partitionAssignment = [{ partition: 0, replicas: [1] }];
      await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] });
      await until(`${topic} has moved`, async () => {
        const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
        return topics[0]!.partitions[0]!.leader === 1;
      });
    });
  }

  /** How often each record was committed to the topic on the broker that did not hang up. */
  async function timesWritten(name: string, library: KafkaLibrary): Promise<readonly number[]> {
    const topics = [`${name}-steady`, `${name}-shaky`];
    await createTopics(topics);
    const sockets = new FaultySockets(library);
    const kafka = new sockets.library.Kafka({
      brokers: cluster.addresses(),
      logLevel: library.logLevel.NOTHING,
      retry: { initialRetryTime: 10, factor: 0, multiplier: 1.5, maxRetryTime: 400, retries: 20 },
    });
    const producer = kafka.producer({ transactionalId: name });
    await producer.connect();
    const [steadyPort, shakyPort] = cluster.brokers.map((broker) => Number(broker.address().split(":")[1]));
    // The one answers only after the other has failed.
    sockets.delay(API.produce, steadyPort!, 200);
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

  test("a partition that has moved to a broker that has answered: kafkajs leaves its records out, a holder refuses", async () => {
    const kafkaOf = (library: Pick<KafkaLibrary, "Kafka" | "logLevel">) =>
      new library.Kafka({
        brokers: cluster.addresses(),
        logLevel: library.logLevel.NOTHING,
        retry: { initialRetryTime: 10, factor: 0, multiplier: 1.5, maxRetryTime: 400, retries: 20 },
      });
    const theirs = ["theirs-stays", "theirs-moves"];
    const ours = ["ours-stays", "ours-moves"];
    await createTopics(theirs);
    await createTopics(ours);
    const producer = kafkaOf(kafkajs as unknown as KafkaLibrary).producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const holder = await TransactionalHolder.fence(kafkaOf(kafkaLibrary()), "moves");
    const send = (value: string) =>
      producer.sendBatch({ topicMessages: theirs.map((topic) => ({ topic, messages: [{ value }] })) });
    const commit = (value: string) =>
      holder.commit(
        ours.map((topic) => ({ topic, partition: 0, key: null, value: Buffer.from(value) })),
        Date.now(),
      );
    await send("before");
    await commit("before");
    await moveToFirstBroker("theirs-moves");
    await moveToFirstBroker("ours-moves");
    await send("after");
    await expect(commit("after")).rejects.toThrow(/has not sent the records of ours-moves\/0: its leader has moved/);
    await producer.disconnect();
    holder.close();
    expect(await valuesIn("theirs-stays")).toEqual(["before", "after"]);
    expect(await valuesIn("theirs-moves")).toEqual(["before"]);
    const next = await TransactionalHolder.fence(kafkaOf(kafkaLibrary()), "moves");
    await next.commit(
      ours.map((topic) => ({ topic, partition: 0, key: null, value: Buffer.from("again") })),
      Date.now(),
    );
    next.close();
    for (const topic of ours) expect(await valuesIn(topic), topic).toEqual(["before", "again"]);
  });

  async function valuesIn(topic: string): Promise<readonly string[]> {
    return (await cluster.committed(topic)).map(({ value }) => String(value));
  }
});
