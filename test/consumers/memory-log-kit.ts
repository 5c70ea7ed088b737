/** What the tests of the memory log share. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { MemoryLog, type MemoryLogOptions } from "../../src/consumers/memory-log.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { Claim, ClaimHandler, Log, RecordBatch, SubscribeOptions } from "../../src/core/log.ts";
import { eventually, type LogContractFixture, type OpenTransaction, text } from "./log-contract-kit.ts";

export function memoryLog(rest: Omit<MemoryLogOptions, "clock"> = {}): MemoryLog {
  return new MemoryLog({ clock: new ManualClock(1_700_000_000_000), ...rest });
}

export function options(topic: string, rest: Partial<SubscribeOptions> = {}): SubscribeOptions {
  return { group: "group", topics: [topic], startFrom: "earliest", transactionalPrefix: "prefix", ...rest };
}

export function until(condition: () => boolean): Promise<void> {
  return eventually(memoryFixture(memoryLog()), condition.toString(), condition);
}

/** A handler that keeps what it is given. */
export function collect(script: Partial<ClaimHandler> = {}) {
  const seen = {
    claims: [] as Claim[],
    /** Positions when claimed. */
    starts: [] as number[],
    batches: [] as RecordBatch[],
    losses: [] as string[],
    ends: 0,
    values: () => seen.batches.flatMap(({ records }) => records.map(({ value }) => text(value) ?? "(null)")),
    handler: {
      claimed(claim) {
        seen.claims.push(claim);
        seen.starts.push(claim.position);
        return script.claimed?.(claim);
      },
      batch(claim, batch) {
        seen.batches.push(batch);
        return script.batch?.(claim, batch);
      },
      ended(claim) {
        seen.ends += 1;
        return script.ended?.(claim);
      },
      lost: (_claim, reason) => void seen.losses.push(reason),
    } satisfies ClaimHandler as ClaimHandler,
  };
  return seen;
}

export function memoryFixture(
  log: MemoryLog,
  seen: Log = log,
  openTransaction = async (id: string): Promise<OpenTransaction> => {
    const transaction = log.fence(id).begin();
    return {
      send: async (records) => transaction.send(records),
      commit: async () => transaction.commit(),
      abort: async () => transaction.abort(),
    };
  },
): LogContractFixture {
  let names = 0;
  return {
    createLog: async () => seen,
    transactionalId: ({ transactionalPrefix }, topic, partition) => `${transactionalPrefix}.${topic}.${partition}`,
    uniqueName: (stem) => `${stem}-${++names}`,
    openTransaction,
    recreate: async (topic) => log.recreate(topic),
    tick: () => nextTurn(),
    patienceTicks: 200,
    close: async () => {},
  };
}
