/** What the tests of the Prometheus side share. */
import { ManualClock } from "../../src/core/clock.ts";
import type { LabelsOf } from "../../src/core/telemetry.ts";
import { type MetricSpec, TELEMETRY } from "../../src/core/telemetry-table.ts";
import { PrometheusRegistry } from "../../src/sinks/prometheus-registry.ts";
import { exposition } from "../../src/sinks/prometheus-text.ts";
import { parseExposition } from "./prometheus-parser.ts";

export const LAG = "streamgauge_lag_records";
export const RECORDS = "streamgauge_records_total";
export const OVERFLOW = "streamgauge_telemetry_overflow_total";

export function registryOf(maxSeries?: number): PrometheusRegistry {
  return new PrometheusRegistry({ clock: new ManualClock(), ...(maxSeries === undefined ? {} : { maxSeries }) });
}

export function partition(number: number): LabelsOf<typeof LAG> {
  return { stage: "profiler", topic: "trips", partition: String(number) };
}

/** `label values → value` of one counter or gauge. */
export function samplesOf(registry: PrometheusRegistry, name: string): Record<string, number> {
  const family = parseExposition(exposition(registry.scrape(), "text"), "text").get(name);
  return Object.fromEntries(
    (family?.samples ?? []).map(({ labels, value }) => [Object.values(labels).join(" "), value]),
  );
}

/** The same without zeros: counters that have counted. */
export function countedOf(registry: PrometheusRegistry, name: string): Record<string, number> {
  return Object.fromEntries(Object.entries(samplesOf(registry, name)).filter(([, value]) => value !== 0));
}

/** One series of every metric of the table, with label values and figures that are hard to write. */
export function everyMetric(): PrometheusRegistry {
  const registry = registryOf();
  for (const [name, spec] of Object.entries(TELEMETRY) as [keyof typeof TELEMETRY, MetricSpec][]) {
    const labels = Object.fromEntries(spec.labels.map((label) => [label, `${label} "of"\n\\this`]));
    if (spec.type === "counter") {
      registry.counter(name as typeof RECORDS, labels as LabelsOf<typeof RECORDS>).add(1.5e21);
    } else if (spec.type === "gauge") {
      registry.gauge(name as typeof LAG, labels as LabelsOf<typeof LAG>).set(-0.25);
    } else {
      const histogram = registry.histogram(
        name as "streamgauge_transaction_duration_seconds",
        labels as { stage: string },
      );
      for (const bound of spec.buckets ?? []) histogram.observe(bound);
      histogram.observe(1e300);
    }
  }
  return registry;
}
