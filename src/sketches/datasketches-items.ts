/**
 * Frequent items as the bytes of Apache DataSketches' `frequent_strings_sketch` (ItemsSketch of strings in Java). All
 * numbers are little-endian.
 *
 *     byte 0      preamble size in 8 bytes: 1 when empty, else 4
 *          1, 2   serial version 1 · family 10
 *          3, 4   lg of the slots, at most and now; three quarters of them are counters
 *          5      flags: empty (4, in C++ also 1), then two zeros
 *     others      8: items (u32), then a zero (u32) · 16: total weight (u64) · 24: error (u64) · 32: counts (u64), then
 *                 the items, each with its length in bytes (u32) and as UTF-8
 *
 * A count is a lower bound; count + error is the upper one.
 */
import { ByteReader, ByteWriter } from "./bytes.ts";
import { FrequentItems } from "./frequent-items.ts";
import { hashText } from "./hash.ts";

const EMPTY_PREAMBLE = 1;
const FULL_PREAMBLE = 4;
const SERIAL_VERSION = 1;
const FAMILY = 10;
const EMPTY_FLAGS = 5;
const LG_LEAST = 3;
/** That of `FrequentItems`. */
const LG_MOST = 14;
const LOAD = 0.75;
/** Count and length. */
const ENTRY_BYTES = 12;

export interface CountedText {
  readonly text: string;
  readonly count: number;
}

/**
 * `slots`: a power of two, @default as many as the items need. Items of equal text, such as two that were no UTF-8, are
 * one.
 */
export function writeFrequentStrings(
  items: Iterable<CountedText>,
  options: { readonly totalWeight: number; readonly maximumError: number; readonly slots?: number },
): Uint8Array {
  const counts = new Map<string, number>();
  for (const { text, count } of items) counts.set(text, (counts.get(text) ?? 0) + count);
  const lgNow = lgSlots(counts.size);
  const lgMost = options.slots === undefined ? lgNow : Math.log2(options.slots);
  const isEmpty = options.totalWeight === 0;
  const w = new ByteWriter();
  w.u8(isEmpty ? EMPTY_PREAMBLE : FULL_PREAMBLE);
  w.u8(SERIAL_VERSION);
  w.u8(FAMILY);
  w.u8(lgMost);
  w.u8(lgNow);
  w.u8(isEmpty ? EMPTY_FLAGS : 0);
  w.u16(0);
  if (isEmpty) return w.finish();
  w.u32(counts.size);
  w.u32(0);
  w.u64(options.totalWeight);
  w.u64(options.maximumError);
  for (const count of counts.values()) w.u64(count);
  for (const text of counts.keys()) {
    const bytes = ENCODER.encode(text);
    w.u32(bytes.length);
    w.raw(bytes);
  }
  return w.finish();
}

/** @throws {StreamgaugeError} `SG_CORRUPT` with the position of what is not as it should be. */
export function readFrequentStrings(bytes: Uint8Array): FrequentItems {
  const r = new ByteReader(bytes);
  const preamble = r.u8();
  r.exactly(SERIAL_VERSION, "serial version");
  r.exactly(FAMILY, "family");
  const lgMost = r.u8();
  r.demand(lgMost >= LG_LEAST && lgMost <= LG_MOST, 3, `2^${lgMost} slots`, `2^${LG_LEAST} to 2^${LG_MOST}`);
  const lgNow = r.u8();
  r.demand(lgNow >= LG_LEAST && lgNow <= lgMost, 4, `2^${lgNow} slots`, `2^${LG_LEAST} to 2^${lgMost}`);
  const flags = r.u8();
  r.demand((flags & ~EMPTY_FLAGS) === 0, 5, `flags ${flags}`, "none beside 5");
  const isEmpty = flags !== 0;
  r.exactly(0, "unused byte");
  r.exactly(0, "unused byte");
  const expected = isEmpty ? EMPTY_PREAMBLE : FULL_PREAMBLE;
  r.demand(preamble === expected, 0, `preamble of ${preamble} longs`, String(expected));
  const capacity = 1 << lgMost;
  if (isEmpty) {
    r.end();
    return new FrequentItems({ capacity });
  }
  return readItems(r, capacity);
}

function readItems(r: ByteReader, capacity: number): FrequentItems {
  const size = r.u32();
  const most = capacity * LOAD;
  r.demand(size <= most, 8, `${size} items`, `at most ${most}`);
  r.u32();
  const totalWeight = r.u64();
  const maximumError = r.u64();
  r.demand(size * ENTRY_BYTES <= r.remaining, 8, `${size} items`, `no more than ${r.remaining} bytes hold`);
  let weight = maximumError;
  const counts = Array.from({ length: size }, () => {
    const at = r.position;
    const count = r.u64();
    r.demand(count > 0, at, "count 0", "at least 1");
    weight += count;
    return count;
  });
  r.demand(weight <= totalWeight, 16, `total weight ${totalWeight}`, `at least ${weight}, that of counts and error`);
  const seen = new Set<string>();
  const items = counts.map((count) => {
    const at = r.position;
    const length = r.u32();
    r.demand(length <= r.remaining, at, `text of ${length} bytes`, `at most ${r.remaining}`);
    const text = r.text(length);
    r.demand(!seen.has(text), at, "an item twice", "each once");
    seen.add(text);
    return { ...hashText(text), label: text, count };
  });
  r.end();
  return FrequentItems.of({ capacity, items, totalWeight, maximumError });
}

function lgSlots(items: number): number {
  let lg = LG_LEAST;
  while (items > LOAD * 2 ** lg) lg++;
  return lg;
}

const ENCODER = new TextEncoder();
