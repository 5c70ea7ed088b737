import { describe, expect, test } from "vitest";
import { readinessOf } from "../../src/cli/readiness.ts";
import type { DatasetConfig } from "../../src/core/config.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { textOf } from "../../src/core/text.ts";
import { topicNames } from "../../src/core/topics.ts";
import type { AlertRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { emptyCounts } from "../../src/core/window.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { DatasetJudge } from "../../src/stages/dataset-judge.ts";
import { StoredDataset } from "../../src/stages/dataset-state.ts";
import { Training } from "../../src/stages/training.ts";
import type { PackedBytes } from "../../src/state/packed-bytes.ts";
import { atOnce } from "./at-once.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 4, 1);
const TOPICS = topicNames("sg.");
const DATASET: DatasetConfig = {
  topic: "trips",
  time: { latenessMs: 0, idleAfterMs: DAY, unheardAfterMs: 9 * DAY, maxAheadMs: HOUR, reviseForMs: 60 * HOUR },
  windows: { sizesMs: [HOUR], timezone: "UTC" },
  slices: [],
  fields: new Map(),
  valuesDefault: "show",
  detect: { season: 1, warmup: 30 },
  flushEveryMs: 5000,
};
/** The deployment starts when the topic holds so many hours. */
const PAST = 120;

interface Told {
  readonly alerts: readonly (AlertRecord & { readonly header: string | undefined })[];
  readonly verdicts: readonly VerdictRecord[];
  readonly lines: readonly string[];
  readonly log: readonly string[];
  readonly shares: readonly (number | undefined)[];
}

interface Course {
  /** @default true */
  readonly trains?: boolean;
  /** @default never */
  readonly restartEvery?: number;
  /** @default 1 */
  readonly resolveAfter?: number;
  /** Rows of an hour that come with the flush of another one. @default none */
  readonly late?: { readonly hour: number; readonly with: number; readonly rows: number };
}

/** A few seconds for the past, then an hour for each hour. `isOut`: hours with a tenth of the rows. */
async function run(
  isOut: (hour: number) => boolean,
  { trains = true, restartEvery = 0, resolveAfter = 1, late }: Course = {},
): Promise<Told> {
  const log: string[] = [];
  const logger = { info: (_: unknown, text?: string) => void log.push(text ?? ""), warn() {}, error() {} };
  const judgeOf = () => new DatasetJudge({ dataset: DATASET, resolveAfter, logger, trains });
  const random = new SeededRandom(2);
  const state = new Map<string, PackedBytes>();
  let judge = judgeOf();
  let offset = 0;
  const [alerts, verdicts, lines]: [Told["alerts"][number][], VerdictRecord[], string[]] = [[], [], []];
  const shares: (number | undefined)[] = [];
  for (let hour = 0; hour < PAST + 40; hour++) {
    const rows = Math.round((1000 + random.below(40)) * (isOut(hour) ? 0.1 : 1));
    const panes = [paneOf(hour, rows)];
    if (late?.with === hour) panes.push(paneOf(late.hour, late.rows));
    const count = panes.reduce((sum, { profile }) => sum + profile.valid, 0);
    const wallTimeMs = hour < PAST ? START + PAST * HOUR + hour * 10 : START + (hour + 1) * HOUR;
    const entry = {
      ...{ dataset: "trips", topic: "trips", partition: 0, partitionCount: 1, caughtUp: hour >= PAST, ended: false },
      ...{ fromOffset: offset, toOffset: offset + count, wallTimeMs, maxEventTimeMs: START + (hour + 1) * HOUR },
      counts: { ...emptyCounts(), consumed: count, valid: count },
    };
    offset += count;
    const context = { topics: TOPICS, deployment: "test", timestampMs: wallTimeMs };
    for (const { topic, value, headers } of atOnce(judge.apply(entry, panes, context))) {
      const line = textOf(value!);
      lines.push(`${topic} ${line}`);
      const header = headers?.find(({ key }) => key === "sg_backtest")?.value;
      if (topic === TOPICS.alerts) {
        alerts.push({
          ...(JSON.parse(line) as AlertRecord),
          header: header === undefined ? undefined : textOf(header),
        });
      }
      if (topic === TOPICS.verdicts) verdicts.push(JSON.parse(line) as VerdictRecord);
    }
    shares.push(judge.training?.share);
    if (restartEvery > 0 && hour % restartEvery === 0) {
      const { changed, gone } = atOnce(judge.checkpoint());
      for (const key of gone) state.delete(key);
      for (const { key, value } of changed) state.set(key, value);
      const stored = new StoredDataset();
      for (const [key, value] of state) stored.take(key, value);
      judge = judgeOf();
      await judge.restore(stored);
    }
  }
  return { alerts, verdicts: verdicts.filter(({ by }) => by === "detector"), lines, log, shares };
}

function paneOf(hour: number, rows: number) {
  const profile = Profile.empty(1);
  profile.valid = rows;
  return { slice: "all", paneStartMs: START + hour * HOUR, profile };
}

const outline = ({ alerts }: Told) =>
  alerts.map(
    ({ state, reason, backtest, header }) => `${state} ${reason}${backtest ? " backtest" : ""} ${header ?? ""}`,
  );

describe("DatasetJudge that trains on what the topic holds", () => {
  test("marks what it would have told, in the record and in a header, and says so of every verdict before it started", async () => {
    const told = await run((hour) => hour === 100 || hour === PAST + 20);
    expect(outline(told)).toEqual([
      "opened alarm backtest true",
      "resolved clean backtest true",
      "opened alarm ",
      "resolved clean ",
    ]);
    const startedAt = new Date(START + PAST * HOUR).toISOString();
    for (const { windowEnd, backtest, outcome, windowStart } of told.verdicts) {
      expect(backtest === true, windowEnd).toBe(windowEnd <= startedAt);
      if (Date.parse(windowStart) < START + 25 * HOUR) expect(outcome).toBe("unknown");
    }
  });

  test("tells people once of what goes on when the training is over", async () => {
    const told = await run((hour) => hour >= PAST - 2 && hour < PAST + 2);
    const live = outline(told).filter((line) => !line.includes("backtest"));
    expect(outline(told)[0]).toBe("opened alarm backtest true");
    expect(live[0]).toBe("updated continues ");
    expect(live.filter((line) => line.startsWith("updated continues"))).toHaveLength(1);
    expect(live.at(-1)).toBe("resolved clean ");
    const first = told.alerts.find(({ backtest }) => backtest === undefined)!;
    expect(first.windowStart).toBe(new Date(START + PAST * HOUR).toISOString());
    expect(first.sentence).toMatch(/^6 May 00:00: less than usual: /);
    // One fault, one incident.
    expect(new Set(told.alerts.map(({ incident }) => incident)).size).toBe(1);
  });

  test("keeps the mark of what ends with the training, whenever that is noticed", async () => {
    const told = await run((hour) => hour >= PAST - 2 && hour < PAST, { resolveAfter: 3 });
    expect(outline(told).every((line) => line.endsWith("backtest true"))).toBe(true);
    expect(told.alerts.at(-1)).toMatchObject({ state: "resolved", reason: "clean" });
    expect(Date.parse(told.alerts.at(-1)!.windowStart)).toBe(START + (PAST + 2) * HOUR);
  });

  test("marks a late revision of the past long afterwards, beside an incident of now too", async () => {
    const late = { hour: PAST - 20, with: PAST + 20, rows: 3000 };
    const told = await run(() => false, { late });
    const revised = told.verdicts.filter(({ revision }) => revision > 0);
    expect(revised[0]).toMatchObject({ alarm: true, kind: "more-than-usual", backtest: true });
    expect(outline(told)).toEqual(["opened alarm backtest true", "resolved clean backtest true"]);
    // Where something is wrong now, the past adds nothing to it.
    const both = await run((hour) => hour >= PAST + 18 && hour < PAST + 22, { late });
    expect(both.verdicts.filter(({ revision, alarm }) => revision > 0 && alarm)[0]).toMatchObject({ backtest: true });
    expect(both.alerts.filter(({ windowStart }) => Date.parse(windowStart) < START + PAST * HOUR)).toEqual([]);
    expect(outline(both)[0]).toBe("opened alarm ");
    expect(outline(both).at(-1)).toBe("resolved clean ");
  });

  test("says how far it has come, and when it is over", async () => {
    const { shares, log } = await run(() => false);
    // From the first watermark on, which is at the end of the first hour.
    expect(shares[0]).toBe(0);
    expect(shares[59]).toBeCloseTo(59 / (PAST - 1), 6);
    expect(shares[PAST - 1]).toBeUndefined();
    expect(log.filter((line) => line.startsWith("training"))).toHaveLength(10);
    expect(log.filter((line) => line.startsWith("trained"))).toHaveLength(1);
  });

  test("says the same through restarts", async () => {
    const isOut = (hour: number) => hour === 100 || (hour >= PAST - 2 && hour < PAST + 2);
    const whole = await run(isOut);
    expect((await run(isOut, { restartEvery: 7 })).lines).toEqual(whole.lines);
  });

  test("has no backtest in recorded files, nor where the topic is read from its end", async () => {
    const recorded = await run((hour) => hour === 100, { trains: false });
    expect(outline(recorded)).toEqual(["opened alarm ", "resolved clean "]);
    const training = new Training(HOUR);
    training.hear({ wallTimeMs: START + 100 });
    training.follow(undefined);
    expect(training.shareAt(undefined)).toBeUndefined();
    training.follow(START - 100);
    expect(training.isBacktest({ endMs: START + HOUR })).toBe(false);
    expect(training.shareAt(START - 100)).toBeUndefined();
  });
});

test("readinessOf() tells of a training, which is no reason not to be ready", () => {
  const training = [{ dataset: "trips", share: 0.4289 }];
  const input = { phase: "running", isHeldByRegistry: false, flushEveryMs: new Map(), nowMs: 0 } as const;
  expect(readinessOf({ ...input, training })).toEqual({ ready: true, reasons: [], notes: ["training: trips 42 %"] });
  expect(readinessOf({ ...input, training: [] })).toEqual({ ready: true, reasons: [] });
});
