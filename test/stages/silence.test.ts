import { describe, expect, test } from "vitest";
import type { DatasetConfig } from "../../src/core/config.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { textOf } from "../../src/core/text.ts";
import { topicNames } from "../../src/core/topics.ts";
import type { AlertRecord, MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { DatasetJudge } from "../../src/stages/dataset-judge.ts";
import { StoredDataset } from "../../src/stages/dataset-state.ts";
import type { PackedBytes } from "../../src/state/packed-bytes.ts";
import { atOnce } from "./at-once.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 4, 1);
const TOPICS = topicNames("sg.");
const DATASET: DatasetConfig = {
  topic: "trips",
  time: {
    latenessMs: 2 * MINUTE,
    idleAfterMs: MINUTE,
    unheardAfterMs: 3 * DAY,
    maxAheadMs: HOUR,
    reviseForMs: 6 * HOUR,
  },
  windows: { sizesMs: [HOUR], timezone: "UTC" },
  slices: [],
  fields: new Map(),
  valuesDefault: "show",
  detect: { season: 24, warmup: "auto" },
  flushEveryMs: 5000,
};
const LOGGER = { info() {}, warn() {}, error() {} };

/** Rows of the hours of the flush's own time and of others, by hour. */
type Rows = Readonly<Record<number, number>>;

/** One partition whose profiler flushes once an hour, at its end. */
class Stream {
  #judge = new DatasetJudge({ dataset: DATASET, resolveAfter: 1, logger: LOGGER });
  #offset = 0;
  /** By key, as in the state topic. */
  readonly #state = new Map<string, PackedBytes>();
  readonly alerts: AlertRecord[] = [];
  readonly verdicts: VerdictRecord[] = [];
  readonly metrics: MetricsRecord[] = [];
  /** Everything that was told. */
  readonly lines: string[] = [];

  flush(hour: number, rowsByHour: Rows): void {
    const panes = Object.entries(rowsByHour)
      .filter(([, rows]) => rows > 0)
      .map(([of, rows]) => ({ slice: "all", paneStartMs: START + Number(of) * HOUR, profile: profileOf(rows) }));
    const rows = panes.reduce((sum, { profile }) => sum + profile.valid, 0);
    const hours = panes.map(({ paneStartMs }) => paneStartMs);
    const wallTimeMs = START + (hour + 1) * HOUR;
    const entry = {
      ...{ dataset: "trips", topic: "trips", partition: 0, partitionCount: 1, caughtUp: true, ended: false },
      ...{ fromOffset: this.#offset, toOffset: this.#offset + rows, wallTimeMs, counts: profileOf(rows).counts() },
      // The last event of the hour comes at its end.
      ...(rows > 0 && { maxEventTimeMs: Math.max(...hours) + HOUR - 1 }),
    };
    this.#offset += rows;
    const context = { topics: TOPICS, deployment: "test", timestampMs: wallTimeMs };
    for (const { topic, value } of atOnce(this.#judge.apply(entry, panes, context))) {
      const line = textOf(value!);
      this.lines.push(`${topic} ${line}`);
      if (topic === TOPICS.alerts) this.alerts.push(JSON.parse(line) as AlertRecord);
      if (topic === TOPICS.metrics) this.metrics.push(JSON.parse(line) as MetricsRecord);
      if (topic === TOPICS.verdicts) {
        const verdict = JSON.parse(line) as VerdictRecord;
        if (verdict.by === "detector") this.verdicts.push(verdict);
      }
    }
  }

  /** Goes on with what would be in the state topic. */
  async restart(): Promise<void> {
    const { changed, gone } = atOnce(this.#judge.checkpoint());
    for (const key of gone) this.#state.delete(key);
    for (const { key, value } of changed) this.#state.set(key, value);
    const stored = new StoredDataset();
    for (const [key, value] of this.#state) stored.take(key, value);
    this.#judge = new DatasetJudge({ dataset: DATASET, resolveAfter: 1, logger: LOGGER });
    await this.#judge.restore(stored);
  }

  /** `opened no-data 5 14:00: …` of each alert since the hour. */
  told(fromHour = 0): string[] {
    return this.alerts
      .filter(({ windowStart }) => Date.parse(windowStart) >= START + fromHour * HOUR)
      .map(({ state, kind, sentence }) => `${state} ${kind} ${sentence}`);
  }
}

function profileOf(rows: number): Profile {
  const profile = Profile.empty(1);
  profile.valid = rows;
  return profile;
}

/** More by day than by night, with a noise of its own. */
function usualRows(hour: number): number {
  const wave = Math.sin((2 * Math.PI * (hour % 24)) / 24);
  return Math.round(900 + 300 * wave + 40 * (new SeededRandom(hour + 1).next() - 0.5));
}

/** 14:00 on 11 May. */
const FAULT = 10 * 24 + 14;

/** `rowsOf(hour)`: what comes in the hour. */
function streamOf(hours: number, rowsOf: (hour: number) => Rows): Stream {
  const stream = new Stream();
  for (let hour = 0; hour < hours; hour++) stream.flush(hour, rowsOf(hour));
  return stream;
}

describe("DatasetJudge of a stream that falls silent", () => {
  const OUTAGE = 30;
  const isOut = (hour: number) => hour >= FAULT && hour < FAULT + OUTAGE;
  const silent = (hour: number): Rows => (isOut(hour) ? {} : { [hour]: usualRows(hour) });
  const stream = streamOf(FAULT + OUTAGE + 72, silent);

  test("says since when there is no data, and how much there usually is", () => {
    const [opened] = stream.told(FAULT);
    expect(opened).toMatch(/^opened no-data 11 May 14:00: no data since 14:00, usually (?:7\d\d|[6-9]\d\d) rows$/);
  });

  test("the incident lasts as long as the silence, though that is longer than a season, and nothing rings when data comes back", () => {
    const [opened, reminded, resolved, ...more] = stream.told(FAULT);
    expect(opened).toMatch(/^opened/);
    expect(reminded).toMatch(/^updated no-data 12 May 14:00: no data since 11 May 14:00, usually /);
    expect(resolved).toBe("resolved no-data 12 May 20:00: back to normal");
    expect(more).toEqual([]);
    const silence = stream.verdicts.slice(FAULT, FAULT + OUTAGE);
    expect(silence.map(({ kind }) => kind)).toEqual(silence.map(() => "no-data"));
  });

  test("a judge that is restored in the middle of it goes on identically", async () => {
    const restarted = new Stream();
    for (let hour = 0; hour < FAULT + OUTAGE + 72; hour++) {
      restarted.flush(hour, silent(hour));
      if (hour > FAULT - 5 && hour % 5 === 0) await restarted.restart();
    }
    expect(restarted.lines).toEqual(stream.lines);
  });
});

describe("DatasetJudge of a stream whose nights are empty", () => {
  const atNight = (hour: number) => hour % 24 < 6;
  const rowsOf = (isSilent: (hour: number) => boolean) =>
    streamOf(FAULT + 5 * 24, (hour) => (atNight(hour) || isSilent(hour) ? {} : { [hour]: usualRows(hour) }));

  test("is quiet at night", () => {
    const stream = rowsOf(() => false);
    expect(stream.told()).toEqual([]);
    const nights = stream.verdicts.filter(({ windowStart }) => new Date(windowStart).getUTCHours() < 6);
    expect(nights.slice(-30).map(({ outcome }) => outcome)).toEqual(Array.from({ length: 30 }, () => "pass"));
  });

  test("tells of a day that is empty, once, and not of the nights beside it", () => {
    const day = Math.floor(FAULT / 24);
    const stream = rowsOf((hour) => Math.floor(hour / 24) === day || Math.floor(hour / 24) === day + 1);
    const told = stream.told();
    expect(told[0]).toMatch(/^opened no-data 11 May 06:00: no data since 06:00, usually \d+|1,\d{3} rows$/);
    expect(told.filter((line) => line.includes(" content "))).toEqual([]);
    // The nights pass, and the day after counts the silence from where it began.
    expect(told.some((line) => /12 May .* no data since 11 May 06:00/.test(line))).toBe(true);
    expect(told.at(-1)).toMatch(/^resolved no-data /);
  });
});

describe("DatasetJudge of more and of less than usual", () => {
  const told = (rows: number) =>
    streamOf(FAULT + 3, (hour) => ({ [hour]: hour === FAULT ? rows : usualRows(hour) })).told(FAULT);

  test("says which, and what was expected", () => {
    expect(told(310)[0]).toMatch(/^opened less-than-usual 11 May 14:00: less than usual: 310 rows, expected [\d,–]+$/);
    expect(told(2500)[0]).toMatch(
      /^opened more-than-usual 11 May 14:00: more than usual: 2,500 rows, expected [\d,–]+$/,
    );
  });
});

describe("DatasetJudge of a producer that lags", () => {
  /** `share` of the rows of the hour come two hours later: its window closes with the next one. */
  const lagging = (shareOf: (hour: number) => number) => (hour: number) => {
    const late = (of: number) => Math.round(shareOf(of) * usualRows(of));
    return { [hour]: usualRows(hour) - late(hour), ...(hour > 1 && { [hour - 2]: late(hour - 2) }) };
  };
  const usual = (hour: number) => 0.01 + 0.01 * new SeededRandom(9_000 + hour).next();
  const isLate = (hour: number) => hour >= FAULT && hour < FAULT + 4;

  test("a usual share of late rows is no news", () => {
    expect(streamOf(FAULT + 48, lagging(usual)).told()).toEqual([]);
  });

  test("says late, and neither silent nor less than usual as soon as that can be known", () => {
    const stream = streamOf(
      FAULT + 48,
      lagging((hour) => (isLate(hour) ? 0.6 : usual(hour))),
    );
    const told = stream.told(FAULT);
    // Of the first window nobody can know yet that more will come.
    expect(told[0]).toMatch(/^opened less-than-usual 11 May 14:00: less than usual: \d+ rows, expected /);
    expect(told[1]).toMatch(
      /^updated late 11 May 14:00: late: 60 % of the rows came after their window had closed, expected 0\.\d+–\d(?:\.\d)? %/,
    );
    expect(told.at(-1)).toMatch(/^resolved late .*back to normal$/);
    const first = stream.verdicts.filter(({ revision, windowStart }) => {
      return revision === 0 && Date.parse(windowStart) >= START + (FAULT + 1) * HOUR;
    });
    expect(first.slice(1, 3).map(({ kind }) => kind)).toEqual(["late", "late"]);
    expect(stream.verdicts.some(({ kind }) => kind === "no-data")).toBe(false);
    // Every window of the lag is told as late in the end, with its share among the metrics.
    for (let hour = FAULT; hour < FAULT + 4; hour++) {
      const at = new Date(START + hour * HOUR).toISOString();
      expect(stream.verdicts.findLast(({ windowStart }) => windowStart === at)).toMatchObject({
        kind: "late",
        alarm: true,
      });
      const line = stream.metrics.findLast(({ windowStart }) => windowStart === at)!;
      expect(line.metrics["late_share()"]).toBeCloseTo(0.6, 2);
      expect(line.expected["late_share()"]![2]).toBeLessThan(0.1);
    }
  });

  test("an outage whose events come after it was late, not silent", () => {
    const stream = streamOf(FAULT + 48, (hour) => {
      if (hour >= FAULT && hour < FAULT + 3) return {};
      if (hour !== FAULT + 4) return { [hour]: usualRows(hour) };
      return Object.fromEntries([0, 1, 2, 4].map((after) => [FAULT + after, usualRows(FAULT + after)]));
    });
    const told = stream.told(FAULT);
    expect(told[0]).toMatch(/^opened no-data 11 May 14:00: no data since 14:00/);
    // The window in between was well, and ended the first incident.
    expect(told.slice(1, 3)).toEqual([
      "resolved no-data 11 May 17:00: back to normal",
      expect.stringMatching(/^opened late /),
    ]);
    expect(told[2]).toMatch(/late: 100 % of the rows came after their window had closed/);
    expect(told.at(-1)).toMatch(/^resolved late /);
  });

  test("a judge that is restored in the middle of it goes on identically", async () => {
    const rowsOf = lagging((hour) => (isLate(hour) ? 0.6 : usual(hour)));
    const stream = streamOf(FAULT + 24, rowsOf);
    const restarted = new Stream();
    for (let hour = 0; hour < FAULT + 24; hour++) {
      restarted.flush(hour, rowsOf(hour));
      if (hour > FAULT - 5 && hour % 3 === 0) await restarted.restart();
    }
    expect(restarted.lines).toEqual(stream.lines);
  });
});
