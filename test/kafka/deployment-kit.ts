/**
 * What a deployment needs around it, all of it real: a broker, a registry, topics, a producer that knows nothing of
 * streamgauge, `streamgauge` as a process of its own, and Kafka's Java client to read what it wrote.
 */
import { type ChildProcess, type Serializable, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { SchemaRegistry, SchemaType } from "@kafkajs/confluent-schema-registry";
import { type Admin, CompressionTypes, Kafka, logLevel, type Producer } from "kafkajs";
import { openInput } from "../../src/consumers/file-input.ts";
import type { OutputRecord } from "../../src/core/log.ts";
import { buildCommand } from "../cli/built-command.ts";
import { TestRegistryServer } from "./apicurio.ts";
import { type BrokerOptions, javaCache, TestBroker } from "./broker.ts";
import { ROOT } from "./repository.ts";

export const FLIGHTS = join(ROOT, "data/flights.avro");

/** Runs the command until it ends by itself. */
export async function runToEnd(
  main: string,
  args: readonly string[],
  cwd: string,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const one = new Streamgauge(spawn(process.execPath, [main, ...args], { cwd }));
  const code = await one.ended();
  return { code, stdout: one.stdout, stderr: one.stderr };
}

export interface CommittedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: ReadonlyMap<string, Buffer>;
}

interface Preload {
  /** Path of the module. */
  readonly module: string;
  readonly env: Readonly<Record<string, string>>;
}

interface ClusterOptions extends BrokerOptions {
  /** How many, @default 1 */
  readonly brokers?: number;
  readonly registry?: Parameters<typeof TestRegistryServer.start>[0];
}

export interface CommittedTopics {
  readonly records: readonly CommittedRecord[];
  /** By topic and partition: its end as a read-committed reader sees it; markers of transactions lie before it. */
  readonly ends: ReadonlyMap<string, ReadonlyMap<number, number>>;
}

export class Cluster {
  readonly brokers: readonly TestBroker[];
  readonly registry: TestRegistryServer;
  readonly folder: string;
  readonly main: string;
  readonly #kafka: Kafka;
  readonly #processes: Streamgauge[] = [];
  #isStopped = false;

  private constructor(brokers: readonly TestBroker[], registry: TestRegistryServer) {
    this.brokers = brokers;
    this.registry = registry;
    this.folder = mkdtempSync(join(tmpdir(), "streamgauge-deployment-"));
    this.main = buildCommand(this.folder);
    this.#kafka = new Kafka({ brokers: this.addresses(), logLevel: logLevel.NOTHING, retry: { retries: 20 } });
  }

  static async start({ brokers: count = 1, registry: ofRegistry, ...options }: ClusterOptions = {}): Promise<Cluster> {
    const registry = TestRegistryServer.start(ofRegistry);
    const brokers = await TestBroker.startCluster(count, options);
    return new Cluster(brokers, await registry);
  }

  /** The only one, or the first. */
  get broker(): TestBroker {
    return this.brokers[0]!;
  }

  addresses(): string[] {
    return this.brokers.map((broker) => broker.address());
  }

  /** What ends now was ended with it, and has nothing left to be started in. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** `keepsLogs`: what the brokers have on the disk stays, for whoever wants to look into it, @default false */
  async stop({ keepsLogs = false } = {}): Promise<void> {
    this.#isStopped = true;
    for (const one of this.#processes) await one.kill("SIGKILL");
    await this.registry.stop();
    await Promise.all(this.brokers.map((broker) => (keepsLogs ? broker.kill9() : broker.stop())));
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Records of past years must not be deleted for their age. */
  async createTopic(topic: string, partitions: number): Promise<void> {
    const configEntries = [{ name: "retention.ms", value: "-1" }];
    const topics = [{ topic, numPartitions: partitions, configEntries }];
    await this.asAdmin((admin) => admin.createTopics({ topics, waitForLeaders: true }));
  }

  topics(): Promise<string[]> {
    return this.asAdmin((admin) => admin.listTopics());
  }

  /** What an administrator does with tools of their own. */
  async asAdmin<T>(act: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.#kafka.admin();
    await admin.connect();
    try {
      return await act(admin);
    } finally {
      await admin.disconnect();
    }
  }

  async register(subject: string, schema: string): Promise<number> {
    const client = new SchemaRegistry({ host: this.registry.url });
    const { id } = await client.register({ type: SchemaType.AVRO, schema }, { subject });
    return id;
  }

  /** Whole records of one topic, keys and headers too. */
  async produceRecords(records: readonly OutputRecord[]): Promise<void> {
    const producer: Producer = this.#kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    for (let from = 0; from < records.length; from += 5000) {
      const messages = records.slice(from, from + 5000).map(({ partition, key, value, headers = [], timestampMs }) => ({
        partition: partition ?? 0,
        key: key === null ? null : Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        headers: Object.fromEntries(headers.map((header) => [header.key, Buffer.from(header.value)])),
        timestamp: String(timestampMs),
      }));
      await producer.send({ topic: records[0]?.topic ?? "", messages });
    }
    await producer.disconnect();
  }

  /** In batches, each partition in order. */
  async produce(
    topic: string,
    records: readonly { readonly partition: number; readonly value: Uint8Array | null; readonly timestampMs: number }[],
  ): Promise<void> {
    const producer: Producer = this.#kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    for (let from = 0; from < records.length; from += 5000) {
      const messages = records.slice(from, from + 5000).map(({ partition, value, timestampMs }) => ({
        partition,
        value: value === null ? null : Buffer.from(value),
        timestamp: String(timestampMs),
      }));
      await producer.send({ topic, messages, compression: CompressionTypes.GZIP });
    }
    await producer.disconnect();
  }

  /** Every committed record of the topics up to now, read by Kafka's Java client. */
  async committed(...topics: readonly string[]): Promise<readonly CommittedRecord[]> {
    return (await this.committedTopics(...topics)).records;
  }

  /** The same, and where the topics end. */
  async committedTopics(...topics: readonly string[]): Promise<CommittedTopics> {
    const libraries = join(javaCache() ?? "", "kafka-4.4.0/libs/*");
    const program = join(ROOT, "test/kafka/ReadCommitted.java");
    const args = ["-cp", libraries, "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", program];
    const reader = spawn("java", [...args, this.addresses().join(","), ...topics]);
    let complaints = "";
    reader.stderr.on("data", (chunk: Buffer) => {
      complaints += chunk.toString();
    });
    const ended = once(reader, "exit");
    const records: CommittedRecord[] = [];
    const ends = new Map<string, Map<number, number>>();
    for await (const line of createInterface({ input: reader.stdout })) {
      if (!line.startsWith("end\t")) {
        records.push(committedRecord(line));
        continue;
      }
      const [, topic = "", partition, end] = line.split("\t");
      const own = ends.get(topic) ?? new Map<number, number>();
      ends.set(topic, own.set(Number(partition), Number(end)));
    }
    const [code] = (await ended) as [number | null];
    if (code !== 0)
      throw new Error(`Cannot read ${topics.join(", ")}: the Java reader ended with ${code}\n${complaints}`);
    return { records, ends };
  }

  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** Starts `streamgauge …` and goes on. */
  streamgauge(...args: readonly string[]): Streamgauge {
    return this.#started(spawn(process.execPath, [this.main, ...args], { cwd: this.folder }));
  }

  /** The same with a module that is loaded before it, and can exchange messages with us. */
  streamgaugeWith(preload: Preload, ...args: readonly string[]): Streamgauge {
    const command = ["--import", pathToFileURL(preload.module).href, this.main, ...args];
    const stdio: StdioOptions = ["ignore", "pipe", "pipe", "ipc"];
    const env = { ...process.env, ...preload.env };
    return this.#started(spawn(process.execPath, command, { cwd: this.folder, stdio, env }));
  }

  #started(child: ChildProcess): Streamgauge {
    const one = new Streamgauge(child);
    this.#processes.push(one);
    return one;
  }
}

/** A running `streamgauge`. */
export class Streamgauge {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  stdout = "";
  stderr = "";

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, "exit");
    child.stdout?.on("data", (chunk: Buffer) => {
      this.stdout += chunk.toString();
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
  }

  /** Waits until it has logged the message; throws when it ends before. */
  async logged(message: string): Promise<void> {
    await until(`"${message}" is logged`, () => {
      if (this.#child.exitCode !== null)
        throw new Error(`streamgauge ended with ${this.#child.exitCode}\n${this.stderr}`);
      return this.stderr.includes(`"msg":"${message}"`);
    });
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
  }

  async kill(signal: NodeJS.Signals): Promise<number | null> {
    this.signal(signal);
    return this.ended();
  }

  /** Whatever its state: it is gone afterwards. */
  async end(): Promise<void> {
    this.signal("SIGKILL");
    await this.#ended;
  }

  /** To the module that was loaded before it. */
  send(message: Serializable): void {
    if (this.#child.connected) this.#child.send(message);
  }

  /** The next message after it that answers: one that has the same keys. */
  ask(question: Readonly<Record<string, Serializable>>): Promise<unknown> {
    const keys = Object.keys(question);
    return new Promise((resolve) => {
      const listener = (message: unknown) => {
        if (typeof message !== "object" || message === null || keys.some((key) => !(key in message))) return;
        this.#child.off("message", listener);
        resolve(message);
      };
      this.#child.on("message", listener);
      this.send(question);
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#child.on("message", listener);
  }

  /** The exit code; null: it was killed. */
  async ended(): Promise<number | null> {
    await this.#ended;
    return this.#child.exitCode;
  }
}

/** Of each partition that the group has committed; asks again while the broker is not ready to say, as no admin of kafkajs does. */
export async function groupPositions(
  admin: Admin,
  groupId: string,
  topic: string,
): Promise<ReadonlyMap<number, number>> {
  let positions: ReadonlyMap<number, number> = new Map();
  await until(`the positions of ${groupId} are told`, async () => {
    try {
      const [group] = await admin.fetchOffsets({ groupId, topics: [topic] });
      const committed = group?.partitions.filter(({ offset }) => Number(offset) >= 0) ?? [];
      positions = new Map(committed.map(({ partition, offset }) => [partition, Number(offset)]));
      return true;
    } catch (error) {
      if ((error as { readonly retriable?: boolean }).retriable === true) return false;
      throw error;
    }
  });
  return positions;
}

/** Fails after three minutes: a duration decides no test, but one that waits for ever tells nothing. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 180_000;
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error(`Waited in vain until ${what}`);
    await sleep(200);
  }
}

export interface Flight {
  readonly payload: Uint8Array;
  readonly timeMs: number;
}

/** The bundled flights of `[fromMs, toMs)`, in order of time, and their schema. */
export async function flightsOf(fromMs: number, toMs: number): Promise<{ schema: string; flights: Flight[] }> {
  const input = await openInput(FLIGHTS, { timeField: "time_hour" });
  const flights: Flight[] = [];
  for await (const block of input.records()) {
    for (let at = 0; at < block.count; at++) {
      const timeMs = block.timesMs[at]!;
      if (timeMs < fromMs || timeMs >= toMs) continue;
      flights.push({ payload: block.bytes.slice(block.starts[at], block.ends[at]), timeMs });
    }
  }
  return { schema: input.schemaText, flights };
}

function committedRecord(line: string): CommittedRecord {
  const [topic = "", partition, offset, timestamp, key = "-", value = "-", ...rest] = line.split("\t");
  const bytes = (text: string) => (text === "-" ? null : Buffer.from(text, "base64"));
  const headers = new Map<string, Buffer>();
  for (let at = 0; at + 1 < rest.length; at += 2) headers.set(rest[at]!, bytes(rest[at + 1]!) ?? Buffer.alloc(0));
  return {
    topic,
    partition: Number(partition),
    offset: Number(offset),
    timestampMs: Number(timestamp),
    key: bytes(key),
    value: bytes(value),
    headers,
  };
}
