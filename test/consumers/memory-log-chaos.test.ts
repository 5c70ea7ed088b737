import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import type { MemorySubscription } from "../../src/consumers/memory-subscription.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { StreamgaugeError } from "../../src/core/errors.ts";
import type { Claim, ClaimHandler } from "../../src/core/log.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { record, text } from "./log-contract-kit.ts";

describe("MemoryLog under zombies, rebalances, slow and cut requests", () => {
  test("Claim.commit() lets every record through exactly once, and the committed ranges join", async () => {
    let fenced = 0;
    let unknown = 0;
    for (let seed = 1; seed <= 100; seed += 1) {
      const run = await chaos(seed, "one per partition");
      expect({ seed, faults: run.faults }).toEqual({ seed, faults: [] });
      fenced += run.losses.filter((reason) => reason === "fenced").length;
      unknown += run.losses.filter((reason) => reason === "unknown-outcome").length;
    }
    // The runs would prove nothing if nothing had happened.
    expect(fenced).toBeGreaterThan(100);
    expect(unknown).toBeGreaterThan(100);
  });

  test("a seed repeats its run", async () => {
    expect(await chaos(11, "one per partition")).toEqual(await chaos(11, "one per partition"));
  });

  test("the same runs find overlaps when each process has a transactional id of its own", async () => {
    const faults = [];
    for (let seed = 1; seed <= 20; seed += 1) faults.push(...(await chaos(seed, "one per process")).faults);
    expect(faults.some((fault) => fault.startsWith("overlap"))).toBe(true);
  });
});

const PARTITIONS = 3;

/** Members come, freeze, come back and go, while records are appended; at the end the output is held against the input. */
async function chaos(seed: number, ids: "one per partition" | "one per process") {
  const random = new SeededRandom(seed);
  let cutsLeft = 6;
  const log = new MemoryLog({
    clock: new ManualClock(),
    async onRequest(request) {
      for (let turns = random.below(4); turns > 0; turns -= 1) await nextTurn();
      const canBeCut = request === "send" || request === "commit" || request === "reply";
      if (canBeCut && cutsLeft > 0 && random.below(8) === 0) {
        cutsLeft -= 1;
        throw new Error(`cut before ${request}`);
      }
    },
  });
  await log.createTopics([
    { name: "in", partitions: PARTITIONS, forgetConsumed: true },
    { name: "out", partitions: 1 },
  ]);
  const losses: string[] = [];
  const errors: unknown[] = [];
  const members: MemorySubscription[] = [];
  let joined = 0;
  const join = async () => {
    joined += 1;
    const member = await log.subscribe(
      {
        group: "g",
        topics: ["in"],
        startFrom: "earliest",
        transactionalPrefix: ids === "one per process" ? `p${joined}` : "p",
        maxBatchRecords: 1 + random.below(6),
      },
      counting(losses, random),
    );
    member.done.catch((error: unknown) => errors.push(error));
    members.push(member);
  };

  await join();
  let appended = 0;
  for (let step = 0; step < 60; step += 1) {
    const member = members[random.below(members.length)]!;
    const action = random.below(12);
    if (action < 5) {
      const values = Array.from({ length: 1 + random.below(8) }, () => `${appended++}`);
      await log.append(values.map((value) => record("in", value, { partition: random.below(PARTITIONS) })));
    } else if (action === 5 && members.length < 4) await join();
    else if (action === 6) member.expire();
    else if (action === 7) member.rejoin();
    else if (action === 8 && members.length > 1) {
      members.splice(members.indexOf(member), 1);
      await member.stop();
    }
    for (let turns = random.below(6); turns > 0; turns -= 1) await nextTurn();
  }
  for (const member of members) member.rejoin();
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  const finished = () => partitions.every((at) => (log.position("g", "in", at) ?? 0) === log.offsets("in", at).end);
  for (let turn = 0; turn < 5000 && !finished(); turn += 1) await nextTurn();
  for (const member of members) await member.stop();

  const written = log.records("out", 0).map(({ key, value }) => ({ range: text(key)!, values: text(value)! }));
  const faults = errors.map((error) => `error: ${error}`);
  if (!finished()) faults.push("stuck");
  const next = partitions.map(() => 0);
  for (const { range } of written) {
    const [partition, from, to] = range.split(" ").map(Number) as [number, number, number];
    if (from < next[partition]!) faults.push(`overlap: ${range}`);
    if (from > next[partition]!) faults.push(`gap: ${range}`);
    next[partition] = to;
  }
  const values = written.flatMap((one) => one.values.split(",").filter((value) => value !== ""));
  if (
    faults.length === 0 &&
    values
      .map(Number)
      .sort((a, b) => a - b)
      .join() !== [...Array(appended).keys()].join()
  ) {
    faults.push(`values: ${values.join()}`);
  }
  return { faults, losses, written };
}

/** Commits after every second batch, and whenever it has caught up: the output is one record per range. */
function counting(losses: string[], random: SeededRandom): ClaimHandler {
  const partials = new Map<Claim, { from: number; values: string[]; batches: number }>();
  return {
    claimed(claim) {
      partials.set(claim, { from: claim.position, values: [], batches: 0 });
    },
    async batch(claim, batch) {
      const partial = partials.get(claim)!;
      partial.values.push(...batch.records.map(({ value }) => text(value)!));
      partial.batches += 1;
      if (partial.batches < 2 && !claim.caughtUp) return;
      const key = `${claim.partition} ${partial.from} ${batch.toOffset}`;
      partials.set(claim, { from: batch.toOffset, values: [], batches: 0 });
      try {
        await claim.commit([record("out", partial.values.join(), { key })], batch.toOffset);
      } catch (error) {
        // Some stages let the error through, some look at it themselves.
        if (random.bit() === 1 || !(error instanceof StreamgaugeError)) throw error;
      }
    },
    lost(claim, reason) {
      losses.push(reason);
      partials.delete(claim);
    },
  };
}
