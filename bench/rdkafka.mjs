// What the second Kafka client costs and saves, both clients in one run, against a broker that this script starts (needs
// Java, `npm run setup:kafka` and `npm run setup:rdkafka`): CPU per trip of the profiler that reads in bulk, and CPU per
// second at a steady rate on 64 partitions with a flush every 5 s, with and without transactions.
// `npm run build` first. Each measurement is a process of its own; variants are interleaved.
import {
  child,
  fill,
  median,
  print,
  profileAll,
  STEADY_PER_SECOND,
  startBroker,
  steadily,
  steady,
} from "./kafka-kit.mjs";

const ROUNDS = 3;
const STEADY_PARTITIONS = 64;
const CLIENTS = ["kafkajs", "node-rdkafka"];

const [variant, address, client, group] = process.argv.slice(2);
const member = (transactions) => steady({ address, client, group, partitions: STEADY_PARTITIONS, transactions });
const variants = {
  bulk: () => profileAll(address, client),
  with: () => member(true),
  without: () => member(false),
};
if (variant === undefined) await main();
else {
  console.log(JSON.stringify(await variants[variant]()));
  process.exit(0);
}

async function main() {
  const broker = await startBroker();
  try {
    await fill(broker.address, STEADY_PARTITIONS);
    const measure = (name, by, ofGroup = "") => child(import.meta.url, name, broker.address, by, ofGroup);
    const bulk = await eachClient(async (by) => (await measure("bulk", by)).nsPerEvent);
    compare("profiler from Kafka to deltas, in bulk", bulk, "ns/event");
    const what = `${STEADY_PARTITIONS} partitions, ${STEADY_PER_SECOND} flights/s, deltas each 5 s`;
    for (const name of ["without", "with"]) {
      const perSecond = await eachClient((by) =>
        steadily({ to: broker.address, partitions: STEADY_PARTITIONS, start: (ofGroup) => measure(name, by, ofGroup) }),
      );
      compare(`${what}, ${name} transactions`, perSecond, "ms CPU/s");
    }
  } finally {
    broker.stop();
  }
}

/** Median of the rounds, by client. */
async function eachClient(measure) {
  const values = new Map(CLIENTS.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of CLIENTS) values.get(name).push(await measure(name));
  }
  return CLIENTS.map((name) => median(values.get(name)));
}

function compare(what, [kafkajs, rdkafka], unit) {
  console.log(what);
  print("  kafkajs", kafkajs, unit);
  print("  node-rdkafka", rdkafka, unit);
  print("  node-rdkafka ÷ kafkajs", rdkafka / kafkajs, "×");
}
