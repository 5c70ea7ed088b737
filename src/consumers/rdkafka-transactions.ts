/**
 * The transactions of one subscription: one producer, and one transaction at a time for all of its claims. What is to be
 * committed while a transaction is in flight waits and goes into the next one together.
 *
 * The fence is the group (KIP-447): the positions are sent with the consumer's member id and generation, so that the broker
 * refuses them from a member that it does not know any more. A member's generation says nothing of single partitions, so
 * two things are ours: what belongs to a claim that is lost is not sent any more, and a partition is given back only when the
 * transaction that holds its position has ended (`settled`).
 *
 * The transactional id is new with each subscription. A name that stays (that of the host, say) would let two processes
 * that have it fence each other for ever: a container that is replaced before it is dead, two on one host. What a process
 * that was killed leaves open therefore ends by its timeout and not at the next start; until then, 15 s and up to 10 s in
 * which the broker looks for it, readers of what it wrote wait, and so does whoever takes over its partitions.
 */
import { isUtf8 } from "node:buffer";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import type { OutputRecord, RecordHeader } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { ClaimWriter, KafkaClaim } from "./kafka-claim.ts";
import { isSamePlace, type Place } from "./kafka-held-partitions.ts";
import { sizeOfOutput } from "./kafka-messages.ts";
import { firstOfEachPlace, type GroupPosition, TRANSACTION_TIMEOUT_MS } from "./kafka-transactions.ts";
import { CODES, codeOf, isStaleMember, StaleClaimError } from "./rdkafka-errors.ts";
import { called, type RdkafkaConsumer, type RdkafkaError, type RdkafkaProducer } from "./rdkafka-library.ts";

export interface GroupCommitterOptions {
  readonly createProducer: () => Promise<RdkafkaProducer>;
  readonly consumer: RdkafkaConsumer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Outputs of one transaction; a commit that is larger goes alone. */
const MAX_TRANSACTION_BYTES = 8 << 20;
/** A call holds one of the four threads that Node has for such, so it is made anew after this time. */
const CALL_MS = 1000;
/** How long a refused member looks for the generation that has begun: longer than a heartbeat. */
const STALE_ATTEMPTS = 12;
const STALE_PAUSE_MS = 250;
const RETRY_PAUSE_MS = 20;
/** What cannot be aborted ends by its timeout. */
const ABORT_LIMIT_MS = 3000;
/** For what is in flight when the subscription stops. */
const STOP_LIMIT_MS = 5000;

interface Request {
  readonly claim: KafkaClaim;
  readonly outputs: readonly OutputRecord[];
  readonly bytes: number;
  readonly nowMs: number;
  readonly position: GroupPosition | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
}

export class GroupCommitter {
  readonly #options: GroupCommitterOptions;
  readonly #queue: Request[] = [];
  #producer: Promise<RdkafkaProducer> | undefined;
  #draining: Promise<void> | undefined;
  /** When the last call has to be given up; monotonic time. */
  #endsAtMs = Number.POSITIVE_INFINITY;
  /** What the transaction in flight holds. */
  #inFlight: readonly Request[] = [];
  /** Outputs of a transaction whose outcome is unknown. */
  #doubtful: readonly OutputRecord[] = [];

  constructor(options: GroupCommitterOptions) {
    this.#options = options;
  }

  /** The id is ours: what an earlier producer of it left open has been aborted. */
  async ready(): Promise<void> {
    await this.#ready();
  }

  writerOf(claim: KafkaClaim): ClaimWriter {
    return {
      commit: (outputs, nowMs, position) =>
        new Promise((resolve, reject) => {
          const bytes = outputs.reduce((sum, output) => sum + sizeOfOutput(output), 0);
          this.#queue.push({ claim, outputs, bytes, nowMs, position, resolve, reject, attempts: 0 });
          this.#draining ??= this.#drain();
        }),
      // What still waits is refused when its turn comes.
      close: () => {},
    };
  }

  /** The transaction in flight has ended, if it holds something of one of these partitions. */
  async settled(places: readonly Place[]): Promise<void> {
    const isConcerned = () => this.#inFlight.some(({ claim }) => places.some((place) => isSamePlace(place, claim)));
    while (isConcerned()) await sleep(RETRY_PAUSE_MS);
  }

  /** From now on a broker that does not answer is not waited for as long as usual. */
  hurry(): void {
    this.#endsAtMs = this.#options.clock.monotonicMs() + STOP_LIMIT_MS;
  }

  async close(): Promise<void> {
    await this.#draining;
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.then(disconnected, () => undefined);
  }

  async #drain(): Promise<void> {
    // What becomes due in the same turn goes together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      this.#inFlight = this.#next();
      if (this.#inFlight.length > 0) await this.#transact(this.#inFlight);
      this.#inFlight = [];
    }
    this.#draining = undefined;
  }

  #next(): readonly Request[] {
    const requests: Request[] = [];
    for (let bytes = 0; this.#queue.length > 0; ) {
      const [request] = this.#queue;
      if (request!.claim.active) {
        bytes += request!.bytes;
        if (requests.length > 0 && bytes > MAX_TRANSACTION_BYTES) break;
        requests.push(request!);
      } else request!.reject(new StaleClaimError("the claim was lost before its commit was sent"));
      this.#queue.shift();
    }
    return requests;
  }

  /** Settles every request, or puts it back into the queue. */
  async #transact(requests: readonly Request[]): Promise<void> {
    let producer: RdkafkaProducer;
    try {
      producer = await this.#ready();
    } catch (error) {
      for (const { reject } of requests) reject(error);
      return;
    }
    let isAtOurMercy = true;
    try {
      await called((callback) => producer.beginTransaction(callback));
      for (const { outputs, nowMs } of requests) {
        for (const output of outputs) await this.#produce(producer, output, nowMs);
      }
      if (requests.some(({ claim }) => !claim.active)) throw new StaleClaimError("a claim was lost");
      const offsets = requests.flatMap(({ position }) => (position === undefined ? [] : [position]));
      if (offsets.length > 0) {
        const { consumer } = this.#options;
        await this.#insist((ms, callback) => producer.sendOffsetsToTransaction(offsets, consumer, ms, callback));
      }
      isAtOurMercy = false;
      await this.#insist((ms, callback) => producer.commitTransaction(ms, callback));
      for (const { resolve } of requests) resolve();
    } catch (error) {
      const { isFatal = false, isTxnRequiresAbort = false } = error as RdkafkaError;
      const isKnown = !isFatal && (isAtOurMercy || isTxnRequiresAbort) && (await this.#abort(producer));
      if (isKnown) await this.#again(requests, error);
      else {
        this.#discard(producer);
        this.#doubtful = requests.flatMap(({ outputs }) => outputs);
        for (const { reject } of requests) reject(error);
      }
    }
  }

  /** Nothing of the transaction counts; those of its claims that are sound may try once more, or are told. */
  async #again(requests: readonly Request[], error: unknown): Promise<void> {
    const isStale = isStaleMember(error);
    // The broker knows of the next generation before we do.
    if (isStale) await sleep(STALE_PAUSE_MS);
    const again: Request[] = [];
    for (const request of requests) {
      request.attempts += 1;
      const mayTry = error instanceof StaleClaimError || (isStale && request.attempts < STALE_ATTEMPTS);
      if (request.claim.active && mayTry) again.push(request);
      else request.reject(request.claim.active ? error : new StaleClaimError("the claim was lost", { cause: error }));
    }
    this.#queue.unshift(...again);
  }

  async #produce(producer: RdkafkaProducer, output: OutputRecord, nowMs: number): Promise<void> {
    const { topic, partition, key, value, headers, timestampMs } = output;
    const named = headers?.map(headerOf);
    for (;;) {
      try {
        const time = Math.round(timestampMs ?? nowMs);
        producer.produce(topic, partition ?? null, bufferOf(value), bufferOf(key), time, undefined, named);
        return;
      } catch (error) {
        if (codeOf(error) !== CODES.queueFull) throw error;
        await sleep(RETRY_PAUSE_MS);
      }
    }
  }

  async #abort(producer: RdkafkaProducer): Promise<boolean> {
    try {
      await this.#insist((ms, callback) => producer.abortTransaction(ms, callback), ABORT_LIMIT_MS);
      return true;
    } catch (error) {
      this.#options.logger.warn({ error: String(error) }, "a transaction could not be aborted; it ends by its timeout");
      return false;
    }
  }

  #discard(producer: RdkafkaProducer): void {
    this.#producer = undefined;
    disconnected(producer).catch(() => undefined);
  }

  #ready(): Promise<RdkafkaProducer> {
    if (this.#producer === undefined) {
      const starting = this.#start();
      this.#producer = starting;
      starting.catch(() => {
        if (this.#producer === starting) this.#producer = undefined;
      });
    }
    return this.#producer;
  }

  async #start(): Promise<RdkafkaProducer> {
    const producer = await this.#options.createProducer();
    try {
      await this.#insist((ms, callback) => producer.initTransactions(ms, callback));
      await this.#settle(producer);
      return producer;
    } catch (error) {
      disconnected(producer).catch(() => undefined);
      throw error;
    }
  }

  /** As `TransactionalHolder.settle`: the first marker after an unknown outcome is that of an abort. */
  async #settle(producer: RdkafkaProducer): Promise<void> {
    const places = firstOfEachPlace(this.#doubtful);
    if (places.length > 0) {
      await called((callback) => producer.beginTransaction(callback));
      for (const place of places) await this.#produce(producer, place, this.#options.clock.nowMs());
      await this.#insist((ms, callback) => producer.abortTransaction(ms, callback));
    }
    this.#doubtful = [];
  }

  /** Makes a call again that may be made again, as a rule for as long as the broker keeps a transaction. */
  async #insist(
    call: (timeoutMs: number, callback: (error?: RdkafkaError | null) => void) => void,
    limitMs = TRANSACTION_TIMEOUT_MS,
  ): Promise<void> {
    const { clock } = this.#options;
    const until = Math.min(clock.monotonicMs() + limitMs, this.#endsAtMs);
    for (;;) {
      try {
        await called((callback) => call(CALL_MS, (error) => callback(error, undefined)));
        return;
      } catch (error) {
        if ((error as RdkafkaError).isRetriable !== true || clock.monotonicMs() >= until) throw error;
        await sleep(RETRY_PAUSE_MS);
      }
    }
  }
}

/** At once: what is not sent belongs to no transaction that can end well. */
function disconnected(producer: RdkafkaProducer): Promise<unknown> {
  return called<unknown>((callback) => producer.disconnect(CALL_MS, callback));
}

function bufferOf(bytes: Uint8Array | string | null): Buffer | null {
  if (bytes === null) return null;
  return typeof bytes === "string" ? Buffer.from(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The addon takes header values as text only, and up to a zero. What is no such text goes as base64 under `<key>.base64`:
 * the headers of a refused record are what its producer made them.
 */
function headerOf({ key, value }: RecordHeader): Readonly<Record<string, string>> {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return isUtf8(bytes) && !bytes.includes(0)
    ? { [key]: bytes.toString() }
    : { [`${key}.base64`]: bytes.toString("base64") };
}
