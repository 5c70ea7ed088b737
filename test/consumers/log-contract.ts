/**
 * The contract of `Log` (src/core/log.ts), tried on every implementation: nothing here that a real Kafka cannot do.
 * A case is data, so that a test can also show that it fails on a log with a known defect.
 */
import { describe, expect, test } from "vitest";
import {
  ContractSession,
  eventually,
  expectFenced,
  type LogContractCase,
  type LogContractFixture,
  record,
  text,
} from "./log-contract-kit.ts";
import { READ_COMMITTED_CASES } from "./log-contract-read-committed.ts";

/** Registers the whole contract for one implementation. */
export function describeLogContract(name: string, createFixture: () => Promise<LogContractFixture>): void {
  describe(`log contract: ${name}`, () => {
    for (const contractCase of LOG_CONTRACT) {
      test(contractCase.name, async () => {
        const fixture = await createFixture();
        try {
          await runContractCase(contractCase, fixture);
        } finally {
          await fixture.close();
        }
      });
    }
  });
}

export async function runContractCase(contractCase: LogContractCase, fixture: LogContractFixture): Promise<void> {
  const session = new ContractSession(fixture, await fixture.createLog());
  try {
    await contractCase.run(session);
  } finally {
    await session.end();
  }
}

const DELIVERY_CASES: readonly LogContractCase[] = [
  {
    name: "Log.createTopics() creates once, and names the property in which an existing topic differs",
    async run({ log, fixture }) {
      const name = fixture.uniqueName("topic");
      await log.createTopics([{ name, partitions: 2 }]);
      await log.createTopics([{ name, partitions: 2 }]);
      await expect(log.createTopics([{ name, partitions: 3 }])).rejects.toThrow(/partitions is 2, expected 3/);
      await expect(log.createTopics([{ name, partitions: 2, compacted: true }])).rejects.toThrow(/compacted/);
    },
  },
  {
    name: "Log.append() and ClaimHandler.batch() keep key, value, headers, timestamp and order",
    async run(session) {
      // The time of one of them is years ago.
      const topic = await session.topic("input", { retentionMs: Number.POSITIVE_INFINITY });
      const headers = [
        { key: "h", value: Buffer.from([0, 255]) },
        { key: "h", value: Buffer.from("again") },
      ];
      await session.log.append([
        {
          topic,
          partition: 0,
          key: "ключ",
          value: Buffer.from([0, 128, 255]),
          headers,
          timestampMs: 1_700_000_000_000,
        },
        { topic, partition: 0, key: Buffer.from([]), value: null },
        { topic, partition: 0, key: null, value: Buffer.from([]) },
      ]);
      const consumer = await session.subscribe(topic);
      await consumer.until("three records came", () => consumer.records().length === 3);
      const [first, second, third] = consumer.records();
      expect(first).toMatchObject({ offset: 0, timestampMs: 1_700_000_000_000 });
      expect([text(first!.key), [...first!.value!]]).toEqual(["ключ", [0, 128, 255]]);
      expect(first!.headers.map(({ key, value }) => [key, [...value]])).toEqual([
        ["h", [0, 255]],
        ["h", [...Buffer.from("again")]],
      ]);
      expect([second!.key?.length, second!.value, second!.offset]).toEqual([0, null, 1]);
      expect([third!.key, third!.value?.length, third!.offset]).toEqual([null, 0, 2]);
    },
  },
  {
    name: "Log.append() places a keyed record as Kafka's default partitioner, an explicit partition goes first",
    async run(session) {
      const topic = await session.topic("input", { partitions: 5 });
      // Murmur2 of the Java client: "21" is -973932308, "foobar" -790332482, "abc" 479470107.
      await session.log.append([
        record(topic, "a", { key: "21" }),
        record(topic, "b", { key: "foobar" }),
        record(topic, "c", { key: "abc" }),
        record(topic, "d", { key: "abc", partition: 4 }),
      ]);
      const consumer = await session.subscribe(topic);
      await consumer.until("four records came", () => consumer.records().length === 4);
      const places = consumer.deliveries.flatMap(({ batch }) =>
        batch.records.map(({ value }) => `${text(value)}${batch.partition}`),
      );
      expect(places.sort()).toEqual([
        `a${(-973932308 & 0x7fffffff) % 5}`,
        `b${(-790332482 & 0x7fffffff) % 5}`,
        `c${479470107 % 5}`,
        "d4",
      ]);
    },
  },
  {
    name: "ClaimHandler.batch() is given ranges that join and at most maxBatchRecords records",
    async run(session) {
      const topic = await session.topic("input");
      const values = Array.from({ length: 25 }, (_, at) => `v${at}`);
      await session.append(topic, values);
      const consumer = await session.subscribe(topic, { maxBatchRecords: 4 });
      await consumer.until("all came", () => consumer.values().length === 25);
      expect(consumer.values()).toEqual(values);
      let next = 0;
      for (const { batch } of consumer.deliveries) {
        expect(batch.fromOffset).toBe(next);
        expect(batch.records.length).toBeLessThanOrEqual(4);
        next = batch.toOffset;
      }
      expect(next).toBe(25);
    },
  },
  {
    name: "Claim.topicId is another one after the topic was created anew, which is read from its start",
    async run(session) {
      const topic = await session.topic("input");
      await session.append(topic, ["a", "b", "c"]);
      const names = session.names();
      const consumer = await session.subscribe(topic, { ...names, startFrom: "latest" });
      const first = await consumer.claim();
      await session.append(topic, ["d"]);
      await consumer.until("the new record came", () => consumer.values().length === 1);
      await first.commit([], 4);
      const { topicId } = first;
      expect(topicId).toMatch(/./);

      await session.fixture.recreate(topic);
      await session.append(topic, ["e", "f"]);
      // It is found at the latest when the position is to be moved; a log may find it before.
      await session.fixture.tick();
      for (let tries = 0; first.active && tries < session.fixture.patienceTicks; tries += 1) {
        await first.commit([], 4).catch(() => undefined);
        await session.fixture.tick();
      }
      await consumer.until("the topic is read from its start", () => consumer.values().length === 3);
      expect(consumer.values()).toEqual(["d", "e", "f"]);
      const second = await consumer.claim();
      expect(second.topicId).not.toBe(topicId);
      await second.commit([], 2);
      // The position is that of the new topic.
      await session.append(topic, ["g"]);
      await consumer.subscription?.stop();
      expect(await session.valuesOf(topic, names)).toEqual(["g"]);
    },
  },
  {
    name: "ClaimHandler.batch() is called again only after its promise is settled",
    async run(session) {
      const topic = await session.topic("input");
      await session.append(topic, ["a", "b", "c"]);
      const consumer = await session.subscribe(topic, {
        maxBatchRecords: 1,
        script: { claimed: (_claim, consumer) => consumer.hold() },
      });
      await consumer.until("the first came", () => consumer.values().length === 1);
      // A second reader gets everything meanwhile: there was time to deliver more.
      expect(await session.valuesOf(topic)).toEqual(["a", "b", "c"]);
      expect(consumer.values()).toEqual(["a"]);
      consumer.release();
      await consumer.until("the rest came", () => consumer.values().length === 4);
    },
  },
  {
    name: "ClaimHandler.batch() wakes up for records appended after the claim had caught up",
    async run(session) {
      const topic = await session.topic("input");
      const consumer = await session.subscribe(topic);
      const claim = await consumer.claim();
      await consumer.until("caught up with nothing", () => claim.caughtUp);
      for (const value of ["a", "b", "c"]) {
        await session.append(topic, [value]);
        await consumer.until(`${value} came`, () => consumer.values().at(-1) === value && claim.caughtUp);
      }
      expect(consumer.values()).toEqual(["a", "b", "c"]);
      expect(claim.ended).toBe(false);
    },
  },
  {
    name: "Claim.endOffset is the end of the partition, from the opening on and after each delivery",
    async run(session) {
      const topic = await session.topic("input");
      await session.append(topic, ["a", "b", "c"]);
      const atOpening: (number | undefined)[] = [];
      const consumer = await session.subscribe(topic, {
        script: { claimed: ({ endOffset }) => void atOpening.push(endOffset) },
      });
      const claim = await consumer.claim();
      await consumer.until("all came", () => consumer.values().length === 3);
      expect(atOpening).toEqual([3]);
      await session.append(topic, ["d", "e"]);
      await consumer.until("the rest came", () => claim.caughtUp && claim.position === 5);
      expect(claim.endOffset).toBe(5);
    },
  },
  {
    name: "Claim.pause() stops delivery, resume() goes on without a loss, seek() goes back",
    async run(session) {
      const topic = await session.topic("input");
      await session.append(topic, ["a", "b", "c"]);
      const consumer = await session.subscribe(topic, {
        maxBatchRecords: 1,
        script: { batch: (claim, _batch, consumer) => (consumer.deliveries.length === 1 ? claim.pause() : undefined) },
      });
      await consumer.until("the first came", () => consumer.values().length === 1);
      expect(await session.valuesOf(topic)).toEqual(["a", "b", "c"]);
      expect(consumer.values()).toEqual(["a"]);
      const claim = await consumer.claim();
      claim.resume();
      await consumer.until("the rest came", () => consumer.values().length === 4);
      claim.seek(1);
      expect(claim.position).toBe(1);
      await consumer.until("b and c came again", () => consumer.values().length === 7);
      expect(consumer.values()).toEqual(["a", "b", "c", "(end)", "b", "c", "(end)"]);
    },
  },
  {
    name: "ClaimHandler.claimed() may seek before the first batch",
    async run(session) {
      const topic = await session.topic("input");
      await session.append(topic, ["a", "b", "c"]);
      expect(await session.valuesOf(topic, { script: { claimed: (claim) => claim.seek(2) } })).toEqual(["c"]);
    },
  },
  {
    name: "SubscribeOptions.startFrom begins at the earliest, the latest, or the first record of a time",
    async run(session) {
      // Their time is years ago.
      const topic = await session.topic("input", { retentionMs: Number.POSITIVE_INFINITY });
      await session.log.append(
        ["a", "b", "c"].map((value, at) =>
          record(topic, value, { partition: 0, timestampMs: 1_700_000_000_000 + at * 1000 }),
        ),
      );
      const starts = [
        { startFrom: "earliest" as const, position: 0 },
        { startFrom: 1_700_000_000_500, position: 1 },
        { startFrom: 1_700_000_002_000, position: 2 },
        { startFrom: 1_700_000_002_001, position: 3 },
        { startFrom: "latest" as const, position: 3 },
      ];
      for (const { startFrom, position } of starts) {
        const consumer = await session.subscribe(topic, { startFrom });
        await consumer.claim();
        expect([startFrom, ...consumer.startPositions]).toEqual([startFrom, position]);
      }
    },
  },
];

const COMMIT_CASES: readonly LogContractCase[] = [
  {
    name: "Claim.commit() makes outputs visible and moves the position that the next claim starts from",
    async run(session) {
      const [topic, output] = [await session.topic("input"), await session.topic("output")];
      await session.append(topic, ["a", "b", "c", "d"]);
      const names = session.names();
      const first = await session.subscribe(topic, names);
      await first.until("all came", () => first.values().length === 4);
      await (await first.claim()).commit(
        [record(output, "x", { partition: 0 }), record(output, "y", { partition: 0 })],
        3,
      );
      await first.subscription!.stop();
      expect(await session.valuesOf(output)).toEqual(["x", "y"]);
      const second = await session.subscribe(topic, names);
      await second.until("d came", () => second.values().length === 1);
      expect([second.startPositions, second.values()]).toEqual([[3], ["d"]]);
    },
  },
  {
    name: "Claim.commit() without outputs, again and again, only moves the position",
    async run(session) {
      const topic = await session.topic("input");
      await session.append(
        topic,
        Array.from({ length: 40 }, (_, at) => `${at}`),
      );
      const names = session.names();
      const first = await session.subscribe(topic, {
        ...names,
        maxBatchRecords: 1,
        script: { batch: (claim, batch) => claim.commit([], batch.toOffset) },
      });
      await first.until("all came", () => first.values().length >= 40);
      await first.subscription!.stop();
      expect([first.losses, first.values().length]).toEqual([[], 40]);
      const second = await session.subscribe(topic, names);
      await second.claim();
      expect(second.startPositions).toEqual([40]);
    },
  },
  {
    name: "Subscription.stop() does not commit: what was only delivered is delivered again",
    async run(session) {
      const topic = await session.topic("input");
      await session.append(topic, ["a", "b"]);
      const names = session.names();
      for (const _attempt of [1, 2]) {
        const consumer = await session.subscribe(topic, names);
        await consumer.until("both came", () => consumer.values().length === 2);
        await consumer.subscription!.stop();
        expect(consumer.values()).toEqual(["a", "b"]);
        expect(consumer.claims.every(({ active }) => !active)).toBe(true);
      }
    },
  },
  {
    name: "Claim.commit() of a zombie throws SG_FENCED, writes nothing, moves nothing, and the partition is claimed anew",
    async run(session) {
      const { fixture } = session;
      const [topic, output] = [await session.topic("input"), await session.topic("output")];
      await session.append(topic, ["a", "b", "c"]);
      const names = session.names();
      const consumer = await session.subscribe(topic, names);
      const zombie = await consumer.claim();
      await consumer.until("all came", () => consumer.values(zombie).length === 3);
      await zombie.commit([record(output, "right", { partition: 0 })], 1);
      await (await fixture.openTransaction(fixture.transactionalId(names, topic, 0))).abort();
      await expectFenced(zombie.commit([record(output, "wrong", { partition: 0 })], 3));
      expect(zombie.active).toBe(false);
      await consumer.until("claimed anew", () => consumer.claims.length === 2);
      expect(consumer.losses.length).toBe(1);
      expect(consumer.lossOf(zombie)).toBe("fenced");
      const claim = await consumer.claim();
      await consumer.until("b and c came again", () => consumer.values(claim).length === 2);
      expect([consumer.startPositions, consumer.values(claim)]).toEqual([
        [0, 1],
        ["b", "c"],
      ]);
      await claim.commit([record(output, "again", { partition: 0 })], 3);
      await expectFenced(zombie.commit([record(output, "wrong", { partition: 0 })], 3));
      expect(await session.valuesOf(output)).toEqual(["right", "again"]);
    },
  },
  {
    name: "ClaimHandler.batch() that lets SG_FENCED through does not end the subscription",
    async run(session) {
      const { fixture } = session;
      const [topic, output] = [await session.topic("input"), await session.topic("output")];
      await session.append(topic, ["a"]);
      const names = session.names();
      let attempts = 0;
      let committed = 0;
      const consumer = await session.subscribe(topic, {
        ...names,
        script: {
          async batch(claim, batch) {
            attempts += 1;
            if (attempts === 1) {
              await (await fixture.openTransaction(fixture.transactionalId(names, topic, 0))).abort();
            }
            await claim.commit([record(output, `attempt ${attempts}`, { partition: 0 })], batch.toOffset);
            committed += 1;
          },
        },
      });
      await consumer.until("a commit succeeded", () => committed === 1);
      expect(attempts).toBe(2);
      expect(await session.valuesOf(output)).toEqual(["attempt 2"]);
      expect(consumer.losses.map(({ reason }) => reason)).toEqual(["fenced"]);
    },
  },
  {
    name: "Subscription.done rejects with the error of a handler, and nothing is delivered after it",
    async run(session) {
      const topic = await session.topic("input");
      await session.append(topic, ["a", "b", "c"]);
      const failure = new Error("the disk is full");
      const consumer = await session.subscribe(topic, {
        maxBatchRecords: 1,
        script: {
          batch: (_claim, _batch, consumer) => {
            if (consumer.deliveries.length === 2) throw failure;
          },
        },
      });
      await expect(consumer.subscription!.done).rejects.toBe(failure);
      await consumer.subscription!.stop();
      expect(consumer.values()).toEqual(["a", "b"]);
      await expectFenced(consumer.claims[0]!.commit([], 1));
    },
  },
  {
    name: "Claim.restore() gives the newest record of each key of the same partition, decided before the fence",
    async run(session) {
      const { fixture } = session;
      const topic = await session.topic("input", { partitions: 2 });
      const state = await session.topic("state", { partitions: 2, compacted: true });
      const names = session.names();
      const put = (key: string, value: string | null, partition = 1) => record(state, value, { key, partition });
      await session.log.append([put("a", "1"), put("b", "1"), put("c", "1"), put("a", "elsewhere", 0)]);
      await session.log.append([put("a", "2"), put("b", null)]);
      const aborted = await fixture.openTransaction(fixture.uniqueName("other"));
      await aborted.send([put("c", "aborted")]);
      await aborted.abort();
      const left = await fixture.openTransaction(fixture.transactionalId(names, topic, 1));
      await left.send([put("a", "left open by the last holder")]);
      await session.log.append([put("d", "1")]);
      const restored: string[] = [];
      const consumer = await session.subscribe(topic, {
        ...names,
        script: {
          async claimed(claim) {
            if (claim.partition !== 1) return;
            for (const { key, value } of await claim.restore(state)) restored.push(`${text(key)}=${text(value)}`);
          },
        },
      });
      await eventually(fixture, "state is restored", () => restored.length > 0);
      expect(restored).toEqual(["c=1", "a=2", "d=1"]);
      const claim = await consumer.claim(1);
      await claim.commit([put("c", "2")], 0);
      expect([...(await claim.restore(state))].map(({ value }) => text(value))).toEqual(["2", "1", "2"]);
    },
  },
];

const GROUP_CASES: readonly LogContractCase[] = [
  {
    name: "Log.subscribe() shares the partitions of a group, and hands them over when a member leaves",
    async run(session) {
      const { fixture } = session;
      const topic = await session.topic("input", { partitions: 4 });
      const output = await session.topic("output");
      for (const partition of [0, 1, 2, 3]) await session.append(topic, ["a", "b", "c"], partition);
      const names = session.names();
      const first = await session.subscribe(topic, names);
      await first.until("all came", () => first.records().length === 12);
      const before = [...first.claims];
      expect(before.map(({ partition }) => partition).sort()).toEqual([0, 1, 2, 3]);
      expect(before.every(({ partitionCount }) => partitionCount === 4)).toBe(true);
      for (const claim of before) await claim.commit([], 2);

      const second = await session.subscribe(topic, { ...names, log: await fixture.createLog() });
      const active = () => [...first.claims, ...second.claims].filter(({ active }) => active);
      const partitions = () => active().map(({ partition }) => partition);
      const shared = () => second.claims.length > 0 && partitions().sort().join() === "0,1,2,3";
      await eventually(fixture, "the members share the partitions", shared);
      const moved = second.claims.filter(({ active }) => active);
      expect(moved.length).toBe(2);
      await second.until("the rest came", () => moved.every((claim) => second.values(claim).length === 1));
      for (const claim of moved) {
        expect(second.values(claim)).toEqual(["c"]);
        const old = before.find(({ partition }) => partition === claim.partition)!;
        expect(first.lossOf(old)).toBe("revoked");
        await expectFenced(old.commit([record(output, "zombie", { partition: 0 })], 3));
        await claim.commit([record(output, "owner", { partition: 0 })], 3);
      }

      await second.subscription!.stop();
      const back = () => first.claims.filter(({ active }) => active);
      await first.until("the first has all again", () => back().length === 4);
      for (const claim of back()) {
        if (before.includes(claim)) continue;
        const handedOver = moved.some(({ partition }) => partition === claim.partition);
        expect(first.startPositions[first.claims.indexOf(claim)]).toBe(handedOver ? 3 : 2);
      }
      expect(await session.valuesOf(output)).toEqual(["owner", "owner"]);
    },
  },
  {
    name: "Log.subscribe() gives every group all records",
    async run(session) {
      const topic = await session.topic("input");
      await session.append(topic, ["a", "b"]);
      expect(await session.valuesOf(topic)).toEqual(["a", "b"]);
      expect(await session.valuesOf(topic)).toEqual(["a", "b", "(end)"]);
    },
  },
];

export const LOG_CONTRACT: readonly LogContractCase[] = [
  ...DELIVERY_CASES,
  ...COMMIT_CASES,
  ...GROUP_CASES,
  ...READ_COMMITTED_CASES,
];
