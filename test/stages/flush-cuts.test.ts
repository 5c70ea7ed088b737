import { describe, expect, test } from "vitest";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { DatasetConfig } from "../../src/core/config.ts";
import type { Claim, ClaimHandler, Log, RecordBatch } from "../../src/core/log.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { utf8 } from "../../src/core/text.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { FlushCuts } from "../../src/stages/flush-cuts.ts";
import { startProfiler } from "../../src/stages/profiler.ts";

const CLAIM = { topic: "trips", partition: 0 } as Claim;
const FLUSH_MS = 5000;
const DATASET: DatasetConfig = {
  topic: "trips",
  time: {
    field: "at",
    latenessMs: 0,
    idleAfterMs: 60_000,
    unheardAfterMs: 300_000,
    maxAheadMs: 60_000,
    reviseForMs: 60_000,
  },
  windows: { sizesMs: [60_000], timezone: "UTC" },
  slices: [],
  fields: new Map(),
  valuesDefault: "show",
  detect: { season: 7, warmup: 20 },
  flushEveryMs: FLUSH_MS,
};

function batchOf(fromOffset: number, toOffset: number, offsets: readonly number[]): RecordBatch {
  const records = offsets.map((offset) => ({ offset, timestampMs: 0, key: null, value: null, headers: [] }));
  return { topic: "trips", partition: 0, fromOffset, toOffset, records };
}

function shapeOf(cuts: FlushCuts, batch: RecordBatch): string[] {
  return cuts
    .split(CLAIM, batch)
    .map(
      ({ part, endsFlush }) =>
        `[${part.fromOffset}, ${part.toOffset})${endsFlush ? "!" : ""} ${part.records.map(({ offset }) => offset)}`,
    );
}

describe("FlushCuts.split()", () => {
  test("leaves a batch whole where nothing is in doubt", () => {
    expect(shapeOf(new FlushCuts(), batchOf(3, 9, [3, 5, 8]))).toEqual(["[3, 9) 3,5,8"]);
    expect(shapeOf(new FlushCuts(), batchOf(3, 3, []))).toEqual(["[3, 3) "]);
  });

  test("cuts at every end inside the batch and at its own, offsets without a record too", () => {
    const cuts = new FlushCuts();
    for (const end of [9, 3, 6, 7, 40]) cuts.add(CLAIM, end);
    expect(shapeOf(cuts, batchOf(3, 9, [3, 5, 8]))).toEqual(["[3, 6)! 3,5", "[6, 7)! ", "[7, 9)! 8"]);
    cuts.forget(CLAIM, 9);
    expect(shapeOf(cuts, batchOf(9, 50, [9, 41]))).toEqual(["[9, 40)! 9", "[40, 50) 41"]);
    expect(shapeOf(cuts, { ...batchOf(9, 50, [9, 41]), partition: 0 })).toHaveLength(2);
    expect(cuts.split({ topic: "trips", partition: 1 } as Claim, batchOf(9, 50, [9, 41]))).toHaveLength(1);
  });
});

describe("startProfiler() when a commit's outputs became visible but not its position", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("every flush joins the last or repeats what is known (seed %i)", async (seed) => {
    const { kinds, positionLost, last } = await disturbed(seed);
    expect(positionLost).toBeGreaterThan(3);
    expect(new Set(kinds)).toEqual(new Set(["joined", "replayed"]));
    expect(last.visible).toBe(last.appended);
  });
});

/** Appends and flushes in turns, while the log loses positions of commits whose outputs it keeps. */
async function disturbed(seed: number) {
  const random = new SeededRandom(seed);
  const clock = new ManualClock(1_700_000_000_000);
  let lostAt: "send" | undefined;
  let positionLost = 0;
  let failing = true;
  const memory = new MemoryLog({
    clock,
    onRequest(request) {
      if (request !== lostAt) return;
      lostAt = undefined;
      throw new Error("connection lost");
    },
  });
  const commit = async (claim: Claim, from: number, outputs: Parameters<Claim["commit"]>[0], next: number) => {
    const chance = failing ? random.next() : 1;
    if (chance < 0.3) {
      positionLost += 1;
      await claim.commit(outputs, from);
    }
    if (chance < 0.5) lostAt = "send";
    await claim.commit(outputs, next);
  };
  await memory.createTopics([
    { name: "trips", partitions: 1 },
    { name: "profiles", partitions: 1 },
  ]);
  const profiler = await startProfiler({
    log: withCommit(memory, commit),
    readers: createReaderSource(new InProcessRegistry(), { clock }),
    clock,
    logger: { info() {}, warn() {}, error() {} },
    deployment: "test",
    group: "test.profiler",
    profilesTopic: "profiles",
    datasets: [DATASET],
    startFrom: "earliest",
    flushRecords: 40,
    time: "clock",
    hashLabel: (text) => text,
  });
  let appended = 0;
  for (let step = 0; step < 60; step++) {
    failing = step < 50;
    const count = random.below(30);
    const record = () => ({ topic: "trips", partition: 0, key: null, value: utf8("x"), timestampMs: clock.nowMs() });
    await memory.append(Array.from({ length: count }, record));
    appended += count;
    await quiet();
    clock.advance(FLUSH_MS + 1);
    await quiet();
  }
  await profiler.stop();
  let visible = 0;
  const kinds = memory.records("profiles", 0).flatMap(({ value }) => {
    const delta = decodeDelta(value!);
    if (delta.kind !== "ledger") return [];
    const { fromOffset, toOffset } = delta.entry;
    const kind = fromOffset === visible ? "joined" : toOffset <= visible ? "replayed" : `[${fromOffset}, ${toOffset})`;
    visible = Math.max(visible, toOffset);
    return [kind];
  });
  return { kinds, positionLost, last: { appended, visible } };
}

/** A log whose claims commit as told; `from`: the position that is committed. */
function withCommit(
  log: Log,
  commit: (claim: Claim, from: number, ...args: Parameters<Claim["commit"]>) => Promise<void>,
): Log {
  const wrap = (handler: ClaimHandler): ClaimHandler => {
    const wrapped = new Map<Claim, Claim>();
    return {
      claimed(claim) {
        let committed = claim.position;
        const own = new Proxy(claim, {
          get(target, name) {
            if (name !== "commit") {
              const value = Reflect.get(target, name, target);
              return typeof value === "function" ? value.bind(target) : value;
            }
            return async (...args: Parameters<Claim["commit"]>) => {
              await commit(target, committed, ...args);
              committed = args[1];
            };
          },
        });
        wrapped.set(claim, own);
        return handler.claimed?.(own);
      },
      batch: (claim, batch) => handler.batch(wrapped.get(claim)!, batch),
      lost: (claim, reason) => handler.lost?.(wrapped.get(claim)!, reason),
    };
  };
  return new Proxy(log, {
    get(target, name) {
      if (name === "subscribe")
        return (...[options, handler]: Parameters<Log["subscribe"]>) => log.subscribe(options, wrap(handler));
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function quiet(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}
