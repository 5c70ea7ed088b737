import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EventBlock } from "../../src/consumers/event-block.ts";
import { mergeByTime } from "../../src/consumers/merge-inputs.ts";

type Merged = readonly (readonly [input: number, place: number])[];

describe("mergeByTime()", () => {
  test("merges inputs by time, the first named first at equal times", async () => {
    const { events } = await merged([blocks([1, 3, 5], [7]), blocks([1, 2, 3, 8]), blocks([0])], 0);
    expect(events).toEqual([
      ...[
        [2, 1],
        [0, 1],
        [1, 1],
        [1, 2],
        [0, 2],
        [1, 3],
      ],
      ...[
        [0, 3],
        [0, 4],
        [1, 4],
      ],
    ]);
  });

  test("hands on what comes from one input as one run", async () => {
    const { runs } = await merged([blocks([1, 2, 3, 10]), blocks([4, 5])], 0);
    expect(runs).toEqual([
      [0, 0, 3],
      [1, 0, 2],
      [0, 3, 4],
    ]);
  });

  test("keeps the order of a file and says what was late in it", async () => {
    const { events, order } = await merged([blocks([10, 4, 20, 19], [12, 21]), blocks([11])], 5);
    expect(events).toEqual([
      ...[
        [0, 1],
        [0, 2],
        [1, 1],
      ],
      ...[
        [0, 3],
        [0, 4],
        [0, 5],
        [0, 6],
      ],
    ]);
    expect(order[0]).toEqual({
      ...{ path: "input 0", events: 6, withoutTime: 0 },
      ...{ lateEvents: 2, maxDisorderMs: 8, firstLatePlace: 2 },
    });
    expect(order[1]).toMatchObject({ events: 1, lateEvents: 0, maxDisorderMs: 0, firstLatePlace: undefined });
  });

  test("leaves events without a time beside those before them", async () => {
    const { events, order } = await merged([blocks([Number.NaN, 5, Number.NaN, 9]), blocks([1, 6])], 0);
    expect(events).toEqual([
      ...[
        [0, 1],
        [1, 1],
        [0, 2],
        [0, 3],
      ],
      ...[
        [1, 2],
        [0, 4],
      ],
    ]);
    expect(order[0]).toMatchObject({ events: 4, withoutTime: 2, lateEvents: 0 });
  });

  test("merges nothing", async () => {
    expect((await merged([], 0)).events).toEqual([]);
    expect((await merged([blocks(), blocks([])], 0)).events).toEqual([]);
  });

  test("equals a stable sort by (newest time so far, input) of any inputs", async () => {
    const time = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 60 }) }, fc.constant(Number.NaN));
    const input = fc.array(fc.array(time, { maxLength: 8 }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(fc.array(input, { maxLength: 4 }), async (inputs) => {
        const expected = inputs.flatMap((parts, index) => {
          let newest = Number.NEGATIVE_INFINITY;
          return parts.flat().map((timeMs, at) => {
            if (timeMs > newest) newest = timeMs;
            return { newest, event: [index, at + 1] as const };
          });
        });
        expected.sort((left, right) => (left.newest === right.newest ? 0 : left.newest - right.newest));
        const { events, order } = await merged(
          inputs.map((parts) => blocks(...parts)),
          3,
        );
        expect(events).toEqual(expected.map(({ event }) => event));
        expect(order.map((one) => one.events)).toEqual(inputs.map((parts) => parts.flat().length));
      }),
      { seed: 20_130_214, numRuns: 500 },
    );
  });

  test("closes every input when the reader stops or one input fails", async () => {
    const closed: number[] = [];
    const watched = (index: number, fails: boolean) => ({
      path: `input ${index}`,
      async *records(): AsyncGenerator<EventBlock> {
        try {
          yield block([index]);
          if (fails) throw new Error("damaged");
          yield block([index + 10]);
        } finally {
          closed.push(index);
        }
      },
    });
    for await (const run of mergeByTime([watched(0, false), watched(1, false)], { latenessMs: 0 }).runs()) {
      if (run.input === 1) break;
    }
    expect(closed.sort()).toEqual([0, 1]);
    closed.length = 0;
    const failing = mergeByTime([watched(0, false), watched(1, true)], { latenessMs: 0 }).runs();
    const drain = async () => {
      for await (const _run of failing);
    };
    await expect(drain()).rejects.toThrow("damaged");
    expect(closed.sort()).toEqual([0, 1]);
  });
});

function block(timesMs: readonly number[], firstPlace = 1): EventBlock {
  return {
    count: timesMs.length,
    bytes: new Uint8Array(0),
    starts: new Int32Array(timesMs.length),
    ends: new Int32Array(timesMs.length),
    places: Float64Array.from(timesMs, (_, index) => firstPlace + index),
    timesMs: Float64Array.from(timesMs),
  };
}

function blocks(...parts: readonly (readonly number[])[]): () => AsyncGenerator<EventBlock> {
  return async function* () {
    let place = 1;
    for (const part of parts) {
      yield block(part, place);
      place += part.length;
    }
  };
}

async function merged(inputs: readonly (() => AsyncGenerator<EventBlock>)[], latenessMs: number) {
  const events: [number, number][] = [];
  const runs: [number, number, number][] = [];
  const files = inputs.map((records, index) => ({ path: `input ${index}`, records }));
  const all = mergeByTime(files, { latenessMs });
  for await (const { input, block: current, from, to } of all.runs()) {
    runs.push([input, from, to]);
    for (let at = from; at < to; at++) events.push([input, current.places[at]!]);
  }
  return { events: events as Merged, runs, order: all.order };
}
