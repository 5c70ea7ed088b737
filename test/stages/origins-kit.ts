/** Trips of several partitions, writer schemas and producers through both stages, with a fault planted where a test says. */
import avsc from "avsc";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { DatasetConfig } from "../../src/core/config.ts";
import type { LogRecord, OutputRecord } from "../../src/core/log.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { utf8 } from "../../src/core/text.ts";
import { topicNames } from "../../src/core/topics.ts";
import type { AlertRecord } from "../../src/core/verdict.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { startProfiler } from "../../src/stages/profiler.ts";

export const HOUR_MS = 3_600_000;
export const TOPICS = topicNames("sg.");
export const START_MS = Date.UTC(2026, 4, 1);

const FIELDS = [
  { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
  { name: "fare", type: ["null", "double"] },
  { name: "tip", type: ["null", "double"] },
  { name: "city", type: ["null", "string"] },
  { name: "stops", type: { type: "array", items: "int" } },
  { name: "shared", type: "boolean" },
];
/** The second has a field more. */
export const SCHEMAS = [
  { type: "record", name: "Trip", fields: FIELDS },
  { type: "record", name: "Trip", fields: [...FIELDS, { name: "note", type: "string", default: "" }] },
].map((schema) => ({ text: JSON.stringify(schema), type: avsc.Type.forSchema(schema as avsc.Schema) }));

/** Not in any other text or number of a trip. */
const MARK = "~~~~~~~~";

export interface Trip {
  at: number;
  fare: number | null;
  tip: number | null;
  city: string | null;
  stops: number[];
  shared: boolean;
  note: string;
}

/** One event on its way. */
export interface Sent {
  readonly partition: number;
  /** Index into `SCHEMAS`; −1: bytes that are none. */
  schema: number;
  producer: string | undefined;
  readonly trip: Trip;
  isLost?: boolean;
  /** Its city is no UTF-8. */
  isInvalid?: boolean;
}

export const DATASET: DatasetConfig = {
  topic: "trips",
  time: {
    field: "at",
    latenessMs: 60_000,
    idleAfterMs: Number.POSITIVE_INFINITY,
    unheardAfterMs: Number.POSITIVE_INFINITY,
    maxAheadMs: HOUR_MS,
  },
  windows: { sizesMs: [HOUR_MS], timezone: "UTC" },
  slices: [],
  fields: new Map(),
  valuesDefault: "show",
  detect: { season: 1, warmup: 30, falseAlarms: { count: 1, perMs: 50 * HOUR_MS } },
  flushEveryMs: 5000,
};

export interface StreamOptions {
  readonly windows: number;
  readonly perWindow: number;
  readonly partitions: number;
  readonly seed: number;
  /** Changes the events of a window. @default not */
  readonly plant?: (sent: Sent, window: number, random: SeededRandom) => void;
  /** @default all of the first */
  readonly schemaOf?: (random: SeededRandom, window: number) => number;
  /** @default none */
  readonly producerOf?: (random: SeededRandom) => string;
}

export function eventsOf(options: StreamOptions): Sent[] {
  const random = new SeededRandom(options.seed);
  const events: Sent[] = [];
  for (let window = 0; window < options.windows; window++) {
    for (let i = 0; i < options.perWindow; i++) {
      const sent: Sent = {
        partition: random.below(options.partitions),
        schema: options.schemaOf?.(random, window) ?? 0,
        producer: options.producerOf?.(random),
        trip: {
          at: START_MS + window * HOUR_MS + Math.floor(((i + random.next()) * HOUR_MS) / (options.perWindow + 1)),
          fare: random.next() < 0.02 ? null : random.below(5) === 0 ? 0 : random.below(4000) / 100 - 1,
          tip: random.next() < 0.1 ? null : random.next() * 5,
          city: random.next() < 0.05 ? null : ["", "Ulm", "Bonn", "Jena"][random.below(4)]!,
          stops: Array.from({ length: random.below(4) }, () => random.below(9)),
          shared: random.next() < 0.3,
          note: "",
        },
      };
      options.plant?.(sent, window, random);
      if (sent.isLost !== true) events.push(sent);
    }
  }
  return events;
}

/** Ids that the registry gives: of `SCHEMAS[i]` i + 1. */
export async function deltasOf(
  events: readonly Sent[],
  options: Pick<StreamOptions, "partitions"> & { readonly flushRecords: number; readonly dataset?: DatasetConfig },
): Promise<readonly LogRecord[]> {
  const { dataset = DATASET, partitions, flushRecords } = options;
  const clock = new ManualClock(Date.UTC(2027, 0, 1));
  const registry = new InProcessRegistry();
  const ids = SCHEMAS.map(({ text }) => registry.register(text));
  const log = new MemoryLog({ clock });
  await log.createTopics([
    { name: dataset.topic, partitions },
    { name: TOPICS.profiles, partitions: 1 },
  ]);
  const records = events.map(({ partition, schema, producer, trip, isInvalid }): OutputRecord => {
    const writer = SCHEMAS[Math.max(0, schema)]!;
    const value = frame(
      ids[Math.max(0, schema)]!,
      writer.type.toBuffer(isInvalid === true ? { ...trip, city: MARK } : trip),
    );
    if (isInvalid === true) value[Buffer.from(value).indexOf(MARK)] = 0xff;
    return {
      topic: dataset.topic,
      partition,
      key: null,
      value: schema < 0 ? value.subarray(0, value.length - 1) : value,
      headers: producer === undefined ? [] : [{ key: "service", value: utf8(producer) }],
      timestampMs: trip.at,
    };
  });
  await log.append(records);
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
    onBatch(batch) {
      handled += batch.records.length;
      if (handled === records.length) log.seal(dataset.topic);
    },
  });
  await profiler.done;
  await profiler.stop();
  return log.records(TOPICS.profiles, 0);
}

export function alertsOf(outputs: readonly string[]): AlertRecord[] {
  return outputs.map((line) => JSON.parse(line) as AlertRecord);
}
