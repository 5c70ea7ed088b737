/** The memory log and its topics for a bounded run: the part that `demo` and `replay` share. */
import { MemoryLog } from "../consumers/memory-log.ts";
import type { Clock } from "../core/clock.ts";
import type { ReaderSource } from "../core/column-batch.ts";
import type { Config, DatasetConfig } from "../core/config.ts";
import type { OutputRecord } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { Sink, SinkTopic } from "../core/sink.ts";
import type { Telemetry } from "../core/telemetry.ts";
import { topicNames } from "../core/topics.ts";
import { runBounded } from "../stages/bounded-run.ts";
import { createHashLabel } from "./hash-label.ts";

/**
 * Records of a partition between two flushes. Small, so that windows close soon after their events; large enough
 * that encoding and merging the profiles costs little beside the events.
 */
const FLUSH_RECORDS = 2000;
/** Where people have said something: it is heard between two flushes, and should not be heard long after it was said. */
const FLUSH_RECORDS_BESIDE_WORDS = 100;

export async function runInMemory(options: {
  readonly config: Config;
  readonly partitions: number;
  readonly readers: ReaderSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly feed: AsyncIterable<readonly OutputRecord[]>;
  /** As in `BoundedRunOptions`. */
  readonly feedback?: readonly OutputRecord[];
  readonly sinks: readonly Sink[];
  readonly onProgress?: (records: number) => void;
  /** @default none */
  readonly telemetry?: Telemetry;
}): Promise<void> {
  const { config, sinks } = options;
  const log = new MemoryLog({ clock: options.clock });
  const topics = topicNames(config.topics.prefix);
  for (const { topic, quarantine } of config.datasets) {
    await log.createTopics([{ name: topic, partitions: options.partitions, forgetConsumed: true }]);
    if (quarantine !== undefined) await log.createTopics([{ name: quarantine.topic, partitions: 1 }]);
  }
  const kinds = ["metrics", "verdicts", "alerts", "windows"] as const;
  for (const name of [topics.profiles, ...kinds.map((kind) => topics[kind])]) {
    await log.createTopics([{ name, partitions: 1, forgetConsumed: true }]);
  }
  const unread = kinds.filter((kind) => !sinks.some((sink) => sink.topics.includes(kind)));
  await runBounded({
    ...options,
    log,
    config: { ...config, datasets: config.datasets.map(withoutSilence) },
    sinks: unread.length === 0 ? sinks : [...sinks, discard(unread)],
    flushRecords:
      options.feedback === undefined || options.feedback.length === 0 ? FLUSH_RECORDS : FLUSH_RECORDS_BESIDE_WORDS,
    hashLabel: createHashLabel(config.deployment, options.env),
  });
}

/** Reads what nobody wants, so that the log may forget it. */
function discard(topics: readonly SinkTopic[]): Sink {
  return { name: "discard", topics, write: () => {} };
}

/** The partitions of a recording have no wall time of their own by which one could be idle or unheard. */
function withoutSilence(dataset: DatasetConfig): DatasetConfig {
  const never = Number.POSITIVE_INFINITY;
  return { ...dataset, time: { ...dataset.time, idleAfterMs: never, unheardAfterMs: never } };
}
