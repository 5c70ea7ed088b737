/**
 * Avro object container files (specification 1.12, "Object Container Files"): header, then blocks, each with its
 * number of events, its size, its bytes and the file's sync marker.
 *
 * Opening reads every block's frame but no block: a file that was cut off is refused before its first event is
 * handed on. What is wrong inside a block is found when the block is read.
 */
import { StreamgaugeError } from "../core/errors.ts";
import { AVRO_CODECS, type AvroCodec } from "./avro-codecs.ts";
import { AvroSkipError, AvroSkipper } from "./avro-skip.ts";
import { type AvroType, parseAvroType } from "./avro-type.ts";
import { ByteWindow } from "./byte-window.ts";
import type { EventBlock, FileInput, InputOptions } from "./event-block.ts";
import { inputError, reasonOf } from "./input-error.ts";

/** Writers flush at 16 kB to some MB; a block stands in memory as a whole. */
const MAX_BLOCK_BYTES = 64 << 20;
/** A block's arrays take 24 bytes for each event. */
const MAX_BLOCK_EVENTS = 1 << 23;
const MAX_HEADER_BYTES = 4 << 20;
const SYNC_BYTES = 16;

/** @throws {StreamgaugeError} `SG_INPUT`. */
export async function openAvroContainer(path: string, gzip: boolean, options: InputOptions): Promise<FileInput> {
  const window = await ByteWindow.open(path, gzip);
  try {
    const header = await readHeader(window);
    const type = typeOf(path, header.schemaText);
    // Named here, so that a wrong path is refused at once and not with the first event.
    new AvroSkipper(path, type, options.timeField);
    const { blockCount, eventCount } = await countBlocks(window, header);
    return {
      path,
      format: "avro",
      schemaText: header.schemaText,
      eventCount,
      blockCount,
      placeUnit: "record",
      records: () => readBlocks(path, gzip, type, options.timeField),
    };
  } finally {
    await window.close();
  }
}

async function* readBlocks(
  path: string,
  gzip: boolean,
  type: AvroType,
  timeField: string | undefined,
): AsyncGenerator<EventBlock> {
  const window = await ByteWindow.open(path, gzip);
  const skipper = new AvroSkipper(path, type, timeField);
  try {
    const header = await readHeader(window);
    let ordinal = 0;
    for (let number = 1; ; number++) {
      const frame = await readFrame(window, number);
      if (frame === undefined) return;
      if (!(await window.need(frame.size + SYNC_BYTES))) throw cutOff(window, number, frame.at);
      const packed = window.bytes.subarray(window.start, window.start + frame.size);
      const bytes = unpack(window, header.codec, packed, number, frame.at);
      window.start += frame.size;
      checkSync(window, header, number);
      const block = split(path, bytes, frame, skipper, number, ordinal);
      ordinal += block.count;
      if (block.count > 0) yield block;
    }
  } finally {
    await window.close();
  }
}

function split(
  path: string,
  bytes: Uint8Array,
  frame: BlockFrame,
  skipper: AvroSkipper,
  number: number,
  ordinal: number,
): EventBlock {
  const { count } = frame;
  const starts = new Int32Array(count);
  const ends = new Int32Array(count);
  const places = new Float64Array(count);
  const timesMs = new Float64Array(count);
  let position = 0;
  skipper.begin(bytes, 0, bytes.length);
  for (let index = 0; index < count; index++) {
    starts[index] = position;
    try {
      position = skipper.next();
    } catch (error) {
      if (!(error instanceof AvroSkipError)) throw error;
      const event = `event ${index + 1} of ${count}, byte ${error.position} of the unpacked block`;
      throw inputError(path, place(number, frame.at), `${event}: ${error.message}`, error);
    }
    ends[index] = position;
    places[index] = ordinal + index + 1;
    timesMs[index] = skipper.timeMs;
  }
  if (position !== bytes.length) {
    const what = `its ${count} events end at byte ${position} of ${bytes.length}`;
    throw inputError(path, place(number, frame.at), what);
  }
  return { count, bytes, starts, ends, places, timesMs };
}

async function countBlocks(window: ByteWindow, header: Header): Promise<{ blockCount: number; eventCount: number }> {
  let eventCount = 0;
  for (let number = 1; ; number++) {
    const frame = await readFrame(window, number);
    if (frame === undefined) return { blockCount: number - 1, eventCount };
    const whole = (await window.skip(frame.size)) && (await window.need(SYNC_BYTES));
    if (!whole) throw cutOff(window, number, frame.at);
    checkSync(window, header, number);
    eventCount += frame.count;
  }
}

interface Header {
  readonly schemaText: string;
  readonly codec: AvroCodec;
  readonly sync: Uint8Array;
}

async function readHeader(window: ByteWindow): Promise<Header> {
  const { path } = window;
  if (!(await window.need(4)) || !hasAvroMagic(window.bytes.subarray(window.start, window.end))) {
    throw inputError(path, "", "it is not an Avro container: it does not begin with Obj and 1");
  }
  window.start += 4;
  const entries = new Map<string, Uint8Array>();
  for (let count = await headerLong(window); count !== 0; count = await headerLong(window)) {
    if (count < 0) {
      await headerLong(window);
      count = -count;
    }
    for (let index = 0; index < count; index++) {
      const key = Buffer.from(await headerBytes(window)).toString("utf8");
      entries.set(key, await headerBytes(window));
    }
  }
  const schema = entries.get("avro.schema");
  if (schema === undefined) throw inputError(path, " (header)", "it has no avro.schema");
  const codecName = Buffer.from(entries.get("avro.codec") ?? []).toString("utf8") || "null";
  const codec = AVRO_CODECS.get(codecName);
  if (codec === undefined) {
    const known = [...AVRO_CODECS.keys()].join(", ");
    throw inputError(path, " (header)", `there is no codec ${JSON.stringify(codecName.slice(0, 40))}, only ${known}`);
  }
  if (!(await window.need(SYNC_BYTES))) throw headerCutOff(window);
  const sync = new Uint8Array(window.bytes.subarray(window.start, window.start + SYNC_BYTES));
  window.start += SYNC_BYTES;
  return { schemaText: Buffer.from(schema).toString("utf8"), codec, sync };
}

export function hasAvroMagic(bytes: Uint8Array): boolean {
  return bytes[0] === 0x4f && bytes[1] === 0x62 && bytes[2] === 0x6a && bytes[3] === 1;
}

async function headerBytes(window: ByteWindow): Promise<Uint8Array> {
  const length = await headerLong(window);
  if (length < 0 || window.position + length > MAX_HEADER_BYTES) {
    throw inputError(window.path, ` (header, byte ${window.position})`, `a length of ${length} is refused`);
  }
  if (!(await window.need(length))) throw headerCutOff(window);
  const bytes = new Uint8Array(window.bytes.subarray(window.start, window.start + length));
  window.start += length;
  return bytes;
}

async function headerLong(window: ByteWindow): Promise<number> {
  const value = await readLong(window);
  if (value === undefined || window.position > MAX_HEADER_BYTES) throw headerCutOff(window);
  return value;
}

interface BlockFrame {
  readonly count: number;
  readonly size: number;
  /** Position of the block in the file. */
  readonly at: number;
}

/** Undefined at the end of the file. */
async function readFrame(window: ByteWindow, number: number): Promise<BlockFrame | undefined> {
  if (!(await window.need(1))) return undefined;
  const at = window.position;
  const count = await readLong(window);
  const size = count === undefined ? undefined : await readLong(window);
  if (count === undefined || size === undefined) throw cutOff(window, number, at);
  if (count < 0 || count > MAX_BLOCK_EVENTS) {
    throw inputError(
      window.path,
      place(number, at),
      `a block of ${count} events is refused, at most ${MAX_BLOCK_EVENTS}`,
    );
  }
  if (size < 0 || size > MAX_BLOCK_BYTES) {
    throw inputError(window.path, place(number, at), `a block of ${size} bytes is refused, at most ${MAX_BLOCK_BYTES}`);
  }
  return { count, size, at };
}

/** Undefined when the file ends inside it. More than 10 bytes are read as a number that every limit refuses. */
async function readLong(window: ByteWindow): Promise<number | undefined> {
  let result = 0;
  let factor = 1;
  for (let count = 0; count < 10; count++) {
    if (window.start === window.end && !(await window.more())) return undefined;
    const byte = window.bytes[window.start++]!;
    result += (byte & 127) * factor;
    if (byte < 128) return result % 2 === 1 ? -(result + 1) / 2 : result / 2;
    factor *= 128;
  }
  return Number.MAX_SAFE_INTEGER;
}

function unpack(window: ByteWindow, codec: AvroCodec, packed: Uint8Array, number: number, at: number): Uint8Array {
  try {
    const bytes = codec(packed, MAX_BLOCK_BYTES);
    // Not a Buffer: its `slice` is a view, which would surprise whoever receives the block.
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch (error) {
    throw inputError(window.path, place(number, at), `cannot unpack: ${reasonOf(error)}`, error);
  }
}

function checkSync(window: ByteWindow, header: Header, number: number): void {
  for (let index = 0; index < SYNC_BYTES; index++) {
    if (window.bytes[window.start + index] !== header.sync[index]) {
      throw inputError(window.path, place(number, window.position), "the sync marker behind the block does not match");
    }
  }
  window.start += SYNC_BYTES;
}

function typeOf(path: string, schemaText: string): AvroType {
  try {
    return parseAvroType(schemaText);
  } catch (error) {
    if (!(error instanceof StreamgaugeError)) throw error;
    throw inputError(path, " (header)", error.message, error);
  }
}

function place(number: number, at: number): string {
  return ` (block ${number}, byte ${at})`;
}

function cutOff(window: ByteWindow, number: number, at: number): StreamgaugeError {
  return inputError(window.path, place(number, at), `the file is cut off at byte ${window.endPosition}`);
}

function headerCutOff(window: ByteWindow): StreamgaugeError {
  return inputError(window.path, ` (header, byte ${window.position})`, "the file is cut off");
}
