import { expect, test } from "vitest";
import { describeWithKafka } from "../kafka/broker.ts";
import { defaultOptions, runChaos } from "./run.ts";

describeWithKafka("chaos", () => {
  test("every event is counted once while processes are killed", async () => {
    const kills = 3;
    const options = { ...defaultOptions(1, 0.75, kills), processes: 2, brokerKills: 0, others: 0, rate: 800 };
    const { findings, figures, ...report } = await runChaos(options, console.log);
    expect(findings).toEqual([]);
    expect(report.kills).toBe(kills);
    expect(figures.windows).toBeGreaterThan(10);
  });
});
