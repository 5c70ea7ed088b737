import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { loadKafkaLibrary } from "../../src/consumers/kafka-library.ts";
import type { OutputRecord, RecordBatch } from "../../src/core/log.ts";
import { LOG_CONTRACT, runContractCase } from "../consumers/log-contract.ts";
import { ContractSession, record, text } from "../consumers/log-contract-kit.ts";
import { describeWithKafka, TestBroker } from "./broker.ts";
import { API, FaultySockets } from "./faulty-sockets.ts";
import { kafkaFixture, kafkaLog, LogBook, plainConfig, rawKafka } from "./kafka-log-kit.ts";
import { describeWithRdkafka } from "./rdkafka.ts";

describeWithKafka("Kafka's faults", () => {
  let broker: TestBroker;
  beforeAll(async () => {
    broker = await TestBroker.start();
  });
  afterAll(() => broker?.stop());

  describe("kafkajs", () => {
    faultsOf("kafkajs", () => broker);
    faultsOfKafkaJs(() => broker);
  });
  describeWithRdkafka("Kafka's faults", () => faultsOf("node-rdkafka", () => broker));
});

/** What no client may get wrong. */
function faultsOf(client: "kafkajs" | "node-rdkafka", theBroker: () => TestBroker): void {
  let broker: TestBroker;
  let fixture: ReturnType<typeof kafkaFixture>;
  let session: ContractSession;
  const config = () => ({ ...plainConfig(broker), client });
  beforeEach(async () => {
    broker = theBroker();
    fixture = kafkaFixture(broker, {}, { client });
    session = new ContractSession(fixture, await fixture.createLog());
  });
  afterEach(async () => {
    await session.end();
    await fixture.close();
  });

  // On a busy machine one run in ten outputs a batch twice: the broker comes back and never writes the commit's marker in
  // __consumer_offsets (see ARCHITECTURE.md, "Known limits"). Run it with STREAMGAUGE_CHAOS=1.
  test.skipIf(process.env.STREAMGAUGE_CHAOS !== "1")(
    "KafkaSubscription outlives a kill -9 of the broker, and every record is output once",
    async () => {
      const [topic, output] = [await session.topic("input", { partitions: 2 }), await session.topic("output")];
      const consumer = await session.subscribe(topic, {
        maxBatchRecords: 7,
        script: { batch: (claim, batch) => claim.commit(copies(batch, output), batch.toOffset) },
      });
      const sent: string[] = [];
      const append = async (round: number) => {
        const values = Array.from({ length: 40 }, (_, at) => `${round}.${at}`);
        sent.push(...values);
        await session.log.append(values.map((value, at) => record(topic, value, { partition: at % 2 })));
      };
      await append(1);
      await consumer.until("the first round came", () => consumer.values().length >= 40);
      await broker.kill9();
      const restarted = broker.restart();
      await sleep(500);
      const appended = append(2);
      await restarted;
      await appended;
      await append(3);
      const seen = () => new Set(consumer.values()).size;
      await consumer.until("all came", () => seen() === sent.length);
      await consumer.subscription!.stop();
      expect((await session.valuesOf(output)).sort()).toEqual(sent.sort());
    },
  );

  test("Subscription.stop() and KafkaLog.close() settle while the broker is away", async () => {
    const topic = await session.topic("input", { partitions: 3 });
    const log = kafkaLog(config());
    const consumer = await session.subscribe(topic, { log });
    const claim = await consumer.claim();
    await broker.kill9();
    await expect(claim.commit([], 0)).rejects.toMatchObject({ code: "SG_CONNECT" });
    await consumer.subscription!.stop();
    await log.close();
    expect(consumer.claims.every(({ active }) => !active)).toBe(true);
    await broker.restart();
  });

  test("KafkaSubscription keeps its membership while a handler takes 15 s, two and a half session timeouts", async () => {
    const topic = await session.topic("input", { partitions: 2 });
    await session.append(topic, ["slow"], 0);
    let slowDone = false;
    const seen: string[] = [];
    const consumer = await session.subscribe(topic, {
      script: {
        async batch(claim, batch) {
          if (batch.partition === 0 && !slowDone) {
            await sleep(15_000);
            slowDone = true;
            await claim.commit([], batch.toOffset);
          } else seen.push(...batch.records.map(({ value }) => text(value) ?? ""));
        },
      },
    });
    for (let at = 0; !slowDone && at < 60; at += 1) {
      await session.append(topic, [`quick ${at}`], 1);
      await consumer.until(`quick ${at} came`, () => seen.includes(`quick ${at}`) || slowDone);
      await sleep(1000);
    }
    await session.append(topic, ["after"], 0);
    await consumer.until("delivery went on", () => seen.includes("after"));
    expect(slowDone).toBe(true);
    expect([consumer.losses, consumer.claims.length]).toEqual([[], 2]);
  });

  test("KafkaSubscription ends with SG_FENCED when another process takes its id for the third time", async () => {
    const topic = await session.topic("input");
    const options = session.names();
    const consumer = await session.subscribe(topic, options);
    const outcome = consumer.subscription!.done.catch((error: unknown) => error);
    for (let round = 1; round <= 3; round += 1) {
      await consumer.until(`claim ${round}`, () => consumer.claims.length === round);
      const claim = consumer.claims.at(-1)!;
      await (await fixture.openTransaction(fixture.transactionalId(options, topic, 0))).abort();
      await expect(claim.commit([], 0)).rejects.toMatchObject({ code: "SG_FENCED" });
    }
    expect(await outcome).toMatchObject({
      code: "SG_FENCED",
      exitCode: 5,
      message: expect.stringMatching(/^Cannot hold input-.*: another process has taken its transactional id/),
    });
    expect(consumer.claims.length).toBe(3);
  });

  test("KafkaSubscription members come and go under load, and every record is output once", async () => {
    const [topic, output] = [await session.topic("input", { partitions: 6 }), await session.topic("output")];
    const options = { ...session.names(), maxBatchRecords: 50 };
    const join = async () =>
      session.subscribe(topic, {
        ...options,
        log: await fixture.createLog(),
        script: { batch: (claim, batch) => claim.commit(copies(batch, output), batch.toOffset) },
      });
    const sent: string[] = [];
    const members = [await join()];
    for (let round = 0; round < 8; round += 1) {
      const values = Array.from({ length: 600 }, (_, at) => `${round}.${at}`);
      sent.push(...values);
      await session.log.append(values.map((value, at) => record(topic, value, { partition: at % 6 })));
      if (round === 1 || round === 3) members.push(await join());
      if (round === 5) await members[0]!.subscription!.stop();
      await sleep(400);
    }
    const log = kafkaLog(config());
    for (let tick = 0; (await log.lag(options.group, [topic])).some(({ lag }) => lag > 0); tick += 1) {
      if (tick > 300) throw new Error("Gave up waiting: the group has committed all");
      await sleep(100);
    }
    await log.close();
    for (const member of members) expect(member.violations).toEqual([]);
    expect((await session.valuesOf(output)).sort()).toEqual(sent.sort());
  });

  test("KafkaSubscription goes on at the earliest record when retention has passed it, and logs the range", async () => {
    const book = new LogBook();
    const log = kafkaLog(config(), { logger: book });
    const topic = await session.topic("input");
    await session.append(topic, ["a", "b", "c"]);
    const consumer = await session.subscribe(topic, {
      log,
      maxBatchRecords: 1,
      startFrom: "latest",
      script: { claimed: (claim) => claim.seek(0), batch: (claim) => claim.pause() },
    });
    await consumer.until("a came", () => consumer.values().length === 1);
    const claim = await consumer.claim();
    // What was fetched already is in hand; so it goes back, and finds nothing there any more.
    const admin = rawKafka(broker).admin();
    await session.append(topic, ["d", "e"]);
    await admin.connect();
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "4" }] });
    claim.seek(1);
    claim.resume();
    await consumer.until("e came", () => consumer.values().at(-1) === "e");
    expect(consumer.deliveries.at(-1)!.batch).toMatchObject({ fromOffset: 4, toOffset: 5 });
    expect(book.lines.filter((line) => line.startsWith("error records were removed by retention"))).toEqual([
      expect.stringContaining('"fromOffset":1,"toOffset":4'),
    ]);
    await consumer.subscription!.stop();
    await admin.disconnect();
    await log.close();
  });

  test("KafkaSubscription reads a partition that was added from its first record, wherever the others began", async () => {
    const topic = await session.topic("input");
    await session.append(topic, ["before"]);
    const options = { ...session.names(), startFrom: "latest" as const };
    const consumer = await session.subscribe(topic, options);
    await consumer.claim();
    const leaving = await session.subscribe(topic, { ...options, log: await fixture.createLog() });
    const joined = () => leaving.subscription!.health!().confirmedAtMs !== undefined;
    await consumer.until("the other has joined", joined);
    const admin = rawKafka(broker).admin();
    await admin.connect();
    await admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] });
    await admin.disconnect();
    const producer = rawKafka(broker).producer({ createPartitioner: () => () => 1 });
    await producer.connect();
    await producer.send({ topic, messages: [{ value: "first of the new" }] });
    await producer.disconnect();
    // A rebalance finds it; otherwise the next look at the topic, within a minute.
    await leaving.subscription!.stop();
    await consumer.until("its first record came", () => consumer.values().includes("first of the new"));
    expect(consumer.values()).toEqual(["first of the new"]);
    expect(consumer.claims.at(-1)!.partitionCount).toBe(2);
  });

  test("Claim.restore() leaves no consumer group, and one sentinel however often it is called", async () => {
    const topic = await session.topic("input");
    const state = await session.topic("state", { compacted: true });
    const consumer = await session.subscribe(topic);
    const claim = await consumer.claim();
    for (let at = 0; at < 5; at += 1) {
      await claim.commit([record(state, `${at}`, { key: `k${at % 2}`, partition: 0 })], 0);
      const restored = [...(await claim.restore(state))];
      expect(restored.map(({ value }) => text(value))).toEqual(at === 0 ? ["0"] : [`${at - 1}`, `${at}`]);
    }
    const admin = rawKafka(broker).admin();
    const { groups } = await admin.listGroups();
    await admin.disconnect();
    expect(groups.filter(({ groupId }) => groupId.includes("restore"))).toEqual([]);
    const reader = await session.subscribe(state);
    await reader.until("the state was read", () => reader.records().length === 10);
    const keys = new Set(reader.records().map(({ key }) => text(key)));
    expect(keys.size).toBe(3);
  });

  test("Claim.commit() splits outputs that one request cannot hold, and ends the subscription for a record that none can", async () => {
    const [topic, output] = [await session.topic("input"), await session.topic("output")];
    const consumer = await session.subscribe(topic);
    const claim = await consumer.claim();
    const large = (bytes: number): OutputRecord => ({
      topic: output,
      partition: 0,
      key: null,
      value: Buffer.alloc(bytes, "x"),
    });
    await claim.commit(
      Array.from({ length: 5 }, () => large(890_000)),
      0,
    );
    const reader = await session.subscribe(output);
    await reader.until("all came", () => reader.records().length === 5);
    const outcome = consumer.subscription!.done.catch((error: unknown) => error);
    await expect(claim.commit([large(2_000_000)], 0)).rejects.toMatchObject({ code: "SG_CONFIG" });
    expect(await outcome).toMatchObject({ message: expect.stringContaining("MESSAGE_TOO_LARGE") });
    await session.append(output, ["(end)"]);
    await reader.until("nothing of it came", () => reader.values().at(-1) === "(end)");
    expect(reader.records().length).toBe(6);
  });

  test("KafkaLog names what is wrong with a call, and writes nothing then", async () => {
    const topic = await session.topic("input", { partitions: 2 });
    await expect(session.subscribe("nowhere")).rejects.toMatchObject({
      code: "SG_CONFIG",
      message: "Cannot subscribe: create the topic; nowhere does not exist, or this user may not see it",
    });
    await expect(session.subscribe(topic, { maxBatchRecords: 0 })).rejects.toThrow("maxBatchRecords is 0");
    await expect(session.log.createTopics([{ name: "t", partitions: 0 }])).rejects.toThrow("partitions is 0");
    const good = record(topic, "good", { partition: 0 });
    await expect(session.log.append([good, { ...good, partition: 2 }])).rejects.toThrow("the topic has 2 partitions");
    const consumer = await session.subscribe(topic);
    const claim = await consumer.claim();
    await expect(claim.commit([], -1)).rejects.toThrow("the position is -1");
    expect(() => claim.seek(-1)).toThrow("expected an offset");
    const first = claim.commit([], 0);
    await expect(claim.commit([], 0)).rejects.toThrow("another commit is in flight");
    await first;
    expect(claim.active).toBe(true);
    await session.append(topic, ["(end)"]);
    await consumer.until("the end came", () => consumer.values().includes("(end)"));
    expect(consumer.values()).toEqual(["(end)"]);
  });

  test("KafkaLog.lag() and describeTopics() tell committed positions and properties", async () => {
    const log = kafkaLog(config());
    const topic = await session.topic("input", { partitions: 2, compacted: true });
    await session.log.append([
      record(topic, "a", { partition: 1, key: "k" }),
      record(topic, "b", { partition: 1, key: "l" }),
    ]);
    const { group, transactionalPrefix } = session.names();
    const consumer = await session.subscribe(topic, { group, transactionalPrefix });
    await (await consumer.claim(1)).commit([], 1);
    expect(await log.lag(group, [topic])).toEqual([
      { topic, partition: 0, start: 0, end: 0, lag: 0 },
      { topic, partition: 1, committed: 1, start: 0, end: 2, lag: 1 },
    ]);
    expect(await log.describeTopics([topic, "nowhere"])).toEqual(
      new Map([[topic, { partitions: 2, compacted: true }]]),
    );
    expect(await log.ping()).toEqual({ clusterId: expect.any(String), brokers: 1 });
    await log.close();
  });
}

function faultsOfKafkaJs(theBroker: () => TestBroker): void {
  test("withoutAborted() is needed: kafkajs' own filter delivers aborted records", async () => {
    const stock = kafkaFixture(theBroker(), { library: loadKafkaLibrary() });
    const failures: string[] = [];
    for (const contractCase of LOG_CONTRACT.filter(({ name }) => /overlapping|int32|starts between/.test(name))) {
      await runContractCase(contractCase, stock).catch(() => failures.push(contractCase.name));
    }
    await stock.close();
    expect(failures).toEqual([
      "read committed: overlapping aborted transactions, the earlier one ends last",
      "read committed: reading starts between the begins of two aborted transactions",
      "read committed: a user record with int32 key 0 inside an aborted transaction",
    ]);
  });

  test.each([
    ["answer", "committed", [2], ["a", "b"]],
    ["request", "aborted", [0], []],
  ] as const)(
    "Claim.commit() whose last %s is lost has an unknown outcome (%s), and nothing is output twice",
    async (side, _outcome, positions, visible) => {
      const fixture = kafkaFixture(theBroker());
      const session = new ContractSession(fixture, await fixture.createLog());
      const sockets = new FaultySockets();
      const log = kafkaLog(plainConfig(theBroker()), { library: sockets.library });
      const [topic, output] = [await session.topic("input"), await session.topic("output")];
      await session.append(topic, ["a", "b", "c"]);
      const consumer = await session.subscribe(topic, { log });
      const first = await consumer.claim();
      await consumer.until("all came", () => consumer.values().length === 3);
      sockets.cutNext(API.endTxn, side);
      const outputs = ["a", "b"].map((value) => record(output, value, { partition: 0 }));
      await expect(first.commit(outputs, 2)).rejects.toMatchObject({
        code: "SG_CONNECT",
        message: expect.stringContaining("outcome is unknown"),
      });
      expect([first.active, sockets.armed]).toEqual([false, false]);
      await consumer.until("claimed anew", () => consumer.claims.length === 2);
      expect([consumer.lossOf(first), consumer.startPositions.slice(1)]).toEqual(["unknown-outcome", positions]);
      expect(await session.valuesOf(output)).toEqual(visible);
      await session.end();
      await log.close();
      await fixture.close();
    },
  );
}

function copies(batch: RecordBatch, output: string): OutputRecord[] {
  return batch.records.map(({ value }) => record(output, text(value), { partition: 0 }));
}
