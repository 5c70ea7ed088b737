/** Column batches from plain rows, as a reader would fill them. */
import type { Column, ColumnBatch, EventReader, FieldDescriptor, FieldKind } from "../../src/core/column-batch.ts";
import type { PairPaths } from "../../src/core/config.ts";
import { BatchProfiler, type RowFacts } from "../../src/profiles/batch-profiler.ts";
import type { LabelPolicy } from "../../src/profiles/labels.ts";
import { Profile } from "../../src/profiles/profile.ts";

/** `bigint`: a long, or the unscaled value of a decimal. Arrays and maps: their length. */
export type Value = number | bigint | boolean | string | Uint8Array | null;
/** The values of one row for each field: none where the field is missing, one, or several below an array. */
export type Row = readonly (readonly Value[])[];

export const SHOW: LabelPolicy = { policyOf: () => "show", hashLabel: (text) => `hmac:${text.length}` };

const STORAGE: Partial<Record<FieldKind, FieldDescriptor["storage"]>> = {
  long: "long",
  decimal: "long",
  string: "bytes",
  uuid: "bytes",
  enum: "bytes",
  bytes: "bytes",
  fixed: "bytes",
};

export function fieldOf(
  path: string,
  kind: FieldKind,
  options: { level?: number; scale?: number } = {},
): FieldDescriptor {
  const scale = options.scale === undefined ? {} : { scale: options.scale };
  return { path, kind, storage: STORAGE[kind] ?? "number", level: options.level ?? -1, ...scale };
}

export function batchOf(fields: readonly FieldDescriptor[], rows: readonly Row[]): ColumnBatch {
  const arena: number[] = [];
  const columns = fields.map((field, index) => {
    const column = emptyColumn(
      field,
      rows.reduce((total, row) => total + (row[index]?.length ?? 0), 0),
    );
    for (const [row, cells] of rows.entries()) for (const value of cells[index] ?? []) put(column, row, value, arena);
    return column;
  });
  const payloadBytes = Int32Array.from(rows, (row) => 10 + row.flat().length);
  // The event of a row: its number, and nothing that anybody reads.
  const starts = Int32Array.from(rows, (_, row) => {
    const start = arena.push(row & 0xff, row >> 8) - 2;
    for (let left = payloadBytes[row]! - 2; left > 0; left--) arena.push(0xee);
    return start;
  });
  return {
    columns,
    rowCapacity: rows.length,
    isFull: true,
    rowCount: rows.length,
    arena: Uint8Array.from(arena),
    arenaLength: arena.length,
    invalidUtf8: new Uint8Array(rows.length),
    payloadBytes,
    events: { starts, reader: readerOf(fields, rows) },
    reset: () => {},
  };
}

/** Reads the numbers of rows, and gives these. */
function readerOf(fields: readonly FieldDescriptor[], all: readonly Row[]): EventReader {
  const rowsOf = new WeakMap<ColumnBatch, Row[]>();
  return {
    fields,
    errorPosition: 0,
    createBatch: (rowCapacity) => {
      const rows: Row[] = [];
      let filled: ColumnBatch | undefined;
      const look = () => {
        if (filled?.rowCount !== rows.length) filled = batchOf(fields, rows);
        return filled;
      };
      const columns = fields.map((_, index) => lookingInto(() => look().columns[index]!));
      const batch: ColumnBatch = lookingInto(look, {
        columns,
        rowCapacity,
        events: undefined,
        reset: () => {
          rows.length = 0;
          filled = undefined;
        },
      });
      rowsOf.set(batch, rows);
      return batch;
    },
    read: (batch, bytes, from) => {
      rowsOf.get(batch)!.push(all[bytes[from]! + 256 * bytes[from + 1]!]!);
      return "ok";
    },
  };
}

/** Whatever is asked is asked of what `look()` gives, but for what is known. */
function lookingInto<T extends object>(look: () => T, known: Partial<T> = {}): T {
  const get = (_: object, key: string | symbol) => Reflect.get(key in known ? known : look(), key) as unknown;
  return new Proxy<T>({} as T, { get });
}

export function factsOf(rowCount: number, facts: Partial<RowFacts> = {}): RowFacts {
  return {
    schemaId: 1,
    invalidReasons: new Uint8Array(rowCount),
    eventTimesMs: new Float64Array(rowCount).fill(1_000),
    brokerTimesMs: new Float64Array(rowCount).fill(3_000),
    ...facts,
  };
}

/** One profile of all rows. */
export function profileOf(
  fields: readonly FieldDescriptor[],
  rows: readonly Row[],
  options: {
    labels?: LabelPolicy;
    facts?: Partial<RowFacts>;
    seed?: number;
    ignore?: ReadonlySet<string>;
    pairs?: readonly PairPaths[];
  } = {},
): Profile {
  const profile = Profile.empty(options.seed ?? 7);
  const profiler = new BatchProfiler({
    labels: options.labels ?? SHOW,
    pairs: options.pairs,
    ...(options.ignore === undefined ? {} : { ignore: options.ignore }),
  });
  profiler.begin(batchOf(fields, rows), factsOf(rows.length, options.facts));
  profiler.addGroups(new Int32Array(rows.length), [profile]);
  profiler.end();
  return profile;
}

type FilledColumn = { -readonly [Key in keyof Column]: Column[Key] };

function emptyColumn(field: FieldDescriptor, capacity: number): FilledColumn {
  return {
    field,
    count: 0,
    rows: new Int32Array(capacity),
    numbers: new Float64Array(capacity),
    lo: new Int32Array(capacity),
    hi: new Int32Array(capacity),
    starts: new Int32Array(capacity),
    lengths: new Int32Array(capacity),
    nullCount: 0,
    nullRows: new Int32Array(capacity),
  };
}

function put(column: FilledColumn, row: number, value: Value, arena: number[]): void {
  if (value === null) {
    column.nullRows[column.nullCount++] = row;
    return;
  }
  const index = column.count++;
  column.rows[index] = row;
  if (typeof value === "string" || value instanceof Uint8Array) {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    column.starts[index] = arena.length;
    column.lengths[index] = bytes.length;
    arena.push(...bytes);
    return;
  }
  const scale = column.field.kind === "decimal" ? 10 ** (column.field.scale ?? 0) : 1;
  column.numbers[index] = Number(value) / scale;
  if (column.field.storage !== "long") return;
  const words = BigInt.asUintN(64, BigInt(value));
  column.lo[index] = Number(words & 0xffffffffn) | 0;
  column.hi[index] = Number(words >> 32n) | 0;
}
