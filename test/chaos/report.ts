/** What a run has shown, in figures and in words. */
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import type { CommittedRecord } from "../kafka/deployment-kit.ts";
import type { Death } from "./fleet.ts";
import type { CheckFigures } from "./reading.ts";

export interface ChaosReport {
  /** One sentence each; none: all is well. */
  readonly findings: readonly string[];
  readonly figures: CheckFigures;
  /** How often each kind of act was done. */
  readonly acts: ReadonlyMap<string, number>;
  /** Processes that were killed, by others or by their own hand. */
  readonly kills: number;
  readonly brokerKills: number;
  /** Milliseconds from each kill of a process to the first new delta of the last of its partitions. */
  readonly recoveriesMs: readonly number[];
  /** Events a second that were counted before the first act, and from then to the last. */
  readonly calmRate: number;
  readonly faultyRate: number;
  readonly loadFailures: number;
}

interface LedgerLine {
  readonly partition: number;
  readonly consumed: number;
  /** Wall time of the flush, epoch milliseconds. */
  readonly atMs: number;
}

export function ledgerLines(profiles: readonly CommittedRecord[]): LedgerLine[] {
  return profiles.flatMap(({ value, timestampMs }) => {
    const delta = value === null ? undefined : decodeDelta(value);
    if (delta?.kind !== "ledger") return [];
    return [{ partition: delta.origin.partition, consumed: delta.entry.counts.consumed, atMs: timestampMs }];
  });
}

export function recoveries(deaths: readonly Death[], lines: readonly LedgerLine[]): number[] {
  return deaths.flatMap(({ atMs, partitions }) => {
    const firsts = partitions.map((partition) =>
      lines.reduce(
        (first, line) => (line.partition === partition && line.atMs > atMs ? Math.min(first, line.atMs) : first),
        Number.POSITIVE_INFINITY,
      ),
    );
    return firsts.length === 0 ? [] : [Math.max(...firsts) - atMs];
  });
}

/** Events a second of the flushes in `[fromMs, toMs)`. */
export function rateOf(lines: readonly LedgerLine[], fromMs: number, toMs: number): number {
  const inside = lines.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  return inside.reduce((sum, { consumed }) => sum + consumed, 0) / ((toMs - fromMs) / 1000);
}

export function summary(report: ChaosReport, replay: string): string {
  const { figures, recoveriesMs, calmRate, faultyRate, findings } = report;
  const seconds = (q: number) => {
    const value = quantile(recoveriesMs, q);
    return value === undefined ? "-" : `${(value / 1000).toFixed(1)} s`;
  };
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  return [
    `acts: ${[...report.acts].map(([kind, count]) => `${count} × ${kind}`).join(", ")}`,
    `kill -9: ${report.kills} of processes, ${report.brokerKills} of brokers`,
    `events: ${figures.events} in the log, ${figures.late} late; deltas: ${figures.deltas}, ${figures.repeats} repeated, ${figures.overlaps} overlapping`,
    `windows: ${figures.windows} compared, ${figures.revisions} revisions; quantiles: ${figures.quantiles}, rank error at most ${percent(figures.rankErrorMax)}`,
    `recovery after kill -9: p50 ${seconds(0.5)}, p95 ${seconds(0.95)} of ${recoveriesMs.length}`,
    `events a second: ${Math.round(calmRate)} undisturbed, ${Math.round(faultyRate)} under faults: ${(faultyRate / calmRate).toFixed(2)} (the load gave up ${report.loadFailures} batches)`,
    findings.length === 0 ? "findings: none" : `findings: ${findings.length}, again with\n  ${replay}`,
    ...findings.slice(0, FINDINGS_SHOWN).map((finding) => `  ${finding}`),
  ].join("\n");
}

/** Nearest rank; undefined of nothing. */
export function quantile(values: readonly number[], q: number): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(q * values.length) - 1)];
}

const FINDINGS_SHOWN = 50;
