/** Values that are new and stay: while they alarm the reference does not know them, and then it does. */
import { expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import { emptyCounts } from "../../src/core/window.ts";
import { FieldNames } from "../../src/profiles/field-names.ts";
import { metricsOf } from "../../src/profiles/metrics.ts";
import { windowSummary } from "../../src/profiles/window-summary.ts";
import { KeptProfile } from "../../src/stages/kept-profile.ts";
import { type Judged, SeriesJudge, type SeriesJudgeOptions } from "../../src/stages/series-judge.ts";
import { fieldOf, profileOf, type Row } from "../profiles/column-batches.ts";

const DAY_MS = 86_400_000;
const FIELDS = [fieldOf("carrier", "string"), fieldOf("fare", "int")];
/** From here on a fifth of the carriers is one that was never there. */
const NEW_FROM = 80;
const LAST = NEW_FROM + 21;

function rowsOf(day: number): Row[] {
  const random = new SeededRandom(300 + day);
  return Array.from({ length: 400 + random.below(20) }, (): Row => {
    const isNew = random.next() < 0.2 && day >= NEW_FROM;
    return [[isNew ? "ZZ" : ["UA", "AA", "DL"][random.below(3)]!], [random.below(60)]];
  });
}

function optionsOf(reviseForMs: number): SeriesJudgeOptions {
  const options = { names: new FieldNames(), policyOf: () => "show" as const };
  return {
    season: 7,
    warmup: "auto",
    sizeMs: DAY_MS,
    reviseForMs,
    falseAlarms: () => 1 / 300,
    metricsOf: (profile) => metricsOf(profile, options),
    referenceMetricsOf: (reference, contents) => reference.metrics(contents, options),
    summaryOf: (profile) => windowSummary(profile, options),
  };
}

function run(reviseForMs: number): readonly Judged[] {
  const judge = new SeriesJudge(optionsOf(reviseForMs));
  return Array.from({ length: LAST }, (_, day) => {
    const profile = profileOf(FIELDS, rowsOf(day));
    const judged = judge.close({
      window: { dataset: "trips", slice: "all", startMs: day * DAY_MS, endMs: (day + 1) * DAY_MS },
      index: day,
      partial: false,
      empty: false,
      counts: { ...emptyCounts(), ...profile.counts() },
      profile: KeptProfile.of(profile),
    });
    judge.settle();
    return judged;
  });
}

test("SeriesJudge.close() takes new values for known once they have alarmed for a season, and not before", () => {
  const told = run(0);
  const unseen = told.map(({ metrics }) => metrics.find(({ id }) => id === "unseen_share(carrier)")?.value);
  expect(told[NEW_FROM]!.score.outcome).toBe("fail");
  const knownFrom = unseen.findIndex((share, day) => day > NEW_FROM && share === 0);
  expect(knownFrom).toBe(NEW_FROM + 7);
  expect(told[knownFrom - 1]!.learned.newLevels.map(({ metric }) => metric)).toContain("unseen_share(carrier)");
  // Known, they make no alarm of the other kind: the metric is where it was.
  const after = told.slice(knownFrom + 7);
  expect(after.filter(({ score }) => score.outcome === "fail")).toEqual([]);
  expect(after.filter(({ learned }) => learned.isSettling)).toEqual([]);
  // What can be revised is judged as what cannot.
  const revisable = run(5 * DAY_MS).map(({ score, learned }) => [score.score, learned]);
  expect(revisable).toEqual(told.map(({ score, learned }) => [score.score, learned]));
});
