/** A sink reads our own topics as a consumer group of its own; it may be slow or down without holding a stage. */
import type { LogRecord } from "./log.ts";

export interface Sink {
  /** Consumer group suffix, unique among the sinks of a deployment. */
  readonly name: string;
  /** Which of our topics it reads. */
  readonly topics: readonly SinkTopic[];
  /**
   * Takes records of one topic, in partition order. Must be idempotent by (key, window, revision): after a crash the
   * records since the last committed position come again.
   */
  write(topic: SinkTopic, records: readonly LogRecord[]): Promise<void> | void;
  /** This process reads a partition of the topic from now on; for sinks whose output is of this process only. */
  claimed?(topic: SinkTopic): void;
  /** It does not any more: it was dealt to another process, or will be claimed again. */
  lost?(topic: SinkTopic): void;
  /** Everything was handed over; flush. */
  close?(): Promise<void> | void;
}

export type SinkTopic = "metrics" | "verdicts" | "alerts" | "windows";
