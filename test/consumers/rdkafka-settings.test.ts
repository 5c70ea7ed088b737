import { rootCertificates } from "node:tls";
import { describe, expect, test } from "vitest";
import { connectionProperties } from "../../src/consumers/rdkafka-settings.ts";
import type { KafkaConfig } from "../../src/core/config.ts";

const FEATURES = ["gzip", "snappy", "lz4", "zstd", "ssl", "sasl_plain", "sasl_scram", "sasl_oauthbearer"];
const without = (feature: string) => FEATURES.filter((one) => one !== feature);
const properties = (rest: Partial<KafkaConfig>, features: readonly string[] = FEATURES) =>
  connectionProperties({ brokers: ["a:1", "b:2"], group: "g", ...rest }, "me", features);

describe("connectionProperties()", () => {
  test("says addresses, encryption and login in the words of librdkafka", () => {
    expect(properties({})).toMatchObject({
      "metadata.broker.list": "a:1,b:2",
      "client.id": "me",
      "security.protocol": "plaintext",
    });
    expect(properties({ tls: { ca: "CA", cert: "CERT", key: "KEY", passphrase: "P" } })).toMatchObject({
      "security.protocol": "ssl",
      "ssl.ca.pem": "CA",
      "ssl.certificate.pem": "CERT",
      "ssl.key.pem": "KEY",
      "ssl.key.password": "P",
      "ssl.endpoint.identification.algorithm": "https",
    });
    const login = { username: "u", password: "p" };
    expect(properties({ tls: {}, sasl: { mechanism: "scram-sha-512", ...login } })).toMatchObject({
      "security.protocol": "sasl_ssl",
      "sasl.mechanisms": "SCRAM-SHA-512",
      "sasl.username": "u",
      "sasl.password": "p",
    });
    const oauth = { tokenUrl: "https://login/token", clientId: "c", clientSecret: "s" };
    expect(properties({ sasl: { mechanism: "oauthbearer", ...oauth } })).toMatchObject({
      "security.protocol": "sasl_plaintext",
      "sasl.mechanisms": "OAUTHBEARER",
    });
  });

  test("trusts whom Node trusts when no authority is given", () => {
    expect(properties({ tls: {} })["ssl.ca.pem"]).toBe(rootCertificates.join("\n"));
  });

  test.each([
    [
      "a name of the server",
      () => properties({ tls: { serverName: "kafka.example" } }),
      "Cannot use kafka.tls.serverName with kafka.client node-rdkafka: librdkafka checks the name that it connects to; remove it, or choose kafka.client: kafkajs",
    ],
    [
      "TLS without OpenSSL",
      () => properties({ tls: {} }, without("ssl")),
      "Cannot use kafka.tls with kafka.client node-rdkafka: librdkafka was built without ssl; build node-rdkafka anew where the development files of zlib, zstd and OpenSSL are installed, or choose kafka.client: kafkajs",
    ],
    [
      "SCRAM without OpenSSL",
      () => properties({ sasl: { mechanism: "scram-sha-256", username: "u", password: "p" } }, without("sasl_scram")),
      expect.stringContaining("Cannot use kafka.sasl with kafka.client node-rdkafka"),
    ],
    [
      "a topic that may be packed with zstd",
      () => properties({}, without("zstd")),
      expect.stringContaining(
        "Cannot read packed records with kafka.client node-rdkafka: librdkafka was built without zstd",
      ),
    ],
  ])("refuses what librdkafka cannot do: %s", (_name, act, message) => {
    expect(act).toThrow(expect.objectContaining({ code: "SG_CONFIG", message }));
  });
});
