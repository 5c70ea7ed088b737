/**
 * Avro schema text to a tree of types, by the rules of the Avro 1.12 specification. A schema is input like any
 * other: nothing of it ever becomes code, and its size, depth and number of fields are limited.
 *
 * Where registries in use are more generous than the specification, so is this parser: `{"type": X}` may stand for
 * any schema X, a name that its own namespace does not know is looked up without namespace, a record may be called
 * "error", and the size of a fixed, an enum's symbols and a union may be zero or empty. An unknown logical type, or
 * one that does not fit its type, is ignored, as the specification says.
 */
import { StreamgaugeError } from "../core/errors.ts";
import { checkDefaults, type DefaultToCheck } from "./avro-default.ts";
import { schemaError } from "./avro-error.ts";
import type {
  AvroEnum,
  AvroField,
  AvroFixed,
  AvroPrimitive,
  AvroRecord,
  AvroType,
  AvroUnion,
  LogicalType,
  PrimitiveKind,
} from "./avro-type.ts";

/** Characters of schema text; a schema of 20,000 fields takes about half of it. */
export const MAX_SCHEMA_CHARACTERS = 1_048_576;
/** Types inside types; the recursion of this parser stays far from the engine's own limit. */
export const MAX_SCHEMA_DEPTH = 128;
/** Fields of all records of a schema. */
export const MAX_SCHEMA_FIELDS = 20_000;

/**
 * The type that `text` describes. Records refer to themselves by the same object. Names may also be those that the
 * texts in `references` define, each of which may use those before it.
 * @throws {StreamgaugeError} `SG_SCHEMA`, with the place in the text, such as `fields[3].type`.
 */
export function parseAvroSchema(text: string, references: readonly string[] = []): AvroType {
  const characters = references.reduce((sum, reference) => sum + reference.length, text.length);
  if (characters > MAX_SCHEMA_CHARACTERS) {
    throw schemaError("", `${characters} characters, expected at most ${MAX_SCHEMA_CHARACTERS}`);
  }
  const parser = new SchemaParser();
  for (const [index, reference] of references.entries()) {
    parser.parse(parseJson(reference, "a schema that it refers to"), `references[${index}]`);
  }
  return parser.parse(parseJson(text, "it"), "");
}

function parseJson(text: string, subject: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new StreamgaugeError("SG_SCHEMA", `Cannot use the Avro schema: ${subject} is not JSON`, { cause: error });
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type JsonObject = Readonly<Record<string, unknown>>;

interface Place {
  readonly path: string;
  readonly namespace: string;
  readonly depth: number;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const FULL_NAME = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$/;
const ORDERS: readonly unknown[] = [undefined, "ascending", "descending", "ignore"];
/** What fits an Int32Array, which is where the reader's program lives. */
const MAX_SIZE = 0x7fffffff;

const PRIMITIVE_BYTES: ReadonlyMap<string, number> = new Map<PrimitiveKind, number>([
  ["null", 0],
  ["boolean", 1],
  ["int", 1],
  ["long", 1],
  ["float", 4],
  ["double", 8],
  ["bytes", 1],
  ["string", 1],
]);

class SchemaParser {
  readonly #named = new Map<string, AvroRecord | AvroEnum | AvroFixed>();
  #defaults: DefaultToCheck[] = [];
  #fieldCount = 0;

  /** What one text defines is known to the next. */
  parse(json: unknown, path: string): AvroType {
    this.#defaults = [];
    const type = this.#type(json, { path, namespace: "", depth: 1 });
    checkDefaults(this.#defaults);
    return type;
  }

  #type(json: unknown, place: Place): AvroType {
    if (place.depth > MAX_SCHEMA_DEPTH) throw schemaError(place.path, `deeper than ${MAX_SCHEMA_DEPTH} types`);
    if (typeof json === "string") return this.#reference(json, place);
    if (Array.isArray(json)) return this.#union(json, place);
    if (!isObject(json)) throw schemaError(place.path, `expected a name, an object or an array, got ${show(json)}`);
    const kind = json.type;
    switch (kind) {
      case undefined:
        throw schemaError(place.path, 'no "type"');
      case "record":
      case "error":
        return this.#record(json, place);
      case "enum":
        return this.#enum(json, place);
      case "fixed":
        return this.#fixed(json, place);
      case "array": {
        const items = this.#attribute(json, "items", place);
        return { kind: "array", items, minBytes: 1, alwaysEmpty: false };
      }
      case "map": {
        const values = this.#attribute(json, "values", place);
        return { kind: "map", values, minBytes: 1, alwaysEmpty: false };
      }
    }
    if (typeof kind === "string" && PRIMITIVE_BYTES.has(kind)) return primitive(kind as PrimitiveKind, json);
    return this.#attribute(json, "type", place);
  }

  #attribute(json: JsonObject, name: "type" | "items" | "values", place: Place): AvroType {
    if (json[name] === undefined) throw schemaError(place.path, `no "${name}"`);
    return this.#type(json[name], {
      path: join(place.path, name),
      namespace: place.namespace,
      depth: place.depth + 1,
    });
  }

  #reference(name: string, place: Place): AvroType {
    if (PRIMITIVE_BYTES.has(name)) return primitive(name as PrimitiveKind, undefined);
    const inNamespace = name.includes(".") || place.namespace === "" ? name : `${place.namespace}.${name}`;
    const type = this.#named.get(inNamespace) ?? this.#named.get(name);
    if (type === undefined) throw schemaError(place.path, `undefined type ${show(name)}`);
    return type;
  }

  #union(json: readonly unknown[], place: Place): AvroUnion {
    const branches: AvroType[] = [];
    const seen = new Set<string>();
    let minBytes = MAX_SIZE;
    for (const [index, branchJson] of json.entries()) {
      const path = `${place.path}[${index}]`;
      // Asked before it is parsed: unions do not count as depth, so they must not call each other without end.
      const branch = Array.isArray(branchJson) ? undefined : this.#type(branchJson, { ...place, path });
      if (branch === undefined || branch.kind === "union") throw schemaError(path, "a union directly inside a union");
      // A record may be called "array": without the brackets it would collide with the type.
      const identity = "name" in branch ? branch.name : `<${branch.kind}>`;
      if (seen.has(identity)) throw schemaError(path, `second ${show(identity)} in the union`);
      seen.add(identity);
      branches.push(branch);
      minBytes = Math.min(minBytes, branch.minBytes);
    }
    return { kind: "union", branches, minBytes: capped(1 + minBytes), alwaysEmpty: false };
  }

  #record(json: JsonObject, place: Place): AvroRecord {
    const { name, namespace } = this.#define(json, place);
    if (!Array.isArray(json.fields)) throw schemaError(join(place.path, "fields"), "expected an array of fields");
    const fields: AvroField[] = [];
    // Inside itself the record counts as zero bytes: still a lower bound, and the bound is known in one pass.
    const record: Mutable<AvroRecord> = { kind: "record", name, fields, minBytes: 0, alwaysEmpty: false };
    this.#named.set(name, record);
    const seen = new Set<string>();
    let minBytes = 0;
    let alwaysEmpty = true;
    for (const [index, fieldJson] of (json.fields as readonly unknown[]).entries()) {
      const path = join(place.path, `fields[${index}]`);
      const field = this.#field(fieldJson, { path, namespace, depth: place.depth });
      if (seen.has(field.name)) throw schemaError(path, `second field ${show(field.name)} in the record`);
      seen.add(field.name);
      fields.push(field);
      minBytes += field.type.minBytes;
      alwaysEmpty &&= field.type.alwaysEmpty;
    }
    record.minBytes = capped(minBytes);
    record.alwaysEmpty = alwaysEmpty;
    return record;
  }

  #field(json: unknown, place: Place): AvroField {
    if (!isObject(json)) throw schemaError(place.path, `expected a field, got ${show(json)}`);
    this.#fieldCount++;
    if (this.#fieldCount > MAX_SCHEMA_FIELDS) throw schemaError(place.path, `more than ${MAX_SCHEMA_FIELDS} fields`);
    const name = json.name;
    if (typeof name !== "string" || !NAME.test(name)) {
      throw schemaError(join(place.path, "name"), `expected letters, digits and _, got ${show(name)}`);
    }
    if (!ORDERS.includes(json.order)) {
      throw schemaError(
        join(place.path, "order"),
        `expected "ascending", "descending" or "ignore", got ${show(json.order)}`,
      );
    }
    checkAliases(json, place.path, NAME);
    const type = this.#attribute(json, "type", place);
    const hasDefault = Object.hasOwn(json, "default");
    if (hasDefault) this.#defaults.push({ type, value: json.default, path: join(place.path, "default") });
    return { name, type, hasDefault };
  }

  #enum(json: JsonObject, place: Place): AvroEnum {
    const { name } = this.#define(json, place);
    const path = join(place.path, "symbols");
    if (!Array.isArray(json.symbols)) throw schemaError(path, "expected an array of symbols");
    const symbols = new Set<string>();
    for (const [index, symbol] of (json.symbols as readonly unknown[]).entries()) {
      if (typeof symbol !== "string" || !NAME.test(symbol)) {
        throw schemaError(`${path}[${index}]`, `expected letters, digits and _, got ${show(symbol)}`);
      }
      if (symbols.has(symbol)) throw schemaError(`${path}[${index}]`, `second symbol ${show(symbol)}`);
      symbols.add(symbol);
    }
    if (json.default !== undefined && !symbols.has(json.default as string)) {
      throw schemaError(join(place.path, "default"), `${show(json.default)} is none of the symbols`);
    }
    const type: AvroEnum = { kind: "enum", name, symbols: [...symbols], minBytes: 1, alwaysEmpty: false };
    this.#named.set(name, type);
    return type;
  }

  #fixed(json: JsonObject, place: Place): AvroFixed {
    const { name } = this.#define(json, place);
    const size = json.size;
    if (typeof size !== "number" || !Number.isInteger(size) || size < 0 || size > MAX_SIZE) {
      throw schemaError(join(place.path, "size"), `expected a number of bytes, got ${show(size)}`);
    }
    const logical = fixedLogicalType(json, size);
    const type: AvroFixed = { kind: "fixed", name, size, logical, minBytes: size, alwaysEmpty: size === 0 };
    this.#named.set(name, type);
    return type;
  }

  /** Full name and namespace of a record, enum or fixed, which must be new. */
  #define(json: JsonObject, place: Place): { readonly name: string; readonly namespace: string } {
    const { name: given } = json;
    const path = join(place.path, "name");
    if (typeof given !== "string" || !FULL_NAME.test(given)) {
      throw schemaError(path, `expected a name of letters, digits and _, got ${show(given)}`);
    }
    let namespace = place.namespace;
    const lastDot = given.lastIndexOf(".");
    if (lastDot >= 0) {
      namespace = given.slice(0, lastDot);
    } else if (json.namespace !== undefined && json.namespace !== null) {
      if (typeof json.namespace !== "string" || !(json.namespace === "" || FULL_NAME.test(json.namespace))) {
        throw schemaError(join(place.path, "namespace"), `expected names and dots, got ${show(json.namespace)}`);
      }
      namespace = json.namespace;
    }
    const simpleName = given.slice(lastDot + 1);
    if (PRIMITIVE_BYTES.has(simpleName)) throw schemaError(path, `${show(simpleName)} is the name of a primitive type`);
    const name = namespace === "" ? simpleName : `${namespace}.${simpleName}`;
    if (this.#named.has(name)) throw schemaError(path, `second definition of ${show(name)}`);
    checkAliases(json, place.path, FULL_NAME);
    return { name, namespace };
  }
}

function checkAliases(json: JsonObject, path: string, pattern: RegExp): void {
  if (json.aliases === undefined) return;
  const aliases: unknown = json.aliases;
  if (!Array.isArray(aliases)) throw schemaError(join(path, "aliases"), "expected an array of names");
  for (const [index, alias] of (aliases as readonly unknown[]).entries()) {
    if (typeof alias !== "string" || !pattern.test(alias)) {
      throw schemaError(join(path, `aliases[${index}]`), `expected a name, got ${show(alias)}`);
    }
  }
}

function primitive(kind: PrimitiveKind, json: JsonObject | undefined): AvroPrimitive {
  const minBytes = PRIMITIVE_BYTES.get(kind)!;
  return { kind, logical: primitiveLogicalType(kind, json), minBytes, alwaysEmpty: kind === "null" };
}

function primitiveLogicalType(kind: PrimitiveKind, json: JsonObject | undefined): LogicalType | undefined {
  const name = json?.logicalType;
  switch (name) {
    case "date":
    case "time-millis":
      return kind === "int" ? { name } : undefined;
    case "time-micros":
    case "timestamp-millis":
    case "timestamp-micros":
    case "timestamp-nanos":
    case "local-timestamp-millis":
    case "local-timestamp-micros":
    case "local-timestamp-nanos":
      return kind === "long" ? { name } : undefined;
    case "uuid":
      return kind === "string" ? { name } : undefined;
    case "decimal":
      return kind === "bytes" ? decimalType(json!, Number.POSITIVE_INFINITY) : undefined;
    default:
      return undefined;
  }
}

function fixedLogicalType(json: JsonObject, size: number): LogicalType | undefined {
  switch (json.logicalType) {
    case "decimal":
      // The digits that 8 * size - 1 bits always hold.
      return decimalType(json, Math.floor((8 * size - 1) * Math.log10(2)));
    case "uuid":
      return size === 16 ? { name: "uuid" } : undefined;
    case "duration":
      return size === 12 ? { name: "duration" } : undefined;
    default:
      return undefined;
  }
}

function decimalType(json: JsonObject, maxPrecision: number): LogicalType | undefined {
  const { precision, scale = 0 } = json;
  if (typeof precision !== "number" || !Number.isInteger(precision) || precision < 1) return undefined;
  if (typeof scale !== "number" || !Number.isInteger(scale) || scale < 0) return undefined;
  if (precision > maxPrecision || scale > precision) return undefined;
  return { name: "decimal", precision, scale };
}

function capped(bytes: number): number {
  return Math.min(bytes, MAX_SIZE);
}

function isObject(json: unknown): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function join(path: string, part: string): string {
  return path === "" ? part : `${path}.${part}`;
}

/** A value of the schema as it may stand in a message: short, and escaped. */
function show(json: unknown): string {
  if (json === undefined) return "nothing";
  if (typeof json === "object" && json !== null) return Array.isArray(json) ? "an array" : "an object";
  const text = JSON.stringify(json);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
