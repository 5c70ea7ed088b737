/** `streamgauge run -c FILE`: the sidecar. Ends with a signal, or with the first failure that waiting cannot mend. */
import { loadConfigFile } from "../config/load-config.ts";
import { VERSION } from "../config/version.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import type { Config, SinkConfig } from "../core/config.ts";
import { EXIT_CODES } from "../core/errors.ts";
import { noTelemetry, type Telemetry } from "../core/telemetry.ts";
import { startProcessTelemetry } from "../sinks/process-telemetry.ts";
import { PrometheusRegistry } from "../sinks/prometheus-registry.ts";
import { type Readiness, startPrometheusServer } from "../sinks/prometheus-server.ts";
import { type DeploymentHealth, startDeployment } from "./deployment.ts";
import type { Io } from "./io.ts";
import { createLogger } from "./logger.ts";
import { type ReadinessInput, readinessOf } from "./readiness.ts";

/** What is not done by then is left: nothing is lost by it, the next process reads it again. */
const DRAIN_LIMIT_MS = 9_000;

export async function run(args: { readonly config: string }, io: Io): Promise<number> {
  const { config, notices } = await loadConfigFile({ file: args.config, env: io.env, command: "run" });
  const clock = systemClock();
  const logger = createLogger(io, "info");
  for (const notice of notices) logger.warn({ ...notice }, notice.message);
  const state: { phase: ReadinessInput["phase"]; health?: () => DeploymentHealth } = { phase: "starting" };
  const flushEveryMs = new Map(config.datasets.map((dataset) => [dataset.topic, dataset.flushEveryMs]));
  const watch = await startWatch(config, clock, () => {
    const health = state.health?.() ?? { isHeldByRegistry: false };
    return readinessOf({ ...health, phase: state.phase, flushEveryMs, nowMs: clock.monotonicMs() });
  });
  try {
    const stopping = new Promise<"stop">((resolve) => {
      io.onInterrupt?.(() => resolve("stop"));
    });
    const starting = startDeployment({
      config,
      clock,
      logger,
      telemetry: watch.telemetry,
      env: io.env,
      print: io.stdout,
    });
    // A signal while it starts: what was begun is closed as far as it has come.
    const deployment = await Promise.race([starting, stopping]);
    if (deployment === "stop") {
      state.phase = "stopping";
      await withinLimit(
        clock,
        starting.then(
          (begun) => begun.stop(),
          () => undefined,
        ),
      );
      return EXIT_CODES.ok;
    }
    state.health = () => deployment.health();
    state.phase = "running";
    try {
      await Promise.race([deployment.failed, stopping]);
      state.phase = "stopping";
      logger.info({}, "stopping");
      const isDone = await withinLimit(clock, deployment.stop());
      if (isDone) logger.info({}, "stopped");
      else logger.warn({ limitMs: DRAIN_LIMIT_MS }, "stopped before everything was written: it will be read again");
      return EXIT_CODES.ok;
    } catch (error) {
      state.phase = "stopping";
      await withinLimit(
        clock,
        deployment.stop().catch(() => undefined),
      );
      throw error;
    }
  } finally {
    await watch.close();
  }
}

interface Watch {
  readonly telemetry: Telemetry;
  close(): Promise<void>;
}

/** The Prometheus endpoint, where one is configured. */
async function startWatch(config: Config, clock: Clock, readiness: () => Readiness): Promise<Watch> {
  const sink = config.sinks.find((one): one is SinkConfig & { kind: "prometheus" } => one.kind === "prometheus");
  if (sink === undefined) return { telemetry: noTelemetry, close: async () => {} };
  const registry = new PrometheusRegistry({ clock, maxSeries: sink.maxSeries });
  const own = startProcessTelemetry(registry, VERSION);
  const server = await startPrometheusServer({ registry, host: sink.host, port: sink.port, readiness });
  return {
    telemetry: registry,
    async close() {
      own.stop();
      await server.close();
    },
  };
}

/** False: the time was up. */
async function withinLimit(clock: Clock, work: Promise<unknown>): Promise<boolean> {
  const limit = new Promise<false>((resolve) => {
    clock.after(DRAIN_LIMIT_MS, () => resolve(false));
  });
  return Promise.race([work.then(() => true as const), limit]);
}
