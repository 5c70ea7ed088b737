/**
 * Default values of Avro fields. A default is not used when events are read with their own schema; it is checked
 * because the specification forbids a schema whose default does not fit.
 */
import { schemaError } from "./avro-error.ts";
import type { AvroType } from "./avro-type.ts";

export interface DefaultToCheck {
  readonly type: AvroType;
  readonly value: unknown;
  readonly path: string;
}

/** Steps for all defaults of a schema; a default of a union of records can cost more than its size, and is then let pass. */
const MAX_STEPS = 200_000;
/** Objects inside objects of one default. */
const MAX_DEPTH = 128;

/** @throws {StreamgaugeError} `SG_SCHEMA` for the first default that does not fit its type. */
export function checkDefaults(defaults: readonly DefaultToCheck[]): void {
  const budget = { steps: MAX_STEPS };
  for (const { type, value, path } of defaults) {
    if (!fits(type, value, 1, budget)) throw schemaError(path, `does not fit the type ${describe(type)}`);
  }
}

function fits(type: AvroType, value: unknown, depth: number, budget: { steps: number }): boolean {
  if (depth > MAX_DEPTH) return false;
  if (budget.steps-- <= 0) return true;
  switch (type.kind) {
    case "null":
      return value === null;
    case "boolean":
      return typeof value === "boolean";
    case "int":
      return typeof value === "number" && (value | 0) === value;
    case "long":
      return typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= 2 ** 63;
    case "float":
    case "double":
      return typeof value === "number";
    case "string":
      return typeof value === "string";
    case "bytes":
      return typeof value === "string" && isLatin1(value);
    case "fixed":
      return typeof value === "string" && value.length === type.size && isLatin1(value);
    case "enum":
      budget.steps -= type.symbols.length;
      return typeof value === "string" && type.symbols.includes(value);
    case "array":
      return Array.isArray(value) && value.every((item) => fits(type.items, item, depth + 1, budget));
    case "map":
      return isObject(value) && Object.keys(value).every((key) => fits(type.values, value[key], depth + 1, budget));
    case "union":
      return type.branches.some((branch) => fits(branch, value, depth + 1, budget));
    case "record":
      return (
        isObject(value) &&
        type.fields.every((field) =>
          Object.hasOwn(value, field.name) ? fits(field.type, value[field.name], depth + 1, budget) : field.hasDefault,
        )
      );
  }
}

function describe(type: AvroType): string {
  return "name" in type ? `${type.kind} ${type.name}` : type.kind;
}

/** Bytes stand in JSON as characters from U+0000 to U+00FF. */
function isLatin1(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0xff) return false;
  }
  return true;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
