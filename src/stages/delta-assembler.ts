/**
 * Puts the records of the profiles topic together into whole flushes. What it holds are flushes of which the ledger
 * record has not come yet.
 *
 * The flushes of an input partition come one after the other, those of several lie among each other. So where reading
 * begins in the middle of the topic, the first flush of each partition may have begun before. It is left out: after a
 * restart it was applied already (`position` stays at the oldest that was not); otherwise, as after retention, the
 * offset ranges of the partition do not join, which the windows are told by.
 *
 * A flush with a damaged record is lost whole, and `take` throws where that shows: at the record, or where others of the
 * flush are missing. Reading may go on behind it; then, too, the ranges do not join.
 */
import { StreamgaugeError } from "../core/errors.ts";
import type { LedgerEntry, PaneDelta } from "../core/ledger.ts";
import type { LogRecord } from "../core/log.ts";
import { type DeltaOrigin, type DeltaPanePart, decodeDelta } from "../profiles/delta-codec.ts";
import { Profile } from "../profiles/profile.ts";

export interface Flush {
  readonly entry: LedgerEntry;
  readonly panes: readonly PaneDelta<Profile>[];
}

/** Flushes that may be in the making at once: one per input partition, and as many again for dead ones. */
const MAX_PENDING_FLUSHES = 20_000;

export class DeltaAssembler {
  readonly #pending = new Map<string, { readonly firstOffset: number; readonly parts: DeltaPanePart[] }>();
  /** Input partitions of which a ledger record was read. */
  readonly #known = new Set<string>();
  /** Where reading began. */
  #beginning: number | undefined;

  /**
   * Takes the next record; the flush, when this record completes one.
   * @throws {StreamgaugeError} `SG_CORRUPT`, or `SG_VERSION`, with topic, partition and offset.
   */
  take(record: LogRecord, topic: string, partition: number): Flush | undefined {
    if (record.value === null) return undefined;
    const value = record.value;
    return placed(`${topic}[${partition}]@${record.offset}`, () => this.#take(value, record.offset));
  }

  /** Where reading must begin again after a restart, if the next record to come is `next`. */
  position(next: number): number {
    let position = next;
    for (const { firstOffset } of this.#pending.values()) position = Math.min(position, firstOffset);
    return position;
  }

  #take(value: Uint8Array, offset: number): Flush | undefined {
    this.#beginning ??= offset;
    const delta = decodeDelta(value);
    const key = flushKey(delta.origin);
    const pending = this.#pending.get(key);
    if (delta.kind === "pane") {
      if (pending !== undefined) pending.parts.push(delta);
      else this.#pending.set(key, { firstOffset: offset, parts: [delta] });
      if (this.#pending.size > MAX_PENDING_FLUSHES) {
        throw new StreamgaugeError("SG_CORRUPT", "Cannot read deltas: too many flushes without a ledger record");
      }
      return undefined;
    }
    this.#pending.delete(key);
    const parts = pending?.parts ?? [];
    const source = sourceOf(delta.origin);
    // Of a flush before this one the ledger record was damaged.
    for (const [other, { parts: rest }] of this.#pending) {
      const { origin } = rest[0]!;
      if (sourceOf(origin) === source && origin.toOffset <= delta.origin.fromOffset) this.#pending.delete(other);
    }
    const mayBeCut = this.#beginning > 0 && !this.#known.has(source);
    this.#known.add(source);
    if (mayBeCut && parts.length < delta.paneRecords) return undefined;
    if (parts.length !== delta.paneRecords) {
      throw new StreamgaugeError(
        "SG_CORRUPT",
        `Cannot apply flush: ${parts.length} of ${delta.paneRecords} pane records are there`,
      );
    }
    return { entry: delta.entry, panes: joinParts(parts) };
  }
}

/** Profiles of a flush; the parts of one pane stand in order. */
function joinParts(parts: readonly DeltaPanePart[]): PaneDelta<Profile>[] {
  const panes: PaneDelta<Profile>[] = [];
  for (let index = 0; index < parts.length; ) {
    const first = parts[index];
    if (first === undefined) break;
    const own = parts.slice(index, index + first.parts);
    if (own.length !== first.parts || own.some((part, number) => part.part !== number || !samePane(part, first))) {
      throw new StreamgaugeError("SG_CORRUPT", "Cannot join parts: they are not in order");
    }
    index += first.parts;
    const profile = Profile.read(first.parts === 1 ? first.bytes : concat(own.map((part) => part.bytes)));
    profile.place(first.origin.partition, first.origin.fromOffset);
    panes.push({ slice: first.slice, paneStartMs: first.paneStartMs, profile });
  }
  return panes;
}

function samePane(a: DeltaPanePart, b: DeltaPanePart): boolean {
  return a.slice === b.slice && a.paneStartMs === b.paneStartMs && a.parts === b.parts;
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** The flushes of one come one after the other. */
function sourceOf(origin: DeltaOrigin): string {
  return `${origin.topic}|${origin.partition}`;
}

function flushKey(origin: DeltaOrigin): string {
  return `${origin.topic}|${origin.partition}|${origin.fromOffset}|${origin.toOffset}`;
}

/** Adds the place to what is said about the bytes. */
function placed<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof StreamgaugeError)) throw error;
    throw new StreamgaugeError(error.code, `${error.message} (${place})`, { cause: error });
  }
}
