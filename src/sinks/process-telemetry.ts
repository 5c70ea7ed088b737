/**
 * What the process itself costs: event loop, memory, garbage collection, CPU. What is said to be "since the last scrape"
 * starts anew with each one; two Prometheus servers on one process see less of it each.
 */
import { createHistogram, type PerformanceEntry, PerformanceObserver, performance } from "node:perf_hooks";
import { LoopWatch } from "./loop-watch.ts";
import type { PrometheusRegistry } from "./prometheus-registry.ts";

/** How often the event loop is tried: finer costs more and shows nothing that matters. */
const BEAT_MS = 20;
/** `kind` of a collection, as V8 numbers them (`perf_hooks.constants`). */
const GC_KINDS: ReadonlyMap<number, string> = new Map([
  [1, "minor"],
  [4, "major"],
  [8, "incremental"],
  [16, "weakcb"],
]);

/** What an entry of type `gc` has beyond others. */
interface GcEntry extends PerformanceEntry {
  readonly detail: { readonly kind: number };
}

export interface ProcessTelemetry {
  stop(): void;
}

export function startProcessTelemetry(registry: PrometheusRegistry, version: string): ProcessTelemetry {
  registry.gauge("streamgauge_build_info", { version, node: process.versions.node }).set(1);
  registry.gauge("streamgauge_process_start_time_seconds", {}).set(registry.clock.nowMs() / 1000 - process.uptime());
  const readings = [
    registry.beforeScrape(memory(registry)),
    registry.read("streamgauge_process_cpu_seconds_total", { mode: "user" }, () => process.cpuUsage().user / 1e6),
    registry.read("streamgauge_process_cpu_seconds_total", { mode: "system" }, () => process.cpuUsage().system / 1e6),
  ];
  const loop = eventLoop(registry);
  readings.push(registry.beforeScrape(loop.read));
  const collections = garbageCollection(registry);
  return {
    stop() {
      for (const reading of readings) reading.end();
      loop.stop();
      collections.disconnect();
    },
  };
}

function eventLoop(registry: PrometheusRegistry): { read(): void; stop(): void } {
  /** Microseconds; the histogram counts from 1. */
  const delays = createHistogram();
  const watch = new LoopWatch({
    clock: registry.clock,
    everyMs: BEAT_MS,
    onBeat: (lateMs) => delays.record(Math.max(1, Math.round(lateMs * 1000))),
  });
  const gauge = (stat: string) => registry.gauge("streamgauge_event_loop_delay_seconds", { stat });
  const [p50, p99, max] = [gauge("p50"), gauge("p99"), gauge("max")];
  const busy = registry.gauge("streamgauge_event_loop_utilization_ratio", {});
  let utilization = performance.eventLoopUtilization();
  return {
    read() {
      const isEmpty = delays.count === 0;
      p50.set(isEmpty ? undefined : delays.percentile(50) / 1e6);
      p99.set(isEmpty ? undefined : delays.percentile(99) / 1e6);
      max.set(isEmpty ? undefined : delays.max / 1e6);
      delays.reset();
      const now = performance.eventLoopUtilization();
      busy.set(performance.eventLoopUtilization(now, utilization).utilization);
      utilization = now;
    },
    stop: () => watch.stop(),
  };
}

function memory(registry: PrometheusRegistry): () => void {
  const gauge = (kind: string) => registry.gauge("streamgauge_process_memory_bytes", { kind });
  const gauges = {
    rss: gauge("resident"),
    heapUsed: gauge("heap_used"),
    heapTotal: gauge("heap_total"),
    external: gauge("external"),
    arrayBuffers: gauge("array_buffers"),
  };
  return () => {
    const usage = process.memoryUsage();
    for (const name of Object.keys(gauges) as (keyof typeof gauges)[]) gauges[name].set(usage[name]);
  };
}

function garbageCollection(registry: PrometheusRegistry): PerformanceObserver {
  const counter = (kind: string) => registry.counter("streamgauge_gc_seconds_total", { kind });
  const counters = new Map([...GC_KINDS].map(([number, kind]) => [number, counter(kind)]));
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as GcEntry).detail;
      counters.get(kind)?.add(entry.duration / 1000);
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return observer;
}
