/** A configuration that asks for node-rdkafka where it is not installed: no broker is needed to be told. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildCommand } from "../cli/built-command.ts";
import { runToEnd } from "./deployment-kit.ts";

const MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));
const CONFIG = `
kafka: { brokers: ["127.0.0.1:1"], client: node-rdkafka }
registry: { url: "http://127.0.0.1:1" }
datasets: [{ topic: trips }]
`;

let folder: string;
let main: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "streamgauge-missing-"));
  main = buildCommand(folder);
  // All modules but the one.
  rmSync(join(folder, "node_modules"));
  mkdirSync(join(folder, "node_modules"));
  for (const name of readdirSync(MODULES)) {
    if (name !== "node-rdkafka") symlinkSync(join(MODULES, name), join(folder, "node_modules", name));
  }
  writeFileSync(join(folder, "config.yaml"), CONFIG);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(["run", "doctor"])("streamgauge %s ends with 2 and says what to install", async (command) => {
  const { code, stdout, stderr } = await runToEnd(main, [command, "-c", "config.yaml"], folder);
  expect(code, stderr).toBe(2);
  expect(`${stdout}${stderr}`).toContain(
    "Cannot use kafka.client node-rdkafka: it is not installed; run `npm install node-rdkafka@3.6.1`, which compiles it, or choose kafka.client: kafkajs",
  );
});
