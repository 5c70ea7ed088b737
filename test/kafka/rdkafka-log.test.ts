/** What node-rdkafka does otherwise than kafkajs: one transaction for many claims, rebalances that leave partitions alone. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { loadKafkaLibrary } from "../../src/consumers/kafka-library.ts";
import type { Claim, RecordBatch } from "../../src/core/log.ts";
import { ContractSession, eventually, record, text } from "../consumers/log-contract-kit.ts";
import { describeWithKafka, TestBroker } from "./broker.ts";
import { groupPositions } from "./deployment-kit.ts";
import { kafkaFixture, openTransaction, rawKafka } from "./kafka-log-kit.ts";
import { describeWithRdkafka } from "./rdkafka.ts";

const SHORT_TRANSACTION_MS = 3000;

describeWithKafka("Kafka", () => {
  describeWithRdkafka("KafkaLog", () => {
    let broker: TestBroker;
    let fixture: ReturnType<typeof kafkaFixture>;
    let session: ContractSession;
    beforeAll(async () => {
      broker = await TestBroker.start();
    });
    afterAll(() => broker?.stop());
    beforeEach(async () => {
      fixture = kafkaFixture(broker, {}, { client: "node-rdkafka" });
      session = new ContractSession(fixture, await fixture.createLog());
    });
    afterEach(async () => {
      await session.end();
      await fixture.close();
    });

    test("RdkafkaSubscription keeps the claims of partitions that stay when a member joins and leaves", async () => {
      const topic = await session.topic("input", { partitions: 4 });
      const names = session.names();
      const first = await session.subscribe(topic, names);
      const active = () => first.claims.filter((claim) => claim.active);
      await first.until("all are claimed", () => active().length === 4);
      const second = await session.subscribe(topic, { ...names, log: await fixture.createLog() });
      await second.until("two have moved", () => second.claims.length === 2);
      const kept = active();
      expect([kept.length, first.claims.length, first.losses.length]).toEqual([2, 4, 2]);
      for (const { partition } of kept) await session.append(topic, [`to ${partition}`], partition);
      await first.until("what stays is delivered", () => kept.every((claim) => first.values(claim).length === 1));
      for (const claim of kept) await claim.commit([], 1);
      await second.subscription!.stop();
      await first.until("two have come back", () => active().length === 4);
      expect([kept.every((claim) => claim.active), first.claims.length, first.losses.length]).toEqual([true, 6, 2]);
    });

    test("RdkafkaSubscription delivers every record of partitions that move while records come", async () => {
      const PARTITIONS = 8;
      const topic = await session.topic("input", { partitions: PARTITIONS });
      const names = session.names();
      // What is claimed is looked at for a while: records come meanwhile.
      const script = {
        claimed: () => sleep(300),
        batch: async (claim: Claim, { toOffset }: RecordBatch) => {
          await claim.commit([], toOffset).catch(() => undefined);
        },
      };
      let isOver = false;
      const writing = (async () => {
        for (let at = 0; !isOver; at++) {
          for (let partition = 0; partition < PARTITIONS; partition++)
            await session.append(topic, [`${at}`], partition);
        }
      })();
      const consumers = [await session.subscribe(topic, { ...names, script })];
      for (let round = 0; round < 4; round++) {
        const guest = await session.subscribe(topic, { ...names, script, log: await fixture.createLog() });
        consumers.push(guest);
        await guest.until("a part has moved", () => guest.values().length > 0);
        await guest.subscription!.stop();
      }
      isOver = true;
      await writing;
      const admin = rawKafka(broker).admin();
      const ends = await admin.fetchTopicOffsets(topic);
      const isRead = async () => {
        const positions = await groupPositions(admin, names.group, topic);
        return ends.every(({ partition, high }) => positions.get(partition) === Number(high));
      };
      while (!(await isRead())) await sleep(100);
      await admin.disconnect();
      for (const { partition, high } of ends) {
        const delivered = consumers.flatMap(({ deliveries }) =>
          deliveries.filter(({ batch }) => batch.partition === partition).flatMap(({ batch }) => batch.records),
        );
        expect(new Set(delivered.map(({ offset }) => offset)).size, `partition ${partition}`).toBe(Number(high));
      }
    });

    test("GroupCommitter commits what is due together in one transaction", async () => {
      const PARTITIONS = 16;
      const topic = await session.topic("input", { partitions: PARTITIONS });
      const output = await session.topic("output");
      const names = session.names();
      const consumer = await session.subscribe(topic, names);
      await consumer.until("all are claimed", () => consumer.claims.length === PARTITIONS);
      await Promise.all(
        consumer.claims.map((claim) => claim.commit([record(output, `${claim.partition}`, { partition: 0 })], 7)),
      );
      const admin = rawKafka(broker).admin();
      const [end] = await admin.fetchTopicOffsets(output);
      const positions = await groupPositions(admin, names.group, topic);
      await admin.disconnect();
      // One marker of the only transaction.
      expect(Number(end?.offset)).toBe(PARTITIONS + 1);
      expect([...positions.values()]).toEqual(Array(PARTITIONS).fill(7));
    });

    test("GroupCommitter refuses the commit of a member that the group has dropped, and writes nothing of it", async () => {
      const [topic, output] = [await session.topic("input", { partitions: 2 }), await session.topic("output")];
      const names = session.names();
      const consumer = await session.subscribe(topic, names);
      await consumer.until("both are claimed", () => consumer.claims.length === 2);
      const [zombie, other] = consumer.claims;
      await dropMembers(broker, names.group);
      const commits = [zombie!, other!].map((claim) => claim.commit([record(output, "zombie", { partition: 0 })], 5));
      for (const commit of commits) await expect(commit).rejects.toMatchObject({ code: "SG_FENCED" });
      await consumer.until("claimed anew", () => consumer.claims.length === 4);
      expect(consumer.startPositions).toEqual([0, 0, 0, 0]);
      const claim = await consumer.claim(0);
      await claim.commit([record(output, "owner", { partition: 0 })], 1);
      expect(await session.valuesOf(output)).toEqual(["owner"]);
    });

    test("RdkafkaClaimOpener waits for the transaction that holds the position of its predecessor", async () => {
      const topic = await session.topic("input");
      await session.append(topic, ["a", "b", "c"]);
      const names = session.names();
      const producer = rawKafka(broker).producer({
        transactionalId: fixture.uniqueName("before"),
        maxInFlightRequests: 1,
      });
      await producer.connect();
      const transaction = await producer.transaction();
      const topics = [{ topic, partitions: [{ partition: 0, offset: "2" }] }];
      await transaction.sendOffsets({ consumerGroupId: names.group, topics });
      const consumer = await session.subscribe(topic, names);
      const health = () => consumer.subscription!.health!();
      await consumer.until("it is assigned", () => health().partitions.length === 1);
      // Another group is served meanwhile: there was time to open the claim.
      expect(await session.valuesOf(topic)).toEqual(["a", "b", "c"]);
      expect([consumer.claims.length, health().partitions[0]!.heldAtMs]).toEqual([0, undefined]);
      await transaction.commit();
      await consumer.claim();
      expect(consumer.startPositions).toEqual([2]);
      await producer.disconnect();
    });

    test("Claim.restore() waits for the open transaction of a process that was killed until its time is over", async () => {
      const topic = await session.topic("input");
      const state = await session.topic("state", { compacted: true });
      const put = (value: string) => record(state, value, { key: "k", partition: 0 });
      await session.log.append([put("whole")]);
      const killed = await openTransaction(broker, fixture.uniqueName("killed"), SHORT_TRANSACTION_MS);
      await killed.send([put("of the killed")]);
      await session.log.append([put("behind")]);
      const consumer = await session.subscribe(topic);
      const restored = [...(await (await consumer.claim()).restore(state))];
      expect(restored.map(({ value }) => text(value))).toEqual(["behind"]);
    });

    test("GroupCommitter writes a header that is no text as base64", async () => {
      const [topic, output] = [await session.topic("input"), await session.topic("output")];
      const consumer = await session.subscribe(topic);
      const headers = [
        { key: "text", value: Buffer.from("é") },
        { key: "bytes", value: Buffer.from([0xff, 0]) },
        { key: "text", value: Buffer.from("") },
      ];
      await (await consumer.claim()).commit([record(output, "a", { partition: 0, headers })], 0);
      const reader = await session.subscribe(output);
      await reader.until("it came", () => reader.records().length === 1);
      expect(reader.records()[0]!.headers.map(({ key, value }) => [key, text(value)])).toEqual([
        ["text", "é"],
        ["bytes.base64", "/wA="],
        ["text", ""],
      ]);
    });

    test("KafkaLog.subscribe() ends when the group has members of the other client, and says what to do", async () => {
      const topic = await session.topic("input");
      const names = session.names();
      const other = kafkaFixture(broker);
      const member = await session.subscribe(topic, { ...names, log: await other.createLog() });
      await member.claim();
      const consumer = await session.subscribe(topic, names);
      await expect(consumer.subscription!.done).rejects.toMatchObject({
        code: "SG_CONFIG",
        message: expect.stringMatching(/stop every process of the deployment before kafka\.client is changed/),
      });
      await member.subscription!.stop();
      await other.close();
    });

    test("Claim.caughtUp stays true on a quiet partition, for as long as the broker confirms its end", async () => {
      const topic = await session.topic("input");
      await session.append(topic, ["a"]);
      const consumer = await session.subscribe(topic);
      const claim = await consumer.claim();
      await consumer.until("caught up", () => claim.position === 1 && claim.caughtUp);
      // Longer than a word of the broker counts.
      await sleep(12_000);
      await consumer.until("still caught up", () => claim.caughtUp);
      expect([consumer.values(), claim.endOffset]).toEqual([["a"], 1]);
    });

    test("SubscriptionHealth tells of membership, claims and commits", async () => {
      const topic = await session.topic("input");
      const consumer = await session.subscribe(topic);
      const health = () => consumer.subscription!.health!();
      const claim = await consumer.claim();
      await claim.commit([], 0);
      await eventually(fixture, "a commit is told", () => health().partitions[0]?.committedAtMs !== undefined);
      const { confirmedAtMs = Number.NaN, partitions } = health();
      expect(partitions).toMatchObject([{ topic, partition: 0, isUncertain: false }]);
      expect(partitions[0]!.heldAtMs).toBeGreaterThanOrEqual(partitions[0]!.waitsSinceMs);
      await eventually(fixture, "the group confirms again", () => (health().confirmedAtMs ?? 0) > confirmedAtMs);
      await broker.kill9();
      try {
        const last = health().confirmedAtMs;
        await eventually(fixture, "the membership is lost", () => !claim.active);
        expect(health().confirmedAtMs! - last!).toBeLessThan(6000);
        expect(consumer.lossOf(claim)).toBe("revoked");
      } finally {
        await broker.restart();
      }
      await consumer.until("claimed anew", () => consumer.claims.length === 2);
    });
  });
});

/** What the coordinator does with members whose session has ended. */
async function dropMembers(broker: TestBroker, groupId: string): Promise<void> {
  const admin = rawKafka(broker).admin();
  const { groups } = await admin.describeGroups([groupId]);
  await admin.disconnect();
  const library = loadKafkaLibrary();
  const cluster = new library.Cluster({
    brokers: [broker.address()],
    logger: rawKafka(broker).logger(),
    socketFactory: library.createSocketFactory(),
    metadataMaxAge: 60_000,
    allowAutoTopicCreation: false,
    isolationLevel: 1,
  });
  await cluster.connect();
  await cluster.refreshMetadata();
  const node = await cluster.findBroker({ nodeId: cluster.getNodeIds()[0]! });
  const leaving = node as typeof node & { leaveGroup(member: { groupId: string; memberId: string }): Promise<unknown> };
  for (const { memberId } of groups[0]!.members) await leaving.leaveGroup({ groupId, memberId });
  await cluster.disconnect();
}
