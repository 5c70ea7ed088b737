/** `pairs` of a dataset: what a user may write, and what is said where it is wrong. */
import { describe, expect, test } from "vitest";
import { PAIRS_MAX } from "../../src/core/config.ts";
import { load, mistakes } from "./load.ts";

const SCHEMA = JSON.stringify({
  type: "record",
  name: "Trip",
  fields: [
    { name: "dep_delay", type: ["null", "int"] },
    { name: "arr_delay", type: "double" },
    { name: "picked_up_at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "city", type: "string" },
    { name: "stops", type: { type: "array", items: "int" } },
  ],
});

const dataset = (pairs: string, schema = "") => `datasets:\n  - topic: t\n    pairs: ${pairs}\n${schema}`;
const WITH_SCHEMA = `    schema: '${SCHEMA}'\n`;

describe("pairs of a dataset", () => {
  test.each([
    [
      "[[a, b], [trip.fare, tip]]",
      [
        ["a", "b"],
        ["trip.fare", "tip"],
      ],
    ],
    ["[]", []],
  ])("%s", async (text, pairs) => {
    const { config } = await load(dataset(text));
    expect(config.datasets[0]?.pairs).toEqual(pairs);
  });

  test("without the key the names decide", async () => {
    const { config } = await load("datasets: [{topic: t}]\n");
    expect(config.datasets[0]).not.toHaveProperty("pairs");
  });

  test("with the schema in the configuration, too, two numbers are fine", async () => {
    const { config } = await load(dataset("[[dep_delay, arr_delay]]", WITH_SCHEMA));
    expect(config.datasets[0]?.pairs).toEqual([["dep_delay", "arr_delay"]]);
  });

  test.each([
    [
      "a",
      '3:12 datasets[0].pairs: expected a list of at most 64 pairs of fields such as [[dep_delay, arr_delay]], got "a"',
    ],
    [
      "[a, b]",
      '3:13 datasets[0].pairs[0]: expected a pair of fields such as [dep_delay, arr_delay], got "a" — put it into a list: [a]',
    ],
    ["[[a]]", "3:13 datasets[0].pairs[0]: expected a pair of fields such as [dep_delay, arr_delay], got a list"],
    ["[[a, b, c]]", "3:13 datasets[0].pairs[0]: expected a pair of fields such as [dep_delay, arr_delay], got a list"],
    ["[[a, a b]]", '3:17 datasets[0].pairs[0][1]: expected a field path such as dep_delay, got "a b"'],
    ["[[a, a]]", '3:17 datasets[0].pairs[0][1]: expected another field than "a"'],
    ["[[a, b], [b, a]]", "3:21 datasets[0].pairs[1]: the pair is that of datasets[0].pairs[0] already"],
    [
      '["stops[]", b]]'.replace("[", "[["),
      '3:14 datasets[0].pairs[0][0]: expected a field with one value per event for a pair, got the elements of "stops[]"',
    ],
  ])("%s", async (text, line) => {
    expect((await mistakes(dataset(text)))[0]).toBe(line);
  });

  test.each([
    [
      "[[dep_dealy, arr_delay]]",
      '3:14 datasets[0].pairs[0][0]: the schema has no field "dep_dealy" — did you mean "dep_delay"?',
    ],
    ["[[fare, arr_delay]]", '3:14 datasets[0].pairs[0][0]: the schema has no field "fare"'],
    [
      "[[city, arr_delay]]",
      '3:14 datasets[0].pairs[0][0]: expected a field of numbers or times, got "city", which is string',
    ],
    [
      "[[dep_delay, picked_up_at]]",
      "3:13 datasets[0].pairs[0]: expected two numbers, two dates, two times of day or two timestamps",
    ],
  ])("%s, against the schema", async (text, line) => {
    expect(await mistakes(dataset(text, WITH_SCHEMA))).toEqual([line]);
  });

  test("no more than the limit", async () => {
    const pairs = Array.from({ length: PAIRS_MAX + 1 }, (_, i) => `[a, b${i}]`).join(", ");
    expect(await mistakes(dataset(`[${pairs}]`))).toEqual([
      "3:12 datasets[0].pairs: expected a list of at most 64 pairs of fields such as [[dep_delay, arr_delay]], got a list",
    ]);
  });
});
