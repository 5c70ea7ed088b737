import { afterAll, beforeAll, expect, test } from "vitest";
import type { AlertRecord, MetricsRecord } from "../../src/core/verdict.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import type { DatasetKnowledge } from "../../src/stages/state-report.ts";
import { describeWithKafka } from "./broker.ts";
import { Cluster, flightsOf, until } from "./deployment-kit.ts";

describeWithKafka("streamgauge state", () => {
  let cluster: Cluster;
  let config = "";

  beforeAll(async () => {
    cluster = await Cluster.start();
    const { schema } = await flightsOf(0, 0);
    const id = await cluster.register("flights-value", schema);
    const { flights } = await flightsOf(Date.UTC(2013, 0, 1), Date.UTC(2013, 1, 20));
    await cluster.createTopic("flights", 2);
    config = cluster.write("state.yaml", configFor(cluster));
    const send = async (fromMs: number, toMs: number) => {
      const part = flights.filter(({ timeMs }) => timeMs >= fromMs && timeMs < toMs);
      const records = part.map(({ payload, timeMs }, at) => ({
        partition: at % 2,
        value: frame(id, payload),
        timestampMs: timeMs,
      }));
      await cluster.produce("flights", records);
    };
    produce = send;
  });
  afterAll(() => cluster?.stop());

  let produce: (fromMs: number, toMs: number) => Promise<void>;

  test("ls and show tell what was learned; reset begins anew, and not while a judge runs", async () => {
    const early = cluster.streamgauge("state", "ls", "-c", config);
    expect(await early.ended()).toBe(2);
    expect(early.stderr).toMatch(/topic sg\.state does not exist/);

    await produce(Date.UTC(2013, 0, 1), Date.UTC(2013, 1, 9, 5));
    const first = cluster.streamgauge("run", "-c", config);
    await until("8 February is told", async () => (await told()).some((line) => line.startsWith("2013-02-08")));

    // Looking disturbs nobody.
    const running = await json<{ partitions: { position: number; behind: number; problems: unknown[] }[] }>("ls");
    expect(running.partitions).toHaveLength(1);
    expect(running.partitions[0]!.position).toBeGreaterThan(0);
    expect(running.partitions[0]!.problems).toEqual([]);
    const refused = cluster.streamgauge("state", "reset", "--all", "--yes", "-c", config);
    expect(await refused.ended(), refused.stdout + refused.stderr).toBe(5);
    expect(refused.stderr).toMatch(/a process is running in the group sg\.judge\. Stop all/);
    expect(await first.kill("SIGTERM"), first.stderr).toBe(0);
    expect(first.stderr).not.toMatch(/fenced/);

    const list = cluster.streamgauge("state", "ls", "-c", config);
    expect(await list.ended(), list.stderr).toBe(0);
    expect(list.stdout).toMatch(
      /^sg\.state\[0\]: checkpoint \d+ of 2\S+Z, position (\d+) of \d+ in sg\.profiles, \d+ behind\n {2}flights: 4 series, \d+ profiles, 1 tracker, /,
    );
    const before = await json<DatasetKnowledge>("show", "flights");
    expect(before.series.find(({ slice }) => slice === "all")).toMatchObject({ windows: 38, warmup: 10, isWarm: true });
    expect(before.incident).toMatch(/^flights\//);
    const words = cluster.streamgauge("state", "show", "flights", "86400000|all", "-c", config);
    expect(await words.ended()).toBe(0);
    expect(words.stdout).toMatch(
      /^all, 1d: 38 windows learned, warm \(after 10 windows\), season of 7 windows, \d+ metrics/,
    );
    const unknown = cluster.streamgauge("state", "show", "else", "-c", config);
    expect(await unknown.ended()).toBe(2);

    const plan = cluster.streamgauge("state", "reset", "flights", "-c", config);
    expect(await plan.ended()).toBe(2);
    expect(plan.stdout).toMatch(/^would drop what was learned of flights: \d+ entries/);
    expect(await json<DatasetKnowledge>("show", "flights")).toEqual(before);

    const reset = cluster.streamgauge("state", "reset", "flights", "--yes", "-c", config);
    expect(await reset.ended(), reset.stderr).toBe(0);
    expect(reset.stdout).toMatch(/dropped what was learned of flights/);
    const after = await json<DatasetKnowledge>("show", "flights");
    expect(after).toMatchObject({ series: [], incident: null, watermark: before.watermark, inputs: before.inputs });
    const [resolved] = (await cluster.committed("sg.alerts")).slice(-1);
    expect(JSON.parse(String(resolved!.value)) as AlertRecord).toMatchObject({ state: "resolved", reason: "reset" });

    const second = cluster.streamgauge("run", "-c", config);
    await second.logged("running");
    await produce(Date.UTC(2013, 1, 9, 5), Date.UTC(2013, 1, 20));
    await until("18 February is told", async () => (await told()).some((line) => line.startsWith("2013-02-18")));
    expect(await second.kill("SIGTERM"), second.stderr).toBe(0);
    for (const complaint of ["do not join", "windows without events", "begins anew", '"level":50']) {
      expect(second.stderr).not.toContain(complaint);
    }
    const lines = await told();
    expect(new Set(lines).size).toBe(lines.length);
    const whole = (await metrics()).filter(({ slice, revision }) => slice === "all" && revision === 0);
    expect(whole.filter(({ partial }) => partial).map(({ windowStart }) => windowStart.slice(0, 10))).toEqual([
      "2013-01-01",
      "2013-02-09",
    ]);
    const relearned = await json<DatasetKnowledge>("show", "flights");
    expect(relearned.series.find(({ slice }) => slice === "all")!.windows).toBeLessThan(13);
  });

  async function json<T>(...args: readonly string[]): Promise<T> {
    const one = cluster.streamgauge("state", ...args, "--json", "-c", config);
    expect(await one.ended(), one.stderr).toBe(0);
    return JSON.parse(one.stdout) as T;
  }

  async function metrics(): Promise<MetricsRecord[]> {
    return (await cluster.committed("sg.metrics")).map(({ value }) => JSON.parse(String(value)) as MetricsRecord);
  }

  async function told(): Promise<string[]> {
    return (await metrics()).map(({ windowStart, slice, revision }) => `${windowStart} ${slice} ${revision}`);
  }
});

function configFor(cluster: Cluster): string {
  return `
deployment: test
kafka: { brokers: ["${cluster.broker.address()}"], group: sg }
registry: { url: "${cluster.registry.url}" }
topics: { prefix: sg. }
startFrom: earliest
checkpointEvery: 2s
datasets:
  - topic: flights
    time: { field: time_hour, lateness: 1h, idleAfter: 1h }
    windows: { sizes: [1d] }
    slices: [{ by: route.origin, name: origin }]
    fields: { route.origin: { values: show } }
    detect: { warmup: 10, falseAlarms: 4 per 30d }
    flushEvery: 1s
`;
}
