import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createIsoTime, isoTimeMs, readIsoTime } from "../../src/consumers/iso-time.ts";

const scratch = createIsoTime();

function timeMs(text: string): number {
  // Bytes around the text, which must not be read.
  const bytes = Buffer.from(`9${text}9`);
  return isoTimeMs(bytes, 1, bytes.length - 1, scratch);
}

describe("isoTimeMs()", () => {
  test("agrees with Date.parse on every form that Date.parse defines", () => {
    const zone = fc.constantFrom("Z", "+00:00", "-08:00", "+05:30", "+23:59", "-23:59");
    const date = fc.date({
      min: new Date("0000-01-01T00:00:00Z"),
      max: new Date("9999-12-31T23:59:59.999Z"),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(date, zone, (value, suffix) => {
        const text = value.toISOString().slice(0, -1);
        expect(timeMs(`${text}Z`)).toBe(value.getTime());
        expect(timeMs(text)).toBe(value.getTime());
        expect(timeMs(text.replace("T", " "))).toBe(value.getTime());
        expect(timeMs(text + suffix)).toBe(Date.parse(text + suffix));
        expect(timeMs(text.slice(0, 19) + suffix)).toBe(Date.parse(text.slice(0, 19) + suffix));
        expect(timeMs(text.slice(0, 16) + suffix)).toBe(Date.parse(text.slice(0, 16) + suffix));
        expect(timeMs(text.slice(0, 10))).toBe(Date.parse(text.slice(0, 10)));
      }),
      { seed: 20_130_215, numRuns: 2000 },
    );
  });

  test("reads fractions, short zones and the end of a day", () => {
    expect(timeMs("1970-01-01T00:00:00.1Z")).toBe(100);
    expect(timeMs("1970-01-01T00:00:00.123456789Z")).toBe(123.456);
    expect(timeMs("1969-12-31T23:59:59.999999Z")).toBeCloseTo(-0.001, 9);
    expect(timeMs("1970-01-01T01:00:00+01")).toBe(0);
    expect(timeMs("1970-01-01T01:00:00+0100")).toBe(0);
    expect(timeMs("1970-01-01T24:00:00Z")).toBe(86_400_000);
  });

  test("keeps microseconds and says how many digits there were", () => {
    const bytes = Buffer.from("1970-01-01T00:00:01.000250Z");
    expect(readIsoTime(bytes, 0, bytes.length, scratch)).toBe(true);
    expect(scratch).toEqual({ wholeMs: 1000, micros: 250, fractionDigits: 6, dateOnly: false });
  });

  test("refuses what is no time", () => {
    const wrong = [
      "",
      "2013",
      "2013-02",
      "2013-2-08",
      "2013-02-30",
      "2013-00-10",
      "2013-13-01",
      "2013-02-00",
      "13-02-08T10:00",
    ];
    wrong.push(
      "2013-02-08T",
      "2013-02-08T10",
      "2013-02-08T10:",
      "2013-02-08T10:0",
      "2013-02-08T25:00",
      "2013-02-08T10:60",
    );
    wrong.push(
      "2013-02-08T10:00:",
      "2013-02-08T10:00:60",
      "2013-02-08T10:00:00.",
      "2013-02-08T10:00:00.Z",
      "2013-02-08T24:00:01",
    );
    wrong.push(
      "2013-02-08T10:00z",
      "2013-02-08T10:00+1",
      "2013-02-08T10:00+24:00",
      "2013-02-08T10:00+01:60",
      "2013-02-08T10:00ZZ",
    );
    wrong.push(
      "2013-02-08t10:00Z",
      "2013-02-08T10:00 Z",
      "2013/02/08",
      "1900-02-29",
      "2013-02-08Z",
      "２013-02-08",
      "tomorrow!!",
    );
    for (const text of wrong) expect(timeMs(text), text).toBeNaN();
    expect(timeMs("2000-02-29")).toBe(Date.parse("2000-02-29"));
  });
});
