import { describe, expect, test } from "vitest";
import { type ReadinessInput, readinessOf } from "../../src/cli/readiness.ts";
import type { PartitionHealth, SubscriptionHealth } from "../../src/core/log.ts";

const NOW_MS = 1_000_000;
const held = (topic: string, more: Partial<PartitionHealth> = {}): PartitionHealth => ({
  topic,
  partition: 0,
  waitsSinceMs: NOW_MS - 500_000,
  heldAtMs: NOW_MS - 499_000,
  committedAtMs: NOW_MS - 4000,
  isUncertain: false,
  ...more,
});
const health = (group: string, ...partitions: PartitionHealth[]): SubscriptionHealth => ({
  group,
  confirmedAtMs: NOW_MS - 1000,
  partitions,
});
const running = (more: Partial<ReadinessInput> = {}): ReadinessInput => ({
  phase: "running",
  profiler: health("sg.profiler", held("trips")),
  // A judge with nothing to write commits nothing.
  judge: health("sg.judge", held("sg.profiles", { committedAtMs: undefined })),
  isHeldByRegistry: false,
  flushEveryMs: new Map([
    ["trips", 5000],
    ["slow", 60_000],
  ]),
  nowMs: NOW_MS,
  ...more,
});

describe("readinessOf()", () => {
  test("is ready when all goes well, and as one that stands by without a partition", () => {
    expect(readinessOf(running())).toEqual({ ready: true, reasons: [] });
    const standBy = { profiler: health("sg.profiler"), judge: health("sg.judge") };
    expect(readinessOf(running(standBy))).toEqual({ ready: true, reasons: [] });
  });

  test.each(["starting", "stopping"] as const)("is not ready while %s, whatever else", (phase) => {
    expect(readinessOf(running({ phase }))).toEqual({ ready: false, reasons: [phase] });
  });

  const profiler = (more: Partial<PartitionHealth>, topic = "trips") => ({
    profiler: health("sg.profiler", held(topic, more)),
  });
  test.each<[string, Partial<ReadinessInput>, string | undefined]>([
    ["30 s after a flush", profiler({ committedAtMs: NOW_MS - 30_000 }), undefined],
    [
      "later",
      profiler({ committedAtMs: NOW_MS - 31_000 }),
      "profiler: no flush of trips/0 was committed to Kafka for 31 s, one is due every 5s",
    ],
    ["three slow flushes after", profiler({ committedAtMs: NOW_MS - 180_000 }, "slow"), undefined],
    [
      "later, where flushes are slow",
      profiler({ committedAtMs: NOW_MS - 180_001 }, "slow"),
      "profiler: no flush of slow/0 was committed to Kafka for 180 s, one is due every 1m",
    ],
    ["held just now, without a commit", profiler({ committedAtMs: undefined, heldAtMs: NOW_MS - 9000 }), undefined],
    ["being claimed", profiler({ heldAtMs: undefined, waitsSinceMs: NOW_MS - 30_000 }), undefined],
    [
      "being claimed for long",
      profiler({ heldAtMs: undefined, waitsSinceMs: NOW_MS - 45_000 }),
      "profiler: trips/0 waits to be claimed for 45 s: Kafka does not answer, or another process holds it",
    ],
    [
      "lost with unknown outcome",
      profiler({ heldAtMs: undefined, waitsSinceMs: NOW_MS, isUncertain: true }),
      "profiler: Kafka left the outcome of a commit of trips/0 unknown, and the partition is not held again yet",
    ],
    [
      "a judge that has not restored",
      { judge: health("sg.judge", held("sg.profiles", { heldAtMs: undefined, waitsSinceMs: NOW_MS })) },
      "judge: the state of sg.profiles/0 is not restored from Kafka yet",
    ],
    [
      "not joined yet",
      { judge: { group: "sg.judge", partitions: [] } },
      "judge: it has not joined its group sg.judge yet",
    ],
    [
      "a group that is silent, also for one that stands by",
      { judge: { group: "sg.judge", confirmedAtMs: NOW_MS - 61_000, partitions: [] } },
      "judge: Kafka has not confirmed its place in the group sg.judge for 61 s",
    ],
    [
      "a registry that is away",
      { isHeldByRegistry: true },
      "the schema registry does not answer, and batches wait for it",
    ],
  ])("%s", (_name, more, reason) => {
    const reasons = reason === undefined ? [] : [reason];
    expect(readinessOf(running(more))).toEqual({ ready: reasons.length === 0, reasons });
  });
});
