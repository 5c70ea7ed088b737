import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import avsc from "avsc";
import { afterAll, describe, expect, test } from "vitest";
import type { ValuePolicy } from "../../src/core/config.ts";
import { FieldNames } from "../../src/profiles/field-names.ts";
import { writeProfileFile } from "../../src/state/profile-container.ts";
import { fieldOf, profileOf, type Row } from "../profiles/column-batches.ts";

const directory = mkdtempSync(join(tmpdir(), "streamgauge-profile-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const WINDOW = { dataset: "d", slice: "all", startMs: 0, endMs: 1 };
const VALUED = ["min", "max", "kll", "hll", "frequentItems", "patterns"] as const;

async function written(policy: ValuePolicy): Promise<Record<string, unknown>[]> {
  const rows = Array.from({ length: 50 }, (_, i): Row => [[`Qwx7Zk-${i}`], [i + 0.125]]);
  const labels = { policyOf: () => policy, hashLabel: () => "hmac:0" };
  const profile = profileOf([fieldOf("token", "string"), fieldOf("amount", "double")], rows, { labels });
  const path = join(directory, `${policy}.profile`);
  await writeProfileFile(path, WINDOW, 0, profile, { names: new FieldNames(), policyOf: () => policy });
  expect(readFileSync(path).length).toBeGreaterThan(100);
  const records: Record<string, unknown>[] = [];
  for await (const record of avsc.createFileDecoder(path)) records.push(record as Record<string, unknown>);
  return records;
}

describe("writeProfileFile()", () => {
  test.each(["hide", "hash"] as const)(
    "values: %s leaves out all that could show one, and keeps the counters",
    async (policy) => {
      const [events, amount, token] = await written(policy);
      expect(events).toMatchObject({ values: 50, nullPatterns: [{ absent: [], count: 50 }] });
      for (const record of [amount, token]) {
        for (const name of VALUED) expect(record?.[name], name).toBeNull();
        expect(record).toMatchObject({ values: 50, distinct: 50 });
      }
    },
  );

  test("values: show writes them", async () => {
    const [, amount, token] = await written("show");
    expect(VALUED.filter((name) => amount?.[name] === null)).toEqual(["patterns"]);
    expect(VALUED.filter((name) => token?.[name] === null)).toEqual(["min", "max", "kll"]);
  });
});
