import { describe, expect, test } from "vitest";
import type { EventReader } from "../../src/core/column-batch.ts";
import type { PairPaths } from "../../src/core/config.ts";
import { createAvroReader } from "../../src/schemas/avro-reader.ts";
import { PairWatch } from "../../src/stages/pair-watch.ts";
import type { SchemaTable } from "../../src/stages/partition-profiler.ts";

const reader = (fields: Record<string, unknown>): EventReader =>
  createAvroReader(
    JSON.stringify({
      type: "record",
      name: "R",
      fields: Object.entries(fields).map(([name, type]) => ({ name, type })),
    }),
  );
const AT = { type: "long", logicalType: "timestamp-millis" };
const TRIP = reader({ fare: "double", tip: ["null", "double"], city: "string", at: AT });

/** What is said of batches with these readers, one batch after the other. */
function said(pairs: readonly PairPaths[] | undefined, batches: readonly (readonly EventReader[])[]): string[] {
  const lines: string[] = [];
  const say = (level: string) => (fields: object, message: string) => {
    expect(fields).toMatchObject({ topic: "trips" });
    lines.push(`${level} ${message}`);
  };
  const logger = { info: say("info"), warn: say("warn"), error: say("error") };
  const watch = new PairWatch({ topic: "trips", ...(pairs && { pairs }) }, logger);
  for (const readers of batches) watch.look(new Map(readers.map((one, id) => [id, one])));
  return lines;
}

const END = "It is looked for in each schema that comes";

describe("PairWatch", () => {
  test.each<[string, PairPaths, string]>([
    ["a misspelt name", ["faer", "tip"], 'no field "faer" (nearest: "fare")'],
    ["two of them", ["faer", "tips"], 'no field "faer" (nearest: "fare"), no field "tips" (nearest: "tip")'],
    ["a name that is like no other", ["surcharge", "tip"], 'no field "surcharge"'],
    ["a text", ["fare", "city"], '"city" is string, and no number or time'],
    [
      "a number and a time",
      ["fare", "at"],
      'no schema has both as two numbers, or as two times of one kind: "fare" is double, "at" is timestamp',
    ],
  ])("tells of %s once", (_, pair, why) => {
    const line = `warn no schema so far has the pair [${pair.join(", ")}]: ${why}. ${END}`;
    expect(said([pair, ["fare", "tip"]], [[TRIP], [TRIP], [reader({ other: "int" })]])).toEqual([line]);
  });

  test("says nothing where a schema has the pair, or none is configured", () => {
    expect(said([["fare", "tip"]], [[TRIP]])).toEqual([]);
    expect(said(undefined, [[TRIP]])).toEqual([]);
    expect(said([], [[TRIP]])).toEqual([]);
  });

  test("a pair of any schema of the first batch is there", () => {
    const other = reader({ delay: "int", wait: "int" });
    expect(said([["delay", "wait"]], [[TRIP, other]])).toEqual([]);
  });

  test("goes on looking, and says when a schema has it", () => {
    const other = reader({ delay: "int", wait: "int" });
    expect(said([["delay", "wait"]], [[TRIP], [other], [reader({ delay: "int", wait: "int" })]])).toEqual([
      `warn no schema so far has the pair [delay, wait]: no field "delay", no field "wait". ${END}`,
      "info a schema has the pair [delay, wait]",
    ]);
  });

  test("two fields of two schemas are no pair", () => {
    const [one, two] = [reader({ delay: "int" }), reader({ wait: "int" })];
    expect(said([["delay", "wait"]], [[one, two]])).toEqual([
      `warn no schema so far has the pair [delay, wait]: no schema has both as two numbers, or as two times of one kind: "delay" is int, "wait" is int. ${END}`,
    ]);
  });

  test("waits for the first schema that can be read", () => {
    const refused: SchemaTable = new Map([[7, { reason: "schema_refused", message: "no" }]]);
    const lines: string[] = [];
    const logger = { info() {}, warn: (_: object, message: string) => void lines.push(message), error() {} };
    const watch = new PairWatch({ topic: "trips", pairs: [["faer", "tip"]] }, logger);
    watch.look(refused);
    expect(lines).toEqual([]);
    watch.look(new Map([...refused, [8, TRIP] as const]));
    expect(lines).toHaveLength(1);
  });
});
