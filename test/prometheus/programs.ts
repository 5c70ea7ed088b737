/** The real Prometheus and promtool (Debian package `prometheus`), where they are installed. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/** Under `CI=true` a missing program is an error, not a reason to skip. */
export const HAS_PROMETHEUS =
  process.env.CI === "true" || ["prometheus", "promtool"].every((name) => spawnSync(name, ["--version"]).status === 0);

export interface Ran {
  readonly status: number | null;
  readonly output: string;
}

export function promtool(
  args: readonly string[],
  options: { readonly cwd?: string; readonly input?: string } = {},
): Ran {
  const { status, stdout, stderr, error } = spawnSync("promtool", args, { encoding: "utf8", ...options });
  if (error !== undefined) throw new Error("Cannot run promtool: install the package prometheus", { cause: error });
  return { status, output: stdout + stderr };
}

export interface PrometheusOptions {
  /** `host:port` of what is scraped, by job name. */
  readonly targets: Readonly<Record<string, string>>;
  readonly ruleFiles?: readonly string[];
}

/** A Prometheus of its own: data in a directory that goes with it, a free port on the loopback interface. */
export class Prometheus {
  readonly #directory: string;
  readonly #process: ChildProcess;
  readonly #url: string;
  #log = "";

  private constructor(directory: string, process: ChildProcess, url: string) {
    this.#directory = directory;
    this.#process = process;
    this.#url = url;
    process.stderr?.on("data", (data) => {
      this.#log = (this.#log + data).slice(-20_000);
    });
  }

  static async start({ targets, ruleFiles = [] }: PrometheusOptions): Promise<Prometheus> {
    const directory = mkdtempSync(join(tmpdir(), "streamgauge-prometheus-"));
    const jobs = Object.entries(targets).map(([job, target]) => ({
      job_name: job,
      static_configs: [{ targets: [target] }],
    }));
    const times = { scrape_interval: "300ms", scrape_timeout: "300ms", evaluation_interval: "500ms" };
    // JSON is YAML.
    const config = { global: times, rule_files: ruleFiles, scrape_configs: jobs };
    writeFileSync(join(directory, "prometheus.yml"), JSON.stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      "prometheus",
      [
        `--config.file=${join(directory, "prometheus.yml")}`,
        `--storage.tsdb.path=${join(directory, "data")}`,
        `--web.listen-address=${address}`,
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    const prometheus = new Prometheus(directory, child, `http://${address}`);
    await prometheus.until("it is ready", async () => (await fetch(`http://${address}/-/ready`)).ok);
    return prometheus;
  }

  /** What an instant query finds; a value as Prometheus writes it. */
  async query(expr: string): Promise<{ readonly labels: Readonly<Record<string, string>>; readonly value: string }[]> {
    const answer = await this.get<{ result: { metric: Record<string, string>; value: [number, string] }[] }>(
      `/api/v1/query?query=${encodeURIComponent(expr)}`,
    );
    return answer.result.map(({ metric, value }) => ({ labels: metric, value: value[1] }));
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(this.#url + path);
    const body = (await response.json()) as { status: string; error?: string; data: T };
    if (body.status !== "success") throw new Error(`${path}: ${body.error}`);
    return body.data;
  }

  /** Waits for up to a minute; a request that fails counts as not yet. */
  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    for (let attempt = 0; attempt < 600; attempt++) {
      if (this.#process.exitCode !== null) break;
      if (await condition().catch(() => false)) return;
      await wait(100);
    }
    throw new Error(`waited in vain until ${what}\n${this.#log}`);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      const ended = new Promise((resolve) => this.#process.once("exit", resolve));
      this.#process.kill("SIGKILL");
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
