import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { describe, expect, test } from "vitest";
import { CONFIG_SCHEMA, printSchema } from "../../src/config/schema.ts";
import { type KeySchema, OWN_KEYWORDS } from "../../src/config/schema-parts.ts";
import { VERSION } from "../../src/config/version.ts";

/** Every key of the file; `!` marks those that do not work yet. */
const KEYS = `
deployment kafka kafka.brokers kafka.group kafka.client kafka.tls kafka.tls.ca kafka.tls.cert kafka.tls.key kafka.tls.passphrase kafka.tls.serverName
kafka.sasl kafka.sasl.mechanism kafka.sasl.username kafka.sasl.password kafka.sasl.tokenUrl kafka.sasl.clientId
kafka.sasl.clientSecret kafka.sasl.scope registry registry.url registry.auth registry.auth.username
registry.auth.password registry.auth.token registry.tls registry.tls.ca registry.tls.cert registry.tls.key registry.tls.passphrase registry.tls.serverName
registry.cache topics topics.prefix startFrom checkpointEvery
memory! memory.budget alerts alerts.resolveAfter alerts.severity alerts.severity.critical alerts.severity.high
alerts.severity.medium alerts.severity.low datasets[].impact datasets datasets[].topic datasets[].include! datasets[].exclude!
datasets[].shard! datasets[].schema datasets[].producerHeader datasets[].flushEvery datasets[].time datasets[].time.field
datasets[].time.lateness datasets[].time.idleAfter datasets[].time.unheardAfter datasets[].time.maxAhead
datasets[].time.reviseFor datasets[].windows datasets[].windows.sizes datasets[].windows.timezone datasets[].slices
datasets[].slices[].by datasets[].slices[].name datasets[].slices[].limit datasets[].slices[].where!
datasets[].fields datasets[].fields{}.values datasets[].fields{}.impact datasets[].pairs datasets[].detect datasets[].detect.season datasets[].detect.warmup
datasets[].detect.calendar datasets[].detect.calendar[].from datasets[].detect.calendar[].holidays datasets[].detect.calendar[].name
  datasets[].detect.calendar[].on datasets[].detect.calendar[].to datasets[].detect.calendar[].widen
  datasets[].detect.falseAlarms datasets[].checks! datasets[].checks[].field datasets[].checks[].rule
datasets[].checks[].min datasets[].checks[].max datasets[].checks[].mostly datasets[].checks[].expect
datasets[].checks[].severity datasets[].checks[].refuse datasets[].quarantine datasets[].quarantine.topic sinks
sinks[].console sinks[].file sinks[].file.directory sinks[].prometheus sinks[].prometheus.host
sinks[].prometheus.port sinks[].prometheus.maxSeries sinks[].postgres sinks[].postgres.url sinks[].postgres.schema
sinks[].postgres.tls sinks[].postgres.tls.ca sinks[].postgres.tls.cert sinks[].postgres.tls.key sinks[].postgres.tls.passphrase sinks[].postgres.tls.serverName
 sinks[].webhook! sinks[].webhook.url
`;

describe("CONFIG_SCHEMA", () => {
  const keys = keysOf(CONFIG_SCHEMA, "");

  test("has exactly the keys of the file", () => {
    const names = keys.map(({ path, schema }) => (schema["x-not-yet"] ? `${path}!` : path));
    expect(names.sort()).toEqual(KEYS.trim().split(/\s+/).sort());
  });

  test("describes every key, with examples that it allows itself", () => {
    const ajv = new Ajv({ allowUnionTypes: true, strictRequired: false }).addVocabulary([...OWN_KEYWORDS]);
    for (const { path, schema } of keys) {
      expect(schema.description, path).toMatch(/^[A-Z].*\.$/);
      expect(schema.examples?.length, path).toBeGreaterThan(0);
      const validate = ajv.compile(schema);
      for (const example of schema.examples ?? [])
        expect(validate(example), `${path} ${JSON.stringify(example)}`).toBe(true);
      if (schema.default !== undefined) expect(validate(schema.default), path).toBe(true);
    }
  });

  test("refuses unknown keys in every mapping", () => {
    for (const { path, schema } of [{ path: "", schema: CONFIG_SCHEMA }, ...keys]) {
      for (const mapping of [schema, schema.items]) {
        if (mapping?.properties !== undefined) expect(mapping.additionalProperties, path).toBe(false);
      }
    }
  });

  test("is valid draft-07", () => {
    const ajv = new Ajv();
    expect(ajv.validateSchema(CONFIG_SCHEMA), ajv.errorsText()).toBe(true);
    expect(CONFIG_SCHEMA.$schema).toBe("http://json-schema.org/draft-07/schema#");
  });
});

describe("printSchema()", () => {
  test("gives the schema as JSON text with a final newline", () => {
    expect(JSON.parse(printSchema())).toEqual(CONFIG_SCHEMA);
    expect(printSchema().endsWith("}\n")).toBe(true);
  });
});

describe("VERSION", () => {
  test("is that of package.json", () => {
    const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(manifest).toMatchObject({ version: VERSION });
  });
});

function keysOf(schema: KeySchema, path: string): { path: string; schema: KeySchema }[] {
  const found = Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    const childPath = path === "" ? key : `${path}.${key}`;
    return [{ path: childPath, schema: child }, ...keysOf(child, childPath)];
  });
  if (schema.items !== undefined) found.push(...keysOf(schema.items, `${path}[]`));
  if (typeof schema.additionalProperties === "object") found.push(...keysOf(schema.additionalProperties, `${path}{}`));
  return found;
}
