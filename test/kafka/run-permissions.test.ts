import { readFileSync } from "node:fs";
import { type AclEntry, AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from "kafkajs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { frame } from "../../src/schemas/wire-format.ts";
import { describeWithKafka } from "./broker.ts";
import { Cluster, flightsOf, until } from "./deployment-kit.ts";

const PASSWORD = "gauge-secret-4711";
/** The names of the configuration below, as docs/permissions.md calls them. */
const NAMES: Readonly<Record<string, string>> = {
  "`datasets[].topic`": "trips",
  "`topics.prefix`": "streamgauge.",
  "`quarantine.topic`": "refused",
  "`kafka.group` + `.`": "gauge.",
  "`deployment` + `.`": "prod.",
};
const RESOURCES: Readonly<Record<string, AclResourceTypes>> = {
  topic: AclResourceTypes.TOPIC,
  group: AclResourceTypes.GROUP,
  "transactional id": AclResourceTypes.TRANSACTIONAL_ID,
};
const OPERATIONS: Readonly<Record<string, AclOperationTypes>> = {
  Read: AclOperationTypes.READ,
  Write: AclOperationTypes.WRITE,
  Describe: AclOperationTypes.DESCRIBE,
};
/** By the name of the resource: what docs/permissions.md says that it takes. */
const RIGHTS = documentedRights();

describeWithKafka("streamgauge as a user with few rights", () => {
  let cluster: Cluster;
  let config = "";

  beforeAll(async () => {
    cluster = await Cluster.start({
      listeners: { SASL: "SASL_PLAINTEXT" },
      properties: {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required user_gauge="${PASSWORD}";`,
      },
    });
    const { schema, flights } = await flightsOf(0, Date.UTC(2013, 0, 3));
    const id = await cluster.register("trips-value", schema);
    await cluster.createTopic("trips", 1);
    const records = flights.map(({ payload, timeMs }) => ({
      partition: 0,
      value: frame(id, payload),
      timestampMs: timeMs,
    }));
    await cluster.produce("trips", records);
    cluster.write("password", `${PASSWORD}\n`);
    config = cluster.write("gauge.yaml", yaml(`$${"{file:password}"}`));
    await grant([...RIGHTS.values()].flat());
  });
  afterAll(() => cluster?.stop());

  const yaml = (password: string) => `
deployment: prod
kafka:
  brokers: ["${cluster.broker.address("SASL")}"]
  group: gauge
  sasl: { mechanism: plain, username: gauge, password: "${password}" }
registry: { url: "${cluster.registry.url}" }
startFrom: earliest
datasets:
  - topic: trips
    time: { field: time_hour, lateness: 1h, idleAfter: 5s }
    windows: { sizes: [1h] }
    flushEvery: 1s
    quarantine: { topic: refused }
`;
  const grant = (acl: readonly AclEntry[]) => cluster.asAdmin((admin) => admin.createAcls({ acl: [...acl] }));
  const revoke = (acl: readonly AclEntry[]) =>
    cluster.asAdmin((admin) => admin.deleteAcls({ filters: acl.map((entry) => ({ ...entry })) }));

  /** The command ends by itself, with that exit code, one sentence, no stack and no secret. */
  async function expectRefusal(command: "run" | "doctor" | "ledger", file: string, sentence: RegExp): Promise<void> {
    const ended = cluster.streamgauge(command, "-c", file);
    const exitCode = await ended.ended();
    const said = ended.stdout + ended.stderr;
    expect(exitCode, said).toBe(2);
    expect(said).toMatch(sentence);
    expect(said).not.toMatch(/\n\s+at /);
    expect(said).not.toContain(PASSWORD);
  }

  test("a wrong password is told as such by run and doctor", async () => {
    const file = cluster.write("guess.yaml", yaml("guess"));
    for (const command of ["run", "doctor"] as const) {
      await expectRefusal(command, file, /check kafka\.sasl: the broker refuses this user/);
    }
  });

  test("without the right to create topics, run says what an administrator has to create; then all works", async () => {
    const refused = cluster.streamgauge("run", "-c", config);
    expect(await refused.ended()).toBe(2);
    const [, list = ""] = /Have an administrator create (.*)/.exec(refused.stderr) ?? [];
    // As an administrator would: by the names and settings of the sentence alone.
    const topics = [...list.matchAll(/([a-z.]+) \(([^)]*)\)/g)].map(([, topic = "", settings = ""]) => {
      const values = new Map(settings.split(", ").map((pair) => pair.split("=") as [string, string]));
      const numPartitions = Number(values.get("partitions"));
      values.delete("partitions");
      return { topic, numPartitions, configEntries: [...values].map(([name, value]) => ({ name, value })) };
    });
    expect(topics.length).toBe(7);
    await cluster.asAdmin((admin) => admin.createTopics({ topics, waitForLeaders: true }));

    const doctor = cluster.streamgauge("doctor", "-c", config);
    expect(await doctor.ended(), doctor.stdout + doctor.stderr).toBe(0);
    expect(doctor.stdout).toContain("run has what it needs");
    const run = cluster.streamgauge("run", "-c", config);
    await run.logged("running");
    await until("windows are told", async () => (await cluster.committed("streamgauge.metrics")).length > 20);
    expect(await run.kill("SIGTERM"), run.stderr).toBe(0);
    expect(run.stderr).not.toContain(PASSWORD);
  });

  test.each([
    ["trips", /trips.*does not exist, or this user may not see it/, /FAIL {2}topic trips: .*grant Describe and Read/],
    ["streamgauge.", /grant this user Read and Write/, /FAIL {2}own topics: .*create streamgauge\.state \(/],
    ["refused", /create refused \(partitions=1\)/, /FAIL {2}own topics: .*create refused \(/],
    ["gauge.", /may not use the consumer group/, /FAIL {2}Read group gauge\.profiler: .*permission/],
    ["prod.", /may not use the transactional id/, /FAIL {2}Write transactional id prod\.doctor: .*permission/],
  ] as const)(
    "without the rights on %s, run and doctor name what is missing",
    async (name, said, found) => {
      const rights = RIGHTS.get(name) ?? [];
      expect(rights.length).toBeGreaterThan(0);
      await revoke(rights);
      try {
        await expectRefusal("run", config, said);
        await expectRefusal("doctor", config, found);
      } finally {
        await grant(rights);
      }
    },
    120_000,
  );

  test("ledger needs Read on its topics, and nothing else", async () => {
    const read = ({ operation }: AclEntry) => operation === AclOperationTypes.READ;
    const others = [...RIGHTS].flatMap(([name, rights]) =>
      name === "trips" || name === "streamgauge." ? rights.filter((right) => !read(right)) : rights,
    );
    expect(others.length).toBeGreaterThan(4);
    await revoke(others);
    try {
      const ledger = cluster.streamgauge("ledger", "-c", config);
      expect(await ledger.ended(), ledger.stderr).toBe(0);
      expect(ledger.stdout).toMatch(/trips\/0 {2}offsets \[0, \d+\)/);
      expect(ledger.stdout).toMatch(/trips: complete up to .*; every offset was counted once/);
      const trips = RIGHTS.get("trips")!;
      await revoke(trips);
      await expectRefusal("ledger", config, /trips does not exist, or this user may not see it/);
      await grant(trips);
    } finally {
      await grant(others);
    }
  });

  test("a right that is taken away while it runs ends run with a sentence that names it", async () => {
    const run = cluster.streamgauge("run", "-c", config);
    await run.logged("running");
    const rights = RIGHTS.get("streamgauge.")!.filter(({ operation }) => operation === AclOperationTypes.WRITE);
    expect(rights.length).toBe(1);
    await revoke(rights);
    try {
      expect(await run.ended(), run.stderr).toBe(2);
      expect(run.stderr).toMatch(/give this user the permission: it may not use the topic/);
      expect(run.stderr).not.toMatch(/\n\s+at /);
    } finally {
      await grant(rights);
    }
  });
});

function documentedRights(): ReadonlyMap<string, AclEntry[]> {
  const text = readFileSync(new URL("../../docs/permissions.md", import.meta.url), "utf8");
  const rights = new Map<string, AclEntry[]>();
  for (const line of text.split("\n")) {
    const [, resource = "", pattern, name = "", operations = ""] = line.split("|").map((cell) => cell.trim());
    const resourceType = RESOURCES[resource];
    const resourceName = NAMES[name];
    if (resourceType === undefined || resourceName === undefined) continue;
    rights.set(
      resourceName,
      operations.split(", ").map((operation) => ({
        principal: "User:gauge",
        host: "*",
        permissionType: AclPermissionTypes.ALLOW,
        resourceType,
        resourceName,
        resourcePatternType: pattern === "literal" ? ResourcePatternTypes.LITERAL : ResourcePatternTypes.PREFIXED,
        operation: OPERATIONS[operation]!,
      })),
    );
  }
  expect([...rights.keys()].sort()).toEqual(Object.values(NAMES).sort());
  return rights;
}
