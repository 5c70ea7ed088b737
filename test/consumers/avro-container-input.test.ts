import { deflateRawSync, gzipSync } from "node:zlib";
import avro from "avsc";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { openInput } from "../../src/consumers/file-input.ts";
import { GOLDEN_CONTAINERS, GOLDEN_LARGE } from "./avro-golden.ts";
import { collect, collectDecoded, decode, InputFolder, inputMessage } from "./input-kit.ts";

const folder = new InputFolder();
afterAll(() => folder.remove());

const GOLDEN_EVENTS = Array.from({ length: 19 }, (_, index) => ({
  id: (-1) ** index * 10 ** index,
  at: 1_700_000_000_123_456 + index * 1_000_000,
  note: index % 3 === 0 ? null : `note é ${index}`,
  tags: Array.from({ length: index % 4 }, (_tag, number) => `t${number}`),
  rates: index % 2 === 1 ? { r: index / 3 } : {},
  kind: index % 2 === 1 ? "B" : "A",
}));

const SYNC = Buffer.from(Array.from({ length: 16 }, (_, index) => index));

describe("openInput() of an Avro container", () => {
  for (const [codec, base64] of Object.entries(GOLDEN_CONTAINERS)) {
    test(`reads what fastavro wrote with codec ${codec}, plain and gzipped`, async () => {
      const bytes = Buffer.from(base64, "base64");
      for (const name of ["golden.avro", "golden.avro.gz"]) {
        const collected = await collect(folder.write(name, bytes), { timeField: "at" });
        // 10^18 is beyond what avsc decodes to a number; of a logical type it does not ask the registry.
        const events = decode(collected, { bigLongs: true });
        const expected = GOLDEN_EVENTS.map((event) => ({ ...event, id: BigInt(event.id) }));
        expect(events).toEqual(expected);
        expect(collected.timesMs).toEqual(GOLDEN_EVENTS.map((event) => event.at / 1000));
        expect(collected.places).toEqual(GOLDEN_EVENTS.map((_, index) => index + 1));
        expect(collected.input.eventCount).toBe(19);
        expect(collected.input.blockCount).toBeGreaterThan(1);
      }
    });
  }

  for (const [codec, base64] of Object.entries(GOLDEN_LARGE)) {
    test(`reads a block of several ${codec} blocks`, async () => {
      const events = await collectDecoded(folder.write("large.avro", Buffer.from(base64, "base64")));
      expect(events.length).toBe(150_000);
      expect(events.every((event, index) => (event as { n: number }).n === (index * index) % 5000)).toBe(true);
    });
  }

  test("finds the same event bounds as avsc for events of every type", async () => {
    const schema = {
      type: "record",
      name: "All",
      fields: [
        { name: "nothing", type: "null" },
        { name: "flag", type: "boolean" },
        { name: "small", type: "int" },
        { name: "large", type: "long" },
        { name: "single", type: "float" },
        { name: "text", type: ["null", "string", "double"] },
        { name: "bytes", type: "bytes" },
        { name: "fixed", type: { type: "fixed", name: "Four", size: 4 } },
        { name: "symbol", type: { type: "enum", name: "Symbol", symbols: ["X", "Y", "Z"] } },
        { name: "list", type: { type: "array", items: { type: "array", items: ["null", "Four"] } } },
        {
          name: "map",
          type: { type: "map", values: { type: "record", name: "In", fields: [{ name: "v", type: "long" }] } },
        },
        { name: "next", type: ["null", "All"] },
      ],
    };
    const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: false });
    const four = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes));
    const { event } = fc.letrec((tie) => ({
      event: fc.record({
        nothing: fc.constant(null),
        flag: fc.boolean(),
        small: fc.integer(),
        large: fc.maxSafeInteger(),
        single: fc.float(),
        text: fc.oneof(fc.constant(null), fc.string({ unit: "binary" }), fc.double()),
        bytes: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fixed: four,
        symbol: fc.constantFrom("X", "Y", "Z"),
        list: fc.array(fc.array(fc.oneof(fc.constant(null), four), { maxLength: 4 }), { maxLength: 4 }),
        map: fc.dictionary(fc.string(), fc.record({ v: fc.maxSafeInteger() })),
        next: fc.oneof({ depthSize: "small", withCrossShrink: true }, fc.constant(null), tie("event")),
      }),
    }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { minLength: 1, maxLength: 30 }),
        fc.constantFrom("null", "deflate"),
        async (events, codec) => {
          const path = folder.write("all.avro", await avscContainer(type, events, codec));
          const { payloads } = await collect(path);
          expect(payloads).toEqual(events.map((value) => type.toBuffer(value)));
        },
      ),
      { seed: 20_130_208, numRuns: 40 },
    );
  });

  test("reads arrays and maps whose blocks carry their size", async () => {
    const schema = record([{ name: "list", type: { type: "array", items: "long" } }]);
    // Two blocks: two items in two bytes, then one item without a size, then the end.
    const payload = Buffer.from([3, 4, 2, 4, 2, 6, 0]);
    const { payloads } = await collect(
      folder.write("sized.avro", container(schema, [{ count: 2, bytes: twice(payload) }])),
    );
    expect(payloads).toEqual([payload, payload]);
  });
});

describe("event times of an Avro container", () => {
  const iso = "2013-02-08T18:30:00Z";
  const timeMs = Date.parse(iso);
  const cases: readonly (readonly [string, unknown, unknown, number])[] = [
    ["timestamp-millis", { type: "long", logicalType: "timestamp-millis" }, timeMs, timeMs],
    ["local-timestamp-millis", { type: "long", logicalType: "local-timestamp-millis" }, timeMs, timeMs],
    ["timestamp-micros", { type: "long", logicalType: "timestamp-micros" }, timeMs * 1000 + 250, timeMs + 0.25],
    ["timestamp-nanos", { type: "long", logicalType: "timestamp-nanos" }, 1_500_000_000, 1500],
    ["plain long as milliseconds", "long", timeMs, timeMs],
    ["plain int as seconds", "int", timeMs / 1000, timeMs],
    ["double as milliseconds", "double", timeMs + 0.5, timeMs + 0.5],
    ["date", { type: "int", logicalType: "date" }, 15_744, Date.parse("2013-02-08")],
    ["date before 1970", { type: "int", logicalType: "date" }, -1, -86_400_000],
    ["text", "string", iso, timeMs],
    ["text that is no time", "string", "soon", Number.NaN],
    ["nullable long", ["null", "long"], timeMs, timeMs],
    ["null", ["null", "long"], null, Number.NaN],
    ["text in a union", ["null", { type: "long", logicalType: "timestamp-micros" }, "string"], iso, timeMs],
    ["a branch without time", ["boolean", "long"], true, Number.NaN],
    ["a time beyond what a date shows", "long", 8.65e15, Number.NaN],
    ["an ignored logical type", { type: "string", logicalType: "timestamp-millis" }, iso, timeMs],
  ];
  for (const [name, at, value, expected] of cases) {
    test(`are read from ${name}`, async () => {
      const inner = {
        type: "record",
        name: "Route",
        fields: [
          { name: "before", type: "string" },
          { name: "at", type: at },
        ],
      };
      const schema = record([
        { name: "plain", type: at },
        { name: "route", type: ["null", inner] },
      ]);
      const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: false });
      const events = [
        { plain: value, route: { before: "x", at: value } },
        { plain: value, route: null },
      ];
      const bytes = Buffer.concat(events.map((event) => type.toBuffer(event)));
      const path = folder.write("times.avro", container(schema, [{ count: events.length, bytes }]));
      expect((await collect(path, { timeField: "plain" })).timesMs).toEqual([expected, expected]);
      expect((await collect(path, { timeField: "route.at" })).timesMs).toEqual([expected, Number.NaN]);
      expect((await collect(path)).timesMs).toEqual([Number.NaN, Number.NaN]);
    });
  }

  test("are refused at once when the field does not exist or holds no time", async () => {
    const schema = record([
      { name: "flag", type: "boolean" },
      { name: "day_time", type: { type: "int", logicalType: "time-millis" } },
    ]);
    const path = folder.write("flag.avro", container(schema, []));
    expect(await inputMessage(path, { timeField: "at" })).toMatch(
      /flag\.avro: it has no event time at, only flag, day_time$/,
    );
    expect(await inputMessage(path, { timeField: "flag.x" })).toContain("it has no event time flag.x");
    expect(await inputMessage(path, { timeField: "flag" })).toContain(
      "its event time flag is boolean, which holds no time",
    );
    expect(await inputMessage(path, { timeField: "day_time" })).toContain("holds no time");
  });
});

describe("openInput() of a damaged Avro container", () => {
  const schemaOfOne = record([{ name: "n", type: "long" }]);
  const packed = [Buffer.from([2, 4, 6]), Buffer.from([8])].map((bytes) => deflateRawSync(bytes));
  const whole = container(
    schemaOfOne,
    [
      { count: 3, bytes: packed[0]! },
      { count: 1, bytes: packed[1]! },
    ],
    "deflate",
  );

  test("refuses a file cut at every byte, unless it is cut between two blocks", async () => {
    const blockEnds = new Map<number, number>();
    for (let at = whole.indexOf(SYNC); at >= 0; at = whole.indexOf(SYNC, at + 1)) {
      blockEnds.set(at + SYNC.length, blockEnds.size === 0 ? 0 : 3);
    }
    expect(blockEnds.size).toBe(3);
    for (let length = 0; length < whole.length; length++) {
      const path = folder.write("cut.avro", whole.subarray(0, length));
      const events = blockEnds.get(length);
      if (events !== undefined) expect((await collect(path)).payloads.length).toBe(events);
      else expect(await inputMessage(path)).toMatch(length < 4 ? /not an Avro container/ : /cut off/);
    }
    expect((await collect(folder.write("cut.avro", whole))).payloads.length).toBe(4);
  });

  test("names file, block and byte of a cut, before any event is handed on", async () => {
    const path = folder.write("cut.avro", whole.subarray(0, whole.length - 20));
    await expect(openInput(path)).rejects.toThrow(
      new RegExp(
        `^Cannot read .*cut\\.avro \\(block \\d+, byte \\d+\\): the file is cut off at byte ${whole.length - 20}$`,
      ),
    );
  });

  test("refuses gzip cut at every byte", async () => {
    const bytes = gzipSync(whole);
    for (let length = 0; length < bytes.length; length++) {
      await inputMessage(folder.writeRaw("cut.avro.gz", bytes.subarray(0, length)));
    }
  });

  test("never fails with another error than SG_INPUT, whatever byte is wrong", async () => {
    for (const base64 of Object.values(GOLDEN_CONTAINERS)) {
      const bytes = Buffer.from(base64, "base64");
      await fc.assert(
        fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
          const damaged = Buffer.from(bytes);
          damaged[at]! ^= change;
          const path = folder.write("damaged.avro", damaged);
          // A changed value inside an event is still an event, so some of these files can be read.
          await inputMessage(path, { timeField: "at" }).catch((error: Error) => {
            expect(error.message).toBe("it was read without an error");
          });
        }),
        { seed: 20_130_209, numRuns: 120 },
      );
    }
  });

  test("refuses a wrong magic, sync marker, codec and schema, each by name", async () => {
    const message = (bytes: Uint8Array): Promise<string> => inputMessage(folder.write("wrong.avro", bytes));
    const block = { count: 1, bytes: Buffer.from([2]) };
    expect(await message(Buffer.from("hello"))).toContain("it is not an Avro container");
    const badSync = container(schemaOfOne, [block, block]);
    badSync[badSync.length - 1]! ^= 1;
    expect(await message(badSync)).toMatch(/block 2, byte \d+\): the sync marker/);
    expect(await message(container(schemaOfOne, [block], "bzip2"))).toContain('no codec "bzip2"');
    expect(await message(container("neverland", [block]))).toContain('there is no type "neverland"');
    expect(await message(Buffer.from("Obj\x01\x00".padEnd(21), "latin1"))).toContain("it has no avro.schema");
  });

  test("refuses a count that does not match the block's bytes", async () => {
    const bytes = Buffer.from([2, 4, 6]);
    for (const count of [2, 4]) {
      const path = folder.write("count.avro", container(schemaOfOne, [{ count, bytes }]));
      expect(await inputMessage(path)).toMatch(/block 1, byte \d+\)/);
    }
    const right = folder.write("count.avro", container(schemaOfOne, [{ count: 3, bytes }]));
    expect((await collect(right)).payloads.length).toBe(3);
  });

  test("refuses negative and huge counts and sizes without allocating for them", async () => {
    for (const [count, size] of [
      [-1, 1],
      [2 ** 40, 1],
      [1, -1],
      [1, 2 ** 40],
    ] as const) {
      const bytes = Buffer.concat([container(schemaOfOne, []), varint(count), varint(size), Buffer.alloc(40)]);
      expect(await inputMessage(folder.write("huge.avro", bytes))).toContain("is refused");
    }
  });

  test("refuses a block that unpacks to more than 64 MB", async () => {
    const bomb = deflateRawSync(Buffer.alloc((64 << 20) + 1), { level: 1 });
    const bytes = container(schemaOfOne, [{ count: 1, bytes: bomb }], "deflate");
    expect(await inputMessage(folder.write("bomb.avro", bytes))).toContain("cannot unpack");
    const snappy = Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0x7f]), Buffer.alloc(8)]);
    const other = container(schemaOfOne, [{ count: 1, bytes: snappy }], "snappy");
    expect(await inputMessage(folder.write("bomb.avro", other))).toContain("too big");
    // Frame header: no content size, a window of 2^41 bytes; then one of 1 GB content.
    for (const frame of [
      [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0, 0],
      [0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x40, 0x01, 0, 0],
    ]) {
      const zstd = container(schemaOfOne, [{ count: 1, bytes: Buffer.from(frame) }], "zstandard");
      expect(await inputMessage(folder.write("bomb.avro", zstd))).toContain("larger than");
    }
  });

  test("refuses a snappy block whose checksum is wrong", async () => {
    const bytes = Buffer.from(GOLDEN_CONTAINERS.snappy!, "base64");
    bytes[bytes.length - SYNC.length - 1]! ^= 1;
    expect(await inputMessage(folder.write("sum.avro", bytes))).toContain("the checksum does not match");
  });

  test("refuses values without bytes in numbers that no file holds", async () => {
    const nulls = record([{ name: "list", type: { type: "array", items: "null" } }]);
    const many = Buffer.concat([varint(2 ** 45), varint(0)]);
    const path = folder.write("nulls.avro", container(nulls, [{ count: 1, bytes: many }]));
    expect(await inputMessage(path)).toContain("too many values without bytes");
    const few = Buffer.concat([varint(1000), varint(0)]);
    expect(
      (await collect(folder.write("nulls.avro", container(nulls, [{ count: 1, bytes: few }])))).payloads.length,
    ).toBe(1);
    // A record that holds the one before it twice, 40 times over: 2^40 records of no bytes.
    let doubling: unknown = record([]);
    for (let level = 0; level < 40; level++) {
      const name = `L${level}`;
      const inner = level === 0 ? doubling : `L${level - 1}`;
      const first = { name: "a", type: level === 0 ? inner : doubling };
      doubling = { type: "record", name, fields: [first, { name: "b", type: level === 0 ? "Event" : inner }] };
    }
    const doubled = folder.write("doubling.avro", container(doubling, [{ count: 1, bytes: Buffer.alloc(0) }]));
    expect(await inputMessage(doubled)).toContain("too many values without bytes");
  });

  test("refuses nesting that would use up the stack", async () => {
    const list = record([{ name: "next", type: ["null", "Event"] }]);
    const deep = Buffer.concat([Buffer.alloc(100_000, 2), Buffer.from([0])]);
    const path = folder.write("deep.avro", container(list, [{ count: 1, bytes: deep }]));
    expect(await inputMessage(path)).toContain("nested deeper than 256 levels");
    const endless = record([{ name: "self", type: "Event" }]);
    const other = folder.write("endless.avro", container(endless, [{ count: 1, bytes: Buffer.alloc(0) }]));
    expect(await inputMessage(other)).toContain("nested deeper than 256 levels");
  });
});

function record(fields: readonly unknown[]): unknown {
  return { type: "record", name: "Event", fields };
}

function twice(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, bytes]);
}

interface Block {
  readonly count: number;
  /** As they lie in the file, packed or not. */
  readonly bytes: Uint8Array;
}

/** A container written by hand, so that it can be wrong in one place. */
function container(schema: unknown, blocks: readonly Block[], codec = "null"): Buffer {
  const header = avro.Type.forSchema({ type: "map", values: "bytes" });
  const metadata = { "avro.schema": Buffer.from(JSON.stringify(schema)), "avro.codec": Buffer.from(codec) };
  const parts: Uint8Array[] = [Buffer.from("Obj\x01", "latin1"), header.toBuffer(metadata), SYNC];
  for (const { count, bytes } of blocks) parts.push(varint(count), varint(bytes.length), bytes, SYNC);
  return Buffer.concat(parts);
}

function varint(value: number): Buffer {
  return avro.Type.forSchema("long").toBuffer(value);
}

function avscContainer(type: avro.Type, events: readonly unknown[], codec: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const encoder = new avro.streams.BlockEncoder(type, { codec, blockSize: 600, syncMarker: SYNC } as object);
    const parts: Buffer[] = [];
    encoder.on("data", (part: Buffer) => parts.push(part));
    encoder.on("error", reject);
    encoder.on("end", () => resolve(Buffer.concat(parts)));
    for (const event of events) encoder.write(event);
    encoder.end();
  });
}
