/**
 * What one fetch brought of one partition. Extends the `Batch` of kafkajs, which keeps to itself three things that a
 * consumer with positions of its own must know: the last stable offset, where the answer ends although no record is
 * left to show (markers, aborted and compacted records), and that an answer was empty.
 */
import type { Batch } from "kafkajs";
import type { AbortedTransaction, FetchedRecord } from "./kafka-aborted-filter.ts";
import type { FetchedMessages } from "./kafka-record-batches.ts";

/** A record as kafkajs decodes it. */
export interface FetchedMessage extends FetchedRecord {
  readonly timestamp: string;
  readonly value: Buffer | null;
  readonly key: Buffer | null;
  readonly headers: Readonly<Record<string, HeaderValues>>;
}

/** Several headers of one name are one array. */
export type HeaderValues = Buffer | null | readonly (Buffer | null)[];

export interface PartitionData {
  readonly partition: number;
  readonly highWatermark: string;
  readonly lastStableOffset?: string;
  readonly abortedTransactions?: readonly AbortedTransaction[] | null;
  readonly messages: FetchedMessages;
}

export interface StockBatch extends Batch {
  readonly rawMessages: FetchedMessages;
}

export type StockBatchClass = new (topic: string, fetchedOffset: string, data: PartitionData) => StockBatch;

export interface WholeBatch extends StockBatch {
  /** First offset that was asked for. */
  readonly fromOffset: number;
  /** Where the next fetch begins: behind everything that this answer holds, shown or not. */
  readonly toOffset: number;
  /** End of what a read-committed reader may see. */
  readonly stableOffset: number;
  /** The records that may be seen. */
  readonly committed: readonly FetchedMessage[];
}

export type WholeBatchClass = new (topic: string, fetchedOffset: string, data: PartitionData) => WholeBatch;

export function wholeBatchOf(Stock: StockBatchClass): WholeBatchClass {
  return class extends Stock implements WholeBatch {
    readonly fromOffset: number;
    readonly toOffset: number;
    readonly stableOffset: number;
    declare readonly messages: WholeBatch["messages"] & FetchedMessage[];

    constructor(topic: string, fetchedOffset: string, data: PartitionData) {
      super(topic, fetchedOffset, data);
      this.fromOffset = safeOffset(fetchedOffset);
      const last = this.rawMessages.at(-1);
      const end = this.rawMessages.endOffset ?? (last === undefined ? 0 : safeOffset(last.offset) + 1);
      this.toOffset = Math.max(this.fromOffset, end);
      this.stableOffset = safeOffset(data.lastStableOffset ?? data.highWatermark);
    }

    get committed(): readonly FetchedMessage[] {
      return this.messages;
    }

    /** kafkajs hands no empty batch to its user; with this one each answer arrives, in order. */
    override isEmpty(): boolean {
      return false;
    }
  };
}

/** Offsets are numbers here (`core/log.ts`); one that is none any more must not be rounded in silence. */
export function safeOffset(text: string): number {
  const offset = Number(text);
  if (!Number.isSafeInteger(offset)) throw new RangeError(`Cannot use offset ${text}: it is beyond 2^53`);
  return offset;
}
