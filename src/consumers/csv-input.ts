/**
 * CSV files with a header. The file is read twice: the first pass checks every row and finds the types (or tries the
 * given schema), so that nothing of a broken file is handed on; the second encodes.
 *
 * An empty cell is null; a line without anything is skipped. Columns that a given schema lacks are left out; fields
 * that the file lacks take their default or null.
 */
import { isUtf8 } from "node:buffer";
import type { StreamgaugeError } from "../core/errors.ts";
import { AvroEncoder } from "./avro-encoder.ts";
import { AvroSkipper } from "./avro-skip.ts";
import { type AvroField, type AvroType, parseAvroType } from "./avro-type.ts";
import { BlockBuilder } from "./block-builder.ts";
import { ByteWindow } from "./byte-window.ts";
import { CellCodec, type CellType, isCellType, joinedCellType, NUMBERS, TIMES } from "./csv-cells.ts";
import { CsvScanner, CsvSyntaxError } from "./csv-scanner.ts";
import type { EventBlock, FileInput, InputOptions } from "./event-block.ts";
import { inputError } from "./input-error.ts";
import { PayloadWriter } from "./payload-writer.ts";
import { AvroNames, inferredField, inferredSchema } from "./schema-names.ts";
import { skipByteOrderMark } from "./text-start.ts";

/** Also what an unclosed quote swallows before it is noticed. */
const MAX_ROW_BYTES = 16 << 20;

/** @throws {StreamgaugeError} `SG_INPUT` with file, line and column; `SG_SCHEMA` for a schema that is none. */
export async function openCsv(path: string, gzip: boolean, options: InputOptions): Promise<FileInput> {
  const rows = await CsvRows.open(path, gzip);
  try {
    const notes: string[] = [];
    const schemaText = options.schemaText ?? (await inferSchema(rows, notes));
    const type = parseAvroType(schemaText);
    const encoder = new RowEncoder(rows, type);
    new AvroSkipper(path, type, options.timeField);
    if (options.schemaText !== undefined) await tryRows(rows, encoder);
    return {
      path,
      format: "csv",
      schemaText,
      eventCount: rows.rowCount,
      placeUnit: "line",
      notes,
      records: () => readBlocks(path, gzip, type, options.timeField),
    };
  } finally {
    await rows.close();
  }
}

async function* readBlocks(
  path: string,
  gzip: boolean,
  type: AvroType,
  timeField: string | undefined,
): AsyncGenerator<EventBlock> {
  const rows = await CsvRows.open(path, gzip);
  try {
    const encoder = new RowEncoder(rows, type);
    const builder = new BlockBuilder(path, type, timeField);
    while (await rows.fill()) {
      while (rows.next()) {
        encoder.write(builder.writer);
        builder.endEvent(rows.line);
        if (builder.full) yield builder.take()!;
      }
    }
    const rest = builder.take();
    if (rest !== undefined) yield rest;
  } finally {
    await rows.close();
  }
}

async function tryRows(rows: CsvRows, encoder: RowEncoder): Promise<void> {
  const writer = new PayloadWriter();
  while (await rows.fill()) {
    while (rows.next()) {
      encoder.write(writer);
      writer.rewind(0);
    }
  }
}

/** `notes` takes in what is said of columns that one cell made texts. */
async function inferSchema(rows: CsvRows, notes: string[]): Promise<string> {
  const codec = new CellCodec();
  const types: CellType[] = rows.header.map(() => "none");
  const nullable: boolean[] = rows.header.map(() => false);
  const { scanner } = rows;
  while (await rows.fill()) {
    const { bytes } = rows;
    while (rows.next()) {
      for (let column = 0; column < types.length; column++) {
        const from = scanner.starts[column]!;
        const to = scanner.ends[column]!;
        if (from === to) nullable[column] = true;
        else if (types[column] !== "string") {
          const before = types[column]!;
          types[column] = joinedCellType(before, codec.typeOf(bytes, from, to));
          const kind = types[column] === "string" ? kindOf(before) : undefined;
          if (kind !== undefined) notes.push(`${rows.path}${rows.placeOf(from)}: ${textNote(rows, column, kind)}`);
        }
      }
    }
  }
  const names = new AvroNames();
  return inferredSchema(
    rows.header.map((name, column) => {
      const type = avroTypeOf(types[column]!);
      return inferredField(names, name, nullable[column] || types[column] === "none" ? ["null", type] : type);
    }),
  );
}

function textNote({ header, rowCount }: CsvRows, column: number, kind: string): string {
  const name = JSON.stringify(header[column]);
  return `column ${name} is text because of this cell: the ${rowCount - 1} rows above it hold ${kind}, or nothing`;
}

function kindOf(type: CellType): string | undefined {
  if (NUMBERS.includes(type)) return "numbers";
  return TIMES.includes(type) ? "times" : undefined;
}

function avroTypeOf(type: CellType): unknown {
  switch (type) {
    case "none":
    case "integer":
      return "string";
    case "date":
      return { type: "int", logicalType: type };
    case "timestamp-millis":
    case "timestamp-micros":
      return { type: "long", logicalType: type };
    default:
      return type;
  }
}

/** Row by row through a file: `while (await fill()) while (next()) …`. */
class CsvRows {
  readonly scanner = new CsvScanner();
  readonly path: string;
  header: readonly string[] = [];
  /** Line on which the current row begins. */
  line = 0;
  rowCount = 0;
  readonly #window: ByteWindow;
  #last = false;
  #nextLine = 1;
  #rowStart = 0;

  static async open(path: string, gzip: boolean): Promise<CsvRows> {
    const rows = new CsvRows(await ByteWindow.open(path, gzip));
    try {
      await rows.#readHeader();
      return rows;
    } catch (error) {
      await rows.close();
      throw error;
    }
  }

  private constructor(window: ByteWindow) {
    this.#window = window;
    this.path = window.path;
  }

  /** Bytes that the scanner's positions of the current row refer to, until the next `fill`. */
  get bytes(): Buffer {
    return this.#window.bytes;
  }

  /** Reads on; false when every row has been seen. */
  async fill(): Promise<boolean> {
    const window = this.#window;
    if (this.#last && window.start === window.end) return false;
    if (window.end - window.start > MAX_ROW_BYTES) {
      throw inputError(this.path, `:${this.#nextLine}`, "the row has no end within 16 MB: is a quote left open?");
    }
    if (!this.#last && !(await window.more())) this.#last = true;
    return true;
  }

  /** Moves to the next row; false when more bytes have to be read. */
  next(): boolean {
    while (this.#scan()) {
      const blank = this.scanner.count === 1 && this.scanner.ends[0] === this.#rowStart;
      if (blank) continue;
      if (this.scanner.count !== this.header.length) {
        const what = `expected ${this.header.length} cells, found ${this.scanner.count}`;
        throw inputError(this.path, `:${this.line}`, what);
      }
      this.rowCount++;
      return true;
    }
    return false;
  }

  /** Line and column of a position inside the current row, both from 1; a column is a character. */
  placeOf(position: number): string {
    const before = this.bytes.toString("utf8", this.#rowStart, position).split("\n");
    return `:${this.line + before.length - 1}:${[...before.at(-1)!].length + 1}`;
  }

  close(): Promise<void> {
    return this.#window.close();
  }

  #scan(): boolean {
    const window = this.#window;
    this.#rowStart = window.start;
    this.line = this.#nextLine;
    if (window.start === window.end) return false;
    let end: number;
    try {
      end = this.scanner.row(window.bytes, window.start, window.end, this.#last);
    } catch (error) {
      if (!(error instanceof CsvSyntaxError)) throw error;
      throw inputError(this.path, this.placeOf(error.position), error.message, error);
    }
    if (end < 0) return false;
    this.#nextLine += this.scanner.lineBreaks;
    window.start = end;
    return true;
  }

  async #readHeader(): Promise<void> {
    await skipByteOrderMark(this.#window);
    this.#assertText();
    while (!this.#scan() || this.scanner.ends[0] === this.#rowStart) {
      if (!(await this.fill())) throw inputError(this.path, ":1", "there is no header");
    }
    const { starts, ends, count } = this.scanner;
    const seen = new Set<string>();
    const header: string[] = [];
    for (let column = 0; column < count; column++) {
      const name = this.bytes.toString("utf8", starts[column]!, ends[column]!);
      const fail = (what: string) => inputError(this.path, this.placeOf(starts[column]!), what);
      if (name.includes("\r")) throw inputError(this.path, ":1", "its lines end with CR: expected LF or CRLF");
      if (name === "") throw fail(`column ${column + 1} has no name`);
      if (seen.has(name)) throw fail(`two columns are called ${JSON.stringify(name)}`);
      seen.add(name);
      header.push(name);
    }
    if (count === 1 && /[;\t|]/.test(header[0]!)) {
      throw inputError(this.path, ":1", "the header has no comma, and only commas separate cells");
    }
    this.header = header;
  }

  /** Looks at the first line: what is no text would be refused for its quotes or its cells. */
  #assertText(): void {
    const { bytes, start, end } = this.#window;
    const lineEnd = bytes.subarray(start, end).indexOf(0x0a);
    const line = bytes.subarray(start, lineEnd < 0 ? end : start + lineEnd);
    // What was read so far may end inside a character.
    const isText = [0, 1, 2, 3].some((cut) => isUtf8(line.subarray(0, Math.max(0, line.length - cut))));
    if (!isText || line.includes(0)) throw inputError(this.path, ":1", "it is not UTF-8 text: expected CSV");
  }
}

/** Rows of one file → payloads of one schema. */
class RowEncoder {
  readonly #rows: CsvRows;
  readonly #codec = new CellCodec();
  readonly #fields: readonly AvroField[];
  /** Column of each field, or -1 where its constant stands. */
  readonly #columns: Int32Array;
  readonly #constants: readonly Uint8Array[];

  constructor(rows: CsvRows, type: AvroType) {
    this.#rows = rows;
    this.#fields = type.fields;
    if (type.kind !== "record") throw inputError(rows.path, "", "rows need a schema that is a record");
    const byName = new Map<string, number>();
    const names = new AvroNames();
    for (const [column, name] of rows.header.entries()) byName.set(names.take(name), column);
    for (const [column, name] of rows.header.entries()) byName.set(name, column);
    this.#columns = Int32Array.from(
      type.fields,
      (field) => byName.get(field.sourceName) ?? byName.get(field.name) ?? -1,
    );
    this.#constants = type.fields.map((field, index) =>
      this.#columns[index]! >= 0 ? checkCellType(rows.path, field) : absentField(rows.path, field),
    );
  }

  /** @throws {StreamgaugeError} `SG_INPUT` when a cell does not fit; `writer` then holds part of the row. */
  write(writer: PayloadWriter): void {
    const { bytes, scanner } = this.#rows;
    for (let index = 0; index < this.#columns.length; index++) {
      const column = this.#columns[index]!;
      if (column < 0) {
        writer.raw(this.#constants[index]!);
        continue;
      }
      const from = scanner.starts[column]!;
      const to = scanner.ends[column]!;
      if (!this.#codec.write(writer, this.#fields[index]!.type, bytes, from, to)) throw this.#misfit(index, from, to);
    }
  }

  #misfit(index: number, from: number, to: number): StreamgaugeError {
    const field = this.#fields[index]!;
    const found = from === to ? "an empty cell" : `text of type ${this.#codec.typeOf(this.#rows.bytes, from, to)}`;
    const what = `${field.name}: expected ${typeName(field.type)}, found ${found}`;
    return inputError(this.#rows.path, this.#rows.placeOf(from), what);
  }
}

const NO_BYTES = new Uint8Array(0);

function checkCellType(path: string, field: AvroField): Uint8Array {
  if (isCellType(field.type)) return NO_BYTES;
  throw inputError(path, "", `a cell cannot hold ${field.name}, which is ${typeName(field.type)}`);
}

/** Bytes of a field that has no column. */
function absentField(path: string, field: AvroField): Uint8Array {
  const writer = new PayloadWriter();
  const encoder = new AvroEncoder({ ...RECORD, fields: [field] }, writer);
  if (encoder.encode({}, 10_000)) return writer.take();
  throw inputError(path, ":1", `there is no column ${field.sourceName}, and the schema gives no default`);
}

const RECORD = parseAvroType('{"type":"record","name":"Row","fields":[]}');

function typeName(type: AvroType): string {
  if (type.kind !== "union") return type.logical ?? type.name;
  return type.branches.map(typeName).join(" or ");
}
