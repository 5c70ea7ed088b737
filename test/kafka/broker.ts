/**
 * A real Kafka on loopback and free ports, from the jars that `scripts/setup-kafka.mjs` fetched. Each node is broker and
 * controller. Listener `PLAIN` is always there, without any security; its clients are the super user.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, test } from "vitest";
import { ROOT } from "./repository.ts";

const KAFKA_FOLDER = "kafka-4.4.0";
/** A machine may be busy with much else. */
const START_TIMEOUT_MS = 180_000;

export interface BrokerOptions {
  /** Further listeners by name, such as `{ SECURE: "SASL_SSL" }`. */
  readonly listeners?: Readonly<Record<string, "PLAINTEXT" | "SSL" | "SASL_PLAINTEXT" | "SASL_SSL">>;
  /** Further lines of `server.properties`; they win over what stands here. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Users that exist from the start, as `SCRAM-SHA-256=[name=alice,password=secret]`. */
  readonly scram?: readonly string[];
}

/** Where the jars are; `undefined` when they, or Java, are missing. */
export function javaCache(): string | undefined {
  const cache = process.env.STREAMGAUGE_JAVA_CACHE || join(ROOT, "node_modules/.cache/streamgauge-java");
  if (!existsSync(join(cache, KAFKA_FOLDER))) return undefined;
  return spawnSync("java", ["-version"], { stdio: "ignore" }).error === undefined ? cache : undefined;
}

/** A `describe` that is skipped where Kafka cannot run, and fails there under `CI=true`. */
export function describeWithKafka(name: string, tests: () => void): void {
  if (javaCache() !== undefined) {
    describe(name, tests);
    return;
  }
  const advice = "needs Java 17 and the jars: run `node scripts/setup-kafka.mjs`";
  if (process.env.CI === "true") {
    test(`${name} ${advice}`, () => {
      throw new Error(`${name} ${advice}`);
    });
  } else {
    describe.skip(`${name} (${advice})`, tests);
  }
}

/** Of one node. */
interface Node {
  readonly id: number;
  readonly clusterId: string;
  /** Port of each listener. */
  readonly ports: ReadonlyMap<string, number>;
  /** All nodes of its cluster, as `controller.quorum.voters`. */
  readonly voters: string;
}

export class TestBroker {
  /** Its configuration, its log, and its data below `data`. */
  readonly folder: string;
  readonly #options: BrokerOptions;
  readonly #node: Node;
  #process: ChildProcess | undefined;
  #guard: ChildProcess | undefined;

  private constructor(folder: string, options: BrokerOptions, node: Node) {
    this.folder = folder;
    this.#options = options;
    this.#node = node;
  }

  static async start(options: BrokerOptions = {}): Promise<TestBroker> {
    const [broker] = await TestBroker.startCluster(1, options);
    return broker!;
  }

  /** So many nodes of one cluster. */
  static async startCluster(count: number, options: BrokerOptions = {}): Promise<readonly TestBroker[]> {
    const names = ["CONTROLLER", "PLAIN", ...Object.keys(options.listeners ?? {})];
    const free = await freePorts(count * names.length);
    const ports = Array.from(
      { length: count },
      (_, index) => new Map(names.map((name, at) => [name, free[index * names.length + at]!])),
    );
    const voters = ports.map((own, index) => `${index + 1}@127.0.0.1:${own.get("CONTROLLER")}`).join(",");
    // One that begins with '-' would be taken for an option.
    const clusterId = `A${randomBytes(16).toString("base64url").slice(1)}`;
    const brokers = ports.map((own, index) => {
      const folder = mkdtempSync(join(tmpdir(), "streamgauge-kafka-"));
      return new TestBroker(folder, options, { id: index + 1, clusterId, ports: own, voters });
    });
    try {
      for (const broker of brokers) broker.#format();
      // Together: one alone waits for the majority.
      await Promise.all(brokers.map((broker) => broker.restart()));
      return brokers;
    } catch (error) {
      await Promise.all(brokers.map((broker) => broker.stop()));
      throw error;
    }
  }

  /** `host:port` of a listener. */
  address(listener = "PLAIN"): string {
    return `127.0.0.1:${this.#node.ports.get(listener)}`;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Bytes of records that a partition takes on the disk. */
  bytesOf(topic: string, partition: number): number {
    const folder = join(this.folder, "data", `${topic}-${partition}`);
    const segments = readdirSync(folder).filter((file) => file.endsWith(".log"));
    return segments.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  }

  /** What the broker has logged: warnings and errors. */
  log(): string {
    const file = join(this.folder, "broker.log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  /** Dies at once; its data stays for `restart`. */
  async kill9(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.kill("SIGKILL");
    });
    this.#guard?.stdin?.end("over\n");
  }

  /** Of a frozen one its clients hear nothing, not even that it is gone. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#process?.kill(signal);
  }

  /** Starts on the data and the ports of before, and waits until it answers. */
  async restart(): Promise<void> {
    await this.kill9();
    const output = openSync(join(this.folder, "broker.log"), "a");
    const child = spawn("java", [...this.#jvm("-Xms256m", "-Xmx512m"), "kafka.Kafka", "server.properties"], {
      cwd: this.folder,
      stdio: ["ignore", output, output],
    });
    closeSync(output);
    this.#process = child;
    this.#guard = dieTogether(child);
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!(await answersApiVersions(this.#node.ports.get("PLAIN")!))) {
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`Cannot start Kafka: it does not answer\n${this.log().slice(-4000)}`);
      }
      await sleep(100);
    }
  }

  /** Ends it and removes its data. Killed: a controlled shutdown takes seconds and serves nobody here. */
  async stop(): Promise<void> {
    await this.kill9();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  #format(): void {
    const properties = { ...this.#serverProperties(), ...this.#options.properties };
    const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}`);
    const common = readFileSync(join(ROOT, "test/kafka/server.properties"), "utf8");
    // Of a key that stands twice, Java takes the last.
    writeFileSync(join(this.folder, "server.properties"), `${common}${lines.join("\n")}\n`);
    const scram = (this.#options.scram ?? []).flatMap((user) => ["--add-scram", user]);
    const { clusterId } = this.#node;
    const args = ["kafka.tools.StorageTool", "format", "-t", clusterId, "-c", "server.properties", ...scram];
    const { status, stdout, stderr } = spawnSync("java", [...this.#jvm("-Xmx128m"), ...args], {
      cwd: this.folder,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`Cannot format Kafka's storage:\n${stdout}${stderr}`);
  }

  #jvm(...memory: readonly string[]): string[] {
    const kafka = join(javaCache() ?? "", KAFKA_FOLDER);
    return [
      "-cp",
      join(kafka, "libs", "*"),
      `-Dlog4j2.configurationFile=${join(kafka, "log4j2.properties")}`,
      "-XX:TieredStopAtLevel=1",
      "-XX:+UseSerialGC",
      ...memory,
    ];
  }

  #serverProperties(): Record<string, string> {
    const protocols: Record<string, string> = {
      CONTROLLER: "PLAINTEXT",
      PLAIN: "PLAINTEXT",
      ...this.#options.listeners,
    };
    const listeners = Object.keys(protocols).map((name) => `${name}://${this.address(name)}`);
    return {
      "process.roles": "broker,controller",
      "node.id": String(this.#node.id),
      "controller.quorum.voters": this.#node.voters,
      "controller.listener.names": "CONTROLLER",
      listeners: listeners.join(","),
      "advertised.listeners": listeners.filter((one) => !one.startsWith("CONTROLLER")).join(","),
      "inter.broker.listener.name": "PLAIN",
      "listener.security.protocol.map": Object.entries(protocols)
        .map(([name, protocol]) => `${name}:${protocol}`)
        .join(","),
      "log.dirs": "data",
    };
  }
}

/** However this process ends, killed too: its end of the pipe closes, and the guard kills the broker. */
function dieTogether({ pid }: ChildProcess): ChildProcess {
  const script = 'read -r word; [ "$word" = over ] || kill -9 "$1"';
  return spawn("sh", ["-c", script, "sh", String(pid)], { stdio: ["pipe", "ignore", "ignore"] });
}

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(0, "127.0.0.1", resolve);
      });
      return server;
    }),
  );
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      if (address === null || typeof address === "string") throw new Error("Cannot find a free port");
      return address.port;
    }),
  );
}

/** An ApiVersions request of version 0, whose answer repeats the correlation id. */
function answersApiVersions(port: number): Promise<boolean> {
  const request = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255]);
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    const end = (answer: boolean) => {
      resolve(answer);
      socket.destroy();
    };
    socket.setTimeout(2000, () => end(false));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
    socket.once("data", (answer) =>
      end(answer.length >= 10 && answer.readInt32BE(4) === 7 && answer.readInt16BE(8) === 0),
    );
  });
}
