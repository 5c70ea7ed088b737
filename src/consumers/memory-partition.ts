/**
 * One partition of the memory log: slots with ascending offsets.
 *
 * 1. An offset is never reused and never moves; what takes an offset without being a record (a transaction marker, an
 *    aborted or compacted record) is an empty slot.
 * 2. Readers see offsets below `stableOffset` only: the first offset of the oldest open transaction, else the end.
 * 3. The slots of a transaction are emptied when it aborts, which is before `stableOffset` can pass them. So whatever
 *    a reader can reach is decided, and no filter is needed while reading.
 */
import type { LogRecord } from "../core/log.ts";

/** A record that has no offset yet. */
export type UnplacedRecord = Omit<LogRecord, "offset">;

export interface PartitionRead {
  /** Where the next read goes on. */
  readonly toOffset: number;
  readonly records: readonly LogRecord[];
}

export class MemoryPartition {
  readonly topic: string;
  readonly index: number;
  /** False while the partition has no leader: claims stand still, and nobody is told why. */
  hasLeader = true;
  /** `undefined`: a chunk whose slots are all empty. The first one covers `#firstChunk`. */
  #chunks: (Slot[] | undefined)[] = [];
  #firstChunk = 0;
  #startOffset = 0;
  #endOffset = 0;
  /** Offsets written here by each open transaction, in order of its first one. */
  readonly #open = new Map<object, number[]>();

  constructor(topic: string, index: number) {
    this.topic = topic;
    this.index = index;
  }

  /** Offset of the oldest slot that was not forgotten. */
  get startOffset(): number {
    return this.#startOffset;
  }

  /** Offset that the next record will take (Kafka's high watermark). */
  get endOffset(): number {
    return this.#endOffset;
  }

  /** End of what a read-committed reader may see (Kafka's last stable offset). */
  get stableOffset(): number {
    for (const offsets of this.#open.values()) return offsets[0]!;
    return this.#endOffset;
  }

  /** Adds a record; one of an open `transaction` stays unseen until `endTransaction`. */
  append(record: UnplacedRecord, transaction?: object): void {
    const offset = this.#endOffset;
    if (transaction !== undefined) {
      const offsets = this.#open.get(transaction);
      if (offsets === undefined) this.#open.set(transaction, [offset]);
      else offsets.push(offset);
    }
    const { timestampMs, key, value, headers } = record;
    this.#push({ offset, timestampMs, key, value, headers });
  }

  /** Decides all that `transaction` wrote here, and writes its marker. */
  endTransaction(transaction: object, outcome: "commit" | "abort"): void {
    const offsets = this.#open.get(transaction);
    if (offsets === undefined) return;
    if (outcome === "abort") for (const offset of offsets) this.#clear(offset);
    this.#push(undefined);
    this.#open.delete(transaction);
  }

  /** At most `maxRecords` decided records from `fromOffset` on. */
  read(fromOffset: number, maxRecords: number): PartitionRead {
    const stableOffset = this.stableOffset;
    const records: LogRecord[] = [];
    let offset = Math.max(fromOffset, this.#startOffset);
    while (offset < stableOffset && records.length < maxRecords) {
      const chunkNumber = Math.floor(offset / CHUNK_SLOTS);
      const chunkStart = chunkNumber * CHUNK_SLOTS;
      const chunk = this.#chunks[chunkNumber - this.#firstChunk];
      const slotEnd = Math.min(CHUNK_SLOTS, stableOffset - chunkStart);
      let slot = offset - chunkStart;
      if (chunk === undefined) slot = slotEnd;
      else {
        while (slot < slotEnd && records.length < maxRecords) {
          const record = chunk[slot++];
          if (record !== undefined) records.push(record);
        }
      }
      offset = chunkStart + slot;
    }
    return { toOffset: offset, records };
  }

  /** Offset of the first decided record with at least this timestamp; without one the end of what is decided. */
  offsetAtTime(timeMs: number): number {
    const { records, toOffset } = this.read(this.#startOffset, Number.POSITIVE_INFINITY);
    return records.find((record) => record.timestampMs >= timeMs)?.offset ?? toOffset;
  }

  /** The newest decided record of every key in offset order, without tombstones. */
  latestByKey(): LogRecord[] {
    const latest = new Map<string, LogRecord>();
    for (const record of this.read(this.#startOffset, Number.POSITIVE_INFINITY).records) {
      const key = keyText(record);
      latest.delete(key);
      if (record.value !== null) latest.set(key, record);
    }
    return [...latest.values()];
  }

  /** Empties every decided slot but those of `latestByKey`. */
  compact(): void {
    const kept = new Set(this.latestByKey());
    for (const record of this.read(this.#startOffset, Number.POSITIVE_INFINITY).records) {
      if (!kept.has(record)) this.#clear(record.offset);
    }
    this.#chunks = this.#chunks.map((chunk) =>
      chunk?.length === CHUNK_SLOTS && chunk.every((slot) => slot === undefined) ? undefined : chunk,
    );
  }

  /** Forgets all decided slots before `offset`; memory is given back by whole chunks. */
  forgetBefore(offset: number): void {
    this.#startOffset = Math.max(this.#startOffset, Math.min(offset, this.stableOffset));
    const chunkNumber = Math.floor(this.#startOffset / CHUNK_SLOTS);
    const count = Math.min(chunkNumber - this.#firstChunk, this.#chunks.length);
    if (count > 0) {
      this.#chunks.splice(0, count);
      this.#firstChunk += count;
    }
  }

  #push(slot: Slot): void {
    const index = Math.floor(this.#endOffset / CHUNK_SLOTS) - this.#firstChunk;
    const chunk = this.#chunks[index];
    if (chunk === undefined) this.#chunks[index] = [slot];
    else chunk.push(slot);
    this.#endOffset += 1;
  }

  #clear(offset: number): void {
    const chunk = this.#chunks[Math.floor(offset / CHUNK_SLOTS) - this.#firstChunk];
    if (chunk !== undefined) chunk[offset % CHUNK_SLOTS] = undefined;
  }
}

type Slot = LogRecord | undefined;

/** 8 kB of references: small enough to be given back soon after consumption, large enough to cost nothing per record. */
const CHUNK_SLOTS = 1024;

/** A key as a map key: one character per byte. Compacted topics refuse records without a key. */
function keyText(record: LogRecord): string {
  const key = record.key ?? new Uint8Array();
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}
