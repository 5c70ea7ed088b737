/**
 * A real schema registry on loopback: Apicurio from the jars that `scripts/setup-kafka.mjs` fetched, with its database
 * in memory, or in a folder that outlives a kill. Our side of it is the Confluent API below `url`.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, test } from "vitest";
import { ROOT } from "./repository.ts";

const JAVA = "java";
const VERSION = "3.0.9";
const START_TIMEOUT_MS = 180_000;
const LOG_CHARACTERS_MAX = 20_000;

/** Where it is; `undefined` when it, or Java, is missing. */
function apicurioFolder(): string | undefined {
  const cache = process.env.STREAMGAUGE_JAVA_CACHE || join(ROOT, "node_modules/.cache/streamgauge-java");
  const folder = join(cache, `apicurio-${VERSION}`);
  if (!existsSync(folder)) return undefined;
  return spawnSync(JAVA, ["-version"], { stdio: "ignore" }).error === undefined ? folder : undefined;
}

/** A `describe` that is skipped where Apicurio cannot run, and fails there under `CI=true`. */
export function describeWithApicurio(name: string, tests: () => void): void {
  if (apicurioFolder() !== undefined) {
    describe(name, tests);
    return;
  }
  const advice = "needs Java 17 and Apicurio: run `node scripts/setup-kafka.mjs`";
  if (process.env.CI === "true") {
    test(`${name} ${advice}`, () => {
      throw new Error(`${name} ${advice}`);
    });
  } else {
    describe.skip(`${name} (${advice})`, tests);
  }
}

export class TestRegistryServer {
  /** Folder of the database; absent: it is in memory. */
  readonly #database: string | undefined;
  readonly #killAtExit = () => this.#process?.kill("SIGKILL");
  #process: ChildProcess | undefined;
  #log = "";
  #origin = "";

  private constructor(keepsData: boolean) {
    this.#database = keepsData ? mkdtempSync(join(tmpdir(), "streamgauge-registry-")) : undefined;
  }

  /** `keepsData`: schemas and their ids are there again after `kill9` and `restart`, @default false */
  static async start({ keepsData = false } = {}): Promise<TestRegistryServer> {
    const server = new TestRegistryServer(keepsData);
    process.once("exit", server.#killAtExit);
    try {
      await server.restart();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** Starts on the port of before, and waits until it answers. */
  async restart(): Promise<void> {
    await this.kill9();
    const port = this.#origin === "" ? "0" : new URL(this.#origin).port;
    const args = [
      "-Xmx384m",
      "-XX:TieredStopAtLevel=1",
      "-XX:+UseSerialGC",
      "-Dquarkus.http.host=127.0.0.1",
      `-Dquarkus.http.port=${port}`,
      // The line that says the port; by default it is not logged.
      '-Dquarkus.log.category."io.quarkus".level=INFO',
      "-Dapicurio.storage.kind=sql",
      "-Dapicurio.storage.sql.kind=h2",
      ...(this.#database === undefined ? [] : storedIn(this.#database)),
      "-jar",
      `apicurio-registry-app-${VERSION}-runner.jar`,
    ];
    const cwd = apicurioFolder();
    if (cwd === undefined) throw new Error("Cannot start Apicurio: it is not there");
    const child = spawn(JAVA, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    const listen = (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString("utf8")).slice(-LOG_CHARACTERS_MAX);
      // It takes a free port itself and says which.
      this.#origin ||= /Listening on: (http:\/\/127\.0\.0\.1:\d+)/.exec(this.#log)?.[1] ?? "";
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!(await this.#answers())) {
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`Cannot start Apicurio: it does not answer\n${this.#log.slice(-4_000)}`);
      }
      await sleep(100);
    }
  }

  /** Without a path: what somebody writes who forgets it. */
  get origin(): string {
    return this.#origin;
  }

  /** Base of the Confluent API. */
  get url(): string {
    return `${this.#origin}/apis/ccompat/v7`;
  }

  /** `SIGSTOP`: connections are accepted, and nobody answers. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#process?.kill(signal);
  }

  /** Dies at once. */
  async kill9(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.kill("SIGKILL");
    });
  }

  /** Ends it and removes its data. */
  async stop(): Promise<void> {
    process.removeListener("exit", this.#killAtExit);
    await this.kill9();
    if (this.#database !== undefined) rmSync(this.#database, { recursive: true, force: true, maxRetries: 3 });
  }

  async #answers(): Promise<boolean> {
    if (this.#origin === "") return false;
    try {
      return (await fetch(`${this.url}/subjects`)).ok;
    } catch {
      return false;
    }
  }
}

/** On a busy machine it would not open its file for twenty connections in time. */
function storedIn(folder: string): string[] {
  return [
    `-Dapicurio.datasource.url=jdbc:h2:file:${join(folder, "registry")}`,
    "-Dapicurio.datasource.jdbc.initial-size=1",
    "-Dapicurio.datasource.jdbc.min-size=1",
    "-Dquarkus.datasource.h2.jdbc.acquisition-timeout=60",
  ];
}
