/**
 * Figures of a window's events by where they came from: by input partition, by writer schema, by producer. They add up to those of the
 * whole in each of the three, and merge in any order (sums of numbers within rounding). Where more than `ORIGIN_LIMITS` values come, the
 * smallest are one, `OTHER_ORIGIN`; of more than `ORIGIN_FIELDS_MAX` fields, those that came first are told apart.
 */
import { ORIGIN_DIMENSIONS, type OriginDimension } from "../core/verdict.ts";
import { type ByteReader, type ByteWriter, corrupt } from "../sketches/bytes.ts";

/** Values beyond the limit. No schema id and no sensible header has this name. */
export const OTHER_ORIGIN = "\u0000";
/** Events without a schema id, or without the producer's header. */
export const NO_ORIGIN = "";

/** A table of 27 fields and 32 partitions takes 41 KB of memory. */
const ORIGIN_LIMITS: Readonly<Record<OriginDimension, number>> = { partition: 256, schema: 32, producer: 32 };
/** With 256 partitions these are 6 MB; their profiles take a hundred times as much. */
const ORIGIN_FIELDS_MAX = 512;

/** What became of the records, in the order of `OriginFigures.counts`. */
export const ORIGIN_COUNTS = ["rows", "invalid", "undecodable", "tombstone", "future"] as const;
export type OriginCount = (typeof ORIGIN_COUNTS)[number];
const COUNTS = ORIGIN_COUNTS.length;

/**
 * Of a field, in the order of `OriginFigures.fields`: values that are not null; nulls; finite values; their sum (of numbers; of booleans
 * those that are true; of arrays and maps the elements); zeros (of texts, bytes, arrays and maps those of length 0); numbers below 0.
 */
export const ORIGIN_FIGURES = ["values", "nulls", "finite", "sum", "zeros", "negatives"] as const;
export type OriginFigure = (typeof ORIGIN_FIGURES)[number];
export const FIGURES = ORIGIN_FIGURES.length;

/** Of the events of one origin. */
export class OriginFigures {
  readonly counts = new Float64Array(COUNTS);
  #fields = new Float64Array(0);

  /** `FIGURES` for each field, in the order of the table's; as long as the last of them that is there. */
  get fields(): Float64Array {
    return this.#fields;
  }

  count(name: OriginCount): number {
    return this.counts[ORIGIN_COUNTS.indexOf(name)]!;
  }

  addCount(name: OriginCount, count: number): void {
    this.counts[ORIGIN_COUNTS.indexOf(name)]! += count;
  }

  /** 0 where nothing came of the field. */
  figure(place: number, name: OriginFigure): number {
    return this.#fields[place * FIGURES + ORIGIN_FIGURES.indexOf(name)] ?? 0;
  }

  /** The figures, with room for so many fields: to be added to. */
  room(fields: number): Float64Array {
    if (this.#fields.length < fields * FIGURES) {
      const grown = new Float64Array(fields * FIGURES);
      grown.set(this.#fields);
      this.#fields = grown;
    }
    return this.#fields;
  }

  get isEmpty(): boolean {
    return this.counts.every((count) => count === 0) && this.#fields.every((figure) => figure === 0);
  }

  /** Records of whatever kind. */
  get size(): number {
    const { counts } = this;
    return counts[0]! + counts[2]! + counts[3]! + counts[4]!;
  }

  /** Adds `factor` times the other, whose field i is this one's field `places[i]` (−1: not told apart). */
  add(other: OriginFigures, places: Int32Array, factor = 1): void {
    for (let i = 0; i < COUNTS; i++) this.counts[i]! += factor * other.counts[i]!;
    const theirs = other.#fields;
    const count = theirs.length / FIGURES;
    let last = -1;
    for (let i = 0; i < count; i++) if (places[i]! > last) last = places[i]!;
    const own = this.room(last + 1);
    for (let i = 0; i < count; i++) {
      const place = places[i]!;
      if (place < 0) continue;
      for (let k = 0; k < FIGURES; k++) own[place * FIGURES + k]! += factor * theirs[i * FIGURES + k]!;
    }
  }

  scale(factor: number): void {
    for (let i = 0; i < COUNTS; i++) this.counts[i]! *= factor;
    for (let i = 0; i < this.#fields.length; i++) this.#fields[i]! *= factor;
  }
}

/** Records that are not simply valid. */
export const REFUSED_COUNTS = ["invalid", "undecodable", "tombstone", "future"] as const;
export type RefusedCount = (typeof REFUSED_COUNTS)[number];

/** Offsets of the first records of each kind. */
export type RefusedExamples = Map<RefusedCount, number[]>;

/** Who looks at one of them wants to see another. */
const EXAMPLES_MAX = 2;

export function addExample(examples: RefusedExamples, kind: RefusedCount, offset: number): void {
  const known = examples.get(kind);
  if (known === undefined) {
    examples.set(kind, [offset]);
    return;
  }
  if (known.includes(offset)) return;
  known.push(offset);
  known.sort((a, b) => a - b);
  if (known.length > EXAMPLES_MAX) known.pop();
}

export function writeExamples(writer: ByteWriter, examples: RefusedExamples): void {
  writer.varint(examples.size);
  for (const [index, kind] of REFUSED_COUNTS.entries()) {
    const offsets = examples.get(kind);
    if (offsets === undefined) continue;
    writer.u8(index);
    writer.varint(offsets.length);
    for (const offset of offsets) writer.varint(offset);
  }
}

/** @throws {StreamgaugeError} `SG_CORRUPT` */
export function readExamples(reader: ByteReader): RefusedExamples {
  const examples: RefusedExamples = new Map();
  for (let left = reader.count(3); left > 0; left--) {
    const kind = REFUSED_COUNTS[reader.u8()];
    if (kind === undefined) throw corrupt("examples of an unknown kind");
    examples.set(
      kind,
      Array.from({ length: reader.count(1) }, () => reader.varint()),
    );
  }
  return examples;
}

export class Origins {
  readonly #fields = new Map<string, number>();
  /** By partition. */
  readonly #examples = new Map<string, RefusedExamples>();
  readonly #tables: Readonly<Record<OriginDimension, Map<string, OriginFigures>>> = {
    partition: new Map(),
    schema: new Map(),
    producer: new Map(),
  };

  /** Place of a field, by `fieldKey()`; −1: beyond the limit. */
  placeOf(key: string): number {
    const known = this.#fields.get(key);
    if (known !== undefined) return known;
    if (this.#fields.size >= ORIGIN_FIELDS_MAX) return -1;
    this.#fields.set(key, this.#fields.size);
    return this.#fields.size - 1;
  }

  /** Keys of the fields in the order of their places. */
  get fields(): readonly string[] {
    return [...this.#fields.keys()];
  }

  get fieldCount(): number {
    return this.#fields.size;
  }

  /** In the order of their names: what is added up over them does not depend on who came first. */
  values(dimension: OriginDimension): [value: string, figures: OriginFigures][] {
    return [...this.#tables[dimension]].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  }

  figuresOf(dimension: OriginDimension, value: string): OriginFigures | undefined {
    return this.#tables[dimension].get(value);
  }

  /** Takes the figures over, whose fields are in this table's places. */
  set(dimension: OriginDimension, value: string, figures: OriginFigures): void {
    this.#tables[dimension].set(value, figures);
  }

  /** The figures of a value, made if there is room for `most` of them; else those of the others. */
  figures(dimension: OriginDimension, value: string, most = ORIGIN_LIMITS[dimension]): OriginFigures {
    const table = this.#tables[dimension];
    const isKnown = table.has(value) || table.size - (table.has(OTHER_ORIGIN) ? 1 : 0) < most;
    const name = isKnown ? value : OTHER_ORIGIN;
    let figures = table.get(name);
    if (figures === undefined) {
      figures = new OriginFigures();
      table.set(name, figures);
    }
    return figures;
  }

  /** Offsets of the first refused records of a partition. */
  examplesOf(partition: string): RefusedExamples | undefined {
    return this.#examples.get(partition);
  }

  addExamples(partition: string, examples: RefusedExamples): void {
    let own = this.#examples.get(partition);
    if (own === undefined) {
      if (examples.size === 0 || this.#examples.size >= ORIGIN_LIMITS.partition) return;
      own = new Map();
      this.#examples.set(partition, own);
    }
    for (const [kind, offsets] of examples) for (const offset of offsets) addExample(own, kind, offset);
  }

  /** Adds what the other counted, which is neither changed nor kept. */
  merge(other: Origins): void {
    const places = Int32Array.from(other.#fields.keys(), (key) => this.placeOf(key));
    for (const dimension of ORIGIN_DIMENSIONS) {
      for (const [value, figures] of other.values(dimension)) {
        this.#roomFor(dimension, value, figures.size).add(figures, places);
      }
    }
    for (const [partition, examples] of other.#examples) this.addExamples(partition, examples);
  }

  /** Multiplies everything; values of which hardly anything is left are forgotten, and all examples. */
  decay(factor: number): void {
    this.#examples.clear();
    for (const dimension of ORIGIN_DIMENSIONS) {
      const table = this.#tables[dimension];
      for (const [value, figures] of table) {
        figures.scale(factor);
        if (figures.size < FORGOTTEN_SIZE) table.delete(value);
      }
    }
  }

  /** What the table holds: the same for equal figures, whoever came first. */
  write(writer: ByteWriter): void {
    writer.varint(this.#fields.size);
    for (const key of this.#fields.keys()) writer.string(key);
    for (const dimension of ORIGIN_DIMENSIONS) {
      const values = this.values(dimension);
      writer.varint(values.length);
      for (const [value, figures] of values) {
        writer.string(value);
        for (const count of figures.counts) writeNumber(writer, count);
        const { fields } = figures;
        let end = fields.length;
        while (end > 0 && fields[end - 1] === 0) end--;
        writer.varint(end);
        for (let i = 0; i < end; i++) writeNumber(writer, fields[i]!);
      }
    }
    writer.varint(this.#examples.size);
    for (const partition of [...this.#examples.keys()].sort()) {
      writer.string(partition);
      writeExamples(writer, this.#examples.get(partition)!);
    }
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(reader: ByteReader): Origins {
    const origins = new Origins();
    for (let left = reader.count(1); left > 0; left--) origins.#fields.set(reader.string(), origins.#fields.size);
    for (const dimension of ORIGIN_DIMENSIONS) {
      for (let left = reader.count(2 + COUNTS); left > 0; left--) {
        const figures = new OriginFigures();
        origins.#tables[dimension].set(reader.string(), figures);
        for (let i = 0; i < COUNTS; i++) figures.counts[i] = readNumber(reader);
        const length = reader.count(1);
        if (length > origins.#fields.size * FIGURES) {
          throw corrupt(`${length} figures of ${origins.#fields.size} fields`);
        }
        const room = figures.room(Math.ceil(length / FIGURES));
        for (let i = 0; i < length; i++) room[i] = readNumber(reader);
      }
    }
    for (let left = reader.count(2); left > 0; left--) origins.#examples.set(reader.string(), readExamples(reader));
    return origins;
  }

  /** Where figures of this size are added: beyond the limit the smallest value becomes one of the others. */
  #roomFor(dimension: OriginDimension, value: string, size: number): OriginFigures {
    const table = this.#tables[dimension];
    if (table.has(value) || value === OTHER_ORIGIN) return this.figures(dimension, value);
    const known = this.values(dimension).filter(([name]) => name !== OTHER_ORIGIN);
    if (known.length < ORIGIN_LIMITS[dimension]) return this.figures(dimension, value);
    const [name, smallest] = known.reduce((least, one) => (one[1].size < least[1].size ? one : least));
    const other = table.get(OTHER_ORIGIN) ?? new OriginFigures();
    table.set(OTHER_ORIGIN, other);
    if (smallest.size >= size) return other;
    table.delete(name);
    other.add(
      smallest,
      Int32Array.from({ length: this.#fields.size }, (_, place) => place),
    );
    return this.figures(dimension, value);
  }
}

/** A hundredth of an event: two hundred windows after a value came last. */
const FORGOTTEN_SIZE = 0.01;

/** Most figures are whole numbers, and small: a varint of one more; 0: a double follows. */
function writeNumber(writer: ByteWriter, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0) && value < Number.MAX_SAFE_INTEGER) {
    writer.varint(value + 1);
    return;
  }
  writer.varint(0);
  writer.f64(value);
}

function readNumber(reader: ByteReader): number {
  const value = reader.varint();
  return value === 0 ? reader.f64() : value - 1;
}
