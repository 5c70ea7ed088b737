/** The deployment under chaos: cluster, topics, configuration; and how it reads for the checker. */
import type { MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";
import { Cluster, type CommittedRecord } from "../kafka/deployment-kit.ts";
import type { ChaosReading, CheckOptions, WindowsRecord } from "./reading.ts";
import { inputEvent, MINUTE_MS, PLACES, TRIP_SCHEMA } from "./trips.ts";

export const DEPLOYMENT = "chaos";
export const INPUT = "trips";
export const PROFILER_GROUP = "sg.profiler";
export const JUDGE_GROUP = "sg.judge";
export const METRICS = "sg.metrics";
const OUTPUTS = ["sg.profiles", METRICS, "sg.verdicts", "sg.windows", "sg.alerts", "trips.refused"] as const;
export const WINDOW_MS = 5 * MINUTE_MS;
export const REVISE_FOR_MS = 25 * MINUTE_MS;
const LATENESS_MS = 3 * MINUTE_MS;

/** Everything is on all three, and two are enough to go on. */
const REPLICATED = {
  "default.replication.factor": "3",
  "min.insync.replicas": "2",
  "offsets.topic.replication.factor": "3",
  "transaction.state.log.replication.factor": "3",
  "transaction.state.log.min.isr": "2",
};

export interface Deployment {
  readonly cluster: Cluster;
  readonly schemaId: number;
  /** Path of the configuration. */
  readonly config: string;
}

/** Durations, as the configuration has them. */
interface DeploymentTimes {
  readonly windows: string;
  readonly reviseFor: string;
  readonly flushEvery: string;
}

const CHAOS_TIMES: DeploymentTimes = { windows: "5m", reviseFor: "25m", flushEvery: "500ms" };

export async function startDeployment(
  brokers: 1 | 3,
  partitions: number,
  client: "kafkajs" | "node-rdkafka" = "kafkajs",
  times: DeploymentTimes = CHAOS_TIMES,
): Promise<Deployment> {
  const cluster = await Cluster.start({
    brokers,
    registry: { keepsData: true },
    ...(brokers > 1 && { properties: REPLICATED }),
  });
  try {
    await cluster.createTopic(INPUT, partitions);
    const schemaId = await cluster.register(`${INPUT}-value`, TRIP_SCHEMA);
    return { cluster, schemaId, config: cluster.write("chaos.yaml", configuration(cluster, client, times)) };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** No partition is ever idle: what is idle is decided by wall time, and that would differ from run to run. */
function configuration(cluster: Cluster, client: string, { windows, reviseFor, flushEvery }: DeploymentTimes): string {
  return `
deployment: ${DEPLOYMENT}
kafka: { brokers: ${JSON.stringify(cluster.addresses())}, group: sg, client: ${client} }
registry: { url: "${cluster.registry.url}", cache: schemas }
topics: { prefix: sg. }
startFrom: earliest
checkpointEvery: 2s
datasets:
  - topic: ${INPUT}
    time: { field: at, lateness: 3m, idleAfter: 1h, unheardAfter: 1h, maxAhead: 30m, reviseFor: ${reviseFor} }
    windows: { sizes: [${windows}] }
    slices: [{ by: place, name: place }]
    fields: { place: { values: show }, rider: { values: show } }
    flushEvery: ${flushEvery}
    quarantine: { topic: trips.refused }
`;
}

export function checkOptions(mayRepeat: boolean): CheckOptions {
  return {
    windowSizeMs: WINDOW_MS,
    time: {
      latenessMs: LATENESS_MS,
      idleAfterMs: 60 * MINUTE_MS,
      unheardAfterMs: 60 * MINUTE_MS,
      reviseForMs: REVISE_FOR_MS,
    },
    slice: { field: "place", name: "place", values: PLACES },
    fields: ["at", "place", "fare", "distance", "rider"],
    mayRepeat,
  };
}

/** All that is committed, by Kafka's own client. */
export async function read(
  cluster: Cluster,
): Promise<ChaosReading & { readonly profiles: readonly CommittedRecord[] }> {
  const { records, ends } = await cluster.committedTopics(INPUT, ...OUTPUTS);
  const of = (topic: string) => records.filter((record) => record.topic === topic);
  const parsed = <T>(topic: string) => of(topic).map(({ value }) => JSON.parse(String(value)) as T);
  return {
    inputTopic: INPUT,
    input: of(INPUT).map(inputEvent),
    ends: ends.get(INPUT) ?? new Map(),
    profiles: of("sg.profiles"),
    metrics: parsed<MetricsRecord>(METRICS),
    verdicts: parsed<VerdictRecord>("sg.verdicts"),
    windows: parsed<WindowsRecord>("sg.windows"),
    alerts: of("sg.alerts"),
    quarantine: of("trips.refused"),
  };
}
