// A table of the benchmark: its columns, the Avro schema that they make, and rows as bytes of it. Every field can be null, so that nulls
// can be planted everywhere; otherwise fields have the types that their sources have.
//
// A column: `path`, `type` (int, double, string, boolean, enum, timestamp), and where it applies `isEventTime` (no fault is planted in it),
// `isUnique` (a text that hardly ever comes twice), `clock` (what its numbers are of a time: hhmm, hour, ms) and `symbols` of an enum.
// Columns of one record stand together; a record that is listed in `nullableGroups` may be absent as a whole.
import { AvroBinaryWriter } from "../../dist/core/avro-binary.js";

const AVRO_TYPES = {
  int: () => "int",
  double: () => "double",
  string: () => "string",
  boolean: () => "boolean",
  timestamp: () => ({ type: "long", logicalType: "timestamp-millis" }),
  enum: ({ path, symbols }) => ({ type: "enum", name: `${path.replaceAll(".", "_")}_symbol`, symbols }),
};

/** JSON text. */
export function schemaOf(name, columns, nullableGroups = new Set()) {
  const fields = [];
  const groups = new Map();
  for (const column of columns) {
    const [group, leaf] = splitPath(column.path);
    const field = { name: leaf, type: ["null", AVRO_TYPES[column.type](column)] };
    if (group === undefined) {
      fields.push(field);
      continue;
    }
    if (!groups.has(group)) {
      const record = { type: "record", name: `${group}_record`, fields: [] };
      groups.set(group, record);
      fields.push({ name: group, type: nullableGroups.has(group) ? ["null", record] : record });
    }
    groups.get(group).fields.push(field);
  }
  return JSON.stringify({ type: "record", name, fields });
}

/** Gives the function that writes a row, by column, as one event. */
export function rowWriter(columns, nullableGroups = new Set()) {
  const places = columns.map(({ path }) => splitPath(path)[0]);
  return (row) => {
    const writer = new AvroBinaryWriter(192);
    let group;
    let isAbsent = false;
    for (let i = 0; i < columns.length; i++) {
      if (places[i] !== group) {
        group = places[i];
        isAbsent = false;
        if (group !== undefined && nullableGroups.has(group)) {
          isAbsent = row[i] === undefined;
          writer.long(isAbsent ? 0 : 1);
        }
      }
      if (!isAbsent) writeValue(writer, columns[i], row[i]);
    }
    return writer.finish();
  };
}

function writeValue(writer, column, value) {
  writer.long(value === null ? 0 : 1);
  if (value === null) return;
  switch (column.type) {
    case "int":
    case "timestamp":
      writer.long(value);
      break;
    case "double":
      writer.double(value);
      break;
    case "string":
      writer.string(value);
      break;
    case "boolean":
      writer.boolean(value);
      break;
    case "enum":
      writer.long(column.symbols.indexOf(value));
      break;
    default:
      throw new Error(`Cannot write ${column.path}: its type is ${column.type}`);
  }
}

function splitPath(path) {
  const dot = path.indexOf(".");
  return dot < 0 ? [undefined, path] : [path.slice(0, dot), path.slice(dot + 1)];
}
