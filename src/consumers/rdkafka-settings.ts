/** Addresses, encryption and authentication in the words of librdkafka. */
import { rootCertificates } from "node:tls";
import type { KafkaConfig, SaslConfig, TlsConfig } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { RdkafkaProperties } from "./rdkafka-library.ts";

/** @throws {StreamgaugeError} `SG_CONFIG` for what librdkafka cannot do, or was built without */
export function connectionProperties(
  kafka: KafkaConfig,
  clientId: string,
  features: readonly string[],
): RdkafkaProperties {
  const { brokers, tls, sasl } = kafka;
  // A batch that it cannot unpack librdkafka passes over with an error that the addon may drop.
  for (const codec of CODECS) requireFeature(codec, "read packed records", features);
  if (tls !== undefined) requireFeature("ssl", "use kafka.tls", features);
  if (sasl !== undefined) requireFeature(FEATURE_OF[sasl.mechanism], "use kafka.sasl", features);
  const protocol = `${sasl === undefined ? "" : "sasl_"}${tls === undefined ? "plaintext" : "ssl"}`;
  return {
    "metadata.broker.list": brokers.join(","),
    "client.id": clientId,
    "security.protocol": protocol,
    "socket.keepalive.enable": true,
    // A transaction waits for the markers of the last one: soon asked again.
    "retry.backoff.ms": RETRY_MS,
    "socket.timeout.ms": SOCKET_TIMEOUT_MS,
    "reconnect.backoff.max.ms": RECONNECT_MAX_MS,
    ...(tls === undefined ? {} : tlsProperties(tls)),
    ...(sasl === undefined ? {} : saslProperties(sasl)),
  };
}

const SOCKET_TIMEOUT_MS = 10_000;
const RECONNECT_MAX_MS = 2000;
const RETRY_MS = 20;

const CODECS = ["gzip", "snappy", "lz4", "zstd"];

const FEATURE_OF: Readonly<Record<SaslConfig["mechanism"], string>> = {
  plain: "sasl_plain",
  "scram-sha-256": "sasl_scram",
  "scram-sha-512": "sasl_scram",
  oauthbearer: "sasl_oauthbearer",
};

function requireFeature(feature: string, action: string, features: readonly string[]): void {
  if (features.includes(feature)) return;
  const state = `librdkafka was built without ${feature}`;
  const place = "where the development files of zlib, zstd and OpenSSL are installed";
  const advice = `build node-rdkafka anew ${place}, or choose kafka.client: kafkajs`;
  throw new StreamgaugeError("SG_CONFIG", `Cannot ${action} with kafka.client node-rdkafka: ${state}; ${advice}`);
}

function tlsProperties({ ca, cert, key, passphrase, serverName }: TlsConfig): RdkafkaProperties {
  if (serverName !== undefined) {
    const state = "librdkafka checks the name that it connects to";
    const advice = "remove it, or choose kafka.client: kafkajs";
    const message = `Cannot use kafka.tls.serverName with kafka.client node-rdkafka: ${state}; ${advice}`;
    throw new StreamgaugeError("SG_CONFIG", message);
  }
  return {
    // What Node trusts, as the configuration says, and not what the system's OpenSSL does.
    "ssl.ca.pem": ca ?? rootCertificates.join("\n"),
    "ssl.endpoint.identification.algorithm": "https",
    ...(cert === undefined ? {} : { "ssl.certificate.pem": cert }),
    ...(key === undefined ? {} : { "ssl.key.pem": key }),
    ...(passphrase === undefined ? {} : { "ssl.key.password": passphrase }),
  };
}

function saslProperties(sasl: SaslConfig): RdkafkaProperties {
  const mechanism = { "sasl.mechanisms": sasl.mechanism.toUpperCase() };
  if (sasl.mechanism === "oauthbearer") return mechanism;
  return { ...mechanism, "sasl.username": sasl.username, "sasl.password": sasl.password };
}
