/**
 * The sketches of a field as `.profile` files hold them: bytes that Apache DataSketches reads. Absent where a field of
 * this kind has no such sketch; frequent items also where the values of a field must not be shown.
 *
 * The exact tiers lose nothing: the dictionary of up to 4,096 values gives the HLL its hashes, and the frequent items
 * every value with its count.
 */
import { StreamgaugeError } from "../core/errors.ts";
import { KIND_STATES } from "../profiles/field-kinds.ts";
import type { FieldProfile } from "../profiles/field-profile.ts";
import { type ReadHll, readHll, writeHll, writeHllOfHashes } from "../sketches/datasketches-hll.ts";
import { type CountedText, readFrequentStrings, writeFrequentStrings } from "../sketches/datasketches-items.ts";
import { readKll, writeKll } from "../sketches/datasketches-kll.ts";
import type { FrequentItems } from "../sketches/frequent-items.ts";
import { KllSketch } from "../sketches/kll-sketch.ts";
import type { ValueCounts } from "../sketches/value-counts.ts";

export interface SketchBytes {
  /** `kll_doubles_sketch` of the numbers, or of lengths. */
  readonly kll: Uint8Array | undefined;
  /** `hll_sketch`, lgK 12. */
  readonly hll: Uint8Array | undefined;
  /** `frequent_strings_sketch` of the values' texts. */
  readonly frequentItems: Uint8Array | undefined;
}

export function sketchBytes(field: FieldProfile): SketchBytes {
  const states = KIND_STATES[field.kind];
  return {
    kll: states.quantiles ? writeKll(field.quantiles ?? new KllSketch()) : undefined,
    hll: states.dictionary ? hllBytes(field) : undefined,
    frequentItems: states.frequent ? frequentBytes(field) : undefined,
  };
}

/** Of a field whose values must not be shown. */
export const NO_SKETCHES: SketchBytes = { kll: undefined, hll: undefined, frequentItems: undefined };

/** The sketches of a record, read back; `undefined` where there is none. */
export interface ReadSketches {
  readonly quantiles: KllSketch | undefined;
  readonly distinct: ReadHll | undefined;
  readonly frequent: FrequentItems | undefined;
}

/** @throws {StreamgaugeError} `SG_CORRUPT` with the name of the sketch and the position in its bytes. */
export function readSketches(bytes: { readonly [Name in keyof SketchBytes]: Uint8Array | null }): ReadSketches {
  return {
    quantiles: readNamed("kll", bytes.kll, readKll),
    distinct: readNamed("hll", bytes.hll, readHll),
    frequent: readNamed("frequentItems", bytes.frequentItems, readFrequentStrings),
  };
}

function readNamed<T>(name: string, bytes: Uint8Array | null, read: (bytes: Uint8Array) => T): T | undefined {
  try {
    return bytes === null ? undefined : read(bytes);
  } catch (error) {
    throw new StreamgaugeError("SG_CORRUPT", `${name}: ${(error as Error).message}`, { cause: error });
  }
}

function hllBytes({ dictionary, distinct }: FieldProfile): Uint8Array {
  return distinct === undefined ? writeHllOfHashes(lowsOf(dictionary)) : writeHll(distinct);
}

function lowsOf(dictionary: ValueCounts | undefined): Int32Array {
  const lows = new Int32Array(dictionary?.size ?? 0);
  let next = 0;
  dictionary?.forEach((lo) => {
    lows[next++] = lo;
  });
  return lows;
}

function frequentBytes({ dictionary, frequent }: FieldProfile): Uint8Array | undefined {
  const items: CountedText[] = [];
  let hidden = 0;
  const add = (label: unknown, count: number) => {
    if (label === undefined) hidden++;
    else items.push({ text: String(label), count });
  };
  if (frequent !== undefined) for (const one of frequent.top(frequent.capacity)) add(one.label, one.lowerBound);
  else
    dictionary?.forEach((_lo, _hi, count, label) => {
      add(label, count);
    });
  // A count without its text would be lost.
  if (hidden > 0) return undefined;
  return writeFrequentStrings(
    items,
    frequent === undefined
      ? { totalWeight: dictionary?.totalCount ?? 0, maximumError: 0 }
      : { totalWeight: frequent.totalWeight, maximumError: frequent.maximumError, slots: frequent.capacity },
  );
}
