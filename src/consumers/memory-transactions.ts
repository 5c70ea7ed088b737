/**
 * Transactional ids of the memory log. As in Kafka, the newest holder of an id is the only one that can write with it:
 * `fence` aborts what the older holder left open, and everything that one still tries is refused with `SG_FENCED`.
 * There is no transaction timeout: a transaction that nobody ends or fences holds its readers for ever.
 */
import { StreamgaugeError } from "../core/errors.ts";
import type { OutputRecord } from "../core/log.ts";
import type { MemoryGroup } from "./memory-group.ts";
import type { MemoryPartition } from "./memory-partition.ts";

/** What the log does for a transaction. */
export interface TransactionHost {
  /** Writes all records or, if one cannot be placed, throws and writes none. */
  write(records: readonly OutputRecord[], transaction: object): readonly MemoryPartition[];
  /** Readers of these partitions may see more now. */
  announce(partitions: Iterable<MemoryPartition>): void;
  /** The group has moved its position in this partition. */
  positionMoved(partition: MemoryPartition): void;
}

export class TransactionCoordinator {
  readonly #host: TransactionHost;
  /** One entry per id, that is per partition and stage. */
  readonly #holders = new Map<string, TransactionalProducer>();

  constructor(host: TransactionHost) {
    this.#host = host;
  }

  /** Takes the id over (Kafka's InitProducerId). */
  fence(transactionalId: string): TransactionalProducer {
    const previous = this.#holders.get(transactionalId);
    previous?.retire();
    const producer = new TransactionalProducer(transactionalId, (previous?.epoch ?? -1) + 1, this.#host);
    this.#holders.set(transactionalId, producer);
    return producer;
  }
}

export class TransactionalProducer {
  readonly transactionalId: string;
  readonly epoch: number;
  readonly #host: TransactionHost;
  #retired = false;
  #last: MemoryTransaction | undefined;

  constructor(transactionalId: string, epoch: number, host: TransactionHost) {
    this.transactionalId = transactionalId;
    this.epoch = epoch;
    this.#host = host;
  }

  /** @throws {StreamgaugeError} `SG_FENCED` once a newer producer holds the id. */
  begin(): MemoryTransaction {
    this.assertHolder();
    if (this.#last?.isOpen) throw new Error(`Cannot begin a transaction of ${this.transactionalId}: one is open`);
    this.#last = new MemoryTransaction(this, this.#host);
    return this.#last;
  }

  /** @throws {StreamgaugeError} `SG_FENCED` once a newer producer holds the id. */
  assertHolder(): void {
    if (this.#retired) {
      throw new StreamgaugeError("SG_FENCED", `Cannot write as ${this.transactionalId}: fenced at epoch ${this.epoch}`);
    }
  }

  /** A newer producer holds the id: what is open is aborted. */
  retire(): void {
    if (this.#last?.isOpen) this.#last.abort();
    this.#retired = true;
  }
}

/** Every method throws `SG_FENCED` once a newer producer holds the id, and `Error` after the transaction has ended. */
export class MemoryTransaction {
  readonly #producer: TransactionalProducer;
  readonly #host: TransactionHost;
  readonly #written = new Set<MemoryPartition>();
  readonly #positions: { group: MemoryGroup; partition: MemoryPartition; offset: number }[] = [];
  #open = true;

  constructor(producer: TransactionalProducer, host: TransactionHost) {
    this.#producer = producer;
    this.#host = host;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Writes records that readers see after `commit`. */
  send(records: readonly OutputRecord[]): void {
    this.#assertOpen("send");
    for (const partition of this.#host.write(records, this)) this.#written.add(partition);
  }

  /** The group's position becomes `offset` with `commit`. */
  sendPosition(group: MemoryGroup, partition: MemoryPartition, offset: number): void {
    this.#assertOpen("send a position");
    this.#positions.push({ group, partition, offset });
  }

  commit(): void {
    this.#assertOpen("commit");
    this.#end("commit");
    for (const { group, partition, offset } of this.#positions) {
      group.moveTo(partition, offset);
      this.#host.positionMoved(partition);
    }
  }

  abort(): void {
    this.#assertOpen("abort");
    this.#end("abort");
  }

  #end(outcome: "commit" | "abort"): void {
    this.#open = false;
    for (const partition of this.#written) partition.endTransaction(this, outcome);
    this.#host.announce(this.#written);
  }

  #assertOpen(action: string): void {
    this.#producer.assertHolder();
    if (!this.#open) throw new Error(`Cannot ${action}: the transaction has ended`);
  }
}
