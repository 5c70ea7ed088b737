/**
 * `npm run chaos -- --recreate`: the input topic is deleted and created anew while `streamgauge run` reads it. Its offsets begin
 * at 0 again, and Kafka has forgotten the group's positions with the topic. Every event of both topics has to be counted once,
 * and each partition to be told by an incident of its own.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type AlertRecord, isOwnIncident } from "../../src/core/verdict.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { groupPositions, until } from "../kafka/deployment-kit.ts";
import { DEPLOYMENT, type Deployment, INPUT, PROFILER_GROUP, read, startDeployment, WINDOW_MS } from "./deployment.ts";
import { Fleet } from "./fleet.ts";
import { Load } from "./load.ts";
import type { ChaosReading } from "./reading.ts";
import { TripGenerator } from "./trips.ts";

export interface RecreateOptions {
  readonly seed: number;
  readonly partitions: number;
  readonly rate: number;
  /** Of the load before; that after it takes twice as long. */
  readonly loadMs: number;
}

/** The topic is away for so long. */
const AWAY_MS = 3_000;

/** One sentence for each thing that is not as it has to be. */
export async function runRecreate(options: RecreateOptions, say: (line: string) => void): Promise<string[]> {
  const { partitions, loadMs } = options;
  const deployment = await startDeployment(1, partitions);
  const { cluster, schemaId, config } = deployment;
  try {
    const fleet = new Fleet({ cluster, config, deployment: DEPLOYMENT, topic: INPUT, say });
    await fleet.start(2);
    const generator = new TripGenerator({ seed: options.seed, schemaId, stepMs: WINDOW_MS / 2000 });
    const loadFor = async (timeMs: number) => {
      const load = new Load({ ...options, brokers: cluster.addresses(), topic: INPUT, generator });
      load.start();
      await sleep(timeMs);
      await load.end(0);
      await until("all events are counted", () => isCounted(deployment));
      return (await cluster.committed(INPUT)).length;
    };
    const before = await loadFor(loadMs);
    say("the topic is deleted");
    await cluster.asAdmin((admin) => admin.deleteTopics({ topics: [INPUT] }));
    await sleep(AWAY_MS);
    await cluster.createTopic(INPUT, partitions);
    say("the topic is created anew");
    const after = await loadFor(2 * loadMs);
    const findings = await fleet.end();
    return [...findings, ...countFindings(await read(cluster), [before, after]), ...fleet.surrenders.map(surrender)];
  } finally {
    await cluster.stop();
  }
}

/** The positions of the group are at the ends of the topic. */
async function isCounted({ cluster }: Deployment): Promise<boolean> {
  const [positions, ends] = await cluster.asAdmin(async (admin) => [
    await groupPositions(admin, PROFILER_GROUP, INPUT),
    await admin.fetchTopicOffsets(INPUT),
  ]);
  return ends.every(({ partition, high }) => positions.get(partition) === Number(high));
}

function countFindings({ profiles, alerts }: ChaosReading, written: readonly number[]): string[] {
  const counted = new Map<string, number>();
  const partitions = new Set<number>();
  for (const { value } of profiles) {
    const delta = decodeDelta(value!);
    if (delta.kind === "pane") continue;
    const { topicId = "", partition, counts } = delta.entry;
    counted.set(topicId, (counted.get(topicId) ?? 0) + counts.consumed);
    partitions.add(partition);
  }
  const findings: string[] = [];
  const figures = [...counted.values()];
  if (figures.join() !== written.join())
    findings.push(`counted ${figures.join(", ")} events, written were ${written.join(", ")}`);
  const told = alerts.map(({ value }) => JSON.parse(String(value)) as AlertRecord).filter(isOwnIncident);
  const resets = new Set(
    told.filter(({ reason }) => reason === "offset-reset").map(({ evidence }) => evidence[0]?.partition),
  );
  for (const partition of partitions) {
    if (!resets.has(partition))
      findings.push(`partition ${partition}: no incident tells that its topic was created anew`);
  }
  const others = told.filter(({ reason }) => reason !== "offset-reset").map(({ sentence }) => sentence);
  return [...findings, ...others.map((sentence) => `an incident that is none: ${sentence}`)];
}

function surrender({ code, words }: Fleet["surrenders"][number]): string {
  return `a process ended by itself with ${code}: ${words}`;
}
