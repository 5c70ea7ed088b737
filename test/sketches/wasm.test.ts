/** The modules that are checked in are those of the sources in `wasm/`, and everything works without WebAssembly. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

test("src/*/*-wasm-module.ts are what wasm/*.ts compile to: else run `npm run build:wasm`", () => {
  const script = `
    import { readFileSync } from "node:fs";
    import { KERNELS, moduleSource } from "./scripts/wasm-compiler.mjs";
    for (const { name, target } of KERNELS) {
      console.log(name, (await moduleSource(name)) === readFileSync(target, "utf8"));
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: ROOT,
    encoding: "utf8",
  });
  expect(stdout, stderr).toBe("figures true\nhash true\nread true\nsort true\n");
});

test("the package needs no compiler at run time", () => {
  const { dependencies } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  expect(Object.keys(dependencies)).not.toContain("assemblyscript");
});
