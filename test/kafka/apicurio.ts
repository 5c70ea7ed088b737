/**
 * A real schema registry on loopback: Apicurio from the jars that `scripts/setup-kafka.mjs` fetched, with its database
 * in memory. Our side of it is the Confluent API below `url`.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, test } from "vitest";

const JAVA = "java";
const VERSION = "3.0.9";
const START_TIMEOUT_MS = 90_000;
const LOG_CHARACTERS_MAX = 20_000;

/** Where it is; `undefined` when it, or Java, is missing. */
function apicurioFolder(): string | undefined {
  const cache =
    process.env.STREAMGAUGE_JAVA_CACHE ||
    fileURLToPath(new URL("../../node_modules/.cache/streamgauge-java", import.meta.url));
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
  readonly #process: ChildProcess;
  readonly #killAtExit = () => this.#process.kill("SIGKILL");
  #log = "";
  #origin = "";

  private constructor(child: ChildProcess) {
    this.#process = child;
    const listen = (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString("utf8")).slice(-LOG_CHARACTERS_MAX);
      // It takes a free port itself and says which.
      this.#origin ||= /Listening on: (http:\/\/127\.0\.0\.1:\d+)/.exec(this.#log)?.[1] ?? "";
    };
    child.stdout?.on("data", listen);
    child.stderr?.on("data", listen);
    process.once("exit", this.#killAtExit);
  }

  static async start(): Promise<TestRegistryServer> {
    const args = [
      "-Xmx384m",
      "-XX:TieredStopAtLevel=1",
      "-XX:+UseSerialGC",
      "-Dquarkus.http.host=127.0.0.1",
      "-Dquarkus.http.port=0",
      // The line that says the port; by default it is not logged.
      '-Dquarkus.log.category."io.quarkus".level=INFO',
      "-Dapicurio.storage.kind=sql",
      "-Dapicurio.storage.sql.kind=h2",
      "-jar",
      `apicurio-registry-app-${VERSION}-runner.jar`,
    ];
    const cwd = apicurioFolder();
    if (cwd === undefined) throw new Error("Cannot start Apicurio: it is not there");
    const server = new TestRegistryServer(spawn(JAVA, args, { cwd, stdio: ["ignore", "pipe", "pipe"] }));
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!(await server.#answers())) {
      if (server.#process.exitCode !== null || performance.now() > deadline) {
        await server.stop();
        throw new Error(`Cannot start Apicurio: it does not answer\n${server.#log.slice(-4_000)}`);
      }
      await sleep(100);
    }
    return server;
  }

  /** Without a path: what somebody writes who forgets it. */
  get origin(): string {
    return this.#origin;
  }

  /** Base of the Confluent API. */
  get url(): string {
    return `${this.#origin}/apis/ccompat/v7`;
  }

  /** Ends it at once, and waits until it is gone. */
  async stop(): Promise<void> {
    process.removeListener("exit", this.#killAtExit);
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      this.#process.once("exit", () => resolve());
      this.#process.kill("SIGKILL");
    });
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
