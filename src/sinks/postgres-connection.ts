/**
 * One connection to PostgreSQL: from a URL, with time limits on everything, and with errors sorted by what can be done
 * about them. No message holds the URL, because a password may stand in it.
 */
import { Socket } from "node:net";
import pg from "pg";
import type { TlsConfig } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";

export interface PostgresTarget {
  readonly url: string;
  /** Name of the schema that holds all tables. */
  readonly schema: string;
  readonly tls?: TlsConfig;
}

/** The part of a client that the statements need. */
export interface Queryable {
  query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<{ readonly rows: Row[] }>;
}

export interface PostgresConnection extends Queryable {
  /** False once the server or the network has ended it. */
  readonly alive: boolean;
  /** Ends it at once, whatever is under way. */
  destroy(): void;
  /** Ends it after a goodbye to the server. */
  end(): Promise<void>;
}

/**
 * - `unreachable`: try again later: nobody listens, starting up, too many connections, a standby.
 * - `refused`: somebody has to mend something: password, database, permissions, certificates.
 * - `data`: this very statement will never be taken.
 */
export type PostgresFailure = "unreachable" | "refused" | "data";

const CONNECT_TIMEOUT_MS = 10_000;
/** Beyond the server's own limit (`STATEMENT_TIMEOUT`), so it only matters when the server has vanished. */
const ANSWER_TIMEOUT_MS = 90_000;
const KEEP_ALIVE_MS = 30_000;
const GOODBYE_MS = 2_000;

/** Begins every transaction: `SET LOCAL`, so that a pooler in transaction mode may stand between. */
export const BEGIN =
  "BEGIN; SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '30s'; SET LOCAL client_min_messages = warning";

/** Lower case and short, so that it is the same with and without quotes. */
const SCHEMA_NAME = /^[a-z_][a-z0-9_]{0,62}$/;
const SSL_IN_URL = /[?&](ssl|sslmode|sslcert|sslkey|sslrootcert|sslnegotiation)=/;

/** @throws {StreamgaugeError} `SG_CONFIG` for a name that is not one. */
export function quoteSchema(schema: string): string {
  if (!SCHEMA_NAME.test(schema) || schema.startsWith("pg_")) {
    throw new StreamgaugeError(
      "SG_CONFIG",
      `Cannot use ${JSON.stringify(schema.slice(0, 80))} as PostgreSQL schema: expected up to 63 lower-case letters, ` +
        `digits and _, not beginning with a digit or pg_`,
    );
  }
  return `"${schema}"`;
}

/**
 * `host:port/database`, for people.
 * @throws {StreamgaugeError} `SG_CONFIG` when the URL is not one, or says otherwise than `tls`.
 */
export function describeTarget(target: PostgresTarget): string {
  if (!/^postgres(ql)?:\/\//.test(target.url)) {
    throw new StreamgaugeError(
      "SG_CONFIG",
      "Cannot use the PostgreSQL url: expected postgres://user:password@host:5432/database",
    );
  }
  if (target.tls !== undefined && SSL_IN_URL.test(target.url)) {
    throw new StreamgaugeError(
      "SG_CONFIG",
      "Cannot use the PostgreSQL url: it has ssl parameters and there is a tls mapping beside it; keep one of them",
    );
  }
  const { host, port, database } = newClient(target).client;
  return `${host}:${port}/${database ?? ""}`;
}

/**
 * Settles when the server has taken the password; a failure is what `pg` says.
 * @param signal Ends the connection at once, also while it is made.
 */
export async function connect(target: PostgresTarget, signal: AbortSignal): Promise<PostgresConnection> {
  signal.throwIfAborted();
  const { client, socket } = newClient(target);
  let alive = true;
  // Without a listener the loss of an idle connection would end the process; the next query finds it dead.
  client.on("error", () => {
    alive = false;
  });
  client.on("end", () => {
    alive = false;
  });
  const destroy = (): void => {
    alive = false;
    signal.removeEventListener("abort", destroy);
    socket.destroy();
  };
  signal.addEventListener("abort", destroy);
  try {
    await client.connect();
  } catch (error) {
    destroy();
    throw error;
  }
  return {
    get alive() {
      return alive;
    },
    async query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) {
      const result = await client.query<Row>(text, values === undefined ? undefined : [...values]);
      return { rows: result.rows };
    },
    destroy,
    async end() {
      const timer = setTimeout(destroy, GOODBYE_MS);
      // A connection that breaks while it says goodbye is gone as well.
      await client.end().catch(() => undefined);
      clearTimeout(timer);
      destroy();
    },
  };
}

/** The socket is ours, so that a connection on which nothing arrives any more can be ended. */
function newClient(target: PostgresTarget): { readonly client: pg.Client; readonly socket: Socket } {
  const socket = new Socket();
  try {
    const client = new pg.Client({
      connectionString: target.url,
      ...(target.tls === undefined ? {} : { ssl: tlsOptions(target.tls) }),
      stream: () => socket,
      fallback_application_name: "streamgauge",
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    });
    return { client, socket };
  } catch {
    // What the parser says may quote the URL.
    throw new StreamgaugeError(
      "SG_CONFIG",
      "Cannot use the PostgreSQL url: it cannot be read as postgres://user:password@host:5432/database; " +
        "characters such as @ / : # % in the password are written as %40 %2F %3A %23 %25",
    );
  }
}

function tlsOptions(tls: TlsConfig) {
  const { ca, cert, key, passphrase, serverName } = tls;
  return {
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

/** Codes of Node: wrong certificates. Somebody has to mend them. */
const CERTIFICATE_CODE = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|ERR_OSSL)/;
/** SQLSTATE classes: authorisation, database name, syntax and permissions, catalogue. */
const REFUSED_STATE = /^(28|3D|3F|42|0L|0P)/;
/** SQLSTATE: data exceptions, a null or a value that a column does not take, a row or index entry that is too large. */
const DATA_STATE = /^(22|23502|23514|54)/;

export function failureOf(error: unknown): PostgresFailure {
  if (error instanceof StreamgaugeError) return error.code === "SG_CONFIG" ? "refused" : "unreachable";
  const code = codeOf(error);
  if (CERTIFICATE_CODE.test(code)) return "refused";
  if (/does not support SSL|client password must be/.test(messageOf(error))) return "refused";
  if (/^[0-9A-Z]{5}$/.test(code)) {
    if (DATA_STATE.test(code)) return "data";
    if (REFUSED_STATE.test(code)) return "refused";
  }
  return "unreachable";
}

/** SQLSTATE or Node's code; empty where there is none. */
function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** One line; of several attempts (IPv6, IPv4) the first. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  const text = error instanceof Error ? error.message : String(error);
  return (text.split("\n", 1)[0] ?? "").slice(0, 300) || codeOf(error) || "no reason given";
}
