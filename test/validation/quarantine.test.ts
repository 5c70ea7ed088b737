import { describe, expect, test } from "vitest";
import type { LogRecord } from "../../src/core/log.ts";
import { textOf, utf8 } from "../../src/core/text.ts";
import { VIOLATION_REASONS } from "../../src/core/violation.ts";
import { quarantineRecord, type Refusal } from "../../src/validation/quarantine.ts";

const SOURCE = { topic: "trips", partition: 3 };
const RECORD: LogRecord = {
  offset: 9_007_199_254_740_991,
  timestampMs: 1_360_324_800_123,
  key: Uint8Array.of(0, 255, 1),
  value: Uint8Array.of(0, 0, 0, 0, 7, 255, 254),
  headers: [
    { key: "trace", value: Uint8Array.of(9, 8) },
    { key: "trace", value: Uint8Array.of() },
  ],
};

function refused(record: Partial<LogRecord> = {}, refusal: Refusal = { reason: "truncated" }) {
  return quarantineRecord("trips.quarantine", SOURCE, { ...RECORD, ...record }, refusal);
}

/** Text of the `sg_*` headers; they stand behind those of the record. */
function reasons(record: ReturnType<typeof refused>): Record<string, string> {
  const own = (record.headers ?? []).filter(({ key }) => key.startsWith("sg_"));
  return Object.fromEntries(own.map(({ key, value }) => [key, textOf(value)]));
}

describe("quarantineRecord()", () => {
  test("keeps key, value and headers as they came, says why in sg_ headers, and is not stamped with a time of the past", () => {
    const record = refused({}, { reason: "truncated", path: "byte 12" });
    expect(record).toEqual({
      topic: "trips.quarantine",
      key: RECORD.key,
      value: RECORD.value,
      headers: [
        ...RECORD.headers,
        ...Object.entries({
          sg_reason: "truncated",
          sg_check: "schema",
          sg_path: "byte 12",
          sg_topic: "trips",
          sg_partition: "3",
          sg_offset: "9007199254740991",
          sg_timestamp: "1360324800123",
        }).map(([key, value]) => ({ key, value: utf8(value) })),
      ],
    });
  });

  test("names every reason, and no path where none is known", () => {
    for (const reason of VIOLATION_REASONS) {
      expect(reasons(refused({}, { reason }))).toMatchObject({ sg_reason: reason, sg_path: "" });
      expect(reasons(refused({}, { reason }))).not.toHaveProperty("sg_detail");
    }
  });

  test("keeps a key and a value that are not there, or empty, as they are", () => {
    expect(refused({ key: null, value: null, headers: [] })).toMatchObject({ key: null, value: null });
    expect(refused({ key: new Uint8Array(), value: new Uint8Array() })).toMatchObject({
      key: new Uint8Array(),
      value: new Uint8Array(),
    });
  });

  test("keeps a header of the record that has a name of ours, and stands behind it", () => {
    const theirs = { key: "sg_reason", value: utf8("theirs") };
    const headers = refused({ headers: [theirs] }).headers ?? [];
    expect(headers.filter(({ key }) => key === "sg_reason").map(({ value }) => textOf(value))).toEqual([
      "theirs",
      "truncated",
    ]);
  });

  test("keeps a value of 900,000 bytes whole; of a larger one, 64 KiB, and says how long it was", () => {
    const value = Uint8Array.from({ length: 900_001 }, (_, i) => i % 251);
    const whole = refused({ value: value.subarray(0, 900_000) });
    expect(Buffer.compare(whole.value!, value.subarray(0, 900_000))).toBe(0);
    expect(reasons(whole)).not.toHaveProperty("sg_truncated_from");
    const cut = refused({ value });
    expect(Buffer.compare(cut.value!, value.subarray(0, 65_536))).toBe(0);
    expect(reasons(cut)).toMatchObject({ sg_reason: "truncated", sg_truncated_from: "900001" });
  });

  test("puts nothing of the value into a header", () => {
    const value = utf8("secret-secret-secret");
    const headers = refused({ value, headers: [] }, { reason: "malformed", path: "byte 3" }).headers ?? [];
    expect(headers.map(({ value }) => textOf(value)).join(" ")).not.toContain("secret");
  });

  test("leaves the record as it was", () => {
    const before = structuredClone(RECORD);
    refused();
    expect(RECORD).toEqual(before);
  });
});
