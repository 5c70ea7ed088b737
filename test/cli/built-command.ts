/**
 * The command line as it is published: built, because Node 20 runs no TypeScript. Compiled once for each state of the
 * sources, which is what its folder is named by, and copied for whoever asks: a copy outlives what others compile later.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { ROOT } from "../kafka/repository.ts";

const CACHE = join(ROOT, "node_modules/.cache/streamgauge-test-build");
/** Beside the sources, what the result depends on. */
const SETTINGS = ["tsconfig.json", "tsconfig.build.json", "package-lock.json"];
const REMOVED = { recursive: true, force: true };

/** Puts it into `folder` with what it needs beside it; returns the path of its main file. */
export function buildCommand(folder: string): string {
  cpSync(builtOnce(), join(folder, "dist"), { recursive: true });
  for (const name of ["node_modules", "data", "package.json"]) symlinkSync(join(ROOT, name), join(folder, name));
  return join(folder, "dist/cli/main.js");
}

/** Folder of what was compiled from the sources as they are now. */
function builtOnce(): string {
  const built = join(CACHE, hashOfSources());
  if (existsSync(built)) return built;
  mkdirSync(CACHE, { recursive: true });
  // Whoever compiles the same meanwhile: the first to end is taken.
  const own = mkdtempSync(`${CACHE}-`);
  const target = ["--outDir", own, "--tsBuildInfoFile", join(own, ".tsbuildinfo")];
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", "tsconfig.build.json", "--declaration", "false", ...target];
  try {
    execFileSync(process.execPath, args, { cwd: ROOT });
    for (const name of readdirSync(CACHE)) if (join(CACHE, name) !== built) rmSync(join(CACHE, name), REMOVED);
    renameSync(own, built);
  } catch (error) {
    rmSync(own, REMOVED);
    if (!existsSync(built)) throw error;
  }
  return built;
}

function hashOfSources(): string {
  const hash = createHash("sha256");
  const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  for (const name of [...sources.map((source) => join("src", source)).sort(), ...SETTINGS]) {
    hash.update(`${name}\0`).update(readFileSync(join(ROOT, name)));
  }
  return hash.digest("hex").slice(0, 16);
}
