/** The tree that an Avro schema stands for. Records may refer to themselves by the same object. */

export type LogicalType =
  | { readonly name: "decimal"; readonly precision: number; readonly scale: number }
  | {
      readonly name:
        | "date"
        | "time-millis"
        | "time-micros"
        | "timestamp-millis"
        | "timestamp-micros"
        | "timestamp-nanos"
        | "local-timestamp-millis"
        | "local-timestamp-micros"
        | "local-timestamp-nanos"
        | "uuid"
        | "duration";
    };

interface Encoded {
  /** A lower bound of the bytes of a value; bounds the items of an array before they are read. */
  readonly minBytes: number;
  /** Whether each value takes no byte: null, a fixed of size 0, a record of nothing else. */
  readonly alwaysEmpty: boolean;
}

export type PrimitiveKind = "null" | "boolean" | "int" | "long" | "float" | "double" | "bytes" | "string";

export interface AvroPrimitive extends Encoded {
  readonly kind: PrimitiveKind;
  readonly logical: LogicalType | undefined;
}
export interface AvroRecord extends Encoded {
  readonly kind: "record";
  /** Full name, with namespace. */
  readonly name: string;
  readonly fields: readonly AvroField[];
}
export interface AvroField {
  readonly name: string;
  readonly type: AvroType;
  readonly hasDefault: boolean;
}
export interface AvroEnum extends Encoded {
  readonly kind: "enum";
  readonly name: string;
  readonly symbols: readonly string[];
}
export interface AvroFixed extends Encoded {
  readonly kind: "fixed";
  readonly name: string;
  readonly size: number;
  readonly logical: LogicalType | undefined;
}
export interface AvroArray extends Encoded {
  readonly kind: "array";
  readonly items: AvroType;
}
export interface AvroMap extends Encoded {
  readonly kind: "map";
  readonly values: AvroType;
}
export interface AvroUnion extends Encoded {
  readonly kind: "union";
  readonly branches: readonly AvroType[];
}
/** A type with nothing inside. */
export type AvroLeaf = AvroPrimitive | AvroEnum | AvroFixed;
/** A type with other types inside. */
export type AvroComposite = AvroRecord | AvroArray | AvroMap | AvroUnion;
export type AvroType = AvroLeaf | AvroComposite;
