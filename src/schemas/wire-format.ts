/**
 * The wire format of schema registries: byte 0 is zero, bytes 1 to 4 are the schema id (big-endian), the payload
 * follows. Reading allocates nothing: the result is a number.
 */

/** Bytes in front of the payload. */
export const WIRE_HEADER_BYTES = 5;

const WIRE_MAGIC = 0;

/** Why a value has no schema id. A tombstone (null) is no error; the other three make the record undecodable. */
export type WireRefusal = "tombstone" | "empty" | "short_header" | "wrong_magic";

const TOMBSTONE = -1;
const EMPTY = -2;
const SHORT_HEADER = -3;
const WRONG_MAGIC = -4;
const REFUSALS: readonly WireRefusal[] = ["tombstone", "empty", "short_header", "wrong_magic"];

/**
 * Schema id of a record's value (0 to 2^32 - 1), or a negative code for `wireRefusal`. The payload starts at
 * `WIRE_HEADER_BYTES`.
 */
export function readWireHeader(value: Uint8Array | null): number {
  if (value === null) return TOMBSTONE;
  if (value.length < WIRE_HEADER_BYTES) return value.length === 0 ? EMPTY : SHORT_HEADER;
  if (value[0] !== WIRE_MAGIC) return WRONG_MAGIC;
  return ((value[1]! << 24) | (value[2]! << 16) | (value[3]! << 8) | value[4]!) >>> 0;
}

/** The meaning of a negative result of `readWireHeader`. */
export function wireRefusal(code: number): WireRefusal {
  const refusal = REFUSALS[-1 - code];
  if (refusal === undefined)
    throw new RangeError(`Cannot name the wire refusal: ${code} is no code of readWireHeader()`);
  return refusal;
}

/** `payload` with the wire header in front, in a new array. */
export function frame(schemaId: number, payload: Uint8Array): Uint8Array {
  if (!Number.isInteger(schemaId) || schemaId < 0 || schemaId > 0xffffffff) {
    throw new RangeError(`Cannot frame a payload: schema id is ${schemaId}, expected an integer of 32 bits`);
  }
  const framed = new Uint8Array(WIRE_HEADER_BYTES + payload.length);
  framed[0] = WIRE_MAGIC;
  framed[1] = schemaId >>> 24;
  framed[2] = schemaId >>> 16;
  framed[3] = schemaId >>> 8;
  framed[4] = schemaId;
  framed.set(payload, WIRE_HEADER_BYTES);
  return framed;
}
