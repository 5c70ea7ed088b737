import { expect, test } from "vitest";
import type { DatasetConfig } from "../../src/core/config.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { textOf } from "../../src/core/text.ts";
import { topicNames } from "../../src/core/topics.ts";
import type { AlertRecord } from "../../src/core/verdict.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { DatasetJudge } from "../../src/stages/dataset-judge.ts";

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

/** The alerts of daily row counts, whose days begin at midnight in Berlin on 1 May 2026. */
function alertsOf(rowCounts: readonly number[]): AlertRecord[] {
  const silent = { info() {}, warn() {}, error() {} };
  const judge = new DatasetJudge({ dataset: DATASET, resolveAfter: 1, logger: silent });
  const midnightMs = Date.parse("2026-05-01T00:00:00+02:00");
  let offset = 0;
  return rowCounts.flatMap((rows, day) => {
    const startMs = midnightMs + day * DAY;
    const profile = Profile.empty(1);
    profile.valid = rows;
    const entry = {
      ...{ dataset: "trips", topic: "trips", partition: 0, partitionCount: 1, caughtUp: false, ended: false },
      fromOffset: offset,
      toOffset: offset + rows,
      wallTimeMs: startMs + DAY,
      maxEventTimeMs: startMs + DAY - 1,
      counts: profile.counts(),
    };
    offset += rows;
    const outputs = judge.apply(entry, [{ slice: "all", paneStartMs: startMs, profile }], {
      topics: TOPICS,
      deployment: "test",
      timestampMs: startMs + DAY,
    });
    return outputs
      .filter(({ topic }) => topic === TOPICS.alerts)
      .map(({ value }) => JSON.parse(textOf(value!)) as AlertRecord);
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
    sentence: expect.stringMatching(/^10 Jun: 100 events, expected /),
  });
  expect(resolved).toMatchObject({ state: "resolved", sentence: "11 Jun: back to normal" });
});
