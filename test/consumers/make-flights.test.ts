import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { openInput } from "../../src/consumers/file-input.ts";
import { InputFolder } from "./input-kit.ts";

const folder = new InputFolder();
afterAll(() => folder.remove());

test("scripts/make-flights.mjs makes data/flights.avro again", async () => {
  const committed = fileURLToPath(new URL("../../data/flights.avro", import.meta.url));
  const script = fileURLToPath(new URL("../../scripts/make-flights.mjs", import.meta.url));
  const made = join(folder.path, "flights.avro");
  execFileSync(process.execPath, [script, made], { stdio: "pipe" });
  if (readFileSync(made).equals(readFileSync(committed))) return;
  // Another zlib may pack the same blocks into other bytes; everything else has to be the same.
  const [left, right] = [await openInput(made), await openInput(committed)];
  expect(left).toMatchObject({ schemaText: right.schemaText, blockCount: right.blockCount });
  const others = right.records()[Symbol.asyncIterator]();
  for await (const block of left.records()) {
    const other = (await others.next()).value as typeof block;
    expect(Buffer.compare(block.bytes, other.bytes)).toBe(0);
  }
});
