/**
 * Transactional ids of the memory log. As in Kafka, the newest holder of an id is the only one that can write with it:
 * `fence` aborts what the older holder left open, and everything that one still tries is refused with `SG_FENCED`.
 * There is no transaction timeout: a transaction that nobody ends or fences holds its readers for ever.
 */
import { StreamgaugeError } from "../core/errors.ts";
import type { OutputRecord } from "../core/log.ts";
import type { MemoryGroup } from "./memory-group.ts";
import type { MemoryPartition } from "./memory-partition.ts";

/**
 * In Kafka the coordinator decides a transaction first, and then has its markers written, one per partition and one for
 * the group's position. Until a marker is there, a reader of that partition waits, or finds the old position; until
 * all are, the id is busy. Each call hands over the writing of one marker.
 */
export type MarkerHook = (write: () => void) => void;

/** What the log does for a transaction. */
export interface TransactionHost {
  /** Writes all records or, if one cannot be placed, throws and writes none. */
  write(records: readonly OutputRecord[], transaction: object): readonly MemoryPartition[];
  /** Readers of these partitions may see more now. */
  announce(partitions: Iterable<MemoryPartition>): void;
  /** The group has moved its position in this partition. */
  positionMoved(partition: MemoryPartition): void;
  /** Writes a marker when the broker gets round to it; absent: at once. */
  readonly onMarker?: MarkerHook | undefined;
}

export class TransactionCoordinator {
  readonly #host: TransactionHost;
  /** One entry per id, that is per partition and stage. */
  readonly #holders = new Map<string, TransactionalProducer>();

  constructor(host: TransactionHost) {
    this.#host = host;
  }

  /** Settles when all markers of the id's last transaction are written; undefined when none is due. */
  completion(transactionalId: string): Promise<void> | undefined {
    return this.#holders.get(transactionalId)?.last?.completion;
  }

  /** Takes the id over (Kafka's InitProducerId). */
  fence(transactionalId: string): TransactionalProducer {
    const previous = this.#holders.get(transactionalId);
    previous?.retire();
    const producer = new TransactionalProducer(
      transactionalId,
      (previous?.epoch ?? -1) + 1,
      this.#host,
      previous?.last,
    );
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

  constructor(transactionalId: string, epoch: number, host: TransactionHost, last?: MemoryTransaction) {
    this.transactionalId = transactionalId;
    this.epoch = epoch;
    this.#host = host;
    this.#last = last;
  }

  /** The id's newest transaction, which an older holder may have begun. */
  get last(): MemoryTransaction | undefined {
    return this.#last;
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

interface PositionMove {
  readonly group: MemoryGroup;
  readonly partition: MemoryPartition;
  readonly offset: number;
}

/** Every method throws `SG_FENCED` once a newer producer holds the id, and `Error` after the transaction has ended. */
export class MemoryTransaction {
  readonly #producer: TransactionalProducer;
  readonly #host: TransactionHost;
  readonly #written = new Set<MemoryPartition>();
  readonly #positions: PositionMove[] = [];
  #open = true;
  #completion: Promise<void> | undefined;

  constructor(producer: TransactionalProducer, host: TransactionHost) {
    this.#producer = producer;
    this.#host = host;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** See `TransactionCoordinator.completion`. */
  get completion(): Promise<void> | undefined {
    return this.#completion;
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
  }

  abort(): void {
    this.#assertOpen("abort");
    this.#end("abort");
  }

  #end(outcome: "commit" | "abort"): void {
    this.#open = false;
    const positions = outcome === "commit" ? this.#positions : [];
    const { onMarker } = this.#host;
    if (onMarker !== undefined) {
      this.#endLater(outcome, positions, onMarker);
      return;
    }
    for (const partition of this.#written) partition.endTransaction(this, outcome);
    this.#host.announce(this.#written);
    for (const position of positions) this.#move(position);
  }

  #endLater(outcome: "commit" | "abort", positions: readonly PositionMove[], onMarker: MarkerHook): void {
    const writes = [...this.#written].map((partition) => () => {
      partition.endTransaction(this, outcome);
      this.#host.announce([partition]);
    });
    for (const position of positions) writes.push(() => this.#move(position));
    let left = writes.length;
    if (left === 0) return;
    this.#completion = new Promise((resolve) => {
      for (const write of writes) {
        onMarker(() => {
          write();
          left -= 1;
          if (left > 0) return;
          this.#completion = undefined;
          resolve();
        });
      }
    });
  }

  #move({ group, partition, offset }: PositionMove): void {
    group.moveTo(partition, offset);
    this.#host.positionMoved(partition);
  }

  #assertOpen(action: string): void {
    this.#producer.assertHolder();
    if (!this.#open) throw new Error(`Cannot ${action}: the transaction has ended`);
  }
}
