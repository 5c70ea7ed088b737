import { expect, test } from "vitest";
import type { DatasetConfig } from "../../src/core/config.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { textOf } from "../../src/core/text.ts";
import { topicNames } from "../../src/core/topics.ts";
import type { VerdictRecord } from "../../src/core/verdict.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { DatasetJudge } from "../../src/stages/dataset-judge.ts";
import { atOnce } from "./at-once.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 4, 1);
const TOPICS = topicNames("sg.");
const DAYS = 43;
const DATASET: DatasetConfig = {
  topic: "trips",
  time: { latenessMs: 0, idleAfterMs: DAY, unheardAfterMs: 9 * DAY, maxAheadMs: HOUR, reviseForMs: 0 },
  windows: { sizesMs: [HOUR, DAY], timezone: "UTC" },
  slices: [],
  fields: new Map(),
  valuesDefault: "show",
  detect: { season: 1, warmup: 20 },
  flushEveryMs: 5000,
};

/** The detector's lines, of a stream of some 20 rows an hour; on the fault's day every third hour has a record that cannot be decoded. */
function verdictsOf(faultDay: number): VerdictRecord[] {
  const judge = new DatasetJudge({ dataset: DATASET, resolveAfter: 1, logger: { info() {}, warn() {}, error() {} } });
  const random = new SeededRandom(3);
  let offset = 0;
  const verdicts: VerdictRecord[] = [];
  for (let hour = 0; hour < DAYS * 24; hour++) {
    const profile = Profile.empty(1);
    profile.valid = 15 + random.below(10);
    profile.undecodable = Math.floor(hour / 24) === faultDay && hour % 3 === 0 ? 1 : 0;
    const counts = profile.counts();
    const wallTimeMs = START + (hour + 1) * HOUR;
    const entry = {
      ...{ dataset: "trips", topic: "trips", partition: 0, partitionCount: 1, caughtUp: true, ended: false, counts },
      ...{ fromOffset: offset, toOffset: offset + counts.consumed, wallTimeMs, maxEventTimeMs: wallTimeMs },
    };
    offset += counts.consumed;
    const pane = { slice: "all", paneStartMs: START + hour * HOUR, profile };
    for (const { topic, value } of atOnce(
      judge.apply(entry, [pane], { topics: TOPICS, deployment: "test", timestampMs: wallTimeMs }),
    )) {
      if (topic !== TOPICS.verdicts) continue;
      const verdict = JSON.parse(textOf(value!)) as VerdictRecord;
      if (verdict.by === "detector") verdicts.push(verdict);
    }
  }
  return verdicts;
}

test("a fault too small for any sparse window is found in the larger one that they are rolled up to", () => {
  const alarms = verdictsOf(40).filter(({ alarm }) => alarm);
  expect(alarms.map(({ windowStart, windowEnd }) => `${windowStart}/${windowEnd}`)).toEqual([
    "2026-06-10T00:00:00.000Z/2026-06-11T00:00:00.000Z",
  ]);
  expect(alarms[0]!.causes[0]!.metric).toBe("undecodable_share()");
  expect(verdictsOf(-1).filter(({ alarm }) => alarm)).toEqual([]);
});
