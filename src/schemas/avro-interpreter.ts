/**
 * The machine that runs reader programs. A program is a flat array of integers and holds no text of the schema, so no
 * schema can become code. Each instruction is an opcode and its operands (below). A column of -1 means: check the
 * bytes, record nothing. `depth` counts records, arrays and maps from the start of the main program or routine.
 *
 * The opcodes stand in this file, not in the compiler's, so that the engine sees constants in the `switch` also where
 * modules are run one by one.
 */
import type { FieldDescriptor } from "../core/column-batch.ts";
import type { UndecodableReason } from "../core/violation.ts";
import type { AvroBatch } from "./avro-batch.ts";
import {
  MAX_DECIMAL_BYTES,
  readDecimal,
  readVarint32,
  readVarint64,
  VARINT_TRUNCATED,
  type Words,
  wordsToNumber,
} from "./avro-number.ts";
import { MAX_DATA_DEPTH } from "./field-tree.ts";
import { isUtf8 } from "./utf8.ts";

/** End of the event. */
export const OP_END = 0;
/** column */
export const OP_BOOLEAN = 1;
/** column */
export const OP_INT = 2;
/** column */
export const OP_LONG = 3;
/** column, ticks per millisecond: a long that counts finer steps than milliseconds. */
export const OP_TICKS = 4;
/** column */
export const OP_FLOAT = 5;
/** column */
export const OP_DOUBLE = 6;
/** column */
export const OP_BYTES = 7;
/** column */
export const OP_STRING = 8;
/** column, size */
export const OP_FIXED = 9;
/** column, first symbol in the symbol tables, number of symbols */
export const OP_ENUM = 10;
/** column, scale */
export const OP_DECIMAL_BYTES = 11;
/** column, scale, size */
export const OP_DECIMAL_FIXED = 12;
/** column: 16 bytes, recorded as the 36 characters that a string uuid would have. */
export const OP_UUID_FIXED = 13;
/** encoded index of null, encoded index of the other branch, column of the null, target after null */
export const OP_NULLABLE = 14;
/** number of branches, target of each */
export const OP_UNION = 15;
/** number of columns, columns: a null for each */
export const OP_NULLS = 16;
/** target */
export const OP_JUMP = 17;
/** depth, target (the loop's OP_NEXT): start of an array or map */
export const OP_LOOP = 18;
/** column, least bytes of an item, target (the loop's body): next item, next block, or on behind the loop */
export const OP_NEXT = 19;
/** target, depth */
export const OP_CALL = 20;
export const OP_RETURN = 21;

export interface AvroProgram {
  readonly code: Int32Array;
  readonly fields: readonly FieldDescriptor[];
  /** Enum symbols, which stand in front of each arena, and where each one is. */
  readonly symbols: Uint8Array;
  readonly symbolStarts: Int32Array;
  readonly symbolLengths: Int32Array;
  /** Whether OP_UUID_FIXED may be used, which needs room in the arena. */
  readonly writesText: boolean;
}

/** Elements of all arrays and maps of one event. */
export const MAX_ELEMENTS = 1_000_000;
/** Elements that take no byte (nulls, records without content): five bytes could claim any number of them. */
export const MAX_EMPTY_ELEMENTS = 65_536;

/** Words of stack that one level of depth can take: a loop (3), and calls of a record and a union (2 each). */
const STACK_WORDS_PER_LEVEL = 7;

export class AvroInterpreter {
  readonly #program: AvroProgram;
  readonly #stack = new Int32Array(STACK_WORDS_PER_LEVEL * (MAX_DATA_DEPTH + 2));
  readonly #words: Words = { lo: 0, hi: 0 };
  /** Position in the arena at which the last refused event was refused. */
  errorAt = 0;

  constructor(program: AvroProgram) {
    this.#program = program;
  }

  /** Reads the event in the arena's `[start, to)` into the next row, which the caller closes or takes back. */
  run(batch: AvroBatch, start: number, to: number): "ok" | UndecodableReason {
    const { code, symbolStarts, symbolLengths } = this.#program;
    const columns = batch.columns;
    const bytes = batch.arena;
    const view = batch.view;
    const stack = this.#stack;
    const words = this.#words;
    // `| 0` says that these are 32-bit integers; without it each store of the row into a column converts a number.
    const row = batch.rowCount | 0;
    const end = to | 0;
    let stackTop = 0;
    let depthAround = 0;
    let pos = start | 0;
    let pc = 0;
    let textEnd = end;
    let elements = 0;
    let emptyElements = 0;
    let invalidUtf8 = 0;

    for (;;) {
      switch (code[pc]!) {
        case OP_BOOLEAN: {
          if (pos >= end) return this.#refuse("truncated", end);
          const value = bytes[pos]!;
          if (value > 1) return this.#refuse("malformed", pos);
          pos++;
          const index = code[pc + 1]!;
          if (index >= 0) columns[index]!.addNumber(row, value);
          pc += 2;
          break;
        }
        case OP_INT: {
          if (pos >= end) return this.#refuse("truncated", end);
          let value = bytes[pos]!;
          if (value < 0x80) {
            value = (value >>> 1) ^ -(value & 1);
            pos++;
          } else {
            const next = readVarint32(words, bytes, pos, end);
            if (next < 0) return this.#refuseVarint(next, pos, end);
            value = words.lo;
            pos = next;
          }
          const index = code[pc + 1]!;
          if (index >= 0) columns[index]!.addNumber(row, value);
          pc += 2;
          break;
        }
        case OP_LONG: {
          const next = readVarint64(words, bytes, pos, end);
          if (next < 0) return this.#refuseVarint(next, pos, end);
          pos = next;
          const index = code[pc + 1]!;
          if (index >= 0) columns[index]!.addLong(row, wordsToNumber(words.lo, words.hi), words.lo, words.hi);
          pc += 2;
          break;
        }
        case OP_TICKS: {
          const next = readVarint64(words, bytes, pos, end);
          if (next < 0) return this.#refuseVarint(next, pos, end);
          pos = next;
          const index = code[pc + 1]!;
          if (index >= 0)
            columns[index]!.addLong(row, wordsToNumber(words.lo, words.hi) / code[pc + 2]!, words.lo, words.hi);
          pc += 3;
          break;
        }
        case OP_FLOAT: {
          if (end - pos < 4) return this.#refuse("truncated", end);
          const index = code[pc + 1]!;
          if (index >= 0) columns[index]!.addNumber(row, view.getFloat32(pos, true));
          pos += 4;
          pc += 2;
          break;
        }
        case OP_DOUBLE: {
          if (end - pos < 8) return this.#refuse("truncated", end);
          const index = code[pc + 1]!;
          if (index >= 0) columns[index]!.addNumber(row, view.getFloat64(pos, true));
          pos += 8;
          pc += 2;
          break;
        }
        case OP_BYTES: {
          const next = readVarint64(words, bytes, pos, end);
          if (next < 0) return this.#refuseVarint(next, pos, end);
          const length = words.hi === 0 ? words.lo : -1;
          if (length < 0 || length > end - next) return this.#refuse("length_refused", pos);
          const index = code[pc + 1]!;
          if (index >= 0) columns[index]!.addBytes(row, next, length);
          pos = next + length;
          pc += 2;
          break;
        }
        case OP_STRING: {
          if (pos >= end) return this.#refuse("truncated", end);
          let from = pos + 1;
          let length = bytes[pos]!;
          if (length < 0x80) {
            // Zigzag: an odd byte is a negative length.
            length = (length >>> 1) | -(length & 1);
          } else {
            from = readVarint64(words, bytes, pos, end);
            if (from < 0) return this.#refuseVarint(from, pos, end);
            length = words.hi === 0 ? words.lo : -1;
          }
          if (length < 0 || length > end - from) return this.#refuse("length_refused", pos);
          pos = from + length;
          let allBits = 0;
          for (let i = from; i < pos; i++) allBits |= bytes[i]!;
          if (allBits >= 0x80 && !isUtf8(bytes, from, pos)) invalidUtf8 = 1;
          const index = code[pc + 1]!;
          if (index >= 0) columns[index]!.addBytes(row, from, length);
          pc += 2;
          break;
        }
        case OP_FIXED: {
          const size = code[pc + 2]!;
          if (end - pos < size) return this.#refuse("truncated", end);
          const index = code[pc + 1]!;
          if (index >= 0) columns[index]!.addBytes(row, pos, size);
          pos += size;
          pc += 3;
          break;
        }
        case OP_ENUM: {
          const next = readVarint32(words, bytes, pos, end);
          if (next < 0) return this.#refuseVarint(next, pos, end);
          const symbol = words.lo;
          if (symbol < 0 || symbol >= code[pc + 3]!) return this.#refuse("malformed", pos);
          pos = next;
          const index = code[pc + 1]!;
          if (index >= 0) {
            const k = code[pc + 2]! + symbol;
            columns[index]!.addBytes(row, symbolStarts[k]!, symbolLengths[k]!);
          }
          pc += 4;
          break;
        }
        case OP_DECIMAL_BYTES: {
          const next = readVarint64(words, bytes, pos, end);
          if (next < 0) return this.#refuseVarint(next, pos, end);
          const length = words.hi === 0 ? words.lo : -1;
          if (length < 0 || length > end - next || length > MAX_DECIMAL_BYTES) {
            return this.#refuse("length_refused", pos);
          }
          const index = code[pc + 1]!;
          if (index >= 0) {
            const value = readDecimal(words, bytes, next, length, code[pc + 2]!);
            columns[index]!.addLong(row, value, words.lo, words.hi);
          }
          pos = next + length;
          pc += 3;
          break;
        }
        case OP_DECIMAL_FIXED: {
          const size = code[pc + 3]!;
          if (end - pos < size) return this.#refuse("truncated", end);
          if (size > MAX_DECIMAL_BYTES) return this.#refuse("length_refused", pos);
          const index = code[pc + 1]!;
          if (index >= 0) {
            const value = readDecimal(words, bytes, pos, size, code[pc + 2]!);
            columns[index]!.addLong(row, value, words.lo, words.hi);
          }
          pos += size;
          pc += 4;
          break;
        }
        case OP_UUID_FIXED: {
          if (end - pos < 16) return this.#refuse("truncated", end);
          const index = code[pc + 1]!;
          if (index >= 0) {
            writeUuidText(bytes, pos, textEnd);
            columns[index]!.addBytes(row, textEnd, UUID_TEXT_LENGTH);
            textEnd += UUID_TEXT_LENGTH;
          }
          pos += 16;
          pc += 2;
          break;
        }
        case OP_NULLABLE: {
          if (pos >= end) return this.#refuse("truncated", end);
          let branch = bytes[pos]!;
          let next = pos + 1;
          if (branch >= 0x80) {
            next = readVarint32(words, bytes, pos, end);
            if (next < 0) return this.#refuseVarint(next, pos, end);
            branch = words.lo * 2;
          }
          if (branch === code[pc + 2]!) {
            pc += 5;
          } else if (branch === code[pc + 1]!) {
            const index = code[pc + 3]!;
            if (index >= 0) columns[index]!.addNull(row);
            pc = code[pc + 4]!;
          } else {
            return this.#refuse("malformed", pos);
          }
          pos = next;
          break;
        }
        case OP_UNION: {
          const next = readVarint32(words, bytes, pos, end);
          if (next < 0) return this.#refuseVarint(next, pos, end);
          const branch = words.lo;
          if (branch < 0 || branch >= code[pc + 1]!) return this.#refuse("malformed", pos);
          pos = next;
          pc = code[pc + 2 + branch]!;
          break;
        }
        case OP_NULLS: {
          const count = code[pc + 1]!;
          for (let i = 0; i < count; i++) columns[code[pc + 2 + i]!]!.addNull(row);
          pc += 2 + count;
          break;
        }
        case OP_JUMP:
          pc = code[pc + 1]!;
          break;
        case OP_LOOP:
          if (depthAround + code[pc + 1]! > MAX_DATA_DEPTH) return this.#refuse("too_deep", pos);
          // Items left in the block, end of the block where it is stated, items in all blocks.
          stack[stackTop] = 0;
          stack[stackTop + 1] = -1;
          stack[stackTop + 2] = 0;
          stackTop += 3;
          pc = code[pc + 2]!;
          break;
        case OP_NEXT: {
          const left = stack[stackTop - 3]!;
          if (left > 0) {
            stack[stackTop - 3] = left - 1;
            pc = code[pc + 3]!;
            break;
          }
          const statedEnd = stack[stackTop - 2]!;
          if (statedEnd >= 0 && statedEnd !== pos) return this.#refuse("length_refused", pos);
          let next = readVarint64(words, bytes, pos, end);
          if (next < 0) return this.#refuseVarint(next, pos, end);
          let count = wordsToNumber(words.lo, words.hi);
          if (count === 0) {
            pos = next;
            stackTop -= 3;
            const index = code[pc + 1]!;
            if (index >= 0) columns[index]!.addNumber(row, stack[stackTop + 2]!);
            pc += 4;
            break;
          }
          let blockEnd = -1;
          if (count < 0) {
            // A negative count is followed by the bytes of the block, for readers that skip it.
            count = -count;
            const sizeAt = next;
            next = readVarint64(words, bytes, sizeAt, end);
            if (next < 0) return this.#refuseVarint(next, sizeAt, end);
            const size = words.hi === 0 ? words.lo : -1;
            if (size < 0 || size > end - next) return this.#refuse("length_refused", sizeAt);
            blockEnd = next + size;
          }
          const minItemBytes = code[pc + 2]!;
          const bytesLeft = (blockEnd >= 0 ? blockEnd : end) - next;
          if (count * minItemBytes > bytesLeft) return this.#refuse("length_refused", pos);
          elements += count;
          if (minItemBytes === 0) emptyElements += count;
          if (elements > MAX_ELEMENTS || emptyElements > MAX_EMPTY_ELEMENTS) return this.#refuse("length_refused", pos);
          stack[stackTop - 3] = count - 1;
          stack[stackTop - 2] = blockEnd;
          stack[stackTop - 1] = stack[stackTop - 1]! + count;
          pos = next;
          pc = code[pc + 3]!;
          break;
        }
        case OP_CALL: {
          const depth = depthAround + code[pc + 2]!;
          if (depth > MAX_DATA_DEPTH) return this.#refuse("too_deep", pos);
          stack[stackTop] = pc + 3;
          stack[stackTop + 1] = depthAround;
          stackTop += 2;
          depthAround = depth;
          pc = code[pc + 1]!;
          break;
        }
        case OP_RETURN:
          stackTop -= 2;
          pc = stack[stackTop]!;
          depthAround = stack[stackTop + 1]!;
          break;
        case OP_END:
          if (pos !== end) return this.#refuse("trailing_bytes", pos);
          batch.arenaLength = textEnd;
          batch.invalidUtf8[row] = invalidUtf8;
          return "ok";
        default:
          throw new Error(`Cannot run the reader program: no opcode ${code[pc]} (at ${pc})`);
      }
    }
  }

  #refuse(reason: UndecodableReason, at: number): UndecodableReason {
    this.errorAt = at;
    return reason;
  }

  #refuseVarint(result: number, at: number, end: number): UndecodableReason {
    return result === VARINT_TRUNCATED ? this.#refuse("truncated", end) : this.#refuse("malformed", at);
  }
}

export const UUID_TEXT_LENGTH = 36;
const HEX_DIGITS = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));
const DASH = 0x2d;

/** Writes the text of the uuid in the 16 bytes at `from` to `at`: a fixed and a string uuid are then the same value. */
function writeUuidText(bytes: Uint8Array, from: number, at: number): void {
  let k = at;
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) bytes[k++] = DASH;
    const byte = bytes[from + i]!;
    bytes[k++] = HEX_DIGITS[byte >>> 4]!;
    bytes[k++] = HEX_DIGITS[byte & 15]!;
  }
}
