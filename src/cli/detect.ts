/** `streamgauge detect`: the detector over any metric matrix in a CSV file. One JSON line per row, nothing on an error. */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { CsvError, parse } from "csv-parse/sync";
import { FALSE_ALARMS_MAX } from "../anomaly/detector.ts";
import { detectMatrix, type MatrixRow } from "../anomaly/matrix.ts";
import { seriesIndex } from "../anomaly/series-index.ts";
import { parseDuration } from "../config/duration.ts";
import { quoted } from "../config/quoted.ts";
import { EXIT_CODES, StreamgaugeError } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import type { Io } from "./io.ts";

export interface DetectArgs {
  /** First column time, then one column per metric; an empty cell is missing. */
  readonly file: string;
  readonly season?: number;
  readonly warmup?: number;
  /** `1 per 30` rows, or `1 per 30d`. */
  readonly falseAlarms?: string;
}

/** A difference between rows, and one to compare it with. */
const MIN_ROWS = 3;
const MAX_FILE_BYTES = 512 * 1024 * 1024;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
/** Texts that programs write for "no number". */
const MISSING = new Set(["", "na", "nan", "null", "none"]);

export async function detect(args: DetectArgs, io: Io): Promise<number> {
  const budget = args.falseAlarms === undefined ? undefined : budgetOf(args.falseAlarms);
  const table = await readTable(args.file);
  const { indices, stepMs } = placed(args.file, table, () =>
    seriesIndex(table.rows.map(({ cells }) => cells[0] ?? "")),
  );
  const rows: MatrixRow[] = table.rows.map(({ cells, line }, row) => ({
    time: cells[0] ?? "",
    index: indices[row] ?? row,
    values: table.names.map((name, column) =>
      numberOf(cells[column + 1] ?? "", { file: args.file, line, column, name }),
    ),
  }));
  const options = {
    season: args.season ?? "auto",
    warmup: args.warmup ?? "auto",
    ...(stepMs === undefined ? {} : { windowMs: stepMs }),
    ...(budget === undefined ? {} : { falseAlarms: budget(stepMs) }),
  } as const;
  for (const verdict of detectMatrix(rows, table.names, options)) io.stdout(JSON.stringify(verdict));
  return EXIT_CODES.ok;
}

const FALSE_ALARMS = /^([1-9]\d{0,4}) per (?:([1-9]\d{0,5})|(\d{1,6}(?:ms|s|m|h|d)))$/;

/** Gives the chance of a false alarm per row, from the milliseconds between two of them. */
function budgetOf(text: string): (stepMs: number | undefined) => number {
  const [, count, rows, span] = FALSE_ALARMS.exec(text.trim()) ?? [];
  const perMs = span === undefined ? undefined : parseDuration(span);
  const refuse = (reason: string) =>
    new StreamgaugeError("SG_CONFIG", `--false-alarms: ${reason}, got ${quoted(text)}`);
  if (count === undefined || perMs === 0) throw refuse('expected a budget such as "1 per 30" rows or "1 per 30d"');
  return (stepMs) => {
    if (perMs !== undefined && stepMs === undefined)
      throw refuse("expected rows, since the first column holds no times");
    const rate = Number(count) / (perMs === undefined ? Number(rows) : perMs / (stepMs ?? 1));
    if (rate > FALSE_ALARMS_MAX) throw refuse(`expected at most ${100 * FALSE_ALARMS_MAX} in 100 rows`);
    return rate;
  };
}

interface Table {
  readonly names: readonly string[];
  readonly rows: readonly { readonly cells: readonly string[]; readonly line: number }[];
}

async function readTable(file: string): Promise<Table> {
  const records = parseCsv(file, await readBytes(file));
  const [header, ...rows] = records;
  if (header === undefined) throw failure(file, undefined, "the file is empty: expected a header");
  const names = header.cells.slice(1);
  if (names.length === 0) throw failure(file, header.line, "expected a time column and at least one metric column");
  for (const [index, name] of names.entries()) {
    if (name === "") throw failure(file, header.line, `column ${index + 2} of the header has no name`);
    if (names.indexOf(name) !== index) throw failure(file, header.line, `two columns are named ${quoted(name)}`);
  }
  for (const { cells, line } of rows) {
    if (cells.length === header.cells.length) continue;
    throw failure(file, line, `expected ${header.cells.length} cells as in the header, got ${cells.length}`);
  }
  if (rows.length < MIN_ROWS) {
    const line = rows.at(-1)?.line ?? header.line;
    throw failure(file, line, `expected at least ${MIN_ROWS} rows below the header, got ${rows.length}`);
  }
  return { names, rows };
}

async function readBytes(file: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
    if (file.endsWith(".gz")) bytes = gunzipSync(bytes, { maxOutputLength: MAX_FILE_BYTES });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === "ENOENT" ? "there is no such file" : error instanceof Error ? error.message : String(error);
    throw failure(file, undefined, reason, error);
  }
  if (bytes.length > MAX_FILE_BYTES) throw failure(file, undefined, "the file is larger than 512 MB");
  return bytes;
}

function parseCsv(file: string, bytes: Buffer): { cells: string[]; line: number }[] {
  let linesRead = 0;
  try {
    const records = parse(bytes, {
      bom: true,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      on_record: (parsed: string[], { lines }) => {
        linesRead = lines;
        return parsed;
      },
    });
    let line = 1;
    return (records as unknown as { record: string[]; info: { lines: number; empty_lines: number } }[]).map(
      (parsed) => {
        const first = line;
        line = parsed.info.lines + 1;
        return { cells: parsed.record, line: Math.max(first, parsed.info.lines) };
      },
    );
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    // A quote that is never closed is noticed at the end of the file: what helps is where its row begins.
    if (error.code === "CSV_QUOTE_NOT_CLOSED") throw failure(file, linesRead + 1, "a quote is never closed", error);
    throw failure(file, typeof error.lines === "number" ? error.lines : undefined, error.message, error);
  }
}

function numberOf(
  text: string,
  place: { readonly file: string; readonly line: number; readonly column: number; readonly name: string },
): number | undefined {
  const trimmed = text.trim();
  if (NUMBER.test(trimmed)) return Number(trimmed);
  if (MISSING.has(trimmed.toLowerCase())) return undefined;
  const cell = `column ${place.column + 2} (${quoted(place.name)})`;
  throw failure(place.file, place.line, `${cell}: expected a number or nothing, got ${quoted(text)}`);
}

/** Turns "row 3" of the series into a line of the file. */
function placed<T>(file: string, table: Table, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof StreamgaugeError)) throw error;
    const row = Number(/\brow (\d+)/.exec(error.message)?.[1] ?? Number.NaN);
    throw failure(file, table.rows[row - 1]?.line, error.message, error);
  }
}

function failure(file: string, line: number | undefined, what: string, cause?: unknown): StreamgaugeError {
  const place = line === undefined ? file : `${file}:${line}`;
  return new StreamgaugeError(
    "SG_INPUT",
    `Cannot read ${place}: ${printable(what)}`,
    cause === undefined ? {} : { cause },
  );
}
