import { afterAll, beforeAll } from "vitest";
import { describeLogContract } from "../consumers/log-contract.ts";
import { describeWithKafka, TestBroker } from "./broker.ts";
import { kafkaFixture } from "./kafka-log-kit.ts";
import { describeWithRdkafka } from "./rdkafka.ts";

describeWithKafka("Kafka", () => {
  let broker: TestBroker;
  beforeAll(async () => {
    broker = await TestBroker.start();
  });
  afterAll(() => broker?.stop());

  describeLogContract("kafkajs", async () => kafkaFixture(broker));
  describeWithRdkafka("Kafka", () => {
    describeLogContract("node-rdkafka", async () => kafkaFixture(broker, {}, { client: "node-rdkafka" }));
  });
});
