/**
 * The events of a chaos run: what a seed makes of them, and what a record of the log is, decided by avsc and by the rules
 * of the README alone. The generator keeps no book: what the log holds in the end is the truth.
 */
import avsc from "avsc";
import { SeededRandom } from "../../src/core/random.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import type { CommittedRecord } from "../kafka/deployment-kit.ts";
import type { InputEvent } from "./reading.ts";

export const MINUTE_MS = 60_000;
/** An event further beyond its broker timestamp is `future`. */
export const MAX_AHEAD_MS = 30 * MINUTE_MS;
export const PLACES = ["JFK", "EWR", "LGA", "TEB"] as const;
const FROM_MS = Date.UTC(2026, 0, 1);

const FIELDS = [
  { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
  { name: "place", type: "string" },
  { name: "fare", type: ["null", "int"] },
  { name: "distance", type: "double" },
  { name: "rider", type: "string" },
];
/** As it is registered. */
export const TRIP_SCHEMA = JSON.stringify({
  type: "record",
  name: "Trip",
  fields: [...FIELDS, { name: "note", type: "string" }],
});
/** The same bytes; a note that is not UTF-8 can be written and read. */
const TRIP = avsc.Type.forSchema({
  type: "record",
  name: "Trip",
  fields: [...FIELDS, { name: "note", type: "bytes" }],
} as avsc.Schema);

interface Trip {
  readonly at: number;
  readonly place: string;
  readonly fare: number | null;
  readonly distance: number;
  readonly rider: string;
  readonly note: Buffer;
}

export interface TripRecord {
  readonly partition: number;
  readonly value: Buffer | null;
  readonly timestampMs: number;
}

const GOOD_NOTE = Buffer.from("as usual");
const NOT_UTF8 = Buffer.from([0x6e, 0xff, 0x41]);

export class TripGenerator {
  readonly #random: SeededRandom;
  readonly #schemaId: number;
  readonly #stepMs: number;
  #atMs = FROM_MS;

  /** `stepMs`: event time from one event to the next. */
  constructor(options: { readonly seed: number; readonly schemaId: number; readonly stepMs: number }) {
    this.#random = new SeededRandom(options.seed);
    this.#schemaId = options.schemaId;
    this.#stepMs = options.stepMs;
  }

  /** Of the next event. */
  get atMs(): number {
    return this.#atMs;
  }

  /** So many events later: nothing that came before can then be revised any more. */
  skip(timeMs: number): void {
    this.#atMs += timeMs;
  }

  next(partition: number): TripRecord {
    const random = this.#random;
    this.#atMs += this.#stepMs;
    const timestampMs = Math.round(this.#atMs);
    const oddity = random.below(200);
    let at = timestampMs - random.below(2 * MINUTE_MS);
    let note = GOOD_NOTE;
    switch (oddity) {
      // Tombstones, invalid, future, late by some windows, and later than anything is revised.
      case 0:
        return { partition, value: null, timestampMs };
      case 1:
        note = NOT_UTF8;
        break;
      case 2:
        at = timestampMs + MAX_AHEAD_MS + 1 + random.below(1e9);
        break;
      case 3:
      case 4:
        at -= random.below(30 * MINUTE_MS);
        break;
      case 5:
        at -= 60 * MINUTE_MS + random.below(600 * MINUTE_MS);
        break;
      default:
        break;
    }
    const trip: Trip = {
      // Before the first events there are none: the first window would be of a few late ones, and give places to some slices.
      at: Math.max(at, FROM_MS),
      place: PLACES[random.below(PLACES.length)]!,
      fare: random.below(5) === 0 ? null : random.below(90),
      distance: Math.exp(3 * random.next()) * (1 + random.next()),
      rider: random.below(10) < 3 ? `regular-${random.below(12)}` : `rider-${random.below(40_000)}`,
      note,
    };
    const value = frame(this.#schemaId, TRIP.toBuffer(trip));
    return { partition, value: Buffer.from(oddity === 6 ? this.#broken(value) : value), timestampMs };
  }

  #broken(value: Uint8Array): Uint8Array {
    switch (this.#random.below(4)) {
      case 0:
        return value.subarray(0, value.length - 3);
      case 1:
        return Buffer.concat([value, Buffer.from([0])]);
      case 2:
        return Buffer.from([7, 7, 7, 7, 7, 7]);
      default:
        return value.subarray(0, this.#random.below(5));
    }
  }
}

/** What a committed record of the input is. */
export function inputEvent({ partition, offset, timestampMs, value }: CommittedRecord): InputEvent {
  const refused = { id: offset, partition, offset, timeMs: timestampMs, arrivalMs: timestampMs, value: "" };
  if (value === null) return { ...refused, kind: "tombstone" };
  const trip = decoded(value);
  if (trip === undefined) return { ...refused, kind: "undecodable" };
  const { at, note, place, fare, distance, rider } = trip;
  if (at > timestampMs + MAX_AHEAD_MS) return { ...refused, kind: "future" };
  const kind = note.equals(NOT_UTF8) ? "invalid" : "valid";
  return { ...refused, timeMs: at, kind, value: place, values: { at, place, fare, distance, rider } };
}

function decoded(value: Buffer): Trip | undefined {
  if (value.length < 5 || value[0] !== 0) return undefined;
  try {
    return TRIP.fromBuffer(value.subarray(5)) as Trip;
  } catch {
    return undefined;
  }
}
