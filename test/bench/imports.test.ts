/** Scripts that no compiler sees take what they name from the build: a name that is gone would show only to who runs them. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const IMPORT = /import\s*\{([^}]*)\}\s*from\s*"([^"]*\/dist\/[^"]+)\.js"/g;

test("what the benchmarks take from the build is there", async () => {
  const scripts = readdirSync(join(ROOT, "bench"), { recursive: true, encoding: "utf8" });
  const taken = scripts.filter((name) => name.endsWith(".mjs")).flatMap((name) => importsOf(join(ROOT, "bench", name)));
  const missing: string[] = [];
  for (const { script, module, names } of taken) {
    const exported = (await import(pathToFileURL(join(ROOT, module)).href)) as Readonly<Record<string, unknown>>;
    missing.push(...names.filter((name) => !(name in exported)).map((name) => `${script}: ${name} of ${module}`));
  }
  expect(taken.length).toBeGreaterThan(50);
  expect(missing).toEqual([]);
});

function importsOf(script: string): { script: string; module: string; names: string[] }[] {
  return [...readFileSync(script, "utf8").matchAll(IMPORT)].map(([, names = "", path = ""]) => ({
    script: relative(ROOT, script),
    module: `${relative(ROOT, join(dirname(script), path)).replace(/^dist/, "src")}.ts`,
    names: names.split(",").flatMap((one) => one.trim().split(/\s+as\s+/)[0] || []),
  }));
}
