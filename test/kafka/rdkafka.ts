/** The optional client: its tests run where `scripts/setup-rdkafka.mjs` has built it. */
import { createRequire } from "node:module";
import { describe, test } from "vitest";

function isRdkafkaThere(): boolean {
  try {
    createRequire(import.meta.url)("node-rdkafka");
    return true;
  } catch {
    return false;
  }
}

/** A `describe` that is skipped where node-rdkafka cannot be loaded, and fails there under `CI=true`. */
export function describeWithRdkafka(name: string, tests: () => void): void {
  const title = `${name}, by node-rdkafka`;
  const advice = "needs the addon: run `npm run setup:rdkafka`";
  if (isRdkafkaThere()) describe(title, tests);
  else if (process.env.CI !== "true") describe.skip(`${title} (${advice})`, tests);
  else {
    test(`${title} ${advice}`, () => {
      throw new Error(`${title} ${advice}`);
    });
  }
}
