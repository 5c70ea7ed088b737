/**
 * The recent past of one (dataset, slice, size) as a reference: the last windows that were neither empty, nor partial,
 * nor alarming — which windows those are is for the caller to say, by learning them or not. One bad window among them
 * would make its bad values known.
 *
 * Windows of few events are pooled: it reaches back until it has `rows` events, since 28 windows of 50 events do not know the values that a
 * thousandth of the events have, and call them new every other window.
 *
 * What is compared stands in `REFERENCE_METRICS`. All is left out until the reference is full, and until every window of it has
 * known the field.
 */
import { StreamgaugeError } from "../core/errors.ts";
import { type MetricValue, metricId } from "../core/metric.ts";
import { type FieldClass, partsOfKey } from "../profiles/field-kinds.ts";
import { FieldNames } from "../profiles/field-names.ts";
import type { MetricEntry } from "../profiles/metric-entry.ts";
import { isAgainstPast, RARE_PATTERN_SHARE, REFERENCE_METRICS } from "../profiles/reference-metrics.ts";
import { readSealed, sealed } from "../profiles/sealed-bytes.ts";
import { ByteWriter } from "../sketches/bytes.ts";
import { FieldReference, type ShareOf } from "./field-reference.ts";
import { PatternReference } from "./pattern-reference.ts";
import type { FieldContents, WindowContents } from "./window-contents.ts";
import { countOfAll } from "./window-counts.ts";

export interface ReferenceOptions {
  /** Windows in a full reference, at least. @default 28 */
  readonly size?: number;
  /** It has more windows, up to 12 times as many, while it has fewer events. @default 5000 */
  readonly rows?: number;
  /** Values with a share of their own, per field. @default 16 */
  readonly topValues?: number;
}

export interface ReferenceMetricsOptions {
  /** Names of the dataset's fields, the same object as for `metricsOf()`. @default a new one */
  readonly names?: FieldNames;
  /** Path of the event time: always new, and so left out. */
  readonly eventTimeField?: string;
}

const SIZE_DEFAULT = 28;
const SIZE_MAX = 1024;
const ROWS_DEFAULT = 5000;
const ROWS_MAX = 2 ** 32;
/** Two weeks of hours. */
const REACH_MAX = 12;
const TOP_VALUES_DEFAULT = 16;
const TOP_VALUES_MAX = 1024;
const MAGIC = 0x53475231;

export class ReferenceWindows {
  readonly size: number;
  readonly rows: number;
  readonly topValues: number;
  #count = 0;
  /** By field key. */
  readonly #fields = new Map<string, FieldReference>();
  #patterns = new PatternReference();

  constructor(options: ReferenceOptions = {}) {
    this.size = checked("size", options.size ?? SIZE_DEFAULT, SIZE_MAX);
    this.rows = checked("rows", options.rows ?? ROWS_DEFAULT, ROWS_MAX, 0);
    this.topValues = checked("topValues", options.topValues ?? TOP_VALUES_DEFAULT, TOP_VALUES_MAX);
  }

  /** Windows in the reference. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= this.size;
  }

  /** The metrics of a window against the reference, which does not change. */
  metrics({ patterns, fields, others }: WindowContents, options: ReferenceMetricsOptions = {}): MetricValue[] {
    if (!this.isFull) return [];
    const { names = new FieldNames(), eventTimeField } = options;
    const nameOf = (key: string) => names.nameOf(partsOfKey(key).path, partsOfKey(key).class);
    const metrics: MetricValue[] = [];
    const compared = [...fields.keys()].sort();
    const rare = this.#patterns.rareShare(patterns, [...compared, ...others].sort(), this.#count);
    if (rare !== undefined) {
      const blamed = rare.field === undefined ? [] : [nameOf(rare.field)];
      metrics.push(metricOf(RARE_PATTERN_SHARE, undefined, blamed, rare));
    }
    for (const key of compared) {
      const reference = this.#fields.get(key);
      const { path, class: fieldClass } = partsOfKey(key);
      if (reference === undefined || path === eventTimeField) continue;
      this.#fieldMetrics(reference, fields.get(key)!, fieldClass, nameOf(key), metrics);
    }
    return metrics;
  }

  /** Takes a window into the reference; the oldest ones that it can do without go. */
  learn({ fields, patterns }: WindowContents): void {
    const count = this.#countWith(countOfAll(patterns));
    this.#patterns.learn(patterns, count);
    for (const key of fields.keys()) {
      if (this.#fields.has(key)) continue;
      const reference = new FieldReference(this.topValues);
      reference.skip(this.#count);
      this.#fields.set(key, reference);
    }
    for (const [key, reference] of this.#fields) {
      reference.learn(fields.get(key), count);
      if (reference.isGone) this.#fields.delete(key);
    }
    this.#count = count;
  }

  /** Windows that are kept when one more comes. */
  #countWith(rows: number): number {
    const rowsOf = this.#patterns.rows;
    let count = this.#count + 1;
    let total = rowsOf.reduce((sum, one) => sum + one, rows);
    for (const oldest of rowsOf) {
      if (count <= this.size || (count <= REACH_MAX * this.size && total - oldest < this.rows)) break;
      total -= oldest;
      count--;
    }
    return count;
  }

  /** Another one with the same past; each learns on for itself. */
  copy(): ReferenceWindows {
    const copy = new ReferenceWindows(this);
    copy.#count = this.#count;
    copy.#patterns = this.#patterns.copy();
    for (const [key, reference] of this.#fields) copy.#fields.set(key, reference.copy());
    return copy;
  }

  write(): Uint8Array {
    const writer = new ByteWriter();
    writer.u32(MAGIC);
    writer.varint(this.size);
    writer.varint(this.rows);
    writer.varint(this.topValues);
    writer.varint(this.#count);
    this.#patterns.write(writer);
    const fields = [...this.#fields].sort((a, b) => (a[0] < b[0] ? -1 : 1));
    writer.varint(fields.length);
    for (const [key, reference] of fields) {
      writer.string(key);
      reference.write(writer);
    }
    return sealed(writer);
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` for bytes that `write()` did not make. */
  static read(bytes: Uint8Array): ReferenceWindows {
    return readSealed("reference windows", bytes, (reader) => {
      if (reader.u32() !== MAGIC) throw new StreamgaugeError("SG_CORRUPT", "Cannot read reference: unknown version");
      const reference = new ReferenceWindows({
        size: reader.varint(),
        rows: reader.varint(),
        topValues: reader.varint(),
      });
      reference.#count = reader.varint();
      reference.#patterns = PatternReference.read(reader);
      for (let left = reader.count(4); left > 0; left--) {
        const key = reader.string();
        reference.#fields.set(key, FieldReference.read(reader, reference.topValues));
      }
      return reference;
    });
  }

  #fieldMetrics(
    reference: FieldReference,
    field: FieldContents,
    fieldClass: FieldClass,
    name: string,
    metrics: MetricValue[],
  ): void {
    const { unseenShare, share, outsideShare, unseenPatternShare, psi } = REFERENCE_METRICS;
    const put = (entry: MetricEntry, argument: string, measured: ShareOf | undefined) => {
      if (measured !== undefined) metrics.push(metricOf(entry, argument, [name], measured));
    };
    put(unseenShare, name, reference.unseenShare(field, this.#count));
    if (fieldClass === "text") {
      const named = new Set<string>();
      const n = field.values === undefined ? 0 : countOfAll(field.values);
      for (const top of reference.topShares(field, this.#count)) {
        // Long values that begin alike are cut to the same label; an id stands for one value, the more frequent one.
        if (named.has(top.label)) continue;
        named.add(top.label);
        put(share, `${name}=${top.label}`, { share: top.share, n });
      }
      put(unseenPatternShare, name, reference.unseenPatternShare(field, this.#count));
      put(psi, name, reference.valueStability(field, this.#count));
    } else {
      put(outsideShare, name, reference.outsideShare(field, this.#count));
      put(psi, name, reference.histogramStability(field, this.#count));
    }
  }
}

function metricOf(
  { name, kind, scored }: MetricEntry,
  argument: string | undefined,
  fields: readonly string[],
  { share: value, n }: ShareOf,
): MetricValue {
  const id = metricId(name, ...(argument === undefined ? [] : [argument]));
  return { id, kind, fields, value, n, scored, ...(isAgainstPast(name) && { isAgainstPast: true }) };
}

function checked(name: string, value: number, max: number, least = 1): number {
  if (!Number.isInteger(value) || value < least || value > max) {
    throw new RangeError(
      `Cannot make reference windows: ${name} is ${value}, expected an integer in [${least}, ${max}]`,
    );
  }
  return value;
}
