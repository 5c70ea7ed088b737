/** What late events bring to a window reaches the comparison with the past as if they had come in time. */
import { describe, expect, test } from "vitest";
import type { MetricValue } from "../../src/core/metric.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { emptyCounts } from "../../src/core/window.ts";
import { FieldNames } from "../../src/profiles/field-names.ts";
import { metricsOf } from "../../src/profiles/metrics.ts";
import type { Profile } from "../../src/profiles/profile.ts";
import { isReferenceMetric } from "../../src/profiles/reference-metrics.ts";
import { windowSummary } from "../../src/profiles/window-summary.ts";
import { KeptProfile } from "../../src/stages/kept-profile.ts";
import { type Judged, SeriesJudge, type WindowInput } from "../../src/stages/series-judge.ts";
import { fieldOf, profileOf, type Row } from "../profiles/column-batches.ts";
import { atOnce } from "./at-once.ts";

const DAY_MS = 86_400_000;
const FIELDS = [fieldOf("carrier", "string"), fieldOf("delay", "int"), fieldOf("gate", "string")];
/** The reference is full from here on. */
const REVISED = 32;
/** The late events come when these have closed, too. */
const CLOSED_BEFORE = REVISED + 4;
const LAST = CLOSED_BEFORE + 4;
/** None of them as any before: other values and patterns, a delay beyond the limits, a gate that is absent alone. */
const LATE: readonly Row[] = [
  [["ZZ"], [4_000], ["7-7"]],
  [["ZZ"], [-900], ["7-7"]],
  [["ZZ"], [5], [null]],
  [["UA"], [5], [null]],
];

function rowsOf(day: number): Row[] {
  const random = new SeededRandom(100 + day);
  return Array.from({ length: 120 + random.below(20) }, (): Row => {
    if (random.next() < 0.05) return [["AA"], [null], [null]];
    return [[["UA", "AA", "DL"][random.below(3)]!], [random.below(60) - 10], [`B${random.below(9)}`]];
  });
}

/** From the revised window on, some of the late events' kind come in time, too: the past decides what they are. */
function rowsOfDay(day: number): Row[] {
  return day > REVISED ? [...rowsOf(day), LATE[day % LATE.length]!] : rowsOf(day);
}

function series(): SeriesJudge {
  const options = { names: new FieldNames(), policyOf: () => "show" as const };
  return new SeriesJudge({
    season: 1,
    // Nothing alarms, so that every window is learned.
    warmup: 10_000,
    sizeMs: DAY_MS,
    reviseForMs: 20 * DAY_MS,
    falseAlarms: () => 1 / 30,
    metricsOf: (profile) => metricsOf(profile, options),
    referenceMetricsOf: (reference, contents) => reference.metrics(contents, options),
    summaryOf: (profile) => windowSummary(profile, options),
  });
}

function inputOf(day: number, profile: Profile): WindowInput {
  const window = { dataset: "flights", slice: "all", startMs: day * DAY_MS, endMs: (day + 1) * DAY_MS };
  return {
    window,
    index: day,
    partial: false,
    empty: false,
    counts: { ...emptyCounts(), ...profile.counts() },
    profile: KeptProfile.of(profile),
  };
}

type When = "in time" | "late" | "never";

/** Reference metrics of every window, by day, as they stand in the end. */
function run(when: When): Map<number, readonly MetricValue[]> {
  const judge = series();
  const told = new Map<number, Judged>();
  const profiles = new Map<number, Profile>();
  const tell = (judged: readonly Judged[]) => {
    for (const one of judged) told.set(one.window.startMs / DAY_MS, one);
  };
  for (let day = 0; day <= LAST; day++) {
    const profile = profileOf(FIELDS, rowsOfDay(day));
    if (day === REVISED && when === "in time") profile.merge(profileOf(FIELDS, LATE));
    profiles.set(day, profile);
    tell([judge.close(inputOf(day, profile))]);
    if (day === CLOSED_BEFORE && when === "late") {
      const revised = profiles.get(REVISED)!;
      revised.merge(profileOf(FIELDS, LATE));
      tell(atOnce(judge.revise([inputOf(REVISED, revised)])));
    }
    judge.settle();
  }
  // Windows whose outcome stays are not told again by themselves: each is asked once more what it is compared with.
  for (let day = REVISED + 1; day <= CLOSED_BEFORE; day++)
    tell(atOnce(judge.revise([inputOf(day, profiles.get(day)!)])));
  return new Map(
    [...told].map(([day, { metrics }]) => [day, metrics.filter(({ id }) => isReferenceMetric(id))] as const),
  );
}

function figureOf(metrics: readonly MetricValue[] | undefined, id: string): number {
  const value = metrics?.find((metric) => metric.id === id)?.value;
  return typeof value === "number" ? value : Number.NaN;
}

describe("SeriesJudge.revise()", () => {
  test("reference metrics of a revised window, and of every later one, are those of a run without delay", () => {
    const inTime = run("in time");
    const late = run("late");
    for (let day = 0; day <= LAST; day++) expect(late.get(day), `day ${day}`).toEqual(inTime.get(day));
    const kinds = ["unseen_share(", "share(", "outside_share(", "unseen_pattern_share(", "psi(", "rare_pattern_share("];
    for (const day of [REVISED, REVISED + 1, LAST]) {
      const ids = late.get(day)!.map(({ id }) => id);
      for (const kind of kinds)
        expect(
          ids.some((id) => id.startsWith(kind)),
          `${kind} of day ${day}`,
        ).toBe(true);
    }
  });

  test("the late events matter: without them, what came once more is news in every later window", () => {
    const [late, never] = [run("late"), run("never")];
    const newsOf = (metrics: ReturnType<typeof run>, id: string) =>
      Array.from({ length: LAST - REVISED }, (_, i) => figureOf(metrics.get(REVISED + 1 + i), id));
    const first = (figures: readonly number[]) => figures.findIndex((figure) => figure > 0);
    for (const id of ["unseen_share(carrier)", "unseen_pattern_share(gate)", "rare_pattern_share()"]) {
      expect(figureOf(late.get(REVISED), id), id).toBeGreaterThan(0);
      expect(figureOf(never.get(REVISED), id), id).toBe(0);
      expect(first(newsOf(never, id)), id).toBeGreaterThanOrEqual(0);
      expect(first(newsOf(late, id)), id).toBe(-1);
    }
    const shares = (metrics: ReturnType<typeof run>) => figureOf(metrics.get(REVISED + 1), "psi(carrier)");
    expect(shares(late)).not.toBe(shares(never));
  });
});
