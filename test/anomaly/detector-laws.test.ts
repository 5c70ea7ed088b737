/**
 * What holds of the detector over generated streams: metrics of all kinds, with seasons, trends, gaps and faults.
 *
 * Units. A value may be told in any unit y = a x, a ≠ 0: scores are the same, to the last bit where a is a power of two. y = a x + b is the
 * same as long as the floor (0.1 % of a value's size) stays below a fifth of the spread of every value in both units. A count is a number of events and
 * a share a fraction of 1: they have no other unit.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createDetector, type DetectorOptions, restoreDetector } from "../../src/anomaly/detector.ts";
import type { Detector, DetectorInput, DetectorScore } from "../../src/core/detector.ts";
import type { MetricValue } from "../../src/core/metric.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { cleanWindow, gaussian, metric, withValues } from "./stream.ts";

interface Plan {
  readonly seed: number;
  readonly values: number;
  readonly shares: number;
  readonly counts: number;
  readonly windows: number;
  readonly season: 1 | 7;
  /** Of a metric, in one window. */
  readonly missing: number;
  readonly faults: readonly number[];
}

const plans = (windows = 100) =>
  fc.record({
    seed: fc.nat(1_000_000),
    values: fc.integer({ min: 2, max: 6 }),
    shares: fc.nat(3),
    counts: fc.nat(1),
    windows: fc.constant(windows),
    season: fc.constantFrom<(1 | 7)[]>(1, 7),
    missing: fc.constantFrom(0, 0.05),
    faults: fc.array(fc.integer({ min: 45, max: windows - 1 }), { maxLength: 4 }),
  });

function optionsOf({ season }: Plan): DetectorOptions {
  return { season, warmup: "auto" };
}

/** Values have a spread of at least 1 % of their size. */
function streamOf(plan: Plan): DetectorInput[] {
  const random = new SeededRandom(plan.seed);
  const level = (i: number) => 20 * (i + 1) * (i % 2 === 0 ? 1 : -1);
  return Array.from({ length: plan.windows }, (_, index) => {
    const common = gaussian(random);
    const isFaulty = plan.faults.includes(index);
    const weekly = (index % 7) * (plan.season === 7 ? 1 : 0);
    const metrics: MetricValue[] = [];
    const add = (id: string, kind: MetricValue["kind"], value: number) => {
      // One is always there: of a window without any there is nothing to say.
      if (id === "v1" || random.next() >= plan.missing) metrics.push(metric(id, kind, value, [id]));
    };
    for (let i = 0; i < plan.values; i++) {
      const noise = gaussian(random) + (i % 3) * 0.5 * common;
      add(`v${i}`, "value", level(i) + weekly + 0.02 * index + 2 * noise + (isFaulty && i === 0 ? 60 : 0));
    }
    for (let i = 0; i < plan.shares; i++) {
      add(`s${i}`, "share", Math.abs(0.02 * i + 0.004 * gaussian(random)) + (isFaulty && i === 1 ? 0.2 : 0));
    }
    for (let i = 0; i < plan.counts; i++) {
      add(`c${i}`, "count", Math.round(1000 * Math.exp(0.05 * gaussian(random) + 0.02 * weekly)));
    }
    return { index, metrics };
  });
}

function step(detector: Detector, input: DetectorInput): DetectorScore {
  const score = detector.scoreOne(input);
  detector.learnOne(input, score);
  return score;
}

function scoresOf(inputs: readonly DetectorInput[], options: DetectorOptions): DetectorScore[] {
  const detector = createDetector(options);
  return inputs.map((input) => step(detector, input));
}

function changed(inputs: readonly DetectorInput[], change: (metric: MetricValue) => MetricValue): DetectorInput[] {
  return inputs.map(({ index, metrics }) => ({ index, metrics: metrics.map(change) }));
}

function inUnit(inputs: readonly DetectorInput[], unitOf: (id: string) => readonly [a: number, b: number]) {
  return changed(inputs, (m) => {
    if (m.kind !== "value") return m;
    const [a, b] = unitOf(m.id);
    return { ...m, value: a * (m.value as number) + b };
  });
}

/** Largest relative difference of the scores; infinite where one has a verdict and the other has not. */
function distance(left: readonly DetectorScore[], right: readonly DetectorScore[]): number {
  let largest = 0;
  for (const [i, { score }] of left.entries()) {
    const other = right[i]!.score;
    if ((score === null) !== (other === null)) return Number.POSITIVE_INFINITY;
    if (score !== null && other !== null) largest = Math.max(largest, Math.abs(score - other) / (0.01 + score));
  }
  return largest;
}

describe("the unit of a value", () => {
  test("is of no matter to the last bit where it differs by a power of two, or by the sign", () => {
    fc.assert(
      fc.property(
        plans(),
        fc.array(fc.tuple(fc.integer({ min: -60, max: 60 }), fc.boolean()), { minLength: 6 }),
        (plan, units) => {
          const inputs = streamOf(plan);
          const unitOf = (id: string) => {
            const [exponent, isNegative] = units[Number(id.slice(1)) % units.length]!;
            return [(isNegative ? -1 : 1) * 2 ** exponent, 0] as const;
          };
          const plain = scoresOf(inputs, optionsOf(plan));
          const other = scoresOf(inUnit(inputs, unitOf), optionsOf(plan));
          expect(other.map(({ score }) => score)).toEqual(plain.map(({ score }) => score));
          expect(other.map(({ pValue }) => pValue)).toEqual(plain.map(({ pValue }) => pValue));
          expect(other.map(({ causes }) => causes.map((cause) => cause.metric))).toEqual(
            plain.map(({ causes }) => causes.map((cause) => cause.metric)),
          );
        },
      ),
      { seed: 51, numRuns: 12 },
    );
  });

  test("is of no matter but for rounding: from 1e-20 to 1e20 of it, and with another zero while no floor is reached", () => {
    const unit = fc.tuple(
      fc.double({ min: -20, max: 20, noNaN: true }),
      fc.boolean(),
      fc.double({ min: -1, max: 1, noNaN: true }),
    );
    fc.assert(
      fc.property(plans(), fc.array(unit, { minLength: 6 }), (plan, units) => {
        const inputs = streamOf(plan);
        const unitOf = (id: string) => {
          const [exponent, isNegative, zero] = units[Number(id.slice(1)) % units.length]!;
          const a = (isNegative ? -1 : 1) * 10 ** exponent;
          // The spread is 2 and more, and 0.1 % of the size then at most 0.35.
          return [a, 200 * zero * a] as const;
        };
        const plain = scoresOf(inputs, optionsOf(plan));
        expect(distance(plain, scoresOf(inUnit(inputs, unitOf), optionsOf(plan)))).toBeLessThan(0.001);
      }),
      { seed: 52, numRuns: 12 },
    );
  });

  test("Planted defect: a unit that bends (the logarithm) is another stream", () => {
    const plan = {
      seed: 5,
      values: 3,
      shares: 1,
      counts: 1,
      windows: 100,
      season: 7,
      missing: 0,
      faults: [60],
    } as const;
    const inputs = streamOf(plan);
    const bent = changed(inputs, (m) =>
      m.kind === "value" ? { ...m, value: Math.log(200 + (m.value as number)) } : m,
    );
    expect(distance(scoresOf(inputs, optionsOf(plan)), scoresOf(bent, optionsOf(plan)))).toBeGreaterThan(0.01);
  });
});

test("the order of the metrics is of no matter to the score, but for rounding", () => {
  fc.assert(
    fc.property(plans(140), fc.infiniteStream(fc.nat(1_000_000)), (plan, keys) => {
      const inputs = streamOf(plan);
      const shuffled = inputs.map(({ index, metrics }) => {
        const keyed = metrics.map((m) => [keys.next().value as number, m] as const);
        return { index, metrics: keyed.sort(([a], [b]) => a - b).map(([, m]) => m) };
      });
      expect(distance(scoresOf(inputs, optionsOf(plan)), scoresOf(shuffled, optionsOf(plan)))).toBeLessThan(1e-5);
    }),
    { seed: 53, numRuns: 12 },
  );
});

describe("a metric that was always constant", () => {
  const CONSTANTS: readonly MetricValue[] = [
    metric("k0", "value", 0.1, ["k0"]),
    metric("k1", "value", 0, ["k1"]),
    metric("k2", "value", -3e17, ["k2"]),
    metric("k3", "share", 0, ["k3"]),
    metric("k4", "share", 1 / 3, ["k4"]),
    metric("k5", "count", 37, ["k5"]),
  ];

  test("adds nothing to any score while it stays so", () => {
    fc.assert(
      fc.property(plans(), fc.boolean(), (plan, isFirst) => {
        const inputs = streamOf(plan);
        const more = inputs.map(({ index, metrics }) => ({
          index,
          metrics: isFirst ? [...CONSTANTS, ...metrics] : [...metrics, ...CONSTANTS],
        }));
        const told = (scores: readonly DetectorScore[]) =>
          scores.map(({ score, pValue, severity }) => [score, pValue, severity]);
        expect(told(scoresOf(more, optionsOf(plan)))).toEqual(told(scoresOf(inputs, optionsOf(plan))));
      }),
      { seed: 54, numRuns: 12 },
    );
  });

  const trainedOn = (constant: MetricValue): Detector => {
    const detector = createDetector({ season: 7, warmup: "auto", falseAlarms: 1 / 30 });
    for (let index = 0; index < 80; index++) {
      step(detector, { index, metrics: [...cleanWindow(index).metrics, constant] });
    }
    return detector;
  };
  const scoreAt = (detector: Detector, constant: MetricValue, value: number) =>
    detector.scoreOne({ index: 80, metrics: [...cleanWindow(80).metrics, { ...constant, value }] });

  test.each([1_000, 10_000, 1_000_000])(
    "as a share of %d rows is judged by the binomial error when it first moves, and not below 1 in 10,000",
    (n) => {
      for (const share of [0, 0.3]) {
        const constant = { ...metric("k", "share", share, ["k"]), n };
        const detector = trainedOn(constant);
        // One and a half standard errors, or one row more than none: no news. Eight, or ten rows: an alarm.
        const error = Math.max(1 / n, Math.sqrt((share * (1 - share)) / n));
        const floor = 1e-4;
        expect(scoreAt(detector, constant, share + Math.max(1.4 * error, 0.9 * floor)).outcome).toBe("pass");
        const moved = scoreAt(detector, constant, share + Math.max(10 * error, 5 * floor));
        expect(moved.outcome).toBe("fail");
        expect(moved.causes[0]!.metric).toBe("k");
      }
    },
  );

  test.each([4, 50, 1_000, 100_000, 100_000_000])(
    "as a count of %d is judged by the Poisson error, and not below 1 in 100",
    (count) => {
      const constant = metric("k", "count", count, ["k"]);
      const detector = trainedOn(constant);
      const error = Math.sqrt(count);
      for (const sign of [-1, 1]) {
        expect(scoreAt(detector, constant, count + sign * Math.max(error, 0.02 * count)).outcome).toBe("pass");
      }
      const moved = scoreAt(detector, constant, count + Math.max(12 * error, 0.12 * count));
      expect(moved.outcome).toBe("fail");
      expect(moved.causes[0]!.metric).toBe("k");
    },
  );

  test("as a value is judged by a floor of 0.1 % of its size, in any unit", () => {
    for (const unit of [1, 1e-12, -1e12]) {
      const constant = metric("k", "value", 5 * unit, ["k"]);
      const detector = trainedOn(constant);
      expect(scoreAt(detector, constant, 5.005 * unit).outcome).toBe("pass");
      expect(scoreAt(detector, constant, 5.1 * unit).outcome).toBe("fail");
    }
  });
});

test("missing is not 0: it is no observation, changes no other metric, and keeps the past as it is", () => {
  fc.assert(
    fc.property(plans(90), (plan) => {
      const inputs = streamOf({ ...plan, missing: 0, faults: [] });
      const detector = createDetector(optionsOf(plan));
      for (const input of inputs.slice(0, -1)) step(detector, input);
      const last = inputs.at(-1)!;
      const without = { index: last.index, metrics: last.metrics.filter(({ id }) => id !== "v0") };
      const missing = detector.scoreOne(withValues(last, { v0: undefined }));
      expect(missing).toEqual(detector.scoreOne(without));
      expect(missing.expected.has("v0")).toBe(false);
      const zero = detector.scoreOne(withValues(last, { v0: 0 }));
      expect(zero.expected.has("v0")).toBe(true);
      expect(zero.score).toBeGreaterThan(missing.score!);
      expect(zero.causes[0]).toMatchObject({ metric: "v0", observed: 0 });
      // Two more windows without it: it is expected where it was.
      for (const index of [last.index, last.index + 1]) step(detector, { ...without, index });
      const after = detector.scoreOne({ ...last, index: last.index + 2 }).expected.get("v0")![1];
      expect(Math.abs(after - 20)).toBeLessThan(14);
    }),
    { seed: 55, numRuns: 10 },
  );
});

describe("a larger innovation", () => {
  const FACTORS = [0, 0.3, 0.7, 1, 1.5, 2, 3, 5, 8, 13, 40, 200, 1e3, 1e5, 1e9, 1e15, 1e25];

  /** Scores of the last window with all metrics as expected but one, which lies further and further out on one side. */
  function outwards(plan: Plan, id: string, sign: number): DetectorScore[] {
    const inputs = streamOf({ ...plan, missing: 0 });
    const detector = createDetector(optionsOf(plan));
    for (const input of inputs.slice(0, -1)) step(detector, input);
    const last = inputs.at(-1)!;
    const { expected } = detector.scoreOne(last);
    const middle = withValues(last, Object.fromEntries([...expected].map(([one, [, mid]]) => [one, mid])));
    const [low, mid, high] = expected.get(id)!;
    return FACTORS.map((factor) =>
      detector.scoreOne(
        withValues(middle, {
          [id]: Math.max(id.startsWith("v") ? -1e30 : 0, mid + sign * factor * (sign < 0 ? mid - low : high - mid)),
        }),
      ),
    );
  }

  const laneOf = (scores: readonly DetectorScore[], name: string) =>
    scores.map(({ lanes }) => lanes.find(({ lane }) => lane === name)?.score ?? null);
  const isGrowing = (scores: readonly (number | null)[]) =>
    scores.every((score, i) => i === 0 || (score ?? 0) >= (scores[i - 1] ?? 0) * (1 - 1e-9));

  test("of one metric, the others being as expected, never lowers the score of its own forecast, of the residual, nor an alarm", () => {
    fc.assert(
      fc.property(plans(90), fc.constantFrom("v0", "v1", "s0", "c0"), fc.constantFrom(-1, 1), (plan, id, sign) => {
        const scores = outwards({ ...plan, shares: 2, counts: 1 }, id, sign);
        expect(laneOf(scores, "metrics")).toSatisfy(isGrowing);
        expect(laneOf(scores, "residual")).toSatisfy(isGrowing);
        expect(scores.map(({ score }) => score).filter((score) => score! >= 1)).toSatisfy(isGrowing);
        if (id.startsWith("v")) expect(scores.at(-1)!.outcome).toBe("fail");
      }),
      { seed: 56, numRuns: 30 },
    );
  });

  test("of a metric that was always the same never lowers the score, on either side of 0", () => {
    for (const constant of [-5, 0, 5, 1e-300]) {
      const detector = createDetector({ season: 1, warmup: "auto" });
      for (let index = 0; index < 60; index++)
        step(detector, { index, metrics: [metric("k", "value", constant, ["k"])] });
      for (const sign of [-1, 1]) {
        const scores = FACTORS.map((factor) =>
          detector.scoreOne({ index: 60, metrics: [metric("k", "value", constant + sign * factor, ["k"])] }),
        );
        expect(scores.map(({ score }) => score)).toSatisfy(isGrowing);
      }
    }
  });
});

test("scoring does not learn: what was scored before, and how often, is of no matter to any later score", () => {
  fc.assert(
    fc.property(
      plans(),
      fc.array(fc.tuple(fc.nat(99), fc.nat(99), fc.double({ min: -1e6, max: 1e6, noNaN: true })), { maxLength: 30 }),
      (plan, extra) => {
        const inputs = streamOf(plan);
        const quiet = createDetector(optionsOf(plan));
        const asked = createDetector(optionsOf(plan));
        for (const input of inputs) {
          for (const [at, other, value] of extra) {
            if (at === input.index) asked.scoreOne(withValues(inputs[other % inputs.length]!, { v0: value }));
          }
          expect(step(asked, input)).toEqual(step(quiet, input));
        }
        expect(JSON.stringify(asked.snapshot())).toBe(JSON.stringify(quiet.snapshot()));
      },
    ),
    { seed: 57, numRuns: 12 },
  );
});

test("a snapshot goes on identically wherever it is taken, also where metrics come, go and take each other's places", () => {
  fc.assert(
    fc.property(
      plans(130),
      fc.array(fc.integer({ min: 1, max: 129 }), { minLength: 1, maxLength: 6 }),
      (plan, cuts) => {
        // Fewer places than metrics: those that go give way to those that come.
        const options = { ...optionsOf(plan), metricsMax: 8 };
        const inputs = streamOf({ ...plan, missing: 0.05 }).map(({ index, metrics }) => ({
          index,
          metrics: [
            ...metrics.slice(0, 5),
            ...[0, 1, 2].map((i) =>
              metric(`t${Math.floor((index + 9 * i) / 30)}.${i}`, "value", 3 + Math.sin(index * (i + 1)), ["t"]),
            ),
          ],
        }));
        const whole = createDetector(options);
        let parts = createDetector(options);
        for (const input of inputs) {
          if (cuts.includes(input.index)) parts = restoreDetector(JSON.parse(JSON.stringify(parts.snapshot())));
          expect(step(parts, input)).toEqual(step(whole, input));
        }
        expect(JSON.stringify(parts.snapshot())).toBe(JSON.stringify(whole.snapshot()));
      },
    ),
    { seed: 58, numRuns: 12 },
  );
});

test("scores are finite numbers above 0 for every finite input", () => {
  const extreme = fc.oneof(
    { weight: 3, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        1e300,
        -1e300,
        Number.MAX_VALUE,
        -Number.MAX_VALUE,
        5e-324,
        -5e-324,
        0,
        -0,
        1e-40,
        1e38,
        -1e39,
      ),
    },
    { weight: 3, arbitrary: fc.double({ min: -10, max: 10, noNaN: true }) },
  );
  const kinds = ["value", "value", "value", "share", "count"] as const;
  fc.assert(
    fc.property(
      fc.array(fc.array(extreme, { minLength: 5, maxLength: 5 }), { minLength: 60, maxLength: 60 }),
      fc.constantFrom<(1 | 7)[]>(1, 7),
      fc.nat(40),
      fc.constantFrom(0, 1, 1e12),
      (rows, season, calm, n) => {
        const detector = createDetector({ season, warmup: 20 });
        for (const [index, row] of rows.entries()) {
          // Calm at first, so that what comes later meets a model of small numbers.
          const values = index < calm ? [1, 0, -1e-310, 0.5, 3] : row;
          const score = step(detector, {
            index,
            metrics: values.map((value, i) => ({ ...metric(`m${i}`, kinds[i]!, value, [`m${i}`]), n })),
          });
          if (index < 20) continue;
          expect(score.score).toSatisfy((one: number | null) => one === null || (Number.isFinite(one) && one >= 0));
          expect(score.pValue).toSatisfy((one: number | null) => one === null || (one >= 0 && one <= 1));
          for (const { share, expected, low, high } of score.causes) {
            expect([share, expected, low, high].every(Number.isFinite)).toBe(true);
          }
        }
        expect(JSON.stringify(detector.snapshot())).not.toContain("null,null");
      },
    ),
    { seed: 59, numRuns: 60 },
  );
});
