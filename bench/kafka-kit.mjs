// What the measurements against Kafka share: a broker that they start, flights to read, and a profiler of our own. Each
// measurement is a process of its own, so that its CPU is its own.
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Kafka, logLevel } from "kafkajs";
import { openInput } from "../dist/consumers/file-input.js";
import { createKafkaLog } from "../dist/consumers/kafka-log.js";
import { systemClock } from "../dist/core/clock.js";
import { createReaderSource, InProcessRegistry } from "../dist/schemas/registry.js";
import { frame } from "../dist/schemas/wire-format.js";
import { startProfiler } from "../dist/stages/profiler.js";
import { TRIP_SCHEMA, tripEvents } from "./trip-events.mjs";

const TRIP_PARTITIONS = 4;
const TRIPS = 500_000;
/** Read before it is measured: by then the engine has compiled what is run. */
const WARM_UP_TRIPS = 100_000;
export const STEADY_PER_SECOND = 5000;
const STEADY_SECONDS = 20;
const FLUSH_MS = 5000;
/** As of a busy topic, which is measured at the speed of its clock: 4,000 a second. */
const FLUSH_RECORDS = 20_000;
/** How the topics are profiled. */
const DATASETS = {
  trips: { timeField: "requested_at", windowMs: 3_600_000, slices: [] },
  // Windows of a month, so that a flush falls into one or two.
  steady: {
    timeField: "time_hour",
    windowMs: 30 * 86_400_000,
    slices: [{ by: "route.origin", name: "origin", limit: 50 }],
  },
};

const clock = systemClock();
const silent = { info() {}, warn() {}, error() {} };

export async function startBroker() {
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

/** Trips (`trip-events.mjs`) to be read in bulk, and an empty topic for the steady load. */
export async function fill(to, steadyPartitions) {
  const log = kafkaLog(to, "kafkajs");
  const retentionMs = Number.POSITIVE_INFINITY;
  await log.createTopics([
    { name: "trips", partitions: TRIP_PARTITIONS, retentionMs },
    { name: "profiles", partitions: 1, retentionMs },
    { name: "steady", partitions: steadyPartitions },
  ]);
  const schemaId = new InProcessRegistry().register(JSON.stringify(TRIP_SCHEMA));
  const events = tripEvents(TRIPS);
  for (let from = 0; from < TRIPS; from += 10_000) {
    const records = events.slice(from, from + 10_000).map((value, index) => {
      value.writeUInt32BE(schemaId, 1);
      return { topic: "trips", partition: (from + index) % TRIP_PARTITIONS, key: null, value };
    });
    await log.append(records);
  }
  await log.close();
}

/** Measures the CPU of one event of those that a process reads in bulk, but for the first ones. */
export class BulkMeter {
  #seen = 0;
  #warmSeen = 0;
  #before;
  #used = 0;

  /** Says whether all were read. */
  take(events) {
    this.#seen += events;
    if (this.#before === undefined && this.#seen >= WARM_UP_TRIPS) {
      this.#before = process.cpuUsage();
      this.#warmSeen = this.#seen;
    }
    if (this.#seen < TRIPS) return false;
    this.#used = cpuNs(this.#before);
    return true;
  }

  get nsPerEvent() {
    return this.#used / (TRIPS - this.#warmSeen);
  }
}

/** CPU of an event of a profiler that reads all trips. */
export async function profileAll(address, client) {
  const log = kafkaLog(address, client);
  const meter = new BulkMeter();
  let profiler;
  await new Promise((resolve, reject) => {
    const onBatch = (batch) => {
      if (meter.take(batch.records.length)) resolve();
    };
    profileTopic("trips", { log, time: "records", startFrom: "earliest", onBatch }).then((subscription) => {
      profiler = subscription;
      subscription.done.catch(reject);
    }, reject);
  });
  await profiler.stop();
  await log.close();
  return { nsPerEvent: meter.nsPerEvent };
}

/**
 * CPU and events of a second of one profiler, which shares the partitions of the topic with the others of `group`. It begins to
 * measure when all have their part.
 */
export async function steady({ address, client, partitions, transactions, group, members = 1 }) {
  const log = kafkaLog(address, client);
  const part = Math.floor(partitions / members);
  let [held, seen] = [0, 0];
  const counting = wrapClaims(log, transactions, (change) => {
    held += change;
  });
  const profiler = await profileTopic("steady", {
    log: counting,
    group,
    deployment: group,
    time: "clock",
    startFrom: "latest",
    onBatch: (batch) => {
      seen += batch.records.length;
    },
  });
  profiler.done.catch((error) => {
    throw error;
  });
  while (held < part || (members > 1 && held > part + 1)) await sleep(50);
  // The first flush of every partition has been.
  await sleep(FLUSH_MS + 2000);
  const [before, startMs, seenBefore] = [process.cpuUsage(), performance.now(), seen];
  await sleep(STEADY_SECONDS * 1000);
  const seconds = (performance.now() - startMs) / 1000;
  const rate = (seen - seenBefore) / seconds;
  return { cpuMsPerSecond: cpuNs(before) / 1e6 / seconds, rate };
}

/** CPU of a second of `members` profilers together, under the steady load. */
export async function steadily({ to, partitions, members = 1, start }) {
  const group = `bench-${randomBytes(4).toString("hex")}`;
  const all = await loaded(to, partitions, () => Promise.all(Array.from({ length: members }, () => start(group))));
  const rate = all.reduce((sum, one) => sum + one.rate, 0);
  if (rate < 0.8 * STEADY_PER_SECOND) throw new Error(`the load was ${rate} flights/s only`);
  return all.reduce((sum, { cpuMsPerSecond }) => sum + cpuMsPerSecond, 0);
}

async function loaded(to, partitions, measure) {
  const values = await framedFlights();
  const producer = rawKafka(to).producer({ allowAutoTopicCreation: false });
  await producer.connect();
  let running = true;
  const writing = (async () => {
    for (let at = 0, next = performance.now(); running; at++) {
      const messages = Array.from({ length: STEADY_PER_SECOND / 20 }, (_, index) => ({
        value: values[(at * (STEADY_PER_SECOND / 20) + index) % values.length],
        partition: (at + index) % partitions,
      }));
      await producer.send({ topic: "steady", messages });
      next += 50;
      await sleep(Math.max(0, next - performance.now()));
    }
  })();
  try {
    return await measure();
  } finally {
    running = false;
    await writing;
    await producer.disconnect();
  }
}

/** Runs a script of measurements as a process of its own; it prints what it has measured as JSON. */
export async function child(script, ...args) {
  const process_ = spawn(process.execPath, [fileURLToPath(script), ...args.map(String)], {
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

async function profileTopic(topic, options) {
  const { timeField, windowMs, slices } = DATASETS[topic];
  const registry = new InProcessRegistry();
  registry.register(topic === "trips" ? JSON.stringify(TRIP_SCHEMA) : (await flights()).schemaText);
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
          field: timeField,
          latenessMs: 0,
          idleAfterMs: 60_000,
          unheardAfterMs: 300_000,
          maxAheadMs: 3_600_000,
        },
        windows: { sizesMs: [windowMs], timezone: "UTC" },
        slices,
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

function wrapClaims(log, transactions, onHeld) {
  return {
    subscribe: (options, handler) =>
      log.subscribe(options, {
        ...handler,
        claimed(claim) {
          if (!transactions) Object.defineProperty(claim, "commit", { value: (outputs) => log.append(outputs) });
          onHeld(1);
          return handler.claimed(claim);
        },
        lost(claim, reason) {
          onHeld(-1);
          handler.lost?.(claim, reason);
        },
      }),
  };
}

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

function flights() {
  const file = fileURLToPath(new URL("../data/flights.avro", import.meta.url));
  return openInput(file, { timeField: "time_hour" });
}

export function kafkaLog(address, client) {
  const kafka = { brokers: [address], group: "bench", client };
  return createKafkaLog({ kafka, clock, logger: silent, clientId: "bench" });
}

export function rawKafka(to) {
  return new Kafka({ brokers: [to], logLevel: logLevel.NOTHING });
}

function cpuNs(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1000;
}

export function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

export function print(name, value, unit) {
  console.log(`${name.padEnd(56)} ${Number(value.toPrecision(3)).toLocaleString("en-US").padStart(10)} ${unit}`);
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
