/**
 * JSON values → Avro payloads, by walking the schema; no code is made of a schema.
 *
 * A union takes the first of its branches that can hold the value. Beside plain JSON it takes what Avro's own JSON
 * encoding writes: `{"int": 7}` in a union, `"NaN"` as a double, bytes as text of code points up to 255. Dates and
 * timestamps may be ISO 8601 texts, decimals numbers or texts. A name that an object lacks takes the field's
 * default; a name that the schema lacks is left out.
 */
import { utf8 } from "../core/text.ts";
import type { AvroField, AvroType } from "./avro-type.ts";
import { createIsoTime, type IsoTime, readIsoTime } from "./iso-time.ts";
import { decimalBytes, isInt64, widened } from "./number-text.ts";
import type { PayloadWriter } from "./payload-writer.ts";

const MAX_DEPTH = 128;
const DAY_MS = 86_400_000;

export class AvroEncoder {
  readonly #type: AvroType;
  readonly #writer: PayloadWriter;
  readonly #iso = createIsoTime();
  readonly #path: string[] = [];
  #budget = 0;
  #problem: { depth: number; text: string } | undefined;

  constructor(type: AvroType, writer: PayloadWriter) {
    this.#type = type;
    this.#writer = writer;
  }

  /**
   * Writes one event. False when the value does not fit the schema: nothing is written, `problem` says why.
   * `budget` limits the values tried, which a union of records could multiply at every level.
   */
  encode(value: unknown, budget: number): boolean {
    const start = this.#writer.length;
    this.#path.length = 0;
    this.#problem = undefined;
    this.#budget = budget;
    if (this.#encode(this.#type, value)) return true;
    this.#writer.rewind(start);
    return false;
  }

  /** Path and expectation of what did not fit, the deepest of all that was tried; never a value. */
  get problem(): string {
    return this.#problem?.text ?? "";
  }

  #encode(type: AvroType, value: unknown): boolean {
    if (--this.#budget < 0) return this.#refuse("fewer values", value);
    switch (type.kind) {
      case "union":
        return this.#union(type, value);
      case "null":
        return value === null || this.#refuse("null", value);
      case "boolean":
        if (typeof value !== "boolean") return this.#refuse("boolean", value);
        this.#writer.byte(value ? 1 : 0);
        return true;
      case "int":
      case "long":
        return writeInteger(this.#writer, type, value, this.#iso) || this.#refuse(type.logical ?? type.kind, value);
      case "float":
      case "double": {
        const number = numberOf(value);
        if (number === undefined) return this.#refuse(type.kind, value);
        if (type.kind === "float") this.#writer.float(number);
        else this.#writer.double(number);
        return true;
      }
      case "string":
        if (typeof value === "string") this.#writer.text(value);
        else if (typeof value === "bigint" && !isInt64(value)) this.#writer.text(value.toString());
        else return this.#refuse("text", value);
        return true;
      case "bytes":
      case "fixed": {
        const bytes = bytesOf(type, value);
        if (bytes === undefined) return this.#refuse(type.logical ?? type.kind, value);
        if (type.kind === "bytes") this.#writer.prefixed(bytes);
        else this.#writer.raw(bytes);
        return true;
      }
      case "enum": {
        const index = typeof value === "string" ? type.symbols.indexOf(value) : -1;
        if (index < 0) return this.#refuse(`a symbol of ${type.name}`, value);
        this.#writer.long(index);
        return true;
      }
      case "array":
        return this.#array(type, value);
      case "map":
        return this.#map(type, value);
      case "record":
        return this.#record(type, value);
      default:
        return type.kind satisfies never;
    }
  }

  #union(type: AvroType, value: unknown): boolean {
    const start = this.#writer.length;
    if (isObject(value)) {
      const tag = onlyKey(value);
      const index = tag === undefined ? -1 : type.branches.findIndex((branch) => branch.name === tag);
      if (index >= 0) {
        this.#writer.long(index);
        if (this.#encode(type.branches[index]!, value[tag!])) return true;
        this.#writer.rewind(start);
      }
    }
    for (let index = 0; index < type.branches.length; index++) {
      const branch = type.branches[index]!;
      if (!mayHold(branch, value)) continue;
      this.#writer.long(index);
      if (this.#encode(branch, value)) return true;
      this.#writer.rewind(start);
    }
    return this.#refuse(type.branches.map((branch) => branch.logical ?? branch.name).join(" or "), value);
  }

  #array(type: AvroType, value: unknown): boolean {
    if (!Array.isArray(value)) return this.#refuse("array", value);
    if (!this.#enter("[]", value)) return false;
    if (value.length > 0) this.#writer.long(value.length);
    for (const item of value) {
      if (!this.#encode(type.items!, item)) return this.#leave(false);
    }
    this.#writer.long(0);
    return this.#leave(true);
  }

  #map(type: AvroType, value: unknown): boolean {
    if (!isObject(value)) return this.#refuse("map", value);
    const keys = Object.keys(value);
    if (!this.#enter("{}", value)) return false;
    if (keys.length > 0) this.#writer.long(keys.length);
    for (const key of keys) {
      this.#writer.text(key);
      if (!this.#encode(type.items!, value[key])) return this.#leave(false);
    }
    this.#writer.long(0);
    return this.#leave(true);
  }

  #record(type: AvroType, value: unknown): boolean {
    if (!isObject(value)) return this.#refuse("object", value);
    for (const field of type.fields) {
      if (!this.#enter(field.name, value)) return false;
      if (!this.#leave(this.#field(field, value))) return false;
    }
    return true;
  }

  #field(field: AvroField, value: JsonObject): boolean {
    if (Object.hasOwn(value, field.sourceName)) return this.#encode(field.type, value[field.sourceName]);
    if (field.fallback !== undefined) return this.#encode(field.type, field.fallback);
    if (field.type.kind === "null") return true;
    const nullBranch = field.type.branches.findIndex((branch) => branch.kind === "null");
    if (nullBranch < 0) return this.#refuse("a value", undefined);
    this.#writer.long(nullBranch);
    return true;
  }

  #enter(name: string, value: unknown): boolean {
    if (this.#path.length >= MAX_DEPTH) return this.#refuse(`at most ${MAX_DEPTH} levels`, value);
    this.#path.push(name);
    return true;
  }

  #leave(done: boolean): boolean {
    this.#path.pop();
    return done;
  }

  #refuse(expected: string, value: unknown): false {
    const depth = this.#path.length;
    // Of two at one depth the later stands: a union's own sentence follows those of its branches.
    if (this.#problem === undefined || depth >= this.#problem.depth) {
      const path = this.#path.join(".").replaceAll(/\.(\[\]|\{\})/g, "$1");
      this.#problem = { depth, text: `${path === "" ? "event" : path}: expected ${expected}, found ${kindOf(value)}` };
    }
    return false;
  }
}

/** An `int` or `long`, from a number, from a whole 64-bit number, or from the text of a date or time. */
function writeInteger(writer: PayloadWriter, type: AvroType, value: unknown, iso: IsoTime): boolean {
  if (typeof value === "number") {
    if (!Number.isInteger(value)) return false;
    if (type.kind === "int") {
      if (value !== (value | 0)) return false;
      writer.long(value);
      return true;
    }
    if (Number.isSafeInteger(value)) writer.long(value);
    else if (Math.abs(value) < 2 ** 63) writer.bigLong(BigInt(value));
    else return false;
    return true;
  }
  if (typeof value === "bigint") {
    if (type.kind === "int" || !isInt64(value)) return false;
    writer.bigLong(value);
    return true;
  }
  if (typeof value !== "string" || type.logical === undefined || value.length > 64) return false;
  const bytes = utf8(value);
  return readIsoTime(bytes, 0, bytes.length, iso) && writeTime(writer, type, iso);
}

/** Writes a time in the unit of `type`; false for a date with a time of day, and for types that hold no time. */
export function writeTime(writer: PayloadWriter, type: AvroType, iso: IsoTime): boolean {
  switch (type.logical) {
    case "date":
      if (!iso.dateOnly) return false;
      writer.long(iso.wholeMs / DAY_MS);
      return true;
    case "timestamp-millis":
    case "local-timestamp-millis":
      writer.long(iso.wholeMs);
      return true;
    case "timestamp-micros":
    case "local-timestamp-micros":
      writer.bigLong(BigInt(iso.wholeMs) * 1000n + BigInt(iso.micros));
      return true;
    case "timestamp-nanos":
    case "local-timestamp-nanos": {
      const nanos = BigInt(iso.wholeMs) * 1_000_000n + BigInt(iso.micros) * 1000n;
      if (!isInt64(nanos)) return false;
      writer.bigLong(nanos);
      return true;
    }
    default:
      return false;
  }
}

/** Rules out most branches of a union without trying them. */
function mayHold(type: AvroType, value: unknown): boolean {
  switch (type.kind) {
    case "null":
      return value === null;
    case "boolean":
      return typeof value === "boolean";
    case "array":
      return Array.isArray(value);
    case "map":
    case "record":
      return isObject(value);
    default:
      return typeof value === "string" || typeof value === "number" || typeof value === "bigint";
  }
}

function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (value === "NaN") return Number.NaN;
  if (value === "Infinity") return Number.POSITIVE_INFINITY;
  if (value === "-Infinity") return Number.NEGATIVE_INFINITY;
  return undefined;
}

function bytesOf(type: AvroType, value: unknown): Uint8Array | undefined {
  if (type.logical === "decimal") {
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "bigint") return undefined;
    const bytes = decimalBytes(String(value), type.scale);
    return bytes === undefined || type.kind === "bytes" ? bytes : widened(bytes, type.size);
  }
  if (typeof value !== "string") return undefined;
  for (let index = 0; index < value.length; index++) if (value.charCodeAt(index) > 255) return undefined;
  const bytes = Buffer.from(value, "latin1");
  return type.kind === "fixed" && bytes.length !== type.size ? undefined : bytes;
}

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function onlyKey(value: JsonObject): string | undefined {
  let only: string | undefined;
  for (const key in value) {
    if (only !== undefined) return undefined;
    only = key;
  }
  return only;
}

function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "whole number" : "number";
  if (typeof value === "bigint") return "whole number";
  return typeof value === "string" ? "text" : typeof value;
}
