/** Bugs put in between the stages and the log, one for each thing that must never break: the simulator has to find them. */
import type { MemoryLog } from "../../src/consumers/memory-log.ts";
import type { Claim, ClaimHandler, LogRecord, OutputRecord, SubscribeOptions } from "../../src/core/log.ts";

type Stage = "profiler" | "judge";

interface PlantContext {
  readonly options: SubscribeOptions;
  readonly handler: ClaimHandler;
  readonly stage: Stage;
  readonly log: MemoryLog;
  /** Unique among all processes of the run. */
  readonly process: string;
}

/** Made anew for each run. */
export interface Plant {
  subscribe?(context: PlantContext): { readonly options?: SubscribeOptions; readonly handler?: ClaimHandler };
  onRequest?(request: string, claim: Claim, stage: Stage): void;
  /** The transaction timeout of a process that died. */
  onTimeout?(process: string): void;
}

export const PLANTS: Readonly<Record<string, (topics: { state: string; metrics: string }) => Plant>> = {
  /** A transactional id per process: an older one can go on committing, and what it leaves open ends by its timeout. */
  "no-fencing": () => {
    const ids = new Map<string, Set<string>>();
    let log: MemoryLog | undefined;
    return {
      subscribe({ options, handler, log: own, process }) {
        log = own;
        const prefix = `${options.transactionalPrefix}.${process}`;
        const claimed = (claim: Claim) => {
          ids.set(process, (ids.get(process) ?? new Set()).add(`${prefix}.${nameOf(claim)}`));
          return handler.claimed?.(claim);
        };
        return { options: { ...options, transactionalPrefix: prefix }, handler: { ...handler, claimed } };
      },
      onTimeout(process) {
        for (const id of ids.get(process) ?? []) log?.fence(id);
      },
    };
  },

  /** The position moves in a transaction of its own, before that of the outputs. */
  "commit-before-outputs": () => ({
    subscribe: ({ handler, stage }) => ({
      handler:
        stage === "judge"
          ? handler
          : withClaims(handler, (claim) => ({
              async commit(outputs, nextOffset) {
                await claim.commit([], nextOffset);
                await claim.commit(outputs, nextOffset);
              },
            })),
    }),
  }),

  /** The committed offset is what it was before the id was fenced. */
  "offset-before-fence": () => {
    const positions = new Map<string, number>();
    let log: MemoryLog | undefined;
    let group = "";
    return {
      onRequest(request, claim, stage) {
        if (stage === "judge" || request !== "fence") return;
        positions.set(nameOf(claim), log?.position(group, claim.topic, claim.partition) ?? 0);
      },
      subscribe({ options, handler, stage, log: own }) {
        if (stage === "judge") return {};
        log = own;
        group = options.group;
        return {
          handler: {
            ...handler,
            claimed(claim) {
              claim.seek(positions.get(nameOf(claim)) ?? 0);
              return handler.claimed?.(claim);
            },
          },
        };
      },
    };
  },

  /** The state is not written in one transaction: of the last checkpoint only the first half of the keys is there. */
  "torn-checkpoint": ({ state }) => {
    const versions = new Map<string, OutputRecord[]>();
    let last: readonly string[] = [];
    return {
      subscribe: ({ handler, stage }) => ({
        handler:
          stage === "profiler"
            ? handler
            : withClaims(handler, (claim) => ({
                async commit(outputs, nextOffset) {
                  await claim.commit(outputs, nextOffset);
                  const own = outputs.filter(({ topic }) => topic === state);
                  for (const record of own) {
                    versions.set(String(record.key), [...(versions.get(String(record.key)) ?? []).slice(-1), record]);
                  }
                  if (own.length > 0) last = own.map(({ key }) => String(key));
                },
                async restore(topic) {
                  const records = [...(await claim.restore(topic))];
                  const torn = new Set(last.slice(last.length >> 1));
                  return records.flatMap((record) => olderIf(torn, versions, record));
                },
              })),
      }),
    };
  },

  /** A revision is told again by whoever takes the window over: here, each one beyond the first. */
  "revision-twice": ({ metrics }) => ({
    subscribe: ({ handler, stage }) => ({
      handler:
        stage === "profiler"
          ? handler
          : withClaims(handler, (claim) => ({
              commit(outputs, nextOffset) {
                const again = outputs.filter(
                  ({ topic, value }) => topic === metrics && !Buffer.from(value!).includes('"revision":0'),
                );
                return claim.commit([...outputs, ...again], nextOffset);
              },
            })),
    }),
  }),

  /** A profiler that had to begin again skips one offset, and the judge does not say that ranges do not join. */
  "gap-not-noticed": () => ({
    subscribe: ({ handler, stage }) => ({
      handler:
        stage === "judge"
          ? handler
          : {
              ...handler,
              claimed(claim) {
                if (claim.position > 0 && claim.position < (claim.endOffset ?? 0)) claim.seek(claim.position + 1);
                return handler.claimed?.(claim);
              },
            },
    }),
  }),
};

/** The handler sees each claim with some of its methods replaced. */
function withClaims(
  handler: ClaimHandler,
  change: (claim: Claim) => Partial<Pick<Claim, "commit" | "restore">>,
): ClaimHandler {
  const changed = new WeakMap<Claim, Claim>();
  const of = (claim: Claim): Claim => {
    let own = changed.get(claim);
    if (own === undefined) {
      const methods = change(claim);
      own = new Proxy(claim, {
        get(target, name) {
          if (name in methods) return methods[name as keyof typeof methods];
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
      changed.set(claim, own);
    }
    return own;
  };
  return {
    claimed: (claim) => handler.claimed?.(of(claim)),
    batch: (claim, batch) => handler.batch(of(claim), batch),
    ended: (claim) => handler.ended?.(of(claim)),
    lost: (claim, reason) => handler.lost?.(of(claim), reason),
  };
}

function olderIf(
  torn: ReadonlySet<string>,
  versions: ReadonlyMap<string, readonly OutputRecord[]>,
  record: LogRecord,
): LogRecord[] {
  const key = Buffer.from(record.key!).toString();
  if (!torn.has(key)) return [record];
  const [older, newer] = versions.get(key) ?? [];
  if (newer === undefined || older === undefined) return [];
  return older.value === null ? [] : [{ ...record, value: older.value, headers: older.headers ?? [] }];
}

function nameOf({ topic, partition }: Claim): string {
  return `${topic}.${partition}`;
}
