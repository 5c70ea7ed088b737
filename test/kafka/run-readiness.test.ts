import { createServer } from "node:net";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { frame } from "../../src/schemas/wire-format.ts";
import { describeWithKafka } from "./broker.ts";
import { Cluster, type Flight, flightsOf, until } from "./deployment-kit.ts";

describeWithKafka("/readyz of streamgauge run", () => {
  let cluster: Cluster;
  let id = 0;
  let flights: readonly Flight[] = [];

  beforeAll(async () => {
    cluster = await Cluster.start();
    const found = await flightsOf(Date.UTC(2013, 0, 1), Date.UTC(2013, 0, 6));
    flights = found.flights;
    id = await cluster.register("flights-value", found.schema);
    await cluster.createTopic("flights", 1);
  });
  afterAll(() => cluster?.stop());

  test("tells of a broker that is away, stays up, and catches up; a process that stands by is ready", async () => {
    const half = Math.floor(flights.length / 2);
    await cluster.produce("flights", records(flights.slice(0, half)));
    const [one, other] = [await freePort(), await freePort()];
    const first = cluster.streamgauge("run", "-c", cluster.write("one.yaml", configFor(cluster, one)));
    // What fails is tried again: one that is left over would keep its partitions.
    onTestFinished(() => first.end());
    await until("it is ready", async () => (await ask(one, "readyz")).status === 200);
    const second = cluster.streamgauge("run", "-c", cluster.write("other.yaml", configFor(cluster, other)));
    onTestFinished(() => second.end());
    // One partition of each topic: of each group, one of the two has nothing.
    await until("both are ready with a partition of each stage between them", async () => {
      const states = await Promise.all([one, other].map((port) => ask(port, "readyz")));
      const held = await Promise.all([one, other].map(heldBy));
      return states.every(({ status }) => status === 200) && held[0]! + held[1]! === 2;
    });
    expect(await second.kill("SIGTERM"), second.stderr).toBe(0);
    await until("the first has all again", async () => (await heldBy(one)) === 2);
    await until("it is ready again", async () => (await ask(one, "readyz")).status === 200);

    const logged = first.stderr.length;
    const downSince = performance.now();
    await cluster.broker.kill9();
    await until("it is not ready, because of a flush that Kafka did not take", async () => {
      const { status, text } = await ask(one, "readyz");
      return status === 503 && /profiler: .*Kafka.* flights\/0/.test(text);
    });
    expect((await ask(one, "metrics")).text).toMatch(/^streamgauge_ready 0$/m);
    expect((await ask(one, "livez")).status).toBe(200);
    const notReadySince = performance.now();
    await until("both stages have lost everything", async () => {
      const { text } = await ask(one, "metrics");
      return /^streamgauge_claimed_partitions\{stage="profiler",topic="flights"\} 0$/m.test(text);
    });
    // Long enough for many steps; how many lines there are is compared with how long it was.
    await until("some time has passed", () => performance.now() - notReadySince > 20_000);
    expect((await ask(one, "readyz")).status).toBe(503);
    await cluster.broker.restart();
    await until("it is ready again", async () => (await ask(one, "readyz")).status === 200);
    const seconds = (performance.now() - downSince) / 1000;
    const counts = new Map<string, number>();
    for (const line of first.stderr.slice(logged).trim().split("\n")) {
      const { time: _time, attempt: _attempt, ...words } = JSON.parse(line) as Record<string, unknown>;
      const key = JSON.stringify(words);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    // The same words at most once in ten seconds, or once for each doubling of the attempts.
    const most = Math.max(...counts.values());
    expect(most, [...counts].map(([words, count]) => `${count} ${words}`).join("\n")).toBeLessThan(3 + seconds / 10);

    await cluster.produce("flights", records(flights.slice(half)));
    await until("it has caught up", async () => {
      const { text } = await ask(one, "metrics");
      const lag = /^streamgauge_lag_records\{stage="profiler",topic="flights",partition="0"\} (\d+)$/m.exec(text);
      const written = /^streamgauge_watermark_lag_seconds\{dataset="flights"\} /m.test(text);
      return lag?.[1] === "0" && written;
    });
    expect((await ask(one, "readyz")).status).toBe(200);
    expect(await first.kill("SIGTERM"), first.stderr).toBe(0);
  });

  function records(some: readonly Flight[]) {
    return some.map(({ payload, timeMs }) => ({ partition: 0, value: frame(id, payload), timestampMs: timeMs }));
  }
});

/** Partitions that the stages of a process hold. */
async function heldBy(port: number): Promise<number> {
  const { text } = await ask(port, "metrics");
  return [...text.matchAll(/^streamgauge_claimed_partitions\{stage="(?:profiler|judge)",.*\} 1$/gm)].length;
}

/** Status 0: nobody listens. */
async function ask(port: number, path: string): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/${path}`);
    return { status: response.status, text: await response.text() };
  } catch {
    return { status: 0, text: "" };
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

function configFor(cluster: Cluster, port: number): string {
  return `
deployment: ready
kafka: { brokers: ["${cluster.broker.address()}"], group: ready }
registry: { url: "${cluster.registry.url}" }
topics: { prefix: ready. }
startFrom: earliest
checkpointEvery: 1s
datasets:
  - topic: flights
    time: { field: time_hour, lateness: 1h, idleAfter: 1h }
    windows: { sizes: [1d] }
    flushEvery: 1s
sinks: [{ prometheus: { port: ${port} } }]
`;
}
