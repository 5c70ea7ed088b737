/**
 * JSON lines: one object per line, UTF-8. The file is read twice: the first pass parses every line and finds the
 * schema (or tries the given one), so that nothing of a broken file is handed on; the second encodes.
 * Blank lines are skipped. Of a name that stands twice in an object the last value counts.
 */
import { isUtf8 } from "node:buffer";
import { AvroEncoder } from "./avro-encoder.ts";
import { AvroSkipper } from "./avro-skip.ts";
import { type AvroType, parseAvroType } from "./avro-type.ts";
import { BlockBuilder } from "./block-builder.ts";
import { ByteWindow } from "./byte-window.ts";
import type { EventBlock, FileInput, InputOptions } from "./event-block.ts";
import { inputError } from "./input-error.ts";
import { InferenceError, JsonInference } from "./json-inference.ts";
import { parseJson } from "./json-text.ts";
import { PayloadWriter } from "./payload-writer.ts";
import { skipByteOrderMark } from "./text-start.ts";

const MAX_LINE_BYTES = 16 << 20;
/** A value takes at least two bytes of its line, and a union tries a few branches for it; defaults take none. */
const TRIES_PER_LINE = 100_000;
const TRIES_PER_BYTE = 16;
const LF = 0x0a;

/** @throws {StreamgaugeError} `SG_INPUT` with file and line; `SG_SCHEMA` for a schema that is none. */
export async function openJsonLines(path: string, gzip: boolean, options: InputOptions): Promise<FileInput> {
  const lines = await JsonLines.open(path, gzip);
  try {
    const schemaText = options.schemaText ?? (await inferSchema(lines));
    const type = parseAvroType(schemaText);
    if (type.kind !== "record") throw inputError(path, "", "lines need a schema that is a record");
    if (options.schemaText !== undefined) await tryLines(lines, type);
    // A file without any line has no fields, and that is no reason to refuse it among others.
    if (lines.eventCount > 0) new AvroSkipper(path, type, options.timeField);
    return {
      path,
      format: "jsonl",
      schemaText,
      eventCount: lines.eventCount,
      placeUnit: "line",
      records: () => readBlocks(path, gzip, type, lines.eventCount > 0 ? options.timeField : undefined),
    };
  } finally {
    await lines.close();
  }
}

async function* readBlocks(
  path: string,
  gzip: boolean,
  type: AvroType,
  timeField: string | undefined,
): AsyncGenerator<EventBlock> {
  const lines = await JsonLines.open(path, gzip);
  try {
    const builder = new BlockBuilder(path, type, timeField);
    const encoder = new AvroEncoder(type, builder.writer);
    while (await lines.fill()) {
      while (lines.next()) {
        encodeLine(lines, encoder);
        builder.endEvent(lines.line);
        if (builder.full) yield builder.take()!;
      }
    }
    const rest = builder.take();
    if (rest !== undefined) yield rest;
  } finally {
    await lines.close();
  }
}

async function tryLines(lines: JsonLines, type: AvroType): Promise<void> {
  const writer = new PayloadWriter();
  const encoder = new AvroEncoder(type, writer);
  while (await lines.fill()) {
    while (lines.next()) {
      encodeLine(lines, encoder);
      writer.rewind(0);
    }
  }
}

function encodeLine(lines: JsonLines, encoder: AvroEncoder): void {
  if (encoder.encode(lines.value, TRIES_PER_LINE + TRIES_PER_BYTE * lines.byteLength)) return;
  throw inputError(lines.path, `:${lines.line}`, encoder.problem);
}

async function inferSchema(lines: JsonLines): Promise<string> {
  const inference = new JsonInference();
  while (await lines.fill()) {
    while (lines.next()) {
      try {
        inference.observe(lines.value);
      } catch (error) {
        if (!(error instanceof InferenceError)) throw error;
        throw inputError(lines.path, `:${lines.line}`, error.message, error);
      }
    }
  }
  return inference.schemaText();
}

/** Line by line through a file: `while (await fill()) while (next()) …`. */
class JsonLines {
  readonly path: string;
  /** The current line's object. */
  value: Readonly<Record<string, unknown>> = {};
  line = 0;
  byteLength = 0;
  eventCount = 0;
  readonly #window: ByteWindow;
  #last = false;

  static async open(path: string, gzip: boolean): Promise<JsonLines> {
    const window = await ByteWindow.open(path, gzip);
    try {
      await skipByteOrderMark(window);
      return new JsonLines(window);
    } catch (error) {
      await window.close();
      throw error;
    }
  }

  private constructor(window: ByteWindow) {
    this.#window = window;
    this.path = window.path;
  }

  /** Reads on; false when every line has been seen. */
  async fill(): Promise<boolean> {
    const window = this.#window;
    if (this.#last) return false;
    if (window.end - window.start > MAX_LINE_BYTES) {
      throw inputError(this.path, `:${this.line + 1}`, "the line is longer than 16 MB");
    }
    if (!(await window.more())) this.#last = true;
    return true;
  }

  /** Moves to the next line that is not blank; false when more bytes have to be read. */
  next(): boolean {
    const window = this.#window;
    while (window.start < window.end) {
      const { bytes, start } = window;
      let end = bytes.indexOf(LF, start);
      if (end < 0 || end >= window.end) {
        if (!this.#last) return false;
        end = window.end;
      }
      window.start = Math.min(end + 1, window.end);
      this.line++;
      if (this.#parse(bytes, start, end)) return true;
    }
    return false;
  }

  close(): Promise<void> {
    return this.#window.close();
  }

  /** False for a blank line. */
  #parse(bytes: Buffer, from: number, to: number): boolean {
    const text = bytes.toString("utf8", from, to);
    // Bytes that are not UTF-8 come out as U+FFFD, so only lines with that character need the check.
    if (text.includes("\ufffd") && !isUtf8(bytes.subarray(from, to))) this.#fail("it is not UTF-8");
    let value: unknown;
    try {
      value = parseJson(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      if (text.trim() === "") return false;
      // The parser's message quotes the text, and values do not belong into messages.
      return this.#fail(this.line === 1 && text.trim() === "[" ? LIST : "it is not JSON");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return this.#fail(Array.isArray(value) ? LIST : "expected an object");
    }
    this.value = value as Readonly<Record<string, unknown>>;
    this.byteLength = to - from;
    this.eventCount++;
    return true;
  }

  #fail(what: string): never {
    throw inputError(this.path, `:${this.line}`, what);
  }
}

const LIST = "expected one object per line, found a list";
