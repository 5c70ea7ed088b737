import { describe, expect, test } from "vitest";
import type { MemoryLog } from "../../src/consumers/memory-log.ts";
import { StreamgaugeError } from "../../src/core/errors.ts";
import type { ClaimHandler, Log } from "../../src/core/log.ts";
import { noTelemetry } from "../../src/core/telemetry.ts";
import type { PrometheusRegistry } from "../../src/sinks/prometheus-registry.ts";
import { observeLog } from "../../src/stages/observed-log.ts";
import { describeLogContract } from "../consumers/log-contract.ts";
import { record } from "../consumers/log-contract-kit.ts";
import { collect, memoryFixture, memoryLog, options, until } from "../consumers/memory-log-kit.ts";
import { countedOf, registryOf, samplesOf } from "../sinks/prometheus-kit.ts";

describeLogContract("observed memory", async () => {
  const log = memoryLog();
  return memoryFixture(log, observed(log, registryOf()));
});

function observed(log: MemoryLog, telemetry: PrometheusRegistry): Log {
  return {
    createTopics: (topics) => log.createTopics(topics),
    append: (records) => log.append(records),
    subscribe: (subscribe, handler) => observeLog(log, { telemetry, stage: "stage" }).subscribe(subscribe, handler),
  };
}

/** A topic of two partitions, read by a stage that commits what it is handed. */
async function started(script: Partial<ClaimHandler> = {}) {
  const log = memoryLog();
  const registry = registryOf();
  await log.createTopics([
    { name: "t", partitions: 2 },
    { name: "out", partitions: 1 },
  ]);
  await log.append([
    { topic: "t", partition: 0, key: "key", value: Buffer.from("12345") },
    { topic: "t", partition: 0, key: null, value: null },
    record("t", "x", { partition: 1 }),
  ]);
  const seen = collect({ batch: (claim, batch) => claim.commit([], batch.toOffset), ...script });
  const subscription = await observed(log, registry).subscribe(options("t"), seen.handler);
  return {
    log,
    registry,
    seen,
    subscription,
    samples: (name: string) => samplesOf(registry, name),
    counted: (name: string) => countedOf(registry, name),
  };
}

describe("observeLog()", () => {
  test("is the log itself without telemetry", () => {
    const log = memoryLog();
    expect(observeLog(log, { telemetry: noTelemetry, stage: "s" })).toBe(log);
  });

  test("counts records and bytes by partition, claims and committed transactions", async () => {
    const { seen, subscription, samples, counted } = await started();
    await until(() => seen.values().length === 3);
    await subscription.stop();
    expect(samples("streamgauge_records_total")).toEqual({ "stage t 0": 2, "stage t 1": 1 });
    expect(samples("streamgauge_record_bytes_total")).toEqual({ "stage t 0": 8, "stage t 1": 1 + lengthOfKey() });
    expect(samples("streamgauge_claims_total")).toEqual({ "stage t": 2 });
    expect(samples("streamgauge_claimed_partitions")).toEqual({ "stage t": 2 });
    expect(counted("streamgauge_transactions_total")).toEqual({ "stage committed": 2 });
  });

  test("counts what was written by topic, and failed transactions apart", async () => {
    const { seen, samples, counted } = await started({
      async batch(claim, batch) {
        const outputs = batch.records.map(() => record("out", "four"));
        if (claim.partition === 0) await claim.commit(outputs, batch.toOffset);
        else await claim.commit([record("nowhere", "x")], batch.toOffset).catch(() => {});
      },
    });
    await until(() => seen.values().length === 3);
    await until(() => samples("streamgauge_transactions_total")["stage failed"] === 1);
    expect(samples("streamgauge_written_records_total")).toEqual({ "stage out": 2 });
    expect(samples("streamgauge_written_bytes_total")).toEqual({ "stage out": 8 });
    expect(counted("streamgauge_transactions_total")).toEqual({ "stage committed": 1, "stage failed": 1 });
  });

  test("shows the lag from the committed position, not from the one of delivery", async () => {
    let commits = false;
    const { log, seen, samples } = await started({
      batch: async (claim, batch) => (commits ? claim.commit([], batch.toOffset) : undefined),
    });
    const lag = () => samples("streamgauge_lag_records");
    await until(() => seen.values().length === 3);
    expect(lag()).toEqual({ "stage t 0": 2, "stage t 1": 1 });
    commits = true;
    await log.append([record("t", "y", { partition: 0 })]);
    await until(() => seen.values().length === 4);
    await until(() => lag()["stage t 0"] === 0);
    expect(lag()).toEqual({ "stage t 0": 0, "stage t 1": 1 });
    // What stands behind an open transaction cannot be read yet: it is no lag of the stage.
    const transaction = log.fence("other").begin();
    transaction.send([record("t", "z", { partition: 0 })]);
    expect(lag()["stage t 0"]).toBe(0);
    commits = false;
    transaction.commit();
    await until(() => seen.values().length === 5);
    expect(lag()["stage t 0"]).toBe(2);
  });

  test("takes the position that the stage seeks to when it takes the claim as the committed one", async () => {
    const { seen, samples } = await started({ claimed: (claim) => claim.seek(1), batch: () => {} });
    await until(() => seen.values().length === 1 && seen.claims.length === 2);
    expect(samples("streamgauge_lag_records")).toEqual({ "stage t 0": 1, "stage t 1": 0 });
  });

  test("counts losses by reason, and shows no lag of a partition that was lost", async () => {
    const { log, seen, subscription, samples, counted } = await started();
    await until(() => seen.values().length === 3);
    const other = await log.subscribe(options("t"), collect().handler);
    await until(() => seen.losses.length === 2 && seen.claims.length === 3);
    expect(counted("streamgauge_claim_losses_total")).toEqual({ "stage t revoked": 2 });
    expect(samples("streamgauge_claimed_partitions")).toEqual({ "stage t": 1 });
    expect(Object.keys(samples("streamgauge_lag_records"))).toEqual(["stage t 0"]);
    await other.stop();
    await subscription.stop();
  });

  test("counts a partition that a newer owner fenced", async () => {
    let fence = () => {};
    const { log, seen, samples, counted } = await started({
      async batch(claim, batch) {
        fence();
        await claim.commit([], batch.toOffset);
      },
    });
    fence = () => {
      log.fence("prefix.t.0");
      fence = () => {};
    };
    await until(() => seen.losses.includes("fenced"));
    expect(counted("streamgauge_claim_losses_total")).toEqual({ "stage t fenced": 1 });
    expect(samples("streamgauge_transactions_total")["stage failed"]).toBe(1);
  });

  test("hands errors of the stage through", async () => {
    const { subscription } = await started({
      batch: () => {
        throw new StreamgaugeError("SG_CORRUPT", "broken");
      },
    });
    await expect(subscription.done).rejects.toThrow("broken");
  });
});

describe("Claim.endOffset", () => {
  test("of the memory log is the end of what a read-committed reader may see: caughtUp says that it was reached", async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "t", partitions: 1 }]);
    await log.append([record("t", "a")]);
    const seen = collect();
    await log.subscribe(options("t"), seen.handler);
    await until(() => seen.values().length === 1);
    const [claim] = seen.claims;
    expect([claim?.endOffset, claim?.position, claim?.caughtUp]).toEqual([1, 1, true]);
    const transaction = log.fence("other").begin();
    transaction.send([record("t", "b")]);
    await log.append([record("t", "c")]);
    expect([claim?.endOffset, log.offsets("t", 0).end, claim?.caughtUp]).toEqual([1, 3, true]);
    transaction.commit();
    expect([claim?.endOffset, claim?.caughtUp]).toEqual([4, false]);
  });
});

function lengthOfKey(): number {
  const { key } = record("t", "x");
  return key === null ? 0 : key.length;
}
