import { createServer, type Server } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from "kafkajs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTokenSource } from "../../src/consumers/kafka-oauth.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { KafkaConfig, SaslConfig } from "../../src/core/config.ts";
import { ContractSession, record } from "../consumers/log-contract-kit.ts";
import { describeWithKafka, TestBroker } from "./broker.ts";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { kafkaFixture, kafkaLog, LogBook, plainConfig, rawKafka } from "./kafka-log-kit.ts";
import { describeWithRdkafka } from "./rdkafka.ts";

const SECRET = "alice-secret";

describeWithKafka("KafkaConnection", () => {
  let certificates: Certificates;
  let broker: TestBroker;
  let tokens: TokenServer;
  beforeAll(async () => {
    certificates = makeCertificates();
    tokens = await TokenServer.start();
    broker = await TestBroker.start({
      listeners: { MTLS: "SSL", SASL: "SASL_SSL", OAUTH: "SASL_PLAINTEXT" },
      scram: [`SCRAM-SHA-256=[name=alice,password=${SECRET}]`, `SCRAM-SHA-512=[name=alice,password=${SECRET}]`],
      properties: {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": `${certificates.folder}/server.pem`,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": `${certificates.folder}/ca.pem`,
        "listener.name.mtls.ssl.client.auth": "required",
        "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.sasl.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="${SECRET}" user_bob="bob-secret";`,
        "listener.name.sasl.scram-sha-256.sasl.jaas.config":
          "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        "listener.name.sasl.scram-sha-512.sasl.jaas.config":
          "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.oauth.oauthbearer.sasl.jaas.config":
          'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
      },
    });
    const admin = rawKafka(broker).admin();
    const allow = (user: string, resourceType: number, resourceName: string, operation = AclOperationTypes.ALL) => ({
      principal: `User:${user}`,
      host: "*",
      permissionType: AclPermissionTypes.ALLOW,
      resourceType,
      resourceName,
      resourcePatternType: ResourcePatternTypes.PREFIXED,
      operation,
    });
    const { TOPIC, GROUP, TRANSACTIONAL_ID } = AclResourceTypes;
    await admin.createAcls({
      acl: [
        ...["alice", "CN=profiler", "oauth-user"].flatMap((user) => [
          allow(user, TOPIC, "input"),
          allow(user, TOPIC, "output"),
          allow(user, GROUP, "group"),
          allow(user, TRANSACTIONAL_ID, "prefix"),
        ]),
        allow("bob", TOPIC, "input", AclOperationTypes.READ),
        allow("bob", GROUP, "group-of-bob", AclOperationTypes.READ),
        allow("bob", TRANSACTIONAL_ID, "prefix-of-bob"),
      ],
    });
    await admin.disconnect();
  });
  afterAll(async () => {
    await broker?.stop();
    await tokens?.stop();
    certificates?.remove();
  });

  const tls = () => ({ ca: certificates.ca });
  const sasl = (mechanism: "plain" | "scram-sha-256" | "scram-sha-512", username = "alice", password = SECRET) => ({
    mechanism,
    username,
    password,
  });
  const config = (listener: string, rest: Partial<KafkaConfig>): KafkaConfig => ({
    brokers: [broker.address(listener)],
    group: "unused",
    ...rest,
  });
  const oauth = (clientSecret = "s3cr3t"): SaslConfig => ({
    mechanism: "oauthbearer",
    tokenUrl: tokens.url,
    clientId: "streamgauge",
    clientSecret,
  });

  const LOGINS = [
    ["SASL PLAIN over TLS", () => config("SASL", { tls: tls(), sasl: sasl("plain") })],
    ["SASL SCRAM-SHA-256 over TLS", () => config("SASL", { tls: tls(), sasl: sasl("scram-sha-256") })],
    ["SASL SCRAM-SHA-512 over TLS", () => config("SASL", { tls: tls(), sasl: sasl("scram-sha-512") })],
    [
      "mutual TLS",
      () => config("MTLS", { tls: { ...tls(), cert: certificates.clientCert, key: certificates.clientKey } }),
    ],
    ["SASL OAUTHBEARER", () => config("OAUTH", { sasl: oauth() })],
  ] as const;
  const title = "KafkaLog reads, commits and appends as a user with the least rights: %s";
  test.each(LOGINS)(title, (_name, configOf) => passesThrough(configOf()));
  describeWithRdkafka("KafkaConnection", () => {
    test.each(LOGINS)(title, (_name, configOf) => passesThrough({ ...configOf(), client: "node-rdkafka" }));
  });

  async function passesThrough(kafka: KafkaConfig): Promise<void> {
    const fixture = kafkaFixture(broker);
    const session = new ContractSession(fixture, await fixture.createLog());
    const log = kafkaLog(kafka);
    const [topic, output] = [await session.topic("input"), await session.topic("output")];
    await log.append([record(topic, "a", { partition: 0 })]);
    const consumer = await session.subscribe(topic, {
      log,
    });
    const claim = await consumer.claim();
    await consumer.until("a came", () => consumer.values().length === 1);
    await claim.commit([record(output, "seen", { partition: 0 })], 1);
    expect(await session.valuesOf(output)).toEqual(["seen"]);
    await consumer.subscription!.stop();
    await log.close();
    await session.end();
    await fixture.close();
  }

  test.each([
    [
      "a wrong password",
      () => config("SASL", { tls: tls(), sasl: sasl("plain", "alice", "guess") }),
      "SG_CONFIG",
      /check kafka\.sasl: the broker refuses this user/,
    ],
    [
      "a wrong SCRAM password",
      () => config("SASL", { tls: tls(), sasl: sasl("scram-sha-512", "alice", "guess") }),
      "SG_CONFIG",
      /check kafka\.sasl: the broker refuses this user/,
    ],
    [
      "a mechanism that the broker has not",
      () => config("OAUTH", { sasl: sasl("plain") }),
      "SG_CONFIG",
      /check kafka\.sasl: the broker does not offer this mechanism/,
    ],
    [
      "a token server that refuses",
      () => config("OAUTH", { sasl: oauth("wrong") }),
      "SG_CONFIG",
      /Cannot get a token from http:.*: check kafka\.sasl, the server answers 401/,
    ],
    [
      "an unknown authority",
      () => config("SASL", { tls: {}, sasl: sasl("plain") }),
      "SG_CONFIG",
      /check kafka\.tls: .*certificate/,
    ],
    [
      "a server of another name",
      () => config("SASL", { tls: { ...tls(), serverName: "kafka.example" }, sasl: sasl("plain") }),
      "SG_CONFIG",
      /check kafka\.tls: .*kafka\.example/,
    ],
    ["no certificate where one is wanted", () => config("MTLS", { tls: tls() }), "SG_CONFIG", /check kafka\.tls/],
    ["TLS to a server without", () => config("PLAIN", { tls: tls() }), "SG_CONFIG", /check kafka\.tls/],
    ["no TLS to a server with it", () => config("MTLS", {}), "SG_CONNECT", /check whether it wants kafka\.tls/],
    ["no user for a server that wants one", () => config("OAUTH", {}), "SG_CONNECT", /kafka\.sasl/],
    [
      "an address where nobody listens",
      () => config("PLAIN", { brokers: ["127.0.0.1:1"] }),
      "SG_CONNECT",
      /check kafka\.brokers: nobody listens there/,
    ],
    [
      "an unknown host",
      () => config("PLAIN", { brokers: ["kafka.invalid:9092"] }),
      "SG_CONNECT",
      /check kafka\.brokers: the host name is unknown/,
    ],
  ] as const)("KafkaLog.ping() says in one sentence what is wrong: %s", async (_name, configOf, code, message) => {
    const book = new LogBook();
    const log = kafkaLog(configOf(), { logger: book });
    const error = await log.ping().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    await log.close();
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    const told = `${(error as Error).message}\n${book.lines.join("\n")}`;
    expect((error as Error).message).toMatch(/^Cannot [^\n]+$/);
    for (const secret of [SECRET, "guess", "s3cr3t"]) expect(told).not.toContain(secret);
  });

  test("KafkaLog.ping() gives up on a server that accepts and says nothing", async () => {
    const silent = createTcpServer(() => {});
    await new Promise<void>((resolve) => {
      silent.listen(0, "127.0.0.1", resolve);
    });
    const address = silent.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    const log = kafkaLog({ brokers: [`127.0.0.1:${port}`], group: "unused" });
    const started = performance.now();
    await expect(log.ping()).rejects.toMatchObject({ code: "SG_CONNECT" });
    expect(performance.now() - started).toBeLessThan(16_000);
    await log.close();
    silent.close();
  });

  test.each([
    [
      "the topic",
      "hidden",
      {},
      "Cannot subscribe: create the topic; hidden-.* does not exist, or this user may not see it",
    ],
    [
      "the group",
      "input",
      { group: "other" },
      "Cannot .*: give this user the permission: it may not use the consumer group",
    ],
    [
      "the transactional id",
      "input",
      { transactionalPrefix: "other" },
      "Cannot claim input.*: give this user the permission: it may not use the transactional id",
    ],
  ] as const)("KafkaLog.subscribe() names the missing permission: %s", async (_name, stem, names, message) => {
    const fixture = kafkaFixture(broker);
    const session = new ContractSession(fixture, await fixture.createLog());
    const topic = await session.topic(stem);
    const log = kafkaLog(config("SASL", { tls: tls(), sasl: sasl("plain", "bob", "bob-secret") }));
    const own = { group: fixture.uniqueName("group-of-bob"), transactionalPrefix: fixture.uniqueName("prefix-of-bob") };
    const outcome = session.subscribe(topic, { log, ...own, ...names }).then((consumer) => consumer.subscription!.done);
    await expect(outcome).rejects.toMatchObject({ code: "SG_CONFIG", message: expect.stringMatching(message) });
    await log.close();
    await session.end();
    await fixture.close();
  });

  test("Claim.commit() to a topic that the user may not write ends the subscription and names the permission", async () => {
    const fixture = kafkaFixture(broker);
    const session = new ContractSession(fixture, await fixture.createLog());
    const [topic, output] = [await session.topic("input"), await session.topic("output")];
    const log = kafkaLog(config("SASL", { tls: tls(), sasl: sasl("plain", "bob", "bob-secret") }));
    const names = {
      group: fixture.uniqueName("group-of-bob"),
      transactionalPrefix: fixture.uniqueName("prefix-of-bob"),
    };
    const consumer = await session.subscribe(topic, { log, ...names });
    const claim = await consumer.claim();
    const refused = { code: "SG_CONFIG", message: expect.stringContaining("it may not use the topic") };
    await expect(claim.commit([record(output, "x", { partition: 0 })], 0)).rejects.toMatchObject(refused);
    await expect(consumer.subscription!.done).rejects.toMatchObject(refused);
    await log.close();
    await session.end();
    await fixture.close();
  });

  test("KafkaLog.createTopics() of a user who may not lists what an administrator has to create", async () => {
    const log = kafkaLog(config("SASL", { tls: tls(), sasl: sasl("plain", "bob", "bob-secret") }));
    const specs = [
      { name: "sg.profiles", partitions: 1, retentionMs: Number.POSITIVE_INFINITY },
      { name: "sg.state", partitions: 3, compacted: true },
    ];
    await expect(log.createTopics(specs)).rejects.toMatchObject({
      code: "SG_CONFIG",
      message:
        "Cannot create topics: this user may not. Have an administrator create " +
        "sg.profiles (partitions=1, retention.ms=-1), sg.state (partitions=3, cleanup.policy=compact, segment.bytes=33554432, min.cleanable.dirty.ratio=0.3); " +
        "if they are there, grant this user Read and Write",
    });
    await log.close();
    const admin = kafkaLog(plainConfig(broker));
    await admin.createTopics(specs);
    expect(await admin.describeTopics(["sg.profiles", "sg.state"])).toEqual(
      new Map([
        ["sg.profiles", { partitions: 1, compacted: false }],
        ["sg.state", { partitions: 3, compacted: true }],
      ]),
    );
    await admin.close();
  });
});

describe("createTokenSource()", () => {
  test("asks again after 80 % of a token's life, and once for callers at the same time", async () => {
    const tokens = await TokenServer.start();
    const clock = new ManualClock(0);
    const credentials = { clientId: "streamgauge", clientSecret: "s3cr3t", scope: "kafka read" };
    const token = createTokenSource({ mechanism: "oauthbearer", tokenUrl: tokens.url, ...credentials }, clock);
    const [first, same] = await Promise.all([token(), token()]);
    expect([first, tokens.requests.length]).toEqual([same, 1]);
    expect(tokens.requests[0]).toBe("grant_type=client_credentials&scope=kafka+read");
    clock.moveTo(0.8 * 60_000 - 1);
    expect(await token()).toBe(first);
    clock.moveTo(0.8 * 60_000);
    expect(await token()).not.toBe(first);
    expect(tokens.requests.length).toBe(2);
    await tokens.stop();
    expect(await token()).not.toBe(first);
    clock.moveTo(3 * 60_000);
    await expect(token()).rejects.toMatchObject({ code: "SG_CONNECT" });
  });
});

/** Gives unsigned tokens of one minute to one client. */
class TokenServer {
  readonly url: string;
  /** Bodies, in order. */
  readonly requests: string[] = [];
  readonly #server: Server;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}/token`;
  }

  static async start(): Promise<TokenServer> {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const address = server.address();
    const tokens = new TokenServer(server, address !== null && typeof address === "object" ? address.port : 0);
    server.on("request", (request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        tokens.requests.push(body);
        const right = `Basic ${Buffer.from("streamgauge:s3cr3t").toString("base64")}`;
        if (request.headers.authorization !== right) {
          response.writeHead(401).end();
          return;
        }
        const answer = { access_token: unsignedToken(tokens.requests.length), expires_in: 60 };
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
      });
    });
    return tokens;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

function unsignedToken(id: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const nowS = Math.floor(Date.now() / 1000);
  return `${part({ alg: "none" })}.${part({ sub: "oauth-user", iat: nowS, exp: nowS + 60, jti: `${id}` })}.`;
}
