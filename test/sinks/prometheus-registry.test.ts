import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exposition } from "../../src/sinks/prometheus-text.ts";
import { LAG, OVERFLOW, partition, RECORDS, registryOf, samplesOf } from "./prometheus-kit.ts";
import { parseExposition } from "./prometheus-parser.ts";

const SEED = 20_261_122;

describe("PrometheusRegistry", () => {
  test("gives the same series for the same labels", () => {
    const registry = registryOf();
    registry.counter(RECORDS, partition(0)).add(2);
    registry.counter(RECORDS, { partition: "0", topic: "trips", stage: "profiler" }).add(3);
    expect(samplesOf(registry, RECORDS)).toEqual({ "profiler trips 0": 5 });
  });

  test("keeps label values apart that look alike when joined", () => {
    const registry = registryOf();
    registry.counter(RECORDS, { stage: "a,b", topic: "c", partition: '","' }).add(1);
    registry.counter(RECORDS, { stage: "a", topic: "b,c", partition: '","' }).add(1);
    expect(parseExposition(exposition(registry.scrape(), "text"), "text").get(RECORDS)?.samples.length).toBe(2);
  });

  test("keeps maxSeries series per metric; what is beyond counts in one with overflow, and is counted as refused", () => {
    const registry = registryOf(3);
    for (let index = 0; index < 10; index++) registry.counter(RECORDS, partition(index)).add(index);
    registry.counter(RECORDS, partition(1)).add(100);
    for (let index = 0; index < 3; index++) registry.gauge(LAG, partition(index)).set(index);
    expect(samplesOf(registry, RECORDS)).toEqual({
      "profiler trips 0": 0,
      "profiler trips 1": 101,
      "profiler trips 2": 2,
      true: 3 + 4 + 5 + 6 + 7 + 8 + 9,
    });
    expect(exposition(registry.scrape(), "text")).toContain(`${RECORDS}{overflow="true"} 42\n`);
    expect(samplesOf(registry, OVERFLOW)).toEqual({ [RECORDS]: 7 });
  });

  test("keeps 2,000 series by default", () => {
    const registry = registryOf();
    for (let index = 0; index < 2005; index++) registry.counter(RECORDS, partition(index)).add(1);
    expect(Object.keys(samplesOf(registry, RECORDS)).length).toBe(2001);
    expect(samplesOf(registry, OVERFLOW)).toEqual({ [RECORDS]: 5 });
  });

  test("does not lose a count to the cap, whatever is counted", () => {
    const bumps = fc.array(fc.tuple(fc.nat(20), fc.nat(1000)), { maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), bumps, (cap, amounts) => {
        const registry = registryOf(cap);
        for (const [index, amount] of amounts) registry.counter(RECORDS, partition(index)).add(amount);
        const values = Object.values(samplesOf(registry, RECORDS));
        expect(values.reduce((sum, value) => sum + value, 0)).toBe(amounts.reduce((sum, [, one]) => sum + one, 0));
        expect(values.length).toBeLessThanOrEqual(cap + 1);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("caps gauges, readings and histograms, too", () => {
    const registry = registryOf(1);
    for (let index = 0; index < 3; index++) {
      registry.read("streamgauge_open_windows", { dataset: `d${index}` }, () => index);
      registry.gauge(LAG, partition(index)).set(index * 10);
      registry.histogram("streamgauge_transaction_duration_seconds", { stage: `s${index}` }).observe(1);
    }
    expect(samplesOf(registry, "streamgauge_open_windows")).toEqual({ d0: 0, true: 2 });
    expect(samplesOf(registry, LAG)).toEqual({ "profiler trips 0": 0, true: 20 });
    expect(exposition(registry.scrape(), "text")).toContain('_count{overflow="true"} 2\n');
    expect(samplesOf(registry, OVERFLOW)).toEqual({
      [LAG]: 2,
      streamgauge_open_windows: 2,
      streamgauge_transaction_duration_seconds: 2,
    });
  });

  test("gives the room of a series that ended to a new one", () => {
    const registry = registryOf(1);
    const first = registry.gauge(LAG, partition(0));
    first.remove();
    registry.gauge(LAG, partition(1)).set(7);
    first.set(3);
    first.remove();
    expect(samplesOf(registry, LAG)).toEqual({ "profiler trips 1": 7 });
    const counter = registry.counter(RECORDS, partition(0));
    counter.add(5);
    counter.remove();
    registry.counter(RECORDS, partition(0)).add(1);
    expect(samplesOf(registry, RECORDS)).toEqual({ "profiler trips 0": 1 });
    expect(samplesOf(registry, OVERFLOW)).toEqual({});
  });

  test("reads at scrape time; a newer reading replaces an older one, whose end does nothing", () => {
    const registry = registryOf();
    let value: number | undefined = 1;
    const older = registry.read(LAG, partition(0), () => value);
    expect(samplesOf(registry, LAG)).toEqual({ "profiler trips 0": 1 });
    value = undefined;
    expect(samplesOf(registry, LAG)).toEqual({});
    const newer = registry.read(LAG, partition(0), () => 9);
    older.end();
    expect(samplesOf(registry, LAG)).toEqual({ "profiler trips 0": 9 });
    newer.end();
    expect(samplesOf(registry, LAG)).toEqual({});
  });

  test("leaves out a value that cannot be read, counts it, and shows the others", () => {
    const registry = registryOf();
    registry.read(LAG, partition(0), () => {
      throw new Error("gone");
    });
    registry.gauge(LAG, partition(1)).set(4);
    expect(samplesOf(registry, LAG)).toEqual({ "profiler trips 1": 4 });
    expect(samplesOf(registry, "streamgauge_telemetry_read_errors_total")).toEqual({ [LAG]: 2 });
  });

  test("runs what was asked for before each scrape until it ends", () => {
    const registry = registryOf();
    let runs = 0;
    const reading = registry.beforeScrape(() => registry.gauge(LAG, partition(0)).set(++runs));
    registry.scrape();
    expect(samplesOf(registry, LAG)).toEqual({ "profiler trips 0": 2 });
    reading.end();
    expect(samplesOf(registry, LAG)).toEqual({ "profiler trips 0": 2 });
  });

  test("refuses to count backwards, to mix kinds of series, and to keep nothing", () => {
    const registry = registryOf();
    expect(() => registry.counter(RECORDS, partition(0)).add(-1)).toThrow(RangeError);
    expect(() => registry.counter(RECORDS, partition(0)).add(Number.NaN)).toThrow(RangeError);
    registry.read(LAG, partition(0), () => 1);
    expect(() => registry.gauge(LAG, partition(0))).toThrow(TypeError);
    expect(() => registryOf(0)).toThrow(RangeError);
  });
});
