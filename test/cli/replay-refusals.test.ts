/** `replay()` of files that are cut or damaged, and of schemas that Avro forbids: an error with the place, and no output. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import avsc from "avsc";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXIT_CODES } from "../../src/core/errors.ts";
import { CommandFolder, failureOf, type ReplayRun, runReplay } from "./cli-kit.ts";
import { asAvro, asCsv, asJsonLines, makeTrips, rawContainer, TRIP_SCHEMA } from "./trips.ts";

/** Enough for several blocks of the log: the run is under way when a damaged place near the end is reached. */
const TRIPS = makeTrips({ seed: 61, count: 9000, everyMs: 300_000 });
const CONFIG = `
datasets:
  - topic: trips
    time: { field: at }
    windows: { sizes: [1d] }
    quarantine: { topic: trips.refused }
`;

let folder: CommandFolder;
beforeAll(() => {
  folder = new CommandFolder();
});
afterAll(() => folder.remove());

/** Writes bytes as they are, also under a name that ends in `.gz`. */
function writeRaw(name: string, bytes: Uint8Array): string {
  const path = join(folder.path, name);
  writeFileSync(path, bytes);
  return path;
}

function cut(bytes: Uint8Array, share: number): Uint8Array {
  return bytes.subarray(0, Math.floor(bytes.length * share));
}

/** The message of an `SG_INPUT` without the path of the folder; exit code 2 and nothing in `--out` are part of it. */
function refusal(run: ReplayRun): string {
  const { code, message } = failureOf(run);
  expect([code, run.exitCode]).toEqual(["SG_INPUT", EXIT_CODES.configuration]);
  expect(Object.keys(run.files)).toEqual([]);
  return message.replaceAll(`${folder.path}/`, "");
}

describe("replay() of a file that was cut", () => {
  test("an Avro container inside a block: names the block and the byte", async () => {
    const whole = await asAvro(TRIPS);
    for (const share of [0.5, 0.99]) {
      const run = await runReplay(folder, CONFIG, [writeRaw("trips.avro", cut(whole, share))]);
      expect(refusal(run)).toMatch(
        /^Cannot read trips\.avro \(block \d+, byte \d+\): the file is cut off at byte \d+$/,
      );
      expect(refusal(run)).toContain(`cut off at byte ${Math.floor(whole.length * share)}`);
    }
    const header = await runReplay(folder, CONFIG, [writeRaw("trips.avro", whole.subarray(0, 100))]);
    expect(refusal(header)).toMatch(/^Cannot read trips\.avro \(header, byte \d+\): the file is cut off$/);
  });

  test("a CSV file inside a row: names the line", async () => {
    const lines = asCsv(TRIPS).split("\n").slice(0, 4501);
    const text = `${lines.join("\n")}\n2024-03-20T`;
    const run = await runReplay(folder, CONFIG, [folder.write("trips.csv", text)]);
    expect(refusal(run)).toBe("Cannot read trips.csv:4502: expected 4 cells, found 1");
  });

  test("JSON lines inside an object: names the line", async () => {
    const text = asJsonLines(TRIPS);
    const end = text.indexOf("\n", text.length / 2) - 5;
    const run = await runReplay(folder, CONFIG, [folder.write("trips.jsonl", text.slice(0, end))]);
    expect(refusal(run)).toBe(`Cannot read trips.jsonl:${text.slice(0, end).split("\n").length}: it is not JSON`);
  });

  test.each(["trips.avro.gz", "trips.csv.gz", "trips.jsonl.gz"])("%s: says that the gzip ends early", async (name) => {
    const contents = { avro: await asAvro(TRIPS), csv: asCsv(TRIPS), jsonl: asJsonLines(TRIPS) };
    const packed = gzipSync(contents[name.split(".")[1] as keyof typeof contents]);
    const run = await runReplay(folder, CONFIG, [writeRaw(name, cut(packed, 0.6))]);
    expect(refusal(run)).toMatch(
      new RegExp(`^Cannot read ${name} \\(byte \\d+ of its content\\): gzip: unexpected end of file$`),
    );
  });
});

describe("replay() of a file that is damaged inside", () => {
  test("finds the block while it runs, and leaves nothing in --out", async () => {
    const bytes = await asAvro(TRIPS, { codec: "deflate" });
    // Inside the data of a late block: its frame and its sync marker are whole, so opening the file cannot notice.
    bytes.fill(0xff, Math.floor(bytes.length * 0.95), Math.floor(bytes.length * 0.95) + 30);
    const out = folder.newOutput();
    const run = await runReplay(folder, CONFIG, [writeRaw("trips.avro", bytes)], { out });
    expect(refusal(run)).toMatch(/^Cannot read trips\.avro \(block \d+, byte \d+\): /);
    expect(run.stdout).toEqual([]);
  });

  test("keeps the files of an earlier run as they were", async () => {
    const good = await runReplay(folder, CONFIG, [folder.write("trips.csv", asCsv(TRIPS))]);
    expect(Object.keys(good.files)).toEqual(["alerts.jsonl", "metrics.jsonl", "verdicts.jsonl"]);
    const bytes = await asAvro(TRIPS);
    bytes.fill(0xff, Math.floor(bytes.length * 0.95), Math.floor(bytes.length * 0.95) + 30);
    const run = await runReplay(folder, CONFIG, [writeRaw("trips.avro", bytes)], { out: good.out });
    expect(failureOf(run).code).toBe("SG_INPUT");
    expect(run.files).toEqual(good.files);
  });

  test("refuses one bad file among good ones before anything is read", async () => {
    const inputs = [folder.write("a.csv", asCsv(TRIPS)), writeRaw("b.avro", cut(await asAvro(TRIPS), 0.7))];
    const run = await runReplay(folder, CONFIG, inputs);
    expect(refusal(run)).toMatch(/^Cannot read b\.avro \(block/);
    expect(existsSync(run.out)).toBe(false);
  });

  test.each([
    ["gone.csv", undefined, "Cannot read gone.csv: there is no such file"],
    ["trips.txt", "x", /^Cannot read trips\.txt: its name has to end in \.avro, \.jsonl, /],
    [
      "trips.avro",
      "at,fare\n",
      "Cannot read trips.avro: it is not an Avro container: it does not begin with Obj and 1",
    ],
    ["trips.csv", "", "Cannot read trips.csv:1: there is no header"],
    ["trips.csv", 'at,fare\n"2024-03-04,1\n', "Cannot read trips.csv:2:1: a quote is never closed"],
    ["trips.csv", "at,at\n", 'Cannot read trips.csv:1:4: two columns are called "at"'],
    ["trips.csv", "at,fare\n2024-03-04,1,2\n", "Cannot read trips.csv:2: expected 2 cells, found 3"],
    [
      "trips.jsonl",
      '{"at":"2024-03-04"}\n[]\n',
      "Cannot read trips.jsonl:2: expected one object per line, found a list",
    ],
  ])("%s holding %j is refused with its place", async (name, content, message) => {
    const path = content === undefined ? join(folder.path, name) : folder.write(name, content);
    const said = refusal(await runReplay(folder, CONFIG, [path]));
    if (typeof message === "string") expect(said).toBe(message);
    else expect(said).toMatch(message);
  });
});

const HEADER = "at,fare,seats";
/** Days of a month, a row an hour. */
const ROWS = Array.from(
  { length: 72 },
  (_, i) =>
    `2024-03-${String(4 + Math.floor(i / 24)).padStart(2, "0")}T${String(i % 24).padStart(2, "0")}:00:00Z,${10 + i / 10},2`,
);

/** The table with row 10 (line 11) changed. */
function csvWith(change: (row: string) => string): string {
  return `${[HEADER, ...ROWS.map((row, i) => (i === 9 ? change(row) : row))].join("\n")}\n`;
}

describe("replay() of a CSV file that is none, or not what it should be", () => {
  const PNG = Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1");
  test.each<readonly [what: string, content: string | Uint8Array, said: string]>([
    ["a picture", PNG, "Cannot read trips.csv:1: it is not UTF-8 text: expected CSV"],
    ["zeros", new Uint8Array(5_000), "Cannot read trips.csv:1: it is not UTF-8 text: expected CSV"],
    [
      "Latin-1",
      Buffer.from(csvWith((row) => row).replace("fare", "prix é"), "latin1"),
      "Cannot read trips.csv:1: it is not UTF-8 text: expected CSV",
    ],
    [
      "UTF-16",
      Buffer.from(`\ufeff${csvWith((row) => row)}`, "utf16le"),
      "Cannot read trips.csv: it is UTF-16: convert it to UTF-8",
    ],
    [
      "lines that end with CR",
      csvWith((row) => row).replaceAll("\n", "\r"),
      "Cannot read trips.csv:1: its lines end with CR: expected LF or CRLF",
    ],
    [
      "a row with a cell too few",
      csvWith(() => "2024-03-04T09:00:00Z,1"),
      "Cannot read trips.csv:11: expected 3 cells, found 2",
    ],
    [
      "a number with a comma that nobody quoted",
      csvWith(() => "2024-03-04T09:00:00Z,1,234.5,2"),
      "Cannot read trips.csv:11: expected 3 cells, found 4",
    ],
    [
      "other separators",
      csvWith((row) => row).replaceAll(",", ";"),
      "Cannot read trips.csv:1: the header has no comma, and only commas separate cells",
    ],
    ["a column without a name", "at,,seats\n", "Cannot read trips.csv:1:4: column 2 has no name"],
    ["blank lines", "\n\n\n", "Cannot read trips.csv:1: there is no header"],
    ["no time", "day,fare\n2024-03-04,1\n", "Cannot read trips.csv: it has no event time at, only day, fare"],
    [
      "100,000 columns",
      `at,${Array.from({ length: 100_000 }, (_, i) => `m${i}`).join(",")}\n`,
      "Cannot read trips.csv:1:58888: a row has more than 10000 cells",
    ],
    [
      "a row without an end",
      csvWith((row) => row.replace("Z,", `Z,"${"x".repeat(17 << 20)}`)),
      "Cannot read trips.csv:11: the row has no end within 16 MB: is a quote left open?",
    ],
  ])("%s is refused with its place", async (_what, content, said) => {
    const run = await runReplay(folder, CONFIG, [folder.write("trips.csv", content)]);
    expect(refusal(run)).toBe(said);
  });

  test("a header alone is a recording of no events", async () => {
    const run = await runReplay(folder, CONFIG, [folder.write("trips.csv", `${HEADER}\n`)]);
    expect(run.error).toBeUndefined();
    expect(run.stdout[0]).toMatch(/^0 events, 0 incidents/);
    expect(run.metrics).toEqual([]);
  });

  test.each([
    [
      "a word among numbers",
      (row: string) => row.replace(/,2$/, ",two"),
      ['trips.csv:11:27: column "seats" is text because'],
    ],
    [
      "a number with a comma",
      (row: string) => row.replace(/,2$/, ',"1,234.5"'),
      ['trips.csv:11:28: column "seats" is text'],
    ],
    [
      "a cell of 10 MB of digits",
      (row: string) => row.replace(/,2$/, `,${"9".repeat(10_000_000)}`),
      ["trips.csv:11:27: column"],
    ],
    [
      "a time of another form",
      (row: string) => `04/03/2024${row.slice(20)}`,
      [
        'trips.csv:11:1: column "at" is text because of this cell: the 9 rows above it hold times, or nothing',
        "trips.csv: 1 of 72 events have no event time, the first at line 11",
      ],
    ],
    [
      "a time that goes back",
      (row: string) => `2024-03-03${row.slice(10)}`,
      ["trips.csv: not in time order: 1 of 72 events are older than time.lateness allows, the first at line 11"],
    ],
    ["a time that stands twice", (row: string) => row.replace("T09", "T08"), []],
    ["numbers that are none, and none that is a number", (row: string) => row.replace(/,[^,]*,2$/, ",NaN,"), []],
    ["1e308, and less than nothing", (row: string) => row.replace(/,[^,]*,2$/, ",1e308,-2"), []],
    ["1e400, which is infinity", (row: string) => row.replace(/,[^,]*,2$/, ",1e400,2"), []],
    ["all cells empty but the time", (row: string) => row.replace(/,.*$/, ",,"), []],
  ])("%s: every event is counted, and what has to be known is said", async (_what, change, notes) => {
    const run = await runReplay(folder, CONFIG, [folder.write("trips.csv", csvWith(change))]);
    expect(run.error).toBeUndefined();
    const said = run.stderr.map((line) => line.replaceAll(`${folder.path}/`, ""));
    expect(said).toHaveLength(notes.length);
    for (const [i, note] of notes.entries()) expect(said[i]!.startsWith(note), said[i]).toBe(true);
    const all = run.metrics.filter(({ slice }) => slice === "all");
    expect(all.reduce((sum, { counts }) => sum + counts.consumed, 0)).toBe(72);
    const infinities = all.reduce((sum, { metrics, counts }) => {
      return sum + Math.round(((metrics["infinity_rate(fare)"] as number | null) ?? 0) * counts.valid);
    }, 0);
    expect(infinities).toBe(_what.startsWith("1e400") ? 1 : 0);
  });

  test("a column without a value in any row, a byte order mark, CRLF and gaps in time are nothing to speak of", async () => {
    const rows = ROWS.filter((_, i) => i < 20 || i > 60).map((row) => `${row},`);
    const run = await runReplay(folder, CONFIG, [
      folder.write("trips.csv", `\ufeff${[`${HEADER},empty`, ...rows].join("\r\n")}\r\n`),
    ]);
    expect([run.error, run.stderr]).toEqual([undefined, []]);
    const [first] = run.metrics;
    expect(first!.counts.consumed).toBe(20);
    expect(first!.metrics["null_rate(empty)"]).toBe(1);
  });
});

/** What Avro forbids, each as a change of a good schema, and what has to be said of it. */
const FORBIDDEN: readonly (readonly [what: string, change: (schema: SchemaJson) => void, said: string])[] = [
  [
    "a default of another type",
    ({ fields }) => void Object.assign(fields[2]!, { default: "x" }),
    "fields[2].default: does not fit the type int",
  ],
  ["a field twice", ({ fields }) => void fields.push(fields[2]!), 'fields[4]: second field "seats" in the record'],
  [
    "aliases that are no list",
    (schema) => void Object.assign(schema, { aliases: "x" }),
    "aliases: expected an array of names",
  ],
  [
    "an unknown order",
    ({ fields }) => void Object.assign(fields[2]!, { order: "up" }),
    'fields[2].order: expected "ascending", "descending" or "ignore", got "up"',
  ],
  [
    "the name of a primitive type",
    (schema) => void Object.assign(schema, { name: "string" }),
    'name: "string" is the name of a primitive type',
  ],
  [
    "a union in a union",
    ({ fields }) => void Object.assign(fields[1]!, { type: ["null", ["double"]] }),
    "fields[1].type[1]: a union directly inside a union",
  ],
  [
    "an undefined type",
    ({ fields }) => void Object.assign(fields[2]!, { type: "number" }),
    'fields[2].type: undefined type "number"',
  ],
  [
    "an enum default that is no symbol",
    ({ fields }) =>
      void Object.assign(fields[3]!, {
        type: { type: "enum", name: "O", symbols: ["EWR", "JFK", "LGA"], default: "ORD" },
      }),
    'fields[3].type.default: "ORD" is none of the symbols',
  ],
];

interface SchemaJson {
  fields: Record<string, unknown>[];
}

function forbidden(change: (schema: SchemaJson) => void): string {
  const schema = structuredClone(TRIP_SCHEMA) as SchemaJson;
  change(schema);
  return JSON.stringify(schema);
}

describe("replay() with a schema that Avro forbids", () => {
  test.each(FORBIDDEN)("%s in `schema:` is refused, naming file, dataset and place", async (_what, change, said) => {
    const config = `${CONFIG}    schema: ${JSON.stringify(forbidden(change))}\n`;
    for (const [name, content] of [
      ["trips.csv", asCsv(TRIPS.slice(0, 10))],
      ["trips.jsonl", asJsonLines(TRIPS.slice(0, 10))],
    ] as const) {
      const run = await runReplay(folder, config, [folder.write(name, content)]);
      expect(failureOf(run)).toEqual({
        code: "SG_CONFIG",
        message: expect.stringMatching(/^.*\.yaml:\d+:\d+ datasets\[0\]\.schema: the schema cannot be used: /m),
      });
      expect(run.error).toMatchObject({ message: expect.stringContaining(`cannot be used: ${said}`) });
      expect(run.exitCode).toBe(EXIT_CODES.configuration);
      expect(Object.keys(run.files)).toEqual([]);
    }
  });

  test.each(FORBIDDEN)("%s in a container's header is refused, naming the file", async (_what, change) => {
    const type = avsc.Type.forSchema(TRIP_SCHEMA as avsc.Schema);
    const bytes = rawContainer(
      forbidden(change),
      TRIPS.slice(0, 10).map((trip) => type.toBuffer(trip)),
    );
    const run = await runReplay(folder, CONFIG, [folder.write("trips.avro", bytes)]);
    expect(refusal(run)).toMatch(/^Cannot read trips\.avro(?: \(header\))?: /);
    expect(run.error).toMatchObject({ message: expect.stringMatching(/schema/) });
  });

  test("in a file beside the configuration names dataset and place, too", async () => {
    folder.write(
      "trip.avsc",
      forbidden(({ fields }) => void Object.assign(fields[2]!, { default: 1.5 })),
    );
    const run = await runReplay(folder, `${CONFIG}    schema: trip.avsc\n`, [
      folder.write("trips.csv", asCsv(TRIPS.slice(0, 10))),
    ]);
    expect(failureOf(run)).toEqual({
      code: "SG_CONFIG",
      message: expect.stringMatching(
        /:\d+:\d+ datasets\[0\]\.schema: the schema file "trip\.avsc" cannot be used: fields\[2\]\.default: does not fit the type int$/m,
      ),
    });
  });

  test("the same container with the good schema is read", async () => {
    const type = avsc.Type.forSchema(TRIP_SCHEMA as avsc.Schema);
    const bytes = rawContainer(
      JSON.stringify(TRIP_SCHEMA),
      TRIPS.map((trip) => type.toBuffer(trip)),
    );
    const run = await runReplay(folder, CONFIG, [folder.write("trips.avro", bytes)]);
    const same = await runReplay(folder, CONFIG, [folder.write("trips.avro", await asAvro(TRIPS))]);
    expect(run.error).toBeUndefined();
    expect(run.files).toEqual(same.files);
    expect(readFileSync(join(run.out, "metrics.jsonl"), "utf8")).toContain('"undecodable":0');
  });
});

describe("replay() with a quarantine topic", () => {
  test("gives the same files as without, with refused events among them", async () => {
    const bad = '{"seats":1,"origin":"EWR"}\n';
    const lines = asJsonLines(TRIPS).replace(/\n/g, (_, at: number) => (at % 97 === 0 ? `\n${bad}` : "\n"));
    const input = folder.write("trips.jsonl", lines);
    const withTopic = await runReplay(folder, CONFIG, [input]);
    const without = await runReplay(folder, CONFIG.replace(/ +quarantine.*\n/, ""), [input]);
    expect(withTopic.error).toBeUndefined();
    const invalid = withTopic.metrics.reduce((sum, { counts }) => sum + counts.invalid, 0);
    expect(invalid).toBe(lines.split(bad).length - 1);
    expect(invalid).toBeGreaterThan(20);
    expect(withTopic.files).toEqual(without.files);
  });

  test("may be the same for two datasets", async () => {
    const config = `${CONFIG}  - { topic: rides, time: { field: at }, windows: { sizes: [1d] }, quarantine: { topic: trips.refused } }\n`;
    const inputs = [folder.write("trips.csv", asCsv(TRIPS)), folder.write("rides.csv", asCsv(TRIPS))];
    const run = await runReplay(folder, config, inputs);
    expect(run.error).toBeUndefined();
    expect(new Set(run.metrics.map(({ dataset }) => dataset))).toEqual(new Set(["trips", "rides"]));
  });
});
