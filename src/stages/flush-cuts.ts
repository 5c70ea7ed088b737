/**
 * Where flushes whose outcome was never told have ended, by input partition.
 *
 * A broker that dies between the markers of a commit can come back without the last of them: the outputs are then visible,
 * but the position has not moved, and their records are read again. A flush that ends where the lost one did covers a
 * range that the judge has already, and is left out by it; one that ends elsewhere would overlap, and nobody could tell
 * its records apart any more.
 */
import type { Claim, RecordBatch } from "../core/log.ts";

/** Of one partition; the first are forgotten first. */
const MAX_ENDS = 16;

export class FlushCuts {
  readonly #ends = new Map<string, number[]>();

  /** A flush up to `toOffset` has an unknown outcome. */
  add(claim: Claim, toOffset: number): void {
    const ends = new Set(this.#ends.get(nameOf(claim))).add(toOffset);
    const sorted = [...ends].sort((a, b) => a - b);
    this.#ends.set(nameOf(claim), sorted.slice(-MAX_ENDS));
  }

  /** All up to `position` is committed. */
  forget(claim: Claim, position: number): void {
    const ends = this.#ends.get(nameOf(claim))?.filter((end) => end > position) ?? [];
    if (ends.length === 0) this.#ends.delete(nameOf(claim));
    else this.#ends.set(nameOf(claim), ends);
  }

  /** The batch in parts; after each that `endsFlush` there has to be a flush. */
  split(claim: Claim, batch: RecordBatch): { readonly part: RecordBatch; readonly endsFlush: boolean }[] {
    const parts: { part: RecordBatch; endsFlush: boolean }[] = [];
    let rest = batch;
    for (const end of this.#ends.get(nameOf(claim)) ?? []) {
      if (end <= rest.fromOffset || end > rest.toOffset) continue;
      const count = rest.records.findIndex(({ offset }) => offset >= end);
      const at = count < 0 ? rest.records.length : count;
      parts.push({ part: { ...rest, toOffset: end, records: rest.records.slice(0, at) }, endsFlush: true });
      rest = { ...rest, fromOffset: end, records: rest.records.slice(at) };
    }
    if (rest.toOffset > rest.fromOffset || parts.length === 0) parts.push({ part: rest, endsFlush: false });
    return parts;
  }
}

function nameOf({ topic, partition }: Claim): string {
  return `${topic}/${partition}`;
}
