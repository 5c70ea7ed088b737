/**
 * Counts the rows of a batch by where they came from, as far as a flush tells it (`flush-origins.ts`): nothing is done for rows of the base,
 * which in nearly every flush are all.
 */
import type { Column, ColumnBatch, FieldKind } from "../core/column-batch.ts";
import { fieldKey, KIND_STATES } from "./field-kinds.ts";
import type { FlushDimension, FlushOrigins } from "./flush-origins.ts";
import { FIGURES, type OriginFigures } from "./origins.ts";

/** What the sum and the zeros of a field are of. */
type Sums = "number" | "size" | "boolean" | "length" | "none";

interface CountedColumn {
  readonly key: string;
  readonly sums: Sums;
}

/** Where rows are counted. */
interface Target {
  readonly figures: OriginFigures;
  /** Of each column, where its figures begin; −1: nowhere. */
  readonly starts: Int32Array;
  readonly room: Float64Array;
}

const UNKNOWN = -2;

export class OriginCounter {
  readonly #columns = new WeakMap<ColumnBatch["columns"], readonly CountedColumn[]>();
  /** Index of the target of each row; −1: the row is of the base, or of no group. */
  #targetOfRow = new Int32Array(0);

  /** Row r is of `groups[groupOfRow[r]]`, or of none when that is −1; all are of this writer schema. */
  countSchema(
    batch: ColumnBatch,
    invalidReasons: Uint8Array,
    groupOfRow: Int32Array,
    groups: readonly FlushOrigins[],
    schema: string,
  ): void {
    const others = groups.map((origins) => (origins.isBase("schema", schema) ? undefined : origins));
    if (others.every((origins) => origins === undefined)) return;
    const targets: Target[] = [];
    const ofGroup = others.map((origins) => {
      return origins === undefined ? -1 : targets.push(this.#target(batch, origins, "schema", schema)) - 1;
    });
    this.#assign(batch.rowCount, (row) => ofGroup[groupOfRow[row]!] ?? -1);
    this.#count(batch, invalidReasons, targets);
  }

  /** As `countSchema()`: the producer of row r is `names[producerOfRow[r]]`. */
  countProducers(
    batch: ColumnBatch,
    invalidReasons: Uint8Array,
    groupOfRow: Int32Array,
    groups: readonly FlushOrigins[],
    producerOfRow: Uint8Array,
    names: readonly string[],
  ): void {
    const targets: Target[] = [];
    const known = new Int32Array(groups.length * names.length).fill(UNKNOWN);
    this.#assign(batch.rowCount, (row) => {
      const group = groupOfRow[row]!;
      if (group < 0) return -1;
      const at = group * names.length + producerOfRow[row]!;
      if (known[at] === UNKNOWN) {
        const origins = groups[group]!;
        const name = names[producerOfRow[row]!]!;
        const isBase = origins.isBase("producer", name);
        known[at] = isBase ? -1 : targets.push(this.#target(batch, origins, "producer", name)) - 1;
      }
      return known[at]!;
    });
    if (targets.length > 0) this.#count(batch, invalidReasons, targets);
  }

  #assign(rowCount: number, targetOf: (row: number) => number): void {
    if (this.#targetOfRow.length < rowCount) this.#targetOfRow = new Int32Array(rowCount);
    for (let row = 0; row < rowCount; row++) this.#targetOfRow[row] = targetOf(row);
  }

  #target(batch: ColumnBatch, origins: FlushOrigins, dimension: FlushDimension, value: string): Target {
    const figures = origins.figures(dimension, value);
    const starts = Int32Array.from(this.#columnsOf(batch), ({ key }) => {
      const place = origins.others.placeOf(key);
      return place < 0 ? -1 : place * FIGURES;
    });
    return { figures, starts, room: figures.room(origins.others.fieldCount) };
  }

  #columnsOf({ columns }: ColumnBatch): readonly CountedColumn[] {
    let counted = this.#columns.get(columns);
    if (counted === undefined) {
      counted = columns.map(({ field: { path, kind } }) => ({ key: fieldKey(path, kind), sums: sumsOf(kind) }));
      this.#columns.set(columns, counted);
    }
    return counted;
  }

  #count(batch: ColumnBatch, invalidReasons: Uint8Array, targets: readonly Target[]): void {
    const targetOfRow = this.#targetOfRow;
    for (let row = 0; row < batch.rowCount; row++) {
      const target = targetOfRow[row]!;
      if (target < 0) continue;
      const { figures } = targets[target]!;
      figures.addCount("rows", 1);
      if (invalidReasons[row] !== 0) figures.addCount("invalid", 1);
    }
    for (const [index, { sums }] of this.#columnsOf(batch).entries()) {
      countColumn(batch.columns[index]!, index, sums, targetOfRow, targets);
    }
  }
}

function countColumn(
  column: Column,
  index: number,
  sums: Sums,
  targetOfRow: Int32Array,
  targets: readonly Target[],
): void {
  const { count, rows, numbers, lengths, nullCount, nullRows } = column;
  for (let i = 0; i < nullCount; i++) {
    const target = targetOfRow[nullRows[i]!]!;
    if (target < 0) continue;
    const { room, starts } = targets[target]!;
    if (starts[index]! >= 0) room[starts[index]! + 1]!++;
  }
  const isText = column.field.storage === "bytes";
  for (let i = 0; i < count; i++) {
    const target = targetOfRow[rows[i]!]!;
    if (target < 0) continue;
    const { room, starts } = targets[target]!;
    const at = starts[index]!;
    if (at < 0) continue;
    const value = isText ? lengths[i]! : numbers[i]!;
    room[at]!++;
    if (value - value !== 0) continue;
    room[at + 2]!++;
    if (sums === "none") continue;
    if (sums !== "length") room[at + 3]! += value;
    if (value === 0 && sums !== "boolean") room[at + 4]!++;
    if (value < 0) room[at + 5]!++;
  }
}

/** As `FieldProfile.addFigures()` has them. */
function sumsOf(kind: FieldKind): Sums {
  switch (KIND_STATES[kind].class) {
    case "number":
      return "number";
    case "array":
    case "map":
      return "size";
    case "boolean":
      return "boolean";
    case "text":
    case "bytes":
      return "length";
    default:
      return "none";
  }
}
