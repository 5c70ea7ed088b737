/**
 * What a reader should have put into its columns, told from values that avsc decoded: slow, with objects and bigint,
 * and written from the documentation of `FieldDescriptor` alone.
 */
import { type AvroJson, type TwinValue, twinOf, unionKey } from "./avro-arbitraries.ts";

export interface ExpectedColumn {
  readonly kind: string;
  readonly scale: number | undefined;
  /** Path of the array or map around, or undefined. */
  readonly level: string | undefined;
  readonly rows: number[];
  readonly values: ExpectedValue[];
  readonly nullRows: number[];
}

/** A number; low 64 bits of an integer and its number; bytes in hexadecimal. */
export type ExpectedValue = number | readonly [bigint, number] | string;

/** Columns by path. `rows[i]` is the twin's value of row i. */
export function expectedColumns(schema: AvroJson, rows: readonly TwinValue[]): Map<string, ExpectedColumn> {
  return new Oracle(schema).columnsOf(rows);
}

/** How often a record is followed into itself. */
const ROUNDS = 3;
type Attributes = Readonly<Record<string, AvroJson>>;

class Oracle {
  readonly #columns = new Map<string, ExpectedColumn>();
  readonly #schema: AvroJson;
  readonly #twin: AvroJson;
  readonly #named = new Map<string, AvroJson>();
  readonly #namedTwins = new Map<string, AvroJson>();
  #open: readonly string[] = [];

  constructor(schema: AvroJson) {
    this.#schema = schema;
    this.#twin = twinOf(schema);
    collect(this.#schema, this.#named);
    collect(this.#twin, this.#namedTwins);
  }

  columnsOf(rows: readonly TwinValue[]): Map<string, ExpectedColumn> {
    const path = kindOf(this.#schema) === "record" ? "" : "value";
    this.#declare(this.#schema, path, undefined);
    for (const [row, value] of rows.entries()) this.#record(this.#schema, this.#twin, value, row, path);
    return this.#columns;
  }

  #declare(schema: AvroJson, path: string, level: string | undefined): void {
    const type = this.#resolve(schema);
    if (this.#isEmpty(type)) return;
    switch (kindOf(type)) {
      case "union":
        for (const branch of type as readonly AvroJson[])
          this.#declare(branch, this.#branchPath(type, branch, path), level);
        break;
      case "record":
        this.#inside(type, () => {
          for (const field of fieldsOf(type)) this.#declare(field.type, below(path, field.name), level);
        });
        break;
      case "array":
        this.#column(path, "array", level);
        this.#declare((type as Attributes).items!, `${path}[]`, path);
        break;
      case "map":
        this.#column(path, "map", level);
        this.#column(`${path}{}#key`, "string", path);
        this.#declare((type as Attributes).values!, `${path}{}`, path);
        break;
      default:
        this.#column(path, leafKind(type), level, scaleOf(type));
    }
  }

  #record(schema: AvroJson, twinSchema: AvroJson, value: TwinValue, row: number, path: string): void {
    const type = this.#resolve(schema);
    const twin = typeof twinSchema === "string" ? (this.#namedTwins.get(twinSchema) ?? twinSchema) : twinSchema;
    if (this.#isEmpty(type)) return;
    switch (kindOf(type)) {
      case "union": {
        const branches = type as readonly AvroJson[];
        if (value === null) {
          for (const branch of branches) {
            if (branch !== "null") this.#columns.get(this.#branchPath(type, branch, path))?.nullRows.push(row);
          }
          break;
        }
        const [[name, inner]] = Object.entries(value as object) as [[string, unknown]];
        const index = (twin as readonly AvroJson[]).findIndex((branch) => unionKey(branch) === name);
        const branch = branches[index]!;
        this.#record(branch, (twin as readonly AvroJson[])[index]!, inner, row, this.#branchPath(type, branch, path));
        break;
      }
      case "record":
        this.#inside(type, () => {
          for (const [index, field] of fieldsOf(type).entries()) {
            const inner = (value as Record<string, unknown>)[`f${index}`];
            this.#record(field.type, fieldsOf(twin)[index]!.type, inner, row, below(path, field.name));
          }
        });
        break;
      case "array": {
        const items = value as readonly unknown[];
        this.#push(path, row, items.length);
        const itemTwin = (twin as Attributes).items!;
        for (const item of items) this.#record((type as Attributes).items!, itemTwin, item, row, `${path}[]`);
        break;
      }
      case "map": {
        const { entries } = value as { entries: readonly { key: { b: Buffer }; value: unknown }[] };
        this.#push(path, row, entries.length);
        const entryTwin = (fieldsOf(twin)[0]!.type as Attributes).items!;
        for (const entry of entries) {
          this.#push(`${path}{}#key`, row, entry.key.b.toString("hex"));
          const valueTwin = fieldsOf(entryTwin)[1]!.type;
          this.#record((type as Attributes).values!, valueTwin, entry.value, row, `${path}{}`);
        }
        break;
      }
      default:
        this.#push(path, row, leafValue(type, value));
    }
  }

  #inside(record: AvroJson, visit: () => void): void {
    const name = unionKey(record);
    if (this.#open.filter((open) => open === name).length >= ROUNDS) return;
    const before = this.#open;
    this.#open = [...before, name];
    visit();
    this.#open = before;
  }

  #branchPath(union: AvroJson, branch: AvroJson, path: string): string {
    const notNull = (union as readonly AvroJson[]).filter((other) => other !== "null");
    if (notNull.length < 2 || branch === "null") return path;
    const name = unionKey(this.#resolve(branch));
    return `${path}#${/^\w+$/.test(name) ? name : `\`${name}\``}`;
  }

  #column(path: string, kind: string, level: string | undefined, scale?: number): void {
    this.#columns.set(path, { kind, scale, level, rows: [], values: [], nullRows: [] });
  }

  /** Nothing below a record that is not followed. */
  #push(path: string, row: number, value: ExpectedValue): void {
    const column = this.#columns.get(path);
    column?.rows.push(row);
    column?.values.push(value);
  }

  #resolve(node: AvroJson): AvroJson {
    return typeof node === "string" ? (this.#named.get(node) ?? node) : node;
  }

  #isEmpty(node: AvroJson, open: readonly AvroJson[] = []): boolean {
    const type = this.#resolve(node);
    if (type === "null") return true;
    if (kindOf(type) !== "record" || open.includes(type)) return false;
    return fieldsOf(type).every((field) => this.#isEmpty(field.type, [...open, type]));
  }
}

function leafValue(type: AvroJson, value: unknown): ExpectedValue {
  switch (kindOf(type)) {
    case "boolean":
      return value === true ? 1 : 0;
    case "enum":
      return Buffer.from(
        (type as Readonly<Record<string, readonly string[]>>).symbols![Number(String(value).slice(1))]!,
      ).toString("hex");
    case "string":
      return (value as { b: Buffer }).b.toString("hex");
    case "bytes":
    case "fixed": {
      const hex = (value as Buffer).toString("hex");
      if (leafKind(type) === "decimal") {
        const unscaled = hex === "" ? 0n : BigInt.asIntN(hex.length * 4, BigInt(`0x${hex}`));
        return [BigInt.asIntN(64, unscaled), Number(`${unscaled}e-${scaleOf(type)}`)];
      }
      if (leafKind(type) !== "uuid") return hex;
      return Buffer.from(hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")).toString("hex");
    }
    case "long": {
      const { logicalType = "" } = type as Readonly<Record<string, string>>;
      const ticks = logicalType.endsWith("micros") ? 1000 : logicalType.endsWith("nanos") ? 1_000_000 : 1;
      return [value as bigint, Number(value) / ticks];
    }
    default:
      return value as number;
  }
}

function leafKind(type: AvroJson): string {
  const kind = kindOf(type);
  const { logicalType, size } = type as Readonly<Record<string, unknown>>;
  const name = `${kind} ${logicalType}`;
  if (name === "int date") return "date";
  if (name === "int time-millis" || name === "long time-micros") return "time";
  if (/^long (local-)?timestamp-/.test(name)) return "timestamp";
  if (name === "string uuid" || (name === "fixed uuid" && size === 16)) return "uuid";
  // In the schemas made here each precision fits, but for a fixed of one byte only two digits.
  if (name === "bytes decimal" || name === "fixed decimal") return "decimal";
  return kind;
}

function scaleOf(type: AvroJson): number | undefined {
  return leafKind(type) === "decimal" ? (type as { scale: number }).scale : undefined;
}

function kindOf(type: AvroJson): string {
  if (typeof type === "string") return type;
  return Array.isArray(type) ? "union" : (type as { type: string }).type;
}

function fieldsOf(type: AvroJson): readonly { readonly name: string; readonly type: AvroJson }[] {
  return (type as unknown as { fields: readonly { name: string; type: AvroJson }[] }).fields;
}

function below(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function collect(node: AvroJson, named: Map<string, AvroJson>): void {
  if (typeof node === "string") return;
  if (Array.isArray(node)) {
    for (const branch of node) collect(branch, named);
    return;
  }
  const attributes = node as Attributes;
  if (attributes.name !== undefined) named.set(unionKey(node), node);
  for (const inner of [attributes.items, attributes.values]) if (inner !== undefined) collect(inner, named);
  if (attributes.fields !== undefined) for (const field of fieldsOf(node)) collect(field.type, named);
}
