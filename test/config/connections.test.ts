/** Keys of Kafka, the registry and the sinks: what they give, and the exact lines when they are wrong. */
import { beforeAll, describe, expect, test } from "vitest";
import type { Certificates } from "../schemas/certificates.ts";
import { makeCertificates, PASSPHRASE } from "../schemas/certificates.ts";
import { load, mistakes } from "./load.ts";

const DATASET = "datasets: [{topic: t}]\n";

async function config(text: string, env: Record<string, string> = {}) {
  return (await load(`${DATASET}${text}`, { env })).config;
}

/** A block of the file below `DATASET`, its first line being the second of the file. */
function lines(text: string, env: Record<string, string> = {}): Promise<string[]> {
  return mistakes(`${DATASET}${text}\n`, { env });
}

let certificates: Certificates;
let pem: Record<string, string>;
beforeAll(() => {
  certificates = makeCertificates();
  const { ca, client, server } = certificates;
  pem = {
    CA: ca,
    TWO: `${ca}\n${server.cert}`,
    CERT: client.cert,
    KEY: client.key,
    ENCRYPTED: client.encryptedKey,
    OTHER_KEY: server.key,
    DAMAGED: ca.replace(/^M/m, "A"),
    DAMAGED_KEY: client.key.replace(/^M/m, "A"),
  };
});

describe("loadConfig()", () => {
  test("reads SASL by password and by OAuth", async () => {
    const sasl = async (text: string) => (await config(`kafka: {brokers: ["a:1"], sasl: ${text}}`)).kafka?.sasl;
    expect(await sasl("{mechanism: scram-sha-256, username: u, password: p}")).toEqual({
      mechanism: "scram-sha-256",
      username: "u",
      password: "p",
    });
    const oauth = "mechanism: oauthbearer, tokenUrl: https://login/token, clientId: c, clientSecret: s";
    const expected = { mechanism: "oauthbearer", tokenUrl: "https://login/token", clientId: "c", clientSecret: "s" };
    expect(await sasl(`{${oauth}}`)).toEqual(expected);
    expect(await sasl(`{${oauth}, scope: kafka}`)).toEqual({ ...expected, scope: "kafka" });
  });

  test("reads which client is to be used", async () => {
    const client = async (text: string) => (await config(`kafka: {brokers: ["a:1"]${text}}`)).kafka?.client;
    expect(await client("")).toBeUndefined();
    expect(await client(", client: kafkajs")).toBe("kafkajs");
    expect(await client(", client: node-rdkafka")).toBe("node-rdkafka");
  });

  test("takes a password that is a number in the environment as text", async () => {
    const text = `kafka: {brokers: ["a:1"], sasl: {mechanism: plain, username: u, password: "\${P}"}}`;
    expect((await config(text, { P: "0123" })).kafka?.sasl).toMatchObject({ password: "0123" });
    expect((await config(text.replaceAll('"', "'"), { P: "7" })).kafka?.sasl).toMatchObject({
      password: "7",
    });
  });

  test("reads TLS: on, off, an authority, our own certificate with a plain and an encrypted key", async () => {
    const tls = async (text: string) =>
      (await config(`kafka:\n  brokers: ["a:1"]\n  tls: ${text}`, { ...pem, P: PASSPHRASE })).kafka?.tls;
    expect(await tls("true")).toEqual({});
    expect(await tls("{}")).toEqual({});
    expect(await tls("false")).toBeUndefined();
    expect(await tls(`{ca: "\${TWO}", serverName: kafka.example.com}`)).toEqual({
      ca: pem.TWO,
      serverName: "kafka.example.com",
    });
    expect(await tls(`{cert: "\${CERT}", key: "\${KEY}"}`)).toEqual({ cert: pem.CERT, key: pem.KEY });
    expect(await tls(`{cert: "\${CERT}", key: "\${ENCRYPTED}", passphrase: "\${P}"}`)).toEqual({
      cert: pem.CERT,
      key: pem.ENCRYPTED,
      passphrase: PASSPHRASE,
    });
  });

  test("reads the registry with either way to log in, TLS and a cache", async () => {
    expect(
      (await config("registry: {url: http://r:8081/apis/ccompat/v7, auth: {username: u, password: p}, cache: dir}"))
        .registry,
    ).toEqual({
      url: "http://r:8081/apis/ccompat/v7",
      auth: { kind: "basic", username: "u", password: "p" },
      cacheDirectory: "dir",
    });
    expect((await config(`registry: {url: https://r, auth: {token: t}, tls: {ca: "\${CA}"}}`, pem)).registry).toEqual({
      url: "https://r",
      auth: { kind: "bearer", token: "t" },
      tls: { ca: pem.CA },
    });
  });

  test("reads the sinks that are consumer groups of their own", async () => {
    const text = `sinks:\n  - prometheus: {host: 0.0.0.0, port: 0, maxSeries: 7}\n  - prometheus: {}\n  - postgres: {url: "\${URL}", schema: quality, tls: true}\n  - postgres: {url: postgresql:///local}`;
    expect((await config(text, { URL: "postgres://u:p%40@h/d?sslmode=require" })).sinks).toEqual([
      { kind: "prometheus", host: "0.0.0.0", port: 0, maxSeries: 7 },
      { kind: "prometheus", host: "127.0.0.1", port: 9_464, maxSeries: 2_000 },
      { kind: "postgres", url: "postgres://u:p%40@h/d?sslmode=require", schema: "quality", tls: {} },
      { kind: "postgres", url: "postgresql:///local", schema: "streamgauge" },
    ]);
  });

  test.each([
    ["earliest", "earliest"],
    ["latest", "latest"],
    ["-7d", { agoMs: 604_800_000 }],
    ["-090s", { agoMs: 90_000 }],
  ])("reads startFrom: %s", async (text, expected) => {
    expect((await config(`startFrom: ${text}`)).startFrom).toEqual(expected);
  });
});

const MISTAKES: readonly (readonly [text: string, lines: readonly string[]])[] = [
  [
    "startFrom: 7d",
    ['2:12 startFrom: expected earliest, latest or a duration back such as -7d, got "7d" — did you mean "-7d"?'],
  ],
  [
    "startFrom: -1 week",
    ['2:12 startFrom: expected earliest, latest or a duration back such as -7d, got "-1 week" — did you mean "-7d"?'],
  ],
  ["startFrom: -0d", ['2:12 startFrom: expected earliest, latest or a duration back such as -7d, got "-0d"']],
  [
    "startFrom: Earliest",
    [
      '2:12 startFrom: expected earliest, latest or a duration back such as -7d, got "Earliest" — did you mean "earliest"?',
    ],
  ],
  ["checkpointEvery: 0", ["2:18 checkpointEvery: expected a duration greater than 0 such as 30s, got 0"]],
  [
    "checkpointEvery: 30",
    ["2:18 checkpointEvery: expected a duration greater than 0 such as 30s, got 30 — write the unit, as in 30s"],
  ],
  [
    "kafka: {brokers: localhost:9092}",
    [
      '2:18 kafka.brokers: expected a list of brokers such as [localhost:9092], got "localhost:9092" — put it into a list: [localhost:9092]',
    ],
  ],
  [
    "kafka: localhost:9092",
    ['2:8 kafka: expected a mapping with brokers, group, client, tls, sasl, got "localhost:9092"'],
  ],
  [
    "kafka: {brokers: [localhost]}",
    ['2:19 kafka.brokers[0]: expected host:port such as localhost:9092, got "localhost"'],
  ],
  ['kafka: {brokers: ["a:0"]}', ['2:19 kafka.brokers[0]: expected a port from 1 to 65535, got "a:0"']],
  ['kafka: {brokers: ["a:70000"]}', ['2:19 kafka.brokers[0]: expected a port from 1 to 65535, got "a:70000"']],
  ['kafka: {brokers: ["a:1", "a:1"]}', ['2:26 kafka.brokers[1]: the broker "a:1" is that of kafka.brokers[0] already']],
  ["kafka: {}", ['2:1 kafka: the key "brokers" is missing — for example brokers: [localhost:9092]']],
  [
    'kafka: {brokers: ["a:1"], client: rdkafka}',
    ['2:35 kafka.client: expected one of kafkajs, node-rdkafka, got "rdkafka"'],
  ],
  ["kafka: {broker: [a]}", ['2:9 kafka.broker: unknown key "broker" — did you mean "brokers"?']],
  ['kafka: {servers: ["a:1"]}', ['2:9 kafka.servers: unknown key "servers" — did you mean "brokers"?']],
  ['kafka: {brokers: ["a:1"], ssl: true}', ['2:27 kafka.ssl: unknown key "ssl" — did you mean "tls"?']],
  [
    'kafka: {brokers: ["a:1"], tls: yes}',
    ['2:32 kafka.tls: expected true, or a mapping with ca, cert, key, passphrase, serverName, got "yes"'],
  ],
  [
    'kafka: {brokers: ["a:1"], tls: {cert: c}}',
    [
      `2:27 kafka.tls: the key "key" is missing beside "cert" — for example key: "\${file:client.key}"`,
      `2:39 kafka.tls.cert: expected a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----, got "c" — write \${file:c} for what stands in the file`,
    ],
  ],
  [
    'kafka: {brokers: ["a:1"], tls: {passphrase: x}}',
    [`2:27 kafka.tls: the key "key" is missing beside "passphrase" — for example key: "\${file:client.key}"`],
  ],
  [
    'kafka: {brokers: ["a:1"], tls: {ca: certs/ca.pem}}',
    [
      `2:37 kafka.tls.ca: expected a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----, got "certs/ca.pem" — write \${file:certs/ca.pem} for what stands in the file`,
    ],
  ],
  [
    'kafka: {brokers: ["a:1"], sasl: {mechanism: PLAIN, username: u, password: p}}',
    [
      '2:45 kafka.sasl.mechanism: expected one of plain, scram-sha-256, scram-sha-512, oauthbearer, got "PLAIN" — did you mean "plain"?',
    ],
  ],
  [
    'kafka: {brokers: ["a:1"], sasl: {mechanism: plain}}',
    [
      '2:27 kafka.sasl: the key "username" is missing — for example username: streamgauge',
      `2:27 kafka.sasl: the key "password" is missing — for example password: "\${KAFKA_PASSWORD}"`,
    ],
  ],
  [
    'kafka: {brokers: ["a:1"], sasl: {username: u, password: p}}',
    ['2:27 kafka.sasl: the key "mechanism" is missing — for example mechanism: plain'],
  ],
  [
    'kafka: {brokers: ["a:1"], sasl: {mechanism: plain, user: u, password: p}}',
    ['2:52 kafka.sasl.user: unknown key "user" — did you mean "username"?'],
  ],
  [
    'kafka: {brokers: ["a:1"], sasl: {mechanism: oauthbearer, clientId: c, username: u}}',
    [
      '2:27 kafka.sasl: the key "tokenUrl" is missing — for example tokenUrl: https://login.example.com/token',
      `2:27 kafka.sasl: the key "clientSecret" is missing — for example clientSecret: "\${KAFKA_CLIENT_SECRET}"`,
      "2:71 kafka.sasl.username: not used by the mechanism oauthbearer — remove it, or choose another mechanism",
    ],
  ],
  [
    "registry: {url: localhost:8081}",
    ['2:17 registry.url: expected a URL such as http://localhost:8081, got "localhost:8081"'],
  ],
  ["registry: {url: 'http://:80'}", ['2:17 registry.url: expected a URL with a host, got "http://:80"']],
  ["registry: {url: 'http://r/?a=b'}", ['2:17 registry.url: expected a URL without ? and #, got "http://r/?***"']],
  [
    "registry: {url: 'http://u:p@r'}",
    [
      '2:17 registry.url: expected a URL without user name and password, got "http://***@r" — put them into registry.auth',
    ],
  ],
  [
    "registry: {url: http://r, tls: true}",
    ["2:27 registry.tls: the URL begins with http://, which decides whether TLS is used — change it, or remove tls"],
  ],
  [
    "registry: {url: https://r, tls: false}",
    ["2:28 registry.tls: the URL begins with https://, which decides whether TLS is used — change it, or remove tls"],
  ],
  [
    "registry: {url: http://r, auth: {}}",
    [
      '2:27 registry.auth: the key "username" is missing — for example username: streamgauge',
      `2:27 registry.auth: the key "password" is missing — for example password: "\${REGISTRY_PASSWORD}"`,
    ],
  ],
  [
    "registry: {url: http://r, auth: {token: t, username: u}}",
    ["2:34 registry.auth.token: expected either token, or username and password, got both — remove one"],
  ],
  [
    "sinks: [prometheus]",
    [
      '2:9 sinks[0]: expected one sink per item such as {console: {}}, got "prometheus" — write prometheus: with its options below it',
    ],
  ],
  [
    "sinks: [{prometheus: {port: 70000}}]",
    ["2:29 sinks[0].prometheus.port: expected a whole number from 0 to 65535, got 70000"],
  ],
  [
    "sinks: [{prometheus: {port: 9464}}, {prometheus: {}}]",
    ["2:38 sinks[1].prometheus: the port 9464 is that of sinks[0].prometheus already"],
  ],
  [
    "sinks: [{postgres: {}}]",
    ['2:10 sinks[0].postgres: the key "url" is missing — for example url: postgres://localhost/streamgauge'],
  ],
  [
    "sinks: [{postgres: {url: mysql://h}}]",
    ["2:26 sinks[0].postgres.url: expected a URL such as postgres://localhost/streamgauge, got ***"],
  ],
  [
    "sinks: [{postgres: {url: 'postgres://u:a/b@h/d'}}]",
    [
      "2:26 sinks[0].postgres.url: expected a URL such as postgres://localhost/streamgauge, got *** — signs such as @ / # % in the password are written as %40 %2F %23 %25",
    ],
  ],
  [
    "sinks: [{postgres: {url: postgres://h/d, schema: Quality}}]",
    [
      '2:50 sinks[0].postgres.schema: expected a schema name of small letters, digits and _ such as streamgauge, got "Quality"',
    ],
  ],
  [
    "sinks: [{postgres: {url: postgres://h/d}}, {postgres: {url: postgres://h/d}}]",
    ['2:45 sinks[1].postgres: the schema "streamgauge" of the same database is that of sinks[0].postgres already'],
  ],
  [
    "sinks: [{webhook: {url: https://h}}]",
    ['2:10 sinks[0].webhook: the key "webhook" is known but does not work yet in this version (0.1.0) — remove it'],
  ],
];

describe("loadConfig(), given mistakes,", () => {
  test.each(MISTAKES)("explains %j", async (text, expected) => {
    expect(await lines(text)).toEqual(expected);
  });

  test("explains certificates and keys that do not fit", async () => {
    const tls = (text: string) =>
      lines(`kafka:\n  brokers: ["a:1"]\n  tls: ${text}`, { ...pem, P: "wrong", EMPTY: "" });
    expect(await tls(`{ca: "\${DAMAGED}"}`)).toEqual([
      `4:13 kafka.tls.ca: expected a certificate in PEM, got a damaged one in what "\${DAMAGED}" stands for`,
    ]);
    expect(await tls(`{ca: "\${KEY}"}`)).toEqual([
      `4:13 kafka.tls.ca: expected a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----, got what "\${KEY}" stands for`,
    ]);
    expect(await tls(`{cert: "\${CERT}", key: "\${OTHER_KEY}"}`)).toEqual([
      "4:31 kafka.tls.key: expected the private key of the certificate beside it, got that of another",
    ]);
    expect(await tls(`{cert: "\${CERT}", key: client.key}`)).toEqual([
      `4:31 kafka.tls.key: expected a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----, got *** — write \${file:NAME} for what stands in a file`,
    ]);
    expect(await tls(`{cert: "\${CERT}", key: "\${DAMAGED_KEY}"}`)).toEqual([
      "4:31 kafka.tls.key: the private key is damaged",
    ]);
    expect(await tls(`{cert: "\${CERT}", key: "\${ENCRYPTED}"}`)).toEqual([
      "4:31 kafka.tls.key: the private key is encrypted — add its passphrase",
    ]);
    expect(await tls(`{cert: "\${CERT}", key: "\${ENCRYPTED}", passphrase: "\${P}"}`)).toEqual([
      "4:59 kafka.tls.passphrase: the passphrase does not open the private key",
    ]);
    expect(await tls(`{cert: "\${CERT}", key: "\${EMPTY}"}`)).toEqual([
      `4:31 kafka.tls.key: expected a private key in PEM such as \${file:client.key}, got what "\${EMPTY}" stands for`,
    ]);
  });
});
