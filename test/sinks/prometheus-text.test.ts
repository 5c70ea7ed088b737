import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type MetricSpec, TELEMETRY } from "../../src/core/telemetry-table.ts";
import { type ExpositionFormat, exposition, formatFor } from "../../src/sinks/prometheus-text.ts";
import { everyMetric, LAG, partition, RECORDS, registryOf, samplesOf } from "./prometheus-kit.ts";
import { parseExposition } from "./prometheus-parser.ts";

const SEED = 20_261_122;
const FORMATS = ["text", "openmetrics"] as const satisfies readonly ExpositionFormat[];

describe("TELEMETRY", () => {
  test.each(Object.entries(TELEMETRY) as [string, MetricSpec][])("%s is named by the conventions", (name, spec) => {
    expect(name).toMatch(/^streamgauge_[a-z0-9]+(_[a-z0-9]+)*$/);
    expect(name.endsWith("_total")).toBe(spec.type === "counter");
    const base = name.replace(/_total$/, "");
    for (const unit of ["seconds", "bytes", "ratio"]) expect(base.endsWith(`_${unit}`)).toBe(spec.unit === unit);
    expect(base).not.toMatch(/_(ms|milliseconds|minutes|kb|mb|percent|count|sum|bucket)$/);
    expect(spec.help).toMatch(/\.$/);
    for (const label of spec.labels) expect(label).toMatch(/^(?!le$|overflow$|quantile$)[a-z]+$/);
    expect(spec.buckets !== undefined).toBe(spec.type === "histogram");
    expect(spec.buckets).toEqual(spec.buckets?.toSorted((a, b) => a - b));
  });
});

describe("exposition()", () => {
  test.each(FORMATS)("writes every metric of the table as the %s specification asks", (format) => {
    const families = [...parseExposition(exposition(everyMetric().scrape(), format), format).values()];
    const table = Object.entries(TELEMETRY) as [string, MetricSpec][];
    const isOpenMetrics = format === "openmetrics";
    expect(families.map(({ name, help, type, unit }) => [name, help, type, unit])).toEqual(
      table.map(([name, { help, type, unit }]) => [
        isOpenMetrics && type === "counter" ? name.replace(/_total$/, "") : name,
        help,
        type,
        isOpenMetrics && unit !== "" ? unit : undefined,
      ]),
    );
  });

  test.each(FORMATS)("gives back any label value, in %s", (format) => {
    const anyText = fc.oneof(
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc.string({ unit: fc.constantFrom("\\", '"', "\n", "n", "{", "}", ",", "=", "#", " ", "\r"), maxLength: 12 }),
    );
    fc.assert(
      fc.property(fc.uniqueArray(anyText, { maxLength: 20 }), (topics) => {
        const registry = registryOf();
        for (const [index, topic] of topics.entries()) registry.gauge(LAG, { ...partition(0), topic }).set(index);
        const family = parseExposition(exposition(registry.scrape(), format), format).get(LAG);
        expect((family?.samples ?? []).map(({ labels }) => labels.topic)).toEqual(topics);
        expect((family?.samples ?? []).map(({ value }) => value)).toEqual([...topics.keys()]);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("writes lone surrogates as U+FFFD, in one series, and cuts endless values between characters", () => {
    const registry = registryOf();
    const values = ["a\ud800", "a\udc00", "😀".repeat(600), `x${"😀".repeat(600)}`];
    for (const topic of values) registry.counter(RECORDS, { ...partition(0), topic }).add(1);
    const family = parseExposition(exposition(registry.scrape(), "text"), "text").get(RECORDS);
    expect(family?.samples.map(({ labels, value }) => [labels.topic, value])).toEqual([
      ["a\ufffd", 2],
      [`${"😀".repeat(500)}…`, 1],
      [`x${"😀".repeat(499)}…`, 1],
    ]);
  });

  test("writes infinities, NaN and small numbers as the formats spell them", () => {
    const registry = registryOf();
    const values = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 1e-7];
    for (const [index, value] of values.entries()) registry.gauge(LAG, partition(index)).set(value);
    expect(Object.values(samplesOf(registry, LAG))).toEqual(values);
  });

  test("counts a value at a bound in its bucket, and what is larger than all bounds in +Inf only", () => {
    const registry = registryOf();
    const histogram = registry.histogram("streamgauge_flush_size_bytes", { topic: "t" });
    for (const value of [0, 1024, 1025, 1e12]) histogram.observe(value);
    const text = exposition(registry.scrape(), "text");
    for (const line of [
      'bucket{topic="t",le="1024.0"} 2',
      'bucket{topic="t",le="4096.0"} 3',
      'bucket{topic="t",le="67108864.0"} 3',
      'bucket{topic="t",le="+Inf"} 4',
      'sum{topic="t"} 1000000002049',
      'count{topic="t"} 4',
    ]) {
      expect(text).toContain(`streamgauge_flush_size_bytes_${line}\n`);
    }
  });

  test("of nothing is empty, and EOF in OpenMetrics", () => {
    expect([exposition([], "text"), exposition([], "openmetrics")]).toEqual(["", "# EOF\n"]);
  });
});

describe("formatFor()", () => {
  test.each<[string | undefined, ExpositionFormat]>([
    // What Prometheus 2.42, Prometheus 3 and curl send.
    [
      "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      "openmetrics",
    ],
    [
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
      "openmetrics",
    ],
    ["*/*", "text"],
    [undefined, "text"],
    ["", "text"],
    ["text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5", "text"],
    ['Application/OpenMetrics-Text; Version="1.0.0"', "openmetrics"],
    ["application/openmetrics-text", "openmetrics"],
    ["application/openmetrics-text;version=2.0.0", "text"],
    ["application/openmetrics-text;version=1.0.0;q=0", "text"],
    ["application/openmetrics-text;q=x", "text"],
  ])("%s is answered with %s", (accept, format) => {
    expect(formatFor(accept)).toBe(format);
  });
});

describe("the parser of these tests", () => {
  const text = exposition(everyMetric().scrape(), "openmetrics");
  test.each<[string, (text: string) => string]>([
    ["an escape left out", (one) => one.replace('\\"of\\"', '"of"')],
    ["a raw line feed", (one) => one.replace("\\n", "\n")],
    ["an unknown escape", (one) => one.replace("\\n", "\\t")],
    ["a series twice", (one) => one.replace(/^(streamgauge_lag_records\{.*)$/m, "$1\n$1")],
    ["a missing EOF", (one) => one.replace("# EOF\n", "")],
    ["a counter without _total", (one) => one.replace(/^streamgauge_records_total/m, "streamgauge_records")],
    ["a bucket out of order", (one) => one.replace('le="0.0025"', 'le="0.0001"')],
    ["a count that is not that of +Inf", (one) => one.replace(/^(streamgauge_\w+_count(?:\{.*\})?) \d+$/m, "$1 7")],
    ["a unit that is not in the name", (one) => one.replace("record_bytes bytes", "record_bytes seconds")],
    ["a type that comes late", (one) => one.replace(/^(# TYPE streamgauge_lag_records gauge)\n(.*)$/m, "$2\n$1")],
    ["a number of its own", (one) => one.replace(/^(streamgauge_lag_records\{.*\}) .*$/m, "$1 Infinity")],
  ])("finds %s", (_, damage) => {
    expect(() => parseExposition(text, "openmetrics")).not.toThrow();
    expect(() => parseExposition(damage(text), "openmetrics")).toThrow(SyntaxError);
  });
});
