import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AlarmingScore,
  DEFAULT_SEVERITY,
  IMPACTS,
  type Impact,
  SEVERITIES,
  SEVERITY_MATRIX,
  type SeverityPolicy,
  severityOf,
} from "../../src/core/severity.ts";
import type { Severity } from "../../src/core/verdict.ts";
import { anyCause, cause } from "../alerts/ticks.ts";

/** Far enough from expectations and shares that neither moves the level. */
const MEAN = cause("mean(fare)", { observed: 12, expected: 10, low: 9, high: 11 });

function alarm(relativeP: number, ...causes: AlarmingScore["causes"]): AlarmingScore {
  return { score: 2, relativeP, causes: causes.length === 0 ? [MEAN] : causes };
}

function policy(impact: Impact, fieldImpacts: Readonly<Record<string, Impact>> = {}): SeverityPolicy {
  return { matrix: SEVERITY_MATRIX, impact, fieldImpacts: new Map(Object.entries(fieldImpacts)) };
}

describe("severityOf()", () => {
  test("is the cell of the matrix: impact by the rarity of the score", () => {
    for (const impact of IMPACTS) {
      const row = [0.9, 1 / 3, 0.1].map((relativeP) => severityOf(alarm(relativeP), policy(impact)));
      expect(row).toEqual(SEVERITY_MATRIX[impact]);
    }
    const matrix = { ...SEVERITY_MATRIX, medium: ["P4", "P4", "P0"] as const };
    expect(severityOf(alarm(0.01), { ...policy("medium"), matrix })).toBe("P0");
    expect(severityOf(alarm(0.2), { ...policy("medium"), matrix })).toBe("P4");
  });

  test("takes the score where there is no p-value", () => {
    const of = (score: number) => severityOf({ score, causes: [MEAN] }, DEFAULT_SEVERITY);
    expect([1, 1.5, 1.6, 2.4, 2.6].map(of)).toEqual(["P3", "P3", "P2", "P2", "P1"]);
  });

  test("is a level more where half of the rows are concerned, and one less where hardly any", () => {
    const nulls = (observed: number) => cause("null_rate(fare)", { observed, expected: 0 });
    const of = (observed: number) => severityOf(alarm(0.2, nulls(observed)), DEFAULT_SEVERITY);
    expect([0.005, 0.02, 0.49, 0.5].map(of)).toEqual(["P3", "P2", "P2", "P1"]);
    const rows = (observed: number) => cause("row_count()", { observed, expected: 1000 });
    const ofRows = (observed: number) => severityOf(alarm(0.2, rows(observed)), DEFAULT_SEVERITY);
    expect([400, 800, 1900, 2100].map(ofRows)).toEqual(["P1", "P2", "P2", "P1"]);
    // What is no share says nothing of the rows.
    expect(severityOf(alarm(0.2, cause("mean(fare)", { observed: 0.001, expected: 0 })), DEFAULT_SEVERITY)).toBe("P2");
  });

  test("is a level more from the third window on", () => {
    const of = (windows: number) => severityOf(alarm(0.9), policy("critical"), windows);
    expect([1, 2, 3, 4, 50].map(of)).toEqual(["P2", "P2", "P1", "P1", "P1"]);
    expect(severityOf(alarm(0.01), policy("critical"), 3)).toBe("P0");
  });

  test("is that of the worst named cause: a field's own impact, or that of the dataset", () => {
    const of = (fieldImpacts: Readonly<Record<string, Impact>>, ...causes: AlarmingScore["causes"]) =>
      severityOf(alarm(0.2, ...causes), policy("low", fieldImpacts));
    const tip = cause("mean(tip)", { ...MEAN, fields: ["tip"] });
    expect(of({ fare: "critical" }, MEAN)).toBe("P1");
    expect(of({ fare: "critical" }, tip, MEAN)).toBe("P1");
    expect(of({ tip: "critical" }, MEAN)).toBe("P3");
    const pair = cause("correlation(tip,fare)", { fields: ["tip", "fare"], observed: 0.1, expected: 0.9 });
    expect(of({ fare: "high" }, pair)).toBe("P1");
    expect(of({ fare: "critical" }, cause("duplicate_share()", { observed: 0.2, expected: 0 }))).toBe("P3");
  });

  test("does not follow a field that is hardly to blame, or that no alert names", () => {
    const faint = cause("mean(tip)", { ...MEAN, fields: ["tip"], share: 0.04 });
    const fourth = cause("mean(tip)", { ...MEAN, fields: ["tip"] });
    const impacts = policy("low", { tip: "critical" });
    expect(severityOf(alarm(0.2, MEAN, faint), impacts)).toBe("P3");
    expect(severityOf(alarm(0.2, MEAN, MEAN, MEAN, fourth), impacts)).toBe("P3");
    expect(severityOf(alarm(0.2, MEAN, MEAN, fourth), impacts)).toBe("P1");
  });

  test("without causes is that of the dataset", () => {
    expect(severityOf({ score: 2, relativeP: 0.05, causes: [] }, policy("critical"))).toBe("P0");
  });

  test("is never milder for a rarer score, more windows, more impact or one more cause", () => {
    const rank = (severity: Severity) => SEVERITIES.indexOf(severity);
    const more = { more: fc.constantFrom("rarer", "longer", "worth more", "another cause" as const) };
    fc.assert(
      fc.property(
        fc.record({
          relativeP: fc.double({ min: 1e-9, max: 1, noNaN: true }),
          causes: fc.array(anyCause, { maxLength: 2 }),
          windows: fc.integer({ min: 1, max: 5 }),
          impact: fc.integer({ min: 1, max: 3 }),
          another: anyCause,
          ...more,
        }),
        ({ relativeP, causes, windows, impact, another, more: kind }) => {
          const before = severityOf({ score: 2, relativeP, causes }, policy(IMPACTS[impact]!), windows);
          const after = severityOf(
            {
              score: 2,
              relativeP: kind === "rarer" ? relativeP / 3 : relativeP,
              // The first cause is to blame most: behind it, one more is one more that may be worse.
              causes: kind === "another cause" && causes.length > 0 ? [...causes, { ...another, share: 0 }] : causes,
            },
            policy(IMPACTS[kind === "worth more" ? impact - 1 : impact]!),
            kind === "longer" ? windows + 1 : windows,
          );
          expect(rank(after)).toBeLessThanOrEqual(rank(before));
        },
      ),
      { seed: 61, numRuns: 500 },
    );
  });

  test("the default matrix is never milder for what is more likely or worth more", () => {
    for (const [at, impact] of IMPACTS.entries()) {
      const row = SEVERITY_MATRIX[impact];
      expect([...row].sort().reverse()).toEqual(row);
      const above = IMPACTS[at - 1];
      if (above !== undefined)
        for (const [i, severity] of row.entries()) expect(severity >= SEVERITY_MATRIX[above][i]!).toBe(true);
    }
  });
});
