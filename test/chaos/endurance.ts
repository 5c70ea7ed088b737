/**
 * `npm run chaos -- --endure`: figures of a deployment over time. A judge's state is built up first (windows of a minute that can
 * be revised for an hour and a half of event time, `--window-events` in each: the default makes a hundred megabytes); then processes are
 * killed evenly (`--kills`, every second time the judge), or none is, and memory is looked at each half minute, the heap after a forced collection.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "../../src/core/random.ts";
import { StateStore } from "../../src/state/state-records.ts";
import { type Cluster, type CommittedRecord, groupPositions, until } from "../kafka/deployment-kit.ts";
import { DEPLOYMENT, INPUT, JUDGE_GROUP, PROFILER_GROUP, startDeployment } from "./deployment.ts";
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
  /** Events of a window of a minute of event time. @default 16,000 */
  readonly windowEvents?: number;
  /** Folder for what each process logged. @default none */
  readonly logs?: string;
  /** @default "kafkajs" */
  readonly client?: "kafkajs" | "node-rdkafka";
}

/** Of one slice in four: as many values as are still counted one by one, which takes most bytes. */
const WINDOW_EVENTS = 16_000;
const REVISE_WINDOWS = 90;
/** Events a second while the state is built up. */
const BUILD_RATE = 6000;
/** Behind the load by at most so many seconds of it. */
const CAUGHT_UP_S = 12;
/** Records of the profiles topic that the judge may be behind when the killing begins: what all partitions bring in two flushes. */
const JUDGE_CAUGHT_UP = 2500;
/** From then on to the first kill. */
const CALM_MS = 60_000;
const LOOK_EVERY_MS = 30_000;
/** Of a run whose memory is looked at, what comes before is not counted. */
const WARM_SHARE = 1 / 3;
const STATE = "sg.state";
const PROFILES = "sg.profiles";
const WATCH_EVERY_MS = 250;
/** In the key of a record that says how far the state was read, and is none of it. */
const SENTINEL_MARK = 0;

/** Largest resident set until then, that of the moment, and the heap, bytes; longest wait of its event loop since the look before. */
interface Look {
  readonly atMs: number;
  readonly process: string;
  readonly peakRss: number;
  readonly rss: number;
  readonly heap: number;
  readonly stallMs: number;
}

export async function runEndurance(options: EnduranceOptions, say: (line: string) => void): Promise<void> {
  const { seed, durationMs, partitions, processes, kills, rate, windowEvents = WINDOW_EVENTS } = options;
  const deployment = await startDeployment(1, partitions, options.client, {
    windows: "1m",
    reviseFor: `${REVISE_WINDOWS}m`,
    flushEvery: "5s",
  });
  const { cluster, schemaId, config } = deployment;
  try {
    const fleet = new Fleet({ cluster, config, deployment: DEPLOYMENT, topic: INPUT, logs: options.logs, say });
    await fleet.start(processes);
    const generator = new TripGenerator({ seed, schemaId, stepMs: MINUTE_MS / windowEvents });
    const loadOf = (perSecond: number) =>
      new Load({ ...options, rate: perSecond, brokers: cluster.addresses(), topic: INPUT, generator });
    const building = loadOf(BUILD_RATE);
    building.start();
    const builtAtMs = generator.atMs + REVISE_WINDOWS * MINUTE_MS;
    while (generator.atMs < builtAtMs) await sleep(1000);
    await building.end(0);
    const load = loadOf(rate);
    load.start();
    await until("the profilers have caught up", async () => {
      return (await lagOf(cluster, PROFILER_GROUP, INPUT)) < CAUGHT_UP_S * rate;
    });
    await until("the judge has caught up", async () => {
      return (await lagOf(cluster, JUDGE_GROUP, PROFILES)) < JUDGE_CAUGHT_UP;
    });
    say("the state is built up");
    await sleep(CALM_MS);
    const startedMs = Date.now();
    const random = new SeededRandom(seed);
    const looks: Look[] = [];
    const watch = new CommitWatch(cluster);
    const end = startedMs + durationMs;
    const killing = (async () => {
      for (let index = 0; index < kills; index++) {
        await sleep(startedMs + ((index + 0.5) * durationMs) / kills - Date.now());
        // A judge is one of several processes: by chance alone too few of the deaths would be its.
        if (index % 2 === 0) fleet.killJudge();
        else fleet.kill(random.nextUint32());
      }
    })();
    while (Date.now() < end) {
      for (const { name, pid, ...told } of await fleet.looks()) {
        const sets = { peakRss: memory(pid, "VmHWM"), rss: memory(pid, "VmRSS") };
        looks.push({ atMs: Date.now(), process: name, ...sets, ...told });
      }
      await sleep(Math.min(LOOK_EVERY_MS, Math.max(0, end - Date.now())));
    }
    await killing;
    await sleep(LOOK_EVERY_MS);
    const commits = await watch.end();
    await load.end(0);
    const findings = await fleet.end();
    const committed = await cluster.committed(PROFILES, STATE);
    const lines = ledgerLines(committed.filter(({ topic }) => topic === PROFILES));
    const states = committed.filter(({ topic, key }) => topic === STATE && key?.includes(SENTINEL_MARK) === false);
    const newest = [...new Map(states.map((record) => [String(record.key), record])).values()];
    const packed = newest.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
    say(`judge's state: ${megabytes(unpackedBytes(newest))}, ${megabytes(packed)} packed, ${newest.length} records`);
    const calm = rateOf(lines, startedMs - CALM_MS, startedMs);
    const counted = rateOf(lines, startedMs, end);
    say(`events a second: ${calm.toFixed(0)} before, ${counted.toFixed(0)} then: ${(counted / calm).toFixed(2)}`);
    if (kills > 0) {
      const judges = fleet.deaths.filter(({ judged }) => judged).map(({ atMs }) => nextAfter(commits, atMs) - atMs);
      say(
        `profiler, kill -9 to the first delta of the last of its partitions: ${spread(recoveries(fleet.deaths, lines))}`,
      );
      say(`judge, kill -9 to the next commit: ${spread(judges)}`);
    }
    for (const line of memoryLines(looks, startedMs + WARM_SHARE * durationMs)) say(line);
    for (const finding of findings) say(finding);
    for (const { code, words } of fleet.surrenders) say(`a process ended by itself with ${code}: ${words}`);
  } finally {
    await cluster.stop();
  }
}

/** Records of a topic that a group has not committed. */
async function lagOf(cluster: Cluster, groupId: string, topic: string): Promise<number> {
  return cluster.asAdmin(async (admin) => {
    const committed = await groupPositions(admin, groupId, topic);
    const ends = await admin.fetchTopicOffsets(topic);
    return ends.reduce((sum, { partition, high }) => sum + Number(high) - (committed.get(partition) ?? 0), 0);
  });
}

/** When the judge was seen to have committed further than before, wall time, epoch milliseconds. */
class CommitWatch {
  readonly #seen: number[] = [];
  readonly #ended: Promise<void>;
  #isOver = false;

  constructor(cluster: Cluster) {
    this.#ended = cluster.asAdmin(async (admin) => {
      for (let position = 0; !this.#isOver; await sleep(WATCH_EVERY_MS)) {
        const positions = await groupPositions(admin, JUDGE_GROUP, PROFILES);
        const committed = [...positions.values()].reduce((sum, position) => sum + position, 0);
        if (committed > position) this.#seen.push(Date.now());
        position = Math.max(position, committed);
      }
    });
  }

  async end(): Promise<readonly number[]> {
    this.#isOver = true;
    await this.#ended;
    return this.#seen;
  }
}

function unpackedBytes(newest: readonly CommittedRecord[]): number {
  const records = newest.map((record) => ({ ...record, headers: [] }));
  const entries = new StateStore({ topic: STATE, partition: 0 }).read(records);
  return [...entries].reduce((sum, { value }) => sum + value.length, 0);
}

function nextAfter(timesMs: readonly number[], atMs: number): number {
  return timesMs.find((timeMs) => timeMs > atMs) ?? Number.POSITIVE_INFINITY;
}

function* memoryLines(looks: readonly Look[], fromMs: number): Generator<string> {
  const largest = looks.reduce((most, look) => (look.peakRss > most.peakRss ? look : most));
  const then = `${megabytes(largest.rss)} and ${megabytes(largest.heap)} of heap when it was seen`;
  yield `largest resident set: ${megabytes(largest.peakRss)} (${largest.process}; ${then})`;
  const stalls = looks.map(({ stallMs }) => stallMs / 1000);
  yield `longest wait of an event loop in half a minute: p50 ${quantile(stalls, 0.5)?.toFixed(1)} s, largest ${quantile(stalls, 1)?.toFixed(1)} s`;
  for (const name of new Set(looks.map(({ process }) => process))) {
    const own = looks.filter((look) => look.process === name && look.atMs >= fromMs);
    if (own.length < 4) continue;
    const middle = Math.floor(own.length / 2);
    const mean = (part: readonly Look[]) => part.reduce((sum, { heap }) => sum + heap, 0) / part.length;
    const [first, last] = [mean(own.slice(0, middle)), mean(own.slice(middle))];
    const minutes = Math.round((own.at(-1)!.atMs - own[0]!.atMs) / MINUTE_MS);
    yield `${name}: heap ${megabytes(own[0]!.heap)} to ${megabytes(own.at(-1)!.heap)} in ${minutes} min; mean of the second half less the first: ${megabytes(last - first)}`;
    yield `  ${own.map(({ heap }) => (heap / 1e6).toFixed(0)).join(" ")}`;
  }
}

function spread(timesMs: readonly number[]): string {
  const seconds = (q: number) => `${((quantile(timesMs, q) ?? Number.NaN) / 1000).toFixed(1)} s`;
  return timesMs.length === 0 ? "none" : `p50 ${seconds(0.5)}, p95 ${seconds(0.95)} of ${timesMs.length}`;
}

/** A line of the process' status, bytes; 0: it is gone. */
function memory(pid: number, line: "VmHWM" | "VmRSS"): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return 1024 * Number(new RegExp(`${line}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
