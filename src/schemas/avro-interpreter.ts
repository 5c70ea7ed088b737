/**
 * The machine that runs reader programs. A program is a flat array of integers and holds no text of the schema, so no
 * schema can become code. Each instruction is an opcode and its operands (below). A column of -1 means: check the
 * bytes, record nothing; one from `EVERY_ROW` on, which is taken off it: each row has exactly one value, whose place is the row.
 * `depth` counts records, arrays and maps from the start of the main program or routine.
 *
 * The `switch` has the numbers of the opcodes for its cases, and their names behind them.
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
import {
  AT_CAPACITY,
  AT_COUNT,
  AT_NULL_CAPACITY,
  AT_NULL_COUNT,
  AT_NULL_WORDS,
  AT_NUMBERS,
  AT_STRIDE,
  AT_WORDS,
  COLUMN_WORDS,
  type ColumnSlab,
} from "./column-slab.ts";
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
/** column */
export const OP_NULL = 16;
/** target */
export const OP_JUMP = 17;
/** depth, target (the loop's OP_NEXT): start of an array or map */
export const OP_LOOP = 18;
/** column, least bytes of an item, target (the loop's body), most values of an item: next item, next block, or on behind the loop */
export const OP_NEXT = 19;
/** target, depth */
export const OP_CALL = 20;
export const OP_RETURN = 21;

/** More than any column. */
export const EVERY_ROW = 1 << 20;

export interface AvroProgram {
  readonly code: Int32Array;
  readonly fields: readonly FieldDescriptor[];
  /** Columns with exactly one value, and no null, in every row. */
  readonly everyRow: ReadonlySet<number>;
  /** Of each column, the one that has its nulls: one for all branches of a union. */
  readonly nullsOf: Int32Array;
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

/**
 * Values and nulls in all arrays and maps of one event, counted as many as their items have at most: four for each of the most elements.
 * Columns then take some 300 MB at worst, where each of thousands of them grows in turn.
 */
export const MAX_ELEMENT_VALUES = 4_194_304;

/** Which arrays of a column a value goes to: those of its `storage`. */
const STORE_NUMBER = 0;
const STORE_LONG = 1;
const STORE_BYTES = 2;

/** Words of stack that one level of depth can take: a loop (3), and calls of a record and a union (2 each). */
const STACK_WORDS_PER_LEVEL = 7;
export const STACK_WORDS = STACK_WORDS_PER_LEVEL * (MAX_DATA_DEPTH + 2);

export class AvroInterpreter {
  readonly #program: AvroProgram;
  readonly #stack = new Int32Array(STACK_WORDS);
  readonly #words: Words = { lo: 0, hi: 0 };
  /** Position in the arena at which the last refused event was refused. */
  errorAt = 0;
  /** Which limit it was, and of what, where the last refused event was beyond one. */
  errorDetail: string | undefined;

  constructor(program: AvroProgram) {
    this.#program = program;
  }

  /** Reads the event in the arena's `[start, to)` into the next row, which the caller closes or takes back. */
  run(batch: AvroBatch, start: number, to: number): "ok" | UndecodableReason {
    const { code, symbolStarts, symbolLengths } = this.#program;
    const slab = batch.slab;
    let { table, words: slabWords, numbers: slabNumbers } = slab;
    let bytes = batch.arena;
    let view = batch.view;
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
    let elementValues = 0;
    let invalidUtf8 = 0;
    // What a value leaves for the end of the loop, where it is stored: in one place, because the engine would inline only the
    // first few of many calls. What stores nothing goes on to the next instruction by `continue`.
    let form = STORE_NUMBER;
    let index = -1;
    let value = 0;
    let from = 0;
    let length = 0;

    for (;;) {
      // Literals, because only of these does the engine make a jump table.
      switch (code[pc]!) {
        case 1: {
          // OP_BOOLEAN
          if (pos >= end) return this.#refuse("truncated", end);
          value = bytes[pos]!;
          if (value > 1) return this.#refuse("malformed", pos);
          pos++;
          index = code[pc + 1]!;
          form = STORE_NUMBER;
          pc += 2;
          break;
        }
        case 2: {
          // OP_INT
          if (pos >= end) return this.#refuse("truncated", end);
          const byte = bytes[pos]!;
          if (byte < 0x80) {
            value = (byte >>> 1) ^ -(byte & 1);
            pos++;
          } else if (pos + 1 < end && bytes[pos + 1]! < 0x80) {
            const bits = (byte & 0x7f) | (bytes[pos + 1]! << 7);
            value = (bits >>> 1) ^ -(bits & 1);
            pos += 2;
          } else {
            const next = readVarint32(words, bytes, pos, end);
            if (next < 0) return this.#refuseVarint(next, pos, end);
            value = words.lo;
            pos = next;
          }
          index = code[pc + 1]!;
          form = STORE_NUMBER;
          pc += 2;
          break;
        }
        case 3: {
          // OP_LONG
          const next = readVarint64(words, bytes, pos, end);
          if (next < 0) return this.#refuseVarint(next, pos, end);
          pos = next;
          value = wordsToNumber(words.lo, words.hi);
          index = code[pc + 1]!;
          form = STORE_LONG;
          pc += 2;
          break;
        }
        case 4: {
          // OP_TICKS
          const next = readVarint64(words, bytes, pos, end);
          if (next < 0) return this.#refuseVarint(next, pos, end);
          pos = next;
          value = wordsToNumber(words.lo, words.hi) / code[pc + 2]!;
          index = code[pc + 1]!;
          form = STORE_LONG;
          pc += 3;
          break;
        }
        case 5: {
          // OP_FLOAT
          if (end - pos < 4) return this.#refuse("truncated", end);
          value = view.getFloat32(pos, true);
          pos += 4;
          index = code[pc + 1]!;
          form = STORE_NUMBER;
          pc += 2;
          break;
        }
        case 6: {
          // OP_DOUBLE
          if (end - pos < 8) return this.#refuse("truncated", end);
          value = view.getFloat64(pos, true);
          pos += 8;
          index = code[pc + 1]!;
          form = STORE_NUMBER;
          pc += 2;
          break;
        }
        case 7: {
          // OP_BYTES
          from = readVarint64(words, bytes, pos, end);
          if (from < 0) return this.#refuseVarint(from, pos, end);
          length = words.hi === 0 ? words.lo : -1;
          if (length < 0 || length > end - from) return this.#refuse("length_refused", pos);
          pos = from + length;
          index = code[pc + 1]!;
          form = STORE_BYTES;
          pc += 2;
          break;
        }
        case 8: {
          // OP_STRING
          if (pos >= end) return this.#refuse("truncated", end);
          from = pos + 1;
          length = bytes[pos]!;
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
          let highBits = 0;
          let i = from;
          for (; i + 4 <= pos; i += 4) highBits |= view.getInt32(i, true);
          // The last four bytes once more rather than the rest one by one.
          if (length >= 4) highBits |= view.getInt32(pos - 4, true);
          else for (; i < pos; i++) highBits |= bytes[i]!;
          if ((highBits & 0x80808080) !== 0 && !isUtf8(bytes, from, pos)) invalidUtf8 = 1;
          index = code[pc + 1]!;
          form = STORE_BYTES;
          pc += 2;
          break;
        }
        case 9: {
          // OP_FIXED
          length = code[pc + 2]!;
          if (end - pos < length) return this.#refuse("truncated", end);
          from = pos;
          pos += length;
          index = code[pc + 1]!;
          form = STORE_BYTES;
          pc += 3;
          break;
        }
        case 10: {
          // OP_ENUM
          const next = readVarint32(words, bytes, pos, end);
          if (next < 0) return this.#refuseVarint(next, pos, end);
          const symbol = words.lo;
          if (symbol < 0 || symbol >= code[pc + 3]!) return this.#refuse("malformed", pos);
          pos = next;
          from = symbolStarts[code[pc + 2]! + symbol]!;
          length = symbolLengths[code[pc + 2]! + symbol]!;
          index = code[pc + 1]!;
          form = STORE_BYTES;
          pc += 4;
          break;
        }
        case 11: {
          // OP_DECIMAL_BYTES
          const next = readVarint64(words, bytes, pos, end);
          if (next < 0) return this.#refuseVarint(next, pos, end);
          const size = words.hi === 0 ? words.lo : -1;
          if (size < 0 || size > end - next || size > MAX_DECIMAL_BYTES) return this.#refuse("length_refused", pos);
          index = code[pc + 1]!;
          if (index >= 0) value = readDecimal(words, bytes, next, size, code[pc + 2]!);
          form = STORE_LONG;
          pos = next + size;
          pc += 3;
          break;
        }
        case 12: {
          // OP_DECIMAL_FIXED
          const size = code[pc + 3]!;
          if (end - pos < size) return this.#refuse("truncated", end);
          if (size > MAX_DECIMAL_BYTES) return this.#refuse("length_refused", pos);
          index = code[pc + 1]!;
          if (index >= 0) value = readDecimal(words, bytes, pos, size, code[pc + 2]!);
          form = STORE_LONG;
          pos += size;
          pc += 4;
          break;
        }
        case 13: {
          // OP_UUID_FIXED
          if (end - pos < 16) return this.#refuse("truncated", end);
          index = code[pc + 1]!;
          if (index >= 0) {
            writeUuidText(bytes, pos, textEnd);
            from = textEnd;
            length = UUID_TEXT_LENGTH;
            textEnd += UUID_TEXT_LENGTH;
          }
          form = STORE_BYTES;
          pos += 16;
          pc += 2;
          break;
        }
        case 14: {
          // OP_NULLABLE
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
            const nulls = code[pc + 3]!;
            if (nulls >= 0 && addNull(slab, nulls, row)) {
              ({ table, words: slabWords, numbers: slabNumbers } = slab);
              ({ arena: bytes, view } = batch);
            }
            pc = code[pc + 4]!;
          } else {
            return this.#refuse("malformed", pos);
          }
          pos = next;
          continue;
        }
        case 15: {
          // OP_UNION
          const next = readVarint32(words, bytes, pos, end);
          if (next < 0) return this.#refuseVarint(next, pos, end);
          const branch = words.lo;
          if (branch < 0 || branch >= code[pc + 1]!) return this.#refuse("malformed", pos);
          pos = next;
          pc = code[pc + 2 + branch]!;
          continue;
        }
        case 16: {
          // OP_NULL
          if (addNull(slab, code[pc + 1]!, row)) {
            ({ table, words: slabWords, numbers: slabNumbers } = slab);
            ({ arena: bytes, view } = batch);
          }
          pc += 2;
          continue;
        }
        case 17: // OP_JUMP
          pc = code[pc + 1]!;
          continue;
        case 18: // OP_LOOP
          if (depthAround + code[pc + 1]! > MAX_DATA_DEPTH) return this.#refuse("too_deep", pos);
          // Items left in the block, end of the block where it is stated, items in all blocks.
          stack[stackTop] = 0;
          stack[stackTop + 1] = -1;
          stack[stackTop + 2] = 0;
          stackTop += 3;
          pc = code[pc + 2]!;
          continue;
        case 19: {
          // OP_NEXT
          const left = stack[stackTop - 3]!;
          if (left > 0) {
            stack[stackTop - 3] = left - 1;
            pc = code[pc + 3]!;
            continue;
          }
          const statedEnd = stack[stackTop - 2]!;
          if (statedEnd >= 0 && statedEnd !== pos) return this.#refuse("length_refused", pos);
          let next = pos + 1;
          let count = 0;
          if (pos >= end || bytes[pos] !== 0) {
            next = readVarint64(words, bytes, pos, end);
            if (next < 0) return this.#refuseVarint(next, pos, end);
            count = wordsToNumber(words.lo, words.hi);
          }
          if (count === 0) {
            pos = next;
            stackTop -= 3;
            value = stack[stackTop + 2]!;
            index = code[pc + 1]!;
            form = STORE_NUMBER;
            pc += 5;
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
          elementValues += count * code[pc + 4]!;
          if (elements > MAX_ELEMENTS || emptyElements > MAX_EMPTY_ELEMENTS || elementValues > MAX_ELEMENT_VALUES) {
            return this.#refuseCount(code[pc + 1]!, elements, emptyElements, pos);
          }
          stack[stackTop - 3] = count - 1;
          stack[stackTop - 2] = blockEnd;
          stack[stackTop - 1] = stack[stackTop - 1]! + count;
          pos = next;
          pc = code[pc + 3]!;
          continue;
        }
        case 20: {
          // OP_CALL
          const depth = depthAround + code[pc + 2]!;
          if (depth > MAX_DATA_DEPTH) return this.#refuse("too_deep", pos);
          stack[stackTop] = pc + 3;
          stack[stackTop + 1] = depthAround;
          stackTop += 2;
          depthAround = depth;
          pc = code[pc + 1]!;
          continue;
        }
        case 21: // OP_RETURN
          stackTop -= 2;
          pc = stack[stackTop]!;
          depthAround = stack[stackTop + 1]!;
          continue;
        case 0: // OP_END
          if (pos !== end) return this.#refuse("trailing_bytes", pos);
          batch.arenaLength = textEnd;
          batch.invalidUtf8[row] = invalidUtf8;
          return "ok";
        default:
          throw new Error(`Cannot run the reader program: no opcode ${code[pc]} (at ${pc})`);
      }
      if (index < 0) continue;
      let entry = 0;
      let at = row;
      let place = 0;
      if (index >= EVERY_ROW) {
        entry = (index - EVERY_ROW) * COLUMN_WORDS;
        place = table[entry + AT_WORDS]! + row;
      } else {
        entry = index * COLUMN_WORDS;
        at = table[entry + AT_COUNT]!;
        if (at === table[entry + AT_CAPACITY]!) {
          slab.grow(index);
          ({ table, words: slabWords, numbers: slabNumbers } = slab);
          ({ arena: bytes, view } = batch);
        }
        table[entry + AT_COUNT] = at + 1;
        place = table[entry + AT_WORDS]! + at;
        slabWords[place] = row;
      }
      if (form !== STORE_BYTES) slabNumbers[table[entry + AT_NUMBERS]! + at] = value;
      if (form === STORE_NUMBER) continue;
      const stride = table[entry + AT_STRIDE]!;
      const isBytes = form === STORE_BYTES;
      place += stride;
      slabWords[place] = isBytes ? from : words.lo;
      slabWords[place + stride] = isBytes ? length : words.hi;
    }
  }

  #refuse(reason: UndecodableReason, at: number): UndecodableReason {
    this.errorAt = at;
    this.errorDetail = undefined;
    return reason;
  }

  /** `operand`: what the instruction says of the array's or map's column. */
  #refuseCount(operand: number, elements: number, emptyElements: number, at: number): UndecodableReason {
    const reason = this.#refuse("length_refused", at);
    const path = this.#program.fields[operand >= EVERY_ROW ? operand - EVERY_ROW : operand]?.path;
    let limit = `${MAX_ELEMENT_VALUES} values in the arrays and maps`;
    if (elements > MAX_ELEMENTS) limit = `${MAX_ELEMENTS} elements`;
    else if (emptyElements > MAX_EMPTY_ELEMENTS) limit = `${MAX_EMPTY_ELEMENTS} elements without bytes`;
    this.errorDetail = `more than ${limit} of one event, ${path === undefined ? "in a field that is not recorded" : `with those of ${path}`}`;
    return reason;
  }

  #refuseVarint(result: number, at: number, end: number): UndecodableReason {
    return result === VARINT_TRUNCATED ? this.#refuse("truncated", end) : this.#refuse("malformed", at);
  }
}

/** True: arena and columns have moved. */
function addNull(slab: ColumnSlab, index: number, row: number): boolean {
  const entry = index * COLUMN_WORDS;
  const at = slab.table[entry + AT_NULL_COUNT]!;
  const isFull = at === slab.table[entry + AT_NULL_CAPACITY]!;
  if (isFull) slab.growNulls(index);
  const { table } = slab;
  slab.words[table[entry + AT_NULL_WORDS]! + at] = row;
  table[entry + AT_NULL_COUNT] = at + 1;
  return isFull;
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
