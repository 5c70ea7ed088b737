/**
 * An Avro schema as a tree of one node shape, for walking and for encoding. Accepts what the specification (1.12)
 * accepts, within limits; an unknown or misplaced logical type is ignored, as it demands.
 *
 * One property beyond it: `sourceName` of a record field is the name that the field has in the file, where that is
 * not a name that Avro allows.
 */
import { StreamgaugeError } from "../core/errors.ts";

type AvroKind =
  | "null"
  | "boolean"
  | "int"
  | "long"
  | "float"
  | "double"
  | "bytes"
  | "string"
  | "fixed"
  | "enum"
  | "array"
  | "map"
  | "record"
  | "union";

/** Every node has every property, so that a walker sees one object shape. */
export interface AvroType {
  readonly kind: AvroKind;
  /** Full name of a named type, else the kind: how a union's branch is tagged in Avro's JSON encoding. */
  readonly name: string;
  readonly logical: LogicalType | undefined;
  /** Digits behind the point of a decimal. */
  readonly scale: number;
  /** Bytes of a fixed. */
  readonly size: number;
  readonly symbols: readonly string[];
  /** Of an array its items, of a map its values; `undefined` otherwise. */
  items: AvroType | undefined;
  fields: readonly AvroField[];
  branches: readonly AvroType[];
}

export interface AvroField {
  readonly name: string;
  readonly sourceName: string;
  readonly type: AvroType;
  /** JSON value, or undefined where there is none. */
  readonly fallback: unknown;
}

const LOGICAL_ON = {
  date: ["int"],
  "time-millis": ["int"],
  "time-micros": ["long"],
  "timestamp-millis": ["long"],
  "timestamp-micros": ["long"],
  "timestamp-nanos": ["long"],
  "local-timestamp-millis": ["long"],
  "local-timestamp-micros": ["long"],
  "local-timestamp-nanos": ["long"],
  decimal: ["bytes", "fixed"],
} as const satisfies Record<string, readonly AvroKind[]>;

type LogicalType = keyof typeof LOGICAL_ON;

const PRIMITIVES: ReadonlySet<string> = new Set([
  "null",
  "boolean",
  "int",
  "long",
  "float",
  "double",
  "bytes",
  "string",
]);
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const FULL_NAME = /^(?:[A-Za-z_][A-Za-z0-9_]*\.)*[A-Za-z_][A-Za-z0-9_]*$/;
/** Registries refuse larger texts; real schemas stay below 100 kB. */
const MAX_TEXT = 1 << 20;
const MAX_DEPTH = 64;
const MAX_NODES = 20_000;
const MAX_FIXED = 1 << 20;

/** @throws {StreamgaugeError} `SG_SCHEMA` with the path inside the schema. */
export function parseAvroType(schemaText: string): AvroType {
  if (schemaText.length > MAX_TEXT) refuse("schema", `it is longer than ${MAX_TEXT} characters`);
  let json: unknown;
  try {
    json = JSON.parse(schemaText);
  } catch (error) {
    throw new StreamgaugeError("SG_SCHEMA", "Cannot read schema: it is not JSON", { cause: error });
  }
  return new SchemaParser().parse(json, "", "schema", 0);
}

class SchemaParser {
  readonly #named = new Map<string, AvroType>();
  #nodes = 0;

  parse(json: unknown, namespace: string, at: string, depth: number): AvroType {
    if (depth > MAX_DEPTH) refuse(at, `it is nested deeper than ${MAX_DEPTH} levels`);
    if (++this.#nodes > MAX_NODES) refuse(at, `it has more than ${MAX_NODES} types`);
    if (typeof json === "string") {
      if (PRIMITIVES.has(json)) return node({ kind: json as AvroKind });
      const known = this.#named.get(json.includes(".") || namespace === "" ? json : `${namespace}.${json}`);
      return known ?? this.#named.get(json) ?? refuse(at, `there is no type ${quote(json)}`);
    }
    if (Array.isArray(json)) return this.#union(json, namespace, at, depth);
    if (!isObject(json)) return refuse(at, "expected a type name, a list or an object");
    const type = own(json, "type");
    switch (type) {
      case "record":
      case "error":
        return this.#record(json, namespace, at, depth);
      case "enum":
        return this.#enum(json, namespace, at);
      case "fixed":
        return this.#fixed(json, namespace, at);
      case "array":
        return node({ kind: "array", items: this.parse(own(json, "items"), namespace, `${at}[]`, depth + 1) });
      case "map":
        return node({ kind: "map", items: this.parse(own(json, "values"), namespace, `${at}{}`, depth + 1) });
      default:
        if (typeof type === "string" && PRIMITIVES.has(type)) {
          return node({ kind: type as AvroKind, ...logicalOf(json, type as AvroKind) });
        }
        return this.parse(type, namespace, at, depth + 1);
    }
  }

  #union(json: readonly unknown[], namespace: string, at: string, depth: number): AvroType {
    const names = new Set<string>();
    const branches = json.map((branch, index) => {
      const type = this.parse(branch, namespace, `${at}|${index}`, depth + 1);
      if (type.kind === "union") refuse(at, "a union holds a union");
      if (names.has(type.name)) refuse(at, `a union holds ${type.name} twice`);
      names.add(type.name);
      return type;
    });
    if (branches.length === 0) refuse(at, "a union is empty");
    return node({ kind: "union", branches });
  }

  #record(json: JsonObject, namespace: string, at: string, depth: number): AvroType {
    const name = fullName(json, namespace, at);
    const type = node({ kind: "record", name });
    this.#define(type, at);
    const inner = name.includes(".") ? name.slice(0, name.lastIndexOf(".")) : "";
    const list = own(json, "fields");
    if (!Array.isArray(list)) return refuse(at, "a record has no fields");
    const names = new Set<string>();
    type.fields = list.map((field: unknown) => {
      const fieldName = isObject(field) ? own(field, "name") : undefined;
      if (!isObject(field) || typeof fieldName !== "string" || !NAME.test(fieldName)) {
        return refuse(at, `a field has no valid name`);
      }
      const path = `${at}.${fieldName}`;
      if (names.has(fieldName)) refuse(path, "the name stands twice");
      names.add(fieldName);
      const sourceName = own(field, "sourceName");
      return {
        name: fieldName,
        sourceName: typeof sourceName === "string" ? sourceName : fieldName,
        type: this.parse(own(field, "type"), inner, path, depth + 1),
        fallback: own(field, "default"),
      };
    });
    return type;
  }

  #enum(json: JsonObject, namespace: string, at: string): AvroType {
    const symbols = own(json, "symbols");
    if (!Array.isArray(symbols) || !symbols.every((symbol) => typeof symbol === "string" && NAME.test(symbol))) {
      return refuse(at, "an enum has no valid symbols");
    }
    if (new Set(symbols).size !== symbols.length) refuse(at, "an enum holds a symbol twice");
    const type = node({ kind: "enum", name: fullName(json, namespace, at), symbols });
    this.#define(type, at);
    return type;
  }

  #fixed(json: JsonObject, namespace: string, at: string): AvroType {
    const size = own(json, "size");
    if (typeof size !== "number" || !Number.isInteger(size) || size < 0 || size > MAX_FIXED) {
      return refuse(at, `a fixed needs a size from 0 to ${MAX_FIXED}`);
    }
    const type = node({ kind: "fixed", name: fullName(json, namespace, at), size, ...logicalOf(json, "fixed") });
    this.#define(type, at);
    return type;
  }

  #define(type: AvroType, at: string): void {
    if (this.#named.has(type.name)) refuse(at, `the type ${quote(type.name)} is defined twice`);
    this.#named.set(type.name, type);
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

function node(properties: { kind: AvroKind } & Partial<AvroType>): AvroType {
  return {
    kind: properties.kind,
    name: properties.name ?? properties.kind,
    logical: properties.logical,
    scale: properties.scale ?? 0,
    size: properties.size ?? 0,
    symbols: properties.symbols ?? [],
    items: properties.items,
    fields: properties.fields ?? [],
    branches: properties.branches ?? [],
  };
}

function logicalOf(json: JsonObject, kind: AvroKind): Pick<AvroType, "logical" | "scale"> {
  const name = own(json, "logicalType");
  const none = { logical: undefined, scale: 0 };
  if (typeof name !== "string" || !Object.hasOwn(LOGICAL_ON, name)) return none;
  const logical = name as LogicalType;
  if (!(LOGICAL_ON[logical] as readonly AvroKind[]).includes(kind)) return none;
  if (logical !== "decimal") return { logical, scale: 0 };
  const precision = own(json, "precision");
  const scale = own(json, "scale") ?? 0;
  if (!isCount(precision) || precision === 0 || !isCount(scale) || scale > precision) return none;
  return { logical, scale };
}

function fullName(json: JsonObject, namespace: string, at: string): string {
  const name = own(json, "name");
  const space = own(json, "namespace");
  if (typeof name !== "string") return refuse(at, "a named type has no name");
  const inner = typeof space === "string" ? space : namespace;
  const full = name.includes(".") || inner === "" ? name : `${inner}.${name}`;
  return FULL_NAME.test(full) ? full : refuse(at, `${quote(full)} is not a name`);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Names come from data, so what an object inherits never counts. */
function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 10_000;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function refuse(at: string, what: string): never {
  throw new StreamgaugeError("SG_SCHEMA", `Cannot read schema at ${at}: ${what}`);
}
