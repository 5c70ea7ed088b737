import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { ClaimHandler } from "../../src/core/log.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { expectFenced, record, text } from "./log-contract-kit.ts";
import { collect, memoryLog, options, until } from "./memory-log-kit.ts";

describe("MemoryLog groups", () => {
  test("MemorySubscription.expire() makes a zombie: it is fed on, its commit is fenced, then it joins again", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "t", partitions: 1 }]);
    await log.append([record("t", "a")]);
    const zombie = collect();
    const zombieSubscription = await log.subscribe(options("t"), zombie.handler);
    await until(() => zombie.batches.length === 1);
    zombieSubscription.expire();
    const heir = collect();
    const heirSubscription = await log.subscribe(options("t"), heir.handler);
    await until(() => heir.batches.length === 1);
    await log.append([record("t", "b")]);
    await until(() => zombie.batches.length === 2 && heir.batches.length === 2);
    const [old, claim] = [zombie.claims[0]!, heir.claims[0]!];
    expect([old.active, claim.active]).toEqual([true, true]);
    await claim.commit([], 1);
    await expectFenced(old.commit([], 2));
    expect(log.position("group", "t", 0)).toBe(1);
    await until(() => heir.claims.length === 2);
    expect([zombie.losses, heir.losses]).toEqual([["fenced"], ["revoked"]]);
    await heirSubscription.stop();
    await until(() => zombie.claims.length === 2);
    expect(zombie.starts).toEqual([0, 1]);
    await zombieSubscription.stop();
  });

  test("MemorySubscription.rejoin() revokes what an expired member still held", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "t", partitions: 1 }]);
    const consumer = collect();
    const subscription = await log.subscribe(options("t"), consumer.handler);
    await until(() => consumer.claims.length === 1);
    subscription.expire();
    subscription.rejoin();
    await until(() => consumer.claims.length === 2);
    expect([consumer.losses, consumer.claims.map(({ active }) => active)]).toEqual([["revoked"], [false, true]]);
    await subscription.stop();
  });

  test("MemorySubscription announces no claim that was revoked while it was being opened, and keeps none of the old deal", async () => {
    const acts: (() => Promise<unknown>)[] = [];
    const log = memoryLog({
      async onRequest(request) {
        if (request === "fence" || request === "position") await acts.shift()?.();
      },
    });
    await log.createTopics([{ name: "t", partitions: 2 }]);
    for (const delay of [0, 1]) {
      const [first, second] = [collect(), collect()];
      const subscriptions: { stop(): Promise<void> }[] = [];
      acts.push(...Array.from({ length: delay }, () => async () => {}), async () => {
        subscriptions.push(await log.subscribe(options("t"), second.handler));
      });
      const epoch = log.fence("prefix.t.0").epoch;
      subscriptions.push(await log.subscribe(options("t"), first.handler));
      await until(() => first.claims.length === 1 && second.claims.length === 1);
      for (let turn = 0; turn < 5; turn += 1) await nextTurn();
      expect([first, second].map(({ claims }) => claims.map(({ partition }) => partition))).toEqual([[0], [1]]);
      expect([first.losses, second.losses]).toEqual([[], []]);
      // Revoked before its fence, the first claim takes the id of nobody.
      expect(log.fence("prefix.t.0").epoch - epoch - 1).toBe(delay + 1);
      acts.length = 0;
      for (const subscription of subscriptions.reverse()) await subscription.stop();
    }
  });

  test("Subscription.stop() while a claim is being opened calls no method any more", async () => {
    let stopped: Promise<void> | undefined;
    const log = memoryLog({
      onRequest(request) {
        if (request === "position") stopped = subscription.stop();
      },
    });
    await log.createTopics([{ name: "t", partitions: 2 }]);
    const consumer = collect();
    const subscription = await log.subscribe(options("t"), consumer.handler);
    await until(() => stopped !== undefined);
    await stopped;
    expect([consumer.claims, consumer.losses]).toEqual([[], []]);
  });

  test("MemorySubscription lets the event loop turn while there is data", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "t", partitions: 1 }]);
    await log.append(Array.from({ length: 1000 }, (_, at) => record("t", `${at}`)));
    log.seal("t");
    const consumer = collect();
    const subscription = await log.subscribe(options("t", { maxBatchRecords: 1 }), consumer.handler);
    await until(() => consumer.batches.length > 0);
    expect(consumer.batches.length).toBeLessThan(20);
    await subscription.done;
    await subscription.stop();
  });

  test("MemoryLogOptions.onRequest that fails leaves the outcome of a commit unknown, and every record counts once", async () => {
    const outcomes = new Map<string, { visible: number; position: number | undefined }>();
    for (const cut of ["send", "commit", "reply"] as const) {
      let broken = false;
      const log = memoryLog({
        onRequest(request) {
          if (request !== cut || broken) return;
          broken = true;
          outcomes.set(cut, { visible: log.records("out", 0).length, position: log.position("group", "t", 0) });
          throw new Error("connection reset");
        },
      });
      await log.createTopics([
        { name: "t", partitions: 1 },
        { name: "out", partitions: 1 },
      ]);
      await log.append([record("t", "a"), record("t", "b")]);
      log.seal("t");
      const consumer = collect({
        batch: (claim, batch) =>
          claim.commit(
            batch.records.map(({ value }) => record("out", text(value))),
            batch.toOffset,
          ),
      });
      const subscription = await log.subscribe(options("t", { maxBatchRecords: 1 }), consumer.handler);
      await subscription.done;
      await subscription.stop();
      expect(consumer.losses).toEqual(["unknown-outcome"]);
      expect(log.records("out", 0).map(({ value }) => text(value))).toEqual(["a", "b"]);
      expect(log.offsets("out", 0).stable).toBe(log.offsets("out", 0).end);
    }
    expect([...outcomes]).toEqual([
      ["send", { visible: 0, position: undefined }],
      ["commit", { visible: 0, position: undefined }],
      ["reply", { visible: 1, position: 1 }],
    ]);
  });

  test("Claim.open() reads the position after the fence, so what the last holder committed late is not repeated", async () => {
    // What the zombie does just before the heir's request, once.
    const acts: Partial<Record<string, () => Promise<void>>> = {};
    const log = memoryLog({
      async onRequest(request) {
        const act = acts[request];
        delete acts[request];
        await act?.();
      },
    });
    await log.createTopics([
      { name: "t", partitions: 1 },
      { name: "out", partitions: 1 },
    ]);
    await log.append(["a", "b", "c"].map((value) => record("t", value)));
    const zombie = collect();
    const zombieSubscription = await log.subscribe(options("t"), zombie.handler);
    await until(() => zombie.batches.length === 1);
    zombieSubscription.expire();
    const old = zombie.claims[0]!;
    acts.fence = () => old.commit([record("out", "in time")], 2);
    acts.position = () => expectFenced(old.commit([record("out", "too late")], 3));
    const heir = collect();
    const heirSubscription = await log.subscribe(options("t"), heir.handler);
    await until(() => heir.batches.length === 1);
    expect(heir.values()).toEqual(["c"]);
    expect(log.records("out", 0).map(({ value }) => text(value))).toEqual(["in time"]);
    await zombieSubscription.stop();
    await heirSubscription.stop();
  });

  test("Claim.restore() waits for transactions that other ids have open, and stop() ends the wait", async () => {
    const log = memoryLog();
    await log.createTopics([
      { name: "t", partitions: 1 },
      { name: "s", partitions: 1, compacted: true },
    ]);
    const blocker = log.fence("other").begin();
    blocker.send([record("s", "open", { key: "k" })]);
    await log.append([record("s", "behind", { key: "l" })]);
    const restored: string[] = [];
    const handler: ClaimHandler = {
      async claimed(claim) {
        restored.push(...[...(await claim.restore("s"))].map(({ value }) => text(value)!));
      },
      batch() {},
    };
    const stopped = await log.subscribe(options("t"), handler);
    for (let turn = 0; turn < 5; turn += 1) await nextTurn();
    await stopped.stop();
    expect(restored).toEqual([]);
    const subscription = await log.subscribe(options("t"), handler);
    for (let turn = 0; turn < 5; turn += 1) await nextTurn();
    expect(restored).toEqual([]);
    blocker.commit();
    await until(() => restored.length === 2);
    expect(restored).toEqual(["open", "behind"]);
    await subscription.stop();
  });

  test("MemoryLog delivers in the same order on every run, round robin over the claims", async () => {
    const run = async () => {
      const log = memoryLog();
      await log.createTopics([
        { name: "t", partitions: 3 },
        { name: "out", partitions: 2 },
      ]);
      const random = new SeededRandom(7);
      for (let at = 0; at < 300; at += 1) await log.append([record("t", `${at}`, { partition: random.below(3) })]);
      log.seal("t");
      const story: string[] = [];
      const handler = (name: string): ClaimHandler => ({
        claimed: (claim) => void story.push(`${name} claimed ${claim.partition} at ${claim.position}`),
        async batch(claim, batch) {
          story.push(`${name} ${batch.partition} [${batch.fromOffset}, ${batch.toOffset})`);
          await claim.commit([record("out", name)], batch.toOffset);
        },
        lost: (claim, reason) => void story.push(`${name} lost ${claim.partition} ${reason}`),
      });
      const first = await log.subscribe(options("t", { maxBatchRecords: 7 }), handler("A"));
      for (let turn = 0; turn < 3; turn += 1) await nextTurn();
      const second = await log.subscribe(options("t", { maxBatchRecords: 7 }), handler("B"));
      await Promise.all([first.done, second.done]);
      await Promise.all([first.stop(), second.stop()]);
      return story;
    };
    const story = await run();
    expect(story.filter((line) => line.startsWith("A")).slice(0, 7)).toEqual([
      "A claimed 0 at 0",
      "A claimed 1 at 0",
      "A claimed 2 at 0",
      "A 1 [0, 7)",
      "A 2 [0, 7)",
      "A 0 [0, 7)",
      "A 1 [7, 14)",
    ]);
    expect(story.some((line) => line.startsWith("B "))).toBe(true);
    expect(await run()).toEqual(story);
  });
});
