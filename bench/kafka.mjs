// What reading from Kafka costs, against a broker that this script starts (needs Java and `node scripts/setup-kafka.mjs`):
// CPU per trip (`trip-events.mjs`) of kafkajs alone, with avsc decoding every event, and of our profiler from Kafka to its deltas; the cost
// of transactions at a flush every 5 s, with 64 partitions and three processes; and the time from start to the first flush on a group that exists.
// `npm run build` first. Each measurement is a process of its own; variants are interleaved.
import { randomBytes } from "node:crypto";
import avsc from "avsc";
import {
  BulkMeter,
  child,
  fill,
  kafkaLog,
  median,
  profileAll,
  rawKafka,
  STEADY_PER_SECOND,
  startBroker,
  steadily,
  steady,
} from "./kafka-kit.mjs";
import { Results } from "./results.mjs";
import { TRIP_SCHEMA } from "./trip-events.mjs";

const ROUNDS = 3;
const STEADY_PARTITIONS = 64;
const STEADY_MEMBERS = 3;

const [variant, address, group] = process.argv.slice(2);
const member = (transactions) =>
  steady({
    address,
    client: "kafkajs",
    group,
    partitions: STEADY_PARTITIONS,
    members: STEADY_MEMBERS,
    transactions,
  });
const variants = {
  count: readAll,
  avsc: readAll,
  profiler: () => profileAll(address, "kafkajs"),
  with: () => member(true),
  without: () => member(false),
  start: firstFlush,
};
if (variant === undefined) await main();
else {
  console.log(JSON.stringify(await variants[variant]()));
  process.exit(0);
}

async function main() {
  const results = new Results("bench:kafka");
  const broker = await startBroker();
  try {
    await fill(broker.address, STEADY_PARTITIONS);
    const ns = { count: [], avsc: [], profiler: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of Object.keys(ns))
        ns[name].push((await child(import.meta.url, name, broker.address)).nsPerEvent);
    }
    const [bare, decoded, profiled] = ["count", "avsc", "profiler"].map((name) => median(ns[name]));
    results.add("kafkajs eachBatch that counts", bare, "ns/event");
    results.add("kafkajs and avsc, decode and discard", decoded, "ns/event");
    results.add("profiler from Kafka to deltas", profiled, "ns/event");
    results.add("profiler from Kafka to deltas ÷ kafkajs and avsc", profiled / decoded, "×", 1);
    results.add("profiler ÷ kafkajs alone", profiled / bare, "×");

    const measured = (name) =>
      steadily({
        to: broker.address,
        partitions: STEADY_PARTITIONS,
        members: STEADY_MEMBERS,
        start: (by) => child(import.meta.url, name, broker.address, by),
      });
    const ms = { without: [], with: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of Object.keys(ms)) ms[name].push(await measured(name));
    }
    const [without, withThem] = [median(ms.without), median(ms.with)];
    results.add(
      `${STEADY_PARTITIONS} partitions, ${STEADY_MEMBERS} processes, ${STEADY_PER_SECOND} flights/s, deltas each 5 s, no transactions`,
      without,
      "ms CPU/s",
    );
    results.add("the same with a transaction per partition and 5 s", withThem, "ms CPU/s");
    results.add("transactions: more CPU", (withThem / without - 1) * 100, "%", 10);

    const times = [];
    // The first makes the group.
    for (let round = 0; round <= ROUNDS; round++)
      times.push(await child(import.meta.url, "start", broker.address, "existing"));
    results.add(
      "start to first flush, existing group",
      median(times.slice(1).map(({ firstMs }) => firstMs)),
      "ms",
      5000,
    );
    results.add(
      `start to first flush of all ${STEADY_PARTITIONS}`,
      median(times.slice(1).map(({ allMs }) => allMs)),
      "ms",
    );
    results.save();
  } finally {
    broker.stop();
  }
}

async function readAll() {
  const type = avsc.Type.forSchema(TRIP_SCHEMA);
  const meter = new BulkMeter();
  const consumer = rawKafka(address).consumer({ groupId: `bench-${process.pid}`, maxWaitTimeInMs: 250 });
  await consumer.connect();
  await consumer.subscribe({ topics: ["trips"], fromBeginning: true });
  await new Promise((resolve) => {
    consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        if (variant === "avsc") for (const { value } of batch.messages) type.decode(value, 5);
        if (meter.take(batch.messages.length)) resolve();
      },
    });
  });
  return { nsPerEvent: meter.nsPerEvent };
}

async function firstFlush() {
  const log = kafkaLog(address, "kafkajs");
  let [firstMs, done] = [undefined, 0];
  await new Promise((resolve) => {
    log.subscribe(
      { group, topics: ["steady"], startFrom: "latest", transactionalPrefix: group },
      {
        async claimed(claim) {
          await claim.commit(
            [{ topic: "profiles", partition: 0, key: "main", value: randomBytes(2000) }],
            claim.position,
          );
          firstMs ??= performance.now();
          done++;
          if (done === STEADY_PARTITIONS) resolve();
        },
        batch() {},
      },
    );
  });
  // performance.now() counts from the start of the process.
  const allMs = performance.now();
  await log.close();
  return { firstMs, allMs };
}
