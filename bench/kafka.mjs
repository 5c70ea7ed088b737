// What reading from Kafka costs, against a broker that this script starts (needs Java and `node scripts/setup-kafka.mjs`):
// CPU per flight of kafkajs alone, with avsc decoding every event, and of our profiler from Kafka to its deltas; the cost
// of transactions at a flush every 5 s; and the time from start to the first flush on a group that exists.
// `npm run build` first. Each measurement is a process of its own; variants are interleaved.
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import avsc from "avsc";
import { Kafka, logLevel } from "kafkajs";
import { openInput } from "../dist/consumers/file-input.js";
import { createKafkaLog } from "../dist/consumers/kafka-log.js";
import { systemClock } from "../dist/core/clock.js";
import { createReaderSource, InProcessRegistry } from "../dist/schemas/registry.js";
import { frame } from "../dist/schemas/wire-format.js";
import { startProfiler } from "../dist/stages/profiler.js";

const ROUNDS = 3;
const FLIGHT_PARTITIONS = 4;
const STEADY_PARTITIONS = 32;
const STEADY_PER_SECOND = 5000;
const STEADY_SECONDS = 20;
const FLUSH_MS = 5000;
// As `bench/profiler.mjs` has it for a busy topic: windows of a month, so that a flush falls into one or two.
const FLUSH_RECORDS = 20_000;

const clock = systemClock();
const silent = { info() {}, warn() {}, error() {} };
const [variant, address, group] = process.argv.slice(2);
const variants = {
  count: readAll,
  avsc: readAll,
  profiler: profileAll,
  with: steady,
  without: steady,
  start: firstFlush,
};
if (variant === undefined) await main();
else {
  console.log(JSON.stringify(await variants[variant]()));
  process.exit(0);
}

async function main() {
  const broker = await startBroker();
  try {
    const { count } = await fill(broker.address);
    const ns = { count: [], avsc: [], profiler: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of Object.keys(ns)) ns[name].push((await child(name, broker.address)).cpuNs / count);
    }
    const [bare, decoded, profiled] = ["count", "avsc", "profiler"].map((name) => median(ns[name]));
    print("kafkajs eachBatch that counts", bare, "ns/event");
    print("kafkajs and avsc, decode and discard", decoded, "ns/event");
    print("profiler from Kafka to deltas", profiled, "ns/event");
    print("profiler ÷ kafkajs and avsc", profiled / decoded, "×");
    print("profiler ÷ kafkajs alone", profiled / bare, "×");

    const ms = { without: [], with: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of Object.keys(ms)) ms[name].push((await loaded(name, broker.address)).cpuMsPerSecond);
    }
    const [without, withThem] = [median(ms.without), median(ms.with)];
    print(
      `${STEADY_PARTITIONS} partitions, ${STEADY_PER_SECOND} flights/s, deltas each 5 s, no transactions`,
      without,
      "ms CPU/s",
    );
    print("the same with a transaction per partition and 5 s", withThem, "ms CPU/s");
    print("transactions: more CPU", (withThem / without - 1) * 100, "%");

    const times = [];
    // The first makes the group.
    for (let round = 0; round <= ROUNDS; round++) times.push(await child("start", broker.address, "existing"));
    print("start to first flush, existing group", median(times.slice(1).map(({ firstMs }) => firstMs)), "ms");
    print(`start to first flush of all ${STEADY_PARTITIONS}`, median(times.slice(1).map(({ allMs }) => allMs)), "ms");
  } finally {
    broker.stop();
  }
}

function print(name, value, unit) {
  console.log(`${name.padEnd(56)} ${Number(value.toPrecision(3)).toLocaleString("en-US").padStart(10)} ${unit}`);
}

async function child(...args) {
  const process_ = spawn(process.execPath, [fileURLToPath(import.meta.url), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  process_.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const code = await new Promise((resolve) => {
    process_.on("exit", resolve);
  });
  if (code !== 0) throw new Error(`${args[0]} ended with exit code ${code}`);
  return JSON.parse(output);
}

/** A measurement while this process writes flights at the steady rate. */
async function loaded(name, to) {
  const values = await framedFlights();
  const producer = rawKafka(to).producer({ allowAutoTopicCreation: false });
  await producer.connect();
  let running = true;
  const writing = (async () => {
    for (let at = 0, next = performance.now(); running; at++) {
      const messages = Array.from({ length: STEADY_PER_SECOND / 20 }, (_, index) => ({
        value: values[(at * (STEADY_PER_SECOND / 20) + index) % values.length],
        partition: (at + index) % STEADY_PARTITIONS,
      }));
      await producer.send({ topic: "steady", messages });
      next += 50;
      await sleep(Math.max(0, next - performance.now()));
    }
  })();
  try {
    return await child(name, to);
  } finally {
    running = false;
    await writing;
    await producer.disconnect();
  }
}

/** The flights of January, in wire format. */
async function framedFlights() {
  const input = await flights();
  const values = [];
  for await (const block of input.records()) {
    for (let index = 0; index < block.count && block.timesMs[index] < Date.UTC(2013, 1, 1); index++) {
      values.push(Buffer.from(frame(1, block.bytes.subarray(block.starts[index], block.ends[index]))));
    }
  }
  return values;
}

async function readAll() {
  const input = await flights();
  const type = avsc.Type.forSchema(JSON.parse(input.schemaText));
  const total = Number(await endOf(address, "flights"));
  const before = process.cpuUsage();
  const consumer = rawKafka(address).consumer({ groupId: `bench-${process.pid}`, maxWaitTimeInMs: 250 });
  await consumer.connect();
  await consumer.subscribe({ topics: ["flights"], fromBeginning: true });
  let seen = 0;
  await new Promise((resolve) => {
    consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        if (variant === "avsc") for (const { value } of batch.messages) type.decode(value, 5);
        seen += batch.messages.length;
        if (seen >= total) resolve();
      },
    });
  });
  const used = cpuNs(before);
  return { cpuNs: used };
}

async function profileAll() {
  const total = Number(await endOf(address, "flights"));
  const before = process.cpuUsage();
  const log = kafkaLog();
  let seen = 0;
  let profiler;
  await new Promise((resolve, reject) => {
    const onBatch = (batch) => {
      seen += batch.records.length;
      if (seen >= total) resolve();
    };
    profileTopic("flights", { log, time: "records", startFrom: "earliest", onBatch }).then((subscription) => {
      profiler = subscription;
      subscription.done.catch(reject);
    }, reject);
  });
  const used = cpuNs(before);
  await profiler.stop();
  await log.close();
  return { cpuNs: used };
}

async function profileTopic(topic, options) {
  const registry = new InProcessRegistry();
  registry.register((await flights()).schemaText);
  return startProfiler({
    readers: createReaderSource(registry, { clock }),
    clock,
    logger: silent,
    deployment: `bench-${process.pid}`,
    group: `bench-${process.pid}`,
    profilesTopic: "profiles",
    datasets: [
      {
        topic,
        time: {
          field: "time_hour",
          latenessMs: 0,
          idleAfterMs: 60_000,
          unheardAfterMs: 300_000,
          maxAheadMs: 3_600_000,
        },
        windows: { sizesMs: [30 * 86_400_000], timezone: "UTC" },
        slices: [{ by: "route.origin", name: "origin", limit: 50 }],
        fields: new Map(),
        valuesDefault: "show",
        detect: { season: 7, warmup: "auto" },
        flushEveryMs: FLUSH_MS,
      },
    ],
    flushRecords: FLUSH_RECORDS,
    hashLabel: (text) => text,
    ...options,
  });
}

/** CPU of a profiler per second of wall time, once it holds all partitions. */
async function steady() {
  const log = kafkaLog();
  let [held, seen] = [0, 0];
  const counting = wrapClaims(log, variant === "with", () => held++);
  const profiler = await profileTopic("steady", {
    log: counting,
    time: "clock",
    startFrom: "latest",
    onBatch: (batch) => {
      seen += batch.records.length;
    },
  });
  profiler.done.catch((error) => {
    throw error;
  });
  while (held < STEADY_PARTITIONS) await sleep(50);
  // The first flush of every partition has been.
  await sleep(FLUSH_MS + 2000);
  const [before, startMs, seenBefore] = [process.cpuUsage(), performance.now(), seen];
  await sleep(STEADY_SECONDS * 1000);
  const seconds = (performance.now() - startMs) / 1000;
  const rate = (seen - seenBefore) / seconds;
  if (rate < 0.8 * STEADY_PER_SECOND) throw new Error(`the load was ${rate} flights/s only`);
  return { cpuMsPerSecond: cpuNs(before) / 1e6 / seconds };
}

/** A log that tells of claims; without transactions, outputs are written as they are and no position is. */
function wrapClaims(log, transactions, onClaimed) {
  return {
    subscribe: (options, handler) =>
      log.subscribe(options, {
        ...handler,
        claimed(claim) {
          if (!transactions) Object.defineProperty(claim, "commit", { value: (outputs) => log.append(outputs) });
          onClaimed();
          return handler.claimed(claim);
        },
      }),
  };
}

async function firstFlush() {
  const log = kafkaLog();
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

async function fill(to) {
  const log = createKafkaLog({ kafka: { brokers: [to], group: "bench" }, clock, logger: silent, clientId: "bench" });
  const retentionMs = Number.POSITIVE_INFINITY;
  await log.createTopics([
    { name: "flights", partitions: FLIGHT_PARTITIONS, retentionMs },
    { name: "profiles", partitions: 1, retentionMs },
    { name: "steady", partitions: STEADY_PARTITIONS },
  ]);
  const input = await flights();
  const schemaId = new InProcessRegistry().register(input.schemaText);
  let count = 0;
  for await (const block of input.records()) {
    const records = [];
    for (let index = 0; index < block.count; index++) {
      const value = frame(schemaId, block.bytes.subarray(block.starts[index], block.ends[index]));
      const partition = count++ % FLIGHT_PARTITIONS;
      records.push({ topic: "flights", partition, key: null, value, timestampMs: block.timesMs[index] });
    }
    await log.append(records);
  }
  await log.close();
  return { count };
}

function flights() {
  const file = fileURLToPath(new URL("../data/flights.avro", import.meta.url));
  return openInput(file, { timeField: "time_hour" });
}

function kafkaLog() {
  return createKafkaLog({ kafka: { brokers: [address], group: "bench" }, clock, logger: silent, clientId: "bench" });
}

function rawKafka(to) {
  return new Kafka({ brokers: [to], logLevel: logLevel.NOTHING });
}

async function endOf(to, topic) {
  const admin = rawKafka(to).admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  return offsets.reduce((sum, { high }) => sum + Number(high), 0);
}

function cpuNs(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1000;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

async function startBroker() {
  const cache =
    process.env.STREAMGAUGE_JAVA_CACHE ||
    fileURLToPath(new URL("../node_modules/.cache/streamgauge-java", import.meta.url));
  const kafka = join(cache, "kafka-4.4.0");
  if (!existsSync(kafka)) throw new Error("Cannot start Kafka: run `node scripts/setup-kafka.mjs` first");
  const folder = mkdtempSync(join(tmpdir(), "streamgauge-bench-"));
  const [port, controllerPort] = [await freePort(), await freePort()];
  const listeners = `PLAIN://127.0.0.1:${port}`;
  const properties = [
    readFileSync(new URL("../test/kafka/server.properties", import.meta.url), "utf8"),
    "process.roles=broker,controller",
    "node.id=1",
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    "controller.listener.names=CONTROLLER",
    `listeners=${listeners},CONTROLLER://127.0.0.1:${controllerPort}`,
    `advertised.listeners=${listeners}`,
    "inter.broker.listener.name=PLAIN",
    "listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "log.dirs=data",
  ];
  writeFileSync(join(folder, "server.properties"), properties.join("\n"));
  const jvm = ["-cp", join(kafka, "libs", "*"), `-Dlog4j2.configurationFile=${join(kafka, "log4j2.properties")}`];
  const id = `A${randomBytes(16).toString("base64url").slice(1)}`;
  const format = ["kafka.tools.StorageTool", "format", "-t", id, "-c", "server.properties"];
  const { status, stderr } = spawnSync("java", [...jvm, ...format], { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  const server = spawn("java", [...jvm, "-Xmx1g", "kafka.Kafka", "server.properties"], {
    cwd: folder,
    stdio: "ignore",
  });
  // However this process ends, its end of the pipe closes and the broker with it.
  spawn("sh", ["-c", 'read -r word; kill -9 "$1"', "sh", String(server.pid)], {
    stdio: ["pipe", "ignore", "ignore"],
  }).unref();
  const stop = () => {
    server.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  process.once("exit", stop);
  for (let attempt = 0; !(await accepts(port)); attempt++) {
    if (attempt > 300 || server.exitCode !== null) throw new Error("Cannot start Kafka: it does not answer");
    await sleep(100);
  }
  return { address: `127.0.0.1:${port}`, stop };
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
