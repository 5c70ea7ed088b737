import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { collect, collectDecoded, decode, InputFolder, inputMessage } from "./input-kit.ts";

const folder = new InputFolder();
afterAll(() => folder.remove());

describe("openInput() of CSV without a schema", () => {
  const columns: readonly (readonly [string, readonly string[], unknown, readonly unknown[]])[] = [
    ["int", ["1", "-2147483647", "0"], "int", [1, -2_147_483_647, 0]],
    ["long", ["1", "2147483648", "1357034400000"], "long", [1, 2_147_483_648, 1_357_034_400_000]],
    ["double", ["1", "2.5", "-0"], "double", [1, 2.5, -0]],
    ["double of exponents", ["1e3", "2.5E-3", ".5"], "double", [1000, 0.0025, 0.5]],
    ["double that is not finite", ["NaN", "-Infinity", "inf"], "double", [Number.NaN, -Infinity, Infinity]],
    ["boolean", ["true", "FALSE", "True"], "boolean", [true, false, true]],
    ["date", ["2013-02-08", "1969-12-31", "0001-01-01"], { type: "int", logicalType: "date" }, [15_744, -1, -719_162]],
    [
      "timestamp",
      ["2013-02-08T18:30:00Z", "2013-02-08 18:30:00.123", "2013-02-08T18:30:00+05:30"],
      { type: "long", logicalType: "timestamp-millis" },
      [1_360_348_200_000, 1_360_348_200_123, 1_360_328_400_000],
    ],
    [
      "timestamp with microseconds and dates",
      ["2013-02-08T18:30:00.123456Z", "2013-02-08", "2013-02-08T18:30"],
      { type: "long", logicalType: "timestamp-micros" },
      [1_360_348_200_123_456, 1_360_281_600_000_000, 1_360_348_200_000_000],
    ],
    ["string when kinds differ", ["1", "true", "2013-02-08"], "string", ["1", "true", "2013-02-08"]],
    ["string for identifiers", ["007", "8", "9"], "string", ["007", "8", "9"]],
    ["string for a sign", ["+5", "8", "9"], "string", ["+5", "8", "9"]],
    ["string for days that do not exist", ["2013-02-30", "8", "9"], "string", ["2013-02-30", "8", "9"]],
    ["string for more than 64 bits", ["9223372036854775808", "8", "9"], "string", ["9223372036854775808", "8", "9"]],
    ["double for more than 64 bits beside a point", ["1e20", "100000000000000000000", "9"], "double", [1e20, 1e20, 9]],
    ["string for words that begin like others", ["nil", "infer", "t"], "string", ["nil", "infer", "t"]],
  ];
  for (const [name, cells, type, values] of columns) {
    test(`infers ${name}`, async () => {
      const dense = await collect(folder.write("dense.csv", `x\n${cells.join("\n")}\n`));
      expect(JSON.parse(dense.input.schemaText).fields).toEqual([{ name: "x", type }]);
      expect(decode(dense)).toEqual(values.map((x) => ({ x })));
      // The same with empty cells, plain and quoted: nullable.
      const rows = [...cells.map((cell) => `a,${cell}`), "a,", 'a,""'];
      const sparse = await collect(folder.write("sparse.csv.gz", `k,x\r\n${rows.join("\r\n")}`));
      expect(JSON.parse(sparse.input.schemaText).fields[1]).toEqual({ name: "x", type: ["null", type] });
      expect(decode(sparse)).toEqual([...values, null, null].map((x) => ({ k: "a", x })));
    });
  }

  test("keeps every digit of 64-bit integers", async () => {
    const cells = ["9223372036854775807", "-9223372036854775808", "9007199254740993", "1234567890123456"];
    const collected = await collect(folder.write("big.csv", `x\n${cells.join("\n")}`));
    expect(decode(collected, { bigLongs: true })).toEqual(cells.map((cell) => ({ x: BigInt(cell) })));
  });

  test("widens over the whole file", async () => {
    const rows = Array.from({ length: 30_000 }, (_, index) => String(index));
    const collected = await collect(folder.write("late.csv", `x\n${rows.join("\n")}\nn/a\n`));
    expect(JSON.parse(collected.input.schemaText).fields).toEqual([{ name: "x", type: "string" }]);
    expect(collected.input.eventCount).toBe(30_001);
    expect(collected.places).toEqual(Array.from({ length: 30_001 }, (_, index) => index + 2));
  });

  test("makes names of the header that Avro allows, each once, and keeps those of the file", async () => {
    const path = folder.write("names.csv", "\ufeffpick up,pick-up,2nd,prix €,ok\n1,2,3,4,5\n");
    const { input } = await collect(path);
    expect(JSON.parse(input.schemaText).fields).toEqual([
      { name: "pick_up", sourceName: "pick up", type: "int" },
      { name: "pick_up_2", sourceName: "pick-up", type: "int" },
      { name: "_2nd", sourceName: "2nd", type: "int" },
      { name: "prix__", sourceName: "prix €", type: "int" },
      { name: "ok", type: "int" },
    ]);
    expect(await collectDecoded(path)).toEqual([{ pick_up: 1, pick_up_2: 2, _2nd: 3, prix__: 4, ok: 5 }]);
  });

  test("takes columns called __proto__ and constructor as any other", async () => {
    const collected = await collect(folder.write("proto.csv", "__proto__,constructor\n1,2\n"));
    expect(JSON.parse(collected.input.schemaText).fields.map((field: { name: string }) => field.name)).toEqual([
      "__proto__",
      "constructor",
    ]);
    expect(collected.payloads).toEqual([Buffer.from([2, 4])]);
  });

  test("counts lines through quoted line breaks and blank lines, and takes times", async () => {
    const path = folder.write(
      "lines.csv",
      'at,note\n2013-01-01,"two\nlines"\n\n2013-01-02,x\n\r\n2013-01-03,"a ""b"" c"',
    );
    const collected = await collect(path, { timeField: "at" });
    expect(collected.places).toEqual([2, 5, 7]);
    expect(collected.timesMs).toEqual(["2013-01-01", "2013-01-02", "2013-01-03"].map(Date.parse));
    expect(decode(collected)).toEqual([
      { at: 15_706, note: "two\nlines" },
      { at: 15_707, note: "x" },
      { at: 15_708, note: 'a "b" c' },
    ]);
  });

  test("passes bytes on that are not UTF-8", async () => {
    const bytes = Buffer.concat([Buffer.from("x,y\n"), Buffer.from([0xff, 0xfe, 0x2c, 0x31, 0x0a])]);
    const { payloads } = await collect(folder.write("latin.csv", bytes));
    expect(payloads).toEqual([Buffer.from([4, 0xff, 0xfe, 2])]);
  });

  test("reads a header alone, and columns that are always empty", async () => {
    expect((await collect(folder.write("none.csv", "a,b"))).payloads).toEqual([]);
    const empty = await collect(folder.write("empty.csv", "a,b\n,\n"), { timeField: "a" });
    expect(decode(empty)).toEqual([{ a: null, b: null }]);
    expect(empty.timesMs).toEqual([Number.NaN]);
  });
});

describe("openInput() of CSV with a schema", () => {
  const schemaText = JSON.stringify({
    type: "record",
    name: "Row",
    fields: [
      { name: "flag", type: ["null", "boolean"] },
      { name: "whole", type: ["null", "int"] },
      { name: "either", type: ["null", "long", "double", "string"] },
      { name: "at", type: { type: "long", logicalType: "timestamp-micros" } },
      { name: "kind", type: { type: "enum", name: "Kind", symbols: ["A", "B"] } },
      { name: "fare", type: ["null", { type: "bytes", logicalType: "decimal", precision: 9, scale: 2 }] },
      { name: "note", type: "string" },
      { name: "single", type: "float" },
      { name: "extra", type: ["null", "string"], default: null },
      { name: "version", type: "int", default: 7 },
    ],
  });
  const header = "unknown,note,single,fare,kind,at,either,whole,flag";

  test("takes the columns by name, defaults where there is none, and leaves others out", async () => {
    const rows = [
      "x,,1.5,12.34,B,2013-02-08T00:00:00.000001Z,5,5.0,true",
      "x,né,-2,-0.01,A,1000000,5.5,+07,",
      "x,n,3,,A,2013-02-08,five,,FALSE",
    ];
    const path = folder.write("rows.csv", `${header}\n${rows.join("\n")}\n`);
    const collected = await collect(path, { schemaText, timeField: "at" });
    const rest = { extra: null, version: 7 };
    expect(decode(collected)).toEqual([
      {
        ...{ flag: true, whole: 5, either: { long: 5 }, at: 1_360_281_600_000_001, kind: "B" },
        ...{ fare: Buffer.from([4, 0xd2]), note: "", single: 1.5, ...rest },
      },
      {
        ...{ flag: null, whole: 7, either: { double: 5.5 }, at: 1_000_000, kind: "A" },
        ...{ fare: Buffer.from([0xff]), note: "né", single: -2, ...rest },
      },
      {
        ...{ flag: false, whole: null, either: { string: "five" }, at: 1_360_281_600_000_000, kind: "A" },
        ...{ fare: null, note: "n", single: 3, ...rest },
      },
    ]);
    expect(collected.timesMs).toEqual([1_360_281_600_000.001, 1000, 1_360_281_600_000]);
  });

  test("refuses a cell that does not fit, with line and column, and says no value", async () => {
    const good = "x,n,1,,A,2013-02-08,1,1,true";
    const message = (row: string): Promise<string> =>
      inputMessage(folder.write("bad.csv", `${header}\n${good}\n${row}\n${good}\n`), { schemaText });
    expect(await message("é,n,1,,A,2013-02-08,1,secret,true")).toMatch(
      /bad\.csv:3:23: whole: expected null or int, found text of type string$/,
    );
    expect(await message("x,n,1,,A,2013-02-08,1,2147483648,true")).toContain("whole: expected null or int");
    expect(await message("x,n,1,,C,2013-02-08,1,1,true")).toContain(":3:8: kind: expected Kind");
    expect(await message("x,n,1,,A,,1,1,true")).toContain("at: expected timestamp-micros, found an empty cell");
    expect(await message("x,n,1,1.234,A,2013-02-08,1,1,true")).toContain("fare: expected null or decimal");
    expect(await message('x,"two\nlines",one,,A,2013-02-08,1,1,true')).toContain("bad.csv:4:8: single: expected float");
  });

  test("refuses columns that are missing and types that no cell can hold", async () => {
    const path = folder.write("missing.csv", "flag\ntrue\n");
    expect(await inputMessage(path, { schemaText })).toContain("there is no column at");
    const list = JSON.stringify({
      type: "record",
      name: "R",
      fields: [{ name: "flag", type: { type: "array", items: "int" } }],
    });
    expect(await inputMessage(path, { schemaText: list })).toContain("a cell cannot hold flag");
    expect(await inputMessage(path, { schemaText: '"int"' })).toContain("a schema that is a record");
    await expect(collect(path, { schemaText: '{"type":"recrod"}' })).rejects.toMatchObject({ code: "SG_SCHEMA" });
  });
});

describe("openInput() of broken CSV", () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["nothing", "", /:1: there is no header/],
    ["blank lines only", "\n\r\n", /:1: there is no header/],
    ["a column without a name", "a,,c\n", /:1:3: column 2 has no name/],
    ["two columns of one name", "a,b,a\n", /:1:5: two columns are called "a"/],
    ["a row with too few cells", "a,b\n1,2\n3\n", /:3: expected 2 cells, found 1/],
    ["a row with too many cells", "a,b\n1,2\n\n3,4,5\n", /:4: expected 2 cells, found 3/],
    ["a quote that is never closed", 'a,b\n1,2\n3,"4\n5,6\n', /:3:3: a quote is never closed/],
    ["a quote inside a plain cell", 'a,b\n1,2"\n', /:2:4: a quote stands inside a cell/],
    ["something behind a closing quote", 'a,b\n1,"2"x\n', /:2:6: something follows a closing quote/],
    ["another separator", "a;b\n1;2\n", /:1: the header has no comma/],
    ["UTF-16", "\ufeffa,b\n", /UTF-16/],
  ];
  for (const [name, text, message] of cases) {
    test(`refuses ${name}`, async () => {
      const bytes = name === "UTF-16" ? Buffer.from(text, "utf16le") : Buffer.from(text);
      for (const file of ["broken.csv", "broken.csv.gz"]) {
        expect(await inputMessage(folder.write(file, bytes))).toMatch(message);
      }
    });
  }

  test("notices a quote left open before it has swallowed more than 16 MB", async () => {
    const path = folder.write("open.csv", `a,b\n1,"2\n${"3,4\n".repeat(6_000_000)}`);
    expect(await inputMessage(path)).toMatch(/open\.csv:2: the row has no end within 16 MB/);
  });

  test("refuses other content than the name says", async () => {
    expect(await inputMessage(folder.write("table.parquet", "PAR1"))).toContain("its name has to end in .avro, .jsonl");
    expect(await inputMessage(folder.writeRaw("plain.csv.gz", Buffer.from("a,b\n1,2\n")))).toContain("it is not gzip");
    expect(await inputMessage(folder.write("avro.csv", "Obj\u0001more"))).toContain("it is an Avro container");
    expect(await inputMessage(folder.writeRaw("packed.csv", Buffer.from([0x1f, 0x8b, 8, 0])))).toContain("it is gzip");
    expect(await inputMessage(`${folder.path}/absent.csv`)).toContain("there is no such file");
    expect(await inputMessage(folder.path)).toContain("its name has to end in");
  });
});

describe("openInput() of any CSV", () => {
  const cell = fc.oneof(
    fc.string({ unit: fc.constantFrom('"', ",", "\n", "\r\n", "a", "é", "😀", " ", "'"), maxLength: 8 }),
    fc.string({ unit: "grapheme", maxLength: 20 }),
  );
  const table = fc
    .integer({ min: 1, max: 6 })
    .chain((width) =>
      fc
        .array(fc.array(cell, { minLength: width, maxLength: width }), { maxLength: 20 })
        .map((rows) => ({ width, rows })),
    );

  test("reads the same cells as csv-parse", async () => {
    await fc.assert(
      fc.asyncProperty(table, fc.constantFrom("\n", "\r\n"), fc.boolean(), async ({ width, rows }, lineEnd, closed) => {
        const header = Array.from({ length: width }, (_, column) => `c${column}`);
        const text = [header, ...rows].map((row) => row.map(quoted).join(",")).join(lineEnd) + (closed ? lineEnd : "");
        const oracle: string[][] = parse(text, { skip_empty_lines: true, record_delimiter: lineEnd });
        const schemaText = textSchema(header);
        const events = await collectDecoded(folder.write("random.csv", text), { schemaText });
        expect(events).toEqual(
          oracle.slice(1).map((row) => Object.fromEntries(row.map((value, at) => [`c${at}`, value || null]))),
        );
      }),
      { seed: 20_130_210, numRuns: 150 },
    );
  });

  test("brings numbers through to the last bit", async () => {
    const number = fc.oneof(
      fc.double({ noNaN: true }),
      fc.maxSafeInteger(),
      fc.integer().map((value) => value / 1000),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(number, { minLength: 1, maxLength: 50 }), async (numbers) => {
        const texts = numbers.map((value) => (Object.is(value, -0) ? "-0" : String(value)));
        const path = folder.write("numbers.csv", `x,y\n${texts.map((text) => `${text},0.5`).join("\n")}\n0.5,0.5\n`);
        const events = (await collectDecoded(path)) as { x: number }[];
        expect(events.map((event) => event.x)).toEqual([...numbers, 0.5]);
      }),
      { seed: 20_130_211, numRuns: 150 },
    );
  });

  test("does not depend on where a read ends", async () => {
    // Rows of many sizes over several reads, with quotes, doubled quotes and line breaks at every kind of place.
    const rows = Array.from({ length: 12_000 }, (_, index) => {
      const filler = "x".repeat((index * 37) % 401);
      return [String(index), `${filler}"\r\n,""${index}`, filler === "" ? "-" : filler];
    });
    const text = `a,b,c\r\n${rows.map((row) => row.map(quoted).join(",")).join("\r\n")}\r\n`;
    expect(text.length).toBeGreaterThan(4 << 20);
    for (const name of ["long.csv", "long.csv.gz"]) {
      const collected = await collect(folder.write(name, text));
      expect(decode(collected)).toEqual(rows.map(([a, b, c]) => ({ a: Number(a), b, c })));
      // The second cell of each row holds a line break.
      expect(collected.places).toEqual(rows.map((_, index) => 2 + 2 * index));
    }
  });
});

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function textSchema(names: readonly string[]): string {
  return JSON.stringify({
    type: "record",
    name: "R",
    fields: names.map((name) => ({ name, type: ["null", "string"] })),
  });
}
