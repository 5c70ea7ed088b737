import { describe, expect, test } from "vitest";
import { createAvroReader } from "../../src/schemas/avro-reader.ts";
import { parseAvroSchema } from "../../src/schemas/avro-schema.ts";
import { fieldTree, MAX_COLUMNS } from "../../src/schemas/field-tree.ts";

const treeOf = (schema: unknown) => fieldTree(parseAvroSchema(JSON.stringify(schema)));
const record = (name: string, ...fields: readonly (readonly [string, unknown])[]) => ({
  type: "record",
  name,
  fields: fields.map(([field, type]) => ({ name: field, type })),
});
/** Path, kind, storage, level of each field. */
const table = (schema: unknown) =>
  treeOf(schema).fields.map((field) => `${field.path} ${field.kind} ${field.storage} ${field.level}`);

describe("fieldTree()", () => {
  test("makes a field of each leaf, array and map", () => {
    expect(
      table(
        record(
          "Trip",
          ["id", "long"],
          [
            "fare",
            ["null", record("Fare", ["amount", { type: "bytes", logicalType: "decimal", precision: 9, scale: 2 }])],
          ],
          [
            "stops",
            {
              type: "array",
              items: record(
                "Stop",
                ["at", { type: "long", logicalType: "timestamp-micros" }],
                ["tags", { type: "array", items: ["null", "string"] }],
              ),
            },
          ],
          ["m", { type: "map", values: { type: "map", values: "boolean" } }],
        ),
      ),
    ).toEqual([
      "id long long -1",
      "fare.amount decimal long -1",
      "stops array number -1",
      "stops[].at timestamp long 2",
      "stops[].tags array number 2",
      "stops[].tags[] string bytes 4",
      "m map number -1",
      "m{}#key string bytes 6",
      "m{} map number 6",
      "m{}{}#key string bytes 8",
      "m{}{} boolean number 8",
    ]);
    expect(treeOf({ type: "bytes", logicalType: "decimal", precision: 9, scale: 2 }).fields[0]!.scale).toBe(2);
  });

  test("gives each type of a union its own field, and none to null", () => {
    expect(
      table(
        record(
          "R",
          ["n", ["string", "null"]],
          [
            "u",
            [
              "null",
              "string",
              "long",
              record("a.S", ["x", "int"]),
              { type: "fixed", name: "F", size: 2 },
              { type: "array", items: "int" },
            ],
          ],
          ["one", ["int"]],
          ["none", "null"],
          ["never", ["null"]],
          ["empty", record("E", ["z", "null"])],
          ["odd", [{ type: "array", items: "int" }, record("array", ["x", "int"])]],
        ),
      ),
    ).toEqual([
      "n string bytes -1",
      "u#string string bytes -1",
      "u#long long long -1",
      "u#`a.S`.x int number -1",
      "u#F fixed bytes -1",
      "u#array array number -1",
      "u#array[] int number 5",
      "one int number -1",
      "odd#array array number -1",
      "odd#array[] int number 8",
      "odd#`array`.x int number -1",
    ]);
  });

  test("names a root that is no record `value`", () => {
    expect(table("string")).toEqual(["value string bytes -1"]);
    expect(table(["null", "int"])).toEqual(["value int number -1"]);
    expect(table({ type: "array", items: record("R", ["x", "int"]) })).toEqual([
      "value array number -1",
      "value[].x int number 0",
    ]);
    expect(table([record("A", ["x", "int"]), record("B", ["x", "int"])])).toEqual([
      "value#A.x int number -1",
      "value#B.x int number -1",
    ]);
    expect(table("null")).toEqual([]);
  });

  test("follows a type inside itself for three rounds", () => {
    expect(table(record("L", ["v", "int"], ["next", ["null", "L"]]))).toEqual([
      "v int number -1",
      "next.v int number -1",
      "next.next.v int number -1",
    ]);
    expect(treeOf(record("L", ["next", ["null", "L"]], ["v", "int"])).fieldsLeftOut).toBe(0);
  });

  test("follows fewer rounds when the columns do not suffice, so that no field of the first level is lost", () => {
    const references = Array.from({ length: 30 }, (_, i) => [`r${i}`, ["null", "N"]] as const);
    const tree = treeOf(record("N", ...references, ["a", "int"], ["b", "int"], ["c", "int"]));
    expect(tree.fieldsLeftOut).toBe(0);
    expect(tree.fields).toHaveLength(3 + 30 * 3);
    expect(tree.fields.at(-1)!.path).toBe("c");
  });

  test("leaves out and counts what is over the limit of columns, and the reader reads past it", () => {
    const fields = Array.from({ length: 3_000 }, (_, i) => [`f${i}`, ["null", "int"]] as const);
    const schema = record("Wide", ...fields);
    expect(treeOf(schema)).toMatchObject({ fieldsLeftOut: 3_000 - MAX_COLUMNS });
    const reader = createAvroReader(JSON.stringify(schema));
    expect([reader.fields.length, reader.fieldsLeftOut]).toEqual([MAX_COLUMNS, 3_000 - MAX_COLUMNS]);
    const batch = reader.createBatch(2);
    const bytes = Uint8Array.from({ length: 6_000 }, (_, i) => (i % 2 === 0 ? 2 : 84));
    expect(reader.read(batch, bytes, 0, 6_000)).toBe("ok");
    expect(batch.columns.every((column) => column.numbers[0] === 42)).toBe(true);
    bytes[5_998] = 4;
    expect(reader.read(batch, bytes, 0, 6_000)).toBe("malformed");
    expect(batch.columns.every((column) => column.count === 1)).toBe(true);
  });

  /** A record that holds the one before `fan` times, `depth` times over: fan^depth paths. */
  const fanned = (depth: number, fan: number, leaf: unknown) => {
    let inner: unknown = record("R0", ["x", leaf]);
    for (let level = 1; level <= depth; level++) {
      const name = `R${level - 1}`;
      const fields = Array.from({ length: fan }, (_, i) => [`f${i}`, i === 0 ? inner : name] as const);
      inner = record(`R${level}`, ...fields);
    }
    return inner;
  };

  test.each([
    ["with a leaf", fanned(60, 2, "int")],
    [
      "with a wide union",
      fanned(20, 30, ["null", ...Array.from({ length: 500 }, (_, i) => ({ type: "fixed", name: `F${i}`, size: 1 }))]),
    ],
    [
      "of arrays of a wide union",
      fanned(20, 30, {
        type: "array",
        items: ["null", ...Array.from({ length: 500 }, (_, i) => ({ type: "fixed", name: `F${i}`, size: 1 }))],
      }),
    ],
    ["with nothing in it", fanned(60, 2, "null")],
    ["without end", fanned(40, 2, ["null", "R0"])],
  ])("keeps a schema that fans out within its limits: %s", (_, schema) => {
    const reader = createAvroReader(JSON.stringify(schema));
    expect(reader.fields.length).toBeLessThanOrEqual(MAX_COLUMNS + 1);
    expect(reader.read(reader.createBatch(1), new Uint8Array(100), 0, 100)).not.toBe("ok");
  });
});
