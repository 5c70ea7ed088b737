// AssemblyScript to a WebAssembly module, and that to a TypeScript file.
import { readFileSync } from "node:fs";
import asc from "assemblyscript/asc";

/** 64 KB each: fixed, because growing would detach the views that the host holds. */
const PAGES = { hash: 20, sort: 1 };

export const KERNELS = Object.keys(PAGES).map((name) => ({
  name,
  target: new URL(`../src/sketches/${name}-wasm-module.ts`, import.meta.url),
}));

/**
 * The same text for the same source and compiler.
 * @param {string} name of a file in wasm/
 */
export async function moduleSource(name) {
  const binary = await compile(name);
  const lines = Buffer.from(binary)
    .toString("base64")
    .match(/.{1,110}/g)
    .map((line) => `  "${line}"`);
  return [
    `/** \`wasm/${name}.ts\`, compiled: written by \`npm run build:wasm\`, not by hand. */`,
    `export const ${name.toUpperCase()}_WASM_BASE64 =`,
    `${lines.join(" +\n")};`,
    "",
  ].join("\n");
}

async function compile(name) {
  const file = `${name}.ts`;
  const source = readFileSync(new URL(`../wasm/${file}`, import.meta.url), "utf8");
  const { error, binary, stderr } = await asc.compileString(
    { [file]: source },
    {
      optimizeLevel: 3,
      shrinkLevel: 0,
      runtime: "stub",
      noAssert: true,
      enable: ["simd"],
      initialMemory: PAGES[name],
      maximumMemory: PAGES[name],
    },
  );
  if (error !== null) throw new Error(`Cannot compile wasm/${file}: ${stderr.toString()}`, { cause: error });
  return binary;
}
