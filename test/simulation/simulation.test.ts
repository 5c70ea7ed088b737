import { describe, expect, test } from "vitest";
import { runShare } from "./kit.ts";
import { PLANTS } from "./planted.ts";
import { failureOf, simulate } from "./simulator.ts";

/** By planted bug, the first seed that finds it, and what the oracle says of it. */
const FOUND: Readonly<Record<string, readonly [seed: number, says: RegExp]>> = {
  "no-fencing": [2, /^G3 range \S+ \d+\) at \d+ does not join/],
  "commit-before-outputs": [1, /^G3 range \S+ \d+\) at \d+ does not join/],
  "offset-before-fence": [1, /^G3 range \S+ \d+\) at \d+ does not join/],
  "torn-checkpoint": [1, /^G[124] /],
  "revision-twice": [1, /^G2 metrics: .* twice/],
  "gap-not-noticed": [1, /^G3 range \S+ \d+\) at \d+ does not join/],
};

describe("the two stages under faults", () => {
  test("odd seeds: every event is counted once, every revision is told once, every run ends", async () => {
    await runShare(1, 2);
  });

  test("the same seed is the same run, byte for byte", async () => {
    for (const seed of [3, 8]) expect(await simulate(seed)).toEqual(await simulate(seed));
    expect((await simulate(3)).digest).not.toBe((await simulate(4)).digest);
  });
});

describe("a planted bug is found", () => {
  test("each of them has its seed", () => {
    expect(Object.keys(FOUND).sort()).toEqual(Object.keys(PLANTS).sort());
  });

  test.each(Object.entries(FOUND))("%s", async (plant, [seed, says]) => {
    const run = await simulate(seed, { plant });
    expect(run.violations.join("\n")).toMatch(says);
    expect(failureOf(run, plant)).toContain(`npm run simulate -- --seed ${seed} --plant ${plant} --trace`);
    expect((await simulate(seed)).violations).toEqual([]);
  });
});
