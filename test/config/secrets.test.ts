/** No secret of a configuration file comes back in a message or an output, however wrong its surroundings are. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { validate } from "../../src/cli/validate.ts";
import { CONFIG_SCHEMA } from "../../src/config/schema.ts";
import type { KeySchema } from "../../src/config/schema-parts.ts";
import { maskUrl, SECRET_NAMES } from "../../src/config/shown.ts";
import type { Certificates } from "../schemas/certificates.ts";
import { makeCertificates, PASSPHRASE } from "../schemas/certificates.ts";

const CANARY = "hunter2canary";

let folder = "";
let certificates: Certificates;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "streamgauge-secrets-"));
  certificates = makeCertificates();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Everything that `validate` says of the text, with and without `--json`. */
async function output(text: string, env: Record<string, string> = {}) {
  const config = join(folder, "streamgauge.yaml");
  writeFileSync(config, text);
  const said: string[] = [];
  const exitCodes: number[] = [];
  for (const json of [false, true]) {
    const io = { stdout: (line: string) => said.push(line), stderr: (line: string) => said.push(line), env };
    exitCodes.push(await validate({ config, json }, io));
  }
  expect(exitCodes[0]).toBe(exitCodes[1]);
  return { exitCode: exitCodes[0], said: said.join("\n") };
}

const GOOD = `
datasets: [{topic: t}]
kafka:
  brokers: ["a:1"]
  sasl: { mechanism: plain, username: someone, password: "${CANARY}-1" }
  tls: { cert: "\${CERT}", key: "\${KEY}", passphrase: "\${PHRASE}" }
registry: { url: https://r/base, auth: { token: "${CANARY}-2" }, tls: { cert: "\${CERT}", key: "\${KEY}", passphrase: "\${PHRASE}" } }
sinks:
  - postgres: { url: "postgres://owner:${CANARY}-3@db:5433/metrics?password=${CANARY}-4" }
`;

describe("validate()", () => {
  test("masks every secret of a file without mistakes, and nothing else", async () => {
    const { cert, encryptedKey } = certificates.client;
    const { exitCode, said } = await output(GOOD, { CERT: cert, KEY: encryptedKey, PHRASE: PASSPHRASE });
    expect(exitCode).toBe(0);
    expect(said).not.toContain(CANARY);
    expect(said).not.toContain(PASSPHRASE);
    expect(said).not.toContain("PRIVATE KEY");
    expect(said).toContain("plain as someone");
    expect(said).toContain("postgres postgres://***@db:5433/metrics?***, schema streamgauge");
    const json = JSON.parse(said.split("\n").at(-1) ?? "");
    expect(json.config.kafka).toMatchObject({
      sasl: { mechanism: "plain", username: "someone", password: "***" },
      tls: { cert, key: "***", passphrase: "***" },
    });
    expect(json.config.registry).toMatchObject({ url: "https://r/base", auth: { kind: "bearer", token: "***" } });
    expect(json.config.sinks).toEqual([
      { kind: "postgres", url: "postgres://***@db:5433/metrics?***", schema: "streamgauge" },
    ]);
  });

  const sasl = (text: string) => `datasets: [{topic: t}]\nkafka:\n  brokers: ["a:1"]\n  sasl: ${text}\n`;
  const block = (line: string) => sasl(`\n    mechanism: plain\n    username: u\n    ${line}`);
  const registry = (text: string) => `datasets: [{topic: t}]\nregistry: ${text}\n`;
  const postgres = (text: string) => `datasets: [{topic: t}]\nsinks:\n  - postgres: ${text}\n`;

  test.each([
    ["the space after the colon is missing", sasl(`{mechanism: plain, username: u, password:${CANARY}}`)],
    ["the space is missing in a block", block(`password:${CANARY}`)],
    ["the space is missing, one level deeper", block(`  password:${CANARY}`)],
    ["the key is misspelt", block(`passwort: ${CANARY}`)],
    ["the key is written twice", block(`password: x\n    password: ${CANARY}`)],
    ["it stands in place of the mapping", sasl(CANARY)],
    ["it stands in place of the mechanism", sasl(`{mechanism: "plain:${CANARY}", username: u, password: p}`)],
    ["it looks like an alias", block(`password: *${CANARY}`)],
    ["it looks like a tag", block(`password: !${CANARY}`)],
    ["it looks like an anchor", block(`password: &${CANARY}`)],
    ["it looks like a block", block(`password: |${CANARY}`)],
    ["it looks like a directive", block(`password: %${CANARY}`)],
    ["it begins with an at sign", block(`password: @${CANARY}`)],
    ["it holds an escape", block(`password: "\\${CANARY}"`)],
    ["its quote is not closed", block(`password: "${CANARY}`)],
    ["text follows its quotes", block(`password: "x" ${CANARY}`)],
    ["it holds half a reference", block(`password: x\${${CANARY}`)],
    ["it holds a bad reference", block(`password: "\${${CANARY} b}"`)],
    ["it is a list", block(`password: [${CANARY}]`)],
    ["it is a mapping", block(`password: {${CANARY}: 1}`)],
    ["it is empty with a default in its neighbour", block(`password: ""\n    mechanism: "\${X:-${CANARY}}"`)],
    ["lines of a key are not indented", `kafka:\n  tls:\n    key: |\n-----BEGIN PRIVATE KEY-----\n${CANARY}\n`],
    [
      "a key stands in the place of a certificate",
      sasl("x").replace("sasl: x", `tls: {ca: "-----BEGIN PRIVATE KEY-----${CANARY}"}`),
    ],
    ["a key is no key", sasl("x").replace("sasl: x", `tls: {cert: x, key: ${CANARY}, passphrase: ${CANARY}}`)],
    ["it stands in the address of the registry", registry(`{url: "http://u:${CANARY}@r"}`)],
    ["the scheme is missing", registry(`{url: "u:${CANARY}@r:80"}`)],
    ["the host is missing", registry(`{url: "http://u:${CANARY}"}`)],
    ["it stands in a query", registry(`{url: "http://r/?token=${CANARY}"}`)],
    ["the address comes partly from the environment", registry(`{url: "ftp://u:${CANARY}@\${HOST:-r}"}`)],
    ["the space is missing after url", registry(`{url:http://u:${CANARY}@r}`)],
    ["it stands in a broker", `datasets: [{topic: t}]\nkafka: {brokers: ["u:${CANARY}@h:1"]}\n`],
    ["it stands in the only broker, without a list", `datasets: [{topic: t}]\nkafka: {brokers: "u:${CANARY}@h:1"}\n`],
    ["the address of the database is of another kind", postgres(`{url: "mysql://u:${CANARY}@h/d"}`)],
    ["the address of the database is no URL", postgres(`{url: "postgres://u:a/${CANARY}#@h/d"}`)],
    ["the address of the database stands in place of its mapping", postgres(`"postgres://u:${CANARY}@h/d"`)],
    ["the space is missing after the url of the database", postgres(`{url:postgres://u:${CANARY}@h/d}`)],
  ])("never repeats a secret when %s", async (_what, text) => {
    const { exitCode, said } = await output(text);
    expect(exitCode).toBe(2);
    expect(said).not.toContain(CANARY);
  });

  test("says what is wrong with a key that has swallowed its value", async () => {
    const { said } = await output(sasl(`{mechanism: plain, username: u, password:${CANARY}}`));
    expect(said.split("\n")[0]).toMatch(
      /:4:41 kafka\.sasl\["password\*\*\*"\]: unknown key "password\*\*\*" — write a space after the colon$/,
    );
  });

  test("repeats what is no secret: the test above can fail", async () => {
    const { exitCode, said } = await output(`datasets: [{topic: t}]\ndeployment: "${CANARY} x"\n`);
    expect(exitCode).toBe(2);
    expect(said).toContain(CANARY);
  });
});

describe("SECRET_NAMES", () => {
  test("holds every key whose value is masked", () => {
    for (const name of secretKeys(CONFIG_SCHEMA)) expect(SECRET_NAMES).toContain(name);
  });
});

describe("maskUrl()", () => {
  test.each([
    ["localhost:8081", "localhost:8081"],
    ["http://[::1]:8081/x", "http://[::1]:8081/x"],
    ["http://u:p@h:1/x", "http://***@h:1/x"],
    ["http://u:p@ss@h", "http://***@h"],
    ["http://u:secret", "http://u:***"],
    ["u:secret", "u:***"],
    ["http://h?x=1#y", "http://h?***"],
  ])("%s is %s", (url, expected) => {
    expect(maskUrl(url)).toBe(expected);
  });
});

/** Names of the keys that hold text which no message may show as it is. */
function secretKeys(schema: KeySchema): string[] {
  const found = Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    const masked = child.type === "string" && (child["x-secret"] === "value" || child["x-secret"] === "url");
    return [...(masked ? [key] : []), ...secretKeys(child)];
  });
  if (schema.items !== undefined) found.push(...secretKeys(schema.items));
  return found;
}
