/**
 * A process of the deployment: a profiler and a judge with a log client, a clock and a life of their own. It can die at
 * any request, and freeze: then neither its timers nor its requests go on, and what was under way goes on afterwards.
 */
import type { MemoryLog } from "../../src/consumers/memory-log.ts";
import type { MemorySubscription } from "../../src/consumers/memory-subscription.ts";
import type { Clock, Timer } from "../../src/core/clock.ts";
import type { Claim, ClaimHandler, Log, SubscribeOptions, Subscription } from "../../src/core/log.ts";
import type { Logger } from "../../src/core/logger.ts";
import type { TopicNames } from "../../src/core/topics.ts";
import { createReaderSource, type InProcessRegistry } from "../../src/schemas/registry.ts";
import { startJudge } from "../../src/stages/judge.ts";
import { startProfiler } from "../../src/stages/profiler.ts";
import type { Plant } from "./planted.ts";
import type { Scenario } from "./scenario.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** After so long without a sign of life the group deals the partitions anew. */
const SESSION_MS = 6000;

const TRANSACTION_TIMEOUT_MS = 15_000;

export interface World {
  readonly scenario: Scenario;
  readonly clock: VirtualClock;
  readonly log: MemoryLog;
  readonly registry: InProcessRegistry;
  readonly topics: TopicNames;
  readonly plant: Plant | undefined;
  /** What happens to a request; it may kill or freeze the process, wait, or throw. */
  readonly onRequest: (process: SimProcess, request: string, claim: Claim) => Promise<void>;
  readonly trace: (line: string) => void;
  /** What must never be. */
  readonly violate: (what: string) => void;
}

export class SimProcess {
  readonly name: string;
  readonly #world: World;
  readonly #subscriptions: MemorySubscription[] = [];
  readonly #stages: Subscription[] = [];
  #isDead = false;
  #frozenUntilMs = 0;
  #isStopping = false;

  constructor(name: string, world: World) {
    this.name = name;
    this.#world = world;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  get isFrozen(): boolean {
    return this.#world.clock.nowMs() < this.#frozenUntilMs;
  }

  async start(): Promise<void> {
    const { scenario, registry, topics, violate, trace, plant } = this.#world;
    const clock = this.#clock();
    const common = { clock, deployment: "sim", datasets: [scenario.dataset] };
    const logger: Logger = {
      info: (fields, message) => trace(`${this.name} ${message} ${JSON.stringify(fields)}`),
      warn: (fields, message) => trace(`${this.name} WARN ${message} ${JSON.stringify(fields)}`),
      error: (fields, message) => {
        // Of a planted bug the oracle has to tell, not the stage that has it.
        if (plant === undefined) violate(`G3 ${this.name} logs: ${message} ${JSON.stringify(fields)}`);
      },
    };
    const profiler = await startProfiler({
      ...common,
      log: this.#log("profiler"),
      logger,
      readers: createReaderSource(registry, { clock }),
      group: "sim.profiler",
      profilesTopic: topics.profiles,
      startFrom: "earliest",
      flushRecords: scenario.flushRecords,
      time: "clock",
      hashLabel: (text) => text,
    });
    const judge = await startJudge({
      ...common,
      log: this.#log("judge"),
      logger,
      group: "sim.judge",
      topics,
      resolveAfter: 1,
      checkpoints: { clock, everyMs: scenario.checkpointMs },
    });
    for (const [stage, { done }] of Object.entries({ profiler, judge })) {
      done.catch((error: unknown) => violate(`G4 the ${stage} of ${this.name} ended: ${String(error)}`));
    }
    this.#stages.push(profiler, judge);
  }

  kill(): void {
    if (this.#isDead) return;
    const { clock, plant } = this.#world;
    clock.after(TRANSACTION_TIMEOUT_MS, () => plant?.onTimeout?.(this.name));
    this.#isDead = true;
    this.#world.trace(`${this.name} dies`);
    this.#world.clock.after(SESSION_MS, () => {
      for (const subscription of this.#subscriptions) {
        subscription.expire();
        // A claim of it that is fenced later would join again.
        void subscription.stop();
      }
    });
  }

  freeze(forMs: number): void {
    const { clock, trace } = this.#world;
    if (this.isFrozen || this.#isStopping) return;
    trace(`${this.name} freezes for ${forMs} ms`);
    this.#frozenUntilMs = clock.nowMs() + forMs;
    if (forMs <= SESSION_MS) return;
    clock.after(SESSION_MS, () => {
      for (const subscription of this.#subscriptions) subscription.expire();
    });
    // Its next heartbeat tells it; until then it goes on writing.
    clock.after(forMs + (forMs % 3000), () => {
      if (this.#isDead || this.#isStopping) return;
      for (const subscription of this.#subscriptions) subscription.rejoin();
    });
  }

  /** Leaves after the work in hand, as on SIGTERM. */
  stop(): void {
    if (this.#isStopping || this.#isDead) return;
    this.#isStopping = true;
    this.#world.trace(`${this.name} stops`);
    for (const stage of this.#stages) {
      stage.stop().catch((error: unknown) => this.#world.violate(`G4 ${this.name} does not stop: ${String(error)}`));
    }
  }

  /** Waits while the process is frozen; for ever when it is dead. */
  async alive(): Promise<void> {
    const { clock } = this.#world;
    while (!this.#isDead && this.isFrozen) await clock.sleep(this.#frozenUntilMs - clock.nowMs());
    if (this.#isDead) await new Promise<never>(() => {});
  }

  #log(stage: "profiler" | "judge"): Log {
    const { log, clock, plant, onRequest, scenario } = this.#world;
    const client = log.client({
      clock,
      onRequest: async (request, claim) => {
        await this.alive();
        plant?.onRequest?.(request, claim, stage);
        await onRequest(this, `${stage} ${request}`, claim);
        await this.alive();
      },
    });
    return {
      createTopics: (topics) => client.createTopics(topics),
      append: (records) => client.append(records),
      subscribe: async (options: SubscribeOptions, handler: ClaimHandler) => {
        const { options: planned = options, handler: planted = handler } =
          plant?.subscribe?.({ options, handler, stage, log: client, process: this.name }) ?? {};
        const subscription = await client.subscribe(
          { ...planned, maxBatchRecords: scenario.maxBatchRecords },
          this.#living(planted),
        );
        this.#subscriptions.push(subscription);
        return subscription;
      },
    };
  }

  #living(handler: ClaimHandler): ClaimHandler {
    return {
      claimed: async (claim) => {
        await this.alive();
        await handler.claimed?.(claim);
      },
      batch: async (claim, batch) => {
        await this.alive();
        await handler.batch(claim, batch);
      },
      ended: async (claim) => {
        await this.alive();
        await handler.ended?.(claim);
      },
      lost: (claim, reason) => {
        if (!this.#isDead) handler.lost?.(claim, reason);
      },
    };
  }

  #clock(): Clock {
    const { clock } = this.#world;
    const after = (delayMs: number, task: () => void): Timer => {
      let timer = clock.after(delayMs, () => {
        if (this.#isDead) return;
        if (this.isFrozen) timer = clock.after(this.#frozenUntilMs - clock.nowMs(), task);
        else task();
      });
      return { cancel: () => timer.cancel() };
    };
    return { nowMs: () => clock.nowMs(), monotonicMs: () => clock.monotonicMs(), after };
  }
}
