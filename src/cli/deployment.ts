/**
 * Both stages and the sinks on the user's own cluster, in one process; start more processes and Kafka spreads the
 * work. What a deployment needs is looked at before anything is consumed, so that a mistake is told at once.
 */
import { VERSION } from "../config/version.ts";
import { createKafkaLog, type KafkaLog } from "../consumers/kafka-log.ts";
import type { Clock } from "../core/clock.ts";
import type { Config, KafkaConfig, RegistryConfig, StartFrom } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { Subscription, TopicSpec } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { SeededRandom } from "../core/random.ts";
import type { SchemaRegistry } from "../core/schema-registry.ts";
import type { Telemetry } from "../core/telemetry.ts";
import { topicNames } from "../core/topics.ts";
import { createHttpRegistry } from "../schemas/http-registry.ts";
import { createReaderSource } from "../schemas/registry.ts";
import { createSchemaDiskCache } from "../schemas/schema-disk-cache.ts";
import { startJudge } from "../stages/judge.ts";
import { startProfiler } from "../stages/profiler.ts";
import { startSink } from "../stages/sink-runner.ts";
import { createHashLabel } from "./hash-label.ts";
import type { ReadinessInput } from "./readiness.ts";
import { openSinks, type RunningSinks } from "./sinks.ts";

export interface DeploymentOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Lines of the console sink. */
  readonly print: (line: string) => void;
}

export type DeploymentHealth = Pick<ReadinessInput, "profiler" | "judge" | "isHeldByRegistry" | "training">;

export interface Deployment {
  /** Rejects with the first failure; never settles while all goes well. */
  readonly failed: Promise<never>;
  /** How its stages stand with Kafka and the registry. */
  health(): DeploymentHealth;
  /** Writes what is not yet written, leaves the groups, closes everything. */
  stop(): Promise<void>;
}

/** A flush that no timer has asked for: bounds the memory of a partition that is read from its past. */
const FLUSH_RECORDS = 250_000;
/** The registry has 5 s to answer; what is left is for the file that stands in for it. */
const REGISTRY_LIMIT_MS = 8_000;

/** Profiler and judge stand before the sinks. */
const STAGES = 2;
/** For a delivery under way. */
const SINK_GRACE_MS = 2_000;

/** @throws {StreamgaugeError} `SG_CONFIG`, `SG_CONNECT`: what is wrong, and what to do. */
export async function startDeployment(options: DeploymentOptions): Promise<Deployment> {
  const { config, clock, logger, telemetry } = options;
  const kafka = needed(config.kafka, "kafka");
  const topics = topicNames(config.topics.prefix);
  const log = createKafkaLog({ kafka, clock, logger, clientId: `streamgauge-${config.deployment}` });
  const running: Subscription[] = [];
  let sinks: RunningSinks | undefined;
  let health: () => DeploymentHealth;
  const stop = async () => {
    // The profiler first: what it writes last is still judged; then the judge's last checkpoint; then the sinks.
    const ends = Promise.all(running.slice(STAGES).map((subscription) => subscription.stop()));
    for (const subscription of running.slice(0, STAGES)) await subscription.stop();
    // A sink that waits for its database ends its wait only when it is closed.
    await Promise.race([ends, new Promise<void>((resolve) => clock.after(SINK_GRACE_MS, resolve))]);
    await sinks?.close();
    await ends;
    await log.close();
  };
  try {
    const cluster = await log.ping();
    logger.info({ ...cluster }, "connected to Kafka");
    await requireInputs(log, config);
    await createOwnTopics(log, config);
    const registry = await reachRegistry(needed(config.registry, "registry"), options);
    const readers = createReaderSource(registry, { clock, deadlineMs: REGISTRY_LIMIT_MS });
    const common = { log, logger, telemetry, deployment: config.deployment, datasets: config.datasets };
    sinks = await openSinks(config, options);
    const profiler = await startProfiler({
      ...common,
      readers,
      clock,
      group: `${kafka.group}.profiler`,
      profilesTopic: topics.profiles,
      startFrom: startTime(config.startFrom, clock),
      flushRecords: FLUSH_RECORDS,
      time: "clock",
      hashLabel: createHashLabel(config.deployment, options.env),
    });
    running.push(profiler);
    const judge = await startJudge({
      ...common,
      group: `${kafka.group}.judge`,
      topics,
      ...config.alerts,
      checkpoints: { clock, everyMs: config.checkpointEveryMs, writer: `streamgauge ${VERSION}` },
    });
    running.push(judge);
    health = () => ({
      profiler: profiler.health?.(),
      judge: judge.health?.(),
      isHeldByRegistry: profiler.isHeldByRegistry(),
      training: judge.training(),
    });
    for (const sink of sinks.sinks) running.push(await startSink({ ...common, sink, topics, group: kafka.group }));
    logger.info({ deployment: config.deployment, topics: config.datasets.map(({ topic }) => topic) }, "running");
  } catch (error) {
    await stop().catch((failure: unknown) => logger.warn({ error: String(failure) }, "not everything could be closed"));
    throw error;
  }
  const failed = Promise.race(running.map(({ done }) => done)).then((): never => {
    throw new StreamgaugeError("SG_CONNECT", "A subscription ended by itself");
  });
  failed.catch(() => undefined);
  return { failed, health, stop };
}

/** What `run` writes, one partition each: a shard is judged by one process, and order matters within a dataset. */
export function ownTopics(config: Config): TopicSpec[] {
  const topics = topicNames(config.topics.prefix);
  const names = [topics.profiles, topics.metrics, topics.verdicts, topics.alerts, topics.windows];
  const quarantines = config.datasets.flatMap(({ quarantine }) => (quarantine === undefined ? [] : [quarantine.topic]));
  return [
    { name: topics.state, partitions: 1, compacted: true },
    ...[...names, ...new Set(quarantines)].map((name) => ({ name, partitions: 1 })),
  ];
}

/** Topics that are there may have been made by an administrator, with more partitions; only the state's are ours. */
export async function createOwnTopics(log: KafkaLog, config: Config): Promise<void> {
  const specs = ownTopics(config);
  const existing = await log.describeTopics(specs.map(({ name }) => name));
  await log.createTopics(specs.filter(({ name, compacted }) => compacted === true || !existing.has(name)));
}

export async function requireInputs(log: KafkaLog, config: Config): Promise<void> {
  const topics = config.datasets.map(({ topic }) => topic);
  const existing = await log.describeTopics(topics);
  const missing = topics.filter((topic) => !existing.has(topic));
  if (missing.length === 0) return;
  const subject = missing.length === 1 ? `topic ${missing[0]} does` : `topics ${missing.join(", ")} do`;
  throw new StreamgaugeError(
    "SG_CONFIG",
    `Cannot watch what is not there: ${subject} not exist, or this user may not see it. Correct datasets[].topic, create it, or grant Describe and Read`,
  );
}

/** A registry that does not answer is a reason not to begin, unless schemas of before are on the disk. */
async function reachRegistry(
  config: RegistryConfig,
  options: Pick<DeploymentOptions, "clock" | "logger">,
): Promise<SchemaRegistry> {
  const { clock, logger } = options;
  // Any seed will do as long as two processes do not ask at the same moments.
  const random = new SeededRandom(clock.nowMs() ^ process.pid);
  const registry = createHttpRegistry(config, { clock, random, logger });
  const { cacheDirectory } = config;
  try {
    await registry.check();
  } catch (error) {
    const isOutage = error instanceof StreamgaugeError && error.code === "SG_CONNECT";
    if (!isOutage || cacheDirectory === undefined) throw error;
    logger.warn({ error: error.message }, "schema registry does not answer: beginning with the schemas on the disk");
  }
  if (cacheDirectory === undefined) return registry;
  return createSchemaDiskCache(registry, { directory: cacheDirectory, registryUrl: config.url, logger });
}

function startTime(startFrom: StartFrom, clock: Clock): "earliest" | "latest" | number {
  return typeof startFrom === "string" ? startFrom : clock.nowMs() - startFrom.agoMs;
}

export function needed<T extends KafkaConfig | RegistryConfig>(part: T | undefined, key: string): T {
  if (part !== undefined) return part;
  throw new StreamgaugeError("SG_CONFIG", `Cannot run: the configuration has no "${key}"`);
}
