/** What the tests of the judge's state share: deltas of real flights, and a judge that stops and goes on. */
import { fileURLToPath } from "node:url";
import { openInput } from "../../src/consumers/file-input.ts";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { DatasetConfig } from "../../src/core/config.ts";
import type { LogRecord, OutputRecord } from "../../src/core/log.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { textOf } from "../../src/core/text.ts";
import { topicNames } from "../../src/core/topics.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { startJudge } from "../../src/stages/judge.ts";
import { startProfiler } from "../../src/stages/profiler.ts";

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const TOPICS = topicNames("sg.");
const FLIGHTS = fileURLToPath(new URL("../../data/flights.avro", import.meta.url));
const OUTPUTS = [TOPICS.metrics, TOPICS.verdicts, TOPICS.windows, TOPICS.alerts];

export const DATASET: DatasetConfig = {
  topic: "flights",
  time: {
    field: "time_hour",
    latenessMs: HOUR_MS,
    idleAfterMs: Number.POSITIVE_INFINITY,
    unheardAfterMs: Number.POSITIVE_INFINITY,
    maxAheadMs: HOUR_MS,
    reviseForMs: 2 * DAY_MS,
  },
  windows: { sizesMs: [DAY_MS], timezone: "UTC" },
  slices: [{ by: "route.origin", name: "origin", limit: 2 }],
  fields: new Map(),
  valuesDefault: "show",
  // So many alarms are tolerated that there is an incident to be kept.
  detect: { season: 7, warmup: 10, falseAlarms: { count: 10, perMs: 30 * DAY_MS } },
  flushEveryMs: 5000,
};

export interface DeltasOptions {
  readonly dataset?: DatasetConfig;
  readonly untilMs: number;
  /** Of an event to come up to a day late. */
  readonly lateChance: number;
  /** One event in so many is taken. @default 1 */
  readonly every?: number;
  readonly flushRecords: number;
  readonly partitions: number;
}

/** The records of the profiles topic. */
export async function deltasOf(options: DeltasOptions): Promise<readonly LogRecord[]> {
  const { dataset = DATASET, untilMs, lateChance, every = 1, flushRecords, partitions } = options;
  const clock = new ManualClock(Date.UTC(2014, 0, 1));
  const input = await openInput(FLIGHTS, { timeField: "time_hour" });
  const registry = new InProcessRegistry();
  const schemaId = registry.register(input.schemaText);
  const log = new MemoryLog({ clock });
  await log.createTopics([
    { name: dataset.topic, partitions },
    { name: TOPICS.profiles, partitions: 1 },
  ]);
  const random = new SeededRandom(5);
  const records: { readonly record: OutputRecord; readonly at: number }[] = [];
  let seen = 0;
  for await (const block of input.records()) {
    for (let i = 0; i < block.count; i++) {
      const timestampMs = block.timesMs[i]!;
      if (timestampMs >= untilMs || seen++ % every !== 0) continue;
      const value = frame(schemaId, block.bytes.subarray(block.starts[i], block.ends[i]));
      const at = records.length;
      const record = { topic: dataset.topic, partition: at % partitions, key: null, value, timestampMs };
      records.push({ record, at: random.next() < lateChance ? at + random.below(Math.ceil(1500 / every)) : at });
    }
  }
  records.sort((a, b) => a.at - b.at);
  await log.append(records.map(({ record }) => record));
  let handled = 0;
  const profiler = await startProfiler({
    log,
    readers: createReaderSource(registry, { clock }),
    clock,
    logger: { info: () => {}, warn: () => {}, error: () => {} },
    deployment: "test",
    group: "test.profiler",
    profilesTopic: TOPICS.profiles,
    datasets: [dataset],
    startFrom: "earliest",
    flushRecords,
    time: "records",
    hashLabel: (text) => text,
    // Not before: the flushes of a batch that reaches the end of a bounded topic say that the input has ended.
    onBatch(batch) {
      handled += batch.records.length;
      if (handled === records.length) log.seal(dataset.topic);
    },
  });
  await profiler.done;
  await profiler.stop();
  return log.records(TOPICS.profiles, 0);
}

export interface JudgeRun {
  /** All of the topic: the judge goes on behind what its state has applied. */
  readonly deltas: readonly LogRecord[];
  /** Of the run before. */
  readonly state?: readonly LogRecord[];
  /** @default `DATASET` alone */
  readonly datasets?: readonly DatasetConfig[];
  readonly writer?: string;
}

export interface JudgeResult {
  /** What a reader of the state topic finds afterwards: the newest record of each key. */
  readonly state: readonly LogRecord[];
  /** Lines by topic. */
  readonly outputs: Readonly<Record<string, readonly string[]>>;
  /** Warnings and errors. */
  readonly complaints: readonly string[];
}

/** A judge from its start to its last checkpoint. */
export async function judgeRun({
  deltas,
  state = [],
  datasets = [DATASET],
  writer = "test 1",
}: JudgeRun): Promise<JudgeResult> {
  const clock = new ManualClock();
  const log = new MemoryLog({ clock });
  await log.createTopics([
    { name: TOPICS.profiles, partitions: 1 },
    { name: TOPICS.state, partitions: 1, compacted: true },
    ...OUTPUTS.map((name) => ({ name, partitions: 1 })),
  ]);
  const copies = (topic: string, records: readonly LogRecord[]) =>
    records.map(({ key, value, headers, timestampMs }) => ({ topic, partition: 0, key, value, headers, timestampMs }));
  await log.append([...copies(TOPICS.profiles, deltas), ...copies(TOPICS.state, state)]);
  log.seal(TOPICS.profiles);
  const complaints: string[] = [];
  const complain = (_fields: unknown, message: string) => void complaints.push(message);
  const judge = await startJudge({
    log,
    logger: { info: () => {}, warn: complain, error: complain },
    deployment: "test",
    group: "test.judge",
    topics: TOPICS,
    datasets,
    resolveAfter: 1,
    checkpoints: { clock, everyMs: 20_000, writer },
  });
  await judge.done;
  await judge.stop();
  const outputs: Record<string, string[]> = {};
  for (const topic of OUTPUTS) outputs[topic] = log.records(topic, 0).map(({ value }) => textOf(value!));
  return { state: newestOf(log.records(TOPICS.state, 0)), outputs, complaints };
}

/** The newest of each key, tombstones left out: what a compacted topic keeps. */
export function newestOf(records: readonly (LogRecord | OutputRecord)[]): LogRecord[] {
  const newest = new Map<string, LogRecord>();
  for (const [offset, { key, value, headers = [], timestampMs = 0 }] of records.entries()) {
    const name = typeof key === "string" ? key : textOf(key!);
    newest.delete(name);
    if (value !== null) newest.set(name, { offset, key: Buffer.from(name), value, headers, timestampMs });
  }
  return [...newest.values()];
}

export interface WindowLine {
  readonly slice: string;
  readonly windowStart: string;
  readonly revision: number;
  readonly partial: boolean;
  readonly counts: { readonly consumed: number; readonly late: number };
}

export function windowLines(result: Pick<JudgeResult, "outputs">): WindowLine[] {
  return result.outputs[TOPICS.metrics]!.map((line) => JSON.parse(line) as WindowLine);
}
