/**
 * A real Prometheus for tests, on loopback and a free port, with its data in a temporary directory.
 *
 * Debian: `apt-get install prometheus`. Without it the tests are skipped, except under CI, where that is an error.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface PrometheusServer {
  readonly url: string;
  /** Removes everything. */
  stop(): Promise<void>;
}

export const prometheusPresent = spawnSync("prometheus", ["--version"]).status === 0;
if (!prometheusPresent && process.env.CI === "true") {
  throw new Error("Prometheus is missing: apt-get install prometheus (its tests may only be skipped outside CI)");
}

export async function startPrometheus(targets: readonly string[]): Promise<PrometheusServer> {
  const directory = mkdtempSync(join(tmpdir(), "sg-prometheus-"));
  const config = {
    global: { scrape_interval: "250ms", scrape_timeout: "250ms" },
    scrape_configs: [{ job_name: "streamgauge", static_configs: [{ targets }] }],
  };
  // JSON is YAML.
  writeFileSync(join(directory, "prometheus.yml"), JSON.stringify(config));
  const port = await freePort();
  const child = spawn(
    "prometheus",
    [
      `--config.file=${join(directory, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(directory, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000);
  });
  const url = `http://127.0.0.1:${port}`;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`Prometheus ended: ${errors}`);
    const isReady = await fetch(`${url}/-/ready`).then(
      (response) => response.ok,
      () => false,
    );
    if (isReady) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    url,
    async stop() {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
