import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { LogRecord } from "../../src/core/log.ts";
import type { Sink } from "../../src/core/sink.ts";
import { topicNames } from "../../src/core/topics.ts";
import { startSink } from "../../src/stages/sink-runner.ts";
import { alertAt, contents, logRecord, logRecords, metricsAt, openSink, rowsOf, verdictAt } from "./kit.ts";
import { freePort, type PostgresServer, postgresPresent, startPostgres } from "./server.ts";

let server: PostgresServer;
let url = "";

beforeAll(async () => {
  if (postgresPresent) server = await startPostgres();
});
afterAll(async () => server?.remove());
beforeEach(async () => {
  if (postgresPresent) url = await server.createDatabase();
});

const HOURS = 60;
const RECORDS = {
  metrics: places().map(metricsAt),
  verdicts: places().map((place) => verdictAt(place)),
  alerts: places().map((place) => alertAt(place, place.hour % 2 === 0 ? "opened" : "resolved")),
};

function places() {
  return Array.from({ length: HOURS }, (_, hour) => ({ dataset: "trips", slice: "all", hour, revision: 0 }));
}

/** Everything on the three topics of a memory log, and what the sink should make of it. */
async function filledLog() {
  const log = new MemoryLog({ clock: systemClock() });
  const topics = topicNames("streamgauge.");
  for (const kind of ["metrics", "verdicts", "alerts"] as const) {
    await log.createTopics([{ name: topics[kind], partitions: 1 }]);
    const records = logRecords(RECORDS[kind]);
    await log.append(records.map(({ value, timestampMs }) => ({ topic: topics[kind], key: null, value, timestampMs })));
    log.seal(topics[kind]);
  }
  return { log, topics, deployment: "test", group: "test" };
}

/** The tables without an outage. */
async function expectedTables() {
  const clean = await server.createDatabase();
  const sink = await openSink(clean);
  for (const kind of sink.topics) {
    if (kind !== "windows") await sink.write(kind, logRecords(RECORDS[kind]));
  }
  await sink.close();
  return contents(clean);
}

/** Hands over few records at a time, and tells of every call. */
function watched(sink: Sink, onWrite: (call: number) => void): Sink {
  let calls = 0;
  return {
    name: sink.name,
    topics: sink.topics,
    async write(topic, records) {
      for (let from = 0; from < records.length; from += 3) {
        onWrite(++calls);
        await sink.write(topic, records.slice(from, from + 3));
      }
    },
  };
}

describe.skipIf(!postgresPresent)("PostgresSink over a log", () => {
  test("catches up after the database was killed under it, while another sink goes on", async () => {
    const expected = await expectedTables();
    const sink = await openSink(url);
    const { log, topics, ...names } = await filledLog();
    let killed: Promise<void> | undefined;
    const killing = watched(sink, (call) => {
      // Not awaited: the write of this call and the loss of the server meet.
      if (call === 7) killed = server.kill();
    });
    let others = 0;
    const other: Sink = {
      name: "other",
      topics: ["metrics", "verdicts", "alerts"],
      write: (_topic, records: readonly LogRecord[]) => {
        others += records.length;
      },
    };
    const running = await startSink({ log, topics, ...names, sink: killing });
    const beside = await startSink({ log, topics, ...names, sink: other });
    await beside.done;
    expect(others).toBe(3 * HOURS);
    await until(() => sink.lines.length > 0);
    await killed;
    expect(sink.lines.map(({ level, message }) => [level, message.replace(/127.*test\d+/, "HERE")])).toEqual([
      ["warn", "PostgreSQL at HERE cannot be written to; trying again, records wait on their topics"],
    ]);
    await server.start();
    await running.done;
    expect(sink.lines.map(({ level }) => level)).toEqual(["warn", "info"]);
    expect(sink.failures()).toBeGreaterThan(0);
    await sink.close();
    expect(await contents(url)).toEqual(expected);
  });

  test("writes what it has written again when the answer to a commit is lost, and doubles nothing", async () => {
    const expected = await expectedTables();
    const proxy = await cuttingProxy(server.port, [3, 5, 6]);
    const sink = await openSink(url.replace(`:${server.port}`, `:${proxy.port}`));
    const { log, topics, ...names } = await filledLog();
    const running = await startSink({ log, topics, ...names, sink: watched(sink, () => {}) });
    await running.done;
    expect([proxy.cuts(), sink.failures()]).toEqual([3, 3]);
    await sink.close();
    await proxy.close();
    expect(await contents(url)).toEqual(expected);
  });
});

describe.skipIf(!postgresPresent)("openPostgresSink()", () => {
  const closing: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const sink of closing.splice(0)) await sink.close();
  });

  test("starts without the database and writes once it is there", async () => {
    await server.kill();
    const sink = await openSink(url);
    expect(sink.lines.map(({ level }) => level)).toEqual(["warn"]);
    const written = sink.write("metrics", logRecords(RECORDS.metrics));
    await server.start();
    await written;
    await sink.close();
    expect(await rowsOf(url, "SELECT count(*)::int FROM streamgauge.windows")).toEqual([{ count: HOURS }]);
  });

  test("close() ends a write that waits, with SG_CONNECT, and its records are not counted as written", async () => {
    const port = await freePort();
    const sink = await openSink(`postgres://someone:canary@127.0.0.1:${port}/db`);
    const written = sink.write("alerts", [logRecord(RECORDS.alerts[0], 0)]);
    const refused = expect(written).rejects.toMatchObject({ code: "SG_CONNECT" });
    await sink.close();
    await refused;
    await expect(sink.write("alerts", [])).rejects.toMatchObject({ code: "SG_CONNECT" });
    expect(JSON.stringify(sink.lines)).not.toContain("canary");
  });

  test("close() does not wait for a server that has stopped to answer", async () => {
    const proxy = await cuttingProxy(server.port, []);
    const sink = await openSink(url.replace(`:${server.port}`, `:${proxy.port}`));
    proxy.mute();
    const written = expect(sink.write("metrics", logRecords(RECORDS.metrics))).rejects.toMatchObject({
      code: "SG_CONNECT",
    });
    await sink.close();
    await written;
    await proxy.close();
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/**
 * Stands between the sink and the server. The answers to the COMMITs of the given numbers are not passed on, and the
 * connection is cut.
 */
async function cuttingProxy(port: number, cutAt: readonly number[]) {
  let commits = 0;
  let cuts = 0;
  let muted = false;
  const sockets = new Set<Socket>();
  const proxy = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    let cutting = false;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        near.destroy();
        far.destroy();
      });
    }
    near.on("data", (chunk: Buffer) => {
      if (chunk.includes("COMMIT") && cutAt.includes(++commits)) cutting = true;
      if (!muted) far.write(chunk);
    });
    far.on("data", (chunk: Buffer) => {
      if (muted) return;
      if (!cutting) {
        near.write(chunk);
        return;
      }
      // The server has answered: the transaction is committed, and only the sink does not know.
      cuts++;
      near.destroy();
    });
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    cuts: () => cuts,
    mute: () => {
      muted = true;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, "close");
    },
  };
}
