/** The profiler when the schema registry gives no verdict: nothing is lost, nothing is blamed, nothing hangs. */
import { describe, expect, test } from "vitest";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { DatasetConfig } from "../../src/core/config.ts";
import { type ErrorCode, StreamgaugeError } from "../../src/core/errors.ts";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import type { SchemaRegistry } from "../../src/core/schema-registry.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { createReaderSource } from "../../src/schemas/registry.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { startProfiler } from "../../src/stages/profiler.ts";
import { SchemaLoader } from "../../src/stages/schema-loader.ts";

const DATASET: DatasetConfig = {
  topic: "trips",
  time: { latenessMs: 0, idleAfterMs: 60_000, unheardAfterMs: 300_000, maxAheadMs: 3_600_000 },
  windows: { sizesMs: [3_600_000], timezone: "UTC" },
  slices: [],
  fields: new Map(),
  valuesDefault: "show",
  detect: { season: "auto", warmup: "auto" },
  flushEveryMs: 5_000,
};
const GROUP = "sg.profiler";
const PARTITIONS = 2;

/** A profiler over two partitions of ten records each, whose registry fails as `trouble.code` says. */
async function start(trouble: { code: ErrorCode | undefined }) {
  const clock = new ManualClock(1_700_000_000_000);
  const log = new MemoryLog({ clock });
  await log.createTopics([
    { name: "trips", partitions: PARTITIONS },
    { name: "profiles", partitions: 1 },
  ]);
  const asked: number[] = [];
  const registry: SchemaRegistry = {
    schema: async (id) => {
      asked.push(clock.nowMs() - 1_700_000_000_000);
      if (trouble.code !== undefined) throw new StreamgaugeError(trouble.code, "no verdict");
      return { id, type: "AVRO", text: '"int"' };
    },
  };
  const lines: string[] = [];
  const say = (level: string) => (_fields: object, message: string) => lines.push(`${level} ${message}`);
  const subscription = await startProfiler({
    log,
    readers: createReaderSource(registry, { clock }),
    clock,
    logger: { info: say("info"), warn: say("warn"), error: say("error") },
    deployment: "test",
    group: GROUP,
    profilesTopic: "profiles",
    datasets: [DATASET],
    startFrom: "earliest",
    flushRecords: 1_000,
    time: "clock",
    hashLabel: (text) => text,
  });
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const value = frame(1, Uint8Array.of(2));
    await log.append(Array.from({ length: 10 }, () => ({ topic: "trips", partition, key: null, value })));
  }
  /** Seconds pass, one by one, with all that they set going. */
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      clock.advance(1_000);
      await settle();
    }
  };
  await settle();
  const positions = () => Array.from({ length: PARTITIONS }, (_, index) => log.position(GROUP, "trips", index) ?? 0);
  return { clock, log, lines, asked, subscription, pass, positions, ledger: () => readLedger(log) };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function readLedger(log: MemoryLog): Promise<LedgerEntry[]> {
  const entries: LedgerEntry[] = [];
  const reader = await log.subscribe(
    { group: "reader", topics: ["profiles"], startFrom: "earliest", transactionalPrefix: "reader" },
    {
      batch(_claim, batch) {
        for (const { value } of batch.records) {
          const delta = value === null ? undefined : decodeDelta(value);
          if (delta?.kind === "ledger") entries.push(delta.entry);
        }
      },
    },
  );
  await settle();
  await reader.stop();
  expect(entries.length).toBeGreaterThan(0);
  return entries;
}

describe("startProfiler()", () => {
  test.each(["SG_CONNECT", "SG_CONFIG"] as const)(
    "waits on %s with longer and longer pauses, says so once, then goes on",
    async (code) => {
      const trouble: { code: ErrorCode | undefined } = { code };
      const run = await start(trouble);
      await run.pass(200);
      expect(run.positions()).toEqual([0, 0]);
      // One partition is served after the other here, so only the first has asked.
      expect(run.asked).toEqual([0, 1_000, 3_000, 7_000, 15_000, 31_000, 61_000, 91_000, 121_000, 151_000, 181_000]);
      expect(run.lines).toEqual([
        code === "SG_CONFIG"
          ? "error schema registry refuses us: partitions with new schemas wait until it does not"
          : "warn schema registry does not answer: partitions with new schemas wait",
      ]);
      trouble.code = undefined;
      await run.pass(40);
      expect(run.positions()).toEqual([10, 10]);
      expect(run.lines.slice(1)).toEqual(["info schema registry answers again"]);
      const counts = (await run.ledger()).reduce(
        (sum, { counts: { consumed, valid } }) => [sum[0]! + consumed, sum[1]! + valid],
        [0, 0],
      );
      expect(counts).toEqual([20, 20]);
      await run.subscription.stop();
    },
  );

  test("says each change of what is wrong", async () => {
    const trouble: { code: ErrorCode | undefined } = { code: "SG_CONNECT" };
    const run = await start(trouble);
    await run.pass(10);
    trouble.code = "SG_CONFIG";
    await run.pass(30);
    expect(run.lines.map((line) => line.slice(0, 4))).toEqual(["warn", "erro"]);
    await run.subscription.stop();
  });

  test("goes on writing that it holds the partitions, and that they are not caught up", async () => {
    const run = await start({ code: "SG_CONNECT" });
    await run.pass(21);
    const entries = await run.ledger();
    for (const partition of [0, 1]) {
      const own = entries.filter((entry) => entry.partition === partition);
      expect(own.map(({ wallTimeMs }) => wallTimeMs - 1_700_000_000_000)).toEqual([5_000, 10_000, 15_000, 20_000]);
      for (const entry of own) expect(entry).toMatchObject({ fromOffset: 0, toOffset: 0, caughtUp: false });
    }
    await run.subscription.stop();
  });

  test("stops at once while it waits, and commits nothing of what it did not take in", async () => {
    const run = await start({ code: "SG_CONNECT" });
    await run.pass(3);
    await run.subscription.stop();
    expect(run.positions()).toEqual([0, 0]);
  });
});

describe("SchemaLoader.load()", () => {
  test("throws what is no matter of the registry", async () => {
    const readers = { known: () => undefined, load: () => Promise.reject(new RangeError("a bug")) };
    const logger = { info() {}, warn() {}, error() {} };
    const loader = new SchemaLoader({ readers, clock: new ManualClock(), logger });
    await expect(loader.load(1, () => true)).rejects.toThrow("a bug");
  });
});
