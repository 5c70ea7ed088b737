import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SliceVerdict } from "../../src/alerts/incident-tracker.ts";
import { incidentSentence, type SentenceInput } from "../../src/alerts/sentence.ts";
import { DATASET_METRICS, FIELD_METRICS, PAIR_METRICS } from "../../src/profiles/catalogue.ts";
import { RARE_PATTERN_SHARE, REFERENCE_METRICS } from "../../src/profiles/reference-metrics.ts";
import { alarm, anyCause, anyVerdicts, cause, DAY, HOUR, MINUTE } from "./ticks.ts";

const SEED = 20_130_208;
const START = Date.UTC(2013, 1, 8);

function sentence(alarms: readonly SliceVerdict[], more: Partial<SentenceInput> = {}): string {
  return incidentSentence({
    state: "opened",
    reason: "alarm",
    sizeMs: DAY,
    startMs: START,
    timezone: "UTC",
    alarms,
    levels: [],
    ...more,
  });
}

/** What is said of one cause, without the day. */
function phrase(metric: string, more: Parameters<typeof cause>[1] = {}): string {
  return sentence([alarm({ causes: [cause(metric, more)] })]).replace("8 Feb: ", "");
}

/** Of each scored metric: an id, its figures and what is said of them. */
const PHRASES: Readonly<Record<string, readonly [metric: string, more: Parameters<typeof cause>[1], said: string]>> = {
  null_rate: ["null_rate(dep_time)", {}, "36 % of `dep_time` is null, expected 0–7.2 %"],
  missing_rate: [
    "missing_rate(trip.fare)",
    { observed: 1, low: 0, high: 0.00012 },
    "100 % of `trip.fare` is missing, expected 0–0.012 %",
  ],
  nan_rate: ["nan_rate(ratio)", { observed: 0.5, low: 0, high: 0 }, "50 % of `ratio` is NaN, expected 0 %"],
  infinity_rate: [
    "infinity_rate(ratio)",
    { observed: 0.0123, low: 0, high: 0 },
    "1.2 % of `ratio` is infinite, expected 0 %",
  ],
  zero_rate: ["zero_rate(fare)", { observed: 0.999, low: 0.1, high: 0.2 }, "100 % of `fare` is zero, expected 10–20 %"],
  negative_rate: [
    "negative_rate(fare)",
    { observed: 0.04, low: 0, high: 0.01 },
    "4 % of `fare` is negative, expected 0–1 %",
  ],
  empty_rate: [
    "empty_rate(name)",
    { observed: 0.25, low: 0, high: 0.01 },
    "25 % of `name` is empty text, expected 0–1 %",
  ],
  true_rate: ["true_rate(paid)", { observed: 0, low: 0.9, high: 0.98 }, "0 % of `paid` is true, expected 90–98 %"],
  unseen_share: [
    "unseen_share(city)",
    { observed: 0.07, low: 0, high: 0.002 },
    "7 % of `city` are values not seen before, expected 0–0.2 %",
  ],
  share: [
    "share(carrier=UA)",
    { fields: ["carrier"], observed: 0, low: 0.16, high: 0.19 },
    "0 % of `carrier` is UA, expected 16–19 %",
  ],
  mean: [
    "mean(distance)",
    { observed: 2034.5678, low: 1201.2, high: 1302.9 },
    "the mean of `distance` is 2035, expected 1201–1303",
  ],
  stddev: [
    "stddev(fare)",
    { observed: 31.4159, low: 2, high: 2.25 },
    "the standard deviation of `fare` is 31.42, expected 2–2.25",
  ],
  length_mean: [
    "length_mean(name)",
    { observed: 3, low: 8.1, high: 9.2 },
    "the mean length of `name` is 3, expected 8.1–9.2",
  ],
  length_stddev: [
    "length_stddev(stops)",
    { observed: 0, low: 1.5, high: 1.75 },
    "the standard deviation of the length of `stops` is 0, expected 1.5–1.75",
  ],
  row_count: ["row_count()", { observed: 1234, low: 2001.4, high: 12_345.6 }, "1,234 events, expected 2,001–12,346"],
  duplicate_share: [
    "duplicate_share()",
    { observed: 0.075, low: 0, high: 0.00055 },
    "7.5 % of the events are duplicates, expected 0–0.055 %",
  ],
  invalid_share: [
    "invalid_share()",
    { observed: 0.2, low: 0, high: 0.01 },
    "20 % of the records are invalid, expected 0–1 %",
  ],
  undecodable_share: [
    "undecodable_share()",
    { observed: 0.2, low: 0, high: 0.01 },
    "20 % of the records cannot be decoded, expected 0–1 %",
  ],
  tombstone_share: [
    "tombstone_share()",
    { observed: 0.2, low: 0, high: 0.01 },
    "20 % of the records are tombstones, expected 0–1 %",
  ],
  non_integer_rate: [
    "non_integer_rate(fare)",
    { observed: 0.4, low: 0, high: 0.01 },
    "40 % of `fare` is not an integer, expected 0–1 %",
  ],
  repeat_share: [
    "repeat_share(fare)",
    { observed: 0.4, low: 0, high: 0.01 },
    "40 % of `fare` equals the value before, expected 0–1 %",
  ],
  mode_share: [
    "mode_share(fare)",
    { observed: 0.4, low: 0, high: 0.01 },
    "40 % of `fare` is its most frequent value, expected 0–1 %",
  ],
  blank_rate: [
    "blank_rate(fare)",
    { observed: 0.4, low: 0, high: 0.01 },
    "40 % of `fare` is blank text, expected 0–1 %",
  ],
  number_like_rate: [
    "number_like_rate(fare)",
    { observed: 0.4, low: 0, high: 0.01 },
    "40 % of `fare` reads as a number, expected 0–1 %",
  ],
  date_like_rate: [
    "date_like_rate(fare)",
    { observed: 0.4, low: 0, high: 0.01 },
    "40 % of `fare` reads as a date, expected 0–1 %",
  ],
  unseen_pattern_share: [
    "unseen_pattern_share(fare)",
    { observed: 0.4, low: 0, high: 0.01 },
    "40 % of `fare` has a pattern of characters not seen before, expected 0–1 %",
  ],
  rare_pattern_share: [
    "rare_pattern_share()",
    { fields: ["fare"], observed: 0.4, low: 0, high: 0.01 },
    "40 % of the events have a rare combination of absent fields (`fare`), expected 0–1 %",
  ],
  future_share: [
    "future_share()",
    { observed: 0.2, low: 0, high: 0.01 },
    "20 % of the records lie in the future, expected 0–1 %",
  ],
};

describe("incidentSentence(), one cause", () => {
  test.each(Object.entries(PHRASES))("has plain words for %s", (_name, [metric, more, said]) => {
    expect(phrase(metric, more)).toBe(said);
  });

  test("has plain words for every metric that the detector looks at", () => {
    const scored = [
      ...DATASET_METRICS,
      ...FIELD_METRICS,
      ...Object.values(REFERENCE_METRICS),
      RARE_PATTERN_SHARE,
    ].filter((entry) => entry.scored);
    expect(Object.keys(PHRASES).sort()).toEqual(scored.map((entry) => entry.name).sort());
  });

  test("names a metric that it has no words for by its id", () => {
    expect(phrase("max(fare)", { observed: 900, low: 10, high: 20 })).toBe("max(fare) is 900, expected 10–20");
  });

  test("has plain words for every metric of a pair that the detector looks at", () => {
    const pair = { fields: ["fare", "tip"], observed: 3, low: 1, high: 2 };
    const words = PAIR_METRICS.filter(({ scored }) => scored).map(({ name }) => phrase(`${name}(fare,tip)`, pair));
    expect(words).toEqual([
      "the correlation of `fare` and `tip` is 3, expected 1–2",
      "the mean difference of `fare` and `tip` is 3, expected 1–2",
      "the standard deviation of the difference of `fare` and `tip` is 3, expected 1–2",
    ]);
  });

  test("names both fields of a pair", () => {
    const pair = { fields: ["fare", "distance"], observed: 0.1, low: 0.9, high: 0.95 };
    expect(phrase("null_rate(fare,distance)", pair)).toMatch(/^10 % of `fare` and `distance` is null/);
  });

  test("takes an equals sign in a field's name or a value for what it is", () => {
    const share = { observed: 0.5, low: 0, high: 0.1 };
    expect(phrase("share(query=a=b)", { ...share, fields: ["query"] })).toContain("of `query` is a=b,");
    expect(phrase("share(`a=b`=c)", { ...share, fields: ["`a=b`"] })).toContain(" is c,");
  });

  test("says what there is to compare with: an interval, a middle, nothing", () => {
    expect(phrase("mean(x)", { observed: 1, low: null, high: null, expected: 4 })).toBe(
      "the mean of `x` is 1, expected 4",
    );
    expect(phrase("mean(x)", { observed: 1, low: null, high: null, expected: null })).toBe(
      "the mean of `x` is 1, nothing to compare with",
    );
    expect(phrase("null_rate(x)", { observed: null, low: 0.1, high: 0.2 })).toBe(
      "nothing of `x` is null, expected 10–20 %",
    );
  });

  test("tells more digits where what is out would else look as expected", () => {
    expect(phrase("null_rate(x)", { observed: 0.1604, low: 0.1591, high: 0.1601 })).toBe(
      "16.04 % of `x` is null, expected 15.91–16.01 %",
    );
    expect(phrase("mean(x)", { observed: 12_345.9, low: 12_340, high: 12_345.6 })).toBe(
      "the mean of `x` is 12345.9, expected 12340–12345.6",
    );
    expect(phrase("row_count()", { observed: 103, low: 90.26, high: 102.74 })).toBe("103 events, expected 90.3–102.7");
    expect(phrase("null_rate(x)", { observed: 0.1604, low: 0.1591, high: 0.1611 })).toBe(
      "16 % of `x` is null, expected 16 %",
    );
  });

  test("does not take what is very small for nothing", () => {
    expect(phrase("mean(x)", { observed: 0.000000123456, low: 2e-9, high: 3e-9 })).toBe(
      "the mean of `x` is 1.235e-7, expected 2e-9–3e-9",
    );
    expect(phrase("mean(x)", { observed: -0, low: -1, high: -0.5 })).toBe("the mean of `x` is 0, expected -1 to -0.5");
  });
});

describe("incidentSentence(), what else and where", () => {
  const depTime = cause("null_rate(dep_time)", { share: 0.5 });
  const arrDelay = cause("null_rate(arr_delay)", { share: 0.2 });

  test("is the sentence of the blizzard", () => {
    const everywhere = alarm({ causes: [depTime, arrDelay, cause("mean(distance)", { share: 0.04 })] });
    const newark = alarm({ slice: "origin=EWR", score: 5, causes: [cause("null_rate(dep_time)", { observed: 0.38 })] });
    expect(sentence([newark, everywhere])).toBe(
      "8 Feb: 36 % of `dep_time` is null, expected 0–7.2 %; also arr_delay; worst at origin=EWR, 38 %",
    );
  });

  test("lists at most three other subjects, none with less than a tenth of the main one's blame", () => {
    const others = ["a", "b", "c", "d"].map((name) => cause(`null_rate(${name})`, { share: 0.1 }));
    expect(sentence([alarm({ causes: [depTime, ...others] })])).toMatch(/; also a, b, c$/);
    const faint = cause("null_rate(e)", { share: 0.049 });
    expect(sentence([alarm({ causes: [depTime, faint] })])).not.toContain("also");
  });

  test("names a field once, however many of its metrics are out", () => {
    const again = [
      cause("missing_rate(dep_time)", { share: 0.3 }),
      arrDelay,
      cause("mean(arr_delay)", { share: 0.2, observed: 9 }),
    ];
    expect(sentence([alarm({ causes: [depTime, ...again] })])).toMatch(/; also arr_delay$/);
  });

  test("calls the dataset's own metrics by plain words among the others", () => {
    const whole = [
      cause("row_count()", { share: 0.3 }),
      cause("duplicate_share()", { share: 0.3 }),
      cause("future_share()", { share: 0.3 }),
    ];
    expect(sentence([alarm({ causes: [depTime, ...whole] })])).toMatch(
      /; also the number of events, duplicates, future_share\(\)$/,
    );
  });

  test("names as worst the slice that is furthest out, only when it is further out than the whole", () => {
    const at = (slice: string, observed: number) =>
      alarm({ slice, causes: [cause("null_rate(dep_time)", { observed })] });
    const whole = alarm({ causes: [depTime] });
    expect(sentence([whole, at("o=A", 0.4), at("o=B", 0.8), at("o=C", 0.5)])).toMatch(/; worst at o=B, 80 %$/);
    expect(sentence([whole, at("o=A", 0.3)])).not.toContain("worst");
  });

  test("tells a slice's own expectation where levels differ: for a mean, not for a share", () => {
    const mean = (slice: string, observed: number) =>
      alarm({ slice, causes: [cause("mean(fare)", { observed, expected: 20, low: 18, high: 22 })] });
    expect(sentence([mean("all", 90), mean("o=A", 50)])).toMatch(/; worst at o=A, 50, expected 18–22$/);
  });

  test("does not name a slice in which the same metric is as expected, or not to be had", () => {
    const inside = alarm({ slice: "o=A", causes: [cause("null_rate(dep_time)", { observed: 0.5, high: 0.6 })] });
    const absent = alarm({ slice: "o=B", causes: [cause("null_rate(dep_time)", { observed: null })] });
    const other = alarm({ slice: "o=C", causes: [arrDelay] });
    expect(sentence([alarm({ causes: [depTime] }), inside, absent, other])).toBe(
      "8 Feb: 36 % of `dep_time` is null, expected 0–7.2 %",
    );
  });

  test("speaks of the worst slice where the whole is quiet, and of the slices that it shares the metric with", () => {
    const [first, second] = ["origin=EWR", "origin=JFK"].map((slice) => alarm({ slice, causes: [depTime] }));
    expect(sentence([first!])).toBe("8 Feb: at origin=EWR 36 % of `dep_time` is null, expected 0–7.2 %");
    expect(sentence([first!, second!])).toMatch(/^8 Feb: at origin=EWR 36 % .*; likewise at origin=JFK$/);
    const many = Array.from({ length: 400 }, (_, at) => ({ ...second!, slice: `origin=${at}` }));
    expect(sentence([first!, ...many])).toMatch(
      /; likewise at origin=0, origin=1, origin=2, origin=3, origin=4 and 395 more$/,
    );
  });

  test("says that the whole is unlike its past where no cause is known", () => {
    expect(sentence([alarm({ causes: [] })])).toBe("8 Feb: the metrics as a whole are unlike their past");
    expect(sentence([])).toBe("8 Feb: the metrics as a whole are unlike their past");
  });
});

describe("incidentSentence(), when", () => {
  const label = (more: Partial<SentenceInput>) => sentence([], more).split(": the")[0];

  test("says the day of a window of a day or more, day and time of a shorter one", () => {
    expect(label({ sizeMs: 7 * DAY })).toBe("8 Feb");
    expect(label({ sizeMs: HOUR, startMs: START + 14 * HOUR })).toBe("8 Feb 14:00");
    expect(label({ sizeMs: 5 * MINUTE, startMs: START + 5 * MINUTE })).toBe("8 Feb 00:05");
    expect(label({ startMs: Date.UTC(1969, 11, 31) })).toBe("31 Dec");
    expect(label({ startMs: Date.UTC(2026, 8, 1) })).toBe("1 Sep");
  });

  test("says the day and hour of the windows' zone", () => {
    const berlinMidnight = Date.parse("2013-02-08T00:00:00+01:00");
    expect(label({ startMs: berlinMidnight, timezone: "Europe/Berlin" })).toBe("8 Feb");
    expect(label({ startMs: Date.parse("2013-02-08T00:00:00-05:00"), timezone: "America/New_York" })).toBe("8 Feb");
    expect(label({ startMs: berlinMidnight, sizeMs: HOUR, timezone: "Europe/Berlin" })).toBe("8 Feb 00:00");
  });

  test("says how it ended", () => {
    const resolved = { state: "resolved", startMs: START + 2 * DAY } as const;
    expect(sentence([], { ...resolved, reason: "clean" })).toBe("10 Feb: back to normal");
    expect(sentence([], { ...resolved, reason: "corrected" })).toBe("10 Feb: late events took the alarm back");
    expect(sentence([], { ...resolved, reason: "clean", sizeMs: HOUR })).toBe("10 Feb 00:00: back to normal");
  });

  test("of a new level says what it is and was, of each field once, and of a few fields", () => {
    const level = (metric: string, was: number, is: number, slice = "all") => {
      return {
        metric,
        fields: [metric.slice(metric.indexOf("(") + 1, -1)].filter((name) => name !== ""),
        was,
        is,
        slice,
      };
    };
    const said = (...levels: readonly ReturnType<typeof level>[]) =>
      sentence([], { state: "resolved", reason: "new-level", levels }).replace(
        "8 Feb: quiet again at a new level: ",
        "",
      );
    expect(said(level("mean(fare)", 11.04, 14.21))).toBe("the mean of `fare` is 14.2 (was 11)");
    expect(said(level("row_count()", 920.4, 1840.2))).toBe("1,840 events (was 920)");
    expect(said(level("row_count()", 920.2, 920.4))).toBe("920.4 events (was 920.2)");
    expect(said(level("null_rate(fare)", 0.01, 0.012))).toBe("1.2 % of `fare` is null (was 1 %)");
    expect(said(level("mean(fare)", 1000.1, 1000.2))).toBe("the mean of `fare` is 1000.2 (was 1000.1)");
    expect(said(level("unseen_share(city)", 0, 0.2))).toBe("the new values of `city` count as known");
    expect(said(level("mean(fare)", 1, 2), level("stddev(fare)", 1, 2), level("mean(tip)", 1, 2))).toBe(
      "the mean of `fare` is 2 (was 1); the mean of `tip` is 2 (was 1)",
    );
    const five = ["a", "b", "c", "d", "e"].map((name) => level(`mean(${name})`, 1, 2));
    expect(said(...five)).toMatch(/`c` is 2 \(was 1\); and 2 more$/);
  });
});

describe("incidentSentence(), laws", () => {
  test("is one line without NaN, undefined or a hole for any causes", () => {
    fc.assert(
      fc.property(fc.array(anyCause, { maxLength: 6 }), anyVerdicts, (causes, verdicts) => {
        const said = sentence([alarm({ causes }), ...verdicts.filter((verdict) => verdict.alarm)]);
        expect(said).toMatch(/^8 Feb: \S/);
        expect(said).not.toMatch(/undefined|NaN|Infinity|\[object|(?<!is )null(?!_rate)|\n|\s\s|; ;|\s$/);
      }),
      { seed: SEED, numRuns: 3000 },
    );
  });

  test("never says that what is out of its interval is inside", () => {
    const metric = fc.constantFrom("null_rate(x)", "mean(x)", "row_count()");
    const figures = fc.uniqueArray(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(metric, figures, (id, unordered) => {
        const [low, high, observed] = unordered.sort((a, b) => a - b).map((figure) => figure / 1_000_000);
        const said = phrase(id, { low: low!, high: high!, observed: observed!, expected: low! });
        const [told, expected] = said.split(", expected ");
        const figure = Number(/[\d.e-]+/.exec(told!.replace("the mean of `x` is ", ""))?.[0]);
        expect(figure).toBeGreaterThan(Number(expected!.replace(" %", "").split("–").at(-1)));
      }),
      { seed: SEED, numRuns: 3000 },
    );
  });

  test("says the same twice and leaves the verdicts as they were", () => {
    fc.assert(
      fc.property(anyVerdicts, (verdicts) => {
        const before = structuredClone(verdicts);
        expect(sentence(verdicts)).toBe(sentence(verdicts));
        expect(verdicts).toEqual(before);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});
