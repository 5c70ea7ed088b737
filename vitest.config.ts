import { configDefaults, defineConfig } from "vitest/config";

/** Minutes of chaos are for whoever asks for them. */
const long = process.env.STREAMGAUGE_CHAOS_KILLS === undefined ? ["test/chaos/long.test.ts"] : [];

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [...configDefaults.exclude, ...long],
    // A duration decides no test: this only ends what waits for ever, on a busy machine too.
    testTimeout: 900_000,
    hookTimeout: 900_000,
    maxWorkers: 2,
  },
});
