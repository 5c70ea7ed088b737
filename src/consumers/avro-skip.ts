/**
 * Finds where each event of a run of Avro bytes ends, and reads one field on the way: the event time. Nothing else
 * is decoded, and what a value is worth (a boolean of 7, an enum index beyond its symbols) is left to the readers.
 *
 * Every read is checked against the end of the bytes, nesting is limited, and the number of steps is limited by the
 * number of bytes: arrays of nulls and records of nothing cost no bytes, so their number could be anything.
 */
import type { AvroType } from "./avro-type.ts";
import { inputError } from "./input-error.ts";
import { createIsoTime, isoTimeMs } from "./iso-time.ts";

/** Linked lists of real data are shorter; the stack holds some thousand levels. */
const MAX_DEPTH = 256;
const FREE_STEPS = 1_000_000;
const STEPS_PER_BYTE = 16;
/** The largest time that a JavaScript `Date` can show, epoch milliseconds. */
const MAX_TIME_MS = 8.64e15;
const DAY_MS = 86_400_000;

/** Bytes that are not events of the schema. */
export class AvroSkipError extends Error {
  readonly position: number;

  constructor(position: number, what: string) {
    super(what);
    this.name = "AvroSkipError";
    this.position = position;
  }
}

export class AvroSkipper {
  /** Event time of the last event, epoch milliseconds; NaN when it has none. */
  timeMs = Number.NaN;
  readonly #type: AvroType;
  readonly #time: TimePlan | undefined;
  readonly #iso = createIsoTime();
  #bytes: Uint8Array = new Uint8Array(0);
  #position = 0;
  #end = 0;
  #steps = 0;

  /**
   * `path` is the file that errors name.
   * @throws {StreamgaugeError} `SG_INPUT` when `timeField` is not a field that can hold a time.
   */
  constructor(path: string, type: AvroType, timeField: string | undefined) {
    this.#type = type;
    this.#time = timeField === undefined ? undefined : timePlan(path, type, timeField);
  }

  /** The events that follow lie in `bytes[from, end)`. */
  begin(bytes: Uint8Array, from: number, end: number): void {
    this.#bytes = bytes;
    this.#position = from;
    this.#end = end;
    this.#steps = FREE_STEPS + STEPS_PER_BYTE * (end - from);
  }

  /**
   * Position behind the next event.
   * @throws {AvroSkipError}
   */
  next(): number {
    this.timeMs = Number.NaN;
    if (this.#time === undefined) this.#skip(this.#type, 0);
    else this.#skipTimed(this.#type, this.#time, 0);
    return this.#position;
  }

  #skip(type: AvroType, depth: number): void {
    if (--this.#steps < 0) this.#fail("too many values without bytes");
    switch (type.kind) {
      case "union":
        this.#skip(this.#branch(type), depth + 1);
        return;
      case "int":
      case "long":
      case "enum":
        this.#skipLong();
        return;
      case "string":
      case "bytes":
        this.#advance(this.#length());
        return;
      case "double":
        this.#advance(8);
        return;
      case "float":
        this.#advance(4);
        return;
      case "boolean":
        this.#advance(1);
        return;
      case "null":
        return;
      case "fixed":
        this.#advance(type.size);
        return;
      case "record":
        if (depth > MAX_DEPTH) this.#fail(`nested deeper than ${MAX_DEPTH} levels`);
        for (const field of type.fields) this.#skip(field.type, depth + 1);
        return;
      case "array":
      case "map":
        this.#skipBlocks(type, depth);
        return;
      default:
        type.kind satisfies never;
    }
  }

  #skipTimed(type: AvroType, plan: TimePlan, depth: number): void {
    switch (plan.kind) {
      case "leaf":
        this.#readTime(type, plan.unit);
        return;
      case "union": {
        const branch = this.#branch(type);
        const inner = plan.branches.get(branch);
        if (inner === undefined) this.#skip(branch, depth + 1);
        else this.#skipTimed(branch, inner, depth + 1);
        return;
      }
      case "record":
        for (let index = 0; index < type.fields.length; index++) {
          const inner = type.fields[index]!.type;
          if (index === plan.index) this.#skipTimed(inner, plan.inner, depth + 1);
          else this.#skip(inner, depth + 1);
        }
        return;
      default:
        plan satisfies never;
    }
  }

  #readTime(type: AvroType, unit: TimeUnit): void {
    const start = this.#position;
    this.#skip(type, 0);
    let timeMs: number;
    if (type.kind === "string") {
      this.#position = start;
      const length = this.#length();
      timeMs = isoTimeMs(this.#bytes, this.#position, this.#position + length, this.#iso);
      this.#position += length;
    } else if (type.kind === "int" || type.kind === "long") {
      this.#position = start;
      timeMs = (this.#long() * unit.multiply) / unit.divide;
    } else {
      const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start, this.#position - start);
      timeMs = type.kind === "float" ? view.getFloat32(0, true) : view.getFloat64(0, true);
    }
    this.timeMs = Math.abs(timeMs) <= MAX_TIME_MS ? timeMs : Number.NaN;
  }

  #skipBlocks(type: AvroType, depth: number): void {
    if (depth > MAX_DEPTH) this.#fail(`nested deeper than ${MAX_DEPTH} levels`);
    const items = type.items!;
    for (let count = this.#long(); count !== 0; count = this.#long()) {
      if (count < 0) {
        // The block's size in bytes stands in front of it, but only a walk shows that it is true.
        count = -count;
        this.#skipLong();
      }
      for (let index = 0; index < count; index++) {
        if (type.kind === "map") this.#advance(this.#length());
        this.#skip(items, depth + 1);
      }
    }
  }

  #branch(type: AvroType): AvroType {
    const index = this.#long();
    return type.branches[index] ?? this.#fail(`a union of ${type.branches.length} has no branch ${index}`);
  }

  #length(): number {
    const length = this.#long();
    return length >= 0 ? length : this.#fail(`a length of ${length}`);
  }

  #advance(count: number): void {
    if (count > this.#end - this.#position) this.#fail(`${count} bytes wanted, ${this.#end - this.#position} left`);
    this.#position += count;
  }

  #skipLong(): void {
    const bytes = this.#bytes;
    for (let count = 0; count < 10; count++) {
      if (this.#position >= this.#end) this.#fail("an integer is cut off");
      if (bytes[this.#position++]! < 128) return;
    }
    this.#fail("an integer of more than 10 bytes");
  }

  /** Beyond 2^53 rounded, which lengths never are and times survive. */
  #long(): number {
    const bytes = this.#bytes;
    if (this.#position >= this.#end) this.#fail("an integer is cut off");
    let byte = bytes[this.#position++]!;
    // Zigzag: the lowest bit is the sign. Taken off first, as twice a number may be more than a double holds.
    const negative = byte & 1;
    let magnitude = (byte & 127) >> 1;
    for (let count = 1, factor = 64; byte >= 128; count++, factor *= 128) {
      if (count === 10) this.#fail("an integer of more than 10 bytes");
      if (this.#position >= this.#end) this.#fail("an integer is cut off");
      byte = bytes[this.#position++]!;
      magnitude += (byte & 127) * factor;
    }
    return negative === 1 ? -magnitude - 1 : magnitude;
  }

  #fail(what: string): never {
    throw new AvroSkipError(this.#position, what);
  }
}

/** Where the event time stands in an event. A path ends in one leaf of each union branch that can hold it. */
type TimePlan =
  | { readonly kind: "leaf"; readonly unit: TimeUnit }
  | { readonly kind: "union"; readonly branches: ReadonlyMap<AvroType, TimePlan> }
  | { readonly kind: "record"; readonly index: number; readonly inner: TimePlan };

/** A number's milliseconds are `number * multiply / divide`: two whole numbers, as 0.001 is no binary fraction. */
interface TimeUnit {
  readonly multiply: number;
  readonly divide: number;
}

function timePlan(path: string, type: AvroType, timeField: string): TimePlan {
  const names = timeField.split(".");
  const plan = planFor(type, names, 0);
  if (plan !== undefined) return plan;
  const found = typeAt(type, names);
  if (found !== undefined)
    throw inputError(path, "", `its event time ${timeField} is ${nameOf(found)}, which holds no time`);
  const known = type.fields.map((field) => field.name);
  const list = known.length > 20 ? `${known.slice(0, 20).join(", ")} …` : known.join(", ");
  throw inputError(path, "", `it has no event time ${timeField}, only ${list}`);
}

function planFor(type: AvroType, names: readonly string[], at: number): TimePlan | undefined {
  if (type.kind === "union") {
    const branches = new Map<AvroType, TimePlan>();
    for (const branch of type.branches) {
      const inner = planFor(branch, names, at);
      if (inner !== undefined) branches.set(branch, inner);
    }
    return branches.size > 0 ? { kind: "union", branches } : undefined;
  }
  if (at === names.length) {
    const unit = timeUnit(type);
    return unit === undefined ? undefined : { kind: "leaf", unit };
  }
  const index = type.fields.findIndex((field) => field.name === names[at]);
  const inner = index < 0 ? undefined : planFor(type.fields[index]!.type, names, at + 1);
  return inner === undefined ? undefined : { kind: "record", index, inner };
}

function typeAt(type: AvroType, names: readonly string[], at = 0): AvroType | undefined {
  if (at === names.length) return type;
  if (type.kind === "union") {
    for (const branch of type.branches) {
      const found = typeAt(branch, names, at);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  const field = type.fields.find((candidate) => candidate.name === names[at]);
  return field === undefined ? undefined : typeAt(field.type, names, at + 1);
}

function timeUnit(type: AvroType): TimeUnit | undefined {
  switch (type.logical) {
    case "timestamp-millis":
    case "local-timestamp-millis":
      return { multiply: 1, divide: 1 };
    case "timestamp-micros":
    case "local-timestamp-micros":
      return { multiply: 1, divide: 1000 };
    case "timestamp-nanos":
    case "local-timestamp-nanos":
      return { multiply: 1, divide: 1_000_000 };
    case "date":
      return { multiply: DAY_MS, divide: 1 };
    case "time-millis":
    case "time-micros":
    case "decimal":
      return undefined;
    case undefined:
      break;
    default:
      return type.logical satisfies never;
  }
  switch (type.kind) {
    case "int":
      return { multiply: 1000, divide: 1 };
    case "long":
    case "float":
    case "double":
    case "string":
      return { multiply: 1, divide: 1 };
    default:
      return undefined;
  }
}

function nameOf(type: AvroType): string {
  return type.kind === "union" ? `[${type.branches.map((branch) => branch.name).join(", ")}]` : type.name;
}
