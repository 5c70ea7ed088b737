/** The sinks of a configuration, opened. Each is a consumer group of its own, so none of them holds a stage. */
import type { Clock } from "../core/clock.ts";
import type { Config } from "../core/config.ts";
import type { Logger } from "../core/logger.ts";
import { SeededRandom } from "../core/random.ts";
import type { Sink } from "../core/sink.ts";
import type { Telemetry } from "../core/telemetry.ts";
import { createConsoleSink } from "../sinks/console-sink.ts";
import { openFileSink } from "../sinks/file-sink.ts";
import { createPrometheusSink } from "../sinks/prometheus-sink.ts";
import { makeOutDirectory } from "./out-directory.ts";

export interface RunningSinks {
  readonly sinks: readonly Sink[];
  close(): Promise<void>;
}

export interface SinkContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly print: (line: string) => void;
}

export async function openSinks(config: Config, context: SinkContext): Promise<RunningSinks> {
  const { clock, logger, telemetry, print } = context;
  const sinks: Sink[] = [];
  for (const sink of config.sinks) {
    switch (sink.kind) {
      case "console":
        sinks.push(createConsoleSink(print));
        break;
      case "file":
        await makeOutDirectory(sink.directory, "sinks[].file.directory");
        sinks.push(await openFileSink({ directory: sink.directory, atomic: false }));
        break;
      case "prometheus":
        sinks.push(createPrometheusSink({ telemetry, datasets: config.datasets, maxSeries: sink.maxSeries }));
        break;
      case "postgres": {
        // pg takes 60 ms to load: only who writes to a database pays for it.
        const { openPostgresSink } = await import("../sinks/postgres-sink.ts");
        const random = new SeededRandom(clock.nowMs() ^ process.pid);
        const tls = sink.tls === undefined ? {} : { tls: sink.tls };
        sinks.push(
          await openPostgresSink({ url: sink.url, schema: sink.schema, ...tls, clock, logger, random, telemetry }),
        );
        break;
      }
      default:
        sink satisfies never;
    }
  }
  return {
    sinks,
    async close() {
      for (const sink of sinks) await sink.close?.();
    },
  };
}
