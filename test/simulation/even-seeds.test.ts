import { test } from "vitest";
import { runShare } from "./kit.ts";

// A file of its own, so that the seeds run on two cores.
test("even seeds: every event is counted once, every revision is told once, every run ends", async () => {
  await runShare(2, 2);
});
