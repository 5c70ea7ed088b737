/** Fields of every kind, and rows over their whole domains. */
import fc from "fast-check";
import { fieldOf, type Row, type Value } from "./column-batches.ts";

export const EVERY_KIND = [
  fieldOf("flag", "boolean"),
  fieldOf("small", "int"),
  fieldOf("wide", "long"),
  fieldOf("ratio", "double"),
  fieldOf("price", "decimal", { scale: 2 }),
  fieldOf("day", "date"),
  fieldOf("at", "timestamp"),
  fieldOf("name", "string"),
  fieldOf("color", "enum"),
  fieldOf("blob", "bytes"),
  fieldOf("stops", "array"),
  fieldOf("stops[]", "double", { level: 10 }),
  fieldOf("tags", "map"),
  fieldOf("tags{}", "string", { level: 12 }),
] as const;

const maybe = (value: fc.Arbitrary<Value>): fc.Arbitrary<Value[]> =>
  fc.oneof({ weight: 8, arbitrary: value.map((one): Value[] => [one]) }, fc.constantFrom<Value[]>([null], []));

const double = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, 1, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324),
);
const long = fc.oneof(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.bigInt(-3n, 3n));
const text = fc.oneof(
  fc.constantFrom("", "a", "ä", "😀x", "__proto__", " \t", "-1.5e3", "2013-02-08T06:00", "8/2/2013", "JFK-7b é 9x"),
  fc.string({ unit: "binary", maxLength: 12 }),
);
const listOf = (element: fc.Arbitrary<Value>): fc.Arbitrary<[Value[], Value[]]> =>
  fc.oneof(
    fc
      .array(fc.oneof({ weight: 6, arbitrary: element }, fc.constant(null)), { maxLength: 4 })
      .map((elements): [Value[], Value[]] => [[elements.length], elements]),
    fc.constantFrom<[Value[], Value[]]>([[null], []], [[], []]),
  );

export const rowOfEveryKind: fc.Arbitrary<Row> = fc
  .tuple(
    maybe(fc.boolean()),
    maybe(fc.integer()),
    maybe(long),
    maybe(double),
    maybe(fc.bigInt(-100_000n, 100_000n)),
    maybe(fc.integer({ min: -800_000, max: 800_000 })),
    maybe(fc.oneof(fc.integer({ min: -1e12, max: 4e12 }), fc.double({ min: 0, max: 4e12, noNaN: true }))),
    maybe(text),
    maybe(fc.constantFrom("red", "green", "blue")),
    maybe(fc.uint8Array({ maxLength: 6 })),
    listOf(double),
    listOf(text),
  )
  .map(([flag, small, wide, ratio, price, day, at, name, color, blob, [stops, stop], [tags, tag]]) => [
    flag,
    small,
    wide,
    ratio,
    price,
    day,
    at,
    name,
    color,
    blob,
    stops,
    stop,
    tags,
    tag,
  ]);
