/** pino, writing to standard error: standard output belongs to the results. */
import { pino } from "pino";
import { quoted } from "../config/quoted.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Io } from "./io.ts";

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

/**
 * Level by `STREAMGAUGE_LOG`, else `fallback`.
 * @throws {StreamgaugeError} `SG_CONFIG` for a level that does not exist.
 */
export function createLogger(io: Io, fallback: "info" | "warn" | "error" = "warn"): Logger {
  const level = io.env.STREAMGAUGE_LOG || fallback;
  if (!LEVELS.includes(level)) {
    const message = `STREAMGAUGE_LOG: expected one of ${LEVELS.join(", ")}, got ${quoted(level)}`;
    throw new StreamgaugeError("SG_CONFIG", message);
  }
  return pino({ level, base: { name: "streamgauge" } }, { write: (line: string) => io.stderr(line.trimEnd()) });
}
