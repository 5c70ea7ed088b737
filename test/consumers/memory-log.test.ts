import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { Log } from "../../src/core/log.ts";
import { type AbortFilter, LeakyLog, platformatic, stockKafkajs } from "./leaky-log.ts";
import { describeLogContract, LOG_CONTRACT, runContractCase } from "./log-contract.ts";
import { type LogContractFixture, record, text } from "./log-contract-kit.ts";
import { collect, memoryFixture, memoryLog, options, until } from "./memory-log-kit.ts";

describeLogContract("memory", async () => memoryFixture(memoryLog()));

describe("the log contract catches", () => {
  test("a filter of aborted transactions such as kafkajs has", async () => {
    expect(await failuresOf("read committed", () => leakyFixture(stockKafkajs))).toEqual([
      "read committed: overlapping aborted transactions, the earlier one ends last",
      "read committed: reading starts between the begins of two aborted transactions",
      "read committed: a user record with int32 key 0 inside an aborted transaction",
    ]);
  });

  test("a filter of aborted transactions such as @platformatic/kafka has", async () => {
    expect(await failuresOf("read committed", () => leakyFixture(platformatic))).toEqual([
      "read committed: the abort marker lies in a later delivery",
      "read committed: two aborted transactions and a committed one of the same producer",
    ]);
  });

  test("a transactional id per process instead of one per partition", async () => {
    const failures = await failuresOf("", () => {
      const log = memoryLog();
      let process = 0;
      const unfenced: Log = {
        createTopics: (topics) => log.createTopics(topics),
        append: (records) => log.append(records),
        subscribe(options, handler) {
          process += 1;
          return log.subscribe(
            { ...options, transactionalPrefix: `${options.transactionalPrefix}.${process}` },
            handler,
          );
        },
      };
      return memoryFixture(log, unfenced);
    });
    expect(failures).toContain(
      "Claim.commit() of a zombie throws SG_FENCED, writes nothing, moves nothing, and the partition is claimed anew",
    );
  });
});

describe("MemoryLog offsets", () => {
  test("MemoryLog.offsets() count a marker per partition written, and hold the stable offset at an open transaction", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "t", partitions: 2 }]);
    await log.append([record("t", "a", { partition: 0 })]);
    const transaction = log.fence("id").begin();
    transaction.send([record("t", "b", { partition: 0 }), record("t", "c", { partition: 1 })]);
    await log.append([record("t", "d", { partition: 0 })]);
    expect(log.offsets("t", 0)).toEqual({ start: 0, stable: 1, end: 3 });
    expect(log.offsets("t", 1)).toEqual({ start: 0, stable: 0, end: 1 });
    transaction.commit();
    expect(log.offsets("t", 0)).toEqual({ start: 0, stable: 4, end: 4 });
    expect(log.offsets("t", 1)).toEqual({ start: 0, stable: 2, end: 2 });
    log.fence("id").begin().abort();
    expect(log.offsets("t", 0).end).toBe(4);
    expect(log.records("t", 0).map(({ offset, value }) => `${offset}${text(value)}`)).toEqual(["0a", "1b", "2d"]);
  });

  test("MemoryLog.fence() aborts what the older holder of the id left open, and refuses it from then on", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "t", partitions: 1 }]);
    const older = log.fence("id");
    const transaction = older.begin();
    transaction.send([record("t", "a")]);
    const newer = log.fence("id");
    expect(newer.epoch).toBe(older.epoch + 1);
    expect(log.offsets("t", 0)).toEqual({ start: 0, stable: 2, end: 2 });
    for (const action of [() => transaction.commit(), () => transaction.send([]), () => older.begin()]) {
      expect(action).toThrow(expect.objectContaining({ code: "SG_FENCED" }));
    }
    expect(log.records("t", 0)).toEqual([]);
  });

  test("MemoryLog reads exactly the committed records, whatever the interleaving", async () => {
    const step = fc.record({
      producer: fc.integer({ min: 0, max: 3 }),
      action: fc.constantFrom("send", "send", "send", "commit", "abort", "append", "fence"),
      partition: fc.integer({ min: 0, max: 1 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 5 }),
        async (steps, maxBatchRecords) => {
          const log = memoryLog();
          await log.createTopics([{ name: "t", partitions: 2 }]);
          const expected: string[] = [];
          const open = new Map<
            number,
            { transaction: ReturnType<ReturnType<MemoryLog["fence"]>["begin"]>; sent: string[] }
          >();
          const begin = (producer: number) => {
            const fresh = { transaction: log.fence(`id${producer}`).begin(), sent: [] };
            open.set(producer, fresh);
            return fresh;
          };
          const consumer = collect();
          const subscription = await log.subscribe(options("t", { maxBatchRecords }), consumer.handler);
          for (const [at, { producer, action, partition }] of steps.entries()) {
            const value = `${at}`;
            if (action === "append") {
              await log.append([record("t", value, { partition })]);
              expected.push(value);
            } else if (action === "fence") begin(producer);
            else {
              const { transaction, sent } = open.get(producer) ?? begin(producer);
              if (action === "send") {
                transaction.send([record("t", value, { partition })]);
                sent.push(value);
              } else {
                transaction[action]();
                open.delete(producer);
                if (action === "commit") expected.push(...sent);
              }
            }
            if (at % 7 === 0) await nextTurn();
          }
          for (const producer of open.keys()) log.fence(`id${producer}`);
          log.seal("t");
          await subscription.done;
          await subscription.stop();
          expect(consumer.values().sort()).toEqual(expected.sort());
          for (const partition of [0, 1]) {
            let next = 0;
            for (const batch of consumer.batches.filter((one) => one.partition === partition)) {
              expect(batch.fromOffset).toBe(next);
              next = batch.toOffset;
            }
            expect(next).toBe(log.offsets("t", partition).end);
          }
        },
      ),
      { seed: 20240229, numRuns: 200 },
    );
  });
});

describe("MemoryLog bounded topics", () => {
  test("MemoryLog.seal() ends each claim once behind its last record, and resolves done", async () => {
    const log = memoryLog();
    await log.createTopics([
      { name: "t", partitions: 3 },
      { name: "out", partitions: 1 },
    ]);
    await log.append(["a", "b", "c", "d"].map((value) => record("t", value)));
    const order: string[] = [];
    const subscription = await log.subscribe(options("t"), {
      batch: (claim, batch) => void order.push(`${claim.partition}:${batch.records.length}:${claim.ended}`),
      async ended(claim) {
        expect([claim.ended, claim.caughtUp]).toEqual([true, true]);
        order.push(`${claim.partition}:ended`);
        await claim.commit([record("out", `end of ${claim.partition}`)], claim.position);
      },
    });
    await nextTurn();
    await log.append([record("t", "e")]);
    expect(order.some((entry) => entry.endsWith("ended"))).toBe(false);
    log.seal("t");
    await subscription.done;
    expect(order.filter((entry) => entry.endsWith("ended")).sort()).toEqual(["0:ended", "1:ended", "2:ended"]);
    expect(log.records("out", 0).length).toBe(3);
    await expect(log.append([record("t", "f")])).rejects.toThrow("Cannot append to t: the topic is sealed");
    await subscription.stop();
  });

  test("MemoryLog.seal() waits for open transactions before it ends a claim", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "t", partitions: 1 }]);
    const transaction = log.fence("id").begin();
    transaction.send([record("t", "a")]);
    log.seal("t");
    const consumer = collect();
    const subscription = await log.subscribe(options("t"), consumer.handler);
    for (let turn = 0; turn < 5; turn += 1) await nextTurn();
    expect([consumer.batches.length, consumer.ends]).toEqual([0, 0]);
    transaction.commit();
    await subscription.done;
    expect([consumer.values(), consumer.ends]).toEqual([["a"], 1]);
    await subscription.stop();
  });

  test("Claim.seek() out of ended() delivers again and ends again", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "t", partitions: 1 }]);
    await log.append([record("t", "a")]);
    log.seal("t");
    const consumer = collect({
      ended: (claim) => {
        if (consumer.ends === 1) claim.seek(0);
      },
    });
    const subscription = await log.subscribe(options("t"), consumer.handler);
    await subscription.done;
    expect([consumer.values(), consumer.ends]).toEqual([["a", "a"], 2]);
    await subscription.stop();
  });

  test("ClaimHandler.ended() that lets SG_FENCED through is called for the next claim", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "t", partitions: 1 }]);
    await log.append([record("t", "a")]);
    log.seal("t");
    const consumer = collect({
      async ended(claim) {
        if (consumer.ends === 1) log.fence("prefix.t.0");
        await claim.commit([], claim.position);
      },
    });
    const subscription = await log.subscribe(options("t"), consumer.handler);
    await subscription.done;
    expect([consumer.ends, consumer.losses, log.position("group", "t", 0)]).toEqual([2, ["fenced"], 1]);
    await subscription.stop();
  });
});

describe("MemoryLog memory", () => {
  test("MemoryLog.compact() keeps the newest of each key at its offset, without tombstones or undecided records", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "s", partitions: 1, compacted: true }]);
    const put = (key: string, value: string | null) => record("s", value, { key });
    for (let at = 0; at < 3000; at += 1) await log.append([put(`${at % 3}`, `${at}`)]);
    await log.append([put("0", null)]);
    const transaction = log.fence("id").begin();
    transaction.send([put("1", "open")]);
    log.compact("s");
    expect(log.offsets("s", 0)).toEqual({ start: 0, stable: 3001, end: 3002 });
    const left = () => log.records("s", 0).map(({ offset, value }) => `${offset}=${text(value)}`);
    expect(left()).toEqual(["2998=2998", "2999=2999"]);
    transaction.commit();
    expect(left()).toEqual(["2998=2998", "2999=2999", "3001=open"]);
    log.compact("s");
    expect(left()).toEqual(["2999=2999", "3001=open"]);
    await log.append([put("0", "back")]);
    expect(left()).toEqual(["2999=2999", "3001=open", "3003=back"]);
    await expect(log.append([record("s", "x")])).rejects.toThrow("a compacted topic takes no record without a key");
  });

  test("MemoryTopicSpec.compactEvery compacts by itself", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "s", partitions: 1, compacted: true, compactEvery: 10 }]);
    let most = 0;
    for (let at = 0; at < 100; at += 1) {
      await log.append([record("s", `${at}`, { key: `${at % 2}` })]);
      most = Math.max(most, log.records("s", 0).length);
    }
    expect(most).toBeLessThanOrEqual(12);
    expect(log.records("s", 0).map(({ value }) => text(value))).toEqual(["98", "99"]);
  });

  test("MemoryTopicSpec.forgetConsumed forgets what the slowest group has committed past, and nothing else", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "t", partitions: 1, forgetConsumed: true }]);
    const values = Array.from({ length: 5000 }, (_, at) => `${at}`);
    await log.append(values.map((value) => record("t", value)));
    const fast = collect();
    const slow = collect();
    const subscriptions = [
      await log.subscribe(options("t", { group: "fast", transactionalPrefix: "fast" }), fast.handler),
      await log.subscribe(options("t", { group: "slow", transactionalPrefix: "slow" }), slow.handler),
    ];
    await until(() => fast.values().length + slow.values().length === 10_000);
    await fast.claims[0]!.commit([], 4000);
    expect(log.offsets("t", 0).start).toBe(0);
    await slow.claims[0]!.commit([], 3000);
    expect(log.offsets("t", 0)).toEqual({ start: 3000, stable: 5000, end: 5000 });
    expect(() => slow.claims[0]!.seek(2999)).toThrow("t/0 has the offsets [3000, 5000]");
    const late = collect();
    subscriptions.push(await log.subscribe(options("t", { group: "late", transactionalPrefix: "late" }), late.handler));
    await until(() => late.values().length === 2000);
    expect(late.values()).toEqual(values.slice(3000));
    await log.append([record("t", "more")]);
    expect(log.records("t", 0).at(-1)?.offset).toBe(5000);
    const open = log.fence("id").begin();
    open.send([record("t", "undecided")]);
    for (const { claims } of [fast, slow, late]) await claims[0]!.commit([], 5002);
    expect(log.offsets("t", 0)).toEqual({ start: 5001, stable: 5001, end: 5002 });
    open.commit();
    expect(log.records("t", 0).map(({ value }) => text(value))).toEqual(["undecided"]);
    for (const subscription of subscriptions) await subscription.stop();
  });
});

describe("MemoryLog bad calls", () => {
  test("MemoryLog names what is wrong, and writes nothing then", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "__proto__", partitions: 2 }]);
    await expect(log.subscribe(options("nowhere"), collect().handler)).rejects.toThrow('"nowhere": it does not exist');
    await expect(log.subscribe({ ...options("x"), topics: [] }, collect().handler)).rejects.toThrow("topics is empty");
    await expect(log.subscribe(options("__proto__", { maxBatchRecords: 0 }), collect().handler)).rejects.toThrow(
      "maxBatchRecords is 0",
    );
    await expect(log.createTopics([{ name: "t", partitions: 0 }])).rejects.toThrow("partitions is 0");
    await expect(
      log.createTopics([{ name: "t", partitions: 1, compacted: true, forgetConsumed: true }]),
    ).rejects.toThrow("not both");
    const good = record("__proto__", "a", { partition: 0 });
    await expect(log.append([good, { ...good, partition: 2 }])).rejects.toThrow("the topic has 2 partitions");
    expect(log.offsets("__proto__", 0).end).toBe(0);
    expect(() => log.compact("__proto__")).toThrow("it is not compacted");
  });

  test("Claim.commit() of records that cannot be placed throws, and the claim goes on", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "t", partitions: 1 }]);
    await log.append([record("t", "a")]);
    const consumer = collect();
    const subscription = await log.subscribe(options("t"), consumer.handler);
    await until(() => consumer.batches.length === 1);
    const claim = consumer.claims[0]!;
    await expect(claim.commit([record("nowhere", "x")], 1)).rejects.toThrow(RangeError);
    await expect(claim.commit([], -1)).rejects.toThrow("the position is -1");
    await expect(claim.restore("t")).rejects.toThrow("it is not compacted");
    const first = claim.commit([], 1);
    await expect(claim.commit([], 0)).rejects.toThrow("another commit is in flight");
    await first;
    expect([claim.active, log.position("group", "t", 0)]).toEqual([true, 1]);
    await subscription.stop();
  });

  test("MemoryLog.append() spreads records without a key round robin, and stamps them with the clock", async () => {
    const clock = new ManualClock(1000);
    const log = new MemoryLog({ clock });
    await log.createTopics([{ name: "t", partitions: 3 }]);
    await log.append(["a", "b", "c", "d"].map((value) => record("t", value)));
    clock.moveTo(2000);
    await log.append([record("t", "e")]);
    const seen = [0, 1, 2].map((partition) => {
      return log.records("t", partition).map(({ value, timestampMs }) => `${text(value)}@${timestampMs}`);
    });
    expect(seen).toEqual([["a@1000", "d@1000"], ["b@1000", "e@2000"], ["c@1000"]]);
  });
});

function leakyFixture(filter: AbortFilter): LogContractFixture {
  const log = memoryLog();
  const leaky = new LeakyLog(log, filter);
  return memoryFixture(log, leaky, (id) => leaky.openTransaction(id));
}

/** Names of the contract cases, among those that begin so, which fail on such a log. */
async function failuresOf(prefix: string, createFixture: () => LogContractFixture): Promise<string[]> {
  const failures = [];
  for (const contractCase of LOG_CONTRACT.filter(({ name }) => name.startsWith(prefix))) {
    const failed = await runContractCase(contractCase, createFixture()).then(
      () => false,
      () => true,
    );
    if (failed) failures.push(contractCase.name);
  }
  return failures;
}
