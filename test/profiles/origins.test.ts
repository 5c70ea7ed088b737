import { describe, expect, test } from "vitest";
import { StreamgaugeError } from "../../src/core/errors.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { ORIGIN_DIMENSIONS, type OriginDimension } from "../../src/core/verdict.ts";
import { FlushOrigins } from "../../src/profiles/flush-origins.ts";
import { FIGURES, Origins, OTHER_ORIGIN } from "../../src/profiles/origins.ts";
import { ByteReader, ByteWriter } from "../../src/sketches/bytes.ts";

/** Whole numbers, so that sums are exact in every order. */
function randomOrigins(random: SeededRandom, values: number, fields: number): Origins {
  const origins = new Origins();
  for (const dimension of ORIGIN_DIMENSIONS) {
    for (let i = 1 + random.below(4); i > 0; i--) {
      const figures = origins.figures(dimension, String(random.below(values)));
      figures.addCount("rows", random.below(100));
      figures.addCount("undecodable", random.below(3));
      for (let k = 0; k < 3; k++) {
        const place = origins.placeOf(`f${random.below(fields)}#number`);
        if (place < 0) continue;
        const room = figures.room(place + 1);
        for (let figure = 0; figure < FIGURES; figure++) room[place * FIGURES + figure]! += random.below(50);
      }
    }
  }
  if (random.below(2) === 0) {
    const offset = random.below(1000);
    origins.addExamples(String(random.below(values)), new Map([["invalid", [offset, offset + 3]]]));
  }
  return origins;
}

function merged(parts: readonly Origins[]): Origins {
  const whole = new Origins();
  for (const part of parts) whole.merge(part);
  return whole;
}

function written(origins: Pick<Origins, "write">): Uint8Array {
  const writer = new ByteWriter();
  origins.write(writer);
  return writer.finish();
}

function readBack(origins: Origins): Origins {
  const reader = new ByteReader(written(origins));
  const read = Origins.read(reader);
  reader.end();
  return read;
}

/** By name, whatever the places of the fields. */
function figuresOf(origins: Origins): unknown {
  const fields = [...origins.fields].sort();
  return ORIGIN_DIMENSIONS.map((dimension) =>
    origins.values(dimension).map(([value, figures]) => [
      value,
      [...figures.counts],
      fields.map((key) => {
        const at = origins.placeOf(key) * FIGURES;
        return Array.from({ length: FIGURES }, (_, i) => figures.fields[at + i] ?? 0);
      }),
      [...(origins.examplesOf(value) ?? [])],
    ]),
  );
}

function rowsOf(origins: Origins, dimension: OriginDimension): number {
  return origins.values(dimension).reduce((sum, [, figures]) => sum + figures.count("rows"), 0);
}

describe("Origins", () => {
  test("merge to the same in every order and grouping, written and read or not, and change nothing that is merged", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new SeededRandom(seed);
      const parts = Array.from({ length: 8 }, () => randomOrigins(random, 12, 20));
      const before = parts.map(figuresOf);
      const whole = figuresOf(merged(parts));
      expect(figuresOf(merged([...parts].reverse())), `seed ${seed}`).toEqual(whole);
      expect(figuresOf(merged([merged(parts.slice(0, 3)), readBack(merged(parts.slice(3)))]))).toEqual(whole);
      expect(figuresOf(merged([new Origins(), ...parts, new Origins()]))).toEqual(whole);
      expect(parts.map(figuresOf)).toEqual(before);
    }
  });

  test("are the same when they are read back, and are written as the same bytes", () => {
    const random = new SeededRandom(3);
    const origins = merged(Array.from({ length: 20 }, () => randomOrigins(random, 30, 50)));
    origins.decay(0.95);
    origins.merge(randomOrigins(random, 30, 50));
    const read = readBack(origins);
    expect(figuresOf(read)).toEqual(figuresOf(origins));
    expect(written(read)).toEqual(written(origins));
  });

  test("keep the sum when there are more values than are told apart: the smallest are the others", () => {
    const random = new SeededRandom(9);
    const parts = Array.from({ length: 400 }, () => randomOrigins(random, 400, 5));
    const large = new Origins();
    large.figures("schema", "777").addCount("rows", 1_000_000);
    const whole = merged([...parts, large]);
    for (const [dimension, most] of [
      ["partition", 256],
      ["schema", 32],
      ["producer", 32],
    ] as const) {
      expect(whole.values(dimension)).toHaveLength(most + 1);
      expect(whole.figuresOf(dimension, OTHER_ORIGIN)!.count("rows")).toBeGreaterThan(0);
      expect(rowsOf(whole, dimension)).toBe([...parts, large].reduce((sum, one) => sum + rowsOf(one, dimension), 0));
    }
    expect(whole.figuresOf("schema", "777")!.count("rows")).toBe(1_000_000);
  });

  test("tell 512 fields apart, and no more", () => {
    const origins = new Origins();
    for (let i = 0; i < 600; i++) expect(origins.placeOf(`f${i}#number`)).toBe(i < 512 ? i : -1);
    const more = new Origins();
    more.figures("partition", "0").room(1)[0] = 7;
    more.placeOf("other#number");
    origins.merge(more);
    expect(origins.fieldCount).toBe(512);
    expect(origins.figuresOf("partition", "0")!.fields).toHaveLength(0);
  });

  test("forget what has not come for hundreds of windows", () => {
    const origins = new Origins();
    origins.figures("schema", "1").addCount("rows", 300);
    const windows = () => {
      let count = 0;
      for (; origins.values("schema").length > 0; count++) origins.decay(0.95);
      return count;
    };
    const count = windows();
    expect(count).toBeGreaterThan(150);
    expect(count).toBeLessThan(300);
  });

  test("of damaged bytes are refused with a reason", () => {
    const random = new SeededRandom(4);
    const bytes = written(merged(Array.from({ length: 5 }, () => randomOrigins(random, 8, 8))));
    let refused = 0;
    for (let length = 0; length < bytes.length; length++) {
      try {
        Origins.read(new ByteReader(bytes.subarray(0, length)));
      } catch (error) {
        expect(error).toBeInstanceOf(StreamgaugeError);
        refused++;
      }
    }
    expect(refused).toBe(bytes.length);
  });
});

describe("FlushOrigins", () => {
  test("keep the two first offsets of each kind, in whatever order they come", () => {
    const origins = new FlushOrigins();
    for (const offset of [9, 4, 7, 4, 30]) origins.addExample("invalid", offset);
    expect([...origins.examples]).toEqual([["invalid", [4, 7]]]);
    expect(origins.isPlain).toBe(false);
    origins.clear();
    expect(origins.isPlain).toBe(true);
  });

  test("of one schema and one producer are some twenty bytes, with examples some thirty", () => {
    const origins = new FlushOrigins();
    origins.isBase("schema", "4711");
    expect(origins.isPlain).toBe(true);
    origins.isBase("producer", "checkout");
    expect(origins.isPlain).toBe(false);
    expect(written(origins).length).toBeLessThan(30);
    for (const offset of [40_000_001, 40_000_002]) origins.addExample("undecodable", offset);
    expect(written(origins).length).toBeLessThan(40);
  });

  test("tell eight others apart, besides the first", () => {
    const origins = new FlushOrigins();
    expect(origins.isBase("schema", "0")).toBe(true);
    for (let id = 1; id <= 12; id++) {
      expect(origins.isBase("schema", String(id))).toBe(false);
      origins.figures("schema", String(id)).addCount("rows", id);
    }
    const told = origins.others.values("schema").map(([value, figures]) => [value, figures.count("rows")]);
    expect(told).toEqual([[OTHER_ORIGIN, 9 + 10 + 11 + 12], ...[1, 2, 3, 4, 5, 6, 7, 8].map((id) => [String(id), id])]);
  });
});
