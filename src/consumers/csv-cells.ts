/**
 * Cells of a CSV file: which Avro type their text fits, and their encoding. An empty cell, quoted or not, is null
 * where the type allows it, else the empty text where that fits.
 *
 * Inferring is strict about what a number is, so that identifiers stay texts: `007`, `+5` and integers beyond
 * 64 bits are texts. Encoding under a schema that somebody wrote also takes `007`, `+5`, and `5.0` for an integer.
 */

import { writeTime } from "./avro-encoder.ts";
import type { AvroType } from "./avro-type.ts";
import { createIsoTime, readIsoTime } from "./iso-time.ts";
import { decimalBytes, isInt64, widened } from "./number-text.ts";
import type { PayloadWriter } from "./payload-writer.ts";

/**
 * What all cells of a column fit so far, narrow to wide; `none`: only empty cells; `integer`: whole numbers of any
 * size, which only text keeps, unless a number with a point beside them shows that they were rounded anyway.
 */
export type CellType =
  | "none"
  | "boolean"
  | "int"
  | "long"
  | "integer"
  | "double"
  | "date"
  | "timestamp-millis"
  | "timestamp-micros"
  | "string";

export const NUMBERS: readonly CellType[] = ["int", "long", "integer", "double"];
export const TIMES: readonly CellType[] = ["date", "timestamp-millis", "timestamp-micros"];

/** The narrowest type that holds both. */
export function joinedCellType(left: CellType, right: CellType): CellType {
  if (left === right || right === "none") return left;
  if (left === "none") return right;
  for (const family of [NUMBERS, TIMES]) {
    const a = family.indexOf(left);
    const b = family.indexOf(right);
    if (a >= 0 && b >= 0) return family[Math.max(a, b)]!;
  }
  return "string";
}

const [ZERO, NINE, POINT, MINUS] = [0x30, 0x39, 0x2e, 0x2d];
/** Any text of that many digits is an exact double. */
const SAFE_DIGITS = 15;
const INT_MAX = 2 ** 31 - 1;
const POWERS = Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);
const INTEGER = /^[+-]?\d+$/;
const INTEGER_WITH_ZEROS = /^([+-]?\d+)\.0*$/;
const STRICT_NUMBER = /^-?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const LOOSE_NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const NOT_FINITE = /^(?:nan|[+-]?inf(?:inity)?)$/i;
const MAX_NUMBER_BYTES = 400;

export class CellCodec {
  readonly #iso = createIsoTime();
  /** Result of the last successful `#plainDecimal`. */
  #mantissa = 0;
  #places = 0;

  /** The narrowest type of a cell that is not empty. */
  typeOf(bytes: Buffer, from: number, to: number): CellType {
    const first = bytes[from]!;
    if ((first >= ZERO && first <= NINE) || first === MINUS || first === POINT) {
      if (this.#plainDecimal(bytes, from, to)) {
        const leading = first === MINUS ? from + 1 : from;
        const zeroAhead = bytes[leading] === ZERO && leading + 1 < to && bytes[leading + 1] !== POINT;
        if (zeroAhead) return "string";
        if (this.#places > 0 || bytes[to - 1] === POINT || Object.is(this.#mantissa, -0)) return "double";
        return Math.abs(this.#mantissa) <= INT_MAX ? "int" : "long";
      }
      if (readIsoTime(bytes, from, to, this.#iso)) {
        if (this.#iso.dateOnly) return "date";
        return this.#iso.fractionDigits > 3 ? "timestamp-micros" : "timestamp-millis";
      }
    }
    if (to - from > MAX_NUMBER_BYTES) return "string";
    // Few cells come here: what begins like a word is a boolean, NaN, an infinity or a text.
    if (first >= 0x80 || (first > NINE && "tTfFnNiI".indexOf(String.fromCharCode(first)) < 0)) return "string";
    const text = bytes.toString("latin1", from, to);
    if (isBoolean(text)) return "boolean";
    if (!STRICT_NUMBER.test(text)) return NOT_FINITE.test(text) ? "double" : "string";
    if (!INTEGER.test(text)) return "double";
    return isInt64(BigInt(text)) ? "long" : "integer";
  }

  /** Writes the cell as `type`; false when it does not fit, and what was written has to be taken back. */
  write(writer: PayloadWriter, type: AvroType, bytes: Buffer, from: number, to: number): boolean {
    switch (type.kind) {
      case "union":
        return this.#writeUnion(writer, type, bytes, from, to);
      case "null":
        return from === to;
      case "string":
        writer.prefixed(bytes, from, to);
        return true;
      case "int":
      case "long":
        return this.#writeInteger(writer, type, bytes, from, to);
      case "float":
      case "double": {
        const value = this.#double(bytes, from, to);
        if (value === undefined) return false;
        if (type.kind === "float") writer.float(value);
        else writer.double(value);
        return true;
      }
      case "boolean": {
        const text = bytes.toString("latin1", from, Math.min(to, from + 6));
        if (!isBoolean(text)) return false;
        writer.byte(text.length === 4 ? 1 : 0);
        return true;
      }
      case "enum": {
        const index = type.symbols.indexOf(bytes.toString("utf8", from, to));
        if (index >= 0) writer.long(index);
        return index >= 0;
      }
      case "bytes":
      case "fixed":
        return writeBytes(writer, type, bytes, from, to);
      default:
        return false;
    }
  }

  #writeUnion(writer: PayloadWriter, type: AvroType, bytes: Buffer, from: number, to: number): boolean {
    const start = writer.length;
    const { branches } = type;
    if (from === to) {
      for (let index = 0; index < branches.length; index++) {
        if (branches[index]!.kind !== "null") continue;
        writer.long(index);
        return true;
      }
    }
    for (let index = 0; index < branches.length; index++) {
      if (branches[index]!.kind === "null") continue;
      writer.long(index);
      if (this.write(writer, branches[index]!, bytes, from, to)) return true;
      writer.rewind(start);
    }
    return false;
  }

  #writeInteger(writer: PayloadWriter, type: AvroType, bytes: Buffer, from: number, to: number): boolean {
    if (this.#plainDecimal(bytes, from, to) && this.#places === 0) return writeWhole(writer, type, this.#mantissa);
    if (type.logical !== undefined && readIsoTime(bytes, from, to, this.#iso))
      return writeTime(writer, type, this.#iso);
    if (to - from > MAX_NUMBER_BYTES) return false;
    const text = bytes.toString("latin1", from, to);
    const digits = INTEGER_WITH_ZEROS.exec(text)?.[1] ?? text;
    if (!INTEGER.test(digits)) return false;
    const value = BigInt(digits.startsWith("+") ? digits.slice(1) : digits);
    if (Number.isSafeInteger(Number(value))) return writeWhole(writer, type, Number(value));
    if (type.kind === "int" || !isInt64(value)) return false;
    writer.bigLong(value);
    return true;
  }

  #double(bytes: Buffer, from: number, to: number): number | undefined {
    // A whole number below 10^15 over a power of ten up to 10^22: both exact, so the quotient is correctly rounded.
    if (this.#plainDecimal(bytes, from, to)) return this.#mantissa / POWERS[this.#places]!;
    if (to - from > MAX_NUMBER_BYTES) return undefined;
    const text = bytes.toString("latin1", from, to);
    if (LOOSE_NUMBER.test(text)) return Number(text);
    if (!NOT_FINITE.test(text)) return undefined;
    if (text.length === 3 && text[0]!.toLowerCase() === "n") return Number.NaN;
    return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }

  /** True for `-?\d*\.?\d*` with 1 to 15 digits: nearly every number of a file. */
  #plainDecimal(bytes: Buffer, from: number, to: number): boolean {
    const negative = bytes[from] === MINUS;
    let position = negative ? from + 1 : from;
    if (to - position > SAFE_DIGITS + 1) return false;
    let mantissa = 0;
    let digits = 0;
    let pointAt = -1;
    for (; position < to; position++) {
      const digit = bytes[position]! - ZERO;
      if (digit >= 0 && digit <= 9) {
        mantissa = mantissa * 10 + digit;
        digits++;
      } else if (bytes[position] === POINT && pointAt < 0) pointAt = position;
      else return false;
    }
    if (digits === 0 || digits > SAFE_DIGITS) return false;
    this.#mantissa = negative ? -mantissa : mantissa;
    this.#places = pointAt < 0 ? 0 : to - pointAt - 1;
    return true;
  }
}

/** Avro types that one cell can hold. */
export function isCellType(type: AvroType): boolean {
  if (type.kind === "union") return type.branches.every(isCellType);
  return type.kind !== "array" && type.kind !== "map" && type.kind !== "record";
}

function writeWhole(writer: PayloadWriter, type: AvroType, value: number): boolean {
  if (type.kind === "int" && value !== (value | 0)) return false;
  writer.long(value);
  return true;
}

function writeBytes(writer: PayloadWriter, type: AvroType, bytes: Buffer, from: number, to: number): boolean {
  let value: Uint8Array | undefined = bytes.subarray(from, to);
  if (type.logical === "decimal") {
    value = decimalBytes(bytes.toString("latin1", from, to), type.scale);
    if (value !== undefined && type.kind === "fixed") value = widened(value, type.size);
  }
  if (value === undefined) return false;
  if (type.kind === "bytes") writer.prefixed(value);
  else if (value.length !== type.size) return false;
  else writer.raw(value);
  return true;
}

function isBoolean(text: string): boolean {
  return /^(?:true|false)$/i.test(text);
}
