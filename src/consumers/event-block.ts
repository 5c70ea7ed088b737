/** What every recorded file becomes: Avro payloads in file order, with their event times and their schema. */

/**
 * A batch of events. Payload i is `bytes[starts[i], ends[i])`: the Avro binary encoding of one event under the
 * input's schema, without a wire header. The arrays belong to whoever received the block; nothing reuses them.
 */
export interface EventBlock {
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Where each event stands in its file, counted from 1: the line it begins on, or its ordinal in a container. */
  readonly places: Float64Array;
  /** Event time, epoch milliseconds; NaN where the event has none. */
  readonly timesMs: Float64Array;
}

export interface FileInput {
  readonly path: string;
  readonly format: "avro" | "csv" | "jsonl";
  /** Avro schema, JSON text. */
  readonly schemaText: string;
  readonly eventCount: number;
  readonly placeUnit: "line" | "record";
  /** Avro containers only. */
  readonly blockCount?: number;
  /** What a person should know who sees what became of the file, with its place; complete when it is opened. */
  readonly notes?: readonly string[];
  /**
   * The events in file order; each call reads the file again. One block is in memory at a time.
   * @throws {StreamgaugeError} `SG_INPUT` while iterating.
   */
  records(): AsyncIterable<EventBlock>;
}

export interface InputOptions {
  /** Avro schema (JSON text) of a file that carries none; absent: inferred from the whole file. */
  readonly schemaText?: string;
  /** Path of the event time in the Avro schema, such as `route.at`; absent: events have no time. */
  readonly timeField?: string;
}
