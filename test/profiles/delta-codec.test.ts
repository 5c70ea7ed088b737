import avsc from "avsc";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StreamgaugeError } from "../../src/core/errors.ts";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { emptyCounts } from "../../src/core/window.ts";
import {
  DELTA_FINGERPRINT,
  DELTA_SCHEMA,
  type DeltaOrigin,
  type DeltaPanePart,
  decodeDelta,
  encodeLedger,
  encodePane,
  MAX_PART_BYTES,
} from "../../src/profiles/delta-codec.ts";
import { anyEntry, anyOrigin, anyPane, anyPaneRecords } from "./delta-arbitraries.ts";

const SEED = 20_130_212;
const HEADER_BYTES = 10;
const ORIGIN: DeltaOrigin = { dataset: "flights", topic: "flights", partition: 3, fromOffset: 1000, toOffset: 3000 };
const ENTRY: LedgerEntry = {
  ...ORIGIN,
  partitionCount: 4,
  topicId: "4bsSUOHGQaiCpnkGE3yY5w",
  caughtUp: true,
  ended: false,
  wallTimeMs: 1_360_324_800_000,
  maxEventTimeMs: 1_360_324_799_999.25,
  counts: { ...emptyCounts(), consumed: 2000, valid: 1990, invalid: 4, undecodable: 3, tombstone: 2, future: 1 },
};
const PANE = { slice: "origin=JFK", paneStartMs: 1_360_281_600_000, profile: Uint8Array.of(1, 2, 3, 255) };

/** What avsc makes of a record without its ten bytes of header. */
const AVSC = avsc.Type.forSchema(DELTA_SCHEMA as unknown as avsc.Schema, { wrapUnions: true });
const avscDecode = (record: Uint8Array) => AVSC.fromBuffer(Buffer.from(record.subarray(HEADER_BYTES)));

describe("DELTA_FINGERPRINT", () => {
  test("is CRC-64-AVRO of the schema's parsing canonical form", () => {
    const fingerprint = crc64Avro(canonicalForm(DELTA_SCHEMA, ""));
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setBigUint64(0, fingerprint, true);
    expect(DELTA_FINGERPRINT).toEqual(new Uint8Array(bytes.buffer));
  });

  test("would be another for another schema", () => {
    const changed = structuredClone(DELTA_SCHEMA) as unknown as { fields: { name: string }[] };
    changed.fields[0]!.name = "data_set";
    expect(crc64Avro(canonicalForm(changed, ""))).not.toBe(crc64Avro(canonicalForm(DELTA_SCHEMA, "")));
  });

  test("is checked with a CRC and a canonical form that agree with the specification's examples and with avsc", () => {
    // Fingerprints of Avro's own `schema-tests.txt`.
    expect(BigInt.asIntN(64, crc64Avro('"null"'))).toBe(7195948357588979594n);
    expect(BigInt.asIntN(64, crc64Avro('"boolean"'))).toBe(-6970731678124411036n);
    expect(canonicalForm(DELTA_SCHEMA, "")).toBe(JSON.stringify(AVSC.schema()));
  });
});

describe("encodePane() and encodeLedger()", () => {
  test("write Avro single-object encoding: C3 01, the fingerprint, the record", () => {
    for (const record of [...encodePane(ORIGIN, PANE), encodeLedger(ENTRY, 1)]) {
      expect([...record.subarray(0, HEADER_BYTES)]).toEqual([0xc3, 0x01, ...DELTA_FINGERPRINT]);
    }
  });

  test("write what avsc reads with DELTA_SCHEMA", () => {
    const origin = { dataset: "flights", topic: "flights", partition: 3, fromOffset: 1000, toOffset: 3000 };
    expect(avscDecode(encodePane(ORIGIN, PANE)[0]!)).toEqual({
      ...origin,
      body: {
        "streamgauge.Pane": {
          slice: "origin=JFK",
          paneStart: 1_360_281_600_000,
          part: 0,
          parts: 1,
          profile: Buffer.from(PANE.profile),
        },
      },
    });
    const counts = { consumed: 2000, valid: 1990, invalid: 4, undecodable: 3, tombstone: 2, future: 1, filtered: 0 };
    expect(avscDecode(encodeLedger(ENTRY, 7))).toEqual({
      ...origin,
      body: {
        "streamgauge.Ledger": {
          partitionCount: 4,
          topicId: { string: "4bsSUOHGQaiCpnkGE3yY5w" },
          caughtUp: true,
          ended: false,
          wallTime: 1_360_324_800_000,
          maxEventTime: { double: 1_360_324_799_999.25 },
          paneRecords: 7,
          ...counts,
        },
      },
    });
  });

  test("write the bytes that avsc writes, whatever the content", () => {
    fc.assert(
      fc.property(anyOrigin, anyPane, anyEntry, anyPaneRecords, (...any) => {
        const [origin, pane, entry, paneRecords] = withinAvsc(any);
        const { slice, paneStartMs, profile } = pane;
        const paneBody = { slice, paneStart: paneStartMs, part: 0, parts: 1, profile: Buffer.from(profile) };
        expect(encodePane(origin, pane)[0]!.subarray(HEADER_BYTES)).toEqual(
          Uint8Array.from(AVSC.toBuffer({ ...origin, body: { "streamgauge.Pane": paneBody } })),
        );
        const { dataset, topic, partition, fromOffset, toOffset, ...body } = entry;
        const { topicId, wallTimeMs, maxEventTimeMs, counts, ...rest } = body;
        const ledgerBody = {
          ...rest,
          ...counts,
          topicId: topicId === undefined ? null : { string: topicId },
          wallTime: wallTimeMs,
          maxEventTime: maxEventTimeMs === undefined ? null : { double: maxEventTimeMs },
          paneRecords,
        };
        expect(encodeLedger(entry, paneRecords).subarray(HEADER_BYTES)).toEqual(
          Uint8Array.from(
            AVSC.toBuffer({
              ...{ dataset, topic, partition, fromOffset, toOffset },
              body: { "streamgauge.Ledger": ledgerBody },
            }),
          ),
        );
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("refuse numbers that are not whole or not exact", () => {
    expect(() => encodeLedger({ ...ENTRY, fromOffset: 0.5 }, 0)).toThrow(RangeError);
    expect(() => encodeLedger({ ...ENTRY, wallTimeMs: Number.NaN }, 0)).toThrow(RangeError);
    expect(() => encodePane(ORIGIN, { ...PANE, paneStartMs: 2 ** 53 })).toThrow(RangeError);
  });
});

describe("decodeDelta()", () => {
  test("gives back any ledger entry", () => {
    fc.assert(
      fc.property(anyEntry, anyPaneRecords, (entry, paneRecords) => {
        const { dataset, topic, partition, fromOffset, toOffset } = entry;
        expect(decodeDelta(encodeLedger(entry, paneRecords))).toEqual({
          kind: "ledger",
          origin: { dataset, topic, partition, fromOffset, toOffset },
          entry,
          paneRecords,
        });
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  test("gives back any pane, in parts of any size", () => {
    let severalParts = 0;
    fc.assert(
      fc.property(anyOrigin, anyPane, fc.integer({ min: 1, max: 70 }), (origin, pane, maxPartBytes) => {
        const parts = encodePane(origin, pane, maxPartBytes).map((record) => decodeDelta(record) as DeltaPanePart);
        expect(parts).toHaveLength(Math.max(1, Math.ceil(pane.profile.length / maxPartBytes)));
        for (const [number, { bytes, ...part }] of parts.entries()) {
          const { slice, paneStartMs } = pane;
          expect(part).toEqual({ kind: "pane", origin, slice, paneStartMs, part: number, parts: parts.length });
          expect(bytes.length).toBeLessThanOrEqual(maxPartBytes);
        }
        expect(Buffer.concat(parts.map((part) => part.bytes)).equals(pane.profile)).toBe(true);
        if (parts.length > 1) severalParts++;
      }),
      { seed: SEED, numRuns: 1000 },
    );
    expect(severalParts).toBeGreaterThan(100);
  });

  test("gives back a profile of more than MAX_PART_BYTES in records that Kafka takes", () => {
    const random = new SeededRandom(SEED);
    const profile = Uint8Array.from({ length: 2 * MAX_PART_BYTES + 1 }, () => random.below(256));
    const records = encodePane(ORIGIN, { ...PANE, profile });
    expect(records.map(({ length }) => length < 1_000_000)).toEqual([true, true, true]);
    const parts = records.map((record) => decodeDelta(record) as DeltaPanePart);
    expect(parts.map(({ bytes }) => bytes.length)).toEqual([MAX_PART_BYTES, MAX_PART_BYTES, 1]);
    expect(Buffer.concat(parts.map(({ bytes }) => bytes)).equals(profile)).toBe(true);
    expect(encodePane(ORIGIN, { ...PANE, profile: profile.subarray(0, MAX_PART_BYTES) })).toHaveLength(1);
  });

  test("reads from the middle of a larger buffer", () => {
    const record = encodeLedger(ENTRY, 5);
    const larger = new Uint8Array(record.length + 20).fill(0xff);
    larger.set(record, 7);
    expect(decodeDelta(larger.subarray(7, 7 + record.length))).toEqual(decodeDelta(record));
  });
});

describe("decodeDelta() refuses", () => {
  const records = [encodePane(ORIGIN, PANE)[0]!, encodeLedger(ENTRY, 5), encodeLedger(withoutEventTime(ENTRY), 0)];

  test("every cut copy with SG_CORRUPT, and bytes left over", () => {
    for (const record of records) {
      for (let length = 0; length < record.length; length++) {
        expect(outcome(record.subarray(0, length)), `${length} of ${record.length}`).toBe("SG_CORRUPT");
      }
      expect(outcome(Uint8Array.from([...record, 0]))).toBe("SG_CORRUPT");
    }
  });

  test("no damaged copy with another error than SG_CORRUPT, or SG_VERSION where the damage is in the fingerprint", () => {
    let refused = 0;
    for (const record of records) {
      for (let bit = 0; bit < record.length * 8; bit++) {
        const damaged = record.slice();
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        const what = outcome(damaged);
        if (bit < 16) expect(what).toBe("SG_CORRUPT");
        else if (bit < HEADER_BYTES * 8) expect(what).toBe("SG_VERSION");
        else expect(["ok", "SG_CORRUPT"], `bit ${bit}`).toContain(what);
        if (what !== "ok") refused++;
      }
    }
    expect(refused).toBeGreaterThan(400);
  });

  test("no bytes at all with another error than SG_CORRUPT", () => {
    const header = Uint8Array.of(0xc3, 0x01, ...DELTA_FINGERPRINT);
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 80 }), (hasHeader, rest) => {
        const bytes = hasHeader ? Uint8Array.from([...header, ...rest]) : rest;
        expect(["ok", "SG_CORRUPT"]).toContain(outcome(bytes));
      }),
      { seed: SEED, numRuns: 5000 },
    );
  });

  test("records that are no Avro records of this schema: unknown branches, parts that cannot be", () => {
    const body = (...longs: readonly number[]) => {
      const { dataset, topic, partition, fromOffset, toOffset } = ORIGIN;
      const start = AVSC.toBuffer({
        ...{ dataset, topic, partition, fromOffset, toOffset },
        body: {
          "streamgauge.Pane": { slice: "", paneStart: 0, part: 0, parts: 1, profile: Buffer.alloc(0) },
        },
      });
      // The last six bytes are the branch, an empty text, three small numbers and empty bytes.
      return Uint8Array.from([...records[0]!.subarray(0, HEADER_BYTES), ...start.subarray(0, -6), ...longs]);
    };
    const zigzag = (value: number) => (value < 0 ? -2 * value - 1 : 2 * value);
    expect(outcome(body(0, 0, 0, 0, zigzag(1), 0))).toBe("ok");
    for (const branch of [2, -1]) expect(outcome(body(zigzag(branch), 0, 0, 0, zigzag(1), 0))).toBe("SG_CORRUPT");
    for (const [part, parts] of [
      [0, 0],
      [1, 1],
      [-1, 1],
      [0, -1],
      [3, 2],
    ] as const) {
      expect(outcome(body(0, 0, 0, zigzag(part), zigzag(parts), 0)), `${part} of ${parts}`).toBe("SG_CORRUPT");
    }
    const ledger = (topicId: number, maxEventTime: number) =>
      body(zigzag(1), 0, zigzag(topicId), 0, 0, 0, zigzag(maxEventTime), ...Array(8).fill(0));
    expect(outcome(ledger(0, 0))).toBe("ok");
    for (const branch of [2, -1]) {
      expect(outcome(ledger(branch, 0)), `topic id ${branch}`).toBe("SG_CORRUPT");
      expect(outcome(ledger(0, branch)), `event time ${branch}`).toBe("SG_CORRUPT");
    }
  });
});

function outcome(bytes: Uint8Array): string {
  try {
    decodeDelta(bytes);
    return "ok";
  } catch (error) {
    return error instanceof StreamgaugeError ? error.code : String(error);
  }
}

function withoutEventTime({ maxEventTimeMs: _, ...entry }: LedgerEntry): LedgerEntry {
  return entry;
}

/** The same with smaller numbers: avsc takes integers only as far as its own arithmetic is exact. */
function withinAvsc<T>(value: T): T {
  if (typeof value === "number") return (Math.abs(value) < 2 ** 51 ? value : Math.trunc(value / 8)) as T;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(withinAvsc) as T;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withinAvsc(part)])) as T;
}

/**
 * Parsing canonical form (Avro specification 1.12, "Transforming into Parsing Canonical Form"), for schemas without
 * escapes in their names: names in full, only what matters to the bytes, in the order of the specification.
 */
function canonicalForm(schema: unknown, namespace: string): string {
  if (typeof schema === "string") return JSON.stringify(schema);
  if (Array.isArray(schema)) return `[${schema.map((branch) => canonicalForm(branch, namespace)).join(",")}]`;
  const { name, type, fields, namespace: own = namespace } = schema as Readonly<Record<string, unknown>>;
  if (type !== "record") return canonicalForm(type, namespace);
  const inside = (fields as readonly { readonly name: string; readonly type: unknown }[]).map(
    (field) => `{"name":${JSON.stringify(field.name)},"type":${canonicalForm(field.type, String(own))}}`,
  );
  return `{"name":"${own}.${name}","type":"record","fields":[${inside.join(",")}]}`;
}

/** CRC-64-AVRO (Avro specification 1.12, "Schema Fingerprints"), bit by bit. */
function crc64Avro(text: string): bigint {
  const empty = 0xc15d213aa4d7a795n;
  let fingerprint = empty;
  for (const byte of Buffer.from(text)) {
    let entry = (fingerprint ^ BigInt(byte)) & 0xffn;
    for (let bit = 0; bit < 8; bit++) entry = (entry >> 1n) ^ (entry & 1n ? empty : 0n);
    fingerprint = (fingerprint >> 8n) ^ entry;
  }
  return fingerprint;
}
