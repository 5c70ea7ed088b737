import { describe, expect, test } from "vitest";
import type { FieldDescriptor } from "../../src/core/column-batch.ts";
import { BatchProfiler } from "../../src/profiles/batch-profiler.ts";
import { FIELD_KINDS, fieldKey, KIND_STATES } from "../../src/profiles/field-kinds.ts";
import type { LabelPolicy } from "../../src/profiles/labels.ts";
import { FIELDS_MAX, Profile, SCHEMAS_MAX } from "../../src/profiles/profile.ts";
import { batchOf, factsOf, fieldOf, profileOf, type Row, SHOW } from "./column-batches.ts";
import { exactParts } from "./exact-parts.ts";

describe("Profile", () => {
  test("Profile.merge() of two schemas counts a field that one lacks as missing there, and splits a changed class", () => {
    const first = profileOf(
      [fieldOf("a", "int"), fieldOf("b", "string")],
      [
        [[1], ["x"]],
        [[2], [null]],
      ],
    );
    const second = profileOf([fieldOf("a", "double"), fieldOf("b", "int"), fieldOf("c", "int")], [[[1], [5], [7]]], {
      facts: { schemaId: 2 },
    });
    first.merge(second);
    const missing = [...first.fields].map(([key, field]) => [key, field.kind, field.values, first.missing(field)]);
    expect(missing).toEqual([
      ["a#number", "double", 3, 0],
      ["b#text", "string", 1, 1],
      ["b#number", "int", 1, 2],
      ["c#number", "int", 1, 2],
    ]);
    expect([...first.schemaRows]).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });

  test("Profile counts 1 as the same value in an int, a long and a double field", () => {
    const profile = profileOf([fieldOf("a", "int")], [[[1]], [[2]]]);
    profile.merge(profileOf([fieldOf("a", "long")], [[[1n]], [[2n]]]));
    profile.merge(profileOf([fieldOf("a", "double")], [[[1]], [[2.5]]]));
    expect(profile.fields.get("a#number")?.dictionary?.size).toBe(3);
    expect(profile.contents.duplicateShare()).toBe(0.5);
  });

  test("Profile keeps the exact bound of a long when other numbers lie within it, and only then", () => {
    const profile = profileOf([fieldOf("a", "long")], [[[2n ** 60n + 1n]], [[-5n]]]);
    profile.merge(profileOf([fieldOf("a", "int")], [[[-7]]]));
    const field = profile.fields.get("a#number");
    expect([field?.minimum, field?.maximum]).toEqual([-7, 2n ** 60n + 1n]);
    profile.merge(profileOf([fieldOf("a", "double")], [[[1e300]]]));
    expect(field?.maximum).toBe(1e300);
  });

  test("Profile.missing() of elements counts what the array around them could have held", () => {
    const fields = [
      fieldOf("stops", "array"),
      fieldOf("stops[].at", "int", { level: 0 }),
      fieldOf("stops[].legs", "array", { level: 0 }),
      fieldOf("stops[].legs[]", "string", { level: 2 }),
    ];
    const profile = profileOf(fields, [
      [[3], [1, null], [2, 0], ["a"]],
      [[null], [], [], []],
      [[0], [], [], []],
    ]);
    const missing = [...profile.fields.values()].map((field) => [profile.expected(field), profile.missing(field)]);
    expect(missing).toEqual([
      [3, 0],
      [3, 1],
      [3, 1],
      [2, 1],
    ]);
  });

  test("Profile duplicates are exact below the capacity and do not depend on schema id, order of fields, or nulls' place", () => {
    const fields = [fieldOf("a", "int"), fieldOf("b", "string")];
    const profile = profileOf(fields, [
      [[1], ["x"]],
      [[1], ["x"]],
      [[1], ["y"]],
      [[2], [null]],
    ]);
    profile.merge(
      profileOf(
        [...fields].reverse(),
        [
          [["x"], [1]],
          [[null], [2]],
        ],
        { facts: { schemaId: 9 } },
      ),
    );
    profile.merge(profileOf([fieldOf("a", "int")], [[[2]]]));
    expect(profile.contents.exact).toBe(true);
    expect(profile.contents.size).toBe(3);
    expect(profile.contents.duplicateShare()).toBe(4 / 7);
  });

  test("Profile duplicates tell values of two fields apart that are swapped, and elements in another order", () => {
    const pair = [fieldOf("a", "int"), fieldOf("b", "int")];
    expect(
      profileOf(pair, [
        [[1], [2]],
        [[2], [1]],
      ]).contents.size,
    ).toBe(2);
    const list = [fieldOf("l", "array"), fieldOf("l[]", "int", { level: 0 })];
    const rows: Row[] = [
      [[2], [1, 2]],
      [[2], [2, 1]],
      [[1], [1]],
      [[0], []],
      [[null], []],
    ];
    expect(profileOf(list, rows).contents.size).toBe(5);
  });

  test("BatchProfiler leaves the ignored fields out of the content hash, and only there", () => {
    const fields = [fieldOf("a", "int"), fieldOf("ingested", "timestamp")];
    const rows: Row[] = [
      [[1], [1000]],
      [[1], [2000]],
    ];
    expect(profileOf(fields, rows).contents.duplicateShare()).toBe(0);
    const profile = profileOf(fields, rows, { ignore: new Set(["ingested"]) });
    expect(profile.contents.duplicateShare()).toBe(0.5);
    expect(profile.fields.get("ingested#timestamp")?.dictionary?.size).toBe(2);
  });

  test("Profile keeps the same fields in every order of merging when there are too many", () => {
    const width = FIELDS_MAX + 100;
    const fields = Array.from({ length: width }, (_, i) =>
      fieldOf(`f${String((i * 7919) % width).padStart(5, "0")}`, "int"),
    );
    const part = (some: FieldDescriptor[]) => profileOf(some, [some.map((_, i) => [i % 5 === 0 ? null : i])]);
    const parts = [fields.slice(0, 900), fields.slice(900), fields.slice(400, 1300)].map(part);
    const merged = [parts, [...parts].reverse()].map((order) => {
      const profile = Profile.empty(7);
      for (const other of order) profile.merge(other);
      return profile;
    });
    expect(merged[0]?.fields.size).toBe(FIELDS_MAX);
    expect([...(merged[0]?.fields.keys() ?? [])].sort().at(-1)).toBe(
      `f${String(FIELDS_MAX - 1).padStart(5, "0")}#number`,
    );
    expect(merged[0]?.valuesLeftOut).toBeGreaterThanOrEqual(100);
    expect(exactParts(merged[0]!)).toEqual(exactParts(merged[1]!));
    expect(profileOf(fields, [fields.map(() => [1])]).valuesLeftOut).toBe(100);
  });

  test("Profile counts rows of the newest schema ids, and the rest together", () => {
    const profile = Profile.empty(1);
    for (let id = 0; id < SCHEMAS_MAX + 10; id++) profile.countSchemaRows(id, 2);
    profile.countSchemaRows(3, 1);
    expect(profile.schemaRows.size).toBe(SCHEMAS_MAX);
    expect(Math.min(...profile.schemaRows.keys())).toBe(10);
    expect(profile.otherSchemaRows).toBe(21);
  });

  test("Profile labels follow the value policy: shown, hashed with the given key, or none", () => {
    const fields = [
      fieldOf("plain", "string"),
      fieldOf("secret", "string"),
      fieldOf("gone", "string"),
      fieldOf("n", "int"),
    ];
    const labels: LabelPolicy = {
      policyOf: (path) => (path === "secret" || path === "n" ? "hash" : path === "gone" ? "hide" : "show"),
      hashLabel: (text) => `hmac:${text.toUpperCase()}`,
    };
    const profile = profileOf(fields, [[["pear"], ["pear"], ["pear"], [3]]], { labels });
    const labelsOf = (key: string) =>
      [...(profile.fields.get(key)?.dictionary?.entries() ?? [])].map((entry) => entry.label);
    expect(labelsOf("plain#text")).toEqual(["pear"]);
    expect(labelsOf("secret#text")).toEqual(["hmac:PEAR"]);
    expect(labelsOf("gone#text")).toEqual([undefined]);
    expect(labelsOf("n#number")).toEqual([undefined]);
    expect(new TextDecoder().decode(profile.write()).match(/pear/g)).toHaveLength(1);
  });

  test("Profile keeps the policy of labels beyond the exact tier", () => {
    const rows = Array.from({ length: 9_000 }, (_, i): Row => [[i % 2 === 0 ? "often" : `id-${i}`]]);
    const tops = (["show", "hash", "hide"] as const).map((policy) => {
      const labels = { policyOf: () => policy, hashLabel: (text: string) => `hmac:${text.length}` };
      return profileOf([fieldOf("s", "string")], rows, { labels })
        .fields.get("s#text")
        ?.frequent?.top(1)[0]?.label;
    });
    expect(tops).toEqual(["often", "hmac:5", undefined]);
  });

  test("Profile cuts long labels at a code point, and still tells their values apart", () => {
    const long = "😀".repeat(100);
    const profile = profileOf([fieldOf("s", "string")], [[[`${long}a`]], [[`${long}b`]]]);
    const entries = [...(profile.fields.get("s#text")?.dictionary?.entries() ?? [])];
    expect(entries.map(({ label }) => label)).toEqual([`${"😀".repeat(64)}…`, `${"😀".repeat(64)}…`]);
  });

  test("FieldProfile.summary() gives counters and moments by name, exact bounds as bigint", () => {
    const profile = profileOf([fieldOf("a", "long")], [[[2n ** 62n]], [[-1n]], [[0n]], [[null]], [[]]]);
    const field = profile.fields.get("a#number");
    expect(field?.summary(profile.expected(field))).toMatchObject({
      path: "a",
      kind: "long",
      values: 3,
      nulls: 1,
      missing: 1,
      zero: 1,
      negative: 1,
      min: -1,
      max: 2n ** 62n,
      distinct: 3,
      distinctIsExact: true,
      lengthMean: undefined,
    });
  });

  test("KIND_STATES and FIELD_KINDS speak of the same kinds, and kinds of one class share their histogram and tiers", () => {
    expect(new Set(FIELD_KINDS)).toEqual(new Set(Object.keys(KIND_STATES)));
    for (const a of FIELD_KINDS) {
      for (const b of FIELD_KINDS) {
        if (KIND_STATES[a].class !== KIND_STATES[b].class) continue;
        expect(KIND_STATES[a].histogram).toBe(KIND_STATES[b].histogram);
        expect(KIND_STATES[a].dictionary).toBe(KIND_STATES[b].dictionary);
        expect(KIND_STATES[a].frequent).toBe(KIND_STATES[b].frequent);
      }
    }
    expect(fieldKey("f#string", "string")).toBe("f#string#text");
  });
});

describe("BatchProfiler", () => {
  test("BatchProfiler uses a batch again with other content, as readers do", () => {
    const fields = [fieldOf("a", "double"), fieldOf("s", "string")];
    const profiler = new BatchProfiler({ labels: SHOW });
    const profile = Profile.empty(7);
    const batch = batchOf(fields, [
      [[1], ["x"]],
      [[Number.NaN], ["y"]],
      [[-0], [null]],
    ]);
    for (let round = 0; round < 2; round++) {
      profiler.begin(batch, factsOf(3));
      profiler.addGroups(new Int32Array(3), [profile]);
      profiler.end();
      batch.rowCount = 3;
    }
    const expected = profileOf(fields, [
      [[1], ["x"]],
      [[Number.NaN], ["y"]],
      [[-0], [null]],
    ]);
    expected.merge(
      profileOf(fields, [
        [[1], ["x"]],
        [[Number.NaN], ["y"]],
        [[-0], [null]],
      ]),
    );
    expect(exactParts(profile)).toEqual(exactParts(expected));
  });

  test("BatchProfiler refuses calls out of order and groups that are not there", () => {
    const profiler = new BatchProfiler({ labels: SHOW });
    const batch = batchOf([fieldOf("a", "int")], [[[1]]]);
    expect(() => profiler.addGroups(Int32Array.of(0), [Profile.empty(1)])).toThrowError("no batch has begun");
    profiler.begin(batch, factsOf(1));
    expect(() => profiler.begin(batch, factsOf(1))).toThrowError("the previous one has not ended");
    expect(() => profiler.addGroups(Int32Array.of(1), [Profile.empty(1)])).toThrowError(RangeError);
  });

  test("BatchProfiler takes an empty batch", () => {
    expect(profileOf([fieldOf("a", "int")], []).write()).toEqual(Profile.empty(7).write());
  });
});
