import fc from "fast-check";
import { expect, test } from "vitest";
import { LabelList } from "../../src/drift/label-list.ts";
import { ByteReader, ByteWriter } from "../../src/sketches/bytes.ts";

const label = fc.option(
  fc.oneof(fc.string({ unit: "grapheme", maxLength: 40 }), fc.constantFrom("", "\ufeffx", "\ud83d\ude00", "a\0b")),
  { nil: undefined },
);

test("LabelList gives back any labels, also of those that were written", () => {
  fc.assert(
    fc.property(fc.array(label, { maxLength: 60 }), (labels) => {
      const list = LabelList.of(labels);
      const writer = new ByteWriter();
      list.write(writer);
      const reader = new ByteReader(writer.finish());
      const read = LabelList.read(reader, labels.length);
      expect(reader.remaining).toBe(0);
      for (const one of [list, read]) expect(labels.map((_, i) => one.at(i))).toEqual(labels);
    }),
    { seed: 20_261_128, numRuns: 300 },
  );
});

test("LabelList.at() is U+FFFD for a lone surrogate, as what is written", () => {
  expect(LabelList.of(["a\ud800b", "c"]).at(0)).toBe("a\ufffdb");
});

test("LabelList.read() refuses labels that are cut off", () => {
  const writer = new ByteWriter();
  LabelList.of(["Newark", undefined, "Kennedy"]).write(writer);
  const bytes = writer.finish();
  for (let length = 0; length < bytes.length; length++) {
    const cut = new ByteReader(bytes.subarray(0, length));
    expect(() => LabelList.read(cut, 3)).toThrowError(expect.objectContaining({ code: "SG_CORRUPT" }));
  }
});
