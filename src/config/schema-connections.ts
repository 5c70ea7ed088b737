/** The keys of what streamgauge connects to: Kafka and the schema registry. */
import type { KeySchema } from "./schema-parts.ts";
import { httpUrl, mapping, secret, text, variable } from "./schema-parts.ts";

/** Certificates are read from files by `${file:…}`: a path alone is refused with that hint. */
export function tls(description: string): KeySchema {
  return {
    description,
    examples: [
      true,
      { ca: variable("file:ca.pem") },
      { cert: variable("file:client.pem"), key: variable("file:client.key") },
    ],
    "x-known-as": ["ssl"],
    title: "true, or a mapping with ca, cert, key, passphrase, serverName",
    "x-secret": "word",
    ...mapping({
      ca: pem(
        "Certificates (PEM) of the authorities to trust. Default: those that Node trusts.",
        "certificates in PEM",
        variable("file:ca.pem"),
      ),
      cert: pem(
        "Our own certificate (PEM), for servers that ask for one.",
        "a certificate in PEM",
        variable("file:client.pem"),
      ),
      key: secret("Private key (PEM) of the certificate.", "a private key in PEM", variable("file:client.key")),
      passphrase: secret("Passphrase of the private key.", "text", variable("KEY_PASSPHRASE")),
      serverName: text(
        "Name that the server's certificate must have. Default: the host that is connected to.",
        "a host name such as kafka.example.com",
        "kafka.example.com",
      ),
    }),
    type: ["object", "boolean"],
    dependencies: { cert: ["key"], key: ["cert"], passphrase: ["key"] },
  };
}

/** Not secret, but a private key may stand in its place by mistake. */
function pem(description: string, title: string, example: string): KeySchema {
  return { ...text(description, `${title} such as ${example}`, example), "x-secret": "word" };
}

const SASL: KeySchema = {
  description: "How to log in.",
  examples: [
    { mechanism: "scram-sha-512", username: "streamgauge", password: variable("KAFKA_PASSWORD") },
    {
      mechanism: "oauthbearer",
      tokenUrl: "https://login.example.com/token",
      clientId: "streamgauge",
      clientSecret: variable("KAFKA_CLIENT_SECRET"),
    },
  ],
  "x-secret": "value",
  ...mapping(
    {
      mechanism: {
        type: "string",
        enum: ["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"],
        title: "one of plain, scram-sha-256, scram-sha-512, oauthbearer",
        description: "Mechanism; oauthbearer fetches its tokens with a client secret.",
        examples: ["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"],
        "x-secret": "word",
      },
      username: { ...text("User name.", "a user name such as streamgauge", "streamgauge"), "x-known-as": ["user"] },
      password: secret("Password.", "text", variable("KAFKA_PASSWORD")),
      tokenUrl: httpUrl("Where tokens are fetched.", "https://login.example.com/token"),
      clientId: text("Client that asks for tokens.", "a client id such as streamgauge", "streamgauge"),
      clientSecret: secret("Secret of the client.", "text", variable("KAFKA_CLIENT_SECRET")),
      scope: text("Scope to ask for. Default: none.", "a scope such as kafka", "kafka"),
    },
    ["mechanism"],
  ),
  allOf: [
    {
      if: { properties: { mechanism: { not: { enum: ["plain", "scram-sha-256", "scram-sha-512"] } } } },
      else: { required: ["username", "password"] },
    },
    {
      if: { properties: { mechanism: { not: { const: "oauthbearer" } } } },
      else: { required: ["tokenUrl", "clientId", "clientSecret"] },
    },
  ],
};

export const KAFKA: KeySchema = {
  description: "How to reach Kafka; needed by run and doctor.",
  examples: [{ brokers: ["localhost:9092"], group: "streamgauge" }],
  "x-secret": "url",
  ...mapping(
    {
      brokers: {
        type: "array",
        minItems: 1,
        maxItems: 100,
        "x-known-as": ["bootstrapServers", "bootstrap.servers", "servers"],
        title: "a list of brokers such as [localhost:9092]",
        description: "Brokers to ask first.",
        examples: [["localhost:9092"]],
        "x-secret": "url",
        items: {
          type: "string",
          pattern: "^[^\\s:/@]+:[0-9]{1,5}$|^\\[[0-9A-Fa-f:.]+\\]:[0-9]{1,5}$",
          title: "host:port such as localhost:9092",
          description: "Host and port of one broker.",
          examples: ["localhost:9092"],
          "x-secret": "url",
        },
      },
      group: {
        ...text("Beginning of the names of all consumer groups.", "a group name such as streamgauge", "streamgauge"),
        default: "streamgauge",
      },
      client: {
        type: "string",
        enum: ["kafkajs", "node-rdkafka"],
        title: "one of kafkajs, node-rdkafka",
        description: "Library that reads and commits; node-rdkafka has to be installed beside streamgauge.",
        default: "kafkajs",
        examples: ["kafkajs", "node-rdkafka"],
        "x-secret": "word",
      },
      tls: tls("Encrypts the connection, and may show our own certificate."),
      sasl: SASL,
    },
    ["brokers"],
  ),
};

export const REGISTRY: KeySchema = {
  description: "How to reach the schema registry; needed by run and doctor.",
  examples: [{ url: "http://localhost:8081" }],
  "x-secret": "url",
  ...mapping(
    {
      url: httpUrl("Address of the schema registry; a path in it is kept.", "http://localhost:8081"),
      auth: {
        description: "How to log in: by user name and password, or by a token.",
        examples: [
          { username: "streamgauge", password: variable("REGISTRY_PASSWORD") },
          { token: variable("REGISTRY_TOKEN") },
        ],
        "x-secret": "value",
        ...mapping({
          username: {
            ...text("User name, or API key.", "a user name such as streamgauge", "streamgauge"),
            "x-known-as": ["user"],
          },
          password: secret("Password, or API secret.", "text", variable("REGISTRY_PASSWORD")),
          token: secret("Bearer token.", "text", variable("REGISTRY_TOKEN")),
        }),
        if: { required: ["token"] },
        else: { required: ["username", "password"] },
      },
      tls: tls("Whom to trust, and our own certificate, for a URL that begins with https."),
      cache: text(
        "Directory in which schemas are kept, so that a restart does without the registry. Default: in memory only.",
        "a directory such as schemas",
        "schemas",
      ),
    },
    ["url"],
  ),
};
