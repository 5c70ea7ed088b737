/**
 * The HTTP side of telemetry: `/metrics` for Prometheus, `/livez` and `/readyz` for whoever watches the process.
 * Read-only, without bodies, and nothing of the configuration is shown. There is no password: it binds to the loopback
 * interface unless the configuration names another host.
 *
 * Back-pressure: at most 64 connections; one that is slow to ask, or to read, is closed.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { StreamgaugeError } from "../core/errors.ts";
import { LoopWatch } from "./loop-watch.ts";
import type { PrometheusRegistry } from "./prometheus-registry.ts";
import { CONTENT_TYPES, exposition, formatFor } from "./prometheus-text.ts";

export interface Readiness {
  readonly ready: boolean;
  /** Why not, in plain words; no values of the data, no secrets. */
  readonly reasons: readonly string[];
  /** What else there is to know, such as a training on the past. @default none */
  readonly notes?: readonly string[];
}

export interface PrometheusServerOptions {
  readonly registry: PrometheusRegistry;
  /** @default "127.0.0.1" */
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  /** Asked for each `/readyz` and each scrape; must be quick. */
  readonly readiness: () => Readiness;
  /** Milliseconds that the event loop may stand still before `/livez` answers 503. @default 10000 */
  readonly stallLimitMs?: number;
}

export interface PrometheusServer {
  /** `http://host:port`, with the port that was taken. */
  readonly url: string;
  readonly port: number;
  /** Closes the port and all connections. */
  close(): Promise<void>;
}

const LOOPBACK = "127.0.0.1";
const DEFAULT_STALL_LIMIT_MS = 10_000;
/** Long enough that the answers that waited for the end of a stall come before the next beat. */
const LIVENESS_BEAT_MS = 1000;
/** A scraper and a few people; the rest waits. */
const MAX_CONNECTIONS = 64;
const HEADERS_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Longer than the usual scrape interval of a minute, so that a scraper keeps its connection. */
const KEEP_ALIVE_MS = 75_000;

/**
 * @throws {StreamgaugeError} `SG_CONFIG` when host and port cannot be had.
 */
export async function startPrometheusServer(options: PrometheusServerOptions): Promise<PrometheusServer> {
  const { registry, host = LOOPBACK } = options;
  const watch = new LoopWatch({ clock: registry.clock, everyMs: LIVENESS_BEAT_MS });
  const answer = answerer(options, watch);
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: 8192,
    },
    (request, response) => respond(request, response, answer),
  );
  server.maxConnections = MAX_CONNECTIONS;
  // A connection on which nothing moves, in either direction: a reader that does not read.
  server.timeout = KEEP_ALIVE_MS + REQUEST_TIMEOUT_MS;
  try {
    await listen(server, host, options.port);
  } catch (error) {
    watch.stop();
    throw listenError(error, host, options.port);
  }
  const ready = registry.read("streamgauge_ready", {}, () => (options.readiness().ready ? 1 : 0));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    port,
    close: async () => {
      watch.stop();
      ready.end();
      if (!server.listening) return;
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

type Answerer = (path: string, accept: string | undefined) => Answer;

function answerer(
  { registry, readiness, stallLimitMs = DEFAULT_STALL_LIMIT_MS }: PrometheusServerOptions,
  watch: LoopWatch,
): Answerer {
  return (path, accept) => {
    switch (path) {
      case "/metrics": {
        const format = formatFor(accept);
        return { status: 200, type: CONTENT_TYPES[format], body: exposition(registry.scrape(), format) };
      }
      case "/livez": {
        const { lateMs } = watch;
        if (lateMs <= stallLimitMs) return plain(200, "ok");
        return plain(503, `the event loop stood still for ${(lateMs / 1000).toFixed(1)} s`);
      }
      case "/readyz": {
        const { ready, reasons, notes } = readiness();
        return json(ready ? 200 : 503, { ready, reasons, ...(notes !== undefined && { notes }) });
      }
      default:
        return plain(404, "not found: there are /metrics, /livez and /readyz");
    }
  };
}

function respond(request: IncomingMessage, response: ServerResponse, answer: Answerer): void {
  const { method, url = "" } = request;
  if (method !== "GET" && method !== "HEAD") {
    // Its body is not read.
    response.shouldKeepAlive = false;
    response.setHeader("Allow", "GET, HEAD");
    send(response, plain(405, "only GET and HEAD"));
    return;
  }
  const [path = ""] = url.split("?", 1);
  let result: Answer;
  try {
    result = answer(path, request.headers.accept);
  } catch {
    // What went wrong may hold what must not be shown.
    result = plain(500, "internal error");
  }
  send(response, result);
}

/** Node leaves the body of an answer to HEAD out by itself. */
function send(response: ServerResponse, { status, type, body }: Answer): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    "Content-Type": type,
    "Content-Length": bytes.length,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(bytes);
}

function plain(status: number, text: string): Answer {
  return { status, type: "text/plain; charset=utf-8", body: `${text}\n` };
}

function json(status: number, value: unknown): Answer {
  return { status, type: "application/json", body: `${JSON.stringify(value)}\n` };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function listenError(error: unknown, host: string, port: number): StreamgaugeError {
  const code = (error as NodeJS.ErrnoException).code;
  return new StreamgaugeError("SG_CONFIG", `Cannot serve metrics on ${host}:${port}: ${reasonOf(code, error)}`, {
    cause: error,
  });
}

function reasonOf(code: string | undefined, error: unknown): string {
  switch (code) {
    case "EADDRINUSE":
      return "the port is in use — stop what listens there, or set another port of the prometheus sink (0 takes a free one)";
    case "EACCES":
      return "the system does not allow it — set a port above 1023";
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "this machine has no such address — set another host of the prometheus sink, such as 127.0.0.1";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
