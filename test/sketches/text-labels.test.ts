/** Labels that are kept as bytes: nobody can tell them from labels that are kept as strings. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteReader, ByteWriter } from "../../src/sketches/bytes.ts";
import { hashText } from "../../src/sketches/hash.ts";
import { TextLabels } from "../../src/sketches/text-labels.ts";
import { ValueCounts, type ValueSource } from "../../src/sketches/value-counts.ts";

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.string({ unit: "grapheme-ascii", minLength: 120, maxLength: 140 }),
);
const texts = fc.uniqueArray(text, { minLength: 1, maxLength: 60 });
const RUNS = { seed: 20_261_129, numRuns: 200 };

/** Counts texts as the profiler hands them over; `asBytes`: with the bytes that they come in. */
function counted(values: readonly string[], asBytes: boolean, into = new ValueCounts()): ValueCounts {
  const bytes = Buffer.from(values.join(""));
  const lengths = values.map((value) => Buffer.byteLength(value));
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + length, 0));
  const hashes = values.map(hashText);
  const source: ValueSource = {
    labelAt: (index) => values[index]!,
    measuresAreLabels: false,
    measureInto: (places, count, measures, at) => {
      for (let i = 0; i < count; i++) measures[at + i] = lengths[places[i]!]!;
    },
    texts: asBytes
      ? {
          textBytes: bytes,
          textLength: 0,
          findText(index) {
            Object.assign(this, { textLength: lengths[index]! });
            return starts[index]!;
          },
        }
      : undefined,
  };
  const [lo, hi] = (["lo", "hi"] as const).map((word) => Int32Array.from(hashes, (hash) => hash[word]));
  into.addMany(lo!, hi!, 0, values.length, source);
  return into;
}

function written(counts: ValueCounts, withMeasures = false): Uint8Array {
  const writer = new ByteWriter();
  counts.write(writer, { withMeasures });
  return writer.finish();
}

describe("ValueCounts of texts that come as bytes", () => {
  test("has the labels, and writes the bytes, of texts that come as strings", () => {
    fc.assert(
      fc.property(texts, (values) => {
        const [bytes, strings] = [counted(values, true), counted(values, false)];
        expect([...bytes.entries()]).toEqual([...strings.entries()]);
        expect(bytes.top(5)).toEqual(strings.top(5));
        for (const withMeasures of [false, true]) {
          const output = written(bytes, withMeasures);
          expect(output).toEqual(written(strings, withMeasures));
          const copy = ValueCounts.read(new ByteReader(output));
          expect([...copy.entries()]).toEqual([...strings.entries()]);
          expect(written(copy, withMeasures)).toEqual(output);
        }
      }),
      RUNS,
    );
  });

  test("merges with either, and is empty after clear()", () => {
    fc.assert(
      fc.property(texts, texts, fc.boolean(), fc.boolean(), (first, second, asBytes, otherAsBytes) => {
        const merged = counted(first, asBytes);
        expect(merged.merge(counted(second, otherAsBytes))).toBe(true);
        const expected = counted(first, false);
        expected.merge(counted(second, false));
        expect([...merged.entries()]).toEqual([...expected.entries()]);
        merged.clear();
        counted(second, otherAsBytes, merged);
        expect([...merged.entries()]).toEqual([...counted(second, false).entries()]);
      }),
      RUNS,
    );
  });

  test("read() refuses a text that is longer than the bytes, and one that is no UTF-8", () => {
    const bytes = written(counted(["abc"], true));
    for (const [at, byte] of [
      [bytes.length - 4, 4],
      [bytes.length - 1, 0xff],
    ] as const) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = byte;
      const read = () => ValueCounts.read(new ByteReader(damaged));
      expect(read).toThrowError(expect.objectContaining({ code: "SG_CORRUPT" }));
    }
  });
});

test("TextLabels keeps what is ASCII and short, and leaves a reader where it was for what is not", () => {
  const labels = new TextLabels();
  const take = (entry: number, value: string) => {
    const bytes = Buffer.from(`<${value}>`);
    return labels.take(entry, bytes, 1, bytes.length - 2);
  };
  expect([take(0, ""), take(3, "x".repeat(127)), take(900, "JFK")]).toEqual([true, true, true]);
  expect([take(1, "x".repeat(128)), take(2, "é")]).toEqual([false, false]);
  expect([0, 1, 2, 3, 900, 901].map((entry) => labels.textOf(entry))).toEqual([
    "",
    undefined,
    undefined,
    "x".repeat(127),
    "JFK",
    undefined,
  ]);
  const reader = new ByteReader(Buffer.from("aéb"));
  expect([labels.read(4, reader, 3), reader.position]).toEqual([false, 0]);
  expect([labels.read(4, reader, 1), reader.position, labels.textOf(4)]).toEqual([true, 1, "a"]);
});
