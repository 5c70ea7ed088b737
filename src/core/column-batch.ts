/**
 * Columns: what a reader makes of events, and what the profiles read. No object is built per event.
 */
import type { UndecodableReason } from "./violation.ts";
import type { WasmMemory } from "./wasm-host.ts";

export type FieldKind =
  | "boolean"
  | "int"
  | "long"
  | "float"
  | "double"
  | "decimal"
  | "date"
  | "time"
  | "timestamp"
  | "string"
  | "uuid"
  | "enum"
  | "bytes"
  | "fixed"
  | "array"
  | "map";

/**
 * One leaf of the field tree. Paths: `trip.fare`; an array `stops` is a column of lengths and `stops[]` its
 * elements (`stops[].at` for records); a map `m` is a column of lengths, `m{}` its values and `m{}#key` its
 * keys; union branches of different types are separate, `f#string` and `f#long`. A name with other characters
 * than letters, digits and `_` stands in backticks.
 */
export interface FieldDescriptor {
  readonly path: string;
  readonly kind: FieldKind;
  /**
   * Which arrays of the column are filled: `number` = `numbers`; `long` = `numbers`, `lo` and `hi` (the exact
   * 64-bit two's complement words); `bytes` = `starts` and `lengths` into the arena.
   */
  readonly storage: "number" | "long" | "bytes";
  /**
   * Index (in the batch's columns) of the array or map whose elements this column belongs to, or -1 for the row.
   * What could have been there = rows, or the sum of that column's lengths; missing = that - values - nulls.
   */
  readonly level: number;
  /** Decimal places of a decimal; the words hold the unscaled value. */
  readonly scale?: number;
}

/**
 * Values of one field in a batch. Value i belongs to row `rows[i]`; rows ascend. Arrays are longer than `count`
 * and are reused: copy what is to be kept.
 *
 * `numbers` holds: boolean 0 / 1 · int, long, float, double as they are (a long beyond 2^53 rounded, the words
 * exact) · decimal the scaled number · date epoch days · time milliseconds of the day · timestamp epoch
 * milliseconds (fractions for micro- and nanoseconds) · array and map the number of elements.
 */
export interface Column {
  readonly field: FieldDescriptor;
  readonly count: number;
  readonly rows: Int32Array;
  readonly numbers: Float64Array;
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  readonly nullCount: number;
  /** Row of each null, ascending. A null union counts for each of its branches, whose columns then have one array. */
  readonly nullRows: Int32Array;
}

/** A memory of WebAssembly in which all arrays of a batch's columns and its arena lie. */
export interface KernelRoom {
  readonly memory: WasmMemory;
  /** Address, a multiple of 16, of so many bytes that are the caller's until the batch is read into or reset. It may move all. */
  scratch(bytes: number): number;
}

/** The bytes of a batch's events, which can be read again when the batch itself is used for others. */
export interface EventBytes {
  /** Where in the arena each row's event begins; `payloadBytes` says how long it is. */
  readonly starts: Int32Array;
  /** Reads them as they were read. */
  readonly reader: EventReader;
}

export interface ColumnBatch {
  readonly columns: readonly Column[];
  readonly rowCapacity: number;
  rowCount: number;
  /** Bytes of all string-like values; enum symbols stand in front and stay. */
  arena: Uint8Array;
  arenaLength: number;
  /** 1 where a string of the row is not UTF-8. */
  readonly invalidUtf8: Uint8Array;
  /** Payload bytes of each row, wire header left out. */
  readonly payloadBytes: Int32Array;
  /** Absent: the events' bytes are not kept. */
  readonly events?: EventBytes | undefined;
  /** Another one after `reset()`; absent: the arrays lie anywhere. */
  readonly room?: KernelRoom | undefined;
  /** No row is left, or so much memory is taken that the batch should be used and reset before more is read. */
  readonly isFull: boolean;
  /** Empties the batch; arrays and enum symbols stay. */
  reset(): void;
}

/** A compiled writer schema. */
export interface EventReader {
  readonly fields: readonly FieldDescriptor[];
  createBatch(rowCapacity: number): ColumnBatch;
  /**
   * Decodes `bytes[from, to)` as one event into the next row of `batch`, which must have room.
   * On refusal nothing of the event stays in the batch. Never throws for any bytes.
   */
  read(batch: ColumnBatch, bytes: Uint8Array, from: number, to: number): "ok" | UndecodableReason;
  /** Position in `bytes` at which the last refused event was refused. */
  readonly errorPosition: number;
  /** Of the last refused event, where it was beyond a limit: which one, and with which field. */
  readonly errorDetail?: string | undefined;
}

/** A schema that will not be read, and why; the reason becomes that of each of its records. */
export interface SchemaRefusal {
  readonly reason: "schema_unknown" | "schema_refused";
  readonly message: string;
}

/** Readers by schema id, bounded, with one request in flight per id. */
export interface ReaderSource {
  /** The reader or refusal if known without waiting. */
  known(schemaId: number): EventReader | SchemaRefusal | undefined;
  /**
   * @throws {StreamgaugeError} `SG_CONNECT` when the registry does not answer in time, `SG_CONFIG` when it refuses to
   *   until somebody mends the configuration.
   */
  load(schemaId: number): Promise<EventReader | SchemaRefusal>;
}
