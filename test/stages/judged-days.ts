/** A judge on the memory log over daily row counts, with lost connections, and what people say in between. */
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { DatasetConfig } from "../../src/core/config.ts";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import type { LogRecord, OutputRecord } from "../../src/core/log.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { textOf, utf8 } from "../../src/core/text.ts";
import { SHARD_KEY, topicNames } from "../../src/core/topics.ts";
import type { AlertRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { encodeLedger, encodePane } from "../../src/profiles/delta-codec.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { PrometheusRegistry } from "../../src/sinks/prometheus-registry.ts";
import { startJudge } from "../../src/stages/judge.ts";
import { type DatasetKnowledge, reportKnowledge } from "../../src/stages/state-report.ts";
import { newestOf } from "../state/state-kit.ts";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
export const START = Date.UTC(2026, 0, 1);
export const TOPICS = topicNames("sg.");
const OUTPUTS = [TOPICS.metrics, TOPICS.verdicts, TOPICS.windows, TOPICS.alerts];
const USUAL = 1000;
/** The day on which something happens. */
export const EVENT = 45;

const DATASET: DatasetConfig = {
  topic: "trips",
  time: {
    latenessMs: 0,
    idleAfterMs: Number.POSITIVE_INFINITY,
    unheardAfterMs: Number.POSITIVE_INFINITY,
    maxAheadMs: HOUR,
    reviseForMs: 6 * DAY,
  },
  windows: { sizesMs: [DAY], timezone: "UTC" },
  slices: [],
  fields: new Map(),
  valuesDefault: "show",
  detect: { season: 7, warmup: 28 },
  flushEveryMs: 5000,
};

export const INCIDENT = `trips/${iso(EVENT)}/${iso(EVENT + 1)}`;

function iso(day: number): string {
  return new Date(START + day * DAY).toISOString();
}

/** One day in one flush. The day before closes with it. `startedDay`: by then it had been read from its past at once. */
function flush(day: number, rows: number, startedDay: number): OutputRecord[] {
  const startMs = START + day * DAY;
  const profile = Profile.empty(1);
  profile.valid = rows;
  const origin = { dataset: "trips", topic: "trips", partition: 0, fromOffset: day * 5000, toOffset: (day + 1) * 5000 };
  const entry: LedgerEntry = {
    ...origin,
    partitionCount: 1,
    caughtUp: false,
    ended: false,
    wallTimeMs: Math.max(startMs + DAY, START + startedDay * DAY + day),
    maxEventTimeMs: startMs + DAY - 1,
    counts: profile.counts(),
  };
  const panes = encodePane(origin, { slice: "all", paneStartMs: startMs, profile: profile.write() });
  const timestampMs = entry.wallTimeMs;
  return [...panes, encodeLedger(entry, panes.length)].map((value) => record(value, timestampMs));
}

function record(value: Uint8Array, timestampMs: number): OutputRecord {
  return { topic: TOPICS.profiles, partition: 0, key: SHARD_KEY, value, timestampMs };
}

/** A person's word, said while the day goes on. */
export function word(feedback: unknown, day: number): OutputRecord {
  const value = typeof feedback === "string" ? feedback : JSON.stringify(feedback);
  return record(utf8(value), START + day * DAY + HOUR);
}

export const say = (feedback: string, more: Readonly<Record<string, string>> = {}) => ({
  incident: INCIDENT,
  feedback,
  by: "ann",
  note: "marathon",
  ...more,
});

/** Days of the usual rows, but for some; words go in before the flush of their day. */
export function recordsOf(
  days: number,
  rowsOf: (day: number) => number | undefined,
  words: Readonly<Record<number, readonly unknown[]>> = {},
  startedDay = 0,
): OutputRecord[] {
  const random = new SeededRandom(11);
  return Array.from({ length: days }, (_, day) => {
    const usual = USUAL + random.below(30);
    return [...(words[day] ?? []).map((one) => word(one, day)), ...flush(day, rowsOf(day) ?? usual, startedDay)];
  }).flat();
}

export const lower = (day: number) => (day >= EVENT ? 700 + ((day * 7) % 11) : undefined);
export const once = (day: number) => (day === EVENT ? 700 : undefined);

export interface Run {
  readonly outputs: Readonly<Record<string, readonly string[]>>;
  readonly ids: readonly string[];
  readonly alerts: readonly AlertRecord[];
  readonly state: readonly LogRecord[];
  readonly failures: number;
  readonly complaints: readonly string[];
  /** What else it logs. */
  readonly lines: readonly string[];
  readonly telemetry: PrometheusRegistry;
}

export async function judged(
  records: readonly OutputRecord[],
  { failChance = 0, seed = 0, dataset = DATASET } = {},
): Promise<Run> {
  const random = new SeededRandom(seed);
  const clock = new ManualClock(START);
  let failures = 0;
  const log = new MemoryLog({
    clock,
    onRequest(request) {
      clock.advance(1000);
      if (request === "send") log.compact(TOPICS.state);
      const canFail = request === "send" || request === "commit" || request === "reply";
      if (!canFail || random.next() >= failChance) return;
      failures++;
      throw new Error(`connection lost at ${request}`);
    },
  });
  await log.createTopics([
    { name: TOPICS.profiles, partitions: 1 },
    { name: TOPICS.state, partitions: 1, compacted: true },
    ...OUTPUTS.map((name) => ({ name, partitions: 1 })),
  ]);
  await log.append(records);
  log.seal(TOPICS.profiles);
  const complaints: string[] = [];
  const complain = (_fields: unknown, message: string) => void complaints.push(message);
  const lines: string[] = [];
  const tell = (_fields: unknown, message: string) => void lines.push(message);
  const telemetry = new PrometheusRegistry({ clock });
  const judge = await startJudge({
    log,
    logger: { info: tell, warn: complain, error: complain },
    deployment: "test",
    group: "test.judge",
    topics: TOPICS,
    datasets: [dataset],
    resolveAfter: 1,
    telemetry,
    checkpoints: {
      clock: {
        nowMs: () => clock.nowMs(),
        monotonicMs() {
          clock.advance(2500);
          return clock.monotonicMs();
        },
        after: (delayMs, act) => clock.after(delayMs, act),
      },
      everyMs: 7_000,
    },
  });
  await judge.done;
  await judge.stop();
  const outputs: Record<string, string[]> = {};
  for (const topic of OUTPUTS) outputs[topic] = log.records(topic, 0).map(({ value }) => textOf(value!));
  const ids = log
    .records(TOPICS.alerts, 0)
    .map(({ headers }) => textOf(headers.find(({ key }) => key === "ce_id")!.value));
  const alerts = outputs[TOPICS.alerts]!.map((line) => JSON.parse(line) as AlertRecord);
  return {
    outputs,
    ids,
    alerts,
    state: newestOf(log.records(TOPICS.state, 0)),
    failures,
    complaints,
    lines,
    telemetry,
  };
}

export const told = ({ alerts }: Run) =>
  alerts.map(({ state, reason, windowStart }) => `${state} ${reason} ${(Date.parse(windowStart) - START) / DAY}`);
export const knowledgeOf = ({ state }: Run): DatasetKnowledge =>
  reportKnowledge(state, { topic: TOPICS.state, partition: 0 }, "trips")!;
export const budgetOf = (run: Run) => knowledgeOf(run).budget!;

/** What the detector said last of each day. */
export function verdicts({ outputs }: Run): Map<number, VerdictRecord> {
  const lines = outputs[TOPICS.verdicts]!.map((line) => JSON.parse(line) as VerdictRecord);
  const own = lines.filter(({ by }) => by === "detector");
  return new Map(own.map((line) => [(Date.parse(line.windowStart) - START) / DAY, line]));
}

export function alarmingDays(run: Run): number[] {
  return [...verdicts(run)].flatMap(([day, { alarm }]) => (alarm ? day : []));
}
