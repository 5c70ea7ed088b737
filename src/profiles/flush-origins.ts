/**
 * What a profiler tells of where the events of one pane of one flush came from, besides their partition. Nearly always they are of one
 * writer schema, and then there is nothing to tell: all figures are those of the profile. Else the figures of all but one value stand
 * beside it, and what is left of the whole is of that one, the base.
 */
import { type ByteReader, type ByteWriter, corrupt } from "../sketches/bytes.ts";
import {
  addExample,
  FIGURES,
  NO_ORIGIN,
  OriginFigures,
  Origins,
  type RefusedCount,
  type RefusedExamples,
  readExamples,
  writeExamples,
} from "./origins.ts";
import type { Profile } from "./profile.ts";

/** Values of a dimension that a delta tells apart, besides the base. */
const OTHERS_MAX = 8;
const VERSION = 1;

export type FlushDimension = "schema" | "producer";
const FLUSH_DIMENSIONS: readonly FlushDimension[] = ["schema", "producer"];

export class FlushOrigins {
  /** Of the first decoded rows. */
  readonly #base: { schema: string | undefined; producer: string | undefined } = {
    schema: undefined,
    producer: undefined,
  };
  /** All but the rows of the base. */
  #others = new Origins();
  #examples: RefusedExamples = new Map();

  base(dimension: FlushDimension): string | undefined {
    return this.#base[dimension];
  }

  /** Rows of this value come: whether they are all of the base, so that they need not be counted. */
  isBase(dimension: FlushDimension, value: string): boolean {
    this.#base[dimension] ??= value;
    return this.#base[dimension] === value;
  }

  /** Figures of the others; `isBase()` has said that they are. */
  get others(): Origins {
    return this.#others;
  }

  /** Where rows of a value that is not the base are counted. */
  figures(dimension: FlushDimension, value: string): OriginFigures {
    return this.#others.figures(dimension, value, OTHERS_MAX);
  }

  /** Offsets of the first refused records. */
  get examples(): RefusedExamples {
    return this.#examples;
  }

  addExample(kind: RefusedCount, offset: number): void {
    addExample(this.#examples, kind, offset);
  }

  /** A record that has no row. */
  countRefused(
    kind: Exclude<RefusedCount, "invalid">,
    { offset, schema, producer }: { readonly offset: number; readonly schema: string; readonly producer?: string },
  ): void {
    this.addExample(kind, offset);
    this.figures("schema", schema).addCount(kind, 1);
    if (producer !== undefined) this.figures("producer", producer).addCount(kind, 1);
  }

  clear(): void {
    this.#base.schema = undefined;
    this.#base.producer = undefined;
    this.#others = new Origins();
    this.#examples.clear();
  }

  /** Whether the profile itself says it all. */
  get isPlain(): boolean {
    if (this.#examples.size > 0 || this.#base.producer !== undefined || this.#others.values("producer").length > 0)
      return false;
    const base = this.#base.schema ?? NO_ORIGIN;
    return this.#others.values("schema").every(([schema]) => schema === base);
  }

  write(writer: ByteWriter): void {
    writer.u8(VERSION);
    for (const dimension of FLUSH_DIMENSIONS) {
      const base = this.#base[dimension];
      writer.u8(base === undefined ? 0 : 1);
      if (base !== undefined) writer.string(base);
    }
    this.#others.write(writer);
    writeExamples(writer, this.#examples);
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(reader: ByteReader): FlushOrigins {
    reader.version(VERSION, "FlushOrigins");
    const origins = new FlushOrigins();
    for (const dimension of FLUSH_DIMENSIONS) {
      const isThere = reader.u8();
      if (isThere > 1) throw corrupt(`FlushOrigins with ${isThere} bases`);
      if (isThere === 1) origins.#base[dimension] = reader.string();
    }
    origins.#others = Origins.read(reader);
    origins.#examples = readExamples(reader);
    return origins;
  }
}

/** Figures of a delta by origin: the whole is of its partition. */
export function originsOf(profile: Profile, partition: number): Origins {
  const origins = new Origins();
  const whole = new OriginFigures();
  const { rows, invalid, undecodable, tombstone, future } = profile;
  whole.counts.set([rows, invalid, undecodable, tombstone, future]);
  const places = [...profile.fields].map(([key, field]) => ({ field, place: origins.placeOf(key) }));
  const room = whole.room(origins.fieldCount);
  for (const { field, place } of places) if (place >= 0) field.addFigures(room, place * FIGURES);
  origins.set("partition", String(partition), whole);
  const told = profile.flushOrigins;
  if (told !== undefined) origins.addExamples(String(partition), told.examples);
  const [onlySchema = NO_ORIGIN] = Array.from(profile.schemaRows.keys(), (id) => String(id >>> 0));
  addDimension(origins, "schema", told?.base("schema") ?? onlySchema, whole, told);
  const producer = told?.base("producer") ?? told?.others.values("producer")[0]?.[0];
  if (producer !== undefined) addDimension(origins, "producer", producer, whole, told);
  return origins;
}

/** The others as they are told, and what is left of the whole. */
function addDimension(
  origins: Origins,
  dimension: FlushDimension,
  base: string,
  whole: OriginFigures,
  told: FlushOrigins | undefined,
): void {
  const rest = new OriginFigures();
  rest.add(
    whole,
    Int32Array.from({ length: origins.fieldCount }, (_, place) => place),
  );
  if (told !== undefined) {
    const places = Int32Array.from(told.others.fields, (key) => origins.placeOf(key));
    for (const [value, figures] of told.others.values(dimension)) {
      // What was refused of the base is part of what is left.
      if (value === base) continue;
      origins.figures(dimension, value).add(figures, places);
      rest.add(figures, places, -1);
    }
  }
  if (!rest.isEmpty) origins.set(dimension, base, rest);
}
