/**
 * The recent past of one (dataset, slice, size) as a reference: the last windows that were neither empty, nor partial,
 * nor alarming — which windows those are is for the caller to say, by learning them or not. One bad window among them
 * would make its bad values known.
 *
 * `unseen_share(f)`: share of the values that no window of the reference had · `share(f=v)`: share of each of the most
 * frequent values of the reference · `psi(f)`: population stability index, for people: it earns the detector nothing.
 * All are left out until the reference is full, and until every window of it has known the field.
 */
import { StreamgaugeError } from "../core/errors.ts";
import { type MetricValue, metricId } from "../core/metric.ts";
import type { MetricEntry } from "../profiles/catalogue.ts";
import type { FieldClass } from "../profiles/field-kinds.ts";
import { FieldNames } from "../profiles/field-names.ts";
import type { FieldProfile } from "../profiles/field-profile.ts";
import { namedFields } from "../profiles/metrics.ts";
import type { Profile } from "../profiles/profile.ts";
import { readSealed, sealed } from "../profiles/sealed-bytes.ts";
import { ByteWriter } from "../sketches/bytes.ts";
import { FieldReference } from "./field-reference.ts";

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

/** What is read off a window and its reference, for the documentation and for the figures themselves. */
export const REFERENCE_METRICS = {
  unseenShare: {
    name: "unseen_share",
    formula: "values that no window of the reference had / values; numbers and texts of at most 4,096 distinct values",
    kind: "share",
    scored: true,
  },
  share: {
    name: "share",
    formula: "share(field=value): this value / values, for the 16 most frequent values of the reference; texts",
    kind: "share",
    scored: true,
  },
  // Measured: it earns the detector nothing, and its noise grows as the window gets smaller.
  psi: {
    name: "psi",
    formula: "population stability index over ten groups of the reference's histogram, or its 16 most frequent texts",
    kind: "value",
    scored: false,
  },
} as const satisfies Record<string, MetricEntry>;

/** Times are always new, and of booleans the share of `true` says all. */
const COMPARED: ReadonlySet<FieldClass> = new Set(["number", "text", "array", "map"]);
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
  metrics(profile: Profile, options: ReferenceMetricsOptions = {}): MetricValue[] {
    if (!this.isFull) return [];
    const metrics: MetricValue[] = [];
    for (const { name, field } of namedFields(profile, options.names ?? new FieldNames())) {
      const reference = this.#fields.get(field.key);
      if (reference === undefined || field.path === options.eventTimeField) continue;
      if (field.class === "number" || field.class === "text") this.#valueMetrics(reference, field, name, metrics);
      const psi = reference.stability(field, this.size);
      if (psi === undefined) continue;
      const n = field.histogram?.totalCount ?? field.values;
      metrics.push(metricOf(REFERENCE_METRICS.psi, name, name, psi, n));
    }
    return metrics;
  }

  /** Takes a window into the reference; the oldest one beyond `size` goes. The profile is neither changed nor kept. */
  learn(profile: Profile): void {
    for (const [key, field] of profile.fields) {
      if (this.#fields.has(key) || !COMPARED.has(field.class)) continue;
      const reference = new FieldReference(this.topValues);
      reference.skip(this.#count);
      this.#fields.set(key, reference);
    }
    for (const [key, reference] of this.#fields) {
      reference.learn(profile.fields.get(key), this.size);
      if (reference.isGone) this.#fields.delete(key);
    }
    this.#count = Math.min(this.size, this.#count + 1);
  }

  write(): Uint8Array {
    const writer = new ByteWriter();
    writer.u32(MAGIC);
    writer.varint(this.size);
    writer.varint(this.topValues);
    writer.varint(this.#count);
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
      for (let left = reader.count(4); left > 0; left--) {
        const key = reader.string();
        reference.#fields.set(key, FieldReference.read(reader, reference.topValues));
      }
      return reference;
    });
  }

  #valueMetrics(reference: FieldReference, field: FieldProfile, name: string, metrics: MetricValue[]): void {
    const unseen = reference.unseenShare(field, this.size);
    if (unseen === undefined) return;
    const n = field.dictionary?.totalCount ?? 0;
    metrics.push(metricOf(REFERENCE_METRICS.unseenShare, name, name, unseen, n));
    if (field.class !== "text") return;
    const named = new Set<string>();
    for (const { label, share } of reference.topShares(field, this.size)) {
      // Long values that begin alike are cut to the same label; an id stands for one value, the more frequent one.
      if (named.has(label)) continue;
      named.add(label);
      metrics.push(metricOf(REFERENCE_METRICS.share, `${name}=${label}`, name, share, n));
    }
  }
}

function metricOf(entry: MetricEntry, argument: string, field: string, value: number, n: number): MetricValue {
  const { name, kind, scored } = entry;
  return { id: metricId(name, argument), kind, fields: [field], value, n, scored };
}

function checked(name: string, value: number, max: number): number {
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new RangeError(`Cannot make reference windows: ${name} is ${value}, expected an integer in [1, ${max}]`);
  }
  return value;
}
