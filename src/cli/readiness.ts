/**
 * Whether this process does what it is there for, read off its groups: `/readyz` and `streamgauge_ready`. Each reason is
 * one sentence. A rebalance that goes well is none; a process that stands by, without a partition, is ready.
 */
import { formatDuration } from "../config/duration.ts";
import type { PartitionHealth, SubscriptionHealth } from "../core/log.ts";
import type { Readiness } from "../sinks/prometheus-server.ts";

export interface ReadinessInput {
  readonly phase: "starting" | "running" | "stopping";
  /** Of the stages; absent before there are any. */
  readonly profiler?: SubscriptionHealth | undefined;
  readonly judge?: SubscriptionHealth | undefined;
  /** Batches wait for a registry that does not answer. */
  readonly isHeldByRegistry: boolean;
  /** Datasets that train on the past. @default none */
  readonly training?: readonly { readonly dataset: string; readonly share: number }[];
  /** By topic. */
  readonly flushEveryMs: ReadonlyMap<string, number>;
  /** Of the clock that the times of the health are of. */
  readonly nowMs: number;
}

/** Longer than a rebalance, a coordinator that moves, and several heartbeats. */
const PATIENCE_MS = 30_000;
const FLUSHES_MISSED = 3;

export function readinessOf(input: ReadinessInput): Readiness {
  if (input.phase !== "running") return { ready: false, reasons: [input.phase] };
  const reasons: string[] = [];
  const stages = [
    ["profiler", input.profiler],
    ["judge", input.judge],
  ] as const;
  for (const [stage, health] of stages) {
    if (health === undefined) continue;
    const member = membershipReason(stage, health, input.nowMs);
    if (member !== undefined) reasons.push(member);
    for (const partition of health.partitions) {
      const reason = stage === "judge" ? judgeReason(partition) : profilerReason(partition, input);
      if (reason !== undefined) reasons.push(`${stage}: ${reason}`);
    }
  }
  if (input.isHeldByRegistry) reasons.push("the schema registry does not answer, and batches wait for it");
  const training = (input.training ?? []).map(
    ({ dataset, share }) => `training: ${dataset} ${Math.floor(100 * share)} %`,
  );
  return { ready: reasons.length === 0, reasons, ...(training.length > 0 && { notes: training }) };
}

function membershipReason(stage: string, health: SubscriptionHealth, nowMs: number): string | undefined {
  const { group, confirmedAtMs } = health;
  if (confirmedAtMs === undefined) return `${stage}: it has not joined its group ${group} yet`;
  const silentMs = nowMs - confirmedAtMs;
  if (silentMs <= PATIENCE_MS) return undefined;
  return `${stage}: Kafka has not confirmed its place in the group ${group} for ${seconds(silentMs)}`;
}

function profilerReason(partition: PartitionHealth, { flushEveryMs, nowMs }: ReadinessInput): string | undefined {
  const { topic, waitsSinceMs, heldAtMs, committedAtMs } = partition;
  const name = placeOf(partition);
  if (partition.isUncertain) return uncertain(name);
  if (heldAtMs === undefined) {
    const sinceMs = nowMs - waitsSinceMs;
    if (sinceMs <= PATIENCE_MS) return undefined;
    return `${name} waits to be claimed for ${seconds(sinceMs)}: Kafka does not answer, or another process holds it`;
  }
  const everyMs = flushEveryMs.get(topic) ?? 0;
  const sinceMs = nowMs - Math.max(heldAtMs, committedAtMs ?? heldAtMs);
  if (sinceMs <= Math.max(FLUSHES_MISSED * everyMs, PATIENCE_MS)) return undefined;
  return `no flush of ${name} was committed to Kafka for ${seconds(sinceMs)}, one is due every ${formatDuration(everyMs)}`;
}

function judgeReason(partition: PartitionHealth): string | undefined {
  const name = placeOf(partition);
  if (partition.isUncertain) return uncertain(name);
  return partition.heldAtMs === undefined ? `the state of ${name} is not restored from Kafka yet` : undefined;
}

function uncertain(name: string): string {
  return `Kafka left the outcome of a commit of ${name} unknown, and the partition is not held again yet`;
}

function placeOf({ topic, partition }: PartitionHealth): string {
  return `${topic}/${partition}`;
}

function seconds(ms: number): string {
  return `${Math.floor(ms / 1000)} s`;
}
