import { StreamgaugeError } from "../core/errors.ts";
import { createAvroReader } from "./avro-reader.ts";

/** What keeps the decoder from using a schema, with the place in it; undefined: nothing. */
export function schemaProblem(schemaText: string): string | undefined {
  try {
    createAvroReader(schemaText);
    return undefined;
  } catch (error) {
    if (!(error instanceof StreamgaugeError)) throw error;
    return error.message.replace(/^Cannot use the Avro schema: /, "");
  }
}
