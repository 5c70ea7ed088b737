import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { alertLine, createConsoleSink } from "../../src/sinks/console-sink.ts";
import { ALERT, recordOf, TOMBSTONE } from "./records.ts";

const SEED = 20_130_210;
/** C0, DEL and C1: what a terminal may act upon. */
const CONTROL = /\p{Cc}/u;

function lines(...values: readonly unknown[]): string[] {
  const written: string[] = [];
  const sink = createConsoleSink((line) => written.push(line));
  sink.write(
    "alerts",
    values.map((value, offset) => (value === null ? TOMBSTONE : recordOf(value, offset))),
  );
  return written;
}

describe("createConsoleSink()", () => {
  test("writes one line per alert, in order", () => {
    expect(lines(ALERT, { ...ALERT, state: "resolved", severity: "P2", sentence: "10 Feb: back to normal" })).toEqual([
      "P1 opened   flights  8 Feb: 36 % of `dep_time` is null, expected 0–7.2 %",
      "P2 resolved flights  10 Feb: back to normal",
    ]);
  });

  test("says of a backtest that it is one", () => {
    expect(lines({ ...ALERT, backtest: true })).toEqual([
      "backtest P1 opened   flights  8 Feb: 36 % of `dep_time` is null, expected 0–7.2 %",
    ]);
  });

  test("writes an incident of streamgauge itself like any other", () => {
    const sentence = "flights/3: offsets 4,711–4,800 were never seen; the windows touched are partial";
    const own = { incident: "flights/streamgauge/offset-gap/flights/3/4711-4801", reason: "offset-gap", slices: [] };
    expect(lines({ ...ALERT, ...own, sentence })).toEqual([`P1 opened   flights  ${sentence}`]);
  });

  test("reads alerts only, and passes over records without a value", () => {
    expect(createConsoleSink(() => {})).toMatchObject({ name: "console", topics: ["alerts"] });
    expect(lines(null, ALERT, null)).toHaveLength(1);
  });

  test("writes no control character, whatever the names that come from data", () => {
    const name = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        "\u001b[2J\u001b[31m",
        "a\nP0 opened   bank",
        "\u009b31m",
        "\u0000\u0007\b\r\u007f",
        "\ud800",
        "",
      ),
    );
    let hostile = 0;
    fc.assert(
      fc.property(name, name, (dataset, value) => {
        const sentence = `8 Feb: at origin=${value} 36 % of \`${value}\` is null`;
        const written = lines({ ...ALERT, dataset, sentence });
        expect(written).toHaveLength(1);
        expect(written[0]).not.toMatch(CONTROL);
        if (CONTROL.test(dataset + value)) hostile++;
      }),
      { seed: SEED, numRuns: 1000 },
    );
    expect(hostile).toBeGreaterThan(500);
  });
});

describe("alertLine()", () => {
  test("keeps letters of every script as they are", () => {
    expect(alertLine({ ...ALERT, dataset: "straße-日本-😀" })).toContain("straße-日本-😀");
  });
});
