import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDuration, guessDuration, parseDuration } from "../../src/config/duration.ts";

describe("parseDuration()", () => {
  test.each([
    ["500ms", 500],
    ["5s", 5_000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["7d", 604_800_000],
    ["0", 0],
    [0, 0],
    ["007s", 7_000],
  ])("%j is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "5", 5, "5 m", "1.5h", "-1m", "5M", "1w", "1h30m", null, {}])("%j is none", (value) => {
    expect(parseDuration(value)).toBeUndefined();
  });

  test("takes back what formatDuration() gives", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
      { seed: 1 },
    );
  });
});

describe("guessDuration()", () => {
  test.each([
    ["5 minits", "5m"],
    ["5min", "5m"],
    ["5 Minutes", "5m"],
    ["90 sec", "90s"],
    ["60s", "1m"],
    ["1.5h", "90m"],
    ["2 weeks", "14d"],
    ["24hrs", "1d"],
    ["250 millis", "250ms"],
    ["PT5M", "5m"],
    ["P1DT12H", "36h"],
  ])("%s was probably %s", (text, guess) => {
    expect(guessDuration(text)).toBe(guess);
  });

  test.each(["", "soon", "3 months", "5 parsecs", "P", "999999999 weeks", "0 min"])("gives up on %j", (text) => {
    expect(guessDuration(text)).toBeUndefined();
  });
});
