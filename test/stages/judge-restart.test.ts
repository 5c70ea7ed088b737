import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { openInput } from "../../src/consumers/file-input.ts";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { type Clock, ManualClock } from "../../src/core/clock.ts";
import type { DatasetConfig } from "../../src/core/config.ts";
import type { LogRecord, OutputRecord } from "../../src/core/log.ts";
import type { Logger } from "../../src/core/logger.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { textOf } from "../../src/core/text.ts";
import { topicNames } from "../../src/core/topics.ts";
import { type AlertRecord, isOwnIncident, type MetricsRecord } from "../../src/core/verdict.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { startJudge } from "../../src/stages/judge.ts";
import { startProfiler } from "../../src/stages/profiler.ts";
import { PackedBytes } from "../../src/state/packed-bytes.ts";
import { StateStore } from "../../src/state/state-records.ts";
import { entriesOf } from "../state/state-entries.ts";

const FLIGHTS = fileURLToPath(new URL("../../data/flights.avro", import.meta.url));
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const END_MS = Date.UTC(2013, 1, 14);
const PARTITIONS = 3;
const TOPICS = topicNames("sg.");
const OUTPUTS = [TOPICS.metrics, TOPICS.verdicts, TOPICS.windows, TOPICS.alerts];
const QUIET: Logger = { info: () => {}, warn: () => {}, error: () => {} };
const DATASET: DatasetConfig = {
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
  // A short warm-up, so that there are scores, alarms and incidents to be kept.
  detect: { season: 7, warmup: 20 },
  flushEveryMs: 5000,
};

/** The deltas of six weeks, with late events enough for revisions. */
let deltas: readonly LogRecord[] = [];
let undisturbed: Judged;

type Outputs = Readonly<Record<string, readonly string[]>>;

beforeAll(async () => {
  deltas = await profiled();
  undisturbed = await judged({ failChance: 0, seed: 0 });
});

describe("startJudge() with checkpoints", () => {
  test("the undisturbed run has windows, revisions and incidents to speak of", () => {
    const lines = undisturbed[TOPICS.metrics]!.map((line) => JSON.parse(line) as { revision: number });
    expect(lines.length).toBeGreaterThan(43 * 4);
    expect(lines.filter(({ revision }) => revision > 0).length).toBeGreaterThan(20);
    expect(undisturbed[TOPICS.alerts]!.length).toBeGreaterThan(2);
  });

  test.each([1, 2, 3])(
    "what is visible after lost connections at any request is what it is without (seed %i)",
    async (seed) => {
      const disturbed = await judged({ failChance: 0.08, seed });
      expect(disturbed.failures.length).toBeGreaterThan(5);
      expectSame(disturbed, undisturbed);
    },
  );

  test.each([1, 2])(
    "lost and repeated flushes are told once, whatever connections are lost (seed %i)",
    async (seed) => {
      const holes = [...byFlush().values()].map((records, at) => (at % 11 === 7 ? [] : records));
      const broken = holes.flatMap((records, at) => (at % 13 === 5 ? [...records, ...records] : records));
      const expected = await judged({ failChance: 0, seed: 0, records: broken });
      const alerts = expected[TOPICS.alerts]!.map((line) => JSON.parse(line) as AlertRecord);
      const own = alerts.filter(isOwnIncident);
      expect(own.length).toBeGreaterThan(5);
      expect(new Set(own.map(({ incident }) => incident)).size).toBe(own.length);
      const lines = expected[TOPICS.metrics]!.map((line) => JSON.parse(line) as MetricsRecord);
      for (const { reason, windowStart, windowEnd } of own) {
        expect(reason).toBe("offset-gap");
        const inside = lines.filter((line) => line.windowStart < windowEnd && line.windowEnd > windowStart);
        expect(inside.filter(({ partial }) => !partial).map((line) => [line.windowStart, line.slice])).toEqual([]);
      }
      const disturbed = await judged({ failChance: 0.08, seed, records: broken });
      expect(disturbed.failures.length).toBeGreaterThan(5);
      expectSame(disturbed, expected);
    },
  );

  test("a flush with a damaged record is as one that never came", async () => {
    const flushes = [...byFlush().values()];
    const damaged = new Set(flushes.filter((_, at) => at % 11 === 7));
    const without = await judged({
      failChance: 0,
      seed: 0,
      records: flushes.flatMap((records) => (damaged.has(records) ? [] : records)),
    });
    const damagedRecords = [...damaged].flatMap((records, at) => {
      // In turn: the first record, which is of a pane, no delta any more; its profile; the ledger record; a record missing.
      const place = at % 4 === 2 ? records.length - 1 : 0;
      if (at % 4 === 3) return records.slice(1);
      return records.map((record, index) => {
        if (index !== place) return record;
        const value = record.value!.slice();
        value[at % 4 === 1 ? value.length - 1 : 0]! ^= 1;
        return { ...record, value };
      });
    });
    const byOffset = [...flushes.flatMap((records) => (damaged.has(records) ? [] : records)), ...damagedRecords];
    const records = byOffset.sort((a, b) => a.offset - b.offset);
    expect(damaged.size).toBeGreaterThan(8);
    for (const [failChance, seed] of [
      [0, 0],
      [0.08, 1],
    ] as const) {
      expectSame(await judged({ failChance, seed, records }), without);
    }
  });

  test("the whole of a window says up to where each partition was taken in", () => {
    const lines = undisturbed[TOPICS.metrics]!.map((line) => JSON.parse(line) as MetricsRecord);
    let before = Array.from({ length: PARTITIONS }, () => 0);
    for (const { slice, positions } of lines) {
      if (slice !== "all") expect(positions).toBeUndefined();
      else {
        expect(positions?.map(({ topic, partition }) => `${topic}/${partition}`)).toEqual(
          Array.from({ length: PARTITIONS }, (_, partition) => `flights/${partition}`),
        );
        const offsets = positions!.map(({ offset }) => offset);
        expect(offsets.every((offset, at) => offset >= before[at]!)).toBe(true);
        before = offsets;
      }
    }
    const last = deltas.map(({ value }) => decodeDelta(value!).origin);
    const ends = before.map((_, partition) =>
      Math.max(...last.map((origin) => (origin.partition === partition ? origin.toOffset : 0))),
    );
    expect(before).toEqual(ends);
  });

  test("what is decided of one batch within a second is committed together, and is the same", async () => {
    const quick = await judged({ failChance: 0, seed: 0, isQuick: true });
    expectSame(quick, undisturbed);
    expect(undisturbed.commits.length).toBeGreaterThan(20);
    expect(quick.commits.length).toBeLessThan(undisturbed.commits.length / 4);
  });

  test("without the state a restart tells windows anew: what the checkpoints are for", async () => {
    const disturbed = await judged({ failChance: 0.08, seed: 1, forgetState: true });
    expect(disturbed[TOPICS.metrics]).not.toEqual(undisturbed[TOPICS.metrics]);
  });
});

/** Compares short names of the records first: a difference of whole lines is beyond reading. */
function expectSame(outputs: Outputs, expected: Outputs): void {
  for (const topic of OUTPUTS) {
    expect(outputs[topic]!.map(nameOf), topic).toEqual(expected[topic]!.map(nameOf));
    const at = outputs[topic]!.findIndex((line, i) => line !== expected[topic]![i]);
    expect(at < 0 ? "same" : firstDifference(outputs[topic]![at]!, expected[topic]![at]!), topic).toBe("same");
  }
}

function nameOf(line: string): string {
  const { slice, slices, windowStart, revision, by, state } = JSON.parse(line) as Record<string, unknown>;
  return [windowStart, slice ?? slices, revision, by ?? state].join(" ");
}

function firstDifference(a: string, b: string): string {
  let at = 0;
  while (a[at] === b[at]) at++;
  return `${nameOf(a)}: …${a.slice(Math.max(0, at - 60), at + 40)}… and not …${b.slice(Math.max(0, at - 60), at + 40)}…`;
}

interface Disturbance {
  /** Of a lost connection at each request of a commit. */
  readonly failChance: number;
  readonly seed: number;
  /** The state topic is emptied after each loss. */
  readonly forgetState?: boolean;
  /** No time passes while it works. */
  readonly isQuick?: boolean;
  /** @default all deltas */
  readonly records?: readonly LogRecord[];
}

type Judged = Outputs & { readonly failures: readonly string[]; readonly commits: readonly string[] };

async function judged(disturbance: Disturbance): Promise<Judged> {
  const random = new SeededRandom(disturbance.seed);
  const failures: string[] = [];
  const commits: string[] = [];
  const clock = new ManualClock();
  const log = new MemoryLog({
    clock,
    onRequest(request) {
      clock.advance(1000);
      if (request === "commit") commits.push(request);
      // As Kafka's log cleaner does all the time.
      if (request === "send") log.compact(TOPICS.state);
      const canFail = request === "send" || request === "commit" || request === "reply";
      if (!canFail || random.next() >= disturbance.failChance) return;
      failures.push(request);
      throw new Error(`connection lost at ${request}`);
    },
  });
  await log.createTopics([
    { name: TOPICS.profiles, partitions: 1 },
    { name: TOPICS.state, partitions: 1, compacted: true },
    ...OUTPUTS.map((name) => ({ name, partitions: 1 })),
  ]);
  await log.append(
    (disturbance.records ?? deltas).map(({ key, value, timestampMs }) => ({
      topic: TOPICS.profiles,
      partition: 0,
      key,
      value,
      timestampMs,
    })),
  );
  log.seal(TOPICS.profiles);
  const logger: Logger = {
    ...QUIET,
    info(_fields, message) {
      if (message !== "shard lost") return;
      if (disturbance.forgetState) void log.append(tombstones(log.records(TOPICS.state, 0)));
    },
  };
  const judge = await startJudge({
    log,
    logger,
    deployment: "test",
    group: "test.judge",
    topics: TOPICS,
    datasets: [DATASET],
    resolveAfter: 1,
    checkpoints: { clock: disturbance.isQuick ? clock : slowlyWorked(clock), everyMs: 20_000 },
  });
  await judge.done;
  await judge.stop();
  const outputs: Record<string, string[]> = {};
  for (const topic of OUTPUTS) {
    outputs[topic] = log.records(topic, 0).map(({ value }) => textOf(value!));
  }
  return { ...outputs, failures, commits } as Judged;
}

/** All deltas come in one batch, and each takes a while: what was decided is committed with every second flush or so. */
function slowlyWorked(clock: ManualClock): Clock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs() {
      clock.advance(2500);
      return clock.monotonicMs();
    },
    after: (delayMs, act) => clock.after(delayMs, act),
  };
}

function tombstones(records: readonly LogRecord[]): OutputRecord[] {
  return records.map(({ key }) => ({ topic: TOPICS.state, partition: 0, key, value: null }));
}

async function profiled(): Promise<readonly LogRecord[]> {
  const clock = new ManualClock(Date.UTC(2014, 0, 1));
  const input = await openInput(FLIGHTS, { timeField: "time_hour" });
  const registry = new InProcessRegistry();
  const schemaId = registry.register(input.schemaText);
  const log = new MemoryLog({ clock });
  await log.createTopics([
    { name: "flights", partitions: PARTITIONS },
    { name: TOPICS.profiles, partitions: 1 },
  ]);
  const random = new SeededRandom(5);
  const records: { readonly record: OutputRecord; readonly at: number }[] = [];
  for await (const block of input.records()) {
    for (let i = 0; i < block.count; i++) {
      const timestampMs = block.timesMs[i]!;
      if (timestampMs >= END_MS) continue;
      const value = frame(schemaId, block.bytes.subarray(block.starts[i], block.ends[i]));
      const at = records.length;
      const record = { topic: "flights", partition: at % PARTITIONS, key: null, value, timestampMs };
      // Some hours to a day late.
      records.push({ record, at: random.next() < 0.004 ? at + random.below(1200) : at });
    }
  }
  records.sort((a, b) => a.at - b.at);
  await log.append(records.map(({ record }) => record));
  log.seal("flights");
  const profiler = await startProfiler({
    log,
    readers: createReaderSource(registry, { clock }),
    clock,
    logger: QUIET,
    deployment: "test",
    group: "test.profiler",
    profilesTopic: TOPICS.profiles,
    datasets: [DATASET],
    startFrom: "earliest",
    flushRecords: 300,
    time: "records",
    hashLabel: (text) => text,
  });
  await profiler.done;
  await profiler.stop();
  return log.records(TOPICS.profiles, 0);
}

describe("StateStore", () => {
  const store = () => new StateStore({ topic: "state", partition: 2 });
  const large = Uint8Array.from(
    { length: 2_500_000 },
    (
      (random) => () =>
        random.below(256)
    )(new SeededRandom(3)),
  );
  const texts = (entries: ReadonlyMap<string, Uint8Array>) =>
    [...entries]
      .map(([key, value]) => `${key} ${value.length} ${createHash("sha1").update(value).digest("hex")}`)
      .sort();
  const asLog = (records: readonly OutputRecord[]): LogRecord[] => {
    const newest = new Map<string, LogRecord>();
    for (const [offset, { key, value }] of records.entries()) {
      const name = String(key);
      newest.delete(name);
      if (value !== null) newest.set(name, { offset, timestampMs: 0, key: Buffer.from(name), value, headers: [] });
    }
    return [...newest.values()];
  };

  test("read() gives what write() was given, in parts where an entry is large, and drops what is gone", () => {
    const first = store();
    const entries = [
      { key: "a", value: PackedBytes.of(large) },
      { key: "b", value: PackedBytes.of(new Uint8Array(0)) },
    ];
    const written = [...first.write(entries, [], 7)];
    expect(written.length).toBe(4);
    expect(
      written.every(
        ({ value, partition, timestampMs }) => value!.length < 1_000_000 && partition === 2 && timestampMs === 7,
      ),
    ).toBe(true);
    const second = store();
    expect(texts(entriesOf(second, asLog(written)))).toEqual(
      texts(
        new Map([
          ["a", large],
          ["b", new Uint8Array(0)],
        ]),
      ),
    );
    const changed = [
      ...written,
      ...second.write([{ key: "a", value: PackedBytes.of(large.subarray(0, 10)) }], ["b"], 8),
    ];
    const third = store();
    expect(texts(entriesOf(third, asLog(changed)))).toEqual(texts(new Map([["a", large.slice(0, 10)]])));
    expect(asLog(changed).length).toBe(1);
    // Parts of the larger version that are still there change nothing, whether they come before or behind it.
    const [whole] = asLog(changed);
    const left = asLog(written).filter(({ key }) => textOf(key!) === "a#1");
    expect(left.length).toBe(1);
    for (const records of [
      [...left, whole!],
      [whole!, ...left],
    ]) {
      expect(texts(entriesOf(store(), records))).toEqual(texts(new Map([["a", large.slice(0, 10)]])));
    }
  });

  test("read() refuses an entry of which a part is missing, older than the others, or damaged", () => {
    const first = store();
    const old = asLog([...first.write([{ key: "a", value: PackedBytes.of(large) }], [], 0)]);
    const fresh = asLog([...first.write([{ key: "a", value: PackedBytes.of(large.map((byte) => byte ^ 1)) }], [], 0)]);
    const refuses = (records: readonly LogRecord[]) =>
      expect(() => entriesOf(store(), records)).toThrowError(expect.objectContaining({ code: "SG_CORRUPT" }));
    refuses(fresh.slice(1));
    refuses(fresh.slice(0, -1));
    refuses([fresh[0]!, fresh[1]!, old[2]!]);
    for (const at of [0, 1, 40, 400_000]) {
      const value = fresh[1]!.value!.slice();
      value[at]! ^= 16;
      refuses([fresh[0]!, { ...fresh[1]!, value }, fresh[2]!]);
    }
    expect(entriesOf(store(), fresh).size).toBe(1);
  });
});

/** The records of each flush, by its range. */
function byFlush(): Map<string, LogRecord[]> {
  const flushes = new Map<string, LogRecord[]>();
  for (const record of deltas) {
    const { partition, fromOffset } = decodeDelta(record.value!).origin;
    const name = `${partition}@${fromOffset}`;
    flushes.set(name, [...(flushes.get(name) ?? []), record]);
  }
  return flushes;
}
