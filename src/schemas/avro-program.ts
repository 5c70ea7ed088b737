/**
 * Field tree to reader program. What has columns is inline. A record, array, map or union that is only read past is a
 * routine, compiled once and called, so a program is never larger than the field tree plus the schema, also for types
 * inside themselves.
 */
import {
  type AvroProgram,
  EVERY_ROW,
  OP_BOOLEAN,
  OP_BYTES,
  OP_CALL,
  OP_DECIMAL_BYTES,
  OP_DECIMAL_FIXED,
  OP_DOUBLE,
  OP_END,
  OP_ENUM,
  OP_FIXED,
  OP_FLOAT,
  OP_INT,
  OP_JUMP,
  OP_LONG,
  OP_LOOP,
  OP_NEXT,
  OP_NULL,
  OP_NULLABLE,
  OP_RETURN,
  OP_STRING,
  OP_TICKS,
  OP_UNION,
  OP_UUID_FIXED,
} from "./avro-interpreter.ts";
import type { AvroComposite, AvroEnum, AvroLeaf, AvroType, AvroUnion } from "./avro-type.ts";
import type { FieldNode, FieldTree } from "./field-tree.ts";

export function compileProgram(tree: FieldTree): AvroProgram {
  return new ProgramCompiler().compile(tree);
}

const NO_COLUMN = -1;

class ProgramCompiler {
  readonly #code: number[] = [];
  /** Start of each routine; calls are compiled with the routine's number and patched at the end. */
  readonly #routineOf = new Map<AvroComposite, number>();
  readonly #routines: AvroComposite[] = [];
  readonly #callTargets: number[] = [];
  readonly #enums = new Map<AvroEnum, number>();
  readonly #symbols: string[] = [];
  readonly #everyRow = new Set<number>();
  #nullsOf = new Int32Array(0);

  compile(tree: FieldTree): AvroProgram {
    this.#markEveryRow(tree.root);
    this.#nullsOf = Int32Array.from(tree.fields, (_, column) => column);
    this.#node(tree.root, 0);
    this.#emit(OP_END);
    const starts: number[] = [];
    // The list grows while it is worked through: a routine may call others.
    for (const type of this.#routines) {
      starts.push(this.#code.length);
      this.#routine(type);
      this.#emit(OP_RETURN);
    }
    const writesText = tree.fields.some((field) => field.kind === "uuid");
    for (const at of this.#callTargets) this.#code[at] = starts[this.#code[at]!]!;
    const code = Int32Array.from(this.#code);
    const { fields } = tree;
    return { code, fields, everyRow: this.#everyRow, nullsOf: this.#nullsOf, writesText, ...this.#symbolTables() };
  }

  /** Finds the columns that are neither in a union nor below an array or map. */
  #markEveryRow(node: FieldNode): void {
    if (node.form === "record") for (const child of node.children) this.#markEveryRow(child);
    else if (node.form === "value" || node.form === "array" || node.form === "map") this.#everyRow.add(node.column);
  }

  /** What an instruction says of its column. */
  #operand(column: number): number {
    return this.#everyRow.has(column) ? column + EVERY_ROW : column;
  }

  /** `depth` is that of the record, array or map around. */
  #node(node: FieldNode, depth: number): void {
    switch (node.form) {
      case "skip":
        this.#skip(node.type, depth);
        break;
      case "value":
        this.#value(node.type, node.column);
        break;
      case "record":
        for (const child of node.children) this.#node(child, depth + 1);
        break;
      case "array":
        this.#loop(node.column, node.type.items.minBytes, mostValues(node.items), depth + 1, () =>
          this.#node(node.items, depth + 1),
        );
        break;
      case "map":
        this.#loop(node.column, 1 + node.type.values.minBytes, 1 + mostValues(node.values), depth + 1, () => {
          this.#emit(OP_STRING, node.keyColumn);
          this.#node(node.values, depth + 1);
        });
        break;
      case "union":
        this.#union(node.type, node.nullColumns, (index) => this.#node(node.branches[index]!, depth));
        break;
    }
  }

  #skip(type: AvroType, depth: number): void {
    if (type.alwaysEmpty) return;
    switch (type.kind) {
      case "record":
        this.#call(type, depth + 1);
        break;
      case "array":
      case "map":
      case "union":
        this.#call(type, depth);
        break;
      default:
        this.#value(type, NO_COLUMN);
        break;
    }
  }

  #routine(type: AvroComposite): void {
    switch (type.kind) {
      case "record":
        for (const field of type.fields) this.#skip(field.type, 0);
        break;
      case "array":
        this.#loop(NO_COLUMN, type.items.minBytes, 0, 1, () => this.#skip(type.items, 1));
        break;
      case "map":
        this.#loop(NO_COLUMN, 1 + type.values.minBytes, 0, 1, () => {
          this.#emit(OP_STRING, NO_COLUMN);
          this.#skip(type.values, 1);
        });
        break;
      case "union":
        this.#union(type, [], (index) => this.#skip(type.branches[index]!, 0));
        break;
    }
  }

  #value(type: AvroLeaf, column: number): void {
    const operand = this.#operand(column);
    switch (type.kind) {
      case "null":
        break;
      case "boolean":
        this.#emit(OP_BOOLEAN, operand);
        break;
      case "int":
        this.#emit(OP_INT, operand);
        break;
      case "long": {
        const ticks = ticksPerMillisecond(type.logical?.name);
        if (ticks === 1) this.#emit(OP_LONG, operand);
        else this.#emit(OP_TICKS, operand, ticks);
        break;
      }
      case "float":
        this.#emit(OP_FLOAT, operand);
        break;
      case "double":
        this.#emit(OP_DOUBLE, operand);
        break;
      case "string":
        this.#emit(OP_STRING, operand);
        break;
      case "bytes":
        if (type.logical?.name === "decimal") this.#emit(OP_DECIMAL_BYTES, operand, type.logical.scale);
        else this.#emit(OP_BYTES, operand);
        break;
      case "fixed":
        if (type.logical?.name === "decimal") this.#emit(OP_DECIMAL_FIXED, operand, type.logical.scale, type.size);
        else if (type.logical?.name === "uuid") this.#emit(OP_UUID_FIXED, operand);
        else this.#emit(OP_FIXED, operand, type.size);
        break;
      case "enum":
        this.#emit(OP_ENUM, operand, this.#firstSymbol(type), type.symbols.length);
        break;
    }
  }

  #loop(column: number, minItemBytes: number, itemValues: number, depth: number, body: () => void): void {
    this.#emit(OP_LOOP, depth, 0);
    const start = this.#code.length;
    body();
    this.#code[start - 1] = this.#code.length;
    this.#emit(OP_NEXT, this.#operand(column), Math.min(minItemBytes, 0x7fffffff), start, itemValues);
  }

  #union(type: AvroUnion, nullColumns: readonly number[], branch: (index: number) => void): void {
    const nullIndex = type.branches.findIndex(({ kind }) => kind === "null");
    // A null is one of each branch: a union of thousands of types would turn each byte of an event into as many.
    const nullColumn = nullColumns[0] ?? NO_COLUMN;
    for (const column of nullColumns) this.#nullsOf[column] = nullColumn;
    if (type.branches.length === 2 && nullIndex >= 0) {
      this.#emit(OP_NULLABLE, 2 * nullIndex, 2 * (1 - nullIndex), nullColumn, 0);
      const target = this.#code.length - 1;
      branch(1 - nullIndex);
      this.#code[target] = this.#code.length;
      return;
    }
    this.#emit(OP_UNION, type.branches.length);
    const table = this.#code.length;
    for (let index = 0; index < type.branches.length; index++) this.#emit(0);
    const ends: number[] = [];
    for (let index = 0; index < type.branches.length; index++) {
      this.#code[table + index] = this.#code.length;
      if (index !== nullIndex) branch(index);
      else if (nullColumn !== NO_COLUMN) this.#emit(OP_NULL, nullColumn);
      this.#emit(OP_JUMP, 0);
      ends.push(this.#code.length - 1);
    }
    for (const at of ends) this.#code[at] = this.#code.length;
  }

  #call(type: AvroComposite, depth: number): void {
    let routine = this.#routineOf.get(type);
    if (routine === undefined) {
      routine = this.#routines.length;
      this.#routineOf.set(type, routine);
      this.#routines.push(type);
    }
    this.#emit(OP_CALL, routine, depth);
    this.#callTargets.push(this.#code.length - 2);
  }

  #firstSymbol(type: AvroEnum): number {
    let first = this.#enums.get(type);
    if (first === undefined) {
      first = this.#symbols.length;
      this.#enums.set(type, first);
      for (const symbol of type.symbols) this.#symbols.push(symbol);
    }
    return first;
  }

  #symbolTables(): Pick<AvroProgram, "symbols" | "symbolStarts" | "symbolLengths"> {
    const symbolStarts = new Int32Array(this.#symbols.length);
    const symbolLengths = new Int32Array(this.#symbols.length);
    let length = 0;
    for (const [index, symbol] of this.#symbols.entries()) {
      symbolStarts[index] = length;
      // Symbols are ASCII: the parser has seen to it.
      symbolLengths[index] = symbol.length;
      length += symbol.length;
    }
    const symbols = new TextEncoder().encode(this.#symbols.join(""));
    return { symbols, symbolStarts, symbolLengths };
  }

  #emit(...words: readonly number[]): void {
    for (const word of words) this.#code.push(word);
  }
}

/** Values and nulls that an item stores at most, but for what is in arrays and maps inside it, whose own items are counted. */
function mostValues(node: FieldNode): number {
  switch (node.form) {
    case "skip":
      return 0;
    case "value":
    case "array":
    case "map":
      return 1;
    case "record":
      return node.children.reduce((sum, child) => sum + mostValues(child), 0);
    case "union":
      return Math.max(node.nullColumns.length > 0 ? 1 : 0, ...node.branches.map(mostValues));
  }
}

function ticksPerMillisecond(logicalName: string | undefined): number {
  switch (logicalName) {
    case "time-micros":
    case "timestamp-micros":
    case "local-timestamp-micros":
      return 1000;
    case "timestamp-nanos":
    case "local-timestamp-nanos":
      return 1_000_000;
    default:
      return 1;
  }
}
