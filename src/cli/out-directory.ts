/** The directory behind `--out`, or a key of the configuration. */
import { existsSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { StreamgaugeError } from "../core/errors.ts";

/**
 * Makes it, and those above it.
 * @throws {StreamgaugeError} `SG_CONFIG` when there cannot be such a directory.
 */
export async function makeOutDirectory(directory: string, key = "--out"): Promise<void> {
  try {
    await makeAll(resolve(directory));
  } catch (error) {
    throw new StreamgaugeError("SG_CONFIG", `${key}: cannot make the directory ${directory}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

function reasonOf(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "EEXIST":
    case "ENOTDIR":
      return "a file is in its place";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

/** One after the other: with `recursive`, Node never ends where nothing can be made, as below /proc. */
async function makeAll(directory: string): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(directory)).isDirectory()) return;
    const parent = dirname(directory);
    // Below a parent that is there, or at the root, there is nothing more to make.
    if (code !== "ENOENT" || parent === directory || existsSync(parent)) throw error;
    await makeAll(parent);
    await mkdir(directory);
  }
}
