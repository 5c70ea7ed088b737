import avsc from "avsc";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import type { AlertRecord } from "../../src/core/verdict.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { describeWithKafka } from "./broker.ts";
import { Cluster, until } from "./deployment-kit.ts";

const HOUR_MS = 3_600_000;
/** Three days and a half. */
const HOURS = 84;
/** In this one a producer with a schema of its own begins to send nulls. */
const FAULTY = 80;
const PER_HOUR = 240;
const PARTITIONS = 3;

const FIELDS = [
  { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
  { name: "fare", type: ["null", "double"] },
  { name: "city", type: ["null", "string"] },
];
const OLD = avsc.Type.forSchema({ type: "record", name: "Trip", fields: FIELDS } as avsc.Schema);
const NEW = avsc.Type.forSchema({
  type: "record",
  name: "Trip",
  fields: [...FIELDS, { name: "note", type: "string", default: "" }],
} as avsc.Schema);

describeWithKafka("where an alarm comes from", () => {
  let cluster: Cluster;
  let newId = -1;

  let config = "";

  beforeAll(async () => {
    cluster = await Cluster.start();
    const oldId = await cluster.register("trips-value", JSON.stringify(OLD.schema({ exportAttrs: true })));
    newId = await cluster.register("trips-value", JSON.stringify(NEW.schema({ exportAttrs: true })));
    await cluster.createTopic("trips", PARTITIONS);
    const random = new SeededRandom(3);
    const startMs = Date.UTC(2026, 4, 1);
    const records = Array.from({ length: HOURS * PER_HOUR }, (_, i) => {
      const hour = Math.floor(i / PER_HOUR);
      const at = startMs + hour * HOUR_MS + Math.floor((((i % PER_HOUR) + random.next()) * HOUR_MS) / (PER_HOUR + 1));
      const partition = random.below(PARTITIONS);
      const isNew = hour >= FAULTY && random.below(3) === 0;
      const trip = {
        at,
        fare: isNew || random.next() < 0.02 ? null : 5 + random.next() * 30,
        city: random.next() < 0.05 ? null : ["Ulm", "Bonn", "Jena"][random.below(3)]!,
        note: "",
      };
      const value = isNew ? frame(newId, NEW.toBuffer(trip)) : frame(oldId, OLD.toBuffer(trip));
      const headers = [{ key: "service", value: Buffer.from(isNew ? "checkout" : "booking") }];
      return { topic: "trips", partition, key: null, value, headers, timestampMs: at };
    });
    await cluster.produceRecords(records);
    config = cluster.write("origins.yaml", configFor(cluster));
  });
  afterAll(() => cluster?.stop());

  test("is said of a schema id and a producer that came with it", async () => {
    const run = cluster.streamgauge("run", "-c", config);
    const faultyStart = new Date(Date.UTC(2026, 4, 1) + FAULTY * HOUR_MS).toISOString();
    const found = async () =>
      (await cluster.committed("sg.alerts"))
        .map(({ value }) => JSON.parse(String(value)) as AlertRecord)
        .find(({ windowStart, state }) => windowStart === faultyStart && state !== "resolved");
    await until("the faulty hour is told", async () => (await found()) !== undefined);
    expect(await run.kill("SIGTERM"), run.stderr).toBe(0);
    const alert = (await found())!;
    expect(alert.causes[0]!.metric).toBe("null_rate(fare)");
    const about = alert.concentration!.filter(({ metric }) => metric === "null_rate(fare)");
    expect(about).toMatchObject([
      { dimension: "producer", value: "service=checkout", observed: 1, usual: null, isNew: true },
      { dimension: "schema", value: String(newId), observed: 1, usual: null, isNew: true },
    ]);
    for (const { elsewhere, share } of about) {
      expect(elsewhere).toBeLessThan(0.08);
      expect(share).toBeGreaterThan(0.9);
    }
    expect(alert.sentence).toMatch(
      / of `fare` is null, expected .*; (all|9\d %) of it from service=checkout, new here/,
    );
  });
});

function configFor(cluster: Cluster): string {
  return `
deployment: test
kafka: { brokers: ["${cluster.broker.address()}"], group: sg }
registry: { url: "${cluster.registry.url}" }
topics: { prefix: sg. }
startFrom: earliest
checkpointEvery: 2s
datasets:
  - topic: trips
    time: { field: at, lateness: 5m, idleAfter: 5s }
    windows: { sizes: [1h] }
    detect: { season: 1, warmup: 30, falseAlarms: 1 per 2d }
    producerHeader: service
    flushEvery: 1s
`;
}
