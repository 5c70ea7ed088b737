/** Against a server that really misbehaves. Requests that must fail at once are counted, never timed. */
import type { IncomingMessage } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createReaderSource } from "../../src/schemas/registry.ts";
import type { Certificates } from "./certificates.ts";
import { makeCertificates, PASSPHRASE } from "./certificates.ts";
import { answer, byPath, connect, type Handler, inTurn, startServer, type TestServer } from "./registry-server.ts";

const INT = answer(200, { schema: '"int"' });
const UNKNOWN = answer(404, { error_code: 40403, message: "Schema 7 not found" });
const TYPES = "/schemas/types";
const LOGIN = { kind: "basic", username: "user", password: "hunter2" } as const;

const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serve(handler: Handler, tls?: Parameters<typeof startServer>[1]): Promise<TestServer> {
  const server = await startServer(handler, tls);
  servers.push(server);
  return server;
}

/** The one error of a server that always answers like this. */
async function failureOf(handler: Handler, login?: typeof LOGIN) {
  const server = await serve(handler);
  const { registry } = connect({ url: server.url, ...(login === undefined ? {} : { auth: login }) });
  const error: unknown = await registry.schema(7).catch((thrown: unknown) => thrown);
  if (!(error instanceof Error)) throw new Error("Expected a rejection");
  return {
    code: "code" in error ? error.code : undefined,
    message: error.message.replaceAll(server.url, "URL"),
    asked: server.asked,
  };
}

describe("HttpRegistry.schema()", () => {
  test("gives the schema behind an id, below the path of the URL", async () => {
    const headers: IncomingMessage["headers"][] = [];
    const server = await serve((request, response) => {
      headers.push(request.headers);
      answer(200, { schema: '"long"', schemaType: "AVRO", references: [] })(request, response);
    });
    const { registry } = connect({ url: `${server.url}/apis/ccompat/v7/` });
    expect(await registry.schema(7)).toEqual({ id: 7, type: "AVRO", text: '"long"' });
    expect(server.asked).toEqual(["/apis/ccompat/v7/schemas/ids/7"]);
    expect(headers[0]?.accept).toMatch(/^application\/vnd\.schemaregistry\.v1\+json/);
    expect(headers[0]?.authorization).toBeUndefined();
  });

  test.each([
    [LOGIN, `Basic ${Buffer.from("user:hunter2").toString("base64")}`],
    [{ kind: "bearer", token: "t0ken" } as const, "Bearer t0ken"],
  ])("logs in with %j", async (auth, expected) => {
    const server = await serve((request, response) => {
      (request.headers.authorization === expected ? INT : answer(401, {}))(request, response);
    });
    const { registry } = connect({ url: server.url, auth });
    expect(await registry.schema(7)).toMatchObject({ text: '"int"' });
  });

  test("is undefined for an id that the registry does not know, and for one that none can have", async () => {
    const server = await serve(UNKNOWN);
    const { registry } = connect({ url: server.url });
    expect(await registry.schema(7)).toBeUndefined();
    for (const id of [2 ** 31, 2 ** 32 - 1, -1, 0.5]) expect(await registry.schema(id)).toBeUndefined();
    expect(server.asked).toEqual(["/schemas/ids/7"]);
  });

  test("takes a bare 404 for unknown only from what proves to be a registry, once", async () => {
    for (const bare of [{ error_code: 404, message: "HTTP 404 Not Found" }, { message: "no" }]) {
      const types = answer(200, ["AVRO", "JSON"]);
      const server = await serve(
        byPath({ "/schemas/ids/7": answer(404, bare), "/schemas/ids/8": answer(404, bare), [TYPES]: types }),
      );
      const { registry } = connect({ url: server.url });
      expect(await registry.schema(7)).toBeUndefined();
      expect(await registry.schema(8)).toBeUndefined();
      expect(server.asked).toEqual(["/schemas/ids/7", TYPES, "/schemas/ids/8"]);

      const other = await failureOf(answer(404, bare));
      expect(other).toMatchObject({ code: "SG_CONNECT", asked: ["/schemas/ids/7", TYPES] });
      expect(other.message).toContain("does not look like a schema registry");
    }
  });

  test.each<[string, Handler, string]>([
    ["404 as HTML", answer(404, "<html>\n<h1>Not\u001b[2J found</h1>"), '404 with "<html> <h1>Not?[2J found</h1>"'],
    ["200 as HTML", answer(200, "<!doctype html>"), '200 with "<!doctype html>"'],
    ["200 as other JSON", answer(200, { id: 7 }), '200 with "{"id":7}"'],
    [
      "200 with a schema that is no text",
      answer(200, { schema: { type: "int" } }),
      '200 with "{"schema":{"type":"int"}}"',
    ],
    ["200 with nothing", answer(200, ""), "200 with nothing"],
    ["418", answer(418, "x".repeat(100)), `418 with "${"x".repeat(80)}…"`],
    ["304", answer(304, ""), "304 with nothing"],
  ])("does not take %s for a registry, and does not ask again", async (_what, handler, said) => {
    expect(await failureOf(handler)).toEqual({
      code: "SG_CONNECT",
      message: `Cannot load schema 7: the schema registry at URL does not look like a schema registry: it answers ${said} — check registry.url and its path`,
      asked: ["/schemas/ids/7"],
    });
  });

  test.each<[number, typeof LOGIN | undefined, string]>([
    [401, undefined, "asks for a login (401) — add registry.auth"],
    [401, LOGIN, "refuses the login (401) — check registry.auth"],
    [403, LOGIN, "forbids reading schemas (403) — grant it to the user of registry.auth"],
  ])("calls %d a matter of configuration, and does not ask again", async (status, login, said) => {
    expect(await failureOf(answer(status, { error_code: status }), login)).toEqual({
      code: "SG_CONFIG",
      message: `Cannot load schema 7: the schema registry at URL ${said}`,
      asked: ["/schemas/ids/7"],
    });
  });

  test.each([429, 500, 502, 503, 408])("asks again after %d, and takes the schema that comes then", async (status) => {
    const server = await serve(inTurn(answer(status, "busy"), answer(status, {}), answer(status, ""), INT));
    const { registry } = connect({ url: server.url });
    expect(await registry.schema(7)).toMatchObject({ text: '"int"' });
    expect(server.asked).toHaveLength(4);
  });

  test("asks four times in all, with pauses below 200, 400 and 800 ms", async () => {
    const server = await serve(answer(503, "busy"));
    const pausesBySeed: number[][] = [];
    for (const seed of [1, 2]) {
      const { registry, clock } = connect({ url: server.url }, 60_000, seed);
      await expect(registry.schema(7)).rejects.toMatchObject({
        code: "SG_CONNECT",
        message: `Cannot load schema 7: the schema registry at ${server.url} has a failure of its own (503)`,
      });
      expect(server.asked.splice(0)).toHaveLength(4);
      const pauses = clock.delaysMs.filter((delayMs) => delayMs < 10_000);
      expect(pauses).toHaveLength(3);
      for (const [index, pauseMs] of pauses.entries()) expect(pauseMs).toBeLessThan(200 * 2 ** index);
      pausesBySeed.push(pauses);
    }
    // Clients that failed together do not come back together.
    expect(pausesBySeed[0]).not.toEqual(pausesBySeed[1]);
  });

  test("waits as long as Retry-After says, in seconds or until a date, unless that is beyond the deadline", async () => {
    const date = (inMs: number) => new Date(Date.now() + inMs).toUTCString();
    for (const [retryAfter, atLeastMs] of [
      ["1", 1_000],
      [date(5_500), 500],
    ] as const) {
      const server = await serve(inTurn(answer(429, {}, { "retry-after": retryAfter }), INT));
      const { registry, clock } = connect({ url: server.url }, 60_000);
      expect(await registry.schema(7)).toMatchObject({ text: '"int"' });
      expect(Math.max(...clock.delaysMs.filter((delayMs) => delayMs < 10_000))).toBeGreaterThanOrEqual(atLeastMs);
    }
    for (const retryAfter of ["3600", date(3_600_000)]) {
      const server = await serve(inTurn(answer(503, {}, { "retry-after": retryAfter }), INT));
      const { registry } = connect({ url: server.url });
      await expect(registry.schema(7)).rejects.toMatchObject({ code: "SG_CONNECT" });
      expect(server.asked).toHaveLength(1);
    }
  });

  test("asks again when the connection is cut, before or in the middle of an answer", async () => {
    const cut: Handler = (request) => request.socket.destroy();
    const cutInside: Handler = (request, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
      response.write('{"schema":');
      setImmediate(() => request.socket.destroy());
    };
    const server = await serve(inTurn(cut, cutInside, INT, cut));
    const { registry } = connect({ url: server.url });
    expect(await registry.schema(7)).toMatchObject({ text: '"int"' });
    await expect(registry.schema(8)).rejects.toMatchObject({
      code: "SG_CONNECT",
      message: `Cannot load schema 8: the schema registry at ${server.url} does not answer (ECONNRESET)`,
    });
    expect(server.asked).toHaveLength(7);
  });

  test("names the cause when nobody listens", async () => {
    const server = await startServer(INT);
    await server.close();
    const { registry } = connect({ url: server.url });
    await expect(registry.schema(7)).rejects.toMatchObject({
      code: "SG_CONNECT",
      message: `Cannot load schema 7: the schema registry at ${server.url} does not answer (ECONNREFUSED)`,
    });
  });

  test("gives up at its deadline when the server hangs, or sends its answer drop by drop", async () => {
    const drops: Handler = (_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const timer = setInterval(() => response.write(" "), 10);
      response.on("close", () => clearInterval(timer));
    };
    for (const handler of [() => {}, drops]) {
      const server = await serve(handler);
      const { registry } = connect({ url: server.url }, 300);
      await expect(registry.schema(7)).rejects.toMatchObject({
        code: "SG_CONNECT",
        message: `Cannot load schema 7: the schema registry at ${server.url} does not answer: no answer within 300 ms`,
      });
    }
  });

  test("stops reading an oversized answer: JSON is a verdict on the schema, anything else is none", async () => {
    const closed: Promise<void>[] = [];
    const flood =
      (contentType: string): Handler =>
      (_request, response) => {
        closed.push(new Promise((resolve) => response.on("close", () => resolve())));
        response.writeHead(200, { "content-type": contentType });
        response.write('{"schema":"');
        const more = () => {
          while (!response.destroyed && response.write("x".repeat(65_536)));
          if (!response.destroyed) response.once("drain", more);
        };
        more();
      };
    expect(await failureOf(flood("application/json"))).toEqual({
      code: "SG_SCHEMA",
      message: "Cannot load schema 7: its text is larger than 4 MB",
      asked: ["/schemas/ids/7"],
    });
    expect(await failureOf(flood("text/plain"))).toMatchObject({ code: "SG_CONNECT", asked: ["/schemas/ids/7"] });
    await Promise.all(closed);
  });

  test("follows a redirect on the same server only, so that no other sees the login", async () => {
    const other = await serve(INT);
    const redirect = (location: string) => answer(302, "", { location });
    for (const location of [`${other.url}/login?secret=1`, `//127.0.0.1:${other.port}/login`]) {
      const failure = await failureOf(redirect(location), LOGIN);
      expect(failure).toMatchObject({ code: "SG_CONFIG", asked: ["/schemas/ids/7"] });
      expect(failure.message).toBe(
        `Cannot load schema 7: the schema registry at URL sends us to ${other.url}/login — if that is right, write it into registry.url`,
      );
    }
    expect(other.asked).toEqual([]);

    const server = await serve(byPath({ "/schemas/ids/7": redirect("/moved/7"), "/moved/7": INT }));
    const { registry } = connect({ url: server.url, auth: LOGIN });
    expect(await registry.schema(7)).toMatchObject({ text: '"int"' });

    const round = await failureOf(redirect("/schemas/ids/7"));
    expect(round.code).toBe("SG_CONFIG");
    expect(round.asked).toHaveLength(4);
  });

  test("repeats no secret, even if the server does", async () => {
    const echo: Handler = (request, response) => {
      answer(404, `${request.headers.authorization} hunter2`)(request, response);
    };
    const failure = await failureOf(echo, LOGIN);
    expect(failure.message).toContain('"Basic *** ***"');
  });
});

describe("HttpRegistry, when the registry is down,", () => {
  test("asks at most once a second, whoever asks, and says so once", async () => {
    const server = await serve(answer(500, "down"));
    const { registry, clock, lines } = connect({ url: server.url });
    await expect(registry.schema(1)).rejects.toThrow("(500)");
    expect(server.asked).toHaveLength(4);
    const all = async () => {
      const results = await Promise.allSettled(Array.from({ length: 50 }, (_, id) => registry.schema(id)));
      for (const result of results)
        expect(result).toMatchObject({ status: "rejected", reason: { code: "SG_CONNECT" } });
    };
    await all();
    expect(server.asked).toHaveLength(4);
    for (const asked of [5, 6, 7]) {
      clock.aheadMs += 1_001;
      await all();
      expect(server.asked).toHaveLength(asked);
    }
    expect(lines.filter((line) => line.startsWith("warn"))).toHaveLength(1);

    server.handler = INT;
    clock.aheadMs += 1_001;
    expect(await registry.schema(1)).toMatchObject({ text: '"int"' });
    expect(await registry.schema(2)).toMatchObject({ text: '"int"' });
    expect(lines.map((line) => line.slice(0, 36))).toEqual([
      "warn schema registry is asked once a",
      "info schema registry answers again {",
    ]);
  });

  test("keeps the code of what it found: a refused login stays one", async () => {
    const server = await serve(answer(401, {}));
    const { registry } = connect({ url: server.url });
    for (let i = 0; i < 3; i++) await expect(registry.schema(i)).rejects.toMatchObject({ code: "SG_CONFIG" });
    expect(server.asked).toHaveLength(1);
  });

  test("leaves it alone for as long as it asks to, up to a minute", async () => {
    const server = await serve(answer(429, {}, { "retry-after": "30" }));
    const { registry, clock } = connect({ url: server.url });
    for (let i = 0; i < 4; i++) await expect(registry.schema(i)).rejects.toMatchObject({ code: "SG_CONNECT" });
    expect(server.asked).toHaveLength(4);
    clock.aheadMs += 29_000;
    await expect(registry.schema(1)).rejects.toMatchObject({ code: "SG_CONNECT" });
    expect(server.asked).toHaveLength(4);
    clock.aheadMs += 1_500;
    await expect(registry.schema(1)).rejects.toMatchObject({ code: "SG_CONNECT" });
    expect(server.asked).toHaveLength(5);
  });
});

describe("HttpRegistry.check()", () => {
  test("is content with what only a registry answers, and says what is wrong otherwise", async () => {
    const server = await serve(byPath({ [TYPES]: answer(200, ["AVRO"]) }));
    await connect({ url: server.url }).registry.check();
    server.handler = answer(401, {});
    await expect(connect({ url: server.url }).registry.check()).rejects.toMatchObject({
      code: "SG_CONFIG",
      message: `Cannot use the schema registry: the schema registry at ${server.url} asks for a login (401) — add registry.auth`,
    });
    server.handler = answer(200, "hello");
    await expect(connect({ url: server.url }).registry.check()).rejects.toMatchObject({ code: "SG_CONNECT" });
  });
});

describe("HttpRegistry with TLS", () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = makeCertificates();
  });

  const failure = async (url: string, tls?: object) => {
    const error: unknown = await connect({ url, ...(tls === undefined ? {} : { tls }) })
      .registry.schema(7)
      .catch((thrown: unknown) => thrown);
    return error;
  };

  test("trusts the authority that it is told to, and no other", async () => {
    const { ca, server: pair } = certificates;
    const { url } = await serve(INT, pair);
    expect(await connect({ url, tls: { ca } }).registry.schema(7)).toMatchObject({ text: '"int"' });
    expect(await failure(url)).toMatchObject({
      code: "SG_CONFIG",
      message: expect.stringContaining("registry.tls.ca"),
    });
    expect(await failure(url, { ca: makeCertificates().ca })).toMatchObject({ code: "SG_CONFIG" });
  });

  test("wants the certificate to have the host's name, or the one it is told", async () => {
    const { ca, server: pair } = certificates;
    const { url } = await serve(INT, pair);
    expect(await connect({ url, tls: { ca, serverName: "localhost" } }).registry.schema(7)).toMatchObject({
      text: '"int"',
    });
    expect(await failure(url, { ca, serverName: "example.com" })).toMatchObject({
      code: "SG_CONFIG",
      message: expect.stringContaining("registry.tls.serverName"),
    });
  });

  test("shows its own certificate where one is asked for", async () => {
    const { ca, server: pair, client } = certificates;
    const { url } = await serve(INT, { ...pair, ca, requestCert: true, rejectUnauthorized: true });
    const { cert, key, encryptedKey } = client;
    for (const own of [
      { cert, key },
      { cert, key: encryptedKey, passphrase: PASSPHRASE },
    ]) {
      expect(await connect({ url, tls: { ca, ...own } }).registry.schema(7)).toMatchObject({ text: '"int"' });
    }
    expect(await failure(url, { ca })).toMatchObject({
      code: "SG_CONFIG",
      message: expect.stringContaining("check registry.tls.cert and key"),
    });
  });

  test("says when one side speaks TLS and the other does not", async () => {
    const plain = await serve(INT);
    expect(await failure(plain.url.replace("http:", "https:"))).toMatchObject({
      code: "SG_CONFIG",
      message: expect.stringContaining("registry.url begins with http://"),
    });
    const tls = await serve(INT, certificates.server);
    expect(await failure(tls.url.replace("https:", "http:"))).toMatchObject({ code: "SG_CONNECT" });
  });

  test("refuses certificates that do not belong together before it asks", () => {
    const { client, server } = certificates;
    const tls = { cert: client.cert, key: server.key };
    expect(() => connect({ url: "https://127.0.0.1:1", tls })).toThrow("Cannot use registry.tls");
  });
});

describe("HttpRegistry, given references,", () => {
  const record = (name: string, fields: unknown) => ({ type: "record", name, namespace: "shop", fields });
  const body = (schema: unknown, references: unknown = []) =>
    answer(200, { schema: JSON.stringify(schema), references });
  const reference = (subject: string, version = 1) => ({ name: `shop.${subject}`, subject, version });
  const MONEY = body(record("Money", [{ name: "cents", type: "long" }]));
  const field = (name: string, type: string) => ({ name, type });

  test("collects them, each before those that use it, and asks for each once", async () => {
    const server = await serve(
      byPath({
        "/schemas/ids/7": body(record("Order", [field("item", "shop.Item"), field("tax", "Money")]), [
          reference("item/1"),
          reference("money", 3),
        ]),
        "/subjects/item%2F1/versions/1": body(record("Item", [field("price", "Money")]), [reference("money", 3)]),
        "/subjects/money/versions/3": MONEY,
      }),
    );
    const { registry, clock } = connect({ url: server.url });
    const reader = await createReaderSource(registry, { clock }).load(7);
    expect(reader).toMatchObject({ fields: [{ path: "item.price.cents" }, { path: "tax.cents" }] });
    expect(server.asked).toEqual(["/schemas/ids/7", "/subjects/item%2F1/versions/1", "/subjects/money/versions/3"]);
  });

  test.each<[string, unknown, string]>([
    [
      "that are not there",
      [reference("gone", 2)],
      'version 2 of subject "gone", to which it refers, is not in the registry',
    ],
    ["of another kind", [reference("json")], 'version 1 of subject "json", to which it refers, is of type "JSON"'],
    ["without a version", [{ subject: "money" }], "a reference in it has no subject and version"],
    ["that are no list", "money", "what it refers to is not a list"],
    ["without end", [reference("r0")], "it refers to more than 100 schemas"],
    ["that define the same name", [reference("money", 3), reference("money", 4)], 'second definition of "shop.Money"'],
    ["that do not define the name", [], 'undefined type "Money"'],
  ])("refuses the schema with references %s", async (_what, references, said) => {
    const endless: Handler = (request, response) => {
      const next = Number(/r(\d+)/.exec(request.url ?? "")?.[1]) + 1;
      body(record(`R${next}`, []), [reference(`r${next}`)])(request, response);
    };
    const known = byPath({
      "/schemas/ids/7": body(record("Order", [field("tax", "Money")]), references),
      "/subjects/money/versions/3": MONEY,
      "/subjects/money/versions/4": MONEY,
      "/subjects/json/versions/1": answer(200, { schema: "{}", schemaType: "JSON" }),
    });
    const server = await serve((request, response) => {
      (/\/r\d+\//.test(request.url ?? "") ? endless : known)(request, response);
    });
    const { registry, clock } = connect({ url: server.url });
    expect(await createReaderSource(registry, { clock }).load(7)).toEqual({
      reason: "schema_refused",
      message: expect.stringContaining(said),
    });
  });

  test("may find later what was missing", async () => {
    const answers: Record<string, Handler> = {
      "/schemas/ids/7": body(record("Order", [field("tax", "Money")]), [reference("money", 3)]),
    };
    const server = await serve((request, response) => byPath(answers)(request, response));
    const { registry, clock } = connect({ url: server.url });
    const readers = createReaderSource(registry, { clock });
    expect(await readers.load(7)).toMatchObject({ reason: "schema_refused" });
    answers["/subjects/money/versions/3"] = MONEY;
    clock.aheadMs += 60_000;
    expect(await readers.load(7)).toHaveProperty("fields");
  });
});

describe("createReaderSource() over HTTP", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(
      byPath({ "/schemas/ids/2": answer(200, { schema: "{}", schemaType: "PROTOBUF" }), "/schemas/ids/3": INT }),
    );
  });
  afterAll(() => server.close());

  test("asks once for a hundred records of one id, known or not, and names a kind that it cannot read", async () => {
    const { registry, clock } = connect({ url: server.url });
    const readers = createReaderSource(registry, { clock });
    for (const id of [1, 2, 3]) {
      await Promise.all(Array.from({ length: 50 }, () => readers.load(id)));
      for (let i = 0; i < 50; i++) await readers.load(id);
    }
    expect(server.asked).toEqual(["/schemas/ids/1", "/schemas/ids/2", "/schemas/ids/3"]);
    expect(readers.known(1)).toMatchObject({ reason: "schema_unknown" });
    expect(readers.known(2)).toEqual({
      reason: "schema_refused",
      message: 'Cannot use schema 2: its type is "PROTOBUF", expected "AVRO"',
    });
    expect(readers.known(3)).toHaveProperty("fields");
  });
});
