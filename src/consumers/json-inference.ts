/**
 * What the values of a JSON lines file have in common, as an Avro schema. A place (the event, a field, an array's
 * items) notes which kinds of value stood there; kinds that differ become branches of a union.
 *
 * Numbers are one branch, the narrowest of int, long and double that holds them all; a whole number beyond 64 bits
 * is kept as text, unless numbers with a point beside it show that it was rounded anyway. A name that some objects lack is nullable. What was always null is a nullable text.
 */

import { isInt64 } from "./number-text.ts";
import { AvroNames, INFERRED_NAMESPACE, type InferredField, inferredField } from "./schema-names.ts";

const MAX_DEPTH = 32;
/** Distinct paths of a file: more come from objects that are used as maps, which a schema has to say. */
const MAX_PATHS = 4096;

/** A value beyond the limits. */
export class InferenceError extends Error {}

export class JsonInference {
  readonly #event = createPlace();
  #paths = 0;

  /** @throws {InferenceError} */
  observe(event: Readonly<Record<string, unknown>>): void {
    this.#observe(this.#event, event, 0);
  }

  schemaText(): string {
    const taken = new AvroNames();
    const schema = recordOf(this.#event, "Event", taken);
    return JSON.stringify({ ...schema, namespace: INFERRED_NAMESPACE });
  }

  #observe(place: Place, value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        place.text = true;
        return;
      case "number":
        if (place.number !== "double") place.number = widerNumber(place.number, numberKind(value));
        return;
      case "bigint":
        if (isInt64(value)) place.number = widerNumber(place.number, "long");
        else place.beyond64 = true;
        return;
      case "boolean":
        place.boolean = true;
        return;
      default:
        break;
    }
    if (value === null) {
      place.null = true;
      return;
    }
    if (depth >= MAX_DEPTH) throw new InferenceError(`nested deeper than ${MAX_DEPTH} levels`);
    if (Array.isArray(value)) {
      place.items ??= createPlace();
      for (const item of value) this.#observe(place.items, item, depth + 1);
      return;
    }
    place.objects++;
    const object = value as Readonly<Record<string, unknown>>;
    for (const key of Object.keys(object)) {
      let field = place.fields.get(key);
      if (field === undefined) {
        if (++this.#paths > MAX_PATHS)
          throw new InferenceError(`more than ${MAX_PATHS} distinct fields: give a schema`);
        field = { seen: 0, place: createPlace() };
        place.fields.set(key, field);
      }
      field.seen++;
      this.#observe(field.place, object[key], depth + 1);
    }
  }
}

interface Place {
  null: boolean;
  boolean: boolean;
  number: NumberKind | undefined;
  text: boolean;
  /** Held a whole number beyond 64 bits. */
  beyond64: boolean;
  items: Place | undefined;
  objects: number;
  readonly fields: Map<string, { seen: number; readonly place: Place }>;
}

function createPlace(): Place {
  return {
    null: false,
    boolean: false,
    number: undefined,
    text: false,
    beyond64: false,
    items: undefined,
    objects: 0,
    fields: new Map(),
  };
}

type NumberKind = "int" | "long" | "double";

function numberKind(value: number): NumberKind {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) return "double";
  return value === (value | 0) ? "int" : "long";
}

function widerNumber(left: NumberKind | undefined, right: NumberKind): NumberKind {
  if (left === undefined || left === right || left === "int") return right;
  return right === "double" ? right : left;
}

function typeOf(place: Place, name: string, taken: AvroNames, nullable: boolean): unknown {
  const branches: unknown[] = [];
  if (place.boolean) branches.push("boolean");
  if (place.number !== undefined) branches.push(place.number);
  if (place.text || (place.beyond64 && place.number !== "double")) branches.push("string");
  if (place.items !== undefined) {
    branches.push({ type: "array", items: typeOf(place.items, `${name}_item`, taken, false) });
  }
  if (place.objects > 0) branches.push(recordOf(place, name, taken));
  const alwaysNull = branches.length === 0;
  if (alwaysNull) branches.push("string");
  if (nullable || place.null || alwaysNull) branches.unshift("null");
  return branches.length === 1 ? branches[0] : branches;
}

/** `taken` holds the names of all records of the schema. */
function recordOf(
  place: Place,
  name: string,
  taken: AvroNames,
): { type: "record"; name: string; fields: InferredField[] } {
  const recordName = taken.take(name);
  const names = new AvroNames();
  const fields: InferredField[] = [];
  for (const [key, field] of place.fields) {
    const type = typeOf(field.place, `${recordName}_${key}`, taken, field.seen < place.objects);
    fields.push(inferredField(names, key, type));
  }
  return { type: "record", name: recordName, fields };
}
