/**
 * A consumer group of the memory log: who holds which partition, and the committed positions.
 * Rebalancing is eager, as with kafkajs: on every change of membership all partitions are dropped and dealt again,
 * round robin over the members in order of joining, partitions in order of topic name and number.
 */
import type { MemoryPartition } from "./memory-partition.ts";

export interface GroupMember {
  readonly topics: readonly string[];
  /** Replaces all that was assigned before. */
  assign(partitions: readonly MemoryPartition[]): void;
}

export class MemoryGroup {
  readonly #partitionsOf: (topic: string) => readonly MemoryPartition[];
  #members: readonly GroupMember[] = [];
  readonly #positions = new Map<MemoryPartition, number>();

  constructor(partitionsOf: (topic: string) => readonly MemoryPartition[]) {
    this.#partitionsOf = partitionsOf;
  }

  /** Committed position, `undefined` before the first commit. */
  position(partition: MemoryPartition): number | undefined {
    return this.#positions.get(partition);
  }

  moveTo(partition: MemoryPartition, offset: number): void {
    this.#positions.set(partition, offset);
  }

  has(member: GroupMember): boolean {
    return this.#members.includes(member);
  }

  join(member: GroupMember): void {
    if (this.has(member)) return;
    this.#members = [...this.#members, member];
    this.rebalance();
  }

  /** The member itself is not told. */
  leave(member: GroupMember): void {
    if (!this.has(member)) return;
    this.#members = this.#members.filter((other) => other !== member);
    this.rebalance();
  }

  /** Drops all partitions and deals them anew. */
  rebalance(): void {
    const shares = new Map<GroupMember, MemoryPartition[]>(this.#members.map((member) => [member, []]));
    let turn = 0;
    const topics = new Set(this.#members.flatMap((member) => member.topics));
    for (const topic of [...topics].sort()) {
      const takers = this.#members.filter((member) => member.topics.includes(topic));
      for (const partition of this.#partitionsOf(topic)) shares.get(takers[turn++ % takers.length]!)!.push(partition);
    }
    for (const [member, share] of shares) member.assign(share);
  }
}
