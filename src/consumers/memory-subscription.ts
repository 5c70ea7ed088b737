/**
 * One member of a consumer group of the memory log: a loop that calls the handler, one method at a time over all its
 * claims, in this order: `lost` of dead claims, then new claims, then batches round robin over the claims. So a run is
 * a function of the log, of the calls made and of the handlers; no timer takes part.
 *
 * Back-pressure: the next call waits for the promise of the last one. After `stop`, and after an error of the handler,
 * no method is called any more, `lost` neither.
 */
import { setImmediate as yieldToEvents } from "node:timers/promises";
import { StreamgaugeError } from "../core/errors.ts";
import type { ClaimHandler, SubscribeOptions, Subscription } from "../core/log.ts";
import type { MemoryBroker, MemoryTopic } from "./memory-broker.ts";
import { type ClaimContext, isFenced, MemoryClaim, type RequestHook } from "./memory-claim.ts";
import type { GroupMember, MemoryGroup } from "./memory-group.ts";
import type { MemoryPartition } from "./memory-partition.ts";

export class MemorySubscription implements Subscription, GroupMember {
  readonly done: Promise<void>;
  readonly topics: readonly string[];
  readonly #handler: ClaimHandler;
  readonly #group: MemoryGroup;
  readonly #sources: readonly MemoryTopic[];
  readonly #context: ClaimContext;
  readonly #maxBatchRecords: number;
  readonly #finished: Promise<void>;
  readonly #wake = () => {
    this.#woken = true;
    this.#endSleep();
  };
  #assigned: readonly MemoryPartition[] = [];
  #claims: MemoryClaim[] = [];
  /** Claims were lost, or partitions assigned. */
  #rosterChanged = false;
  #turn = 0;
  #calls = 0;
  #stopping = false;
  #woken = false;
  #endSleep = () => {};
  #settleDone = { resolve: () => {}, reject: (_error: unknown) => {} };

  constructor(
    broker: MemoryBroker,
    options: SubscribeOptions,
    handler: ClaimHandler,
    onRequest: RequestHook | undefined,
  ) {
    this.topics = [...new Set(options.topics)];
    this.#maxBatchRecords = options.maxBatchRecords ?? 1000;
    if (this.topics.length === 0) throw new RangeError("Cannot subscribe: topics is empty");
    if (!Number.isInteger(this.#maxBatchRecords) || this.#maxBatchRecords < 1) {
      throw new RangeError(`Cannot subscribe: maxBatchRecords is ${this.#maxBatchRecords}, expected 1 or more`);
    }
    this.#sources = this.topics.map((topic) => broker.topic(topic));
    this.#handler = handler;
    this.#group = broker.group(options.group);
    const knownIds = new Map(this.#sources.map(({ spec, id }) => [spec.name, id]));
    const wake = () => this.#onClaimChanged();
    this.#context = { broker, group: this.#group, options, onRequest, knownIds, wake };
    this.done = new Promise((resolve, reject) => {
      this.#settleDone = { resolve, reject };
    });
    for (const { groups, watchers } of this.#sources) {
      groups.add(this.#group);
      watchers.add(this.#wake);
    }
    this.#group.join(this);
    this.#finished = this.#run();
  }

  /** Must not be awaited inside a handler method: it waits for the one that is running. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    for (const claim of this.#claims) claim.stopWaiting();
    await this.#finished;
  }

  /**
   * What a session timeout does to a frozen process: the group deals its partitions to the other members, and it is
   * not told. Its claims go on until they write, or until `rejoin`.
   */
  expire(): void {
    this.#group.leave(this);
  }

  /** What the next heartbeat of an expired process does. A claim that finds itself fenced does the same. */
  rejoin(): void {
    if (!this.#stopping) this.#group.join(this);
  }

  assign(partitions: readonly MemoryPartition[]): void {
    this.#assigned = partitions;
    for (const claim of this.#claims) claim.lose("revoked");
    this.#rosterChanged = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    // The caller of `subscribe` has its subscription before the first call.
    await yieldToEvents();
    try {
      while (!this.#stopping) {
        this.#woken = false;
        if (this.#rosterChanged) await this.#reconcile();
        else if (!(await this.#serveNext()) && !this.#woken) {
          this.#resolveWhenEnded();
          await this.#sleep();
        }
      }
    } catch (error) {
      this.#stopping = true;
      this.#settleDone.reject(error);
    }
    for (const { watchers } of this.#sources) watchers.delete(this.#wake);
    for (const claim of this.#claims) claim.lose("revoked");
    this.#group.leave(this);
  }

  /** Tells the handler of dead claims, and claims what is assigned and has no claim. */
  async #reconcile(): Promise<void> {
    this.#rosterChanged = false;
    const dead = this.#claims.filter(({ active }) => !active);
    this.#claims = this.#claims.filter(({ active }) => active);
    for (const claim of dead) if (claim.announced) this.#handler.lost?.(claim, claim.lossReason ?? "revoked");
    if (dead.some(({ lossReason }) => lossReason !== "revoked")) this.rejoin();
    for (const partition of this.#assigned) {
      if (this.#rosterChanged || this.#stopping) return;
      if (!this.#claims.some(({ source }) => source === partition)) await this.#claim(partition);
    }
  }

  async #claim(partition: MemoryPartition): Promise<void> {
    const claim = new MemoryClaim(partition, this.#context);
    this.#claims.push(claim);
    await claim.open();
    if (!claim.active || this.#stopping) return;
    claim.announced = true;
    await this.#call(claim, () => this.#handler.claimed?.(claim));
  }

  /** One call of `batch` or `ended` for the next claim in turn that has work; false when none has. */
  async #serveNext(): Promise<boolean> {
    const count = this.#claims.length;
    for (let step = 1; step <= count; step += 1) {
      const at = (this.#turn + step) % count;
      const claim = this.#claims[at]!;
      if (!claim.hasWork) continue;
      this.#turn = at;
      const batch = claim.take(this.#maxBatchRecords);
      if (batch === undefined) claim.endHandled = true;
      await this.#call(claim, () =>
        batch === undefined ? this.#handler.ended?.(claim) : this.#handler.batch(claim, batch),
      );
      // Promises alone would starve timers, signals and sockets as long as there is data.
      this.#calls += 1;
      if (this.#calls % CALLS_PER_YIELD === 0) await yieldToEvents();
      return true;
    }
    return false;
  }

  /** A claim that dies under its handler is no error of the handler. */
  async #call(claim: MemoryClaim, method: () => Promise<void> | void): Promise<void> {
    try {
      await method();
    } catch (error) {
      if (isFenced(error)) claim.lose("fenced");
      else if (claim.active || !(error instanceof StreamgaugeError && error.code === "SG_CONNECT")) throw error;
    }
  }

  #onClaimChanged(): void {
    if (this.#claims.some(({ active }) => !active)) this.#rosterChanged = true;
    this.#wake();
  }

  #resolveWhenEnded(): void {
    const bounded = this.#sources.every(({ sealed }) => sealed);
    if (bounded && this.#claims.every(({ endHandled }) => endHandled)) this.#settleDone.resolve();
  }

  async #sleep(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#endSleep = resolve;
    });
  }
}

/** A batch of 1000 records costs its handler some 0.5 ms, so timers are late by a few milliseconds at most. */
const CALLS_PER_YIELD = 8;
