/**
 * AssemblyScript source of the reader for events that are as they should be: the same programs as
 * `src/schemas/avro-interpreter.ts`, which says what an instruction does, over the same memory. What this one does not like
 * it leaves to that one, which reads the event again from its start: whatever is refused, what finds its column full, texts
 * that are not UTF-8, and decimals beyond 2^53. So nothing here says why, and nothing grows.
 *
 * Positions are addresses. Up to 16 bytes behind an event are read and masked out. `npm run build:wasm` compiles this into
 * `src/schemas/read-wasm-module.ts`.
 */
const EVERY_ROW: i32 = 1 << 20;
const COLUMN_BYTES: usize = 32;
/** Offsets in a column's entry of the table: `src/schemas/column-slab.ts`. */
const AT_COUNT: usize = 0;
const AT_CAPACITY: usize = 4;
const AT_STRIDE: usize = 8;
const AT_WORDS: usize = 12;
const AT_NUMBERS: usize = 16;
const AT_NULL_COUNT: usize = 20;
const AT_NULL_CAPACITY: usize = 24;
const AT_NULL_WORDS: usize = 28;

const MAX_DATA_DEPTH: i32 = 64;
const MAX_ELEMENTS: i64 = 1_000_000;
const MAX_EMPTY_ELEMENTS: i64 = 65_536;
const MAX_ELEMENT_VALUES: i64 = 4_194_304;
const MAX_SAFE: i64 = 9_007_199_254_740_991;
/** Powers of ten up to this one are exact doubles. */
const MAX_EXACT_POWER: i32 = 22;
const MAX_DECIMAL_BYTES: i32 = 1024;
const UUID_TEXT_LENGTH: i32 = 36;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
/** The event is one for the other reader. */
const NOT_HERE: i32 = -1;

let code: usize = 0;
let table: usize = 0;
let symbolStarts: usize = 0;
let symbolLengths: usize = 0;
let stack: usize = 0;
/** What `skipVarint()` has read. */
let raw: u64 = 0;

/** Where program, table of columns, symbol tables and room for the stack are. */
export function place(program: usize, columns: usize, starts: usize, lengths: usize, room: usize): void {
  code = program;
  table = columns;
  symbolStarts = starts;
  symbolLengths = lengths;
  stack = room;
}

/**
 * Reads the event in the arena's `[from, to)` into `row`; returns where the text that was written behind it ends, or
 * `NOT_HERE`: then columns may hold a part of the row.
 */
export function run(arena: usize, from: i32, to: i32, row: i32): i32 {
  const end = arena + <usize>to;
  let pos = arena + <usize>from;
  let pc = code;
  let top = stack;
  let depthAround = 0;
  let textEnd = end;
  let elements: i64 = 0;
  let emptyElements: i64 = 0;
  let elementValues: i64 = 0;
  for (;;) {
    switch (load<i32>(pc)) {
      case 0: // OP_END
        return pos == end ? <i32>(textEnd - arena) : NOT_HERE;
      case 1: {
        // OP_BOOLEAN
        if (pos >= end) return NOT_HERE;
        const value = load<u8>(pos);
        if (value > 1) return NOT_HERE;
        pos++;
        if (!storeNumber(load<i32>(pc, 4), row, <f64>value)) return NOT_HERE;
        pc += 8;
        continue;
      }
      case 2: {
        // OP_INT
        pos = skipVarint32(pos, end);
        if (pos == 0) return NOT_HERE;
        if (!storeNumber(load<i32>(pc, 4), row, <f64>(<i32>unzigzag()))) return NOT_HERE;
        pc += 8;
        continue;
      }
      case 3: {
        // OP_LONG
        pos = skipVarint(pos, end);
        if (pos == 0) return NOT_HERE;
        const value = unzigzag();
        if (!storeLong(load<i32>(pc, 4), row, <f64>value, value)) return NOT_HERE;
        pc += 8;
        continue;
      }
      case 4: {
        // OP_TICKS
        pos = skipVarint(pos, end);
        if (pos == 0) return NOT_HERE;
        const value = unzigzag();
        if (!storeLong(load<i32>(pc, 4), row, <f64>value / <f64>load<i32>(pc, 8), value)) return NOT_HERE;
        pc += 12;
        continue;
      }
      case 5: // OP_FLOAT
        if (end - pos < 4) return NOT_HERE;
        if (!storeNumber(load<i32>(pc, 4), row, <f64>load<f32>(pos))) return NOT_HERE;
        pos += 4;
        pc += 8;
        continue;
      case 6: // OP_DOUBLE
        if (end - pos < 8) return NOT_HERE;
        if (!storeNumber(load<i32>(pc, 4), row, load<f64>(pos))) return NOT_HERE;
        pos += 8;
        pc += 8;
        continue;
      case 7: {
        // OP_BYTES
        pos = skipVarint(pos, end);
        if (pos == 0) return NOT_HERE;
        const length = unzigzag();
        if (length < 0 || length > <i64>(end - pos)) return NOT_HERE;
        if (!storeBytes(load<i32>(pc, 4), row, <i32>(pos - arena), <i32>length)) return NOT_HERE;
        pos += <usize>length;
        pc += 8;
        continue;
      }
      case 8: {
        // OP_STRING
        pos = skipVarint(pos, end);
        if (pos == 0) return NOT_HERE;
        const length = unzigzag();
        if (length < 0 || length > <i64>(end - pos)) return NOT_HERE;
        const start = pos;
        pos += <usize>length;
        if (!isAscii(start, pos) && !isUtf8(start, pos)) return NOT_HERE;
        if (!storeBytes(load<i32>(pc, 4), row, <i32>(start - arena), <i32>length)) return NOT_HERE;
        pc += 8;
        continue;
      }
      case 9: {
        // OP_FIXED
        const length = load<i32>(pc, 8);
        if (end - pos < <usize>length) return NOT_HERE;
        if (!storeBytes(load<i32>(pc, 4), row, <i32>(pos - arena), length)) return NOT_HERE;
        pos += <usize>length;
        pc += 12;
        continue;
      }
      case 10: {
        // OP_ENUM
        pos = skipVarint32(pos, end);
        if (pos == 0) return NOT_HERE;
        const symbol = <i32>unzigzag();
        if (<u32>symbol >= load<u32>(pc, 12)) return NOT_HERE;
        const at = (<usize>(load<i32>(pc, 8) + symbol)) << 2;
        const start = load<i32>(symbolStarts + at);
        if (!storeBytes(load<i32>(pc, 4), row, start, load<i32>(symbolLengths + at))) return NOT_HERE;
        pc += 16;
        continue;
      }
      case 11: {
        // OP_DECIMAL_BYTES
        pos = skipVarint(pos, end);
        if (pos == 0) return NOT_HERE;
        const size = unzigzag();
        if (size < 0 || size > <i64>(end - pos)) return NOT_HERE;
        if (!storeDecimal(load<i32>(pc, 4), row, pos, <i32>size, load<i32>(pc, 8))) return NOT_HERE;
        pos += <usize>size;
        pc += 12;
        continue;
      }
      case 12: {
        // OP_DECIMAL_FIXED
        const size = load<i32>(pc, 12);
        if (end - pos < <usize>size) return NOT_HERE;
        if (!storeDecimal(load<i32>(pc, 4), row, pos, size, load<i32>(pc, 8))) return NOT_HERE;
        pos += <usize>size;
        pc += 16;
        continue;
      }
      case 13: {
        // OP_UUID_FIXED
        if (end - pos < 16) return NOT_HERE;
        const column = load<i32>(pc, 4);
        if (column >= 0) {
          writeUuidText(pos, textEnd);
          if (!storeBytes(column, row, <i32>(textEnd - arena), UUID_TEXT_LENGTH)) return NOT_HERE;
          textEnd += UUID_TEXT_LENGTH;
        }
        pos += 16;
        pc += 8;
        continue;
      }
      case 14: {
        // OP_NULLABLE
        pos = skipVarint32(pos, end);
        if (pos == 0) return NOT_HERE;
        if (<i32>raw == load<i32>(pc, 8)) {
          pc += 20;
        } else if (<i32>raw == load<i32>(pc, 4)) {
          const nulls = load<i32>(pc, 12);
          if (nulls >= 0 && !storeNull(nulls, row)) return NOT_HERE;
          pc = target(pc, 16);
        } else {
          return NOT_HERE;
        }
        continue;
      }
      case 15: {
        // OP_UNION
        pos = skipVarint32(pos, end);
        if (pos == 0) return NOT_HERE;
        const branch = <i32>unzigzag();
        if (<u32>branch >= load<u32>(pc, 4)) return NOT_HERE;
        pc = target(pc + ((<usize>branch) << 2), 8);
        continue;
      }
      case 16: // OP_NULL
        if (!storeNull(load<i32>(pc, 4), row)) return NOT_HERE;
        pc += 8;
        continue;
      case 17: // OP_JUMP
        pc = target(pc, 4);
        continue;
      case 18: // OP_LOOP
        if (depthAround + load<i32>(pc, 4) > MAX_DATA_DEPTH) return NOT_HERE;
        // Items left in the block, end of the block or 0, items in all blocks.
        store<i32>(top, 0);
        store<usize>(top, 0, 4);
        store<i32>(top, 0, 8);
        top += 12;
        pc = target(pc, 8);
        continue;
      case 19: {
        // OP_NEXT
        const left = load<i32>(top - 12);
        if (left > 0) {
          store<i32>(top - 12, left - 1);
          pc = target(pc, 12);
          continue;
        }
        const statedEnd = load<usize>(top - 12, 4);
        if (statedEnd != 0 && statedEnd != pos) return NOT_HERE;
        pos = skipVarint(pos, end);
        if (pos == 0) return NOT_HERE;
        let count = unzigzag();
        if (count == 0) {
          top -= 12;
          if (!storeNumber(load<i32>(pc, 4), row, <f64>load<i32>(top, 8))) return NOT_HERE;
          pc += 20;
          continue;
        }
        let blockEnd: usize = 0;
        if (count < 0) {
          count = -count;
          pos = skipVarint(pos, end);
          if (pos == 0) return NOT_HERE;
          const size = unzigzag();
          if (size < 0 || size > <i64>(end - pos)) return NOT_HERE;
          blockEnd = pos + <usize>size;
        }
        const minItemBytes = load<i32>(pc, 8);
        const bytesLeft = <i64>((blockEnd != 0 ? blockEnd : end) - pos);
        if (count < 0 || count > MAX_ELEMENTS || count * <i64>minItemBytes > bytesLeft) return NOT_HERE;
        elements += count;
        if (minItemBytes == 0) emptyElements += count;
        elementValues += count * <i64>load<i32>(pc, 16);
        if (elements > MAX_ELEMENTS || emptyElements > MAX_EMPTY_ELEMENTS) return NOT_HERE;
        if (elementValues > MAX_ELEMENT_VALUES) return NOT_HERE;
        store<i32>(top - 12, <i32>count - 1);
        store<usize>(top - 12, blockEnd, 4);
        store<i32>(top - 12, load<i32>(top - 12, 8) + <i32>count, 8);
        pc = target(pc, 12);
        continue;
      }
      case 20: {
        // OP_CALL
        const depth = depthAround + load<i32>(pc, 8);
        if (depth > MAX_DATA_DEPTH) return NOT_HERE;
        store<usize>(top, pc + 12);
        store<i32>(top, depthAround, 4);
        top += 8;
        depthAround = depth;
        pc = target(pc, 4);
        continue;
      }
      case 21: // OP_RETURN
        top -= 8;
        pc = load<usize>(top);
        depthAround = load<i32>(top, 4);
        continue;
      default:
        return NOT_HERE;
    }
  }
}

/** The instruction that the operand at `pc + offset` names. */
/* @inline */ function target(pc: usize, offset: usize): usize {
  return code + ((<usize>load<u32>(pc + offset)) << 2);
}

/** Reads a varint of at most ten bytes and 64 bits into `raw`; returns what stands behind it, or 0. */
function skipVarint(from: usize, end: usize): usize {
  if (from >= end) return 0;
  const first = <u64>load<u8>(from);
  if (first < 0x80) {
    raw = first;
    return from + 1;
  }
  const word = load<u64>(from);
  const stops = ~word & HIGH_BITS;
  if (stops == 0) return skipLongVarint(from, end);
  const next = from + ((<usize>ctz(stops) + 1) >> 3);
  if (next > end) return 0;
  // The bytes up to the one that stops, of each the low 7 bits, moved together: pairs, fours, all.
  let bits = word & (stops ^ (stops - 1)) & ~HIGH_BITS;
  bits = (bits & 0x007f_007f_007f_007f) | ((bits & 0x7f00_7f00_7f00_7f00) >> 1);
  bits = (bits & 0x0000_3fff_0000_3fff) | ((bits & 0x3fff_0000_3fff_0000) >> 2);
  raw = (bits & 0x0fff_ffff) | ((bits & 0x0fff_ffff_0000_0000) >> 4);
  return next;
}

/** Of nine or ten bytes. */
function skipLongVarint(from: usize, end: usize): usize {
  if (end - from < 9) return 0;
  let bits: u64 = 0;
  for (let i: usize = 0; i < 9; i++) bits |= (<u64>load<u8>(from + i) & 0x7f) << (7 * i);
  if (load<u8>(from, 8) < 0x80) {
    raw = bits;
    return from + 9;
  }
  // The tenth byte has room for one bit.
  if (end - from < 10 || load<u8>(from, 9) > 1) return 0;
  raw = bits | ((<u64>load<u8>(from, 9)) << 63);
  return from + 10;
}

/** As `skipVarint()`, of at most five bytes and 32 bits. */
function skipVarint32(from: usize, end: usize): usize {
  const next = skipVarint(from, end);
  return next - from <= 5 && raw <= 0xffff_ffff ? next : 0;
}

/* @inline */ function unzigzag(): i64 {
  return <i64>(raw >> 1) ^ -(<i64>(raw & 1));
}

/** Entry of a column in the table. */
/* @inline */ function entryOf(column: i32): usize {
  return table + <usize>column * COLUMN_BYTES;
}

/** The place of the next value of a column, which it then has; -1: it is full. */
/* @inline */ function taken(entry: usize, row: i32): i32 {
  const at = load<i32>(entry, AT_COUNT);
  if (at == load<i32>(entry, AT_CAPACITY)) return -1;
  store<i32>(entry, at + 1, AT_COUNT);
  store<i32>((<usize>(load<i32>(entry, AT_WORDS) + at)) << 2, row);
  return at;
}

/** Stores a value in the column that an operand says; false: there is no room. */
/* @inline */ function storeNumber(operand: i32, row: i32, value: f64): bool {
  if (operand < 0) return true;
  let entry = entryOf(operand - EVERY_ROW);
  let at = row;
  if (operand < EVERY_ROW) {
    entry = entryOf(operand);
    at = taken(entry, row);
    if (at < 0) return false;
  }
  store<f64>((<usize>(load<i32>(entry, AT_NUMBERS) + at)) << 3, value);
  return true;
}

/* @inline */ function storeLong(operand: i32, row: i32, value: f64, words: i64): bool {
  if (operand < 0) return true;
  let entry = entryOf(operand - EVERY_ROW);
  let at = row;
  if (operand < EVERY_ROW) {
    entry = entryOf(operand);
    at = taken(entry, row);
    if (at < 0) return false;
  }
  store<f64>((<usize>(load<i32>(entry, AT_NUMBERS) + at)) << 3, value);
  storeWords(entry, at, <i32>words, <i32>(words >> 32));
  return true;
}

/* @inline */ function storeBytes(operand: i32, row: i32, start: i32, length: i32): bool {
  if (operand < 0) return true;
  let entry = entryOf(operand - EVERY_ROW);
  let at = row;
  if (operand < EVERY_ROW) {
    entry = entryOf(operand);
    at = taken(entry, row);
    if (at < 0) return false;
  }
  storeWords(entry, at, start, length);
  return true;
}

/* @inline */ function storeWords(entry: usize, at: i32, first: i32, second: i32): void {
  const stride = load<i32>(entry, AT_STRIDE);
  const place = load<i32>(entry, AT_WORDS) + stride + at;
  store<i32>((<usize>place) << 2, first);
  store<i32>((<usize>(place + stride)) << 2, second);
}

function storeNull(column: i32, row: i32): bool {
  const entry = entryOf(column);
  const at = load<i32>(entry, AT_NULL_COUNT);
  if (at == load<i32>(entry, AT_NULL_CAPACITY)) return false;
  store<i32>((<usize>(load<i32>(entry, AT_NULL_WORDS) + at)) << 2, row);
  store<i32>(entry, at + 1, AT_NULL_COUNT);
  return true;
}

/** Big-endian two's complement, whose number is exact, by an exact power of ten: one rounding. As `readDecimal()`. */
function storeDecimal(operand: i32, row: i32, from: usize, size: i32, scale: i32): bool {
  if (size > MAX_DECIMAL_BYTES || scale > MAX_EXACT_POWER) return false;
  let unscaled: i64 = size > 0 ? <i64>load<i8>(from) : 0;
  const fill = unscaled >> 63;
  for (let i = 1; i < size; i++) {
    // Eight bytes hold it, as long as all in front of them are sign, and the next bit, too.
    if (unscaled >> 55 != fill) return false;
    unscaled = (unscaled << 8) | <i64>load<u8>(from + <usize>i);
  }
  if (unscaled > MAX_SAFE || unscaled < -MAX_SAFE) return false;
  let power: f64 = 1;
  for (let i = 0; i < scale; i++) power *= 10;
  return storeLong(operand, row, <f64>unscaled / power, unscaled);
}

/* @inline */ function isAscii(from: usize, to: usize): bool {
  let seen: u64 = 0;
  let at = from;
  for (; at + 8 <= to; at += 8) seen |= load<u64>(at);
  if (at < to) seen |= load<u64>(at) & (~(<u64>0) >> (64 - ((<u64>(to - at)) << 3)));
  return (seen & HIGH_BITS) == 0;
}

/** As `src/schemas/utf8.ts`. */
function isUtf8(from: usize, to: usize): bool {
  let at = from;
  while (at < to) {
    const lead = <u32>load<u8>(at);
    at++;
    if (lead < 0x80) continue;
    let following: usize = 0;
    let low: u32 = 0x80;
    let high: u32 = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
      following = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      following = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      following = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    if (at + following > to) return false;
    const second = <u32>load<u8>(at);
    if (second < low || second > high) return false;
    for (let k: usize = 1; k < following; k++) if ((load<u8>(at + k) & 0xc0) != 0x80) return false;
    at += following;
  }
  return true;
}

function writeUuidText(from: usize, to: usize): void {
  let at = to;
  for (let i: usize = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) store<u8>(at++, 0x2d);
    const byte = <u32>load<u8>(from + i);
    store<u8>(at++, hexDigit(byte >> 4));
    store<u8>(at++, hexDigit(byte & 15));
  }
}

function hexDigit(digit: u32): u32 {
  return digit < 10 ? 0x30 + digit : 0x57 + digit;
}
