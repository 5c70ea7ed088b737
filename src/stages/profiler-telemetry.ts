/** What the profiler counts beside its log: refusals, flushes, questions to the registry. */
import type { EventReader, ReaderSource, SchemaRefusal } from "../core/column-batch.ts";
import type { Counter, Histogram, Telemetry } from "../core/telemetry.ts";
import { VIOLATION_REASONS, type ViolationReason } from "../core/violation.ts";

/** Series of one input topic, bound once. */
export class TopicTelemetry {
  readonly #telemetry: Telemetry;
  readonly #refused: ReadonlyMap<ViolationReason, Counter>;
  readonly #duration: Histogram;
  readonly #size: Histogram;
  readonly #failures: Counter;

  constructor(telemetry: Telemetry, topic: string) {
    this.#telemetry = telemetry;
    const refused = (reason: ViolationReason) =>
      telemetry.counter("streamgauge_refused_records_total", { topic, reason });
    this.#refused = new Map(VIOLATION_REASONS.map((reason) => [reason, refused(reason)]));
    this.#duration = telemetry.histogram("streamgauge_flush_duration_seconds", { topic });
    this.#size = telemetry.histogram("streamgauge_flush_size_bytes", { topic });
    this.#failures = telemetry.counter("streamgauge_flush_failures_total", { topic });
  }

  /** Violations of a pane that was committed. */
  refused(violations: ReadonlyMap<ViolationReason, number> = new Map()): void {
    for (const [reason, count] of violations) this.#refused.get(reason)?.add(count);
  }

  /** `flush` commits, and says how many bytes it wrote. */
  async flush(flush: () => Promise<number>): Promise<void> {
    const { clock } = this.#telemetry;
    const startMs = clock.monotonicMs();
    try {
      this.#size.observe(await flush());
    } catch (error) {
      this.#failures.add(1);
      throw error;
    }
    this.#duration.observe((clock.monotonicMs() - startMs) / 1000);
  }
}

/** Questions to the schema registry. */
export class RegistryTelemetry {
  readonly #telemetry: Telemetry;
  readonly #duration: Histogram;
  readonly #loads: Readonly<Record<"reader" | SchemaRefusal["reason"] | "no_answer", Counter>>;
  #waiting = 0;

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
    const loads = (outcome: string) => telemetry.counter("streamgauge_registry_loads_total", { outcome });
    this.#duration = telemetry.histogram("streamgauge_registry_load_duration_seconds", {});
    this.#loads = {
      reader: loads("reader"),
      schema_unknown: loads("schema_unknown"),
      schema_refused: loads("schema_refused"),
      no_answer: loads("no_answer"),
    };
    telemetry.read("streamgauge_registry_waiting_batches", {}, () => this.#waiting);
  }

  /** A batch waits for `load`, which may ask many times. */
  async wait<T>(load: () => Promise<T>): Promise<T> {
    this.#waiting++;
    try {
      return await load();
    } finally {
      this.#waiting--;
    }
  }

  /** One question. */
  async load(readers: ReaderSource, schemaId: number): Promise<EventReader | SchemaRefusal> {
    const { clock } = this.#telemetry;
    const startMs = clock.monotonicMs();
    let loads = this.#loads.no_answer;
    try {
      const loaded = await readers.load(schemaId);
      loads = "reason" in loaded ? this.#loads[loaded.reason] : this.#loads.reader;
      return loaded;
    } finally {
      loads.add(1);
      this.#duration.observe((clock.monotonicMs() - startMs) / 1000);
    }
  }
}
