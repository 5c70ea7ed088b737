/** Where events came from, from the deltas to the alerts. */
import { describe, expect, test } from "vitest";
import type { LogRecord } from "../../src/core/log.ts";
import type { SeededRandom } from "../../src/core/random.ts";
import { ORIGIN_DIMENSIONS } from "../../src/core/verdict.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { originsOf } from "../../src/profiles/flush-origins.ts";
import { ORIGIN_FIGURES, type OriginFigure, Origins } from "../../src/profiles/origins.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { judgeRun } from "../state/state-kit.ts";
import {
  alertsOf,
  DATASET,
  deltasOf,
  eventsOf,
  HOUR_MS,
  type Sent,
  START_MS,
  type StreamOptions,
  TOPICS,
} from "./origins-kit.ts";

const WITH_PRODUCERS = { ...DATASET, producerHeader: "service" };
const STREAM = { windows: 3, perWindow: 900, partitions: 3, seed: 5 };

/** Figures of all deltas together. */
function mergedOf(deltas: readonly LogRecord[]): Origins {
  const origins = new Origins();
  for (const { value } of deltas) {
    const delta = decodeDelta(value!);
    if (delta.kind === "pane") origins.merge(originsOf(Profile.read(delta.bytes), delta.origin.partition));
  }
  return origins;
}

/** Event by event. */
function countedOf(events: readonly Sent[], key: string, figure: OriginFigure): number {
  let sum = 0;
  for (const { schema, trip } of events) {
    if (schema < 0) continue;
    const path = key.slice(0, key.indexOf("#"));
    const values: unknown[] =
      path === "note" ? (schema === 1 ? [trip.note] : []) : path === "stops[]" ? trip.stops : [trip[path as "fare"]];
    for (const value of values) {
      if (value === null) sum += figure === "nulls" ? 1 : 0;
      else if (figure === "values" || figure === "finite") sum++;
      else if (figure === "sum") {
        if (typeof value === "number" && key !== "at#timestamp") sum += value;
        else if (Array.isArray(value)) sum += value.length;
        else if (value === true) sum++;
      } else if (figure === "zeros") {
        const size = typeof value === "string" || Array.isArray(value) ? value.length : value;
        if (size === 0 && key !== "at#timestamp") sum++;
      } else if (figure === "negatives" && typeof value === "number" && value < 0) sum++;
    }
  }
  return sum;
}

describe("figures by origin", () => {
  const events = eventsOf({
    ...STREAM,
    schemaOf: (random) => (random.next() < 0.01 ? -1 : random.below(3) === 0 ? 1 : 0),
    producerOf: (random) => ["pay", "shop", "", "ad\u202edress"][random.below(4)]!,
  });
  const isOf: Readonly<Record<string, (sent: Sent, value: string) => boolean>> = {
    partition: ({ partition }, value) => String(partition) === value,
    // What cannot be decoded has a schema id all the same.
    schema: ({ schema }, value) => String(Math.max(0, schema) + 1) === value,
    producer: ({ producer }, value) => producer?.replace("\u202e", "\\u202e") === value,
  };

  test.each([37, 500, 10_000])(
    "are those of the events, and add up to the whole (flushes of %i)",
    async (flushRecords) => {
      const origins = mergedOf(await deltasOf(events, { ...STREAM, flushRecords, dataset: WITH_PRODUCERS }));
      expect(origins.fields).toContain("note#text");
      expect(origins.values("schema").map(([value]) => value)).toEqual(["1", "2"]);
      expect(origins.values("partition").map(([value]) => value)).toEqual(["0", "1", "2"]);
      expect(origins.values("producer").map(([value]) => value)).toEqual(["", "ad\\u202edress", "pay", "shop"]);
      for (const dimension of ORIGIN_DIMENSIONS) {
        for (const [value, figures] of origins.values(dimension)) {
          const own = events.filter((sent) => isOf[dimension]!(sent, value));
          expect(figures.count("rows")).toBe(own.filter(({ schema }) => schema >= 0).length);
          expect(figures.count("undecodable")).toBe(own.filter(({ schema }) => schema < 0).length);
          for (const [place, key] of origins.fields.entries()) {
            for (const figure of ORIGIN_FIGURES) {
              const told = `${dimension} ${value}: ${figure} of ${key}`;
              expect(figures.figure(place, figure), told).toBeCloseTo(countedOf(own, key, figure), 6);
            }
          }
        }
      }
    },
  );

  test("a delta of events of one schema has not a byte more for it", async () => {
    const plain = eventsOf(STREAM);
    for (const { value } of await deltasOf(plain, { ...STREAM, flushRecords: 500 })) {
      const delta = decodeDelta(value!);
      if (delta.kind !== "pane") continue;
      const profile = Profile.read(delta.bytes);
      expect(profile.flushOrigins).toBeUndefined();
    }
  });
});

/** What is planted is in the 46th of 48 windows. */
const LONG = { windows: 48, perWindow: 400, partitions: 4, seed: 11 };
const FAULTY = 45;
const FAULTY_START = new Date(START_MS + FAULTY * HOUR_MS).toISOString();

async function openedBy(options: StreamOptions, dataset = DATASET) {
  const deltas = await deltasOf(eventsOf(options), { ...options, dataset, flushRecords: 150 });
  const { outputs } = await judgeRun({ deltas, datasets: [dataset] });
  const opened = alertsOf(outputs[TOPICS.alerts]!).find(
    ({ state, windowStart }) => state === "opened" && windowStart === FAULTY_START,
  );
  return { deltas, outputs, opened };
}

describe("the judge", () => {
  test("names the partition that nulls come from, in the alert and in its sentence", async () => {
    const { opened } = await openedBy({
      ...LONG,
      plant: (sent, window) => {
        if (window === FAULTY && sent.partition === 3) sent.trip.fare = null;
      },
    });
    expect(opened).toMatchObject({
      concentration: [{ metric: "null_rate(fare)", dimension: "partition", value: "3", observed: 1 }],
    });
    expect(opened!.sentence).toMatch(/ of `fare` is null, expected .*; (all|9\d %) of it from partition 3/);
  });

  test("names the schema that nulls come from, of which some came before", async () => {
    const { opened } = await openedBy({
      ...LONG,
      schemaOf: (random) => (random.below(4) === 0 ? 1 : 0),
      plant: (sent, window) => {
        if (window === FAULTY && sent.schema === 1) sent.trip.fare = null;
      },
    });
    expect(opened!.concentration).toMatchObject([{ dimension: "schema", value: "2", observed: 1 }]);
    expect(opened!.sentence).toMatch(/(all|9\d %) of it in events of schema id 2/);
  });

  test("says that the schema came with the fault", async () => {
    const { opened } = await openedBy({
      ...LONG,
      schemaOf: (random, window) => (window >= FAULTY && random.below(2) === 0 ? 1 : 0),
      plant: (sent) => {
        if (sent.schema === 1) sent.trip.fare = null;
      },
    });
    expect(opened!.concentration).toMatchObject([{ dimension: "schema", value: "2", isNew: true }]);
    expect(opened!.sentence).toMatch(/(all|9\d %) of it since schema id 2 came/);
  });

  test("names the producer, as its header says, and not the partitions that it shares with others", async () => {
    const options: StreamOptions = {
      ...LONG,
      producerOf: (random) => ["pay", "shop", "web"][random.below(3)]!,
      plant: (sent, window) => {
        if (window === FAULTY && sent.producer === "shop") sent.trip.fare = null;
      },
    };
    const { opened } = await openedBy(options, WITH_PRODUCERS);
    expect(opened!.concentration).toMatchObject([{ dimension: "producer", value: "service=shop", observed: 1 }]);
    expect(opened!.sentence).toMatch(/(all|9\d %) of it from service=shop/);
    // Nobody asked for the header.
    expect((await openedBy(options)).opened).not.toHaveProperty("concentration");
  });

  test("names the producer that sends nothing any more", async () => {
    const { opened } = await openedBy(
      {
        ...LONG,
        producerOf: (random) => ["pay", "shop", "web"][random.below(3)]!,
        plant: (sent, window) => {
          if (window === FAULTY && sent.producer === "web") sent.isLost = true;
        },
      },
      WITH_PRODUCERS,
    );
    expect(opened!.sentence).toMatch(/; service=web sent nothing, usually \d+/);
  });

  test("names the partition that sends nothing any more", async () => {
    const { opened } = await openedBy({
      ...LONG,
      plant: (sent, window) => {
        if (window === FAULTY && sent.partition === 1) sent.isLost = true;
      },
    });
    expect(opened).toMatchObject({
      kind: "less-than-usual",
      concentration: [{ metric: "row_count()", dimension: "partition", value: "1", observed: 0 }],
    });
    expect(opened!.sentence).toMatch(/; partition 1 sent nothing, usually \d+/);
  });

  test("points to records that cannot be decoded, of the partition that is named first", async () => {
    const options = {
      ...LONG,
      plant: (sent: Sent, window: number, random: SeededRandom) => {
        if (window === FAULTY && sent.partition === 2 && random.below(2) === 0) sent.schema = -1;
        if (window === FAULTY && sent.partition === 0 && random.below(50) === 0) sent.schema = -1;
      },
    };
    const { opened } = await openedBy(options);
    expect(opened!.causes.map(({ metric }) => metric)).toContain("undecodable_share()");
    const about = opened!.concentration!.filter(({ metric }) => metric === "undecodable_share()");
    expect(about).toMatchObject([{ dimension: "partition", value: "2" }]);
    const offsetsOf = (wanted: number) => {
      const own = eventsOf(options).filter(({ partition }) => partition === wanted);
      return own.flatMap(({ schema }, offset) => (schema < 0 ? [{ topic: "trips", partition: wanted, offset }] : []));
    };
    expect(offsetsOf(2).length).toBeGreaterThan(20);
    expect(opened!.evidence).toEqual([...offsetsOf(2).slice(0, 2), ...offsetsOf(0).slice(0, 2)]);
  });

  test("points to records that are invalid", async () => {
    const options = {
      ...LONG,
      plant: (sent: Sent, window: number, random: SeededRandom) => {
        if (window === FAULTY && random.below(4) === 0) sent.isInvalid = true;
      },
    };
    const { opened } = await openedBy(options);
    expect(opened!.causes.map(({ metric }) => metric)).toContain("invalid_share()");
    const expected = [0, 1, 2, 3].flatMap((partition) => {
      const own = eventsOf(options).filter((sent) => sent.partition === partition);
      const offsets = own.flatMap(({ isInvalid }, offset) => (isInvalid === true ? [offset] : []));
      return offsets.slice(0, 2).map((offset) => ({ topic: "trips", partition, offset }));
    });
    expect(opened!.evidence).toEqual(expected);
    expect(opened).not.toHaveProperty("concentration");
  });

  test("names none where nulls are spread evenly", async () => {
    const { opened } = await openedBy({
      ...LONG,
      schemaOf: (random) => (random.below(4) === 0 ? 1 : 0),
      plant: (sent, window, random) => {
        if (window === FAULTY && random.next() < 0.3) sent.trip.fare = null;
      },
    });
    expect(opened!.causes[0]!.metric).toBe("null_rate(fare)");
    expect(opened).not.toHaveProperty("concentration");
    expect(opened!.evidence).toEqual([]);
  });

  test("goes on from its state to the same outputs, wherever it was interrupted", async () => {
    const plan = {
      ...LONG,
      schemaOf: (random: { below(n: number): number }) => (random.below(4) === 0 ? 1 : 0),
      plant: (sent: Sent, window: number) => {
        if (window === FAULTY && sent.partition === 3) {
          sent.trip.fare = null;
          if (sent.trip.shared) sent.schema = -1;
        }
      },
    };
    const { deltas, outputs, opened } = await openedBy(plan);
    expect(opened!.concentration!.length).toBeGreaterThan(1);
    expect(opened!.evidence).toHaveLength(2);
    const last = deltas.length;
    for (const cut of [0.5, 0.9, 0.913, 0.92, 0.925, 0.93].map((part) => Math.floor(part * last))) {
      const first = await judgeRun({ deltas: deltas.slice(0, cut), datasets: [DATASET] });
      const second = await judgeRun({ deltas, state: first.state, datasets: [DATASET] });
      for (const topic of [TOPICS.metrics, TOPICS.verdicts, TOPICS.alerts]) {
        expect([...first.outputs[topic]!, ...second.outputs[topic]!], `${topic} cut at ${cut}`).toEqual(outputs[topic]);
      }
    }
  });

  test("keeps origins of windows that were not judged yet, and of no others", async () => {
    const deltas = await deltasOf(eventsOf(LONG), { ...LONG, flushRecords: 150 });
    const half = deltas.slice(0, Math.floor(deltas.length / 2));
    const { state, outputs } = await judgeRun({ deltas: half, datasets: [DATASET] });
    const keys = state.map(({ key }) => String(key));
    const startsOf = (kind: string) =>
      keys.flatMap((key) => (key.includes(`|${kind}|`) ? [Number(key.split("|")[3])] : [])).sort();
    const told = outputs[TOPICS.metrics]!.map((line) => Date.parse(JSON.parse(line).windowStart as string));
    const open = startsOf("profile").filter((startMs) => !told.includes(startMs));
    expect(open.length).toBeGreaterThan(0);
    expect(startsOf("profile").length).toBeGreaterThan(open.length);
    expect(startsOf("origins")).toEqual(open);
    expect(keys.filter((key) => key.includes("|usual"))).toHaveLength(1);
  });
});
