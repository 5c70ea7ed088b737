import { describe, expect, test } from "vitest";
import { createDetector, restoreDetector } from "../../src/anomaly/detector.ts";
import type { Detector, DetectorInput, DetectorScore } from "../../src/core/detector.ts";
import type { FeedbackLabel } from "../../src/core/feedback.ts";
import { cleanWindow, withValues } from "./stream.ts";

const DAILY = { season: 7, warmup: "auto" } as const;
const TRAINED = 120;

function step(detector: Detector, input: DetectorInput, called?: FeedbackLabel): DetectorScore {
  const score = detector.scoreOne(input);
  detector.learnOne(input, score, score.outcome === "fail" ? called : undefined);
  return score;
}

function trained(): Detector {
  const detector = createDetector(DAILY);
  for (let index = 0; index < TRAINED; index++) step(detector, cleanWindow(index));
  return detector;
}

/** Two metrics far from where they were. */
function shifted(index: number): DetectorInput {
  const clean = cleanWindow(index);
  const of = (id: string) => clean.metrics.find((metric) => metric.id === id)!.value as number;
  return withValues(clean, { "mean(f1)": of("mean(f1)") + 40, "null_rate(f2)": of("null_rate(f2)") + 0.3 });
}

interface Inside {
  readonly core: {
    readonly table: unknown;
    readonly calibration: { readonly scores: { readonly taken: number }; readonly logLevel: number };
  };
}

function inside(detector: Detector): Inside["core"] {
  return (JSON.parse(JSON.stringify(detector.snapshot())) as Inside).core;
}

describe("Detector.learnOne() with a person's word", () => {
  test("new-normal moves the levels at once: the next windows do not alarm, as they do without", () => {
    const outcomes = (called?: FeedbackLabel) => {
      const detector = trained();
      return Array.from({ length: 8 }, (_, at) => step(detector, shifted(TRAINED + at), called).outcome);
    };
    expect(outcomes().slice(0, 6)).toEqual(Array.from({ length: 6 }, () => "fail"));
    expect(outcomes("new-normal")).toEqual(["fail", ...Array.from({ length: 7 }, () => "pass")]);
  });

  test("new-normal expects what is there now, and goes on to find what leaves it", () => {
    const detector = trained();
    step(detector, shifted(TRAINED), "new-normal");
    const next = detector.scoreOne(shifted(TRAINED + 1));
    const [low, , high] = next.expected.get("mean(f1)")!;
    const now = shifted(TRAINED + 1).metrics.find(({ id }) => id === "mean(f1)")!.value as number;
    expect(low).toBeLessThan(now);
    expect(high).toBeGreaterThan(now);
    const back = detector.scoreOne(cleanWindow(TRAINED + 1));
    expect(back.outcome).toBe("fail");
    expect(
      back.causes
        .slice(0, 2)
        .flatMap(({ fields }) => fields)
        .sort(),
    ).toEqual(["f1", "f2"]);
  });

  test("expected is learned as it is: the same comes with a lower score, and its scores count as those of a clean window", () => {
    const again = (called?: FeedbackLabel) => {
      const detector = trained();
      const before = inside(detector).calibration.scores.taken;
      step(detector, shifted(TRAINED), called);
      const taken = inside(detector).calibration.scores.taken - before;
      for (let at = 1; at < 7; at++) step(detector, cleanWindow(TRAINED + at));
      return { taken, score: detector.scoreOne(shifted(TRAINED + 7)).score! };
    };
    const [unsaid, expected] = [again(), again("expected")];
    // So plain a fault is not taken into the calibration otherwise.
    expect([unsaid.taken, expected.taken]).toEqual([0, 1]);
    expect(expected.score).toBeLessThan(0.8 * unsaid.score);
  });

  test("expected does not ring on in the windows after it", () => {
    const detector = trained();
    for (let at = 0; at < 6; at++) step(detector, shifted(TRAINED + at), "expected");
    for (let at = 6; at < 11; at++) expect(step(detector, cleanWindow(TRAINED + at)).outcome, `${at}`).toBe("pass");
  });

  test("fault is never learned: models and scores stay, and it alarms as long as it lasts", () => {
    const alarms = (called?: FeedbackLabel) => {
      const detector = trained();
      return Array.from({ length: 40 }, (_, at) => step(detector, shifted(TRAINED + at), called).outcome);
    };
    expect(alarms("fault").filter((outcome) => outcome !== "fail")).toEqual([]);
    expect(alarms().slice(20)).toContain("pass");
    const detector = trained();
    const before = inside(detector);
    step(detector, shifted(TRAINED), "fault");
    const after = inside(detector);
    expect(after.table).toEqual(before.table);
    expect(after.calibration.scores).toEqual(before.calibration.scores);
    // And what is clean afterwards passes.
    expect(step(detector, cleanWindow(TRAINED + 1)).outcome).toBe("pass");
  });

  test("what was spent of the budget is not given back, whatever it was", () => {
    const level = (called?: FeedbackLabel) => {
      const detector = trained();
      step(detector, withValues(cleanWindow(TRAINED), { "mean(f1)": 207 }), called);
      return inside(detector).calibration.logLevel;
    };
    for (const called of ["fault", "expected", "new-normal"] as const) expect(level(called), called).toBe(level());
  });

  test("a snapshot taken between has an identical future", () => {
    for (const called of ["fault", "expected", "new-normal"] as const) {
      const whole = trained();
      let parts = trained();
      for (let at = 0; at < 30; at++) {
        const input = at < 3 || at === 20 ? shifted(TRAINED + at) : cleanWindow(TRAINED + at);
        if (at % 4 === 2) parts = restoreDetector(JSON.parse(JSON.stringify(parts.snapshot())));
        expect(step(parts, input, called)).toEqual(step(whole, input, called));
      }
      expect(JSON.stringify(parts.snapshot())).toBe(JSON.stringify(whole.snapshot()));
    }
  });
});
