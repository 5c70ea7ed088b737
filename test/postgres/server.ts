/**
 * A real PostgreSQL for tests: a cluster of its own in a temporary directory, on loopback and a free port. PostgreSQL
 * refuses to run as root; then it runs as the user `postgres`, or `nobody`.
 *
 * Debian: `apt-get install postgresql`. Without it the tests are skipped, except under CI, where that is an error.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";

export interface PostgresServer {
  readonly port: number;
  /** Directory of the unix socket. */
  readonly directory: string;
  /** A new empty database, and its URL for the superuser. */
  createDatabase(): Promise<string>;
  /** As if the machine had lost power. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops it and removes everything. */
  remove(): Promise<void>;
}

export const SUPERUSER = "owner";
export const PASSWORD = "right p@ss/word";

const BIN = findBin();
const READY_ATTEMPTS = 300;
const READY_WAIT_MS = 50;

/** Whether tests can run; under CI a missing server is an error, never a skip. */
export const postgresPresent = BIN !== undefined;
if (!postgresPresent && process.env.CI === "true") {
  throw new Error("PostgreSQL is missing: apt-get install postgresql (tests/postgres may only be skipped outside CI)");
}

/** PEM texts. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

export async function startPostgres(options: { readonly tls?: ServerCertificate } = {}): Promise<PostgresServer> {
  if (BIN === undefined) throw new Error("PostgreSQL is not installed");
  const directory = mkdtempSync(join(tmpdir(), "sg-pg-"));
  const data = join(directory, "data");
  const account = unprivilegedAccount();
  const identity = account === undefined ? {} : { uid: account.uid, gid: account.gid };
  if (account !== undefined) chownSync(directory, account.uid, account.gid);
  chmodSync(directory, 0o755);
  const passwordFile = join(directory, "password");
  writeFileSync(passwordFile, PASSWORD, { mode: 0o644 });
  const initdb = ["-D", data, "-U", SUPERUSER, "--auth=scram-sha-256", `--pwfile=${passwordFile}`];
  execFileSync(join(BIN, "initdb"), [...initdb, "--encoding=UTF8", "--locale=C", "--no-sync"], {
    ...identity,
    stdio: "pipe",
    cwd: directory,
  });
  const { tls } = options;
  if (tls !== undefined) {
    for (const [name, text] of Object.entries({ "server.crt": tls.cert, "server.key": tls.key })) {
      writeFileSync(join(data, name), text, { mode: 0o600 });
      if (account !== undefined) chownSync(join(data, name), account.uid, account.gid);
    }
  }
  const port = await freePort();
  const admin = (database: string) =>
    `postgres://${SUPERUSER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/${database}`;
  let running: { kill(signal: "SIGQUIT" | "SIGKILL" | "SIGINT"): boolean; exited: Promise<unknown> } | undefined;
  let databases = 0;

  const start = async (): Promise<void> => {
    const settings = [
      `unix_socket_directories=${directory}`,
      "listen_addresses=127.0.0.1",
      `port=${port}`,
      "max_connections=40",
      "shared_buffers=64MB",
      "timezone=UTC",
      ...(tls === undefined ? [] : ["ssl=on"]),
    ];
    const child = spawn(join(BIN, "postgres"), ["-D", data, ...settings.flatMap((setting) => ["-c", setting])], {
      ...identity,
      stdio: ["ignore", "ignore", "pipe"],
      cwd: directory,
    });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-4000);
    });
    running = { kill: (signal) => child.kill(signal), exited: once(child, "exit") };
    for (let attempt = 0; attempt < READY_ATTEMPTS; attempt++) {
      if (child.exitCode !== null) throw new Error(`PostgreSQL ended: ${errors}`);
      const client = new pg.Client({ connectionString: admin("postgres") });
      client.on("error", () => {});
      try {
        await client.connect();
        await client.end();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, READY_WAIT_MS));
      }
    }
    throw new Error(`PostgreSQL does not answer: ${errors}`);
  };
  const stop = async (signal: "SIGQUIT" | "SIGINT"): Promise<void> => {
    const ending = running;
    running = undefined;
    if (ending === undefined) return;
    ending.kill(signal);
    await ending.exited;
  };
  await start();
  return {
    port,
    directory,
    async createDatabase() {
      const name = `test${++databases}`;
      await withClient(admin("postgres"), (client) => client.query(`CREATE DATABASE ${name}`));
      return admin(name);
    },
    // SIGQUIT: no checkpoint, no goodbye; the next start recovers from the log.
    kill: () => stop("SIGQUIT"),
    start,
    async remove() {
      await stop("SIGINT");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Runs `task` with a connection of its own. */
export async function withClient<T>(url: string, task: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return await task(client);
  } finally {
    await client.end();
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

function findBin(): string | undefined {
  const roots = [process.env.PG_BIN ?? "", ...versionsIn("/usr/lib/postgresql"), "/usr/local/bin", "/usr/bin"];
  return roots.find((root) => root !== "" && existsSync(join(root, "initdb")) && existsSync(join(root, "postgres")));
}

/** Newest first. */
function versionsIn(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(root, version, "bin"));
}

function unprivilegedAccount(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    try {
      const id = (flag: string) => Number(execFileSync("id", [flag, name], { stdio: "pipe" }).toString());
      return { uid: id("-u"), gid: id("-g") };
    } catch {
      // No such user: try the next.
    }
  }
  throw new Error("PostgreSQL does not run as root, and there is no user postgres or nobody");
}
