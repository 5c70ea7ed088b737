import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXIT_CODES } from "../../src/core/errors.ts";
import type { MetricsRecord } from "../../src/core/verdict.ts";
import { CommandFolder, failureOf, type ReplayRun, runReplay } from "./cli-kit.ts";
import {
  asAvro,
  asCsv,
  asJsonLines,
  DAY_MS,
  deviation,
  HOUR_MS,
  makeTrips,
  mean,
  START_MS,
  TRIP_SCHEMA,
  type Trip,
  tripWindows,
} from "./trips.ts";

const SIX_HOURS_MS = 6 * HOUR_MS;
const OUTPUTS = ["alerts.jsonl", "metrics.jsonl", "verdicts.jsonl"];
const TRIPS = makeTrips({ seed: 41, count: 2500, everyMs: 7 * 60_000 });
const BASE = `
datasets:
  - topic: trips
    time: { field: at }
    windows: { sizes: [6h, 1d] }
    slices: [{ by: origin }]
`;
const WITH_SCHEMA = `${BASE}    schema: ${JSON.stringify(JSON.stringify(TRIP_SCHEMA))}\n`;

let folder: CommandFolder;
beforeAll(() => {
  folder = new CommandFolder();
});
afterAll(() => folder.remove());

/** Compares every line of the run with the windows counted the slow way, and that there is no other line. */
function expectFigures(metrics: readonly MetricsRecord[], trips: readonly Trip[], dataset = "trips"): void {
  const windows = new Map([SIX_HOURS_MS, DAY_MS].map((sizeMs) => [sizeMs, tripWindows(trips, sizeMs)]));
  const seen = new Set<string>();
  for (const line of metrics) {
    const sizeMs = Date.parse(line.windowEnd) - Date.parse(line.windowStart);
    const key = `${line.slice}|${line.windowStart}`;
    const expected = windows.get(sizeMs)?.get(key);
    expect(line.dataset).toBe(dataset);
    expect(expected, key).toBeDefined();
    if (expected === undefined) continue;
    seen.add(`${key}|${sizeMs}`);
    const { rows, nullFares, fares, seats } = expected;
    expect(line.counts, key).toEqual({ ...NO_COUNTS, consumed: rows, valid: rows });
    expect(line.metrics, key).toMatchObject({
      "row_count()": rows,
      "null_rate(seats)": 0,
      "min(fare)": Math.min(...fares),
      "max(fare)": Math.max(...fares),
      "distinct_count(fare)": new Set(fares).size,
      "min(seats)": Math.min(...seats),
      "max(seats)": Math.max(...seats),
    });
    expect(line.metrics["null_rate(fare)"], key).toBeCloseTo(nullFares / rows, 12);
    expect(line.metrics["mean(fare)"], key).toBeCloseTo(mean(fares), 9);
    expect(line.metrics["stddev(fare)"], key).toBeCloseTo(deviation(fares), 9);
    expect(line.metrics["mean(seats)"], key).toBeCloseTo(mean(seats), 9);
  }
  const keys = [...windows].flatMap(([sizeMs, bySlice]) => [...bySlice.keys()].map((key) => `${key}|${sizeMs}`));
  expect([...seen].sort()).toEqual(keys.sort());
  expect(metrics).toHaveLength(seen.size);
}

const NO_COUNTS = { consumed: 0, valid: 0, invalid: 0, undecodable: 0, tombstone: 0, future: 0, late: 0, filtered: 0 };

/** What one field's metrics are in each window: everything but what depends on how the schema came to be. */
function fieldMetrics(metrics: readonly MetricsRecord[], field: string): unknown[] {
  return metrics.map((line) => [
    line.slice,
    line.windowStart,
    line.windowEnd,
    line.revision,
    line.counts,
    Object.fromEntries(Object.entries(line.metrics).filter(([id]) => id.includes(`(${field}`))),
  ]);
}

function expectNothingWritten(run: ReplayRun): void {
  expect(run.stdout).toEqual([]);
  expect(Object.keys(run.files)).toEqual([]);
}

describe("replay()", () => {
  test("writes the same bytes twice, with the three files and nothing else", async () => {
    const input = folder.write("trips.avro", await asAvro(TRIPS));
    const first = await runReplay(folder, BASE, [input]);
    const second = await runReplay(folder, BASE, [input]);
    expect(first).toMatchObject({ exitCode: 0, error: undefined, stderr: [] });
    expect(Object.keys(first.files)).toEqual(OUTPUTS);
    expect(first.files["metrics.jsonl"]?.length).toBeGreaterThan(100_000);
    expect(second.files).toEqual(first.files);
    expect(first.stdout.at(-1)).toBe(`2,500 events, 0 incidents; files are in ${first.out}`);
  });

  test("says which keys of a configuration for run it does without", async () => {
    const input = folder.write("trips.avro", await asAvro(TRIPS.slice(0, 100)));
    const run = await runReplay(folder, `sinks: [{ console: {} }]\n${BASE}`, [input]);
    expect(run.error).toBeUndefined();
    expect(run.stderr).toEqual([expect.stringMatching(/^note: .*\.yaml:1:1 sinks: not used by replay$/)]);
  });

  test("tells of a configured pair that no schema of the files has", async () => {
    const input = folder.write("trips.avro", await asAvro(TRIPS.slice(0, 100)));
    const run = await runReplay(folder, `${BASE}    pairs: [[fare, seats], [faer, seats]]\n`, [input]);
    expect(run.error).toBeUndefined();
    expect(run.stderr.map((line) => JSON.parse(line).msg)).toEqual([
      'no schema so far has the pair [faer, seats]: no field "faer" (nearest: "fare"). It is looked for in each schema that comes',
    ]);
  });

  test("counts every window and slice of an Avro container exactly", async () => {
    const input = folder.write("trips.avro", await asAvro(TRIPS));
    const run = await runReplay(folder, BASE, [input]);
    expectFigures(run.metrics, TRIPS);
    // The oracle is not blind: with one trip more it disagrees.
    expect(() => expectFigures(run.metrics, [...TRIPS, TRIPS[1000]!])).toThrow();
    const slices = new Set(run.metrics.map(({ slice }) => slice));
    expect([...slices].sort()).toEqual(["all", "origin=EWR", "origin=JFK", "origin=LGA"]);
    for (const { slice, windowStart, windowEnd } of run.metrics) {
      const lines = run.verdicts.filter(
        (verdict) =>
          verdict.by === "detector" &&
          verdict.slice === slice &&
          verdict.windowStart === windowStart &&
          verdict.windowEnd === windowEnd,
      );
      expect(lines, `${slice} ${windowStart}`).toHaveLength(1);
    }
  });

  test("gives the same bytes for every format of the same events under one schema, plain and gzipped", async () => {
    const contents = { avro: await asAvro(TRIPS), jsonl: asJsonLines(TRIPS), csv: asCsv(TRIPS) };
    const expected = (await runReplay(folder, WITH_SCHEMA, [folder.write("trips.avro", contents.avro)])).files;
    for (const [ending, content] of Object.entries(contents)) {
      for (const name of [`trips.${ending}`, `trips.${ending}.gz`]) {
        const run = await runReplay(folder, WITH_SCHEMA, [folder.write(name, content)]);
        expect(run.error, name).toBeUndefined();
        expect(run.files, name).toEqual(expected);
      }
    }
    const uncompressed = await asAvro(TRIPS, { codec: "null", blockSize: 100_000 });
    expect((await runReplay(folder, WITH_SCHEMA, [folder.write("trips.avro", uncompressed)])).files).toEqual(expected);
  });

  test("gives the figures of the fields where the types are inferred, the same for CSV and JSON lines", async () => {
    const csv = await runReplay(folder, BASE, [folder.write("trips.csv", asCsv(TRIPS))]);
    const lines = await runReplay(folder, BASE, [folder.write("trips.jsonl", asJsonLines(TRIPS))]);
    expectFigures(csv.metrics, TRIPS);
    expectFigures(lines.metrics, TRIPS);
    for (const field of ["fare", "seats", "origin"]) {
      const expected = fieldMetrics(csv.metrics, field);
      expect(Object.keys(expected[0]?.[5 as never] ?? {}).length).toBeGreaterThan(5);
      expect(fieldMetrics(lines.metrics, field)).toEqual(expected);
    }
  });

  test("merges several inputs by event time, whatever their format", async () => {
    const part = (rest: number) => TRIPS.filter((_, index) => index % 3 === rest);
    const whole = await runReplay(folder, WITH_SCHEMA, [folder.write("trips.csv", asCsv(TRIPS))]);
    const inputs = [
      folder.write("part-1.avro", await asAvro(part(0))),
      folder.write("part-2.csv.gz", asCsv(part(1))),
      folder.write("part-3.jsonl", asJsonLines(part(2))),
    ];
    const merged = await runReplay(folder, WITH_SCHEMA, inputs);
    expect(merged.stderr).toEqual([]);
    expect(merged.files).toEqual(whole.files);
    expect((await runReplay(folder, WITH_SCHEMA, inputs.toReversed())).files).toEqual(whole.files);
    // One behind the other, not merged: half of the events would come after the windows had closed.
    const halves = [TRIPS.slice(1250), TRIPS.slice(0, 1250)].map(asCsv);
    const apart = await runReplay(folder, WITH_SCHEMA, [
      folder.write("trips.csv", `${halves[0]}${halves[1]?.replace(/^.*\n/, "")}`),
    ]);
    expect(apart.files).not.toEqual(whole.files);
  });

  test("gives a file to the dataset whose topic begins its name, the longest such topic", async () => {
    const config = `
datasets:
  - { topic: trips, time: { field: at }, windows: { sizes: [6h, 1d] }, slices: [{ by: origin }] }
  - { topic: trips.night, time: { field: at }, windows: { sizes: [6h, 1d] }, slices: [{ by: origin }] }
`;
    const night = makeTrips({ seed: 42, count: 900, everyMs: 20 * 60_000 });
    const run = await runReplay(folder, config, [
      folder.write("trips.night.2024-03.csv", asCsv(night)),
      folder.write("trips-2024-03.jsonl", asJsonLines(TRIPS)),
    ]);
    expect(run).toMatchObject({ exitCode: 0, error: undefined });
    const of = (topic: string) => run.metrics.filter(({ dataset }) => dataset === topic);
    expectFigures(of("trips"), TRIPS);
    expectFigures(of("trips.night"), night, "trips.night");
    expect(of("trips").length + of("trips.night").length).toBe(run.metrics.length);
  });

  test("refuses a file that belongs to no dataset", async () => {
    const config = BASE + BASE.split("\n").slice(2).join("\n").replace("trips", "fares");
    const run = await runReplay(folder, config, [folder.write("events.csv", asCsv(TRIPS))]);
    const { code, message } = failureOf(run);
    expect([code, run.exitCode]).toEqual(["SG_CONFIG", EXIT_CODES.configuration]);
    expect(message).toMatch(/^Cannot replay .*events\.csv: its name begins with none of the topics trips, fares$/);
    expectNothingWritten(run);
  });

  test("needs time.field, and says of which dataset", async () => {
    const config = "datasets: [{ topic: trips, time: { field: at } }, { topic: fares }]\n";
    const run = await runReplay(folder, config, [folder.write("trips.csv", asCsv(TRIPS))]);
    const { code, message } = failureOf(run);
    expect([code, run.exitCode]).toEqual(["SG_CONFIG", EXIT_CODES.configuration]);
    expect(message).toMatch(/streamgauge\.yaml: datasets\[1\]\.time\.field: needed by replay/);
    expectNothingWritten(run);
  });

  test("refuses a time.field that the file lacks", async () => {
    const config = BASE.replace("field: at", "field: time");
    for (const name of ["trips.csv", "trips.jsonl", "trips.avro"]) {
      const content = { csv: asCsv(TRIPS), jsonl: asJsonLines(TRIPS), avro: await asAvro(TRIPS) };
      const path = folder.write(name, content[name.split(".")[1] as keyof typeof content]);
      const run = await runReplay(folder, config, [path]);
      expect(failureOf(run).code, name).toBe("SG_INPUT");
      expect(failureOf(run).message, name).toContain(path);
      expect(failureOf(run).message, name).toContain("time");
      expectNothingWritten(run);
    }
  });

  test("takes a CSV file without rows and an empty JSON lines file among others", async () => {
    const full = folder.write("trips.csv", asCsv(TRIPS));
    const expected = await runReplay(folder, WITH_SCHEMA, [full]);
    const empty = [folder.write("empty.csv", "at,fare,seats,origin\n"), folder.write("empty.jsonl", "")];
    const run = await runReplay(folder, WITH_SCHEMA, [...empty, full]);
    expect(run.error).toBeUndefined();
    expect(run.files).toEqual(expected.files);
    const nothing = await runReplay(folder, BASE, empty);
    expect(nothing.files).toEqual({ "alerts.jsonl": "", "metrics.jsonl": "", "verdicts.jsonl": "" });
  });

  test("with --json prints one object and no table", async () => {
    const run = await runReplay(folder, BASE, [folder.write("trips.csv", asCsv(TRIPS))], { json: true });
    expect(run.stdout).toHaveLength(1);
    expect(JSON.parse(run.stdout[0] ?? "")).toEqual({ events: 2500, incidents: 0, out: run.out, notes: [] });
  });

  test("finds a field that goes bad, and the alert names it", async () => {
    const trips = makeTrips({ seed: 43, count: 60 * 96, everyMs: 15 * 60_000 });
    const badDay = START_MS + 50 * DAY_MS;
    const damaged = trips.map((trip, index) =>
      Math.floor(trip.at / DAY_MS) * DAY_MS === badDay && index % 2 === 0 ? { ...trip, fare: null } : trip,
    );
    const config = BASE.replace("[6h, 1d]", "[1d]");
    const run = await runReplay(folder, config, [folder.write("trips.csv", asCsv(damaged))]);
    const day = new Date(badDay).toISOString();
    const opened = run.alerts.filter(({ state, windowStart }) => state === "opened" && windowStart === day);
    expect(opened).toHaveLength(1);
    expect(opened[0]?.causes[0]?.metric).toBe("null_rate(fare)");
    expect(run.stdout[0]).toMatch(/^state +severity +what$/);
    expect(run.stdout.some((line) => line.startsWith("opened") && line.includes("`fare`"))).toBe(true);
    const verdicts = run.verdicts.filter(({ by, windowStart }) => by === "detector" && windowStart === day);
    expect(verdicts.find(({ slice }) => slice === "all")).toMatchObject({ outcome: "fail", alarm: true });
  });

  test("goes on over numbers of any size, and says NaN nowhere", async () => {
    const trips = makeTrips({ seed: 44, count: 45 * 96, everyMs: 15 * 60_000 });
    const hostile = [1e39, -1e200, Number.MAX_VALUE, 5e-324];
    const damaged = trips.map((trip, index) =>
      index % 500 === 7 ? { ...trip, fare: hostile[((index % 2000) - 7) / 500]! } : trip,
    );
    const config = BASE.replace("[6h, 1d]", "[1d]");
    const run = await runReplay(folder, config, [folder.write("trips.avro", await asAvro(damaged))]);
    expect(run.error).toBeUndefined();
    expect(run.metrics.reduce((sum, line) => sum + (line.slice === "all" ? line.counts.valid : 0), 0)).toBe(
      trips.length,
    );
    for (const text of Object.values(run.files)) expect(text).not.toMatch(/NaN|Infinity/);
    for (const { outcome, score } of run.verdicts) expect(score === null).toBe(outcome === "unknown");
  });

  test("refuses a level of STREAMGAUGE_LOG that does not exist, and leaves nothing behind", async () => {
    const input = folder.write("trips.csv", asCsv(TRIPS));
    const run = await runReplay(folder, BASE, [input], { env: { STREAMGAUGE_LOG: "loud" } });
    expect(failureOf(run)).toEqual({
      code: "SG_CONFIG",
      message: 'STREAMGAUGE_LOG: expected one of trace, debug, info, warn, error, fatal, silent, got "loud"',
    });
    expectNothingWritten(run);
    expect((await runReplay(folder, BASE, [input], { env: { STREAMGAUGE_LOG: "" } })).exitCode).toBe(0);
  });

  test("logs with STREAMGAUGE_LOG=info to standard error alone, and writes the same files", async () => {
    const input = folder.write("trips.csv", asCsv(TRIPS));
    const quiet = await runReplay(folder, BASE, [input]);
    const loud = await runReplay(folder, BASE, [input], { env: { STREAMGAUGE_LOG: "info" } });
    expect(loud.files).toEqual(quiet.files);
    expect(loud.stdout).toEqual([quiet.stdout[0]?.replace(quiet.out, loud.out)]);
    expect(quiet.stderr).toEqual([]);
    expect(loud.stderr.length).toBeGreaterThan(0);
    for (const line of loud.stderr) expect(JSON.parse(line)).toMatchObject({ name: "streamgauge" });
  });

  test("refuses an --out where a file is, or below one", async () => {
    const input = folder.write("trips.csv", asCsv(TRIPS));
    for (const out of [input, join(input, "deeper")]) {
      const run = await runReplay(folder, BASE, [input], { out });
      expect(failureOf(run)).toEqual({
        code: "SG_CONFIG",
        message: `--out: cannot make the directory ${out}: a file is in its place`,
      });
    }
    expect(readFileSync(input, "utf8")).toBe(asCsv(TRIPS));
  });
});
