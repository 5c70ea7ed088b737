/** The judge tells the detector which hour of the week a window is, by the clocks of its zone, and people what it made of it. */
import { expect, test } from "vitest";
import type { DatasetConfig } from "../../src/core/config.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { textOf } from "../../src/core/text.ts";
import { topicNames } from "../../src/core/topics.ts";
import type { VerdictRecord } from "../../src/core/verdict.ts";
import { emptyCounts } from "../../src/core/window.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { DatasetJudge } from "../../src/stages/dataset-judge.ts";
import { SERIES_KEY, StoredDataset } from "../../src/stages/dataset-state.ts";
import { seriesProgress } from "../../src/stages/series-judge.ts";
import type { PackedBytes } from "../../src/state/packed-bytes.ts";
import { atOnce } from "./at-once.ts";

const HOUR = 3_600_000;
const WEEK = 7 * 24;
/** A Monday, 00:00 in Berlin. */
const START = Date.parse("2026-05-04T00:00+02:00");
const TOPICS = topicNames("sg.");

function datasetIn(timezone: string): DatasetConfig {
  return {
    topic: "orders",
    time: { latenessMs: 0, idleAfterMs: WEEK * HOUR, unheardAfterMs: WEEK * HOUR, maxAheadMs: HOUR, reviseForMs: 0 },
    windows: { sizesMs: [HOUR], timezone },
    slices: [],
    fields: new Map(),
    valuesDefault: "show",
    detect: { season: "auto", warmup: "auto", falseAlarms: { count: 1, perMs: WEEK * HOUR } },
    flushEveryMs: 5000,
  };
}

/** Open from Monday to Friday, 9 to 18. */
function rowsOf(hour: number, random: SeededRandom): number {
  const isOpen = Math.floor(hour / 24) % 7 < 5 && hour % 24 >= 9 && hour % 24 < 18;
  return (isOpen ? 2000 : 100) + random.below(isOpen ? 80 : 16);
}

/** `restartEvery` hours it goes on from its checkpoint. `clock`: what the clocks on the wall say, in hours since the start. */
async function run(
  hours: number,
  { timezone = "Europe/Berlin", restartEvery = 0, startMs: firstMs = START, clock = (hour: number) => hour } = {},
) {
  const logger = { info() {}, warn() {}, error() {} };
  const judgeOf = () => new DatasetJudge({ dataset: datasetIn(timezone), resolveAfter: 1, logger });
  const random = new SeededRandom(3);
  const state = new Map<string, PackedBytes>();
  let judge = judgeOf();
  let offset = 0;
  const lines: string[] = [];
  const keep = () => {
    for (const { key, value } of atOnce(judge.checkpoint()).changed) state.set(key, value);
  };
  for (let hour = 0; hour < hours; hour++) {
    const profile = Profile.empty(1);
    profile.valid = rowsOf(clock(hour), random);
    const startMs = firstMs + hour * HOUR;
    const entry = {
      ...{ dataset: "orders", topic: "orders", partition: 0, partitionCount: 1, caughtUp: false, ended: false },
      ...{ fromOffset: offset, toOffset: offset + profile.valid, wallTimeMs: startMs + HOUR },
      maxEventTimeMs: startMs + HOUR - 1,
      counts: { ...emptyCounts(), consumed: profile.valid, valid: profile.valid },
    };
    offset += profile.valid;
    const context = { topics: TOPICS, deployment: "test", timestampMs: startMs + HOUR };
    for (const { topic, value } of atOnce(
      judge.apply(entry, [{ slice: "all", paneStartMs: startMs, profile }], context),
    ))
      lines.push(`${topic} ${textOf(value!)}`);
    if (restartEvery === 0 || hour % restartEvery !== 0) continue;
    keep();
    const stored = new StoredDataset();
    for (const [key, value] of state) stored.take(key, value);
    judge = judgeOf();
    await judge.restore(stored);
  }
  keep();
  const [series] = [...state].filter(([key]) => key.startsWith(SERIES_KEY));
  const verdicts = lines
    .filter((line) => line.startsWith(TOPICS.verdicts))
    .map((line) => JSON.parse(line.slice(TOPICS.verdicts.length)) as VerdictRecord)
    .filter(({ by }) => by === "detector");
  return {
    lines,
    progress: seriesProgress(series![1].unpack()),
    alarms: verdicts.filter(({ alarm }) => alarm),
    verdicts,
  };
}

test("a series of hours has a week, through restarts too, and weekends are quiet once two have gone by", async () => {
  const whole = await run(5 * WEEK);
  expect(whole.progress.season).toBe(24);
  expect(whole.progress.secondSeason).toMatchObject({ name: "week", firstWindows: 24 });
  expect(whole.progress.secondSeason!.metrics).toBeGreaterThanOrEqual(1);
  expect(whole.alarms.filter(({ windowStart }) => Date.parse(windowStart) >= START + 2 * WEEK * HOUR)).toEqual([]);
  const parts = await run(3 * WEEK, { restartEvery: 31 });
  expect(parts.lines).toEqual(whole.lines.slice(0, parts.lines.length));
});

test("its hours are those of the zone: when the clocks change the business is where it was", async () => {
  // On 25 October they go back, in the fourth week; in UTC everything is an hour later from then on.
  const startMs = Date.parse("2026-09-28T00:00+02:00");
  const changed = 4 * WEEK - 21;
  const clock = (hour: number) => (hour >= changed ? hour - 1 : hour);
  const after = async (timezone: string) => {
    const { alarms } = await run(6 * WEEK, { timezone, startMs, clock });
    return alarms.filter(({ windowStart }) => Date.parse(windowStart) >= startMs + 4 * WEEK * HOUR).length;
  };
  const [berlin, utc] = [await after("Europe/Berlin"), await after("UTC")];
  expect(berlin).toBe(0);
  expect(utc).toBeGreaterThan(5);
});
