/**
 * One chaos run: a deployment under load, an undisturbed stretch, the acts of the seed, and then, when all is quiet and
 * read, the checker's verdict. Load and acts have generators of their own: the same seed means the same acts, however far
 * the load comes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { MetricsRecord } from "../../src/core/verdict.ts";
import { groupPositions, until } from "../kafka/deployment-kit.ts";
import { checkReading } from "./checker.ts";
import {
  checkOptions,
  DEPLOYMENT,
  type Deployment,
  INPUT,
  METRICS,
  PROFILER_GROUP,
  REVISE_FOR_MS,
  read,
  startDeployment,
  WINDOW_MS,
} from "./deployment.ts";
import { Faults } from "./faults.ts";
import { Fleet, type Plant } from "./fleet.ts";
import { Load } from "./load.ts";
import { type ChaosReport, ledgerLines, rateOf, recoveries } from "./report.ts";
import { deedForRdkafka, drawSchedule } from "./schedule.ts";
import { MINUTE_MS, TripGenerator } from "./trips.ts";

export interface ChaosOptions {
  readonly seed: number;
  /** Of load, the undisturbed stretch included. */
  readonly durationMs: number;
  readonly brokers: 1 | 3;
  readonly partitions: number;
  readonly processes: number;
  readonly kills: number;
  readonly brokerKills: number;
  /** Acts besides kills. */
  readonly others: number;
  /** Events a second. */
  readonly rate: number;
  /** @default "kafkajs" */
  readonly client?: "kafkajs" | "node-rdkafka";
  readonly plant?: Plant;
  /** Where something is found, the brokers' logs stay on the disk. @default false */
  readonly keepsLogs?: boolean;
  /** Folder for what each process logged. @default none */
  readonly logs?: string;
}

/** So many that a window's distinct values are more than are counted exactly. */
const EVENTS_PER_WINDOW = 6000;
const CALM_MS = 15_000;
const LOAD_SEED = 0x10ad;
/** A process that cannot reach its broker for so long ends, and is started again. */
const BROKER_AWAY_MS = 60_000;

export async function runChaos(options: ChaosOptions, say: (line: string) => void): Promise<ChaosReport> {
  const { seed, durationMs, brokers, partitions, processes, rate } = options;
  const deployment = await startDeployment(brokers, partitions, options.client);
  const { cluster, schemaId, config } = deployment;
  let keepsLogs = false;
  try {
    const startedMs = performance.now();
    const timed = (line: string) =>
      say(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} s  ${line}`);
    const fleet = new Fleet({
      cluster,
      config,
      deployment: DEPLOYMENT,
      topic: INPUT,
      plant: options.plant,
      logs: options.logs,
      say: timed,
    });
    await fleet.start(processes);
    const generator = new TripGenerator({ seed: seed ^ LOAD_SEED, schemaId, stepMs: WINDOW_MS / EVENTS_PER_WINDOW });
    const load = new Load({ brokers: cluster.addresses(), topic: INPUT, generator, seed, rate, partitions });
    const faults = new Faults({ ...deployment, fleet, load, partitions, say: timed });
    const drawn = drawSchedule({ ...options, fromMs: CALM_MS, untilMs: durationMs });
    const isRdkafka = options.client === "node-rdkafka";
    const acts = isRdkafka ? drawn.map((act) => ({ ...act, deed: deedForRdkafka(act.deed) })) : drawn;
    load.start();
    await until("every partition is counted", () => isCounted(deployment, partitions));
    const loadAtMs = Date.now();
    timed("undisturbed");
    const loadStartedMs = performance.now();
    await faults.run(acts, loadStartedMs);
    await sleep(Math.max(0, loadStartedMs + durationMs - performance.now()));
    const quietAtMs = Date.now();
    timed("quiet");
    await load.end(REVISE_FOR_MS + 4 * WINDOW_MS);
    const findings = [...faults.failures];
    try {
      await until("the last window is told", () => isTold(deployment, generator.atMs - 3 * WINDOW_MS));
    } catch (error) {
      findings.push(String(error));
    }
    findings.push(...(await fleet.end()));
    timed("read");
    const reading = await read(cluster);
    const mayRepeat = brokers === 1 && faults.brokerKillsAtMs.length > 0;
    const checked = checkReading(reading, checkOptions(mayRepeat));
    const brokerAwayAtMs = [...faults.brokerKillsAtMs, ...faults.brokerFreezesAtMs];
    for (const { atMs, code, words } of fleet.surrenders) {
      const isBrokerAway = brokerAwayAtMs.some((awayMs) => awayMs <= atMs && atMs - awayMs < BROKER_AWAY_MS);
      if (code !== 3 || !isBrokerAway) findings.push(`a process ended by itself with ${code}: ${words}`);
    }
    timed("checked");
    findings.push(...checked.findings);
    keepsLogs = options.keepsLogs === true && findings.length > 0;
    if (keepsLogs) say(`logs of the brokers: ${cluster.brokers.map(({ folder }) => folder).join(", ")}`);
    const lines = ledgerLines(reading.profiles);
    const counts = new Map<string, number>();
    for (const { deed } of acts) counts.set(deed.kind, (counts.get(deed.kind) ?? 0) + 1);
    return {
      findings,
      figures: checked.figures,
      acts: counts,
      kills: fleet.deaths.length,
      brokerKills: faults.brokerKillsAtMs.length,
      recoveriesMs: recoveries(fleet.deaths, lines),
      calmRate: rateOf(lines, loadAtMs, loadAtMs + CALM_MS),
      faultyRate: rateOf(lines, loadAtMs + CALM_MS, quietAtMs),
      loadFailures: load.failures,
    };
  } finally {
    await cluster.stop({ keepsLogs });
  }
}

/** What the processes need to find each other, and the brokers to make their own topics, is over. */
async function isCounted({ cluster }: Deployment, partitions: number): Promise<boolean> {
  const positions = await cluster.asAdmin((admin) => groupPositions(admin, PROFILER_GROUP, INPUT));
  return [...positions.values()].filter((position) => position > 0).length === partitions;
}

async function isTold({ cluster }: Deployment, untilMs: number): Promise<boolean> {
  const told = await cluster.committed(METRICS);
  return told.some(({ value }) => Date.parse((JSON.parse(String(value)) as MetricsRecord).windowEnd) >= untilMs);
}

/** Options of a run of so many minutes, as the command line has them by default. */
export function defaultOptions(seed: number, minutes: number, kills = Math.round(6 * minutes)): ChaosOptions {
  return {
    seed,
    durationMs: minutes * MINUTE_MS,
    brokers: 1,
    partitions: 8,
    processes: 3,
    kills,
    brokerKills: Math.ceil(kills / 5),
    others: Math.ceil(kills / 3),
    rate: 2000,
  };
}
