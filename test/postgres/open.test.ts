import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { LATEST_VERSION } from "../../src/sinks/postgres-migrations.ts";
import { logRecord, metricsAt, openSink, rowsOf } from "./kit.ts";
import {
  PASSWORD,
  type PostgresServer,
  postgresPresent,
  type ServerCertificate,
  SUPERUSER,
  startPostgres,
  withClient,
} from "./server.ts";

const CANARY = "canary-4711";
const RECORD = logRecord(metricsAt({ dataset: "d", slice: "all", hour: 1, revision: 0 }), 0);
let server: PostgresServer;
let url = "";

beforeAll(async () => {
  if (postgresPresent) server = await startPostgres();
});
afterAll(async () => server?.remove());
beforeEach(async () => {
  if (postgresPresent) url = await server.createDatabase();
});

function urlOf(parts: { user?: string; password?: string; database?: string }): string {
  const changed = new URL(url);
  if (parts.user !== undefined) changed.username = parts.user;
  if (parts.password !== undefined) changed.password = encodeURIComponent(parts.password);
  if (parts.database !== undefined) changed.pathname = `/${parts.database}`;
  return changed.href;
}

/** The sentence of the refusal, with what differs from run to run replaced. */
async function refusal(opening: Promise<unknown>): Promise<string> {
  const error = await opening.then(
    () => new Error("was not refused"),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: "StreamgaugeError", code: "SG_CONFIG" });
  const message = error instanceof Error ? error.message : "";
  for (const secret of [CANARY, PASSWORD, encodeURIComponent(PASSWORD)]) {
    expect(`${message} ${JSON.stringify(error)}`).not.toContain(secret);
  }
  expect(message).not.toContain("\n");
  return message.replace(/127\.0\.0\.1:\d+\/\w+/, "HERE").replaceAll(/test\d+/g, "DB");
}

describe.skipIf(!postgresPresent)("openPostgresSink() refuses with SG_CONFIG and one sentence", () => {
  test("a wrong password, without saying it", async () => {
    expect(await refusal(openSink(urlOf({ password: CANARY })))).toBe(
      `Cannot use PostgreSQL at HERE, schema streamgauge: password authentication failed for user "${SUPERUSER}"; ` +
        "mend it or correct the url of the postgres sink",
    );
  });

  test("a missing database", async () => {
    expect(await refusal(openSink(urlOf({ database: "nowhere" })))).toMatch(/database "nowhere" does not exist/);
  });

  test("an url that is none, without quoting it", async () => {
    for (const wrong of [`http://a:${CANARY}@host/db`, `postgres://a:${CANARY}@host:port/db`, CANARY]) {
      expect(await refusal(openSink(wrong))).toMatch(/^Cannot use the PostgreSQL url: /);
    }
  });

  test("ssl parameters in the url beside a tls mapping", async () => {
    expect(await refusal(openSink(`${url}?sslmode=require`, { tls: {} }))).toMatch(/keep one of them/);
  });

  test("schema names other than the allowed ones", async () => {
    for (const schema of ['a"; DROP SCHEMA public; --', "A", "", "pg_mine", "1a", "ü", "a".repeat(64), "a.b", "a\0"]) {
      expect(await refusal(openSink(url, { schema }))).toMatch(/expected up to 63 lower-case letters/);
    }
  });

  test("a role that may only read", async () => {
    await (await openSink(url)).close();
    await withClient(url, async (client) => {
      await client.query(`CREATE ROLE reader${server.port} LOGIN PASSWORD 'reader'`);
      await client.query(`GRANT USAGE ON SCHEMA streamgauge TO reader${server.port}`);
      await client.query(`GRANT SELECT ON ALL TABLES IN SCHEMA streamgauge TO reader${server.port}`);
    });
    const reader = urlOf({ user: `reader${server.port}`, password: "reader" });
    expect((await refusal(openSink(reader))).replace(/reader\d+/, "reader")).toBe(
      "Cannot write to schema streamgauge of PostgreSQL at HERE: role reader may not read and write series, " +
        "metric_names, window_data, value_data, verdict_data, alerts; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL " +
        "TABLES IN SCHEMA streamgauge to it, or let it own the schema",
    );
    expect(await refusal(openSink(reader, { schema: "another" }))).toMatch(/permission denied for database DB/);
  });

  test("tables of a newer version", async () => {
    await (await openSink(url)).close();
    const newer = LATEST_VERSION + 1;
    await rowsOf(url, `INSERT INTO streamgauge.migrations (version, name) VALUES (${newer}, 'from tomorrow')`);
    expect(await refusal(openSink(url))).toBe(
      `Cannot write to schema streamgauge of PostgreSQL at HERE: its tables are of version ${newer}, this streamgauge ` +
        `knows up to ${LATEST_VERSION}; use the newer streamgauge that made them, or another schema`,
    );
  });

  test("TLS with a server that has none", async () => {
    expect(await refusal(openSink(url, { tls: {} }))).toMatch(/The server does not support SSL connections/);
  });
});

describe.skipIf(!postgresPresent)("migrate()", () => {
  test("works from empty, twice, and by several at once", async () => {
    const sinks = await Promise.all(Array.from({ length: 6 }, () => openSink(url)));
    await Promise.all(sinks.map((sink) => sink.write("metrics", [RECORD])));
    await Promise.all(sinks.map((sink) => sink.close()));
    await (await openSink(url)).close();
    expect(sinks.flatMap((sink) => sink.lines)).toEqual([]);
    const versions = await rowsOf<{ version: number }>(url, "SELECT version FROM streamgauge.migrations ORDER BY 1");
    expect(versions.map(({ version }) => version)).toEqual(Array.from({ length: LATEST_VERSION }, (_, i) => i + 1));
    expect(await rowsOf(url, "SELECT count(*)::int FROM streamgauge.windows")).toEqual([{ count: 1 }]);
  });

  test("goes on from an older version, with its rows", async () => {
    const sink = await openSink(url);
    await sink.write("metrics", [RECORD]);
    await sink.close();
    await withClient(url, async (client) => {
      // Version 1: the tables without the views.
      const { rows } = await client.query<{ name: string }>(
        "SELECT relname AS name FROM pg_class WHERE relnamespace = 'streamgauge'::regnamespace AND relkind = 'v'",
      );
      for (const { name } of rows) await client.query(`DROP VIEW streamgauge.${name}`);
      await client.query("DROP FUNCTION streamgauge.forget_before");
      for (const table of ["alerts", "verdict_data"])
        await client.query(`ALTER TABLE streamgauge.${table} DROP COLUMN backtest`);
      await client.query("ALTER TABLE streamgauge.alerts DROP COLUMN concentration");
      await client.query("DELETE FROM streamgauge.migrations WHERE version > 1");
    });
    await (await openSink(url)).close();
    expect(await rowsOf(url, "SELECT count(*)::int FROM streamgauge.windows")).toEqual([{ count: 1 }]);
  });

  test("leaves two schemas of one database apart", async () => {
    for (const schema of ["one", "two"]) {
      const sink = await openSink(url, { schema });
      if (schema === "one") await sink.write("metrics", [RECORD]);
      await sink.close();
    }
    expect(
      await rowsOf(
        url,
        "SELECT (SELECT count(*)::int FROM one.windows) AS a, (SELECT count(*)::int FROM two.windows) AS b",
      ),
    ).toEqual([{ a: 1, b: 0 }]);
  });

  test("forget_before() removes what ended before, and nothing else", async () => {
    const sink = await openSink(url);
    const records = [1, 2, 3].map((hour) =>
      logRecord(metricsAt({ dataset: "d", slice: "all", hour, revision: 0 }), hour),
    );
    await sink.write("metrics", records);
    await sink.close();
    const [cut] = await rowsOf<{ cut: Date }>(url, "SELECT max(window_end) AS cut FROM streamgauge.windows");
    const forget = `SELECT streamgauge.forget_before('${cut?.cut.toISOString()}')::int AS gone`;
    expect(await rowsOf(url, forget)).toEqual([{ gone: 2 }]);
    expect(await rowsOf(url, "SELECT count(*)::int FROM streamgauge.value_data")).toEqual([{ count: 5 }]);
  });
});

describe.skipIf(!postgresPresent)("openPostgresSink() with TLS", () => {
  let secure: PostgresServer;
  let right: ServerCertificate;
  let wrong: ServerCertificate;
  beforeAll(async () => {
    right = selfSigned();
    wrong = selfSigned();
    secure = await startPostgres({ tls: right });
  });
  afterAll(async () => secure?.remove());

  test("takes a certificate that the given authority signed, and encrypts", async () => {
    const target = await secure.createDatabase();
    const sink = await openSink(target, { tls: { ca: right.cert, serverName: "localhost" } });
    const used =
      "SELECT count(*)::int FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'streamgauge'";
    expect(await rowsOf(target, used)).toEqual([{ count: 1 }]);
    await sink.close();
  });

  test("refuses one that it did not sign, or that is for another host", async () => {
    const target = await secure.createDatabase();
    expect(await refusal(openSink(target, { tls: { ca: wrong.cert, serverName: "localhost" } }))).toMatch(
      /certificate/,
    );
    expect(await refusal(openSink(target, { tls: { ca: right.cert, serverName: "elsewhere" } }))).toMatch(/elsewhere/);
  });
});

function selfSigned(): ServerCertificate {
  const folder = mkdtempSync(join(tmpdir(), "sg-cert-"));
  const args = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost";
  execFileSync("openssl", [...args.split(" "), "-keyout", join(folder, "key"), "-out", join(folder, "cert")], {
    stdio: "pipe",
  });
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const certificate = { cert: read("cert"), key: read("key") };
  rmSync(folder, { recursive: true });
  return certificate;
}
