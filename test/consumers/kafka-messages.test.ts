import type { RecordMetadata, TopicMessages } from "kafkajs";
import { describe, expect, test } from "vitest";
import { createPartitioner, requestsOf, sendOnce } from "../../src/consumers/kafka-messages.ts";

const PARTITIONS = 3;

/** Answers as kafkajs does for what its partitioner was asked about; `change` is what went wrong on the way. */
function senderOf(change: (answered: RecordMetadata[]) => RecordMetadata[]) {
  const partitioner = createPartitioner();
  const partitionMetadata = Array.from({ length: PARTITIONS }, (_, partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: 1,
    replicas: [1],
    isr: [1],
  }));
  return {
    sendBatch: async ({ topicMessages = [] }: { topicMessages?: TopicMessages[] }) => {
      const places = new Map<string, RecordMetadata>();
      for (const { topic, messages } of topicMessages) {
        for (const message of messages) {
          const partition = partitioner({ topic, partitionMetadata, message });
          places.set(`${topic}/${partition}`, { topicName: topic, partition, errorCode: 0 });
        }
      }
      return change([...places.values()]);
    },
  };
}

function request(): TopicMessages[] {
  const value = Buffer.from("value");
  const keyed = ["a", "b", "c"].map((key) => ({ topic: "keyed", key, value }));
  const [topicMessages] = requestsOf([...keyed, { topic: "given", partition: 2, key: null, value }], 0);
  return topicMessages!;
}

describe("sendOnce()", () => {
  test("takes an answer in which each partition stands once", async () => {
    await sendOnce(
      senderOf((answered) => answered),
      request(),
    );
  });

  test("refuses an answer in which a partition stands twice, or not at all", async () => {
    const twice = senderOf((answered) => [...answered, answered.find(({ topicName }) => topicName === "given")!]);
    await expect(sendOnce(twice, request())).rejects.toThrow("given/2 twice");
    const never = senderOf((answered) => answered.filter(({ topicName }) => topicName !== "given"));
    await expect(sendOnce(never, request())).rejects.toThrow("not sent the records of given/2");
    const keyed = senderOf((answered) => answered.slice(1));
    await expect(sendOnce(keyed, request())).rejects.toThrow(/not sent the records of keyed\/\d/);
  });
});
