import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { validate } from "../../src/cli/validate.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "streamgauge-validate-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function run(text: string | undefined, json = false, env: Record<string, string> = {}) {
  const config = join(folder, text === undefined ? "gone.yaml" : "streamgauge.yaml");
  if (text !== undefined) writeFileSync(config, text);
  const stdout: string[] = [];
  const stderr: string[] = [];
  const clean = (line: string) => line.replaceAll(config, "FILE");
  const exitCode = await validate(
    { config, json },
    { stdout: (line) => stdout.push(clean(line)), stderr: (line) => stderr.push(clean(line)), env },
  );
  return { exitCode, stdout, stderr };
}

const GOOD = `
deployment: \${WHERE}
kafka: { brokers: [localhost:9092, "b:1"], tls: true, sasl: { mechanism: plain, username: me, password: p } }
registry: { url: http://localhost:8081, auth: { token: t }, cache: dir }
datasets:
  - topic: trips
    time: { field: at, lateness: 3m }
    windows: { sizes: [1h, 1d], timezone: Europe/Berlin }
    slices: [{ by: origin, limit: 7 }]
    fields: { origin: { values: show } }
    detect: { season: 24 }
    quarantine: { topic: trips.refused }
sinks: [{ file: { directory: out } }, { console: {} }]
`;

describe("validate()", () => {
  test("says what was understood and exits with 0", async () => {
    expect(await run(GOOD, false, { WHERE: "prod" })).toEqual({
      exitCode: 0,
      stderr: [],
      stdout: [
        "FILE: no mistakes",
        "deployment prod, topics streamgauge.*",
        "kafka localhost:9092 b:1, groups streamgauge.*, TLS, plain as me",
        "registry http://localhost:8081, token, cache dir",
        "from latest, a checkpoint every 30s",
        "dataset trips",
        "  time     at, lateness 3m",
        "  windows  1h, 1d in Europe/Berlin",
        "  slices   all, origin (at most 7 values)",
        "  detect   season 24, warmup auto",
        "  impact   medium",
        "  values   origin show, all other fields hash",
        "  refused  records go to trips.refused",
        "sink file out",
        "sink console",
      ],
    });
  });

  test("notes that connections are missing, and exits with 0", async () => {
    const { exitCode, stdout } = await run("datasets: [{ topic: trips }]\nsinks: [{ prometheus: }]\n");
    expect(exitCode).toBe(0);
    expect(stdout.slice(1, 3)).toEqual([
      "deployment default, topics streamgauge.*",
      "from latest, a checkpoint every 30s",
    ]);
    expect(stdout.slice(-3)).toEqual([
      "sink prometheus on 127.0.0.1:9464",
      'note: FILE:1:1 the key "kafka" is missing: run and doctor need it — for example kafka: {brokers: [localhost:9092], group: streamgauge}',
      'note: FILE:1:1 the key "registry" is missing: run and doctor need it — for example registry: {url: http://localhost:8081}',
    ]);
  });

  test("prints every mistake to stderr and exits with 2", async () => {
    expect(await run("datasets: [{topic: a b, flushEvery: 5}]\n")).toEqual({
      exitCode: 2,
      stdout: [],
      stderr: [
        'FILE:1:20 datasets[0].topic: expected a topic name such as trips, got "a b"',
        "FILE:1:37 datasets[0].flushEvery: expected a duration greater than 0 such as 5s, got 5 — write the unit, as in 5s",
        "2 mistakes",
      ],
    });
  });

  test("prints one JSON object with --json", async () => {
    const good = await run(GOOD, true, { WHERE: "prod" });
    expect(good).toMatchObject({ exitCode: 0, stderr: [] });
    expect(good.stdout).toHaveLength(1);
    expect(JSON.parse(good.stdout[0] ?? "")).toMatchObject({
      ok: true,
      problems: [],
      notices: [],
      config: { deployment: "prod", datasets: [{ topic: "trips", fields: { origin: { values: "show" } } }] },
    });

    const bad = await run("datasets: []\n", true);
    expect(bad).toMatchObject({ exitCode: 2, stderr: [] });
    expect(JSON.parse(bad.stdout[0] ?? "")).toEqual({
      ok: false,
      notices: [],
      problems: [
        {
          file: "FILE",
          line: 1,
          column: 11,
          path: "datasets",
          message: 'expected a list of at least one dataset, each beginning with "- ", got an empty list',
        },
      ],
    });
  });

  test("says in one sentence that there is no file, and exits with 2", async () => {
    expect(await run(undefined)).toEqual({
      exitCode: 2,
      stdout: [],
      stderr: ["FILE: cannot read the configuration: there is no such file"],
    });
  });
});
