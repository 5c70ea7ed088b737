// AssemblyScript to a WebAssembly module, and that to a TypeScript file.
import { readFileSync } from "node:fs";
import asc from "assemblyscript/asc";

/** By name of the file in wasm/: where the module goes, and its memory. */
const MODULES = {
  figures: { folder: "sketches", memory: { importMemory: true } },
  hash: { folder: "sketches", memory: { importMemory: true } },
  read: { folder: "schemas", memory: { importMemory: true } },
  // 64 KB, fixed: growing would detach the views that the host holds.
  sort: { folder: "sketches", memory: { initialMemory: 1, maximumMemory: 1 } },
};

export const KERNELS = Object.entries(MODULES).map(([name, { folder }]) => ({
  name,
  target: new URL(`../src/${folder}/${name}-wasm-module.ts`, import.meta.url),
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
  // A decorator before a function is AssemblyScript's own: as a comment, it is TypeScript's syntax, too.
  const source = readFileSync(new URL(`../wasm/${file}`, import.meta.url), "utf8").replaceAll(
    "/* @inline */",
    "@inline",
  );
  const { error, binary, stderr } = await asc.compileString(
    { [file]: source },
    {
      optimizeLevel: 3,
      shrinkLevel: 0,
      runtime: "stub",
      noAssert: true,
      enable: ["simd"],
      ...MODULES[name].memory,
    },
  );
  if (error !== null) throw new Error(`Cannot compile wasm/${file}: ${stderr.toString()}`, { cause: error });
  return binary;
}
