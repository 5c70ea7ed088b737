/**
 * `npm run chaos -- --recreate`: the input topic is deleted and created anew while `streamgauge run` reads it. Its offsets begin
 * at 0 again, and Kafka has forgotten the group's positions with the topic. Nothing of the new topic may be left out in
 * silence: what the judge takes for repeated must be told by an incident of its own.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type AlertRecord, isOwnIncident } from "../../src/core/verdict.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { DEPLOYMENT, INPUT, read, startDeployment, WINDOW_MS } from "./deployment.ts";
import { Fleet } from "./fleet.ts";
import { Load } from "./load.ts";
import type { ChaosReading } from "./reading.ts";
import { TripGenerator } from "./trips.ts";

interface RecreateOptions {
  readonly seed: number;
  readonly partitions: number;
  readonly rate: number;
}

const LOAD_MS = 15_000;
/** So long nothing comes, and then the topic is away. */
const PAUSE_MS = 5_000;

/** One sentence for each thing that passed in silence. */
export async function runRecreate(options: RecreateOptions, say: (line: string) => void): Promise<string[]> {
  const { cluster, schemaId, config } = await startDeployment(1, options.partitions);
  try {
    const fleet = new Fleet({ cluster, config, deployment: DEPLOYMENT, topic: INPUT, say });
    await fleet.start(2);
    const generator = new TripGenerator({ seed: options.seed, schemaId, stepMs: WINDOW_MS / 2000 });
    const loadFor = async (timeMs: number) => {
      const load = new Load({ ...options, brokers: cluster.addresses(), topic: INPUT, generator });
      load.start();
      await sleep(timeMs);
      await load.end(0);
      await sleep(PAUSE_MS);
    };
    await loadFor(LOAD_MS);
    say("the topic is deleted");
    await cluster.asAdmin((admin) => admin.deleteTopics({ topics: [INPUT] }));
    await sleep(PAUSE_MS);
    await cluster.createTopic(INPUT, options.partitions);
    say("the topic is created anew");
    await loadFor(2 * LOAD_MS);
    await fleet.end();
    return silences(await read(cluster));
  } finally {
    await cluster.stop();
  }
}

/** Events in ranges below what was counted before, where no incident of streamgauge's own was opened. */
function silences({ profiles, alerts }: ChaosReading): string[] {
  const told = alerts.map(({ value }) => JSON.parse(Buffer.from(value!).toString()) as AlertRecord);
  if (told.some(isOwnIncident)) return [];
  const positions = new Map<number, number>();
  const leftOut = new Map<number, number>();
  for (const { value } of profiles) {
    const delta = decodeDelta(value!);
    if (delta.kind === "pane") continue;
    const { partition, toOffset, counts } = delta.entry;
    const position = positions.get(partition) ?? 0;
    if (toOffset <= position) leftOut.set(partition, (leftOut.get(partition) ?? 0) + counts.consumed);
    positions.set(partition, Math.max(position, toOffset));
  }
  return [...leftOut].flatMap(([partition, count]) =>
    count === 0
      ? []
      : [`partition ${partition}: ${count} events of the new topic are in no window, and no incident tells of it`],
  );
}
