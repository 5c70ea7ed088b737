/**
 * Avro type to fields: which values of an event become columns, and which are only read past.
 *
 * Paths are those of `FieldDescriptor`. A union of null and one other type is that field with nulls; several other
 * types are a field each (`f#string`, `f#com.example.Fare`, that one in backticks), and a null counts for each. A
 * record has no column of its own: a null record, or a branch that was not taken, records nothing for the fields
 * below. A type without content (null, a record without fields) has no column. A root that is no record is the
 * field `value`.
 *
 * A type inside itself is followed for some rounds, then read past. There are limits on columns, nodes and path
 * lengths, because a schema of a hundred lines can describe more paths than there are atoms; when they bite, the
 * rounds are lowered first, and what is still over is left out and counted.
 */
import type { FieldDescriptor, FieldKind } from "../core/column-batch.ts";
import { quoteName } from "../core/metric.ts";
import type { AvroArray, AvroLeaf, AvroMap, AvroRecord, AvroType, AvroUnion, LogicalType } from "./avro-type.ts";

/** Objects inside objects of an event: records, arrays and maps. The root counts as one. */
export const MAX_DATA_DEPTH = 64;
/** Columns of a schema: a batch of 1,024 rows then takes at most 45 MB. */
export const MAX_COLUMNS = 2048;
/** Places of the tree that are looked at, with and without column: bounds the work for a schema that fans out. */
const MAX_NODES = 65_536;
/** Characters; longer ones come only from schemas that want to be expensive. */
const MAX_PATH_LENGTH = 2048;
/** How often a record may stand inside itself on one path; lowered when the columns do not suffice. */
const RECURSION_ROUNDS = [3, 2, 1];

/** What to do with the bytes at one place of the schema. Columns are indexes into `fields`. */
export type FieldNode =
  /** Checked and read past. */
  | { readonly form: "skip"; readonly type: AvroType }
  | { readonly form: "value"; readonly type: AvroLeaf; readonly column: number }
  | { readonly form: "record"; readonly type: AvroRecord; readonly children: readonly FieldNode[] }
  | { readonly form: "array"; readonly type: AvroArray; readonly column: number; readonly items: FieldNode }
  | {
      readonly form: "map";
      readonly type: AvroMap;
      readonly column: number;
      readonly keyColumn: number;
      readonly values: FieldNode;
    }
  | {
      readonly form: "union";
      readonly type: AvroUnion;
      readonly branches: readonly FieldNode[];
      /** Columns that get a null when the null branch is taken. */
      readonly nullColumns: readonly number[];
    };

export interface FieldTree {
  readonly fields: readonly FieldDescriptor[];
  readonly root: FieldNode;
  /** Fields beyond the limits, read past; a record or array among them counts once. */
  readonly fieldsLeftOut: number;
}

export function fieldTree(type: AvroType): FieldTree {
  let tree: FieldTree | undefined;
  for (const rounds of RECURSION_ROUNDS) {
    tree = new TreeBuilder(rounds).build(type);
    if (tree.fieldsLeftOut === 0) break;
  }
  return tree!;
}

interface Place {
  readonly path: string;
  /** Column of the innermost array or map around, or -1. */
  readonly level: number;
  /** Records, arrays and maps around. */
  readonly depth: number;
}

class TreeBuilder {
  readonly #rounds: number;
  readonly #fields: FieldDescriptor[] = [];
  /** How often each record is open on the current path. */
  readonly #open = new Map<AvroRecord, number>();
  #nodeCount = 0;
  #leftOut = 0;

  constructor(rounds: number) {
    this.#rounds = rounds;
  }

  build(type: AvroType): FieldTree {
    const path = type.kind === "record" ? "" : "value";
    const root = this.#node(type, { path, level: -1, depth: 0 });
    return { fields: this.#fields, root, fieldsLeftOut: this.#leftOut };
  }

  #node(type: AvroType, place: Place): FieldNode {
    this.#nodeCount++;
    if (type.alwaysEmpty) return { form: "skip", type };
    if (this.#fields.length >= MAX_COLUMNS || this.#nodeCount > MAX_NODES || place.path.length > MAX_PATH_LENGTH) {
      return this.#leaveOut(type);
    }
    switch (type.kind) {
      case "record":
        return this.#record(type, place);
      case "union":
        return this.#union(type, place);
      case "array": {
        if (place.depth >= MAX_DATA_DEPTH) return { form: "skip", type };
        const column = this.#column(place, "array", "number");
        const path = `${place.path}[]`;
        return { form: "array", type, column, items: this.#node(type.items, below(place, path, column)) };
      }
      case "map": {
        if (place.depth >= MAX_DATA_DEPTH) return { form: "skip", type };
        const column = this.#column(place, "map", "number");
        const path = `${place.path}{}`;
        const keyColumn = this.#column(below(place, `${path}#key`, column), "string", "bytes");
        return { form: "map", type, column, keyColumn, values: this.#node(type.values, below(place, path, column)) };
      }
      default: {
        const { kind, storage, scale } = leafKind(type);
        return { form: "value", type, column: this.#column(place, kind, storage, scale) };
      }
    }
  }

  #record(type: AvroRecord, place: Place): FieldNode {
    const open = this.#open.get(type) ?? 0;
    if (open >= this.#rounds || place.depth >= MAX_DATA_DEPTH) return { form: "skip", type };
    this.#open.set(type, open + 1);
    const children: FieldNode[] = [];
    for (const field of type.fields) {
      const path = place.path === "" ? quoteName(field.name) : `${place.path}.${quoteName(field.name)}`;
      children.push(this.#node(field.type, { path, level: place.level, depth: place.depth + 1 }));
    }
    this.#open.set(type, open);
    return { form: "record", type, children };
  }

  #union(type: AvroUnion, place: Place): FieldNode {
    const several = type.branches.filter((branch) => branch.kind !== "null").length > 1;
    const branches: FieldNode[] = [];
    const nullColumns: number[] = [];
    const hasNull = type.branches.some((branch) => branch.kind === "null");
    for (const branch of type.branches) {
      const path = several && branch.kind !== "null" ? `${place.path}#${branchName(branch)}` : place.path;
      const node = this.#node(branch, { ...place, path });
      branches.push(node);
      if (hasNull && "column" in node) nullColumns.push(node.column);
    }
    return { form: "union", type, branches, nullColumns };
  }

  /** Index of a new column. The keys of a map may be one more than the limit. */
  #column({ path, level }: Place, kind: FieldKind, storage: FieldDescriptor["storage"], scale?: number): number {
    this.#fields.push(scale === undefined ? { path, kind, storage, level } : { path, kind, storage, level, scale });
    return this.#fields.length - 1;
  }

  #leaveOut(type: AvroType): FieldNode {
    this.#leftOut++;
    return { form: "skip", type };
  }
}

function below(place: Place, path: string, level: number): Place {
  return { path, level, depth: place.depth + 1 };
}

function branchName(branch: AvroType): string {
  if (!("name" in branch)) return branch.kind;
  // The only named types whose plain name is also that of an unnamed one.
  return branch.name === "array" || branch.name === "map" ? `\`${branch.name}\`` : quoteName(branch.name);
}

interface LeafKind {
  readonly kind: FieldKind;
  readonly storage: FieldDescriptor["storage"];
  readonly scale?: number;
}

function leafKind(type: AvroLeaf): LeafKind {
  if (type.kind === "enum") return { kind: "enum", storage: "bytes" };
  const logical = logicalKind(type.logical);
  switch (type.kind) {
    case "boolean":
    case "float":
    case "double":
      return { kind: type.kind, storage: "number" };
    case "int":
      return { kind: logical?.kind ?? "int", storage: "number" };
    case "long":
      return { kind: logical?.kind ?? "long", storage: "long" };
    case "string":
      return { kind: logical?.kind ?? "string", storage: "bytes" };
    case "bytes":
    case "fixed":
      return logical ?? { kind: type.kind, storage: "bytes" };
    case "null":
      throw new TypeError("Cannot make a column of the type null: it has no content");
  }
}

function logicalKind(logical: LogicalType | undefined): LeafKind | undefined {
  switch (logical?.name) {
    case undefined:
    case "duration":
      return undefined;
    case "decimal":
      return { kind: "decimal", storage: "long", scale: logical.scale };
    case "date":
      return { kind: "date", storage: "number" };
    case "time-millis":
      return { kind: "time", storage: "number" };
    case "time-micros":
      return { kind: "time", storage: "long" };
    case "uuid":
      return { kind: "uuid", storage: "bytes" };
    default:
      return { kind: "timestamp", storage: "long" };
  }
}
