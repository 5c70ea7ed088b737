/** A judge on the memory log that begins in the past of its topic: what people say of it, what it keeps, and what a lost connection changes. */
import { describe, expect, test } from "vitest";
import { samplesOf } from "../sinks/prometheus-kit.ts";
import {
  alarmingDays,
  budgetOf,
  DAY,
  EVENT,
  INCIDENT,
  judged,
  knowledgeOf,
  type Run,
  recordsOf,
  START,
  say,
  told,
  verdicts,
} from "./judged-days.ts";

const DAYS = 100;
/** What ended by the begin of this day is the past. */
const STARTED = 70;
const AGAIN = 85;
/** Two faults, one before the start and one after it. */
const twice = (day: number) => (day === EVENT || day === AGAIN ? 700 : undefined);
/** One that lasts from the past into now. */
const across = (day: number) => (day >= STARTED - 2 && day < STARTED + 2 ? 700 : undefined);

const marked = ({ alerts }: Run) => alerts.map(({ backtest }) => backtest === true);

describe("startJudge() in the past of a topic", () => {
  test("keeps the backtest out of the realised rate", async () => {
    const run = await judged(recordsOf(DAYS, twice, {}, STARTED));
    expect(alarmingDays(run)).toEqual([EVENT, AGAIN]);
    expect(marked(run)).toEqual([true, true, false, false]);
    // The last day is open. A budget of 1 per 30d.
    const tolerated = (DAYS - 1 - STARTED) / 30;
    expect(budgetOf(run)).toMatchObject({ spent: 1, backtest: 1 });
    expect(budgetOf(run).tolerated).toBeCloseTo(tolerated, 9);
    expect(budgetOf(run).realised).toBeCloseTo(1 / tolerated, 9);
    // As if all of it had happened to people: the same alarms, and other figures.
    const lived = await judged(recordsOf(DAYS, twice));
    expect(alarmingDays(lived)).toEqual([EVENT, AGAIN]);
    expect(budgetOf(lived)).toMatchObject({ spent: 2, backtest: 0 });
    expect(budgetOf(lived).tolerated).toBeGreaterThan(tolerated);
  });

  test("counts an incident from when people are told of it", async () => {
    const run = await judged(recordsOf(DAYS, across, {}, STARTED));
    expect(told(run)[0]).toBe(`opened alarm ${STARTED - 2}`);
    expect(told(run).filter((_, at) => !marked(run)[at])[0]).toBe(`updated continues ${STARTED}`);
    expect(budgetOf(run)).toMatchObject({ spent: 1, backtest: 0 });
  });

  test("takes a word on an incident of the backtest as on any other, and answers with the mark", async () => {
    const words = { [EVENT + 2]: [say("expected")] };
    const said = await judged(recordsOf(DAYS, twice, words, STARTED));
    expect(told(said).slice(0, 2)).toEqual([`opened alarm ${EVENT}`, `resolved feedback ${EVENT}`]);
    expect(marked(said).slice(0, 2)).toEqual([true, true]);
    expect(said.ids).toHaveLength(new Set(said.ids).size);
    // Learned: what comes like it is less of a surprise.
    const unsaid = await judged(recordsOf(DAYS, twice, {}, STARTED));
    expect(verdicts(said).get(AGAIN)!.score!).toBeLessThan(verdicts(unsaid).get(AGAIN)!.score!);
    expect(budgetOf(said).called).toEqual({ fault: 0, expected: 0, "new-normal": 0 });

    // Long after it is over, it is known still.
    const late = await judged(recordsOf(DAYS, twice, { [STARTED + 5]: [say("fault")] }, STARTED));
    const answer = late.alerts.find(({ reason }) => reason === "feedback");
    expect(answer).toMatchObject({ incident: INCIDENT, state: "resolved", backtest: true });
    expect(budgetOf(late).called).toEqual({ fault: 0, expected: 0, "new-normal": 0 });
  });

  test("a confirmed fault of the backtest that goes on is told of when the training is over", async () => {
    const incident = `trips/${iso(STARTED - 2)}/${iso(STARTED - 1)}`;
    const run = await judged(recordsOf(DAYS, across, { [STARTED]: [say("fault", { incident })] }, STARTED));
    const answer = run.alerts.findIndex(({ reason }) => reason === "feedback");
    expect(run.alerts[answer]).toMatchObject({ incident, state: "updated", backtest: true });
    const live = run.alerts.find(({ backtest }) => backtest === undefined);
    expect(live).toMatchObject({ incident, state: "updated", reason: "continues" });
  });

  test.each([1, 2, 3, 4])("is the same whatever connections are lost in the middle (seed %i)", async (seed) => {
    const words = { [EVENT + 2]: [say("expected")], [STARTED + 3]: [say("fault")] };
    const rows = (day: number) => twice(day) ?? across(day);
    const records = recordsOf(DAYS, rows, words, STARTED);
    const undisturbed = await judged(records);
    expect(new Set(marked(undisturbed))).toEqual(new Set([true, false]));
    const disturbed = await judged(records, { failChance: 0.2, seed });
    expect(disturbed.failures).toBeGreaterThan(5);
    expect(disturbed.outputs).toEqual(undisturbed.outputs);
    expect(disturbed.ids).toEqual(undisturbed.ids);
    expect(knowledgeOf(disturbed)).toEqual({
      ...knowledgeOf(undisturbed),
      series: expect.anything(),
    });
    expect(disturbed.lines.filter((line) => line.startsWith("trained"))).toHaveLength(1);
  });

  test("state show and Prometheus say how far it has come", async () => {
    const middle = await judged(recordsOf(STARTED / 2, twice, {}, STARTED));
    const startedAt = iso(STARTED);
    const { share } = knowledgeOf(middle).training!;
    expect(knowledgeOf(middle).training).toEqual({ startedAt, share });
    // From the end of the first day to the start; the last flush reaches the end of its day.
    expect(share).toBeCloseTo((STARTED / 2 - 1) / (STARTED - 1), 6);
    expect(samplesOf(middle.telemetry, "streamgauge_training_ratio").trips).toBeCloseTo(share!, 6);
    const over = await judged(recordsOf(DAYS, twice, {}, STARTED));
    expect(knowledgeOf(over).training).toEqual({ startedAt, share: null });
    expect(samplesOf(over.telemetry, "streamgauge_training_ratio").trips).toBe(1);
  });
});

function iso(day: number): string {
  return new Date(START + day * DAY).toISOString();
}
