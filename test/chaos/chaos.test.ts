import { setTimeout as sleep } from "node:timers/promises";
import avsc from "avsc";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import type { MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { describeWithKafka } from "../kafka/broker.ts";
import { Cluster, type CommittedRecord, until } from "../kafka/deployment-kit.ts";
import { checkReading, type InputEvent } from "./checker.ts";

/** Of the times of the kills, their victims, and the events. */
const SEED = 1;
const PARTITIONS = 8;
const HOUR_MS = 3_600_000;
const FROM_MS = Date.UTC(2026, 0, 1);
const SCHEMA = avsc.Type.forSchema({
  type: "record",
  name: "Trip",
  fields: [
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "place", type: "string" },
    { name: "fare", type: ["null", "int"] },
  ],
});
const OUTPUTS = ["sg.profiles", "sg.metrics", "sg.verdicts", "sg.alerts", "trips.refused"] as const;

describeWithKafka("chaos", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start();
  });
  afterAll(() => cluster?.stop());

  test("every event is counted once while processes are killed", async () => {
    const random = new SeededRandom(SEED);
    await cluster.createTopic("trips", PARTITIONS);
    const id = await cluster.register("trips-value", JSON.stringify(SCHEMA.schema({ exportAttrs: true })));
    const config = cluster.write(
      "chaos.yaml",
      `
deployment: chaos
kafka: { brokers: ["${cluster.broker.address()}"], group: sg }
registry: { url: "${cluster.registry.url}" }
topics: { prefix: sg. }
startFrom: earliest
checkpointEvery: 2s
datasets:
  - topic: trips
    time: { field: at, lateness: 1h, idleAfter: 1h }
    windows: { sizes: [1h] }
    slices: [{ by: place, name: place }]
    fields: { place: { values: show } }
    flushEvery: 500ms
    quarantine: { topic: trips.refused }
`,
    );
    const run = () => cluster.streamgauge("run", "-c", config);
    const running = [run(), run()];
    await Promise.all(running.map((one) => one.logged("running")));
    let atMs = FROM_MS;
    const kills = (async () => {
      for (let kill = 0; kill < 3; kill++) {
        await sleep(3000 + random.below(3000));
        const victim = random.below(running.length);
        await running[victim]!.kill("SIGKILL");
        running[victim] = run();
      }
    })();
    let isOver = false;
    void kills.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      const records = Array.from({ length: 160 }, (_, at) => {
        atMs += 20_000;
        const trip = {
          at: atMs,
          place: ["JFK", "EWR", "LGA"][random.below(3)]!,
          fare: random.below(5) === 0 ? null : random.below(90),
        };
        const value = random.below(50) === 0 ? Buffer.from([1, 2, 3, 4, 5, 6]) : frame(id, SCHEMA.toBuffer(trip));
        return { partition: at % PARTITIONS, value, timestampMs: atMs };
      });
      await cluster.produce("trips", records);
      await sleep(200);
    }
    await kills;
    const closedUntilMs = Math.floor(atMs / HOUR_MS) * HOUR_MS - HOUR_MS;
    await until("the last window is told", async () =>
      (await cluster.committed("sg.metrics")).some(
        ({ value }) => Date.parse((JSON.parse(String(value)) as MetricsRecord).windowEnd) >= closedUntilMs,
      ),
    );
    for (const one of running) expect(await one.kill("SIGTERM"), one.stderr).toBe(0);
    const told = await cluster.committed("trips", ...OUTPUTS);
    const of = (topic: string) => told.filter((record) => record.topic === topic);
    const parsed = <T>(topic: string) => of(topic).map(({ value }) => JSON.parse(String(value)) as T);
    const input = of("trips").map(eventOf);
    const ends = new Map(input.map(({ partition, offset }) => [partition, offset + 1]));
    const result = checkReading(
      {
        inputTopic: "trips",
        input,
        ends,
        profiles: of("sg.profiles"),
        metrics: parsed("sg.metrics"),
        verdicts: parsed<VerdictRecord>("sg.verdicts"),
        alerts: of("sg.alerts"),
        quarantine: of("trips.refused"),
      },
      {
        windowSizeMs: HOUR_MS,
        closedUntilMs,
        slice: { field: "place", name: "place" },
        fields: ["place", "fare"],
        mayRepeat: false,
      },
    );
    expect(result.windows).toBeGreaterThan(10);
    expect(result.findings).toEqual([]);
  });
});

function eventOf({ partition, offset, timestampMs, value }: CommittedRecord): InputEvent {
  if (value === null || value[0] !== 0) return { partition, offset, timeMs: timestampMs };
  const { at, place, fare } = SCHEMA.fromBuffer(value.subarray(5));
  return { partition, offset, timeMs: at, values: { place, fare } };
}
