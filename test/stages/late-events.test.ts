import { describe, expect, test } from "vitest";
import type { DatasetConfig } from "../../src/core/config.ts";
import { textOf } from "../../src/core/text.ts";
import { topicNames } from "../../src/core/topics.ts";
import type { MetricsRecord } from "../../src/core/verdict.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { DatasetJudge } from "../../src/stages/dataset-judge.ts";
import { atOnce } from "./at-once.ts";

const DAY = 86_400_000;
const START = Date.UTC(2026, 4, 1);
const TOPICS = topicNames("sg.");

/** One flush: rows by `<day> <slice>`, and how far it brings time. */
interface FlushOf {
  readonly rows: Readonly<Record<string, number>>;
  /** Event time reached, in days. */
  readonly toDay: number;
  /** Wall time, in days. */
  readonly atDay: number;
}

/** What is told: `<day> <slice> r<revision> <valid rows>`. */
function told(reviseForDays: number, flushes: readonly FlushOf[]): string[] {
  const dataset: DatasetConfig = {
    topic: "trips",
    time: {
      ...{ latenessMs: 0, idleAfterMs: 90 * DAY, unheardAfterMs: 90 * DAY, maxAheadMs: DAY },
      reviseForMs: reviseForDays * DAY,
    },
    windows: { sizesMs: [DAY], timezone: "UTC" },
    slices: [{ by: "origin", name: "origin", limit: 5 }],
    fields: new Map(),
    valuesDefault: "show",
    detect: { season: 7, warmup: 28 },
    flushEveryMs: 5000,
  };
  const judge = new DatasetJudge({ dataset, resolveAfter: 1, logger: { info() {}, warn() {}, error() {} } });
  return flushes.flatMap(({ rows, toDay, atDay }, at) => {
    const panes = Object.entries(rows).map(([name, count]) => {
      const [day, slice = ""] = name.split(" ");
      const profile = Profile.empty(1);
      profile.valid = count;
      return { slice, paneStartMs: START + Number(day) * DAY, profile };
    });
    const all = Profile.empty(1);
    for (const { slice, profile } of panes) if (slice === "all") all.valid += profile.valid;
    const timestampMs = START + atDay * DAY;
    const entry = {
      ...{ dataset: "trips", topic: "trips", partition: 0, partitionCount: 1, caughtUp: false, ended: false },
      ...{ fromOffset: at, toOffset: at + 1, wallTimeMs: timestampMs, maxEventTimeMs: START + toDay * DAY },
      counts: all.counts(),
    };
    return atOnce(judge.apply(entry, panes, { topics: TOPICS, deployment: "test", timestampMs }))
      .filter(({ topic }) => topic === TOPICS.metrics)
      .map(({ value }) => {
        const line = JSON.parse(textOf(value!)) as MetricsRecord;
        const day = (Date.parse(line.windowStart) - START) / DAY;
        return `${day} ${line.slice} r${line.revision} ${line.counts.valid}`;
      });
  });
}

describe("DatasetJudge.apply()", () => {
  test("tells the last revision of a window by the flush that ends its time and closes later ones", () => {
    const lines = told(1, [
      { rows: { "0 all": 10 }, toDay: 1, atDay: 1 },
      { rows: { "1 all": 10 }, toDay: 2, atDay: 2 },
      // Too soon after the window was told to be told again.
      { rows: { "1 all": 5 }, toDay: 2, atDay: 2.001 },
      { rows: { "2 all": 10 }, toDay: 3, atDay: 2.002 },
    ]);
    expect(lines).toEqual(["0 all r0 10", "1 all r0 10", "2 all r0 10", "1 all r1 15"]);
  });

  test("goes on when a slice comes first in late events of a window older than those that it was learned of", () => {
    const flush = (day: number) => ({
      rows: { [`${day} all`]: 10, [`${day} origin=EWR`]: 4 },
      toDay: day + 1,
      atDay: day + 1,
    });
    const lines = told(9, [
      { rows: { "0 all": 10 }, toDay: 1, atDay: 1 },
      { rows: { "1 all": 10 }, toDay: 2, atDay: 2 },
      flush(2),
      flush(3),
      { rows: { "1 all": 3, "1 origin=EWR": 3 }, toDay: 4, atDay: 4 },
      flush(4),
      { rows: { "1 all": 1, "1 origin=EWR": 1 }, toDay: 5, atDay: 5 },
    ]);
    expect(lines.filter((line) => line.startsWith("1 "))).toEqual([
      "1 all r0 10",
      "1 all r1 13",
      "1 origin=EWR r0 3",
      "1 all r2 14",
      "1 origin=EWR r1 4",
    ]);
    expect(lines).toContain("4 origin=EWR r0 4");
  });

  test("tells every window once that the late events of a flush changed, in order of time", () => {
    const days = [0, 1, 2, 3, 4];
    const inTime = days.map((day) => ({ rows: { [`${day} all`]: 10 }, toDay: day + 1, atDay: day + 1 }));
    const late = { rows: { "3 all": 5, "1 all": 2, "2 all": 1 }, toDay: 5, atDay: 6 };
    expect(told(9, [...inTime, late])).toEqual([
      ...days.map((day) => `${day} all r0 10`),
      "1 all r1 12",
      "2 all r1 11",
      "3 all r1 15",
    ]);
  });
});
