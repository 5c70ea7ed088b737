import { expect, test } from "vitest";
import { describeWithKafka } from "../kafka/broker.ts";
import { runRecreate } from "./recreate.ts";

describeWithKafka("an input topic that is deleted and created anew", () => {
  test("is counted from its start, and each partition is told by an incident", async () => {
    const findings = await runRecreate({ seed: 1, partitions: 2, rate: 300, loadMs: 4_000 }, console.log);
    expect(findings).toEqual([]);
  });
});
