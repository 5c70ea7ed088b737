/** Collected only where STREAMGAUGE_CHAOS_KILLS says how often a process is killed (`vitest.config.ts`). */
import { expect, test } from "vitest";
import { describeWithKafka } from "../kafka/broker.ts";
import { summary } from "./report.ts";
import { defaultOptions, runChaos } from "./run.ts";

/** With what comes between them an act every five seconds: a session can just expire. */
const KILLS_PER_MINUTE = 7.5;
const kills = Number(process.env.STREAMGAUGE_CHAOS_KILLS);
/** Some fall on who is dead already, or die before they come to the point at which they were to. */
const drawn = Math.ceil(1.2 * kills);
const seed = Number(process.env.STREAMGAUGE_CHAOS_SEED ?? 1);

describeWithKafka("chaos, at length", () => {
  test(`${kills} processes and ${Math.ceil(kills / 5)} brokers are killed, and every event is counted once`, async () => {
    const minutes = Number((kills / KILLS_PER_MINUTE).toFixed(1));
    const report = await runChaos(
      { ...defaultOptions(seed, minutes, drawn), brokerKills: Math.ceil(kills / 5) },
      console.log,
    );
    console.log(
      summary(
        report,
        `npm run chaos -- --minutes ${minutes} --kills ${drawn} --broker-kills ${Math.ceil(kills / 5)} --seed ${seed}`,
      ),
    );
    expect(report.findings).toEqual([]);
    expect(report.kills).toBeGreaterThanOrEqual(kills);
  }, 3_600_000);
});
