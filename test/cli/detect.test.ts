import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DetectArgs, detect } from "../../src/cli/detect.ts";
import { METRIC_COLUMNS_MAX } from "../../src/cli/metric-csv.ts";
import { EXIT_CODES } from "../../src/core/errors.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { CommandFolder, failureOf, runCommand } from "./cli-kit.ts";

interface DetectLine {
  readonly time: string;
  readonly score: number | null;
  readonly pValue: number | null;
  readonly severity: string | null;
  readonly alarm: boolean;
  readonly causes: readonly {
    readonly metric: string;
    readonly share: number;
    readonly observed: number | null;
    readonly expected: number;
    readonly low: number;
    readonly high: number;
  }[];
}

const DAYS = 180;
/** Two seasons of 7 that start the models, and 23 rows that scale them. */
const WARMUP = 37;
const SPIKE = 120;
const NAMES = ["row_count()", "mean(fare)", "null rate, in %"] as const;

/** A week whose Saturdays and Sundays differ much more than the noise does. */
function day(index: number): number[] {
  const random = new SeededRandom(7_000 + index * 7_919);
  const noise = () => random.next() + random.next() + random.next() - 1.5;
  const weekend = index % 7 >= 5;
  return [(weekend ? 400 : 1000) + 12 * noise(), (weekend ? 25 : 14) + 0.4 * noise(), 2 + 0.3 * noise()];
}

const date = (index: number) => new Date(Date.UTC(2024, 0, 1) + index * 86_400_000).toISOString().slice(0, 10);

/** Rows of the days given, with the spike planted. */
function matrix(days: readonly number[], time: (index: number) => string = date): string[] {
  return days.map((index) => {
    const values = day(index).map((value) => value.toFixed(3));
    if (index === SPIKE) values[1] = "31";
    return [time(index), ...values].join(",");
  });
}

const HEADER = 'day,row_count(),mean(fare),"null rate, in %"';
const ALL_DAYS = Array.from({ length: DAYS }, (_, index) => index);
const file = (rows: readonly string[]) => `${[HEADER, ...rows].join("\n")}\n`;

let folder: CommandFolder;
beforeAll(() => {
  folder = new CommandFolder();
});
afterAll(() => folder.remove());

/** A rare budget, so that what alarms is what was planted. */
const RARELY = "1 per 1000";

async function runDetect(content: string | Uint8Array, more: Partial<DetectArgs> & { readonly name?: string } = {}) {
  const { name = "metrics.csv", ...args } = more;
  const path = folder.write(name, content);
  const run = await runCommand((io) => detect({ file: path, falseAlarms: RARELY, ...args }, io));
  return { ...run, path, lines: run.stdout.map((line) => JSON.parse(line) as DetectLine) };
}

describe("detect()", () => {
  test("prints one JSON line per row in order, with the time as it stands and nothing else", async () => {
    const run = await runDetect(file(matrix(ALL_DAYS)));
    expect(run).toMatchObject({ exitCode: 0, error: undefined, stderr: [] });
    expect(run.lines.map(({ time }) => time)).toEqual(ALL_DAYS.map(date));
    for (const line of run.lines) {
      expect(Object.keys(line)).toEqual(["time", "score", "pValue", "severity", "alarm", "causes"]);
      for (const cause of line.causes) {
        expect(Object.keys(cause)).toEqual(["metric", "share", "observed", "expected", "low", "high"]);
        expect(cause.low).toBeLessThanOrEqual(cause.expected);
        expect(cause.expected).toBeLessThanOrEqual(cause.high);
      }
    }
    expect((await runDetect(file(matrix(ALL_DAYS)))).stdout).toEqual(run.stdout);
  });

  test("is unknown, with a null score, while it warms up, and judges every row after", async () => {
    const { lines } = await runDetect(file(matrix(ALL_DAYS)));
    const unknown = { score: null, pValue: null, severity: null, alarm: false, causes: [] };
    for (const [index, { time, ...rest }] of lines.entries()) {
      if (index < WARMUP) expect(rest, time).toEqual(unknown);
      else expect(rest.score, time).toBeGreaterThan(0);
    }
  });

  test("finds the planted spike, its metric first among the causes, and alarms on no other row", async () => {
    const { lines } = await runDetect(file(matrix(ALL_DAYS)));
    expect(lines.filter(({ alarm }) => alarm).map(({ time }) => time)).toEqual([date(SPIKE)]);
    const spike = lines[SPIKE];
    expect(spike?.score).toBeGreaterThan(1);
    expect(spike?.severity).toMatch(/^P[123]$/);
    expect(spike?.causes.map(({ metric }) => metric).sort()).toEqual([...NAMES].sort());
    expect(spike?.causes[0]).toMatchObject({ metric: "mean(fare)", observed: 31 });
    expect(spike?.causes[0]?.share).toBeGreaterThan(0.9);
    expect(spike?.causes[0]?.high).toBeLessThan(31);
    // The data are what they seem: without the spike there is no alarm.
    const clean = await runDetect(file(matrix(ALL_DAYS)).replace(/,31,/, `,${day(SPIKE)[1]},`));
    expect(clean.lines.some(({ alarm }) => alarm)).toBe(false);
  });

  test("a gap in time advances the season: days that are left out do not shift the week", async () => {
    const days = ALL_DAYS.filter((index) => !(index >= 60 && index < 64) && index !== 90);
    const { lines } = await runDetect(file(matrix(days)));
    expect(lines).toHaveLength(DAYS - 5);
    expect(lines.filter(({ alarm }) => alarm).map(({ time }) => time)).toEqual([date(SPIKE)]);
    // Times that are no times only count rows, and then the same gap does shift it.
    const named = await runDetect(file(matrix(days, (index) => `day ${index}`)), { season: 7 });
    expect(named.lines.filter(({ alarm }) => alarm).length).toBeGreaterThan(2);
    expect(named.lines[0]?.time).toBe("day 0");
  });

  test("numbers, timestamps with zones and texts are echoed as they stand", async () => {
    const times: readonly ((index: number) => string)[] = [
      (index) => String(1_700_000_000 + 86_400 * index),
      (index) => `${date(index)}T00:00:00+02:00`,
      (index) => `${date(index)} 00:00`,
      (index) => `" ${date(index)}"`,
      (index) => `"row ${index}, ""quoted"""`,
    ];
    for (const time of times) {
      const { lines } = await runDetect(file(matrix(ALL_DAYS, time)), { season: 7 });
      const plain = (text: string) => (text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text);
      expect(lines.map((line) => line.time)).toEqual(ALL_DAYS.map((index) => plain(time(index))));
      expect(lines[SPIKE]).toMatchObject({ alarm: true });
    }
  });

  test.each(["", "NA", "nan", "null", "None", "  "])("a cell of %j is missing, not 0", async (cell) => {
    const rows = matrix(ALL_DAYS).map((row, index) => (index === 100 ? row.replace(/,[^,]*,/, `,${cell},`) : row));
    const { lines, error } = await runDetect(file(rows));
    expect(error).toBeUndefined();
    expect(lines[100]?.alarm).toBe(false);
    expect(lines[100]?.causes.map(({ metric }) => metric).sort()).toEqual(NAMES.slice(1).sort());
    const zero = await runDetect(file(rows).replace(`,${cell},`, ",0,"));
    expect(zero.lines[100]).toMatchObject({ alarm: true, causes: [{ metric: "row_count()", observed: 0 }, {}, {}] });
  });

  test("a column that is empty in every row says nothing, and the others are judged", async () => {
    const rows = matrix(ALL_DAYS).map((row) => row.replace(/,[^,]*$/, ","));
    const { lines } = await runDetect(file(rows));
    expect(lines.filter(({ alarm }) => alarm).map(({ time }) => time)).toEqual([date(SPIKE)]);
    expect(new Set(lines.flatMap(({ causes }) => causes.map(({ metric }) => metric)))).toEqual(
      new Set(NAMES.slice(0, 2)),
    );
  });

  test("reads .gz, a byte order mark, CRLF and blank lines, with the same result", async () => {
    const text = file(matrix(ALL_DAYS));
    const expected = (await runDetect(text)).stdout;
    expect((await runDetect(text, { name: "metrics.csv.gz" })).stdout).toEqual(expected);
    expect((await runDetect(`\ufeff${text}`)).stdout).toEqual(expected);
    expect((await runDetect(text.replaceAll("\n", "\r\n"))).stdout).toEqual(expected);
    expect((await runDetect(text.replaceAll("\n", "\n\n"))).stdout).toEqual(expected);
    expect((await runDetect(text.trimEnd())).stdout).toEqual(expected);
  });

  test("--season and --warmup are obeyed", async () => {
    const { lines } = await runDetect(file(matrix(ALL_DAYS)), { season: 7, warmup: 20 });
    expect(lines.findIndex(({ score }) => score !== null)).toBe(20);
    const flat = await runDetect(file(matrix(ALL_DAYS)), { season: 1 });
    expect(flat.lines[SPIKE]?.score).toBeLessThan(lines[SPIKE]?.score ?? 0);
  });

  test("three rows are enough to be read", async () => {
    const { lines } = await runDetect("t,a\n1,1\n2,1\n3,2\n");
    expect(lines.map(({ time, score }) => [time, score])).toEqual([
      ["1", null],
      ["2", null],
      ["3", null],
    ]);
  });

  test.each([1e39, -1e200, Number.MAX_VALUE])("a spike of %d is an alarm with a number for a score", async (value) => {
    for (const at of [5, 30, 70]) {
      const rows = matrix(ALL_DAYS).map((row, index) => (index === at ? row.replace(/,[^,]*,/, `,${value},`) : row));
      const { lines, error } = await runDetect(file(rows));
      expect(error).toBeUndefined();
      for (const { score } of lines.slice(WARMUP)) expect(score).toBeGreaterThan(0);
      if (at >= WARMUP)
        expect(lines[at]).toMatchObject({ alarm: true, causes: [{ metric: "row_count()", observed: value }, {}, {}] });
      expect(lines[SPIKE]).toMatchObject({ alarm: true, causes: [{ metric: "mean(fare)" }, {}, {}] });
    }
  });

  test("a spike does not hide the next one of the same metric, however large it is", async () => {
    for (const first of [60, 1e4, 1e6, 1e30]) {
      const rows = matrix(ALL_DAYS).map((row, index) =>
        index === 100 ? row.replace(/(,[^,]*),[^,]*,/, `$1,${first},`) : row,
      );
      const { lines } = await runDetect(file(rows));
      expect(
        lines.filter(({ alarm }) => alarm).map(({ time }) => time),
        String(first),
      ).toEqual([date(100), date(SPIKE)]);
      expect(lines[SPIKE]?.causes[0], String(first)).toMatchObject({ metric: "mean(fare)", observed: 31 });
      expect(lines[SPIKE]?.causes[0]?.high, String(first)).toBeLessThan(31);
    }
  });

  test("--false-alarms: a larger budget has more alarms, in rows or in time alike", async () => {
    const alarms = async (falseAlarms: string) => {
      const { lines } = await runDetect(file(matrix(ALL_DAYS)), { falseAlarms });
      return lines.filter(({ alarm }) => alarm).map(({ time }) => time);
    };
    const many = await alarms("1 per 8");
    expect(many.length).toBeGreaterThan((await alarms("1 per 300")).length);
    expect(await alarms("1 per 8d")).toEqual(many);
  });

  test.each([
    ["few", 'expected a budget such as "1 per 30" rows or "1 per 30d", got "few"'],
    ["0 per 30", 'expected a budget such as "1 per 30" rows or "1 per 30d", got "0 per 30"'],
    ["1 per 0d", 'expected a budget such as "1 per 30" rows or "1 per 30d", got "1 per 0d"'],
    ["1 per 2", 'expected at most 15 in 100 rows, got "1 per 2"'],
  ])("--false-alarms %s is refused", async (falseAlarms, said) => {
    expect(failureOf(await runDetect(file(matrix(ALL_DAYS)), { falseAlarms }))).toEqual({
      code: "SG_CONFIG",
      message: `--false-alarms: ${said}`,
    });
  });
});

describe("detect() says why it says nothing", () => {
  test("of a column without a number, and of a table without one", async () => {
    const rows = matrix(ALL_DAYS).map((row) => row.replace(/,[^,]*$/, ","));
    const one = await runDetect(file(rows));
    expect(one.stderr).toEqual([`note: ${one.path}: no number in any row: column 4 ("null rate, in %")`]);
    const none = await runDetect(file(ALL_DAYS.map((index) => `${date(index)},,NaN,null`)));
    expect(none.stderr).toEqual([`note: ${none.path}: no cell holds a number: there is nothing to judge`]);
    expect(none.lines.map(({ score, alarm }) => [score, alarm])).toEqual(ALL_DAYS.map(() => [null, false]));
    const many = await runDetect(
      `t,${"abcdefg".split("").join(",")}\n${[1, 2, 3].map((t) => `${t},1,,,,,,\n`).join("")}`,
    );
    expect(many.stderr[0]).toBe(
      `note: ${many.path}: no number in any row: column 3 ("b"), column 4 ("c"), column 5 ("d") and 3 more`,
    );
  });

  test("of too few rows", async () => {
    const run = await runDetect(file(matrix(ALL_DAYS.slice(0, 30))));
    expect(run.lines.every(({ score }) => score === null)).toBe(true);
    expect(run.stderr).toEqual([
      `note: ${run.path}: no row was judged: all were learned from first, see --warmup and --season`,
    ]);
    expect((await runDetect(file(matrix(ALL_DAYS)))).stderr).toEqual([]);
  });
});

describe("detect() of hours", () => {
  /** Five weeks, Monday first: busy by day, and a column that falls on weekends. */
  const hours = (step: number) =>
    Array.from({ length: 5 * 7 * 24 }, (_, hour) => {
      const noise = ((hour * 7_919) % 101) / 100;
      const weekend = Math.floor(hour / 24) % 7 > 4 ? step : 0;
      const daily = 10 * Math.sin((2 * Math.PI * hour) / 24);
      const time = new Date(Date.UTC(2026, 0, 5) + hour * 3_600_000).toISOString();
      return `${time},${100 + daily + weekend + noise},${50 + noise}`;
    });

  test("says for how many columns there is a week above the day, and nothing where there is none", async () => {
    const table = (step: number) => `time,orders,flat\n${hours(step).join("\n")}\n`;
    const weekly = await runDetect(table(-20));
    const note = `note: ${weekly.path}: beside a season of 24 rows there is one of a week, for `;
    expect(weekly.stderr.map((line) => line.slice(0, note.length))).toEqual([note]);
    expect(weekly.stderr[0]).toMatch(/for [12] of 2 columns$/);
    const days = await runDetect(file(matrix(ALL_DAYS)));
    expect(days.stderr).toEqual([]);
  });
});

describe("detect() of unusual numbers", () => {
  test("judges every column of a wide table, the last one as well as the first", async () => {
    const columns = 2_100;
    const random = new SeededRandom(77);
    const rows = Array.from({ length: 44 }, (_, index) => {
      const cells = Array.from({ length: columns }, (_, i) => (100 + i + random.next()).toFixed(3));
      if (index === 43) cells[columns - 1] = "9000";
      return `${date(index)},${cells.join(",")}`;
    });
    const header = `day,${Array.from({ length: columns }, (_, i) => `m${i}`).join(",")}`;
    const { lines } = await runDetect(`${header}\n${rows.join("\n")}\n`);
    expect(lines.filter(({ alarm }) => alarm).map(({ time }) => time)).toEqual([date(43)]);
    expect(lines[43]!.causes[0]).toMatchObject({ metric: `m${columns - 1}`, observed: 9000 });
  });

  test("a count below 0 is a number as any other", async () => {
    const rows = matrix(ALL_DAYS).map((row, index) => (index === 100 ? row.replace(/,[^,]*,/, ",-40,") : row));
    const { lines, error } = await runDetect(file(rows));
    expect(error).toBeUndefined();
    expect(lines[100]).toMatchObject({ alarm: true, causes: [{ metric: "row_count()", observed: -40 }, {}, {}] });
  });

  test("hours with their offsets go on over the end of summer time", async () => {
    const hour = 3_600_000;
    const endOfSummer = Date.UTC(2024, 9, 27, 1);
    const local = (ms: number) => {
      const offset = ms < endOfSummer ? 2 : 1;
      return `${new Date(ms + offset * hour).toISOString().slice(0, 16)}+0${offset}:00`;
    };
    const hours = Array.from({ length: 240 }, (_, i) => endOfSummer + (i - 200) * hour);
    const value = (index: number) => 100 + 10 * (index % 24) + new SeededRandom(index).next();
    const table = (times: readonly string[]) => `t,a\n${times.map((time, i) => `${time},${value(i)}`).join("\n")}\n`;
    const told = await runDetect(table(hours.map(local)));
    const plain = await runDetect(table(hours.map((ms) => new Date(ms).toISOString())));
    expect(told.error).toBeUndefined();
    expect(told.lines.map(({ score }) => score)).toEqual(plain.lines.map(({ score }) => score));
    expect(told.lines.filter(({ score }) => score !== null).length).toBeGreaterThan(150);
  });
});

describe("detect() refuses, with file and line, and prints nothing", () => {
  const BAD: readonly (readonly [what: string, content: string, place: string, said: string | RegExp])[] = [
    ["a row with a cell too few", "t,a,b\n1,1,1\n2,1\n3,1,1\n", ":3", "expected 3 cells as in the header, got 2"],
    ["a row with a cell too many", "t,a\n1,1\n2,1\n3,1,1\n", ":4", "expected 2 cells as in the header, got 3"],
    ["times that go back", "t,a\n1,1\n3,1\n2,1\n4,1\n", ":4", 'column 1 ("t"): "2" lies before line 3'],
    [
      "a time that stands twice",
      "t,a\n2024-01-01,1\n2024-01-02,1\n2024-01-02,1\n",
      ":4",
      /^column 1 \("t"\): "2024-01-02" is the time of line 3$/,
    ],
    [
      "the same time in two zones",
      "t,a\n2024-01-01T00:00Z,1\n2024-01-01T02:00+02:00,1\n2024-01-02T00:00Z,1\n",
      ":3",
      /is the time of line 2$/,
    ],
    [
      "a time that is none",
      "t,a\n2024-01-01,1\nyesterday,1\n2024-01-03,1\n",
      ":3",
      /expected a date or timestamp like the first row, got "yesterday"$/,
    ],
    [
      "a day that does not exist",
      "t,a\n2024-02-29,1\n2024-02-30,1\n2024-03-01,1\n",
      ":3",
      /expected a date or timestamp like the first row, got "2024-02-30"$/,
    ],
    ["an empty time", "t,a\n1,1\n,1\n3,1\n", ":3", /expected a number like the first row, got ""$/],
    [
      "text in a number column",
      "t,a,b\n1,1,1\n2,1,n/a\n3,1,1\n",
      ":3",
      'column 3 ("b"): expected a number or nothing, got "n/a"',
    ],
    [
      "a number with a comma",
      't,a\n1,1\n2,1\n3,"1,5"\n',
      ":4",
      'column 2 ("a"): expected a number or nothing, got "1,5"',
    ],
    [
      "an escape sequence, which does not reach the terminal",
      "t,a\n1,1\n2,1\n3,\u001b[2J\n",
      ":4",
      'column 2 ("a"): expected a number or nothing, got "\\u001b[2J"',
    ],
    ["an escape sequence as time", "t,a\n1,1\n\u001b[2J,1\n3,1\n", ":3", /got "\\u001b\[2J"$/],
    ["two rows", "t,a\n1,1\n2,1\n", ":3", "expected at least 3 rows below the header, got 2"],
    ["a header alone", "t,a\n", ":1", "expected at least 3 rows below the header, got 0"],
    ["an empty file", "", "", "the file is empty: expected a header"],
    ["no metric column", "t\n1\n2\n3\n", ":1", "expected a time column and at least one metric column"],
    ["other separators", "t;a\n1;1\n2;1\n3;1\n", ":1", "expected a time column and at least one metric column"],
    [
      "two columns of one name",
      "t,a,b,a\n1,1,1,1\n2,1,1,1\n3,1,1,1\n",
      ":1",
      'columns 2 and 4: two columns are named "a"',
    ],
    ["a column without a name", "t,a,\n1,1,1\n2,1,1\n3,1,1\n", ":1", "column 3 of the header has no name"],
    ["a quote that is never closed", 't,a\n1,1\n2,"1\n3,1\n4,1\n', ":3", "a quote is never closed"],
    [
      "a quote inside a cell",
      't,a\n1,1\n2,1\n3,1"1\n',
      ":4",
      "column 2: a quote stands inside a cell that began without one",
    ],
    ["text behind a closing quote", 't,a\n1,1\n2,"1"x\n3,1\n', ":3", "column 2: something follows a closing quote"],
    ["blank lines alone", "\n\n\n", "", "the file is empty: expected a header"],
    [
      "thousands with commas, in quotes",
      't,a\n1,1\n2,1\n3,"1,234.5"\n',
      ":4",
      'column 2 ("a"): expected a number or nothing, got "1,234.5"',
    ],
    [
      "thousands with commas, as they are",
      "t,a\n1,1\n2,1\n3,1,234.5\n",
      ":4",
      "expected 2 cells as in the header, got 3",
    ],
    [
      "a number beyond all numbers",
      "t,a\n1,1\n2,1e400\n3,1\n",
      ":3",
      'column 2 ("a"): expected a number below 1.8e308, got "1e400"',
    ],
    [
      "a cell of 10 MB of digits, of which little is shown",
      `t,a\n1,1\n2,${"9".repeat(10_000_000)}\n3,1\n`,
      ":3",
      /^column 2 \("a"\): expected a number below 1\.8e308, got "9{60}…"$/,
    ],
    ["a cell of 10 MB of text", `t,a\n1,1\n2,"${"x".repeat(10_000_000)}"\n3,1\n`, ":3", /got "x{60}…"$/],
    ["a time of 10 MB", `t,a\n1,1\n2,1\n${"3".repeat(10_000_000)},1\n`, ":4", /like the first row, got "3{60}…"$/],
    ["infinity", "t,a\n1,1\n2,Infinity\n3,1\n", ":3", 'column 2 ("a"): expected a number or nothing, got "Infinity"'],
    ["infinity, short", "t,a\n1,1\n2,1\n3,-inf\n", ":4", 'column 2 ("a"): expected a number or nothing, got "-inf"'],
    ["a share in percent", "t,a\n1,1\n2,5%\n3,1\n", ":3", 'column 2 ("a"): expected a number or nothing, got "5%"'],
    [
      "dates, then days of another form",
      "t,a\n2024-01-01,1\n02/01/2024,1\n2024-01-03,1\n",
      ":3",
      /^column 1 \("t"\): expected a date or timestamp like the first row, got "02\/01\/2024"$/,
    ],
    [
      "timestamps, then seconds",
      "t,a\n2024-01-01T00:00Z,1\n1704070800,1\n2024-01-01T02:00Z,1\n",
      ":3",
      /expected a date or timestamp like the first row, got "1704070800"$/,
    ],
    [
      "local times of the night in which an hour comes twice",
      "t,a\n2024-10-27 01:00,1\n2024-10-27 02:00,1\n2024-10-27 02:00,1\n2024-10-27 03:00,1\n",
      ":4",
      /"2024-10-27 02:00" is the time of line 3$/,
    ],
  ];
  test.each(BAD)("%s", async (_what, content, place, said) => {
    const run = await runDetect(content);
    const { code, message } = failureOf(run);
    expect([code, run.exitCode]).toEqual(["SG_INPUT", EXIT_CODES.configuration]);
    expect(run.stdout).toEqual([]);
    const start = `Cannot read ${run.path}${place}: `;
    expect(message.slice(0, start.length)).toBe(start);
    if (typeof said === "string") expect(message.slice(start.length)).toBe(said);
    else expect(message.slice(start.length)).toMatch(said);
  });

  test("what is no text: binary, another encoding, a zero byte, with the line where it begins to be none", async () => {
    const text = file(matrix(ALL_DAYS));
    const noise = Uint8Array.from({ length: 4_000 }, (_, i) => (i * 151 + (i >> 3) * 83) % 256);
    const png = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), noise]);
    const cases: readonly (readonly [content: Uint8Array, line: number])[] = [
      [png, 1],
      [Buffer.from(text.replace("mean(fare)", "prix é"), "latin1"), 1],
      [Buffer.from(text.replace("2024-01-03", "2024-01\0-03")), 4],
      [Buffer.concat([Buffer.from(text), noise]), DAYS + 2],
    ];
    for (const [content, line] of cases) {
      const run = await runDetect(content);
      expect(failureOf(run).message).toBe(`Cannot read ${run.path}:${line}: it is not UTF-8 text: expected CSV`);
      expect(run.stdout).toEqual([]);
    }
    // UTF-16 with its mark, as spreadsheets write it, is read.
    const wide = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")]);
    expect((await runDetect(wide)).stdout).toEqual((await runDetect(text)).stdout);
  });

  test("more columns than it takes, with both numbers", async () => {
    const names = Array.from({ length: METRIC_COLUMNS_MAX + 1 }, (_, i) => `m${i}`);
    const run = await runDetect(`t,${names.join(",")}\n`);
    expect(failureOf(run).message).toBe(
      `Cannot read ${run.path}:1: expected at most 100,000 metric columns, got 100,001`,
    );
  });

  test("lines are counted over blank lines and line breaks in quotes", async () => {
    for (const [content, line] of [
      ["t,a\n\n1,1\n\n2,1\n\n\n3,x\n", 8],
      ['t,a\n"1\n",1\n2,1\n3,x\n', 5],
      ["t,a\r\n1,1\r\n2,1\r\n3,x\r\n", 4],
    ] as const) {
      const run = await runDetect(content);
      expect(failureOf(run).message.replace(run.path, "FILE")).toMatch(
        new RegExp(`^Cannot read FILE:${line}: column 2`),
      );
    }
  });

  test("the 100th row as well as the first: a bad cell at the end stops every line", async () => {
    const rows = matrix(ALL_DAYS);
    const run = await runDetect(file([...rows.slice(0, -1), `${date(DAYS - 1)},1,2,three`]));
    expect(failureOf(run).message).toContain(
      `${run.path}:${DAYS + 1}: column 4 ("null rate, in %"): expected a number`,
    );
    expect(run.stdout).toEqual([]);
  });

  test("a file that is not there, a directory, and what is no gzip or half of one", async () => {
    const gone = await runCommand((io) => detect({ file: join(folder.path, "gone.csv") }, io));
    expect(failureOf(gone)).toEqual({
      code: "SG_INPUT",
      message: `Cannot read ${join(folder.path, "gone.csv")}: there is no such file`,
    });
    const directory = await runCommand((io) => detect({ file: folder.path }, io));
    expect(failureOf(directory).code).toBe("SG_INPUT");
    const packed = gzipSync(file(matrix(ALL_DAYS)));
    for (const [bytes, said] of [
      [packed.subarray(0, packed.length / 2), /unexpected end of file$/],
      [Buffer.from("t,a\n"), /incorrect header check$/],
    ] as const) {
      const path = join(folder.path, "raw.csv.gz");
      writeFileSync(path, bytes);
      const run = await runCommand((io) => detect({ file: path }, io));
      expect(failureOf(run)).toEqual({ code: "SG_INPUT", message: expect.stringMatching(said) });
      expect(failureOf(run).message).toContain(path);
      expect(run.stdout).toEqual([]);
    }
  });
});
