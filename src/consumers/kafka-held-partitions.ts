/**
 * What a member of a group holds: its partitions, the claim of each, and for each claim a chain of handler calls, one at
 * a time. The client's subscription tells it what the group gives and takes and what was fetched; it tells the client from
 * which partitions to fetch.
 */
import { setImmediate as yieldToEvents } from "node:timers/promises";
import { StreamgaugeError } from "../core/errors.ts";
import type { ClaimHandler, PartitionHealth } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { ClaimHost, KafkaClaim } from "./kafka-claim.ts";
import { type ClaimOpener, holdPartition } from "./kafka-partition-holder.ts";

export interface Place {
  readonly topic: string;
  readonly partition: number;
}

export interface HeldPartitionsOptions {
  readonly host: ClaimHost;
  readonly opener: ClaimOpener;
  readonly handler: ClaimHandler;
  readonly logger: Logger;
  /** Whether the client fetches from a partition. */
  readonly setFlow: (place: Place, flows: boolean) => void;
  readonly fail: (error: unknown) => void;
}

/** A batch of 1000 records costs its handler some 0.5 ms, so timers are late by a few milliseconds at most. */
const CALLS_PER_YIELD = 8;

export class HeldPartitions {
  readonly #options: HeldPartitionsOptions;
  readonly #maxBatchRecords: number;
  /** By partition: what the group has given to us, its current claim, and the end of all work for it so far. */
  readonly #assigned = new Map<string, Assigned>();
  readonly #claims = new Map<string, KafkaClaim>();
  readonly #work = new Map<string, Promise<void>>();
  /** What the handler is doing for a claim. */
  readonly #inHand = new Map<KafkaClaim, Promise<void>>();
  readonly #flowing = new Set<KafkaClaim>();
  #onConfirmed = new Set<() => void>();
  #calls = 0;
  #stopping = false;

  constructor(options: HeldPartitionsOptions) {
    this.#options = options;
    this.#maxBatchRecords = options.host.options.maxBatchRecords ?? 1000;
  }

  /** The group has given these to us. */
  assign(places: readonly Place[]): void {
    const waitsSinceMs = this.#nowMs();
    for (const place of places) {
      const name = nameOf(place);
      const isUncertain = this.#assigned.get(name)?.isUncertain ?? false;
      const assigned = { ...place, waitsSinceMs, isUncertain, isRevoked: false };
      this.#assigned.set(name, assigned);
      this.#hold(name, assigned);
    }
  }

  /** Their claims are lost at once; `dropRevoked` forgets that they were ours. */
  revoke(places: readonly Place[]): void {
    for (const place of places) {
      const name = nameOf(place);
      const assigned = this.#assigned.get(name);
      if (assigned !== undefined) assigned.isRevoked = true;
      const claim = this.#claims.get(name);
      this.#claims.delete(name);
      claim?.lose("revoked");
    }
    this.confirm();
  }

  revokeAll(): void {
    this.revoke([...this.#assigned.values()]);
  }

  dropRevoked(): void {
    for (const [name, { isRevoked }] of this.#assigned) if (isRevoked) this.#assigned.delete(name);
  }

  /** The group confirms our membership. */
  confirm(): void {
    const waiting = this.#onConfirmed;
    this.#onConfirmed = new Set();
    for (const resolve of waiting) resolve();
  }

  claim(place: Place): KafkaClaim | undefined {
    return this.#claims.get(nameOf(place));
  }

  claims(): readonly KafkaClaim[] {
    return [...this.#claims.values()];
  }

  isFlowing(claim: KafkaClaim): boolean {
    return this.#flowing.has(claim);
  }

  /** Settles when the handler has done what is in its hands for the claim; absent: nothing is. */
  inHand(claim: KafkaClaim): Promise<void> | undefined {
    return this.#inHand.get(claim);
  }

  health(): PartitionHealth[] {
    return Array.from(this.#assigned, ([name, { topic, partition, waitsSinceMs, isUncertain }]) => {
      const { heldAtMs, committedAtMs } = this.#claims.get(name) ?? {};
      return { topic, partition, waitsSinceMs, heldAtMs, committedAtMs, isUncertain };
    });
  }

  flowChanged(claim: KafkaClaim): void {
    if (claim.hasWork) this.pump(claim);
    else this.#setFlow(claim, claim.wantsMore);
  }

  /** Calls the handler for what is pending, one batch after the other. */
  pump(claim: KafkaClaim): void {
    if (this.#inHand.has(claim)) return;
    const deliveries = this.#deliver(claim).finally(() => {
      this.#inHand.delete(claim);
      this.flowChanged(claim);
    });
    this.#inHand.set(claim, deliveries);
  }

  /** Nothing more is fetched for a claim that has something to do. */
  holdBack(claim: KafkaClaim): void {
    if (!claim.wantsMore) this.#setFlow(claim, false);
  }

  /** Ends all work, after the batches and commits in hand. `lost` is not told. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const claims = this.claims();
    for (const claim of claims) claim.stopDelivery();
    await Promise.all(this.#inHand.values());
    await Promise.all(claims.map((claim) => claim.settled()));
    this.revokeAll();
    await Promise.all(this.#work.values());
  }

  #hold(name: string, assigned: Assigned): void {
    const { host, opener, logger, fail } = this.#options;
    const { topic, partition } = assigned;
    const before = this.#work.get(name) ?? Promise.resolve();
    const work = before.then(() =>
      holdPartition(topic, partition, {
        host,
        opener,
        logger,
        stillHeld: () => !assigned.isRevoked && !this.#stopping,
        confirmed: () => new Promise((resolve) => this.#onConfirmed.add(resolve)),
        current: (claim) => this.#claims.set(name, claim),
        serve: (claim) => this.#serve(claim, assigned),
      }),
    );
    this.#work.set(name, work.catch(fail));
  }

  /** From `claimed` to `lost`. */
  async #serve(claim: KafkaClaim, assigned: Assigned): Promise<void> {
    const { host, handler } = this.#options;
    host.seek(claim, claim.position);
    const claimed = this.#call(claim, () => handler.claimed?.(claim));
    this.#inHand.set(claim, claimed);
    await claimed;
    this.#inHand.delete(claim);
    if (claim.active) {
      claim.startDelivery();
      assigned.isUncertain = false;
    }
    await claim.lost;
    assigned.waitsSinceMs = this.#nowMs();
    if (claim.lossReason === "unknown-outcome") assigned.isUncertain = true;
    await this.#inHand.get(claim);
    await claim.settled();
    if (!this.#stopping) handler.lost?.(claim, claim.lossReason ?? "revoked");
  }

  async #deliver(claim: KafkaClaim): Promise<void> {
    while (claim.hasWork) {
      const batch = claim.next(this.#maxBatchRecords);
      if (batch === undefined) return;
      await this.#call(claim, () => this.#options.handler.batch(claim, batch));
      // Promises alone would starve timers, signals and sockets as long as there is data.
      this.#calls += 1;
      if (this.#calls % CALLS_PER_YIELD === 0) await yieldToEvents();
    }
  }

  /** A claim that dies under its handler is no error of the handler. */
  async #call(claim: KafkaClaim, method: () => Promise<void> | void): Promise<void> {
    try {
      await method();
    } catch (error) {
      const code = error instanceof StreamgaugeError ? error.code : undefined;
      if (code === "SG_FENCED") claim.lose("fenced");
      else if (code !== "SG_CONNECT" || claim.active) this.#options.fail(error);
    }
  }

  #setFlow(claim: KafkaClaim, flows: boolean): void {
    if (this.#flowing.has(claim) === flows) return;
    if (flows) this.#flowing.add(claim);
    else this.#flowing.delete(claim);
    // A newer claim of the partition decides by itself.
    if (this.#claims.get(nameOf(claim)) === claim) this.#options.setFlow(claim, flows);
  }

  #nowMs(): number {
    return this.#options.host.clock.monotonicMs();
  }
}

interface Assigned extends Place {
  waitsSinceMs: number;
  isUncertain: boolean;
  isRevoked: boolean;
}

function nameOf({ topic, partition }: Place): string {
  return `${topic}/${partition}`;
}

export function isSamePlace(one: Place, other: Place): boolean {
  return one.partition === other.partition && one.topic === other.topic;
}
