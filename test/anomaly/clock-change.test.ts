/** A day of hours follows the clocks of its zone: where these are put forward or back, what it is used to moves along. */
import { expect, test } from "vitest";
import { createDetector, restoreDetector } from "../../src/anomaly/detector.ts";
import type { DetectorInput } from "../../src/core/detector.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { gaussian } from "./stream.ts";

const HOUR = 3_600_000;
const DAYS = 24;
const CHANGED_AT = 20 * 24 + 2;

/** People are up by the clocks; `by`: hours that these are put forward in the night after the 20th day. */
function streamOf(by: number, seed: number, isTold: boolean): DetectorInput[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: DAYS * 24 }, (_, index): DetectorInput => {
    const ahead = -5 + (index >= CHANGED_AT ? by : 0);
    const hour = (((index + ahead) % 24) + 24) % 24;
    const level = 500 + 400 * Math.sin((2 * Math.PI * (hour - 8)) / 24);
    const values = [Math.round(level + Math.sqrt(level) * gaussian(random)), 100 + hour + 0.2 * gaussian(random)];
    const metrics = values.map((value, i) => ({
      ...{ id: i === 0 ? "row_count()" : "mean(hour)", kind: i === 0 ? ("count" as const) : ("value" as const) },
      ...{ fields: i === 0 ? [] : ["hour"], value, n: level, scored: true },
    }));
    return { index, ...(isTold && { ahead }), metrics };
  });
}

/** Alarms from the night of the change on. `restartAt`: goes on from a snapshot there. */
function alarmsOf(inputs: readonly DetectorInput[], restartAt?: number): number[] {
  let detector = createDetector({ season: 24, warmup: "auto", windowMs: HOUR });
  const alarms: number[] = [];
  for (const input of inputs) {
    if (input.index === restartAt) detector = restoreDetector(JSON.parse(JSON.stringify(detector.snapshot())));
    const score = detector.scoreOne(input);
    if (score.outcome === "fail" && input.index >= CHANGED_AT) alarms.push(input.index);
    detector.learnOne(input, score);
  }
  return alarms;
}

test.each([1, -1])("clocks that are moved by %d hour raise no alarm, where they are told of", (by) => {
  for (let seed = 1; seed <= 6; seed++) {
    const told = streamOf(by, seed, true);
    expect(alarmsOf(told), `seed ${seed}`).toEqual([]);
    expect(alarmsOf(told, CHANGED_AT + 1), `seed ${seed}, restarted`).toEqual([]);
    expect(alarmsOf(streamOf(by, seed, false)).length, `seed ${seed}, not told`).toBeGreaterThan(2);
  }
});
