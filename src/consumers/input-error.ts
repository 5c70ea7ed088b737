import { StreamgaugeError } from "../core/errors.ts";

/** `Cannot read <path><place>: <what>`; `place` is empty, `:line:column` or ` (block 3 at byte 120)`. */
export function inputError(path: string, place: string, what: string, cause?: unknown): StreamgaugeError {
  return new StreamgaugeError("SG_INPUT", `Cannot read ${path}${place}: ${what}`, cause === undefined ? {} : { cause });
}

/** The message of anything thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
