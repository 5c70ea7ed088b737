import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createDetector, restoreDetector } from "../../src/anomaly/detector.ts";
import type { Detector, DetectorInput, DetectorScore } from "../../src/core/detector.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { cleanWindow, gaussian, metric, ROWS, withValues } from "./stream.ts";

const DAILY = { season: 7, warmup: "auto" } as const;

function step(detector: Detector, input: DetectorInput): DetectorScore {
  const score = detector.scoreOne(input);
  detector.learnOne(input, score);
  return score;
}

function trained(windows: number, fieldCount?: number): Detector {
  const detector = createDetector(DAILY);
  for (let index = 0; index < windows; index++) step(detector, cleanWindow(index, fieldCount));
  return detector;
}

describe("createDetector() warm-up", () => {
  test("auto is at most 37 windows of a day, and until then unknown with a null score, never 0", () => {
    const detector = createDetector({ season: "auto", warmup: "auto", windowMs: 86_400_000 });
    for (let index = 0; index < 37; index++) {
      const score = step(detector, cleanWindow(index));
      expect(score.outcome).toBe("unknown");
      expect(score.score).toBeNull();
      expect(score.pValue).toBeNull();
      expect(score.severity).toBeNull();
    }
    const score = detector.scoreOne(cleanWindow(37));
    expect(score.outcome).toBe("pass");
    expect(score.score).not.toBeNull();
  });

  test("a number of windows is obeyed", () => {
    const detector = createDetector({ season: 7, warmup: 60 });
    for (let index = 0; index < 60; index++) expect(step(detector, cleanWindow(index)).outcome).toBe("unknown");
    expect(detector.scoreOne(cleanWindow(60)).outcome).toBe("pass");
  });

  test("a short warm-up judges when it said it would", () => {
    const detector = createDetector({ season: 1, warmup: 10 });
    for (let index = 0; index < 10; index++) step(detector, cleanWindow(index));
    expect(detector.scoreOne(cleanWindow(10)).outcome).not.toBe("unknown");
  });

  test("an impossible season or warm-up is refused", () => {
    expect(() => createDetector({ season: 0, warmup: 1 })).toThrow("season is 0");
    expect(() => createDetector({ season: 7, warmup: 1.5 })).toThrow("warmup is 1.5");
    expect(() => createDetector({ season: "auto", warmup: "auto", windowMs: 0 })).toThrow("0 ms");
  });
});

describe("scoreOne()", () => {
  test("is pure", () => {
    const detector = trained(60);
    const before = JSON.stringify(detector.snapshot());
    const input = withValues(cleanWindow(60), { "null_rate(f1)": 0.4 });
    expect(detector.scoreOne(input)).toEqual(detector.scoreOne(input));
    expect(JSON.stringify(detector.snapshot())).toBe(before);
  });

  test("clean windows rarely alarm, and their scores are not all 0", () => {
    const detector = createDetector(DAILY);
    let alarms = 0;
    const scores = new Set<number>();
    for (let index = 0; index < 300; index++) {
      const score = step(detector, cleanWindow(index));
      if (score.outcome === "fail") alarms++;
      if (score.score !== null) scores.add(score.score);
    }
    // The budget is one in 30.
    expect(alarms).toBeLessThanOrEqual(15);
    expect(scores.size).toBeGreaterThan(200);
  });

  test("a fault alarms and its field is the first cause", () => {
    const detector = trained(100);
    const faults: [Record<string, number>, string[]][] = [
      [{ "mean(f2)": 160 }, ["f2"]],
      [{ "unseen_share(f3)": 0.1 }, ["f3"]],
      [{ "duplicate_share()": 0.07 }, []],
      [{ "row_count()": 300 }, []],
    ];
    for (const [values, fields] of faults) {
      const score = detector.scoreOne(withValues(cleanWindow(100), values));
      expect(score.outcome).toBe("fail");
      expect(score.score).toBeGreaterThan(1.3);
      expect(score.causes[0]!.fields).toEqual(fields);
      expect(score.severity).toMatch(/^P[123]$/);
    }
  });

  test("the residual lane sees one null rate leave its companions, which alone would pass", () => {
    let calm = 140;
    while ((cleanWindow(calm).metrics.find((m) => m.id === "null_rate(f1)")!.value as number) > 0.025) calm++;
    const detector = trained(calm);
    const score = detector.scoreOne(withValues(cleanWindow(calm), { "null_rate(f1)": 0.15 }));
    const lane = (name: string) => score.lanes.find((l) => l.lane === name)!.score!;
    expect(lane("metrics")).toBeLessThan(1);
    expect(lane("residual")).toBeGreaterThan(1);
    expect(score.outcome).toBe("fail");
    expect(score.causes[0]!.fields).toEqual(["f1"]);
    // All of them together are a storm, as there were many.
    const storm = Object.fromEntries([0, 1, 2, 3].map((i) => [`null_rate(f${i})`, 0.15]));
    const together = detector.scoreOne(withValues(cleanWindow(calm), storm));
    expect(together.lanes.find((l) => l.lane === "residual")!.score).toBeLessThan(1);
    expect(together.score).toBeLessThan(score.score!);
  });

  test("the score follows the lane that is strongest in its own unit, and fail means a score of at least 1", () => {
    const detector = createDetector(DAILY);
    for (let index = 0; index < 120; index++) {
      const bad = index > 60 && index % 10 === 0;
      const input = withValues(cleanWindow(index), bad ? { "mean(f0)": 100 + index / 5 } : {});
      const score = detector.scoreOne(input);
      const worse = detector.scoreOne(withValues(input, { "mean(f0)": 1_000 }));
      detector.learnOne(input, score);
      if (score.score === null) continue;
      const strongest = (of: DetectorScore) => Math.max(...of.lanes.map((lane) => lane.score ?? 0));
      // One threshold for both: what is told apart is how far out they are.
      expect(strongest(worse) / worse.score!).toBeCloseTo(strongest(score) / score.score, 9);
      expect(worse.score).toBeGreaterThan(score.score);
      expect(score.outcome).toBe(score.score >= 1 ? "fail" : "pass");
      expect(score.severity === null).toBe(score.outcome === "pass");
    }
  });

  test("the score is not capped and grows with the fault", () => {
    const detector = trained(100);
    const scores = [120, 200, 1_000, 10_000].map(
      (value) => detector.scoreOne(withValues(cleanWindow(100), { "mean(f0)": value })).score!,
    );
    expect(scores).toEqual([...scores].sort((a, b) => a - b));
    expect(scores[3]).toBeGreaterThan(100);
  });

  test("causes name at least three distinct fields, one metric of each first, with shares of at most 1", () => {
    const detector = trained(100, 6);
    for (const input of [
      cleanWindow(100, 6),
      withValues(cleanWindow(100, 6), { "mean(f2)": 190, "null_rate(f2)": 0.9 }),
    ]) {
      const { causes } = detector.scoreOne(input);
      expect(causes.length).toBeGreaterThanOrEqual(3);
      expect(causes.length).toBeLessThanOrEqual(10);
      const fields = causes.map((cause) => JSON.stringify(cause.fields));
      expect(new Set(fields.slice(0, 3)).size).toBe(3);
      expect(new Set(causes.map((cause) => cause.metric)).size).toBe(causes.length);
      const sum = causes.reduce((total, cause) => total + cause.share, 0);
      expect(sum).toBeLessThanOrEqual(1 + 1e-9);
      for (const cause of causes) expect(cause.share).toBeGreaterThanOrEqual(0);
    }
  });

  test("observed, expected, low and high are in the metric's own unit", () => {
    const detector = trained(100);
    const score = detector.scoreOne(withValues(cleanWindow(100), { "row_count()": 300 }));
    const cause = score.causes[0]!;
    expect(cause.metric).toBe("row_count()");
    expect(cause.observed).toBe(300);
    expect(cause.expected).toBeGreaterThan(900);
    expect(cause.expected).toBeLessThan(1_100);
    expect(cause.low).toBeGreaterThan(600);
    expect(cause.low).toBeLessThan(cause.expected!);
    expect(cause.high).toBeGreaterThan(cause.expected!);
    expect(score.expected.get("row_count()")).toEqual([cause.low, cause.expected, cause.high]);
    for (const m of cleanWindow(100).metrics) {
      const [low, mid, high] = score.expected.get(m.id)!;
      expect(low).toBeLessThanOrEqual(mid);
      expect(mid).toBeLessThanOrEqual(high);
    }
  });

  test("pValue falls with the score, and of clean windows a tenth have one of at most a tenth", () => {
    const detector = createDetector(DAILY);
    const clean: number[] = [];
    for (let index = 0; index < 400; index++) {
      const score = step(detector, cleanWindow(index));
      if (score.pValue === null) continue;
      const worse = detector.scoreOne(withValues(cleanWindow(index + 1), { "mean(f0)": 900 }));
      expect(worse.pValue).toBeLessThan(Math.min(0.001, score.pValue));
      clean.push(score.pValue);
    }
    const share = clean.filter((p) => p <= 0.1).length / clean.length;
    expect(share).toBeGreaterThan(0.04);
    expect(share).toBeLessThan(0.18);
  });
});

describe("metrics that hardly move", () => {
  test("a share that was always 0 is silent at one row and alarms at eight", () => {
    const detector = trained(80);
    const score = (rows: number) => detector.scoreOne(withValues(cleanWindow(80), { "unseen_share(f0)": rows / ROWS }));
    expect(score(1).outcome).toBe("pass");
    expect(score(8).outcome).toBe("fail");
    expect(score(8).causes[0]!.metric).toBe("unseen_share(f0)");
  });

  test("a change of less than one row in ten thousand is silent however large the window", () => {
    const huge = (index: number, share: number): DetectorInput => ({
      index,
      metrics: [{ ...metric("null_rate(a)", "share", share, ["a"]), n: 1e8 }],
    });
    const detector = createDetector(DAILY);
    for (let index = 0; index < 60; index++) step(detector, huge(index, 0));
    expect(detector.scoreOne(huge(60, 0.00005)).outcome).toBe("pass");
    expect(detector.scoreOne(huge(60, 0.0005)).outcome).toBe("fail");
  });

  test("constant metrics are silent while constant and alarm when they change", () => {
    const constant = (index: number, value: number): DetectorInput => ({
      index,
      metrics: [metric("mean(a)", "value", value, ["a"]), metric("mean(zero)", "value", 0, ["zero"])],
    });
    const detector = createDetector(DAILY);
    for (let index = 0; index < 90; index++) expect(step(detector, constant(index, 5)).outcome).not.toBe("fail");
    expect(detector.scoreOne(constant(90, 5.001)).outcome).toBe("pass");
    expect(detector.scoreOne(constant(90, 6)).outcome).toBe("fail");
    const moved = detector.scoreOne(withValues(constant(90, 5), { "mean(zero)": 1e-6 }));
    expect(moved.outcome).toBe("fail");
    expect(Number.isFinite(moved.score)).toBe(true);
  });
});

describe("learnOne()", () => {
  test("a fault of three days alarms on each of them", () => {
    const detector = trained(100);
    for (const index of [100, 101, 102]) {
      const fault = { "unseen_share(f0)": 0.2, "mean(f1)": 260 };
      expect(step(detector, withValues(cleanWindow(index), fault)).outcome).toBe("fail");
    }
    expect(step(detector, cleanWindow(103)).outcome).toBe("pass");
  });

  test("a fault learned as if it were normal hides the next one (what protection is for)", () => {
    const scores = [true, false].map((isProtected) => {
      const detector = trained(100);
      // Seven: what alarms for longer than a season is learned as it is.
      for (let index = 100; index < 107; index++) {
        const bad = withValues(cleanWindow(index), { "mean(f1)": index % 2 === 0 ? 400 : 40 });
        const score = detector.scoreOne(bad);
        detector.learnOne(bad, isProtected ? score : { ...score, outcome: "pass" });
      }
      return detector.scoreOne(withValues(cleanWindow(107), { "mean(f1)": 240 })).score!;
    });
    expect(scores[0]).toBeGreaterThan(1);
    expect(scores[1]).toBeLessThan(1);
  });

  test("a change that lasts stops alarming within three seasons", () => {
    const detector = trained(100);
    const outcomes: string[] = [];
    for (let index = 100; index < 130; index++) {
      const shifted = withValues(cleanWindow(index), { "unseen_share(f0)": 0.2, "mean(f1)": 320 + (index % 7) });
      outcomes.push(step(detector, shifted).outcome);
    }
    expect(outcomes[0]).toBe("fail");
    expect(outcomes.slice(21)).toEqual(outcomes.slice(21).map(() => "pass"));
  });

  test("metrics come and go, and are missing, without an alarm", () => {
    const detector = createDetector(DAILY);
    const random = new SeededRandom(4);
    let alarms = 0;
    for (let index = 0; index < 220; index++) {
      const clean = cleanWindow(index);
      const metrics = clean.metrics.filter(() => random.next() > 0.1);
      if (index > 60) metrics.push(metric("share(f0=a)", "share", 0.3 + 0.01 * gaussian(random), ["f0"]));
      if (index % 40 < 20) metrics.push(metric(`share(f0=v${Math.floor(index / 40)})`, "share", 0.1, ["f0"]));
      metrics.push(metric("mean(gone)", "value", undefined, ["gone"]));
      const score = step(detector, { index, metrics });
      expect(score.causes.map((cause) => cause.metric)).not.toContain("mean(gone)");
      if (index > 120 && score.outcome === "fail") alarms++;
    }
    expect(alarms).toBeLessThanOrEqual(6);
  });

  test("the season keeps its phase over a gap in the windows", () => {
    const detector = trained(80);
    for (let index = 90; index < 104; index++) expect(step(detector, cleanWindow(index)).outcome).toBe("pass");
    // Planted defect: counted as if no window were missing, the weekend falls on working days.
    const slipped = trained(80);
    let alarms = 0;
    for (let index = 80; index < 94; index++) {
      if (step(slipped, { index, metrics: cleanWindow(index + 10).metrics }).outcome === "fail") alarms++;
    }
    expect(alarms).toBeGreaterThan(0);
  });

  test("only scored numbers take part, and names such as __proto__ are names", () => {
    const detector = createDetector(DAILY);
    const input = (index: number, value: number): DetectorInput => ({
      index,
      metrics: [
        metric("__proto__", "value", value, ["__proto__"]),
        metric("constructor", "value", 3 + (index % 5), ["constructor"]),
        { ...metric("max(a)", "value", index === 60 ? 1e9 : 1, ["a"]), scored: false },
        { ...metric("text", "value", undefined, ["t"]), value: "9007199254740993" },
      ],
    });
    for (let index = 0; index < 60; index++) step(detector, input(index, 7));
    expect(detector.scoreOne(input(60, 7)).outcome).toBe("pass");
    const score = detector.scoreOne(input(60, 70));
    expect(score.outcome).toBe("fail");
    expect(score.causes[0]!.fields).toEqual(["__proto__"]);
    expect([...score.expected.keys()].sort()).toEqual(["__proto__", "constructor"]);
  });

  test("more metrics than it keeps are left out, and the known ones are still judged", () => {
    const wide = (index: number, first: number): DetectorInput => ({
      index,
      metrics: Array.from({ length: 2_050 }, (_, i) => metric(`m${i}`, "share", i === 0 ? first : 0, [`f${i}`])),
    });
    const detector = createDetector({ season: 1, warmup: 6 });
    for (let index = 0; index < 8; index++) step(detector, wide(index, 0));
    const score = detector.scoreOne(wide(8, 0.5));
    expect(score.expected.size).toBe(2_000);
    expect(score.causes[0]!.metric).toBe("m0");
  });

  test("a window that is not later than the last one is refused", () => {
    const detector = trained(3);
    expect(() => detector.learnOne(cleanWindow(2), detector.scoreOne(cleanWindow(2)))).toThrow("already learned");
  });
});

describe("season auto", () => {
  const spread = (detector: Detector, from: number): number => {
    const [low, , high] = detector.scoreOne(cleanWindow(from)).expected.get("row_count()")!;
    return high - low;
  };

  test("is found in the data when the window's size is unknown", () => {
    const auto = createDetector({ season: "auto", warmup: "auto" });
    const none = createDetector({ season: 1, warmup: "auto" });
    for (let index = 0; index < 90; index++) {
      step(auto, cleanWindow(index));
      step(none, cleanWindow(index));
    }
    expect(auto.scoreOne(cleanWindow(90)).outcome).toBe("pass");
    expect(spread(auto, 90)).toBeLessThan(0.5 * spread(none, 90));
    expect((auto.snapshot() as { core: { season: number } }).core.season).toBe(7);
  });

  test("is none in noise", () => {
    const random = new SeededRandom(12);
    const detector = createDetector({ season: "auto", warmup: "auto" });
    for (let index = 0; index < 50; index++) {
      const metrics = Array.from({ length: 6 }, (_, i) => metric(`m${i}`, "value", gaussian(random), [`m${i}`]));
      step(detector, { index, metrics });
    }
    expect((detector.snapshot() as { core: { season: number } }).core.season).toBe(1);
  });

  test.each([
    [86_400_000, 7],
    [3_600_000, 24],
    [300_000, 288],
    [60_000, 60],
    [7 * 86_400_000, 1],
  ])("of a window of %d ms is %d", (windowMs, season) => {
    const detector = createDetector({ season: "auto", warmup: "auto", windowMs });
    expect((detector.snapshot() as { core: { season: number } }).core.season).toBe(season);
  });
});

describe("snapshot()", () => {
  test("restoreDetector() has an identical future, through JSON, wherever it is taken", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 110 }),
        fc.array(fc.nat(119), { maxLength: 12 }),
        fc.constantFrom(DAILY, { season: "auto", warmup: "auto" } as const),
        (cut, faulty, options) => {
          const faults = new Set(faulty);
          const whole = createDetector(options);
          let parts = createDetector(options);
          for (let index = 0; index < 120; index++) {
            if (index === cut) parts = restoreDetector(JSON.parse(JSON.stringify(parts.snapshot())));
            const values: Record<string, number | undefined> = faults.has(index)
              ? { "mean(f0)": 170, "unseen_share(f1)": 0.05, "mean(f2)": undefined }
              : {};
            const input = withValues(cleanWindow(index, 3), values);
            expect(step(parts, input)).toEqual(step(whole, input));
          }
          expect(JSON.stringify(parts.snapshot())).toBe(JSON.stringify(whole.snapshot()));
        },
      ),
      { seed: 41, numRuns: 8 },
    );
  });

  test("restoreDetector() refuses what is not its snapshot", () => {
    for (const junk of [null, 7, {}, { version: 99, options: DAILY }]) {
      expect(() => restoreDetector(junk)).toThrow("Cannot restore the detector");
    }
  });
});
