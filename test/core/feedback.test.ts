import { describe, expect, test } from "vitest";
import { datasetOfIncident, isFeedback, parseFeedback, timeOf } from "../../src/core/feedback.ts";
import { utf8 } from "../../src/core/text.ts";
import { DELTA_FINGERPRINT } from "../../src/profiles/delta-codec.ts";

const ID = "trips/2026-05-01T00:00:00.000Z/2026-05-02T00:00:00.000Z";

describe("parseFeedback()", () => {
  test("takes what a person's tool may write", () => {
    const whole = { incident: ID, feedback: "expected", by: "ann", note: "marathon", at: "2026-05-02T08:00:00Z" };
    expect(parseFeedback(utf8(` ${JSON.stringify(whole)}\n`))).toEqual(whole);
    expect(parseFeedback(JSON.stringify({ incident: ID, feedback: "fault", by: "", note: null }))).toEqual({
      incident: ID,
      feedback: "fault",
    });
    expect(parseFeedback(JSON.stringify({ ...whole, note: "two\n lines \u202e" })).note).toBe("two lines \\u202e");
  });

  test.each([
    ["{", "it is not JSON"],
    ["[]", "expected a JSON object"],
    ["null", "expected a JSON object"],
    ['{"feedback":"fault"}', "incident is missing"],
    ['{"incident":"a/b","feedback":"wrong"}', "feedback: expected one of fault, expected, new-normal"],
    [
      '{"incident":"a/b","feedback":"fault","who":"ann"}',
      'unknown key "who", expected incident, feedback, by, note, at',
    ],
    ['{"incident":7,"feedback":"fault"}', "incident: expected a text"],
    ['{"incident":"a/b","feedback":"fault","at":"yesterday"}', "at: expected a time such as 2026-05-01T12:00:00Z"],
    ['{"incident":"a/b","feedback":"fault","at":"2026-05-01T12:00:00"}', "at: expected a time such as"],
    [
      `{"incident":"a/b","feedback":"fault","note":"${"x".repeat(501)}"}`,
      "note: expected at most 500 characters, got 501",
    ],
  ])("refuses %s", (text, reason) => {
    expect(() => parseFeedback(text)).toThrow(`Cannot take feedback: ${reason}`);
  });
});

test("isFeedback() tells it from the deltas beside it", () => {
  for (const text of ["{}", " {", "\n{", "\t"]) expect(isFeedback(utf8(text)), text).toBe(true);
  expect(isFeedback(Uint8Array.of(0xc3, 0x01, ...DELTA_FINGERPRINT))).toBe(false);
  expect(isFeedback(new Uint8Array(0))).toBe(false);
  expect(isFeedback(utf8("x{"))).toBe(false);
});

test("datasetOfIncident() and timeOf()", () => {
  expect(datasetOfIncident(ID)).toBe("trips");
  expect(datasetOfIncident(`${ID}/late`)).toBe("trips");
  expect(datasetOfIncident("trips")).toBe("trips");
  expect(timeOf("2026-05-01T12:00+02:00")).toBe(Date.UTC(2026, 4, 1, 10));
  expect(timeOf("2026-05-01")).toBeNaN();
});
