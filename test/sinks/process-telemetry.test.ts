import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { type Clock, ManualClock, systemClock } from "../../src/core/clock.ts";
import { LoopWatch } from "../../src/sinks/loop-watch.ts";
import { type ProcessTelemetry, startProcessTelemetry } from "../../src/sinks/process-telemetry.ts";
import { PrometheusRegistry } from "../../src/sinks/prometheus-registry.ts";
import { samplesOf } from "./prometheus-kit.ts";

const running: ProcessTelemetry[] = [];
afterEach(() => {
  for (const one of running.splice(0)) one.stop();
});

function start(clock: Clock = systemClock()): PrometheusRegistry {
  const registry = new PrometheusRegistry({ clock });
  running.push(startProcessTelemetry(registry, "1.2.3"));
  return registry;
}

/** A clock whose timers come when told, as late as one likes. */
class LateClock implements Clock {
  ms = 0;
  #task: (() => void) | undefined;
  nowMs = () => this.ms;
  monotonicMs = () => this.ms;

  after(_delayMs: number, task: () => void) {
    this.#task = task;
    return { cancel: () => (this.#task = undefined) };
  }

  beatAfter(ms: number): void {
    this.ms += ms;
    this.#task?.();
  }
}

describe("startProcessTelemetry()", () => {
  test("says what is running, since when, and what memory and CPU it takes", () => {
    const registry = start();
    expect(samplesOf(registry, "streamgauge_build_info")).toEqual({ [`1.2.3 ${process.versions.node}`]: 1 });
    const started = samplesOf(registry, "streamgauge_process_start_time_seconds");
    expect(Math.abs(Object.values(started)[0]! - (systemClock().nowMs() / 1000 - process.uptime()))).toBeLessThan(5);
    const memory = samplesOf(registry, "streamgauge_process_memory_bytes");
    expect(Object.keys(memory)).toEqual(["resident", "heap_used", "heap_total", "external", "array_buffers"]);
    expect(memory.resident!).toBeGreaterThan(memory.heap_used!);
    const before = process.cpuUsage();
    const cpu = samplesOf(registry, "streamgauge_process_cpu_seconds_total");
    expect(cpu.user!).toBeGreaterThanOrEqual(before.user / 1e6);
    expect(cpu.system!).toBeGreaterThanOrEqual(before.system / 1e6);
  });

  test("says how late the event loop was since the last scrape, from its first beat on", () => {
    const clock = new LateClock();
    const registry = start(clock);
    const delay = () => samplesOf(registry, "streamgauge_event_loop_delay_seconds");
    expect(delay()).toEqual({});
    for (let beat = 0; beat < 97; beat++) clock.beatAfter(22);
    for (let beat = 0; beat < 3; beat++) clock.beatAfter(320);
    const { p50, p99, max } = delay();
    expect([p50, p99, max].map((value) => Math.round(value! * 1000))).toEqual([2, 300, 300]);
    // A stall that begins right after a scrape is one of the next.
    clock.beatAfter(1020);
    expect(Math.round(delay().max! * 1000)).toBe(1000);
    clock.beatAfter(19);
    expect(delay().max).toBeLessThan(0.001);
    const busy = samplesOf(registry, "streamgauge_event_loop_utilization_ratio");
    expect(Object.values(busy)[0]).toBeGreaterThanOrEqual(0);
  });

  test("counts the time of garbage collections by kind", async () => {
    const registry = start();
    const minor = () => samplesOf(registry, "streamgauge_gc_seconds_total").minor!;
    let kept: unknown[] = [];
    for (let round = 0; round < 500 && minor() === 0; round++) {
      kept = Array.from({ length: 100_000 }, (_, index) => ({ index }));
      await wait(1);
    }
    expect(kept.length).toBe(100_000);
    expect(minor()).toBeGreaterThan(0);
  });

  test("shows nothing of the event loop and of CPU after stop", () => {
    const registry = new PrometheusRegistry({ clock: new ManualClock() });
    const telemetry = startProcessTelemetry(registry, "1.2.3");
    expect(samplesOf(registry, "streamgauge_process_cpu_seconds_total")).not.toEqual({});
    telemetry.stop();
    expect(samplesOf(registry, "streamgauge_process_cpu_seconds_total")).toEqual({});
  });
});

describe("LoopWatch", () => {
  test("is late by what the last beat was late, or by what the next one is already", () => {
    const clock = new LateClock();
    const late: number[] = [];
    const watch = new LoopWatch({ clock, everyMs: 20, onBeat: (ms) => late.push(ms) });
    clock.ms = 10;
    expect(watch.lateMs).toBe(0);
    clock.ms = 50;
    expect(watch.lateMs).toBe(30);
    clock.beatAfter(10);
    expect(watch.lateMs).toBe(40);
    clock.beatAfter(19.5);
    expect(watch.lateMs).toBe(0);
    expect(late).toEqual([40, 0]);
    watch.stop();
    clock.beatAfter(100);
    expect(late).toEqual([40, 0]);
  });
});
