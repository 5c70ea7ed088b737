/**
 * A planted defect: the memory log read through the aborted-transaction filters of real clients. It keeps its own copy
 * of all slots, so every write of a test has to pass through it, to partition 0 of the topic.
 */

import type { MemoryLog } from "../../src/consumers/memory-log.ts";
import type { ClaimHandler, Log, LogRecord, OutputRecord, SubscribeOptions, TopicSpec } from "../../src/core/log.ts";
import type { OpenTransaction } from "./log-contract-kit.ts";

/** A slot of the log as a client receives it. */
export interface RawEntry {
  readonly record: LogRecord;
  readonly producer?: string;
  readonly control?: "commit" | "abort";
}

export interface AbortedTransaction {
  readonly producer: string;
  readonly firstOffset: number;
  readonly markerOffset: number;
}

/** What of a response's entries goes to the user; `aborted` is in order of end, as a broker sends it. */
export type AbortFilter = (entries: readonly RawEntry[], aborted: readonly AbortedTransaction[]) => readonly RawEntry[];

/** As kafkajs 2.2.4, src/consumer/filterAbortedMessages.js: one transaction taken per entry, marker told by its key. */
export const stockKafkajs: AbortFilter = (entries, aborted) => {
  const [remaining, current] = [[...aborted], new Set<string>()];
  if (remaining.length === 0) return entries;
  return entries.filter(({ record, producer = "" }) => {
    const next = remaining[0];
    if (next !== undefined && record.offset >= next.firstOffset) {
      current.add(next.producer);
      remaining.shift();
    }
    if (record.key !== null && Buffer.from(record.key).equals(ABORT_KEY)) {
      current.delete(producer);
      return true;
    }
    return !current.has(producer);
  });
};

/** As @platformatic/kafka 1.35: one range per producer and response, ignored when its marker is not in the response. */
export const platformatic: AbortFilter = (entries, aborted) => {
  const ranges = new Map<string, AbortedTransaction>();
  const lastOffset = entries.at(-1)?.record.offset ?? -1;
  for (const one of aborted) if (one.markerOffset <= lastOffset) ranges.set(one.producer, one);
  return entries.filter(({ record, producer = "" }) => {
    const range = ranges.get(producer);
    return range === undefined || record.offset < range.firstOffset || record.offset > range.markerOffset;
  });
};

export class LeakyLog implements Log {
  readonly #log: MemoryLog;
  readonly #filter: AbortFilter;
  readonly #entries = new Map<string, RawEntry[]>();
  readonly #aborted = new Map<string, AbortedTransaction[]>();

  constructor(log: MemoryLog, filter: AbortFilter) {
    this.#log = log;
    this.#filter = filter;
  }

  async createTopics(topics: readonly TopicSpec[]): Promise<void> {
    await this.#log.createTopics(topics);
    for (const { name } of topics) {
      this.#entries.set(name, []);
      this.#aborted.set(name, []);
    }
  }

  async append(records: readonly OutputRecord[]): Promise<void> {
    await this.#log.append(records);
    this.#keep(records);
  }

  async subscribe(options: SubscribeOptions, handler: ClaimHandler) {
    return this.#log.subscribe(options, {
      ...(handler.claimed && { claimed: (claim) => handler.claimed?.(claim) }),
      batch: (claim, batch) => handler.batch(claim, { ...batch, records: this.#read(batch) }),
    });
  }

  async openTransaction(producer: string): Promise<OpenTransaction> {
    const transaction = this.#log.fence(producer).begin();
    const firstOffsets = new Map<string, number>();
    const end = (control: "commit" | "abort") => {
      transaction[control]();
      for (const [topic, firstOffset] of firstOffsets) {
        const markerOffset = this.#entries.get(topic)!.length;
        if (control === "abort") this.#aborted.get(topic)!.push({ producer, firstOffset, markerOffset });
        const key = control === "abort" ? ABORT_KEY : COMMIT_KEY;
        const record = { offset: markerOffset, timestampMs: 0, key, value: null, headers: [] };
        this.#entries.get(topic)!.push({ record, producer, control });
      }
    };
    return {
      send: async (records) => {
        transaction.send(records);
        for (const { topic } of records) {
          if (!firstOffsets.has(topic)) firstOffsets.set(topic, this.#entries.get(topic)!.length);
        }
        this.#keep(records, producer);
      },
      commit: async () => end("commit"),
      abort: async () => end("abort"),
    };
  }

  #read({ topic, fromOffset, toOffset }: { topic: string; fromOffset: number; toOffset: number }): LogRecord[] {
    const aborted = this.#aborted.get(topic)!.filter((one) => {
      return one.markerOffset >= fromOffset && one.firstOffset < toOffset;
    });
    const kept = this.#filter(this.#entries.get(topic)!.slice(fromOffset, toOffset), aborted);
    return kept.filter(({ control }) => control === undefined).map(({ record }) => record);
  }

  #keep(records: readonly OutputRecord[], producer?: string): void {
    for (const { topic, key, value, headers = [] } of records) {
      const entries = this.#entries.get(topic)!;
      const bytes = typeof key === "string" ? Buffer.from(key) : key;
      const record = { offset: entries.length, timestampMs: 0, key: bytes, value, headers };
      entries.push(producer === undefined ? { record } : { record, producer });
    }
  }
}

/** Version 0 and type, both int16. */
const ABORT_KEY = Buffer.from([0, 0, 0, 0]);
const COMMIT_KEY = Buffer.from([0, 0, 0, 1]);
