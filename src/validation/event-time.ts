/**
 * Event times of a batch's rows. What a field's number means: timestamp = epoch milliseconds (any unit, already
 * converted) · date = epoch days · plain long and double = epoch milliseconds · plain int = epoch seconds · text =
 * ISO 8601 (no zone: UTC). Anything else, and a null, is no time: NaN.
 */
import type { Column, ColumnBatch, FieldDescriptor } from "../core/column-batch.ts";
import { textOf } from "../core/text.ts";

/** The largest time that a JavaScript `Date` can show, epoch milliseconds. */
const MAX_TIME_MS = 8.64e15;
const DAY_MS = 86_400_000;

/** Index of the column that holds the event time, or -1. Union branches count: the first that can hold a time. */
export function timeColumn(fields: readonly FieldDescriptor[], path: string): number {
  return fields.findIndex(
    (field) => field.level === -1 && (field.path === path || field.path.startsWith(`${path}#`)) && holdsTime(field),
  );
}

/** Writes the time of rows `[0, batch.rowCount)` to `out`, NaN where there is none. */
export function eventTimes(batch: ColumnBatch, columnIndex: number, out: Float64Array): void {
  out.fill(Number.NaN, 0, batch.rowCount);
  const column = batch.columns[columnIndex];
  if (column === undefined) return;
  if (column.field.storage === "bytes") {
    textTimes(batch, column, out);
    return;
  }
  const factor = column.field.kind === "date" ? DAY_MS : column.field.kind === "int" ? 1000 : 1;
  for (let index = 0; index < column.count; index++) {
    const timeMs = column.numbers[index]! * factor;
    if (Math.abs(timeMs) <= MAX_TIME_MS) out[column.rows[index]!] = timeMs;
  }
}

function textTimes(batch: ColumnBatch, column: Column, out: Float64Array): void {
  for (let index = 0; index < column.count; index++) {
    const start = column.starts[index]!;
    const text = textOf(batch.arena.subarray(start, start + column.lengths[index]!));
    out[column.rows[index]!] = isoTimeMs(text);
  }
}

const ISO =
  /^(?<date>(?:\d{4}|(?!-0{6})[+-]\d{6})-(?:0[1-9]|1[0-2])-(?<day>0[1-9]|[12]\d|3[01]))(?:[T ](?<time>\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?:Z|(?<hours>[+-]\d\d)(?::?(?<minutes>\d\d))?)?)?$/;

/** Epoch milliseconds of an ISO 8601 date or time, NaN when it is none; without a zone it is UTC. */
export function isoTimeMs(text: string): number {
  const parts = ISO.exec(text)?.groups;
  if (parts === undefined) return Number.NaN;
  const { date, day, time, hours, minutes = "00" } = parts;
  const dateMs = Date.parse(date!);
  // `Date.parse` takes 30 February for 2 March.
  if (Number.isNaN(dateMs) || new Date(dateMs).getUTCDate() !== Number(day)) return Number.NaN;
  if (time === undefined) return dateMs;
  return Date.parse(`${date}T${time}${hours === undefined ? "Z" : `${hours}:${minutes}`}`);
}

function holdsTime(field: FieldDescriptor): boolean {
  switch (field.kind) {
    case "timestamp":
    case "date":
    case "long":
    case "int":
    case "double":
    case "string":
      return true;
    default:
      return false;
  }
}
