import { afterAll, beforeAll, expect, test } from "vitest";
import type { AlertRecord } from "../../src/core/verdict.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import type { DatasetKnowledge } from "../../src/stages/state-report.ts";
import { describeWithKafka } from "./broker.ts";
import { Cluster, flightsOf, until } from "./deployment-kit.ts";

describeWithKafka("streamgauge feedback", () => {
  let cluster: Cluster;
  let config = "";
  let produce: (fromMs: number, toMs: number) => Promise<void>;

  beforeAll(async () => {
    cluster = await Cluster.start();
    const { flights, schema } = await flightsOf(Date.UTC(2013, 0, 1), Date.UTC(2013, 1, 13));
    const id = await cluster.register("flights-value", schema);
    await cluster.createTopic("flights", 1);
    config = cluster.write("feedback.yaml", configFor(cluster));
    produce = async (fromMs, toMs) => {
      const part = flights.filter(({ timeMs }) => timeMs >= fromMs && timeMs < toMs);
      const records = part.map(({ payload, timeMs }) => ({
        partition: 0,
        value: frame(id, payload),
        timestampMs: timeMs,
      }));
      await cluster.produce("flights", records);
    };
  });
  afterAll(() => cluster?.stop());

  async function alerts(): Promise<AlertRecord[]> {
    return (await cluster.committed("sg.alerts")).map(({ value }) => JSON.parse(String(value)) as AlertRecord);
  }

  async function feedback(...args: readonly string[]) {
    const one = cluster.streamgauge("feedback", "-c", config, ...args);
    const code = await one.ended();
    return { code, stdout: one.stdout, stderr: one.stderr };
  }

  const answers = (all: readonly AlertRecord[]) => all.filter(({ reason }) => reason === "feedback");

  test("is heard once by the judge, over restarts, and answered on the alerts topic", async () => {
    const early = await feedback("flights/a/b", "fault");
    expect(early.code).toBe(2);
    expect(early.stderr).toContain("Cannot give feedback: there is no topic sg.alerts");

    await produce(Date.UTC(2013, 0, 1), Date.UTC(2013, 1, 9, 5));
    const first = cluster.streamgauge("run", "-c", config);
    await until("8 February is told", async () =>
      (await alerts()).some(({ windowStart, state }) => windowStart.startsWith("2013-02-08") && state !== "resolved"),
    );
    const { incident } = (await alerts()).findLast(({ state }) => state !== "resolved")!;

    // What is not known is refused with what is nearest, and nothing is written.
    const unknown = await feedback(incident.replace("2013-02", "2013-03"), "fault");
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain(`sg.alerts has no incident "`);
    expect(unknown.stderr).toContain(`; the nearest is "${incident}"`);
    const wrong = await feedback(incident, "wrong");
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("fault, expected, new-normal");
    expect(answers(await alerts())).toEqual([]);

    const given = await feedback(incident, "fault", "--by", "ann", "--note", "a blizzard");
    expect(given.code, given.stderr).toBe(0);
    expect(given.stdout).toContain(`${incident} (open): fault\n`);
    await until("the judge answers", async () => answers(await alerts()).length === 1);
    expect(answers(await alerts())[0]).toMatchObject({
      incident,
      state: "updated",
      sentence: expect.stringMatching(/: marked as a fault by ann: a blizzard$/),
    });

    // One that dies and one that comes after it hear nothing twice.
    await first.kill("SIGKILL");
    const second = cluster.streamgauge("run", "-c", config);
    await second.logged("state restored");
    // As a person's own tool would write it: no key, no header, no transaction.
    await cluster.produceRecords([
      {
        topic: "sg.profiles",
        partition: 0,
        key: null,
        value: Buffer.from(JSON.stringify({ incident, feedback: "expected", by: "bob" })),
        timestampMs: Date.now(),
      },
    ]);
    await until("it answers, too", async () => answers(await alerts()).length === 2);
    await produce(Date.UTC(2013, 1, 9, 5), Date.UTC(2013, 1, 13));
    await until("11 February is told", async () =>
      (await cluster.committed("sg.metrics")).some(({ key }) => String(key).includes("2013-02-11T00:00:00.000Z/")),
    );
    expect(await second.kill("SIGTERM"), second.stderr).toBe(0);
    const told = answers(await alerts());
    expect(told.map(({ state, sentence }) => `${state} ${sentence.replace(/^.*?: /, "")}`)).toEqual([
      "updated marked as a fault by ann: a blizzard",
      "resolved marked as expected by bob",
    ]);
    const ids = (await cluster.committed("sg.alerts")).map(({ headers }) => String(headers.get("ce_id")));
    expect(new Set(ids).size).toBe(ids.length);

    const show = cluster.streamgauge("state", "show", "flights", "--json", "-c", config);
    expect(await show.ended(), show.stderr).toBe(0);
    // All of 2013 ended before the deployment started: a backtest, which is no part of the realised rate.
    const { budget, training } = JSON.parse(show.stdout) as DatasetKnowledge;
    expect(budget).toMatchObject({ spent: 0, called: { fault: 0, expected: 0, "new-normal": 0 }, realised: null });
    expect(budget!.backtest).toBeGreaterThan(0);
    expect(training!.share).toBeGreaterThan(0);
    expect((await alerts()).every(({ backtest }) => backtest === true)).toBe(true);

    // What lies between the deltas is no part of the ledger.
    const ledger = cluster.streamgauge("ledger", "-c", config, "--fail-on", "gap");
    expect(await ledger.ended(), ledger.stdout).toBe(0);
    expect(ledger.stdout).not.toContain("cannot be read");
  });
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
    time: { field: time_hour, lateness: 1h, idleAfter: 1h, reviseFor: 3d }
    windows: { sizes: [1d] }
    detect: { warmup: 20 }
    flushEvery: 1s
`;
}
