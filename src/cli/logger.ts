/** pino, writing to standard error: standard output belongs to the results. */
import { pino } from "pino";
import type { Logger } from "../core/logger.ts";
import type { Io } from "./io.ts";

/** Level by `STREAMGAUGE_LOG` (`info`, `warn`, `error`, `silent`). */
export function createLogger(io: Io, fallback: "info" | "warn" | "error" = "warn"): Logger {
  const level = io.env.STREAMGAUGE_LOG ?? fallback;
  return pino({ level, base: { name: "streamgauge" } }, { write: (line: string) => io.stderr(line.trimEnd()) });
}
