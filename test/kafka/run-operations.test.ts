import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { MetricsRecord } from "../../src/core/verdict.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { expectCounts, expectFigures, expectQuarantined, hostileFlights } from "../stages/hostile-kit.ts";
import { describeWithKafka } from "./broker.ts";
import { Cluster, flightsOf, until } from "./deployment-kit.ts";

const README = readFileSync(fileURLToPath(new URL("../../README.md", import.meta.url)), "utf8");

describeWithKafka("streamgauge run and doctor", () => {
  let cluster: Cluster;
  const children: ChildProcess[] = [];
  const servers: Server[] = [];
  let flightsId = 0;
  let attempts = 0;

  beforeAll(async () => {
    cluster = await Cluster.start();
    const { schema } = await flightsOf(0, 0);
    flightsId = await cluster.register("flights-value", schema);
  });
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    for (const server of servers) server.close();
    await cluster?.stop();
  });

  test("the README's quick start leads from doctor to the first alert", async () => {
    const { flights } = await flightsOf(Date.UTC(2013, 0, 1), Date.UTC(2013, 1, 12));
    await cluster.createTopic("trips", 2);
    const records = flights.map(({ payload, timeMs }, at) => ({
      partition: at % 2,
      value: frame(flightsId, payload),
      timestampMs: timeMs,
    }));
    await cluster.produce("trips", records);
    const yaml = readmeBlock("## Quick start on your own Kafka", "yaml");
    const config = cluster.write("streamgauge.yaml", localized(yaml, cluster));

    const doctor = cluster.streamgauge("doctor", "-c", config);
    expect(await doctor.ended(), doctor.stdout + doctor.stderr).toBe(0);
    expect(doctor.stdout).toContain("run has what it needs");
    expect(doctor.stdout).toMatch(/ok {4}versions: streamgauge .*; the broker speaks Produce \d+–\d+, Fetch \d+–\d+\n/);
    expect(doctor.stdout).toMatch(/ok {4}topic trips: 2 partitions, readable/);
    expect(doctor.stdout).toMatch(/ok {4}records of trips: the newest 200 can all be decoded/);
    // Looking leaves nothing behind.
    expect((await cluster.topics()).filter((topic) => topic.startsWith("streamgauge."))).toEqual([]);

    const run = cluster.streamgauge("run", "-c", config);
    await run.logged("running");
    const script = readmeBlock("## Subscribe to the alerts", "js").replace("localhost:9092", cluster.broker.address());
    const told = subscribe(cluster, script, children);
    await until("the subscriber prints the alert of 8 February", () => told.text.includes("8 Feb"));
    expect(told.text).toMatch(/P[123] opened trips 8 Feb: (at \S+ )?\d+ % of `(dep|arr|air)_time` is null/);
    const metrics = await (await fetch("http://127.0.0.1:9464/metrics")).text();
    expect(metrics).toContain('streamgauge_records_total{stage="profiler",topic="trips"');
    // The judge's is never 0 for long: the profiler writes all the time, and the judge commits with its checkpoints.
    const lag = /streamgauge_lag_records\{stage="(profiler|judge)",topic="[a-z.]+",partition="\d"\} (\d+)\n/g;
    await until("the profiler has no lag", async () => {
      const text = await (await fetch("http://127.0.0.1:9464/metrics")).text();
      const lags = [...text.matchAll(lag)].map(([, stage, records]) => `${stage} ${stage === "judge" ? "*" : records}`);
      return lags.sort().join() === "judge *,profiler 0,profiler 0";
    });
    expect((await fetch("http://127.0.0.1:9464/readyz")).status).toBe(200);
    expect((await fetch("http://127.0.0.1:9464/livez")).status).toBe(200);
    expect(await run.kill("SIGTERM"), run.stderr).toBe(0);
    expect(run.stderr).not.toContain('"level":50');
  });

  test("of 20 % hostile records each is in quarantine once, and the good ones' figures are exact", async () => {
    // A name of its own for each attempt.
    const name = `hostile${attempts++}`;
    const sent = await hostileFlights({
      register: (schema) => cluster.register(`${name}-${schema.length}-value`, schema),
      endMs: Date.UTC(2013, 0, 12),
      partitions: 3,
      // This registry does not take a schema that Avro forbids.
      without: ["schema_refused"],
    });
    await cluster.createTopic(name, 3);
    const config = cluster.write(`${name}.yaml`, configFor(cluster, name, `quarantine: { topic: ${name}.refused }`));
    const run = cluster.streamgauge("run", "-c", config);
    await run.logged("running");
    await cluster.produceRecords(sent.map(({ record }) => record).map((record) => ({ ...record, topic: name })));
    await until("the days after the last are told", async () => {
      const lines = await linesOf(cluster, `${name}.metrics`);
      return lines.some(({ slice, windowStart }) => slice === "all" && windowStart >= "2013-01-13");
    });
    expect(await run.kill("SIGTERM"), run.stderr).toBe(0);
    const metrics = newest(await linesOf(cluster, `${name}.metrics`)).filter(
      ({ windowStart }) => windowStart < "2013-01-12",
    );
    expectQuarantined(
      sent,
      (await cluster.committed(`${name}.refused`)).map(({ key, value, headers }) => ({
        key,
        value,
        headers: [...headers].map(([name, bytes]) => ({ key: name, value: bytes })),
      })),
      name,
    );
    expectCounts(sent, metrics);
    expectFigures(sent, metrics);
  });

  test("mistakes have a sentence with what to do, an exit code, and no stack", async () => {
    const hanging = await serve(servers, () => {});
    const page = await serve(servers, (end) => end("<!doctype html><title>Welcome</title>"));
    const base = configFor(cluster, "trips");
    const wrong: readonly (readonly [name: string, config: string, exitCode: number, sentence: RegExp])[] = [
      [
        "address",
        base.replace(cluster.broker.address(), "127.0.0.1:1"),
        3,
        /check kafka\.brokers: nobody listens there/,
      ],
      ["topic", base.replace("topic: trips", "topic: tripz"), 2, /topic tripz:? does not exist/],
      ["hanging registry", withRegistry(base, cluster, hanging), 3, /registry/],
      ["page", withRegistry(base, cluster, page), 3, /does not look like a schema registry/],
      ["registry without its path", withRegistry(base, cluster, cluster.registry.origin), 3, /registry/],
      ["key", base.replace("lateness", "latenes"), 2, /wrong-key\.yaml:\d+:\d+ .*did you mean "lateness"/],
    ];
    for (const [name, text, exitCode, sentence] of wrong) {
      const file = cluster.write(`wrong-${name.replaceAll(" ", "-")}.yaml`, text);
      for (const command of ["run", "doctor"]) {
        const ended = cluster.streamgauge(command, "-c", file);
        const where = `${command}, ${name}`;
        expect(await ended.ended(), `${where}: ${ended.stdout}${ended.stderr}`).toBe(exitCode);
        expect(ended.stdout + ended.stderr, where).toMatch(sentence);
        expect(ended.stdout + ended.stderr, where).not.toMatch(/\n\s+at /);
      }
    }
  });

  test("a topic that is not Avro is told by doctor, and does not stop run", async () => {
    await cluster.createTopic("plain", 1);
    const text = (at: number) => ({ partition: 0, value: Buffer.from(`{"at":${at}}`), timestampMs: Date.now() });
    await cluster.produce(
      "plain",
      Array.from({ length: 300 }, (_, at) => text(at)),
    );
    const file = cluster.write("plain.yaml", configFor(cluster, "plain"));
    const doctor = cluster.streamgauge("doctor", "-c", file);
    expect(await doctor.ended()).toBe(2);
    expect(doctor.stdout).toMatch(
      /FAIL {2}records of plain: none of the newest 100 can be decoded \(100 wrong_magic\)/,
    );
    const run = cluster.streamgauge("run", "-c", file);
    await run.logged("running");
    await until("it says so", () => run.stderr.includes("none of the first"));
    expect(await run.kill("SIGTERM")).toBe(0);
  });

  test("a state topic that is not compacted is refused", async () => {
    await cluster.createTopic("loose.state", 1);
    const file = cluster.write("loose.yaml", configFor(cluster, "trips").replace("trips.", "loose."));
    const run = cluster.streamgauge("run", "-c", file);
    expect(await run.ended(), run.stderr).toBe(2);
    expect(run.stderr).toMatch(/loose\.state/);
    expect(run.stderr).toMatch(/compact/);
  });

  test("two deployments of one name and different groups: one ends with 5, and says why", async () => {
    await cluster.createTopic("shared", 1);
    const config = configFor(cluster, "shared");
    const one = cluster.streamgauge("run", "-c", cluster.write("one.yaml", config));
    await one.logged("running");
    const other = cluster.streamgauge(
      "run",
      "-c",
      cluster.write("other.yaml", config.replace("group: shared", "group: else")),
    );
    const ended = await Promise.race([one, other].map(async (run) => ({ run, code: await run.ended() })));
    expect(ended.code, ended.run.stderr).toBe(5);
    expect(ended.run.stderr).toMatch(/another|fenced/i);
    expect(ended.run.stderr).not.toMatch(/\n\s+at /);
    for (const run of [one, other]) await run.kill("SIGKILL");
  });

  test("a second signal ends at once with 130", async () => {
    const run = cluster.streamgauge("run", "-c", cluster.write("twice.yaml", configFor(cluster, "trips")));
    await run.logged("running");
    run.signal("SIGTERM");
    run.signal("SIGTERM");
    expect([0, 130]).toContain(await run.ended());
  });
});

function configFor(cluster: Cluster, topic: string, more = ""): string {
  return `
deployment: ${topic}
kafka: { brokers: ["${cluster.broker.address()}"], group: ${topic} }
registry: { url: "${cluster.registry.url}" }
topics: { prefix: ${topic}. }
startFrom: earliest
datasets:
  - topic: ${topic}
    time: { field: time_hour, lateness: 1h, idleAfter: 15s }
    windows: { sizes: [1d] }
    slices: [{ by: route.origin, name: origin }]
    fields: { route.origin: { values: show } }
    flushEvery: 1s
    ${more}
`;
}

function withRegistry(config: string, cluster: Cluster, url: string): string {
  return config.replace(cluster.registry.url, url);
}

/** The first code block of a language below a heading of the README. */
function readmeBlock(heading: string, language: string): string {
  const section = README.slice(README.indexOf(heading));
  const block = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(section)?.[1];
  if (!README.includes(heading) || block === undefined) throw new Error(`README has no ${language} below "${heading}"`);
  return block;
}

/** The reader's own names, which the README leaves open. */
function localized(yaml: string, cluster: Cluster): string {
  return yaml
    .replace("localhost:9092", cluster.broker.address())
    .replace("http://localhost:8081", cluster.registry.url)
    .replace("picked_up_at", "time_hour")
    .replace("by: city", "by: route.origin")
    .replace("sizes: [1h, 1d]", "sizes: [1d]")
    .replace("startFrom: latest", "startFrom: earliest");
}

function subscribe(cluster: Cluster, script: string, children: ChildProcess[]): { text: string } {
  const child = spawn(process.execPath, [cluster.write("alerts.mjs", script)], { cwd: cluster.folder });
  children.push(child);
  const told = { text: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      told.text += chunk.toString();
    });
  }
  return told;
}

async function serve(servers: Server[], answer: (end: (body: string) => void) => void): Promise<string> {
  const server = createServer((_request, response) => {
    answer((body) => response.writeHead(200, { "content-type": "text/html" }).end(body));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function linesOf(cluster: Cluster, topic: string): Promise<MetricsRecord[]> {
  return (await cluster.committed(topic)).map(({ value }) => JSON.parse(String(value)) as MetricsRecord);
}

/** The last revision of each window and slice. */
function newest(lines: readonly MetricsRecord[]): MetricsRecord[] {
  return [...new Map(lines.map((line) => [`${line.slice}|${line.windowStart}`, line])).values()];
}
