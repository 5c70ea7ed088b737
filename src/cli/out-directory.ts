/** The directory behind `--out`. */
import { mkdir } from "node:fs/promises";
import { StreamgaugeError } from "../core/errors.ts";

/**
 * Makes it, and those above it.
 * @throws {StreamgaugeError} `SG_CONFIG` when there cannot be such a directory.
 */
export async function makeOutDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw new StreamgaugeError("SG_CONFIG", `--out: cannot make the directory ${directory}: ${reasonOf(error)}`, {
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
