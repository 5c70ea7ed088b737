import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CommandFolder, failureOf, runReplay } from "./cli-kit.ts";
import { asCsv, DAY_MS, makeTrips, START_MS } from "./trips.ts";

const CONFIG = `
datasets:
  - topic: trips
    time: { field: at, lateness: 1h, reviseFor: 7d }
    windows: { sizes: [1d] }
    detect: { warmup: 28 }
`;
const PER_DAY = 120;
const DAYS = 60;
/** From here on fares are in another currency. */
const CHANGE = 40;
const day = (at: number) => new Date(START_MS + at * DAY_MS).toISOString();
const INCIDENT = `trips/${day(CHANGE)}/${day(CHANGE + 1)}`;
const TRIPS = makeTrips({ seed: 5, count: DAYS * PER_DAY, everyMs: DAY_MS / PER_DAY }).map((trip) =>
  trip.at < START_MS + CHANGE * DAY_MS || trip.fare === null ? trip : { ...trip, fare: 3 * trip.fare },
);

describe("replay --feedback", () => {
  let folder: CommandFolder;
  let input = "";
  beforeAll(() => {
    folder = new CommandFolder();
    input = folder.write("trips.csv", asCsv(TRIPS));
  });
  afterAll(() => folder.remove());

  const withLines = (...lines: readonly string[]) => {
    return runReplay(folder, CONFIG, [input], { feedback: folder.write("feedback.jsonl", `${lines.join("\n")}\n`) });
  };
  const line = (more: object = {}) =>
    JSON.stringify({ incident: INCIDENT, feedback: "new-normal", by: "ann", at: day(CHANGE + 3), ...more });

  test("the judge hears it in its time; twice gives identical files", async () => {
    const without = await runReplay(folder, CONFIG, [input]);
    /** Of the working days after the word. */
    const alarming = (run: typeof without) =>
      run.verdicts.flatMap(({ alarm, windowStart }) =>
        alarm && windowStart >= day(CHANGE + 3) && windowStart < day(CHANGE + 7) ? windowStart : [],
      ).length;
    expect(without.alerts[0]).toMatchObject({ incident: INCIDENT, state: "opened" });
    const run = await withLines(line(), line({ feedback: "expected", at: day(DAYS + 9) }));
    expect(run.exitCode, run.stderr.join("\n")).toBe(0);
    const answers = run.alerts.filter(({ reason }) => reason === "feedback");
    expect(answers.map(({ state, sentence }) => `${state} ${sentence.replace(/^.*?: /, "")}`)).toEqual([
      "resolved marked as the new normal by ann",
      "resolved marked as expected by ann",
    ]);
    // The last comes behind the end of the data.
    expect(run.alerts.at(-1)).toEqual(answers[1]);
    expect(run.alerts.indexOf(answers[0]!)).toBeLessThan(run.alerts.length - 1);
    expect([alarming(without), alarming(run)]).toEqual([4, 0]);
    expect(run.stderr).toEqual([]);
    const early = await withLines(line({ at: day(3) }), line());
    expect(early.stderr.slice(-1)).toEqual([
      expect.stringMatching(
        /feedback\.jsonl: 1 of 2 were heard; the others are of incidents that there were not \(yet\)/,
      ),
    ]);
    expect((await withLines(line(), line({ feedback: "expected", at: day(DAYS + 9) }))).files).toEqual(run.files);
  });

  test.each([
    ["{", /feedback\.jsonl:2: it is not JSON$/],
    [
      '{"incident":"trips/a/b","feedback":"fault"}',
      /feedback\.jsonl:2: at is missing: the event time at which it was said$/,
    ],
    [
      '{"incident":"calls/a/b","feedback":"fault","at":"2024-03-04T00:00:00Z"}',
      /:2: incident: "calls" is none of the datasets trips$/,
    ],
    ['{"incident":"trips/a/b","feedback":"ok"}', /:2: feedback: expected one of fault, expected, new-normal$/],
  ])("refuses %s with its line", async (bad, message) => {
    const run = await withLines(line(), bad);
    expect(failureOf(run)).toMatchObject({ code: "SG_INPUT", message: expect.stringMatching(message) });
  });

  test("refuses a file that is not there", async () => {
    const run = await runReplay(folder, CONFIG, [input], { feedback: "nowhere.jsonl" });
    expect(failureOf(run)).toMatchObject({
      code: "SG_INPUT",
      message: "Cannot read nowhere.jsonl: there is no such file",
    });
  });
});
