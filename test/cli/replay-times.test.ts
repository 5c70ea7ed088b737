/** `replay()` over files whose times are not in order, missing, late or in the future. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MetricsRecord } from "../../src/core/verdict.ts";
import { CommandFolder, type ReplayRun, runReplay } from "./cli-kit.ts";
import { asAvro, asCsv, asJsonLines, HOUR_MS, makeTrips, START_MS, type Trip, tripWindows } from "./trips.ts";

const MINUTE_MS = 60_000;
/** One trip every 6 s on average: 600 an hour, 10 hours, flushed after 2000, 4000 and 6000 events. */
const TRIPS = makeTrips({ seed: 51, count: 6000, everyMs: 6000 });
const config = (time: string) => `
datasets:
  - topic: trips
    time: { field: at, ${time} }
    windows: { sizes: [1h] }
    slices: [{ by: origin }]
`;

let folder: CommandFolder;
beforeAll(() => {
  folder = new CommandFolder();
});
afterAll(() => folder.remove());

const replayCsv = (trips: readonly Trip[], time: string): Promise<ReplayRun> =>
  runReplay(folder, config(time), [folder.write("trips.csv", asCsv(trips))]);

function hour(index: number): string {
  return new Date(START_MS + index * HOUR_MS).toISOString();
}

/** The line of a window's last revision. */
function latest(metrics: readonly MetricsRecord[], slice: string, start: string): MetricsRecord | undefined {
  return metrics.findLast((line) => line.slice === slice && line.windowStart === start);
}

/** Trips of hour `of`, inserted behind the trip number `behind`. */
function withLate(behind: number, of: number, count: number): { trips: Trip[]; late: Trip[] } {
  const random = makeTrips({ seed: 52, count, everyMs: MINUTE_MS, startMs: START_MS + of * HOUR_MS });
  return { trips: [...TRIPS.slice(0, behind), ...random, ...TRIPS.slice(behind)], late: random };
}

describe("replay() of late events", () => {
  test("inside reviseFor gives revision 1 of the window and its slices, with exact counts", async () => {
    const { trips, late } = withLate(5000, 5, 7);
    const run = await replayCsv(trips, "lateness: 10m, reviseFor: 6h");
    expect(run.error).toBeUndefined();

    const before = tripWindows(TRIPS, HOUR_MS);
    const after = tripWindows(trips, HOUR_MS);
    const touched = ["all", ...new Set(late.map(({ origin }) => `origin=${origin}`))];
    const revised = run.metrics.filter(({ revision }) => revision > 0);
    expect(revised.map(({ slice, windowStart, revision }) => [slice, windowStart, revision]).sort()).toEqual(
      touched.map((slice) => [slice, hour(5), 1]).sort(),
    );
    for (const slice of touched) {
      const key = `${slice}|${hour(5)}`;
      const lines = run.metrics.filter((line) => line.slice === slice && line.windowStart === hour(5));
      expect(lines.map(({ counts }) => counts.valid)).toEqual([before.get(key)?.rows, after.get(key)?.rows]);
      expect(lines[1]?.metrics["max(fare)"]).toBe(Math.max(...(after.get(key)?.fares ?? [])));
    }
    for (const { slice, windowStart, counts } of run.metrics) {
      expect(counts.late).toBe(0);
      const rows = after.get(`${slice}|${windowStart}`)?.rows;
      expect(latest(run.metrics, slice, windowStart)?.counts.consumed).toBe(rows);
    }
    const detector = run.verdicts.filter(({ by, revision }) => by === "detector" && revision === 1);
    expect(detector.map(({ slice }) => slice).sort()).toEqual([...touched].sort());
  });

  test("beyond reviseFor counts them as late in the oldest open window, each once", async () => {
    const { trips, late } = withLate(5000, 1, 9);
    const run = await replayCsv(trips, "lateness: 10m, reviseFor: 2h");
    expect(run.metrics.every(({ revision }) => revision === 0)).toBe(true);
    const whole = run.metrics.filter(({ slice }) => slice === "all");
    expect(whole.filter(({ counts }) => counts.late > 0).map(({ counts }) => counts.late)).toEqual([late.length]);
    expect(whole.reduce((sum, { counts }) => sum + counts.consumed, 0)).toBe(trips.length);
    for (const { counts } of run.metrics) {
      const { consumed, valid, invalid, undecodable, tombstone, future, filtered, late: lateOnes } = counts;
      expect(consumed).toBe(valid + invalid + undecodable + tombstone + future + filtered + lateOnes);
    }
    expect(latest(run.metrics, "all", hour(1))?.counts.consumed).toBe(600);
  });

  test("is the same twice, with revisions", async () => {
    const { trips } = withLate(5000, 5, 7);
    const first = await replayCsv(trips, "lateness: 10m, reviseFor: 6h");
    const second = await replayCsv(trips, "lateness: 10m, reviseFor: 6h");
    expect(first.metrics.some(({ revision }) => revision === 1)).toBe(true);
    expect(second.files).toEqual(first.files);
  });
});

describe("replay() says on standard error", () => {
  test("that a file is not in order, how many events, and where the first one is", async () => {
    const { trips } = withLate(5000, 5, 7);
    const said = "7 of 6007 events are older than time.lateness allows, the first at";
    const csv = await replayCsv(trips, "lateness: 10m");
    expect(csv.stderr).toEqual([
      expect.stringMatching(new RegExp(`/trips\\.csv: not in time order: ${said} line 5002; sort the file or raise`)),
    ]);
    const avro = await runReplay(folder, config("lateness: 10m"), [folder.write("trips.avro", await asAvro(trips))]);
    expect(avro.stderr).toEqual([expect.stringContaining(`${said} record 5001;`)]);
    expect((await replayCsv(trips, "lateness: 4h")).stderr).toEqual([]);
    expect((await replayCsv(TRIPS, "lateness: 0")).stderr).toEqual([]);
  });

  test("with the lateness of each dataset, not the largest of all", async () => {
    const { trips } = withLate(5000, 5, 7);
    const two = `${config("lateness: 10m")}  - { topic: rides, time: { field: at, lateness: 4h }, windows: { sizes: [1h] } }\n`;
    const inputs = [folder.write("trips.csv", asCsv(trips)), folder.write("rides.csv", asCsv(trips))];
    const run = await runReplay(folder, two, inputs);
    expect(run.stderr).toEqual([expect.stringContaining("trips.csv: not in time order: 7 of 6007 events")]);
  });

  test("how many events have no time; they are invalid, in the window of the event before them", async () => {
    const lines = asCsv(TRIPS.slice(0, 3000)).split("\n");
    for (const row of [700, 1400]) lines[row] = lines[row]?.replace(/^[^,]*/, "") ?? "";
    const run = await runReplay(folder, config("lateness: 1m"), [folder.write("trips.csv", lines.join("\n"))]);
    expect(run.stderr).toEqual([expect.stringContaining("trips.csv: 2 of 3000 events have no event time")]);
    const counts = run.metrics.filter(({ slice }) => slice === "all").map((line) => line.counts);
    expect(counts.map(({ invalid }) => invalid)).toEqual([0, 1, 1, 0, 0]);
    expect(counts.map(({ consumed }) => consumed)).toEqual([600, 600, 600, 600, 600]);
  });

  test("the same of texts as the windows count: what is a time there is one here", async () => {
    const times = [
      "2024-03-04T05:00:00Z",
      "2024-03-04 05:00:00+00",
      "2024-03-04T06:30+0130",
      "2024-03-03T23:00:00.5-06:00",
      "2024-03-04T05:00",
      "2024-03-03T24:00:00-05",
    ];
    const noTimes = ["2024-02-30T05:00:00Z", "2023-02-29", "2024-03-04T05", "4 March", "2024-03-04T05:00:60Z", ""];
    const line = (at: string) => `${JSON.stringify({ at, fare: 1, seats: 1, origin: "EWR" })}\n`;
    const path = folder.write("trips.jsonl", [...times, ...noTimes].map(line).join(""));
    const run = await runReplay(folder, config("lateness: 1m"), [path]);
    expect(run.stderr).toEqual([expect.stringContaining(`${noTimes.length} of 12 events have no event time`)]);
    const whole = run.metrics.filter(({ slice }) => slice === "all");
    expect(whole.map(({ windowStart }) => windowStart)).toEqual([hour(5)]);
    expect(whole[0]?.counts).toMatchObject({ valid: times.length, invalid: noTimes.length });
  });

  test("nothing more when they are the first of the file: they are in its first window, not in 1970", async () => {
    const timeless = '{"fare":1,"seats":1,"origin":"EWR"}\n';
    const some = TRIPS.slice(0, 3000);
    const path = folder.write("trips.jsonl", timeless.repeat(5) + asJsonLines(some));
    const run = await runReplay(folder, config("lateness: 1m"), [path]);
    expect(run.stderr).toEqual([expect.stringContaining("trips.jsonl: 5 of 3005 events have no event time")]);
    const whole = run.metrics.filter(({ slice }) => slice === "all");
    expect(whole.map(({ windowStart }) => windowStart)).toEqual([0, 1, 2, 3, 4].map(hour));
    expect(whole[0]?.counts).toMatchObject({ consumed: 605, valid: 600, invalid: 5 });

    // The first time may stand in another file than the first event.
    const apart = [
      folder.write("a.jsonl", `${timeless.repeat(5)}{"at":null}\n`),
      folder.write("b.jsonl", asJsonLines(some)),
    ];
    const second = await runReplay(folder, config("lateness: 1m"), apart);
    expect(second.metrics.filter(({ slice }) => slice === "all").map(({ windowStart }) => windowStart)).toEqual(
      [0, 1, 2, 3, 4].map(hour),
    );
  });
});

describe("replay() of events from the future", () => {
  test("counts them as future, and no window is waited for", async () => {
    const trips = TRIPS.slice(0, 3000);
    const future = { ...TRIPS[0]!, at: Date.UTC(2500, 0, 1) };
    const run = await replayCsv([...trips.slice(0, 1000), future, ...trips.slice(1000)], "lateness: 1m");
    const whole = run.metrics.filter(({ slice }) => slice === "all");
    expect(whole.map(({ windowStart }) => windowStart)).toEqual([0, 1, 2, 3, 4].map(hour));
    expect(whole.map(({ counts }) => counts.future)).toEqual([0, 1, 0, 0, 0]);
    expect(whole.map(({ counts }) => counts.valid)).toEqual([600, 600, 600, 600, 600]);
  });
});
