import { describe, expect, test } from "vitest";
import { detectMatrix, type MatrixRow } from "../../src/anomaly/matrix.ts";
import { seriesIndex } from "../../src/anomaly/series-index.ts";
import { StreamgaugeError } from "../../src/core/errors.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { gaussian } from "./stream.ts";

function* matrix(count: number): Generator<MatrixRow> {
  const random = new SeededRandom(8);
  for (let index = 0; index < count; index++) {
    const values = [10 + (index % 7) + 0.2 * gaussian(random), 500 + 5 * gaussian(random), 3];
    if (index === 80) values[1] = 800;
    yield { time: `t${index}`, index, values: index % 11 === 0 ? [values[0], undefined, Number.NaN] : values };
  }
}

const WEEKLY = { season: 7, warmup: 37 } as const;

describe("detectMatrix()", () => {
  test("gives one verdict per row, unknown while warming up, and finds the planted column", () => {
    const verdicts = [
      ...detectMatrix(matrix(120), ["visits", "__proto__", "constant"], { ...WEEKLY, falseAlarms: 0.001 }),
    ];
    expect(verdicts.map((verdict) => verdict.time)).toEqual(Array.from({ length: 120 }, (_, i) => `t${i}`));
    expect(verdicts.slice(0, 37).every((verdict) => verdict.score === null && !verdict.alarm)).toBe(true);
    expect(verdicts.map((verdict) => verdict.alarm).lastIndexOf(true)).toBe(80);
    expect(verdicts.filter((verdict) => verdict.alarm)).toHaveLength(1);
    const { causes, severity, pValue } = verdicts[80]!;
    expect(causes[0]).toMatchObject({ metric: "__proto__", observed: 800 });
    expect(Object.keys(causes[0]!)).toEqual(["metric", "share", "observed", "expected", "low", "high"]);
    expect(severity).not.toBeNull();
    expect(pValue).toBeGreaterThan(0);
  });

  test("reads no row ahead of its verdict", () => {
    let read = 0;
    const rows = (function* () {
      for (const row of matrix(5)) {
        read++;
        yield row;
      }
    })();
    const verdicts = detectMatrix(rows, ["a", "b", "c"], { season: 7, warmup: "auto" });
    verdicts.next();
    expect(read).toBe(1);
  });

  test("refuses names that are not distinct", () => {
    expect(() => [...detectMatrix([], ["a", "a"], { season: 7, warmup: 37 })]).toThrow("not distinct");
  });
});

describe("seriesIndex()", () => {
  test("a gap in days advances the index", () => {
    const { indices, stepMs } = seriesIndex(["2013-01-01", "2013-01-02", "2013-01-03", "2013-01-07"]);
    expect(indices).toEqual([0, 1, 2, 6]);
    expect(stepMs).toBe(86_400_000);
  });

  test("timestamps with and without zone, and offsets", () => {
    const times = ["2024-03-01T00:00:00Z", "2024-03-01T01:00", "2024-03-01 02:00:00.000", "2024-03-01T05:00:00+0100"];
    expect(seriesIndex(times)).toEqual({ indices: [0, 1, 2, 4], stepMs: 3_600_000 });
  });

  test("days at local midnight are one step, also the one of 23 and that of 25 hours", () => {
    const spring = [
      "2024-03-30T00:00+01:00",
      "2024-03-31T00:00+01:00",
      "2024-04-01T00:00+02:00",
      "2024-04-02T00:00+02:00",
    ];
    const autumn = [
      "2024-10-26T00:00+02:00",
      "2024-10-27T00:00+02:00",
      "2024-10-28T00:00+01:00",
      "2024-10-29T00:00+01:00",
    ];
    for (const times of [spring, autumn]) {
      expect(seriesIndex(times)).toEqual({ indices: [0, 1, 2, 3], stepMs: 86_400_000 });
    }
  });

  test("months do not drift", () => {
    const times = Array.from(
      { length: 48 },
      (_, i) => `${2000 + Math.floor(i / 12)}-${String((i % 12) + 1).padStart(2, "0")}-01`,
    );
    expect(seriesIndex(times).indices).toEqual(times.map((_, i) => i));
  });

  test("numbers take the most common difference as the step", () => {
    expect(seriesIndex(["0.1", "0.2", "0.3", "0.6", "0.7"])).toEqual({ indices: [0, 1, 2, 5, 6], stepMs: undefined });
    expect(seriesIndex(["-20", "0", "1e1", "20", "30"]).indices).toEqual([0, 2, 3, 4, 5]);
  });

  test("other text counts rows; no rows and one row are fine", () => {
    expect(seriesIndex(["mon", "tue", "mon"])).toEqual({ indices: [0, 1, 2], stepMs: undefined });
    expect(seriesIndex([])).toEqual({ indices: [], stepMs: undefined });
    expect(seriesIndex(["2013-01-01"])).toEqual({ indices: [0], stepMs: undefined });
  });

  test.each([
    [["2013-01-01", "2013-01-03", "2013-01-02"], 'Cannot order row 3: "2013-01-02" lies before row 2'],
    [["1", "2", "2"], 'Cannot order row 3: "2" is the time of row 2'],
    [
      ["2013-01-01", "soon"],
      'Cannot read the time of row 2: expected a date or timestamp like the first row, got "soon"',
    ],
    [["1", "2", "1e400"], 'Cannot read the time of row 3: expected a number like the first row, got "1e400"'],
    [["1", ""], 'Cannot read the time of row 2: expected a number like the first row, got ""'],
    [["2013-01-01", "2013-02-31T99:00"], "Cannot read the time of row 2"],
  ])("names the row: %j", (times, message) => {
    expect(() => seriesIndex(times)).toThrow(StreamgaugeError);
    expect(() => seriesIndex(times)).toThrow(message);
  });
});
