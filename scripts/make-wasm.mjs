// Compiles wasm/*.ts and writes each module, as text, into src/sketches/*-wasm-module.ts: a build and a start then need no
// compiler. `npm run build:wasm` after a change in wasm/; a test fails while the two differ.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { KERNELS, moduleSource } from "./wasm-compiler.mjs";

for (const { name, target } of KERNELS) {
  const path = fileURLToPath(target);
  writeFileSync(path, await moduleSource(name));
  console.log(path);
}
