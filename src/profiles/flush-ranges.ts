/**
 * Which flushes of each partition a profile holds, as far as it matters to what depends on the order of events: the offsets at which the
 * first and the last of them began. A part whose flushes all come before or after those that are there follows them; one
 * that shares a flush, or lies between, overlaps. Some 80 bytes a partition.
 */
import type { ByteReader, ByteWriter } from "../sketches/bytes.ts";
import type { Succession } from "../sketches/repeats.ts";

interface Range {
  readonly first: number;
  readonly last: number;
}

export class FlushRanges {
  readonly #ranges = new Map<number, Range>();

  clear(): void {
    this.#ranges.clear();
  }

  /** The profile is that of the flush that begins at `fromOffset`. */
  place(partition: number, fromOffset: number): void {
    this.#ranges.set(partition, { first: fromOffset, last: fromOffset });
  }

  /** How `other` follows, of a partition that both have. */
  successionOf(other: FlushRanges, partition: number): Succession {
    const mine = this.#ranges.get(partition);
    const theirs = other.#ranges.get(partition);
    if (mine === undefined || theirs === undefined) return "overlapping";
    if (theirs.first > mine.last) return "after";
    return theirs.last < mine.first ? "before" : "overlapping";
  }

  merge(other: FlushRanges): void {
    for (const [partition, { first, last }] of other.#ranges) {
      const mine = this.#ranges.get(partition);
      this.#ranges.set(partition, {
        first: Math.min(first, mine?.first ?? first),
        last: Math.max(last, mine?.last ?? last),
      });
    }
  }

  /** varint partitions, each varint partition, varint first, varint last − first. */
  write(writer: ByteWriter): void {
    writer.varint(this.#ranges.size);
    for (const [partition, { first, last }] of [...this.#ranges].sort((a, b) => a[0] - b[0])) {
      writer.varint(partition);
      writer.varint(first);
      writer.varint(last - first);
    }
  }

  /** Into one that is empty. @throws {StreamgaugeError} `SG_CORRUPT` */
  read(reader: ByteReader): void {
    for (let left = reader.count(3); left > 0; left--) {
      const partition = reader.varint();
      const first = reader.varint();
      this.#ranges.set(partition, { first, last: first + reader.varint() });
    }
  }
}
