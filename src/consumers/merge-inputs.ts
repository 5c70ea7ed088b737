/**
 * Several recorded files as one stream in event-time order.
 *
 * An input is taken to be in order; an event that is older than one before it stands at the time of that one, as does
 * an event without a time, so no event overtakes another of its file. Equal times: the input named first goes first.
 * The same inputs therefore always give the same stream, with one block of each in memory.
 */
import type { EventBlock, FileInput } from "./event-block.ts";

/** Events `[from, to)` of a block. */
export interface EventRun {
  /** Index of the input in the list that was merged. */
  readonly input: number;
  readonly block: EventBlock;
  readonly from: number;
  readonly to: number;
}

/** What was found about the order of one input; complete when its last run has been taken. */
export interface InputOrder {
  readonly path: string;
  events: number;
  withoutTime: number;
  /** Place of the first of them. */
  firstWithoutTime: number | undefined;
  /** Events older than the newest before them by more than the lateness. */
  lateEvents: number;
  /** The largest such distance, late or not, milliseconds. */
  maxDisorderMs: number;
  /** Place of the first late event. */
  firstLatePlace: number | undefined;
}

export interface MergedInputs {
  readonly order: readonly InputOrder[];
  /** Can be iterated once. */
  runs(): AsyncGenerator<EventRun>;
}

export function mergeByTime(
  inputs: readonly Pick<FileInput, "path" | "records">[],
  /** One lateness for all inputs, or one each. */
  options: { readonly latenessMs: number | readonly number[] },
): MergedInputs {
  const { latenessMs } = options;
  const cursors = inputs.map(
    (input, index) => new Cursor(input, index, typeof latenessMs === "number" ? latenessMs : (latenessMs[index] ?? 0)),
  );
  return { order: cursors.map((cursor) => cursor.order), runs: () => merge(cursors) };
}

async function* merge(cursors: readonly Cursor[]): AsyncGenerator<EventRun> {
  try {
    for (const cursor of cursors) await cursor.load();
    for (;;) {
      const first = earliest(cursors);
      if (first === undefined) return;
      const other = earliest(cursors, first);
      const run = first.take(other);
      yield run;
      await first.load();
    }
  } finally {
    for (const cursor of cursors) await cursor.close();
  }
}

/** The cursor to go on with: the earliest time, then the first input. A handful of inputs needs no heap. */
function earliest(cursors: readonly Cursor[], except?: Cursor): Cursor | undefined {
  let best: Cursor | undefined;
  for (const cursor of cursors) {
    if (cursor === except || cursor.block === undefined) continue;
    if (best === undefined || cursor.timeMs < best.timeMs) best = cursor;
  }
  return best;
}

class Cursor {
  readonly order: InputOrder;
  /** Undefined at the end of the input. */
  block: EventBlock | undefined;
  /** Where the next event stands in the stream: the newest time up to it. */
  timeMs = Number.NEGATIVE_INFINITY;
  readonly #index: number;
  readonly #latenessMs: number;
  readonly #blocks: AsyncIterator<EventBlock>;
  #at = 0;

  constructor(input: Pick<FileInput, "path" | "records">, index: number, latenessMs: number) {
    this.order = {
      path: input.path,
      events: 0,
      withoutTime: 0,
      firstWithoutTime: undefined,
      lateEvents: 0,
      maxDisorderMs: 0,
      firstLatePlace: undefined,
    };
    this.#index = index;
    this.#latenessMs = latenessMs;
    this.#blocks = input.records()[Symbol.asyncIterator]();
  }

  /** Makes `block` hold the next event. */
  async load(): Promise<void> {
    if (this.block !== undefined && this.#at < this.block.count) return;
    do {
      const { value, done } = await this.#blocks.next();
      this.block = done === true ? undefined : value;
    } while (this.block?.count === 0);
    this.#at = 0;
    if (this.block !== undefined) this.#arrive(this.block);
  }

  /** The events that come before the next one of `other`; at least one. */
  take(other: Cursor | undefined): EventRun {
    const block = this.block!;
    const from = this.#at;
    do {
      this.#at++;
      if (this.#at === block.count) break;
      this.#arrive(block);
    } while (other === undefined || this.#isBefore(other));
    return { input: this.#index, block, from, to: this.#at };
  }

  async close(): Promise<void> {
    await this.#blocks.return?.();
  }

  #isBefore(other: Cursor): boolean {
    return this.timeMs < other.timeMs || (this.timeMs === other.timeMs && this.#index < other.#index);
  }

  /** Notes the event at `#at` once. */
  #arrive(block: EventBlock): void {
    const { order } = this;
    const timeMs = block.timesMs[this.#at]!;
    order.events++;
    if (Number.isNaN(timeMs)) {
      order.withoutTime++;
      order.firstWithoutTime ??= block.places[this.#at]!;
      return;
    }
    const disorderMs = this.timeMs - timeMs;
    if (disorderMs <= 0) {
      this.timeMs = timeMs;
      return;
    }
    if (disorderMs > order.maxDisorderMs) order.maxDisorderMs = disorderMs;
    if (disorderMs > this.#latenessMs) {
      order.lateEvents++;
      order.firstLatePlace ??= block.places[this.#at]!;
    }
  }
}
