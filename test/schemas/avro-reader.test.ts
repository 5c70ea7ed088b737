import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UNDECODABLE_REASONS } from "../../src/core/violation.ts";
import { createAvroReader } from "../../src/schemas/avro-reader.ts";
import { avroCase, mutatedBytes } from "./avro-arbitraries.ts";
import { expectedColumns } from "./avro-oracle.ts";
import { batchContents } from "./batch-contents.ts";

const RUNS = { seed: 20260101, numRuns: 500 };

describe("AvroReader.read()", () => {
  test("fills the columns with what avsc decodes", () => {
    fc.assert(
      fc.property(avroCase(), ({ schema, twin, payloads }) => {
        const reader = createAvroReader(JSON.stringify(schema));
        fc.pre(reader.fieldsLeftOut === 0);
        const batch = reader.createBatch(payloads.length);
        for (const payload of payloads) expect(reader.read(batch, payload, 0, payload.length)).toBe("ok");
        const decoded = payloads.map((payload) => twin.fromBuffer(Buffer.from(payload)));
        expect(batchContents(batch)).toEqual(expectedColumns(schema, decoded));
        expect([...batch.payloadBytes]).toEqual(payloads.map((payload) => payload.length));
      }),
      RUNS,
    );
  });

  test("takes from damaged bytes what avsc takes, or nothing at all", () => {
    const outcomes = new Map<string, number>();
    const damaged = avroCase(3).chain((given) =>
      fc.record({ given: fc.constant(given), mutants: fc.tuple(...given.payloads.map(mutatedBytes)) }),
    );
    fc.assert(
      fc.property(damaged, ({ given: { schema, twin, payloads }, mutants }) => {
        const reader = createAvroReader(JSON.stringify(schema));
        fc.pre(reader.fieldsLeftOut === 0);
        const batch = reader.createBatch(2 * payloads.length);
        const accepted: Uint8Array[] = [];
        // Each mutant between two events that are whole: what one leaves behind would show in the next.
        for (const [i, payload] of payloads.entries()) {
          const mutant = mutants[i]!;
          const outcome = reader.read(batch, mutant, 0, mutant.length);
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
          if (outcome === "ok") {
            accepted.push(mutant);
          } else {
            expect(UNDECODABLE_REASONS).toContain(outcome);
            expect(reader.errorPosition).toBeGreaterThanOrEqual(0);
            expect(reader.errorPosition).toBeLessThanOrEqual(mutant.length);
            // Refused otherwise may be what avsc takes: any byte for a boolean, any int, blocks of a wrong size. And
            // it is not asked about what is cut short, because it believes counts: millions of rounds for nothing.
            if (outcome === "trailing_bytes") expect(() => twin.fromBuffer(Buffer.from(mutant))).toThrow();
          }
          expect(reader.read(batch, payload, 0, payload.length)).toBe("ok");
          accepted.push(payload);
        }
        const decoded = accepted.map((bytes) => twin.fromBuffer(Buffer.from(bytes)));
        expect(batchContents(batch)).toEqual(expectedColumns(schema, decoded));
        expect(batch.rowCount).toBe(accepted.length);
      }),
      RUNS,
    );
    // A test of damage that never hits would prove nothing.
    for (const outcome of ["ok", "truncated", "trailing_bytes", "length_refused", "malformed"]) {
      expect(outcomes.get(outcome)).toBeGreaterThan(20);
    }
  });

  test("refuses each beginning of an event, as cut short", () => {
    fc.assert(
      fc.property(avroCase(1), ({ schema, payloads }) => {
        const reader = createAvroReader(JSON.stringify(schema));
        const batch = reader.createBatch(1);
        const payload = payloads[0]!;
        for (let length = 0; length < payload.length; length++) {
          expect(["truncated", "length_refused"]).toContain(reader.read(batch, payload, 0, length));
          expect(batch.rowCount).toBe(0);
        }
      }),
      RUNS,
    );
  });

  test("reads the same from any place in a larger buffer, and says where it stopped", () => {
    const reader = createAvroReader(
      '{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"s","type":"string"}]}',
    );
    const batch = reader.createBatch(4);
    const bytes = Uint8Array.of(0, 0, 0, 0, 1, 84, 4, 0x68, 0x69, 0x7f);
    expect(reader.read(batch, bytes, 5, 9)).toBe("ok");
    expect(reader.read(batch, bytes, 5, 10)).toBe("trailing_bytes");
    expect(reader.errorPosition).toBe(9);
    expect(reader.read(batch, bytes, 5, 8)).toBe("length_refused");
    expect(reader.errorPosition).toBe(6);
    expect(reader.read(batch, bytes, 5, 6)).toBe("truncated");
    expect(reader.errorPosition).toBe(6);
    expect(batch.rowCount).toBe(1);
    expect([...batch.columns[0]!.numbers.subarray(0, 1)]).toEqual([42]);
  });

  test("throws for a wrong call, not for wrong bytes", () => {
    const reader = createAvroReader('"int"');
    const batch = reader.createBatch(1);
    expect(reader.read(batch, Uint8Array.of(2), 0, 1)).toBe("ok");
    expect(() => reader.read(batch, Uint8Array.of(2), 0, 1)).toThrow(RangeError);
    batch.reset();
    expect(() => reader.read(batch, Uint8Array.of(2), 0, 2)).toThrow(RangeError);
    expect(() => reader.read(batch, Uint8Array.of(2), 1, 0)).toThrow(RangeError);
    expect(() => reader.createBatch(0)).toThrow(RangeError);
  });
});
