import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatProblem } from "../../src/config/config-error.ts";
import type { ConfigCommand } from "../../src/config/load-config.ts";
import { loadConfigFile } from "../../src/config/load-config.ts";
import { load, mistakes } from "./load.ts";

const EVERY_KEY = `
deployment: prod
kafka:    { brokers: [localhost:9092], group: streamgauge }
registry: { url: http://localhost:8081 }
topics:   { prefix: sg. }
startFrom: -7d
checkpointEvery: 10s
alerts:   { resolveAfter: 3, severity: { critical: [P1, P0, P0], low: [P4, P4, P4] } }
datasets:
  - topic: trips
    impact: high
    flushEvery: 500ms
    time:    { field: picked_up_at, lateness: 3m, idleAfter: 0, unheardAfter: 6m, maxAhead: 2h, reviseFor: 2d }
    windows: { sizes: [1d, 5m, 1h], timezone: europe/berlin }
    slices:  [{ name: from, by: trip.origin, limit: 10 }, { by: "\`odd name\`" }]
    fields:  { trip.origin: { values: show }, "stops[].at": { values: hide }, "f#string": {}, fare: { impact: critical }, tip: { values: show, impact: low } }
    detect:  { season: 7, warmup: 30, falseAlarms: 2 per 14d }
    quarantine: { topic: trips.quarantine }
    producerHeader: service
    schema: { type: record, name: Trip, fields: [{ name: id, type: long }] }
sinks: [{ console: {} }, { console: }, { file: { directory: out } }, { prometheus: }]
`;

describe("loadConfig()", () => {
  test("fills in the defaults", async () => {
    const { config, notices } = await load("datasets: [{topic: trips}]");
    expect(notices.map(formatProblem)).toEqual([
      'streamgauge.yaml:1:1 the key "kafka" is missing: run and doctor need it — for example kafka: {brokers: [localhost:9092], group: streamgauge}',
      'streamgauge.yaml:1:1 the key "registry" is missing: run and doctor need it — for example registry: {url: http://localhost:8081}',
    ]);
    expect(config).toEqual({
      deployment: "default",
      topics: { prefix: "streamgauge." },
      startFrom: "latest",
      checkpointEveryMs: 30_000,
      alerts: { resolveAfter: 1 },
      datasets: [
        {
          topic: "trips",
          time: { latenessMs: 120_000, idleAfterMs: 60_000, unheardAfterMs: 300_000, maxAheadMs: 3_600_000 },
          windows: { sizesMs: [3_600_000], timezone: "UTC" },
          slices: [],
          fields: new Map(),
          valuesDefault: "hash",
          detect: { season: "auto", warmup: "auto" },
          flushEveryMs: 5_000,
        },
      ],
      sinks: [],
    });
  });

  test("reads every key that works", async () => {
    const { config } = await load(EVERY_KEY);
    expect(config).toEqual({
      deployment: "prod",
      kafka: { brokers: ["localhost:9092"], group: "streamgauge" },
      registry: { url: "http://localhost:8081" },
      topics: { prefix: "sg." },
      startFrom: { agoMs: 604_800_000 },
      checkpointEveryMs: 10_000,
      alerts: {
        resolveAfter: 3,
        severity: {
          critical: ["P1", "P0", "P0"],
          high: ["P2", "P1", "P1"],
          medium: ["P3", "P2", "P1"],
          low: ["P4", "P4", "P4"],
        },
      },
      datasets: [
        {
          topic: "trips",
          impact: "high",
          time: {
            field: "picked_up_at",
            latenessMs: 180_000,
            idleAfterMs: 0,
            unheardAfterMs: 360_000,
            maxAheadMs: 7_200_000,
            reviseForMs: 172_800_000,
          },
          windows: { sizesMs: [300_000, 3_600_000, 86_400_000], timezone: "Europe/Berlin" },
          slices: [
            { by: "trip.origin", name: "from", limit: 10 },
            { by: "`odd name`", name: "`odd name`", limit: 50 },
          ],
          fields: new Map([
            ["trip.origin", { values: "show" }],
            ["stops[].at", { values: "hide" }],
            ["fare", { impact: "critical" }],
            ["tip", { values: "show", impact: "low" }],
          ]),
          valuesDefault: "hash",
          detect: { season: 7, warmup: 30, falseAlarms: { count: 2, perMs: 14 * 86_400_000 } },
          quarantine: { topic: "trips.quarantine" },
          producerHeader: "service",
          flushEveryMs: 500,
          schema: '{"type":"record","name":"Trip","fields":[{"name":"id","type":"long"}]}',
        },
      ],
      sinks: [
        { kind: "console" },
        { kind: "console" },
        { kind: "file", directory: "out" },
        { kind: "prometheus", host: "127.0.0.1", port: 9_464, maxSeries: 2_000 },
      ],
    });
  });

  test.each([
    ["validate", "hash"],
    ["replay", "show"],
    ["demo", "show"],
    ["profile", "show"],
  ])("takes for %s the policy %s for fields that are not named", async (command, policy) => {
    const { config } = await load("datasets: [{topic: t}]", { command: command as ConfigCommand });
    expect(config.datasets[0]?.valuesDefault).toBe(policy);
  });

  test.each(["run", "doctor"] as const)(
    "takes connections for %s, hashes values, and has nothing to note",
    async (command) => {
      const { config, notices } = await load(EVERY_KEY, { command });
      expect(notices).toEqual([]);
      expect(config.datasets[0]?.valuesDefault).toBe("hash");
    },
  );

  test.each(["run", "doctor"] as const)("refuses for %s a file without connections", async (command) => {
    expect(await mistakes("datasets: [{topic: t}]\n", { command })).toEqual([
      '1:1 the key "kafka" is missing — for example kafka: {brokers: [localhost:9092], group: streamgauge}',
      '1:1 the key "registry" is missing — for example registry: {url: http://localhost:8081}',
    ]);
    expect(await mistakes("kafak: {}\nregistry: {url: x}\n", { command })).toEqual([
      '1:1 kafak: unknown key "kafak" — did you mean "kafka"?',
      '1:1 the key "datasets" is missing — for example datasets: [{topic: trips}]',
      '2:17 registry.url: expected a URL such as http://localhost:8081, got "x"',
    ]);
  });

  test.each(["replay", "demo", "profile"] as const)(
    "accepts for %s what it does not use, with a notice",
    async (command) => {
      const { notices } = await load(EVERY_KEY, { command });
      expect(notices.map(formatProblem)).toEqual([
        `streamgauge.yaml:3:1 kafka: not used by ${command}`,
        `streamgauge.yaml:4:1 registry: not used by ${command}`,
        `streamgauge.yaml:6:1 startFrom: not used by ${command}`,
        `streamgauge.yaml:7:1 checkpointEvery: not used by ${command}`,
        `streamgauge.yaml:21:1 sinks: not used by ${command}`,
      ]);
    },
  );

  test("takes a schema as text or from a file beside the configuration, and refuses what is not JSON", async () => {
    const names: string[] = [];
    const readFile = (name: string): string => {
      names.push(name);
      return name.endsWith("good.avsc") ? '{"type": "string"}' : "syntax = proto3";
    };
    const dataset = (schema: string) => `datasets:\n  - topic: t\n    schema: ${schema}\n`;
    const options = { file: "conf/streamgauge.yaml", readFile };
    const fromFile = await load(dataset("schemas/good.avsc"), options);
    expect(fromFile.config.datasets[0]?.schema).toBe('{"type": "string"}');
    const fromText = await load(dataset('\'{"type": "long"}\''), options);
    expect(fromText.config.datasets[0]?.schema).toBe('{"type": "long"}');
    expect(await mistakes(dataset("/abs/bad.proto"), options)).toEqual([
      'conf/streamgauge.yaml:3:13 datasets[0].schema: expected JSON as Avro schemas are written, but the schema file "/abs/bad.proto" is not JSON',
    ]);
    expect(names).toEqual(["conf/schemas/good.avsc", "/abs/bad.proto"]);
  });
});

describe("loadConfigFile()", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "streamgauge-config-"));
    mkdirSync(join(folder, "conf"));
    writeFileSync(join(folder, "conf", "ok.yaml"), "datasets: [{topic: t, schema: t.avsc}]\n");
    writeFileSync(join(folder, "conf", "t.avsc"), '"string"');
    writeFileSync(join(folder, "latin1.yaml"), Buffer.from([0x61, 0xe9, 0x0a]));
    writeFileSync(join(folder, "large.yaml"), Buffer.alloc(1_000_001, "#"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("finds other files relative to the configuration", async () => {
    const { config } = await loadConfigFile({ file: join(folder, "conf", "ok.yaml"), env: {}, command: "replay" });
    expect(config.datasets[0]?.schema).toBe('"string"');
  });

  test.each([
    ["gone.yaml", "there is no such file"],
    ["conf", "it is a directory"],
    ["latin1.yaml", "it is not UTF-8 text"],
    ["large.yaml", "it is larger than 1 MB"],
  ])("says in one sentence why it cannot read %s", async (name, reason) => {
    const file = join(folder, name);
    await expect(loadConfigFile({ file, env: {}, command: "run" })).rejects.toMatchObject({
      code: "SG_CONFIG",
      problems: [{ file, line: 0, column: 0, path: "", message: `cannot read the configuration: ${reason}` }],
      message: `Cannot use configuration ${file}: 1 mistake\n${file}: cannot read the configuration: ${reason}`,
    });
  });
});
