import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/core/random.ts";
import { ByteReader, ByteWriter } from "../../src/sketches/bytes.ts";
import { HashSample } from "../../src/sketches/hash-sample.ts";
import {
  broadForm,
  isBlank,
  isDateLike,
  isNumberLike,
  isPattern,
  lengthOf,
  patternForm,
  patternOf,
  patternText,
  shapeOf,
  textMeasure,
} from "../../src/sketches/text-shape.ts";
import { TextShapes } from "../../src/sketches/text-shapes.ts";

const SEED = 20_261_128;

function measured(text: string): number {
  const bytes = new TextEncoder().encode(`x${text}`);
  return textMeasure(bytes, 1, bytes.length - 1);
}

function shapesOf(texts: readonly string[]): TextShapes {
  const shapes = new TextShapes();
  const measures = Float64Array.from(texts, measured);
  shapes.updateMany(measures, 0, measures.length);
  return shapes;
}

describe("textMeasure()", () => {
  test.each([
    ["", ""],
    ["JFK-7 b", "A.9 a"],
    ["N12345", "A9"],
    ["Zürich", "Aéa"],
    ["\t \n", " "],
    ["a1a1a1", "a9a9a9"],
    ["a1a1a1a", "a9a9a9…"],
    ["a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1", "a9a9a9…"],
  ])("has of %j the pattern %j", (text, pattern) => {
    expect(patternText(patternOf(shapeOf(measured(text))))).toBe(pattern);
  });

  test("has the length in code points, and a pattern that can be read back, of any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => {
        expect(lengthOf(measured(text))).toBe([...text].length);
        expect(isPattern(patternOf(shapeOf(measured(text))))).toBe(true);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  // 7 is the sign of a word of letters and digits in turn.
  test.each([
    ["", 0],
    ["N12345", 0o31],
    ["JFK-7 b", 0o24351],
    ["Zürich", 0o261],
    ["aBcDeF", 0o121212],
    ["N730MQ", 0o7],
    ["O-00AB3C1", 0o751],
    ["O-00AB3", 0o751],
    ["O-17AB", 0o1351],
    ["Ab1", 0o7],
    ["x 1a2b", 0o742],
    ["a1a1a1a", 0o7],
    ["1.2.3.4", 0o1_535_353],
  ])("has of %j the form %o", (text, form) => {
    expect(patternForm(patternOf(shapeOf(measured(text))))).toBe(form);
  });

  test.each([
    ["O-12345", 0o751],
    ["O-17AB", 0o751],
    ["O-00AB3", 0o751],
    ["O-ABC", 0o151],
    ["UNKNOWN", 0o1],
    ["17", 0o7],
  ])("has of %j the broad form %o", (text, form) => {
    expect(broadForm(patternForm(patternOf(shapeOf(measured(text)))))).toBe(form);
  });

  test("has few forms of identifiers that have ever new patterns", () => {
    const random = new SeededRandom(SEED);
    const signs = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const signOf = () => signs[random.below(signs.length)];
    const texts = Array.from(
      { length: 2_000 },
      () => `${Array.from({ length: 8 }, signOf).join("")}-${random.below(100)}`,
    );
    const patterns = texts.map((text) => patternOf(shapeOf(measured(text))));
    const news = (keys: readonly number[]) => new Set(keys).size - new Set(keys.slice(0, 1_000)).size;
    expect(news(patterns)).toBeGreaterThan(10);
    expect(news(patterns.map(patternForm))).toBeLessThan(3);
  });

  test.each(["7", "-1", "+1.5", "1,5", "2e9", "-1.5E-3", "007"])("reads %j as a number", (text) => {
    expect(isNumberLike(shapeOf(measured(text)))).toBe(true);
    expect(isDateLike(shapeOf(measured(text)))).toBe(false);
  });

  test.each(["2013-02-08", "2013/02/08", "8.2.2013", "08-02-2013", "2013-02-08T06:00Z", "2013-02-08 6 am"])(
    "reads %j as a date",
    (text) => {
      expect(isDateLike(shapeOf(measured(text)))).toBe(true);
      expect(isNumberLike(shapeOf(measured(text)))).toBe(false);
    },
  );

  test.each([
    "",
    "-",
    "1.",
    ".5",
    "1e",
    "e5",
    "1 ",
    "1.2.3",
    "0x1F",
    "2013-2-8",
    "2013-02-081",
    "2013-02/08",
    "1-2-13",
  ])("reads %j as neither", (text) => {
    const shape = shapeOf(measured(text));
    expect([isNumberLike(shape), isDateLike(shape)]).toEqual([false, false]);
  });

  test("reads nothing beyond the end of the text", () => {
    const bytes = new TextEncoder().encode("2013-02-08");
    expect(isDateLike(shapeOf(textMeasure(bytes, 0, 9)))).toBe(false);
    expect(isNumberLike(shapeOf(textMeasure(bytes, 0, 4)))).toBe(true);
    expect(isBlank(shapeOf(measured("")))).toBe(false);
  });
});

describe("TextShapes", () => {
  test("keeps 256 patterns, the same ones in every order, and knows that there were more", () => {
    const texts = Array.from({ length: 3_000 }, (_, i) =>
      Array.from({ length: 6 }, (_, place) => "Aa9 .é"[Math.floor(i / 6 ** place) % 6]).join(""),
    );
    const whole = shapesOf(texts);
    const turned = shapesOf(texts.slice(1_000));
    turned.merge(shapesOf(texts.slice(0, 1_000)));
    expect(whole.patterns()).toHaveLength(256);
    expect([whole.isExact, turned.isExact, whole.totalCount]).toEqual([false, false, 3_000]);
    expect(turned.patterns()).toEqual(whole.patterns());
  });

  test("read() refuses patterns that no text has", () => {
    const writer = new ByteWriter();
    for (const byte of [1, 0, 0, 0]) writer.u8(byte);
    const sample = new HashSample({ capacity: 256 });
    sample.add(0b111, 5, 1);
    sample.write(writer);
    const read = () => TextShapes.read(new ByteReader(writer.finish()));
    expect(read).toThrowError(expect.objectContaining({ code: "SG_CORRUPT" }));
  });
});
