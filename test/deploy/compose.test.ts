import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { loadConfigFile } from "../../src/config/load-config.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

const compose: { services: Record<string, Service>; volumes: Record<string, unknown> } = parse(
  read("docker-compose.yml"),
  {
    merge: true,
  },
);
const services = Object.entries(compose.services).map(([name, service]) => ({ name, service }));
const dockerfile = read("Dockerfile");

describe("docker-compose.yml", () => {
  test("has the services of the whole way", () => {
    expect(Object.keys(compose.services).sort()).toEqual(
      ["grafana", "kafka", "postgres", "prometheus", "registry", "streamgauge", "topics"].sort(),
    );
  });

  test.each(services)("$name: pinned image, loopback ports, a healthcheck or a reason", ({ service }) => {
    const { image = "", build, ports = [], healthcheck, labels = {} } = service;
    if (build === undefined) expect(image).toMatch(/^[\w./-]+:(v?\d+\.\d+\.\d+|\d+\.\d+-\w+)$/);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    const checked = healthcheck !== undefined || (build !== undefined && /^HEALTHCHECK /m.test(dockerfile));
    expect(checked || labels["streamgauge.no-healthcheck"] !== undefined).toBe(true);
  });

  test.each(services)("$name: everything that is mounted exists, and is read-only", ({ service }) => {
    for (const volume of service.volumes ?? []) {
      const [source = "", , mode] = volume.split(":");
      if (!source.startsWith("./")) {
        expect(Object.keys(compose.volumes)).toContain(source);
        continue;
      }
      expect(existsSync(join(ROOT, source)), `${source} exists`).toBe(true);
      expect(mode).toBe("ro");
    }
  });

  test.each(services)("$name: waits only for what can become so", ({ service }) => {
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      const target = compose.services[other];
      expect(target).toBeDefined();
      if (condition === "service_healthy") expect(target?.healthcheck).toBeDefined();
      else expect([condition, target?.labels]).toMatchObject(["service_completed_successfully", {}]);
    }
  });

  test("starts streamgauge without waiting for the database", () => {
    expect(Object.keys(compose.services.streamgauge?.depends_on ?? {})).not.toContain("postgres");
  });

  test("gives Grafana every variable that its provisioning names", () => {
    const provisioning = read("deploy/grafana/provisioning/datasources/streamgauge.yml");
    const names = [...provisioning.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name ?? "");
    expect(names.length).toBeGreaterThan(4);
    for (const name of names) expect(Object.keys(compose.services.grafana?.environment ?? {})).toContain(name);
  });

  test("gives streamgauge every variable that its configuration names", () => {
    const names = [...read("deploy/streamgauge.yaml").matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name ?? "");
    expect(names).toEqual(["POSTGRES_PASSWORD"]);
    for (const name of names) expect(Object.keys(compose.services.streamgauge?.environment ?? {})).toContain(name);
  });

  test("names the same places in streamgauge.yaml as in the services", () => {
    const config = parse(read("deploy/streamgauge.yaml"));
    const [host, port] = String(config.kafka.brokers[0]).split(":");
    expect(compose.services.kafka?.environment?.KAFKA_ADVERTISED_LISTENERS).toContain(`INTERNAL://${host}:${port}`);
    expect(Object.keys(compose.services)).toContain(new URL(config.registry.url).hostname);
    expect(String(compose.services.topics?.healthcheck ?? "")).toBe("");
    expect(JSON.stringify(compose.services.topics)).toContain(`--topic=${config.datasets[0].topic}`);
    const prometheus = config.sinks.find((sink: object) => "prometheus" in sink).prometheus;
    expect(compose.services.streamgauge?.ports).toEqual([`127.0.0.1:${prometheus.port}:${prometheus.port}`]);
    expect(dockerfile).toContain(`http://127.0.0.1:${prometheus.port}/livez`);
    const postgres = new URL(config.sinks.find((sink: object) => "postgres" in sink).postgres.url);
    const { POSTGRES_USER, POSTGRES_DB } = compose.services.postgres?.environment ?? {};
    expect([postgres.username, postgres.hostname, postgres.pathname]).toEqual([
      POSTGRES_USER,
      "postgres",
      `/${POSTGRES_DB}`,
    ]);
  });

  const hasCompose = spawnSync("docker-compose", ["version"]).status === 0;
  test.skipIf(!hasCompose && process.env.CI !== "true")("is what docker-compose takes", () => {
    execFileSync(
      "docker-compose",
      ["--project-directory", ROOT, "-f", join(ROOT, "docker-compose.yml"), "config", "-q"],
      {
        stdio: "pipe",
      },
    );
  });
});

test("deploy/streamgauge.yaml is a configuration for run without a mistake", async () => {
  const file = join(ROOT, "deploy/streamgauge.yaml");
  const { config, notices } = await loadConfigFile({ file, env: { POSTGRES_PASSWORD: "secret" }, command: "run" });
  expect(config.sinks.map(({ kind }) => kind)).toEqual(["prometheus", "postgres"]);
  expect(notices).toEqual([]);
});

describe("Dockerfile", () => {
  const lines = dockerfile.split("\n");
  const ignore = read(".dockerignore").split("\n");

  test("copies only what exists and what .dockerignore lets through, from stages that exist", () => {
    const stages = lines.flatMap((line) => /^FROM \S+ AS (\w+)$/.exec(line)?.[1] ?? []);
    const copies = lines.filter((line) => line.startsWith("COPY "));
    expect(copies.length).toBeGreaterThan(4);
    for (const copy of copies) {
      const words = copy.split(/\s+/).slice(1);
      const from = words.find((word) => word.startsWith("--from="))?.slice("--from=".length);
      if (from !== undefined) {
        expect(stages).toContain(from);
        continue;
      }
      for (const source of words.slice(0, -1)) {
        expect(existsSync(join(ROOT, source)), `${source} exists`).toBe(true);
        expect(ignore, `.dockerignore lets ${source} through`).toContain(`!${source.replace(/^\.\//, "")}`);
      }
    }
  });

  test("runs as node, ends by SIGTERM, and knows whether it lives", () => {
    const last = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "));
    expect(last).toMatch(/^USER node$/m);
    expect(last).toMatch(/^STOPSIGNAL SIGTERM$/m);
    expect(last).toMatch(/^HEALTHCHECK [\s\S]*\/livez/m);
    expect(last).toContain('ENTRYPOINT ["node", "dist/cli/main.js"]');
    expect(last).not.toMatch(/npm|COPY src/);
    expect(dockerfile).toMatch(/^ARG NODE_IMAGE=node:\d+\.\d+\.\d+-bookworm-slim$/m);
    expect(dockerfile).toContain("npm ci --omit=dev");
  });

  test("is given an entry that the package has, and a Node that it takes", () => {
    const manifest = JSON.parse(read("package.json"));
    expect(manifest.bin.streamgauge).toBe("dist/cli/main.js");
    expect(Number(/node:(\d+)\./.exec(dockerfile)?.[1])).toBeGreaterThanOrEqual(20);
  });
});

test("10-grafana-role.sh is a script that can be run, and that bash can read", () => {
  const path = join(ROOT, "deploy/postgres/10-grafana-role.sh");
  expect(statSync(path).mode & 0o111).not.toBe(0);
  execFileSync("bash", ["-n", path]);
});
