import { AvroSkipper } from "./avro-skip.ts";
import type { AvroType } from "./avro-type.ts";
import type { EventBlock } from "./event-block.ts";
import { PayloadWriter } from "./payload-writer.ts";

/** Enough that a block's own cost does not show; few enough that a block stays in the processor's cache. */
const EVENTS = 4096;
const BYTES = 1 << 20;

/** Collects encoded rows into blocks; the event times are read back from the payloads, as for any other file. */
export class BlockBuilder {
  readonly writer = new PayloadWriter();
  readonly #skipper: AvroSkipper;
  readonly #starts = new Int32Array(EVENTS);
  readonly #ends = new Int32Array(EVENTS);
  readonly #places = new Float64Array(EVENTS);
  #count = 0;
  #start = 0;

  constructor(path: string, type: AvroType, timeField: string | undefined) {
    this.#skipper = new AvroSkipper(path, type, timeField);
  }

  get full(): boolean {
    return this.#count === EVENTS || this.#start >= BYTES;
  }

  /** What was written since the last call is one event. */
  endEvent(place: number): void {
    this.#starts[this.#count] = this.#start;
    this.#ends[this.#count] = this.writer.length;
    this.#places[this.#count] = place;
    this.#start = this.writer.length;
    this.#count++;
  }

  /** Undefined when there is no event. */
  take(): EventBlock | undefined {
    const count = this.#count;
    if (count === 0) return undefined;
    const bytes = this.writer.take();
    const timesMs = new Float64Array(count);
    this.#skipper.begin(bytes, 0, bytes.length);
    for (let index = 0; index < count; index++) {
      this.#skipper.next();
      timesMs[index] = this.#skipper.timeMs;
    }
    this.#count = 0;
    this.#start = 0;
    return {
      count,
      bytes,
      starts: this.#starts.slice(0, count),
      ends: this.#ends.slice(0, count),
      places: this.#places.slice(0, count),
      timesMs,
    };
  }
}
