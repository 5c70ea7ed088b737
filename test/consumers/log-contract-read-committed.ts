/**
 * The cases in which real clients hand aborted records to their user (kafkajs 2.2.4: one aborted transaction taken per
 * record, in the broker's order, and markers told by their key; @platformatic/kafka 1.35: one aborted range per
 * producer and response, and none whose marker comes later). Each record is sent alone, so that it is a batch of its own.
 */
import { expect } from "vitest";
import type { OutputRecord } from "../../src/core/log.ts";
import { type ContractSession, type LogContractCase, type OpenTransaction, record } from "./log-contract-kit.ts";

export const READ_COMMITTED_CASES: readonly LogContractCase[] = [
  {
    name: "read committed: overlapping aborted transactions, the earlier one ends last",
    async run(session) {
      const { topic, earlier, later } = await overlapping(session);
      await later.abort();
      await earlier.abort();
      expect(await session.valuesOf(topic)).toEqual(["good"]);
    },
  },
  {
    name: "read committed: overlapping aborted transactions, the earlier one ends first",
    async run(session) {
      const { topic, earlier, later } = await overlapping(session);
      await earlier.abort();
      await later.abort();
      expect(await session.valuesOf(topic)).toEqual(["good"]);
    },
  },
  {
    name: "read committed: reading starts between the begins of two aborted transactions",
    async run(session) {
      const { topic, earlier, later } = await overlapping(session);
      await earlier.abort();
      await later.abort();
      expect(await session.valuesOf(topic, { script: { claimed: (claim) => claim.seek(1) } })).toEqual(["good"]);
    },
  },
  {
    name: "read committed: a user record with int32 key 0 inside an aborted transaction",
    async run(session) {
      const topic = await session.topic("input");
      const transaction = await session.fixture.openTransaction(session.fixture.uniqueName("id"));
      await sendEach(transaction, [
        record(topic, "aborted 1", { partition: 0 }),
        record(topic, "aborted 2", { partition: 0, key: Buffer.from([0, 0, 0, 0]) }),
        record(topic, "aborted 3", { partition: 0 }),
      ]);
      await transaction.abort();
      expect(await session.valuesOf(topic)).toEqual([]);
    },
  },
  {
    name: "read committed: the abort marker lies in a later delivery",
    async run(session) {
      const topic = await session.topic("input");
      const transaction = await session.fixture.openTransaction(session.fixture.uniqueName("id"));
      const good: string[] = [];
      for (let at = 0; at < 12; at += 1) {
        await transaction.send([record(topic, `aborted ${at}`, { partition: 0 })]);
        good.push(`good ${at}`);
        await session.append(topic, [`good ${at}`]);
      }
      await transaction.abort();
      expect(await session.valuesOf(topic, { maxBatchRecords: 3 })).toEqual(good);
    },
  },
  {
    name: "read committed: two aborted transactions and a committed one of the same producer",
    async run(session) {
      const topic = await session.topic("input");
      const id = session.fixture.uniqueName("id");
      for (const [at, outcome] of (["abort", "commit", "abort"] as const).entries()) {
        const transaction = await session.fixture.openTransaction(id);
        await transaction.send([record(topic, `${outcome} ${at}`, { partition: 0 })]);
        await transaction[outcome]();
      }
      expect(await session.valuesOf(topic)).toEqual(["commit 1"]);
    },
  },
  {
    name: "read committed: an open transaction holds back what was appended behind it, then all comes in order",
    async run(session) {
      const topic = await session.topic("input");
      await session.append(topic, ["before"]);
      const transaction = await session.fixture.openTransaction(session.fixture.uniqueName("id"));
      await transaction.send([record(topic, "inside", { partition: 0 })]);
      await session.append(topic, ["behind"]);
      const consumer = await session.subscribe(topic);
      const claim = await consumer.claim();
      await consumer.until("caught up", () => consumer.values().length > 0 && claim.caughtUp);
      expect([consumer.values(), claim.position]).toEqual([["before"], 1]);
      await transaction.commit();
      await consumer.until("all came", () => consumer.values().length === 3);
      expect(consumer.values()).toEqual(["before", "inside", "behind"]);
    },
  },
  {
    name: "read committed: a claim catches up behind aborted records and markers only, and can commit there",
    async run(session) {
      const topic = await session.topic("input");
      const { fixture } = session;
      const names = session.names();
      const transaction = await fixture.openTransaction(fixture.uniqueName("id"));
      await transaction.send([record(topic, "aborted", { partition: 0 })]);
      await transaction.abort();
      const consumer = await session.subscribe(topic, names);
      const claim = await consumer.claim();
      await consumer.until("behind the marker", () => claim.caughtUp && claim.position === 2);
      expect(consumer.values()).toEqual([]);
      await claim.commit([], claim.position);
      await consumer.subscription!.stop();
      const next = await session.subscribe(topic, names);
      await next.claim();
      expect(next.startPositions).toEqual([2]);
    },
  },
];

/** Offsets: 0 and 3 of the earlier transaction, 1 and 4 of the later one, 2 is a good record. */
async function overlapping(session: ContractSession) {
  const topic = await session.topic("input");
  const earlier = await session.fixture.openTransaction(session.fixture.uniqueName("earlier"));
  const later = await session.fixture.openTransaction(session.fixture.uniqueName("later"));
  await earlier.send([record(topic, "earlier 1", { partition: 0 })]);
  await later.send([record(topic, "later 1", { partition: 0 })]);
  await session.append(topic, ["good"]);
  await earlier.send([record(topic, "earlier 2", { partition: 0 })]);
  await later.send([record(topic, "later 2", { partition: 0 })]);
  return { topic, earlier, later };
}

async function sendEach(transaction: OpenTransaction, records: readonly OutputRecord[]): Promise<void> {
  for (const one of records) await transaction.send([one]);
}
