import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isoTime, printable, textOf, utf8 } from "../../src/core/text.ts";

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

describe("printable()", () => {
  test("escapes what a terminal acts on, hides or turns round, and nothing else", () => {
    expect(printable("a\u001b[31mb\u0000c\u0085d\u007fe\nf")).toBe("a\\u001b[31mb\\u0000c\\u0085d\\u007fe\\u000af");
    // RIGHT-TO-LEFT OVERRIDE, ARABIC LETTER MARK, ZERO WIDTH SPACE: "EWR" that reads as something else.
    expect(printable("\u202eRWE\u202c \u061cx\u200by")).toBe("\\u202eRWE\\u202c \\u061cx\\u200by");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const shown = printable(text);
        expect(shown).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
        expect(printable(shown)).toBe(shown);
        if (/^[\p{L}\p{N}\p{P}\p{S}\p{M} ]*$/u.test(text)) expect(shown).toBe(text);
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });
});
