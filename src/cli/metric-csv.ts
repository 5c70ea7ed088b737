/** Reads a metric matrix from a CSV file: first column time, then one column of numbers per metric. */
import { isUtf8 } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { CsvError, parse } from "csv-parse/sync";
import { quoted } from "../config/quoted.ts";
import { StreamgaugeError } from "../core/errors.ts";
import { printable } from "../core/text.ts";

export interface MetricCsv {
  /** Of the time column, which may have none. */
  readonly timeName: string;
  /** Distinct, one per metric. */
  readonly names: readonly string[];
  readonly rows: readonly MetricCsvRow[];
}

export interface MetricCsvRow {
  readonly time: string;
  /** In the file, from 1. */
  readonly line: number;
  /** One per name; NaN is missing. */
  readonly values: Float64Array;
}

/** A difference between rows, and one to compare it with. */
const MIN_ROWS = 3;
/** Each has a forecaster of some 2 kB. */
export const METRIC_COLUMNS_MAX = 100_000;
const MAX_FILE_BYTES = 512 * 1024 * 1024;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
/** Texts that programs write for "no number". */
const MISSING = new Set(["", "na", "nan", "null", "none"]);

/** @throws {StreamgaugeError} `SG_INPUT` with file, line and column */
export async function readMetricCsv(file: string): Promise<MetricCsv> {
  const bytes = await readBytes(file);
  assertText(file, bytes);
  let header: readonly string[] | undefined;
  let line = 0;
  const rows: MetricCsvRow[] = [];
  // A row is held as numbers: the texts of many columns take ten times as much.
  const take = (cells: readonly string[], lines: number): void => {
    line = Math.max(line + 1, lines);
    if (header === undefined) {
      assertHeader(file, line, cells);
      header = cells;
    } else rows.push(readRow(file, line, cells, header));
  };
  parseCsv(file, bytes, take);
  if (header === undefined) throw inputFailure(file, undefined, "the file is empty: expected a header");
  if (rows.length < MIN_ROWS) {
    throw inputFailure(file, line, `expected at least ${MIN_ROWS} rows below the header, got ${rows.length}`);
  }
  const [timeName = "", ...names] = header;
  return { timeName, names, rows };
}

/** `Cannot read FILE:LINE: …`. */
export function inputFailure(file: string, line: number | undefined, what: string, cause?: unknown): StreamgaugeError {
  const place = line === undefined ? file : `${file}:${line}`;
  return new StreamgaugeError(
    "SG_INPUT",
    `Cannot read ${place}: ${printable(what)}`,
    cause === undefined ? {} : { cause },
  );
}

async function readBytes(file: string): Promise<Buffer> {
  const tooLarge = () => inputFailure(file, undefined, "the file is larger than 512 MB");
  let bytes: Buffer;
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) throw tooLarge();
    bytes = await readFile(file);
    if (file.endsWith(".gz")) bytes = gunzipSync(bytes, { maxOutputLength: MAX_FILE_BYTES });
  } catch (error) {
    if (error instanceof StreamgaugeError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
    const reason = code === "ENOENT" ? "there is no such file" : error instanceof Error ? error.message : String(error);
    throw inputFailure(file, undefined, reason, error);
  }
  return bytes;
}

/** UTF-16 says so by its first two bytes, and is read as well. */
function assertText(file: string, bytes: Buffer): void {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return;
  if (isUtf8(bytes) && !bytes.includes(0)) return;
  let line = 1;
  for (let from = 0; ; line++) {
    const end = bytes.indexOf(0x0a, from);
    const text = bytes.subarray(from, end < 0 ? bytes.length : end);
    if (!isUtf8(text) || text.includes(0) || end < 0) break;
    from = end + 1;
  }
  throw inputFailure(file, line, "it is not UTF-8 text: expected CSV");
}

function parseCsv(file: string, bytes: Buffer, take: (cells: readonly string[], lines: number) => void): void {
  let linesRead = 0;
  try {
    parse(bytes, {
      bom: true,
      relax_column_count: true,
      skip_empty_lines: true,
      on_record: (cells: string[], { lines }) => {
        linesRead = lines;
        take(cells, lines);
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const column = typeof error.column === "number" ? `column ${error.column + 1}: ` : "";
    const line = typeof error.lines === "number" ? error.lines : undefined;
    switch (error.code) {
      case "CSV_QUOTE_NOT_CLOSED":
        // Noticed at the end of the file: what helps is where its row begins.
        throw inputFailure(file, linesRead + 1, "a quote is never closed", error);
      case "INVALID_OPENING_QUOTE":
        throw inputFailure(file, line, `${column}a quote stands inside a cell that began without one`, error);
      case "CSV_INVALID_CLOSING_QUOTE":
        throw inputFailure(file, line, `${column}something follows a closing quote`, error);
      default:
        throw inputFailure(file, line, error.message, error);
    }
  }
}

function assertHeader(file: string, line: number, [, ...names]: readonly string[]): void {
  if (names.length === 0) throw inputFailure(file, line, "expected a time column and at least one metric column");
  if (names.length > METRIC_COLUMNS_MAX) {
    const [most, got] = [METRIC_COLUMNS_MAX, names.length].map((count) => count.toLocaleString("en-US"));
    throw inputFailure(file, line, `expected at most ${most} metric columns, got ${got}`);
  }
  const seen = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    const column = index + 2;
    if (name === "") throw inputFailure(file, line, `column ${column} of the header has no name`);
    const other = seen.get(name);
    if (other !== undefined) {
      throw inputFailure(file, line, `columns ${other} and ${column}: two columns are named ${quoted(name)}`);
    }
    seen.set(name, column);
  }
}

function readRow(file: string, line: number, cells: readonly string[], header: readonly string[]): MetricCsvRow {
  if (cells.length !== header.length) {
    throw inputFailure(file, line, `expected ${header.length} cells as in the header, got ${cells.length}`);
  }
  const values = new Float64Array(cells.length - 1);
  for (let column = 1; column < cells.length; column++) {
    const value = numberOf(cells[column]!);
    if (typeof value === "string") {
      const cell = `column ${column + 1} (${quoted(header[column]!)})`;
      throw inputFailure(file, line, `${cell}: expected ${value}, got ${quoted(cells[column]!)}`);
    }
    values[column - 1] = value;
  }
  return { time: cells[0]!, line, values };
}

/** NaN where the cell says that there is none; a text: what should have been there. */
function numberOf(text: string): number | string {
  const trimmed = text.trim();
  if (MISSING.has(trimmed.toLowerCase())) return Number.NaN;
  if (!NUMBER.test(trimmed)) return "a number or nothing";
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : "a number below 1.8e308";
}
