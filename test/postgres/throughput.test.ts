import { expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { logRecord, metricsAt, openSink, rowsOf } from "./kit.ts";
import { postgresPresent, startPostgres } from "./server.ts";

const WINDOWS = 1000;
const METRICS = 300;
const WINDOWS_PER_WRITE = 100;

test.skipIf(!postgresPresent)("PostgresSink.write() stores 300,000 values and says how fast", async () => {
  const server = await startPostgres();
  const url = await server.createDatabase();
  const sink = await openSink(url);
  const records = Array.from({ length: WINDOWS }, (_, hour) => {
    const metrics = Object.fromEntries(
      Array.from({ length: METRICS }, (_unused, index) => [`quantile(field_${index},0.99)`, Math.sqrt(hour * index)]),
    );
    const expected = Object.fromEntries(Object.entries(metrics).map(([id, mid]) => [id, [mid / 2, mid, mid * 2]]));
    return logRecord({ ...metricsAt({ dataset: "d", slice: "all", hour, revision: 0 }), metrics, expected }, hour);
  });
  const clock = systemClock();
  const startMs = clock.monotonicMs();
  for (let from = 0; from < WINDOWS; from += WINDOWS_PER_WRITE) {
    await sink.write("metrics", records.slice(from, from + WINDOWS_PER_WRITE));
  }
  const seconds = (clock.monotonicMs() - startMs) / 1000;
  await sink.close();
  expect(await rowsOf(url, "SELECT count(*)::int FROM streamgauge.value_data")).toEqual([{ count: WINDOWS * METRICS }]);
  console.info(`${Math.round((WINDOWS * METRICS) / seconds).toLocaleString("en-US")} metric values/s`);
  await server.remove();
});
