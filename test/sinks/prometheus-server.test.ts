import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Clock } from "../../src/core/clock.ts";
import { systemClock } from "../../src/core/clock.ts";
import { StreamgaugeError } from "../../src/core/errors.ts";
import { PrometheusRegistry } from "../../src/sinks/prometheus-registry.ts";
import { type PrometheusServer, type Readiness, startPrometheusServer } from "../../src/sinks/prometheus-server.ts";
import { CONTENT_TYPES } from "../../src/sinks/prometheus-text.ts";
import { partition, RECORDS } from "./prometheus-kit.ts";
import { parseExposition } from "./prometheus-parser.ts";

const open: PrometheusServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

const READY: Readiness = { ready: true, reasons: [] };

async function start(readiness = () => READY, clock: Clock = systemClock(), host?: string) {
  const registry = new PrometheusRegistry({ clock });
  const server = await startPrometheusServer({ registry, port: 0, readiness, ...(host === undefined ? {} : { host }) });
  open.push(server);
  return { registry, server };
}

/** Sends bytes as they are, and gives back all that comes until the end. */
function raw(port: number, bytes: string, onConnect = () => {}, onData = () => {}): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes, onConnect));
    let text = "";
    socket.on("data", (data) => {
      text += data;
      onData();
    });
    // A server that closes may reset what it has not read; what came before counts.
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
}

describe("startPrometheusServer()", () => {
  test("answers /metrics in the format that is asked for", async () => {
    const { registry, server } = await start();
    registry.counter(RECORDS, partition(0)).add(5);
    const plain = await fetch(`${server.url}/metrics`);
    expect([plain.status, plain.headers.get("content-type")]).toEqual([200, CONTENT_TYPES.text]);
    const families = parseExposition(await plain.text(), "text");
    expect(families.get(RECORDS)?.samples[0]?.value).toBe(5);
    expect(families.get("streamgauge_ready")?.samples[0]?.value).toBe(1);

    const headers = { Accept: "application/openmetrics-text; version=1.0.0" };
    const open = await fetch(`${server.url}/metrics?x=1`, { headers });
    expect(open.headers.get("content-type")).toBe(CONTENT_TYPES.openmetrics);
    expect(parseExposition(await open.text(), "openmetrics").has("streamgauge_records")).toBe(true);
  });

  test("binds to the loopback interface, any free port", async () => {
    const { server } = await start();
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
    expect(server.port).toBeGreaterThan(0);
  });

  test("answers /readyz with 200 or 503 and the reasons, and says the same in streamgauge_ready", async () => {
    let readiness: Readiness = { ready: false, reasons: ["no partition of trips is assigned yet"] };
    const { registry, server } = await start(() => readiness);
    const before = await fetch(`${server.url}/readyz`);
    expect([before.status, before.headers.get("content-type")]).toEqual([503, "application/json"]);
    expect(await before.json()).toEqual(readiness);
    expect(registry.scrape().find(({ name }) => name === "streamgauge_ready")?.samples[0]?.value).toBe(0);
    readiness = READY;
    const after = await fetch(`${server.url}/readyz`);
    expect([after.status, await after.json()]).toEqual([200, READY]);
  });

  test("does not tell what went wrong inside", async () => {
    const { server } = await start(() => {
      throw new Error("password=hunter2");
    });
    const answer = await fetch(`${server.url}/readyz`);
    expect([answer.status, await answer.text()]).toEqual([500, "internal error\n"]);
    // One value that fails costs no other.
    expect((await fetch(`${server.url}/metrics`)).status).toBe(200);
  });

  test("answers /livez with 503 after the event loop stood still for more than the limit, and 200 after the next beat", async () => {
    let [nowMs, beat] = [0, () => {}];
    const clock: Clock = {
      nowMs: () => nowMs,
      monotonicMs: () => nowMs,
      after(_delayMs, task) {
        beat = task;
        return { cancel() {} };
      },
    };
    const { server } = await start(() => READY, clock);
    const status = async () => (await fetch(`${server.url}/livez`)).status;
    expect(await status()).toBe(200);
    nowMs = 11_000;
    expect(await status()).toBe(200);
    nowMs = 11_001;
    const answer = await fetch(`${server.url}/livez`);
    expect([answer.status, await answer.text()]).toEqual([503, "the event loop stood still for 10.0 s\n"]);
    beat();
    nowMs += 1000;
    expect(await status()).toBe(503);
    beat();
    expect(await status()).toBe(200);
  });

  test("answers HEAD without a body, 404 elsewhere, 405 to what would change something", async () => {
    const { server } = await start();
    const head = await fetch(`${server.url}/metrics`, { method: "HEAD" });
    expect([head.status, Number(head.headers.get("content-length")) > 0, await head.text()]).toEqual([200, true, ""]);
    for (const path of ["/", "/config", "/metrics/", "/debug", "//metrics"]) {
      expect((await fetch(server.url + path)).status, path).toBe(404);
    }
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      const refused = await fetch(`${server.url}/metrics`, { method });
      expect([refused.status, refused.headers.get("allow")], method).toEqual([405, "GET, HEAD"]);
    }
  });

  test("survives what is not HTTP, headers without end, and a body that is not wanted", async () => {
    const { server } = await start();
    expect(await raw(server.port, "\x16\x03\x01 hello\r\n\r\n")).toMatch(/^HTTP\/1.1 400 /);
    expect(await raw(server.port, `GET /metrics HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}`)).toMatch(/ 431 /);
    const post = `POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(1000)}`;
    expect(await raw(server.port, post)).toMatch(/^HTTP\/1.1 405 .*Connection: close/is);
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  });

  test("refuses a port in use and a host that is not ours with SG_CONFIG and what to do", async () => {
    const { server, registry } = await start();
    const refused = async (host: string, port: number): Promise<StreamgaugeError> => {
      const failure = await startPrometheusServer({ registry, host, port, readiness: () => READY }).catch((e) => e);
      expect(failure).toBeInstanceOf(StreamgaugeError);
      return failure as StreamgaugeError;
    };
    const inUse = await refused("127.0.0.1", server.port);
    expect([inUse.code, inUse.message]).toEqual([
      "SG_CONFIG",
      `Cannot serve metrics on 127.0.0.1:${server.port}: the port is in use — stop what listens there, or set another port of the prometheus sink (0 takes a free one)`,
    ]);
    expect((await refused("192.0.2.1", 0)).message).toMatch(/this machine has no such address — set another host/);
  });

  test("lets go of the port and of open connections on close, twice if need be", async () => {
    const { server, registry } = await start();
    let lingering = Promise.resolve("");
    let half = Promise.resolve("");
    await new Promise<void>((answered) => {
      lingering = raw(server.port, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n", undefined, answered);
    });
    await new Promise<void>((sent) => {
      half = raw(server.port, "GET /livez HT", sent);
    });
    await server.close();
    await server.close();
    expect(await lingering).toMatch(/^HTTP\/1.1 200 /);
    expect(await half).toBe("");
    expect(registry.scrape()).toEqual([]);
    const again = await startPrometheusServer({ registry, port: server.port, readiness: () => READY });
    open.push(again);
    expect(again.port).toBe(server.port);
  });
});
