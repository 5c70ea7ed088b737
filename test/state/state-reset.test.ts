import { beforeAll, describe, expect, test } from "vitest";
import type { LogRecord } from "../../src/core/log.ts";
import type { AlertRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { reportKnowledge, reportPartition } from "../../src/stages/state-report.ts";
import { resetState } from "../../src/stages/state-reset.ts";
import { StateStore } from "../../src/state/state-records.ts";
import { DAY_MS, deltasOf, type JudgeResult, judgeRun, newestOf, TOPICS, windowLines } from "./state-kit.ts";

const PLACE = { topic: TOPICS.state, partition: 0, writer: "test 1" };
const CONTEXT = { topics: TOPICS, deployment: "test", timestampMs: 7 };
/** In the blizzard of February: an incident is open, and 9 February is. */
const RESET_AT_MS = Date.UTC(2013, 1, 9, 3);

let deltas: readonly LogRecord[] = [];
let split = 0;
let position = 0;
let before: JudgeResult;

beforeAll(async () => {
  deltas = await deltasOf({
    untilMs: Date.UTC(2013, 2, 10),
    every: 4,
    lateChance: 0.03,
    flushRecords: 40,
    partitions: 1,
  });
  const flushedAtMs = deltas.find(({ timestampMs }) => timestampMs >= RESET_AT_MS)!.timestampMs;
  // In the middle of the next flush: its first record is behind the position, and is read again.
  position = deltas.findIndex(({ timestampMs }) => timestampMs > flushedAtMs);
  split = position + 1;
  before = await judgeRun({ deltas: deltas.slice(0, split) });
});

const reset = (state = before.state) => resetState(state, { state: PLACE, context: CONTEXT, datasets: ["flights"] });
const stateAfter = ({ outputs }: ReturnType<typeof reset>) =>
  newestOf([...before.state, ...outputs.filter(({ topic }) => topic === TOPICS.state)]);
const toldTwice = (...runs: readonly JudgeResult[]) => {
  const told = runs
    .flatMap(windowLines)
    .map(({ slice, windowStart, revision }) => `${slice} ${windowStart} ${revision}`);
  return told.filter((line, at) => told.indexOf(line) !== at);
};

/** Windows of the whole before the first that was judged. */
function silentWindows(run: JudgeResult): number {
  const verdicts = run.outputs[TOPICS.verdicts]!.map((line) => JSON.parse(line) as VerdictRecord);
  const own = verdicts.filter(({ slice, by, revision }) => slice === "all" && by === "detector" && revision === 0);
  return own.findIndex(({ outcome }) => outcome !== "unknown");
}

describe("reportPartition() and reportKnowledge()", () => {
  test("say what is kept and what was learned", () => {
    const report = reportPartition(before.state, PLACE);
    expect(report.position).toBe(position);
    expect(report.problems).toEqual([]);
    expect(report.datasets).toHaveLength(1);
    const [kept] = report.datasets;
    expect(kept).toMatchObject({ dataset: "flights", entries: { tracker: 1, series: 4 }, sequence: report.sequence });
    expect(kept!.packedBytes).toBeGreaterThan(10_000);
    expect(kept!.bytes).toBeGreaterThan(kept!.packedBytes);

    const known = reportKnowledge(before.state, PLACE, "flights")!;
    const whole = known.series.find(({ slice }) => slice === "all")!;
    // 1 January is partial, 9 February is open.
    expect(whole).toMatchObject({ key: `${DAY_MS}|all`, windows: 38, warmup: 10, isWarm: true, season: 7 });
    expect(known.series.map(({ slice }) => slice)).toEqual(["all", "origin=EWR", "origin=JFK", "origin=other"]);
    expect(known.openWindows).toEqual([
      { sizeMs: DAY_MS, start: "2013-02-09T00:00:00.000Z", slices: expect.any(Number) },
    ]);
    expect(known.incident).toMatch(/^flights\/2013-02-0/);
    // 28 days were judged, of which ten in 30 may alarm.
    const { intervalMs, tolerated, spent, realised } = known.budget!;
    expect([intervalMs, tolerated]).toEqual([3 * DAY_MS, 28 / 3]);
    const incidents = new Set(before.outputs[TOPICS.alerts]!.map((line) => (JSON.parse(line) as AlertRecord).incident));
    expect(spent).toBe(incidents.size);
    expect(spent).toBeGreaterThan(1);
    expect(realised).toBeCloseTo(spent / tolerated, 9);
    expect(known.watermark).toMatch(/^2013-02-09/);
    expect(known.events).toBeGreaterThan(3_000);
    expect(known.inputs).toHaveLength(1);
    expect(reportKnowledge(before.state, PLACE, "else")).toBeUndefined();
  });

  test("say of alarms and their budget the same after a restart", async () => {
    const budgetOf = (run: JudgeResult) => reportKnowledge(run.state, PLACE, "flights")!.budget;
    const restarted = await judgeRun({ deltas, state: before.state });
    expect(budgetOf(restarted)).toEqual(budgetOf(await judgeRun({ deltas })));
    expect(budgetOf(restarted)!.tolerated).toBeGreaterThan(budgetOf(before)!.tolerated);
  });

  test("name what is damaged, with its place, and go on", () => {
    const at = before.state.findIndex(({ key }) => String(key).startsWith("flights|series|"));
    const value = before.state[at]!.value!.slice();
    value[20]! ^= 4;
    const damaged = before.state.map((record, i) => (i === at ? { ...record, value } : record));
    const report = reportPartition(damaged, PLACE);
    expect(report.problems).toHaveLength(1);
    expect(report.problems[0]).toMatchObject({ topic: TOPICS.state, partition: 0, offset: before.state[at]!.offset });
    expect(report.datasets[0]!.entries.series).toBe(4);
    expect(report.position).toBe(position);
    // And a reset mends it.
    const mended = newestOf([...damaged, ...reset(damaged).outputs.filter(({ topic }) => topic === TOPICS.state)]);
    expect(reportPartition(mended, PLACE).problems).toEqual([]);
  });
});

describe("resetState()", () => {
  test("drops what was learned, keeps position and watermark, and resolves the open incident", () => {
    const done = reset();
    expect(done.datasets).toHaveLength(1);
    expect(done.datasets[0]).toMatchObject({ dataset: "flights", keepsWatermark: true });
    const [alert] = done.outputs.filter(({ topic }) => topic === TOPICS.alerts);
    const told = JSON.parse(Buffer.from(alert!.value!).toString()) as AlertRecord;
    expect(told).toMatchObject({ incident: done.datasets[0]!.incident, state: "resolved", reason: "reset" });
    expect(told.sentence).toContain("reset");
    const state = stateAfter(done);
    expect(state.map(({ key }) => String(key)).sort()).toEqual([
      "flights|ledger",
      "flights|tracker",
      "flights|training",
      "position",
    ]);
    expect(reportPartition(state, PLACE).position).toBe(position);
    const known = reportKnowledge(state, PLACE, "flights")!;
    expect(known).toMatchObject({ series: [], openWindows: [], slices: [], incident: null });
    expect(known.watermark).toBe(reportKnowledge(before.state, PLACE, "flights")!.watermark);
  });

  test("the judge begins anew: no window told twice, no gap, the first one partial, and it warms up again", async () => {
    const after = await judgeRun({ deltas, state: stateAfter(reset()) });
    expect(after.complaints).toEqual([]);
    expect(toldTwice(before, after)).toEqual([]);
    const whole = windowLines(after).filter(({ slice, revision }) => slice === "all" && revision === 0);
    expect(whole.slice(0, 2)).toMatchObject([
      { windowStart: "2013-02-09T00:00:00.000Z", revision: 0, partial: true },
      { windowStart: "2013-02-10T00:00:00.000Z", revision: 0, partial: false },
    ]);
    // Events of windows that were told before the reset are counted, once.
    expect(whole[0]!.counts.late).toBeGreaterThan(0);
    // As a dataset that was never seen before.
    expect(silentWindows(after)).toBeGreaterThan(10);
    expect(silentWindows(after)).toBe(silentWindows(before));
    // Counted from the deltas, as if nothing else had ever been: whole days have the figures of an undisturbed run.
    const undisturbed = windowLines(await judgeRun({ deltas }));
    const final = (lines: ReturnType<typeof windowLines>, day: string) =>
      lines.findLast(({ slice, windowStart }) => slice === "all" && windowStart.startsWith(day))!.counts;
    expect(final(windowLines(after), "2013-02-20")).toEqual(final(undisturbed, "2013-02-20"));
  });

  test("twice gives what once gives", () => {
    const once = stateAfter(reset());
    const twice = reset(once);
    expect(twice.outputs.filter(({ topic }) => topic === TOPICS.alerts)).toEqual([]);
    const entries = (records: readonly LogRecord[]) => [...new StateStore(PLACE).read(records)];
    expect(entries(newestOf([...once, ...twice.outputs]))).toEqual(entries(once));
  });

  test("an empty state instead would tell windows twice: what the watermark is kept for", async () => {
    const state = before.state.filter(({ key }) => String(key) === "position");
    const after = await judgeRun({ deltas, state });
    expect(toldTwice(before, after)).not.toEqual([]);
  });

  test("leaves other datasets alone", () => {
    const others = before.state.map((record) => ({
      ...record,
      key: Buffer.from(String(record.key).replace("flights|", "trips|")),
    }));
    const done = reset([...before.state, ...others.filter(({ key }) => String(key) !== "position")]);
    expect(done.outputs.every(({ key }) => !String(key).startsWith("trips|"))).toBe(true);
  });

  test("drops a dataset whose windows cannot be read, and says that nothing tells how far they were told", () => {
    const damaged = before.state.map((record) => {
      if (String(record.key) !== "flights|tracker") return record;
      return { ...record, value: record.value!.slice(0, -1) };
    });
    const done = reset(damaged);
    expect(done.datasets[0]).toMatchObject({ keepsWatermark: false, incident: null });
    const left = newestOf([...damaged, ...done.outputs]);
    expect(left.map(({ key }) => String(key))).toEqual(["position"]);
  });
});
