import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import avsc from "avsc";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { showProfile, type WriteProfilesArgs, writeProfiles } from "../../src/cli/profile.ts";
import { EXIT_CODES } from "../../src/core/errors.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { PROFILE_SCHEMA } from "../../src/state/profile-container.ts";
import { CommandFolder, failureOf, runCommand } from "./cli-kit.ts";
import { asAvro, asCsv, DAY_MS, deviation, makeTrips, mean, START_MS } from "./trips.ts";

/** An event of a made-up stream with every kind of figure that a profile counts. */
interface Reading {
  readonly at: number;
  readonly score: number | null;
  readonly level: number;
  readonly note: string | null;
  readonly ok: boolean;
  readonly tags: readonly string[];
  readonly place: { readonly city: string } | null;
}

const SCHEMA = {
  type: "record",
  name: "Reading",
  fields: [
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "score", type: ["null", "double"], default: null },
    { name: "level", type: "int" },
    { name: "note", type: ["null", "string"], default: null },
    { name: "ok", type: "boolean" },
    { name: "tags", type: { type: "array", items: "string" } },
    { name: "place", type: ["null", { type: "record", name: "Place", fields: [{ name: "city", type: "string" }] }] },
  ],
};

const DAYS = 5;
const READINGS = makeReadings(3000);

function makeReadings(count: number): Reading[] {
  const random = new SeededRandom(71);
  const step = (DAYS * DAY_MS) / count;
  const scores = [null, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0];
  return Array.from({ length: count }, (_, index) => ({
    at: START_MS + Math.floor(index * step) + random.below(step),
    score:
      random.next() < 0.2
        ? (scores[random.below(scores.length)] ?? null)
        : Math.round(1000 * (random.next() - 0.4)) / 8,
    level: random.below(9) - 3,
    note: random.next() < 0.1 ? null : "é".repeat(random.below(4)),
    ok: random.next() < 0.7,
    tags: Array.from({ length: random.below(4) }, () => `t${random.below(5)}`),
    place: random.next() < 0.25 ? null : { city: ["Bonn", "Köln", ""][random.below(3)] ?? "" },
  }));
}

function mostFrequent(sorted: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const one of sorted) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}

type Row = Readonly<Record<string, unknown>>;

let folder: CommandFolder;
let container = "";
beforeAll(async () => {
  folder = new CommandFolder();
  container = folder.write("readings.2024.avro", await asAvro(READINGS, { schema: SCHEMA }));
});
afterAll(() => folder.remove());

async function runProfile(args: Partial<WriteProfilesArgs> & Pick<WriteProfilesArgs, "inputs">) {
  const out = args.out ?? folder.newOutput();
  const run = await runCommand((io) => writeProfiles({ window: "1d", json: false, out, ...args }, io));
  return { ...run, out, files: existsSync(out) ? readdirSync(out).sort() : [] };
}

/** Records of a `.profile` as avsc reads them. */
async function readRecords(path: string): Promise<Row[]> {
  const records: Row[] = [];
  for await (const record of avsc.createFileDecoder(path)) records.push({ ...(record as Row) });
  return records;
}

/** Those of fields, by field. */
async function readByField(path: string): Promise<Map<string, Row>> {
  const records = await readRecords(path);
  return new Map(records.filter(({ field }) => field !== "").map((record) => [record.field as string, record]));
}

/** Character classes of the notes and tags of `READINGS`. */
function patternOf(text: string): string {
  return text
    .replace(/é+/g, "é")
    .replace(/[a-z]+/g, "a")
    .replace(/[0-9]+/g, "9");
}

function counted(keys: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

const ABSENT = {
  min: null,
  max: null,
  mean: null,
  stddev: null,
  lengthMin: null,
  lengthMax: null,
  lengthMean: null,
  lengthStddev: null,
};
const NONE = { nulls: 0, missing: 0, nan: 0, posInfinity: 0, negInfinity: 0, zero: 0, negative: 0, empty: 0, true: 0 };

/** What a window's profile must hold of each field, counted the slow way from what the counters mean. */
function expectedFields(readings: readonly Reading[]): Record<string, Row> {
  const scores = readings.flatMap(({ score }) => (score === null ? [] : [score]));
  const finite = scores.filter(Number.isFinite);
  const notes = readings.flatMap(({ note }) => (note === null ? [] : [note]));
  const tags = readings.flatMap((reading) => reading.tags);
  const cities = readings.flatMap(({ place }) => (place === null ? [] : [place.city]));
  const levels = readings.map(({ level }) => level);
  const rows = readings.length;
  const times = readings.map(({ at }) => at);
  return {
    at: { ...ABSENT, ...NONE, type: "timestamp", values: rows, ...spread(times), distinct: new Set(times).size },
    score: {
      ...ABSENT,
      ...NONE,
      type: "double",
      values: scores.length,
      nulls: rows - scores.length,
      nan: scores.filter(Number.isNaN).length,
      posInfinity: scores.filter((score) => score === Number.POSITIVE_INFINITY).length,
      negInfinity: scores.filter((score) => score === Number.NEGATIVE_INFINITY).length,
      zero: scores.filter((score) => score === 0).length,
      negative: finite.filter((score) => score < 0).length,
      ...spread(finite),
    },
    level: {
      ...ABSENT,
      ...NONE,
      type: "int",
      values: rows,
      zero: levels.filter((level) => level === 0).length,
      negative: levels.filter((level) => level < 0).length,
      ...spread(levels),
      distinct: new Set(levels).size,
    },
    note: { ...ABSENT, ...NONE, type: "string", values: notes.length, nulls: rows - notes.length, ...lengths(notes) },
    ok: { ...ABSENT, ...NONE, type: "boolean", values: rows, true: readings.filter(({ ok }) => ok).length },
    tags: { ...ABSENT, ...NONE, type: "array", values: rows, ...lengths(readings.map((reading) => reading.tags)) },
    "tags[]": {
      ...ABSENT,
      ...NONE,
      type: "string",
      values: tags.length,
      ...lengths(tags),
      distinct: new Set(tags).size,
    },
    "place.city": {
      ...ABSENT,
      ...NONE,
      type: "string",
      values: cities.length,
      missing: rows - cities.length,
      ...lengths(cities),
      distinct: new Set(cities).size,
    },
  };
}

function spread(values: readonly number[]): Row {
  return { min: Math.min(...values), max: Math.max(...values), mean: mean(values), stddev: deviation(values) };
}

function lengths(values: readonly (string | readonly unknown[])[]): Row {
  const sizes = values.map((value) => (typeof value === "string" ? [...value].length : value.length));
  return {
    empty: sizes.filter((size) => size === 0).length,
    lengthMin: Math.min(...sizes),
    lengthMax: Math.max(...sizes),
    lengthMean: mean(sizes),
    lengthStddev: deviation(sizes),
  };
}

/** Exact, but for means and deviations, which are sums in another order. */
function expectRecord(record: Row | undefined, expected: Row, field: string): void {
  for (const [name, value] of Object.entries(expected)) {
    const found = record?.[name];
    if (typeof value === "number" && /mean|stddev/i.test(name)) {
      expect(Math.abs(Number(found) - value), `${field} ${name}`).toBeLessThanOrEqual(
        1e-9 * Math.max(1, Math.abs(value)),
      );
    } else expect(found, `${field} ${name}`).toBe(value);
  }
}

describe("writeProfiles()", () => {
  test("writes one .profile per window, and avsc reads from each what brute force counts", async () => {
    const run = await runProfile({ inputs: [container], timeField: "at" });
    expect(run).toMatchObject({ exitCode: 0, error: undefined, stderr: [] });
    expect(run.stdout).toEqual([`3,000 events, ${DAYS} profiles in ${run.out}`]);
    const starts = Array.from({ length: DAYS }, (_, day) => START_MS + day * DAY_MS);
    const name = (startMs: number) => `readings.${new Date(startMs).toISOString().replaceAll(":", "-")}.profile`;
    expect(run.files).toEqual(starts.map(name));
    for (const startMs of starts) {
      const records = await readByField(join(run.out, name(startMs)));
      const inside = READINGS.filter(({ at }) => at >= startMs && at < startMs + DAY_MS);
      const expected = expectedFields(inside);
      expect([...records.keys()].sort()).toEqual(Object.keys(expected).sort());
      for (const [field, figures] of Object.entries(expected)) {
        expectRecord(
          records.get(field),
          {
            dataset: "readings",
            slice: "all",
            field,
            windowStart: startMs,
            windowEnd: startMs + DAY_MS,
            revision: 0,
            ...figures,
          },
          field,
        );
      }
      // The oracle is not blind: with one event less it disagrees in every counter that the event touched.
      const fewer = expectedFields(inside.slice(1));
      expect(() => expectRecord(records.get("level"), fewer.level ?? {}, "level")).toThrow();
    }
  });

  test("counts the patterns of texts, and which fields are absent together", async () => {
    const { out } = await runProfile({ inputs: [container] });
    const records = await readRecords(join(out, "readings.all.profile"));
    const [events] = records;
    expect(events).toMatchObject({ field: "", type: "event", values: READINGS.length, patterns: null, kll: null });
    const absent = READINGS.map(({ score, note, place }) =>
      [note === null && "note", place === null && "place.city", score === null && "score"].filter(Boolean).join(),
    );
    const nullPatterns = events?.nullPatterns as { absent: string[]; count: number; hash: string }[];
    const told = nullPatterns.map(({ absent: names, count }): [string, number] => [[...names].sort().join(), count]);
    expect(told.sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))).toEqual(counted(absent));
    expect(nullPatterns.find(({ absent: names }) => names.length === 0)?.hash).toBe("0".repeat(16));
    const notes = READINGS.flatMap(({ note }) => (note === null ? [] : [note]));
    const byField = new Map(records.map((record) => [record.field, record.patterns]));
    const patterns = (byField.get("note") as { pattern: string; count: number }[]).map(
      ({ pattern, count }): [string, number] => [pattern, count],
    );
    expect(patterns.sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))).toEqual(counted(notes.map(patternOf)));
    expect([byField.get("tags[]"), byField.get("score")]).toEqual([
      [{ pattern: patternOf("t1"), count: READINGS.flatMap(({ tags }) => tags).length }],
      null,
    ]);
  });

  test("writes the same bytes twice, and never leaves a .part", async () => {
    const first = await runProfile({ inputs: [container], timeField: "at", window: "6h" });
    const second = await runProfile({ inputs: [container], timeField: "at", window: "6h" });
    expect(first.files).toHaveLength(DAYS * 4);
    expect(second.files).toEqual(first.files);
    for (const name of first.files) {
      expect(readFileSync(join(second.out, name)).equals(readFileSync(join(first.out, name))), name).toBe(true);
    }
  });

  test("without --time-field writes one window of everything", async () => {
    const run = await runProfile({ inputs: [container] });
    // Nobody asked for a time, so that there is none is no news.
    expect(run.stderr).toEqual([]);
    expect(run.files).toEqual(["readings.all.profile"]);
    const records = await readByField(join(run.out, "readings.all.profile"));
    for (const [field, figures] of Object.entries(expectedFields(READINGS))) {
      expectRecord(records.get(field), figures, field);
    }
  });

  test("merges several inputs into the same windows, and names them after the first", async () => {
    const trips = makeTrips({ seed: 72, count: 1200, everyMs: 6 * 60_000 });
    const whole = await runProfile({ inputs: [folder.write("trips.csv", asCsv(trips))], timeField: "at" });
    const halves = [0, 1].map((rest) => trips.filter((_, index) => index % 2 === rest));
    const parts = [
      folder.write("trips.1.csv", asCsv(halves[0] ?? [])),
      folder.write("more.csv.gz", asCsv(halves[1] ?? [])),
    ];
    const merged = await runProfile({ inputs: parts, timeField: "at" });
    expect(merged.files).toEqual(whole.files);
    for (const name of whole.files) {
      const expected = await readByField(join(whole.out, name));
      expect(await readByField(join(merged.out, name))).toEqual(expected);
    }
  });

  test("keeps the last revision of a window that late events changed", async () => {
    const trips = makeTrips({ seed: 73, count: 24_000, everyMs: 60_000 });
    const late = makeTrips({ seed: 74, count: 5, everyMs: 60_000, startMs: START_MS + 11 * DAY_MS });
    const inputs = [folder.write("trips.csv", asCsv([...trips.slice(0, 21_500), ...late, ...trips.slice(21_500)]))];
    const run = await runProfile({ inputs, timeField: "at" });
    expect(run.stderr).toEqual([expect.stringContaining("not in time order: 5 of 24005 events")]);
    const day = new Date(START_MS + 11 * DAY_MS).toISOString().replaceAll(":", "-");
    const records = await readByField(join(run.out, `trips.${day}.profile`));
    expect(records.get("seats")).toMatchObject({ revision: 1, values: 1445 });
  });

  test("with --json prints the files as one object", async () => {
    const run = await runProfile({ inputs: [container], timeField: "at", json: true });
    expect(run.stdout).toHaveLength(1);
    const files = run.files.map((name) => join(run.out, name));
    expect(JSON.parse(run.stdout[0] ?? "")).toEqual({ events: 3000, files });
  });

  test("says what is wrong with its arguments and its inputs, and writes nothing", async () => {
    const cases = [
      [
        { inputs: [container], timeField: "at", window: "1 day" },
        "SG_CONFIG",
        /^--window: expected whole minutes, .* got "1 day"$/,
      ],
      [{ inputs: [container], timeField: "at", window: "30s" }, "SG_CONFIG", /^--window: /],
      [{ inputs: [container], timeField: "when" }, "SG_INPUT", /readings\.2024\.avro.*when/],
      [{ inputs: [join(folder.path, "gone.csv")] }, "SG_INPUT", /gone\.csv: there is no such file$/],
      [{ inputs: [folder.write("bad.csv", "a,b\n1\n")] }, "SG_INPUT", /bad\.csv:2: expected 2 cells, found 1$/],
    ] as const;
    for (const [args, code, said] of cases) {
      const run = await runProfile(args);
      expect(failureOf(run).code).toBe(code);
      expect(failureOf(run).message).toMatch(said);
      expect(run.exitCode).toBe(EXIT_CODES.configuration);
      expect([run.stdout, run.files]).toEqual([[], []]);
    }
    const taken = await runCommand((io) =>
      writeProfiles({ inputs: [container], out: container, window: "1d", json: false }, io),
    );
    expect(failureOf(taken)).toEqual({
      code: "SG_CONFIG",
      message: `--out: cannot make the directory ${container}: a file is in its place`,
    });
  });
});

describe("showProfile()", () => {
  const day = () => `readings.${new Date(START_MS).toISOString().replaceAll(":", "-")}.profile`;
  const show = (file: string, json = false) => runCommand((io) => showProfile({ file, json }, io));

  test("prints a table with one line per field", async () => {
    const { out } = await runProfile({ inputs: [container], timeField: "at" });
    const { stdout, exitCode } = await show(join(out, day()));
    expect(exitCode).toBe(0);
    const inside = READINGS.filter(({ at }) => at < START_MS + DAY_MS);
    const expected = expectedFields(inside);
    expect(stdout[0]).toBe("readings · all · 2024-03-04T00:00:00.000Z to 2024-03-05T00:00:00.000Z");
    expect(stdout[1]?.split(/ {2,}/)).toEqual([
      "field",
      "type",
      "values",
      "null",
      "missing",
      "distinct",
      "min",
      "mean",
      "p50",
      "p99",
      "max",
      "s.d.",
      "length",
      "pattern",
      "top",
    ]);
    const names = Object.keys(expected).sort();
    expect(stdout.slice(2, 2 + names.length).map((line) => line.split(/ +/)[0])).toEqual(names);
    const together = stdout.slice(2 + names.length);
    const alone = inside.filter(({ note, score, place }) => note === null && score !== null && place !== null).length;
    expect(together).toContain(`  ${((alone / inside.length) * 100).toFixed(1)} % without note`);
    expect(together.length).toBeGreaterThan(4);
    const level = stdout.find((line) => line.startsWith("level "))?.split(/ {2,}/);
    const { mean: center, stddev } = expected.level ?? {};
    const sorted = inside.map((reading) => reading.level).sort((a, b) => a - b);
    const short = (value: unknown) => String(Number(Number(value).toPrecision(6)));
    expect(level).toEqual([
      "level",
      "int",
      String(inside.length),
      "0",
      "0",
      "9",
      "-3",
      short(center),
      String(sorted[Math.ceil(0.5 * sorted.length) - 1]),
      String(sorted[Math.ceil(0.99 * sorted.length) - 1]),
      "5",
      short(stddev),
      JSON.stringify(String(mostFrequent(sorted))),
    ]);
    const { missing = 0 } = expected["place.city"] ?? {};
    const share = `${((Number(missing) / inside.length) * 100).toFixed(1)} %`;
    expect(stdout.find((line) => line.startsWith("place.city "))?.split(/ {2,}/)[4]).toBe(share);
  });

  test("with --json prints every record as avsc reads it, sketches as base64", async () => {
    const { out } = await runProfile({ inputs: [container], timeField: "at" });
    const { stdout } = await show(join(out, day()), true);
    expect(stdout).toHaveLength(1);
    const expected = await readRecords(join(out, day()));
    const inBase64 = (_: string, value: unknown) =>
      (value as { type?: string } | null)?.type === "Buffer"
        ? Buffer.from((value as { data: number[] }).data).toString("base64")
        : value;
    expect(JSON.parse(stdout[0] ?? "")).toEqual(JSON.parse(JSON.stringify(expected), inBase64));
  });

  test("does not let names from a file act on the terminal", async () => {
    const { out } = await runProfile({ inputs: [container], timeField: "at" });
    const records = [...(await readByField(join(out, day()))).values()];
    const hostile = records.map((record) => ({ ...record, dataset: "a\u001b[2Jb", field: "c\u001b]0;x\u0007\nd" }));
    const { stdout } = await show(folder.write("hostile.profile", await asAvro(hostile, { schema: PROFILE_SCHEMA })));
    expect(stdout[0]).toMatch(/^a\\u001b\[2Jb · all · /);
    expect(stdout.slice(2).map((line) => line.split(/ +/)[0])).toEqual(
      records.map(() => "c\\u001b]0;x\\u0007\\u000ad"),
    );
  });

  test("refuses what is no .profile, naming the file", async () => {
    const { out } = await runProfile({ inputs: [container], timeField: "at" });
    const bytes = readFileSync(join(out, day()));
    const damaged = Buffer.from(bytes);
    // Behind the marker that ends the header, and the sizes of the block.
    const block = bytes.indexOf("streamgaugeprofi") + 24;
    damaged.fill(0xff, block, block + 40);
    const cases: readonly (readonly [string, Uint8Array | undefined, RegExp])[] = [
      ["gone.profile", undefined, /: there is no such file$/],
      ["text.profile", Buffer.from("not a profile"), /: it is not an Avro container: /],
      ["empty.profile", Buffer.alloc(0), /: it is not an Avro container: /],
      ["readings.profile", readFileSync(container), /: it is not a \.profile file of this version$/],
      [
        "half.profile",
        bytes.subarray(0, bytes.length - 20),
        / \(block 1, byte \d+\): the file is cut off at byte \d+$/,
      ],
      ["damaged.profile", damaged, / \(block 1, byte \d+\): cannot unpack: /],
    ];
    for (const [name, content, said] of cases) {
      const path = join(folder.path, name);
      if (content !== undefined) writeFileSync(path, content);
      const run = await show(path);
      expect(failureOf(run).code, name).toBe("SG_INPUT");
      expect(failureOf(run).message.startsWith(`Cannot read ${path}`), name).toBe(true);
      expect(failureOf(run).message, name).toMatch(said);
      expect(run.stdout, name).toEqual([]);
    }
    expect(failureOf(await show(out)).message).toBe(`Cannot read ${out}: it is not a file`);
  });

  test("refuses a damaged sketch, naming the file, the field and the byte", async () => {
    const { out } = await runProfile({ inputs: [container], timeField: "at" });
    for (const [sketch, byte, said] of [
      ["kll", 2, "kll: Cannot read sketch: byte 2: family 14, expected 15"],
      ["hll", 3, "hll: Cannot read sketch: byte 3: lgK 13, expected 12"],
      ["frequentItems", 1, "frequentItems: Cannot read sketch: byte 1: serial version 0, expected 1"],
    ] as const) {
      const records = [...(await readByField(join(out, day()))).values()];
      const level = records.find(({ field }) => field === "level")!;
      (level[sketch] as Buffer)[byte]! ^= 1;
      const path = folder.write("sketch.profile", await asAvro(records, { schema: PROFILE_SCHEMA }));
      const run = await show(path);
      expect(failureOf(run)).toEqual({ code: "SG_INPUT", message: `Cannot read ${path}: field level: ${said}` });
      expect(run.exitCode).toBe(EXIT_CODES.configuration);
    }
  });

  test("never runs code that a schema in the file asks for", async () => {
    const schema = {
      type: "record",
      name: "FieldProfile",
      namespace: "streamgauge",
      fields: [{ name: "field", type: "string" }],
    };
    const path = folder.write("crafted.profile", await asAvro([{ field: "x" }], { schema }));
    expect(failureOf(await show(path)).message).toBe(`Cannot read ${path}: it is not a .profile file of this version`);
  });

  test("a file without events has no window; one of events without fields has one, and says so", async () => {
    const nothing = await runProfile({ inputs: [folder.write("nothing.csv", "a,b\n")] });
    expect([nothing.stdout, nothing.files]).toEqual([[`0 events, 0 profiles in ${nothing.out}`], []]);
    const { out, files } = await runProfile({ inputs: [folder.write("bare.jsonl", "{}\n{}\n")] });
    expect(files).toEqual(["bare.all.profile"]);
    const path = join(out, "bare.all.profile");
    expect(await readRecords(path)).toMatchObject([
      { field: "", values: 2, nullPatterns: [{ hash: "0".repeat(16), absent: [], count: 2 }] },
    ]);
    expect((await show(path)).stdout).toEqual([`${path}: a window without fields`]);
  });
});
