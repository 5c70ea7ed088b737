import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AlertRecord, MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { describeWithKafka } from "./broker.ts";
import { Cluster, FLIGHTS, flightsOf, until } from "./deployment-kit.ts";
import { describeWithRdkafka } from "./rdkafka.ts";

const PARTITIONS = 4;
const FROM_MS = Date.UTC(2013, 0, 1);
const TO_MS = Date.UTC(2013, 3, 1);
/** Days of the quarter that are whole: the first is partial, the last is so in a replay. */
const FIRST_WHOLE = "2013-01-02T00:00:00.000Z";
const LAST_WHOLE = "2013-03-30T00:00:00.000Z";
const OUTPUTS = ["sg.metrics", "sg.verdicts", "sg.alerts"] as const;
/** Read off sketches whose merge order, or whose cuts between flushes, differ from run to run. */
const APPROXIMATE = /^quantile\(/;
/** What depends on which events stand one after the other: the replay has one partition, the topic several. */
const OF_ORDER = /^repeat_share\(/;

describeWithKafka("streamgauge run on a real Kafka with a real registry", () => {
  describe("kafkajs", () => runsOfFlights("kafkajs"));
  describeWithRdkafka("streamgauge run", () => runsOfFlights("node-rdkafka"));
});

function runsOfFlights(client: "kafkajs" | "node-rdkafka"): void {
  let cluster: Cluster;
  let replayed: { metrics: MetricsRecord[]; alerts: AlertRecord[] };

  beforeAll(async () => {
    cluster = await Cluster.start();
    replayed = replay(cluster);
  });
  afterAll(() => cluster?.stop());

  test("a quarter of flights gives the figures of a replay, also when it is killed in the middle", async () => {
    const { schema, flights } = await flightsOf(FROM_MS, TO_MS);
    await cluster.createTopic("flights", PARTITIONS);
    const id = await cluster.register("flights-value", schema);
    const records = flights.map(({ payload, timeMs }, at) => ({
      partition: at % PARTITIONS,
      value: frame(id, payload),
      timestampMs: timeMs,
    }));
    const config = cluster.write("flights.yaml", configFor(cluster, client));
    const half = Math.floor(records.length / 2);
    const first = cluster.streamgauge("run", "-c", config);
    await first.logged("running");
    await cluster.produce("flights", records.slice(0, half));
    await until("windows of the first half are told", async () => (await metricsOf(cluster)).length > 60);
    // In the middle of the rest.
    const rest = cluster.produce("flights", records.slice(half));
    await sleep(700);
    expect(await first.kill("SIGKILL")).toBeNull();
    await rest;
    const second = cluster.streamgauge("run", "-c", config);
    await until("the last day is told", async () => {
      const lines = await metricsOf(cluster);
      return lines.some(({ slice, windowStart }) => slice === "all" && windowStart >= "2013-04-02");
    });
    expect(await second.kill("SIGTERM"), second.stderr).toBe(0);

    const told = await cluster.committed(...OUTPUTS);
    const metrics = parsed<MetricsRecord>(told, "sg.metrics").filter(isWhole);
    // Every (dataset, slice, window, revision) is there once.
    const keys = metrics.map(keyOf);
    expect(new Set(keys).size).toBe(keys.length);
    const expected = new Map(replayed.metrics.filter(isWhole).map((line) => [keyOf(line), line]));
    expect(keys.sort()).toEqual([...expected.keys()].sort());
    for (const line of metrics) expectSameFigures(line, expected.get(keyOf(line))!);

    const verdicts = parsed<VerdictRecord>(told, "sg.verdicts").filter(
      (line) => line.by === "detector" && isWhole(line),
    );
    expect(verdicts.map(keyOf).sort()).toEqual([...expected.keys()].sort());
    const alerts = parsed<AlertRecord>(told, "sg.alerts").filter(isWhole);
    const named = (lines: readonly AlertRecord[]) => lines.map(({ state, windowStart }) => `${state} ${windowStart}`);
    expect(named(alerts)).toEqual(named(replayed.alerts.filter(isWhole)));
    expect(alerts.some(({ windowStart }) => windowStart.startsWith("2013-02-08"))).toBe(true);
    for (const { topic, headers } of told) {
      if (topic !== "sg.alerts") continue;
      expect(headers.get("ce_specversion")?.toString()).toBe("1.0");
      expect(headers.get("ce_source")?.toString()).toBe("/streamgauge/test/flights");
    }
  });
}

function configFor(cluster: Cluster, client: string): string {
  return `
deployment: test
kafka: { brokers: ["${cluster.broker.address()}"], group: sg, client: ${client} }
registry: { url: "${cluster.registry.url}" }
topics: { prefix: sg. }
startFrom: earliest
checkpointEvery: 2s
${dataset("20s")}`;
}

function dataset(idleAfter: string): string {
  return `datasets:
  - topic: flights
    time: { field: time_hour, lateness: 1h, idleAfter: ${idleAfter} }
    windows: { sizes: [1d] }
    slices: [{ by: route.origin, name: origin }]
    fields: { carrier: { values: show }, route.origin: { values: show }, route.dest: { values: show }, tailnum: { values: show } }
    flushEvery: 1s
`;
}

/** The same flights by the same stages from the file. */
function replay(cluster: Cluster): { metrics: MetricsRecord[]; alerts: AlertRecord[] } {
  const config = cluster.write("replay.yaml", dataset("1m"));
  const out = join(cluster.folder, "out");
  execFileSync(process.execPath, [cluster.main, "replay", "-c", config, FLIGHTS, "--out", out], { stdio: "pipe" });
  const lines = <T>(name: string) =>
    readFileSync(join(out, `${name}.jsonl`), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as T);
  return { metrics: lines("metrics"), alerts: lines("alerts") };
}

async function metricsOf(cluster: Cluster): Promise<MetricsRecord[]> {
  return parsed(await cluster.committed("sg.metrics"), "sg.metrics");
}

function parsed<T>(records: Awaited<ReturnType<Cluster["committed"]>>, topic: string): T[] {
  return records.filter((record) => record.topic === topic).map(({ value }) => JSON.parse(String(value)) as T);
}

function isWhole({ windowStart }: { readonly windowStart: string }): boolean {
  return windowStart >= FIRST_WHOLE && windowStart <= LAST_WHOLE;
}

function keyOf({ dataset, slice, windowStart, windowEnd, revision }: MetricsRecord | VerdictRecord): string {
  return [dataset, slice, windowStart, windowEnd, revision].join("|");
}

function expectSameFigures(line: MetricsRecord, expected: MetricsRecord): void {
  const where = keyOf(line);
  expect(line.counts, where).toEqual(expected.counts);
  expect(line.partial, where).toBe(expected.partial);
  const wanted = Object.keys(expected.metrics);
  expect(Object.keys(line.metrics).sort(), where).toEqual(wanted.sort());
  for (const [metric, value] of Object.entries(line.metrics)) {
    const other = expected.metrics[metric];
    if (typeof value !== "number" || typeof other !== "number") expect(value, `${where} ${metric}`).toBe(other);
    else if (!APPROXIMATE.test(metric) && !OF_ORDER.test(metric)) {
      // Sums in another order: the last digits.
      const tolerance = 1e-9 * Math.max(1, Math.abs(other));
      expect(Math.abs(value - other), `${where} ${metric}: ${value}, expected ${other}`).toBeLessThanOrEqual(tolerance);
    }
  }
}
