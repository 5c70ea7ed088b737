/** Where the repository is, seen from this file and from a copy of it that was compiled into `out`. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = rootOf(dirname(fileURLToPath(import.meta.url)));

function rootOf(folder: string): string {
  if (existsSync(join(folder, "package-lock.json"))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error("Cannot find the repository: no package-lock.json above this file");
  return rootOf(parent);
}
