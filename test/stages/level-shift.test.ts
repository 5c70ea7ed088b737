/** A lasting shift is one incident that ends as a new level; a fault of a few windows never becomes one; a slow trend is neither. */
import { describe, expect, test } from "vitest";
import { IncidentTracker } from "../../src/alerts/incident-tracker.ts";
import { createDetector, restoreDetector } from "../../src/anomaly/detector.ts";
import type { Detector, DetectorInput, DetectorScore } from "../../src/core/detector.ts";
import type { MetricValue } from "../../src/core/metric.ts";
import { SeededRandom } from "../../src/core/random.ts";
import type { AlertRecord } from "../../src/core/verdict.ts";
import { gaussian, metric } from "../anomaly/stream.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface Kind {
  readonly name: string;
  readonly windowMs: number;
  readonly season: number;
  /** Windows that are learned before anything happens. */
  readonly trained: number;
  /** Of shifts that are tried. */
  readonly seeds: number;
  /** False alarms per window that are tolerated. */
  readonly rate: number;
}

const DAYS: Kind = { name: "days", windowMs: DAY_MS, season: 7, trained: 130, seeds: 30, rate: 1 / 30 };
const HOURS: Kind = { name: "hours", windowMs: HOUR_MS, season: 24, trained: 300, seeds: 20, rate: 1 / 100 };
const FIELDS = 6;

/** What is added to the means of fields, by index of the field, in spreads. */
type Shift = ReadonlyMap<number, number>;

/** Rows, and a mean and a share of nulls for each field, all with a season. The noise of a mean is 1. */
function windowOf({ season }: Kind, index: number, seed: number, shift: Shift): DetectorInput {
  const random = new SeededRandom(1 + seed * 1_000_003 + index * 7_919);
  const phase = Math.sin((2 * Math.PI * (index % season)) / season);
  const metrics: MetricValue[] = [
    metric("row_count()", "count", Math.round(1_000 * (1 + 0.3 * phase + 0.02 * gaussian(random)))),
  ];
  for (let field = 0; field < FIELDS; field++) {
    const name = `f${field}`;
    const mean = 100 * (field + 1) + 5 * phase + gaussian(random) + (shift.get(field) ?? 0);
    metrics.push(metric(`mean(${name})`, "value", mean, [name]));
    metrics.push(metric(`null_rate(${name})`, "share", 0.02 + 0.003 * Math.abs(gaussian(random)), [name]));
  }
  return { index, metrics };
}

const NONE: Shift = new Map();

function step(detector: Detector, input: DetectorInput) {
  const score = detector.scoreOne(input);
  return { score, learned: detector.learnOne(input, score) };
}

const trained = new Map<Kind, unknown>();

/** All begin in the same past. */
function trainedDetector(kind: Kind): Detector {
  if (!trained.has(kind)) {
    const { season, windowMs, rate } = kind;
    const detector = createDetector({ season, warmup: "auto", windowMs, falseAlarms: rate });
    for (let index = 0; index < kind.trained; index++) step(detector, windowOf(kind, index, 0, NONE));
    trained.set(kind, detector.snapshot());
  }
  return restoreDetector(trained.get(kind));
}

interface Run {
  readonly alerts: readonly AlertRecord[];
  readonly scores: readonly DetectorScore[];
}

/** What is told after the past, window by window. */
function run(kind: Kind, seed: number, windows: number, shiftOf: (at: number) => Shift): Run {
  const detector = trainedDetector(kind);
  const incidents = new IncidentTracker({ dataset: "trips", resolveAfter: 1 });
  const alerts: AlertRecord[] = [];
  const scores: DetectorScore[] = [];
  for (let at = 0; at < windows; at++) {
    const { score, learned } = step(detector, windowOf(kind, kind.trained + at, seed, shiftOf(at)));
    const startMs = at * kind.windowMs;
    const verdict = {
      slice: "all",
      alarm: score.outcome === "fail",
      judged: true,
      score: score.score,
      severity: score.severity,
      causes: score.causes,
      ...learned,
    };
    const tick = { sizeMs: kind.windowMs, startMs, endMs: startMs + kind.windowMs, revision: 0, verdicts: [verdict] };
    const alert = incidents.update(tick);
    if (alert !== undefined) alerts.push(alert);
    scores.push(score);
  }
  return { alerts, scores };
}

/** Window of the run that the alert is about. */
function atOf({ windowMs }: Kind, alert: AlertRecord): number {
  return Date.parse(alert.windowStart) / windowMs;
}

function outline(kind: Kind, seed: number, alerts: readonly AlertRecord[]): string {
  const told = alerts.map((alert) => `${atOf(kind, alert)} ${alert.state} ${alert.reason} ${alert.causes[0]?.metric}`);
  return `seed ${seed}: ${told.join(", ")}`;
}

function shiftOfSeed(seed: number): Shift {
  const random = new SeededRandom(77 + seed);
  const side = random.next() < 0.5 ? -1 : 1;
  const count = 1 + random.below(3);
  return new Map(Array.from({ length: count }, (_, i) => [(seed + 2 * i) % FIELDS, side * (4 + 6 * random.next())]));
}

describe.each([DAYS, HOURS])("of $name", (kind) => {
  const { season, seeds } = kind;
  const all = Array.from({ length: seeds }, (_, i) => i + 1);

  test("a clean shift is one incident, resolved as a new level and quiet within two seasons; other metrics do not notice", () => {
    const failed: string[] = [];
    let later = 0;
    for (const seed of all) {
      const shift = shiftOfSeed(seed);
      const { alerts, scores } = run(kind, seed, 4 * season, () => shift);
      const fields = [...shift.keys()].map((field) => `f${field}`);
      const names = ({ causes }: AlertRecord) => fields.includes(causes[0]?.fields[0] ?? "");
      const [incident, ...others] = new Set(alerts.filter(names).map((alert) => alert.incident));
      const end = alerts.find((alert) => alert.state === "resolved" && alert.incident === incident);
      later += others.length;
      const told = outline(kind, seed, alerts);
      if (end?.reason !== "new-level" || atOf(kind, end) > 2 * season) failed.push(told);
      // Without the shift, the same noise: what is expected of the others is the same.
      const twin = run(kind, seed, 4 * season, () => NONE).scores.at(-1)!;
      for (let field = 0; field < FIELDS; field++) {
        const [, mid] = scores.at(-1)!.expected.get(`mean(f${field})`)!;
        const [, twinMid] = twin.expected.get(`mean(f${field})`)!;
        const moved = Math.abs(mid - twinMid - (shift.get(field) ?? 0));
        if (moved > (shift.has(field) ? 1.5 : 1)) failed.push(`${told}; f${field} is off by ${moved}`);
      }
    }
    expect(failed).toEqual([]);
    // The budget allows some false alarms in the time that follows.
    expect(later).toBeLessThanOrEqual((seeds * 3 * season * kind.rate) / 3);
  });

  test("a fault of three windows is over with them, and no new level", () => {
    const failed: string[] = [];
    for (const seed of all) {
      const shift = shiftOfSeed(seed);
      const { alerts } = run(kind, seed, 2 * season, (at) => (at < 3 ? shift : NONE));
      const told = outline(kind, seed, alerts);
      if (alerts.some(({ reason }) => reason === "new-level")) failed.push(told);
      const end = alerts.find(({ state }) => state === "resolved");
      if (end !== undefined && atOf(kind, end) > 5) failed.push(told);
    }
    expect(failed).toEqual([]);
  });

  test("the sentence says what the level is and was", () => {
    const { alerts } = run(kind, 3, 3 * season, () => new Map([[1, 8]]));
    const end = alerts.find(({ state }) => state === "resolved");
    expect(end?.sentence).toMatch(
      /^\d+ Jan.*: quiet again at a new level: the mean of `f1` is 20[78][.\d]* \(was (199|200)[.\d]*\)$/,
    );
    expect(end?.causes[0]).toMatchObject({ metric: "mean(f1)", low: null, high: null });
    expect(end!.causes[0]!.observed! - end!.causes[0]!.expected!).toBeGreaterThan(7);
    expect(end!.causes[0]!.observed! - end!.causes[0]!.expected!).toBeLessThan(9);
  });

  test("a slow trend raises no incident of its metric", () => {
    for (const slope of [0.05, -0.1]) {
      const { alerts } = run(kind, 5, 8 * season, (at) => new Map([[2, slope * (at + 1)]]));
      expect(alerts.filter(({ causes }) => causes[0]?.fields[0] === "f2")).toEqual([]);
    }
  });
});
