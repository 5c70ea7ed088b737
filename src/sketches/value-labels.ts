/** What a counted value is shown as, and how it is written: see `ValueCounts.write()`. */
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";

const HIDDEN = 0;
export const TEXT = 1;
const NUMBER = 2;
const INTEGER = 3;
/** Scaled numbers up to here, and the distances between them, are exact. */
export const MOST_SCALED = 2 ** 40;

/** Text, number or 64-bit integer; `undefined` = hidden. */
export type ValueLabel = string | number | bigint | undefined;

/** As it is kept: -0 is 0. */
export function checkedLabel(label: ValueLabel): ValueLabel {
  if (typeof label === "number") return label + 0;
  if (typeof label === "bigint" && BigInt.asIntN(64, label) !== label) {
    throw new RangeError(`Cannot add to ValueCounts: label ${label} has more than 64 bits`);
  }
  return label;
}

export function writeLabel(w: ByteWriter, label: ValueLabel): void {
  switch (typeof label) {
    case "string":
      w.u8(TEXT);
      w.string(label);
      break;
    case "number":
      w.u8(NUMBER);
      w.f64(label);
      break;
    case "bigint":
      w.u8(INTEGER);
      w.i32(Number(BigInt.asIntN(32, label)));
      w.i32(Number(BigInt.asIntN(32, label >> 32n)));
      break;
    case "undefined":
      w.u8(HIDDEN);
      break;
    default:
      label satisfies never;
  }
}

/** See `ValueCounts.write()`. */
export function writeMeasure(w: ByteWriter, measure: number, label: ValueLabel): void {
  if (measure === label) w.varint(0);
  else if (Number.isInteger(measure) && measure >= 0 && measure < MOST_SCALED) w.varint(measure + 2);
  else {
    w.varint(1);
    w.f64(measure);
  }
}

export function readMeasure(r: ByteReader, label: ValueLabel): number {
  const tag = r.varint();
  if (tag === 1) return r.f64();
  if (tag > 1) return tag - 2;
  if (typeof label !== "number") throw corrupt("ValueCounts with a measure that is no number");
  return label;
}

/** But for texts. */
export function readLabel(r: ByteReader, kind: number): ValueLabel {
  switch (kind) {
    case HIDDEN:
      return undefined;
    case NUMBER:
      return r.f64() + 0;
    case INTEGER: {
      const lo = r.u32();
      return (BigInt(r.i32()) << 32n) | BigInt(lo);
    }
    default:
      throw corrupt(`label of kind ${kind}, expected 0 to 3`);
  }
}

export function compareLabels(a: ValueLabel, b: ValueLabel): number {
  const kinds = labelRank(a) - labelRank(b);
  if (kinds !== 0) return kinds;
  if (a === undefined || b === undefined) return 0;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Numbers and integers compare with each other, so they are one kind; NaN, which compares with nothing, is its own. */
function labelRank(label: ValueLabel): number {
  if (label === undefined) return 3;
  if (typeof label === "string") return 2;
  return Number.isNaN(label) ? 1 : 0;
}
