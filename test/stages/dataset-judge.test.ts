import { describe, expect, test } from "vitest";
import { ManualClock } from "../../src/core/clock.ts";
import type { DatasetConfig } from "../../src/core/config.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { type Impact, SEVERITY_MATRIX } from "../../src/core/severity.ts";
import { textOf } from "../../src/core/text.ts";
import { topicNames } from "../../src/core/topics.ts";
import type { AlertRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { PrometheusRegistry } from "../../src/sinks/prometheus-registry.ts";
import { DatasetJudge, type DatasetJudgeOptions } from "../../src/stages/dataset-judge.ts";
import { StoredDataset } from "../../src/stages/dataset-state.ts";
import { samplesOf } from "../sinks/prometheus-kit.ts";
import { atOnce } from "./at-once.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const TOPICS = topicNames("sg.");

const DATASET: DatasetConfig = {
  topic: "trips",
  time: { latenessMs: 0, idleAfterMs: DAY, unheardAfterMs: 30 * DAY, maxAheadMs: HOUR },
  windows: { sizesMs: [DAY], timezone: "Europe/Berlin" },
  slices: [],
  fields: new Map(),
  valuesDefault: "show",
  detect: { season: 7, warmup: 28 },
  flushEveryMs: 5000,
};

/** A profile of so many valid rows, and nothing else. */
function profileOf(rows: number): Profile {
  const profile = Profile.empty(1);
  profile.valid = rows;
  return profile;
}

/** The alerts of daily row counts, whose days begin at midnight in Berlin on 1 May 2026. */
function alertsOf(rowCounts: readonly number[], options: Partial<DatasetJudgeOptions> = {}): AlertRecord[] {
  return outputsOf(rowCounts, options, TOPICS.alerts) as AlertRecord[];
}

function outputsOf(rowCounts: readonly number[], options: Partial<DatasetJudgeOptions>, topicName: string): unknown[] {
  const silent = { info() {}, warn() {}, error() {} };
  const judge = new DatasetJudge({ dataset: DATASET, resolveAfter: 1, logger: silent, ...options });
  const midnightMs = Date.parse("2026-05-01T00:00:00+02:00");
  let offset = 0;
  return rowCounts.flatMap((rows, day) => {
    const startMs = midnightMs + day * DAY;
    const profile = profileOf(rows);
    const entry = {
      ...{ dataset: "trips", topic: "trips", partition: 0, partitionCount: 1, caughtUp: false, ended: false },
      fromOffset: offset,
      toOffset: offset + rows,
      wallTimeMs: startMs + DAY,
      maxEventTimeMs: startMs + DAY - 1,
      counts: profile.counts(),
    };
    offset += rows;
    const context = { topics: TOPICS, deployment: "test", timestampMs: startMs + DAY };
    const outputs = atOnce(judge.apply(entry, [{ slice: "all", paneStartMs: startMs, profile }], context));
    return outputs.filter(({ topic }) => topic === topicName).map(({ value }) => JSON.parse(textOf(value!)) as unknown);
  });
}

test("DatasetJudge.apply() names the days of its windows' zone in the sentences of its alerts", () => {
  const random = new SeededRandom(7);
  const rowCounts = Array.from({ length: 45 }, () => 1000 + random.below(20));
  rowCounts[40] = 100;
  const [opened, resolved] = alertsOf(rowCounts);
  expect(opened).toMatchObject({
    state: "opened",
    windowStart: "2026-06-09T22:00:00.000Z",
    sentence: expect.stringMatching(/^10 Jun: less than usual: 100 rows, expected /),
    kind: "less-than-usual",
  });
  expect(resolved).toMatchObject({ state: "resolved", sentence: "11 Jun: back to normal" });
});

test("DatasetJudge tells Prometheus how many incidents there were, and how many are tolerated", () => {
  const random = new SeededRandom(7);
  const rowCounts = Array.from({ length: 60 }, () => 1000 + random.below(20));
  for (const day of [40, 41, 50]) rowCounts[day] = 500;
  const telemetry = new PrometheusRegistry({ clock: new ManualClock() });
  const samples = () =>
    ["spent", "tolerated", "realised_ratio"].map((name) => samplesOf(telemetry, `streamgauge_budget_${name}`).trips);
  alertsOf(rowCounts.slice(0, 20), { telemetry });
  expect(samples()).toEqual([0, 0, undefined]);
  expect(alertsOf(rowCounts, { telemetry }).filter(({ state }) => state === "opened").length).toBe(2);
  // Day 0 is partial, and 28 days are learned from; the last day is not closed.
  const tolerated = (rowCounts.length - 1 - 29) / 30;
  expect(samples()).toEqual([2, tolerated, 2 / tolerated]);
});

test("DatasetJudge.apply() has severities of what the dataset is worth and how long it lasts, in verdicts those of one window", () => {
  const random = new SeededRandom(7);
  const rowCounts = Array.from({ length: 45 }, () => 1000 + random.below(20));
  for (const day of [40, 41, 42]) rowCounts[day] = 950;
  const severitiesOf = (options: Partial<DatasetJudgeOptions>) =>
    alertsOf(rowCounts, options).map(({ reason, severity }) => `${reason} ${severity}`);
  const verdictsOf = (options: Partial<DatasetJudgeOptions>) =>
    (outputsOf(rowCounts, options, TOPICS.verdicts) as VerdictRecord[]).flatMap((line) =>
      line.alarm ? line.severity : [],
    );
  const severity = { ...SEVERITY_MATRIX, critical: ["P4", "P3", "P0"] as const };
  const worth = (impact: Impact): Partial<DatasetJudgeOptions> => ({ dataset: { ...DATASET, impact } });
  // How likely the detector takes each window to be a fault is its own business.
  const levels = verdictsOf({}).map((one) => SEVERITY_MATRIX.medium.indexOf(one!));
  expect(levels).toHaveLength(3);
  expect(levels.every((level) => level === 0 || level === 1)).toBe(true);
  for (const [options, row] of [
    [{}, SEVERITY_MATRIX.medium],
    [worth("low"), SEVERITY_MATRIX.low],
    [worth("critical"), SEVERITY_MATRIX.critical],
    [{ ...worth("critical"), severity }, severity.critical],
  ] as const) {
    expect(verdictsOf(options)).toEqual(levels.map((level) => row[level]));
    const [first, second, third] = levels.map((level, at) => row[at === 2 ? level + 1 : level]);
    const alerts = [`alarm ${first}`, `${second! < first! ? "worse" : "continues"} ${second}`, `worse ${third}`];
    expect(severitiesOf(options)).toEqual([...alerts, `clean ${third}`]);
  }
});

test("DatasetJudge.apply() says in verdicts and sentences that a day is in the calendar, and widens what it expects of it", () => {
  const random = new SeededRandom(7);
  const rowCounts = Array.from({ length: 45 }, () => 1000 + random.below(20));
  rowCounts[40] = 100;
  const calendar = [{ kind: "yearly", name: "Trip Day", month: 6, day: 10, widen: 2 }] as const;
  const dataset = { ...DATASET, detect: { ...DATASET.detect, calendar } };
  const verdicts = (of: DatasetConfig) => {
    const all = outputsOf(rowCounts, { dataset: of }, TOPICS.verdicts) as VerdictRecord[];
    return all.filter(({ by }) => by === "detector");
  };
  const [plain, marked] = [verdicts(DATASET), verdicts(dataset)];
  expect(marked[40]!.calendar).toEqual(["Trip Day"]);
  expect(marked.filter((verdict) => "calendar" in verdict)).toHaveLength(1);
  expect(marked[40]!.score).toBeCloseTo(plain[40]!.score! / 2, 9);
  const [opened, resolved] = alertsOf(rowCounts, { dataset });
  expect(opened!.sentence).toMatch(/^10 Jun \(Trip Day\): less than usual: 100 rows, expected /);
  expect(resolved!.sentence).toBe("11 Jun: back to normal");
});

test.each([1, 2, 3, 4, 5])(
  "DatasetJudge.apply() tells of a window and revision once, however many slices late events change (seed %i)",
  (seed) => {
    const slices = ["origin=EWR", "origin=JFK", "origin=LGA"];
    const judge = new DatasetJudge({
      dataset: {
        ...DATASET,
        time: { ...DATASET.time, reviseForMs: 9 * DAY },
        windows: { sizesMs: [DAY], timezone: "UTC" },
        slices: [{ by: "origin", name: "origin", limit: 5 }],
      },
      resolveAfter: 1,
      logger: { info() {}, warn() {}, error() {} },
    });
    const random = new SeededRandom(seed);
    const told: string[] = [];
    let offset = 0;
    for (let day = 0; day < 90; day++) {
      const panes: { slice: string; paneStartMs: number; profile: Profile }[] = [];
      let rows = 0;
      const add = (of: number, rowsOf: (slice: string) => number) => {
        const paneStartMs = Date.UTC(2026, 4, 1) + of * DAY;
        const counts = slices.map((slice) => ({ slice, rows: rowsOf(slice) }));
        const sum = counts.reduce((total, one) => total + one.rows, 0);
        rows += sum;
        for (const one of [{ slice: "all", rows: sum }, ...counts]) {
          panes.push({ slice: one.slice, paneStartMs, profile: profileOf(one.rows) });
        }
      };
      const isLow = day > 35 && random.next() < 0.3;
      add(day, () => (isLow && random.next() < 0.6 ? 700 : 1000) + random.below(20));
      // Late events of days before, which change what is expected of the days between.
      if (day > 40)
        for (let back = 1; back < 8; back++) if (random.next() < 0.2) add(day - back, () => random.below(400));
      const nowMs = Date.UTC(2026, 4, 1) + (day + 1) * DAY;
      const entry = {
        ...{ dataset: "trips", topic: "trips", partition: 0, partitionCount: 1, caughtUp: false, ended: false },
        fromOffset: offset,
        toOffset: offset + rows,
        wallTimeMs: nowMs,
        maxEventTimeMs: nowMs - 1,
        counts: profileOf(rows).counts(),
      };
      offset += rows;
      const outputs = atOnce(judge.apply(entry, panes, { topics: TOPICS, deployment: "test", timestampMs: nowMs }));
      for (const { topic, headers } of outputs) {
        if (topic === TOPICS.alerts) told.push(textOf(headers!.find(({ key }) => key === "ce_id")!.value));
      }
    }
    expect(told.length).toBeGreaterThan(10);
    expect(told.filter((id, at) => told.indexOf(id) < at)).toEqual([]);
  },
);

describe("DatasetJudge of a ledger that is not whole", () => {
  const START = Date.parse("2026-05-01T00:00:00+02:00");
  const MINUTE = 60_000;
  const CONTEXT = { topics: TOPICS, deployment: "test", timestampMs: START };

  const judgeOf = () =>
    new DatasetJudge({
      dataset: { ...DATASET, time: { ...DATASET.time, unheardAfterMs: 5 * MINUTE } },
      resolveAfter: 1,
      logger: { info() {}, warn() {}, error() {} },
    });

  const told = (judge: DatasetJudge, partition: number, minute: number, fromOffset = 0, toOffset = fromOffset) => {
    const wallTimeMs = START + minute * MINUTE;
    const entry = {
      ...{ dataset: "trips", topic: "trips", partition, partitionCount: 2, caughtUp: true, ended: false },
      ...{ fromOffset, toOffset, wallTimeMs, counts: profileOf(0).counts() },
    };
    return atOnce(judge.apply(entry, [], CONTEXT))
      .filter(({ topic }) => topic === TOPICS.alerts)
      .map(({ value }) => JSON.parse(textOf(value!)) as AlertRecord)
      .map(({ state, incident }) => `${state} ${incident}`);
  };

  /** What the state topic would hold, without the entry of the key. */
  const restored = async (judge: DatasetJudge, without?: string) => {
    const next = judgeOf();
    const stored = new StoredDataset();
    for (const { key, value } of atOnce(judge.checkpoint()).changed) if (key !== without) stored.take(key, value);
    await next.restore(stored);
    return next;
  };

  test("checkpoint() and restore() keep what is open and what was told", async () => {
    let judge = judgeOf();
    expect(told(judge, 0, 0, 0, 10)).toEqual([]);
    expect(told(judge, 1, 0)).toEqual([]);
    expect(told(judge, 0, 3, 12, 20)).toEqual(["opened trips/streamgauge/offset-gap/trips/0/10-12"]);
    expect(told(judge, 0, 6, 20)).toEqual(["opened trips/streamgauge/unheard/trips/1/2026-04-30T22:00:00.000Z"]);
    judge = await restored(judge);
    // Read again after a restart.
    expect(told(judge, 0, 3, 12, 20)).toEqual([]);
    expect(told(judge, 0, 7, 20)).toEqual([]);
    judge = await restored(judge);
    expect(told(judge, 1, 8)).toEqual(["resolved trips/streamgauge/unheard/trips/1/2026-04-30T22:00:00.000Z"]);
    expect(told(await restored(judge), 1, 9)).toEqual([]);
  });

  test("restore() reads a checkpoint of a version that told nothing of it, and tells what is open", async () => {
    let judge = judgeOf();
    told(judge, 0, 0);
    told(judge, 1, 0);
    told(judge, 0, 3);
    told(judge, 0, 6);
    judge = await restored(judge, "ledger");
    expect(told(judge, 0, 7)).toEqual(["opened trips/streamgauge/unheard/trips/1/2026-04-30T22:00:00.000Z"]);
    expect(told(judge, 1, 8)).toEqual(["resolved trips/streamgauge/unheard/trips/1/2026-04-30T22:00:00.000Z"]);
  });
});
