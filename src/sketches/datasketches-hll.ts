/**
 * HLL sketches as the bytes of Apache DataSketches, lgK = 12: written as a list or set of coupons, beyond as HLL_8; read in
 * every form (list, set, HLL_4, HLL_6, HLL_8, compact or updatable). All numbers are little-endian.
 *
 *     byte 0      preamble size in 4 bytes: 2 list, 3 set, 10 registers
 *          1, 2   serial version 1 · family 7
 *          3, 4   lgK · lg of the coupon or exception array
 *          5      flags: 4 empty, 8 compact, 16 estimate from the registers alone, 32 allocated in full
 *          6      list: number of coupons · registers: smallest value (HLL_4 only)
 *          7      bits 0-1: 0 list, 1 set, 2 registers · bits 2-3: 0 HLL_4, 1 HLL_6, 2 HLL_8
 *     list        8: coupons (u32)
 *     set         8: number of coupons (u32) · 12: coupons
 *     registers   8: estimate kept while values came (f64) · 16, 24: sums of 2^-value below and from 32 (f64)
 *                 32: registers at the smallest value (u32) · 36: exceptions (u32) · 40: 4, 6 or 8 bits per register,
 *                 then, of HLL_4, the exceptions as coupons
 *
 * What the header repeats of the registers (their sums, the number at the smallest) is checked against them.
 */
import { ByteReader, ByteWriter } from "./bytes.ts";
import { HllSketch } from "./hll-sketch.ts";

const LIST_PREAMBLE = 2;
const SET_PREAMBLE = 3;
const REGISTERS_PREAMBLE = 10;
const SERIAL_VERSION = 1;
const FAMILY = 7;
const LG_K = 12;
const REGISTERS = 1 << LG_K;
const EMPTY = 4;
const COMPACT = 8;
const REGISTERS_ALONE = 16;
const KNOWN_FLAGS = EMPTY | COMPACT | REGISTERS_ALONE | 32;
const HLL_4 = 0;
const HLL_6 = 1;
const HLL_8 = 2;
const MODES = ["list", "set", "registers"] as const;
const LG_LIST = 3;
/** With an eighth coupon DataSketches changes to a set … */
const MOST_LISTED = 7;
const LG_LEAST_SET = 5;
const LG_MOST_SET = LG_K - 3;
/** … and to registers when the largest set is more than three quarters full. */
const MOST_IN_SET = 384;
const SLOT_BITS = 26;
/** HLL_4: this nibble says that the value stands among the exceptions. */
const EXCEPTION = 15;
/** Of the kept estimate, against that of the registers: 12 standard errors. */
const MOST_DISAGREEMENT = 0.2;

/** What bytes of others hold. */
export interface ReadHll {
  readonly sketch: HllSketch;
  /** DataSketches' estimate where it kept one, else that of the registers; exact for coupons but for 1 in 10^5. */
  readonly estimate: number;
}

/** HLL_8 of the registers, as DataSketches writes the result of a union. */
export function writeHll(sketch: HllSketch): Uint8Array {
  const { registers } = sketch;
  const { below32, from32, zeros } = sumsOf(registers);
  const w = header(REGISTERS_PREAMBLE, 0, COMPACT | REGISTERS_ALONE, 0, 2 | (HLL_8 << 2));
  w.f64(0);
  w.f64(below32);
  w.f64(from32);
  w.u32(zeros);
  w.u32(0);
  w.raw(registers);
  return w.finish();
}

/** The hashes, given by their low words, as a list or set while DataSketches has one, else as registers; loses nothing. */
export function writeHllOfHashes(lows: Int32Array): Uint8Array {
  const coupons = distinctAscending(lows);
  if (coupons.length > MOST_IN_SET) {
    const sketch = new HllSketch();
    sketch.updateHashes(lows, 0, lows.length);
    return writeHll(sketch);
  }
  const isList = coupons.length <= MOST_LISTED;
  const flags = COMPACT | (coupons.length === 0 ? EMPTY : 0);
  const w = isList
    ? header(LIST_PREAMBLE, LG_LIST, flags, coupons.length, HLL_8 << 2)
    : header(SET_PREAMBLE, lgSetOf(coupons.length), flags, 0, 1 | (HLL_8 << 2));
  if (!isList) w.u32(coupons.length);
  for (const coupon of coupons) w.u32(coupon);
  return w.finish();
}

/** @throws {StreamgaugeError} `SG_CORRUPT` with the position of what is not as it should be. */
export function readHll(bytes: Uint8Array): ReadHll {
  const r = new ByteReader(bytes);
  const preamble = r.u8();
  r.exactly(SERIAL_VERSION, "serial version");
  r.exactly(FAMILY, "family");
  r.exactly(LG_K, "lgK");
  const lgArray = r.u8();
  const flags = r.u8();
  r.demand((flags & ~KNOWN_FLAGS) === 0, 5, `flags ${flags}`, `none beside ${KNOWN_FLAGS}`);
  const least = r.u8();
  const modeByte = r.u8();
  const mode = MODES[modeByte & 3]!;
  const type = modeByte >>> 2;
  r.demand(
    (modeByte & 3) < MODES.length && type <= HLL_8,
    7,
    `mode ${modeByte}`,
    "a list, a set or registers of 4, 6 or 8 bits",
  );
  const expected = { list: LIST_PREAMBLE, set: SET_PREAMBLE, registers: REGISTERS_PREAMBLE }[mode];
  r.demand(preamble === expected, 0, `preamble of ${preamble} ints`, `${expected} of a ${mode}`);
  const isCompact = (flags & COMPACT) !== 0;
  if (mode === "registers") return readRegisters(r, { type, least, lgArray, isCompact, flags });
  const isSet = mode === "set";
  const count = isSet ? r.u32() : least;
  const most = isSet ? MOST_IN_SET : MOST_LISTED;
  r.demand(count <= most, isSet ? 8 : 6, `${count} coupons`, `at most ${most}`);
  if (!isCompact && isSet) {
    const isArray = lgArray >= LG_LEAST_SET && lgArray <= LG_MOST_SET;
    r.demand(isArray, 4, `array of 2^${lgArray}`, `2^${LG_LEAST_SET} to 2^${LG_MOST_SET}`);
  }
  const places = isCompact ? count : 1 << (isSet ? lgArray : LG_LIST);
  const coupons = readCoupons(r, places, count);
  const sketch = new HllSketch();
  sketch.updateHashes(coupons, 0, count);
  return { sketch, estimate: count };
}

interface RegisterHeader {
  readonly type: number;
  /** HLL_4: what is added to every nibble. */
  readonly least: number;
  readonly lgArray: number;
  readonly isCompact: boolean;
  readonly flags: number;
}

function readRegisters(r: ByteReader, { type, least, lgArray, isCompact, flags }: RegisterHeader): ReadHll {
  r.demand((flags & EMPTY) === 0, 5, `flags ${flags}`, "registers that are not empty");
  const kept = r.f64();
  const below32 = r.f64();
  const from32 = r.f64();
  const atLeast = r.u32();
  const exceptions = r.u32();
  r.demand(least === 0 || type === HLL_4, 6, `smallest value ${least}`, "0 but for HLL_4");
  r.demand(exceptions === 0 || type === HLL_4, 36, `${exceptions} exceptions`, "none but for HLL_4");
  const sketch = new HllSketch();
  const { registers } = sketch;
  if (type === HLL_8) registers.set(r.raw(REGISTERS));
  else if (type === HLL_6) unpackSixes(r.raw((REGISTERS * 6) / 8 + 1), registers);
  else readFours(r, registers, { least, exceptions, lgArray, isCompact });
  r.end();
  const wrong = registers.findIndex((value) => value > 63);
  r.demand(wrong < 0, 40 + wrong, `register of ${registers[wrong]}`, "at most 63");
  const sums = sumsOf(registers);
  r.demand(sums.below32 === below32, 16, `sum ${below32}`, `${sums.below32} of the registers`);
  r.demand(sums.from32 === from32, 24, `sum ${from32}`, `${sums.from32} of the registers`);
  const found = registers.reduce((sum, value) => sum + (value === least ? 1 : 0), 0);
  r.demand(found === atLeast, 32, `${atLeast} registers of ${least}`, `${found}`);
  const own = sketch.estimate();
  if ((flags & REGISTERS_ALONE) !== 0) return { sketch, estimate: own };
  const agrees = Math.abs(kept - own) <= MOST_DISAGREEMENT * own;
  r.demand(agrees, 8, `estimate ${kept}`, `about ${Math.round(own)}, that of the registers`);
  return { sketch, estimate: kept };
}

function readFours(
  r: ByteReader,
  registers: Uint8Array,
  {
    least,
    exceptions,
    lgArray,
    isCompact,
  }: Pick<RegisterHeader, "least" | "lgArray" | "isCompact"> & {
    readonly exceptions: number;
  },
): void {
  const packed = r.raw(REGISTERS / 2);
  let open = 0;
  for (let i = 0; i < REGISTERS; i++) {
    const nibble = (packed[i >>> 1]! >>> (4 * (i & 1))) & 15;
    registers[i] = nibble === EXCEPTION ? 0 : nibble + least;
    if (nibble === EXCEPTION) open++;
  }
  r.demand(open === exceptions, 36, `${exceptions} exceptions`, `${open}, as registers say`);
  // The updatable form has room for some, also where there are none and the header names no size.
  const places = isCompact ? exceptions : r.remaining >>> 2;
  r.demand(isCompact || lgArray <= LG_K, 4, `array of 2^${lgArray}`, `at most 2^${LG_K}`);
  r.demand(places <= REGISTERS, r.position, `${places} places of exceptions`, `at most ${REGISTERS}`);
  const start = r.position;
  for (const coupon of readCoupons(r, places, exceptions)) {
    const slot = coupon & (REGISTERS - 1);
    const nibble = (packed[slot >>> 1]! >>> (4 * (slot & 1))) & 15;
    const isOpen = nibble === EXCEPTION && registers[slot] === 0;
    r.demand(isOpen, start, `exception of register ${slot}`, "one whose register says so");
    registers[slot] = coupon >>> SLOT_BITS;
  }
}

/** Six bits each, least significant first; one byte more than they take. */
function unpackSixes(packed: Uint8Array, registers: Uint8Array): void {
  for (let i = 0; i < REGISTERS; i++) {
    const bit = i * 6;
    const pair = packed[bit >>> 3]! | (packed[(bit >>> 3) + 1]! << 8);
    registers[i] = (pair >>> (bit & 7)) & 63;
  }
}

/** `count` coupons, all different, in an array of `places`, of which the others are 0. */
function readCoupons(r: ByteReader, places: number, count: number): Int32Array {
  const start = r.position;
  r.demand(places * 4 <= r.remaining, start, `${r.remaining} bytes`, `${places} coupons of 4`);
  const coupons: number[] = [];
  for (let i = 0; i < places; i++) {
    const at = r.position;
    const coupon = r.i32();
    if (coupon === 0) continue;
    r.demand(coupon >>> SLOT_BITS !== 0, at, `coupon ${coupon}`, "one with a value");
    coupons.push(coupon);
  }
  r.demand(coupons.length === count, start, `${coupons.length} coupons`, String(count));
  r.demand(new Set(coupons).size === count, start, "a coupon twice", `${count} different ones`);
  r.end();
  return Int32Array.from(coupons);
}

function header(preamble: number, lgArray: number, flags: number, count: number, mode: number): ByteWriter {
  const w = new ByteWriter();
  for (const byte of [preamble, SERIAL_VERSION, FAMILY, LG_K, lgArray, flags, count, mode]) w.u8(byte);
  return w;
}

/** All sums of powers of two here are exact in a double. */
function sumsOf(registers: Uint8Array): { below32: number; from32: number; zeros: number } {
  let below32 = 0;
  let from32 = 0;
  let zeros = 0;
  for (const value of registers) {
    if (value < 32) below32 += 2 ** -value;
    else from32 += 2 ** -value;
    if (value === 0) zeros++;
  }
  return { below32, from32, zeros };
}

/** Two values may have one coupon. */
function distinctAscending(lows: Int32Array): Uint32Array {
  const sorted = Uint32Array.from(lows, (low) => low >>> 0).sort();
  return sorted.filter((coupon, i) => i === 0 || coupon !== sorted[i - 1]);
}

function lgSetOf(count: number): number {
  let lg = LG_LEAST_SET;
  while (4 * count > 3 << lg) lg++;
  return lg;
}
