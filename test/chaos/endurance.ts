/**
 * `npm run chaos -- --endure`: figures of a deployment over time. A judge's state of tens of megabytes is built up first (windows
 * of a minute that can be revised for four hours of event time); then processes are killed evenly (`--kills`), or none is, and
 * memory is looked at each half minute, the heap after a forced collection.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "../../src/core/random.ts";
import { until } from "../kafka/deployment-kit.ts";
import { DEPLOYMENT, INPUT, PROFILER_GROUP, startDeployment } from "./deployment.ts";
import { Fleet } from "./fleet.ts";
import { Load } from "./load.ts";
import { ledgerLines, quantile, rateOf, recoveries } from "./report.ts";
import { MINUTE_MS, TripGenerator } from "./trips.ts";

interface EnduranceOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly partitions: number;
  readonly processes: number;
  readonly kills: number;
  /** Events a second. */
  readonly rate: number;
  /** @default "kafkajs" */
  readonly client?: "kafkajs" | "node-rdkafka";
}

const EVENTS_PER_WINDOW = 1200;
const REVISE_WINDOWS = 240;
const LOOK_EVERY_MS = 30_000;
/** Of a run whose memory is looked at, what comes before is not counted. */
const WARM_SHARE = 1 / 3;
const STATE = "sg.state";

/** Resident set and heap, bytes. */
interface Look {
  readonly atMs: number;
  readonly process: string;
  readonly rss: number;
  readonly heap: number;
}

export async function runEndurance(options: EnduranceOptions, say: (line: string) => void): Promise<void> {
  const { seed, durationMs, partitions, processes, kills, rate } = options;
  const deployment = await startDeployment(1, partitions, options.client, {
    windows: "1m",
    reviseFor: `${REVISE_WINDOWS}m`,
    flushEvery: "5s",
  });
  const { cluster, schemaId, config } = deployment;
  try {
    const fleet = new Fleet({ cluster, config, deployment: DEPLOYMENT, topic: INPUT, say });
    await fleet.start(processes);
    const generator = new TripGenerator({ seed, schemaId, stepMs: MINUTE_MS / EVENTS_PER_WINDOW });
    const load = new Load({ ...options, brokers: cluster.addresses(), topic: INPUT, generator });
    load.start();
    const query = { groupId: PROFILER_GROUP, topics: [INPUT] };
    await until("every partition is counted", async () => {
      const [positions] = await cluster.asAdmin((admin) => admin.fetchOffsets(query));
      return positions?.partitions.filter(({ offset }) => Number(offset) > 0).length === partitions;
    });
    const buildMs = (1000 * EVENTS_PER_WINDOW * REVISE_WINDOWS) / rate;
    say(`the state is built up for ${Math.round(buildMs / 1000)} s`);
    await sleep(buildMs);
    const startedMs = Date.now();
    const random = new SeededRandom(seed);
    const looks: Look[] = [];
    const end = startedMs + durationMs;
    const killing = (async () => {
      for (let index = 0; index < kills; index++) {
        await sleep(startedMs + ((index + 0.5) * durationMs) / kills - Date.now());
        fleet.kill(random.nextUint32());
      }
    })();
    while (Date.now() < end) {
      for (const { name, pid, heap } of await fleet.heaps()) {
        looks.push({ atMs: Date.now(), process: name, rss: peakRss(pid), heap });
      }
      await sleep(Math.min(LOOK_EVERY_MS, Math.max(0, end - Date.now())));
    }
    await killing;
    await sleep(LOOK_EVERY_MS);
    await load.end(0);
    const findings = await fleet.end();
    const committed = await cluster.committed("sg.profiles", STATE);
    const lines = ledgerLines(committed.filter(({ topic }) => topic === "sg.profiles"));
    const states = committed.filter(({ topic }) => topic === STATE);
    const newest = new Map(states.map(({ key, value }) => [String(key), value?.length ?? 0]));
    say(
      `judge's state: ${megabytes([...newest.values()].reduce((sum, bytes) => sum + bytes, 0))} packed, ${newest.size} records`,
    );
    const calm = rateOf(lines, startedMs - Math.min(buildMs / 2, MINUTE_MS), startedMs);
    const counted = rateOf(lines, startedMs, end);
    say(`events a second: ${calm.toFixed(0)} before, ${counted.toFixed(0)} then: ${(counted / calm).toFixed(2)}`);
    if (kills > 0) {
      const judges = fleet.deaths.filter(({ judged }) => judged).map(({ atMs }) => firstAfter(states, atMs) - atMs);
      say(
        `profiler, kill -9 to the first delta of the last of its partitions: ${spread(recoveries(fleet.deaths, lines))}`,
      );
      say(`judge, kill -9 to the next checkpoint: ${spread(judges)}`);
    }
    for (const line of memoryLines(looks, startedMs + WARM_SHARE * durationMs)) say(line);
    for (const finding of findings) say(finding);
    for (const { code, words } of fleet.surrenders) say(`a process ended by itself with ${code}: ${words}`);
  } finally {
    await cluster.stop();
  }
}

function firstAfter(records: readonly { readonly timestampMs: number }[], atMs: number): number {
  const later = records.filter(({ timestampMs }) => timestampMs > atMs).map(({ timestampMs }) => timestampMs);
  return later.reduce((first, timestampMs) => Math.min(first, timestampMs), Number.POSITIVE_INFINITY);
}

function* memoryLines(looks: readonly Look[], fromMs: number): Generator<string> {
  const rss = Math.max(...looks.map((look) => look.rss));
  yield `largest resident set: ${megabytes(rss)}`;
  for (const name of new Set(looks.map(({ process }) => process))) {
    const own = looks.filter((look) => look.process === name && look.atMs >= fromMs);
    if (own.length < 4) continue;
    const middle = Math.floor(own.length / 2);
    const mean = (part: readonly Look[]) => part.reduce((sum, { heap }) => sum + heap, 0) / part.length;
    const [first, last] = [mean(own.slice(0, middle)), mean(own.slice(middle))];
    const minutes = Math.round((own.at(-1)!.atMs - own[0]!.atMs) / MINUTE_MS);
    yield `${name}: heap ${megabytes(own[0]!.heap)} to ${megabytes(own.at(-1)!.heap)} in ${minutes} min; mean of the second half less the first: ${megabytes(last - first)}`;
  }
}

function spread(timesMs: readonly number[]): string {
  const seconds = (q: number) => `${((quantile(timesMs, q) ?? Number.NaN) / 1000).toFixed(1)} s`;
  return timesMs.length === 0 ? "none" : `p50 ${seconds(0.5)}, p95 ${seconds(0.95)} of ${timesMs.length}`;
}

/** VmHWM, bytes; 0: it is gone. */
function peakRss(pid: number): number {
  try {
    return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
