import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isoTime, textOf, utf8 } from "../../src/core/text.ts";

const SEED = 20_130_218;

describe("textOf()", () => {
  test("gives back every text, also one that begins with a byte order mark", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(textOf(utf8(text))).toBe(text);
      }),
      { seed: SEED, numRuns: 500, examples: [["\ufeffJFK"], ["\ufeff\ufeff"], ["\u0000"], ["😀"]] },
    );
  });

  test("replaces what is not UTF-8", () => {
    expect(textOf(Uint8Array.of(0x61, 0xff, 0x62, 0xc3))).toBe("a\ufffdb\ufffd");
  });
});

describe("isoTime()", () => {
  test("has milliseconds and Z, and years of six digits where four do not do", () => {
    expect([0, -1, 8.64e15].map(isoTime)).toEqual([
      "1970-01-01T00:00:00.000Z",
      "1969-12-31T23:59:59.999Z",
      "+275760-09-13T00:00:00.000Z",
    ]);
  });
});
