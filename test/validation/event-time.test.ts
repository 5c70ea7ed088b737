import avsc from "avsc";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createIsoTime, readIsoTime } from "../../src/consumers/iso-time.ts";
import { createAvroReader } from "../../src/schemas/avro-reader.ts";
import { eventTimes, isoTimeMs, timeColumn } from "../../src/validation/event-time.ts";

const SEED = 20_130_211;
const NOON = Date.UTC(2013, 1, 8, 12);
const DAY_MS = 86_400_000;

const record = (...fields: readonly (readonly [name: string, type: unknown])[]) => ({
  type: "record",
  name: "Event",
  fields: fields.map(([name, type]) => ({ name, type })),
});

/** The times of events as avsc writes them, read by the column that holds `path`. */
function timesOf(schema: object, events: readonly unknown[], path = "at"): number[] {
  const type = avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: true });
  const reader = createAvroReader(JSON.stringify(schema));
  const batch = reader.createBatch(Math.max(1, events.length));
  for (const event of events) {
    const bytes = type.toBuffer(event);
    expect(reader.read(batch, bytes, 0, bytes.length)).toBe("ok");
  }
  const out = new Float64Array(events.length + 1).fill(42);
  eventTimes(batch, timeColumn(reader.fields, path), out);
  expect(out.at(-1)).toBe(42);
  return [...out.subarray(0, events.length)];
}

const timesAt = (type: unknown, values: readonly unknown[]) =>
  timesOf(
    record(["at", type]),
    values.map((at) => ({ at })),
  );

/** The path that `at` is read from. */
function columnAt(schema: object, path = "at"): string | undefined {
  const { fields } = createAvroReader(JSON.stringify(schema));
  return fields[timeColumn(fields, path)]?.path;
}

describe("eventTimes()", () => {
  test("takes timestamps of every unit as epoch milliseconds", () => {
    expect(timesAt({ type: "long", logicalType: "timestamp-millis" }, [NOON, 0, -1])).toEqual([NOON, 0, -1]);
    expect(timesAt({ type: "long", logicalType: "timestamp-micros" }, [NOON * 1000 + 250, -1])).toEqual([
      NOON + 0.25,
      -0.001,
    ]);
    expect(timesAt({ type: "long", logicalType: "local-timestamp-millis" }, [NOON])).toEqual([NOON]);
  });

  test("takes dates as epoch days", () => {
    expect(timesAt({ type: "int", logicalType: "date" }, [15_744, 0, -1])).toEqual([15_744 * DAY_MS, 0, -DAY_MS]);
  });

  test("takes plain long and double as epoch milliseconds, plain int as epoch seconds", () => {
    expect(timesAt("long", [NOON, -5])).toEqual([NOON, -5]);
    expect(timesAt("double", [NOON + 0.5, -0.25])).toEqual([NOON + 0.5, -0.25]);
    expect(timesAt("int", [NOON / 1000, -1])).toEqual([NOON, -1000]);
  });

  test("takes text as ISO 8601, without a zone as UTC", () => {
    const texts = ["2013-02-08T12:00:00Z", "2013-02-08 12:00", "2013-02-08T13:00:00+01:00", "2013-02-08"];
    expect(timesAt("string", texts)).toEqual([NOON, NOON, NOON, NOON - DAY_MS / 2]);
  });

  test("has no time for what is none: null, garbage, NaN, infinity, beyond what a date can show", () => {
    expect(timesAt(["null", "long"], [null, { long: NOON }, null])).toEqual([Number.NaN, NOON, Number.NaN]);
    expect(timesAt("string", ["", "yesterday", "2013-02-30", "1360324800000"])).toEqual(Array(4).fill(Number.NaN));
    const doubles = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 8.64e15 + 2, -8.64e15 - 2];
    expect(timesAt("double", doubles)).toEqual(Array(5).fill(Number.NaN));
    expect(timesAt("double", [8.64e15, -8.64e15])).toEqual([8.64e15, -8.64e15]);
    expect(timesAt({ type: "int", logicalType: "date" }, [100_000_000, 100_000_001])).toEqual([8.64e15, Number.NaN]);
  });

  test("leaves no time of the last batch where this one has none", () => {
    const reader = createAvroReader(JSON.stringify(record(["at", ["null", "long"]])));
    const batch = reader.createBatch(2);
    const out = new Float64Array(2);
    for (const event of [Uint8Array.of(2, 10), Uint8Array.of(0)]) {
      reader.read(batch, event, 0, event.length);
      eventTimes(batch, 0, out);
      batch.reset();
    }
    expect(out[0]).toBeNaN();
  });

  test("has no time for any row when there is no such column", () => {
    expect(timesOf(record(["other", "long"]), [{ other: 1 }, { other: 2 }])).toEqual([Number.NaN, Number.NaN]);
  });

  test("finds the time of each row below records that may be null", () => {
    const trip = { type: "record", name: "Trip", fields: [{ name: "at", type: "long" }] };
    const events = [{ trip: { Trip: { at: 5 } } }, { trip: null }, { trip: { Trip: { at: 7 } } }];
    expect(timesOf(record(["trip", ["null", trip]]), events, "trip.at")).toEqual([5, Number.NaN, 7]);
  });
});

describe("timeColumn()", () => {
  test("takes the first branch of a union that can hold a time", () => {
    expect(columnAt(record(["at", ["null", "boolean", "string", "long"]]))).toBe("at#string");
    expect(columnAt(record(["at", ["null", "long", "string"]]))).toBe("at#long");
    const events = [{ at: { long: NOON } }, { at: { string: "2013-02-08T12:00Z" } }, { at: null }];
    expect(timesOf(record(["at", ["null", "long", "string"]]), events)).toEqual([NOON, Number.NaN, Number.NaN]);
  });

  test("takes no field that cannot hold a time, and none inside an array or a map", () => {
    for (const type of ["boolean", "bytes", "float", { type: "long", logicalType: "time-micros" }]) {
      expect(columnAt(record(["at", type]))).toBeUndefined();
    }
    expect(columnAt(record(["at", { type: "array", items: "long" }]), "at[]")).toBeUndefined();
    expect(columnAt(record(["at", { type: "map", values: "long" }]), "at{}")).toBeUndefined();
  });

  test("does not take a field whose name only begins like the path", () => {
    expect(columnAt(record(["at_end", "long"], ["at", "long"]))).toBe("at");
    expect(columnAt(record(["at_end", "long"]))).toBeUndefined();
  });
});

describe("isoTimeMs()", () => {
  test("reads zones with and without colon and minutes, fractions, the end of a day, and years of six digits", () => {
    const forms = ["Z", "+00", "-00:00", "+0530", "+05:30", "-0800"].map((zone) =>
      isoTimeMs(`2013-02-08T12:00${zone}`),
    );
    expect(forms.map((timeMs) => (NOON - timeMs) / 60_000)).toEqual([0, 0, 0, 330, 330, -480]);
    expect(isoTimeMs("1970-01-01T00:00:00.1239Z")).toBe(123);
    expect(isoTimeMs("1970-01-01T24:00")).toBe(DAY_MS);
    expect(isoTimeMs("+012013-02-08")).toBe(Date.UTC(12_013, 1, 8));
    expect(isoTimeMs("-000001-01-01T00:00Z")).toBe(Date.UTC(-1, 0, 1));
    expect(isoTimeMs("0099-01-01")).toBe(Date.parse("0099-01-01T00:00:00Z"));
  });

  test("refuses what is no time, also what Date.parse makes something of", () => {
    const wrong = ["", "now", "2013", "2013-02", "20130208", "8 Feb 2013", "Fri Feb 08 2013", "2013/02/08"];
    wrong.push("2013-02-30", "2013-02-29T12:00Z", "2013-04-31", "2013-13-01", "0001-13-13", "2013-00-10", "2013-01-00");
    wrong.push("12013-01-01", "-2013-01-01", "+2013-01-01", "-000000-01-01", "+275760-09-14", "-999999-01-01");
    wrong.push(
      "2013-02-08T",
      "2013-02-08T12",
      "2013-02-08T12:0",
      "2013-02-08T25:00",
      "2013-02-08T12:60",
      "2013-02-08Z",
    );
    wrong.push("2013-02-08T12:00:60", "2013-02-08T12:00:00.", "2013-02-08T24:00:01", "2013-02-08t12:00z");
    wrong.push("2013-02-08T12:00+1", "2013-02-08T12:00+24:00", "2013-02-08T12:00+01:60", "2013-02-08T12:00 Z");
    wrong.push(" 2013-02-08", "2013-02-08 ", "2013-02-08\n", "\ufeff2013-02-08", "２013-02-08");
    for (const text of wrong) expect(isoTimeMs(text), JSON.stringify(text)).toBeNaN();
  });

  test("does not depend on the zone of the machine", () => {
    const before = process.env.TZ;
    try {
      const times = ["UTC", "Asia/Kolkata", "America/New_York"].map((zone) => {
        process.env.TZ = zone;
        return ["2013-02-08", "2013-02-08T12:00", "2013-02-08 12:00:00.5"].map(isoTimeMs);
      });
      expect(times[1]).toEqual(times[0]);
      expect(times[2]).toEqual(times[0]);
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
  });

  test("says of text in an event what the file readers say of the same text, to the millisecond", () => {
    const scratch = createIsoTime();
    const two = (max: number) => fc.integer({ min: 0, max }).map((value) => String(value).padStart(2, "0"));
    const date = fc.tuple(fc.constantFrom("0000", "0001", "1900", "1969", "2000", "2013", "9999"), two(15), two(33));
    const time = fc.tuple(
      fc.constantFrom("T", " ", "t", ""),
      two(26),
      two(62),
      fc.oneof(two(62), fc.constant(undefined)),
      fc.constantFrom("", ".", ".1", ".999", ".99999", ".123456789"),
      fc.oneof(fc.constantFrom("", "Z", "z", "+", "+1"), fc.tuple(two(25), fc.constantFrom("", ":"), two(61))),
    );
    let timeCount = 0;
    fc.assert(
      fc.property(date, fc.option(time), (dateParts, timeParts) => {
        const text = dateParts.join("-") + (timeParts === null ? "" : timeText(timeParts));
        const bytes = Buffer.from(text);
        const expected = readIsoTime(bytes, 0, bytes.length, scratch) ? scratch.wholeMs : Number.NaN;
        expect(isoTimeMs(text), text).toBe(expected);
        if (!Number.isNaN(expected)) timeCount++;
      }),
      { seed: SEED, numRuns: 20_000 },
    );
    expect(timeCount).toBeGreaterThan(2000);
  });
});

type TimeParts = readonly [
  separator: string,
  hour: string,
  minute: string,
  second: string | undefined,
  fraction: string,
  zone: string | readonly string[],
];

function timeText([separator, hour, minute, second, fraction, zone]: TimeParts): string {
  const seconds = second === undefined ? "" : `:${second}${fraction}`;
  return `${separator}${hour}:${minute}${seconds}${typeof zone === "string" ? zone : `-${zone.join("")}`}`;
}
