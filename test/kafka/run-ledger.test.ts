import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AlertRecord, MetricsRecord } from "../../src/core/verdict.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { describeWithKafka } from "./broker.ts";
import { Cluster, type Flight, flightsOf, until } from "./deployment-kit.ts";

const TOPIC = "rides";
const PARTITIONS = 2;

interface Ledger {
  readonly isWhole: boolean;
  readonly datasets: readonly {
    readonly completeUpTo: string | null;
    readonly verdict: string;
    readonly counts: { readonly consumed: number; readonly valid: number };
    readonly partitions: readonly {
      readonly range: { readonly from: number; readonly to: number } | null;
      readonly gaps: { readonly ranges: readonly { readonly from: number; readonly to: number }[] };
      readonly overlaps: { readonly count: number };
      readonly removed: { readonly from: number; readonly to: number } | null;
      readonly behind: number;
    }[];
  }[];
}

describeWithKafka("streamgauge ledger", () => {
  let cluster: Cluster;
  let config = "";
  let schemaId = 0;
  let flights: readonly Flight[] = [];
  /** Flights produced so far, over all partitions. */
  let sent = 0;

  beforeAll(async () => {
    cluster = await Cluster.start();
    const found = await flightsOf(Date.UTC(2013, 0, 1), Date.UTC(2013, 0, 12));
    flights = found.flights;
    schemaId = await cluster.register("rides-value", found.schema);
    config = cluster.write("rides.yaml", configFor(cluster));
  });
  afterAll(() => cluster?.stop());

  /** The next flights, so many to each partition. */
  async function produce(perPartition: number): Promise<void> {
    const next = flights.slice(sent, sent + PARTITIONS * perPartition);
    expect(next.length).toBe(PARTITIONS * perPartition);
    await cluster.produce(
      TOPIC,
      next.map(({ payload, timeMs }, at) => ({
        partition: (sent + at) % PARTITIONS,
        value: frame(schemaId, payload),
        timestampMs: timeMs,
      })),
    );
    sent += next.length;
  }

  async function ledger(...more: readonly string[]): Promise<{ code: number | null; ledger: Ledger; text: string }> {
    const command = cluster.streamgauge("ledger", "-c", config, "--json", ...more);
    const code = await command.ended();
    expect(command.stdout, command.stderr).not.toBe("");
    return { code, ledger: JSON.parse(command.stdout) as Ledger, text: command.stdout };
  }

  async function untilAtTheEnd(): Promise<Ledger> {
    let last: Ledger | undefined;
    await until("everything is in the ledger", async () => {
      last = (await ledger()).ledger;
      return last.datasets[0]!.partitions.every(({ behind, range }) => range !== null && behind === 0);
    });
    return last!;
  }

  async function alerts(): Promise<AlertRecord[]> {
    const told = await cluster.committed(`${TOPIC}.alerts`);
    return told.map(({ value }) => JSON.parse(String(value)) as AlertRecord);
  }

  /** As retention would. */
  function removeUpTo(partition: number, offset: number): Promise<void> {
    const partitions = [{ partition, offset: String(offset) }];
    return cluster.asAdmin(async (admin) => {
      // kafkajs knows no leaders before it was asked for something else.
      await admin.fetchTopicOffsets(TOPIC);
      await admin.deleteTopicRecords({ topic: TOPIC, partitions });
    });
  }

  test("refuses to speak of what is not there, and of what it was not asked", async () => {
    const command = cluster.streamgauge("ledger", "-c", config);
    expect(await command.ended()).toBe(2);
    expect((await cluster.topics()).filter((topic) => topic.startsWith(TOPIC))).toEqual([]);
    expect(command.stderr).toContain(`there is no topic ${TOPIC}.profiles`);
    const other = cluster.streamgauge("ledger", "-c", config, "--fail-on", "weather");
    expect(await other.ended()).toBe(2);
  });

  test("joins over processes, of which one was killed", async () => {
    await cluster.createTopic(TOPIC, PARTITIONS);
    const first = cluster.streamgauge("run", "-c", config);
    await first.logged("running");
    await produce(500);
    await untilAtTheEnd();
    const more = produce(500);
    await sleep(300);
    await first.kill("SIGKILL");
    await more;
    const second = cluster.streamgauge("run", "-c", config);
    const found = await untilAtTheEnd();
    expect(found.isWhole).toBe(true);
    expect(found.datasets[0]).toMatchObject({
      counts: { consumed: sent, valid: sent },
      completeUpTo: expect.stringMatching(/^2013-01-0/),
      verdict: "every offset was counted once, 0 are still to come",
      partitions: [{ range: { from: 0, to: 1000 } }, { range: { from: 0, to: 1000 } }],
    });
    expect((await ledger("--fail-on", "gap")).code).toBe(0);
    expect(await second.kill("SIGTERM"), second.stderr).toBe(0);
    expect((await alerts()).filter(({ reason }) => reason.startsWith("offset"))).toEqual([]);
  });

  test("tells offsets that were removed while nobody ran, before and after the restart", async () => {
    await produce(200);
    await removeUpTo(0, 1100);
    const ahead = await ledger("--fail-on", "gap");
    expect(ahead.code).toBe(1);
    expect(ahead.ledger.datasets[0]).toMatchObject({
      verdict:
        "100 offsets deleted before they were read: the windows touched are partial; 300 offsets are still to come",
      partitions: [
        { removed: { from: 1000, to: 1100 }, behind: 100 },
        { removed: null, behind: 200 },
      ],
    });
    const run = cluster.streamgauge("run", "-c", config);
    const found = await untilAtTheEnd();
    expect(found.datasets[0]!.partitions.map(({ gaps }) => gaps.ranges)).toEqual([[{ from: 1000, to: 1100 }], []]);
    await until("the gap is told", async () => (await alerts()).some(({ reason }) => reason === "offset-gap"));
    const told = (await alerts()).filter(({ reason }) => reason.startsWith("offset"));
    expect(told).toMatchObject([
      {
        incident: `${TOPIC}/streamgauge/offset-gap/${TOPIC}/0/1000-1100`,
        state: "opened",
        severity: "P1",
        sentence: `${TOPIC}/0: offsets 1,000–1,099 were never seen; the windows touched are partial`,
        evidence: [{ topic: TOPIC, partition: 0, offset: 1000 }],
      },
    ]);
    const text = cluster.streamgauge("ledger", "-c", config);
    expect(await text.ended()).toBe(0);
    expect(text.stdout).toContain("never seen: [1000, 1100), 100 offsets");
    expect(await run.kill("SIGTERM"), run.stderr).toBe(0);
  });

  test("tells offsets that were removed while it ran", async () => {
    const run = cluster.streamgauge("run", "-c", config);
    await produce(10);
    await untilAtTheEnd();
    // It looks elsewhere; the answer that it waits for has come, and is empty.
    run.signal("SIGSTOP");
    await sleep(1000);
    await produce(100);
    await removeUpTo(1, 1270);
    run.signal("SIGCONT");
    const found = await untilAtTheEnd();
    const [gap, ...others] = found.datasets[0]!.partitions[1]!.gaps.ranges;
    expect(others).toEqual([]);
    expect(gap?.to).toBe(1270);
    expect(gap?.from).toBeGreaterThanOrEqual(1210);
    // What is not in the gap was counted, and nothing else.
    expect(found.datasets[0]!.counts.consumed).toBe(sent - 100 - (gap!.to - gap!.from));
    expect(found.datasets[0]!.partitions.map(({ overlaps }) => overlaps.count)).toEqual([0, 0]);
    await until("the gap is told", async () => (await alerts()).some(({ incident }) => incident.includes("/1/")));
    expect(
      (await alerts()).filter(({ incident }) => incident.includes("offset-gap")).map(({ sentence }) => sentence),
    ).toEqual([
      expect.stringMatching(/^rides\/0: offsets 1,000–1,099/),
      expect.stringMatching(new RegExp(`^rides/1: offsets ${gap!.from.toLocaleString("en-US")}–1,269 were never seen`)),
    ]);
    expect(run.stderr).toContain("records were removed by retention before they were read");
    // The windows that close from here on say so.
    await produce(2000);
    await until("the days around it are told", async () =>
      (await wholeDays()).some(({ windowStart }) => windowStart > "2013-01-05"),
    );
    const told = (await alerts()).filter(({ incident }) => incident.includes("offset-gap"));
    for (const { windowStart, windowEnd } of told) {
      const inside = (await wholeDays()).filter((day) => day.windowStart < windowEnd && day.windowEnd > windowStart);
      expect(inside.length).toBeGreaterThan(0);
      expect(inside.filter(({ partial }) => !partial)).toEqual([]);
    }
    const [last] = (await wholeDays()).slice(-1);
    expect(last?.positions?.map(({ topic, partition }) => `${topic}/${partition}`)).toEqual(["rides/0", "rides/1"]);
    expect(await run.kill("SIGTERM"), run.stderr).toBe(0);
  });

  test("a partition whose process hangs is told as unheard, and as heard when another has taken over", async () => {
    await cluster.createTopic("calls", PARTITIONS);
    const text = configFor(cluster)
      .replaceAll(TOPIC, "calls")
      .replace("idleAfter: 1h", "idleAfter: 1h, unheardAfter: 3s");
    const file = cluster.write("calls.yaml", text);
    const processes = [cluster.streamgauge("run", "-c", file), cluster.streamgauge("run", "-c", file)];
    for (const one of processes) await one.logged("running");
    const own = async () => {
      const told = await cluster.committed("calls.alerts");
      return told.map(({ value }) => JSON.parse(String(value)) as AlertRecord);
    };
    await until("both partitions are heard", async () => {
      const command = cluster.streamgauge("ledger", "-c", file, "--json");
      await command.ended();
      return (JSON.parse(command.stdout) as Ledger).datasets[0]!.partitions.every(({ range }) => range !== null);
    });
    const before = (await own()).length;
    processes[0]!.signal("SIGSTOP");
    await until("its partition is told as unheard", async () => (await own()).length > before);
    await until("all is heard again", async () => {
      const alerts = await own();
      return (
        alerts.filter(({ state }) => state === "opened").length ===
        alerts.filter(({ state }) => state === "resolved").length
      );
    });
    processes[0]!.signal("SIGCONT");
    const alerts = await own();
    // Each incident once opened and once resolved.
    const told = alerts.map(({ incident, state }) => `${incident} ${state}`);
    expect(new Set(told).size).toBe(told.length);
    for (const { incident, reason, sentence, severity } of alerts) {
      expect(incident).toMatch(/^calls\/streamgauge\/unheard\/calls\/[01]\//);
      expect(sentence).toMatch(
        reason === "unheard"
          ? /^calls\/[01]: nothing heard for \d+ s; windows wait for it$/
          : /^calls\/[01]: heard again after \d+ s$/,
      );
      expect(severity).toBe("P1");
    }
    for (const one of processes) expect(await one.kill("SIGTERM"), one.stderr).toBe(0);
  });

  async function wholeDays(): Promise<MetricsRecord[]> {
    const told = await cluster.committed(`${TOPIC}.metrics`);
    return told.map(({ value }) => JSON.parse(String(value)) as MetricsRecord).filter(({ slice }) => slice === "all");
  }
});

function configFor(cluster: Cluster): string {
  return `
deployment: ${TOPIC}
kafka: { brokers: ["${cluster.broker.address()}"], group: ${TOPIC} }
registry: { url: "${cluster.registry.url}" }
topics: { prefix: ${TOPIC}. }
startFrom: earliest
datasets:
  - topic: ${TOPIC}
    time: { field: time_hour, lateness: 1h, idleAfter: 1h }
    windows: { sizes: [1d] }
    flushEvery: 1s
`;
}
