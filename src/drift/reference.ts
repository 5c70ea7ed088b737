/**
 * The recent past of one (dataset, slice, size) as a reference: the last windows that were neither empty, nor partial,
 * nor alarming — which windows those are is for the caller to say, by learning them or not. One bad window among them
 * would make its bad values known.
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
  /** Windows in a full reference. @default 28 */
  readonly size?: number;
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
const TOP_VALUES_DEFAULT = 16;
const TOP_VALUES_MAX = 1024;
const MAGIC = 0x53475231;

export class ReferenceWindows {
  readonly size: number;
  readonly topValues: number;
  #count = 0;
  /** By field key. */
  readonly #fields = new Map<string, FieldReference>();
  #patterns = new PatternReference();

  constructor(options: ReferenceOptions = {}) {
    this.size = checked("size", options.size ?? SIZE_DEFAULT, SIZE_MAX);
    this.topValues = checked("topValues", options.topValues ?? TOP_VALUES_DEFAULT, TOP_VALUES_MAX);
  }

  /** Windows in the reference. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.size;
  }

  /** The metrics of a window against the reference, which does not change. */
  metrics({ patterns, fields, others }: WindowContents, options: ReferenceMetricsOptions = {}): MetricValue[] {
    if (!this.isFull) return [];
    const { names = new FieldNames(), eventTimeField } = options;
    const nameOf = (key: string) => names.nameOf(partsOfKey(key).path, partsOfKey(key).class);
    const metrics: MetricValue[] = [];
    const compared = [...fields.keys()].sort();
    const rare = this.#patterns.rareShare(patterns, [...compared, ...others].sort(), this.size);
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

  /** Takes a window into the reference; the oldest one beyond `size` goes. */
  learn({ fields, patterns }: WindowContents): void {
    this.#patterns.learn(patterns, this.size);
    for (const key of fields.keys()) {
      if (this.#fields.has(key)) continue;
      const reference = new FieldReference(this.topValues);
      reference.skip(this.#count);
      this.#fields.set(key, reference);
    }
    for (const [key, reference] of this.#fields) {
      reference.learn(fields.get(key), this.size);
      if (reference.isGone) this.#fields.delete(key);
    }
    this.#count = Math.min(this.size, this.#count + 1);
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
      const reference = new ReferenceWindows({ size: reader.varint(), topValues: reader.varint() });
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
    put(unseenShare, name, reference.unseenShare(field, this.size));
    if (fieldClass === "text") {
      const named = new Set<string>();
      const n = field.values === undefined ? 0 : countOfAll(field.values);
      for (const top of reference.topShares(field, this.size)) {
        // Long values that begin alike are cut to the same label; an id stands for one value, the more frequent one.
        if (named.has(top.label)) continue;
        named.add(top.label);
        put(share, `${name}=${top.label}`, { share: top.share, n });
      }
      put(unseenPatternShare, name, reference.unseenPatternShare(field, this.size));
      put(psi, name, reference.valueStability(field, this.size));
    } else {
      put(outsideShare, name, reference.outsideShare(field, this.size));
      put(psi, name, reference.histogramStability(field, this.size));
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

function checked(name: string, value: number, max: number): number {
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new RangeError(`Cannot make reference windows: ${name} is ${value}, expected an integer in [1, ${max}]`);
  }
  return value;
}
