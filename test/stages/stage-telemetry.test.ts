import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import type { MemorySubscription } from "../../src/consumers/memory-subscription.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { DatasetConfig } from "../../src/core/config.ts";
import { StreamgaugeError } from "../../src/core/errors.ts";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import type { Claim, Log, OutputRecord } from "../../src/core/log.ts";
import type { SchemaRegistry } from "../../src/core/schema-registry.ts";
import type { Sink } from "../../src/core/sink.ts";
import { utf8 } from "../../src/core/text.ts";
import { topicNames } from "../../src/core/topics.ts";
import { emptyCounts } from "../../src/core/window.ts";
import { encodeLedger, encodePane } from "../../src/profiles/delta-codec.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { PrometheusRegistry } from "../../src/sinks/prometheus-registry.ts";
import { startJudge } from "../../src/stages/judge.ts";
import { startProfiler } from "../../src/stages/profiler.ts";
import { startSink } from "../../src/stages/sink-runner.ts";
import { countedOf, samplesOf } from "../sinks/prometheus-kit.ts";

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const SIZE = 5 * MINUTE;
const TOPICS = topicNames("sg.");
const LOGGER = { info() {}, warn() {}, error() {} };
const DATASET: DatasetConfig = {
  topic: "trips",
  time: { latenessMs: 0, idleAfterMs: 10 * MINUTE, unheardAfterMs: 60 * MINUTE, maxAheadMs: MINUTE },
  windows: { sizesMs: [SIZE], timezone: "UTC" },
  slices: [],
  fields: new Map(),
  valuesDefault: "show",
  detect: { season: 2, warmup: "auto" },
  flushEveryMs: 5000,
};

class Bench {
  readonly clock = new ManualClock(START);
  readonly log = new MemoryLog({ clock: this.clock });
  readonly registry = new PrometheusRegistry({ clock: this.clock });

  async createTopics(): Promise<void> {
    const outputs = [TOPICS.profiles, TOPICS.metrics, TOPICS.verdicts, TOPICS.alerts, TOPICS.windows];
    await this.log.createTopics([{ name: "trips", partitions: 1 }]);
    await this.log.createTopics(outputs.map((name) => ({ name, partitions: 1 })));
  }

  samples(name: string): Record<string, number> {
    return samplesOf(this.registry, name);
  }

  counted(name: string): Record<string, number> {
    return countedOf(this.registry, name);
  }

  async until(condition: () => boolean): Promise<void> {
    for (let turn = 0; turn < 1000; turn++) {
      if (condition()) return;
      await nextTurn();
    }
    expect.unreachable(`not in time: ${condition}`);
  }
}

describe("startProfiler() with telemetry", () => {
  const SCHEMA = JSON.stringify({ type: "record", name: "r", fields: [{ name: "a", type: "string" }] });

  async function started(schemas: (registry: InProcessRegistry) => SchemaRegistry = (registry) => registry) {
    const bench = new Bench();
    await bench.createTopics();
    const registry = new InProcessRegistry();
    const id = registry.register(SCHEMA);
    const subscription = await startProfiler({
      log: bench.log,
      readers: createReaderSource(schemas(registry), { clock: bench.clock }),
      clock: bench.clock,
      logger: LOGGER,
      deployment: "d",
      group: "g.profiler",
      profilesTopic: TOPICS.profiles,
      datasets: [DATASET],
      startFrom: "earliest",
      flushRecords: 1000,
      time: "clock",
      hashLabel: (text) => text,
      telemetry: bench.registry,
    });
    const append = (...values: readonly (Uint8Array | null)[]) =>
      bench.log.append(values.map((value): OutputRecord => ({ topic: "trips", partition: 0, key: null, value })));
    return { bench, id, subscription, append };
  }

  test("counts refusals by reason, and every flush with its bytes and its time", async () => {
    const { bench, id, append } = await started();
    await append(
      frame(id, utf8("\x02x")),
      frame(id, new Uint8Array([2, 0xff])),
      frame(id, utf8("\x02xy")),
      null,
      new Uint8Array(0),
      frame(99, utf8("x")),
    );
    await bench.until(() => bench.samples("streamgauge_records_total")["profiler trips 0"] === 6);
    await bench.until(() => bench.samples("streamgauge_registry_waiting_batches")[""] === 0);
    bench.clock.moveTo(START + 5000);
    await bench.until(() => bench.samples("streamgauge_transactions_total")["profiler committed"] === 1);
    const refused = bench.samples("streamgauge_refused_records_total");
    expect(Object.fromEntries(Object.entries(refused).filter(([, count]) => count > 0))).toEqual({
      "trips invalid_utf8": 1,
      "trips trailing_bytes": 1,
      "trips tombstone": 1,
      "trips empty": 1,
      "trips schema_unknown": 1,
    });
    expect(Object.keys(refused).length).toBe(14);
    const views = bench.registry.scrape();
    const histogram = (name: string) => views.find((view) => view.name === name)?.histograms[0];
    const written = bench.samples("streamgauge_written_bytes_total")["profiler sg.profiles"];
    expect(histogram("streamgauge_flush_size_bytes")?.sum).toBe(written);
    expect(written).toBe(bench.log.records(TOPICS.profiles, 0).reduce((sum, { value }) => sum + value!.length, 0));
    expect([...histogram("streamgauge_flush_duration_seconds")!.counts].reduce((a, b) => a + b)).toBe(1);
    expect(bench.samples("streamgauge_lag_records")["profiler trips 0"]).toBe(0);
    expect(bench.counted("streamgauge_registry_loads_total")).toEqual({ reader: 1, schema_unknown: 1 });
  });

  test("shows batches that wait for the registry, and how often it did not answer", async () => {
    let answers = false;
    const { bench, id, append } = await started((registry) => ({
      async schema(schemaId) {
        if (!answers) throw new StreamgaugeError("SG_CONNECT", "Cannot load schema: no answer");
        return registry.schema(schemaId);
      },
    }));
    await append(frame(id, utf8("\x02x")));
    const loads = () => bench.samples("streamgauge_registry_loads_total");
    await bench.until(() => loads().no_answer === 1);
    expect(bench.samples("streamgauge_registry_waiting_batches")).toEqual({ "": 1 });
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    bench.clock.moveTo(START + 1000);
    await bench.until(() => loads().no_answer === 2);
    answers = true;
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    // The second wait is twice as long.
    bench.clock.moveTo(START + 3000);
    await bench.until(() => loads().reader === 1);
    await bench.until(() => bench.samples("streamgauge_registry_waiting_batches")[""] === 0);
  });

  test("counts a flush that was not committed", async () => {
    const { bench, id, append } = await started();
    await append(frame(id, utf8("\x02x")));
    await bench.until(() => bench.samples("streamgauge_records_total")["profiler trips 0"] === 1);
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    bench.log.fence("d.trips.0");
    bench.clock.moveTo(START + 5000);
    await bench.until(() => bench.samples("streamgauge_flush_failures_total").trips === 1);
    await bench.until(() => bench.samples("streamgauge_claims_total")["profiler trips"] === 2);
    expect(bench.counted("streamgauge_claim_losses_total")).toEqual({ "profiler trips fenced": 1 });
  });
});

describe("startJudge() with telemetry", () => {
  /** One flush of one partition: `rows` events at `minute`. */
  function flush(fromOffset: number, minute: number, changes: Partial<LedgerEntry> = {}): OutputRecord[] {
    const rows = 2;
    const timeMs = START + minute * MINUTE;
    const origin = { dataset: "trips", topic: "trips", partition: 0, fromOffset, toOffset: fromOffset + rows };
    const profile = Profile.empty(1);
    profile.countRefused("tombstone", "tombstone");
    const entry: LedgerEntry = {
      ...origin,
      partitionCount: 1,
      caughtUp: true,
      ended: false,
      wallTimeMs: timeMs,
      maxEventTimeMs: timeMs,
      counts: { ...emptyCounts(), consumed: rows, valid: rows },
      ...changes,
    };
    const at = { ...origin, partition: entry.partition };
    const panes = encodePane(at, { slice: "all", paneStartMs: timeMs - (timeMs % SIZE), profile: profile.write() });
    const values = [...panes, encodeLedger(entry, panes.length)];
    return values.map((value) => ({ topic: TOPICS.profiles, partition: 0, key: "main", value }));
  }

  async function started() {
    const bench = new Bench();
    await bench.createTopics();
    const members: MemorySubscription[] = [];
    await startJudge({
      log: watched(bench.log, members),
      logger: LOGGER,
      deployment: "d",
      group: "g.judge",
      topics: TOPICS,
      datasets: [DATASET],
      resolveAfter: 1,
      telemetry: bench.registry,
    });
    let applied = 0;
    const apply = async (records: OutputRecord[]) => {
      await bench.log.append(records);
      applied++;
      const count = () => {
        const view = bench.registry.scrape().find(({ name }) => name === "streamgauge_judge_apply_duration_seconds");
        return view?.histograms[0]?.counts.reduce((a, b) => a + b) ?? 0;
      };
      await bench.until(() => count() === applied);
    };
    return { bench, apply, members };
  }

  test("counts gaps, overlaps and replayed flushes of the ledger", async () => {
    const { bench, apply } = await started();
    await apply(flush(0, 0));
    await apply(flush(2, 1));
    expect(bench.counted("streamgauge_ledger_breaks_total")).toEqual({});
    await apply(flush(5, 2));
    await apply(flush(6, 3));
    await apply(flush(2, 1));
    expect(bench.counted("streamgauge_ledger_breaks_total")).toEqual({ "trips gap": 1, "trips overlap": 1 });
    expect(bench.counted("streamgauge_replayed_flushes_total")).toEqual({ trips: 1 });
  });

  test("shows partitions that are not heard of, as long as that is so", async () => {
    const { bench, apply } = await started();
    await apply(flush(0, 0, { partitionCount: 2 }));
    expect(bench.samples("streamgauge_unheard_partitions")).toEqual({ trips: 0 });
    await apply(flush(2, 31, { partitionCount: 2 }));
    expect(bench.samples("streamgauge_unheard_partitions")).toEqual({ trips: 0 });
    await apply(flush(4, 61, { partitionCount: 2 }));
    expect(bench.samples("streamgauge_unheard_partitions")).toEqual({ trips: 1 });
    await apply(flush(0, 61, { partition: 1, partitionCount: 2 }));
    expect(bench.samples("streamgauge_unheard_partitions")).toEqual({ trips: 0 });
  });

  test("shows nothing of a dataset that another process judges now", async () => {
    const { bench, apply, members } = await started();
    await apply(flush(0, 0));
    const shown = () => Object.keys(bench.samples("streamgauge_open_windows"));
    expect(shown()).toEqual(["trips"]);
    const taken: Claim[] = [];
    await bench.log.subscribe(
      { group: "g.judge", topics: [TOPICS.profiles], startFrom: "earliest", transactionalPrefix: "d" },
      { claimed: (claim) => void taken.push(claim), batch: () => {} },
    );
    expect(members.length).toBe(1);
    members[0]!.expire();
    await bench.until(() => taken.length === 1);
    await bench.log.append(flush(2, 1));
    await bench.until(() => bench.counted("streamgauge_claim_losses_total")["judge sg.profiles fenced"] === 1);
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    expect(shown()).toEqual([]);
    expect(bench.samples("streamgauge_claimed_partitions")).toEqual({ "judge sg.profiles": 0 });
  });
});

describe("startSink() with telemetry", () => {
  test("counts writes and failures, and tells the sink which topics it holds", async () => {
    const bench = new Bench();
    await bench.createTopics();
    const told: string[] = [];
    let fails = false;
    const sink: Sink = {
      name: "probe",
      topics: ["alerts", "metrics"],
      write(topic, records) {
        if (fails) throw new Error("disk full");
        told.push(`${topic} ${records.length}`);
      },
      claimed: (topic) => void told.push(`claimed ${topic}`),
      lost: (topic) => void told.push(`lost ${topic}`),
    };
    const start = () =>
      startSink({ log: bench.log, sink, topics: TOPICS, deployment: "d", group: "g", telemetry: bench.registry });
    const subscription = await start();
    await bench.log.append([{ topic: TOPICS.alerts, key: "trips", value: utf8("{}") }]);
    await bench.until(() => told.includes("alerts 1"));
    expect(told).toEqual(["claimed alerts", "claimed metrics", "alerts 1"]);
    fails = true;
    await bench.log.append([{ topic: TOPICS.metrics, key: "trips", value: utf8("{}") }]);
    await expect(subscription.done).rejects.toThrow("disk full");
    expect(bench.samples("streamgauge_sink_failures_total")).toEqual({ probe: 1 });
    const times = bench.registry.scrape().find(({ name }) => name === "streamgauge_sink_write_duration_seconds");
    expect(times?.histograms.map(({ labels, counts }) => [labels, counts.reduce((a, b) => a + b)])).toEqual([
      ['sink="probe",topic="alerts"', 1],
    ]);
    expect(bench.samples("streamgauge_records_total")).toMatchObject({ "sink.probe sg.alerts 0": 1 });
  });
});

/** The log, whose subscriptions are told: a stage keeps its own to itself. */
function watched(log: MemoryLog, members: MemorySubscription[]): Log {
  return {
    createTopics: (topics) => log.createTopics(topics),
    append: (records) => log.append(records),
    async subscribe(options, handler) {
      const subscription = await log.subscribe(options, handler);
      members.push(subscription);
      return subscription;
    },
  };
}
