import { afterAll, beforeAll, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import type { AlertRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import type { DatasetKnowledge } from "../../src/stages/state-report.ts";
import { describeWithKafka } from "./broker.ts";
import { Cluster, until } from "./deployment-kit.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SCHEMA = JSON.stringify({
  type: "record",
  name: "Trip",
  fields: [
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "fare", type: ["null", "double"] },
  ],
});
/** Events in an hour. */
const RATE = 40;

/** A zigzag varint of Avro. */
function long(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value) << 1n;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

function trip(atMs: number, fare: number | undefined): Uint8Array {
  const value = fare === undefined ? [0] : [2, ...new Uint8Array(Float64Array.of(fare).buffer)];
  return Uint8Array.from([...long(atMs), ...value]);
}

describeWithKafka("streamgauge run with startFrom: -60d", () => {
  let cluster: Cluster;
  let config = "";
  let id = 0;
  const random = new SeededRandom(9);
  /** Begin of the hour in which the deployment starts. */
  let startHourMs = 0;

  beforeAll(async () => {
    cluster = await Cluster.start();
    id = await cluster.register("trips-value", SCHEMA);
    await cluster.createTopic("trips", 2);
    config = cluster.write("training.yaml", configFor(cluster));
  });
  afterAll(() => cluster?.stop());

  /** Events of the hours, all fares null where it is faulty; in both partitions alike. */
  async function produce(fromMs: number, toMs: number, isFaulty: (timeMs: number) => boolean): Promise<void> {
    const records = [];
    for (let timeMs = fromMs; timeMs < toMs; timeMs += HOUR / RATE) {
      const atMs = Math.floor(timeMs);
      const value = frame(id, trip(atMs, isFaulty(atMs) ? undefined : 10 + random.next()));
      // Kafka takes no record of an hour to come.
      records.push({ partition: records.length % 2, value, timestampMs: Math.min(atMs, Date.now()) });
    }
    await cluster.produce("trips", records);
  }

  async function alerts() {
    return (await cluster.committed("sg.alerts")).map(({ value, headers }) => ({
      alert: JSON.parse(String(value)) as AlertRecord,
      id: String(headers.get("ce_id")),
      header: headers.get("sg_backtest")?.toString(),
    }));
  }

  async function show(): Promise<DatasetKnowledge> {
    const one = cluster.streamgauge("state", "show", "trips", "--json", "-c", config);
    expect(await one.ended(), one.stderr).toBe(0);
    return JSON.parse(one.stdout) as DatasetKnowledge;
  }

  test("tells the past with the mark, what comes after the start without it, and nothing twice", async () => {
    const nowMs = Date.now();
    startHourMs = nowMs - (nowMs % HOUR);
    const faultMs = startHourMs - 10 * DAY;
    // Older than 60 days: not read. The events of the hour of the start are only those of before it.
    await produce(startHourMs - 62 * DAY, nowMs, (timeMs) => timeMs >= faultMs && timeMs < faultMs + HOUR);

    const first = cluster.streamgauge("run", "-c", config);
    await until("the fault of the past is told", async () =>
      (await alerts()).some(({ alert }) => Date.parse(alert.windowStart) === faultMs),
    );
    // In the middle of the training or after it: whoever comes next goes on.
    await first.kill("SIGKILL");
    const second = cluster.streamgauge("run", "-c", config);
    await second.logged("state restored");

    // Hours that are to come: `maxAhead` allows them, and no test waits for them.
    await produce(nowMs + MINUTE, startHourMs + 8 * HOUR, (timeMs) => Math.floor((timeMs - startHourMs) / HOUR) === 3);
    await until("the hours after the start are told", async () =>
      (await alerts()).some(
        ({ alert }) => alert.state === "resolved" && Date.parse(alert.windowStart) > startHourMs + 3 * HOUR,
      ),
    );
    expect(await second.kill("SIGTERM"), second.stderr).toBe(0);

    const told = await alerts();
    const of = (timeMs: number) => told.filter(({ alert }) => Date.parse(alert.windowStart) === timeMs);
    expect(of(faultMs)).toHaveLength(1);
    expect(of(faultMs)[0]).toMatchObject({
      header: "true",
      alert: { state: "opened", backtest: true, sentence: expect.stringContaining("100 % of `fare` is null") },
    });
    expect(of(startHourMs + 3 * HOUR)).toHaveLength(1);
    expect(of(startHourMs + 3 * HOUR)[0]!.header).toBeUndefined();
    expect(of(startHourMs + 3 * HOUR)[0]!.alert).toMatchObject({
      state: "opened",
      sentence: expect.stringContaining("100 % of `fare` is null"),
    });
    // The mark is that of the start, whatever else was told, and the same in record and header.
    const { training, budget } = await show();
    const startedMs = Date.parse(training!.startedAt);
    expect(startedMs).toBeGreaterThanOrEqual(nowMs);
    for (const { alert, header } of told) {
      expect(header).toBe(alert.backtest === true ? "true" : undefined);
      if (Date.parse(alert.windowEnd) <= startedMs) expect(alert.backtest, alert.sentence).toBe(true);
    }
    expect(new Set(told.map(({ id: one }) => one)).size).toBe(told.length);
    expect(training!.share).toBeNull();
    expect(budget!.backtest).toBeGreaterThan(0);
    expect(budget!.spent).toBe(
      new Set(told.filter(({ alert }) => alert.backtest === undefined).map(({ alert }) => alert.incident)).size,
    );

    const records = await cluster.committed("sg.verdicts");
    const lines = records.map(({ value }) => JSON.parse(String(value)) as VerdictRecord);
    for (const { windowEnd, backtest } of lines) {
      expect(backtest === true, windowEnd).toBe(Date.parse(windowEnd) <= startedMs);
    }
    const windows = lines.filter(({ by }) => by === "detector").map((line) => `${line.windowStart} ${line.revision}`);
    expect(new Set(windows).size).toBe(windows.length);
    expect(windows.length).toBeGreaterThan(59 * 24);
    const oldest = windows.toSorted()[0]!;
    expect(Date.parse(oldest.slice(0, 24))).toBeGreaterThanOrEqual(startHourMs - 60 * DAY);
  });
});

function configFor(cluster: Cluster): string {
  return `
deployment: test
kafka: { brokers: ["${cluster.broker.address()}"], group: sg }
registry: { url: "${cluster.registry.url}" }
topics: { prefix: sg. }
startFrom: -60d
checkpointEvery: 1s
datasets:
  - topic: trips
    time: { field: at, lateness: 1m, idleAfter: 1h, maxAhead: 12h }
    windows: { sizes: [1h] }
    flushEvery: 1s
`;
}
