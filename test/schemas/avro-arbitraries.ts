/**
 * Random Avro schemas and events. The events are made and decoded by avsc through a *twin* of the schema: one with
 * the same bytes, in which nothing depends on names or on JavaScript's types. Fields are called `f0`, `f1` …, a map
 * is a list of entries (so equal keys and `__proto__` stay), a string is its bytes, logical types are gone, and
 * longs are bigint.
 */
import avsc from "avsc";
import * as fc from "fast-check";

export type AvroJson = string | readonly AvroJson[] | { readonly [attribute: string]: unknown };

/** A value of a twin: what avsc encodes and decodes. */
export type TwinValue = unknown;

export interface AvroCase {
  readonly schema: AvroJson;
  /** avsc's type of the twin. */
  readonly twin: avsc.Type;
  readonly values: readonly TwinValue[];
  readonly payloads: readonly Uint8Array[];
}

/** A schema and up to `maxEvents` events of it. */
export function avroCase(maxEvents = 6): fc.Arbitrary<AvroCase> {
  return avroSchema().chain((schema) => {
    const twinSchema = twinOf(schema);
    const twin = avscType(twinSchema);
    return fc
      .array(twinValue(twinSchema), { minLength: 1, maxLength: maxEvents })
      .map((values) => ({ schema, twin, values, payloads: values.map((value) => twin.toBuffer(value)) }));
  });
}

/** Any kind of schema, with a record, an array, a union … as its root. */
export function avroSchema(): fc.Arbitrary<AvroJson> {
  return shape().map((root) => new Namer().schema(root, undefined));
}

/** avsc's type with exact longs and named union branches. */
export function avscType(schema: AvroJson): avsc.Type {
  return avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: true, registry: { long: bigintLong() } });
}

function bigintLong(): avsc.Type {
  return avsc.types.LongType.__with({
    fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
    toBuffer: (value: bigint) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(value);
      return bytes;
    },
    fromJSON: BigInt,
    toJSON: Number,
    isValid: (value: unknown) => typeof value === "bigint",
    compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
  });
}

/** What may happen to bytes on their way: a bit flipped, a piece cut out, a piece put in. */
export function mutatedBytes(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.nat({ max: bytes.length });
  const hostile = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 6 }),
    fc.constantFrom(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f), Uint8Array.of(0x80, 0x00), Uint8Array.of(0x01)),
  );
  return fc.oneof(
    fc.tuple(at, fc.nat({ max: 7 })).map(([i, bit]) => {
      const flipped = Uint8Array.from(bytes);
      if (i < flipped.length) flipped[i]! ^= 1 << bit;
      return flipped;
    }),
    fc.tuple(at, hostile).map(([i, put]) => Uint8Array.of(...bytes.subarray(0, i), ...put, ...bytes.subarray(i))),
    fc
      .tuple(at, at)
      .map(([a, b]) => Uint8Array.of(...bytes.subarray(0, Math.min(a, b)), ...bytes.subarray(Math.max(a, b)))),
    at.map((i) => bytes.slice(0, i)),
    hostile.map((put) => Uint8Array.of(...bytes, ...put)),
  );
}

/** A schema without names; `self` is a nullable reference to the record around, `again` to the last named type. */
type Shape =
  | { readonly kind: "leaf"; readonly schema: AvroJson }
  | { readonly kind: "enum"; readonly symbols: readonly string[] }
  | { readonly kind: "fixed"; readonly size: number; readonly attributes: object }
  | { readonly kind: "array" | "map"; readonly inner: Shape }
  | { readonly kind: "union"; readonly branches: readonly Shape[] }
  | { readonly kind: "record"; readonly fields: readonly { name: string; shape: Shape }[]; readonly namespace: string }
  | { readonly kind: "self" }
  | { readonly kind: "again" };

const LEAVES: readonly AvroJson[] = [
  "null",
  "boolean",
  "int",
  "long",
  "float",
  "double",
  "bytes",
  "string",
  { type: "int", logicalType: "date" },
  { type: "int", logicalType: "time-millis" },
  { type: "long", logicalType: "time-micros" },
  { type: "long", logicalType: "timestamp-millis" },
  { type: "long", logicalType: "timestamp-micros" },
  { type: "long", logicalType: "timestamp-nanos" },
  { type: "long", logicalType: "local-timestamp-micros" },
  { type: "string", logicalType: "uuid" },
  { type: "bytes", logicalType: "decimal", precision: 40, scale: 3 },
  { type: "bytes", logicalType: "decimal", precision: 9, scale: 2 },
  { type: "int", logicalType: "decimal", precision: 9 },
  { type: "string", logicalType: "of-another-world" },
];
const FIXED_ATTRIBUTES = [
  {},
  { logicalType: "decimal", precision: 2, scale: 1 },
  { logicalType: "uuid" },
  { logicalType: "duration" },
];
const FIELD_NAMES = ["a", "b", "_c1", "__proto__", "constructor", "toString", "hasOwnProperty", "value", "X"];

function shape(): fc.Arbitrary<Shape> {
  const leaf: fc.Arbitrary<Shape> = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...LEAVES).map((schema) => ({ kind: "leaf", schema }) as const) },
    fc.record({
      kind: fc.constant("enum" as const),
      symbols: fc.uniqueArray(fc.constantFrom("A", "B", "__proto__", "Long_symbol_1"), { minLength: 1 }),
    }),
    fc.record({
      kind: fc.constant("fixed" as const),
      size: fc.constantFrom(1, 2, 8, 9, 12, 16),
      attributes: fc.constantFrom(...FIXED_ATTRIBUTES),
    }),
    fc.constantFrom({ kind: "self" } as const, { kind: "again" } as const),
  );
  return fc.letrec<{ node: Shape; record: Shape }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 4, depthIdentifier: "avro" },
      { weight: 4, arbitrary: leaf },
      { weight: 2, arbitrary: tie("record") },
      fc.record({ kind: fc.constantFrom("array" as const, "map" as const), inner: tie("node") }),
      fc.record({
        kind: fc.constant("union" as const),
        branches: fc.array(tie("node"), { minLength: 1, maxLength: 4, depthIdentifier: "avro" }),
      }),
      tie("node").map((inner) => ({ kind: "union", branches: [{ kind: "leaf", schema: "null" }, inner] }) as const),
    ),
    record: fc.record({
      kind: fc.constant("record" as const),
      fields: fc.uniqueArray(fc.record({ name: fc.constantFrom(...FIELD_NAMES), shape: tie("node") }), {
        maxLength: 5,
        selector: (field) => field.name,
        depthIdentifier: "avro",
      }),
      namespace: fc.constantFrom("", "com.example"),
    }),
  })).record;
}

/** Gives names, and leaves out what would make the schema invalid. */
class Namer {
  #count = 0;
  #last = "null";

  schema(node: Shape, self: string | undefined): AvroJson {
    switch (node.kind) {
      case "leaf":
        return node.schema;
      case "self":
        return self === undefined ? "null" : ["null", self];
      case "again":
        return this.#last;
      case "enum":
        return { type: "enum", name: this.#named("E"), symbols: node.symbols };
      case "fixed":
        return { type: "fixed", name: this.#named("F"), size: node.size, ...node.attributes };
      case "array":
        return { type: "array", items: this.schema(node.inner, self) };
      case "map":
        return { type: "map", values: this.schema(node.inner, self) };
      case "record": {
        this.#count++;
        const name = `R${this.#count}`;
        const fullName = node.namespace === "" ? name : `${node.namespace}.${name}`;
        const fields = node.fields.map((field) => ({ name: field.name, type: this.schema(field.shape, fullName) }));
        this.#last = fullName;
        return { type: "record", name, namespace: node.namespace, fields };
      }
      case "union": {
        const branches = new Map<string, AvroJson>();
        for (const branch of node.branches) {
          const schema = this.schema(branch, self);
          if (Array.isArray(schema)) continue;
          const key = unionKey(schema);
          if (!branches.has(key)) branches.set(key, schema);
        }
        return branches.size === 0 ? "null" : [...branches.values()];
      }
    }
  }

  #named(prefix: string): string {
    this.#count++;
    const name = `${prefix}${this.#count}`;
    this.#last = `top.${name}`;
    return this.#last;
  }
}

/** Full name of a named type, else its kind: what tells the branches of a union apart. */
export function unionKey(schema: AvroJson): string {
  if (typeof schema === "string") return schema;
  const { type, name, namespace } = schema as Readonly<Record<string, string>>;
  if (name === undefined) return type!;
  return namespace ? `${namespace}.${name}` : name;
}

const STRING_TWIN = "Str";

/** The twin of a schema: the same bytes with other names. */
export function twinOf(schema: AvroJson): AvroJson {
  const twins = new Map<string, string>();
  let count = 0;
  const stringTwin = { type: "record", name: STRING_TWIN, fields: [{ name: "b", type: "bytes" }] };
  let stringDefined = false;

  const next = (fullName?: string): string => {
    count++;
    if (fullName !== undefined) twins.set(fullName, `T${count}`);
    return `T${count}`;
  };
  const string = (): AvroJson => {
    if (stringDefined) return STRING_TWIN;
    stringDefined = true;
    return stringTwin;
  };
  const walk = (node: AvroJson): AvroJson => {
    if (node === "string") return string();
    if (typeof node === "string") return twins.get(node) ?? node;
    if (Array.isArray(node)) return node.map(walk);
    const attributes = node as Readonly<Record<string, unknown>>;
    switch (attributes.type) {
      case "record": {
        const name = next(unionKey(node));
        const fields = attributes.fields as readonly { type: AvroJson }[];
        return { type: "record", name, fields: fields.map((field, i) => ({ name: `f${i}`, type: walk(field.type) })) };
      }
      case "enum": {
        const symbols = (attributes.symbols as readonly string[]).map((_, i) => `S${i}`);
        return { type: "enum", name: next(unionKey(node)), symbols };
      }
      case "fixed":
        return { type: "fixed", name: next(unionKey(node)), size: attributes.size };
      case "array":
        return { type: "array", items: walk(attributes.items as AvroJson) };
      case "map": {
        const name = next();
        const key = { name: "key", type: string() };
        const entry = {
          type: "record",
          name: next(),
          fields: [key, { name: "value", type: walk(attributes.values as AvroJson) }],
        };
        return { type: "record", name, fields: [{ name: "entries", type: { type: "array", items: entry } }] };
      }
      default:
        return walk(attributes.type as string);
    }
  };
  return walk(schema);
}

/** A value of a twin. */
function twinValue(twin: AvroJson): fc.Arbitrary<TwinValue> {
  const named = new Map<string, AvroJson>();
  const value = (node: AvroJson, depth: number): fc.Arbitrary<TwinValue> => {
    if (typeof node === "string") {
      const leaf = leafValue(node);
      if (leaf !== undefined) return leaf;
      return value(named.get(node)!, depth);
    }
    if (Array.isArray(node)) {
      const branches = node as readonly AvroJson[];
      // Types inside themselves end at a null.
      const usable = depth > 5 && branches.includes("null") ? ["null"] : branches;
      return fc.oneof(
        ...usable.map((branch) =>
          branch === "null"
            ? fc.constant(null)
            : fc
                .memo(() => value(branch, depth))(1)
                .map((inner) => ({ [unionKey(branch)]: inner })),
        ),
      );
    }
    const attributes = node as Readonly<Record<string, unknown>>;
    switch (attributes.type) {
      case "record": {
        named.set(attributes.name as string, node);
        if (attributes.name === STRING_TWIN) return textBytes().map((b) => ({ b }));
        const fields = attributes.fields as readonly { name: string; type: AvroJson }[];
        const entries = fields.map((field) => [field.name, value(field.type, depth + 1)] as const);
        return fc.record(Object.fromEntries(entries));
      }
      case "enum":
        named.set(attributes.name as string, node);
        return fc.constantFrom(...(attributes.symbols as readonly string[]));
      case "fixed": {
        named.set(attributes.name as string, node);
        const size = attributes.size as number;
        return fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => Buffer.from(bytes));
      }
      default:
        return fc.array(value(attributes.items as AvroJson, depth + 1), { maxLength: depth > 3 ? 1 : 4 });
    }
  };
  return value(twin, 0);
}

function leafValue(kind: string): fc.Arbitrary<TwinValue> | undefined {
  switch (kind) {
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "int":
      return fc.oneof(fc.integer(), fc.integer({ min: -100, max: 100 }));
    case "long":
      return fc.oneof(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.bigInt({ min: -200n, max: 200n }),
        fc.constantFrom(2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 31n, -(2n ** 31n) - 1n, 1_700_000_000_000n),
      );
    case "float":
      return fc.float();
    case "double":
      return fc.double();
    case "bytes":
      return fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes));
    default:
      return undefined;
  }
}

function textBytes(): fc.Arbitrary<Buffer> {
  return fc
    .oneof(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "binary-ascii", maxLength: 80 }),
      fc.constant("__proto__"),
    )
    .map((text) => Buffer.from(text));
}
