/** Causes, verdicts and ticks with defaults, and generators of them over their whole domain. */
import fc from "fast-check";
import type { SliceVerdict, Tick } from "../../src/alerts/incident-tracker.ts";
import type { Cause, Severity } from "../../src/core/verdict.ts";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A share of nulls of `dep_time` that is far above what was expected, unless told otherwise. */
export function cause(metric = "null_rate(dep_time)", more: Partial<Cause> = {}): Cause {
  const argument = metric.slice(metric.indexOf("(") + 1, -1);
  return {
    fields: argument === "" ? [] : [argument],
    metric,
    share: 0.5,
    observed: 0.36,
    expected: 0.01,
    low: 0,
    high: 0.072,
    ...more,
  };
}

export function alarm(more: Partial<SliceVerdict> = {}): SliceVerdict {
  return { slice: "all", alarm: true, judged: true, score: 2, severity: "P2", causes: [cause()], ...more };
}

export function clean(slice = "all"): SliceVerdict {
  return { slice, alarm: false, judged: true, score: 0.3, severity: null, causes: [cause()] };
}

/** Warming up or partial. */
export function unknown(slice = "all"): SliceVerdict {
  return { slice, alarm: false, judged: false, score: null, severity: null, causes: [] };
}

/** A day in 2013 by its number in February (1 is 1 February), unless told otherwise. */
export function dayTick(day: number, verdicts: readonly SliceVerdict[], more: Partial<Tick> = {}): Tick {
  const startMs = Date.UTC(2013, 1, day);
  return { sizeMs: DAY, startMs, endMs: startMs + DAY, revision: 0, verdicts, ...more };
}

export function hourTick(startMs: number, verdicts: readonly SliceVerdict[], more: Partial<Tick> = {}): Tick {
  return { sizeMs: HOUR, startMs, endMs: startMs + HOUR, revision: 0, verdicts, ...more };
}

const SEVERITIES: readonly Severity[] = ["P0", "P1", "P2", "P3", "P4"];

/** Metrics of every shape: known and unknown names, quoted fields, values that look like syntax. */
const METRICS: readonly { readonly metric: string; readonly fields: readonly string[] }[] = [
  ...[
    "null_rate",
    "missing_rate",
    "unseen_share",
    "zero_rate",
    "true_rate",
    "mean",
    "stddev",
    "length_mean",
    "max",
  ].map((name) => ({ metric: `${name}(trip.fare)`, fields: ["trip.fare"] })),
  { metric: "share(carrier=UA)", fields: ["carrier"] },
  { metric: "share(carrier=)", fields: ["carrier"] },
  { metric: "share(`a=b`=c=d)", fields: ["`a=b`"] },
  { metric: "correlation(fare,distance)", fields: ["fare", "distance"] },
  { metric: "quantile(fare,0.5)", fields: ["fare"] },
  { metric: "row_count()", fields: [] },
  { metric: "duplicate_share()", fields: [] },
  { metric: "violation_count(truncated)", fields: [] },
  { metric: "without_parentheses", fields: [] },
];

const share = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, -0, 1, 0.36, 5e-324));
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE),
);

export const anyCause: fc.Arbitrary<Cause> = fc.constantFrom(...METRICS).chain(({ metric, fields }) => {
  const figure = fc.option(/share|rate/.test(metric) ? share : number, { freq: 8 });
  return fc.record({
    fields: fc.constant(fields),
    metric: fc.constant(metric),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    observed: figure,
    expected: figure,
    low: figure,
    high: figure,
  });
});

const anySlice = fc.constantFrom("all", "origin=EWR", "origin=JFK", "origin=LGA");

/** Any verdict that a detector can give: the alarm, the outcome and the severity fit together. */
const anyVerdict = (slice: string): fc.Arbitrary<SliceVerdict> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant(clean(slice)) },
    { weight: 2, arbitrary: fc.constant(unknown(slice)) },
    {
      weight: 2,
      arbitrary: fc
        .record({
          score: fc.double({ min: 1, max: 1e6, noNaN: true }),
          severity: fc.constantFrom(...SEVERITIES),
          causes: fc.array(anyCause, { maxLength: 3 }),
        })
        .map((rest) => ({ slice, alarm: true, judged: true, ...rest })),
    },
  );

export const anyVerdicts: fc.Arbitrary<readonly SliceVerdict[]> = fc
  .uniqueArray(anySlice, { minLength: 1, maxLength: 4 })
  .chain((slices) => fc.tuple(...slices.map(anyVerdict)));

/**
 * Ticks in an order that a judge can give: windows of two sizes as they close, each of them a first time, and now and
 * then one of the last windows again with a higher revision.
 */
export const anyTicks: fc.Arbitrary<readonly Tick[]> = fc
  .array(fc.record({ verdicts: anyVerdicts, revises: fc.option(fc.nat(6), { freq: 3 }), isLong: fc.boolean() }), {
    minLength: 4,
    maxLength: 60,
    size: "max",
  })
  .map((steps) => {
    const first: Tick[] = [];
    const revisions = new Map<string, number>();
    const next = { [6 * HOUR]: Date.UTC(2013, 1, 1), [DAY]: Date.UTC(2013, 1, 1) };
    return steps.map(({ verdicts, revises, isLong }): Tick => {
      const again = revises === null ? undefined : first[first.length - 1 - revises];
      if (again !== undefined) {
        const key = `${again.sizeMs}|${again.startMs}`;
        const revision = (revisions.get(key) ?? 0) + 1;
        revisions.set(key, revision);
        return { ...again, revision, verdicts };
      }
      const sizeMs = isLong ? DAY : 6 * HOUR;
      const startMs = next[sizeMs] ?? 0;
      next[sizeMs] = startMs + sizeMs;
      const tick = { sizeMs, startMs, endMs: startMs + sizeMs, revision: 0, verdicts };
      first.push(tick);
      return tick;
    });
  });
