/**
 * How often each shape of text came (`text-shape.ts`): exact counters of blank, number-like and date-like texts, and of each of at
 * most 256 patterns. Of more patterns those with the lowest hashes are kept (`HashSample`), so that every part of a stream
 * keeps the same ones: exact counts of a sample. Merging is exact in any order. Empty: all counters 0.
 */
import { type ByteReader, type ByteWriter, corrupt } from "./bytes.ts";
import { HashSample } from "./hash-sample.ts";
import {
  isBlank,
  isDateLike,
  isNumberLike,
  isPattern,
  lengthOf,
  patternOf,
  patternText,
  shapeOf,
} from "./text-shape.ts";

const VERSION = 1;
/** Beyond, it is free text, whose patterns say nothing. */
const MOST_PATTERNS = 256;

export interface PatternCount {
  /** `patternOf()`. */
  readonly pattern: number;
  readonly text: string;
  readonly count: number;
}

export class TextShapes {
  #blank = 0;
  #numbers = 0;
  #dates = 0;
  #patterns = new HashSample({ capacity: MOST_PATTERNS });

  get totalCount(): number {
    return this.#patterns.totalCount;
  }

  get blank(): number {
    return this.#blank;
  }

  get numbers(): number {
    return this.#numbers;
  }

  get dates(): number {
    return this.#dates;
  }

  /** Every pattern that came is kept. */
  get isExact(): boolean {
    return this.#patterns.exact;
  }

  /** The patterns kept, ascending. */
  patterns(): PatternCount[] {
    const patterns = this.#patterns.entries().map(({ lo, count }) => ({ pattern: lo, text: patternText(lo), count }));
    return patterns.sort((a, b) => a.pattern - b.pattern);
  }

  /** Takes `measures[from, to)` of `textMeasure()`, and leaves their lengths there. */
  updateMany(measures: Float64Array, from: number, to: number): void {
    if (to <= from) return;
    let shape = shapeOf(measures[from]!);
    let run = 0;
    for (let i = from; i < to; i++) {
      const next = shapeOf(measures[i]!);
      measures[i] = lengthOf(measures[i]!);
      if (next !== shape) {
        this.#add(shape, run);
        shape = next;
        run = 0;
      }
      run++;
    }
    this.#add(shape, run);
  }

  /** Takes each of `measures[0, size)` `counts[i]` times, and leaves their lengths there. */
  updateCounted(measures: Float64Array, counts: Float64Array, size: number): void {
    for (let i = 0; i < size; i++) {
      this.#add(shapeOf(measures[i]!), counts[i]!);
      measures[i] = lengthOf(measures[i]!);
    }
  }

  /** As new. */
  clear(): void {
    this.#blank = 0;
    this.#numbers = 0;
    this.#dates = 0;
    this.#patterns.clear();
  }

  merge(other: TextShapes): void {
    this.#blank += other.#blank;
    this.#numbers += other.#numbers;
    this.#dates += other.#dates;
    this.#patterns.merge(other.#patterns);
  }

  /** Version, varint blank, numbers, dates, then the sample of patterns: low word = pattern, high word = its hash. */
  write(w: ByteWriter): void {
    w.u8(VERSION);
    w.varint(this.#blank);
    w.varint(this.#numbers);
    w.varint(this.#dates);
    this.#patterns.write(w);
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(r: ByteReader): TextShapes {
    r.version(VERSION, "TextShapes");
    const shapes = new TextShapes();
    shapes.#blank = r.varint();
    shapes.#numbers = r.varint();
    shapes.#dates = r.varint();
    const patterns = HashSample.read(r);
    if (patterns.capacity !== MOST_PATTERNS || !patterns.every(isKnown)) {
      throw corrupt("TextShapes with unknown patterns");
    }
    if (shapes.#blank + shapes.#numbers + shapes.#dates > patterns.totalCount) {
      throw corrupt(`TextShapes of more than ${patterns.totalCount} texts`);
    }
    shapes.#patterns = patterns;
    return shapes;
  }

  #add(shape: number, count: number): void {
    if (isBlank(shape)) this.#blank += count;
    else if (isNumberLike(shape)) this.#numbers += count;
    else if (isDateLike(shape)) this.#dates += count;
    const pattern = patternOf(shape);
    this.#patterns.add(pattern, mixed(pattern), count);
  }
}

function isKnown(pattern: number, hash: number): boolean {
  if (hash !== mixed(pattern)) return false;
  if (KNOWN.has(pattern)) return true;
  if (!isPattern(pattern)) return false;
  if (KNOWN.size >= KNOWN_MAX) KNOWN.clear();
  KNOWN.add(pattern);
  return true;
}

/** Patterns that were looked at: the same few come with every delta. */
const KNOWN = new Set<number>();
const KNOWN_MAX = 10_000;

/** The finalizer of murmur3: no two patterns have the same. */
function mixed(pattern: number): number {
  let hash = pattern;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
