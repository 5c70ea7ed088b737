import { StreamgaugeError } from "../core/errors.ts";

/** The error of everything that is wrong with a schema; `path` is its place in the text, empty for the schema itself. */
export function schemaError(path: string, problem: string): StreamgaugeError {
  return new StreamgaugeError("SG_SCHEMA", `Cannot use the Avro schema: ${path === "" ? "" : `${path}: `}${problem}`);
}
