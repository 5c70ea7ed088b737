import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import type { Claim } from "../../src/core/log.ts";
import { ContractSession, record } from "../consumers/log-contract-kit.ts";
import { describeWithKafka, TestBroker } from "./broker.ts";
import { kafkaFixture, kafkaLog, plainConfig } from "./kafka-log-kit.ts";

describeWithKafka("Claim.endOffset on Kafka", () => {
  let broker: TestBroker;
  beforeAll(async () => {
    broker = await TestBroker.start();
  });
  afterAll(() => broker?.stop());

  test("grows while the partition is paused, and while its handler is busy", async () => {
    const fixture = kafkaFixture(broker);
    const session = new ContractSession(fixture, await fixture.createLog());
    // The timers of 15 s fire when the test says so, all others by themselves.
    const system = systemClock();
    const due = new Set<() => void>();
    const clock = {
      ...system,
      after(delayMs: number, task: () => void) {
        if (delayMs !== 15_000) return system.after(delayMs, task);
        due.add(task);
        return { cancel: () => void due.delete(task) };
      },
    };
    const fire = () => {
      for (const task of [...due]) {
        due.delete(task);
        task();
      }
    };
    const log = kafkaLog(plainConfig(broker), { clock });
    try {
      const topic = await session.topic("input", { partitions: 2 });
      const claims: Claim[] = [];
      let letGo = () => {};
      const busy = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      const consumer = await session.subscribe(topic, {
        log,
        script: {
          claimed(claim) {
            claims[claim.partition] = claim;
            if (claim.partition === 0) claim.pause();
          },
          batch: (claim) => (claim.partition === 1 ? busy : undefined),
        },
      });
      const append = (count: number) =>
        session.log.append(
          [0, 1].flatMap((partition) => Array.from({ length: count }, () => record(topic, "x", { partition }))),
        );
      await consumer.until("both are claimed", () => claims[0] !== undefined && claims[1] !== undefined);
      expect(claims[0]!.endOffset).toBe(0);
      await append(3);
      await consumer.until("one is busy", () => claims[1]!.endOffset === 3);
      expect(claims[0]!.endOffset).toBe(0);
      for (const [more, end] of [
        [4, 7],
        [5, 12],
      ] as const) {
        await append(more);
        await consumer.until(`both ends are at ${end}`, () => {
          fire();
          return claims[0]!.endOffset === end && claims[1]!.endOffset === end;
        });
      }
      // It decides nothing: what was not fetched is not caught up with.
      expect([claims[0]!.caughtUp, claims[1]!.caughtUp]).toEqual([false, false]);
      expect(claims[0]!.position).toBe(0);
      letGo();
      await consumer.subscription!.stop();
      expect(due.size).toBe(0);
    } finally {
      await log.close();
      await session.end();
      await fixture.close();
    }
  });
});
