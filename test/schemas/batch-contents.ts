import type { Column, ColumnBatch } from "../../src/core/column-batch.ts";
import type { ExpectedColumn, ExpectedValue } from "./avro-oracle.ts";

/** Everything that the columns of a batch hold, by path, in the form of the oracle. */
export function batchContents(batch: ColumnBatch): Map<string, ExpectedColumn> {
  return new Map(batch.columns.map((column) => [column.field.path, columnContents(batch, column)]));
}

function columnContents(batch: ColumnBatch, column: Column): ExpectedColumn {
  const { kind, scale, level } = column.field;
  return {
    kind,
    scale,
    level: level < 0 ? undefined : batch.columns[level]!.field.path,
    rows: [...column.rows.subarray(0, column.count)],
    values: Array.from({ length: column.count }, (_, i) => valueAt(batch, column, i)),
    nullRows: [...column.nullRows.subarray(0, column.nullCount)],
  };
}

function valueAt(batch: ColumnBatch, column: Column, i: number): ExpectedValue {
  switch (column.field.storage) {
    case "bytes": {
      const start = column.starts[i]!;
      return Buffer.from(batch.arena.subarray(start, start + column.lengths[i]!)).toString("hex");
    }
    case "long": {
      const bits = (BigInt(column.hi[i]!) << 32n) | BigInt(column.lo[i]! >>> 0);
      return [bits, column.numbers[i]!];
    }
    case "number":
      return column.numbers[i]!;
  }
}
