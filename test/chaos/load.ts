/**
 * The load: a plain idempotent producer, and two transactional ones whose transactions overlap, end in any order, and are
 * aborted now and then; all are kept open. A producer that fails is replaced, and what it had in hand is given up, or
 * not, as the log will tell.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CompressionTypes, Kafka, logLevel, type Producer, type Transaction } from "kafkajs";
import { SeededRandom } from "../../src/core/random.ts";
import type { TripGenerator, TripRecord } from "./trips.ts";

const TICK_MS = 100;
/** Of so many ticks one begins or ends a transaction. */
const TRANSACTION_EVERY = 3;
const ABORTED_SHARE = 0.15;
/** A tick that comes late makes up for at most so many. */
const CATCH_UP_TICKS = 20;
const PLAIN = "plain";
const TRANSACTIONAL = ["chaos-load-1", "chaos-load-2"] as const;

interface LoadOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly generator: TripGenerator;
  readonly seed: number;
  /** Events a second. */
  readonly rate: number;
  readonly partitions: number;
}

export class Load {
  readonly #options: LoadOptions;
  readonly #random: SeededRandom;
  readonly #kafka: Kafka;
  readonly #producers = new Map<string, Promise<Producer>>();
  /** Transactions that have begun, by id. */
  readonly #open = new Map<string, Transaction>();
  #partitions: number;
  #ticks = 0;
  #isOver = false;
  #running: Promise<void> = Promise.resolve();
  /** Batches that failed and were given up. */
  failures = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#partitions = options.partitions;
    this.#kafka = new Kafka({
      brokers: [...options.brokers],
      clientId: "chaos-load",
      logLevel: logLevel.NOTHING,
      requestTimeout: 8_000,
      retry: { initialRetryTime: 20, factor: 0, multiplier: 1.5, maxRetryTime: 500, retries: 12 },
    });
  }

  start(): void {
    this.#running = this.#run();
  }

  /** From now on events go to so many partitions. */
  async spread(partitions: number): Promise<void> {
    await this.#close();
    this.#partitions = partitions;
  }

  /** Ends with events in every partition that are so much later than all others, by each of the transactional ids. */
  async end(laterMs: number): Promise<void> {
    this.#isOver = true;
    await this.#running;
    this.#options.generator.skip(laterMs);
    for (const id of TRANSACTIONAL) {
      for (;;) {
        await this.#attempt(id, () => this.#endTransaction(id, false));
        // Odd ones among them have no event time.
        await this.#attempt(id, () => this.#begin(id, this.#batch(20 * this.#partitions)));
        if (await this.#attempt(id, () => this.#endTransaction(id, false))) break;
        await sleep(TICK_MS);
      }
    }
    await this.#close();
  }

  async #run(): Promise<void> {
    const startedMs = performance.now();
    let due = 0;
    while (!this.#isOver) {
      const now = (performance.now() - startedMs) / TICK_MS;
      if (now < due) {
        await sleep(TICK_MS / 4);
        continue;
      }
      due = Math.max(due + 1, now - CATCH_UP_TICKS);
      await this.#tick();
    }
  }

  async #tick(): Promise<void> {
    this.#ticks += 1;
    const isAborted = this.#random.next() < ABORTED_SHARE;
    const id = TRANSACTIONAL[this.#random.below(TRANSACTIONAL.length)]!;
    const isTransaction = this.#ticks % TRANSACTION_EVERY === 0;
    if (isTransaction && this.#open.has(id)) await this.#attempt(id, () => this.#endTransaction(id, isAborted));
    const records = this.#batch(Math.round((this.#options.rate * TICK_MS) / 1000));
    if (isTransaction && !this.#open.has(id) && !isAborted) await this.#attempt(id, () => this.#begin(id, records));
    else
      await this.#attempt(PLAIN, async () => void (await (await this.#producer(PLAIN)).send(this.#messages(records))));
  }

  async #begin(id: string, records: readonly TripRecord[]): Promise<void> {
    const transaction = await (await this.#producer(id)).transaction();
    this.#open.set(id, transaction);
    await transaction.send(this.#messages(records));
  }

  async #endTransaction(id: string, isAborted: boolean): Promise<void> {
    const transaction = this.#open.get(id);
    this.#open.delete(id);
    await (isAborted ? transaction?.abort() : transaction?.commit());
  }

  #batch(count: number): TripRecord[] {
    return Array.from({ length: count }, (_, index) => this.#options.generator.next(index % this.#partitions));
  }

  #messages(records: readonly TripRecord[]) {
    const messages = records.map(({ timestampMs, ...rest }) => ({ ...rest, timestamp: String(timestampMs) }));
    return { topic: this.#options.topic, messages, compression: CompressionTypes.GZIP };
  }

  /** False: given up. */
  async #attempt(id: string, act: () => Promise<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch {
      this.failures += 1;
      const failed = this.#producers.get(id);
      this.#producers.delete(id);
      this.#open.delete(id);
      failed?.then((producer) => producer.disconnect()).catch(() => undefined);
      return false;
    }
  }

  #producer(id: string): Promise<Producer> {
    const known = this.#producers.get(id);
    if (known !== undefined) return known;
    const producer = this.#kafka.producer({
      maxInFlightRequests: 1,
      ...(id === PLAIN ? { idempotent: true } : { transactionalId: id, transactionTimeout: 15_000 }),
    });
    const connected = producer.connect().then(() => producer);
    this.#producers.set(id, connected);
    return connected;
  }

  async #close(): Promise<void> {
    const producers = [...this.#producers.values()];
    this.#producers.clear();
    this.#open.clear();
    for (const producer of producers) await producer.then((one) => one.disconnect()).catch(() => undefined);
  }
}
