/**
 * Both stages and the sinks over a bounded feed, in one process, on a log that can be sealed: what `demo` and `replay`
 * run. The same feed gives the same outputs: the next block is appended only when the profiler has handled the last,
 * so the order of the deltas does not depend on how fast files are read.
 */
import type { Clock } from "../core/clock.ts";
import type { ReaderSource } from "../core/column-batch.ts";
import type { Config } from "../core/config.ts";
import type { Log, OutputRecord, RecordBatch, Subscription } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { Sink } from "../core/sink.ts";
import type { Telemetry } from "../core/telemetry.ts";
import { topicNames } from "../core/topics.ts";
import { startJudge } from "./judge.ts";
import { startProfiler } from "./profiler.ts";
import { startSink } from "./sink-runner.ts";

/** A log whose topics can be given an end. All topics of the run exist. */
export interface SealableLog extends Log {
  seal(topic: string): void;
}

export interface BoundedRunOptions {
  readonly log: SealableLog;
  readonly readers: ReaderSource;
  /** Says what is future; nothing else of the run depends on it. */
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Config;
  readonly hashLabel: (text: string) => string;
  /** Records of the input topics, in blocks. */
  readonly feed: AsyncIterable<readonly OutputRecord[]>;
  /**
   * Records of the profiles topic in order of their timestamps: each goes there when the records of the feed have reached its time, up
   * to `flushRecords` later, and what is later than all behind the end. @default none
   */
  readonly feedback?: readonly OutputRecord[];
  readonly sinks: readonly Sink[];
  /** Records of a partition between two flushes. */
  readonly flushRecords: number;
  /** Records handled so far. */
  readonly onProgress?: (records: number) => void;
  /** @default none */
  readonly telemetry?: Telemetry;
}

/** Settles when every window is closed and every sink has everything; rejects with the first failure. */
export async function runBounded(options: BoundedRunOptions): Promise<void> {
  const { log, config, logger } = options;
  const topics = topicNames(config.topics.prefix);
  const group = `${config.deployment}.streamgauge`;
  const observed = options.telemetry === undefined ? {} : { telemetry: options.telemetry };
  const common = { log, logger, deployment: config.deployment, datasets: config.datasets, ...observed };
  const words = new Due(options.feedback ?? []);
  const feed = words.isEmpty ? options.feed : inPieces(options.feed, options.flushRecords);
  const feeder = feedInLockstep(log, feed, options.onProgress, (timeMs) => words.until(timeMs));
  const running: Subscription[] = [];
  const started = async (subscription: Promise<Subscription>): Promise<Subscription> => {
    const ready = await subscription;
    running.push(ready);
    return ready;
  };
  try {
    const profiler = await started(
      startProfiler({
        ...common,
        readers: options.readers,
        clock: options.clock,
        group: `${group}.profiler`,
        profilesTopic: topics.profiles,
        startFrom: "earliest",
        flushRecords: options.flushRecords,
        time: "records",
        hashLabel: options.hashLabel,
        onBatch: feeder.onBatch,
      }),
    );
    const judge = await started(startJudge({ ...common, group: `${group}.judge`, topics, ...config.alerts }));
    const sinks: Subscription[] = [];
    for (const sink of options.sinks) {
      sinks.push(await started(startSink({ ...common, sink, topics, group })));
    }

    const failed = Promise.all(running.map((subscription) => subscription.done)).then(() => undefined);
    // Awaited below through each part; a failure while feeding must not count as unhandled.
    failed.catch(() => undefined);
    await feeder.run(failed);
    for (const dataset of config.datasets) log.seal(dataset.topic);
    await Promise.race([profiler.done, failed]);
    await log.append(words.until(Number.POSITIVE_INFINITY));
    log.seal(topics.profiles);
    await Promise.race([judge.done, failed]);
    for (const topic of [topics.metrics, topics.verdicts, topics.alerts, topics.windows]) log.seal(topic);
    await Promise.all(sinks.map((subscription) => subscription.done));
    for (const sink of options.sinks) await sink.close?.();
  } finally {
    await Promise.all(running.map((subscription) => subscription.stop()));
  }
}

/** Records that go where their time has come. */
class Due {
  readonly #records: readonly OutputRecord[];
  #next = 0;

  constructor(records: readonly OutputRecord[]) {
    this.#records = records;
  }

  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  /** The next ones up to the time, epoch milliseconds. */
  until(timeMs: number): readonly OutputRecord[] {
    const from = this.#next;
    while (this.#next < this.#records.length && (this.#records[this.#next]!.timestampMs ?? 0) <= timeMs) this.#next++;
    return this.#records.slice(from, this.#next);
  }
}

/** Blocks of at most so many records. */
async function* inPieces(
  feed: AsyncIterable<readonly OutputRecord[]>,
  most: number,
): AsyncGenerator<readonly OutputRecord[]> {
  for await (const block of feed) {
    for (let from = 0; from < block.length; from += most) yield block.slice(from, from + most);
  }
}

/**
 * Appends a feed block by block; the next block only when the profiler has handled the last. So what the stages do
 * does not depend on how fast the feed is read, and at most one block waits in the log. `dueAt`: what else is to be appended behind a
 * block that reaches the time.
 */
export function feedInLockstep(
  log: Log,
  feed: AsyncIterable<readonly OutputRecord[]>,
  onProgress: ((records: number) => void) | undefined,
  dueAt: (timeMs: number) => readonly OutputRecord[] = () => [],
): { readonly onBatch: (batch: RecordBatch) => void; run(failed: Promise<void>): Promise<void> } {
  let appended = 0;
  let handled = 0;
  let wake = () => {};
  return {
    onBatch(batch) {
      handled += batch.records.length;
      onProgress?.(handled);
      wake();
    },
    async run(failed) {
      let newestMs = Number.NEGATIVE_INFINITY;
      for await (const block of feed) {
        await log.append(block);
        appended += block.length;
        const caughtUp = new Promise<void>((resolve) => {
          wake = () => {
            if (handled >= appended) resolve();
          };
          wake();
        });
        await Promise.race([caughtUp, failed]);
        newestMs = block.reduce((newest, { timestampMs = newest }) => Math.max(newest, timestampMs), newestMs);
        const due = dueAt(newestMs);
        if (due.length > 0) await log.append(due);
        // Much of the above runs in microtasks: a terminal, a signal and a slow sink get their turn here.
        await new Promise<void>((resolve) => {
          setImmediate(resolve);
        });
      }
    },
  };
}
