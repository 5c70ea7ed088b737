/** Events of the simulation, with what is true of each: the generator knows, nobody has to decode. */
import { AvroBinaryWriter } from "../../src/core/avro-binary.ts";
import type { OutputRecord } from "../../src/core/log.ts";
import type { SeededRandom } from "../../src/core/random.ts";
import { utf8 } from "../../src/core/text.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { INPUT, MINUTE_MS, type Scenario } from "./scenario.ts";

export const EVENT_SCHEMA = JSON.stringify({
  type: "record",
  name: "Trip",
  fields: [
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "place", type: ["null", "string"] },
    { name: "fare", type: ["null", "double"] },
    { name: "note", type: "string" },
  ],
});

type TruthKind = "valid" | "invalid" | "undecodable" | "tombstone" | "future";

export interface Truth {
  readonly kind: TruthKind;
  /** Event time; of what has none, broker time counts. */
  readonly atMs: number;
  readonly place: string | null;
  readonly fare: number | null;
}

export const PLACES = ["north", "south", "harbour"];

export class EventSource {
  /** By record key. */
  readonly truths = new Map<string, Truth>();
  readonly #scenario: Scenario;
  readonly #random: SeededRandom;
  readonly #schemaId: number;
  #last: OutputRecord | undefined;

  constructor(scenario: Scenario, random: SeededRandom, schemaId: number) {
    this.#scenario = scenario;
    this.#random = random;
    this.#schemaId = schemaId;
  }

  next(nowMs: number, partition: number): OutputRecord {
    const random = this.#random;
    const isOdd = random.next() < this.#scenario.oddShare;
    const oddity = isOdd ? random.below(8) : -1;
    if (oddity === 0 && this.#last !== undefined) return { ...this.#last, partition };
    let atMs = nowMs - random.below(4000);
    let kind: TruthKind = "valid";
    switch (oddity) {
      case 1:
      case 2:
        atMs -= random.below(2) === 0 ? random.below(2 * MINUTE_MS) : random.below(20 * MINUTE_MS);
        break;
      case 3:
        kind = "future";
        atMs = nowMs + this.#scenario.dataset.time.maxAheadMs + 1 + random.below(1e9);
        break;
      case 4:
        kind = "undecodable";
        break;
      case 5:
        kind = "tombstone";
        break;
      case 6:
        kind = "invalid";
        break;
      case 7:
        atMs += random.below(this.#scenario.dataset.time.maxAheadMs / 2);
        break;
      default:
        break;
    }
    const truth: Truth = {
      kind,
      atMs,
      place: random.below(10) === 0 ? null : PLACES[random.below(PLACES.length)]!,
      fare: random.below(6) === 0 ? null : random.below(400) / 4 - 10,
    };
    const key = String(this.truths.size);
    this.truths.set(key, truth);
    // Timestamped here, so that a duplicate is one to the last bit.
    this.#last = { topic: INPUT, partition, key, value: this.#bytes(truth), timestampMs: nowMs };
    return this.#last;
  }

  #bytes(truth: Truth): Uint8Array | null {
    if (truth.kind === "tombstone") return null;
    const writer = new AvroBinaryWriter();
    writer.long(truth.atMs);
    writer.long(truth.place === null ? 0 : 1);
    if (truth.place !== null) writer.string(truth.place);
    writer.long(truth.fare === null ? 0 : 1);
    if (truth.fare !== null) writer.double(truth.fare);
    writer.bytes(truth.kind === "invalid" ? Uint8Array.of(0xff, 0x41) : utf8("ok"));
    const payload = writer.finish();
    if (truth.kind !== "undecodable") return frame(this.#schemaId, payload);
    switch (this.#random.below(4)) {
      case 0:
        return frame(this.#schemaId, payload.subarray(0, payload.length - 3));
      case 1:
        return Uint8Array.of(7, 7, 7, 7, 7, 7);
      case 2:
        return new Uint8Array(this.#random.below(5));
      default:
        return frame(4711, payload);
    }
  }
}
