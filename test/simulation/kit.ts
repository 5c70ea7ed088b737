/** What the test files of the simulation share. */
import { expect } from "vitest";
import { FAULTS } from "./scenario.ts";
import { failureOf, type Run, simulate } from "./simulator.ts";

/** Seeds of all files together; more with `STREAMGAUGE_SEEDS`. */
export const SEEDS = Number(process.env.STREAMGAUGE_SEEDS ?? 200);

/** Runs the seeds `first`, `first + step` … up to `SEEDS`: each file takes its share. */
export async function runShare(first: number, step: number): Promise<void> {
  const runs: Run[] = [];
  const failures: string[] = [];
  for (let seed = first; seed <= SEEDS && failures.length < 3; seed += step) {
    const run = await simulate(seed);
    runs.push(run);
    if (run.violations.length > 0) failures.push(failureOf(run));
  }
  expect(failures.join("\n\n")).toBe("");
  // The runs would prove nothing if nothing had happened.
  if (runs.length < 50) return;
  const sum = (of: (run: Run) => number) => runs.reduce((total, run) => total + of(run), 0);
  for (const fault of FAULTS) {
    expect(
      sum((run) => run.faults[fault]),
      fault,
    ).toBeGreaterThan(runs.length / 10);
  }
  expect(sum(({ revisions }) => revisions)).toBeGreaterThan(runs.length);
  expect(sum(({ late }) => late)).toBeGreaterThan(runs.length);
  expect(sum(({ windows }) => windows)).toBeGreaterThan(10 * runs.length);
}
