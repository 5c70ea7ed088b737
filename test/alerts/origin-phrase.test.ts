import { describe, expect, test } from "vitest";
import { originPhrase } from "../../src/alerts/origin-phrase.ts";
import { incidentSentence } from "../../src/alerts/sentence.ts";
import type { Concentration } from "../../src/core/verdict.ts";
import { alarm, cause, DAY } from "./ticks.ts";

function held(more: Partial<Concentration> = {}): Concentration {
  return {
    metric: "null_rate(dep_time)",
    dimension: "partition",
    value: "3",
    share: 1,
    observed: 0.9,
    usual: 0.01,
    elsewhere: 0.01,
    ...more,
  };
}

describe("originPhrase()", () => {
  test.each<[string, readonly Partial<Concentration>[]]>([
    ["all of it from partition 3", [{}]],
    ["all of it from partition 3", [{ share: 1.04 }]],
    ["96 % of it in events of schema id 42", [{ dimension: "schema", value: "42", share: 0.957 }]],
    [
      "96 % of it from partitions 3, 4 and 7",
      [{ share: 0.5 }, { value: "4", share: 0.26 }, { value: "7", share: 0.2 }],
    ],
    ["all of it from service=checkout", [{ dimension: "producer", value: "service=checkout" }]],
    ["all of it since schema id 42 came", [{ dimension: "schema", value: "42", isNew: true }]],
    ["all of it from partition 12, new here", [{ value: "12", isNew: true }]],
    ["all of it in events of no schema id", [{ dimension: "schema", value: null }]],
    ["all of it from events without a producer", [{ dimension: "producer", value: null }]],
    // The tightest dimension stands first; the others are in the record.
    ["all of it from service=a", [{ dimension: "producer", value: "service=a" }, {}]],
  ])("%s", (phrase, more) => {
    expect(originPhrase(cause(), more.map(held))).toBe(phrase);
  });

  test.each<[string, readonly Partial<Concentration>[]]>([
    ["partition 3 sent nothing, usually 1,200", [{ observed: 0, usual: 1200.4 }]],
    ["partition 3 sent 20 rows, usually 300", [{ observed: 20, usual: 300 }]],
    ["partition 9 sent 1 row, usually none", [{ value: "9", observed: 1, usual: null, isNew: true }]],
    [
      "partitions 3 and 4 sent 40 rows, usually 600",
      [
        { observed: 30, usual: 300 },
        { value: "4", observed: 10, usual: 300 },
      ],
    ],
    ["no rows of schema id 42, usually 300", [{ dimension: "schema", value: "42", observed: 0, usual: 300 }]],
    [
      "service=a sent 900 rows, usually 300",
      [{ dimension: "producer", value: "service=a", observed: 900, usual: 300 }],
    ],
  ])("of rows: %s", (phrase, more) => {
    const rows = more.map((one) => held({ metric: "row_count()", ...one }));
    expect(originPhrase(cause("row_count()"), rows)).toBe(phrase);
  });

  test("says nothing of another cause than the one that is told", () => {
    expect(originPhrase(cause("mean(fare)"), [held()])).toBeUndefined();
    expect(originPhrase(cause(), [])).toBeUndefined();
  });
});

test("incidentSentence() says behind the main cause where it comes from", () => {
  const verdict = alarm({ causes: [cause(), cause("null_rate(arr_time)")], concentration: [held()] });
  const when = { sizeMs: DAY, startMs: Date.UTC(2013, 1, 8), timezone: "UTC" };
  expect(incidentSentence({ state: "opened", reason: "alarm", ...when, alarms: [verdict], levels: [] })).toBe(
    "8 Feb: 36 % of `dep_time` is null, expected 0–7.2 %; all of it from partition 3; also arr_time",
  );
});
