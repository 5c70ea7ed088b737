/** A server of this process that answers as a test wants it to, and what a registry in front of it needs. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock, type Timer } from "../../src/core/clock.ts";
import type { RegistryConfig } from "../../src/core/config.ts";
import type { Logger } from "../../src/core/logger.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { createHttpRegistry, type HttpRegistry } from "../../src/schemas/http-registry.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface TestServer {
  readonly url: string;
  readonly port: number;
  /** Paths asked for, in order. */
  readonly asked: string[];
  /** Answers from now on. */
  handler: Handler;
  close(): Promise<void>;
}

export async function startServer(handler: Handler, tls?: ServerOptions): Promise<TestServer> {
  const asked: string[] = [];
  const listener: Handler = (request, response) => {
    asked.push(request.url ?? "");
    started.handler(request, response);
  };
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const started: TestServer = {
    url: `http${tls === undefined ? "" : "s"}://127.0.0.1:${port}`,
    port,
    asked,
    handler,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  return started;
}

export function answer(status: number, body: unknown, headers: Record<string, string> = {}): Handler {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const contentType = typeof body === "string" ? "text/html" : "application/vnd.schemaregistry.v1+json";
  return (_request, response) => {
    response.writeHead(status, { "content-type": contentType, ...headers });
    response.end(text);
  };
}

/** Each answer once, the last one for ever. */
export function inTurn(...handlers: readonly Handler[]): Handler {
  let turn = 0;
  return (request, response) => handlers[Math.min(turn++, handlers.length - 1)]?.(request, response);
}

/** By path; a path that is not there is answered as a registry does. */
export function byPath(answers: Readonly<Record<string, Handler>>): Handler {
  const unknown = answer(404, { error_code: 40403, message: "Schema not found" });
  return (request, response) => (answers[request.url ?? ""] ?? unknown)(request, response);
}

/** The machine's clock, which a test may set forward, and which remembers how long it was to wait. */
export class TestClock implements Clock {
  readonly delaysMs: number[] = [];
  aheadMs = 0;
  readonly #clock = systemClock();

  nowMs(): number {
    return this.#clock.nowMs() + this.aheadMs;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs() + this.aheadMs;
  }

  after(delayMs: number, task: () => void): Timer {
    this.delaysMs.push(delayMs);
    return this.#clock.after(delayMs, task);
  }
}

export interface Harness {
  readonly registry: HttpRegistry;
  readonly clock: TestClock;
  /** `level message` of every line. */
  readonly lines: string[];
}

export function connect(config: RegistryConfig, deadlineMs?: number, seed = 11): Harness {
  const clock = new TestClock();
  const lines: string[] = [];
  const logger: Logger = {
    info: (fields, message) => lines.push(`info ${message} ${JSON.stringify(fields)}`),
    warn: (fields, message) => lines.push(`warn ${message} ${JSON.stringify(fields)}`),
    error: (fields, message) => lines.push(`error ${message} ${JSON.stringify(fields)}`),
  };
  const random = new SeededRandom(seed);
  const options = { clock, random, logger, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
  return { registry: createHttpRegistry(config, options), clock, lines };
}
