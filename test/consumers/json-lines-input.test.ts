import { gzipSync } from "node:zlib";
import avro from "avsc";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { parseJson } from "../../src/consumers/json-text.ts";
import { collect, collectDecoded, decode, InputFolder, inputMessage } from "./input-kit.ts";

const folder = new InputFolder();
afterAll(() => folder.remove());

describe("openInput() of JSON lines without a schema", () => {
  test("infers nested records, arrays, unions and nullable fields", async () => {
    const events = [
      { id: 1, at: "2013-02-08T18:30:00Z", route: { origin: "JFK", miles: 10 }, tags: ["a"], mixed: 1, late: true },
      { id: 3_000_000_000, at: "2013-02-09", route: null, tags: [], mixed: "one" },
      { id: 2, at: "2013-02-10", route: { origin: "LGA", miles: 0.5, gate: 7 }, tags: ["b", null], mixed: [1, 2] },
    ];
    const path = folder.write("trips.jsonl", lines(events));
    const collected = await collect(path, { timeField: "at" });
    expect(JSON.parse(collected.input.schemaText)).toEqual({
      type: "record",
      name: "Event",
      namespace: "streamgauge.input",
      fields: [
        { name: "id", type: "long" },
        { name: "at", type: "string" },
        {
          name: "route",
          type: [
            "null",
            {
              type: "record",
              name: "Event_route",
              fields: [
                { name: "origin", type: "string" },
                { name: "miles", type: "double" },
                { name: "gate", type: ["null", "int"] },
              ],
            },
          ],
        },
        { name: "tags", type: { type: "array", items: ["null", "string"] } },
        { name: "mixed", type: ["int", "string", { type: "array", items: "int" }] },
        { name: "late", type: ["null", "boolean"] },
      ],
    });
    const filled = events.map((event) => ({
      ...event,
      late: event.late ?? null,
      route: event.route === null ? null : { gate: null, ...event.route },
    }));
    expect(decode(collected)).toEqual(filled);
    expect(collected.timesMs).toEqual(events.map((event) => Date.parse(event.at)));
    expect(await collectDecoded(folder.write("trips.ndjson.gz", lines(events)))).toEqual(filled);
    expect(await collectDecoded(folder.write("trips.json", lines(events)))).toEqual(filled);
  });

  test("keeps whole numbers beyond 2^53: 64 bits as long, more as text", async () => {
    const text = '{"id":9007199254740993}\n{"id":-9223372036854775808}\n{"id":5}\n{"id":9223372036854775808}\n';
    const collected = await collect(folder.write("big.jsonl", text));
    expect(JSON.parse(collected.input.schemaText).fields[0].type).toEqual(["long", "string"]);
    expect(collected.payloads.map((payload) => payload[0])).toEqual([0, 0, 0, 2]);
    expect(collected.payloads[3]!.subarray(2).toString()).toBe("9223372036854775808");
    const rounded = await collectDecoded(folder.write("rounded.jsonl", `${text}{"id":0.5}`));
    expect(rounded.at(-2)).toEqual({ id: 2 ** 63 });
    const longs = await collect(folder.write("longs.jsonl", text.split("\n").slice(0, 3).join("\n")));
    expect(decode(longs, { bigLongs: true })).toEqual([
      { id: 9_007_199_254_740_993n },
      { id: -9_223_372_036_854_775_808n },
      { id: 5n },
    ]);
  });

  test("gives names that Avro allows, and takes __proto__ and toString as any other", async () => {
    const text = '{"pick up":1,"pick-up":2,"__proto__":{"x":3},"toString":4}\n{"pick up":5,"pick-up":6}\n';
    const collected = await collect(folder.write("names.jsonl", text));
    const fields = JSON.parse(collected.input.schemaText).fields as { name: string; sourceName?: string }[];
    expect(fields.map((field) => [field.name, field.sourceName])).toEqual([
      ["pick_up", "pick up"],
      ["pick_up_2", "pick-up"],
      ["__proto__", undefined],
      ["toString", undefined],
    ]);
    // 1, 2, branch 1 with 3, branch 1 with 4; then 5, 6 and twice the null branch.
    expect(collected.payloads).toEqual([Buffer.from([2, 4, 2, 6, 2, 8]), Buffer.from([10, 12, 0, 0])]);
    const { objects } = {
      objects: await collect(folder.write("long.jsonl", '{"__proto__":{"id":12345678901234567}}\n')),
    };
    expect(objects.payloads[0]!.length).toBeGreaterThan(6);
    expect(({} as { id?: unknown }).id).toBeUndefined();
  });

  test("gives two records of one name two names", async () => {
    const path = folder.write("same.jsonl", '{"a":{"b":{"x":1}},"a_b":{"y":2}}\n');
    expect(await collectDecoded(path)).toEqual([{ a: { b: { x: 1 } }, a_b: { y: 2 } }]);
  });

  test("skips a byte order mark and blank lines, and counts every line", async () => {
    const collected = await collect(folder.write("blank.jsonl", '\ufeff\n{"a":1}\r\n  \n\n{"a":2}'));
    expect(collected.places).toEqual([2, 5]);
    expect(collected.input.eventCount).toBe(2);
  });

  test("reads a file without any event, with and without a time field", async () => {
    const collected = await collect(folder.write("none.jsonl", "\n"), { timeField: "at" });
    expect(collected.payloads).toEqual([]);
    expect(collected.input.eventCount).toBe(0);
  });

  test("reads what was always null as nullable text", async () => {
    const collected = await collect(folder.write("null.jsonl", '{"a":null,"b":[]}\n'));
    expect(JSON.parse(collected.input.schemaText).fields).toEqual([
      { name: "a", type: ["null", "string"] },
      { name: "b", type: { type: "array", items: ["null", "string"] } },
    ]);
  });

  test("brings any JSON through: avsc decodes what was written", async () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        fc.constant(null),
        fc.boolean(),
        fc.integer(),
        fc.maxSafeInteger(),
        fc.double({ noNaN: true, noDefaultInfinity: true, noInteger: true }),
        fc.string({ unit: "grapheme" }),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(fc.constantFrom("a", "b", "c", "d_1"), tie("value"), { maxKeys: 3 }),
      ),
    }));
    const event = fc.dictionary(fc.constantFrom("a", "b", "c"), value, { noNullPrototype: true });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 12 }), async (events) => {
        const collected = await collect(folder.write("random.jsonl", lines(events)));
        // As bigints, because avsc itself rounds longs beyond 2^52.
        expect(withoutNulls(decode(collected, { bigLongs: true }))).toEqual(
          withoutNulls(JSON.parse(JSON.stringify(events))),
        );
      }),
      { seed: 20_130_212, numRuns: 200 },
    );
  });

  test("does not depend on where a read ends", async () => {
    const events = Array.from({ length: 9000 }, (_, index) => ({ index, text: "é".repeat((index * 31) % 257) }));
    for (const name of ["long.jsonl", "long.jsonl.gz"]) {
      const collected = await collect(folder.write(name, lines(events)));
      expect(decode(collected)).toEqual(events);
      expect(collected.places).toEqual(events.map((_, index) => index + 1));
    }
  });

  test("reads gzip members one behind the other, wherever one ends", async () => {
    const parts = Array.from({ length: 40 }, (_, index) => lines([{ index, text: "x".repeat(index * 997) }]));
    for (const count of [1, 2, 3, 7, 40]) {
      const size = Math.ceil(parts.length / count);
      const members = Array.from({ length: count }, (_, at) => parts.slice(at * size, (at + 1) * size).join(""));
      // Without compression, so that members end at many places of the reads.
      const bytes = Buffer.concat(members.map((member) => gzipSync(member, { level: 0 })));
      const events = (await collectDecoded(folder.writeRaw("members.jsonl.gz", bytes))) as { index: number }[];
      expect(events.map((event) => event.index)).toEqual(parts.map((_, index) => index));
    }
  });
});

describe("openInput() of JSON lines with a schema", () => {
  const schema = {
    type: "record",
    name: "Trip",
    fields: [
      { name: "id", type: "long" },
      { name: "at", type: ["null", { type: "long", logicalType: "timestamp-millis" }] },
      { name: "day", type: ["null", { type: "int", logicalType: "date" }], default: null },
      { name: "score", type: ["null", "int", "double"], default: null },
      { name: "kind", type: { type: "enum", name: "Kind", symbols: ["A", "B"] }, default: "B" },
      { name: "hash", type: { type: "fixed", name: "Two", size: 2 }, default: "\u0001ÿ" },
      { name: "rates", type: { type: "map", values: ["null", "double"] }, default: {} },
      { name: "next", type: ["null", "Trip"], default: null },
    ],
  };
  const schemaText = JSON.stringify(schema);

  test("encodes dates, enums, maps, defaults and records of records", async () => {
    const events = [
      { id: 1, at: "2013-02-08T18:30:00.5Z", day: "2013-02-08", score: 3, kind: "A", rates: { x: 1, y: null } },
      { id: 2, at: 1500, score: 0.5, next: { id: 3, at: null } },
      { id: 4, unknown: { anything: 1 } },
    ];
    const rest = { day: null, score: null, kind: "B", hash: Buffer.from([1, 255]), rates: {}, next: null };
    const collected = await collect(folder.write("schema.jsonl", lines(events)), { schemaText, timeField: "at" });
    expect(decode(collected)).toEqual([
      { ...rest, id: 1, at: 1_360_348_200_500, day: 15_744, score: { int: 3 }, kind: "A", rates: { x: 1, y: null } },
      { ...rest, id: 2, at: 1500, score: { double: 0.5 }, next: { ...rest, id: 3, at: null } },
      { ...rest, id: 4, at: null },
    ]);
    expect(collected.timesMs).toEqual([1_360_348_200_500, 1500, Number.NaN]);
  });

  test("reads Avro's own JSON encoding, which names union branches", async () => {
    const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: true });
    const wrapped = {
      ...{ id: 1, at: { long: 5 }, day: { int: 3 }, score: { double: 2 }, kind: "A", hash: Buffer.from([1, 200]) },
      ...{ rates: { x: { double: 0.5 }, y: null }, next: null },
    };
    const { payloads } = await collect(folder.write("avro.jsonl", `${type.toString(wrapped)}\n`), { schemaText });
    expect(payloads).toEqual([type.toBuffer(wrapped)]);
  });

  test("refuses what does not fit, with line and path, and says no value", async () => {
    const message = (event: unknown): Promise<string> =>
      inputMessage(folder.write("bad.jsonl", lines([{ id: 1 }, event])), { schemaText });
    expect(await message({ id: "secret" })).toMatch(/bad\.jsonl:2: id: expected long, found text$/);
    expect(await message({})).toMatch(/:2: id: expected a value, found nothing$/);
    expect(await message({ id: 1.5 })).toContain("id: expected long, found number");
    expect(await message({ id: 1, kind: "C" })).toContain("kind: expected a symbol of Kind");
    expect(await message({ id: 1, day: "2013-02-08T10:00:00Z" })).toContain("day: expected null or date");
    expect(await message({ id: 1, rates: { x: "1" } })).toContain("rates{}: expected null or double");
    expect(await message({ id: 1, next: { id: 2, next: { id: "x" } } })).toContain("next.next.id: expected long");
  });

  test("stops trying when unions of records multiply", async () => {
    // Either record holds either: without a limit a wrong value 60 levels down is tried 2^60 times.
    const fields = (inner: unknown) => [
      { name: "in", type: ["null", "L", inner], default: null },
      { name: "end", type: "int", default: 0 },
    ];
    const right = { type: "record", name: "R", fields: fields("R") };
    const left = { type: "record", name: "L", fields: fields(right) };
    let event: unknown = { end: "wrong" };
    for (let level = 0; level < 60; level++) event = { in: event };
    const path = folder.write("tries.jsonl", lines([event]));
    expect(await inputMessage(path, { schemaText: JSON.stringify(left) })).toMatch(/tries\.jsonl:1: in\.in\./);
  });
});

describe("openInput() of broken JSON lines", () => {
  const cases: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ["a line that is cut off", '{"a":1}\n\n{"a":', /:3: it is not JSON/],
    ["two objects on a line", '{"a":1}{"a":2}\n', /:1: it is not JSON/],
    ["a number", '{"a":1}\n5\n', /:2: expected an object/],
    ["null", "null\n", /:1: expected an object/],
    ["a list in one line", '[{"a":1}]', /:1: expected one object per line, found a list/],
    ["a list over lines", '[\n{"a":1}\n]', /:1: expected one object per line, found a list/],
    ["bytes that are not UTF-8", Buffer.from('{"a":"é"}', "latin1"), /:1: it is not UTF-8/],
    ["UTF-16", Buffer.from('\ufeff{"a":1}', "utf16le"), /UTF-16/],
    ["nesting beyond 32 levels", `{"a":${"[".repeat(40)}${"]".repeat(40)}}`, /:1: nested deeper than 32 levels/],
    ["nesting beyond any stack", `{"a":${"[".repeat(200_000)}`, /:1: it is not JSON/],
    ["deep nesting beside long digits", `{"n":12345678901234567,"a":${"[".repeat(99_999)}`, /:1: it is not JSON/],
    ["a line beyond 16 MB", `{"a":"${"x".repeat(18 << 20)}`, /:1: the line is longer than 16 MB/],
  ];
  for (const [name, text, message] of cases) {
    test(`refuses ${name}`, async () => {
      for (const file of ["broken.jsonl", "broken.jsonl.gz"]) {
        expect(await inputMessage(folder.write(file, typeof text === "string" ? text : Buffer.from(text)))).toMatch(
          message,
        );
      }
    });
  }

  test("refuses objects that are used as maps", async () => {
    const events = Array.from({ length: 5000 }, (_, index) => ({ [`key${index}`]: 1 }));
    expect(await inputMessage(folder.write("map.jsonl", lines(events)))).toMatch(
      /:4097: more than 4096 distinct fields/,
    );
  });

  test("refuses gzip cut at every byte, also inside a second member", async () => {
    const members = [gzipSync('{"a":1}\n'), gzipSync('{"a":2}\n')];
    const bytes = Buffer.concat(members);
    for (let length = 0; length < bytes.length; length++) {
      const path = folder.writeRaw("cut.jsonl.gz", bytes.subarray(0, length));
      if (length === members[0]!.length) expect((await collect(path)).payloads.length).toBe(1);
      else expect(await inputMessage(path), `cut at ${length}`).toContain("cut.jsonl.gz");
    }
  });
});

describe("parseJson()", () => {
  test("agrees with JSON.parse on texts with and without long digits", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (text) => {
        const withDigits = `{"digits":"1234567890123456","value":${text}}`;
        expect(rounded(parseJson(text))).toEqual(JSON.parse(text));
        expect(rounded(parseJson(withDigits))).toEqual(JSON.parse(withDigits));
      }),
      { seed: 20_130_213, numRuns: 500 },
    );
  });

  test("refuses what JSON.parse refuses", () => {
    const tails = ["", ",", "}", "]", '"', "[1,]", '{"a":1,}', "{a:1}", "'a'", "01", "+1", "1.", ".5", "1e", "tru"];
    for (const tail of [...tails, "nan", '"\n"', '"\\x"', '"\\u12"', "[1 2]", '{"a" 1}', "\u00a01", "1//x"]) {
      const text = `[1234567890123456,${tail}`;
      expect(() => parseJson(text), text).toThrow(SyntaxError);
      expect(() => parseJson(`${text}]`), text).toThrow(SyntaxError);
    }
  });

  test("keeps whole numbers exact and rounds others", () => {
    expect(parseJson("[9007199254740993, -9007199254740993, 9007199254740991]")).toEqual([
      9_007_199_254_740_993n,
      -9_007_199_254_740_993n,
      Number.MAX_SAFE_INTEGER,
    ]);
    expect(parseJson("[12345678901234567.5, 12345678901234567e0]")).toEqual([
      12_345_678_901_234_568, 12_345_678_901_234_568,
    ]);
  });
});

function lines(events: readonly unknown[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join("");
}

function rounded(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, inner) => (typeof inner === "bigint" ? Number(inner) : inner)));
}

/** An absent field comes back as null; JSON has no -0; longs become numbers again. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? 0 : value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutNulls(inner)]));
}
