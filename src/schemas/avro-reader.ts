/**
 * Reads Avro events into columns by interpreting a reader program: no object per event, no generated code. An event that is
 * as it should be is read by WebAssembly (`read-kernel.ts`), every other one by `AvroInterpreter`.
 *
 * The event's bytes are copied into the batch's arena once and read there. Invariants, each tried by a test:
 * 1. Never throws, whatever the bytes are, and the work is bounded by their number: lengths and counts are checked
 *    against the bytes left before anything is allocated or repeated, items without bytes are capped, and so is what all
 *    arrays and maps of an event hold.
 * 2. What is refused leaves no trace in the batch.
 * 3. "ok" means that the bytes are one value of the schema, to the last byte. (Varints may be padded within their
 *    five or ten bytes, as other Avro readers allow.)
 * 4. Integers are exact in the words, whatever their size.
 * A string that is not UTF-8 does not refuse the event; its row is marked.
 */
import type { ColumnBatch, EventReader, FieldDescriptor } from "../core/column-batch.ts";
import type { UndecodableReason } from "../core/violation.ts";
import { AvroBatch, type AvroBatchOptions, MAX_ARENA_BYTES } from "./avro-batch.ts";
import { AvroInterpreter, type AvroProgram, UUID_TEXT_LENGTH } from "./avro-interpreter.ts";
import { compileProgram } from "./avro-program.ts";
import { parseAvroSchema } from "./avro-schema.ts";
import { fieldTree } from "./field-tree.ts";

export interface AvroReader extends EventReader {
  /** Fields of the schema beyond the limits on columns: decoded and checked, not recorded. */
  readonly fieldsLeftOut: number;
  createBatch(rowCapacity: number, options?: AvroBatchOptions): AvroBatch;
}

/**
 * A reader for events written with the schema in `text`, whose names may be those that `references` define.
 * @throws {StreamgaugeError} `SG_SCHEMA` when Avro forbids the schema, or it is beyond the limits.
 */
export function createAvroReader(text: string, references: readonly string[] = []): AvroReader {
  const tree = fieldTree(parseAvroSchema(text, references));
  return new ProgramReader(compileProgram(tree), tree.fieldsLeftOut);
}

class ProgramReader implements AvroReader {
  readonly fields: readonly FieldDescriptor[];
  readonly fieldsLeftOut: number;
  readonly #program: AvroProgram;
  readonly #interpreter: AvroInterpreter;
  errorPosition = 0;
  errorDetail: string | undefined;

  constructor(program: AvroProgram, fieldsLeftOut: number) {
    this.#program = program;
    this.#interpreter = new AvroInterpreter(program);
    this.fields = program.fields;
    this.fieldsLeftOut = fieldsLeftOut;
  }

  createBatch(rowCapacity: number, options?: AvroBatchOptions): AvroBatch {
    return new AvroBatch(this.#program, this, rowCapacity, options);
  }

  read(batch: ColumnBatch, bytes: Uint8Array, from: number, to: number): "ok" | UndecodableReason {
    if (!(batch instanceof AvroBatch))
      throw new TypeError("Cannot read into the batch: it is not one of createBatch()");
    if (batch.fields !== this.fields) throw new TypeError("Cannot read into the batch: it is of another reader");
    const row = batch.rowCount;
    if (row >= batch.rowCapacity) throw new RangeError(`Cannot read into the batch: all ${row} rows are taken`);
    if (!(from >= 0 && from <= to && to <= bytes.length)) {
      throw new RangeError(`Cannot read bytes ${from} to ${to}: there are ${bytes.length}`);
    }
    const length = to - from;
    const room = this.#program.writesText ? to + UUID_TEXT_LENGTH * (length >>> 4) : to;
    if (!batch.reserve(from <= LONGEST_HEADER ? room : room - from)) {
      this.errorPosition = from;
      this.errorDetail = `an event of ${length} bytes: those of a batch have room for ${MAX_ARENA_BYTES}`;
      return "length_refused";
    }
    const start = copied(bytes, from, to, batch.arena, batch.arenaLength);
    batch.invalidUtf8[row] = 0;
    const outcome = batch.readFast(start, start + length) ? "ok" : this.#interpreter.run(batch, start, start + length);
    if (outcome !== "ok") {
      this.errorPosition = from + (this.#interpreter.errorAt - start);
      this.errorDetail = this.#interpreter.errorDetail;
      batch.slab.removeRow(row);
      return outcome;
    }
    batch.events.starts[row] = start;
    batch.payloadBytes[row] = length;
    batch.rowCount = row + 1;
    return "ok";
  }
}

/** As many bytes in front of an event are copied with it. */
const LONGEST_HEADER = 16;

/** Copies the event, and says where in the target it begins. */
function copied(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): number {
  if (from <= LONGEST_HEADER && to === source.length) {
    // A view of the event alone would take longer to make than all bytes take to copy.
    target.set(source, at);
    return at + from;
  }
  // Not `subarray`, which on a Buffer makes another Buffer and takes twice the time.
  target.set(new Uint8Array(source.buffer, source.byteOffset + from, to - from), at);
  return at;
}
