/** What a seed means: the deployment, the events, and which faults happen how often. */
import type { DatasetConfig } from "../../src/core/config.ts";
import type { SeededRandom } from "../../src/core/random.ts";

const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const START_MS = Date.UTC(2026, 10, 2, 9, 0, 17);
export const INPUT = "trips";
export const QUARANTINE = "trips.quarantine";

/** Faults at a request of a process (chance per request), and faults that come by themselves (per minute). */
export const FAULTS = [
  "die",
  "freeze",
  "lostRequest",
  "lostAnswer",
  "lateCommit",
  "delay",
  "brokerAway",
  "leaderChange",
  "storm",
  "addPartition",
  "compaction",
  "slowMarkers",
  "userTransactions",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface Scenario {
  readonly seed: number;
  readonly partitions: number;
  readonly processes: number;
  /** Faults happen and events come for so long. */
  readonly durationMs: number;
  /** Mean time between two arrivals of one to three events. */
  readonly arrivalMs: number;
  readonly flushRecords: number;
  readonly maxBatchRecords: number;
  readonly checkpointMs: number;
  readonly dataset: DatasetConfig;
  /** 0: never; 1: as often as is usual for it. */
  readonly faults: Readonly<Record<Fault, number>>;
  /** Partitions that get nothing for a while. */
  readonly idlePartitions: number;
  /** Share of events that are not plain good ones. */
  readonly oddShare: number;
}

export function drawScenario(seed: number, random: SeededRandom): Scenario {
  const pick = <T>(...choices: readonly T[]): T => choices[random.below(choices.length)]!;
  const faults = Object.fromEntries(
    FAULTS.map((fault) => [fault, random.below(5) < 2 ? pick(0.5, 1, 1, 2) : 0]),
  ) as Record<Fault, number>;
  const reviseForMs = pick(undefined, 0, MINUTE_MS, 5 * MINUTE_MS, 60 * MINUTE_MS);
  const partitions = pick(1, 1, 2, 2, 3, 4, 6);
  return {
    seed,
    partitions,
    processes: 1 + random.below(3),
    durationMs: pick(5, 8, 8, 12) * MINUTE_MS,
    arrivalMs: pick(5, 10, 20) * SECOND_MS,
    flushRecords: pick(3, 10, 1000, 1000),
    maxBatchRecords: pick(1, 7, 1000),
    checkpointMs: pick(5, 30, 60) * SECOND_MS,
    dataset: {
      topic: INPUT,
      time: {
        field: "at",
        latenessMs: pick(0, 5, 30) * SECOND_MS,
        idleAfterMs: pick(20, 60) * SECOND_MS,
        unheardAfterMs: pick(60, 300) * SECOND_MS,
        maxAheadMs: pick(1, 10) * MINUTE_MS,
        ...(reviseForMs === undefined ? {} : { reviseForMs }),
      },
      windows: {
        sizesMs: pick([MINUTE_MS], [2 * MINUTE_MS, 6 * MINUTE_MS], [3 * MINUTE_MS], [5 * MINUTE_MS]),
        timezone: "UTC",
      },
      slices: [{ by: "place", name: "place", limit: 50 }],
      fields: new Map(),
      valuesDefault: "show",
      // Long enough that no slice is retired and no window skipped.
      detect: { season: 60, warmup: pick(4, 1000, 1000) },
      quarantine: { topic: QUARANTINE },
      flushEveryMs: pick(5, 10, 20) * SECOND_MS,
    },
    faults,
    idlePartitions: random.below(3) === 0 ? 1 + random.below(partitions) : 0,
    oddShare: pick(0.05, 0.25, 0.5),
  };
}

export function describeScenario(scenario: Scenario): string {
  const { partitions, processes, durationMs, dataset, faults, flushRecords, checkpointMs, oddShare } = scenario;
  const seconds = (ms: number | undefined) => (ms === undefined ? "default" : `${ms / SECOND_MS} s`);
  const drawn = FAULTS.filter((fault) => faults[fault] > 0).map((fault) => `${fault} ×${faults[fault]}`);
  return [
    `${partitions} partitions, ${processes} processes, ${durationMs / MINUTE_MS} min; windows ${dataset.windows.sizesMs.map(seconds).join(", ")}`,
    `flush ${seconds(dataset.flushEveryMs)} or ${flushRecords} records, checkpoint ${seconds(checkpointMs)}; lateness ${seconds(dataset.time.latenessMs)}, idle ${seconds(dataset.time.idleAfterMs)}, unheard ${seconds(dataset.time.unheardAfterMs)}, revise ${seconds(dataset.time.reviseForMs)}; odd events ${oddShare}`,
    `faults: ${drawn.join(", ") || "none"}`,
  ].join("\n");
}
