import { beforeAll, describe, expect, test } from "vitest";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { Config } from "../../src/core/config.ts";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import type { LogRecord, OutputRecord } from "../../src/core/log.ts";
import { textOf } from "../../src/core/text.ts";
import type { MetricsRecord } from "../../src/core/verdict.ts";
import { VIOLATION_REASONS } from "../../src/core/violation.ts";
import { addCounts, emptyCounts } from "../../src/core/window.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { runBounded } from "../../src/stages/bounded-run.ts";
import {
  countsOf,
  expectCounts,
  expectFigures,
  expectQuarantined,
  hostileFlights,
  NOW_MS,
  type Sent,
} from "./hostile-kit.ts";

const PARTITIONS = 4;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const END_MS = Date.UTC(2013, 1, 15);

describe("20 % hostile records of every class among the flights", () => {
  const sent: Sent[] = [];
  let metrics: MetricsRecord[] = [];
  let refused: readonly LogRecord[] = [];
  let ledger: LedgerEntry[] = [];
  const logged: string[] = [];

  beforeAll(async () => {
    const registry = new InProcessRegistry();
    sent.push(
      ...(await hostileFlights({ register: (text) => registry.register(text), endMs: END_MS, partitions: PARTITIONS })),
    );

    const log = new MemoryLog({ clock: new ManualClock(NOW_MS) });
    await log.createTopics([
      { name: "flights", partitions: PARTITIONS },
      { name: "flights.quarantine", partitions: 1 },
      ...["profiles", "metrics", "verdicts", "alerts", "windows"].map((name) => ({
        name: `sg.${name}`,
        partitions: 1,
      })),
    ]);
    const lines: MetricsRecord[] = [];
    const note = (_fields: unknown, message: string) => void logged.push(message);
    await runBounded({
      log,
      readers: createReaderSource(registry, { clock: new ManualClock(NOW_MS) }),
      clock: new ManualClock(NOW_MS),
      logger: { info: () => {}, warn: note, error: note },
      config: CONFIG,
      hashLabel: (text) => text,
      feed: inBlocks(sent.map(({ record }) => record)),
      flushRecords: 700,
      sinks: [
        {
          name: "test",
          topics: ["metrics", "verdicts", "alerts", "windows"],
          write(topic, records) {
            if (topic !== "metrics") return;
            for (const { value } of records) if (value !== null) lines.push(JSON.parse(textOf(value)) as MetricsRecord);
          },
        },
      ],
    });
    metrics = lines;
    refused = log.records("flights.quarantine", 0);
    ledger = log.records("sg.profiles", 0).flatMap(({ value }) => {
      const delta = decodeDelta(value!);
      return delta.kind === "ledger" ? [delta.entry] : [];
    });
  });

  test("there is every class, one in five records", () => {
    const classes = new Set(sent.map(({ outcome }) => outcome));
    expect([...classes].sort()).toEqual(["valid", ...VIOLATION_REASONS].sort());
    const share = sent.filter(({ outcome }) => outcome !== "valid").length / sent.length;
    expect(share).toBeGreaterThan(0.18);
    expect(share).toBeLessThan(0.22);
  });

  test("the run ends by itself, without a complaint", () => {
    expect(metrics.length).toBeGreaterThan(40 * 4);
    expect(logged).toEqual([]);
  });

  test("each undecodable or invalid record is in quarantine once, with its bytes, its headers and its reason", () => {
    expectQuarantined(sent, refused);
  });

  test("every window of the whole has the exact counts, and the ledger adds up", () => {
    expectCounts(sent, metrics);
  });

  test("the ledger's ranges join from the first record to the last, and sum to what was sent", () => {
    const total = emptyCounts();
    const positions = new Array<number>(PARTITIONS).fill(0);
    for (const { partition, fromOffset, toOffset, counts } of ledger) {
      expect(fromOffset).toBe(positions[partition]);
      expect(counts.consumed).toBe(toOffset - fromOffset);
      positions[partition] = toOffset;
      addCounts(total, counts);
    }
    expect(positions.reduce((sum, position) => sum + position, 0)).toBe(sent.length);
    expect(total).toEqual(countsOf(sent));
  });

  test("the figures of what decodes are exact in every window and slice", () => {
    expectFigures(sent, metrics);
  });
});

const CONFIG: Config = {
  deployment: "test",
  topics: { prefix: "sg." },
  startFrom: "earliest",
  checkpointEveryMs: 30_000,
  alerts: { resolveAfter: 1 },
  datasets: [
    {
      topic: "flights",
      time: {
        field: "time_hour",
        latenessMs: HOUR_MS,
        idleAfterMs: Number.POSITIVE_INFINITY,
        unheardAfterMs: Number.POSITIVE_INFINITY,
        maxAheadMs: HOUR_MS,
      },
      windows: { sizesMs: [DAY_MS], timezone: "UTC" },
      slices: [{ by: "route.origin", name: "origin", limit: 50 }],
      fields: new Map(),
      valuesDefault: "show",
      detect: { season: 7, warmup: "auto" },
      quarantine: { topic: "flights.quarantine" },
      flushEveryMs: 5000,
    },
  ],
  sinks: [],
};

async function* inBlocks(records: readonly OutputRecord[]): AsyncGenerator<readonly OutputRecord[]> {
  for (let from = 0; from < records.length; from += 4000) yield records.slice(from, from + 4000);
}
