import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StreamgaugeError } from "../../src/core/errors.ts";
import {
  MAX_SCHEMA_CHARACTERS,
  MAX_SCHEMA_DEPTH,
  MAX_SCHEMA_FIELDS,
  parseAvroSchema,
} from "../../src/schemas/avro-schema.ts";
import type { AvroRecord, AvroUnion } from "../../src/schemas/avro-type.ts";

const record = (...fields: readonly unknown[]) => ({ type: "record", name: "R", fields });
const field = (type: unknown, more: object = {}) => record({ name: "f", type, ...more });

/** Schema, and the place that the error must name. */
const FORBIDDEN: readonly (readonly [string, unknown, string])[] = [
  ["null as schema", null, "expected a name"],
  ["a number", 7, "expected a name"],
  ["an unknown type", "strin", 'undefined type "strin"'],
  ["an object without type", { name: "R" }, 'no "type"'],
  ["a type of null", { type: null }, "type: expected a name"],
  ["an unknown type of an object", { type: "dictionary" }, "type: undefined type"],
  ["a record without name", { type: "record", fields: [] }, "name: "],
  ["a record with an empty name", { type: "record", name: "", fields: [] }, "name: "],
  ["a record without fields", { type: "record", name: "R" }, "fields: "],
  ["fields as object", { type: "record", name: "R", fields: { f: "int" } }, "fields: "],
  ["a field that is a name", record("f"), "fields[0]: "],
  ["a field without name", record({ type: "int" }), "fields[0].name: "],
  ["a field without type", record({ name: "f" }), 'fields[0]: no "type"'],
  ["a field name with a dash", record({ name: "a-b", type: "int" }), "fields[0].name: "],
  ["a field name with a dot", record({ name: "a.b", type: "int" }), "fields[0].name: "],
  ["a field name with a digit first", record({ name: "1a", type: "int" }), "fields[0].name: "],
  ["a field name beyond ASCII", record({ name: "größe", type: "int" }), "fields[0].name: "],
  ["a field name with a line end", record({ name: "a\n", type: "int" }), "fields[0].name: "],
  [
    "two fields of one name",
    record({ name: "f", type: "int" }, { name: "f", type: "long" }),
    "fields[1]: second field",
  ],
  ["an unknown order", field("int", { order: "random" }), "fields[0].order: "],
  ["an unknown field type", field("nothing"), 'fields[0].type: undefined type "nothing"'],
  ["field aliases as text", field("int", { aliases: "g" }), "fields[0].aliases: "],
  ["a field alias with a dot", field("int", { aliases: ["a.b"] }), "fields[0].aliases[0]: "],
  ["a record alias that is no name", { ...record(), aliases: ["a", "b c"] }, "aliases[1]: "],
  ["a name with a space", { type: "record", name: "a b", fields: [] }, "name: "],
  ["a name with two dots in a row", { type: "record", name: "a..b", fields: [] }, "name: "],
  ["a name that ends in a dot", { type: "record", name: "a.", fields: [] }, "name: "],
  ["a name that is code", { type: "record", name: "a;process.exit()", fields: [] }, "name: "],
  ["a namespace that is no name", { ...record(), namespace: "a.1b" }, "namespace: "],
  ["a namespace as number", { ...record(), namespace: 7 }, "namespace: "],
  ["a record named like a primitive", { type: "record", name: "string", fields: [] }, "name: "],
  ["a fixed named like a primitive in a namespace", { type: "fixed", name: "a.int", size: 4 }, "name: "],
  [
    "a second definition",
    field({ type: "fixed", name: "R", size: 1 }),
    'fields[0].type.name: second definition of "R"',
  ],
  [
    "a second definition through namespaces",
    { ...record({ name: "f", type: { type: "enum", name: "a.R", symbols: ["A"] } }), namespace: "a" },
    "fields[0].type.name: second definition",
  ],
  [
    "a name used before its definition",
    record({ name: "f", type: "F" }, { name: "g", type: { type: "fixed", name: "F", size: 1 } }),
    "fields[0].type: undefined",
  ],
  [
    "a name of another namespace",
    record({ name: "f", type: { type: "fixed", name: "x.F", size: 1 } }, { name: "g", type: "F" }),
    "fields[1].type: undefined",
  ],
  ["an enum without symbols", { type: "enum", name: "E" }, "symbols: "],
  ["an enum with symbols as text", { type: "enum", name: "E", symbols: "AB" }, "symbols: "],
  ["a symbol twice", { type: "enum", name: "E", symbols: ["A", "B", "A"] }, "symbols[2]: second symbol"],
  ["a symbol with a dash", { type: "enum", name: "E", symbols: ["A-B"] }, "symbols[0]: "],
  ["a symbol that is a number", { type: "enum", name: "E", symbols: ["A", 7] }, "symbols[1]: "],
  ["an enum's default that is no symbol", { type: "enum", name: "E", symbols: ["A"], default: "B" }, "default: "],
  ["a fixed without size", { type: "fixed", name: "F" }, "size: "],
  ["a fixed of negative size", { type: "fixed", name: "F", size: -1 }, "size: "],
  ["a fixed of half a byte", { type: "fixed", name: "F", size: 0.5 }, "size: "],
  ["a fixed of size text", { type: "fixed", name: "F", size: "4" }, "size: "],
  ["a fixed beyond 2^31", { type: "fixed", name: "F", size: 2 ** 31 }, "size: "],
  ["an array without items", { type: "array" }, 'no "items"'],
  ["an array of an unknown type", { type: "array", items: "x" }, "items: undefined"],
  ["a map without values", { type: "map" }, 'no "values"'],
  [
    "a map of an unknown type",
    field({ type: "map", values: { type: "array", items: "x" } }),
    "fields[0].type.values.items: ",
  ],
  ["a union in a union", ["null", ["int"]], "[1]: a union directly inside a union"],
  ["a union in a union in disguise", ["null", { type: ["int"] }], "[1]: a union directly inside a union"],
  ["a primitive twice in a union", ["int", "null", "int"], "[2]: second"],
  ["a primitive twice, once with a logical type", ["int", { type: "int", logicalType: "date" }], "[1]: second"],
  [
    "two arrays in a union",
    [
      { type: "array", items: "int" },
      { type: "array", items: "string" },
    ],
    "[1]: second",
  ],
  [
    "two maps in a union",
    [
      { type: "map", values: "int" },
      { type: "map", values: "string" },
    ],
    "[1]: second",
  ],
  ["a named type twice in a union", [{ type: "fixed", name: "F", size: 1 }, "F"], "[1]: second"],
  ["a default of the wrong type", field("int", { default: "7" }), "fields[0].default: does not fit the type int"],
  ["an int's default beyond 32 bits", field("int", { default: 2 ** 31 }), "fields[0].default: "],
  ["a long's default with a fraction", field("long", { default: 0.5 }), "fields[0].default: "],
  ["a null default of a string", field("string", { default: null }), "fields[0].default: "],
  [
    "a default for no branch of a union",
    field(["null", "int"], { default: "x" }),
    "fields[0].default: does not fit the type union",
  ],
  ["bytes' default beyond U+00FF", field("bytes", { default: "Ā" }), "fields[0].default: "],
  [
    "a fixed's default of another size",
    field({ type: "fixed", name: "F", size: 2 }, { default: "a" }),
    "fields[0].default: ",
  ],
  [
    "an array's default with a wrong item",
    field({ type: "array", items: "int" }, { default: [1, "2"] }),
    "fields[0].default: ",
  ],
  [
    "a record's default without a field",
    field({ type: "record", name: "I", fields: [{ name: "a", type: "int" }] }, { default: {} }),
    "fields[0].default: ",
  ],
  [
    "an inherited property as a record's default",
    field({ type: "record", name: "I", fields: [{ name: "toString", type: "string" }] }, { default: {} }),
    "fields[0].default: ",
  ],
];

describe("parseAvroSchema()", () => {
  test.each(FORBIDDEN)("refuses %s", (_, schema, place) => {
    const error = refusalOf(JSON.stringify(schema));
    expect(error?.code).toBe("SG_SCHEMA");
    expect(error?.message).toContain(`Cannot use the Avro schema: ${place}`);
  });

  test.each([
    ["text that is no JSON", "record"],
    ["nothing", ""],
    ["a byte order mark", '\ufeff"int"'],
  ])("refuses %s", (_, text) => {
    expect(refusalOf(text)?.code).toBe("SG_SCHEMA");
  });

  test.each([
    ["a wrapped primitive", { type: "int" }],
    ["a wrapped wrapped primitive", { type: { type: "int" } }],
    ["a wrapped union", { type: ["null", "int"] }],
    ["a record without fields", record()],
    ["an error type", { type: "error", name: "E", fields: [] }],
    ["an unknown attribute", { ...record(), owner: { team: ["x"] }, doc: 7 }],
    ["aliases", { ...record({ name: "f", type: "int", aliases: ["g"] }), aliases: ["Old", "a.b.Old"] }],
    ["an alias twice", { ...record(), aliases: ["Old", "Old"] }],
    ["an order", field("int", { order: "ignore" })],
    ["a type inside itself", field(["null", "R"])],
    ["a reference by full name", { ...field({ type: "array", items: "a.b.R" }), namespace: "a.b" }],
    [
      "a name without namespace inside one",
      record(
        { name: "f", type: { type: "fixed", name: "F", size: 1 } },
        { name: "g", type: { type: "record", name: "x.I", fields: [{ name: "h", type: "F" }] } },
      ),
    ],
    ["an empty namespace", { ...record(), namespace: "" }],
    [
      "a wrapped reference",
      record({ name: "f", type: { type: "fixed", name: "F", size: 1 } }, { name: "g", type: { type: "F" } }),
    ],
    ["fields that differ in case", record({ name: "f", type: "int" }, { name: "F", type: "int" })],
    ["two records in a union", [record(), { ...record(), name: "S" }]],
    [
      "an array and a record called array in a union",
      [
        { type: "array", items: "int" },
        { type: "record", name: "array", fields: [] },
      ],
    ],
    [
      "an empty union, an empty enum, an empty fixed",
      record(
        { name: "u", type: [] },
        { name: "e", type: { type: "enum", name: "E", symbols: [] } },
        { name: "x", type: { type: "fixed", name: "F", size: 0 } },
      ),
    ],
    ["a default for the second branch", field(["null", "int"], { default: 7 })],
    [
      "defaults of all kinds",
      record(
        { name: "a", type: { type: "array", items: "bytes" }, default: ["ÿ"] },
        { name: "m", type: { type: "map", values: "double" }, default: { x: 1 } },
        { name: "e", type: { type: "enum", name: "E", symbols: ["A"] }, default: "A" },
        { name: "r", type: ["null", "R"], default: null },
        { name: "b", type: "boolean", default: false },
      ),
    ],
    [
      "a record's default that leaves out a field with a default",
      field({ type: "record", name: "I", fields: [{ name: "a", type: "int", default: 1 }] }, { default: {} }),
    ],
  ])("accepts %s", (_, schema) => {
    expect(() => parseAvroSchema(JSON.stringify(schema))).not.toThrow();
  });

  test("keeps fields called __proto__ and constructor", () => {
    const text =
      '{"type":"record","name":"constructor","fields":[{"name":"__proto__","type":"int"},{"name":"constructor","type":["null","constructor"]}]}';
    const type = parseAvroSchema(text) as AvroRecord;
    expect(type.fields.map((each) => each.name)).toEqual(["__proto__", "constructor"]);
    expect((type.fields[1]!.type as AvroUnion).branches[1]).toBe(type);
  });

  const fixed = (size: number, attributes: object) => ({ type: "fixed", name: "F", size, ...attributes });
  const decimal = (precision: unknown, scale?: unknown) => ({ logicalType: "decimal", precision, scale });
  test.each([
    [
      { type: "bytes", ...decimal(4, 2) },
      { name: "decimal", precision: 4, scale: 2 },
    ],
    [
      { type: "bytes", ...decimal(4) },
      { name: "decimal", precision: 4, scale: 0 },
    ],
    [{ type: "bytes", ...decimal(0) }, undefined],
    [{ type: "bytes", ...decimal(2, 3) }, undefined],
    [{ type: "bytes", ...decimal(2, -1) }, undefined],
    [{ type: "bytes", ...decimal("4") }, undefined],
    [{ type: "string", ...decimal(4) }, undefined],
    [fixed(1, decimal(2)), { name: "decimal", precision: 2, scale: 0 }],
    [fixed(1, decimal(3)), undefined],
    [fixed(8, decimal(18)), { name: "decimal", precision: 18, scale: 0 }],
    [fixed(8, decimal(19)), undefined],
    [fixed(16, decimal(38)), { name: "decimal", precision: 38, scale: 0 }],
    [fixed(16, decimal(39)), undefined],
    [fixed(16, { logicalType: "uuid" }), { name: "uuid" }],
    [fixed(15, { logicalType: "uuid" }), undefined],
    [fixed(12, { logicalType: "duration" }), { name: "duration" }],
    [fixed(11, { logicalType: "duration" }), undefined],
    [{ type: "int", logicalType: "date" }, { name: "date" }],
    [{ type: "long", logicalType: "date" }, undefined],
    [{ type: "int", logicalType: "timestamp-millis" }, undefined],
    [{ type: "long", logicalType: "timestamp-nanos" }, { name: "timestamp-nanos" }],
    [{ type: "bytes", logicalType: "uuid" }, undefined],
    [{ type: "int", logicalType: 7 }, undefined],
    [{ type: "int", logicalType: "__proto__" }, undefined],
  ])("takes a logical type where it fits: %j", (schema, logical) => {
    expect((parseAvroSchema(JSON.stringify(schema)) as { logical?: unknown }).logical).toEqual(logical);
  });

  test("bounds the bytes of a value from below", () => {
    const minBytes = (schema: unknown) => parseAvroSchema(JSON.stringify(schema)).minBytes;
    expect(minBytes("null")).toBe(0);
    expect(minBytes("double")).toBe(8);
    expect(minBytes(["null", "double"])).toBe(1);
    expect(minBytes(["float", "double"])).toBe(5);
    expect(minBytes(record({ name: "a", type: "float" }, { name: "b", type: { type: "array", items: "R" } }))).toBe(5);
    expect(minBytes(record({ name: "a", type: "R" }, { name: "b", type: "int" }))).toBe(1);
    const big = { type: "fixed", name: "F", size: 2 ** 31 - 1 };
    expect(minBytes(record({ name: "a", type: big }, { name: "b", type: "F" }))).toBe(2 ** 31 - 1);
  });

  const nested = (depth: number) => {
    const arrays = '{"type":"array","items":'.repeat(depth - 1);
    return `${arrays}"int"${"}".repeat(depth - 1)}`;
  };

  test("refuses what is too deep, at the limit, 5,000 deep and as deep as the text can be", () => {
    expect(refusalOf(nested(MAX_SCHEMA_DEPTH))).toBeUndefined();
    expect(refusalOf(nested(MAX_SCHEMA_DEPTH + 1))?.code).toBe("SG_SCHEMA");
    expect(refusalOf(nested(5_000))?.code).toBe("SG_SCHEMA");
    expect(refusalOf(`${'{"type":'.repeat(5_000)}"int"${"}".repeat(5_000)}`)?.code).toBe("SG_SCHEMA");
    expect(refusalOf(`${"[".repeat(400_000)}${"]".repeat(400_000)}`)?.code).toBe("SG_SCHEMA");
    const deepDefault = `{"type":"record","name":"R","fields":[{"name":"f","type":{"type":"array","items":"R"},"default":${"[".repeat(9_000)}${"]".repeat(9_000)}}]}`;
    expect(refusalOf(deepDefault)?.code).toBe("SG_SCHEMA");
  });

  test("refuses too many fields and too much text", () => {
    const wide = (count: number) =>
      JSON.stringify(record(...Array.from({ length: count }, (_, i) => ({ name: `f${i}`, type: "int" }))));
    expect(refusalOf(wide(MAX_SCHEMA_FIELDS))).toBeUndefined();
    expect(refusalOf(wide(MAX_SCHEMA_FIELDS + 1))?.message).toContain(`more than ${MAX_SCHEMA_FIELDS} fields`);
    expect(refusalOf(`"int"${" ".repeat(MAX_SCHEMA_CHARACTERS)}`)?.code).toBe("SG_SCHEMA");
  });

  test("throws nothing but SG_SCHEMA for any JSON", () => {
    const attribute = fc.constantFrom(
      "type",
      "name",
      "fields",
      "items",
      "values",
      "symbols",
      "size",
      "default",
      "aliases",
      "namespace",
      "logicalType",
      "precision",
    );
    const value = fc.letrec((tie) => ({
      json: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom("record", "enum", "fixed", "array", "map", "int", "null", "R", "a.b", "", null, 1, -1, true),
        fc.array(tie("json"), { maxLength: 3 }),
        fc.dictionary(attribute, tie("json"), { maxKeys: 5 }),
      ),
    })).json;
    fc.assert(
      fc.property(value, (json) => {
        const error = refusalOf(JSON.stringify(json));
        if (error !== undefined) expect(error.code).toBe("SG_SCHEMA");
      }),
      { seed: 4, numRuns: 2_000 },
    );
  });

  test("source of the readers holds no code generation", () => {
    for (const file of ["avro-schema", "avro-program", "avro-reader", "field-tree"]) {
      const source = readFileSync(new URL(`../../src/schemas/${file}.ts`, import.meta.url), "utf8");
      expect(source).not.toMatch(/\beval\s*\(|\bFunction\s*\(/);
    }
  });
});

/** The error of a refused schema; other errors are thrown on. */
function refusalOf(text: string): StreamgaugeError | undefined {
  try {
    parseAvroSchema(text);
    return undefined;
  } catch (error) {
    if (error instanceof StreamgaugeError) return error;
    throw error;
  }
}
