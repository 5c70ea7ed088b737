import { describe, expect, test } from "vitest";
import { ReferenceWindows } from "../../src/drift/reference.ts";
import { contentsOf } from "../../src/drift/window-contents.ts";
import { FieldNames } from "../../src/profiles/field-names.ts";
import { metricsOf } from "../../src/profiles/metrics.ts";
import type { Profile } from "../../src/profiles/profile.ts";
import { windowSummary } from "../../src/profiles/window-summary.ts";
import { fieldOf, profileOf, type Row } from "./column-batches.ts";

/** In every value, and in nothing else. */
const SECRET = "Qwx7Zk";

/** Everything that is told or kept of a window of `distinct` different texts. */
function said(policy: "show" | "hide", distinct: number): string {
  const labels = { policyOf: () => policy, hashLabel: () => "hmac:0" };
  // The first one often: it is a frequent item, too.
  const rows = Array.from({ length: distinct + 500 }, (_, i): Row => [[`${SECRET}-${i < distinct ? i : 0}`]]);
  const profile: Profile = profileOf([fieldOf("token", "string")], rows, { labels });
  const reference = new ReferenceWindows({ size: 2 });
  for (let window = 0; window < 2; window++) reference.learn(contentsOf(profile));
  const options = { names: new FieldNames(), policyOf: () => policy };
  const told = [
    metricsOf(profile, options),
    reference.metrics(contentsOf(profile), options),
    windowSummary(profile, options),
  ];
  const kept = [profile.write(), reference.write()].map((bytes) => Buffer.from(bytes).toString("latin1"));
  return JSON.stringify(told) + kept.join();
}

describe("values: hide", () => {
  test.each([3, 5_000])("no state and no metric of %d different texts shows one", (distinct) => {
    expect(said("hide", distinct)).not.toContain(SECRET);
    // Shown, they are found: the test can fail.
    expect(said("show", distinct)).toContain(SECRET);
  });
});
